//! Records: small signed, versioned values on a relay, written by compare-and-swap.
//!
//! Whoever holds the write key may write, and nobody needs to say who they are. The id is a hash of the first write key and
//! a salt, so an id can't be squatted; each version names the hash of the one before, so two writers at once can't both
//! succeed; and each may name the key that signs the next, so a write key is replaced by the last write under the old one.
//! The value is opaque here and on the relay: what it means, and its encryption, bind the rest.
//!
//! A relay checks the whole chain as it grows. A reader sees one version and knows who may have written it only from what it
//! remembers: the version before, or the write key.
//!
//! Specification: `proto/spec/records.md`.

mod unverified;

use sha2::{Digest, Sha256};
use wheesht_proto::{ids::RecordId, limits::MAX_RECORD, relay};

pub use unverified::UnverifiedRecord;

use crate::crypto::sign::{Label, Signature, SigningKey, VerifyingKey};

const LABEL: Label = Label::new("wheesht/1 record");
const ID_DOMAIN: &[u8] = b"wheesht/1 record id";
const HASH_DOMAIN: &[u8] = b"wheesht/1 record hash";

/// Length of the salt that makes, with the first write key, a record's id.
pub const SALT_LEN: usize = 16;

/// Why a record is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// A field is not of its form.
    #[error("malformed record")]
    Malformed,
    /// The value is larger than a record may be.
    #[error("the record's value is too large")]
    TooLarge,
    /// It has another id than the one asked for, or the id does not follow from first write key and salt.
    #[error("the record's id is not the one expected")]
    WrongId,
    /// A first version was needed.
    #[error("version {0} of a record where the first one was needed")]
    NotFirst(u64),
    /// It does not continue what stands: another write came first.
    #[error("the record does not continue version {stands}")]
    Conflict {
        /// The version that stands.
        stands: u64,
    },
    /// Signed by another key than the one that may write.
    #[error("this key may not write the record")]
    WrongWriter,
    /// The signature does not hold.
    #[error("the record's signature does not hold")]
    BadSignature,
}

/// The id of the record that begins with this write key and salt (REC-1).
pub fn record_id(first_write_key: &VerifyingKey, salt: &[u8; SALT_LEN]) -> RecordId {
    let digest =
        Sha256::new().chain_update(ID_DOMAIN).chain_update(first_write_key.as_bytes()).chain_update(salt);
    RecordId::new(digest.finalize().into())
}

/// One version of a record, its signature verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    id: RecordId,
    version: u64,
    previous: Option<[u8; 32]>,
    write_key: VerifyingKey,
    next_write_key: Option<VerifyingKey>,
    salt: Option<[u8; SALT_LEN]>,
    value: Vec<u8>,
    signature: Signature,
    hash: [u8; 32],
}

impl Record {
    /// Version 1 of a new record, signed by its first write key.
    ///
    /// # Errors
    /// [`RecordError::TooLarge`].
    pub fn create(
        write_key: &SigningKey,
        salt: [u8; SALT_LEN],
        next_write_key: Option<&VerifyingKey>,
        value: Vec<u8>,
    ) -> Result<Self, RecordError> {
        let id = record_id(&write_key.verifying_key(), &salt);
        Fields {
            id,
            version: 1,
            previous: None,
            salt: Some(salt),
            next_write_key: next_write_key.copied(),
            value,
        }
        .sign(write_key)
    }

    /// The next version, signed by the key that may write it.
    ///
    /// # Errors
    /// [`RecordError::WrongWriter`] if this key may not; [`RecordError::TooLarge`].
    pub fn next(
        &self,
        write_key: &SigningKey,
        next_write_key: Option<&VerifyingKey>,
        value: Vec<u8>,
    ) -> Result<Self, RecordError> {
        if write_key.verifying_key() != *self.next_writer() {
            return Err(RecordError::WrongWriter);
        }
        Fields {
            id: self.id,
            version: self.version.saturating_add(1),
            previous: Some(self.hash),
            salt: None,
            next_write_key: next_write_key.copied(),
            value,
        }
        .sign(write_key)
    }

    /// The record's id.
    pub fn id(&self) -> RecordId {
        self.id
    }

    /// 1, 2, 3, …
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The hash by which the next version names this one; it covers everything but the signature.
    pub fn hash(&self) -> [u8; 32] {
        self.hash
    }

    /// The hash of the version before; none in version 1.
    pub fn previous(&self) -> Option<[u8; 32]> {
        self.previous
    }

    /// The key that signed this version.
    pub fn write_key(&self) -> &VerifyingKey {
        &self.write_key
    }

    /// The key that must sign the next version.
    pub fn next_writer(&self) -> &VerifyingKey {
        self.next_write_key.as_ref().unwrap_or(&self.write_key)
    }

    /// The value, opaque here.
    pub fn value(&self) -> &[u8] {
        &self.value
    }

    /// The record as a frame carries it.
    pub fn to_message(&self) -> relay::Record {
        relay::Record {
            id: self.id.to_vec(),
            version: self.version,
            previous: self.previous.map(Vec::from).unwrap_or_default(),
            write_key: self.write_key.as_bytes().to_vec(),
            next_write_key: self.next_write_key.map(|key| key.as_bytes().to_vec()).unwrap_or_default(),
            salt: self.salt.map(Vec::from).unwrap_or_default(),
            value: self.value.clone(),
            signature: self.signature.to_vec(),
        }
    }

    /// Whether this version continues `previous`: the compare-and-swap.
    ///
    /// # Errors
    /// [`RecordError::WrongId`], [`RecordError::Conflict`] or [`RecordError::WrongWriter`].
    pub fn check_next(&self, previous: &Self) -> Result<(), RecordError> {
        if self.id != previous.id {
            return Err(RecordError::WrongId);
        }
        // REC-4
        let follows =
            previous.version.checked_add(1) == Some(self.version) && self.previous == Some(previous.hash);
        if !follows {
            return Err(RecordError::Conflict { stands: previous.version });
        }
        // REC-5
        if self.write_key == *previous.next_writer() { Ok(()) } else { Err(RecordError::WrongWriter) }
    }

    /// Whether this is a record's first version: what a relay asks where nothing stands.
    ///
    /// # Errors
    /// [`RecordError::NotFirst`].
    pub fn check_first(&self) -> Result<(), RecordError> {
        if self.version == 1 { Ok(()) } else { Err(RecordError::NotFirst(self.version)) }
    }
}

/// What a writer decides on; the rest of a record follows.
struct Fields {
    id: RecordId,
    version: u64,
    previous: Option<[u8; 32]>,
    salt: Option<[u8; SALT_LEN]>,
    next_write_key: Option<VerifyingKey>,
    value: Vec<u8>,
}

impl Fields {
    fn sign(self, key: &SigningKey) -> Result<Record, RecordError> {
        if self.value.len() > MAX_RECORD {
            return Err(RecordError::TooLarge);
        }
        let write_key = key.verifying_key();
        let hash = self.hash(&write_key);
        let Self { id, version, previous, salt, next_write_key, value } = self;
        let signature = key.sign(&LABEL, &[&hash]);
        Ok(Record { id, version, previous, write_key, next_write_key, salt, value, signature, hash })
    }

    /// REC-2: over every field, each optional one with its length in front, so nothing can be read in two ways.
    fn hash(&self, write_key: &VerifyingKey) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(HASH_DOMAIN);
        hash.update(self.id.as_bytes());
        hash.update(self.version.to_be_bytes());
        hash.update(write_key.as_bytes());
        let previous = self.previous.as_ref().map_or(&[][..], |hash| hash);
        let next_write_key = self.next_write_key.as_ref().map_or(&[][..], |key| key.as_bytes());
        let salt = self.salt.as_ref().map_or(&[][..], |salt| salt);
        for field in [previous, next_write_key, salt, &self.value] {
            hash.update((field.len() as u64).to_be_bytes());
            hash.update(field);
        }
        hash.finalize().into()
    }
}

#[cfg(test)]
mod tests;
