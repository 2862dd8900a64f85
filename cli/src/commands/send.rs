//! `wheesht send`: one text, and how far it got.

use std::{io::Read as _, time::Duration};

use wheesht_core::{
    api::{ConversationId, Error, ErrorCode, EventKind, MessageState, Response},
    client::{Client, EventStream},
    proto::{ids::MessageId, limits::MAX_TEXT},
};

use crate::{
    args::{Global, Wait},
    exit::{Exit, Failure, Result},
    output::Output,
    render,
    session::Session,
};

pub(crate) async fn run(
    global: &Global,
    out: Output,
    to: &str,
    text: Option<String>,
    wait: Wait,
    timeout: u64,
) -> Result<()> {
    let text = match text {
        Some(text) if text != "-" => text,
        _ => tokio::task::spawn_blocking(read_stdin).await.map_err(|_| Failure::interrupted())??,
    };
    let session = Session::with_account(global, out).await?;
    let to = session.to(to).await?;
    let mut events = session.client.events();
    let send = async {
        let (conversation, message) = session.client.send(to, text).await?;
        until(&session.client, &mut events, conversation, message, wait).await?;
        Ok::<_, Failure>((conversation, message))
    };
    let sent = tokio::time::timeout(Duration::from_secs(timeout), send).await;
    let result = match sent {
        Ok(Ok((conversation, message))) => {
            let shown = session.client.message(conversation, message).await?;
            let state = shown.state.unwrap_or(MessageState::Pending);
            let object = Response::History { messages: vec![shown], more: false };
            out.result(&object, |style| format!("{} {}", render::mark(state, style), word(state)))
        }
        Ok(Err(failure)) => Err(failure),
        Err(_) => Err(Failure::new(
            Exit::Timeout,
            ErrorCode::Network,
            format!("Not {} after {timeout} s.", wanted(wait)),
        )
        .next("If it was queued, it goes out when Wheesht runs next; wheesht history shows it.")),
    };
    session.client.close().await;
    result
}

fn read_stdin() -> Result<String> {
    let mut bytes = Vec::new();
    std::io::stdin().take(MAX_TEXT as u64 + 1).read_to_end(&mut bytes)?;
    let text = String::from_utf8(bytes).map_err(|_| Failure::usage("Standard input is no UTF-8 text."))?;
    Ok(text.strip_suffix('\n').map(str::to_owned).unwrap_or(text))
}

/// Waits until a message has got as far as wanted. The events are left to whoever listens next.
async fn until(
    client: &Client,
    events: &mut EventStream,
    conversation: ConversationId,
    message: MessageId,
    wait: Wait,
) -> Result<()> {
    // What happened before the stream is looked up; what happens from now on is told.
    let mut state = client.message(conversation, message).await?.state.unwrap_or(MessageState::Pending);
    while !is_far_enough(state, wait)? {
        let closed = || Error::new(ErrorCode::Closed, "The client was closed.");
        let event = events.next().await.ok_or_else(closed)?;
        match event.kind {
            EventKind::MessageState { message: id, state: further, .. } if id == message => state = further,
            _ => {}
        }
    }
    Ok(())
}

/// Whether a message has got as far as wanted; a failure if it never will.
pub(super) fn is_far_enough(state: MessageState, wait: Wait) -> Result<bool> {
    let reached = match state {
        MessageState::Pending => Wait::Queued,
        MessageState::Sent => Wait::Sent,
        MessageState::Delivered => Wait::Delivered,
        MessageState::Failed { reason } => {
            let words = crate::exit::sentence(&render::fail_reason(reason));
            return Err(Failure::new(Exit::Failed, ErrorCode::Relay, words));
        }
        _ => Wait::Read,
    };
    Ok(reached >= wait)
}

pub(super) fn word(state: MessageState) -> &'static str {
    match state {
        MessageState::Pending => "queued",
        MessageState::Sent => "sent",
        MessageState::Delivered => "delivered",
        MessageState::Read => "read",
        _ => "",
    }
}

fn wanted(wait: Wait) -> &'static str {
    match wait {
        Wait::Queued => "queued",
        Wait::Sent => "sent",
        Wait::Delivered => "delivered",
        Wait::Read => "read",
    }
}

#[cfg(test)]
mod tests {
    use wheesht_core::api::FailReason;

    use super::*;

    #[test]
    fn waiting_ends_when_the_message_is_as_far_or_further() {
        for (state, wait, far) in [
            (MessageState::Pending, Wait::Queued, true),
            (MessageState::Pending, Wait::Sent, false),
            (MessageState::Sent, Wait::Sent, true),
            (MessageState::Read, Wait::Delivered, true),
            (MessageState::Delivered, Wait::Read, false),
        ] {
            assert_eq!(is_far_enough(state, wait).unwrap(), far, "{state:?} {wait:?}");
        }
        let failed = MessageState::Failed { reason: FailReason::TooLarge };
        assert_eq!(is_far_enough(failed, Wait::Queued).unwrap_err().exit, Exit::Failed);
    }
}
