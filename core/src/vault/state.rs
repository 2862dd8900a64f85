//! The state vault: a group of entries is a record, found, written and read with the state key alone.
//!
//! Everything about a group's record follows from the state key and the group's name: the write key, the salt and so the id,
//! and the sealing key. A device that has the state key needs nothing else to find the vault, and when the state key is
//! replaced, all of it is another: the old records are closed for good by a last write that hands them to a key nobody has.

use std::fmt;

use prost::Message;
use rand_core::CryptoRng;
use sha2::{Digest as _, Sha256};
use wheesht_proto::{account::VaultGroup, ids::RecordId, relay};
use zeroize::Zeroizing;

use super::{FORMAT, VaultError, body, prefixed};
use crate::{
    crypto::{
        aead::{open_salted, seal_salted},
        kdf::Prf,
        secret::{Secret, secret},
        sign::SigningKey,
    },
    protocol::padding,
    signed::{Record, UnverifiedRecord, record::SALT_LEN, record_id},
};

const COMMITMENT: &[u8] = b"wheesht/1 state key commitment";
const WRITE_KEY: &str = "wheesht/1 state vault write key";
const RECORD_SALT: &str = "wheesht/1 state vault record salt";
const SEALING_KEY: &str = "wheesht/1 state vault sealing key";
const SEAL: &str = "wheesht/1 state vault seal";

secret! {
    /// The key of the state vault, random, held by every device of the account.
    pub struct StateKey;
}

impl StateKey {
    /// What a manifest commits to: this key, as the one of that epoch (ACC-16).
    pub fn commitment(&self, epoch: u64) -> [u8; 32] {
        Sha256::new()
            .chain_update(COMMITMENT)
            .chain_update(epoch.to_be_bytes())
            .chain_update(self.expose())
            .finalize()
            .into()
    }
}

secret! {
    /// Seals the values of one group's record.
    struct SealingKey;
}

secret! {
    struct WriteSecret;
}

secret! {
    /// 32 bytes of which the record's salt takes the first 16. Not confidential once the record stands.
    struct RecordSalt;
}

/// Everything that finds, writes and reads one group of the state vault.
pub struct VaultKeys {
    name: String,
    write_key: SigningKey,
    salt: [u8; SALT_LEN],
    sealing_key: SealingKey,
}

impl VaultKeys {
    /// The keys of the group with this name (VLT-3).
    pub fn derive(state_key: &StateKey, name: &str) -> Self {
        let prf = Prf::new(state_key);
        let context: &[&[u8]] = &[name.as_bytes()];
        let write_secret: WriteSecret = prf.derive(WRITE_KEY, context);
        let salt: RecordSalt = prf.derive(RECORD_SALT, context);
        let (salt, _) = salt.expose().split_first_chunk().unwrap_or((&[0; SALT_LEN], &[]));
        Self {
            name: name.to_owned(),
            write_key: SigningKey::from_secret_bytes(write_secret.expose()),
            salt: *salt,
            sealing_key: prf.derive(SEALING_KEY, context),
        }
    }

    /// Where the group lies on the relay.
    pub fn record_id(&self) -> RecordId {
        record_id(&self.write_key.verifying_key(), &self.salt)
    }

    /// The group's first version.
    ///
    /// # Errors
    /// [`VaultError::Record`] if it is too large for a record.
    pub fn first(
        &self,
        group: &VaultGroup,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Record, VaultError> {
        let value = self.seal(1, None, group, rng);
        Ok(Record::create(&self.write_key, self.salt, None, value)?)
    }

    /// The version after `previous`.
    ///
    /// # Errors
    /// [`VaultError::Record`] if it is too large for a record, or the group has been closed.
    pub fn next(
        &self,
        previous: &Record,
        group: &VaultGroup,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Record, VaultError> {
        let value = self.seal(previous.version().saturating_add(1), Some(previous.hash()), group, rng);
        Ok(previous.next(&self.write_key, None, value)?)
    }

    /// The last version (VLT-5): empty, and signed over to a key that is thrown away, so that whoever still has the old state key
    /// writes here no more.
    ///
    /// # Errors
    /// [`VaultError::Record`] if the group has been closed already.
    pub fn close(
        &self,
        previous: &Record,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Record, VaultError> {
        let version = previous.version().saturating_add(1);
        let value = self.seal(version, Some(previous.hash()), &VaultGroup::default(), rng);
        let nobody = SigningKey::generate(rng).verifying_key();
        Ok(previous.next(&self.write_key, Some(&nobody), value)?)
    }

    /// Checks a record from the relay: that it is this group's, and written with the state key.
    ///
    /// # Errors
    /// [`VaultError::Record`].
    pub fn verify(&self, record: relay::Record) -> Result<Record, VaultError> {
        let unverified = UnverifiedRecord::read(record)?;
        Ok(unverified.verify_written_by(&self.record_id(), &self.write_key.verifying_key())?)
    }

    /// Whether a version is the last one: the group has moved on with another state key.
    pub fn is_closed(&self, record: &Record) -> bool {
        *record.next_writer() != self.write_key.verifying_key()
    }

    /// Reads a version of the group.
    ///
    /// # Errors
    /// [`VaultError::NotAuthentic`] if it wasn't sealed for this place in the record's history; [`VaultError::Format`];
    /// [`VaultError::Malformed`].
    pub fn open(&self, record: &Record) -> Result<VaultGroup, VaultError> {
        let aad = self.aad(record.version(), record.previous());
        let opened = open_salted(&self.sealing_key, SEAL, &aad, body(record.value())?);
        let padded = opened.map_err(|_| VaultError::NotAuthentic)?;
        let encoded = padding::unpad(&padded).map_err(|_| VaultError::Malformed)?;
        VaultGroup::decode(encoded).map_err(|_| VaultError::Malformed)
    }

    #[cfg(test)]
    pub(super) fn write_key(&self) -> &SigningKey {
        &self.write_key
    }

    fn seal(
        &self,
        version: u64,
        previous: Option<[u8; 32]>,
        group: &VaultGroup,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Vec<u8> {
        let encoded = Zeroizing::new(group.encode_to_vec());
        let mut sealed = vec![FORMAT];
        let padded = padding::pad(&encoded);
        sealed.extend(seal_salted(&self.sealing_key, SEAL, &self.aad(version, previous), &padded, rng));
        sealed
    }

    /// VLT-4: name, version and the hash of the version before. A relay can show neither another group's content nor this
    /// group's at another point of its history.
    fn aad(&self, version: u64, previous: Option<[u8; 32]>) -> Vec<u8> {
        let previous = previous.as_ref().map_or(&[][..], |hash| hash);
        [&prefixed(self.name.as_bytes())[..], &version.to_be_bytes(), &prefixed(previous)].concat()
    }
}

impl fmt::Debug for VaultKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, write_key: _, salt: _, sealing_key: _ } = self;
        f.debug_struct("VaultKeys").field("name", name).finish_non_exhaustive()
    }
}
