//! The words of a text, folded: what differs only in case, diacritics or width is one word.
//!
//! Words end where Unicode's word boundaries are (UAX #29), and at anything within them that is neither letter, digit nor mark, so
//! that `example.org` is found by `example`. Scripts that put no space between words count every character as one, and whoever looks
//! for several of them looks for them in that order.
// SEA-1

use unicode_normalization::{UnicodeNormalization as _, char::canonical_combining_class};
use unicode_segmentation::UnicodeSegmentation as _;

/// Characters of a word that count.
pub(crate) const MAX_CHARS: usize = 40;

/// Words of a message that are indexed.
pub(crate) const MAX_WORDS: usize = 2_000;

/// A word of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    /// Folded.
    pub(crate) folded: String,
    /// Where it begins, in bytes.
    pub(crate) start: usize,
    /// Where it ends.
    pub(crate) end: usize,
}

/// The words of a text in order.
pub(crate) fn words(text: &str) -> impl Iterator<Item = Word> {
    text.unicode_word_indices().flat_map(|(at, segment)| pieces(at, segment))
}

/// A text as it is compared with another.
pub(crate) fn fold(text: &str) -> String {
    let folded = text.nfkd().filter(|&c| !is_diacritic(c)).flat_map(char::to_uppercase);
    // The capital first: so ß is ss, and ς is σ.
    folded.flat_map(char::to_lowercase).collect()
}

/// A segment's words.
fn pieces(at: usize, segment: &str) -> Vec<Word> {
    let mut found = Vec::new();
    let mut begun: Option<usize> = None;
    for (offset, c) in segment.char_indices() {
        let alone = stands_alone(c);
        let goes_on = begun.is_some() && (is_mark(c) || c.is_alphanumeric() && !alone);
        let after_one_alone = begun
            .and_then(|begun| segment.get(begun..)?.chars().next())
            .is_some_and(|first| stands_alone(first) && !is_mark(c));
        if goes_on && !after_one_alone {
            continue;
        }
        if let Some(begun) = begun.take() {
            push(&mut found, at, segment, begun, offset);
        }
        if c.is_alphanumeric() {
            begun = Some(offset);
        }
    }
    if let Some(begun) = begun {
        push(&mut found, at, segment, begun, segment.len());
    }
    found
}

fn push(found: &mut Vec<Word>, at: usize, segment: &str, begun: usize, end: usize) {
    let Some(piece) = segment.get(begun..end) else { return };
    let folded: String =
        fold(piece).chars().filter(|&c| c.is_alphanumeric() || is_mark(c)).take(MAX_CHARS).collect();
    if !folded.is_empty() {
        found.push(Word { folded, start: at + begun, end: at + end });
    }
}

/// Marks that make no other letter: accents, Hebrew points, Arabic vowels. Not those that are vowels of their own or make another
/// consonant, as in Indic scripts, Thai and kana.
fn is_diacritic(c: char) -> bool {
    matches!(canonical_combining_class(c), 10..=36 | 200..)
}

fn is_mark(c: char) -> bool {
    unicode_normalization::char::is_combining_mark(c)
}

/// Letters of scripts without spaces between words.
fn stands_alone(c: char) -> bool {
    matches!(c,
        '\u{0E00}'..='\u{0EFF}' // Thai, Lao
        | '\u{0F00}'..='\u{0FFF}' // Tibetan
        | '\u{1000}'..='\u{109F}' // Myanmar
        | '\u{1780}'..='\u{17FF}' // Khmer
        | '\u{3040}'..='\u{30FF}' | '\u{31F0}'..='\u{31FF}' | '\u{FF66}'..='\u{FF9D}' // Kana
        | '\u{3400}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}' // Han
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn folded(text: &str) -> Vec<String> {
        words(text).map(|word| word.folded).collect()
    }

    #[test]
    fn sea_1_case_diacritics_and_width_do_not_count() {
        assert_eq!(folded("Straße STRASSE"), ["strasse", "strasse"]);
        assert_eq!(folded("Crème brûlée, Łódź"), ["creme", "brulee", "łodz"]);
        assert_eq!(folded("ΟΔΥΣΣΕΥΣ οδυσσεύς"), ["οδυσσευσ", "οδυσσευσ"]);
        assert_eq!(folded("ＡＢＣ ﬁne Ⅳ"), ["abc", "fine", "iv"]);
        assert_eq!(folded("שָׁלוֹם"), folded("שלום"));
        assert_eq!(folded("مَرْحَبًا"), folded("مرحبا"));
        // A vowel sign of its own is another word.
        assert_ne!(folded("कि"), folded("का"));
    }

    #[test]
    fn sea_1_words_end_at_punctuation_and_scripts_without_spaces_fall_into_characters() {
        assert_eq!(
            folded("see https://example.org/a_b?x=1"),
            ["see", "https", "example", "org", "a", "b", "x", "1"]
        );
        assert_eq!(folded("can't"), ["can", "t"]);
        assert_eq!(folded("東京都へ行くぜABC"), ["東", "京", "都", "へ", "行", "く", "せ\u{3099}", "abc"]);
        assert_eq!(folded("ラーメン"), ["ラ", "ー", "メ", "ン"]);
        assert_eq!(folded("한국어 공부"), [fold("한국어"), fold("공부")]);
        assert!(folded("สวัสดี").len() > 1);
        assert_eq!(folded("👍 … — \u{301}"), Vec::<String>::new());
        assert_eq!(folded(&"a".repeat(100)), ["a".repeat(MAX_CHARS)]);
    }

    proptest! {
        #[test]
        fn sea_1_words_lie_between_characters_of_any_text(text in any::<String>()) {
            let mut end = 0;
            for word in words(&text) {
                prop_assert!(word.start >= end && word.end > word.start);
                prop_assert!(text.get(word.start..word.end).is_some());
                prop_assert!(!word.folded.is_empty());
                end = word.end;
            }
        }
    }
}
