//! Calling for attention, as the engine says: it has decided what deserves it, and how much may be told.
//!
//! The bell, the window's title, a notification by the terminal, one by the desktop: each can be chosen, and none can hold up what
//! is on the screen.

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
};

use wheesht_core::api::{ConversationId, Notification};

use crate::{
    config::{Notify, TerminalNotification},
    desktop::Desktop,
    text,
};

/// See the module's story.
pub(crate) struct Notifier {
    how: Notify,
    /// There is a terminal to be rung.
    terminal: bool,
    unread: BTreeMap<ConversationId, u64>,
    /// The last entry that was counted: events of older ones come again.
    counted: BTreeMap<ConversationId, u64>,
    desktop: Option<Desktop>,
}

impl Notifier {
    pub(crate) fn new(how: Notify, terminal: bool) -> Self {
        let desktop = (how.desktop && terminal).then(Desktop::find).flatten();
        let notifier = Self { how, terminal, unread: BTreeMap::new(), counted: BTreeMap::new(), desktop };
        if notifier.terminal && notifier.how.title {
            // What the title was comes back in the end.
            put("\x1b[22;2t");
        }
        notifier
    }

    /// Calls.
    pub(crate) fn show(&self, notification: &Notification) {
        if !self.terminal {
            return;
        }
        let (title, body) = (text::one_line(&notification.title), text::one_line(&notification.body));
        if self.how.bell {
            put("\x07");
        }
        put(&terminal(self.how.terminal, &title, &body));
        if let Some(desktop) = &self.desktop {
            desktop.show(&title, &body);
        }
    }

    /// So many are unread there.
    pub(crate) fn unread(&mut self, conversation: ConversationId, count: u64) {
        let before = self.total();
        match count {
            0 => self.unread.remove(&conversation),
            count => self.unread.insert(conversation, count),
        };
        if self.total() != before {
            self.title();
        }
    }

    /// So far unread messages have been counted there.
    pub(crate) fn counted(&mut self, conversation: ConversationId, seq: u64) {
        self.counted.insert(conversation, seq);
    }

    /// One more, unless it has been counted.
    pub(crate) fn one_more(&mut self, conversation: ConversationId, seq: u64) {
        if self.counted.get(&conversation).is_some_and(|last| seq <= *last) {
            return;
        }
        self.counted(conversation, seq);
        let count = self.unread.get(&conversation).copied().unwrap_or_default();
        self.unread(conversation, count + 1);
    }

    /// All that are unread.
    pub(crate) fn total(&self) -> u64 {
        self.unread.values().sum()
    }

    fn title(&self) {
        if self.terminal && self.how.title {
            put(&format!("\x1b]2;{}\x07", title(self.total())));
        }
    }
}

impl Drop for Notifier {
    fn drop(&mut self) {
        if self.terminal && self.how.title {
            put("\x1b]2;\x07\x1b[23;2t");
        }
    }
}

/// The title names nobody: others may see the window.
fn title(unread: u64) -> String {
    match unread {
        0 => "wheesht".to_owned(),
        count => format!("({count}) wheesht"),
    }
}

/// What asks the terminal itself. What it is made of was made harmless before.
fn terminal(how: TerminalNotification, title: &str, body: &str) -> String {
    match how {
        TerminalNotification::Off => String::new(),
        TerminalNotification::Osc9 => format!("\x1b]9;{title}: {body}\x07"),
        // A semicolon ends the title there.
        TerminalNotification::Osc777 => format!("\x1b]777;notify;{};{body}\x07", title.replace(';', ",")),
    }
}

/// At once and whole, so that it doesn't end up within a sequence of the editor's. It moves no cursor.
fn put(sequence: &str) {
    if !sequence.is_empty() {
        let mut out = io::stdout().lock();
        let _ = out.write_all(sequence.as_bytes()).and_then(|()| out.flush());
    }
}

#[cfg(test)]
mod tests {
    use wheesht_core::proto::ids::AccountId;

    use super::*;

    #[test]
    fn the_title_counts_and_names_nobody() {
        let mut notifier = Notifier::new(Notify::default(), false);
        let one = ConversationId::Direct(AccountId::new([1; 32]));
        notifier.one_more(one, 7);
        notifier.one_more(one, 8);
        notifier.one_more(one, 8);
        assert_eq!(title(notifier.total()), "(2) wheesht");
        notifier.unread(one, 0);
        assert_eq!(title(notifier.total()), "wheesht");
    }

    #[test]
    fn terminals_are_asked_in_their_own_words() {
        assert_eq!(terminal(TerminalNotification::Off, "bob", "hi"), "");
        assert_eq!(terminal(TerminalNotification::Osc9, "bob", "hi"), "\x1b]9;bob: hi\x07");
        assert_eq!(terminal(TerminalNotification::Osc777, "b;b", "hi"), "\x1b]777;notify;b,b;hi\x07");
    }
}
