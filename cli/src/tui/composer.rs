//! What is being written: several lines, and a place in them.

use unicode_segmentation::UnicodeSegmentation as _;

use super::wrap;

/// More than a message may have is not taken.
const LONGEST: usize = wheesht_core::proto::limits::MAX_TEXT;

/// See the module's story.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Composer {
    text: String,
    /// In bytes, between two graphemes.
    cursor: usize,
}

/// Where the cursor goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Move {
    Left,
    Right,
    WordLeft,
    WordRight,
    LineStart,
    LineEnd,
}

impl Composer {
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Another text, with the cursor at its end.
    pub(super) fn set(&mut self, text: impl Into<String>) {
        self.text = text.into();
        self.cursor = self.text.len();
    }

    /// What was written; nothing is left.
    pub(super) fn take(&mut self) -> String {
        self.cursor = 0;
        std::mem::take(&mut self.text)
    }

    /// Puts a text in where the cursor is.
    pub(super) fn insert(&mut self, text: &str) {
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        let visible: String = text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect();
        if self.text.len() + visible.len() <= LONGEST {
            self.text.insert_str(self.cursor, &visible);
            self.cursor += visible.len();
        }
    }

    fn before(&self) -> &str {
        self.text.get(..self.cursor).unwrap_or_default()
    }

    fn after(&self) -> &str {
        self.text.get(self.cursor..).unwrap_or_default()
    }

    fn target(&self, to: Move) -> usize {
        match to {
            Move::Left => self.cursor - self.before().graphemes(true).next_back().map_or(0, str::len),
            Move::Right => self.cursor + self.after().graphemes(true).next().map_or(0, str::len),
            Move::WordLeft => {
                let before = self.before().trim_end();
                before.split_word_bound_indices().next_back().map_or(0, |(at, _)| at)
            }
            Move::WordRight => {
                let after = self.after();
                let gap = after.len() - after.trim_start().len();
                let word = after.trim_start().split_word_bounds().next().map_or(0, str::len);
                self.cursor + gap + word
            }
            Move::LineStart => self.before().rfind('\n').map_or(0, |at| at + 1),
            Move::LineEnd => self.cursor + self.after().find('\n').unwrap_or(self.after().len()),
        }
    }

    pub(super) fn go(&mut self, to: Move) {
        self.cursor = self.target(to);
    }

    /// Deletes from the cursor to there.
    pub(super) fn delete(&mut self, to: Move) {
        let target = self.target(to);
        let (from, until) = (self.cursor.min(target), self.cursor.max(target));
        self.text.replace_range(from..until, "");
        self.cursor = from;
    }

    /// The lines as they fit into a window of this size around the cursor, and where the cursor is there (column, row).
    pub(super) fn shown(&self, columns: usize, rows: usize) -> (Vec<String>, (usize, usize)) {
        let mut lines = Vec::new();
        let mut place = (0, 0);
        let mut begun = 0;
        for paragraph in self.text.split('\n') {
            let mut at = begun;
            for line in wrap_exactly(paragraph, columns) {
                let end = at + line.len();
                if (at..=end).contains(&self.cursor) {
                    let before = self.text.get(at..self.cursor).unwrap_or_default();
                    place = (wrap::width(&visible(before)), lines.len());
                }
                lines.push(visible(line));
                at = end;
            }
            begun += paragraph.len() + 1;
        }
        let first = place.1.saturating_sub(rows.saturating_sub(1));
        let shown = lines.into_iter().skip(first).take(rows.max(1)).collect();
        (shown, (place.0.min(columns.saturating_sub(1)), place.1 - first))
    }

    /// How many lines it takes.
    pub(super) fn rows(&self, columns: usize) -> usize {
        self.text.split('\n').map(|paragraph| wrap_exactly(paragraph, columns).len()).sum()
    }
}

/// As it can be shown; what stands at the end of a line counts, since the cursor may stand behind it.
fn visible(text: &str) -> String {
    let kept = text.trim_end();
    let gap = text.chars().count() - kept.chars().count();
    format!("{}{}", crate::text::one_line(kept), " ".repeat(gap))
}

/// Pieces of a text that fit, without a byte lost.
fn wrap_exactly(text: &str, columns: usize) -> Vec<&str> {
    let mut lines = Vec::new();
    let (mut begun, mut used) = (0, 0);
    for (at, grapheme) in text.grapheme_indices(true) {
        let wide = wrap::width(grapheme).max(usize::from(grapheme == "\t"));
        if used + wide > columns.max(2) {
            lines.push(text.get(begun..at).unwrap_or_default());
            (begun, used) = (at, 0);
        }
        used += wide;
    }
    lines.push(text.get(begun..).unwrap_or_default());
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(text: &str) -> Composer {
        let mut composer = Composer::default();
        composer.insert(text);
        composer
    }

    #[test]
    fn what_is_typed_goes_where_the_cursor_is() {
        let mut composer = typed("helo");
        composer.go(Move::Left);
        composer.insert("l");
        assert_eq!(composer.text(), "hello");
        composer.go(Move::LineStart);
        composer.delete(Move::Right);
        composer.go(Move::LineEnd);
        composer.delete(Move::Left);
        assert_eq!(composer.take(), "ell");
        assert!(composer.is_empty());
    }

    #[test]
    fn a_grapheme_is_one_step() {
        let mut composer = typed("a👩\u{200d}👩\u{200d}👧e\u{301}");
        composer.delete(Move::Left);
        assert_eq!(composer.text(), "a👩\u{200d}👩\u{200d}👧");
        composer.delete(Move::Left);
        assert_eq!(composer.text(), "a");
    }

    #[test]
    fn words_and_lines_have_ends() {
        let mut composer = typed("one two\nthree four");
        composer.delete(Move::WordLeft);
        assert_eq!(composer.text(), "one two\nthree ");
        composer.go(Move::LineStart);
        composer.insert("> ");
        assert_eq!(composer.text(), "one two\n> three ");
        composer.go(Move::WordRight);
        composer.delete(Move::LineEnd);
        assert_eq!(composer.text(), "one two\n> three");
    }

    #[test]
    fn a_paste_keeps_its_lines_and_loses_what_obeys() {
        assert_eq!(typed("a\r\nb\rc\x1b[2Jd").text(), "a\nb\nc[2Jd");
    }

    #[test]
    fn the_window_follows_the_cursor() {
        let composer = typed("abcdef\ngh");
        let (lines, place) = composer.shown(4, 2);
        assert_eq!((lines, place), (vec!["ef".to_owned(), "gh".to_owned()], (2, 1)));
        assert_eq!(composer.rows(4), 3);
        let (lines, place) = typed("hi ").shown(10, 3);
        assert_eq!((lines, place), (vec!["hi ".to_owned()], (3, 0)));
    }
}
