//! Sixty digits (or a QR code) by which two people see that no one stands between them.
//!
//! Each account's half is thirty digits of an iterated SHA-512 over its identity key; the halves stand in ascending order, so
//! both people read the same number. The iteration makes it 5,200 times as dear to search for a key whose digits look like
//! another's. The QR code carries both identity keys whole. Rules: `proto/spec/safety-number.md`.

use std::fmt;

use sha2::{Digest, Sha512};

use crate::proto::ids::AccountId;

const LABEL: &[u8] = b"wheesht/1 safety number\0";
const ITERATIONS: usize = 5_200;
const QR_VERSION: u8 = 1;
const QR_LEN: usize = 1 + 2 * AccountId::LEN;

/// The number that two accounts have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SafetyNumber {
    // Twelve groups of five digits.
    groups: [u32; 12],
}

/// What a scanned code says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scan {
    /// Both hold the same two keys.
    Match,
    /// The code speaks of other keys: someone may stand between, or it is another person's code.
    Mismatch,
    /// Not a code of this kind, or of a newer version.
    NotACode,
}

impl SafetyNumber {
    /// The number of two accounts, the same from either side.
    pub fn between(one: &AccountId, other: &AccountId) -> Self {
        let (mut first, mut second) = (half(one), half(other));
        // SAF-2
        if second < first {
            std::mem::swap(&mut first, &mut second);
        }
        let mut groups = [0; 12];
        for (group, digits) in groups.iter_mut().zip(first.into_iter().chain(second)) {
            *group = digits;
        }
        Self { groups }
    }

    /// The twelve groups, five digits each.
    pub fn groups(&self) -> [String; 12] {
        self.groups.map(|group| format!("{group:05}"))
    }
}

/// Twelve groups of five digits, with spaces.
impl fmt::Display for SafetyNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.groups().join(" "))
    }
}

/// What the QR code shows: a version, one's own identity key, the other's.
pub fn qr(own: &AccountId, theirs: &AccountId) -> Vec<u8> {
    [&[QR_VERSION][..], own.as_bytes(), theirs.as_bytes()].concat()
}

/// Compares a scanned code with the keys known here.
pub fn scan(own: &AccountId, theirs: &AccountId, scanned: &[u8]) -> Scan {
    // SAF-3: the other's code names its own key first.
    match scanned.first() {
        Some(&QR_VERSION) if scanned.len() == QR_LEN => {
            if scanned == qr(theirs, own) {
                Scan::Match
            } else {
                Scan::Mismatch
            }
        }
        _ => Scan::NotACode,
    }
}

// SAF-1
fn half(account: &AccountId) -> [u32; 6] {
    let mut digest = Sha512::new_with_prefix(LABEL).chain_update(account).finalize();
    for _ in 0..ITERATIONS {
        digest = Sha512::new_with_prefix(digest).chain_update(account).finalize();
    }
    let mut groups = [0; 6];
    for (group, bytes) in groups.iter_mut().zip(digest.chunks_exact(5)) {
        let value = bytes.iter().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
        *group = u32::try_from(value % 100_000).unwrap_or_default();
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: AccountId = AccountId::new([1; 32]);
    const BOB: AccountId = AccountId::new([2; 32]);

    #[test]
    fn saf_2_both_sides_read_the_same_sixty_digits() {
        let number = SafetyNumber::between(&ALICE, &BOB);
        assert_eq!(number, SafetyNumber::between(&BOB, &ALICE));
        let text = number.to_string();
        assert_eq!(text.chars().filter(char::is_ascii_digit).count(), 60);
        assert_eq!(text.split(' ').count(), 12);
        assert_ne!(number, SafetyNumber::between(&ALICE, &AccountId::new([3; 32])));
    }

    #[test]
    fn saf_3_a_code_is_compared_crosswise() {
        assert_eq!(scan(&ALICE, &BOB, &qr(&BOB, &ALICE)), Scan::Match);
        assert_eq!(scan(&ALICE, &BOB, &qr(&ALICE, &BOB)), Scan::Mismatch);
        assert_eq!(scan(&ALICE, &BOB, &qr(&BOB, &BOB)), Scan::Mismatch);
        assert_eq!(scan(&ALICE, &BOB, b"https://example.org"), Scan::NotACode);
        let mut newer = qr(&BOB, &ALICE);
        newer[0] = 2;
        assert_eq!(scan(&ALICE, &BOB, &newer), Scan::NotACode);
    }
}
