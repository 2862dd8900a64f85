//! `wheesht history`: what was said, with one person; or all conversations.

use wheesht_core::api::{ConversationId, Response, To};

use crate::{args::Global, exit::Result, output::Output, render, session::Session};

pub(crate) async fn run(
    global: &Global,
    out: Output,
    with: Option<String>,
    limit: u32,
    before: Option<u64>,
) -> Result<()> {
    let session = Session::with_account(global, out).await?;
    match with {
        Some(with) => page(&session, &with, limit, before).await?,
        None => {
            let conversations = session.client.conversations().await?;
            let object = Response::Conversations { conversations: conversations.clone() };
            out.result(&object, |style| {
                let lines: Vec<_> =
                    conversations.iter().map(|one| render::conversation(one, style)).collect();
                if lines.is_empty() { "Nothing was said yet.".to_owned() } else { lines.join("\n") }
            })?;
        }
    }
    session.client.close().await;
    Ok(())
}

async fn page(session: &Session, with: &str, limit: u32, before: Option<u64>) -> Result<()> {
    let conversation = conversation(session, with).await?;
    let (messages, more) = session.client.history(conversation, before, limit).await?;
    let object = Response::History { messages: messages.clone(), more };
    session.out.result(&object, |style| {
        let mut lines = Vec::new();
        if let (true, Some(first)) = (more, messages.first()) {
            lines.push(style.dim(&format!("(earlier: wheesht history {with} --before {})", first.seq)));
        }
        lines.extend(messages.iter().map(|message| render::message(message, style)));
        if lines.is_empty() { "Nothing was said yet.".to_owned() } else { lines.join("\n") }
    })
}

/// The conversation with somebody, oneself included.
pub(crate) async fn conversation(session: &Session, with: &str) -> Result<ConversationId> {
    match session.to(with).await {
        Ok(To::Conversation(conversation)) => return Ok(conversation),
        Err(failure) if with.starts_with('#') => return Err(failure),
        _ => {}
    }
    let status = session.status().await?;
    if let (Some(own), Some(account)) = (&session.own, status.account)
        && session.address(with).is_ok_and(|address| address.canonical() == own.canonical())
    {
        return Ok(ConversationId::Direct(account));
    }
    Ok(ConversationId::Direct(session.contact(with).await?.id))
}
