//! What a person asks for about files.

use wheesht_proto::{ids::MessageId, stored};

use super::{
    super::{conversations, history, settings, show as shown},
    Found, download, find, gone, queue, send, transfer, upload,
};
use crate::{
    api::{ConversationId, Error, ErrorCode, FailReason, Request, Response},
    engine::{
        Ctx,
        error::{Answer, Failure},
        tables::{FILES, TRANSFERS},
    },
    store::Direction,
};

/// Largest page.
const MAX_PAGE: usize = 1_000;

/// Requests about files.
pub(in super::super) fn command(ctx: &mut Ctx<'_, '_>, id: u64, request: Request) -> Answer {
    match request {
        Request::SendFile { to, file } => send::send(ctx, id, to, file),
        Request::SaveFile { conversation, message, directory } => {
            save(ctx, &conversation, &message, directory)
        }
        Request::CancelTransfer { conversation, message } => cancel(ctx, &conversation, &message),
        Request::PauseTransfer { conversation, message } => pause(ctx, &conversation, &message),
        Request::ResumeTransfer { conversation, message } => resume(ctx, &conversation, &message),
        Request::Files { conversation, before, limit } => list(ctx, conversation, before, limit),
        Request::SetAutoDownload { bytes } => settings::set_auto_download(ctx, bytes),
        _ => Err(Error::new(ErrorCode::Internal, "This request is not about files.").into()),
    }
}

/// The message that a request names, with its file.
fn named(ctx: &Ctx<'_, '_>, id: &ConversationId, message: &MessageId) -> Result<Found, Failure> {
    let (conversation, position, entry): (stored::Conversation, u64, _) = history::named(ctx, id, message)?;
    if entry.file.is_none() {
        return Err(Error::new(ErrorCode::Invalid, "This message has no file.").into());
    }
    Ok(Found { id: *id, conversation, position, entry })
}

fn transfer_of(found: &Found) -> u64 {
    found.entry.file.as_ref().map_or(0, |file| file.transfer)
}

fn save(
    ctx: &mut Ctx<'_, '_>,
    id: &ConversationId,
    message: &MessageId,
    directory: Option<String>,
) -> Answer {
    let found = named(ctx, id, message)?;
    let n = transfer_of(&found);
    match transfer(ctx, n)? {
        Some(row) if row.upload => {
            let error = Error::new(ErrorCode::Invalid, "The file is still being sent from here.");
            return Err(error.next("It lies where you sent it from.").into());
        }
        Some(_) => {
            // A person asks for what was begun unasked, or has stopped: once more, to where they want it.
            let (place, id) = (found.place(), found.id);
            gone::abandon(ctx, n)?;
            if let Some(found) = find(ctx, &place)?.filter(|found| found.id == id) {
                download::save(ctx, found, directory)?;
            }
        }
        None => download::save(ctx, found, directory)?,
    }
    Ok(Some(Response::Done))
}

fn cancel(ctx: &mut Ctx<'_, '_>, id: &ConversationId, message: &MessageId) -> Answer {
    let found = named(ctx, id, message)?;
    let n = transfer_of(&found);
    match transfer(ctx, n)? {
        Some(row) if row.upload => upload::cancelled(ctx, n, found)?,
        Some(row) => {
            gone::discard(ctx, &row, &found);
            queue::fail(ctx, n, &row, found, FailReason::Cancelled)?;
            queue::pump(ctx)?;
        }
        None => return Err(nothing_moves().into()),
    }
    let found = named(ctx, id, message)?;
    found.save_and_tell(ctx)?;
    Ok(Some(Response::Done))
}

fn pause(ctx: &mut Ctx<'_, '_>, id: &ConversationId, message: &MessageId) -> Answer {
    let found = named(ctx, id, message)?;
    let n = transfer_of(&found);
    let mut row = transfer(ctx, n)?.ok_or_else(nothing_moves)?;
    queue::halt(ctx, n);
    row.paused = true;
    ctx.save(TRANSFERS, b"", n, &row);
    queue::tell(ctx, &found, row.upload, 0)?;
    queue::pump(ctx)?;
    Ok(Some(Response::Done))
}

fn resume(ctx: &mut Ctx<'_, '_>, id: &ConversationId, message: &MessageId) -> Answer {
    let found = named(ctx, id, message)?;
    let n = transfer_of(&found);
    let mut row = transfer(ctx, n)?.ok_or_else(nothing_moves)?;
    (row.paused, row.renewed) = (false, 0);
    row.stopped.clear();
    ctx.save(TRANSFERS, b"", n, &row);
    ctx.passing.messaging.files.retry.remove(&n);
    queue::pump(ctx)?;
    queue::tell(ctx, &found, row.upload, 0)?;
    Ok(Some(Response::Done))
}

fn nothing_moves() -> Error {
    Error::new(ErrorCode::NotFound, "This file is not on its way.")
        .next("A list of files shows how far each is.")
}

/// A page of the messages with files, the newest first.
fn list(ctx: &mut Ctx<'_, '_>, only: Option<ConversationId>, before: Option<u64>, limit: u32) -> Answer {
    let limit = usize::try_from(limit).unwrap_or(MAX_PAGE).clamp(1, MAX_PAGE);
    let only = match only {
        Some(id) => match conversations::find(ctx, &id)? {
            Some(conversation) => Some(conversation.number),
            None => return Ok(Some(Response::Files { messages: Vec::new(), next: None })),
        },
        None => None,
    };
    let (mut messages, mut end) = (Vec::new(), before.unwrap_or(u64::MAX));
    while messages.len() < limit && end > 0 {
        let rows = ctx.tx.scan(FILES, b"", ..end, Direction::Backward, MAX_PAGE)?;
        if rows.is_empty() {
            return Ok(Some(Response::Files { messages, next: None }));
        }
        for (n, row) in rows {
            if messages.len() >= limit {
                break;
            }
            end = n;
            let place = gone::place(&row);
            let Some(found) = place.as_ref().map(|place| find(ctx, place)).transpose()?.flatten() else {
                ctx.tx.delete(FILES, b"", n);
                continue;
            };
            if only.is_none_or(|only| only == found.conversation.number) {
                let Found { id, conversation, position, entry } = found;
                messages.push(shown::message(ctx, &id, &conversation, position, entry)?);
            }
        }
    }
    let more = !ctx.tx.scan(FILES, b"", ..end, Direction::Backward, 1)?.is_empty();
    Ok(Some(Response::Files { messages, next: more.then_some(end) }))
}
