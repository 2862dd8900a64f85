//! What was said, handed over to another own device: for one that joined later.
//!
//! ```text
//!  giver: SendHistory ─▶ row ─▶ [give] a part ─▶ ticket ─▶ blob ─▶ HistoryPart to the own devices ─▶ next part … last
//!  taker: HistoryPart ─▶ row ─▶ [take] blob ─▶ lines ─▶ history, some at a time ─▶ row and blob go
//! ```
//!
//! A part is lines of an export ([`crate::api::ExportLine`]), at most about a mebibyte, in a blob with a key of its own: so both sides
//! hold one part in memory, and whoever dies in between does one part again. How far the giver is moves in the transaction that
//! tells of a part; the taker forgets a part in the one that takes its last message in, and what is here already is not taken in twice.
//! Nothing waits for the other side. What is handed over is what an export has: no keys, and nothing that disappears.
//! Rules: `proto/spec/devices.md`, *Handing history over*.

mod give;
mod part;
mod take;

use wheesht_proto::{ids::DeviceId, prost::Message as Row};

use super::super::{Ctx, EngineError, blobs::BlobReport, timers::Timer};
use crate::{
    api::{Error, EventKind, HistoryTransfer, HistoryTransferState},
    store::Table,
    time::Timestamp,
};

pub(super) use give::{cancel, request};
pub(super) use take::receive;

/// First pause after a failure, and the longest (milliseconds).
const PAUSES: (u64, u64) = (2_000, 5 * 60_000);

/// What is under way.
#[derive(Default)]
pub(super) struct Passing {
    giving: Option<give::Giving>,
    taking: Option<take::Taking>,
    give_retry: Retry,
    take_retry: Retry,
}

/// When what failed is tried again.
#[derive(Default)]
struct Retry {
    attempts: u32,
    at: Option<Timestamp>,
}

impl Retry {
    /// It failed: not before that.
    fn fail(&mut self, now: Timestamp, least_ms: u64) {
        let pause = PAUSES.0.saturating_mul(1 << self.attempts.min(16)).min(PAUSES.1);
        self.attempts += 1;
        self.at = Some(now.plus_millis(pause.max(least_ms)));
    }

    fn rests(&self, now: Timestamp) -> bool {
        self.at.is_some_and(|at| at > now)
    }
}

/// Who waits for a report of the driver, or a ticket. The number is the row's.
#[derive(Clone)]
pub(crate) enum Pending {
    /// A part on its way up, or the ticket for it.
    Give(u64),
    /// A part on its way down.
    Take(u64),
}

// ---- Called by the frame -------------------------------------------------------------------------------------

/// Finds what is to go on, after a start or when there is a network again.
pub(super) fn online(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    let handover = &mut ctx.passing.messaging.handover;
    (handover.give_retry, handover.take_retry) = Default::default();
    due(ctx)
}

/// Goes on with what can go on.
pub(super) fn due(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    give::pump(ctx)?;
    take::pump(ctx)?;
    let handover = &ctx.passing.messaging.handover;
    let at = [&handover.give_retry, &handover.take_retry].into_iter().filter_map(|retry| retry.at).min();
    match at.filter(|at| *at > ctx.now) {
        _ if take::busy(ctx) => {
            // Some at a time: what else comes is not to wait for a whole part.
            let now = ctx.now;
            ctx.passing.timers.set(Timer::Handover, now);
        }
        Some(at) => ctx.passing.timers.set(Timer::Handover, at),
        None => ctx.passing.timers.clear(Timer::Handover),
    }
    Ok(())
}

/// The driver's last word on an order.
pub(super) fn report(ctx: &mut Ctx<'_, '_>, pending: Pending, report: BlobReport) -> Result<(), EngineError> {
    match pending {
        Pending::Give(n) => give::report(ctx, n, report)?,
        Pending::Take(n) => take::report(ctx, n, report)?,
    }
    due(ctx)
}

/// The relay has answered the wish for a ticket.
pub(super) fn ticket(
    ctx: &mut Ctx<'_, '_>,
    pending: Pending,
    ticket: Result<[u8; 32], Option<Error>>,
) -> Result<(), EngineError> {
    if let Pending::Give(n) = pending {
        give::ticket(ctx, n, ticket)?;
    }
    due(ctx)
}

/// Devices have left the account: nothing more is handed to them.
pub(super) fn removed(ctx: &mut Ctx<'_, '_>, devices: &[DeviceId]) -> Result<(), EngineError> {
    for device in devices {
        give::forget(ctx, device)?;
    }
    Ok(())
}

/// This device is no longer one of the account's.
pub(super) fn stopped(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    give::stopped(ctx)?;
    take::stopped(ctx)?;
    ctx.passing.timers.clear(Timer::Handover);
    Ok(())
}

/// How far it is. The end is kept until the app has it.
fn tell(
    ctx: &mut Ctx<'_, '_>,
    device: DeviceId,
    sending: bool,
    done: u64,
    total: u64,
    state: HistoryTransferState,
) -> Result<(), EngineError> {
    let passing = matches!(state, HistoryTransferState::Running | HistoryTransferState::Waiting { .. });
    let transfer = HistoryTransfer { device, sending, done, total: total.max(done), state };
    let kind = EventKind::HistoryTransfer { transfer };
    if passing {
        ctx.passing_event(kind);
        return Ok(());
    }
    ctx.event(kind)
}

fn decode<M: Row + Default>(table: Table, row: &[u8]) -> Result<M, EngineError> {
    M::decode(row).map_err(|_| EngineError::Row { what: table.name() })
}
