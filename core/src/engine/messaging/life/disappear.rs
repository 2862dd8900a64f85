//! Messages that disappear: their time begins when they were sent, or read, and is kept in a row, so that it ends after a restart too.
//!
//! The row says when; the order in which they are due is passing. What is due goes from history, index, pins and the log of what
//! was sent. Its entry lay in a table whose key is replaced daily, so that what is deleted there can't be read a day later.

use std::collections::BTreeSet;

use wheesht_proto::{
    prost::Message as _,
    stored::{self, Expiry, HistoryEntry},
};

use super::super::{
    super::{Ctx, EngineError, tables::EXPIRIES, timers::Timer},
    conversations, history,
};
use crate::{api::ConversationId, store::Direction, time::Timestamp};

/// Messages that go in one step.
const AT_ONCE: usize = 200;

/// What is due when, by row.
#[derive(Default)]
pub(in super::super) struct Due(BTreeSet<(u64, u64)>);

/// The time of an entry begins at `from_ms`, if it has one and it has not begun. The caller saves the entry.
// CON-30
pub(in super::super) fn begin(
    ctx: &mut Ctx<'_, '_>,
    id: &ConversationId,
    position: u64,
    entry: &mut HistoryEntry,
    from_ms: u64,
) -> Result<(), EngineError> {
    if entry.disappear_ms == 0 || entry.expiry != 0 {
        return Ok(());
    }
    let at_ms = from_ms.min(ctx.now.as_millis()).saturating_add(entry.disappear_ms);
    let row = Expiry { conversation: conversations::key(id), position, at_ms };
    entry.expiry = ctx.tx.append(EXPIRIES, b"", row.encode_to_vec())?;
    ctx.passing.messaging.expiries.0.insert((at_ms, entry.expiry));
    ctx.passing.timers.set_by(Timer::Disappear, Timestamp::from_millis(at_ms));
    Ok(())
}

/// When an entry disappears.
pub(in super::super) fn at(
    ctx: &Ctx<'_, '_>,
    entry: &HistoryEntry,
) -> Result<Option<Timestamp>, EngineError> {
    if entry.expiry == 0 {
        return Ok(None);
    }
    let row = ctx.load::<Expiry>(EXPIRIES, b"", entry.expiry)?;
    Ok(row.map(|row| Timestamp::from_millis(row.at_ms)))
}

/// An entry goes before its time.
pub(in super::super) fn cancel(ctx: &mut Ctx<'_, '_>, entry: &HistoryEntry) -> Result<(), EngineError> {
    if let Some(at) = at(ctx, entry)? {
        ctx.tx.delete(EXPIRIES, b"", entry.expiry);
        ctx.passing.messaging.expiries.0.remove(&(at.as_millis(), entry.expiry));
    }
    Ok(())
}

/// Takes away what is due, a bounded number at once.
pub(in super::super) fn due(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    for _ in 0..AT_ONCE {
        let Some((at, n)) = ctx.passing.messaging.expiries.0.first().copied() else { break };
        if at > ctx.now.as_millis() {
            break;
        }
        ctx.passing.messaging.expiries.0.remove(&(at, n));
        let row = ctx.load::<Expiry>(EXPIRIES, b"", n)?;
        ctx.tx.delete(EXPIRIES, b"", n);
        let Some(row) = row else { continue };
        let Some(id) = conversations::from_key(&row.conversation) else { continue };
        if let Some((conversation, entry)) = entry(ctx, &id, row.position)?
            && entry.expiry == n
        {
            super::remove(ctx, &id, &conversation, row.position, &entry, false)?;
        }
    }
    arm(ctx);
    Ok(())
}

/// Finds what is due again, after a start.
pub(in super::super) fn start(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    for (n, row) in ctx.tx.scan(EXPIRIES, b"", .., Direction::Forward, usize::MAX)? {
        let row = Expiry::decode(row.as_slice()).map_err(|_| EngineError::Row { what: EXPIRIES.name() })?;
        ctx.passing.messaging.expiries.0.insert((row.at_ms, n));
    }
    arm(ctx);
    Ok(())
}

fn entry(
    ctx: &Ctx<'_, '_>,
    id: &ConversationId,
    position: u64,
) -> Result<Option<(stored::Conversation, HistoryEntry)>, EngineError> {
    let Some(conversation) = conversations::find(ctx, id)? else { return Ok(None) };
    Ok(history::entry(ctx, &conversation, position)?.map(|entry| (conversation, entry)))
}

fn arm(ctx: &mut Ctx<'_, '_>) {
    match ctx.passing.messaging.expiries.0.first() {
        Some((at, _)) => ctx.passing.timers.set(Timer::Disappear, Timestamp::from_millis(*at)),
        None => ctx.passing.timers.clear(Timer::Disappear),
    }
}
