//! Having the engine do what was asked for, one thing after the other, so that messages go out in the order in which they were written,
//! while the screen stays alive.

use tokio::sync::mpsc;
use wheesht_core::{
    api::{
        Contact, Conversation, ConversationId, EventKind, Group, Hit, Message, PageAt, Request, Response,
        Search, To, Who, text,
    },
    proto::ids::MessageId,
};

use super::{
    input::Action,
    state::{Found, Place},
};
use crate::{
    commands::{mentions, message::strange},
    exit::{Failure, Result},
    render,
    session::Session,
};

/// Messages fetched at a time.
const PAGE: u32 = 100;
/// Messages found at a time.
const HITS: u32 = 50;

/// What the screen is to know.
pub(super) enum Update {
    Lists {
        conversations: Vec<Conversation>,
        contacts: Vec<Contact>,
        groups: Vec<Group>,
    },
    /// A conversation, up to its end or around this place.
    Opened {
        conversation: ConversationId,
        messages: Vec<Message>,
        more: bool,
        at: Option<Place>,
    },
    Older {
        conversation: ConversationId,
        messages: Vec<Message>,
        more: bool,
    },
    Found {
        query: String,
        found: Vec<Found>,
    },
    /// What one did oneself is no event.
    Happened(Box<EventKind>),
    Notice(String),
}

/// Works until nobody asks any more.
pub(super) async fn work(
    session: &Session,
    mut actions: mpsc::UnboundedReceiver<Action>,
    updates: mpsc::UnboundedSender<Update>,
) {
    while let Some(action) = actions.recv().await {
        let update = match perform(session, action).await {
            Ok(Some(update)) => update,
            Ok(None) => continue,
            Err(Failure { error, .. }) => {
                Update::Notice(error.map_or_else(String::new, |error| error.to_string()))
            }
        };
        if updates.send(update).is_err() {
            return;
        }
    }
}

async fn perform(session: &Session, action: Action) -> Result<Option<Update>> {
    let client = &session.client;
    match action {
        Action::Open(conversation) => return open(session, conversation).await.map(Some),
        Action::Older { conversation, before } => {
            let (messages, more) = client.history(conversation, Some(before), PAGE).await?;
            return Ok(Some(Update::Older { conversation, messages, more }));
        }
        Action::Jump { conversation, seq } => {
            let page = client.page(conversation, PageAt::Around { seq }, PAGE).await?;
            let at = Some(Place { seq, later: page.later });
            let (messages, more) = (page.messages, page.earlier);
            return Ok(Some(Update::Opened { conversation, messages, more, at }));
        }
        Action::Send { conversation, text, reply_to } => {
            let text = text::with_emoji(&text);
            let mentions = mentions::find(session, conversation, &text).await?;
            let to = To::Conversation(conversation);
            let sent = client.call(Request::Send { to, text, reply_to, mentions }).await?;
            let Response::Queued { conversation, message } = sent else { return Err(strange()) };
            let message = client.message(conversation, message).await?;
            return Ok(Some(Update::Happened(Box::new(EventKind::Message { message }))));
        }
        Action::Write { to, text } => {
            let to = session.to(&to).await?;
            let (conversation, _) = client.send(to, text::with_emoji(&text)).await?;
            return open(session, conversation).await.map(Some);
        }
        Action::Edit { conversation, message, text } => {
            let text = text::with_emoji(&text);
            let mentions = mentions::find(session, conversation, &text).await?;
            client.call(Request::Edit { conversation, message, text, mentions }).await?;
            return changed(session, conversation, message).await;
        }
        Action::React { conversation, message, emoji } => {
            let emoji = text::with_emoji(&emoji);
            let known = client.message(conversation, message).await?;
            let remove = known.reactions.iter().any(|reaction| reaction.mine && reaction.emoji == emoji);
            client.react(conversation, message, emoji, remove).await?;
            return changed(session, conversation, message).await;
        }
        Action::Delete { conversation, message, for_all } => {
            client.delete_message(conversation, message, for_all).await?;
            if for_all {
                return changed(session, conversation, message).await;
            }
            return Ok(Some(Update::Happened(Box::new(EventKind::MessageGone { conversation, message }))));
        }
        Action::Pin { conversation, message, pinned } => {
            client.pin(conversation, message, pinned).await?;
            return changed(session, conversation, message).await;
        }
        Action::Accept(account) => drop(client.accept_contact(Who::Id(account)).await?),
        Action::Block(account) => drop(client.block_contact(Who::Id(account)).await?),
        Action::Join { group, accept: true } => drop(client.call(Request::AcceptInvitation { group }).await?),
        Action::Join { group, accept: false } => {
            drop(client.call(Request::DeclineInvitation { group }).await?)
        }
        Action::Draft { conversation, text } => {
            client.call(Request::SetDraft { conversation, text, reply_to: None }).await?;
        }
        Action::Typing { conversation, stopped } => client.typing(conversation, stopped).await?,
        Action::Search(query) => return search(session, query).await.map(Some),
        Action::Seen { conversation, up_to } => client.mark_read(conversation, up_to).await?,
        Action::Focus(conversation) => client.set_focus(conversation).await?,
        Action::Refresh => {
            let conversations = client.conversations().await?;
            let (contacts, groups) = (client.contacts().await?, session.groups().await?);
            return Ok(Some(Update::Lists { conversations, contacts, groups }));
        }
        Action::Quit => {}
    }
    Ok(None)
}

/// A message as it is now.
async fn changed(
    session: &Session,
    conversation: ConversationId,
    message: MessageId,
) -> Result<Option<Update>> {
    let message = session.client.message(conversation, message).await?;
    Ok(Some(Update::Happened(Box::new(EventKind::MessageChanged { message }))))
}

async fn open(session: &Session, conversation: ConversationId) -> Result<Update> {
    let all = session.client.conversations().await?;
    let unread = all.iter().find(|one| one.id == conversation).map_or(0, |one| one.unread);
    // What is unread is there whole, within reason.
    let count = u32::try_from(unread).unwrap_or(u32::MAX).saturating_add(20).clamp(PAGE, 1_000);
    let (messages, more) = session.client.history(conversation, None, count).await?;
    Ok(Update::Opened { conversation, messages, more, at: None })
}

async fn search(session: &Session, query: String) -> Result<Update> {
    let asked = Search { query: query.clone(), limit: HITS, ..Search::default() };
    let hits = session.client.search(asked).await?.hits;
    let line = |message: &Message| {
        let who = if message.outgoing { "you".to_owned() } else { render::name(&message.sender_name) };
        let words = crate::text::excerpt(render::words(&message.body), 200);
        format!("{} {who}: {words}", render::time(message.sent_at))
    };
    let found = |hit: &Hit| Found {
        conversation: hit.message.conversation,
        seq: hit.message.seq,
        line: line(&hit.message),
    };
    Ok(Update::Found { query, found: hits.iter().map(found).collect() })
}
