//! Plain text: a line or more for each message.

use std::fmt::Write as _;

use super::shown::{aside, clock, day, failed, line, text};
use crate::api::Message;

pub(super) fn begin(title: &str) -> String {
    format!("{}\n", line(title))
}

/// A message; `last_day` is that of the message before.
pub(super) fn message(message: &Message, last_day: &mut String) -> String {
    let mut out = String::new();
    let today = day(message.received_at);
    if today != *last_day {
        let _ = write!(out, "\n== {today} ==\n");
        *last_day = today;
    }
    let at = clock(message.received_at);
    let Some(text) = text(message) else {
        let _ = writeln!(out, "[{at}] * {}", aside(message));
        return out;
    };
    let _ = write!(out, "[{at}] {}: ", line(&message.sender_name));
    if let Some(reply) = &message.reply {
        let _ = write!(out, "(to \u{201c}{}\u{201d}) ", line(&reply.text));
    }
    let _ = write!(out, "{}", text.replace('\n', "\n        "));
    if message.edited.is_some() {
        out.push_str(" (edited)");
    }
    if failed(message) {
        out.push_str(" (not sent)");
    }
    for reaction in &message.reactions {
        let _ = write!(out, " [{} {}]", line(&reaction.emoji), reaction.accounts.len());
    }
    out.push('\n');
    out
}
