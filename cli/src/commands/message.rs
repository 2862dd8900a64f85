//! `wheesht message`: what one does to a message after it was written. The chat's `/reply`, `/react` and the like do it here too.

use wheesht_core::{
    api::{Body, ConversationId, Error, ErrorCode, Message, Request, Response, span, text},
    proto::ids::MessageId,
    time::Timestamp,
};

use super::{group::Outcome, history::conversation, mentions};
use crate::{
    args::{Global, MessageAction, Span},
    exit::{Exit, Failure, Result},
    output::{Output, Style},
    render,
    session::Session,
};

/// How far back `^N` reaches.
const REACH: u32 = 1_000;

pub(crate) async fn run(global: &Global, out: Output, action: MessageAction) -> Result<()> {
    let session = Session::with_account(global, out).await?;
    let outcome = act(&session, action, out.style).await?;
    out.result(&outcome.object, |_| outcome.words)?;
    session.finish().await
}

/// Does it.
pub(crate) async fn act(session: &Session, action: MessageAction, style: Style) -> Result<Outcome> {
    let client = &session.client;
    match action {
        MessageAction::Reply { with, message, text } => {
            let conversation = conversation(session, &with).await?;
            let reply_to = Some(find(session, conversation, &message, Whose::Theirs).await?);
            let text = text::with_emoji(&text);
            let mentions = mentions::find(session, conversation, &text).await?;
            let to = conversation.into();
            let object = client.call(Request::Send { to, text, reply_to, mentions }).await?;
            Ok(Outcome { object, words: "Answered.".to_owned() })
        }
        MessageAction::React { with, message, emoji, remove } => {
            let conversation = conversation(session, &with).await?;
            let message = find(session, conversation, &message, Whose::Theirs).await?;
            let emoji = text::with_emoji(&emoji);
            let object = client.call(Request::React { conversation, message, emoji, remove }).await?;
            Ok(Outcome { object, words: if remove { "Taken back." } else { "Done." }.to_owned() })
        }
        MessageAction::Edit { with, message, text } => {
            let conversation = conversation(session, &with).await?;
            let message = find(session, conversation, &message, Whose::Own).await?;
            let text = text::with_emoji(&text);
            let mentions = mentions::find(session, conversation, &text).await?;
            let object = client.call(Request::Edit { conversation, message, text, mentions }).await?;
            Ok(Outcome { object, words: "Changed; everybody sees that it was.".to_owned() })
        }
        MessageAction::Edits { with, message } => {
            let conversation = conversation(session, &with).await?;
            let message = find(session, conversation, &message, Whose::Anybodys).await?;
            let object = client.call(Request::Edits { conversation, message }).await?;
            let Response::Edits { earlier } = &object else { return Err(strange()) };
            let line = |one: &wheesht_core::api::EarlierText| {
                format!("{} {}", style.dim(&render::time(one.at)), crate::text::block(&one.text))
            };
            let words = earlier.iter().map(line).collect::<Vec<_>>().join("\n");
            Ok(Outcome { object, words })
        }
        MessageAction::Delete { with, message, for_all } => {
            let conversation = conversation(session, &with).await?;
            let whose = if for_all { Whose::Own } else { Whose::Anybodys };
            let message = find(session, conversation, &message, whose).await?;
            let object = client.call(Request::Delete { conversation, message, for_all }).await?;
            let words = if for_all { "Deleted, for everybody." } else { "Deleted, for you." };
            Ok(Outcome { object, words: words.to_owned() })
        }
        MessageAction::Forward { with, message, to } => {
            let conversation = conversation(session, &with).await?;
            let message = find(session, conversation, &message, Whose::Anybodys).await?;
            let to = session.to(&to).await?;
            let object = client.call(Request::Forward { conversation, message, to }).await?;
            Ok(Outcome { object, words: "Sent on.".to_owned() })
        }
        MessageAction::Pin { with, message, off } => {
            let conversation = conversation(session, &with).await?;
            let message = find(session, conversation, &message, Whose::Anybodys).await?;
            let object = client.call(Request::Pin { conversation, message, pinned: !off }).await?;
            Ok(Outcome { object, words: if off { "No longer pinned." } else { "Pinned." }.to_owned() })
        }
        MessageAction::Pins { with } => {
            let conversation = conversation(session, &with).await?;
            let object = client.call(Request::Pins { conversation }).await?;
            let Response::History { messages, .. } = &object else { return Err(strange()) };
            let lines: Vec<_> = messages.iter().map(|message| render::message(message, style)).collect();
            let words = if lines.is_empty() { "Nothing is pinned.".to_owned() } else { lines.join("\n") };
            Ok(Outcome { object, words })
        }
        MessageAction::Info { with, message } => {
            let conversation = conversation(session, &with).await?;
            let message = find(session, conversation, &message, Whose::Own).await?;
            let object = client.call(Request::Deliveries { conversation, message }).await?;
            let Response::Deliveries { members } = &object else { return Err(strange()) };
            let line = |one: &wheesht_core::api::Delivery| {
                let at = one.at.map(render::time).unwrap_or_default();
                format!(
                    "  {:<24} {} {}",
                    render::name(&one.name),
                    render::mark(one.state, style),
                    style.dim(&at)
                )
            };
            let words = members.iter().map(line).collect::<Vec<_>>().join("\n");
            Ok(Outcome { object, words })
        }
        MessageAction::Timer { with, after: Span(after_ms) } => {
            let conversation = conversation(session, &with).await?;
            let object = client.call(Request::SetDisappearing { conversation, after_ms }).await?;
            let words = match after_ms {
                0 => "From now on messages stay.".to_owned(),
                ms => format!("From now on messages disappear {} after they were sent or read.", span(ms)),
            };
            Ok(Outcome { object, words })
        }
        MessageAction::Mute { with, span: asked, off } => {
            let conversation = conversation(session, &with).await?;
            let now = u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or_default();
            let lasting = asked.map_or(FOR_GOOD, |Span(ms)| ms);
            let until = (!off).then(|| Timestamp::from_millis(now.saturating_add(lasting)));
            let object = client.call(Request::Mute { conversation, until }).await?;
            let words = match (off, lasting) {
                (true, _) => "You are told of what is said there again.".to_owned(),
                (false, FOR_GOOD) => "Muted.".to_owned(),
                (false, ms) => format!("Muted for {}.", span(ms)),
            };
            Ok(Outcome { object, words })
        }
    }
}

/// A hundred years.
const FOR_GOOD: u64 = 100 * 365 * 86_400_000;

/// An answer that does not fit the question.
pub(crate) fn strange() -> Failure {
    Error::new(ErrorCode::Internal, "The engine gave an answer of another kind.").into()
}

/// Which messages `^` counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    Own,
    Theirs,
    Anybodys,
}

/// The message that is meant: `^` is the newest, `^2` the one before; a number is its "seq"; else its id.
pub(crate) async fn find(
    session: &Session,
    conversation: ConversationId,
    reference: &str,
    whose: Whose,
) -> Result<MessageId> {
    if let Ok(id) = reference.parse() {
        return Ok(id);
    }
    let missing = || {
        Failure::new(Exit::NotFound, ErrorCode::NotFound, "There is no such message.")
            .next("^ is the newest, ^2 the one before it, and so on.")
    };
    let (messages, _) = session.client.history(conversation, None, REACH).await?;
    let said = |message: &Message| matches!(message.body, Body::Text { .. } | Body::File { .. });
    let texts = messages.into_iter().rev().filter(said);
    let found = match (reference.strip_prefix('^'), reference.parse::<u64>()) {
        (Some(back), _) => {
            let back: usize = if back.is_empty() { 1 } else { back.parse().map_err(|_| missing())? };
            let fits = |message: &Message| match whose {
                Whose::Own => message.outgoing,
                Whose::Theirs => !message.outgoing,
                Whose::Anybodys => true,
            };
            texts.filter(fits).nth(back.checked_sub(1).ok_or_else(missing)?)
        }
        (None, Ok(seq)) => texts.into_iter().find(|message| message.seq == seq),
        (None, Err(_)) => None,
    };
    found.map(|message| message.id).ok_or_else(missing)
}
