//! What the index has still to learn: one small row for each message that came, changed or went since, beside the message's own and
//! in the same transaction. All of them are kept in memory too, where a search looks first.
//!
//! ```text
//! message written ─▶ row that waits (daily key) ──[merge], when there are many, or something went──▶ lists
//! ```
// SEA-5

use std::{borrow::Cow, collections::BTreeMap};

use wheesht_proto::{
    prost::Message as _,
    stored::{HistoryEntry, SearchText, SearchWaiting, SearchWord, history_entry},
};

use super::{
    super::tables::{SEARCH_STATE, SEARCH_WAITING},
    merge::{self, BATCH},
    messages, terms,
};
use crate::{
    engine::{Ctx, EngineError, timers::Timer},
    store::Direction,
};

/// Numbers follow time in steps of this (milliseconds): messages in the same step are told apart by chance.
const STEP_MS: u64 = 128;

/// What waits, by the message's number.
#[derive(Default)]
pub(super) struct Waiting(BTreeMap<u64, One>);

pub(super) struct One {
    /// Its row.
    pub(super) n: u64,
    pub(super) row: SearchWaiting,
}

impl Waiting {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn get(&self, number: u64) -> Option<&One> {
        self.0.get(&number)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &One)> {
        self.0.iter().map(|(number, one)| (*number, one))
    }

    pub(super) fn holds(&self, number: u64) -> bool {
        self.0.contains_key(&number)
    }
}

/// What of an entry can be found: its text, and behind it the name of its file.
// SEA-3
pub(crate) fn text_of(entry: &HistoryEntry) -> Option<Cow<'_, str>> {
    let Some(history_entry::Body::Text(text)) = &entry.body else { return None };
    Some(match &entry.file {
        // The caption first: what is marked in it lies where it was counted.
        Some(file) => {
            let name = file.reference.as_ref().map_or("", |reference| reference.name.as_str());
            Cow::Owned(format!("{text}\n{name}"))
        }
        None => Cow::Borrowed(text),
    })
}

fn searchable(entry: &HistoryEntry) -> Option<SearchText> {
    let text = text_of(entry)?;
    let kinds = match &entry.file {
        Some(file) => {
            let reference = file.reference.as_ref();
            let picture = reference.is_some_and(|reference| reference.media_type.starts_with("image/"));
            if picture { terms::FILE | terms::PICTURE } else { terms::FILE }
        }
        None => terms::TEXT,
    };
    Some(terms::of_text(&text, kinds))
}

/// A new entry: gives it its number in the index. The caller writes the entry.
pub(crate) fn added(
    ctx: &mut Ctx<'_, '_>,
    conversation: u64,
    position: u64,
    entry: &mut HistoryEntry,
) -> Result<(), EngineError> {
    let Some(new) = searchable(entry) else { return Ok(()) };
    entry.search = number(ctx, entry)?;
    if entry.search == 0 {
        return Ok(());
    }
    let row = SearchWaiting {
        number: entry.search,
        conversation,
        position,
        sender: entry.sender.clone(),
        old: None,
        new: Some(new),
    };
    wait(ctx, row)
}

/// An entry says something else now, or nothing.
pub(crate) fn changed(
    ctx: &mut Ctx<'_, '_>,
    (conversation, position): (u64, u64),
    before: &HistoryEntry,
    after: &mut HistoryEntry,
) -> Result<(), EngineError> {
    if before.search == 0 {
        return Ok(());
    }
    let (old, new) = (searchable(before), searchable(after));
    after.search = if new.is_some() { before.search } else { 0 };
    if old == new {
        return Ok(());
    }
    let number = before.search;
    let mut row = SearchWaiting { number, conversation, position, sender: before.sender.clone(), old, new };
    let merging = state(ctx)?.merging;
    if let Some(known) = ctx.passing.search.waiting.0.get(&number) {
        let unmerged = known.n > merging;
        row.old = match (&known.row.old, unmerged) {
            (None, true) => None,
            (Some(old), true) => Some(old.clone()),
            // Part of it may be in the lists already.
            (old, false) => Some(both(old.as_ref(), known.row.new.as_ref())),
        };
    }
    forget(ctx, number);
    if row.old.is_none() && row.new.is_none() {
        return Ok(());
    }
    if row.new.is_none() {
        merge::soon(ctx);
    }
    wait(ctx, row)
}

/// An entry goes.
pub(crate) fn removed(
    ctx: &mut Ctx<'_, '_>,
    place: (u64, u64),
    entry: &HistoryEntry,
) -> Result<(), EngineError> {
    changed(ctx, place, entry, &mut HistoryEntry::default())
}

/// Finds what waits again, after a start.
pub(super) fn start(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    for (n, bytes) in ctx.tx.scan(SEARCH_WAITING, b"", .., Direction::Forward, usize::MAX)? {
        let row = SearchWaiting::decode(bytes.as_slice())
            .map_err(|_| EngineError::Row { what: SEARCH_WAITING.name() })?;
        if row.new.is_none() {
            merge::soon(ctx);
        }
        ctx.passing.search.waiting.0.insert(row.number, One { n, row });
    }
    Ok(())
}

/// What waits for a message is in the lists, unless it has changed since.
pub(super) fn merged(ctx: &mut Ctx<'_, '_>, number: u64, n: u64) {
    if ctx.passing.search.waiting.0.get(&number).is_some_and(|one| one.n == n) {
        forget(ctx, number);
    }
}

/// How far the index has come.
pub(super) fn state(ctx: &Ctx<'_, '_>) -> Result<wheesht_proto::stored::SearchState, EngineError> {
    Ok(ctx.load(SEARCH_STATE, b"", 0)?.unwrap_or_default())
}

fn wait(ctx: &mut Ctx<'_, '_>, row: SearchWaiting) -> Result<(), EngineError> {
    let n = ctx.tx.append(SEARCH_WAITING, b"", row.encode_to_vec())?;
    ctx.passing.search.waiting.0.insert(row.number, One { n, row });
    if ctx.passing.search.waiting.len() >= BATCH {
        let at = ctx.now.plus_millis(1);
        ctx.passing.timers.set_by(Timer::Search, at);
    }
    Ok(())
}

fn forget(ctx: &mut Ctx<'_, '_>, number: u64) {
    if let Some(one) = ctx.passing.search.waiting.0.remove(&number) {
        ctx.tx.delete(SEARCH_WAITING, b"", one.n);
    }
}

/// The words and kinds of both.
fn both(one: Option<&SearchText>, other: Option<&SearchText>) -> SearchText {
    let mut words = BTreeMap::new();
    let mut kinds = 0;
    for text in [one, other].into_iter().flatten() {
        kinds |= text.kinds;
        words.extend(text.words.iter().map(|word| (&word.word, &word.places)));
    }
    let words =
        words.into_iter().map(|(word, places)| SearchWord { word: word.clone(), places: places.clone() });
    SearchText { words: words.collect(), kinds }
}

/// A number that no other message has: it follows the time at which the message was written, and its last bit says which half of the
/// index it lies in.
fn number(ctx: &mut Ctx<'_, '_>, entry: &HistoryEntry) -> Result<u64, EngineError> {
    let timed = u64::from(entry.disappear_ms > 0);
    let first = (entry.sent_ms / STEP_MS).saturating_add(1).min(u64::MAX >> 8);
    // Whoever writes many messages of one moment makes this no slower: each try draws from a span eight times as wide.
    for tried in 0..20_u32 {
        let ahead = match 1_u64 << (3 * tried).min(40) {
            1 => 0,
            span => u64::from_be_bytes(ctx.random()) % span,
        };
        let number = (first + ahead) << 1 | timed;
        if !ctx.passing.search.waiting.holds(number) && messages::find(ctx, number)?.is_none() {
            return Ok(number);
        }
    }
    Ok(0)
}

/// The numbers of messages written in this span of time.
pub(super) fn numbers(from_ms: Option<u64>, until_ms: Option<u64>) -> (u64, u64) {
    let number = |ms: u64| (ms / STEP_MS).saturating_add(1).min(u64::MAX >> 8) << 1;
    let from = from_ms.map_or(0, number);
    // Those told apart by chance lie a little later; what is too late is seen when it is looked at.
    let until = until_ms.map_or(u64::MAX, |ms| number(ms.saturating_add(60_000)));
    (from, until)
}
