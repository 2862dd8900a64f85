//! The two halves of the index: of messages that stay, and of messages that disappear, whose rows are sealed under the key that is
//! replaced daily.
// SEA-6

use super::super::tables::{
    SEARCH_LISTS, SEARCH_MESSAGES, SEARCH_WORDS, TIMED_SEARCH_LISTS, TIMED_SEARCH_MESSAGES,
    TIMED_SEARCH_WORDS,
};
use crate::store::Table;

/// The tables of one half.
#[derive(Clone, Copy)]
pub(super) struct Tables {
    /// Where terms stand.
    pub(super) lists: Table,
    /// Words by their beginnings.
    pub(super) words: Table,
    /// Where messages stand in their conversations, by their numbers.
    pub(super) messages: Table,
}

/// Both halves.
pub(super) const HALVES: [Tables; 2] = [
    Tables { lists: SEARCH_LISTS, words: SEARCH_WORDS, messages: SEARCH_MESSAGES },
    Tables { lists: TIMED_SEARCH_LISTS, words: TIMED_SEARCH_WORDS, messages: TIMED_SEARCH_MESSAGES },
];

/// The half that a message's number lies in.
pub(super) const fn half(number: u64) -> Tables {
    let [lasting, timed] = HALVES;
    if number & 1 == 1 { timed } else { lasting }
}
