//! What a person asks for about a message.

use wheesht_proto::{
    content::{
        Deletion, Disappear, Edit, Hidden, MessageRef, Pin, Reaction, Text, content::Body, sync::What,
    },
    ids::{AccountId, MessageId},
    limits::{MAX_DISAPPEAR_MS, MAX_REACTIONS, MAX_TEXT},
    stored::{HistoryEntry, history_entry},
};

use super::{
    super::{
        super::{
            Ctx, EngineError, account,
            error::{Answer, Failure},
        },
        conversations, files, history, member, send, sync, texts,
    },
    changes, remove, say,
};
use crate::{
    api::{ConversationId, EarlierText, Error, ErrorCode, Mention, Response, To},
    protocol::group::Role,
    time::Timestamp,
};

/// `React`.
pub(in super::super) fn react(
    ctx: &mut Ctx<'_, '_>,
    id: &ConversationId,
    message: &MessageId,
    emoji: String,
    off: bool,
) -> Answer {
    if !changes::is_reaction(&emoji) {
        let error = Error::new(ErrorCode::Invalid, "A reaction is one emoji.");
        return Err(error.next("Use its name, for instance :thumbsup:, or the emoji itself.").into());
    }
    let entry = text(ctx, id, message)?;
    let own = own(ctx)?;
    let known = entry.reactions.iter().find(|row| row.identity == own.as_ref());
    let mut emojis = known.map(|row| row.emojis.clone()).unwrap_or_default();
    if emojis.contains(&emoji) != off {
        return Ok(Some(Response::Done));
    }
    emojis.retain(|known| *known != emoji);
    if !off {
        if emojis.len() >= MAX_REACTIONS {
            let error = format!("At most {MAX_REACTIONS} reactions of one person.");
            return Err(Error::new(ErrorCode::TooLarge, error).next("Take one back first.").into());
        }
        emojis.push(emoji);
    }
    let order = next(ctx, known.map(|row| row.order));
    let reaction = Reaction { to: Some(named(entry)), emojis: changes::reactions(emojis), order };
    say::say(ctx, id, Body::Reaction(reaction))?;
    Ok(Some(Response::Done))
}

/// `Edit`.
pub(in super::super) fn edit(
    ctx: &mut Ctx<'_, '_>,
    id: &ConversationId,
    message: &MessageId,
    body: String,
    mentions: &[Mention],
) -> Answer {
    send::check(&body, mentions)?;
    let entry = text(ctx, id, message)?;
    if !entry.outgoing {
        return Err(Error::new(ErrorCode::Invalid, "You can edit only what you wrote yourself.").into());
    }
    let order = next(ctx, entry.edited.as_ref().map(|edited| edited.order));
    let text = Text { mentions: send::mentioned(&body, mentions)?, body, ..Default::default() };
    say::say(ctx, id, Body::Edit(Edit { of: Some(named(entry)), text: Some(text), order }))?;
    Ok(Some(Response::Done))
}

/// `Edits`.
pub(in super::super) fn edits(ctx: &mut Ctx<'_, '_>, id: &ConversationId, message: &MessageId) -> Answer {
    let (_, _, entry) = history::named(ctx, id, message)?;
    let earlier = entry.edited.map(|edited| edited.earlier).unwrap_or_default();
    let shown = |one: wheesht_proto::stored::EarlierText| EarlierText {
        text: one.text,
        at: Timestamp::from_millis(one.at_ms),
    };
    Ok(Some(Response::Edits { earlier: earlier.into_iter().map(shown).collect() }))
}

/// `Delete`.
pub(in super::super) fn delete(
    ctx: &mut Ctx<'_, '_>,
    id: &ConversationId,
    message: &MessageId,
    for_all: bool,
) -> Answer {
    if !for_all {
        return hide(ctx, id, message);
    }
    let entry = text(ctx, id, message)?;
    let admin = match id {
        ConversationId::Group(group) => {
            let own = own(ctx)?;
            member::role(ctx, group, &own)? >= Some(Role::Admin)
        }
        ConversationId::Direct(_) => false,
    };
    if !entry.outgoing && !admin {
        let error =
            Error::new(ErrorCode::Invalid, "You can't delete for everybody what somebody else wrote.");
        return Err(error.next("Delete it for yourself.").into());
    }
    say::say(ctx, id, Body::Deletion(Deletion { of: Some(named(entry)) }))?;
    Ok(Some(Response::Done))
}

fn hide(ctx: &mut Ctx<'_, '_>, id: &ConversationId, message: &MessageId) -> Answer {
    let (conversation, position, entry) = history::named(ctx, id, message)?;
    remove(ctx, id, &conversation, position, &entry, true)?;
    let hidden = Hidden { conversation: conversations::key(id), messages: vec![named(entry)] };
    sync::say(ctx, What::Hidden(hidden))?;
    Ok(Some(Response::Done))
}

/// Another own device has deleted messages for oneself. One that has not come yet will be shown, and can be deleted again.
pub(in super::super) fn hidden_elsewhere(ctx: &mut Ctx<'_, '_>, hidden: &Hidden) -> Result<(), EngineError> {
    let Some(id) = conversations::from_key(&hidden.conversation) else { return Ok(()) };
    for named in hidden.messages.iter().filter(|named| texts::is_ref(named)).take(1_000) {
        let Some(conversation) = conversations::find(ctx, &id)? else { return Ok(()) };
        let author = super::super::row_id(&named.author, super::super::super::tables::HISTORY)?;
        let own = member::is_own(ctx, &author)?;
        let by = texts::by(&id, &author, own);
        if let Some((position, entry)) = history::locate(ctx, &conversation, by, &named.message_id)?
            && !entry.hidden
        {
            remove(ctx, &id, &conversation, position, &entry, true)?;
        }
    }
    Ok(())
}

/// `Forward`.
pub(in super::super) fn forward(
    ctx: &mut Ctx<'_, '_>,
    command: u64,
    id: &ConversationId,
    message: &MessageId,
    to: To,
) -> Answer {
    let entry = text(ctx, id, message)?;
    let body = texts::body(&entry).unwrap_or_default().to_owned();
    if body.len() > MAX_TEXT {
        return Err(Error::new(ErrorCode::TooLarge, "A message is at most 64 KiB.").into());
    }
    match entry.file {
        Some(file) => files::forward(ctx, &to, body, file),
        None => send::forward(ctx, command, to, body),
    }
}

/// `Pin`.
pub(in super::super) fn pin(
    ctx: &mut Ctx<'_, '_>,
    id: &ConversationId,
    message: &MessageId,
    pinned: bool,
) -> Answer {
    let entry = text(ctx, id, message)?;
    if let ConversationId::Group(group) = id {
        let own = own(ctx)?;
        if !member::may_describe(ctx, group, &own)? {
            return Err(Error::new(ErrorCode::NotPermitted, "In this group only admins pin messages.").into());
        }
    }
    let order = next(ctx, entry.pin.as_ref().map(|pin| pin.order));
    if entry.pin.as_ref().is_some_and(|pin| pin.pinned) != pinned {
        say::say(ctx, id, Body::Pin(Pin { of: Some(named(entry)), pinned, order }))?;
    }
    Ok(Some(Response::Done))
}

/// `SetDisappearing`.
pub(in super::super) fn set_disappearing(
    ctx: &mut Ctx<'_, '_>,
    id: &ConversationId,
    after_ms: u64,
) -> Answer {
    if after_ms > MAX_DISAPPEAR_MS {
        return Err(Error::new(ErrorCode::TooLarge, "Messages disappear after a year at most.").into());
    }
    if let ConversationId::Group(_) = id {
        let error = Error::new(ErrorCode::Invalid, "A group's time stands in its policy.");
        return Err(error.next("Its owners change that.").into());
    }
    let known = conversations::find(ctx, id)?.unwrap_or_default();
    if known.disappear_ms != after_ms {
        let order = next(ctx, Some(known.disappear_order));
        say::say(ctx, id, Body::Disappear(Disappear { after_ms, order }))?;
    }
    Ok(Some(Response::Done))
}

/// A text that can still be changed.
fn text(ctx: &Ctx<'_, '_>, id: &ConversationId, message: &MessageId) -> Result<HistoryEntry, Failure> {
    let (_, _, entry) = history::named(ctx, id, message)?;
    match entry.body {
        Some(history_entry::Body::Text(_)) => Ok(entry),
        _ => Err(Error::new(ErrorCode::Invalid, "This is no message, or it was deleted.").into()),
    }
}

fn named(entry: HistoryEntry) -> MessageRef {
    MessageRef { author: entry.sender, message_id: entry.message_id }
}

/// An order above the one known.
// CON-21
fn next(ctx: &Ctx<'_, '_>, known: Option<u64>) -> u64 {
    ctx.now.as_millis().max(known.unwrap_or_default().saturating_add(1))
}

fn own(ctx: &mut Ctx<'_, '_>) -> Result<AccountId, Failure> {
    match account::me(ctx)? {
        Some(me) => Ok(me.account),
        None => Err(account::not_active(ctx)?.into()),
    }
}
