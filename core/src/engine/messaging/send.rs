//! Sending a text: into the history and the outbox in one transaction, answered when that is durable.

use wheesht_proto::{
    content::{self, MessageRef, Sync, Text, content::Body, sync::What},
    ids::{AccountId, GroupId, MessageId},
    limits::{MAX_MENTIONS, MAX_TEXT},
    prost::Message as _,
    stored::{self, HistoryEntry, OutboxItem, history_entry},
};
use zeroize::Zeroizing;

use super::{
    super::{
        Ctx,
        account::{self, Me},
        error::{Answer, Failure},
        people::{self, Contact, Then},
        tables::HISTORY,
    },
    conversations, deliveries, history,
    life::{disappear, drafts},
    member, outbox, row_id, sync, texts,
};
use crate::api::{ContactState, ConversationId, Error, ErrorCode, Mention, Response, To, Who};

/// `Send`, whoever it is to.
pub(super) fn send(
    ctx: &mut Ctx<'_, '_>,
    command: u64,
    to: To,
    text: String,
    reply_to: Option<MessageId>,
    mentions: &[Mention],
) -> Answer {
    check(&text, mentions)?;
    let Some(me) = account::me(ctx)? else { return Err(account::not_active(ctx)?.into()) };
    let to = match to {
        To::Who(who) => who,
        To::Conversation(ConversationId::Direct(account)) => Who::Id(account),
        To::Conversation(id @ ConversationId::Group(group)) => {
            let text = written(ctx, &id, text, reply_to, mentions)?;
            return to_group(ctx, &me, &group, text);
        }
    };
    let own = match &to {
        Who::Id(id) => *id == me.account,
        Who::Address(address) => address.canonical() == me.address.canonical(),
    };
    if own {
        let text = written(ctx, &ConversationId::Direct(me.account), text, reply_to, mentions)?;
        return note(ctx, &me, text);
    }
    match (people::resolve(ctx, &to)?, to) {
        (Some(contact), _) => {
            let text = written(ctx, &ConversationId::Direct(contact.id), text, reply_to, mentions)?;
            text_to(ctx, &me, &contact, text)
        }
        (None, Who::Address(address)) => {
            people::find(ctx, command, address, Then::Send(Zeroizing::new(text)))
        }
        (None, Who::Id(id)) => {
            Err(Error::new(ErrorCode::NotFound, format!("You have no contact {id}.")).into())
        }
    }
}

/// Sends somebody's text on, without what it answered and whom it named: that belongs to where it was said.
pub(super) fn forward(ctx: &mut Ctx<'_, '_>, command: u64, to: To, body: String) -> Answer {
    let Some(me) = account::me(ctx)? else { return Err(account::not_active(ctx)?.into()) };
    let who = match &to {
        To::Who(who) => who.clone(),
        To::Conversation(ConversationId::Direct(account)) => Who::Id(*account),
        To::Conversation(ConversationId::Group(group)) => {
            return to_group(ctx, &me, group, Text { body, forwarded: true, ..Default::default() });
        }
    };
    match people::resolve(ctx, &who)? {
        Some(contact) => text_to(ctx, &me, &contact, Text { body, forwarded: true, ..Default::default() }),
        // To oneself, or as somebody's first message, which can't be marked.
        None => send(ctx, command, to, body, None, &[]),
    }
}

/// Goes on with `Send` once its recipient was found.
pub(super) fn send_to(ctx: &mut Ctx<'_, '_>, to: &AccountId, text: &str) -> Answer {
    let Some(me) = account::me(ctx)? else { return Err(account::not_active(ctx)?.into()) };
    match people::by_id(ctx, to)? {
        Some(contact) => text_to(ctx, &me, &contact, Text { body: text.to_owned(), ..Default::default() }),
        None => Err(Error::new(ErrorCode::NotFound, format!("You have no contact {to}.")).into()),
    }
}

/// Whether a text can be sent at all.
pub(super) fn check(text: &str, mentions: &[Mention]) -> Result<(), Error> {
    if text.is_empty() {
        return Err(Error::new(ErrorCode::Invalid, "An empty message says nothing."));
    }
    if text.len() > MAX_TEXT {
        let error = Error::new(ErrorCode::TooLarge, "A message is at most 64 KiB.");
        return Err(error.next("Send it in several parts."));
    }
    if mentions.len() > MAX_MENTIONS {
        let error = format!("A message mentions at most {MAX_MENTIONS} people.");
        return Err(Error::new(ErrorCode::TooLarge, error));
    }
    Ok(())
}

/// A text as it goes into a conversation.
pub(super) fn written(
    ctx: &mut Ctx<'_, '_>,
    id: &ConversationId,
    body: String,
    reply_to: Option<MessageId>,
    mentions: &[Mention],
) -> Result<Text, Failure> {
    let mut text = Text { mentions: mentioned(&body, mentions)?, body, ..Default::default() };
    if let Some(reply_to) = reply_to {
        let (_, _, entry) = history::named(ctx, id, &reply_to)?;
        // CON-24: what disappears isn't kept alive by who quotes it.
        if entry.disappear_ms == 0 {
            text.quote = texts::in_short(&entry).to_owned();
        }
        text.reply_to = Some(MessageRef { author: entry.sender, message_id: entry.message_id });
    }
    Ok(text)
}

/// Mentions as they are sent.
// CON-25
pub(super) fn mentioned(body: &str, mentions: &[Mention]) -> Result<Vec<content::Mention>, Error> {
    let mentions: Vec<_> = mentions
        .iter()
        .map(|Mention { account, start, length }| content::Mention {
            account: account.to_vec(),
            start: *start,
            length: *length,
        })
        .collect();
    if texts::mentioned(body, mentions.clone()).len() < mentions.len() {
        return Err(Error::new(ErrorCode::Invalid, "A mention lies where the text has no characters."));
    }
    Ok(mentions)
}

fn text_to(ctx: &mut Ctx<'_, '_>, me: &Me, contact: &Contact, text: Text) -> Answer {
    people::may_send(contact, &text.body)?;
    room(ctx, &contact.id)?;
    let id = ConversationId::Direct(contact.id);
    let text = timed(ctx, &id, text)?;
    let content = outbox::content(ctx, Body::Text(text.clone()));
    write(ctx, me, &id, &content.message_id, text, history_entry::State::Pending)?;
    // The first text is the request; what follows waits until the other has accepted.
    let request = contact.state == ContactState::Known;
    if request {
        people::sent_request(ctx, &contact.id)?;
    }
    let item = OutboxItem { content: content.encode_to_vec(), visible: true, request, ..Default::default() };
    outbox::push(ctx, &contact.id, item)?;
    queued(&id, &content.message_id).map(Some)
}

/// A note to oneself: its recipients are the account's other devices.
fn note(ctx: &mut Ctx<'_, '_>, me: &Me, text: Text) -> Answer {
    let to = &me.account;
    let id = ConversationId::Direct(*to);
    room(ctx, to)?;
    let text = timed(ctx, &id, text)?;
    let mut content = outbox::content(ctx, Body::Sync(Sync::default()));
    if me.manifest.devices().len() <= 1 {
        write(ctx, me, &id, &content.message_id, text, history_entry::State::Sent)?;
        return queued(&id, &content.message_id).map(Some);
    }
    write(ctx, me, &id, &content.message_id, text.clone(), history_entry::State::Pending)?;
    let sent = sync::sent_message(to, &content.message_id, content.sent_ms, text);
    content.body = Some(Body::Sync(Sync { what: Some(What::Sent(sent)) }));
    let item = OutboxItem { content: content.encode_to_vec(), visible: true, ..Default::default() };
    outbox::push(ctx, to, item)?;
    queued(&id, &content.message_id).map(Some)
}

/// Into a group: encrypted once for everybody, one's own other devices among them.
fn to_group(ctx: &mut Ctx<'_, '_>, me: &Me, group: &GroupId, text: Text) -> Answer {
    let id = ConversationId::Group(*group);
    let known = member::writes(ctx, group)?;
    let text = timed_in(ctx, &id, text)?;
    let content = outbox::content(ctx, Body::Text(text.clone()));
    let message_id = content.message_id.clone();
    write(ctx, me, &id, &message_id, text, history_entry::State::Pending)?;
    let others = known.state().members().len().saturating_sub(1);
    deliveries::expect(ctx, &id, &message_id, others)?;
    member::tell_group(ctx, group, content, true)?;
    queued(&id, &message_id).map(Some)
}

/// A text with the time after which it disappears in this conversation: a group's stands in its state.
// CON-30
pub(super) fn timed_in(ctx: &mut Ctx<'_, '_>, id: &ConversationId, text: Text) -> Result<Text, Failure> {
    let ConversationId::Group(group) = id else { return timed(ctx, id, text) };
    let known = member::writes(ctx, group)?;
    Ok(Text { disappear_ms: known.state().policy().disappear_ms, ..text })
}

/// The same between two people.
fn timed(ctx: &Ctx<'_, '_>, id: &ConversationId, text: Text) -> Result<Text, Failure> {
    let conversation = conversations::find(ctx, id)?;
    Ok(Text { disappear_ms: conversation.map_or(0, |conversation| conversation.disappear_ms), ..text })
}

/// Writes a message of one's own into its conversation. Gives where it stands.
pub(super) fn write(
    ctx: &mut Ctx<'_, '_>,
    me: &Me,
    id: &ConversationId,
    message_id: &[u8],
    text: Text,
    state: history_entry::State,
) -> Result<(stored::Conversation, u64), Failure> {
    let now = ctx.now.as_millis();
    let mut entry = HistoryEntry {
        message_id: message_id.to_vec(),
        sender: me.account.to_vec(),
        outgoing: true,
        sent_ms: now,
        received_ms: now,
        state: state.into(),
        ..Default::default()
    };
    texts::write(&mut entry, text);
    let (conversation, position) = history::append(ctx, id, &mut entry)?;
    if state == history_entry::State::Sent && entry.disappear_ms > 0 {
        disappear::begin(ctx, id, position, &mut entry, now)?;
        history::save(ctx, &conversation, position, &entry);
    }
    drafts::sent(ctx, id)?;
    Ok((conversation, position))
}

/// Whether more may wait for an account.
pub(super) fn room(ctx: &mut Ctx<'_, '_>, to: &AccountId) -> Result<(), Failure> {
    let waiting = outbox::lane(ctx, to)?.map_or(0, |lane| lane.items);
    if waiting < outbox::MAX_ITEMS {
        return Ok(());
    }
    let error = Error::new(ErrorCode::RateLimited, "Too many messages wait for this contact already.");
    Err(error.next("Wait until some have gone out.").into())
}

/// The answer that a message is queued.
pub(super) fn queued(id: &ConversationId, message_id: &[u8]) -> Result<Response, Failure> {
    let message: MessageId = row_id(message_id, HISTORY)?;
    Ok(Response::Queued { conversation: *id, message })
}
