//! Texts that arrive: shown once, in the conversation that follows from who said them.

use wheesht_proto::{
    content::{MessageRef, Text},
    ids::{AccountId, MessageId},
    limits::{MAX_DISAPPEAR_MS, MAX_MENTIONS, MAX_QUOTE, MAX_TEXT},
    stored::{self, HistoryEntry, MentionRow, Reply, history_entry},
};

use super::{
    super::{Ctx, EngineError, presence},
    conversations, files, history,
    history::By,
    life::disappear,
};
use crate::api::ConversationId;

/// A text, and who says it where.
pub(super) struct Said<'a> {
    /// The conversation.
    pub(super) id: &'a ConversationId,
    /// Who.
    pub(super) sender: &'a AccountId,
    /// It is one's own, from another device.
    pub(super) own: bool,
    /// Its id.
    pub(super) message_id: Vec<u8>,
    /// The writer's clock.
    pub(super) sent_ms: u64,
    /// What.
    pub(super) text: Text,
    /// No receipt answers it before both have accepted.
    pub(super) unanswered: bool,
}

/// Whether a text may be shown at all.
// CON-7
pub(super) fn is_sound(text: &Text) -> bool {
    // FIL-8
    let carries = text.file.as_ref().map_or(!text.body.is_empty(), files::is_sound);
    carries && text.body.len() <= MAX_TEXT
}

/// Shows a text, once. Gives whether it stands in the conversation.
// CON-6, CON-7, CON-9
pub(super) fn incoming(ctx: &mut Ctx<'_, '_>, said: Said<'_>) -> Result<bool, EngineError> {
    let Said { id, sender, own, message_id, sent_ms, text, unanswered } = said;
    if message_id.len() != MessageId::LEN || !is_sound(&text) {
        return Ok(false);
    }
    // It was sent again: once is enough, but its receipt may have been what got lost.
    if let Some(conversation) = conversations::find(ctx, id)?
        && history::locate(ctx, &conversation, by(id, sender, own), &message_id)?.is_some()
    {
        return Ok(true);
    }
    presence::said(ctx, id, sender);
    let now = ctx.now.as_millis();
    let mut entry = HistoryEntry {
        message_id,
        sender: sender.to_vec(),
        outgoing: own,
        sent_ms: sent_ms.min(now),
        received_ms: now,
        unanswered,
        ..Default::default()
    };
    if own {
        entry.set_state(history_entry::State::Sent);
    }
    write(&mut entry, text);
    let carries = entry.file.is_some();
    if !own {
        let (conversation, position) = history::append(ctx, id, &mut entry)?;
        history::tell_new(ctx, id, position, entry)?;
        if carries {
            files::arrived(ctx, conversation.number, position)?;
        }
        return Ok(true);
    }
    // It was sent when the other device told of it, or before.
    let (conversation, position) = history::append(ctx, id, &mut entry)?;
    let from = entry.sent_ms;
    disappear::begin(ctx, id, position, &mut entry, from)?;
    history::save(ctx, &conversation, position, &entry);
    history::tell_new(ctx, id, position, entry)?;
    if carries {
        files::arrived(ctx, conversation.number, position)?;
    }
    Ok(true)
}

/// Whose a message is.
pub(super) fn by<'a>(id: &ConversationId, sender: &'a AccountId, own: bool) -> By<'a> {
    match id {
        _ if own => By::Own,
        ConversationId::Direct(_) => By::Other,
        ConversationId::Group(_) => By::Member(sender.as_ref()),
    }
}

/// Puts what a text says into its entry, as far as it makes sense.
pub(super) fn write(entry: &mut HistoryEntry, text: Text) {
    let Text { body, reply_to, quote, mentions, forwarded, disappear_ms, file } = text;
    entry.file = file.map(files::taken);
    entry.mentions = mentioned(&body, mentions);
    entry.reply = reply_to.filter(is_ref).map(|MessageRef { author, message_id }| Reply {
        author,
        message_id,
        quote: excerpt(&quote).to_owned(),
    });
    entry.forwarded = forwarded;
    entry.disappear_ms = disappear_ms.min(MAX_DISAPPEAR_MS);
    entry.body = Some(history_entry::Body::Text(body));
}

/// An entry as it is said: what [`write`] was given.
pub(super) fn said(entry: &HistoryEntry) -> Text {
    let mention = |row: &MentionRow| wheesht_proto::content::Mention {
        account: row.account.clone(),
        start: row.start,
        length: row.length,
    };
    let reply = entry.reply.as_ref();
    Text {
        body: body(entry).unwrap_or_default().to_owned(),
        reply_to: reply
            .map(|reply| MessageRef { author: reply.author.clone(), message_id: reply.message_id.clone() }),
        quote: reply.map(|reply| reply.quote.clone()).unwrap_or_default(),
        mentions: entry.mentions.iter().map(mention).collect(),
        forwarded: entry.forwarded,
        disappear_ms: entry.disappear_ms,
        file: entry.file.as_ref().and_then(|file| file.reference.clone()),
    }
}

/// What a message says in short, to quote it: its text, or the name of its file.
// CON-24
pub(super) fn in_short(entry: &HistoryEntry) -> &str {
    let name = entry.file.as_ref().and_then(|file| file.reference.as_ref()).map(|file| file.name.as_str());
    match body(entry) {
        Some("") | None if entry.deleted.is_none() => excerpt(name.unwrap_or_default()),
        text => excerpt(text.unwrap_or_default()),
    }
}

/// Mentions that lie where the text has characters.
// CON-25
pub(super) fn mentioned(body: &str, mentions: Vec<wheesht_proto::content::Mention>) -> Vec<MentionRow> {
    let row = |mention: wheesht_proto::content::Mention| {
        let wheesht_proto::content::Mention { account, start, length } = mention;
        let end = start.checked_add(length)?;
        let there = body.get(usize::try_from(start).ok()?..usize::try_from(end).ok()?)?;
        (!there.is_empty() && account.len() == AccountId::LEN).then_some(MentionRow {
            account,
            start,
            length,
        })
    };
    mentions.into_iter().take(MAX_MENTIONS).filter_map(row).collect()
}

/// Whether this could name a message.
pub(super) fn is_ref(named: &MessageRef) -> bool {
    named.author.len() == AccountId::LEN && named.message_id.len() == MessageId::LEN
}

/// The beginning of a text, to quote it.
// CON-24
pub(super) fn excerpt(text: &str) -> &str {
    let mut end = text.len().min(MAX_QUOTE);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// The text of an entry.
pub(super) fn body(entry: &stored::HistoryEntry) -> Option<&str> {
    match &entry.body {
        Some(history_entry::Body::Text(text)) => Some(text),
        _ => None,
    }
}
