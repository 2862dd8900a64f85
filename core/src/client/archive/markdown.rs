//! Markdown: a heading a day, a paragraph a message. Nothing that was written there is taken as markup.
// EXP-3

use std::fmt::Write as _;

use super::shown::{Calendar, aside, failed, line, text};
use crate::api::Message;

pub(super) fn begin(title: &str) -> String {
    format!("# {}\n", escape(&line(title)))
}

/// A message.
pub(super) fn message(message: &Message, calendar: &mut Calendar) -> String {
    let mut out = String::new();
    if let Some(today) = calendar.turned(message.received_at) {
        let _ = write!(out, "\n## {today}\n");
    }
    let at = calendar.clock(message.received_at);
    let Some(text) = text(message) else {
        let _ = write!(out, "\n*{at} {}*\n", escape(&aside(message)));
        return out;
    };
    let _ = write!(out, "\n**{}** {at}", escape(&line(&message.sender_name)));
    if message.edited.is_some() {
        out.push_str(" (edited)");
    }
    if failed(message) {
        out.push_str(" (not sent)");
    }
    out.push_str("  \n");
    if let Some(reply) = &message.reply {
        let _ = write!(out, "> {}\n\n", escape(&line(&reply.text)));
    }
    // Two spaces at the end keep a line a line.
    let _ = write!(out, "{}", text.lines().map(escape).collect::<Vec<_>>().join("  \n"));
    for reaction in &message.reactions {
        let _ = write!(out, " `{} {}`", line(&reaction.emoji).replace('`', ""), reaction.accounts.len());
    }
    out.push('\n');
    out
}

/// Every character of ASCII that means something, behind a backslash; and a line's beginning is no indented code.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.trim_start_matches([' ', '\t']).chars() {
        if c.is_ascii_punctuation() {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_3_nothing_that_was_written_is_markup() {
        assert_eq!(escape("# *a* [b](c) <i>"), r"\# \*a\* \[b\]\(c\) \<i\>");
        assert_eq!(escape("    code"), "code");
    }
}
