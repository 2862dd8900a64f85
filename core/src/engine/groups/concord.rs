//! Whether members still agree about a group when nobody speaks.
//!
//! Every message says which state and roster its sender has, so a difference between two members is seen with the next one. Where
//! nobody speaks, each device now and then asks one other, drawn at random, with the hash of its own roster; who has another says
//! so, and both ask each other for what they lack.
//!
//! ```text
//!   own roster or state changes ─▶ soon ──▶ ask one member ──▶ less soon ──▶ … ──▶ twice a day
//!                                   ▲             │ differs: both ask for what they lack
//!                                   └─────────────┘
//!   a message of another that says the same ─▶ no need for some hours
//! ```
//!
//! One small envelope each time, whatever the group's size: what spreads, spreads as a rumour does.

use std::collections::BTreeMap;

use wheesht_proto::ids::GroupId;

use super::{
    super::{Ctx, EngineError, account, timers::Timer},
    ask, group, members, roster,
};
use crate::time::Timestamp;

/// After a change that this device saw, it asks about this much later (milliseconds); each time later, up to the longest.
const FIRST_MS: u64 = 30 * 60_000;
const LONGEST_MS: u64 = 12 * 60 * 60_000;

/// A device that has just started has probably not missed anything: the record is read then anyway (milliseconds).
const STARTED_MS: u64 = 2 * 60 * 60_000;

/// Somebody who said the same makes asking needless for about so long (milliseconds).
const AGREED_MS: u64 = 4 * 60 * 60_000;

/// What fell due while this device was offline is spread over this long (milliseconds).
const SPREAD_MS: u64 = 5 * 60_000;

/// When each group is asked about next.
#[derive(Default)]
pub(super) struct Concord {
    next: BTreeMap<GroupId, Next>,
}

#[derive(Clone, Copy)]
struct Next {
    pause: u64,
    at: Timestamp,
}

/// This device's roster or state has changed: others may not have followed, or be ahead.
pub(super) fn unsettled(ctx: &mut Ctx<'_, '_>, id: &GroupId) {
    let at = ctx.now.plus_millis(about(ctx, FIRST_MS));
    let known = ctx.passing.groups.concord.next.get(id).map_or(at, |next| next.at);
    set(ctx, id, Next { pause: FIRST_MS, at: at.min(known.max(ctx.now)) });
}

/// Another device says the same of state and roster as this one.
pub(super) fn agreed(ctx: &mut Ctx<'_, '_>, id: &GroupId) {
    let at = ctx.now.plus_millis(about(ctx, AGREED_MS));
    if let Some(next) = ctx.passing.groups.concord.next.get_mut(id) {
        next.at = next.at.max(at);
    }
}

/// This device is online: what fell due before is asked soon, each group at another time.
pub(super) fn online(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    for id in group::ids(ctx)? {
        if super::belonging(ctx, &id)?.is_none() {
            continue;
        }
        match ctx.passing.groups.concord.next.get(&id).copied() {
            Some(next) if next.at > ctx.now => {}
            Some(next) => {
                let at = ctx.now.plus_millis(about(ctx, SPREAD_MS));
                set(ctx, &id, Next { at, ..next });
            }
            None => {
                let at = ctx.now.plus_millis(about(ctx, STARTED_MS));
                set(ctx, &id, Next { pause: STARTED_MS, at });
            }
        }
    }
    Ok(())
}

/// Asks about groups of which nobody has said anything for long.
// GRO-23
pub(super) fn due(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    let online = account::own_link(ctx)?.is_some_and(|link| ctx.passing.links.logged_in(&link));
    if !online {
        return Ok(());
    }
    let now = ctx.now;
    let next = &ctx.passing.groups.concord.next;
    let due: Vec<_> = next.iter().filter(|(_, next)| next.at <= now).map(|(id, next)| (*id, *next)).collect();
    for (id, next) in due {
        let pause = next.pause.saturating_mul(2).min(LONGEST_MS);
        let at = now.plus_millis(about(ctx, pause));
        set(ctx, &id, Next { pause, at });
        compare(ctx, &id)?;
    }
    if let Some(at) = ctx.passing.groups.concord.next.values().map(|next| next.at).min() {
        ctx.passing.timers.set_by(Timer::Groups, at);
    }
    Ok(())
}

/// This account no longer belongs.
pub(super) fn forget(ctx: &mut Ctx<'_, '_>, id: &GroupId) {
    ctx.passing.groups.concord.next.remove(id);
}

/// Asks one device, any of the group's.
fn compare(ctx: &mut Ctx<'_, '_>, id: &GroupId) -> Result<(), EngineError> {
    let (Some(group), Some(me)) = (super::belonging(ctx, id)?, account::me(ctx)?) else {
        forget(ctx, id);
        return Ok(());
    };
    members::meet(ctx, &group)?;
    roster::reconsider(ctx, id)?;
    let mut others = roster::devices(ctx, id)?;
    others.retain(|other| other.device != me.device);
    let count = others.len().max(1) as u64;
    let drawn = usize::try_from(u64::from_be_bytes(ctx.random()) % count).unwrap_or_default();
    match others.get(drawn) {
        Some(other) => ask::whether_agreed(ctx, id, other),
        None if group.state.members().len() > 1 => {
            ask::ask(ctx, id, ask::What::Roster, None);
            Ok(())
        }
        None => Ok(()),
    }
}

fn set(ctx: &mut Ctx<'_, '_>, id: &GroupId, next: Next) {
    ctx.passing.groups.concord.next.insert(*id, next);
    ctx.passing.timers.set_by(Timer::Groups, next.at);
}

/// Half of it, to one and a half times as much: devices that saw the same thing don't all speak at once.
fn about(ctx: &mut Ctx<'_, '_>, millis: u64) -> u64 {
    millis / 2 + u64::from_be_bytes(ctx.random()) % millis.max(1)
}
