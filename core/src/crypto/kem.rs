//! ML-KEM-768 (FIPS 203) behind one trait, so that the library behind it can be replaced.
//!
//! A secret key is kept as its 64-byte seed (FIPS 203 allows it): small to store, and there is no expanded key whose form
//! would have to be checked. Expanding it costs about as much as one decapsulation.

use std::fmt;

use libcrux_ml_kem::mlkem768::{self, MlKem768Ciphertext, MlKem768PublicKey};
use rand_core::CryptoRng;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::secret::{Secret, secret};

secret! {
    /// What encapsulation and decapsulation agree on: input to a derivation, never a key itself.
    pub struct KemShared;
}

/// The public key is not one that FIPS 203 lets encapsulate to: another length, or coefficients not reduced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid KEM public key")]
pub struct InvalidKemKey;

/// The ciphertext has another length than the KEM's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a KEM ciphertext")]
pub struct InvalidKemCiphertext;

/// A key encapsulation mechanism with implicit rejection: a changed ciphertext gives another secret, not an error.
pub trait Kem {
    /// Length of an encoded public key in bytes.
    const PUBLIC_LEN: usize;
    /// Length of a ciphertext in bytes.
    const CIPHERTEXT_LEN: usize;

    /// The encoded public key of a seed.
    fn public_key(seed: &KemSeed) -> Vec<u8>;

    /// A fresh secret for the holder of `public`, and the ciphertext that carries it.
    ///
    /// # Errors
    /// [`InvalidKemKey`] if FIPS 203's check of the key fails.
    fn encapsulate(
        public: &[u8],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Vec<u8>, KemShared), InvalidKemKey>;

    /// The secret that a ciphertext carries, and the encoded public key it was made for.
    ///
    /// # Errors
    /// [`InvalidKemCiphertext`] for another length.
    fn decapsulate(seed: &KemSeed, ciphertext: &[u8]) -> Result<(KemShared, Vec<u8>), InvalidKemCiphertext>;
}

/// The seed (`d ‖ z`) of a KEM key pair. Wiped on drop.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct KemSeed([u8; Self::LEN]);

impl KemSeed {
    /// Length in bytes.
    pub const LEN: usize = 64;

    /// A fresh seed.
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut seed = Self([0; Self::LEN]);
        rng.fill_bytes(&mut seed.0);
        seed
    }

    /// A seed read back from where it was stored.
    pub fn restore(stored: &[u8; Self::LEN]) -> Self {
        Self(*stored)
    }

    /// The bytes, for storing them sealed.
    pub const fn expose(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl fmt::Debug for KemSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.debug_struct("KemSeed").finish_non_exhaustive()
    }
}

/// ML-KEM-768 by libcrux.
#[derive(Debug, Clone, Copy)]
pub struct MlKem768;

impl Kem for MlKem768 {
    const PUBLIC_LEN: usize = 1184;
    const CIPHERTEXT_LEN: usize = 1088;

    fn public_key(seed: &KemSeed) -> Vec<u8> {
        expand(seed).1
    }

    fn encapsulate(
        public: &[u8],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Vec<u8>, KemShared), InvalidKemKey> {
        let public = MlKem768PublicKey::try_from(public).map_err(|_| InvalidKemKey)?;
        // SES-18
        if !mlkem768::validate_public_key(&public) {
            return Err(InvalidKemKey);
        }
        let mut randomness = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *randomness);
        let (ciphertext, mut shared) = mlkem768::encapsulate(&public, *randomness);
        let secret = KemShared::restore(&shared);
        shared.zeroize();
        Ok((ciphertext.as_slice().to_vec(), secret))
    }

    fn decapsulate(seed: &KemSeed, ciphertext: &[u8]) -> Result<(KemShared, Vec<u8>), InvalidKemCiphertext> {
        let ciphertext = MlKem768Ciphertext::try_from(ciphertext).map_err(|_| InvalidKemCiphertext)?;
        let (secret_key, public) = expand(seed);
        let mut shared = mlkem768::decapsulate(&(&*secret_key).into(), &ciphertext);
        let secret = KemShared::restore(&shared);
        shared.zeroize();
        Ok((secret, public))
    }
}

fn expand(seed: &KemSeed) -> (Zeroizing<[u8; 2400]>, Vec<u8>) {
    let (secret, public) = mlkem768::generate_key_pair(seed.0).into_parts();
    (Zeroizing::new(secret.into()), public.as_slice().to_vec())
}

#[cfg(test)]
mod tests {
    use chacha20::{ChaCha20Rng, rand_core::SeedableRng};
    use ml_kem::{
        B32, KeyExport as _, MlKem768 as Other,
        kem::{Decapsulate as _, FromSeed as _, TryKeyInit as _},
    };

    use super::*;

    fn pairs() -> impl Iterator<Item = (KemSeed, ChaCha20Rng)> {
        (0..20).map(|seed| {
            let mut rng = ChaCha20Rng::seed_from_u64(seed);
            (KemSeed::generate(&mut rng), rng)
        })
    }

    #[test]
    fn libcrux_and_ml_kem_agree_both_ways() {
        for (seed, mut rng) in pairs() {
            let (decapsulation, encapsulation) =
                Other::from_seed(&seed.expose().as_slice().try_into().unwrap());
            let public = MlKem768::public_key(&seed);
            assert_eq!(encapsulation.to_bytes().as_slice(), public);

            let (ciphertext, shared) = MlKem768::encapsulate(&public, &mut rng).unwrap();
            let theirs = decapsulation.decapsulate_slice(&ciphertext).unwrap();
            assert_eq!(theirs.as_slice(), shared.expose());

            let key = ml_kem::EncapsulationKey::<Other>::new_from_slice(&public).unwrap();
            let (ciphertext, theirs) = key.encapsulate_deterministic(&B32::from([9; 32]));
            let (shared, again) = MlKem768::decapsulate(&seed, &ciphertext).unwrap();
            assert_eq!(theirs.as_slice(), shared.expose());
            assert_eq!(again, public);
        }
    }

    #[test]
    fn a_changed_ciphertext_gives_another_secret_in_both() {
        for (seed, mut rng) in pairs() {
            let (decapsulation, _) = Other::from_seed(&seed.expose().as_slice().try_into().unwrap());
            let (mut ciphertext, shared) =
                MlKem768::encapsulate(&MlKem768::public_key(&seed), &mut rng).unwrap();
            ciphertext[7] ^= 1;
            let (ours, _) = MlKem768::decapsulate(&seed, &ciphertext).unwrap();
            assert_ne!(ours.expose(), shared.expose());
            assert_eq!(ours.expose(), decapsulation.decapsulate_slice(&ciphertext).unwrap().as_slice());
        }
    }

    #[test]
    fn ses_18_a_public_key_out_of_range_is_refused() {
        let (seed, mut rng) = pairs().next().unwrap();
        let mut public = MlKem768::public_key(&seed);
        public[..3].fill(0xff);
        assert_eq!(MlKem768::encapsulate(&public, &mut rng).err(), Some(InvalidKemKey));
        assert_eq!(MlKem768::encapsulate(&public[1..], &mut rng).err(), Some(InvalidKemKey));
        assert_eq!(MlKem768::decapsulate(&seed, &[0; 1087]).err(), Some(InvalidKemCiphertext));
    }
}
