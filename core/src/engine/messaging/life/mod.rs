//! What becomes of a message after it was said: reactions, edits, deletion, pins, and the time after which it disappears.
//!
//! ```text
//!  a person's request ─▶ [commands] ─▶ say ──┬─▶ apply
//!  a contact's, a member's, an own device's ─┘     ├─▶ the message is here: [changes] ─▶ event
//!                                                  └─▶ not yet: [early], and again when it comes
//! ```
//!
//! Each change carries the whole value that its author wants to hold, with an order; so it doesn't matter in which order changes
//! arrive, nor how often.

mod changes;
pub(super) mod commands;
pub(super) mod disappear;
pub(super) mod drafts;
pub(super) mod early;
pub(super) mod pins;
mod say;

use wheesht_proto::{
    content::{Content, Deletion, Disappear, Edit, MessageRef, Pin, Reaction, content::Body},
    ids::{AccountId, MessageId},
    limits::{MAX_DISAPPEAR_MS, MAX_ORDER_AHEAD_MS},
    stored::{self, HistoryEntry},
};

use self::changes::Change;
use super::{
    super::{Ctx, EngineError, search},
    conversations, files, history, member, outbox, row_id, show,
    states::disappearing,
    texts,
};
use crate::{
    api::{ConversationId, EventKind},
    protocol::group::Role,
};

/// Who says something, and where.
#[derive(Clone, Copy)]
pub(super) struct Scene<'a> {
    /// The conversation.
    pub(super) id: &'a ConversationId,
    /// Who.
    pub(super) sender: &'a AccountId,
    /// Oneself, here or on another device.
    pub(super) own: bool,
}

/// Somebody's reactions, in their one order, without doubles and nonsense.
pub(super) fn reactions(emojis: Vec<String>) -> Vec<String> {
    changes::reactions(emojis)
}

/// Whether a content is one of those that this module deals with.
pub(super) fn is_change(body: &Body) -> bool {
    matches!(body, Body::Reaction(_) | Body::Edit(_) | Body::Deletion(_) | Body::Pin(_) | Body::Disappear(_))
}

/// Does what somebody says, or keeps it until the message comes that it is about. What they have no right to is passed over.
pub(super) fn apply(ctx: &mut Ctx<'_, '_>, scene: Scene<'_>, content: &Content) -> Result<(), EngineError> {
    if let Some(Body::Disappear(to)) = &content.body {
        return disappear_from_now(ctx, scene, to);
    }
    let Some((named, change)) = change(ctx, content) else { return Ok(()) };
    // CON-22
    if !may(ctx, scene, &named.author, &change)? {
        return Ok(());
    }
    match locate(ctx, scene, &named)? {
        Some((conversation, position, entry)) => {
            if let Some(entry) = carry_out(ctx, scene, &conversation, position, entry, change)? {
                tell(ctx, scene.id, position, entry)?;
            }
            Ok(())
        }
        None => early::keep(ctx, scene, &named, content),
    }
}

/// Does to a message that has just come what came before it. Gives the entry as it is now.
// CON-23
pub(super) fn catch_up(
    ctx: &mut Ctx<'_, '_>,
    id: &ConversationId,
    position: u64,
    entry: HistoryEntry,
) -> Result<HistoryEntry, EngineError> {
    let mut entry = entry;
    for (sender, own, content) in early::take(ctx, id, &entry)? {
        let scene = Scene { id, sender: &sender, own };
        let Some((named, change)) = change(ctx, &content) else { continue };
        // Rights may have changed since.
        if !may(ctx, scene, &named.author, &change)? {
            continue;
        }
        let Some(conversation) = conversations::find(ctx, id)? else { continue };
        if let Some(changed) = carry_out(ctx, scene, &conversation, position, entry.clone(), change)? {
            entry = changed;
        }
    }
    Ok(entry)
}

/// A change as it stands in a content, if it makes sense.
fn change(ctx: &Ctx<'_, '_>, content: &Content) -> Option<(MessageRef, Change)> {
    let now = ctx.now.as_millis();
    // CON-21
    let sound = |order: u64| order > 0 && order <= now.saturating_add(MAX_ORDER_AHEAD_MS);
    let (named, change) = match content.body.clone()? {
        Body::Reaction(Reaction { to, emojis, order }) => {
            (to?, sound(order).then(|| Change::Reactions { emojis: changes::reactions(emojis), order })?)
        }
        Body::Edit(Edit { of, text, order }) => {
            let text = text.filter(|text| text.file.is_none() && texts::is_sound(text))?;
            let mentions = texts::mentioned(&text.body, text.mentions);
            let at_ms = content.sent_ms.min(now);
            (of?, sound(order).then_some(Change::Text { body: text.body, mentions, order, at_ms })?)
        }
        Body::Deletion(Deletion { of }) => (of?, Change::Deletion { at_ms: content.sent_ms.min(now) }),
        Body::Pin(Pin { of, pinned, order }) => (of?, sound(order).then_some(Change::Pin { pinned, order })?),
        _ => return None,
    };
    texts::is_ref(&named).then_some((named, change))
}

/// Whether somebody may change a message of this author so.
// CON-22
fn may(ctx: &mut Ctx<'_, '_>, scene: Scene<'_>, author: &[u8], change: &Change) -> Result<bool, EngineError> {
    let author_s = author == scene.sender.as_ref();
    Ok(match (scene.id, change) {
        (_, Change::Text { .. }) => author_s,
        (_, Change::Deletion { .. }) if author_s => true,
        (ConversationId::Direct(_), Change::Deletion { .. }) => false,
        (ConversationId::Direct(_), Change::Reactions { .. } | Change::Pin { .. }) => true,
        (ConversationId::Group(group), Change::Deletion { .. }) => {
            member::role(ctx, group, scene.sender)? >= Some(Role::Admin)
        }
        (ConversationId::Group(group), Change::Reactions { .. }) => {
            member::role(ctx, group, scene.sender)?.is_some()
        }
        (ConversationId::Group(group), Change::Pin { .. }) => member::may_describe(ctx, group, scene.sender)?,
    })
}

/// Finds a message of this conversation.
fn locate(
    ctx: &mut Ctx<'_, '_>,
    scene: Scene<'_>,
    named: &MessageRef,
) -> Result<Option<(stored::Conversation, u64, HistoryEntry)>, EngineError> {
    let Some(conversation) = conversations::find(ctx, scene.id)? else { return Ok(None) };
    let author: AccountId = row_id(&named.author, super::super::tables::HISTORY)?;
    let own = member::is_own(ctx, &author)?;
    let found = history::locate(ctx, &conversation, texts::by(scene.id, &author, own), &named.message_id)?;
    Ok(found.map(|(position, entry)| (conversation, position, entry)))
}

/// Changes an entry and what hangs on it. Gives it if it is another one now.
fn carry_out(
    ctx: &mut Ctx<'_, '_>,
    scene: Scene<'_>,
    conversation: &stored::Conversation,
    position: u64,
    mut entry: HistoryEntry,
    change: Change,
) -> Result<Option<HistoryEntry>, EngineError> {
    let unread = is_unread(conversation, position, &entry);
    let (pins, deletion) = (matches!(change, Change::Pin { .. }), matches!(change, Change::Deletion { .. }));
    let was_pinned = is_pinned(&entry);
    let before = entry.clone();
    if entry.hidden || !changes::apply(&mut entry, scene.sender.as_ref(), change) {
        return Ok(None);
    }
    if deletion {
        files::gone(ctx, scene.id, &before, true)?;
    }
    search::changed(ctx, (conversation.number, position), &before, &mut entry)?;
    history::save(ctx, conversation, position, &entry);
    if pins || was_pinned != is_pinned(&entry) {
        pins::update(ctx, scene.id, position, is_pinned(&entry))?;
    }
    if deletion {
        if unread {
            one_less_unread(ctx, scene.id)?;
        }
        forget_sent(ctx, scene.id, &entry)?;
    }
    Ok(Some(entry))
}

/// The app hears of a message as it is now.
fn tell(
    ctx: &mut Ctx<'_, '_>,
    id: &ConversationId,
    position: u64,
    entry: HistoryEntry,
) -> Result<(), EngineError> {
    let Some(conversation) = conversations::find(ctx, id)? else { return Ok(()) };
    let message = show::message(ctx, id, &conversation, position, entry)?;
    ctx.event(EventKind::MessageChanged { message })
}

/// Takes an entry away from this device, but for what `hide` leaves of it: who wrote it, so that it is known if it comes again.
pub(super) fn remove(
    ctx: &mut Ctx<'_, '_>,
    id: &ConversationId,
    conversation: &stored::Conversation,
    position: u64,
    entry: &HistoryEntry,
    hide: bool,
) -> Result<(), EngineError> {
    if is_unread(conversation, position, entry) {
        one_less_unread(ctx, id)?;
    }
    if is_pinned(entry) {
        pins::update(ctx, id, position, false)?;
    }
    files::gone(ctx, id, entry, !hide)?;
    history::remove(ctx, conversation, position, entry)?;
    if hide {
        let left = HistoryEntry {
            message_id: entry.message_id.clone(),
            sender: entry.sender.clone(),
            outgoing: entry.outgoing,
            hidden: true,
            ..Default::default()
        };
        history::put_back(ctx, conversation, position, &left)?;
    }
    forget_sent(ctx, id, entry)?;
    let message: MessageId = row_id(&entry.message_id, super::super::tables::HISTORY)?;
    ctx.event(EventKind::MessageGone { conversation: *id, message })
}

/// What would be sent again if a device could not read it goes too.
// CON-31
fn forget_sent(ctx: &mut Ctx<'_, '_>, id: &ConversationId, entry: &HistoryEntry) -> Result<(), EngineError> {
    if !entry.outgoing {
        return Ok(());
    }
    if let ConversationId::Direct(with) = id {
        outbox::forget_message(ctx, with, &entry.message_id)?;
    }
    match member::own(ctx)? {
        Some(own) => outbox::forget_message(ctx, &own, &entry.message_id),
        None => Ok(()),
    }
}

fn is_pinned(entry: &HistoryEntry) -> bool {
    entry.pin.as_ref().is_some_and(|pin| pin.pinned)
}

/// Whether an entry counts as not read.
pub(super) fn is_unread(conversation: &stored::Conversation, position: u64, entry: &HistoryEntry) -> bool {
    !entry.outgoing && !entry.read && position > conversation.read_up_to && texts::body(entry).is_some()
}

fn one_less_unread(ctx: &mut Ctx<'_, '_>, id: &ConversationId) -> Result<(), EngineError> {
    let Some(mut conversation) = conversations::find(ctx, id)? else { return Ok(()) };
    conversation.unread = conversation.unread.saturating_sub(1);
    conversations::save(ctx, id, &conversation);
    ctx.event(EventKind::Read { conversation: *id, unread: conversation.unread })
}

/// Between two people either says after what time messages disappear; a group's time stands in its state.
// CON-30
fn disappear_from_now(ctx: &mut Ctx<'_, '_>, scene: Scene<'_>, to: &Disappear) -> Result<(), EngineError> {
    let Disappear { after_ms, order } = *to;
    let ahead = ctx.now.as_millis().saturating_add(MAX_ORDER_AHEAD_MS);
    if !matches!(scene.id, ConversationId::Direct(_)) || order == 0 || order > ahead {
        return Ok(());
    }
    let mut conversation = conversations::find_or_begin(ctx, scene.id)?;
    let known = (conversation.disappear_order, conversation.disappear_by.as_slice());
    if known >= (order, scene.sender.as_ref()) {
        return Ok(());
    }
    let after_ms = after_ms.min(MAX_DISAPPEAR_MS);
    let changed = conversation.disappear_ms != after_ms;
    (conversation.disappear_ms, conversation.disappear_order) = (after_ms, order);
    conversation.disappear_by = scene.sender.to_vec();
    conversations::save(ctx, scene.id, &conversation);
    if !changed {
        return Ok(());
    }
    history::append_notice(ctx, scene.id, scene.sender.as_ref(), disappearing(*scene.sender, after_ms))?;
    ctx.event(EventKind::ConversationChanged { conversation: *scene.id })
}
