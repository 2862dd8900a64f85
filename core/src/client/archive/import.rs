//! Reading an export again: all of it is looked at before any of it is taken in.
// EXP-4

use std::path::Path;

use tokio::{
    fs::File,
    io::{AsyncBufReadExt as _, BufReader},
};

use super::{files::failed, json};
use crate::{
    api::{EXPORT_VERSION, Error, ErrorCode, ExportLine, Imported, Message, Request, Response, Who},
    client::Client,
};

/// Messages handed over at once, and how large they may be together (bytes, about).
const AT_ONCE: usize = 200;
const SIZE: usize = 96 << 10;

/// What was taken in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportReport {
    /// Messages taken in.
    pub added: u64,
    /// Messages that were here already.
    pub known: u64,
    /// Messages and lines that were not taken in: what disappears, and what a newer version wrote.
    pub passed_over: u64,
    /// Contacts whose nickname, note and lists were taken in.
    pub contacts: u64,
}

/// Where lines come from: a file, or the chunks of a backup.
pub(super) trait Source {
    /// The next line, if there is one; at most [`json::MAX_LINE`] bytes.
    fn next(&mut self) -> impl Future<Output = Result<Option<Vec<u8>>, Error>> + Send;
}

/// The lines of a file.
pub(super) struct Lines {
    reader: BufReader<File>,
    path: std::path::PathBuf,
}

impl Lines {
    pub(super) async fn open(path: &Path) -> Result<Self, Error> {
        let file = File::open(path).await.map_err(|error| failed(path, &error))?;
        Ok(Self { reader: BufReader::with_capacity(1 << 16, file), path: path.to_owned() })
    }
}

impl Source for Lines {
    async fn next(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let mut line = Vec::new();
        loop {
            let there = self.reader.fill_buf().await.map_err(|error| failed(&self.path, &error))?;
            if there.is_empty() {
                return Ok((!line.is_empty()).then_some(line));
            }
            let (part, ends) = match there.iter().position(|byte| *byte == b'\n') {
                Some(at) => (at + 1, true),
                None => (there.len(), false),
            };
            line.extend_from_slice(there.get(..part).unwrap_or_default());
            self.reader.consume(part);
            if line.len() > json::MAX_LINE {
                return Err(too_long());
            }
            if ends {
                return Ok(Some(line));
            }
        }
    }
}

pub(super) fn too_long() -> Error {
    Error::new(ErrorCode::Invalid, "This is no export of Wheesht, or it is damaged: a line is too long.")
}

/// Looks at every line: is it an export, of a version that is known, and whole? Gives its number of messages.
pub(super) async fn check(source: &mut impl Source) -> Result<u64, Error> {
    let damaged = |sentence: &str| {
        Error::new(ErrorCode::Invalid, sentence.to_owned())
            .next("Take the file as it was written, or write it again.")
    };
    let mut header = false;
    let (mut messages, mut end) = (0_u64, None);
    while let Some(text) = source.next().await? {
        let line = json::read(&text)?;
        match line {
            Some(ExportLine::Header { version, .. }) => {
                if version > EXPORT_VERSION {
                    let error =
                        Error::new(ErrorCode::Invalid, "A newer version of Wheesht wrote this export.");
                    return Err(error.next("Update Wheesht."));
                }
                header = true;
            }
            Some(ExportLine::End { messages }) => end = Some(messages),
            Some(ExportLine::Message { .. }) => messages += 1,
            _ if !header => return Err(damaged("This is no export of Wheesht: it has no header.")),
            // What a newer version wrote may be a message too.
            None if text.starts_with(b"{\"type\":\"message\"") => messages += 1,
            _ => {}
        }
    }
    match end {
        Some(end) if end == messages => Ok(messages),
        _ => Err(damaged("This export is not whole: its end is missing, or messages are.")),
    }
}

impl Client {
    /// Takes in a JSON export, as history that was read: messages go before what was said here. What is here already stays as it is,
    /// so doing it twice changes nothing. Nicknames, notes and lists are taken in where nothing is noted yet. Nobody is told anything.
    ///
    /// # Errors
    /// If the file can't be read, is no export, or not whole: then nothing was taken in.
    pub async fn import(&self, from: &Path) -> Result<ImportReport, Error> {
        check(&mut Lines::open(from).await?).await?;
        self.take_in(&mut Lines::open(from).await?, false).await
    }

    /// Takes in what was checked. `all`: settings too, for a new installation.
    pub(super) async fn take_in(&self, source: &mut impl Source, all: bool) -> Result<ImportReport, Error> {
        let mut report = ImportReport::default();
        let mut batch = Batch::default();
        while let Some(text) = source.next().await? {
            let Some(line) = json::read(&text)? else {
                report.passed_over += 1;
                continue;
            };
            match line {
                ExportLine::Conversation { id, messages, archived, muted_until, .. } => {
                    self.hand_over(&mut batch, &mut report).await?;
                    batch = Batch { conversation: Some(id), remaining: messages, ..Default::default() };
                    if archived && all {
                        self.archive(id, true).await?;
                    }
                    if all && muted_until.is_some() {
                        self.call(Request::Mute { conversation: id, until: muted_until }).await?;
                    }
                }
                ExportLine::Message { message } => {
                    if Some(message.conversation) != batch.conversation {
                        report.passed_over += 1;
                        continue;
                    }
                    batch.size += text.len();
                    batch.messages.push(*message);
                    if batch.messages.len() >= AT_ONCE || batch.size >= SIZE {
                        self.hand_over(&mut batch, &mut report).await?;
                    }
                }
                ExportLine::Contact { id, extra, .. } if !extra.is_empty() => {
                    let contacts = self.contacts().await?;
                    if contacts.iter().any(|contact| contact.id == id && contact.extra.is_empty()) {
                        self.edit_contact(Who::Id(id), extra).await?;
                        report.contacts += 1;
                    }
                }
                ExportLine::Settings { read_receipts } if all => {
                    self.set_read_receipts(read_receipts).await?
                }
                _ => {}
            }
        }
        self.hand_over(&mut batch, &mut report).await?;
        Ok(report)
    }

    async fn hand_over(&self, batch: &mut Batch, report: &mut ImportReport) -> Result<(), Error> {
        let (Some(conversation), false) = (batch.conversation, batch.messages.is_empty()) else {
            return Ok(());
        };
        let messages = std::mem::take(&mut batch.messages);
        batch.size = 0;
        let count = messages.len() as u64;
        let request =
            Request::Import { conversation, cursor: batch.cursor, remaining: batch.remaining, messages };
        let Response::Imported { imported } = self.call(request).await? else {
            return Err(Error::new(ErrorCode::Internal, "The engine gave an answer of another kind."));
        };
        let Imported { cursor, added, known, passed_over } = imported;
        batch.cursor = cursor;
        batch.remaining = batch.remaining.saturating_sub(count);
        report.added += added;
        report.known += known;
        report.passed_over += passed_over;
        Ok(())
    }
}

/// Messages on their way in.
#[derive(Default)]
struct Batch {
    conversation: Option<crate::api::ConversationId>,
    cursor: Option<u64>,
    remaining: u64,
    messages: Vec<Message>,
    size: usize,
}
