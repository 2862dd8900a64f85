//! The roster: one leaf per device of the members, beside the state.
//!
//! Everyone keeps their own; its hash stands in every message, so that a difference is seen, and repaired by asking for the
//! leaves that the other doesn't list. Merging is the same in whatever order leaves come: of two leaves of a device the higher
//! number stays, of two with one number the one with the higher hash.

use std::collections::{BTreeMap, btree_map::Entry};

use sha2::{Digest as _, Sha256};
use wheesht_proto::ids::{AccountId, DeviceId};

use super::leaf::Leaf;

/// What a leaf's hash is shortened to when one asks for those that one lacks.
const PREFIX_LEN: usize = 8;

/// What became of a leaf that was given to the roster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merged {
    /// The device had none.
    New,
    /// It replaced an older one.
    Replaced,
    /// This very leaf was there, or a newer one.
    Known,
}

/// The leaves of a group's devices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roster(BTreeMap<DeviceId, Leaf>);

impl Roster {
    /// Takes a leaf in, unless a newer one is there.
    // GRO-6
    pub fn merge(&mut self, leaf: Leaf) -> Merged {
        match self.0.entry(leaf.device()) {
            Entry::Vacant(place) => {
                place.insert(leaf);
                Merged::New
            }
            Entry::Occupied(mut place) => {
                let rank = |leaf: &Leaf| (leaf.number(), *leaf.hash());
                if rank(&leaf) <= rank(place.get()) {
                    return Merged::Known;
                }
                place.insert(leaf);
                Merged::Replaced
            }
        }
    }

    /// Keeps the leaves for which this holds.
    pub fn retain(&mut self, keep: impl Fn(&Leaf) -> bool) {
        self.0.retain(|_, leaf| keep(leaf));
    }

    /// The leaf of a device.
    pub fn leaf(&self, device: &DeviceId) -> Option<&Leaf> {
        self.0.get(device)
    }

    /// All leaves, by device id.
    pub fn leaves(&self) -> impl Iterator<Item = &Leaf> {
        self.0.values()
    }

    /// An account's leaves.
    pub fn of<'r>(&'r self, account: &'r AccountId) -> impl Iterator<Item = &'r Leaf> {
        self.leaves().filter(|leaf| leaf.identity() == *account)
    }

    /// How many leaves there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// SHA-256 over a label and the leaves' hashes, ascending.
    // GRO-7
    pub fn hash(&self) -> [u8; 32] {
        let mut hashes: Vec<_> = self.leaves().map(Leaf::hash).collect();
        hashes.sort_unstable();
        let mut digest = Sha256::new_with_prefix(b"wheesht/1 group roster\0");
        hashes.iter().for_each(|hash| digest.update(hash));
        digest.finalize().into()
    }

    /// The first bytes of each leaf's hash, ascending, one after the other: what one has, for who is asked for the rest.
    pub fn prefixes(&self) -> Vec<u8> {
        let mut prefixes: Vec<_> = self.leaves().map(prefix).collect();
        prefixes.sort_unstable();
        prefixes.concat()
    }

    /// The leaves that somebody with these prefixes lacks.
    pub fn lacking<'r>(&'r self, prefixes: &'r [u8]) -> impl Iterator<Item = &'r Leaf> {
        let (known, _) = prefixes.as_chunks::<PREFIX_LEN>();
        let mut known = known.to_vec();
        known.sort_unstable();
        self.leaves().filter(move |leaf| known.binary_search(&prefix(leaf)).is_err())
    }
}

impl FromIterator<Leaf> for Roster {
    fn from_iter<I: IntoIterator<Item = Leaf>>(leaves: I) -> Self {
        let mut roster = Self::default();
        leaves.into_iter().for_each(|leaf| {
            roster.merge(leaf);
        });
        roster
    }
}

fn prefix(leaf: &Leaf) -> [u8; PREFIX_LEN] {
    leaf.hash().first_chunk().copied().unwrap_or_default()
}
