//! The queue of events that the app has not acknowledged: kept by the library, bounded, replayed after a restart.

use super::{
    Ctx, EngineError,
    io::Effect,
    tables::{EVENT_COUNTS, EVENTS},
};
use crate::{
    api::{Event, EventId, EventKind},
    store::Direction,
};
use wheesht_proto::stored;

/// Most events kept. An app that has not taken 100,000 reads its history again instead.
pub(super) const MAX_EVENTS: u64 = 100_000;

/// Events handed over in one go when replaying; the driver asks again.
const REPLAY: usize = 1_000;

/// Keeps an event and hands it over.
pub(super) fn emit(ctx: &mut Ctx<'_, '_>, kind: EventKind) -> Result<(), EngineError> {
    let mut counts: stored::EventCounts = ctx.load(EVENT_COUNTS, b"", 0)?.unwrap_or_default();
    counts.last += 1;
    if counts.last - counts.acked > MAX_EVENTS {
        counts.acked += 1;
        counts.dropped += 1;
        ctx.tx.delete(EVENTS, b"", counts.acked);
    }
    let event = Event { id: Some(EventId(counts.last)), at: ctx.now, kind };
    let row = serde_json::to_vec(&event).map_err(|_| EngineError::Row { what: EVENTS.name() })?;
    ctx.tx.put(EVENTS, b"", counts.last, row);
    ctx.save(EVENT_COUNTS, b"", 0, &counts);
    ctx.effects.push(Effect::Event(event));
    Ok(())
}

/// Drops what the app has dealt with.
pub(super) fn acknowledge(ctx: &mut Ctx<'_, '_>, up_to: EventId) -> Result<(), EngineError> {
    let mut counts: stored::EventCounts = ctx.load(EVENT_COUNTS, b"", 0)?.unwrap_or_default();
    let up_to = up_to.0.min(counts.last);
    for id in counts.acked + 1..=up_to {
        ctx.tx.delete(EVENTS, b"", id);
    }
    if up_to > counts.acked {
        counts.acked = up_to;
        ctx.save(EVENT_COUNTS, b"", 0, &counts);
    }
    Ok(())
}

/// Hands over again what is not acknowledged, the oldest first, after saying how much was dropped. At most [`REPLAY`] come at once:
/// the driver asks again, for those after the last, until none come.
pub(super) fn replay(ctx: &mut Ctx<'_, '_>, after: EventId) -> Result<(), EngineError> {
    let mut counts: stored::EventCounts = ctx.load(EVENT_COUNTS, b"", 0)?.unwrap_or_default();
    if counts.dropped > 0 {
        ctx.passing_event(EventKind::Dropped { count: counts.dropped });
        counts.dropped = 0;
        ctx.save(EVENT_COUNTS, b"", 0, &counts);
    }
    let rows = ctx.tx.scan(
        EVENTS,
        b"",
        counts.acked.max(after.0).saturating_add(1)..=counts.last,
        Direction::Forward,
        REPLAY,
    )?;
    for (_, row) in rows {
        let event = serde_json::from_slice(&row).map_err(|_| EngineError::Row { what: EVENTS.name() })?;
        ctx.effects.push(Effect::Event(event));
    }
    Ok(())
}
