//! Conversations: one row each, and the list of all.
//!
//! A conversation is with an account or a group, but its entries lie under a number of its own: when a contact's identity changes
//! and the person accepts that, the number moves to the new identity and no entry is written again.

use wheesht_proto::{
    ids::{AccountId, GroupId},
    stored,
};

use super::{
    super::{
        Ctx, EngineError, account,
        error::Answer,
        groups, people,
        tables::{CONVERSATION_LIST, CONVERSATIONS, RECEIPTS},
    },
    history,
    life::{drafts, early},
    settings, show,
};
use crate::{
    api::{Conversation, ConversationId, Response},
    store::Direction,
};

/// Positions begin behind this one: before it is room for history that is taken in.
pub(super) const BASE: u64 = 1_000_000_000;

/// Title of the conversation with oneself.
const NOTES: &str = "Note to self";

/// What a group's key begins with. An account's has no such letter and is one byte shorter.
const GROUP: u8 = b'g';

/// The bytes that name a conversation, in rows and between own devices.
pub(super) fn key(id: &ConversationId) -> Vec<u8> {
    match id {
        ConversationId::Direct(account) => account.to_vec(),
        ConversationId::Group(group) => [&[GROUP], group.as_ref()].concat(),
    }
}

/// The conversation that these bytes name.
pub(super) fn from_key(key: &[u8]) -> Option<ConversationId> {
    match key.strip_prefix(&[GROUP]).filter(|rest| rest.len() == GroupId::LEN) {
        Some(group) => GroupId::try_from(group).ok().map(ConversationId::Group),
        None => AccountId::try_from(key).ok().map(ConversationId::Direct),
    }
}

/// A conversation, if there is one.
pub(super) fn find(
    ctx: &Ctx<'_, '_>,
    id: &ConversationId,
) -> Result<Option<stored::Conversation>, EngineError> {
    ctx.load(CONVERSATIONS, &key(id), 0)
}

/// A conversation; a new one gets its number.
pub(super) fn find_or_begin(
    ctx: &mut Ctx<'_, '_>,
    id: &ConversationId,
) -> Result<stored::Conversation, EngineError> {
    if let Some(conversation) = find(ctx, id)? {
        return Ok(conversation);
    }
    let number = ctx.tx.append(CONVERSATION_LIST, b"", key(id))?;
    Ok(stored::Conversation { number, last: BASE, ..Default::default() })
}

pub(super) fn save(ctx: &mut Ctx<'_, '_>, id: &ConversationId, conversation: &stored::Conversation) {
    ctx.save(CONVERSATIONS, &key(id), 0, conversation);
}

/// Everything that was said there.
pub(super) fn erase(ctx: &mut Ctx<'_, '_>, id: &ConversationId) -> Result<(), EngineError> {
    let Some(conversation) = find(ctx, id)? else { return Ok(()) };
    history::erase(ctx, &conversation)?;
    early::erase(ctx, id);
    drafts::erase(ctx, id);
    settings::forget(ctx, id)?;
    ctx.tx.delete(CONVERSATION_LIST, b"", conversation.number);
    ctx.tx.delete(RECEIPTS, b"", conversation.number);
    ctx.passing.messaging.receipts.remove(&conversation.number);
    ctx.tx.delete(CONVERSATIONS, &key(id), 0);
    Ok(())
}

/// The conversation with `old` goes on with `new`. If there is one with `new` already, both stay.
pub(super) fn rename(ctx: &mut Ctx<'_, '_>, old: &AccountId, new: &AccountId) -> Result<(), EngineError> {
    let (old, new) = (ConversationId::Direct(*old), ConversationId::Direct(*new));
    let Some(conversation) = find(ctx, &old)? else { return Ok(()) };
    if find(ctx, &new)?.is_some() {
        return Ok(());
    }
    ctx.tx.delete(CONVERSATIONS, &key(&old), 0);
    ctx.tx.delete(RECEIPTS, b"", conversation.number);
    ctx.passing.messaging.receipts.remove(&conversation.number);
    ctx.tx.put(CONVERSATION_LIST, b"", conversation.number, key(&new));
    save(ctx, &new, &conversation);
    Ok(())
}

/// All conversations, the most recent first.
pub(super) fn list(ctx: &mut Ctx<'_, '_>) -> Answer {
    let mut conversations = Vec::new();
    for (_, key) in ctx.tx.scan(CONVERSATION_LIST, b"", .., Direction::Forward, usize::MAX)? {
        let id = from_key(&key).ok_or(EngineError::Row { what: CONVERSATION_LIST.name() })?;
        let Some(row) = find(ctx, &id)? else { continue };
        let last = history::entries(ctx, &row, 1..=row.last, 1)?.pop();
        let last = match last {
            Some((position, entry)) => Some(show::message(ctx, &id, &row, position, entry)?),
            None => None,
        };
        conversations.push(Conversation {
            id,
            title: title(ctx, &id)?,
            unread: row.unread,
            last,
            draft: drafts::show(ctx, &id)?,
            muted_until: settings::muted_until(ctx, &id)?,
            disappear_ms: Some(disappears(ctx, &id, &row)?).filter(|after| *after > 0),
            archived: settings::is_archived(ctx, &id)?,
        });
    }
    conversations.sort_by_key(|conversation| {
        let newest = conversation.last.as_ref().map(|message| message.received_at);
        (std::cmp::Reverse(newest), conversation.id)
    });
    Ok(Some(Response::Conversations { conversations }))
}

/// After what time messages disappear here.
fn disappears(
    ctx: &mut Ctx<'_, '_>,
    id: &ConversationId,
    row: &stored::Conversation,
) -> Result<u64, EngineError> {
    Ok(match id {
        ConversationId::Direct(_) => row.disappear_ms,
        ConversationId::Group(group) => {
            groups::load(ctx, group)?.map_or(0, |group| group.state().policy().disappear_ms)
        }
    })
}

pub(super) fn title(ctx: &mut Ctx<'_, '_>, id: &ConversationId) -> Result<String, EngineError> {
    let with = match id {
        ConversationId::Direct(with) => with,
        ConversationId::Group(group) => {
            let known = groups::load(ctx, group)?;
            return Ok(
                known.map_or_else(|| group.to_string(), |known| known.state().description().title.clone())
            );
        }
    };
    if account::own_name(ctx)?.is_some_and(|(own, _)| own == *with) {
        return Ok(NOTES.to_owned());
    }
    let contact = people::by_id(ctx, with)?;
    Ok(match contact {
        None => with.to_string(),
        Some(contact) if contact.extra.nickname.is_empty() => contact.address.canonical(),
        Some(contact) => contact.extra.nickname.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversation_survives_its_key() {
        // An identity that begins with the letter is no group.
        let ids = [
            ConversationId::Direct(AccountId::new([GROUP; 32])),
            ConversationId::Direct(AccountId::new([1; 32])),
            ConversationId::Group(GroupId::new([GROUP; 32])),
        ];
        for id in ids {
            assert_eq!(from_key(&key(&id)), Some(id));
        }
        for nonsense in [&[][..], &[GROUP; 31], &[GROUP; 34], &[1; 33]] {
            assert_eq!(from_key(nonsense), None);
        }
    }
}
