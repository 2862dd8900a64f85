//! Breaking text into lines that fit: by words, by graphemes where a word is too long, counting what is wide as two cells.

use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

/// Cells that a text takes.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// The lines of one paragraph: the first at most `first` cells wide, the others at most `rest`.
pub(super) fn wrap(text: &str, first: usize, rest: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let (mut room, rest) = (first.max(1), rest.max(1));
    for word in text.split_word_bounds() {
        let wide = width(word);
        if wide <= room {
            push(&mut lines, word);
            room -= wide;
            continue;
        }
        if word.chars().all(char::is_whitespace) {
            // A gap at the end of a line is none.
            room = 0;
            continue;
        }
        if wide <= rest {
            lines.push(word.to_owned());
            room = rest - wide;
            continue;
        }
        for grapheme in word.graphemes(true) {
            let wide = width(grapheme);
            if wide > room {
                lines.push(String::new());
                room = rest;
            }
            push(&mut lines, grapheme);
            room = room.saturating_sub(wide);
        }
    }
    lines
}

fn push(lines: &mut [String], text: &str) {
    if let Some(last) = lines.last_mut() {
        last.push_str(text);
    }
}

/// As much of a text as fits, with a sign that more would follow.
pub(super) fn cut(text: &str, room: usize) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 1;
    for grapheme in text.graphemes(true) {
        used += width(grapheme);
        if used > room {
            break;
        }
        out.push_str(grapheme);
    }
    if room > 0 {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_whole_where_they_can() {
        assert_eq!(wrap("one two three", 8, 8), ["one two ", "three"]);
        assert_eq!(wrap("one two three", 3, 9), ["one", "two three"]);
        assert_eq!(wrap("abcdefghij", 4, 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrap("", 4, 4), [""]);
        assert_eq!(wrap("日本語です", 4, 4), ["日本", "語で", "す"]);
    }

    #[test]
    fn no_line_is_wider_than_it_may_be() {
        for text in [
            "a bb  ccc dddd eeeee ffffff",
            "👩\u{200d}👩\u{200d}👧 family, naïve café",
            "x".repeat(50).as_str(),
        ] {
            for room in 2..20 {
                for line in wrap(text, room, room) {
                    assert!(width(&line) <= room, "{line:?} in {room}");
                }
            }
        }
    }

    #[test]
    fn what_is_cut_says_so() {
        assert_eq!(cut("hello", 5), "hello");
        assert_eq!(cut("hello", 4), "hel…");
        assert_eq!(cut("日本語", 4), "日…");
        assert_eq!(cut("hello", 0), "");
    }
}
