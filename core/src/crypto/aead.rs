//! ChaCha20-Poly1305 (RFC 8439), in two forms.
//!
//! - [`seal`] and [`open`] with an [`AeadKey`] and a nonce: plain. A ciphertext can be made that opens under two keys of the
//!   maker's choice, so this form is for keys that only one side chose, or where something else commits to the key.
//! - [`seal_committed`] and [`open_committed`] with a [`CommittingKey`]: 32 bytes more in front, a hash of the key, checked
//!   before anything is decrypted. What opens under one key opens under no other ("invisible salamanders" have no place).
//!   The key is for one message: it is consumed.
//! - [`seal_salted`] and [`open_salted`]: the committing form for a key that seals many messages. 32 random bytes in front
//!   make a one-message key for each.

use rand_core::CryptoRng;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use chacha20poly1305::{AeadInOut, ChaCha20Poly1305, KeyInit, aead::inout::InOutBuf};

use super::{
    kdf::Prf,
    secret::{Secret, secret},
};

/// Length of the authentication tag that ends every ciphertext.
pub const TAG_LEN: usize = 16;
/// Length of a key commitment.
pub const COMMITMENT_LEN: usize = 32;
/// Length of the salt in front of the salted form.
pub const SALT_LEN: usize = 32;

secret! {
    /// A key of ChaCha20-Poly1305.
    pub struct AeadKey;
}

secret! {
    /// A key from which the committing form derives its AEAD key and its commitment. For one message.
    pub struct CommittingKey;
}

secret! {
    struct Commitment;
}

/// The ciphertext is not what the key's holder sealed with this additional data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not authentic")]
pub struct NotAuthentic;

/// Encrypts `plaintext` in place at the end of `out`: everything in `out` from `from` on becomes ciphertext, and the tag is
/// appended.
pub fn seal_in_place(key: &AeadKey, nonce: &[u8; 12], aad: &[u8], out: &mut Vec<u8>, from: usize) {
    let body = out.get_mut(from..).unwrap_or_default();
    #[expect(clippy::expect_used, reason = "ChaCha20-Poly1305 refuses only messages above 256 GiB")]
    let tag = ChaCha20Poly1305::new(key.expose().into())
        .encrypt_inout_detached(nonce.into(), aad, InOutBuf::from(body))
        .expect("a message below 256 GiB");
    out.extend_from_slice(&tag);
}

/// Encrypts: ciphertext, then tag.
pub fn seal(key: &AeadKey, nonce: &[u8; 12], aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(plaintext.len() + TAG_LEN);
    out.extend_from_slice(plaintext);
    seal_in_place(key, nonce, aad, &mut out, 0);
    out
}

/// Checks and decrypts what [`seal`] made.
///
/// # Errors
/// [`NotAuthentic`] if key, nonce, additional data or ciphertext is another.
pub fn open(
    key: &AeadKey,
    nonce: &[u8; 12],
    aad: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, NotAuthentic> {
    let (body, tag) = sealed.split_last_chunk::<TAG_LEN>().ok_or(NotAuthentic)?;
    let mut plaintext = Zeroizing::new(body.to_vec());
    ChaCha20Poly1305::new(key.expose().into())
        .decrypt_inout_detached(nonce.into(), aad, InOutBuf::from(plaintext.as_mut_slice()), tag.into())
        .map_err(|_| NotAuthentic)?;
    Ok(plaintext)
}

/// Encrypts with a commitment to the key: commitment, ciphertext, tag, appended to `out`.
pub fn seal_committed(key: CommittingKey, aad: &[u8], plaintext: &[u8], out: &mut Vec<u8>) {
    let (key, commitment) = split(&key);
    out.reserve(COMMITMENT_LEN + plaintext.len() + TAG_LEN);
    out.extend_from_slice(commitment.expose());
    let from = out.len();
    out.extend_from_slice(plaintext);
    // The key is used once, so the nonce may be constant.
    seal_in_place(&key, &[0; 12], aad, out, from);
}

/// Checks and decrypts what [`seal_committed`] made.
///
/// # Errors
/// [`NotAuthentic`] if key, additional data, commitment or ciphertext is another.
pub fn open_committed(
    key: CommittingKey,
    aad: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, NotAuthentic> {
    let (key, expected) = split(&key);
    let (commitment, sealed) = sealed.split_first_chunk::<COMMITMENT_LEN>().ok_or(NotAuthentic)?;
    // ENV-6
    if !bool::from(commitment.ct_eq(expected.expose())) {
        return Err(NotAuthentic);
    }
    open(&key, &[0; 12], aad, sealed)
}

/// Encrypts with a key that seals many messages: salt, commitment, ciphertext, tag.
pub fn seal_salted(
    key: &impl Secret,
    label: &'static str,
    aad: &[u8],
    plaintext: &[u8],
    rng: &mut (impl CryptoRng + ?Sized),
) -> Vec<u8> {
    let mut salt = [0; SALT_LEN];
    rng.fill_bytes(&mut salt);
    let mut out = Vec::with_capacity(SALT_LEN + COMMITMENT_LEN + plaintext.len() + TAG_LEN);
    out.extend_from_slice(&salt);
    seal_committed(Prf::new(key).derive(label, &[&salt]), aad, plaintext, &mut out);
    out
}

/// Checks and decrypts what [`seal_salted`] made.
///
/// # Errors
/// [`NotAuthentic`] if key, label, additional data or any byte is another.
pub fn open_salted(
    key: &impl Secret,
    label: &'static str,
    aad: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, NotAuthentic> {
    let (salt, sealed) = sealed.split_first_chunk::<SALT_LEN>().ok_or(NotAuthentic)?;
    open_committed(Prf::new(key).derive(label, &[salt]), aad, sealed)
}

fn split(key: &CommittingKey) -> (AeadKey, Commitment) {
    let prf = Prf::new(key);
    (prf.derive("wheesht/1 aead key", &[]), prf.derive("wheesht/1 aead commitment", &[]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use chacha20::{ChaCha20Rng, rand_core::SeedableRng};

    #[test]
    fn env_6_another_commitment_is_refused_though_the_aead_would_open() {
        let key = CommittingKey::restore(&[7; 32]);
        let mut sealed = Vec::new();
        seal_committed(key.clone(), b"aad", b"hush", &mut sealed);
        assert!(open(&split(&key).0, &[0; 12], b"aad", &sealed[COMMITMENT_LEN..]).is_ok());
        sealed[..COMMITMENT_LEN].fill(0);
        assert_eq!(open_committed(key, b"aad", &sealed).err(), Some(NotAuthentic));
    }

    #[test]
    fn each_form_opens_what_it_sealed_and_nothing_else() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let key = AeadKey::generate(&mut rng);
        let sealed = seal(&key, &[3; 12], b"aad", b"hush");
        assert_eq!(open(&key, &[3; 12], b"aad", &sealed).unwrap().as_slice(), b"hush");
        assert!(open(&key, &[4; 12], b"aad", &sealed).is_err());

        let committing = CommittingKey::generate(&mut rng);
        let mut sealed = b"in front".to_vec();
        seal_committed(committing.clone(), b"aad", b"hush", &mut sealed);
        let sealed = &sealed[8..];
        assert_eq!(open_committed(committing.clone(), b"aad", sealed).unwrap().as_slice(), b"hush");
        assert!(open_committed(committing.clone(), b"aa", sealed).is_err());
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.to_vec();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open_committed(committing.clone(), b"aad", &changed).err(), Some(NotAuthentic));
        }

        let sealed = seal_salted(&key, "wheesht/1 test", b"aad", b"hush", &mut rng);
        assert_eq!(open_salted(&key, "wheesht/1 test", b"aad", &sealed).unwrap().as_slice(), b"hush");
        assert!(open_salted(&key, "wheesht/1 other", b"aad", &sealed).is_err());
        for length in 0..sealed.len() {
            assert!(open_salted(&key, "wheesht/1 test", b"aad", &sealed[..length]).is_err());
        }
    }
}
