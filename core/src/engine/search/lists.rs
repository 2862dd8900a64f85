//! Where a term's postings lie, and how changes get in.
//!
//! Most terms stand in a few messages: one row holds all. Of a longer list that row, the *head*, holds the end, and which block holds
//! what before it:
//!
//! ```text
//! (term, 0)  head  = how many ‖ next block ‖ blocks (1…) ‖ each: first number, less the one before ‖ block ‖ the end's first number
//!                    ‖ postings
//! (term, n)  block = postings
//! ```
//!
//! Blocks are numbered as they are made, so that no row's key tells a time. A term that stands nowhere any more has no row, and its
//! word goes from the dictionary.
// SEA-4

use super::{
    dictionary,
    postings::{List, Posting, put, take, unreadable},
    tables::Tables,
    terms::Term,
};
use crate::{
    engine::{Ctx, EngineError},
    store::Direction,
};

/// A list's end moves into a block when it is longer than this, and a block is split at twice the size (bytes).
const BLOCK: usize = 1_024;

/// A term's head.
#[derive(Debug, Default, Clone)]
pub(super) struct Head {
    /// In how many messages it stands.
    pub(super) count: u64,
    next: u64,
    /// First message number, and which block, in order of the numbers.
    blocks: Vec<(u64, u64)>,
    /// The end's first number: everything before lies in blocks.
    end: u64,
    tail: List,
}

/// A change to a term's list.
pub(super) enum Change {
    Set(Posting),
    Remove(u64),
}

impl Change {
    pub(super) const fn doc(&self) -> u64 {
        match self {
            Self::Set(posting) => posting.doc,
            Self::Remove(doc) => *doc,
        }
    }
}

/// Which messages are looked for: numbers in this range, and of these if they are known already.
#[derive(Clone, Copy)]
pub(super) struct Among<'a> {
    pub(super) from: u64,
    pub(super) until: u64,
    pub(super) only: Option<&'a [u64]>,
}

impl Among<'_> {
    /// Whether a span of numbers may hold any.
    fn meets(&self, first: u64, next: u64) -> bool {
        if next <= self.from || first >= self.until {
            return false;
        }
        self.only.is_none_or(|only| {
            only.get(only.partition_point(|doc| *doc < first)).is_some_and(|doc| *doc < next)
        })
    }

    fn holds(&self, doc: u64) -> bool {
        doc >= self.from && doc < self.until && self.only.is_none_or(|only| only.binary_search(&doc).is_ok())
    }
}

/// A term's head, if it stands anywhere.
pub(super) fn head(ctx: &Ctx<'_, '_>, tables: Tables, term: &Term) -> Result<Option<Head>, EngineError> {
    let Some(row) = ctx.tx.get(tables.lists, term.as_bytes(), 0)? else { return Ok(None) };
    let mut bytes = row.as_slice();
    let mut head = Head { count: take(&mut bytes)?, next: take(&mut bytes)?, ..Default::default() };
    let mut first = 0_u64;
    for _ in 0..take(&mut bytes)? {
        first = first.checked_add(take(&mut bytes)?).ok_or_else(unreadable)?;
        head.blocks.push((first, take(&mut bytes)?));
    }
    head.end = take(&mut bytes)?;
    head.tail.decode(term.is_bare(), bytes)?;
    Ok(Some(head))
}

/// Where a term stands, as far as it is looked for.
pub(super) fn read(
    ctx: &Ctx<'_, '_>,
    tables: Tables,
    term: &Term,
    head: &Head,
    among: Among<'_>,
) -> Result<List, EngineError> {
    let bare = term.is_bare();
    let mut found = List::default();
    let needed: Vec<u64> =
        head.spans().filter(|(span, _)| among.meets(span.0, span.1)).map(|(_, n)| n).collect();
    // One look at all is cheaper than one at each of most.
    let mut all = if needed.len() * 4 > head.blocks.len() && needed.len() > 8 {
        ctx.tx.scan(tables.lists, term.as_bytes(), 1.., Direction::Forward, usize::MAX)?
    } else {
        Vec::new()
    };
    for n in needed {
        match all.binary_search_by_key(&n, |(n, _)| *n).ok().and_then(|at| all.get_mut(at)) {
            Some((_, block)) => found.decode(bare, block)?,
            None => match ctx.tx.get(tables.lists, term.as_bytes(), n)? {
                Some(block) => found.decode(bare, &block)?,
                None => return Err(unreadable()),
            },
        }
    }
    found.extend(&head.tail);
    if among.from == 0 && among.until == u64::MAX && among.only.is_none() {
        return Ok(found);
    }
    let mut kept = List::default();
    for (at, doc) in found.docs.iter().enumerate().filter(|(_, doc)| among.holds(**doc)) {
        let (weight, places) = found.get(at);
        kept.push(*doc, weight, places);
    }
    Ok(kept)
}

/// Changes a term's list; the changes come in order of the messages' numbers. Gives how many bytes will be written, about.
pub(super) fn change(
    ctx: &mut Ctx<'_, '_>,
    tables: Tables,
    term: &Term,
    changes: &[Change],
) -> Result<usize, EngineError> {
    let known = head(ctx, tables, term)?;
    let new = known.is_none();
    let mut head = known.unwrap_or_default();
    let mut written = 0;
    // From the end: what is behind stays where it is when a block is split or goes.
    let inside = changes.partition_point(|change| change.doc() < head.end);
    for at in (0..head.blocks.len()).rev().filter(|_| inside > 0) {
        let Some((span, n)) = head.span(at) else { continue };
        let first = if at == 0 { 0 } else { changes.partition_point(|change| change.doc() < span.0) };
        let here = changes.get(first..changes.partition_point(|change| change.doc() < span.1));
        if let Some(here) = here.filter(|here| !here.is_empty()) {
            written += change_block(ctx, tables, term, &mut head, (at, n), here)?;
        }
    }
    let end = if head.blocks.is_empty() { 0 } else { head.end };
    for one in changes.iter().skip_while(|change| change.doc() < end) {
        apply(&mut head.count, &mut head.tail, one);
    }
    written += cut_tail(ctx, tables, term, &mut head);
    if head.count == 0 && head.tail.is_empty() && head.blocks.is_empty() {
        ctx.tx.delete(tables.lists, term.as_bytes(), 0);
        if let Some(word) = term.as_word().filter(|_| !new) {
            dictionary::remove(ctx, tables, word)?;
        }
        return Ok(written + 64);
    }
    if let Some(word) = term.as_word().filter(|_| new) {
        written += dictionary::add(ctx, tables, word)?;
    }
    let row = head.encode(term.is_bare());
    written += row.len() + 64;
    ctx.tx.put(tables.lists, term.as_bytes(), 0, row);
    Ok(written)
}

fn change_block(
    ctx: &mut Ctx<'_, '_>,
    tables: Tables,
    term: &Term,
    head: &mut Head,
    (at, n): (usize, u64),
    changes: &[Change],
) -> Result<usize, EngineError> {
    let bare = term.is_bare();
    let block = ctx.tx.get(tables.lists, term.as_bytes(), n)?.ok_or_else(unreadable)?;
    let mut list = List::default();
    list.decode(bare, &block)?;
    for one in changes {
        apply(&mut head.count, &mut list, one);
    }
    let Some(first) = list.docs.first().copied() else {
        ctx.tx.delete(tables.lists, term.as_bytes(), n);
        head.blocks.remove(at);
        return Ok(64);
    };
    if let Some(known) = head.blocks.get_mut(at) {
        known.0 = first;
    }
    let mut bytes = Vec::new();
    list.encode(bare, &mut bytes);
    let mut written = bytes.len() + 64;
    if bytes.len() > 2 * BLOCK && list.len() > 1 {
        let other = list.split_half();
        let (mut one, mut two) = (Vec::new(), Vec::new());
        list.encode(bare, &mut one);
        other.encode(bare, &mut two);
        head.next += 1;
        if let Some(first) = other.docs.first() {
            head.blocks.insert(at + 1, (*first, head.next));
        }
        ctx.tx.put(tables.lists, term.as_bytes(), head.next, two);
        bytes = one;
        written += 64;
    }
    ctx.tx.put(tables.lists, term.as_bytes(), n, bytes);
    Ok(written)
}

/// The end becomes blocks when it is long.
fn cut_tail(ctx: &mut Ctx<'_, '_>, tables: Tables, term: &Term, head: &mut Head) -> usize {
    let bare = term.is_bare();
    let mut bytes = Vec::new();
    head.tail.encode(bare, &mut bytes);
    if bytes.len() <= BLOCK {
        return 0;
    }
    let mut rest = vec![std::mem::take(&mut head.tail)];
    let mut written = 0;
    while let Some(mut list) = rest.pop() {
        let mut bytes = Vec::new();
        list.encode(bare, &mut bytes);
        if bytes.len() > 2 * BLOCK && list.len() > 1 {
            let other = list.split_half();
            rest.extend([other, list]);
            continue;
        }
        let (Some(first), Some(last)) = (list.docs.first(), list.docs.last()) else { continue };
        head.next += 1;
        head.blocks.push((*first, head.next));
        head.end = last + 1;
        written += bytes.len() + 64;
        ctx.tx.put(tables.lists, term.as_bytes(), head.next, bytes);
    }
    written
}

fn apply(count: &mut u64, list: &mut List, change: &Change) {
    match change {
        Change::Set(posting) => *count += u64::from(list.set(posting)),
        Change::Remove(doc) => *count = count.saturating_sub(u64::from(list.remove(*doc))),
    }
}

impl Head {
    /// The span of numbers of each block, and which it is.
    fn spans(&self) -> impl Iterator<Item = ((u64, u64), u64)> {
        (0..self.blocks.len()).filter_map(|at| self.span(at))
    }

    fn span(&self, at: usize) -> Option<((u64, u64), u64)> {
        let (first, n) = *self.blocks.get(at)?;
        let next = self.blocks.get(at + 1).map_or(self.end, |(next, _)| *next);
        Some(((first, next), n))
    }

    fn encode(&self, bare: bool) -> Vec<u8> {
        let mut out = Vec::new();
        put(&mut out, self.count);
        put(&mut out, self.next);
        put(&mut out, self.blocks.len() as u64);
        let mut before = 0;
        for (first, n) in &self.blocks {
            put(&mut out, first - before);
            put(&mut out, *n);
            before = *first;
        }
        put(&mut out, self.end);
        self.tail.encode(bare, &mut out);
        out
    }
}
