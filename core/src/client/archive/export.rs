//! Going through conversations, page by page, into a file or several.

use std::path::{Path, PathBuf};

use super::{
    beside::Beside,
    files::Part,
    html, json, markdown, plain,
    shown::{self, Calendar},
};
use crate::{
    api::{
        Body, Contact, Conversation, ConversationId, EXPORT_VERSION, Error, ErrorCode, ExportLine, Message,
        PageAt, Request, Response,
    },
    client::{Client, clock},
};

/// Messages asked for at once.
const PAGE: u32 = 500;

/// How an export is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExportFormat {
    /// JSON lines, as `docs/export.schema.json` has it: what can be imported again.
    Json,
    /// A page that looks like a chat, with a folder of its files beside it.
    Html,
    /// Markdown.
    Markdown,
    /// Plain text.
    Text,
}

impl ExportFormat {
    const fn extension(self) -> &'static str {
        match self {
            Self::Json => "jsonl",
            Self::Html => "html",
            Self::Markdown => "md",
            Self::Text => "txt",
        }
    }
}

/// What is exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// How.
    pub format: ExportFormat,
    /// This conversation; none: all of them. JSON is one file in any case; of the other formats all conversations are a directory.
    pub conversation: Option<ConversationId>,
}

/// What was exported.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exported {
    /// Conversations.
    pub conversations: u64,
    /// Messages, notices among them.
    pub messages: u64,
    /// The files that were written, without those beside a page.
    pub files: Vec<PathBuf>,
    /// Files of messages that are not beside their page, since they are not on this device. HTML only.
    pub missing: u64,
}

/// Where lines of JSON go: a file, or the chunks of a backup.
pub(super) trait Sink {
    /// Takes a line.
    fn put(&mut self, line: &str) -> impl Future<Output = Result<(), Error>> + Send;
}

impl Sink for Part {
    async fn put(&mut self, line: &str) -> Result<(), Error> {
        self.write(line.as_bytes()).await
    }
}

impl Client {
    /// Writes conversations into a file, or all of them, in a readable format, into a new directory. What disappears is left out. A
    /// file appears when it is whole.
    ///
    /// # Errors
    /// If a file can't be written, or is there already; if there is no such conversation.
    pub async fn export(&self, to: &Path, export: &Export) -> Result<Exported, Error> {
        let mut conversations = self.conversations().await?;
        if let Some(id) = &export.conversation {
            conversations.retain(|conversation| conversation.id == *id);
            if conversations.is_empty() {
                return Err(Error::new(ErrorCode::NotFound, "Nothing was said there yet."));
            }
        }
        let mut done = Exported::default();
        match export.format {
            ExportFormat::Json => {
                let mut part = Part::create(to).await?;
                let contacts =
                    if export.conversation.is_none() { self.contacts().await? } else { Vec::new() };
                self.lines(&mut part, None, contacts, conversations, &mut done).await?;
                part.finish().await?;
                done.files.push(to.to_owned());
            }
            format if export.conversation.is_some() => {
                for conversation in &conversations {
                    self.readable(to.to_owned(), format, conversation, &mut done).await?;
                }
            }
            format => {
                std::fs::create_dir(to).map_err(|error| super::files::failed(to, &error))?;
                for (number, conversation) in (1..).zip(&conversations) {
                    let name = shown::file_name(number, &conversation.title, format.extension());
                    self.readable(to.join(name), format, conversation, &mut done).await?;
                }
            }
        }
        Ok(done)
    }

    async fn readable(
        &self,
        path: PathBuf,
        format: ExportFormat,
        conversation: &Conversation,
        done: &mut Exported,
    ) -> Result<(), Error> {
        let mut part = Part::create(&path).await?;
        let mut beside = Beside::of(&path)?;
        let title = &conversation.title;
        let begin = match format {
            ExportFormat::Html => html::begin(title),
            ExportFormat::Markdown => markdown::begin(title),
            _ => plain::begin(title),
        };
        part.write(begin.as_bytes()).await?;
        let mut pages = Pages::new(conversation.id);
        let mut calendar = Calendar::here();
        while let Some(messages) = pages.next(self).await? {
            for message in &messages {
                let text = match format {
                    ExportFormat::Html => {
                        let copied = match &message.body {
                            Body::File { file, .. } => Some(beside.take(file).await?),
                            _ => None,
                        };
                        html::message(message, copied.as_ref(), &mut calendar)
                    }
                    ExportFormat::Markdown => markdown::message(message, &mut calendar),
                    _ => plain::message(message, &mut calendar),
                };
                part.write(text.as_bytes()).await?;
                done.messages += 1;
            }
        }
        if format == ExportFormat::Html {
            part.write(html::end(beside.missing).as_bytes()).await?;
        }
        // EXP-7: no page without its files.
        done.missing += beside.finish()?;
        part.finish().await?;
        done.conversations += 1;
        done.files.push(path);
        Ok(())
    }

    /// All lines of a JSON export.
    pub(super) async fn lines(
        &self,
        sink: &mut impl Sink,
        settings: Option<ExportLine>,
        contacts: Vec<Contact>,
        conversations: Vec<Conversation>,
        done: &mut Exported,
    ) -> Result<(), Error> {
        let status = self.status().await?;
        let (Some(account), Some(address)) = (status.account, status.address) else {
            return Err(Error::new(ErrorCode::NoAccount, "There is no account here yet."));
        };
        let header = ExportLine::Header { version: EXPORT_VERSION, account, address, at: clock::now() };
        sink.put(&json::write(&header)?).await?;
        if let Some(settings) = settings {
            sink.put(&json::write(&settings)?).await?;
        }
        for contact in contacts {
            let Contact { id, address, state, verified, extra, .. } = contact;
            sink.put(&json::write(&ExportLine::Contact { id, address, state, verified, extra })?).await?;
        }
        for conversation in conversations {
            let mut messages = 0;
            let mut pages = Pages::new(conversation.id);
            while let Some(page) = pages.next(self).await? {
                messages += page.len() as u64;
            }
            let Conversation { id, title, archived, muted_until, .. } = conversation;
            sink.put(&json::write(&ExportLine::Conversation { id, title, messages, archived, muted_until })?)
                .await?;
            let mut pages = Pages::new(id);
            while let Some(page) = pages.next(self).await? {
                for message in page {
                    sink.put(&json::write(&ExportLine::Message { message: Box::new(message) })?).await?;
                    done.messages += 1;
                }
            }
            done.conversations += 1;
        }
        sink.put(&json::write(&ExportLine::End { messages: done.messages })?).await
    }

    /// Settings of the account, as a line.
    pub(super) async fn settings_line(&self) -> Result<ExportLine, Error> {
        match self.call(Request::Settings).await? {
            Response::Settings { read_receipts, .. } => Ok(ExportLine::Settings { read_receipts }),
            _ => Err(Error::new(ErrorCode::Internal, "The engine gave an answer of another kind.")),
        }
    }
}

/// A conversation from its beginning, without what disappears.
struct Pages {
    conversation: ConversationId,
    at: Option<PageAt>,
}

impl Pages {
    const fn new(conversation: ConversationId) -> Self {
        Self { conversation, at: Some(PageAt::Oldest) }
    }

    async fn next(&mut self, client: &Client) -> Result<Option<Vec<Message>>, Error> {
        let Some(at) = self.at.take() else { return Ok(None) };
        let mut page = client.page(self.conversation, at, PAGE).await?;
        if page.later {
            self.at = page.messages.last().map(|last| PageAt::After { seq: last.seq });
        }
        page.messages.retain(|message| message.disappear_ms.is_none());
        Ok(Some(page.messages))
    }
}
