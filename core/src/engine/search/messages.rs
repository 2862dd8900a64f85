//! Where a message of a number stands: many to a row, by spans of time, whose rows' keys tell nothing of it.

use super::{
    postings::{put, take, unreadable},
    tables::half,
};
use crate::engine::{Ctx, EngineError};

/// Numbers whose last bits alone differ share a row: some two hours.
const SHARED_BITS: u32 = 17;

type Place = (u64, u64);

/// A message's number, and where it stands from now on.
pub(super) type Change = (u64, Option<Place>);

/// Conversation number and position of a message.
pub(super) fn find(ctx: &Ctx<'_, '_>, number: u64) -> Result<Option<Place>, EngineError> {
    let row = row(ctx, number)?;
    Ok(row
        .binary_search_by_key(&number, |(number, _)| *number)
        .ok()
        .and_then(|at| row.get(at))
        .map(|(_, place)| *place))
}

/// Writes or removes many of one row. Gives how many bytes will be written, about.
pub(super) fn change(ctx: &mut Ctx<'_, '_>, changes: &[Change]) -> Result<usize, EngineError> {
    let Some((first, _)) = changes.first() else { return Ok(0) };
    let mut known = row(ctx, *first)?;
    for (number, place) in changes {
        let at = known.binary_search_by_key(number, |(number, _)| *number);
        match (at, place) {
            (Ok(at), Some(place)) => {
                if let Some(known) = known.get_mut(at) {
                    known.1 = *place;
                }
            }
            (Ok(at), None) => drop(known.remove(at)),
            (Err(at), Some(place)) => known.insert(at, (*number, *place)),
            (Err(_), None) => {}
        }
    }
    let table = half(*first).messages;
    if known.is_empty() {
        ctx.tx.delete(table, &key(*first), 0);
        return Ok(64);
    }
    let mut bytes = Vec::new();
    let mut before = span(*first) << SHARED_BITS;
    for (number, (conversation, position)) in known {
        put(&mut bytes, number - before);
        put(&mut bytes, conversation);
        put(&mut bytes, position);
        before = number;
    }
    let written = bytes.len() + 64;
    ctx.tx.put(table, &key(*first), 0, bytes);
    Ok(written)
}

/// Which row a number lies in.
pub(super) const fn span(number: u64) -> u64 {
    number >> SHARED_BITS
}

fn key(number: u64) -> [u8; 8] {
    span(number).to_be_bytes()
}

fn row(ctx: &Ctx<'_, '_>, number: u64) -> Result<Vec<(u64, Place)>, EngineError> {
    let Some(row) = ctx.tx.get(half(number).messages, &key(number), 0)? else { return Ok(Vec::new()) };
    let mut bytes = row.as_slice();
    let mut number = span(number) << SHARED_BITS;
    let mut found = Vec::new();
    while !bytes.is_empty() {
        number = number.checked_add(take(&mut bytes)?).ok_or_else(unreadable)?;
        found.push((number, (take(&mut bytes)?, take(&mut bytes)?)));
    }
    Ok(found)
}
