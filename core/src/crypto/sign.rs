//! Ed25519 signatures, always over a label and the whole context they speak for.
//!
//! A [`SigningKey`] never signs bare bytes: what is signed is `label ‖ 0x00 ‖ message`, and every purpose has its own
//! [`Label`] (`wheesht/1 …`), so a signature made for one purpose is worth nothing for another. Verification is strict:
//! keys of small order, keys and signatures in a second spelling are refused, so what one implementation accepts every
//! other accepts too, and a key's bytes can serve as an identifier.
//!
//! Specification: `proto/spec/account.md`, section *Signatures*.

use std::{fmt, hash};

use ed25519_dalek::Signer as _;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

/// What a signature is for. Each purpose has exactly one, a constant of the specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label(&'static str);

impl Label {
    /// A label of the protocol: begins with `wheesht/1 ` and contains no NUL byte, so that no label with a message can
    /// spell another label with another message.
    pub const fn new(text: &'static str) -> Self {
        Self(text)
    }

    /// The label's text.
    pub const fn as_str(&self) -> &'static str {
        self.0
    }

    /// ACC-1: `label ‖ 0x00 ‖ parts…`, the bytes that are signed.
    fn frame(&self, parts: &[&[u8]]) -> Vec<u8> {
        let length = self.0.len() + 1 + parts.iter().map(|part| part.len()).sum::<usize>();
        let mut framed = Vec::with_capacity(length);
        framed.extend_from_slice(self.0.as_bytes());
        framed.push(0);
        parts.iter().for_each(|part| framed.extend_from_slice(part));
        framed
    }
}

/// The signature does not hold for this key, label and message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not hold")]
pub struct BadSignature;

/// Bytes that are no usable public key: not a point of the curve, of small order, or not in canonical form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a usable Ed25519 public key")]
pub struct InvalidKey;

/// An Ed25519 secret key, wiped on drop.
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// A new key from 32 random bytes.
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self(ed25519_dalek::SigningKey::generate(rng))
    }

    /// From the 32-byte secret (RFC 8032's private key).
    pub fn from_secret_bytes(secret: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(secret))
    }

    /// The 32-byte secret, for storing it sealed.
    pub fn to_secret_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// The public half.
    pub fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey(self.0.verifying_key())
    }

    /// Signs `label ‖ 0x00 ‖ parts…`. The parts are concatenated as they are: whoever passes several makes sure that they
    /// can be split in one way only (fixed lengths, or lengths in front).
    pub fn sign(&self, label: &Label, parts: &[&[u8]]) -> Signature {
        Signature(self.0.sign(&label.frame(parts)).to_bytes())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.debug_struct("SigningKey").finish_non_exhaustive()
    }
}

/// An Ed25519 public key that has been checked, with its decompressed form at hand.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct VerifyingKey(ed25519_dalek::VerifyingKey);

impl VerifyingKey {
    /// Checks 32 bytes: a point of the curve, not of small order, in its one canonical spelling.
    ///
    /// # Errors
    /// [`InvalidKey`] otherwise.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, InvalidKey> {
        // ACC-2: `y` is reduced below p = 2^255 - 19, so a point has one spelling.
        let [lowest, middle @ .., highest] = bytes;
        let at_least_p = *lowest >= 0xed && middle.iter().all(|byte| *byte == 0xff) && highest & 0x7f == 0x7f;
        let key = ed25519_dalek::VerifyingKey::from_bytes(bytes).map_err(|_| InvalidKey)?;
        if at_least_p || key.is_weak() { Err(InvalidKey) } else { Ok(Self(key)) }
    }

    /// The key's 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// Verifies a signature over `label ‖ 0x00 ‖ parts…`, strictly.
    ///
    /// # Errors
    /// [`BadSignature`], whatever the reason.
    pub fn verify(&self, label: &Label, parts: &[&[u8]], signature: &Signature) -> Result<(), BadSignature> {
        // ACC-2: strict, so no two implementations differ about a signature.
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        self.0.verify_strict(&label.frame(parts), &signature).map_err(|_| BadSignature)
    }
}

impl TryFrom<&[u8]> for VerifyingKey {
    type Error = InvalidKey;

    fn try_from(bytes: &[u8]) -> Result<Self, InvalidKey> {
        Self::from_bytes(bytes.try_into().map_err(|_| InvalidKey)?)
    }
}

impl hash::Hash for VerifyingKey {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VerifyingKey(")?;
        self.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

/// An Ed25519 signature, 64 bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; 64]);

impl Signature {
    /// Length in bytes.
    pub const LEN: usize = 64;

    /// The signature's bytes.
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }

    /// A copy of the bytes for a protobuf field.
    pub fn to_vec(self) -> Vec<u8> {
        self.0.to_vec()
    }
}

impl TryFrom<&[u8]> for Signature {
    type Error = BadSignature;

    fn try_from(bytes: &[u8]) -> Result<Self, BadSignature> {
        bytes.try_into().map(Self).map_err(|_| BadSignature)
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signature").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use chacha20::{ChaCha20Rng, rand_core::SeedableRng};

    use super::*;

    const ONE: Label = Label::new("wheesht/1 test one");
    const OTHER: Label = Label::new("wheesht/1 test other");

    fn key() -> SigningKey {
        SigningKey::generate(&mut ChaCha20Rng::seed_from_u64(1))
    }

    #[test]
    fn acc_1_a_signature_holds_for_its_key_label_and_message() {
        let key = key();
        let signature = key.sign(&ONE, &[b"he", b"llo"]);
        let public = key.verifying_key();
        assert_eq!(public.verify(&ONE, &[b"hello"], &signature), Ok(()));
        assert_eq!(public.verify(&OTHER, &[b"hello"], &signature), Err(BadSignature));
        assert_eq!(public.verify(&ONE, &[b"hellO"], &signature), Err(BadSignature));
        let stranger = SigningKey::from_secret_bytes(&[7; 32]).verifying_key();
        assert_eq!(stranger.verify(&ONE, &[b"hello"], &signature), Err(BadSignature));
    }

    #[test]
    fn acc_2_keys_of_small_order_and_second_spellings_are_refused() {
        let identity_point = std::array::from_fn(|index| u8::from(index == 0));
        assert_eq!(VerifyingKey::from_bytes(&identity_point), Err(InvalidKey));
        for low in 0xed..=0xff {
            for high in [0x7f, 0xff] {
                let mut bytes = [0xff; 32];
                (bytes[0], bytes[31]) = (low, high);
                assert_eq!(VerifyingKey::from_bytes(&bytes), Err(InvalidKey));
            }
        }
        assert_eq!(VerifyingKey::try_from(&[0; 31][..]), Err(InvalidKey));
    }

    #[test]
    fn acc_2_a_signature_has_one_spelling() {
        // s + L is the same number modulo the group's order L, and strict verification refuses it.
        const ORDER: [u8; 32] = [
            0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
        ];
        let key = key();
        let mut bytes = *key.sign(&ONE, &[b"m"]).as_bytes();
        let mut carry = 0;
        for (byte, order) in bytes[32..].iter_mut().zip(ORDER) {
            let sum = u16::from(*byte) + u16::from(order) + carry;
            *byte = sum.to_le_bytes()[0];
            carry = sum >> 8;
        }
        assert_eq!(key.verifying_key().verify(&ONE, &[b"m"], &Signature(bytes)), Err(BadSignature));
    }

    #[test]
    fn a_secret_round_trips_and_is_not_shown() {
        let key = key();
        let again = SigningKey::from_secret_bytes(&key.to_secret_bytes());
        assert_eq!(again.verifying_key(), key.verifying_key());
        assert_eq!(format!("{key:?}"), "SigningKey { .. }");
    }
}
