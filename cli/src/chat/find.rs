//! Going elsewhere in what was said: to what was found, to a day, to a message.

use jiff::{civil::Date, tz::TimeZone};
use wheesht_core::{
    api::{Body, Hit, Mark, MessageLink, PageAt, Search},
    time::Timestamp,
};

use super::{Chat, Open, days, editor::lock, perform::is_new};
use crate::{
    commands::{
        history::conversation,
        message::{self, Whose},
    },
    exit::{Failure, Result},
    output::Style,
    render, text,
};

/// Messages found at a time, and shown around a place.
const HITS: u32 = 20;
const AROUND: u32 = 20;
/// Characters of a message that a line shows: before the first word that was found, and in all.
const BEFORE: usize = 24;
const LONGEST: usize = 64;

impl Chat {
    /// Lists the messages that fit, each with a number to jump to.
    pub(super) async fn search(&self, query: String) -> Result<()> {
        let found = self.session.client.search(Search { query, limit: HITS, ..Search::default() }).await?;
        let mut lines = Vec::new();
        {
            let mut state = lock(&self.state);
            for (n, hit) in (1..).zip(&found.hits) {
                let there = state.people.title(&hit.message.conversation);
                lines.push(line(n, &there, hit, self.style));
            }
            state.found = found.hits.iter().map(|hit| (hit.message.conversation, hit.message.seq)).collect();
        }
        if found.cursor.is_some() {
            lines.push(self.style.dim("    … and more: add a word, from:NAME or before:2026-01-31"));
        }
        if !found.hits.is_empty() {
            lines.push(self.style.dim("    /jump N goes there"));
        }
        self.list(lines.into_iter(), "Nothing was found.")
    }

    /// Shows what was said around a place.
    pub(super) async fn jump(&self, to: &str) -> Result<()> {
        let found = to.parse::<usize>().ok().and_then(|n| n.checked_sub(1));
        if let Some(n) = found {
            let place = lock(&self.state).found.get(n).copied();
            let none = || Failure::usage("There is no such result.").next("/search WORDS looks for some.");
            let (conversation, seq) = place.ok_or_else(none)?;
            return self.around(conversation, PageAt::Around { seq }).await;
        }
        if let Ok(MessageLink { conversation, message }) = to.parse() {
            return self.around(conversation, PageAt::Message { message }).await;
        }
        let open = conversation(&self.session, &self.named_or_open(None)?).await?;
        if to == "unread" {
            return self.around(open, PageAt::FirstUnread).await;
        }
        if to.starts_with('^') {
            let message = message::find(&self.session, open, to, Whose::Anybodys).await?;
            return self.around(open, PageAt::Message { message }).await;
        }
        let at = day(to).ok_or_else(|| {
            Failure::usage("That is no place.").next("/jump 2026-01-31, /jump ^20, /jump unread, or a link.")
        })?;
        self.around(open, PageAt::Date { at }).await
    }

    async fn around(&self, conversation: wheesht_core::api::ConversationId, at: PageAt) -> Result<()> {
        let page = self.session.client.page(conversation, at, AROUND).await?;
        let mut lines = Vec::new();
        {
            let mut state = lock(&self.state);
            let mut unread_shown = false;
            for message in &page.messages {
                lines.extend(state.days.before(message, self.style));
                if !unread_shown && is_new(message) {
                    unread_shown = true;
                    lines.push(days::unread(
                        page.messages.iter().filter(|one| is_new(one)).count(),
                        self.style,
                    ));
                }
                let here = if page.at == Some(message.seq) { self.style.good("▸") } else { String::new() };
                lines.push(format!("{here}{}", render::message(message, self.style)));
            }
            if page.later {
                lines.push(self.style.dim("… more was said after that: /history"));
            }
            let name = state.people.title(&conversation);
            state.open = Some(Open { conversation, name });
        }
        self.list(lines.into_iter(), "Nothing was said there.")
    }
}

fn line(n: usize, there: &str, hit: &Hit, style: Style) -> String {
    let message = &hit.message;
    let who = if message.outgoing { "you".to_owned() } else { render::name(&message.sender_name) };
    let words = match &message.body {
        Body::Text { text } => marked(text, &hit.marks, style),
        body => text::excerpt(render::words(body), LONGEST),
    };
    let at = style.dim(&render::time(message.sent_at));
    format!("{n:>3} {} {at} {who}: {words}", style.dim(there))
}

/// The part of a text in which the words stand that were looked for, with these words in bold.
fn marked(text: &str, marks: &[Mark], style: Style) -> String {
    let place = |mark: &Mark| {
        let start = usize::try_from(mark.start).ok()?;
        let end = start.checked_add(usize::try_from(mark.length).ok()?)?;
        text.get(start..end).map(|_| (start, end))
    };
    let marks: Vec<_> = marks.iter().filter_map(place).collect();
    let first = marks.first().map_or(0, |(start, _)| *start);
    let before = text.get(..first).unwrap_or_default();
    let begin = before.char_indices().rev().nth(BEFORE).map_or(0, |(at, _)| at);
    let rest = text.get(begin..).unwrap_or_default();
    let end = rest.char_indices().nth(LONGEST).map_or(text.len(), |(at, _)| begin + at);
    let mut out = if begin > 0 { "…".to_owned() } else { String::new() };
    let mut at = begin;
    for (start, stop) in marks {
        if start < at || stop > end {
            continue;
        }
        out.push_str(&text::inline(text.get(at..start).unwrap_or_default()));
        out.push_str(&style.bold(&text::inline(text.get(start..stop).unwrap_or_default())));
        at = stop;
    }
    out.push_str(&text::inline(text.get(at..end).unwrap_or_default()));
    if end < text.len() {
        out.push('…');
    }
    out
}

/// The beginning of a day, here.
fn day(text: &str) -> Option<Timestamp> {
    let date: Date = text.parse().ok()?;
    let begins = date.to_zoned(TimeZone::system()).ok()?;
    u64::try_from(begins.timestamp().as_millisecond()).ok().map(Timestamp::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Style = Style { color: false };
    const COLORED: Style = Style { color: true };

    #[test]
    fn what_was_found_is_in_sight_and_in_bold() {
        let text = format!("{} tea at five\nor six? {}", "before ".repeat(20), "after ".repeat(20));
        let start = u32::try_from(text.find("tea").unwrap()).unwrap();
        let marks = [Mark { start, length: 3 }];
        let plain = marked(&text, &marks, PLAIN);
        assert!(plain.starts_with('…') && plain.ends_with('…'), "{plain}");
        assert!(plain.contains("tea at five⏎or six?"), "{plain}");
        assert!(marked(&text, &marks, COLORED).contains("\x1b[1mtea\x1b[0m at"));
        assert_eq!(marked("tea", &[Mark { start: 0, length: 3 }], PLAIN), "tea");
    }

    #[test]
    fn marks_that_make_no_sense_break_nothing() {
        for mark in [(1, 1), (0, 100), (u32::MAX, u32::MAX), (100, 0)] {
            let marks = [Mark { start: mark.0, length: mark.1 }];
            assert_eq!(marked("é\x1b[2J", &marks, PLAIN), "é\u{fffd}[2J");
        }
    }

    #[test]
    fn a_day_is_written_as_everywhere() {
        assert!(day("2026-01-31").is_some());
        for wrong in ["31.1.2026", "yesterday", "", "2026-13-01"] {
            assert_eq!(day(wrong), None, "{wrong}");
        }
    }
}
