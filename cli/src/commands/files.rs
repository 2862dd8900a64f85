//! `wheesht send-file`, `wheesht files`, `wheesht save`.

use std::io::{IsTerminal as _, Write as _};

use wheesht_core::{
    api::{
        Body, ConversationId, Error, ErrorCode, EventKind, File, FileState, Message, MessageState, Outgoing,
        Response, Transfer, Voice,
    },
    client::EventStream,
    proto::ids::MessageId,
};

use super::{
    history::conversation,
    send::{is_far_enough, word},
};
use crate::{
    args::{Global, ListFiles, SaveFile, SendFile, Wait},
    exit::{Exit, Failure, Result},
    output::{Output, Style},
    render,
    session::Session,
    text,
};

/// How far back `^N` and ids are looked for.
const REACH: u32 = 1_000;

/// A message, by where it stands.
type Named = (ConversationId, MessageId);

pub(crate) async fn send(global: &Global, out: Output, args: SendFile) -> Result<()> {
    let session = Session::with_account(global, out).await?;
    let to = session.to(&args.to).await?;
    let mut events = session.client.events();
    let mut queued = Vec::new();
    let voice = args.voice.map(|seconds| Voice { duration_ms: u64::from(seconds) * 1_000 });
    let mut caption = args.caption;
    for path in &args.paths {
        let path = path.to_str().ok_or_else(|| Failure::usage("A path is not written in UTF-8."))?;
        let file = Outgoing {
            caption: std::mem::take(&mut caption),
            voice,
            keep_metadata: args.keep_metadata,
            ..Outgoing::new(path.to_owned())
        };
        queued.push(session.client.send_file(to.clone(), file).await?);
    }
    let mut meter = Meter::new(out);
    let outcome = wait(&session, &mut events, &mut meter, &queued, args.wait).await;
    meter.end();
    let mut messages = Vec::new();
    for (conversation, message) in &queued {
        messages.push(session.client.message(*conversation, *message).await?);
    }
    let object = Response::History { messages: messages.clone(), more: false };
    let line = |message: &Message, style: Style| {
        let state = message.state.unwrap_or(MessageState::Pending);
        format!("{} {} {}", render::mark(state, style), word(state), name(message))
    };
    outcome?;
    out.result(&object, |style| {
        messages.iter().map(|message| line(message, style)).collect::<Vec<_>>().join("\n")
    })?;
    session.client.close().await;
    Ok(())
}

/// Waits until all have got as far as wanted, and shows how far they are.
async fn wait(
    session: &Session,
    events: &mut EventStream,
    meter: &mut Meter,
    queued: &[Named],
    wanted: Wait,
) -> Result<()> {
    loop {
        let mut far = true;
        for (conversation, message) in queued {
            let message = session.client.message(*conversation, *message).await?;
            if let Some(FileState::Stopped { error }) = file(&message).map(|file| &file.state) {
                return Err(error.clone().into());
            }
            far &= is_far_enough(message.state.unwrap_or(MessageState::Pending), wanted)?;
        }
        if far {
            return Ok(());
        }
        next(events, meter, queued).await?;
    }
}

/// Waits for something new about one of these messages; how far they are is shown meanwhile.
async fn next(events: &mut EventStream, meter: &mut Meter, about: &[Named]) -> Result<()> {
    loop {
        let closed = || Error::new(ErrorCode::Closed, "The client was closed.");
        let event = events.next().await.ok_or_else(closed)?;
        match &event.kind {
            EventKind::Transfer { transfer } if about.iter().any(|one| one.1 == transfer.message) => {
                meter.show(transfer)?;
                if !matches!(transfer.state, FileState::Moving) {
                    return Ok(());
                }
            }
            EventKind::MessageState { message, .. } if about.iter().any(|one| one.1 == *message) => {
                return Ok(());
            }
            EventKind::MessageChanged { message } if about.iter().any(|one| one.1 == message.id) => {
                return Ok(());
            }
            _ => {}
        }
    }
}

pub(crate) async fn list(global: &Global, out: Output, args: ListFiles) -> Result<()> {
    let session = Session::with_account(global, out).await?;
    let only = match &args.with {
        Some(with) => Some(conversation(&session, with).await?),
        None => None,
    };
    let (messages, next) = session.client.files(only, args.before, args.limit).await?;
    let object = Response::Files { messages: messages.clone(), next };
    out.result(&object, |style| {
        let mut lines: Vec<_> = messages.iter().map(|message| line(message, style)).collect();
        if let Some(next) = next {
            lines.push(style.dim(&format!("(earlier: wheesht files --before {next})")));
        }
        if lines.is_empty() { "There are no files.".to_owned() } else { lines.join("\n") }
    })?;
    session.client.close().await;
    Ok(())
}

/// A file in a list.
fn line(message: &Message, style: Style) -> String {
    let who = if message.outgoing { "you".to_owned() } else { render::name(&message.sender_name) };
    let words = file(message).map(|file| render::file(file, style)).unwrap_or_default();
    format!(
        "{} {who}: {words}  {}",
        style.dim(&render::time(message.sent_at)),
        style.dim(&message.id.to_string())
    )
}

pub(crate) async fn save(global: &Global, out: Output, args: SaveFile) -> Result<()> {
    let session = Session::with_account(global, out).await?;
    let (conversation, message) = find(&session, &args.message, args.with.as_deref()).await?;
    let mut events = session.client.events();
    session.client.save_file(conversation, message, args.directory.as_deref()).await?;
    let mut meter = Meter::new(out);
    let outcome = until_saved(&session, &mut events, &mut meter, (conversation, message)).await;
    meter.end();
    let saved = outcome?;
    let path = match file(&saved).map(|file| &file.state) {
        Some(FileState::Saved { path }) => path.clone(),
        _ => String::new(),
    };
    let object = Response::History { messages: vec![saved], more: false };
    out.result(&object, |_| text::one_line(&path))?;
    session.client.close().await;
    Ok(())
}

async fn until_saved(
    session: &Session,
    events: &mut EventStream,
    meter: &mut Meter,
    named: Named,
) -> Result<Message> {
    loop {
        let message = session.client.message(named.0, named.1).await?;
        match file(&message).map(|file| &file.state) {
            Some(FileState::Saved { .. }) => return Ok(message),
            Some(FileState::Stopped { error }) => return Err(error.clone().into()),
            Some(FileState::Remote) | None => {
                let error = "It was called back before it was here.";
                return Err(Failure::new(Exit::Failed, ErrorCode::NotFound, error));
            }
            Some(_) => next(events, meter, &[named]).await?,
        }
    }
}

/// The message whose file is meant.
async fn find(session: &Session, reference: &str, with: Option<&str>) -> Result<Named> {
    let missing = || {
        Failure::new(Exit::NotFound, ErrorCode::NotFound, "There is no such file.")
            .next("wheesht files lists them; ^ is the newest that you were sent.")
    };
    let only = match with {
        Some(with) => Some(conversation(session, with).await?),
        None => None,
    };
    let (messages, _) = session.client.files(only, None, REACH).await?;
    let found = match (reference.strip_prefix('^'), reference.parse::<MessageId>()) {
        (Some(back), _) => {
            let back: usize = if back.is_empty() { 1 } else { back.parse().map_err(|_| missing())? };
            let theirs = messages.iter().filter(|message| !message.outgoing);
            theirs.into_iter().nth(back.checked_sub(1).ok_or_else(missing)?)
        }
        (None, Ok(id)) => messages.iter().find(|message| message.id == id),
        (None, Err(_)) => None,
    };
    found.map(|message| (message.conversation, message.id)).ok_or_else(missing)
}

fn file(message: &Message) -> Option<&File> {
    match &message.body {
        Body::File { file, .. } => Some(file),
        _ => None,
    }
}

fn name(message: &Message) -> String {
    file(message).map(|file| text::one_line(&file.name)).unwrap_or_default()
}

/// Shows how far transfers are: one line that is written over, for a person at a terminal; objects for a program.
struct Meter {
    out: Output,
    terminal: bool,
    shown: bool,
}

impl Meter {
    fn new(out: Output) -> Self {
        Self { out, terminal: !out.json && std::io::stderr().is_terminal(), shown: false }
    }

    fn show(&mut self, transfer: &Transfer) -> Result<()> {
        if self.out.json {
            let object = EventKind::Transfer { transfer: transfer.clone() };
            return self.out.result(&object, |_| String::new());
        }
        if self.terminal {
            let percent = (transfer.done * 100).checked_div(transfer.size).unwrap_or(100);
            let way = if transfer.upload { "sending" } else { "fetching" };
            let of = render::amount(transfer.size);
            let line = match &transfer.state {
                FileState::Waiting { error: Some(error) } => text::one_line(&error.to_string()),
                _ => format!("{way}: {percent} % of {of}"),
            };
            // If standard error is closed, there is nobody to show it to.
            let _ = write!(std::io::stderr(), "\r\x1b[K{line}");
            self.shown = true;
        }
        Ok(())
    }

    fn end(&self) {
        if self.shown {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
