//! The outbox: a lane for each account one writes to, first in, first out.
//!
//! ```text
//!            push                  deposit                     every device has it
//!  (send) ─────────▶ OUTBOX item ───────────▶ item + envelopes ───────────────────▶ SENT_LOG
//!                                    ▲               │
//!                                    └── the same bytes again, until the relay has them
//! ```
//!
//! An item is one content for all devices of an account. It leaves the outbox only when the relay has it durably for every
//! device; then it lies in the log for a while, without its envelopes, in case a device can't read it. Contents that no person
//! sees (receipts, sync, answers) take their place in the same lane, so that order holds between them and messages.

use wheesht_proto::{
    content::{Announce, Content, Sync, content, sync::What},
    ids::{AccountId, DeviceId, GroupId},
    limits::ENVELOPE_LIFETIME_MS,
    profile::ProfileRef,
    prost::Message as _,
    stored::{self, OutboxItem},
};

use super::{
    super::{
        Ctx, EngineError, people,
        tables::{LANE_LIST, LANES, OUTBOX, SENT_LOG, WAITING_LANES},
        timers::Timer,
    },
    history, row_id, sync,
};
use crate::{
    api::{ConversationId, FailReason, MessageState},
    store::Direction,
};

/// Items of a lane looked at together: as many as one deposit takes. A device that takes nothing holds up its account's other
/// devices only when it is this far behind.
pub(super) const WINDOW: usize = wheesht_proto::limits::MAX_DEPOSIT_ENTRIES;

/// Items that are looked through for some that may pass the others.
const SEARCHED: usize = 1_024;

/// Contents that no person sees are dropped when this many items wait in a lane: its account has not been reachable for long,
/// and what they say can be said again.
const MAX_HIDDEN: u64 = 10_000;

/// Texts that may wait in one lane.
pub(super) const MAX_ITEMS: u64 = 100_000;

/// Items kept in the log of a lane.
const MAX_LOGGED: u64 = 1_000;

/// The lane of an account, if it ever had one.
pub(super) fn lane(ctx: &Ctx<'_, '_>, to: &AccountId) -> Result<Option<stored::Lane>, EngineError> {
    ctx.load(LANES, to.as_ref(), 0)
}

/// The lane of an account; a new one gets its number.
pub(super) fn lane_or_new(ctx: &mut Ctx<'_, '_>, to: &AccountId) -> Result<stored::Lane, EngineError> {
    if let Some(lane) = lane(ctx, to)? {
        return Ok(lane);
    }
    let number = ctx.tx.append(LANE_LIST, b"", to.to_vec())?;
    let lane = stored::Lane { number, ..Default::default() };
    save(ctx, to, &lane);
    Ok(lane)
}

/// Puts an item at the end of a lane. Nothing goes out before the input has been dealt with.
pub(super) fn push(ctx: &mut Ctx<'_, '_>, to: &AccountId, mut item: OutboxItem) -> Result<(), EngineError> {
    let mut lane = lane_or_new(ctx, to)?;
    if !item.visible && lane.items >= MAX_HIDDEN {
        return Ok(());
    }
    if lane.items == 0 {
        ctx.tx.put(WAITING_LANES, b"", lane.number, to.to_vec());
        ctx.passing.messaging.lanes.entry(*to).or_default();
    }
    lane.last += 1;
    lane.items += 1;
    if item.visible {
        lane.visible += 1;
        ctx.passing.messaging.visible += 1;
    }
    item.queued_ms = ctx.now.as_millis();
    ctx.save(OUTBOX, to.as_ref(), lane.last, &item);
    save(ctx, to, &lane);
    look(ctx, to);
    Ok(())
}

/// A content without heads: those are added when it is encrypted.
pub(super) fn content(ctx: &mut Ctx<'_, '_>, body: content::Body) -> Content {
    let message_id = ctx.random::<16>().to_vec();
    Content { message_id, sent_ms: ctx.now.as_millis(), body: Some(body), ..Default::default() }
}

/// Puts content that no person sees at the end of a lane.
pub(super) fn push_hidden(
    ctx: &mut Ctx<'_, '_>,
    to: &AccountId,
    body: content::Body,
    only: Option<&DeviceId>,
) -> Result<(), EngineError> {
    let content = content(ctx, body).encode_to_vec();
    let only_device = only.map(|device| device.to_vec()).unwrap_or_default();
    push(ctx, to, OutboxItem { content, only_device, ..Default::default() })
}

/// Tells an account where the own profile is.
pub(super) fn push_profile(
    ctx: &mut Ctx<'_, '_>,
    to: &AccountId,
    shown: ProfileRef,
) -> Result<(), EngineError> {
    let content = Content { profile: Some(shown), ..content(ctx, content::Body::Announce(Announce {})) };
    push(ctx, to, OutboxItem { content: content.encode_to_vec(), ..Default::default() })
}

/// Puts content about a group at the end of a lane: it goes to the account's addresses there, whether it is a contact or not.
pub(super) fn push_in_group(
    ctx: &mut Ctx<'_, '_>,
    group: &GroupId,
    to: &AccountId,
    body: content::Body,
    only: Option<&DeviceId>,
    members_only: bool,
) -> Result<(), EngineError> {
    let content = content(ctx, body).encode_to_vec();
    let only_device = only.map(|device| device.to_vec()).unwrap_or_default();
    let group = group.to_vec();
    push(ctx, to, OutboxItem { content, only_device, group, members_only, ..Default::default() })
}

/// Looks at a lane when the input has been dealt with.
pub(super) fn look(ctx: &mut Ctx<'_, '_>, to: &AccountId) {
    let passing = &mut ctx.passing.messaging;
    if passing.lanes.contains_key(to) {
        passing.look.insert(*to);
    }
}

/// The first items of a lane.
pub(super) fn window(ctx: &Ctx<'_, '_>, to: &AccountId) -> Result<Vec<(u64, OutboxItem)>, EngineError> {
    items(ctx, to, WINDOW)
}

/// The first items of a lane that may pass others which have to wait.
pub(super) fn window_of(
    ctx: &Ctx<'_, '_>,
    to: &AccountId,
    may_go: impl Fn(&OutboxItem) -> bool,
) -> Result<Vec<(u64, OutboxItem)>, EngineError> {
    let mut items = items(ctx, to, SEARCHED)?;
    items.retain(|(_, item)| may_go(item));
    items.truncate(WINDOW);
    Ok(items)
}

pub(super) fn item(ctx: &Ctx<'_, '_>, to: &AccountId, n: u64) -> Result<Option<OutboxItem>, EngineError> {
    ctx.load(OUTBOX, to.as_ref(), n)
}

pub(super) fn save_item(ctx: &mut Ctx<'_, '_>, to: &AccountId, n: u64, item: &OutboxItem) {
    ctx.save(OUTBOX, to.as_ref(), n, item);
}

/// Every device that there is has the item, or never will.
pub(super) fn finish(
    ctx: &mut Ctx<'_, '_>,
    to: &AccountId,
    n: u64,
    item: OutboxItem,
    outcome: Result<(), FailReason>,
) -> Result<(), EngineError> {
    let mut lane = lane_or_new(ctx, to)?;
    take_out(ctx, to, &mut lane, n, &item);
    let content = Content::decode(item.content.as_slice()).map_err(|_| unreadable())?;
    if item.visible {
        let state = outcome.map_or_else(|reason| MessageState::Failed { reason }, |()| MessageState::Sent);
        history::advance(ctx, &ConversationId::Direct(*to), &content.message_id, state)?;
        if outcome.is_ok() {
            sync::sent(ctx, to, &content)?;
        }
    }
    if item.request && outcome.is_err() {
        people::request_failed(ctx, to)?;
    }
    if outcome.is_ok() && !item.parcels.is_empty() && worth_repeating(&content) {
        log(ctx, to, &mut lane, n, item);
    }
    save(ctx, to, &lane);
    Ok(())
}

/// Nothing will go to the account as a contact; what goes to it as a member of a group stays.
pub(super) fn fail_as_contact(
    ctx: &mut Ctx<'_, '_>,
    to: &AccountId,
    reason: FailReason,
) -> Result<(), EngineError> {
    for (n, item) in items(ctx, to, usize::MAX)? {
        if item.group.is_empty() {
            finish(ctx, to, n, item, Err(reason))?;
        }
    }
    Ok(())
}

/// Nothing of the lane will go.
pub(super) fn fail_all(ctx: &mut Ctx<'_, '_>, to: &AccountId, reason: FailReason) -> Result<(), EngineError> {
    for (n, item) in items(ctx, to, usize::MAX)? {
        finish(ctx, to, n, item, Err(reason))?;
    }
    Ok(())
}

/// Forgets a lane and all that is in it.
pub(super) fn erase(ctx: &mut Ctx<'_, '_>, to: &AccountId) -> Result<(), EngineError> {
    let Some(lane) = lane(ctx, to)? else { return Ok(()) };
    ctx.tx.delete_all(OUTBOX, to.as_ref())?;
    ctx.tx.delete_all(SENT_LOG, to.as_ref())?;
    ctx.tx.delete(WAITING_LANES, b"", lane.number);
    ctx.tx.delete(LANE_LIST, b"", lane.number);
    ctx.tx.delete(LANES, to.as_ref(), 0);
    let passing = &mut ctx.passing.messaging;
    passing.visible = passing.visible.saturating_sub(lane.visible);
    passing.lanes.remove(to);
    passing.look.remove(to);
    Ok(())
}

/// Finds the lanes that hold something again, after a start.
pub(super) fn start(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    for (_, to) in ctx.tx.scan(WAITING_LANES, b"", .., Direction::Forward, usize::MAX)? {
        let to: AccountId = row_id(&to, WAITING_LANES)?;
        let visible = lane(ctx, &to)?.map_or(0, |lane| lane.visible);
        let passing = &mut ctx.passing.messaging;
        passing.lanes.entry(to).or_default();
        passing.visible += visible;
        passing.look.insert(to);
    }
    Ok(())
}

/// Whose lanes there are, from a lane number on.
pub(super) fn lanes_from(
    ctx: &Ctx<'_, '_>,
    first: u64,
    limit: usize,
) -> Result<Vec<(u64, AccountId)>, EngineError> {
    let rows = ctx.tx.scan(LANE_LIST, b"", first.., Direction::Forward, limit)?;
    rows.into_iter().map(|(number, to)| Ok((number, row_id(&to, LANE_LIST)?))).collect()
}

/// Drops from a lane's log what is too old to be asked for: no device can still be waiting for it.
pub(super) fn prune_log(ctx: &mut Ctx<'_, '_>, to: &AccountId) -> Result<(), EngineError> {
    let rows = ctx.tx.scan(SENT_LOG, to.as_ref(), .., Direction::Forward, usize::MAX)?;
    for (n, row) in rows {
        let item = OutboxItem::decode(row.as_slice()).map_err(|_| unreadable())?;
        if ctx.now.as_millis().saturating_sub(item.queued_ms) <= ENVELOPE_LIFETIME_MS {
            break;
        }
        ctx.tx.delete(SENT_LOG, to.as_ref(), n);
    }
    Ok(())
}

/// Forgets what would be sent again of a message that is gone.
// CON-31
pub(super) fn forget_message(
    ctx: &mut Ctx<'_, '_>,
    to: &AccountId,
    message_id: &[u8],
) -> Result<(), EngineError> {
    for (n, row) in ctx.tx.scan(SENT_LOG, to.as_ref(), .., Direction::Forward, usize::MAX)? {
        let item = OutboxItem::decode(row.as_slice()).map_err(|_| unreadable())?;
        let content = Content::decode(item.content.as_slice()).map_err(|_| unreadable())?;
        if holds_text_of(&content, message_id) {
            ctx.tx.delete(SENT_LOG, to.as_ref(), n);
        }
    }
    Ok(())
}

/// Whether a content has the text of a message, first or edited, for others or for one's own devices.
fn holds_text_of(content: &Content, message_id: &[u8]) -> bool {
    match &content.body {
        Some(content::Body::Text(_) | content::Body::ContactRequest(_)) => content.message_id == message_id,
        Some(content::Body::Edit(edit)) => edit.of.as_ref().is_some_and(|of| of.message_id == message_id),
        Some(content::Body::Sync(Sync { what: Some(What::Sent(sent)) })) => {
            sent.message_id == message_id
                || Content::decode(sent.content.as_slice()).is_ok_and(|inner| {
                    matches!(inner.body, Some(content::Body::Edit(_))) && holds_text_of(&inner, message_id)
                })
        }
        _ => false,
    }
}

/// Wakes the timer at the earliest time that some lane waits for.
pub(super) fn arm(ctx: &mut Ctx<'_, '_>) {
    let wake = ctx.passing.messaging.lanes.values().filter_map(|running| running.wake).min();
    match wake {
        Some(at) => ctx.passing.timers.set(Timer::Outbox, at),
        None => ctx.passing.timers.clear(Timer::Outbox),
    }
}

/// The time has come that some lanes wait for.
pub(super) fn wake(ctx: &mut Ctx<'_, '_>) {
    let now = ctx.now;
    let passing = &mut ctx.passing.messaging;
    for (to, running) in &mut passing.lanes {
        if running.wake.is_some_and(|at| at <= now) {
            running.wake = None;
            passing.look.insert(*to);
        }
    }
    arm(ctx);
}

fn items(ctx: &Ctx<'_, '_>, to: &AccountId, limit: usize) -> Result<Vec<(u64, OutboxItem)>, EngineError> {
    let rows = ctx.tx.scan(OUTBOX, to.as_ref(), .., Direction::Forward, limit)?;
    let decode = |(n, row): (u64, zeroize::Zeroizing<Vec<u8>>)| {
        OutboxItem::decode(row.as_slice()).map(|item| (n, item)).map_err(|_| unreadable())
    };
    rows.into_iter().map(decode).collect()
}

fn save(ctx: &mut Ctx<'_, '_>, to: &AccountId, lane: &stored::Lane) {
    ctx.save(LANES, to.as_ref(), 0, lane);
}

fn take_out(ctx: &mut Ctx<'_, '_>, to: &AccountId, lane: &mut stored::Lane, n: u64, item: &OutboxItem) {
    ctx.tx.delete(OUTBOX, to.as_ref(), n);
    lane.items = lane.items.saturating_sub(1);
    let passing = &mut ctx.passing.messaging;
    if item.visible {
        lane.visible = lane.visible.saturating_sub(1);
        passing.visible = passing.visible.saturating_sub(1);
    }
    if lane.items == 0 {
        passing.lanes.remove(to);
        ctx.tx.delete(WAITING_LANES, b"", lane.number);
    }
}

/// Keeps what was sent, so that it can be sent again.
// CON-20
fn log(ctx: &mut Ctx<'_, '_>, to: &AccountId, lane: &mut stored::Lane, n: u64, mut item: OutboxItem) {
    for parcel in &mut item.parcels {
        parcel.envelope.clear();
    }
    ctx.save(SENT_LOG, to.as_ref(), n, &item);
    let oldest = n.saturating_sub(MAX_LOGGED);
    for n in lane.logged..=oldest {
        ctx.tx.delete(SENT_LOG, to.as_ref(), n);
    }
    lane.logged = lane.logged.max(oldest + 1);
}

/// A question that was not read is asked again by itself; heads stand in every content.
fn worth_repeating(content: &Content) -> bool {
    !matches!(content.body, Some(content::Body::RetryRequest(_) | content::Body::Announce(_)))
}

const fn unreadable() -> EngineError {
    EngineError::Row { what: OUTBOX.name() }
}

#[cfg(test)]
mod tests {
    use wheesht_proto::content::{Edit, MessageRef, Reaction, SentMessage, Text};

    use super::*;

    #[test]
    fn con_31_whatever_holds_a_text_is_forgotten_with_it() {
        let content = |message_id: u8, body: content::Body| Content {
            message_id: vec![message_id; 16],
            body: Some(body),
            ..Default::default()
        };
        let of = || Some(MessageRef { author: vec![9; 32], message_id: vec![1; 16] });
        let sync = |sent: SentMessage| content(3, content::Body::Sync(Sync { what: Some(What::Sent(sent)) }));
        let edit = content(2, content::Body::Edit(Edit { of: of(), ..Default::default() }));
        let reaction = content(2, content::Body::Reaction(Reaction { to: of(), ..Default::default() }));
        let told = SentMessage { message_id: vec![1; 16], text: Some(Text::default()), ..Default::default() };
        let told_edit =
            SentMessage { message_id: vec![2; 16], content: edit.encode_to_vec(), ..Default::default() };
        for holds in [content(1, content::Body::Text(Text::default())), edit, sync(told), sync(told_edit)] {
            assert!(holds_text_of(&holds, &[1; 16]));
            assert!(!holds_text_of(&holds, &[7; 16]));
        }
        assert!(!holds_text_of(&reaction, &[1; 16]));
    }
}
