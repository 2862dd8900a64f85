//! Lines that fit the window, broken between words: a terminal by itself breaks them anywhere, and begins what follows at its edge,
//! where somebody's words could pass for a line of ours.

use std::io;

use ratatui::crossterm::terminal;
use textwrap::{
    WordSeparator,
    core::{Word, break_words, display_width},
    wrap_algorithms::wrap_first_fit,
};

use crate::text::CONTINUED;

/// Narrower than this, lines are left to the terminal.
const NARROWEST: usize = 24;

/// The window's width, where what is printed is seen in one.
pub(crate) fn window(of: &impl io::IsTerminal) -> Option<usize> {
    of.is_terminal().then(terminal::size)?.ok().map(|(columns, _)| columns.into())
}

/// A text for standard output, as its window shows it best.
pub(crate) fn for_output(text: &str) -> String {
    window(&io::stdout()).map_or_else(|| text.to_owned(), |columns| lines(text, columns))
}

/// The same for standard error.
pub(crate) fn for_asides(text: &str) -> String {
    window(&io::stderr()).map_or_else(|| text.to_owned(), |columns| lines(text, columns))
}

/// Breaks lines that are too long. What follows stands below the line's own indentation, or behind the bar that marks a message's
/// further lines. A single long word stays whole, since it may be a link or an address to be copied, unless it holds
/// what looks like a space: then its parts would pass for lines.
pub(crate) fn lines(text: &str, columns: usize) -> String {
    if columns < NARROWEST {
        return text.to_owned();
    }
    text.split('\n').map(|line| one(line, columns)).collect::<Vec<_>>().join("\n")
}

fn one(line: &str, columns: usize) -> String {
    if display_width(line) <= columns {
        return line.to_owned();
    }
    // A colour may come first.
    let plain =
        line.strip_prefix('\u{1b}').and_then(|rest| rest.split_once('m')).map_or(line, |(_, rest)| rest);
    let spaces = plain.len() - plain.trim_start_matches(' ').len();
    let indent = match spaces {
        spaces if plain.starts_with(CONTINUED) || spaces == 0 || spaces > columns / 2 => CONTINUED.to_owned(),
        spaces => " ".repeat(spaces),
    };
    let room = columns - display_width(&indent);
    let words =
        WordSeparator::AsciiSpace.find_words(line).flat_map(|word| match word.chars().all(stays_whole) {
            true => vec![word],
            false => break_words([word], room),
        });
    let words: Vec<Word<'_>> = words.collect();
    let broken = wrap_first_fit(&words, &[columns as f64, room as f64]);
    let shown = |words: &[Word<'_>]| -> String {
        let (last, before) = words.split_last().map_or((None, words), |(last, before)| (Some(last), before));
        let before = before.iter().flat_map(|word| [word.word, word.whitespace]);
        before.chain(last.map(|word| word.word)).collect()
    };
    broken.iter().map(|words| shown(words)).collect::<Vec<_>>().join(&format!("\n{indent}"))
}

fn stays_whole(c: char) -> bool {
    c.is_ascii_graphic() || c == '\u{1b}'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words_and_go_on_behind_a_bar() {
        let text = "12:55 alice: shall we meet at the harbour at nine?";
        assert_eq!(lines(text, 80), text);
        assert_eq!(lines(text, 30), "12:55 alice: shall we meet at\n      │ the harbour at nine?");
        assert_eq!(lines("a\nb", 30), "a\nb");
    }

    #[test]
    fn what_is_indented_stays_so() {
        assert_eq!(
            lines("    one two three four five six seven", 30),
            "    one two three four five\n    six seven"
        );
        let continued = format!("{CONTINUED}one two three four five six seven");
        assert_eq!(lines(&continued, 30), "      │ one two three four\n      │ five six seven");
    }

    #[test]
    fn a_link_stays_whole_and_a_hidden_space_does_not_begin_a_line() {
        let link = format!("https://example.org/{}", "x".repeat(40));
        assert_eq!(lines(&format!("see {link} there"), 30), format!("see\n      │ {link}\n      │ there"));
        let forged = format!("hi{}12:00\u{a0}bob:\u{a0}yes", "\u{a0}".repeat(28));
        for line in lines(&forged, 30).lines().skip(1) {
            assert!(line.starts_with(CONTINUED), "{line:?}");
        }
    }

    #[test]
    fn wide_characters_and_colours_are_measured_as_they_are_seen() {
        let wide = "漢字".repeat(20);
        for line in lines(&wide, 30).lines() {
            assert!(display_width(line) <= 30, "{line:?}");
        }
        let colored = "\u{1b}[1;35malice\u{1b}[0m one two three four";
        assert_eq!(lines(colored, 24), colored);
        assert_eq!(
            lines("\u{1b}[2m    one two three four five six", 24),
            "\u{1b}[2m    one two three four\n    five six"
        );
    }
}
