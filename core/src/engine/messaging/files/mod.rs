//! Files: messages that refer to a blob, and the blobs' way up and down.
//!
//! ```text
//!  SendFile ─▶ [send] look ─▶ message, Pending ─▶ TRANSFERS row ─▶ [upload] ticket ─▶ blob ─▶ [outbox] the reference
//!                                                      ▲
//!  SaveFile, or small enough and of somebody known ────┘─▶ [download] ─▶ part ─▶ every byte verified ─▶ its name
//! ```
//!
//! What is to be moved is a row, what is being moved is passing: a start finds the rows and goes on, from where the relay, or the part
//! on the disk, says that it stands. The engine reads and writes no file: that is the driver's, as is encryption chunk by chunk.
//! Rules: `proto/spec/files.md`.

mod commands;
mod download;
mod gone;
mod name;
mod queue;
mod reference;
mod send;
mod show;
mod upload;
mod words;

use wheesht_proto::{
    prost::Message as _,
    stored::{self, FilePlace, HistoryEntry, Transfer},
};

use super::{
    super::{
        Ctx, EngineError,
        blobs::BlobReport,
        tables::{CONVERSATION_LIST, TRANSFERS},
    },
    conversations, history, show as shown,
};
use crate::{
    api::{ConversationId, Error, EventKind, Outgoing, To},
    store::Direction,
    time::Timestamp,
};

pub(super) use commands::command;
pub(super) use download::arrived;
pub(super) use gone::{abandon, gone};
pub(super) use queue::{due, online, start, stopped, waiting};
pub(super) use reference::{imported, is_sound, taken};
pub(super) use send::forward;
pub(super) use show::file;
pub(super) use words::{Verdict, verdict};

/// What is under way.
#[derive(Default)]
pub(super) struct Passing {
    running: std::collections::BTreeMap<u64, Running>,
    retry: std::collections::BTreeMap<u64, Retry>,
}

/// A transfer under way.
struct Running {
    upload: bool,
    /// The driver's order; 0 while a ticket is awaited.
    order: u64,
}

/// A transfer that failed, and goes on by itself.
struct Retry {
    attempts: u32,
    at: Timestamp,
    error: Option<Error>,
}

/// Who waits for a report of the driver, or a ticket.
#[derive(Clone)]
pub(crate) enum Pending {
    /// A command: the file is looked at.
    Look(Box<Look>),
    /// The file of a transfer is looked at again, since it has changed.
    Again(u64),
    /// An upload, or the ticket for it.
    Upload(u64),
    /// A download.
    Download(u64),
}

/// A file that a person wants to send.
#[derive(Clone)]
pub(crate) struct Look {
    command: u64,
    to: To,
    file: Outgoing,
}

// ---- Called by the frame -------------------------------------------------------------------------------------

/// The driver's last word on an order.
pub(super) fn report(ctx: &mut Ctx<'_, '_>, pending: Pending, report: BlobReport) -> Result<(), EngineError> {
    match pending {
        Pending::Look(look) => send::looked(ctx, *look, report),
        Pending::Again(n) => upload::looked_again(ctx, n, report),
        Pending::Upload(n) => upload::report(ctx, n, report),
        Pending::Download(n) => download::report(ctx, n, report),
    }
}

/// How far an order is.
pub(super) fn progress(ctx: &mut Ctx<'_, '_>, pending: &Pending, done: u64) -> Result<(), EngineError> {
    match pending {
        Pending::Upload(n) | Pending::Download(n) => queue::tell_progress(ctx, *n, done),
        Pending::Look(_) | Pending::Again(_) => Ok(()),
    }
}

/// The relay has answered the wish for a ticket.
pub(super) fn ticket(
    ctx: &mut Ctx<'_, '_>,
    pending: Pending,
    ticket: Result<[u8; 32], Option<Error>>,
) -> Result<(), EngineError> {
    match pending {
        Pending::Upload(n) => upload::ticket(ctx, n, ticket),
        _ => Ok(()),
    }
}

// ---- For the parts -------------------------------------------------------------------------------------------

/// A message with a file, and where it stands.
struct Found {
    id: ConversationId,
    conversation: stored::Conversation,
    position: u64,
    entry: HistoryEntry,
}

/// The message at a place, if it is still there and has its file.
fn find(ctx: &Ctx<'_, '_>, place: &FilePlace) -> Result<Option<Found>, EngineError> {
    let Some(key) = ctx.tx.get(CONVERSATION_LIST, b"", place.conversation)? else { return Ok(None) };
    let Some(id) = conversations::from_key(&key) else { return Ok(None) };
    let Some(conversation) = conversations::find(ctx, &id)? else { return Ok(None) };
    let position = place.position;
    let entry = history::entry(ctx, &conversation, position)?;
    let there = |entry: HistoryEntry| Found { id, conversation, position, entry };
    Ok(entry.filter(|entry| entry.file.is_some() && !entry.hidden).map(there))
}

impl Found {
    fn place(&self) -> FilePlace {
        FilePlace { conversation: self.conversation.number, position: self.position }
    }

    /// Writes the message as it is now.
    fn save(&self, ctx: &mut Ctx<'_, '_>) {
        history::save(ctx, &self.conversation, self.position, &self.entry);
    }

    /// Writes it, and the app hears of it.
    fn save_and_tell(self, ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
        self.save(ctx);
        let Self { id, conversation, position, entry } = self;
        let message = shown::message(ctx, &id, &conversation, position, entry)?;
        ctx.event(EventKind::MessageChanged { message })
    }
}

fn transfer(ctx: &Ctx<'_, '_>, n: u64) -> Result<Option<Transfer>, EngineError> {
    ctx.load(TRANSFERS, b"", n)
}

fn transfers(ctx: &Ctx<'_, '_>) -> Result<Vec<(u64, Transfer)>, EngineError> {
    let rows = ctx.tx.scan(TRANSFERS, b"", .., Direction::Forward, usize::MAX)?;
    let decode = |(n, row): (u64, zeroize::Zeroizing<Vec<u8>>)| {
        let row =
            Transfer::decode(row.as_slice()).map_err(|_| EngineError::Row { what: TRANSFERS.name() })?;
        Ok((n, row))
    };
    rows.into_iter().map(decode).collect()
}
