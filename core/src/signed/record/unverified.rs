//! From a frame to a record: its form, its id, its signature.

use wheesht_proto::{ids::RecordId, limits::MAX_RECORD, relay};

use super::{Fields, LABEL, Record, RecordError, record_id};
use crate::crypto::sign::{Signature, VerifyingKey};

/// A record as a frame said it.
#[derive(Debug, Clone)]
pub struct UnverifiedRecord(Record);

impl UnverifiedRecord {
    /// Reads a record out of a frame.
    ///
    /// # Errors
    /// [`RecordError::Malformed`], [`RecordError::TooLarge`], or [`RecordError::WrongId`] if the id of a first version does
    /// not follow from its key and salt.
    pub fn read(message: relay::Record) -> Result<Self, RecordError> {
        // REC-3
        if message.value.len() > MAX_RECORD {
            return Err(RecordError::TooLarge);
        }
        let record = parse(message).ok_or(RecordError::Malformed)?;
        // REC-1
        match &record.salt {
            Some(salt) if record_id(&record.write_key, salt) != record.id => Err(RecordError::WrongId),
            _ => Ok(Self(record)),
        }
    }

    /// The id it claims.
    pub fn id(&self) -> RecordId {
        self.0.id
    }

    /// The version it claims to be.
    pub fn version(&self) -> u64 {
        self.0.version
    }

    /// Checks the signature by the write key that it names. Whether that key may write is
    /// [`Record::check_next`]'s question, or the reader's ([`Self::verify_written_by`]).
    ///
    /// # Errors
    /// [`RecordError::WrongId`] if it isn't the record expected; [`RecordError::BadSignature`].
    pub fn verify(self, expected: &RecordId) -> Result<Record, RecordError> {
        let Self(record) = self;
        if record.id != *expected {
            return Err(RecordError::WrongId);
        }
        // REC-3
        record
            .write_key
            .verify(&LABEL, &[&record.hash], &record.signature)
            .map_err(|_| RecordError::BadSignature)?;
        Ok(record)
    }

    /// As [`Self::verify`], for a reader who knows the write key.
    ///
    /// # Errors
    /// Also [`RecordError::WrongWriter`].
    pub fn verify_written_by(
        self,
        expected: &RecordId,
        write_key: &VerifyingKey,
    ) -> Result<Record, RecordError> {
        if self.0.write_key == *write_key { self.verify(expected) } else { Err(RecordError::WrongWriter) }
    }

    /// Takes it at its word. **Only** for what this program has verified before and kept where nobody else writes: its own
    /// store.
    pub fn assume_verified(self) -> Record {
        self.0
    }
}

fn parse(message: relay::Record) -> Option<Record> {
    let relay::Record { id, version, previous, write_key, next_write_key, salt, value, signature } = message;
    let first = version == 1;
    let fields = Fields {
        id: RecordId::try_from(&*id).ok()?,
        version: (version > 0).then_some(version)?,
        // REC-3: the first version has a salt and nothing before it; every other the reverse.
        previous: optional(&previous, |hash| hash.try_into().ok())?,
        salt: optional(&salt, |salt| salt.try_into().ok())?,
        next_write_key: optional(&next_write_key, |key| VerifyingKey::try_from(key).ok())?,
        value,
    };
    if fields.previous.is_none() != first || fields.salt.is_some() != first {
        return None;
    }
    let write_key = VerifyingKey::try_from(&*write_key).ok()?;
    let hash = fields.hash(&write_key);
    let signature = Signature::try_from(&*signature).ok()?;
    let Fields { id, version, previous, salt, next_write_key, value } = fields;
    Some(Record { id, version, previous, write_key, next_write_key, salt, value, signature, hash })
}

/// An empty field is an absent one; any other must be of its form.
fn optional<T>(bytes: &[u8], read: impl FnOnce(&[u8]) -> Option<T>) -> Option<Option<T>> {
    if bytes.is_empty() { Some(None) } else { read(bytes).map(Some) }
}
