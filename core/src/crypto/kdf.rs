//! Key derivation: HKDF (RFC 5869) and HMAC with SHA-256, returning typed secrets.
//!
//! ```text
//! Prf::extract(salt, ikm)          HKDF-Extract: many-source or uneven key material becomes one uniform key
//! Prf::new(key).derive(label, …)   HKDF-Expand of one block: HMAC(key, label ‖ 0x00 ‖ context ‖ 0x01)
//! Prf::new(key).mac(parts)         HMAC(key, parts), for keys that do nothing else
//! ```
//!
//! Every output is 32 bytes and has a label of its own, so two outputs of one key never overlap; a [`Prf`] holds the keyed
//! state, so that several outputs of one key pay for the key once. Rules: `proto/spec/session.md`, *Derivation*.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::secret::Secret;

/// HMAC-SHA-256 with its key already in place.
#[derive(Clone)]
pub struct Prf(Hmac<Sha256>);

impl Prf {
    /// Keys the function with a secret that is uniformly random.
    pub fn new(key: &impl Secret) -> Self {
        Self::keyed(key.expose())
    }

    /// HKDF-Extract: the function keyed with a uniform key made from `salt` and the concatenated `ikm`.
    pub fn extract(salt: &[u8], ikm: &[&[u8]]) -> Self {
        let mut mac = Self::keyed(salt).0;
        ikm.iter().for_each(|part| mac.update(part));
        let mut key = mac.finalize().into_bytes();
        let prf = Self::keyed(&key);
        zeroize::Zeroize::zeroize(key.as_mut_slice());
        prf
    }

    /// HKDF-Expand to one secret: HMAC(key, label ‖ 0x00 ‖ context ‖ 0x01). The parts of the context are concatenated as they
    /// are: each is of a fixed length, or carries its length in front.
    // SES-3
    pub fn derive<S: Secret>(&self, label: &'static str, context: &[&[u8]]) -> S {
        let mut mac = self.0.clone();
        mac.update(label.as_bytes());
        mac.update(&[0]);
        context.iter().for_each(|part| mac.update(part));
        mac.update(&[1]);
        let mut output = mac.finalize().into_bytes();
        let secret = S::build(|bytes| bytes.copy_from_slice(&output));
        zeroize::Zeroize::zeroize(output.as_mut_slice());
        secret
    }

    /// HMAC over the concatenated parts: a tag, not a key. Use a key that has this one purpose.
    pub fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.0.clone();
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().into()
    }

    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
    fn keyed(key: &[u8]) -> Self {
        Self(Hmac::new_from_slice(key).expect("a key of any length"))
    }
}

impl fmt::Debug for Prf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.debug_struct("Prf").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::secret::secret;

    secret! { struct Key; }
    secret! { struct Other; }

    #[test]
    fn derive_is_hkdf_expand() {
        let mut expected = [0; 32];
        hkdf::Hkdf::<Sha256>::new(Some(b"salt"), b"first second")
            .expand(b"wheesht/1 a\0context", &mut expected)
            .unwrap();
        let derived: Key =
            Prf::extract(b"salt", &[b"first ", b"second"]).derive("wheesht/1 a", &[b"con", b"text"]);
        assert_eq!(derived.expose(), &expected);
    }

    #[test]
    fn labels_keep_outputs_apart() {
        let prf = Prf::new(&Key::restore(&[7; 32]));
        let a: Key = prf.derive("wheesht/1 a", &[]);
        let b: Other = prf.derive("wheesht/1 b", &[]);
        assert_ne!(a.expose(), b.expose());
    }
}
