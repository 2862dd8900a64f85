//! In which messages a term stands: lists of message numbers in ascending order, packed.
//!
//! ```text
//! posting = number less the one before ‖ (words only) weight ‖ places, each less the one before      integers as in protobuf
//! weight  = how many places (4 bits; 15: perhaps more) ‖ length of the message (4 bits: its logarithm)
//! ```

use crate::engine::EngineError;

/// One posting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Posting {
    pub(super) doc: u64,
    pub(super) weight: u8,
    pub(super) places: Vec<u16>,
}

/// Many, each with an eye on memory.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct List {
    pub(super) docs: Vec<u64>,
    pub(super) weights: Vec<u8>,
    /// Where each one's places end.
    ends: Vec<u32>,
    places: Vec<u16>,
}

/// Most places kept.
pub(super) const MAX_PLACES: usize = 15;

impl List {
    pub(super) fn len(&self) -> usize {
        self.docs.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.docs.is_empty()
    }

    pub(super) fn push(&mut self, doc: u64, weight: u8, places: &[u16]) {
        self.docs.push(doc);
        self.weights.push(weight);
        self.places.extend_from_slice(places);
        self.ends.push(u32::try_from(self.places.len()).unwrap_or(u32::MAX));
    }

    /// How heavy the posting at an index is, and where its words stand.
    pub(super) fn get(&self, at: usize) -> (u8, &[u16]) {
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).map_or(0, |end| *end as usize);
        let end = self.ends.get(at).map_or(start, |end| *end as usize);
        (self.weights.get(at).copied().unwrap_or_default(), self.places.get(start..end).unwrap_or_default())
    }

    /// Everything of another that comes after.
    pub(super) fn extend(&mut self, other: &Self) {
        for (at, doc) in other.docs.iter().enumerate() {
            let (weight, places) = other.get(at);
            self.push(*doc, weight, places);
        }
    }

    /// Takes one in, in place of one with its number. Gives whether there was none.
    pub(super) fn set(&mut self, one: &Posting) -> bool {
        let known = self.remove(one.doc);
        let mut out = Self::default();
        let split = self.docs.partition_point(|doc| *doc < one.doc);
        if split == self.docs.len() {
            self.push(one.doc, one.weight, &one.places);
            return !known;
        }
        for (at, doc) in self.docs.iter().enumerate() {
            if at == split {
                out.push(one.doc, one.weight, &one.places);
            }
            let (weight, places) = self.get(at);
            out.push(*doc, weight, places);
        }
        *self = out;
        !known
    }

    /// Takes one out. Gives whether it was there.
    pub(super) fn remove(&mut self, doc: u64) -> bool {
        let Ok(found) = self.docs.binary_search(&doc) else { return false };
        let mut out = Self::default();
        for (at, doc) in self.docs.iter().enumerate() {
            if at != found {
                let (weight, places) = self.get(at);
                out.push(*doc, weight, places);
            }
        }
        *self = out;
        true
    }

    /// The second half, taken away.
    pub(super) fn split_half(&mut self) -> Self {
        let half = self.len() / 2;
        let (mut one, mut other) = (Self::default(), Self::default());
        for (at, doc) in self.docs.iter().enumerate() {
            let (weight, places) = self.get(at);
            if at < half { &mut one } else { &mut other }.push(*doc, weight, places);
        }
        *self = one;
        other
    }

    /// Packs it. `bare`: numbers alone.
    pub(super) fn encode(&self, bare: bool, out: &mut Vec<u8>) {
        let mut last = 0;
        for (at, doc) in self.docs.iter().enumerate() {
            put(out, doc - last);
            last = *doc;
            if bare {
                continue;
            }
            let (weight, places) = self.get(at);
            out.push(weight);
            let mut before = 0;
            for place in places {
                put(out, u64::from(place.saturating_sub(before)));
                before = *place;
            }
        }
    }

    /// Unpacks what [`Self::encode`] has packed, behind what is there.
    pub(super) fn decode(&mut self, bare: bool, bytes: &[u8]) -> Result<(), EngineError> {
        let mut bytes = bytes;
        let mut doc = 0_u64;
        while !bytes.is_empty() {
            doc = doc.checked_add(take(&mut bytes)?).ok_or_else(unreadable)?;
            if bare {
                self.docs.push(doc);
                self.weights.push(0);
                self.ends.push(u32::try_from(self.places.len()).unwrap_or(u32::MAX));
                continue;
            }
            let (weight, rest) = bytes.split_first().ok_or_else(unreadable)?;
            bytes = rest;
            let mut place = 0_u64;
            for _ in 0..weight >> 4 {
                place = place.checked_add(take(&mut bytes)?).ok_or_else(unreadable)?;
                self.places.push(u16::try_from(place).map_err(|_| unreadable())?);
            }
            self.docs.push(doc);
            self.weights.push(*weight);
            self.ends.push(u32::try_from(self.places.len()).unwrap_or(u32::MAX));
        }
        Ok(())
    }
}

/// Appends an integer.
pub(super) fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Takes an integer off.
pub(super) fn take(bytes: &mut &[u8]) -> Result<u64, EngineError> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or_else(unreadable)?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(unreadable())
}

pub(super) const fn unreadable() -> EngineError {
    EngineError::Row { what: "search index" }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn sea_4_a_list_agrees_with_a_map_and_survives_its_bytes(
            changes in proptest::collection::vec((0_u64..200, any::<bool>(), proptest::collection::vec(0_u16..2_000, 0..15)), 0..100),
        ) {
            let (mut list, mut map) = (List::default(), BTreeMap::new());
            for (doc, add, mut places) in changes {
                places.sort_unstable();
                let weight = (places.len() as u8) << 4 | 3;
                if add {
                    let new = map.insert(doc, (weight, places.clone())).is_none();
                    prop_assert_eq!(list.set(&Posting { doc, weight, places }), new);
                } else {
                    prop_assert_eq!(list.remove(doc), map.remove(&doc).is_some());
                }
            }
            let mut bytes = Vec::new();
            list.encode(false, &mut bytes);
            let mut back = List::default();
            back.decode(false, &bytes).unwrap();
            prop_assert_eq!(&back, &list);
            let shown: Vec<_> = (0..list.len()).map(|at| (list.docs[at], (list.get(at).0, list.get(at).1.to_vec()))).collect();
            prop_assert_eq!(shown, map.into_iter().collect::<Vec<_>>());
            let mut bare = Vec::new();
            list.encode(true, &mut bare);
            let mut numbers = List::default();
            numbers.decode(true, &bare).unwrap();
            prop_assert_eq!(numbers.docs, list.docs);
        }

        #[test]
        fn sea_4_any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = List::default().decode(false, &bytes);
            let _ = List::default().decode(true, &bytes);
        }
    }
}
