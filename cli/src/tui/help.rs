//! The keys, told on one page.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
    widgets::{Block, Clear, Paragraph},
};

use super::{view::Looks, wrap::cut};

/// Keys, and what they do.
pub(super) const KEYS: &[(&str, &str)] = &[
    ("↑ ↓ Enter", "choose a conversation and open it"),
    ("Tab", "from the list to the text and back"),
    ("Ctrl-↑ Ctrl-↓", "the conversation before, the one after"),
    ("Ctrl-U", "the one that has waited longest unread"),
    ("Ctrl-N", "write to somebody new: NAME TEXT"),
    ("Enter", "send; Alt-Enter or Ctrl-J: a new line"),
    ("PgUp PgDn End", "scroll back, forth, to the newest"),
    ("↑ in an empty text", "choose a message, then:"),
    ("  r  e  +  p", "reply, edit, react, pin"),
    ("  d  D", "delete for you, for everybody"),
    ("Ctrl-F", "search"),
    ("Ctrl-Y  Ctrl-B", "accept, or block, who asks to talk"),
    ("Esc", "back"),
    ("F1, or ? in the list", "this page"),
    ("Ctrl-Q", "quit"),
];

/// A place in the middle, of at most this size.
pub(super) fn middle(area: Rect, columns: u16, rows: u16) -> Rect {
    let (width, height) = (area.width.min(columns), area.height.min(rows));
    Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height }
}

pub(super) fn draw(frame: &mut Frame<'_>, looks: Looks, area: Rect) {
    let rows = u16::try_from(KEYS.len() + 2).unwrap_or(u16::MAX);
    let area = middle(area, 64, rows);
    frame.render_widget(Clear, area);
    let block = Block::bordered().title(" Keys (Esc closes this) ").border_style(looks.own());
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let columns = usize::from(inner.width);
    // In a narrow window there is room for less between the two.
    let first = if columns < 50 { 15 } else { 22 };
    let line = |(keys, does): &(&str, &str)| {
        let gap = " ".repeat(first - super::wrap::width(&cut(keys, first - 1)));
        Line::from(vec![
            Span::styled(format!("{}{gap}", cut(keys, first - 1)), looks.bold()),
            Span::raw(cut(does, columns.saturating_sub(first))),
        ])
    };
    frame.render_widget(Paragraph::new(KEYS.iter().map(line).collect::<Vec<_>>()), inner);
}
