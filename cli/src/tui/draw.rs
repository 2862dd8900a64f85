//! Drawing the state. In a narrow window one side is shown at a time.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Position, Rect},
    style::Style as Look,
    text::{Line, Span},
    widgets::{Block, Borders, Clear, Paragraph},
};
use wheesht_core::{api::Availability, time::Timestamp};

use super::{
    help,
    state::{Overlay, Pane, Purpose, State},
    view::{self, Looks},
    wrap::{cut, width},
};
use crate::text;

/// Below so many columns there is room for one side only.
const TWO_SIDES: u16 = 60;
/// Columns of the list.
const LIST: u16 = 26;
/// Rows that the text being written may take.
const COMPOSER: usize = 6;

pub(super) fn draw(frame: &mut Frame<'_>, state: &mut State, now: Timestamp) {
    let [main, last] = Layout::vertical([Constraint::Min(1), Constraint::Length(1)]).areas(frame.area());
    state.areas = super::state::Areas::default();
    if main.width >= TWO_SIDES {
        let [left, right] = Layout::horizontal([Constraint::Length(LIST), Constraint::Min(1)]).areas(main);
        list(frame, state, left, true);
        chat(frame, state, right, now);
    } else if state.pane == Pane::List || state.open.is_none() {
        list(frame, state, main, false);
    } else {
        chat(frame, state, main, now);
    }
    last_line(frame, state, last);
    match &state.overlay {
        Overlay::None => {}
        Overlay::Help => help::draw(frame, Looks::of(state.style), main),
        Overlay::Write(line) => write(frame, line, Looks::of(state.style), main),
        Overlay::Search { .. } => search(frame, state, main),
    }
}

/// A sign for how somebody is.
const fn sign(availability: Availability) -> &'static str {
    match availability {
        Availability::Online => "●",
        Availability::Away => "◐",
        Availability::Busy => "⊘",
        Availability::Offline => "○",
        _ => " ",
    }
}

fn list(frame: &mut Frame<'_>, state: &mut State, area: Rect, border: bool) {
    let looks = Looks::of(state.style);
    let block = match border {
        true => Block::new().borders(Borders::RIGHT).border_style(looks.dim()),
        false => Block::new(),
    };
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let rows = usize::from(inner.height);
    // The mark stays in sight.
    let first = state.chosen.saturating_sub(rows.saturating_sub(1));
    let columns = usize::from(inner.width);
    let open = state.open.as_ref().map(|open| open.id);
    let line = |(at, conversation): (usize, &wheesht_core::api::Conversation)| {
        let presence =
            state.other(&conversation.id).map_or(" ", |contact| sign(contact.presence.availability));
        let unread = match conversation.unread {
            0 => String::new(),
            count => format!(" {count}"),
        };
        let muted = if conversation.muted_until.is_some() { " ∅" } else { "" };
        let room = columns.saturating_sub(2 + width(&unread) + width(muted));
        let title = cut(&state.title(conversation), room);
        let gap = " ".repeat(room.saturating_sub(width(&title)));
        let look = match (conversation.unread > 0, open == Some(conversation.id)) {
            (true, _) => looks.bold(),
            (_, true) => looks.own(),
            _ => Look::new(),
        };
        let line = Line::from(vec![
            Span::styled(format!("{presence} "), looks.good()),
            Span::styled(title, look),
            Span::styled(format!("{muted}{gap}"), looks.dim()),
            Span::styled(unread, looks.warning()),
        ]);
        let marked = at == state.chosen && state.pane == Pane::List;
        if marked { line.style(looks.marked()) } else { line }
    };
    let mut lines: Vec<_> = state.conversations.iter().enumerate().skip(first).take(rows).map(line).collect();
    if lines.is_empty() {
        let words = ["Nothing was said yet.", "Ctrl-N NAME writes", "to somebody."];
        lines.extend(words.map(|words| Line::styled(words, looks.dim())));
    }
    frame.render_widget(Paragraph::new(lines), inner);
    state.areas.list = inner;
    state.areas.first_listed = first;
}

fn chat(frame: &mut Frame<'_>, state: &mut State, area: Rect, now: Timestamp) {
    let looks = Looks::of(state.style);
    let columns = usize::from(area.width);
    if state.open.is_none() {
        let words = ["", " Choose a conversation: ↑ ↓ Enter, or the mouse.", " F1 tells the rest."];
        frame.render_widget(
            Paragraph::new(words.map(|words| Line::styled(words, looks.dim())).to_vec()),
            area,
        );
        return;
    }
    let composing = state.composer.rows(columns.saturating_sub(2)).clamp(1, COMPOSER);
    let composing = u16::try_from(composing).unwrap_or(1) + 1;
    let [head, messages, composer] =
        Layout::vertical([Constraint::Length(1), Constraint::Min(1), Constraint::Length(composing)])
            .areas(area);
    frame.render_widget(heading(state, columns, now), head);
    conversation(frame, state, messages);
    compose(frame, state, composer);
}

fn heading(state: &State, columns: usize, now: Timestamp) -> Paragraph<'static> {
    let looks = Looks::of(state.style);
    let Some(open) = &state.open else { return Paragraph::default() };
    let title = state.opened().map_or_else(|| "…".to_owned(), |conversation| state.title(conversation));
    let mut more = Vec::new();
    if let Some(contact) = state.other(&open.id) {
        more.extend(crate::render::presence(&contact.presence));
        more.extend(contact.verified.then(|| "verified".to_owned()));
        more.extend(contact.identity_changed.then(|| "IDENTITY CHANGED: /trust in the chat".to_owned()));
    }
    let writing = state.writing(now);
    if !writing.is_empty() {
        let verb = if writing.len() == 1 { "is" } else { "are" };
        more.push(format!("{} {verb} writing…", writing.join(", ")));
    }
    let title = cut(&title, columns);
    let room = columns.saturating_sub(width(&title) + 2);
    let line = Line::from(vec![
        Span::styled(title, looks.bold()),
        Span::styled(cut(&format!("  {}", more.join(" · ")), room), looks.dim()),
    ]);
    Paragraph::new(line)
}

fn conversation(frame: &mut Frame<'_>, state: &mut State, area: Rect) {
    let looks = Looks::of(state.style);
    let (columns, height) = (usize::from(area.width), usize::from(area.height));
    let zone = state.zone.clone();
    let Some(open) = state.open.as_mut() else { return };
    let (mut rows, all) = view::rows(open, &zone, looks, columns, open.scroll + height + 1);
    if all {
        // No further up than to where it begins.
        open.scroll = open.scroll.min(rows.len().saturating_sub(height));
    }
    if let Some(selected) = open.selected {
        keep_in_sight(open, &rows, selected, height);
    }
    let end = rows.len().saturating_sub(open.scroll);
    let begin = end.saturating_sub(height);
    rows.truncate(end);
    let mut shown: Vec<_> = rows.split_off(begin);
    if shown.is_empty() {
        shown.push(view::Row { line: Line::styled("Nothing was said yet.", looks.dim()), message: None });
    }
    // What there is of it stands at the bottom.
    let offset = height.saturating_sub(shown.len());
    state.areas.rows = std::iter::repeat_n(None, offset).chain(shown.iter().map(|row| row.message)).collect();
    state.areas.messages = area;
    let lines = std::iter::repeat_n(Line::default(), offset).chain(shown.into_iter().map(|row| row.line));
    frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()), area);
}

/// Scrolls until the message that keys are about can be seen.
fn keep_in_sight(
    open: &mut super::state::Open,
    rows: &[view::Row],
    selected: wheesht_core::proto::ids::MessageId,
    height: usize,
) {
    let of_it = |row: &view::Row| row.message == Some(selected);
    let (Some(first), Some(last)) = (rows.iter().position(of_it), rows.iter().rposition(of_it)) else {
        return;
    };
    let end = rows.len().saturating_sub(open.scroll);
    if last >= end {
        open.scroll = rows.len().saturating_sub(last + 1);
    } else if first < end.saturating_sub(height) {
        open.scroll = rows.len().saturating_sub(first + height);
    }
}

fn compose(frame: &mut Frame<'_>, state: &State, area: Rect) {
    let looks = Looks::of(state.style);
    let columns = usize::from(area.width);
    let above = if let Some(contact) = state.asking() {
        let who = crate::render::short(&contact.address, state.own.as_ref());
        (format!("{who} would like to talk to you: Ctrl-Y accepts, Ctrl-B blocks"), looks.warning())
    } else if let Some(group) = state.invited() {
        let title = text::excerpt(&group.title, 40);
        (format!("You are invited to “{title}”: Ctrl-Y accepts, Ctrl-B declines"), looks.warning())
    } else {
        match &state.purpose {
            Purpose::Write if state.open.as_ref().is_some_and(|open| open.scroll > 0 || open.detached) => {
                ("End goes to what is newest".to_owned(), looks.dim())
            }
            Purpose::Write => (String::new(), looks.dim()),
            Purpose::Reply { excerpt, .. } => (format!("↳ “{excerpt}”  Esc: no reply"), looks.own()),
            Purpose::Edit(_) => ("Another text for your message  Esc: as it was".to_owned(), looks.own()),
            Purpose::React(_) => ("An emoji, or its :name:  Esc: none".to_owned(), looks.own()),
        }
    };
    let words = if above.0.is_empty() {
        String::new()
    } else {
        format!("─ {} ", cut(&above.0, columns.saturating_sub(4)))
    };
    let rule = format!("{words}{}", "─".repeat(columns.saturating_sub(width(&words))));
    let (text, place) =
        state.composer.shown(columns.saturating_sub(2), usize::from(area.height.saturating_sub(1)));
    let mut lines = vec![Line::styled(rule, above.1)];
    for (at, line) in text.into_iter().enumerate() {
        let prompt = if at == 0 { "> " } else { "  " };
        lines.push(Line::from(vec![Span::styled(prompt, looks.bold()), Span::raw(line)]));
    }
    frame.render_widget(Paragraph::new(lines), area);
    if state.pane == Pane::Chat && state.overlay == Overlay::None {
        let cell = |cells: usize| u16::try_from(cells).unwrap_or(u16::MAX);
        frame.set_cursor_position(Position::new(
            area.x.saturating_add(2).saturating_add(cell(place.0)),
            area.y.saturating_add(1).saturating_add(cell(place.1)),
        ));
    }
}

fn last_line(frame: &mut Frame<'_>, state: &State, area: Rect) {
    let looks = Looks::of(state.style);
    let columns = usize::from(area.width);
    if let Some(notice) = &state.notice {
        let words = cut(&text::one_line(notice), columns);
        frame.render_widget(Paragraph::new(Line::styled(words, looks.warning())), area);
        return;
    }
    let own = state.own.as_ref().map(|own| own.canonical()).unwrap_or_default();
    let unread = match state.unread() {
        0 => String::new(),
        count => format!(" · {count} new"),
    };
    let online = if state.online { "" } else { " · offline: what you write goes out later" };
    let (left, right) = (format!("{own}{unread}{online}"), "F1 help");
    let room = columns.saturating_sub(right.len() + 1);
    let left = cut(&left, room);
    let gap = " ".repeat(columns.saturating_sub(width(&left) + right.len()));
    let line =
        Line::from(vec![Span::styled(left, looks.dim()), Span::raw(gap), Span::styled(right, looks.dim())]);
    frame.render_widget(Paragraph::new(line), area);
}

/// A box with a line that is being typed; what else it holds is the caller's. Gives the place for that.
fn asking(frame: &mut Frame<'_>, looks: Looks, title: &'static str, line: &str, area: Rect) -> Rect {
    frame.render_widget(Clear, area);
    let block = Block::bordered().title(title).border_style(looks.own());
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let [first, rest] = Layout::vertical([Constraint::Length(1), Constraint::Min(0)]).areas(inner);
    let shown = text::one_line(line);
    let room = usize::from(first.width).saturating_sub(3);
    // The end of it, where the cursor is.
    let skipped = shown.chars().count().saturating_sub(room);
    let shown: String = shown.chars().skip(skipped).collect();
    let column = u16::try_from(width(&shown)).unwrap_or_default();
    let line = Line::from(vec![Span::styled("> ", looks.bold()), Span::raw(shown)]);
    frame.render_widget(Paragraph::new(line), first);
    frame.set_cursor_position(Position::new(first.x.saturating_add(2).saturating_add(column), first.y));
    rest
}

fn write(frame: &mut Frame<'_>, line: &str, looks: Looks, area: Rect) {
    let area = help::middle(area, 64, 4);
    let rest = asking(frame, looks, " To whom, and what ", line, area);
    let words = "NAME TEXT: bob hi, or bob@elsewhere.net hi";
    frame.render_widget(Paragraph::new(Line::styled(words, looks.dim())), rest);
}

fn search(frame: &mut Frame<'_>, state: &State, area: Rect) {
    let looks = Looks::of(state.style);
    let Overlay::Search { query, found, chosen, asked } = &state.overlay else { return };
    let rest = asking(frame, looks, " Search ", query, help::middle(area, 76, 20));
    let (columns, rows) = (usize::from(rest.width), usize::from(rest.height).max(1));
    let mut lines = Vec::new();
    let first = chosen.saturating_sub(rows.saturating_sub(1));
    for (at, one) in found.iter().enumerate().skip(first).take(rows) {
        let there = state.conversations.iter().find(|conversation| conversation.id == one.conversation);
        let there = there.map(|conversation| state.title(conversation)).unwrap_or_default();
        let line = Line::raw(cut(&format!("{} {}", cut(&there, 14), one.line), columns));
        lines.push(if at == *chosen { line.style(looks.marked()) } else { line });
    }
    if found.is_empty() {
        let words = if *asked { "Nothing was found." } else { "Enter searches, in all conversations." };
        lines.push(Line::styled(words, looks.dim()));
    }
    frame.render_widget(Paragraph::new(lines), rest);
}
