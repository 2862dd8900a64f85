//! Passwords that are worth something: a generated passphrase, and a judge for those that people choose.
//!
//! The relay holds what it needs to guess a password offline, at Argon2id's cost per guess (SECURITY.md says so). So a
//! password that a list or a pattern leads to is refused at registration, and a passphrase of six random words is offered:
//! 66 bits, more than anyone can try.

use std::fmt;

use bip0039::language::English;
use rand_core::CryptoRng;
use zeroize::Zeroizing;
use zxcvbn::feedback::{Feedback, Warning};

/// Words of a generated passphrase; with 11 bits each, 66 bits.
const WORDS: usize = 6;

/// Guesses that a password must withstand, as a power of ten. At Argon2id's cost (64 MiB, 3 passes) a graphics card tries
/// around a thousand a second: a hundred of them need four months for 10^12.
const MIN_GUESSES_LOG10: f64 = 12.0;

/// A passphrase of six words from BIP-39's English list, separated by spaces: 66 random bits (PWD-6).
pub fn generate_passphrase(rng: &mut (impl CryptoRng + ?Sized)) -> Zeroizing<String> {
    // Room for the longest words (8 letters), so that no copy is left behind by growing.
    let mut passphrase = Zeroizing::new(String::with_capacity(WORDS * 9));
    for position in 0..WORDS {
        let index = rng.next_u32() as usize % English::words().len();
        if position > 0 {
            passphrase.push(' ');
        }
        passphrase.push_str(English::words().get(index).copied().unwrap_or_default());
    }
    passphrase
}

/// Refuses a password that can be guessed. `user_inputs` are what an attacker knows of the person: name, address, relay.
///
/// # Errors
/// [`Weak`], with words for the person.
pub fn check_strength(password: &str, user_inputs: &[&str]) -> Result<(), Weak> {
    let estimate = zxcvbn::zxcvbn(password, user_inputs);
    // PWD-7
    if estimate.guesses_log10() >= MIN_GUESSES_LOG10 {
        return Ok(());
    }
    let warning = estimate.feedback().and_then(Feedback::warning);
    Err(Weak { reason: Reason::of(warning), suggestion: suggestion(password) })
}

/// Why a password is refused, and what to do instead. `Display` gives both as two sentences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weak {
    /// What is wrong with it.
    pub reason: Reason,
    /// What to do instead.
    pub suggestion: &'static str,
}

/// What makes a password easy to guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It stands in lists of passwords, or is like one that does.
    Common,
    /// It is a word or a name.
    Word,
    /// Neighbouring keys, repetitions or sequences.
    Pattern,
    /// A date or a year.
    Date,
    /// Nothing is wrong with it but that there is too little of it.
    Short,
}

impl Reason {
    const fn of(warning: Option<Warning>) -> Self {
        use Warning as W;
        match warning {
            Some(
                W::ThisIsATop10Password
                | W::ThisIsATop100Password
                | W::ThisIsACommonPassword
                | W::ThisIsSimilarToACommonlyUsedPassword,
            ) => Self::Common,
            Some(
                W::AWordByItselfIsEasyToGuess
                | W::NamesAndSurnamesByThemselvesAreEasyToGuess
                | W::CommonNamesAndSurnamesAreEasyToGuess,
            ) => Self::Word,
            Some(
                W::StraightRowsOfKeysAreEasyToGuess
                | W::ShortKeyboardPatternsAreEasyToGuess
                | W::RepeatsLikeAaaAreEasyToGuess
                | W::RepeatsLikeAbcAbcAreOnlySlightlyHarderToGuess
                | W::SequencesLikeAbcAreEasyToGuess,
            ) => Self::Pattern,
            Some(W::RecentYearsAreEasyToGuess | W::DatesAreOftenEasyToGuess) => Self::Date,
            None => Self::Short,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Common => {
                "This password stands in the lists that attackers try first, or is like one that does."
            }
            Self::Word => "A word or a name is guessed quickly.",
            Self::Pattern => "Neighbouring keys, repetitions and sequences are guessed quickly.",
            Self::Date => "Dates and years are guessed quickly.",
            Self::Short => "This password can be guessed: there is too little of it.",
        })
    }
}

impl fmt::Display for Weak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.reason, self.suggestion)
    }
}

impl std::error::Error for Weak {}

fn suggestion(password: &str) -> &'static str {
    if password.contains(' ') {
        "Add two or three words that have nothing to do with the others, or take the generated passphrase."
    } else {
        "Take the generated six-word passphrase, or several words that have nothing to do with each other or with you."
    }
}

#[cfg(test)]
mod tests {
    use chacha20::{ChaCha20Rng, rand_core::SeedableRng};

    use super::*;

    #[test]
    fn pwd_6_generated_passphrases_are_six_words_and_strong() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        for _ in 0..50 {
            let passphrase = generate_passphrase(&mut rng);
            let words: Vec<_> = passphrase.split(' ').collect();
            assert_eq!(words.len(), 6);
            assert!(words.iter().all(|word| English::words().contains(word)));
            assert_eq!(check_strength(&passphrase, &["alice"]), Ok(()), "{}", *passphrase);
        }
        assert_ne!(generate_passphrase(&mut rng), generate_passphrase(&mut rng));
    }

    #[test]
    fn pwd_7_what_is_guessed_quickly_is_refused_with_its_reason() {
        for (password, reason) in [
            ("", Reason::Short),
            ("password", Reason::Common),
            ("P@ssw0rd1", Reason::Common),
            ("qazwsxedcrfvtgb", Reason::Common),
            ("aaaaaaaaaaaaaaaaaaaa", Reason::Pattern),
            ("abcdefghijklmnop", Reason::Pattern),
            ("13.5.1987", Reason::Date),
            ("xkvqzp", Reason::Short),
        ] {
            assert_eq!(check_strength(password, &[]).map_err(|weak| weak.reason), Err(reason), "{password}");
        }
        for password in ["alice", "alice-alice", "relay.example.org", "Alice1987"] {
            assert!(check_strength(password, &["alice", "relay.example.org"]).is_err(), "{password}");
        }
        assert_eq!(check_strength("9k#Vw2p!Qz7m", &["alice"]), Ok(()));
    }

    #[test]
    fn a_long_input_costs_no_more_than_a_short_one() {
        assert!(check_strength(&"kxqv w7".repeat(100_000), &[]).is_err());
    }
}
