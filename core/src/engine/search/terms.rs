//! What stands in the index: words, how words begin, and what else one may ask for.

use std::collections::BTreeMap;

use wheesht_proto::stored::{SearchText, SearchWaiting, SearchWord};

use super::{
    postings::{MAX_PLACES, Posting},
    words::{MAX_WORDS, words},
};
use crate::api::MessageKind;

/// How much of a word's beginning is a term of its own. Longer beginnings are found among the words that share these.
pub(super) const PREFIXES: [usize; 3] = [2, 3, 4];

/// A term: what the prefix of its rows is made from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Term(Vec<u8>);

const WORD: u8 = b'w';

impl Term {
    fn new(kind: u8, what: &[u8]) -> Self {
        Self([&[kind], what].concat())
    }

    pub(super) fn word(word: &str) -> Self {
        Self::new(WORD, word.as_bytes())
    }

    /// Words that begin so.
    pub(super) fn prefix(beginning: &str) -> Self {
        Self::new(b'p', beginning.as_bytes())
    }

    pub(super) fn conversation(number: u64) -> Self {
        Self::new(b'c', &number.to_be_bytes())
    }

    pub(super) fn sender(identity: &[u8]) -> Self {
        Self::new(b's', identity)
    }

    fn kind(bit: u32) -> Self {
        Self::new(b'k', &bit.to_be_bytes())
    }

    pub(super) fn of_kind(kind: MessageKind) -> Self {
        Self::kind(bit(kind))
    }

    /// Whether its postings are numbers alone.
    pub(super) fn is_bare(&self) -> bool {
        self.0.first() != Some(&WORD)
    }

    /// The word, if it is one.
    pub(super) fn as_word(&self) -> Option<&str> {
        let (kind, word) = self.0.split_first()?;
        (*kind == WORD).then(|| std::str::from_utf8(word).ok())?
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

pub(super) const TEXT: u32 = 1;
pub(super) const LINK: u32 = 2;
pub(super) const FILE: u32 = 4;
pub(super) const PICTURE: u32 = 8;

const fn bit(kind: MessageKind) -> u32 {
    match kind {
        MessageKind::Text => TEXT,
        MessageKind::Link => LINK,
        MessageKind::File => FILE,
        MessageKind::Picture => PICTURE,
    }
}

/// Whether a message is of a kind.
pub(super) const fn has(text: &SearchText, kind: MessageKind) -> bool {
    text.kinds & bit(kind) != 0
}

/// The first characters of a word; none if it has fewer.
pub(super) fn beginning(word: &str, chars: usize) -> Option<&str> {
    let end = word.char_indices().map(|(at, _)| at).chain([word.len()]).nth(chars)?;
    word.get(..end)
}

/// What the index is to know of a text.
// SEA-3
pub(super) fn of_text(text: &str, mut kinds: u32) -> SearchText {
    let mut places = BTreeMap::<String, Vec<u32>>::new();
    for (place, word) in (0..).zip(words(text).take(MAX_WORDS)) {
        let places = places.entry(word.folded).or_default();
        if places.len() < MAX_PLACES {
            places.push(place);
        }
    }
    if ["https://", "http://", "wheesht:"].iter().any(|scheme| text.contains(scheme)) {
        kinds |= LINK;
    }
    let words = places.into_iter().map(|(word, places)| SearchWord { word, places }).collect();
    SearchText { words, kinds }
}

/// Every term of a message, each with its posting.
pub(super) fn postings(waiting: &SearchWaiting, text: &SearchText) -> BTreeMap<Term, Posting> {
    let doc = waiting.number;
    let bare = || Posting { doc, weight: 0, places: Vec::new() };
    let length = text.words.iter().map(|word| word.places.len()).sum::<usize>();
    let length = length.checked_ilog2().unwrap_or_default().min(15) as u8;
    let mut found = BTreeMap::new();
    for SearchWord { word, places } in &text.words {
        let places: Vec<u16> =
            places.iter().take(MAX_PLACES).filter_map(|&place| u16::try_from(place).ok()).collect();
        let weight = (places.len() as u8) << 4 | length;
        found.insert(Term::word(word), Posting { doc, weight, places });
        for chars in PREFIXES {
            if let Some(beginning) = beginning(word, chars) {
                found.insert(Term::prefix(beginning), bare());
            }
        }
    }
    found.insert(Term::conversation(waiting.conversation), bare());
    found.insert(Term::sender(&waiting.sender), bare());
    for bit in [TEXT, LINK, FILE, PICTURE] {
        if text.kinds & bit != 0 {
            found.insert(Term::kind(bit), bare());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sea_3_a_text_has_its_words_beginnings_and_kinds() {
        let text = of_text("Go, see https://x.org and go", TEXT);
        assert_eq!(text.kinds, TEXT | LINK);
        assert_eq!(text.words.iter().find(|word| word.word == "go").unwrap().places, [0, 6]);
        let waiting = SearchWaiting { number: 8, conversation: 3, sender: vec![1; 32], ..Default::default() };
        let found = postings(&waiting, &text);
        assert!(found.contains_key(&Term::prefix("ht")) && found.contains_key(&Term::prefix("http")));
        assert!(!found.contains_key(&Term::prefix("https")));
        assert_eq!(found[&Term::word("go")].places, [0, 6]);
        assert!(found.contains_key(&Term::of_kind(MessageKind::Link)));
        assert!(found.contains_key(&Term::conversation(3)) && found.contains_key(&Term::sender(&[1; 32])));
    }

    #[test]
    fn sea_3_what_is_indexed_of_a_message_is_bounded() {
        let long: String = (0..5_000).map(|n| format!("w{n} ")).collect();
        assert_eq!(of_text(&long, TEXT).words.len(), MAX_WORDS);
        assert_eq!(of_text(&"a ".repeat(100), TEXT).words[0].places.len(), MAX_PLACES);
    }
}
