//! `/send`, `/save`, `/cancel`, and how far files are: said once in a while, above the prompt, however many are on their way.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::time::Instant;
use wheesht_core::{
    api::{Body, ConversationId, FileState, Message, Outgoing, Transfer, span},
    proto::ids::MessageId,
};

use super::{Chat, editor::lock};
use crate::{
    commands::history::conversation,
    exit::{Failure, Result},
    render, text,
};

/// How far a file is, is told again after this long.
const AGAIN: Duration = Duration::from_secs(3);
/// How far back `^N` counts files.
const REACH: u32 = 100;
/// Begins the words that go with a file.
const CAPTION: &str = "--caption";

/// Transfers under way.
#[derive(Default)]
pub(super) struct Transfers(BTreeMap<MessageId, Seen>);

struct Seen {
    begun: Instant,
    /// What had passed by then.
    from: u64,
    told: Instant,
}

impl Transfers {
    /// A line about this one, if it is time for it.
    fn tell(&mut self, name: &str, transfer: &Transfer, now: Instant) -> Option<String> {
        let arrow = if transfer.upload { "↑" } else { "↓" };
        match &transfer.state {
            FileState::Moving => {}
            FileState::Waiting { error: Some(error) } | FileState::Stopped { error } => {
                self.0.remove(&transfer.message);
                return Some(format!("{arrow} {name}: {}", text::one_line(&error.to_string())));
            }
            FileState::Saved { path } => {
                self.0.remove(&transfer.message);
                return Some(format!("{arrow} {name} is here: {}", text::one_line(path)));
            }
            _ => {
                self.0.remove(&transfer.message);
                return None;
            }
        }
        let seen = Seen { begun: now, from: transfer.done, told: now };
        let seen = self.0.entry(transfer.message).or_insert(seen);
        // What is done at once is told by its end alone.
        if now.duration_since(seen.told) < AGAIN {
            return None;
        }
        seen.told = now;
        let percent = transfer.done.saturating_mul(100).checked_div(transfer.size).unwrap_or(100);
        let seconds = now.duration_since(seen.begun).as_secs().max(1);
        let speed = transfer.done.saturating_sub(seen.from) / seconds;
        let left = transfer.size.saturating_sub(transfer.done).checked_div(speed);
        let left = left.map(|left| format!(", {} left", span(left.max(1) * 1_000))).unwrap_or_default();
        let (of, speed) = (render::amount(transfer.size), render::amount(speed));
        Some(format!("{arrow} {name}: {percent} % of {of}, {speed}/s{left}"))
    }
}

impl Chat {
    /// Sends files of this machine to the open conversation: each word is a path, and so is the whole line if that is one.
    pub(super) async fn send_files(&self, words: &[String], line: &str) -> Result<()> {
        let open = conversation(&self.session, &self.named_or_open(None)?).await?;
        let whole = expand(line);
        let mut parts = words.splitn(2, |word| word == CAPTION);
        let (files, caption) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let paths = match whole.is_file() {
            true => vec![whole],
            false => files.iter().map(|word| expand(word)).collect(),
        };
        if paths.is_empty() {
            return Err(Failure::usage("Which file?").next("/send FILE --caption TEXT."));
        }
        if let Some(missing) = paths.iter().find(|path| !path.is_file()) {
            let words = format!("There is no file {}.", text::one_line(&missing.to_string_lossy()));
            return Err(Failure::usage(words).next("Words to go with a file stand behind --caption."));
        }
        // The words go with the first.
        let mut caption = caption.join(" ");
        for path in paths {
            let path = std::path::absolute(&path)?;
            let Some(path) = path.to_str() else {
                return Err(Failure::usage("A path is not written in UTF-8."));
            };
            let file = Outgoing { caption: std::mem::take(&mut caption), ..Outgoing::new(path) };
            let (conversation, message) = self.session.client.send_file(open, file).await?;
            let written = self.session.client.message(conversation, message).await?;
            lock(&self.state).marks.wrote(&written);
            self.screen.print(&render::message(&written, self.style))?;
        }
        Ok(())
    }

    /// Fetches the file of a message of the open conversation.
    pub(super) async fn save_file(&self, reference: &str, directory: Option<&str>) -> Result<()> {
        let (conversation, message) = self.file(reference, |message| !message.outgoing).await?;
        let directory = directory.map(expand);
        self.session.client.save_file(conversation, message, directory.as_deref()).await?;
        self.print(&self.style.dim("On its way; it is told when it is here. /cancel stops it."))
    }

    /// Stops sending, or fetching, a file.
    pub(super) async fn cancel_file(&self, reference: &str) -> Result<()> {
        let (conversation, message) = self.file(reference, |_| true).await?;
        self.session.client.cancel_transfer(conversation, message).await?;
        self.print(&self.style.dim("Stopped."))
    }

    pub(super) async fn file(
        &self,
        reference: &str,
        fits: impl Fn(&Message) -> bool,
    ) -> Result<(ConversationId, MessageId)> {
        let open = conversation(&self.session, &self.named_or_open(None)?).await?;
        let missing =
            || Failure::usage("There is no such file here.").next("^ is the newest, ^2 the one before.");
        let back = reference.strip_prefix('^').ok_or_else(missing)?;
        let back: usize = if back.is_empty() { 1 } else { back.parse().map_err(|_| missing())? };
        let (messages, _) = self.session.client.files(Some(open), None, REACH).await?;
        let mut fitting = messages.iter().filter(|message| fits(message));
        let found = back.checked_sub(1).and_then(|back| fitting.nth(back)).ok_or_else(missing)?;
        Ok((found.conversation, found.id))
    }

    /// A file has come further.
    pub(super) async fn transfer(&self, transfer: &Transfer) -> Result<()> {
        let now = Instant::now();
        let message = self.session.client.message(transfer.conversation, transfer.message).await;
        let name = match message.map(|message| message.body) {
            Ok(Body::File { file, .. }) => text::one_line(&file.name),
            _ => "a file".to_owned(),
        };
        let line = lock(&self.state).transfers.tell(&name, transfer, now);
        match line {
            Some(line) => Ok(self.screen.print(&self.style.dim(&line))?),
            None => Ok(()),
        }
    }
}

/// A path as one types it.
pub(super) fn expand(typed: &str) -> PathBuf {
    let home = || etcetera::home_dir().ok();
    match typed.strip_prefix("~/").and_then(|rest| Some(home()?.join(rest))) {
        Some(path) => path,
        None => Path::new(typed).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use wheesht_core::{
        api::{Error, ErrorCode},
        proto::ids::AccountId,
    };

    use super::*;

    fn transfer(done: u64, state: FileState) -> Transfer {
        Transfer {
            conversation: ConversationId::Direct(AccountId::new([1; 32])),
            message: MessageId::new([1; 16]),
            upload: false,
            done,
            size: 10 << 20,
            state,
        }
    }

    #[test]
    fn progress_is_told_once_in_a_while_and_the_end_always() {
        let (mut transfers, begun) = (Transfers::default(), Instant::now());
        let after = |seconds| begun + Duration::from_secs(seconds);
        assert_eq!(transfers.tell("a.png", &transfer(0, FileState::Moving), begun), None);
        assert_eq!(transfers.tell("a.png", &transfer(1 << 20, FileState::Moving), after(1)), None);
        let line = transfers.tell("a.png", &transfer(4 << 20, FileState::Moving), after(4)).unwrap();
        assert_eq!(line, "↓ a.png: 40 % of 10.0 MiB, 1.0 MiB/s, 6 seconds left");
        assert_eq!(transfers.tell("a.png", &transfer(5 << 20, FileState::Moving), after(5)), None);
        let path = "/tmp/a.png".to_owned();
        let line = transfers.tell("a.png", &transfer(10 << 20, FileState::Saved { path }), after(6)).unwrap();
        assert_eq!(line, "↓ a.png is here: /tmp/a.png");
        let error = Error::new(ErrorCode::Network, "It broke off.").next("Try again.");
        let line = transfers.tell("a.png", &transfer(0, FileState::Stopped { error }), after(7)).unwrap();
        assert_eq!(line, "↓ a.png: It broke off. Try again.");
        // Nothing is known of how fast it goes: nothing is said of what is left.
        transfers.tell("a.png", &transfer(0, FileState::Moving), after(8));
        let line = transfers.tell("a.png", &transfer(0, FileState::Moving), after(12)).unwrap();
        assert_eq!(line, "↓ a.png: 0 % of 10.0 MiB, 0 bytes/s");
    }
}
