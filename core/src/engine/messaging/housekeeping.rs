//! Forgetting what is too old to matter, a little at a time.

use super::{
    super::{Ctx, EngineError, groups, timers::Timer},
    inbox,
    life::early,
    outbox, repair, sessions,
};
use wheesht_proto::limits::DAY_MS;

/// After a start, in between, and while there is more (milliseconds).
const FIRST_MS: u64 = 60_000;
const EVERY_MS: u64 = DAY_MS / 4;
const SOON_MS: u64 = 1_000;

/// Lanes whose log is looked through at once.
const LANES: usize = 64;

/// Begins.
pub(super) fn start(ctx: &mut Ctx<'_, '_>) {
    let at = ctx.now.plus_millis(FIRST_MS);
    ctx.passing.timers.set_by(Timer::Housekeeping, at);
}

/// One step.
pub(super) fn due(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    let mut more = inbox::forget_seen(ctx)?;
    inbox::forget_held(ctx)?;
    sessions::forget_base_keys(ctx)?;
    repair::forget_old(ctx)?;
    groups::tidy(ctx)?;
    early::expire(ctx)?;
    let lanes = outbox::lanes_from(ctx, ctx.passing.messaging.pruned, LANES)?;
    for (number, account) in &lanes {
        outbox::prune_log(ctx, account)?;
        ctx.passing.messaging.pruned = number + 1;
    }
    if lanes.len() < LANES {
        ctx.passing.messaging.pruned = 0;
    } else {
        more = true;
    }
    let at = ctx.now.plus_millis(if more { SOON_MS } else { EVERY_MS });
    ctx.passing.timers.set(Timer::Housekeeping, at);
    Ok(())
}
