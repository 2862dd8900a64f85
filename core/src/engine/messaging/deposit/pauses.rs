//! When a lane is looked at again: after a failure, or when a connection that it needs has had time to come up.

use std::collections::BTreeSet;

use wheesht_proto::ids::{AccountId, DeviceId};

use super::{
    super::super::{Ctx, account, links, people::Destination},
    super::outbox,
};
use crate::time::Timestamp;

/// First pause after a failure, and the longest (milliseconds).
pub(super) const PAUSES: (u64, u64) = (1_000, 5 * 60_000);

/// A connection that doesn't come up is asked for again this often (milliseconds), so that it isn't closed as idle.
pub(super) const REACH_MS: u64 = 30_000;

/// The pause after so many failures in a row, a little different each time, and no shorter than a relay asks for.
pub(crate) fn pause_after(
    ctx: &mut Ctx<'_, '_>,
    failures: u32,
    at_least_ms: u32,
    pauses: (u64, u64),
) -> Timestamp {
    let pause = pauses.0.saturating_mul(1 << failures.min(20)).min(pauses.1);
    let [jitter] = ctx.random::<1>();
    let pause = pause + pause * u64::from(jitter) / 1024;
    ctx.now.plus_millis(pause.max(at_least_ms.into()))
}

pub(super) fn pause(ctx: &mut Ctx<'_, '_>, to: &AccountId, at_least_ms: u32) {
    let Some(running) = ctx.passing.messaging.lanes.get_mut(to) else { return };
    let failures = running.failures;
    running.failures = failures.saturating_add(1);
    let until = pause_after(ctx, failures, at_least_ms, PAUSES);
    if let Some(running) = ctx.passing.messaging.lanes.get_mut(to) {
        running.pause = Some(until);
        running.wake = Some(until);
    }
    outbox::arm(ctx);
}

/// Looks at a lane again by itself at this time, unless it does so before.
pub(super) fn wake_by(ctx: &mut Ctx<'_, '_>, to: &AccountId, at: Timestamp) {
    if let Some(running) = ctx.passing.messaging.lanes.get_mut(to) {
        running.wake = Some(running.wake.map_or(at, |wake| wake.min(at)));
    }
}

/// Opens the connections that the destinations need. Gives the devices behind those that are not up yet.
pub(super) fn reach<'d>(
    ctx: &mut Ctx<'_, '_>,
    to: &AccountId,
    destinations: impl Iterator<Item = &'d Destination>,
) -> BTreeSet<DeviceId> {
    let mut unreached = BTreeSet::new();
    for destination in destinations {
        let link = account::anonymous_link(&destination.relay);
        if ctx.passing.links.greeted(&link) {
            continue;
        }
        unreached.insert(destination.certificate.device_id());
        links::want(ctx, &link);
        if let Some(running) = ctx.passing.messaging.lanes.get_mut(to) {
            running.wants.insert(link);
        }
    }
    unreached
}
