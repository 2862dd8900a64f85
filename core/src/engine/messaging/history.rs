//! The entries of a conversation: appended, found by message id, moved forward, read in pages.

use std::ops::RangeInclusive;

use wheesht_proto::{
    ids::MessageId,
    prost::Message as _,
    stored::{
        self, FilePlace, HistoryEntry,
        history_entry::{self, State},
    },
};

use super::{
    super::{
        Ctx, EngineError,
        error::{Answer, Failure as Failed},
        search,
        tables::{FILES, HISTORY, MESSAGE_INDEX, TIMED_HISTORY},
    },
    conversations, deliveries, files,
    life::{self, disappear},
    row_id, show, states,
};
use crate::{
    api::{ConversationId, Error, ErrorCode, EventKind, MessageState, Notice, Response},
    store::Direction,
};

/// Largest page.
const MAX_PAGE: usize = 1_000;

/// Puts an entry at the end of a conversation; an incoming text counts as unread. Gives its position.
pub(super) fn append(
    ctx: &mut Ctx<'_, '_>,
    id: &ConversationId,
    entry: &mut HistoryEntry,
) -> Result<(stored::Conversation, u64), EngineError> {
    let mut conversation = conversations::find_or_begin(ctx, id)?;
    conversation.last += 1;
    if !entry.outgoing && matches!(entry.body, Some(history_entry::Body::Text(_))) {
        conversation.unread += 1;
    }
    let position = conversation.last;
    search::added(ctx, conversation.number, position, entry)?;
    index(ctx, &conversation, position, entry)?;
    save(ctx, &conversation, position, entry);
    if entry.file.is_some() {
        let place = FilePlace { conversation: conversation.number, position };
        ctx.tx.append(FILES, b"", place.encode_to_vec())?;
    }
    conversations::save(ctx, id, &conversation);
    Ok((conversation, position))
}

/// Puts an entry at the end and tells the app.
pub(super) fn append_and_tell(
    ctx: &mut Ctx<'_, '_>,
    id: &ConversationId,
    mut entry: HistoryEntry,
) -> Result<(), EngineError> {
    let (_, position) = append(ctx, id, &mut entry)?;
    tell_new(ctx, id, position, entry)
}

/// The app hears of an entry that was appended, as it is after what had come before it.
pub(super) fn tell_new(
    ctx: &mut Ctx<'_, '_>,
    id: &ConversationId,
    position: u64,
    entry: HistoryEntry,
) -> Result<(), EngineError> {
    let entry = life::catch_up(ctx, id, position, entry)?;
    let Some(conversation) = conversations::find(ctx, id)? else { return Ok(()) };
    let message = show::message(ctx, id, &conversation, position, entry)?;
    ctx.event(EventKind::Message { message })
}

/// Something happened that the person should know: an entry like a message. `sender`: whom it is about.
pub(super) fn append_notice(
    ctx: &mut Ctx<'_, '_>,
    id: &ConversationId,
    sender: &[u8],
    notice: Notice,
) -> Result<(), EngineError> {
    let now = ctx.now.as_millis();
    let entry = HistoryEntry {
        message_id: ctx.random::<16>().to_vec(),
        sender: sender.to_vec(),
        sent_ms: now,
        received_ms: now,
        body: Some(history_entry::Body::Notice(states::notice_to_row(notice))),
        ..Default::default()
    };
    append_and_tell(ctx, id, entry)
}

/// Whose a message is, as far as the index tells.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum By<'a> {
    /// One's own.
    Own,
    /// The other's, where there is only one other.
    Other,
    /// This member's.
    Member(&'a [u8]),
}

/// Where a message stands, and its entry.
pub(super) fn locate(
    ctx: &Ctx<'_, '_>,
    conversation: &stored::Conversation,
    by: By<'_>,
    message_id: &[u8],
) -> Result<Option<(u64, HistoryEntry)>, EngineError> {
    for position in positions(ctx, conversation, by == By::Own, message_id)? {
        let Some(entry) = entry(ctx, conversation, position)? else { continue };
        if !matches!(by, By::Member(member) if entry.sender != member) {
            return Ok(Some((position, entry)));
        }
    }
    Ok(None)
}

/// Where messages with this id stand: one, unless several members of a group chose the same.
pub(super) fn positions(
    ctx: &Ctx<'_, '_>,
    conversation: &stored::Conversation,
    outgoing: bool,
    message_id: &[u8],
) -> Result<Vec<u64>, EngineError> {
    let Some(row) = ctx.tx.get(MESSAGE_INDEX, &index_key(conversation, outgoing, message_id), 0)? else {
        return Ok(Vec::new());
    };
    let (positions, rest) = row.as_chunks::<8>();
    if rest.is_empty() {
        Ok(positions.iter().map(|bytes| u64::from_be_bytes(*bytes)).collect())
    } else {
        Err(unreadable())
    }
}

pub(super) fn entry(
    ctx: &Ctx<'_, '_>,
    conversation: &stored::Conversation,
    position: u64,
) -> Result<Option<HistoryEntry>, EngineError> {
    match ctx.load(HISTORY, &conversation.number.to_be_bytes(), position)? {
        Some(entry) => whole(ctx, conversation, position, entry),
        None => Ok(None),
    }
}

/// The entry whose row this is: one that disappears lies apart.
pub(super) fn whole(
    ctx: &Ctx<'_, '_>,
    conversation: &stored::Conversation,
    position: u64,
    row: HistoryEntry,
) -> Result<Option<HistoryEntry>, EngineError> {
    if row.apart {
        return ctx.load(TIMED_HISTORY, &conversation.number.to_be_bytes(), position);
    }
    Ok(Some(row))
}

/// Writes an entry. What disappears lies where deleting means something; its place in the conversation is kept beside the others.
pub(super) fn save(
    ctx: &mut Ctx<'_, '_>,
    conversation: &stored::Conversation,
    position: u64,
    entry: &HistoryEntry,
) {
    let prefix = conversation.number.to_be_bytes();
    if entry.disappear_ms > 0 {
        ctx.save(TIMED_HISTORY, &prefix, position, entry);
        let place = HistoryEntry { apart: true, ..Default::default() };
        ctx.save(HISTORY, &prefix, position, &place);
    } else {
        ctx.save(HISTORY, &prefix, position, entry);
    }
}

/// Takes an entry out, and what the index knows of it.
pub(super) fn remove(
    ctx: &mut Ctx<'_, '_>,
    conversation: &stored::Conversation,
    position: u64,
    entry: &HistoryEntry,
) -> Result<(), EngineError> {
    let prefix = conversation.number.to_be_bytes();
    search::removed(ctx, (conversation.number, position), entry)?;
    ctx.tx.delete(HISTORY, &prefix, position);
    if entry.disappear_ms > 0 {
        ctx.tx.delete(TIMED_HISTORY, &prefix, position);
        disappear::cancel(ctx, entry)?;
    }
    if entry.delivered > 0 {
        deliveries::erase(ctx, conversation, position)?;
    }
    let key = index_key(conversation, entry.outgoing, &entry.message_id);
    let mut left = positions(ctx, conversation, entry.outgoing, &entry.message_id)?;
    left.retain(|known| *known != position);
    if left.is_empty() {
        ctx.tx.delete(MESSAGE_INDEX, &key, 0);
    } else {
        let left: Vec<u8> = left.iter().flat_map(|position| position.to_be_bytes()).collect();
        ctx.tx.put(MESSAGE_INDEX, &key, 0, left);
    }
    Ok(())
}

/// Puts what is left of an entry in its place.
pub(super) fn put_back(
    ctx: &mut Ctx<'_, '_>,
    conversation: &stored::Conversation,
    position: u64,
    left: &HistoryEntry,
) -> Result<(), EngineError> {
    save(ctx, conversation, position, left);
    index(ctx, conversation, position, left)
}

fn index(
    ctx: &mut Ctx<'_, '_>,
    conversation: &stored::Conversation,
    position: u64,
    entry: &HistoryEntry,
) -> Result<(), EngineError> {
    let key = index_key(conversation, entry.outgoing, &entry.message_id);
    let mut index = ctx.tx.get(MESSAGE_INDEX, &key, 0)?.map_or_else(Vec::new, |row| row.to_vec());
    index.extend(position.to_be_bytes());
    ctx.tx.put(MESSAGE_INDEX, &key, 0, index);
    Ok(())
}

/// Every entry of a conversation goes.
pub(super) fn erase(ctx: &mut Ctx<'_, '_>, conversation: &stored::Conversation) -> Result<(), EngineError> {
    let prefix = conversation.number.to_be_bytes();
    for (position, row) in ctx.tx.scan(HISTORY, &prefix, .., Direction::Forward, usize::MAX)? {
        let row = HistoryEntry::decode(row.as_slice()).map_err(|_| unreadable())?;
        let Some(entry) = whole(ctx, conversation, position, row)? else { continue };
        ctx.tx.delete(MESSAGE_INDEX, &index_key(conversation, entry.outgoing, &entry.message_id), 0);
        disappear::cancel(ctx, &entry)?;
        search::removed(ctx, (conversation.number, position), &entry)?;
        if let Some(file) = entry.file.as_ref().filter(|file| file.transfer != 0) {
            files::abandon(ctx, file.transfer)?;
        }
        if entry.delivered > 0 {
            deliveries::erase(ctx, conversation, position)?;
        }
    }
    ctx.tx.delete_all(HISTORY, &prefix)?;
    ctx.tx.delete_all(TIMED_HISTORY, &prefix)?;
    Ok(())
}

/// The last `limit` entries of a range of positions, oldest first.
pub(super) fn entries(
    ctx: &Ctx<'_, '_>,
    conversation: &stored::Conversation,
    range: RangeInclusive<u64>,
    limit: usize,
) -> Result<Vec<(u64, HistoryEntry)>, EngineError> {
    let prefix = conversation.number.to_be_bytes();
    let (first, mut last) = range.into_inner();
    let mut found = Vec::new();
    // Hidden ones don't count, so it may take more than one look.
    while found.len() < limit && first <= last {
        let rows = ctx.tx.scan(HISTORY, &prefix, first..=last, Direction::Backward, limit - found.len())?;
        let Some((lowest, _)) = rows.last() else { break };
        last = lowest.saturating_sub(1);
        for (position, row) in rows {
            let row = HistoryEntry::decode(row.as_slice()).map_err(|_| unreadable())?;
            let entry = whole(ctx, conversation, position, row)?;
            if let Some(entry) = entry.filter(|entry| !entry.hidden) {
                found.push((position, entry));
            }
        }
    }
    found.reverse();
    Ok(found)
}

/// An outgoing message has come further. States only move forward; whatever would move one back is passed over.
// CON-12
pub(super) fn advance(
    ctx: &mut Ctx<'_, '_>,
    id: &ConversationId,
    message_id: &[u8],
    to: MessageState,
) -> Result<(), EngineError> {
    let Some(conversation) = conversations::find(ctx, id)? else { return Ok(()) };
    let Some((position, mut entry)) = locate(ctx, &conversation, By::Own, message_id)? else { return Ok(()) };
    let (state, failure) = states::state_to_row(to);
    let forward = match (entry.state(), state) {
        (State::Unspecified | State::Failed, _) => false,
        (State::Pending, State::Failed) => true,
        (_, State::Failed) => false,
        (from, to) => to as i32 > from as i32,
    };
    if !forward {
        return Ok(());
    }
    entry.set_state(state);
    entry.set_failure(failure);
    if state != State::Failed {
        let now = ctx.now.as_millis();
        disappear::begin(ctx, id, position, &mut entry, now)?;
    }
    save(ctx, &conversation, position, &entry);
    let message = row_id(message_id, HISTORY)?;
    ctx.event(EventKind::MessageState { conversation: *id, message, state: to })
}

/// A page of a conversation, ending before a position.
pub(super) fn page(ctx: &mut Ctx<'_, '_>, id: &ConversationId, before: Option<u64>, limit: u32) -> Answer {
    let none = Response::History { messages: Vec::new(), more: false };
    let Some(conversation) = conversations::find(ctx, id)? else { return Ok(Some(none)) };
    let end = before.map_or(conversation.last, |before| before.saturating_sub(1));
    let limit = usize::try_from(limit).unwrap_or(MAX_PAGE).clamp(1, MAX_PAGE);
    if end == 0 {
        return Ok(Some(none));
    }
    let mut rows = entries(ctx, &conversation, 1..=end, limit + 1)?;
    let more = rows.len() > limit;
    if more {
        rows.remove(0);
    }
    let mut messages = Vec::with_capacity(rows.len());
    for (position, entry) in rows {
        messages.push(show::message(ctx, id, &conversation, position, entry)?);
    }
    Ok(Some(Response::History { messages, more }))
}

/// One message by its id.
pub(super) fn one(ctx: &mut Ctx<'_, '_>, id: &ConversationId, message: &MessageId) -> Answer {
    let (conversation, position, entry) = named(ctx, id, message)?;
    let message = show::message(ctx, id, &conversation, position, entry)?;
    Ok(Some(Response::History { messages: vec![message], more: position > 1 }))
}

/// The message that a request names: one's own, or the first that came with that id.
pub(super) fn named(
    ctx: &Ctx<'_, '_>,
    id: &ConversationId,
    message: &MessageId,
) -> Result<(stored::Conversation, u64, HistoryEntry), Failed> {
    let missing = || Failed::from(Error::new(ErrorCode::NotFound, "There is no such message here."));
    let conversation = conversations::find(ctx, id)?.ok_or_else(missing)?;
    for outgoing in [true, false] {
        for position in positions(ctx, &conversation, outgoing, message.as_ref())? {
            if let Some(entry) = entry(ctx, &conversation, position)?.filter(|entry| !entry.hidden) {
                return Ok((conversation, position, entry));
            }
        }
    }
    Err(missing())
}

/// Where the index keeps messages of an id. The direction stands in it so that a peer can't choose an id that hides one's own.
pub(super) fn index_key(conversation: &stored::Conversation, outgoing: bool, message_id: &[u8]) -> Vec<u8> {
    [conversation.number.to_be_bytes().as_slice(), &[u8::from(outgoing)], message_id].concat()
}

const fn unreadable() -> EngineError {
    EngineError::Row { what: HISTORY.name() }
}
