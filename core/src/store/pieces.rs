//! How keys and values stand in sled.
//!
//! sled keeps up to about 28 entries in a node, and writes a node of more than 128 KiB into a file of its own, which it
//! never syncs and removes too early. So no entry is larger than 4 KiB: longer values are cut.
//!
//! ```text
//! 1 ‖ key                → 0 ‖ value                    a value of at most 4 KiB
//! 1 ‖ key                → 1 ‖ length (4 bytes)         a longer one: its length,
//! 2 ‖ key ‖ number (4)   → piece                        and its pieces of 4 KiB, in order
//! ```

use std::{collections::BTreeMap, ops::Bound};

use ::sled::{Db, IVec};

use super::backend::{BackendError, Batch, Direction, KeyRange, KeyValue, Write};

/// The longest value in one piece.
pub(super) const PIECE: usize = 4096;

const ROW: u8 = 1;
const PART: u8 = 2;
const WHOLE: u8 = 0;
const CUT: u8 = 1;

const DAMAGED: BackendError = BackendError::Corrupt { what: "rows" };

/// The value of a key.
pub(super) fn get(db: &Db, key: &[u8]) -> Result<Option<Vec<u8>>, BackendError> {
    let head = db.get(row(key))?;
    head.map(|head| join(db, key, &head)).transpose()
}

/// The entries of a range.
pub(super) fn scan(
    db: &Db,
    range: &KeyRange,
    direction: Direction,
    limit: usize,
) -> Result<Vec<KeyValue>, BackendError> {
    let (start, end) = range.bounds();
    let start = match start {
        Bound::Unbounded => Bound::Included(vec![ROW]),
        bounded => bounded.map(row),
    };
    let end = match end {
        Bound::Unbounded => Bound::Excluded(vec![PART]),
        bounded => bounded.map(row),
    };
    let entries = db.range::<Vec<u8>, _>((start, end));
    let read = |entry: ::sled::Result<(IVec, IVec)>| -> Result<KeyValue, BackendError> {
        let (row, head) = entry?;
        let (_, key) = row.split_first().ok_or(DAMAGED)?;
        Ok((key.to_vec(), join(db, key, &head)?))
    };
    match direction {
        Direction::Forward => entries.take(limit).map(read).collect(),
        Direction::Backward => entries.rev().take(limit).map(read).collect(),
    }
}

/// A batch as sled takes it: of several changes to a key the last, and no piece left over of a value that was there.
pub(super) fn batch(db: &Db, batch: &Batch) -> Result<::sled::Batch, BackendError> {
    let mut last = BTreeMap::new();
    for write in batch.writes() {
        match write {
            Write::Put(key, value) => last.insert(key, Some(value)),
            Write::Delete(key) => last.insert(key, None),
        };
    }
    let mut out = ::sled::Batch::default();
    for (key, value) in last {
        let before = db.get(row(key))?.map_or(Ok(0), |head| pieces(&head))?;
        let after = value.map_or(0, |value| put(&mut out, key, value));
        if value.is_none() {
            out.remove(row(key));
        }
        for number in after..before {
            out.remove(part(key, number));
        }
    }
    Ok(out)
}

/// Puts a value, and says into how many pieces it was cut.
fn put(out: &mut ::sled::Batch, key: &[u8], value: &[u8]) -> u32 {
    if value.len() <= PIECE {
        out.insert(row(key), [&[WHOLE], value].concat());
        return 0;
    }
    // `Batch::check` has bounded the length.
    let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
    out.insert(row(key), [&[CUT], length.to_be_bytes().as_slice()].concat());
    let mut number = 0;
    for piece in value.chunks(PIECE) {
        out.insert(part(key, number), piece);
        number += 1;
    }
    number
}

/// The whole value, given what stands under its key.
fn join(db: &Db, key: &[u8], head: &[u8]) -> Result<Vec<u8>, BackendError> {
    if let Some((&WHOLE, value)) = head.split_first() {
        return Ok(value.to_vec());
    }
    let length = cut_length(head)?;
    let mut value = Vec::new();
    for number in 0..pieces(head)? {
        value.extend_from_slice(&db.get(part(key, number))?.ok_or(DAMAGED)?);
    }
    if value.len() == length { Ok(value) } else { Err(DAMAGED) }
}

/// How many pieces lie beside what stands under the key.
fn pieces(head: &[u8]) -> Result<u32, BackendError> {
    if head.first() == Some(&WHOLE) {
        return Ok(0);
    }
    u32::try_from(cut_length(head)?.div_ceil(PIECE)).map_err(|_| DAMAGED)
}

fn cut_length(head: &[u8]) -> Result<usize, BackendError> {
    let length = head.strip_prefix(&[CUT]).and_then(|length| length.try_into().ok()).ok_or(DAMAGED)?;
    usize::try_from(u32::from_be_bytes(length)).map_err(|_| DAMAGED)
}

fn row(key: impl AsRef<[u8]>) -> Vec<u8> {
    [&[ROW], key.as_ref()].concat()
}

fn part(key: &[u8], number: u32) -> Vec<u8> {
    [&[PART], key, &number.to_be_bytes()].concat()
}
