//! One spelling for a password, whatever keyboard it was typed on.
//!
//! The same `é` is one code point on one system and two on another; the bytes would differ, and the person be locked out. So
//! a password is prepared as RFC 8265's *OpaqueString* prepares it: every space becomes U+0020, then NFC. Letter case and
//! spaces at the ends stay as they are.

use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

/// A password in the one form that both registration and login use (PWD-4).
pub fn normalize_password(password: &str) -> Zeroizing<String> {
    // Growing would leave copies behind; NFC makes nothing more than three times as long in UTF-8.
    let mut normalized = Zeroizing::new(String::with_capacity(password.len() * 3));
    normalized.extend(password.chars().map(|c| if is_space(c) { ' ' } else { c }).nfc());
    normalized
}

/// Unicode's category *Zs*.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pwd_4_spellings_of_one_password_become_one() {
        assert_eq!(*normalize_password("cafe\u{301}\u{a0}noir"), "caf\u{e9} noir");
        assert_eq!(*normalize_password(" Aß "), " Aß ");
    }
}
