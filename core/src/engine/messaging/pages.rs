//! Parts of a conversation, wherever they are: backwards, forwards, around a message, a day, or what was not read.

use std::ops::RangeInclusive;

use wheesht_proto::{
    prost::Message as _,
    stored::{self, HistoryEntry},
};

use super::{
    super::{
        Ctx, EngineError,
        error::Answer,
        search,
        tables::{CONVERSATION_LIST, HISTORY},
    },
    conversations, history, life, show,
};
use crate::{
    api::{ConversationId, Message, Page, PageAt, Response},
    store::Direction,
    time::Timestamp,
};

/// Largest page.
const MAX_PAGE: usize = 1_000;

/// Entries looked at, at once, for the first that was not read.
const AT_ONCE: usize = 256;

/// `Page`.
pub(super) fn page(ctx: &mut Ctx<'_, '_>, id: &ConversationId, at: PageAt, limit: u32) -> Answer {
    let Some(conversation) = conversations::find(ctx, id)? else {
        return Ok(Some(Response::Page { page: Page::default() }));
    };
    let limit = usize::try_from(limit).unwrap_or(MAX_PAGE).clamp(1, MAX_PAGE);
    let last = conversation.last;
    let mut sought = None;
    let rows = match at {
        PageAt::Newest => history::entries(ctx, &conversation, 1..=last, limit)?,
        PageAt::Oldest => from(ctx, &conversation, 1..=last, limit)?,
        PageAt::Before { seq } => {
            history::entries(ctx, &conversation, 1..=seq.saturating_sub(1).min(last), limit)?
        }
        PageAt::After { seq } => from(ctx, &conversation, seq.saturating_add(1)..=last, limit)?,
        PageAt::Around { seq } => {
            sought = Some(seq);
            around(ctx, &conversation, seq, limit)?
        }
        PageAt::Message { message } => {
            let (_, position, _) = history::named(ctx, id, &message)?;
            sought = Some(position);
            around(ctx, &conversation, position, limit)?
        }
        PageAt::Date { at } => {
            sought = first_since(ctx, &conversation, at)?;
            around(ctx, &conversation, sought.unwrap_or(last), limit)?
        }
        PageAt::FirstUnread => {
            sought = first_unread(ctx, &conversation)?;
            match sought {
                Some(position) => around(ctx, &conversation, position, limit)?,
                None => history::entries(ctx, &conversation, 1..=last, limit)?,
            }
        }
    };
    let mut page = Page::default();
    if let (Some((first, _)), Some((end, _))) = (rows.first(), rows.last()) {
        let (first, end) = (*first, *end);
        page.earlier = !history::entries(ctx, &conversation, 1..=first.saturating_sub(1), 1)?.is_empty();
        page.later = !from(ctx, &conversation, end.saturating_add(1)..=last, 1)?.is_empty();
    }
    page.at = sought.filter(|sought| rows.iter().any(|(position, _)| position == sought));
    for (position, entry) in rows {
        page.messages.push(show::message(ctx, id, &conversation, position, entry)?);
    }
    Ok(Some(Response::Page { page }))
}

/// Half of it before a position, the rest from there on; what one side lacks the other has.
fn around(
    ctx: &Ctx<'_, '_>,
    conversation: &stored::Conversation,
    position: u64,
    limit: usize,
) -> Result<Vec<(u64, HistoryEntry)>, EngineError> {
    let after = from(ctx, conversation, position..=conversation.last, limit)?;
    let room = limit - after.len().min(limit.div_ceil(2));
    let end = position.saturating_sub(1).min(conversation.last);
    let mut rows = history::entries(ctx, conversation, 1..=end, room)?;
    let left = limit - rows.len();
    rows.extend(after.into_iter().take(left));
    Ok(rows)
}

/// The first `limit` entries of a range of positions.
pub(super) fn from(
    ctx: &Ctx<'_, '_>,
    conversation: &stored::Conversation,
    range: RangeInclusive<u64>,
    limit: usize,
) -> Result<Vec<(u64, HistoryEntry)>, EngineError> {
    let prefix = conversation.number.to_be_bytes();
    let (mut first, last) = range.into_inner();
    let mut found = Vec::new();
    while found.len() < limit && first <= last {
        let rows = ctx.tx.scan(HISTORY, &prefix, first..=last, Direction::Forward, limit - found.len())?;
        let Some((highest, _)) = rows.last() else { break };
        first = highest.saturating_add(1);
        for (position, row) in rows {
            let row = HistoryEntry::decode(row.as_slice())
                .map_err(|_| EngineError::Row { what: HISTORY.name() })?;
            let entry = history::whole(ctx, conversation, position, row)?;
            if let Some(entry) = entry.filter(|entry| !entry.hidden) {
                found.push((position, entry));
            }
        }
    }
    Ok(found)
}

/// The first entry that arrived at this time or after. Positions follow arrival, so halving the span finds it.
fn first_since(
    ctx: &Ctx<'_, '_>,
    conversation: &stored::Conversation,
    at: Timestamp,
) -> Result<Option<u64>, EngineError> {
    let (mut low, mut high) = (1, conversation.last.saturating_add(1));
    let mut found = None;
    while low < high {
        let middle = low + (high - low) / 2;
        match from(ctx, conversation, middle..=conversation.last, 1)?.pop() {
            Some((position, entry)) if entry.received_ms < at.as_millis() => low = position + 1,
            Some((position, _)) => {
                found = Some(position);
                high = middle;
            }
            None => high = middle,
        }
    }
    Ok(found)
}

fn first_unread(ctx: &Ctx<'_, '_>, conversation: &stored::Conversation) -> Result<Option<u64>, EngineError> {
    let mut first = conversation.read_up_to.saturating_add(1);
    while conversation.unread > 0 && first <= conversation.last {
        let rows = from(ctx, conversation, first..=conversation.last, AT_ONCE)?;
        let unread = rows.iter().find(|(position, entry)| life::is_unread(conversation, *position, entry));
        if let Some((position, _)) = unread {
            return Ok(Some(*position));
        }
        let Some((last, _)) = rows.last() else { break };
        first = last + 1;
    }
    Ok(None)
}

// ---- For the search index ------------------------------------------------------------------------------------

/// The conversation after this one, by number.
pub(super) fn next_conversation(ctx: &Ctx<'_, '_>, after: u64) -> Result<Option<u64>, EngineError> {
    let next = ctx.tx.scan(CONVERSATION_LIST, b"", after.saturating_add(1).., Direction::Forward, 1)?;
    Ok(next.first().map(|(number, _)| *number))
}

/// The conversation of a number.
pub(super) fn numbered(
    ctx: &Ctx<'_, '_>,
    number: u64,
) -> Result<Option<(ConversationId, stored::Conversation)>, EngineError> {
    let Some(key) = ctx.tx.get(CONVERSATION_LIST, b"", number)? else { return Ok(None) };
    let id = conversations::from_key(&key).ok_or(EngineError::Row { what: CONVERSATION_LIST.name() })?;
    Ok(conversations::find(ctx, &id)?.map(|row| (id, row)))
}

/// Takes entries behind a position into the index that are not in it. Gives the last one looked at.
pub(super) fn index_entries(
    ctx: &mut Ctx<'_, '_>,
    number: u64,
    after: u64,
    limit: usize,
) -> Result<Option<u64>, EngineError> {
    let Some((_, conversation)) = numbered(ctx, number)? else { return Ok(None) };
    let rows = from(ctx, &conversation, after.saturating_add(1)..=conversation.last, limit)?;
    let last = rows.last().map(|(position, _)| *position);
    for (position, mut entry) in rows.into_iter().filter(|(_, entry)| entry.search == 0) {
        search::added(ctx, number, position, &mut entry)?;
        if entry.search != 0 {
            history::save(ctx, &conversation, position, &entry);
        }
    }
    Ok(last)
}

/// A message of the index with its text, if it is still what the index knows under this number.
pub(super) fn found(
    ctx: &mut Ctx<'_, '_>,
    number: u64,
    position: u64,
    known_as: u64,
) -> Result<Option<(Message, String)>, EngineError> {
    let Some((id, conversation)) = numbered(ctx, number)? else { return Ok(None) };
    let entry = history::entry(ctx, &conversation, position)?;
    let Some(entry) = entry.filter(|entry| entry.search == known_as && !entry.hidden) else {
        return Ok(None);
    };
    let text = search::text_of(&entry).unwrap_or_default().into_owned();
    Ok(Some((show::message(ctx, &id, &conversation, position, entry)?, text)))
}

/// Conversations that are called so: wholly if any is, or else in part.
pub(super) fn called(ctx: &mut Ctx<'_, '_>, name: &str) -> Result<Vec<u64>, EngineError> {
    let wanted = search::fold(name.trim_start_matches('#'));
    let (mut whole, mut part) = (Vec::new(), Vec::new());
    for (number, key) in ctx.tx.scan(CONVERSATION_LIST, b"", .., Direction::Forward, usize::MAX)? {
        let Some(id) = conversations::from_key(&key) else { continue };
        let title = search::fold(&conversations::title(ctx, &id)?);
        let local = title.split('@').next().unwrap_or_default();
        if id.to_string() == name || title == wanted || local == wanted || title.replace(' ', "-") == wanted {
            whole.push(number);
        } else if title.contains(&wanted) {
            part.push(number);
        }
    }
    Ok(if whole.is_empty() { part } else { whole })
}
