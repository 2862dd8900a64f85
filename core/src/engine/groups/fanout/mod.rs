//! From a group's outbox to its relays: encrypted once, for everyone.
//!
//! ```text
//!  [queue] ─▶ GROUP_OUTBOX ─▶ [round] encrypted once ─┬─▶ Deposit: one envelope, every device at relay A ─▶ [answers] durable, or whom it lacks
//!                                                     └─▶ Deposit: the same envelope, every device at relay B ─▶ …
//!                                                                                    all of them durable ─▶ `sent`
//! ```
//!
//! Each relay gets on by itself: one that is away holds up nobody but its own. What was encrypted stays as it is: after a lost
//! reply or a crash the same bytes go again, which a relay knows by their hash. A message lists all of the group's devices at a
//! relay, one's own among them, so that the relay can't tell the sender by who is missing.

mod answers;
mod audience;
mod round;

use std::collections::{BTreeMap, BTreeSet};

use wheesht_proto::{
    address::RelayAddress,
    content::{Content, content},
    ids::{GroupId, MessageId},
    prost::Message as _,
    stored::{GroupLane, GroupOutboxItem},
};

use super::super::{
    Ctx, EngineError, account,
    io::LinkId,
    messaging,
    tables::{GROUP_LANES, GROUP_OUTBOX, GROUP_WAITING},
    timers::Timer,
};
use crate::{
    api::{FailReason, MessageState},
    store::Direction,
    time::Timestamp,
};

pub(crate) use answers::Sent;
pub(super) use answers::reply;
pub(crate) use audience::Audience;
pub(super) use audience::{audience, changed as audience_changed};
pub(super) use round::pump;

/// Items of a group looked at together.
const WINDOW: usize = wheesht_proto::limits::MAX_DEPOSIT_ENTRIES;

/// Contents that no person sees are dropped when this many items wait for a group.
const MAX_HIDDEN: u64 = 10_000;

/// A group that something waits for.
#[derive(Default)]
pub(crate) struct Running {
    relays: BTreeMap<RelayAddress, AtRelay>,
    /// When to look again by itself.
    wake: Option<Timestamp>,
    /// Connections that were asked for.
    wants: BTreeSet<LinkId>,
}

/// How it goes at one relay.
#[derive(Default)]
struct AtRelay {
    under_way: bool,
    failures: u32,
    /// Nothing is tried before.
    pause: Option<Timestamp>,
    /// The relay refused a whole deposit: one envelope at a time, to find out which.
    single: bool,
    /// Addresses at which something was refused: how often in a row, and until when they are left out. A device that has another
    /// address begins anew.
    slow: BTreeMap<Vec<u8>, (u32, Timestamp)>,
}

// ---- Offered to the rest of the engine -----------------------------------------------------------------------

/// Sends a content to everyone in the group. `visible`: it stands in the conversation, and its state is told.
pub(crate) fn queue(
    ctx: &mut Ctx<'_, '_>,
    id: &GroupId,
    content: Content,
    visible: bool,
) -> Result<(), EngineError> {
    let mut lane = lane(ctx, id)?.unwrap_or_default();
    if !visible && lane.items >= MAX_HIDDEN {
        return Ok(());
    }
    if lane.items == 0 {
        lane.number = ctx.tx.append(GROUP_WAITING, b"", id.to_vec())?;
        ctx.passing.groups.talk.lanes.entry(*id).or_default();
    }
    lane.last += 1;
    lane.items += 1;
    lane.visible += u64::from(visible);
    let item = GroupOutboxItem {
        message_id: content.message_id.clone(),
        content: content.encode_to_vec(),
        visible,
        queued_ms: ctx.now.as_millis(),
        ..Default::default()
    };
    ctx.save(GROUP_OUTBOX, id.as_ref(), lane.last, &item);
    ctx.save(GROUP_LANES, id.as_ref(), 0, &lane);
    look(ctx, id);
    Ok(())
}

/// Tells everyone in the group something that no person sees.
pub(super) fn queue_update(
    ctx: &mut Ctx<'_, '_>,
    id: &GroupId,
    body: content::Body,
) -> Result<(), EngineError> {
    let message_id = ctx.random::<{ MessageId::LEN }>().to_vec();
    let content =
        Content { message_id, sent_ms: ctx.now.as_millis(), body: Some(body), ..Default::default() };
    queue(ctx, id, content, false)
}

/// Looks at what waits for the group when the input has been dealt with.
pub(crate) fn look(ctx: &mut Ctx<'_, '_>, id: &GroupId) {
    if ctx.passing.groups.talk.lanes.contains_key(id) {
        ctx.passing.groups.talk.look.insert(*id);
    }
}

/// Looks at everything that waits, now.
pub(super) fn resume(ctx: &mut Ctx<'_, '_>) {
    let talk = &mut ctx.passing.groups.talk;
    for (id, running) in &mut talk.lanes {
        running.relays.values_mut().for_each(|relay| relay.pause = None);
        talk.look.insert(*id);
    }
}

/// A connection is up: what waits for it goes on.
pub(super) fn greeted(ctx: &mut Ctx<'_, '_>, link: &LinkId) {
    let talk = &mut ctx.passing.groups.talk;
    for (id, running) in &mut talk.lanes {
        if running.wants.remove(link) {
            if let Some(relay) = running.relays.get_mut(&link.relay) {
                relay.pause = None;
            }
            talk.look.insert(*id);
        }
    }
}

/// Sends what the input has left to be sent. Gives whether there was anything to look at.
pub(super) fn settle(ctx: &mut Ctx<'_, '_>) -> Result<bool, EngineError> {
    let look = std::mem::take(&mut ctx.passing.groups.talk.look);
    for id in &look {
        pump(ctx, id)?;
    }
    Ok(!look.is_empty())
}

/// The time has come that some wait for.
pub(super) fn due(ctx: &mut Ctx<'_, '_>) {
    let now = ctx.now;
    let talk = &mut ctx.passing.groups.talk;
    for (id, running) in &mut talk.lanes {
        if running.wake.is_some_and(|at| at <= now) {
            running.wake = None;
            talk.look.insert(*id);
        }
    }
    if let Some(next) = ctx.passing.groups.talk.lanes.values().filter_map(|running| running.wake).min() {
        ctx.passing.timers.set_by(Timer::Groups, next);
    }
}

/// Finds what waits again, after a start.
pub(super) fn start(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    for (_, id) in ctx.tx.scan(GROUP_WAITING, b"", .., Direction::Forward, usize::MAX)? {
        let id =
            GroupId::try_from(id.as_slice()).map_err(|_| EngineError::Row { what: GROUP_WAITING.name() })?;
        ctx.passing.groups.talk.lanes.entry(id).or_default();
        ctx.passing.groups.talk.look.insert(id);
    }
    Ok(())
}

/// Messages of people that still have to go out to groups.
pub(crate) fn waiting(ctx: &Ctx<'_, '_>) -> Result<u64, EngineError> {
    let mut waiting = 0;
    for id in ctx.passing.groups.talk.lanes.keys() {
        waiting += lane(ctx, id)?.map_or(0, |lane| lane.visible);
    }
    Ok(waiting)
}

/// Nothing of what waits for the group will go.
pub(crate) fn fail_all(ctx: &mut Ctx<'_, '_>, id: &GroupId, reason: FailReason) -> Result<(), EngineError> {
    for (n, item) in items(ctx, id, usize::MAX)? {
        finish(ctx, id, n, &item, Err(reason))?;
    }
    Ok(())
}

/// Forgets what waits for the group: it will not go.
pub(super) fn erase(ctx: &mut Ctx<'_, '_>, id: &GroupId) -> Result<(), EngineError> {
    fail_all(ctx, id, FailReason::Withdrawn)?;
    if let Some(lane) = lane(ctx, id)?.filter(|lane| lane.items > 0) {
        ctx.tx.delete(GROUP_WAITING, b"", lane.number);
    }
    ctx.tx.delete_all(GROUP_OUTBOX, id.as_ref())?;
    ctx.tx.delete(GROUP_LANES, id.as_ref(), 0);
    ctx.passing.groups.talk.lanes.remove(id);
    ctx.passing.groups.talk.look.remove(id);
    audience_changed(ctx, id);
    Ok(())
}

// ---- Rows ----------------------------------------------------------------------------------------------------

/// Nothing more can be done for an item.
// GRM-17
fn finish(
    ctx: &mut Ctx<'_, '_>,
    id: &GroupId,
    n: u64,
    item: &GroupOutboxItem,
    outcome: Result<(), FailReason>,
) -> Result<(), EngineError> {
    ctx.tx.delete(GROUP_OUTBOX, id.as_ref(), n);
    if let Some(mut lane) = lane(ctx, id)? {
        lane.items = lane.items.saturating_sub(1);
        lane.visible = lane.visible.saturating_sub(u64::from(item.visible));
        if lane.items == 0 {
            ctx.tx.delete(GROUP_WAITING, b"", lane.number);
            ctx.passing.groups.talk.lanes.remove(id);
        }
        ctx.save(GROUP_LANES, id.as_ref(), 0, &lane);
    }
    if let (true, Ok(message)) = (item.visible, MessageId::try_from(item.message_id.as_slice())) {
        let state = outcome.map_or_else(|reason| MessageState::Failed { reason }, |()| MessageState::Sent);
        messaging::group_state(ctx, id, &message, state)?;
    }
    Ok(())
}

fn lane(ctx: &Ctx<'_, '_>, id: &GroupId) -> Result<Option<GroupLane>, EngineError> {
    ctx.load(GROUP_LANES, id.as_ref(), 0)
}

fn items(ctx: &Ctx<'_, '_>, id: &GroupId, limit: usize) -> Result<Vec<(u64, GroupOutboxItem)>, EngineError> {
    let rows = ctx.tx.scan(GROUP_OUTBOX, id.as_ref(), .., Direction::Forward, limit)?;
    let read = |(n, row): (u64, zeroize::Zeroizing<Vec<u8>>)| {
        GroupOutboxItem::decode(row.as_slice())
            .map(|item| (n, item))
            .map_err(|_| EngineError::Row { what: GROUP_OUTBOX.name() })
    };
    rows.into_iter().map(read).collect()
}

fn save_item(ctx: &mut Ctx<'_, '_>, id: &GroupId, n: u64, item: &GroupOutboxItem) {
    ctx.save(GROUP_OUTBOX, id.as_ref(), n, item);
}

/// Looks again by itself at this time, unless it does so before.
fn wake_by(ctx: &mut Ctx<'_, '_>, id: &GroupId, at: Timestamp) {
    if let Some(running) = ctx.passing.groups.talk.lanes.get_mut(id) {
        running.wake = Some(running.wake.map_or(at, |wake| wake.min(at)));
        ctx.passing.timers.set_by(Timer::Groups, at);
    }
}

fn at_relay<'p>(ctx: &'p mut Ctx<'_, '_>, id: &GroupId, relay: &RelayAddress) -> Option<&'p mut AtRelay> {
    ctx.passing.groups.talk.lanes.get_mut(id).map(|running| running.relays.entry(relay.clone()).or_default())
}

fn link(relay: &RelayAddress) -> LinkId {
    account::anonymous_link(relay)
}
