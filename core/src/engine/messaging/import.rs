//! Taking in what was exported: messages of before, as history that can be read and found. Nothing is sent because of them.
//!
//! They go before what was said here: positions of a conversation begin far above 1, and what is taken in reserves a span below the
//! lowest. A message that is here already, by its id, stays as it is; so taking the same in twice, or going on after a crash, changes
//! nothing.

// EXP-4

use wheesht_proto::{
    ids::AccountId,
    limits::{MAX_MENTIONS, MAX_REACTING, MAX_REACTION, MAX_TEXT},
    stored::{self, Deleted, Edited, HistoryEntry, MentionRow, PinRow, ReactionRow, Reply, history_entry},
};

use super::{
    super::{Ctx, EngineError, account, error::Answer, search, tables::HISTORY},
    conversations::{self, BASE},
    files, history, life, states, texts,
};
use crate::api::{
    Body, ConversationId, Error, ErrorCode, EventKind, FailReason, Imported, Message, MessageState, Response,
};

/// Messages taken in at once.
const MAX_AT_ONCE: usize = 500;

/// Messages that one conversation is given room for at once.
const MAX_ROOM: u64 = 100_000_000;

/// `Import`.
pub(super) fn import(
    ctx: &mut Ctx<'_, '_>,
    id: &ConversationId,
    cursor: Option<u64>,
    remaining: u64,
    messages: Vec<Message>,
) -> Answer {
    if messages.len() > MAX_AT_ONCE {
        let error = Error::new(ErrorCode::TooLarge, "At most 500 messages are taken in at once.");
        return Err(error.next("Hand over fewer.").into());
    }
    let Some((own, _)) = account::own_name(ctx)? else { return Err(account::not_active(ctx)?.into()) };
    let mut done = Imported { cursor, ..Default::default() };
    let mut left = remaining.clamp(messages.len() as u64, MAX_ROOM);
    for message in messages {
        let Some(entry) = entry(ctx, own, message) else {
            done.passed_over += 1;
            left = left.saturating_sub(1);
            continue;
        };
        take_in(ctx, id, &own, entry, left, &mut done)?;
        left = left.saturating_sub(1);
    }
    if done.added > 0 {
        ctx.event(EventKind::ConversationChanged { conversation: *id })?;
    }
    Ok(Some(Response::Imported { imported: done }))
}

fn take_in(
    ctx: &mut Ctx<'_, '_>,
    id: &ConversationId,
    own: &AccountId,
    mut entry: HistoryEntry,
    left: u64,
    done: &mut Imported,
) -> Result<(), EngineError> {
    let mut conversation = conversations::find_or_begin(ctx, id)?;
    let sender = super::row_id(&entry.sender, HISTORY)?;
    let by = texts::by(id, &sender, sender == *own);
    if let Some((position, _)) = history::locate(ctx, &conversation, by, &entry.message_id)? {
        done.known += 1;
        done.cursor = (position <= BASE).then_some(position + 1);
        return Ok(());
    }
    let position = place(ctx, &mut conversation, done.cursor, left)?;
    search::added(ctx, conversation.number, position, &mut entry)?;
    history::put_back(ctx, &conversation, position, &entry)?;
    conversations::save(ctx, id, &conversation);
    if entry.pin.is_some() {
        life::pins::update(ctx, id, position, true)?;
    }
    done.added += 1;
    done.cursor = (position < BASE).then_some(position + 1);
    Ok(())
}

/// Where a message goes: behind the one before it if there is room, else at the beginning of new room.
fn place(
    ctx: &mut Ctx<'_, '_>,
    conversation: &mut stored::Conversation,
    cursor: Option<u64>,
    left: u64,
) -> Result<u64, EngineError> {
    let first = if conversation.first == 0 { BASE + 1 } else { conversation.first };
    if let Some(at) = cursor.filter(|at| (first..=BASE).contains(at))
        && !ctx.tx.contains(HISTORY, &conversation.number.to_be_bytes(), at)?
    {
        return Ok(at);
    }
    // A conversation of before there was room, or one whose room is used up: behind everything.
    if conversation.last < BASE || first <= left {
        conversation.last += 1;
        return Ok(conversation.last);
    }
    conversation.first = first - left;
    conversation.read_up_to = conversation.read_up_to.max(BASE);
    Ok(conversation.first)
}

/// A message as its row, if it is of a kind that is taken in. It comes from a file: nothing of it is believed beyond what a message
/// may be.
fn entry(ctx: &Ctx<'_, '_>, own: AccountId, message: Message) -> Option<HistoryEntry> {
    let now = ctx.now.as_millis();
    let outgoing = message.sender == own;
    if message.disappear_ms.is_some() {
        return None;
    }
    let received_ms = message.received_at.as_millis().min(now);
    let mut entry = HistoryEntry {
        message_id: message.id.to_vec(),
        sender: message.sender.to_vec(),
        outgoing,
        sent_ms: message.sent_at.as_millis().min(received_ms),
        received_ms,
        read: !outgoing,
        forwarded: message.forwarded,
        ..Default::default()
    };
    if outgoing && !matches!(message.body, Body::Notice { .. }) {
        let state = match message.state {
            // It will not go any more.
            Some(MessageState::Pending) => MessageState::Failed { reason: FailReason::DeviceStopped },
            state => state.unwrap_or(MessageState::Sent),
        };
        let (state, failure) = states::state_to_row(state);
        entry.set_state(state);
        entry.set_failure(failure);
    }
    let body = match message.body {
        // What it says of the file: the file itself is not in it.
        Body::File { file, caption } => {
            entry.file = Some(files::imported(*file));
            Body::Text { text: caption }
        }
        body => body,
    };
    match body {
        Body::File { .. } => return None,
        Body::Text { text } => {
            if (text.is_empty() && entry.file.is_none()) || text.len() > MAX_TEXT {
                return None;
            }
            let mention = |one: crate::api::Mention| wheesht_proto::content::Mention {
                account: one.account.to_vec(),
                start: one.start,
                length: one.length,
            };
            let mentions = message.mentions.into_iter().take(MAX_MENTIONS).map(mention).collect();
            entry.mentions = texts::mentioned(&text, mentions) as Vec<MentionRow>;
            entry.body = Some(history_entry::Body::Text(text));
            entry.reply = message.reply.map(|reply| Reply {
                author: reply.author.to_vec(),
                message_id: reply.message.to_vec(),
                quote: texts::excerpt(&reply.text).to_owned(),
            });
            entry.reactions = reactions(message.reactions);
            entry.edited = message.edited.map(|at| Edited {
                order: 1,
                at_ms: at.as_millis().min(now),
                earlier: Vec::new(),
            });
            entry.pin =
                message.pinned.then(|| PinRow { pinned: true, order: 1, by: message.sender.to_vec() });
        }
        Body::Deleted { by } => entry.deleted = Some(Deleted { by: by.to_vec(), at_ms: received_ms }),
        Body::Notice { notice } => {
            entry.body = Some(history_entry::Body::Notice(states::notice_to_row(notice)));
        }
    }
    Some(entry)
}

/// Reactions by person; what people say from now on goes over them.
fn reactions(shown: Vec<crate::api::Reaction>) -> Vec<ReactionRow> {
    let mut rows = std::collections::BTreeMap::<AccountId, Vec<String>>::new();
    for one in shown.into_iter().filter(|one| one.emoji.len() <= MAX_REACTION) {
        for account in one.accounts {
            if rows.len() < MAX_REACTING || rows.contains_key(&account) {
                rows.entry(account).or_default().push(one.emoji.clone());
            }
        }
    }
    let row = |(account, emojis): (AccountId, Vec<String>)| ReactionRow {
        identity: account.to_vec(),
        order: 1,
        emojis: life::reactions(emojis),
    };
    rows.into_iter().map(row).collect()
}
