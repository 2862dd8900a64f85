//! Entries as the app sees them.

use wheesht_proto::{
    ids::AccountId,
    stored::{self, HistoryEntry, MentionRow, ReactionRow, Reply, history_entry},
};

use super::{
    super::{Ctx, EngineError, tables::HISTORY},
    deliveries, files, history,
    life::disappear,
    member, row_id,
    states::{notice_from_row, state_from_row},
    texts,
};
use crate::{
    api::{Body, ConversationId, Mention, Message, Quote, Reaction},
    time::Timestamp,
};

/// An entry as the app sees it.
pub(super) fn message(
    ctx: &mut Ctx<'_, '_>,
    id: &ConversationId,
    conversation: &stored::Conversation,
    position: u64,
    entry: HistoryEntry,
) -> Result<Message, EngineError> {
    let state = state_from_row(&entry);
    let sender: AccountId = row_id(&entry.sender, HISTORY)?;
    let own = member::own(ctx)?;
    let mentions = mentions(&entry.mentions)?;
    let file = entry.file.clone();
    let in_group = entry.outgoing && matches!(id, ConversationId::Group(_));
    Ok(Message {
        id: row_id(&entry.message_id, HISTORY)?,
        conversation: *id,
        seq: position,
        sender,
        sender_name: member::name(ctx, id, &sender, entry.outgoing)?,
        outgoing: entry.outgoing,
        sent_at: Timestamp::from_millis(entry.sent_ms),
        received_at: Timestamp::from_millis(entry.received_ms),
        state,
        read: !entry.outgoing && (entry.read || position <= conversation.read_up_to),
        reply: entry.reply.as_ref().map(|reply| quote(ctx, id, conversation, reply)).transpose()?,
        mentions_me: mentions.iter().any(|mention| Some(mention.account) == own),
        mentions,
        forwarded: entry.forwarded,
        reactions: reactions(&entry.reactions, own)?,
        edited: entry.edited.as_ref().map(|edited| Timestamp::from_millis(edited.at_ms)),
        pinned: entry.pin.as_ref().is_some_and(|pin| pin.pinned),
        disappear_ms: Some(entry.disappear_ms).filter(|after| *after > 0),
        disappears_at: disappear::at(ctx, &entry)?,
        receipts: in_group.then(|| deliveries::sums(&entry)),
        body: match (entry.body, entry.deleted) {
            (Some(history_entry::Body::Text(caption)), _) if file.is_some() => match file {
                Some(file) => Body::File { file: Box::new(files::file(ctx, file)?), caption },
                None => Body::Text { text: caption },
            },
            (Some(history_entry::Body::Text(text)), _) => Body::Text { text },
            (Some(history_entry::Body::Notice(notice)), _) => {
                Body::Notice { notice: notice_from_row(&notice)? }
            }
            (None, Some(deleted)) => Body::Deleted { by: row_id(&deleted.by, HISTORY)? },
            (None, None) => return Err(EngineError::Row { what: HISTORY.name() }),
        },
    })
}

/// The message that another answers: as it stands here, or else as the one who answers says.
// CON-24
fn quote(
    ctx: &mut Ctx<'_, '_>,
    id: &ConversationId,
    conversation: &stored::Conversation,
    reply: &Reply,
) -> Result<Quote, EngineError> {
    let author: AccountId = row_id(&reply.author, HISTORY)?;
    let own = member::is_own(ctx, &author)?;
    let found = history::locate(ctx, conversation, texts::by(id, &author, own), &reply.message_id)?;
    let found = found.filter(|(_, entry)| !entry.hidden);
    let text = match &found {
        Some((_, entry)) => texts::in_short(entry),
        None => &reply.quote,
    };
    Ok(Quote {
        author,
        message: row_id(&reply.message_id, HISTORY)?,
        text: text.to_owned(),
        seq: found.as_ref().map(|(position, _)| *position),
    })
}

fn mentions(rows: &[MentionRow]) -> Result<Vec<Mention>, EngineError> {
    let mention = |row: &MentionRow| {
        Ok(Mention { account: row_id(&row.account, HISTORY)?, start: row.start, length: row.length })
    };
    rows.iter().map(mention).collect()
}

/// By emoji, in the order of the emoji.
fn reactions(rows: &[ReactionRow], own: Option<AccountId>) -> Result<Vec<Reaction>, EngineError> {
    let mut shown = std::collections::BTreeMap::<&str, Vec<AccountId>>::new();
    for row in rows {
        for emoji in &row.emojis {
            shown.entry(emoji).or_default().push(row_id(&row.identity, HISTORY)?);
        }
    }
    let reaction = |(emoji, accounts): (&str, Vec<AccountId>)| Reaction {
        emoji: emoji.to_owned(),
        mine: own.is_some_and(|own| accounts.contains(&own)),
        accounts,
    };
    Ok(shown.into_iter().map(reaction).collect())
}
