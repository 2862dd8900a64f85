//! Rollback-proof encryption of one message under one message key.
//!
//! A client whose store is restored from a snapshot derives the same message key again, and would encrypt other text under
//! it. Here that does no harm: the key that encrypts depends on the text.
//!
//! ```text
//! k_s = derive(message key, "mac")
//! s   = HMAC(k_s, len(AAD) ‖ AAD ‖ padded content)         32 bytes, sent in clear
//! k   = derive(message key, "encrypt", s)                  another text, another key
//! out = ChaCha20-Poly1305(k, nonce 0, AAD, padded content)
//! ```
//!
//! Whoever opens it computes `s` again from what came out. That makes `s` the key commitment too: it is a hash of all that
//! went in, under a key derived from the message key.

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::chain::MessageKey;
use crate::{
    crypto::{
        aead::{self, AeadKey, NotAuthentic, TAG_LEN},
        kdf::Prf,
        secret::secret,
    },
    protocol::padding,
};

secret! { struct SyntheticKey; }

/// `s` of the specification.
pub(in crate::protocol) type Synthetic = [u8; 32];

const NONCE: [u8; 12] = [0; 12];

/// Pads and encrypts.
pub(in crate::protocol) fn seal(key: &MessageKey, aad: &[u8], content: &[u8]) -> (Synthetic, Vec<u8>) {
    let mut body = padding::pad_with_room(content, TAG_LEN);
    let prf = Prf::new(key);
    let s = synthetic(&prf, aad, &body);
    aead::seal_in_place(&encryption_key(&prf, &s), &NONCE, aad, &mut body, 0);
    (s, body)
}

/// Decrypts. The padding is still there.
pub(in crate::protocol) fn open(
    key: &MessageKey,
    aad: &[u8],
    s: &Synthetic,
    ciphertext: &[u8],
) -> Result<Zeroizing<Vec<u8>>, NotAuthentic> {
    let prf = Prf::new(key);
    let padded = aead::open(&encryption_key(&prf, s), &NONCE, aad, ciphertext)?;
    // RAT-8
    if bool::from(synthetic(&prf, aad, &padded).ct_eq(s)) { Ok(padded) } else { Err(NotAuthentic) }
}

// RAT-7
fn synthetic(prf: &Prf, aad: &[u8], padded: &[u8]) -> Synthetic {
    let key: SyntheticKey = prf.derive("wheesht/1 message mac", &[]);
    let length = u64::try_from(aad.len()).unwrap_or(u64::MAX).to_be_bytes();
    Prf::new(&key).mac(&[&length, aad, padded])
}

// RAT-7
fn encryption_key(prf: &Prf, s: &Synthetic) -> AeadKey {
    prf.derive("wheesht/1 message key", &[s])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::secret::Secret;

    #[test]
    fn rat_7_one_key_with_two_texts_repeats_no_keystream() {
        let key = MessageKey::restore(&[7; 32]);
        let (a, b) = ([b'a'; 64], [b'b'; 64]);
        let ((s_a, sealed_a), (s_b, sealed_b)) = (seal(&key, b"aad", &a), seal(&key, b"aad", &b));
        assert_ne!(s_a, s_b);
        let repeated = (0..64).filter(|i| sealed_a[*i] ^ sealed_b[*i] == a[*i] ^ b[*i]).count();
        assert!(repeated < 8, "{repeated} of 64 bytes share their keystream");
        // The same text again is the same message again: nothing new is said.
        assert_eq!(seal(&key, b"aad", &a), (s_a, sealed_a));
    }

    #[test]
    fn rat_8_a_wrong_s_is_refused_even_if_the_aead_opens() {
        let key = MessageKey::restore(&[7; 32]);
        let s = [0x55; 32];
        // What a holder of the message key can forge: any s, and a ciphertext under the key that follows from it.
        let mut forged = padding::pad_with_room(b"hush", TAG_LEN);
        aead::seal_in_place(&encryption_key(&Prf::new(&key), &s), &NONCE, b"aad", &mut forged, 0);
        assert_eq!(open(&key, b"aad", &s, &forged).err(), Some(NotAuthentic));
    }

    #[test]
    fn rat_7_additional_data_and_text_cannot_be_shifted_into_each_other() {
        let prf = Prf::new(&MessageKey::restore(&[7; 32]));
        assert_ne!(synthetic(&prf, b"aad ", b"text"), synthetic(&prf, b"aad", b" text"));
    }
}
