//! What waits goes into the lists, many messages at once: a list is written once for all messages that share its word, and a
//! transaction stays as small as the store likes it.
//!
//! A merge is done in steps. Each may be the last before a crash: whatever waits does so until all of it is in, and taking it in again
//! changes nothing.
// SEA-5

use std::collections::BTreeMap;

use super::{
    super::tables::SEARCH_STATE,
    fill,
    lists::{self, Change},
    messages,
    tables::half,
    terms::{Term, postings},
    waiting,
};
use crate::engine::{Ctx, EngineError, timers::Timer};

/// So many are merged at once, and begun with when so many wait.
pub(super) const BATCH: usize = 2_048;

/// Bytes written in a step, about: a transaction of the size that a store likes.
const STEP: usize = 96 << 10;

/// What went leaves the lists within this time (milliseconds), while Wheesht runs.
const GONE_WITHIN_MS: u64 = 10 * 60_000;

/// A merge under way.
pub(super) struct Job {
    /// What is left to be done.
    lists: BTreeMap<(bool, Term), Vec<Change>>,
    places: Vec<Vec<messages::Change>>,
    /// What will have been merged: message and row.
    done: Vec<(u64, u64)>,
    /// How many more messages the index holds afterwards.
    more: i64,
}

/// Something went: its words go too, together with those of what goes soon after.
pub(super) fn soon(ctx: &mut Ctx<'_, '_>) {
    ctx.passing.search.gone = true;
    let at = ctx.now.plus_millis(GONE_WITHIN_MS);
    ctx.passing.timers.set_by(Timer::Search, at);
}

/// After opening the store.
pub(super) fn start(ctx: &mut Ctx<'_, '_>) {
    if ctx.passing.search.waiting.len() >= BATCH {
        let at = ctx.now.plus_millis(1);
        ctx.passing.timers.set_by(Timer::Search, at);
    }
}

/// One step of whatever there is to do.
pub(crate) fn due(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    let busy = if ctx.passing.search.job.is_some() {
        step(ctx)?;
        true
    } else if ctx.passing.search.waiting.len() >= BATCH || ctx.passing.search.gone {
        begin(ctx)?;
        true
    } else {
        fill::step(ctx)?
    };
    let waits = ctx.passing.search.job.is_some() || ctx.passing.search.waiting.len() >= BATCH;
    if busy || waits {
        let at = ctx.now.plus_millis(1);
        ctx.passing.timers.set_by(Timer::Search, at);
    }
    Ok(())
}

fn begin(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    let mut rows: Vec<(u64, u64)> =
        ctx.passing.search.waiting.iter().map(|(number, one)| (one.n, number)).collect();
    rows.sort_unstable();
    rows.truncate(BATCH);
    ctx.passing.search.gone = false;
    let Some((newest, _)) = rows.last().copied() else { return Ok(()) };
    let mut state = waiting::state(ctx)?;
    state.merging = state.merging.max(newest);
    ctx.save(SEARCH_STATE, b"", 0, &state);
    if ctx.passing.search.waiting.len() > rows.len() {
        ctx.passing.search.gone = true;
    }
    let mut job = Job { lists: BTreeMap::new(), places: Vec::new(), done: Vec::new(), more: 0 };
    let mut places = BTreeMap::<(bool, u64), Vec<_>>::new();
    rows.sort_unstable_by_key(|(_, number)| *number);
    for (n, number) in rows {
        let Some(one) = ctx.passing.search.waiting.get(number) else { continue };
        let row = &one.row;
        let timed = number & 1 == 1;
        let new = row.new.as_ref().map(|text| postings(row, text)).unwrap_or_default();
        if let Some(old) = &row.old {
            for term in postings(row, old).into_keys().filter(|term| !new.contains_key(term)) {
                job.lists.entry((timed, term)).or_default().push(Change::Remove(number));
            }
        }
        for (term, posting) in new {
            job.lists.entry((timed, term)).or_default().push(Change::Set(posting));
        }
        let place = row.new.as_ref().map(|_| (row.conversation, row.position));
        job.more += i64::from(row.new.is_some()) - i64::from(row.old.is_some());
        places.entry((timed, messages::span(number))).or_default().push((number, place));
        job.done.push((number, n));
    }
    job.places = places.into_values().collect();
    ctx.passing.search.job = Some(job);
    Ok(())
}

fn step(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    let Some(mut job) = ctx.passing.search.job.take() else { return Ok(()) };
    let mut written = 0;
    while written < STEP {
        if let Some(((_, term), changes)) = job.lists.pop_first() {
            let Some(first) = changes.first() else { continue };
            written += lists::change(ctx, half(first.doc()), &term, &changes)?;
        } else if let Some(places) = job.places.pop() {
            written += messages::change(ctx, &places)?;
        } else if let Some((number, n)) = job.done.pop() {
            waiting::merged(ctx, number, n);
            written += 64;
        } else {
            let mut state = waiting::state(ctx)?;
            state.messages = state.messages.saturating_add_signed(job.more);
            ctx.save(SEARCH_STATE, b"", 0, &state);
            return Ok(());
        }
    }
    ctx.passing.search.job = Some(job);
    Ok(())
}
