//! `wheesht listen`: what happens, as it happens. An event is acknowledged only once its line is written and flushed: if the
//! reader dies, the event comes again.

use std::time::Duration;

use wheesht_core::api::{Body, EventKind, LinkState, Message};

use crate::{
    args::Global,
    exit::{Exit, Failure, Result},
    output::{Output, Style},
    render,
    session::Session,
};

pub(crate) async fn run(
    global: &Global,
    out: Output,
    count: Option<u64>,
    timeout: Option<u64>,
) -> Result<()> {
    let session = Session::with_account(global, out).await?;
    let mut events = session.client.events();
    let mut left = count;
    let quiet = timeout.map_or(Duration::MAX, Duration::from_secs);
    while left != Some(0) {
        let event = match tokio::time::timeout(quiet, events.next()).await {
            Ok(Some(event)) => event,
            Ok(None) => break,
            Err(_) if left.is_some() => {
                session.client.close().await;
                let words = "Fewer messages came than were waited for.";
                return Err(Failure::new(Exit::Timeout, wheesht_core::api::ErrorCode::Network, words));
            }
            Err(_) => break,
        };
        if out.json {
            out.result(&event, |_| String::new())?;
        } else if let Some(line) = line(&event.kind, out.style) {
            out.line(line)?;
        }
        if let Some(id) = event.id {
            events.ack(id).await;
        }
        if matches!(&event.kind, EventKind::Message { message } if is_incoming_text(message)) {
            left = left.map(|left| left - 1);
        }
    }
    session.client.close().await;
    Ok(())
}

fn is_incoming_text(message: &Message) -> bool {
    !message.outgoing && matches!(message.body, Body::Text { .. })
}

/// An event as a line; nothing for what only a program wants to know.
fn line(kind: &EventKind, style: Style) -> Option<String> {
    match kind {
        EventKind::Message { message } => Some(render::message(message, style)),
        EventKind::Contact { contact } => Some(format!("* {}", render::contact(contact, None, style))),
        EventKind::DeviceProposal { proposal: Some(proposal) } => Some(render::proposal(proposal, style)),
        EventKind::HistoryTransfer { transfer } => {
            Some(style.dim(&format!("* {}", render::history_transfer(transfer))))
        }
        EventKind::Phase { phase } => Some(render::phase(phase, style)),
        EventKind::Trouble { trouble } => Some(style.warning(&format!("! {}", render::trouble(trouble)))),
        EventKind::Link { state: LinkState::Online } => Some(style.dim("* online")),
        EventKind::Link { state: LinkState::Offline { reason } } => {
            Some(style.dim(&format!("* offline: {}", crate::text::one_line(reason))))
        }
        EventKind::Dropped { count } => {
            Some(style.warning(&format!(
                "! {count} events were not taken in time; wheesht history has the messages."
            )))
        }
        _ => None,
    }
}
