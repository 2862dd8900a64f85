//! What is being written: kept here, and told to the own devices when the writer has paused.

use wheesht_proto::{
    content::{Draft as DraftSync, MessageRef, sync::What},
    ids::MessageId,
    limits::{MAX_ORDER_AHEAD_MS, MAX_TEXT},
    stored::{DraftRow, Reply},
};

use super::super::{
    super::{
        Ctx, EngineError,
        error::Answer,
        tables::{CONVERSATION_LIST, DRAFTS},
        timers::Timer,
    },
    conversations, history, row_id, sync, texts,
};
use crate::{
    api::{ConversationId, Draft, Error, ErrorCode, EventKind, Response},
    store::Direction,
};

/// A writer who pauses for this long (milliseconds) has written something worth telling.
const PAUSE_MS: u64 = 3_000;

/// `SetDraft`.
pub(in super::super) fn set(
    ctx: &mut Ctx<'_, '_>,
    id: &ConversationId,
    text: String,
    reply_to: Option<&MessageId>,
) -> Answer {
    if text.len() > MAX_TEXT {
        return Err(Error::new(ErrorCode::TooLarge, "A message is at most 64 KiB.").into());
    }
    let reply = match reply_to {
        Some(message) => {
            let (_, _, entry) = history::named(ctx, id, message)?;
            Some(Reply { author: entry.sender, message_id: entry.message_id, quote: String::new() })
        }
        None => None,
    };
    keep(ctx, id, text, reply)?;
    Ok(Some(Response::Done))
}

/// What was being written there has been sent.
pub(in super::super) fn sent(ctx: &mut Ctx<'_, '_>, id: &ConversationId) -> Result<(), EngineError> {
    match row(ctx, id)?.filter(|row| !is_empty(row)) {
        Some(_) => keep(ctx, id, String::new(), None),
        None => Ok(()),
    }
}

/// Another own device tells.
// CON-32
pub(in super::super) fn receive(ctx: &mut Ctx<'_, '_>, draft: DraftSync) -> Result<(), EngineError> {
    let DraftSync { conversation, text, reply_to, order } = draft;
    let Some(id) = conversations::from_key(&conversation) else { return Ok(()) };
    let ahead = ctx.now.as_millis().saturating_add(MAX_ORDER_AHEAD_MS);
    let known = row(ctx, &id)?.unwrap_or_default();
    if text.len() > MAX_TEXT || order > ahead || (known.order, &known.text) >= (order, &text) {
        return Ok(());
    }
    if !text.is_empty() && conversations::find(ctx, &id)?.is_none() {
        // A device that has just joined shows where something is being written, though it has nothing of what was said.
        let conversation = conversations::find_or_begin(ctx, &id)?;
        conversations::save(ctx, &id, &conversation);
    }
    let reply = reply_to.filter(texts::is_ref);
    let reply =
        reply.map(|MessageRef { author, message_id }| Reply { author, message_id, quote: String::new() });
    ctx.save(DRAFTS, &conversations::key(&id), 0, &DraftRow { text, reply, order });
    ctx.event(EventKind::ConversationChanged { conversation: id })
}

/// As the app sees it.
pub(in super::super) fn show(ctx: &Ctx<'_, '_>, id: &ConversationId) -> Result<Option<Draft>, EngineError> {
    let Some(row) = row(ctx, id)?.filter(|row| !is_empty(row)) else { return Ok(None) };
    let reply_to = row.reply.map(|reply| row_id(&reply.message_id, DRAFTS)).transpose()?;
    Ok(Some(Draft { text: row.text, reply_to }))
}

/// Tells the own devices what has been written.
pub(in super::super) fn due(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    for key in std::mem::take(&mut ctx.passing.messaging.drafts) {
        let Some(id) = conversations::from_key(&key) else { continue };
        let Some(DraftRow { text, reply, order }) = row(ctx, &id)? else { continue };
        let reply_to = reply.map(|Reply { author, message_id, .. }| MessageRef { author, message_id });
        sync::say(ctx, What::Draft(DraftSync { conversation: key, text, reply_to, order }))?;
    }
    Ok(())
}

/// A device has joined: it hears what is being written everywhere.
// CON-32
pub(in super::super) fn tell_all(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    for (_, key) in ctx.tx.scan(CONVERSATION_LIST, b"", .., Direction::Forward, usize::MAX)? {
        let Some(id) = conversations::from_key(&key) else { continue };
        if row(ctx, &id)?.is_some_and(|row| !is_empty(&row)) {
            ctx.passing.messaging.drafts.insert(key.to_vec());
        }
    }
    if !ctx.passing.messaging.drafts.is_empty() {
        let at = ctx.now.plus_millis(PAUSE_MS);
        ctx.passing.timers.set(Timer::Drafts, at);
    }
    Ok(())
}

/// Forgets what is being written there.
pub(in super::super) fn erase(ctx: &mut Ctx<'_, '_>, id: &ConversationId) {
    ctx.tx.delete(DRAFTS, &conversations::key(id), 0);
}

fn keep(
    ctx: &mut Ctx<'_, '_>,
    id: &ConversationId,
    text: String,
    reply: Option<Reply>,
) -> Result<(), EngineError> {
    let known = row(ctx, id)?.unwrap_or_default();
    let key = conversations::key(id);
    let order = ctx.now.as_millis().max(known.order.saturating_add(1));
    ctx.save(DRAFTS, &key, 0, &DraftRow { text, reply, order });
    ctx.passing.messaging.drafts.insert(key);
    let at = ctx.now.plus_millis(PAUSE_MS);
    ctx.passing.timers.set(Timer::Drafts, at);
    Ok(())
}

fn row(ctx: &Ctx<'_, '_>, id: &ConversationId) -> Result<Option<DraftRow>, EngineError> {
    ctx.load(DRAFTS, &conversations::key(id), 0)
}

fn is_empty(row: &DraftRow) -> bool {
    row.text.is_empty() && row.reply.is_none()
}
