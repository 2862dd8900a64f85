//! What waits goes into the lists, many messages at once: a list is written once for all messages that share its word, and a
//! transaction stays as small as the store likes it.
//!
//! ```text
//! begin ─▶ gather: some messages a step, their terms into memory ─▶ lists, places, waiting rows: some bytes a step
//! ```
//!
//! A merge is done in steps, so that nothing else waits for long. Each may be the last before a crash: whatever waits does so until all
//! of it is in, and taking it in again changes nothing.
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

/// So many are merged at once, and begun with when so many wait. Twice as many write each list half as often for as long as most
/// terms are in both halves; they wait in memory, and are read when the store is opened.
pub(super) const BATCH: usize = 4_096;

/// Messages whose terms are gathered in a step.
const GATHERED: usize = 128;

/// Bytes written in a step, about: a transaction of the size that a store likes.
const STEP: usize = 96 << 10;

/// What went leaves the lists within this time (milliseconds), while Wheesht runs.
const GONE_WITHIN_MS: u64 = 10 * 60_000;

/// A merge under way.
#[derive(Default)]
pub(super) struct Job {
    /// Rows and messages that are still to be gathered, the newest row first.
    rows: Vec<(u64, u64)>,
    /// What is left to be done.
    lists: BTreeMap<(bool, Term), Vec<Change>>,
    places: BTreeMap<(bool, u64), Vec<messages::Change>>,
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
    ctx.passing.search.gone = rows.len() > BATCH;
    rows.truncate(BATCH);
    rows.reverse();
    ctx.passing.search.job = Some(Job { rows, ..Job::default() });
    step(ctx)
}

fn step(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    let Some(mut job) = ctx.passing.search.job.take() else { return Ok(()) };
    if !job.rows.is_empty() {
        job.gather(ctx)?;
        ctx.passing.search.job = Some(job);
        return Ok(());
    }
    let mut written = 0;
    while written < STEP {
        if let Some(((timed, term), mut changes)) = job.lists.pop_first() {
            changes.sort_unstable_by_key(Change::doc);
            written += lists::change(ctx, half(u64::from(timed)), &term, &changes)?;
        } else if let Some((_, mut places)) = job.places.pop_first() {
            places.sort_unstable_by_key(|(number, _)| *number);
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

impl Job {
    /// The terms of the next messages. From now on part of them may be in the lists: that is noted first, in the same transaction.
    fn gather(&mut self, ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
        let rest = self.rows.len().saturating_sub(GATHERED);
        let rows = self.rows.split_off(rest);
        let mut state = waiting::state(ctx)?;
        state.merging = rows.iter().map(|(n, _)| *n).max().unwrap_or_default().max(state.merging);
        ctx.save(SEARCH_STATE, b"", 0, &state);
        for (n, number) in rows {
            // What has changed since the merge began waits under a newer row, for the next one.
            let Some(one) = ctx.passing.search.waiting.get(number).filter(|one| one.n == n) else { continue };
            let row = &one.row;
            let timed = number & 1 == 1;
            let new = row.new.as_ref().map(|text| postings(row, text)).unwrap_or_default();
            if let Some(old) = &row.old {
                for term in postings(row, old).into_keys().filter(|term| !new.contains_key(term)) {
                    self.lists.entry((timed, term)).or_default().push(Change::Remove(number));
                }
            }
            for (term, posting) in new {
                self.lists.entry((timed, term)).or_default().push(Change::Set(posting));
            }
            let place = row.new.as_ref().map(|_| (row.conversation, row.position));
            self.more += i64::from(row.new.is_some()) - i64::from(row.old.is_some());
            self.places.entry((timed, messages::span(number))).or_default().push((number, place));
            self.done.push((number, n));
        }
        Ok(())
    }
}
