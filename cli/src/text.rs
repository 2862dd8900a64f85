//! Making others' text harmless before it reaches a terminal.
//!
//! A terminal obeys what it is sent: an escape sequence in a message could move the cursor, fake a line of ours, set the window's
//! title or the clipboard; a bidirectional control could make `alice` look like somebody else. So every character that is not
//! to be seen is replaced by one that is: U+FFFD. Line breaks stay where a message may have them, but each line after the first
//! begins with a bar, so that nobody's second line passes for another person's first.

/// What stands for a character that is not shown.
const SHOWN_INSTEAD: char = '\u{fffd}';

/// Begins each further line of a message.
pub(crate) const CONTINUED: &str = "      │ ";

/// Whether a terminal might obey this character, or a reader be misled by it.
fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c,
            // Marks, embeddings, overrides and isolates of writing direction.
            '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            // Line and paragraph separators; deprecated format characters; interlinear annotation; tags.
            | '\u{2028}' | '\u{2029}' | '\u{206a}'..='\u{206f}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
            // Invisible: soft hyphen, zero-width space, word joiner and operators, byte order mark. (Joiners stay: scripts and emoji
            // need them.)
            | '\u{00ad}' | '\u{180e}' | '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{feff}'
            // Letters without a shape, which would make two names look alike.
            | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}')
}

/// A text on one line.
pub(crate) fn one_line(text: &str) -> String {
    inline(text.trim_end())
}

/// A part of a text, on one line, with the spaces at its ends.
pub(crate) fn inline(text: &str) -> String {
    let shown = |c| match c {
        '\n' => '⏎',
        '\t' => ' ',
        c if is_harmful(c) => SHOWN_INSTEAD,
        c => c,
    };
    text.replace("\r\n", "\n").chars().map(shown).collect()
}

/// A text with its lines, each further one marked as such.
pub(crate) fn block(text: &str) -> String {
    let text = text.trim_end().replace("\r\n", "\n");
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => {
                shown.push('\n');
                shown.push_str(CONTINUED);
            }
            '\t' => shown.push_str("    "),
            c if is_harmful(c) => shown.push(SHOWN_INSTEAD),
            c => shown.push(c),
        }
    }
    shown
}

/// The beginning of a text, for mentioning it.
pub(crate) fn excerpt(text: &str, longest: usize) -> String {
    let text = one_line(text);
    match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default().trim_end()),
        None => text,
    }
}

/// How many single changes lead from one word to the other: for guessing what was meant.
pub(crate) fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut above_left = i;
        let mut left = i + 1;
        let mut next = vec![left];
        for (to, &above) in b.iter().zip(row.iter().skip(1)) {
            left = (above_left + usize::from(from != *to)).min(above + 1).min(left + 1);
            above_left = above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_gets_through() {
        let hostile = "hi\x1b]0;owned\x07\x1b[2J\x1b[1;1Hbob: yes\r\u{9b}31m\u{7f}\x08";
        for shown in [one_line(hostile), block(hostile), excerpt(hostile, 80)] {
            assert!(!shown.chars().any(|c| c.is_control()), "{shown:?}");
            assert!(shown.starts_with("hi\u{fffd}]0;owned"));
        }
    }

    #[test]
    fn writing_direction_can_not_be_turned() {
        for c in
            ['\u{202e}', '\u{2066}', '\u{2069}', '\u{200f}', '\u{061c}', '\u{e0041}', '\u{200b}', '\u{2028}']
        {
            assert_eq!(block(&format!("a{c}b")), "a\u{fffd}b");
            assert_eq!(one_line(&format!("a{c}b")), "a\u{fffd}b");
        }
        // Hebrew, Arabic, Persian with its non-joiner, an emoji of several people.
        for text in ["שלום", "مرحبا", "می\u{200c}خواهم", "👩\u{200d}👩\u{200d}👧"] {
            assert_eq!(block(text), text);
        }
    }

    #[test]
    fn a_second_line_can_not_pass_for_another_message() {
        assert_eq!(block("hi\n12:00 bob: I owe you\r\nx"), "hi\n      │ 12:00 bob: I owe you\n      │ x");
        assert_eq!(one_line("a\nb"), "a⏎b");
    }

    #[test]
    fn an_excerpt_counts_characters() {
        assert_eq!(excerpt("äöüß", 4), "äöüß");
        assert_eq!(excerpt("äöüßx", 4), "äöüß…");
    }

    #[test]
    fn distances() {
        for (a, b, expected) in
            [("help", "help", 0), ("hepl", "help", 2), ("mgs", "msg", 2), ("", "abc", 3), ("opn", "open", 1)]
        {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }
}
