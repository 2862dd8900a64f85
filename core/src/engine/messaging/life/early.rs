//! Changes that came before the message that they are about: kept, bounded, and done when it comes.

use std::collections::BTreeMap;

use wheesht_proto::{
    content::{Content, MessageRef},
    ids::AccountId,
    limits::{EARLY_MS, MAX_EARLY, MAX_EARLY_PER_PERSON},
    prost::Message as _,
    stored::{EarlyChange, HistoryEntry},
};

use super::{
    super::{
        super::{Ctx, EngineError, tables::EARLY},
        conversations, row_id,
    },
    Scene,
};
use crate::{api::ConversationId, store::Direction};

/// What is kept, by its number: enough to find it.
#[derive(Default)]
pub(in super::super) struct Kept {
    rows: BTreeMap<u64, Place>,
}

struct Place {
    conversation: Vec<u8>,
    message_id: Vec<u8>,
    sender: Vec<u8>,
}

/// Keeps a change. Whoever has too many there loses their own first.
// CON-23
pub(super) fn keep(
    ctx: &mut Ctx<'_, '_>,
    scene: Scene<'_>,
    named: &MessageRef,
    content: &Content,
) -> Result<(), EngineError> {
    let place = Place {
        conversation: conversations::key(scene.id),
        message_id: named.message_id.clone(),
        sender: scene.sender.to_vec(),
    };
    let rows = &ctx.passing.messaging.early.rows;
    let theirs = || rows.iter().filter(|(_, known)| known.sender == place.sender).map(|(n, _)| *n);
    let drop = if theirs().count() >= MAX_EARLY_PER_PERSON {
        theirs().next()
    } else if rows.len() >= MAX_EARLY {
        rows.keys().next().copied()
    } else {
        None
    };
    if let Some(n) = drop {
        forget(ctx, n);
    }
    let row = EarlyChange {
        conversation: place.conversation.clone(),
        message_id: place.message_id.clone(),
        sender: place.sender.clone(),
        own: scene.own,
        content: content.encode_to_vec(),
        received_ms: ctx.now.as_millis(),
    };
    let n = ctx.tx.append(EARLY, b"", row.encode_to_vec())?;
    ctx.passing.messaging.early.rows.insert(n, place);
    Ok(())
}

/// Takes out what waits for a message of this id, whoever it says wrote it: the one it is meant for is looked for again.
pub(super) fn take(
    ctx: &mut Ctx<'_, '_>,
    id: &ConversationId,
    entry: &HistoryEntry,
) -> Result<Vec<(AccountId, bool, Content)>, EngineError> {
    if ctx.passing.messaging.early.rows.is_empty() {
        return Ok(Vec::new());
    }
    let key = conversations::key(id);
    let here = |place: &Place| place.message_id == entry.message_id && place.conversation == key;
    let rows = &ctx.passing.messaging.early.rows;
    let numbers: Vec<u64> = rows.iter().filter(|(_, place)| here(place)).map(|(n, _)| *n).collect();
    let mut taken = Vec::new();
    for n in numbers {
        let Some(row) = ctx.load::<EarlyChange>(EARLY, b"", n)? else { continue };
        let content = Content::decode(row.content.as_slice()).map_err(|_| unreadable())?;
        let about = about(&content);
        // In a group somebody else may have chosen the same id.
        if matches!(id, ConversationId::Group(_)) && about.is_some_and(|named| named.author != entry.sender) {
            continue;
        }
        let own = super::super::member::own(ctx)?.map(|own| own.to_vec());
        let says_own = about.is_some_and(|named| Some(&named.author) == own.as_ref());
        if says_own != entry.outgoing {
            continue;
        }
        forget(ctx, n);
        taken.push((row_id(&row.sender, EARLY)?, row.own, content));
    }
    Ok(taken)
}

/// Forgets what waited for a message that did not come.
pub(in super::super) fn expire(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    let numbers: Vec<u64> = ctx.passing.messaging.early.rows.keys().copied().collect();
    for n in numbers {
        let row = ctx.load::<EarlyChange>(EARLY, b"", n)?;
        if row.is_some_and(|row| ctx.now.as_millis().saturating_sub(row.received_ms) < EARLY_MS) {
            break;
        }
        forget(ctx, n);
    }
    Ok(())
}

/// Forgets what waits in a conversation.
pub(in super::super) fn erase(ctx: &mut Ctx<'_, '_>, id: &ConversationId) {
    let key = conversations::key(id);
    let rows = &ctx.passing.messaging.early.rows;
    let numbers: Vec<u64> =
        rows.iter().filter(|(_, place)| place.conversation == key).map(|(n, _)| *n).collect();
    numbers.into_iter().for_each(|n| forget(ctx, n));
}

/// Finds what is kept again, after a start.
pub(in super::super) fn start(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    for (n, row) in ctx.tx.scan(EARLY, b"", .., Direction::Forward, usize::MAX)? {
        let row = EarlyChange::decode(row.as_slice()).map_err(|_| unreadable())?;
        let EarlyChange { conversation, message_id, sender, .. } = row;
        ctx.passing.messaging.early.rows.insert(n, Place { conversation, message_id, sender });
    }
    Ok(())
}

fn about(content: &Content) -> Option<&MessageRef> {
    use wheesht_proto::content::content::Body;
    match content.body.as_ref()? {
        Body::Reaction(reaction) => reaction.to.as_ref(),
        Body::Edit(edit) => edit.of.as_ref(),
        Body::Deletion(deletion) => deletion.of.as_ref(),
        Body::Pin(pin) => pin.of.as_ref(),
        _ => None,
    }
}

fn forget(ctx: &mut Ctx<'_, '_>, n: u64) {
    ctx.passing.messaging.early.rows.remove(&n);
    ctx.tx.delete(EARLY, b"", n);
}

const fn unreadable() -> EngineError {
    EngineError::Row { what: EARLY.name() }
}
