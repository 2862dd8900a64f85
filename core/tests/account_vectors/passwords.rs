#![cfg(feature = "opaque")]

use serde::{Deserialize, Serialize};
use wheesht_core::opaque::normalize_password;

use super::check;

#[derive(Serialize, Deserialize)]
struct Case {
    name: String,
    rule: String,
    /// As it may come from a keyboard.
    typed: String,
    normalized: String,
}

#[test]
fn passwords_are_normalised_as_their_file_says() {
    let about = "Passwords as typed, and the one form in which both registration and login use them.";
    check("passwords.json", about, "account.md", cases(), |case: &Case| {
        assert_eq!(*normalize_password(&case.typed), case.normalized, "{}", case.name);
    });
}

fn cases() -> Vec<Case> {
    [
        ("plain letters", "correct horse", "correct horse"),
        ("a letter and its accent as two code points", "cafe\u{301}", "caf\u{e9}"),
        ("a letter with its accent as one", "caf\u{e9}", "caf\u{e9}"),
        ("a no-break and an ideographic space", "a\u{a0}b\u{3000}c", "a b c"),
        ("spaces at the ends stay", " a ", " a "),
        ("letter case stays", "Stra\u{df}e", "Stra\u{df}e"),
        ("a ligature stays", "\u{fb01}sh", "\u{fb01}sh"),
    ]
    .map(|(name, typed, normalized)| Case {
        name: name.into(),
        rule: "PWD-4".into(),
        typed: typed.into(),
        normalized: normalized.into(),
    })
    .into()
}
