//! A message came: whether it deserves to call.

use super::{
    super::{Ctx, EngineError, account, messaging, people},
    is_looked_at, is_quiet, is_too_many, late, settings, words,
};
use crate::api::{Body, ContactState, ConversationId, GroupsCall, Message, Notification, NotificationReason};

/// A message that was written so long (milliseconds) before it came is news of the past.
const LATE_MS: u64 = 2 * 60_000;

pub(super) fn said(ctx: &mut Ctx<'_, '_>, message: &Message) -> Result<Option<Notification>, EngineError> {
    let id = message.conversation;
    let is_talk = !matches!(message.body, Body::Deleted { .. } | Body::Notice { .. });
    if message.outgoing || message.read || !is_talk || is_looked_at(ctx, &id) {
        return Ok(None);
    }
    let Some(reason) = reason(ctx, message)? else { return Ok(None) };
    if is_quiet(ctx)? {
        return Ok(None);
    }
    let title = messaging::title(ctx, &id)?;
    let shows = settings::load(ctx)?.shows;
    let notification = words::message(shows, reason, message, &title);
    let is_late = ctx.now.millis_since(message.sent_at) > LATE_MS;
    if is_late || late::waits(ctx) || is_too_many(ctx) {
        let name = match id {
            ConversationId::Direct(_) => message.sender_name.clone(),
            ConversationId::Group(_) => title,
        };
        late::add(ctx, id, notification, name);
        return Ok(None);
    }
    Ok(Some(notification))
}

/// Why a message calls; none if it doesn't.
fn reason(ctx: &mut Ctx<'_, '_>, message: &Message) -> Result<Option<NotificationReason>, EngineError> {
    let id = message.conversation;
    let own = account::own_name(ctx)?.map(|(own, _)| own);
    let answers = message.reply.as_ref().is_some_and(|quote| Some(quote.author) == own);
    let (reason, for_me) = match (message.mentions_me, answers) {
        (true, _) => (NotificationReason::Mention, true),
        (_, true) => (NotificationReason::Reply, true),
        _ => (NotificationReason::Message, false),
    };
    let settings = settings::load(ctx)?;
    let muted = messaging::is_muted(ctx, &id)?;
    match id {
        ConversationId::Group(_) => {
            let calls = match muted {
                true => for_me && settings.mentions_when_muted,
                false => for_me || settings.groups == GroupsCall::All,
            };
            Ok(calls.then_some(reason))
        }
        ConversationId::Direct(_) if muted => Ok(None),
        ConversationId::Direct(with) => Ok(match people::by_id(ctx, &with)?.map(|contact| contact.state) {
            // Whoever asks again and again calls once.
            Some(ContactState::RequestReceived) => {
                (messaging::unread(ctx, &id)? <= 1).then_some(NotificationReason::Request)
            }
            Some(ContactState::Blocked) => None,
            _ => Some(reason),
        }),
    }
}
