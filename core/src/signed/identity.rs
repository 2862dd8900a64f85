//! The two signing keys: an account's identity key and a device's own.
//!
//! The identity key *is* the account: its public half is the account id. It lies in the root vault and is in memory only
//! while a password is typed; a device that is stolen doesn't hold it. A device's signing key never leaves its device, and
//! the device id is a hash of its public half, so an id can't be claimed with another key.

use std::fmt;

use rand_core::CryptoRng;
use sha2::{Digest, Sha256};
use wheesht_proto::ids::{AccountId, DeviceId};
use zeroize::Zeroizing;

use crate::crypto::sign::{Label, Signature, SigningKey, VerifyingKey};

/// Domain of the hash that makes a device id.
const DEVICE_ID: &[u8] = b"wheesht/1 device id";

/// An account's identity key, wiped on drop. Signs certificates and manifests, nothing else.
pub struct IdentityKey(SigningKey);

impl IdentityKey {
    /// A new identity: a new account.
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self(SigningKey::generate(rng))
    }

    /// From the 32 bytes that the root vault holds.
    pub fn from_secret_bytes(secret: &[u8; 32]) -> Self {
        Self(SigningKey::from_secret_bytes(secret))
    }

    /// The 32 bytes for the root vault.
    pub fn to_secret_bytes(&self) -> Zeroizing<[u8; 32]> {
        self.0.to_secret_bytes()
    }

    /// The account: this key's public half.
    pub fn account_id(&self) -> AccountId {
        AccountId::new(*self.0.verifying_key().as_bytes())
    }

    pub(super) fn sign(&self, label: &Label, message: &[u8]) -> Signature {
        self.0.sign(label, &[message])
    }
}

impl fmt::Debug for IdentityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.debug_struct("IdentityKey").finish_non_exhaustive()
    }
}

/// A device's own signing key, wiped on drop. Signs prekeys, countersignatures, statements and logins.
pub struct DeviceSigningKey(SigningKey);

impl DeviceSigningKey {
    /// A new device.
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self(SigningKey::generate(rng))
    }

    /// From the 32 bytes that the device's store holds.
    pub fn from_secret_bytes(secret: &[u8; 32]) -> Self {
        Self(SigningKey::from_secret_bytes(secret))
    }

    /// The 32 bytes for the device's store.
    pub fn to_secret_bytes(&self) -> Zeroizing<[u8; 32]> {
        self.0.to_secret_bytes()
    }

    /// The public half, which the device's certificate names.
    pub fn verifying_key(&self) -> VerifyingKey {
        self.0.verifying_key()
    }

    /// The device's id: a hash of the public half.
    pub fn device_id(&self) -> DeviceId {
        device_id(&self.verifying_key())
    }

    /// Signs `label ‖ 0x00 ‖ parts…`; see [`SigningKey::sign`].
    pub fn sign(&self, label: &Label, parts: &[&[u8]]) -> Signature {
        self.0.sign(label, parts)
    }
}

impl fmt::Debug for DeviceSigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.debug_struct("DeviceSigningKey").finish_non_exhaustive()
    }
}

/// The id of the device that owns a signing key: the first 16 bytes of `SHA-256("wheesht/1 device id" ‖ key)` (ACC-4).
pub fn device_id(signing_key: &VerifyingKey) -> DeviceId {
    device_id_of(signing_key.as_bytes())
}

/// The same of a key's bytes, usable or not.
pub(crate) fn device_id_of(signing_key: &[u8; 32]) -> DeviceId {
    let digest: [u8; 32] = Sha256::new().chain_update(DEVICE_ID).chain_update(signing_key).finalize().into();
    let (id, _) = digest.split_first_chunk().unwrap_or((&[0; 16], &[]));
    DeviceId::new(*id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acc_4_ids_follow_from_the_keys() {
        let device = DeviceSigningKey::from_secret_bytes(&[2; 32]);
        assert_eq!(device.device_id(), device_id(&device.verifying_key()));
        assert_ne!(device.device_id(), DeviceSigningKey::from_secret_bytes(&[3; 32]).device_id());
    }

    #[test]
    fn secrets_are_not_shown() {
        assert_eq!(format!("{:?}", IdentityKey::from_secret_bytes(&[1; 32])), "IdentityKey { .. }");
        assert_eq!(format!("{:?}", DeviceSigningKey::from_secret_bytes(&[1; 32])), "DeviceSigningKey { .. }");
    }
}
