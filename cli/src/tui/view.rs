//! Messages as rows of a screen. A message's first row begins with the time; its others are indented, so that no line that somebody
//! wrote passes for another message.

use jiff::{Timestamp as Instant, Zoned, tz::TimeZone};
use ratatui::{
    style::{Color, Modifier, Style as Look},
    text::{Line, Span},
};
use wheesht_core::{
    api::{Body, Message, MessageState},
    proto::ids::MessageId,
    time::Timestamp,
};

use super::{
    state::Open,
    wrap::{cut, wrap},
};
use crate::{output::Style, render, text};

/// Cells before the further rows of a message.
const INDENT: usize = 6;

/// A row, and which message it belongs to.
pub(super) struct Row {
    pub(super) line: Line<'static>,
    pub(super) message: Option<MessageId>,
}

/// How things look: in colour, or by weight alone.
#[derive(Clone, Copy)]
pub(super) struct Looks(pub(super) bool);

impl Looks {
    pub(super) const fn of(style: Style) -> Self {
        Self(style.color)
    }

    fn color(self, color: Color) -> Look {
        if self.0 { Look::new().fg(color) } else { Look::new() }
    }

    pub(super) fn dim(self) -> Look {
        Look::new().add_modifier(Modifier::DIM)
    }

    pub(super) fn bold(self) -> Look {
        Look::new().add_modifier(Modifier::BOLD)
    }

    pub(super) fn good(self) -> Look {
        self.color(Color::Green)
    }

    pub(super) fn warning(self) -> Look {
        self.color(Color::Yellow).add_modifier(Modifier::BOLD)
    }

    pub(super) fn bad(self) -> Look {
        self.color(Color::Red)
    }

    pub(super) fn own(self) -> Look {
        self.color(Color::Cyan)
    }

    pub(super) fn marked(self) -> Look {
        Look::new().add_modifier(Modifier::REVERSED)
    }

    /// Somebody's own colour: the same as in the chat.
    pub(super) fn person(self, identity: &[u8]) -> Look {
        let color = match Style::shade(identity) {
            0 => Color::Magenta,
            1 => Color::Blue,
            2 => Color::LightMagenta,
            3 => Color::LightBlue,
            4 => Color::LightCyan,
            5 => Color::Green,
            6 => Color::LightGreen,
            _ => Color::Cyan,
        };
        self.color(color).add_modifier(Modifier::BOLD)
    }
}

/// The last rows of a conversation, at least as many as wanted if there are so many; and whether that is all of them.
pub(super) fn rows(
    open: &Open,
    zone: &TimeZone,
    looks: Looks,
    columns: usize,
    wanted: usize,
) -> (Vec<Row>, bool) {
    let mut blocks: Vec<Vec<Row>> = Vec::new();
    let mut count = 0;
    let mut all = true;
    for (at, message) in open.messages.iter().enumerate().rev() {
        if count >= wanted {
            all = false;
            break;
        }
        let before = at.checked_sub(1).and_then(|before| open.messages.get(before));
        let mut block = between(open, before, message, zone, looks, columns);
        let marked = open.selected == Some(message.id);
        let mut lines = one(message, zone, looks, columns);
        if let Some(picture) = open.previews.get(&message.id).filter(|_| looks.0) {
            lines.extend(picture.iter().filter(|row| row.width() + INDENT <= columns).map(|row| {
                let mut line = row.clone();
                line.spans.insert(0, Span::raw(" ".repeat(INDENT)));
                line
            }));
        }
        block.extend(lines.into_iter().map(|mut line| {
            if marked {
                line = line.style(looks.marked());
            }
            Row { line, message: Some(message.id) }
        }));
        count += block.len();
        blocks.push(block);
    }
    (blocks.into_iter().rev().flatten().collect(), all)
}

/// What stands before a message: the day if it is another one, and where what is new begins.
fn between(
    open: &Open,
    before: Option<&Message>,
    message: &Message,
    zone: &TimeZone,
    looks: Looks,
    columns: usize,
) -> Vec<Row> {
    let mut rows = Vec::new();
    let day = |message: &Message| at(message.sent_at, zone).map(|at| at.date());
    if let Some(today) = day(message)
        && before.and_then(day) != Some(today)
    {
        rows.push(separator(&today.strftime("%A, %-d %B %Y").to_string(), looks.dim(), columns));
    }
    if open.first_unread == Some(message.seq) {
        rows.push(separator("new", looks.warning(), columns));
    }
    rows
}

fn separator(words: &str, look: Look, columns: usize) -> Row {
    let words = cut(&format!("── {words} "), columns);
    let rest = columns.saturating_sub(super::wrap::width(&words));
    Row { line: Line::styled(format!("{words}{}", "─".repeat(rest)), look), message: None }
}

/// How many rows a message takes.
pub(super) fn height(message: &Message, zone: &TimeZone, columns: usize) -> usize {
    one(message, zone, Looks(false), columns).len()
}

/// One message.
fn one(message: &Message, zone: &TimeZone, looks: Looks, columns: usize) -> Vec<Line<'static>> {
    let time =
        at(message.sent_at, zone).map_or_else(|| "??:??".to_owned(), |at| at.strftime("%H:%M").to_string());
    let time = Span::styled(format!("{time} "), looks.dim());
    let (who, look) = match message.outgoing {
        true => ("you: ".to_owned(), looks.own()),
        false => (format!("{}: ", render::name(&message.sender_name)), looks.person(message.sender.as_ref())),
    };
    let mut said = Vec::new();
    match &message.body {
        Body::Notice { notice } => {
            let words = format!("* {}", render::notice(notice, message));
            return spread(vec![time], &text::one_line(&words), looks.warning(), columns);
        }
        Body::Deleted { .. } => {
            let head = vec![time, Span::styled(cut(&who, columns / 2), look)];
            return spread(head, "(deleted)", looks.dim(), columns);
        }
        body => {
            let words = render::words(body);
            let head = vec![time, Span::styled(cut(&who, columns / 2), look)];
            let mut paragraphs = words.trim_end().split('\n');
            let first = paragraphs.next().unwrap_or_default();
            let forwarded = if message.forwarded { "(sent on) " } else { "" };
            if let Some(quote) = &message.reply {
                let words = match quote.text.is_empty() {
                    true => "…".to_owned(),
                    false => text::excerpt(&quote.text, 60),
                };
                said.push(Line::styled(cut(&format!("      ↳ “{words}”"), columns), looks.dim()));
            }
            said.extend(spread(head, &format!("{forwarded}{}", line(first)), Look::new(), columns));
            for paragraph in paragraphs {
                said.extend(spread(
                    vec![Span::raw(" ".repeat(INDENT))],
                    &line(paragraph),
                    Look::new(),
                    columns,
                ));
            }
        }
    }
    if let Body::File { file, .. } = &message.body {
        let words = render::file(file, Style { color: false });
        said.extend(spread(vec![Span::raw(" ".repeat(INDENT))], &words, looks.own(), columns));
    }
    match message.state.filter(|_| message.outgoing) {
        // What to do about it is told whole.
        Some(MessageState::Failed { reason }) => {
            let words = format!("✗ {}", render::fail_reason(reason));
            said.extend(spread(vec![Span::raw(" ".repeat(INDENT))], &words, looks.bad(), columns));
        }
        Some(state) => mark(&mut said, state, looks, columns),
        None => {}
    }
    let beside = render::became(message).join(", ");
    if !beside.is_empty() {
        said.extend(spread(vec![Span::raw(" ".repeat(INDENT))], &beside, looks.dim(), columns));
    }
    said
}

/// A line that somebody wrote, harmless.
fn line(words: &str) -> String {
    text::one_line(&words.replace('\t', "    "))
}

/// How far an own message is, at the end of its last row.
fn mark(lines: &mut Vec<Line<'static>>, state: MessageState, looks: Looks, columns: usize) {
    let plain = render::mark(state, Style { color: false });
    let (words, look) = match state {
        MessageState::Read if looks.0 => ("✓✓".to_owned(), looks.good()),
        MessageState::Pending | MessageState::Sent => (plain, looks.dim()),
        _ => (plain, Look::new()),
    };
    let span = Span::styled(cut(&format!(" {words}"), columns), look);
    match lines.last_mut().filter(|last| last.width() + span.width() <= columns) {
        Some(last) => last.push_span(span),
        None => lines.push(Line::from(vec![Span::raw(" ".repeat(INDENT.saturating_sub(1))), span])),
    }
}

/// Words after a head, over as many rows as they need.
fn spread(head: Vec<Span<'static>>, words: &str, look: Look, columns: usize) -> Vec<Line<'static>> {
    let taken: usize = head.iter().map(Span::width).sum();
    let indent = INDENT.min(columns / 4);
    let mut pieces = wrap(words, columns.saturating_sub(taken), columns.saturating_sub(indent)).into_iter();
    let mut first = Line::from(head);
    first.push_span(Span::styled(pieces.next().unwrap_or_default(), look));
    let further =
        pieces.map(|piece| Line::from(vec![Span::raw(" ".repeat(indent)), Span::styled(piece, look)]));
    std::iter::once(first).chain(further).collect()
}

fn at(at: Timestamp, zone: &TimeZone) -> Option<Zoned> {
    let instant = Instant::from_millisecond(i64::try_from(at.as_millis()).ok()?).ok()?;
    Some(instant.to_zoned(zone.clone()))
}
