//! An ephemeral envelope for many: of a form of its own, and otherwise built like a group's outer layer.
//!
//! ```text
//! form ‖ suite ‖ nonce ‖ tag ‖ ciphertext ‖ AEAD tag
//!   1      1       24     32       …           16
//! ```

use rand_core::CryptoRng;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::{
    crypto::{
        aead::{self, AeadKey, NotAuthentic},
        kdf::Prf,
        secret::{Secret, secret},
    },
    proto::limits::{MAX_EPHEMERAL, SUITE_1},
    protocol::{group::OuterKey, padding},
};

/// The first byte of such an envelope.
pub const FORM: u8 = 3;
#[expect(clippy::cast_possible_truncation, reason = "suites are numbered below 256")]
const SUITE: u8 = SUITE_1 as u8;

const NONCE_LEN: usize = 24;

secret! { struct Shared; }
secret! { struct MarkKey; }

/// The key of those who may read a statement. Keyed once, since every envelope of an unknown sender is tried with many.
#[derive(Clone, Debug)]
pub struct EphemeralKey {
    mark: Prf,
    seal: Prf,
}

impl EphemeralKey {
    /// What an account's presence is sealed under: all who hold its profile key, which are its contacts, can read it.
    // PRE-2
    pub fn of_profile(profile_key: &[u8; 32]) -> Self {
        Self::new(Prf::new(&Shared::restore(profile_key)).derive("wheesht/1 presence key", &[]))
    }

    /// What members tell each other in passing: the key is of an epoch of the group.
    // PRE-15
    pub fn of_epoch(outer: &OuterKey) -> Self {
        Self::new(Prf::new(outer).derive("wheesht/1 group ephemeral key", &[]))
    }

    #[expect(clippy::needless_pass_by_value, reason = "the key is not to live on")]
    fn new(key: Shared) -> Self {
        let seal = Prf::new(&key);
        let mark: MarkKey = seal.derive("wheesht/1 ephemeral tag", &[]);
        Self { mark: Prf::new(&mark), seal }
    }

    fn mark(&self, nonce: &[u8; NONCE_LEN]) -> [u8; 32] {
        self.mark.mac(&[nonce])
    }

    fn key(&self, nonce: &[u8; NONCE_LEN]) -> AeadKey {
        self.seal.derive("wheesht/1 ephemeral", &[nonce])
    }
}

/// Whether these bytes are an ephemeral envelope for many, whoever's.
pub fn is_ephemeral(envelope: &[u8]) -> bool {
    envelope.first() == Some(&FORM)
}

/// Seals a statement.
// PRE-3
pub fn seal(key: &EphemeralKey, statement: &[u8], rng: &mut (impl CryptoRng + ?Sized)) -> Vec<u8> {
    let mut nonce = [0; NONCE_LEN];
    rng.fill_bytes(&mut nonce);
    let mut envelope = vec![FORM, SUITE];
    envelope.extend_from_slice(&nonce);
    envelope.extend_from_slice(&key.mark(&nonce));
    let from = envelope.len();
    envelope.extend_from_slice(&padding::pad(statement));
    aead::seal_in_place(&key.key(&nonce), &[0; 12], &[FORM, SUITE], &mut envelope, from);
    envelope
}

/// Whether the envelope was sealed under this key: told by its tag, without opening it.
pub fn belongs(key: &EphemeralKey, envelope: &[u8]) -> bool {
    parts(envelope).is_some_and(|(nonce, mark, _)| key.mark(nonce).ct_eq(mark).into())
}

/// Opens an envelope.
///
/// # Errors
/// [`NotAuthentic`] if it was not sealed under this key, or was changed on the way.
// PRE-3
pub fn open(key: &EphemeralKey, envelope: &[u8]) -> Result<Zeroizing<Vec<u8>>, NotAuthentic> {
    let (nonce, mark, sealed) = parts(envelope).ok_or(NotAuthentic)?;
    if !bool::from(key.mark(nonce).ct_eq(mark)) {
        return Err(NotAuthentic);
    }
    let padded = aead::open(&key.key(nonce), &[0; 12], &[FORM, SUITE], sealed)?;
    let statement = padding::unpad(&padded).map_err(|_| NotAuthentic)?;
    Ok(Zeroizing::new(statement.to_vec()))
}

fn parts(envelope: &[u8]) -> Option<(&[u8; NONCE_LEN], &[u8; 32], &[u8])> {
    if envelope.len() > MAX_EPHEMERAL {
        return None;
    }
    let (header, rest) = envelope.split_first_chunk::<2>()?;
    let (nonce, rest) = rest.split_first_chunk()?;
    let (mark, sealed) = rest.split_first_chunk()?;
    (*header == [FORM, SUITE]).then_some((nonce, mark, sealed))
}

#[cfg(test)]
mod tests {
    use chacha20::{ChaCha20Rng, rand_core::SeedableRng};

    use super::*;

    #[test]
    fn pre_3_only_its_key_opens_an_envelope_and_no_change_goes_unseen() {
        let mut rng = ChaCha20Rng::seed_from_u64(3);
        let key = EphemeralKey::of_profile(&[1; 32]);
        let sealed = seal(&key, b"here", &mut rng);
        assert!(is_ephemeral(&sealed) && belongs(&key, &sealed));
        assert_eq!(open(&key, &sealed).unwrap().as_slice(), b"here");
        let other = EphemeralKey::of_profile(&[2; 32]);
        assert!(!belongs(&other, &sealed) && open(&other, &sealed).is_err());
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&key, &changed).is_err(), "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert!(open(&key, &sealed[..length]).is_err());
        }
    }

    #[test]
    fn pre_2_the_key_is_neither_the_profile_key_nor_a_groups() {
        let mut rng = ChaCha20Rng::seed_from_u64(2);
        let sealed = seal(&EphemeralKey::of_profile(&[1; 32]), b"here", &mut rng);
        assert!(!belongs(&EphemeralKey::of_epoch(&OuterKey::restore(&[1; 32])), &sealed));
    }

    #[test]
    fn pre_3_statements_of_any_text_up_to_the_floor_look_alike() {
        let mut rng = ChaCha20Rng::seed_from_u64(4);
        let key = EphemeralKey::of_profile(&[1; 32]);
        assert_eq!(seal(&key, b"", &mut rng).len(), seal(&key, &[7; 150], &mut rng).len());
    }
}
