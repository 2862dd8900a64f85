//! Receipts: what was delivered and read, told to who wrote it.
//!
//! They are gathered per account and leave half a second to two seconds after the first, so that neither their number nor
//! their time tells much; none goes to anyone who was not accepted. Read marks go to the own devices too.

use wheesht_proto::{
    content::{Receipt, content, receipt::Kind},
    ids::{AccountId, GroupId},
    limits::MAX_RECEIPT_IDS,
    prost::Message as _,
    stored::{self, HistoryEntry, PendingReceipts, ReceiptsTo, history_entry},
};

use super::{
    super::{
        Ctx, EngineError,
        error::Answer,
        people,
        tables::{HISTORY, RECEIPTS},
        timers::Timer,
    },
    conversations, deliveries, history,
    life::disappear,
    member, outbox, row_id, settings, states, sync,
};
use crate::{
    api::{ContactState, ConversationId, EventKind, MessageState, Response},
    store::Direction,
    time::Timestamp,
};

/// How long receipts are gathered (milliseconds): at least, and at most this much more.
const GATHER_MS: (u64, u64) = (500, 1_500);

/// Newest entries looked at when receipts are made up for that waited for an acceptance.
const CATCH_UP: usize = 256;

/// A message of somebody's has arrived.
// CON-10, CON-11
pub(super) fn delivered(
    ctx: &mut Ctx<'_, '_>,
    id: &ConversationId,
    to: &AccountId,
    message_id: Vec<u8>,
) -> Result<(), EngineError> {
    if !may_answer(ctx, id, to)? {
        return Ok(());
    }
    add(ctx, id, to, |pending| pending.delivered.push(message_id))
}

/// Messages of somebody's were read.
fn read(
    ctx: &mut Ctx<'_, '_>,
    id: &ConversationId,
    to: &AccountId,
    message_id: Vec<u8>,
) -> Result<(), EngineError> {
    if !may_answer(ctx, id, to)? {
        return Ok(());
    }
    add(ctx, id, to, |pending| pending.read.push(message_id))
}

/// Whether somebody is told at all.
// CON-11
fn may_answer(ctx: &mut Ctx<'_, '_>, id: &ConversationId, to: &AccountId) -> Result<bool, EngineError> {
    if let ConversationId::Group(group) = id {
        let group = member::group(ctx, group)?.filter(|group| group.state().member(to).is_some());
        let Some(group) = group else { return Ok(false) };
        if group.state().policy().receipts {
            return Ok(true);
        }
    }
    Ok(people::by_id(ctx, to)?.is_some_and(|contact| contact.state == ContactState::Accepted))
}

/// Somebody says how far one's messages have come.
// CON-12, CON-13
pub(super) fn receive(
    ctx: &mut Ctx<'_, '_>,
    id: &ConversationId,
    from: &AccountId,
    receipt: &Receipt,
) -> Result<(), EngineError> {
    let state = match receipt.kind() {
        Kind::Unspecified => return Ok(()),
        Kind::Read if settings::read_receipts(ctx)? => MessageState::Read,
        Kind::Read | Kind::Delivered => MessageState::Delivered,
    };
    for message_id in receipt.message_ids.iter().take(MAX_RECEIPT_IDS) {
        match id {
            ConversationId::Direct(_) => history::advance(ctx, id, message_id, state)?,
            ConversationId::Group(_) => {
                deliveries::advance(ctx, id, from, message_id, states::state_to_row(state).0)?;
            }
        }
    }
    Ok(())
}

/// Both sides have accepted: what was shown before has its receipts now.
pub(super) fn catch_up(ctx: &mut Ctx<'_, '_>, with: &AccountId) -> Result<(), EngineError> {
    let id = ConversationId::Direct(*with);
    let Some(conversation) = conversations::find(ctx, &id)? else { return Ok(()) };
    let read_receipts = settings::read_receipts(ctx)?;
    let mut read_ids = Vec::new();
    for (position, mut entry) in history::entries(ctx, &conversation, 1..=conversation.last, CATCH_UP)? {
        if !entry.unanswered {
            continue;
        }
        entry.unanswered = false;
        history::save(ctx, &conversation, position, &entry);
        delivered(ctx, &id, with, entry.message_id.clone())?;
        if read_receipts && (entry.read || position <= conversation.read_up_to) {
            read_ids.push(entry.message_id);
        }
    }
    read_ids.into_iter().try_for_each(|message_id| read(ctx, &id, with, message_id))
}

/// The person has read everything up to a position.
pub(super) fn mark_read(ctx: &mut Ctx<'_, '_>, id: &ConversationId, up_to: u64) -> Answer {
    let Some(mut conversation) = conversations::find(ctx, id)? else { return Ok(Some(Response::Done)) };
    let up_to = up_to.min(conversation.last);
    if up_to <= conversation.read_up_to {
        return Ok(Some(Response::Done));
    }
    let mut newly = Vec::new();
    let range = conversation.read_up_to + 1..=up_to;
    for (position, mut entry) in history::entries(ctx, &conversation, range, usize::MAX)? {
        if !entry.outgoing && !entry.read && matches!(entry.body, Some(history_entry::Body::Text(_))) {
            begin_to_disappear(ctx, id, &conversation, position, &mut entry)?;
            newly.push(entry);
        }
    }
    conversation.read_up_to = up_to;
    conversation.unread = conversation.unread.saturating_sub(newly.len() as u64);
    conversations::save(ctx, id, &conversation);
    if newly.is_empty() {
        return Ok(Some(Response::Done));
    }
    ctx.event(EventKind::Read { conversation: *id, unread: conversation.unread })?;
    sync::read(ctx, id, newly.iter().map(|entry| entry.message_id.clone()).collect())?;
    if settings::read_receipts(ctx)? {
        for entry in newly.into_iter().filter(|entry| !entry.unanswered) {
            // Whoever wrote it under an identity that was given up is told under the new one.
            let to = match id {
                ConversationId::Direct(with) => *with,
                ConversationId::Group(_) => row_id(&entry.sender, HISTORY)?,
            };
            read(ctx, id, &to, entry.message_id)?;
        }
    }
    Ok(Some(Response::Done))
}

/// Another own device has read these.
pub(super) fn read_elsewhere(
    ctx: &mut Ctx<'_, '_>,
    id: &ConversationId,
    message_ids: &[Vec<u8>],
) -> Result<(), EngineError> {
    let Some(mut conversation) = conversations::find(ctx, id)? else { return Ok(()) };
    let mut newly = 0;
    for message_id in message_ids.iter().take(MAX_RECEIPT_IDS) {
        for position in history::positions(ctx, &conversation, false, message_id)? {
            let Some(mut entry) = history::entry(ctx, &conversation, position)? else { continue };
            if !entry.read && position > conversation.read_up_to {
                entry.read = true;
                begin_to_disappear(ctx, id, &conversation, position, &mut entry)?;
                history::save(ctx, &conversation, position, &entry);
                newly += 1;
            }
        }
    }
    if newly == 0 {
        return Ok(());
    }
    conversation.unread = conversation.unread.saturating_sub(newly);
    conversations::save(ctx, id, &conversation);
    ctx.event(EventKind::Read { conversation: *id, unread: conversation.unread })
}

/// The time of a message that disappears begins when it is read.
// CON-30
fn begin_to_disappear(
    ctx: &mut Ctx<'_, '_>,
    id: &ConversationId,
    conversation: &stored::Conversation,
    position: u64,
    entry: &mut HistoryEntry,
) -> Result<(), EngineError> {
    if entry.disappear_ms > 0 {
        let now = ctx.now.as_millis();
        disappear::begin(ctx, id, position, entry, now)?;
        history::save(ctx, conversation, position, entry);
    }
    Ok(())
}

/// Sends what has been gathered for long enough.
pub(super) fn due(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    let now = ctx.now;
    let due = ctx.passing.messaging.receipts.iter().filter(|(_, at)| **at <= now);
    for number in due.map(|(number, _)| *number).collect::<Vec<_>>() {
        ctx.passing.messaging.receipts.remove(&number);
        if let Some(pending) = ctx.load(RECEIPTS, b"", number)? {
            ctx.tx.delete(RECEIPTS, b"", number);
            send(ctx, pending)?;
        }
    }
    arm(ctx);
    Ok(())
}

/// Finds gathered receipts again, after a start.
pub(super) fn start(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    for (number, row) in ctx.tx.scan(RECEIPTS, b"", .., Direction::Forward, usize::MAX)? {
        let row = PendingReceipts::decode(row.as_slice())
            .map_err(|_| EngineError::Row { what: RECEIPTS.name() })?;
        ctx.passing.messaging.receipts.insert(number, Timestamp::from_millis(row.due_ms));
    }
    arm(ctx);
    Ok(())
}

/// Nothing more will be told.
pub(super) fn drop_all(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    ctx.tx.delete_all(RECEIPTS, b"")?;
    ctx.passing.messaging.receipts.clear();
    ctx.passing.timers.clear(Timer::Receipts);
    Ok(())
}

fn add(
    ctx: &mut Ctx<'_, '_>,
    id: &ConversationId,
    to: &AccountId,
    add: impl FnOnce(&mut ReceiptsTo),
) -> Result<(), EngineError> {
    let Some(conversation) = conversations::find(ctx, id)? else { return Ok(()) };
    let number = conversation.number;
    let mut pending = match ctx.load::<PendingReceipts>(RECEIPTS, b"", number)? {
        Some(pending) => pending,
        None => {
            let [one, other] = ctx.random::<2>();
            let more = u64::from(u16::from_be_bytes([one, other])) % (GATHER_MS.1 + 1);
            let due = ctx.now.plus_millis(GATHER_MS.0 + more);
            ctx.passing.messaging.receipts.insert(number, due);
            ctx.passing.timers.set_by(Timer::Receipts, due);
            let group_id = match id {
                ConversationId::Direct(_) => Vec::new(),
                ConversationId::Group(group) => group.to_vec(),
            };
            PendingReceipts { group_id, due_ms: due.as_millis(), ..Default::default() }
        }
    };
    let mut members = members(&mut pending);
    let known = members.iter().position(|member| member.identity == to.as_ref());
    let mut member = match known {
        Some(known) => members.remove(known),
        None => ReceiptsTo { identity: to.to_vec(), ..Default::default() },
    };
    add(&mut member);
    let full = member.delivered.len() >= MAX_RECEIPT_IDS || member.read.len() >= MAX_RECEIPT_IDS;
    members.push(member);
    pending.members = members;
    if !full {
        ctx.save(RECEIPTS, b"", number, &pending);
        return Ok(());
    }
    ctx.tx.delete(RECEIPTS, b"", number);
    ctx.passing.messaging.receipts.remove(&number);
    send(ctx, pending)
}

/// Takes out to whom what goes; between two people a store of before names the one in the row itself.
fn members(pending: &mut PendingReceipts) -> Vec<ReceiptsTo> {
    let mut members = std::mem::take(&mut pending.members);
    let PendingReceipts { identity, delivered, read, .. } = pending;
    if !identity.is_empty() {
        members.push(ReceiptsTo {
            identity: std::mem::take(identity),
            delivered: std::mem::take(delivered),
            read: std::mem::take(read),
        });
    }
    members
}

fn send(ctx: &mut Ctx<'_, '_>, mut pending: PendingReceipts) -> Result<(), EngineError> {
    for ReceiptsTo { identity, mut delivered, read } in members(&mut pending) {
        let to: AccountId = row_id(&identity, RECEIPTS)?;
        // Read says delivered too.
        delivered.retain(|id| !read.contains(id));
        for (kind, message_ids) in [(Kind::Delivered, delivered), (Kind::Read, read)] {
            if !message_ids.is_empty() {
                let group_id = pending.group_id.clone();
                let receipt = Receipt { kind: kind.into(), message_ids, group_id };
                let body = content::Body::Receipt(receipt);
                match GroupId::try_from(pending.group_id.as_slice()) {
                    Ok(group) => outbox::push_in_group(ctx, &group, &to, body, None, true)?,
                    Err(_) => outbox::push_hidden(ctx, &to, body, None)?,
                }
            }
        }
    }
    Ok(())
}

fn arm(ctx: &mut Ctx<'_, '_>) {
    match ctx.passing.messaging.receipts.values().min().copied() {
        Some(at) => ctx.passing.timers.set(Timer::Receipts, at),
        None => ctx.passing.timers.clear(Timer::Receipts),
    }
}
