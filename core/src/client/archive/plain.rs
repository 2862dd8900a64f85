//! Plain text: a line or more for each message.

use std::fmt::Write as _;

use super::shown::{Calendar, aside, failed, line, text};
use crate::api::Message;

pub(super) fn begin(title: &str) -> String {
    format!("{}\n", line(title))
}

/// A message.
pub(super) fn message(message: &Message, calendar: &mut Calendar) -> String {
    let mut out = String::new();
    if let Some(today) = calendar.turned(message.received_at) {
        let _ = write!(out, "\n== {today} ==\n");
    }
    let at = calendar.clock(message.received_at);
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
