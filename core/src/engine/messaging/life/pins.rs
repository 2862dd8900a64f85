//! What is pinned in a conversation: a bounded list of positions beside what each entry says of itself.

use wheesht_proto::{limits::MAX_PINS, stored::HistoryEntry};

use super::{
    super::{
        super::{Ctx, EngineError, error::Answer},
        conversations, history, show,
    },
    is_pinned, tell,
};
use crate::api::{ConversationId, Response};

/// An entry is pinned, or no longer. Beyond the bound the one that was pinned first goes.
// CON-29
pub(in super::super) fn update(
    ctx: &mut Ctx<'_, '_>,
    id: &ConversationId,
    position: u64,
    pinned: bool,
) -> Result<(), EngineError> {
    let Some(mut conversation) = conversations::find(ctx, id)? else { return Ok(()) };
    conversation.pins.retain(|known| *known != position);
    if pinned {
        conversation.pins.push(position);
        conversation.pins.sort_unstable();
    }
    let mut dropped = None;
    if conversation.pins.len() > MAX_PINS {
        let mut lowest: Option<((u64, Vec<u8>), u64, HistoryEntry)> = None;
        for position in &conversation.pins {
            let Some(entry) = history::entry(ctx, &conversation, *position)? else { continue };
            let rank = (entry.pin.as_ref().map_or(0, |pin| pin.order), entry.message_id.clone());
            if lowest.as_ref().is_none_or(|(least, ..)| rank < *least) {
                lowest = Some((rank, *position, entry));
            }
        }
        if let Some((_, position, mut entry)) = lowest {
            conversation.pins.retain(|known| *known != position);
            if let Some(pin) = &mut entry.pin {
                pin.pinned = false;
            }
            history::save(ctx, &conversation, position, &entry);
            dropped = Some((position, entry));
        }
    }
    conversations::save(ctx, id, &conversation);
    match dropped {
        Some((position, entry)) => tell(ctx, id, position, entry),
        None => Ok(()),
    }
}

/// The pinned messages, in the order of the conversation.
pub(in super::super) fn list(ctx: &mut Ctx<'_, '_>, id: &ConversationId) -> Answer {
    let mut messages = Vec::new();
    if let Some(conversation) = conversations::find(ctx, id)? {
        for position in &conversation.pins {
            if let Some(entry) = history::entry(ctx, &conversation, *position)?.filter(is_pinned) {
                messages.push(show::message(ctx, id, &conversation, *position, entry)?);
            }
        }
    }
    Ok(Some(Response::History { messages, more: false }))
}
