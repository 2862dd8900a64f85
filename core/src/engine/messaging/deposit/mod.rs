//! From the outbox to the relay: encryption, deposit, and what the relay answers.
//!
//! ```text
//!            [ways]                 [round]                [parcel]                [answers]
//!  lane ──▶ where its items go ──▶ what each needs ──▶ encrypted, sealed ──▶ Deposit ──▶ durable, or why not
//!                                                                                │
//!                                                            [pauses] ◀── failed ─┘
//! ```
//!
//! One deposit at a time is under way for each lane and relay, of at most 64 envelopes. A message is encrypted when it is
//! deposited, in the transaction that also stores the ratchet's new state and the envelope; a lost reply or a crash leads to a
//! deposit of the same bytes, which the relay knows by their hash. A device that can't be served now is passed over, with
//! everything that comes after for it, so that its order holds; the others go on.

mod answers;
mod parcel;
mod pauses;
mod round;
mod ways;

use std::collections::BTreeSet;

use wheesht_proto::{
    ids::{AccountId, DeviceId},
    relay::{ErrorCode as Refusal, relay_frame},
};

use super::{
    super::{
        Ctx, EngineError, account,
        io::{LinkId, RequestError},
    },
    outbox,
};
use crate::time::Timestamp;

pub(super) use answers::unreachable;
pub(crate) use pauses::pause_after;

/// A lane that holds something.
#[derive(Default)]
pub(crate) struct Running {
    /// Deposits whose reply has not come.
    under_way: usize,
    failures: u32,
    /// Nothing is tried before.
    pause: Option<Timestamp>,
    /// When to look again by itself.
    pub(super) wake: Option<Timestamp>,
    /// Connections that were asked for.
    wants: BTreeSet<LinkId>,
    /// A relay refused a whole deposit: one envelope at a time, to find out which.
    single: bool,
}

/// What a deposit holds, in its order.
pub(crate) struct Sent {
    to: AccountId,
    entries: Vec<(u64, DeviceId)>,
}

/// Sends what may go to an account.
pub(super) fn pump(ctx: &mut Ctx<'_, '_>, to: &AccountId) -> Result<(), EngineError> {
    if !ctx.passing.messaging.open {
        return Ok(());
    }
    let now = ctx.now;
    let Some(running) = ctx.passing.messaging.lanes.get_mut(to) else { return Ok(()) };
    if running.under_way > 0 || running.pause.is_some_and(|until| until > now) {
        return Ok(());
    }
    running.wake = None;
    let Some(me) = account::me(ctx)? else { return Ok(()) };
    let (items, ways) = ways::find(ctx, to)?;
    let destinations = || ways.values().flat_map(|way| &way.destinations);
    let unreached = pauses::reach(ctx, to, destinations());
    if !unreached.is_empty() {
        pauses::wake_by(ctx, to, now.plus_millis(pauses::REACH_MS));
        outbox::arm(ctx);
    }
    if !unreached.is_empty() && destinations().all(|to| unreached.contains(&to.certificate.device_id())) {
        return Ok(());
    }
    round::Round::new(to, &me, &ways, unreached).run(ctx, items)
}

/// The relay's reply to a deposit.
pub(super) fn reply(
    ctx: &mut Ctx<'_, '_>,
    sent: Sent,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<(), EngineError> {
    let Sent { to, entries } = sent;
    if let Some(running) = ctx.passing.messaging.lanes.get_mut(&to) {
        running.under_way = running.under_way.saturating_sub(1);
    }
    match result {
        Ok(relay_frame::Body::DepositResults(results)) if results.results.len() == entries.len() => {
            if let Some(running) = ctx.passing.messaging.lanes.get_mut(&to) {
                (running.failures, running.single) = (0, false);
            }
            answers::taken(ctx, &to, &entries, &results.results)?;
        }
        Err(RequestError::Refused(error))
            if matches!(error.code(), Refusal::TooLarge | Refusal::Malformed) =>
        {
            answers::refused(ctx, &to, &entries)?;
        }
        Err(RequestError::Refused(error)) => pauses::pause(ctx, &to, error.retry_after_ms),
        Ok(_) | Err(RequestError::Lost) => pauses::pause(ctx, &to, 0),
    }
    outbox::look(ctx, &to);
    Ok(())
}

/// A connection is up: lanes that wait for it go on.
pub(super) fn greeted(ctx: &mut Ctx<'_, '_>, link: &LinkId) {
    let passing = &mut ctx.passing.messaging;
    for (to, running) in &mut passing.lanes {
        if running.wants.remove(link) {
            running.pause = None;
            passing.look.insert(*to);
        }
    }
}

/// Tries every lane again now.
pub(super) fn resume(ctx: &mut Ctx<'_, '_>) {
    let passing = &mut ctx.passing.messaging;
    for (to, running) in &mut passing.lanes {
        running.pause = None;
        passing.look.insert(*to);
    }
}
