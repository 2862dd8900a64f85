//! How far one's own messages in a group are with each member, as far as they say.
//!
//! A row per message and member, so that a receipt writes one small row; the entry has the sums.

use wheesht_proto::{
    ids::{AccountId, MessageId},
    prost::Message as _,
    stored::{self, DeliveryRow, HistoryEntry, history_entry::State},
};

use super::{
    super::{
        Ctx, EngineError,
        error::Answer,
        tables::{DELIVERIES, HISTORY},
    },
    conversations, history,
    history::By,
    member, row_id, states,
};
use crate::{
    api::{ConversationId, Delivery, EventKind, MessageState, Receipts, Response},
    store::Direction,
    time::Timestamp,
};

/// A message goes to so many others.
pub(super) fn expect(
    ctx: &mut Ctx<'_, '_>,
    id: &ConversationId,
    message_id: &[u8],
    others: usize,
) -> Result<(), EngineError> {
    let Some(conversation) = conversations::find(ctx, id)? else { return Ok(()) };
    if let Some((position, mut entry)) = history::locate(ctx, &conversation, By::Own, message_id)? {
        entry.recipients = u32::try_from(others).unwrap_or(u32::MAX);
        history::save(ctx, &conversation, position, &entry);
    }
    Ok(())
}

/// A member says how far a message is.
// CON-12
pub(super) fn advance(
    ctx: &mut Ctx<'_, '_>,
    id: &ConversationId,
    from: &AccountId,
    message_id: &[u8],
    to: State,
) -> Result<(), EngineError> {
    let Some(conversation) = conversations::find(ctx, id)? else { return Ok(()) };
    let found = history::locate(ctx, &conversation, By::Own, message_id)?;
    let Some((position, mut entry)) = found else { return Ok(()) };
    let prefix = prefix(&conversation, position);
    let half = half(from);
    let known: Option<DeliveryRow> = ctx.load(DELIVERIES, &prefix, half)?;
    // Two members whose identities begin alike share a row: the first has it.
    if known.as_ref().is_some_and(|known| known.identity != from.as_ref()) {
        return Ok(());
    }
    let before = known.map_or(State::Unspecified, |known| known.state());
    if before as i32 >= to as i32 {
        return Ok(());
    }
    let row = DeliveryRow { identity: from.to_vec(), state: to.into(), at_ms: ctx.now.as_millis() };
    ctx.save(DELIVERIES, &prefix, half, &row);
    entry.delivered += u32::from(before == State::Unspecified);
    entry.read_by += u32::from(to == State::Read);
    history::save(ctx, &conversation, position, &entry);
    let message: MessageId = row_id(message_id, HISTORY)?;
    ctx.event(EventKind::Receipts { conversation: *id, message, receipts: sums(&entry) })?;
    // Everybody has it: so the message as a whole is as far.
    for (count, state) in [(entry.delivered, MessageState::Delivered), (entry.read_by, MessageState::Read)] {
        if entry.recipients > 0 && count >= entry.recipients {
            history::advance(ctx, id, message_id, state)?;
        }
    }
    Ok(())
}

/// How many have it.
pub(super) fn sums(entry: &HistoryEntry) -> Receipts {
    Receipts { delivered: entry.delivered, read: entry.read_by, of: entry.recipients }
}

/// `Deliveries`.
pub(super) fn list(ctx: &mut Ctx<'_, '_>, id: &ConversationId, message: &MessageId) -> Answer {
    let (conversation, position, entry) = history::named(ctx, id, message)?;
    let mut members = Vec::new();
    match (id, states::state_from_row(&entry)) {
        (_, None) => {}
        (ConversationId::Direct(with), Some(state)) => {
            members.push(Delivery {
                account: *with,
                name: member::name(ctx, id, with, false)?,
                state,
                at: None,
            });
        }
        (ConversationId::Group(_), Some(_)) => {
            let prefix = prefix(&conversation, position);
            for (_, row) in ctx.tx.scan(DELIVERIES, &prefix, .., Direction::Forward, usize::MAX)? {
                let row = DeliveryRow::decode(row.as_slice()).map_err(|_| unreadable())?;
                let account: AccountId = row_id(&row.identity, DELIVERIES)?;
                let state = match row.state() {
                    State::Read => MessageState::Read,
                    _ => MessageState::Delivered,
                };
                let at = Some(Timestamp::from_millis(row.at_ms));
                members.push(Delivery { account, name: member::name(ctx, id, &account, false)?, state, at });
            }
            members.sort_by(|a, b| (&a.name, a.account).cmp(&(&b.name, b.account)));
        }
    }
    Ok(Some(Response::Deliveries { members }))
}

/// Forgets what is known of a message.
pub(super) fn erase(
    ctx: &mut Ctx<'_, '_>,
    conversation: &stored::Conversation,
    position: u64,
) -> Result<(), EngineError> {
    ctx.tx.delete_all(DELIVERIES, &prefix(conversation, position))?;
    Ok(())
}

fn prefix(conversation: &stored::Conversation, position: u64) -> Vec<u8> {
    [conversation.number.to_be_bytes(), position.to_be_bytes()].concat()
}

fn half(account: &AccountId) -> u64 {
    let (first, _) = account.as_bytes().split_first_chunk().unwrap_or((&[0; 8], &[]));
    u64::from_be_bytes(*first)
}

const fn unreadable() -> EngineError {
    EngineError::Row { what: DELIVERIES.name() }
}
