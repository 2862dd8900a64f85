//! Chat commands about what lies beside a conversation: contacts and their lists, files to keep, settings.

use std::path::PathBuf;

use wheesht_core::{
    api::{Body, Contact, FileState, Request, Response},
    client::archive::{Export, ExportFormat},
};

use super::{
    Chat,
    command::{NotUnderstood, Words},
    editor::lock,
    files::expand,
};
use crate::{
    args::{ContactLine, ExportLine, SettingsLine},
    commands::{archive, contacts, history::conversation, profile, settings},
    exit::{Failure, Result},
    render, text,
};

/// Rows of a picture's preview in the chat.
const PREVIEW_ROWS: u32 = 10;

impl Chat {
    /// `/contacts`, `/add`, `/list`: the same words as the subcommand's.
    pub(super) async fn contact(&self, words: Words) -> Result<()> {
        let line = match words.parse::<ContactLine>() {
            Ok(line) => line,
            Err(NotUnderstood(words)) => return self.print(&self.style.warning(&words)),
        };
        let words = contacts::in_chat(&self.session, line.action, self.style).await?;
        self.refresh_people().await?;
        self.print(&words)
    }

    /// Forgets somebody, once that was said twice: what was said with them goes too.
    pub(super) async fn remove(&self, name: &str, sure: bool) -> Result<()> {
        let who = self.session.who(name)?;
        if !sure {
            let note = format!(
                "This forgets {name} and all that was said with them, on all your devices. /remove {name} yes does it."
            );
            return self.print(&self.style.warning(&note));
        }
        self.session.client.delete_contact(who).await?;
        {
            let mut state = lock(&self.state);
            if state.open.as_ref().is_some_and(|open| open.name == name) {
                state.open = None;
            }
        }
        self.refresh_people().await?;
        self.print("Forgotten.")
    }

    /// Lists of contacts, or who is on one.
    pub(super) async fn lists(&self, name: Option<String>) -> Result<()> {
        let all = self.session.client.contacts().await?;
        let own = self.session.own.as_ref();
        if let Some(name) = name {
            let on = |contact: &&Contact| contact.extra.lists.contains(&name);
            let lines = all.iter().filter(on).map(|one| render::contact(one, own, self.style));
            return self.list(lines, "Nobody is on that list. /list put NAME LIST puts somebody there.");
        }
        let mut lists = std::collections::BTreeMap::<&str, Vec<String>>::new();
        for contact in &all {
            for list in &contact.extra.lists {
                lists.entry(list).or_default().push(render::short(&contact.address, own));
            }
        }
        let lines = lists
            .into_iter()
            .map(|(list, who)| format!("{}: {}", self.style.bold(&text::one_line(list)), who.join(", ")));
        self.list(lines, "There are no lists. /list put NAME LIST makes one.")
    }

    /// Writes out what was said in the open conversation, or everything if none is open.
    pub(super) async fn export(&self, words: Words) -> Result<()> {
        let line = match words.parse::<ExportLine>() {
            Ok(line) => line.what,
            Err(NotUnderstood(words)) => return self.print(&self.style.warning(&words)),
        };
        let open = lock(&self.state).open.as_ref().map(|open| open.name.clone());
        let (conversation, what) = match line.with.or(open) {
            Some(name) => (Some(conversation(&self.session, &name).await?), name),
            None => (None, "everything".to_owned()),
        };
        let format = ExportFormat::from(line.format);
        let to = std::path::absolute(expand(&line.to.to_string_lossy()))?;
        let done = self.session.client.export(&to, &Export { format, conversation }).await?;
        self.print(&format!(
            "{what}: {} written to {}.",
            archive::count(done.messages, "message"),
            to.display()
        ))
    }

    /// Writes a backup under a passphrase made up here: one that was typed would stand on the screen and in the history.
    pub(super) async fn backup(&self, file: &str) -> Result<()> {
        let to = std::path::absolute(expand(file))?;
        let passphrase = self.session.client.suggest_passphrase().await?;
        let done = self.session.client.create_backup(&to, &passphrase).await?;
        self.print(&format!(
            "{} are in {}. Its passphrase, shown this once; write it down:\n\n    {}\n\nwheesht backup restore takes it in on another machine.",
            archive::count(done.messages, "message"),
            to.display(),
            self.style.bold(passphrase.expose())
        ))
    }

    /// The own picture: a file, or none.
    pub(super) async fn avatar(&self, file: &str) -> Result<()> {
        let picture = match file {
            "off" => None,
            file => Some(expand(file)),
        };
        let profile = profile::set_picture(&self.session, picture.as_deref()).await?;
        self.print(&profile::lines(&profile, self.style))
    }

    /// Shows settings of the account, or changes what is named.
    pub(super) async fn settings(&self, words: Words) -> Result<()> {
        match words.parse::<SettingsLine>() {
            Ok(line) => {
                let settings = settings::change(&self.session, &line.changes).await?;
                self.print(&settings::words(&settings))
            }
            Err(NotUnderstood(words)) => self.print(&self.style.warning(&words)),
        }
    }

    /// Writes what helps to find a fault into a file.
    pub(super) async fn debug(&self, file: &str) -> Result<()> {
        let to: PathBuf = std::path::absolute(expand(file))?;
        let Response::DebugBundle { text } = self.session.client.call(Request::DebugBundle).await? else {
            return Err(crate::commands::message::strange());
        };
        std::fs::write(&to, text)?;
        self.print(&format!("Written to {}. Read it before you give it away.", to.display()))
    }

    /// Shows a picture's preview, and where a file lies.
    pub(super) async fn view(&self, reference: &str) -> Result<()> {
        let (conversation, message) = self.file(reference, |_| true).await?;
        let message = self.session.client.message(conversation, message).await?;
        let Body::File { file, .. } = &message.body else {
            return Err(Failure::usage("That is no file.").next("^ is the newest file, ^2 the one before."));
        };
        let mut lines = Vec::new();
        if let Some(preview) = file.preview.as_ref().filter(|_| self.style.color) {
            lines.extend(crate::tui::preview_lines(preview.bytes(), PREVIEW_ROWS));
        }
        lines.push(match &file.state {
            FileState::Saved { path } => {
                format!("{}: {}", text::one_line(&file.name), text::one_line(path))
            }
            _ => format!("{}: not here yet. /save {reference} fetches it.", text::one_line(&file.name)),
        });
        self.print(&lines.join("\n"))
    }
}
