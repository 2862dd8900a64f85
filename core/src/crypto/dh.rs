//! X25519 (RFC 7748): secrets that keep their public half, and agreements that refuse an all-zero output.
//!
//! The public half costs a scalar multiplication to compute, so it is kept beside the secret and stored with it.

use std::fmt;

use rand_core::CryptoRng;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use super::secret::{Secret, secret};

/// A public key as its 32 bytes. Any 32 bytes are one; what leads to no agreement is refused when it is used.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DhPublic([u8; 32]);

impl DhPublic {
    /// Wraps the bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// A copy of the bytes for a protobuf field.
    pub fn to_vec(self) -> Vec<u8> {
        self.0.to_vec()
    }
}

impl TryFrom<&[u8]> for DhPublic {
    type Error = std::array::TryFromSliceError;

    fn try_from(bytes: &[u8]) -> Result<Self, Self::Error> {
        bytes.try_into().map(Self)
    }
}

impl fmt::Debug for DhPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DhPublic(")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

/// A secret key with its public half. Wiped on drop.
#[derive(Clone)]
pub struct DhSecret {
    secret: StaticSecret,
    public: DhPublic,
}

secret! {
    /// What two sides agreed on: input to a derivation, never a key itself.
    pub struct SharedSecret;
}

/// The other side's key is of small order: the agreement would be all zero, whatever our secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the public key leads to no agreement")]
pub struct LowOrderPoint;

impl DhSecret {
    /// Length of the stored form: secret, then public half.
    pub const STORED_LEN: usize = 64;

    /// A fresh key pair.
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self::from_secret(StaticSecret::random_from_rng(rng))
    }

    /// From the 32-byte secret alone; computes the public half.
    pub fn from_secret_bytes(secret: &[u8; 32]) -> Self {
        Self::from_secret(StaticSecret::from(*secret))
    }

    /// From the stored form. The public half is taken as it stands: read it only from where it can't have been changed.
    pub fn restore(stored: &[u8; Self::STORED_LEN]) -> Self {
        let mut secret = Zeroizing::new([0; 32]);
        let mut public = [0; 32];
        let (first, second) = stored.split_at(32);
        secret.copy_from_slice(first);
        public.copy_from_slice(second);
        Self { secret: StaticSecret::from(*secret), public: DhPublic(public) }
    }

    /// The stored form: secret, then public half.
    pub fn store(&self) -> Zeroizing<[u8; Self::STORED_LEN]> {
        let mut stored = Zeroizing::new([0; Self::STORED_LEN]);
        let (first, second) = stored.split_at_mut(32);
        first.copy_from_slice(self.secret.as_bytes());
        second.copy_from_slice(&self.public.0);
        stored
    }

    /// The public half.
    pub const fn public(&self) -> &DhPublic {
        &self.public
    }

    /// The agreement with another's public key.
    ///
    /// # Errors
    /// [`LowOrderPoint`] if the output is all zero.
    pub fn agree(&self, theirs: &DhPublic) -> Result<SharedSecret, LowOrderPoint> {
        let shared = self.secret.diffie_hellman(&PublicKey::from(theirs.0));
        // SES-4
        if !shared.was_contributory() {
            return Err(LowOrderPoint);
        }
        Ok(SharedSecret::restore(shared.as_bytes()))
    }

    fn from_secret(secret: StaticSecret) -> Self {
        let public = DhPublic(PublicKey::from(&secret).to_bytes());
        Self { secret, public }
    }
}

impl fmt::Debug for DhSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { secret: _, public } = self;
        f.debug_struct("DhSecret").field("public", public).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chacha20::{ChaCha20Rng, rand_core::SeedableRng};

    #[test]
    fn both_sides_agree_and_the_stored_form_restores() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let (a, b) = (DhSecret::generate(&mut rng), DhSecret::generate(&mut rng));
        let restored = DhSecret::restore(&a.store());
        assert_eq!(restored.public(), a.public());
        assert_eq!(restored.agree(b.public()).unwrap().expose(), b.agree(a.public()).unwrap().expose());
        assert_eq!(format!("{a:?}"), format!("DhSecret {{ public: {:?}, .. }}", a.public()));
    }

    /// The points whose order divides 8, in every spelling that fits 32 bytes (RFC 7748, section 6.1).
    #[test]
    fn ses_4_an_all_zero_agreement_is_refused() {
        let p = |first: u8, last: u8| {
            let mut bytes = [0xff; 32];
            bytes[0] = first;
            bytes[31] = last;
            bytes
        };
        let mut one = [0; 32];
        one[0] = 1;
        let small = [[0; 32], one, p(0xec, 0x7f), p(0xed, 0x7f), p(0xee, 0x7f), p(0xed, 0xff)];
        let secret = DhSecret::from_secret_bytes(&[0x42; 32]);
        for point in small {
            assert_eq!(secret.agree(&DhPublic::new(point)).err(), Some(LowOrderPoint), "{point:02x?}");
        }
    }
}
