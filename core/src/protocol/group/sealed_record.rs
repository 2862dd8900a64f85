//! What a group's record looks like to its relay: a number, and bytes.
//!
//! ```text
//! epoch ‖ AEAD(derive(outer key), group, record id, epoch; padded RecordContent)
//!       ‖ AEAD(derive(outer key of the epoch before), …; the change that began this epoch)
//! ```
//!
//! The second part is for those who lack the new key: who was removed learns that and by whom, and nothing that followed; who
//! belongs learns that there is a key to ask for. Rules: `proto/spec/group.md`.

use rand_core::CryptoRng;
use wheesht_proto::{
    group::{RecordContent, SealedRecord},
    ids::{GroupId, RecordId},
    limits::MAX_GROUP_CHANGE,
    prost::Message as _,
};
use zeroize::Zeroizing;

use super::OuterKey;
use crate::{crypto::aead, protocol::padding, signed::decode_canonical};

const CONTENT: &str = "wheesht/1 group record";
const FAREWELL: &str = "wheesht/1 group farewell";

/// Bytes that a record has for its content. Padded, and with the farewell beside it, it stays within what a relay takes; a
/// farewell that doesn't fit is left out.
pub const RECORD_ROOM: usize = 224 * 1024;

/// What is known of the place where the record lies: part of what is authenticated, so that one group's record is worth nothing
/// in the place of another's.
#[derive(Debug, Clone, Copy)]
pub struct RecordKeyPlace<'a> {
    /// Whose.
    pub group: &'a GroupId,
    /// Which.
    pub record: &'a RecordId,
}

impl RecordKeyPlace<'_> {
    fn context(&self, epoch: u64) -> Vec<u8> {
        [&self.group.as_bytes()[..], &self.record.as_bytes()[..], &epoch.to_be_bytes()].concat()
    }

    /// Seals a record's content.
    // GRP-24
    pub fn seal(
        &self,
        epoch: u64,
        key: &OuterKey,
        content: &RecordContent,
        farewell: &[u8],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Vec<u8> {
        let content = Zeroizing::new(content.encode_to_vec());
        let context = self.context(epoch);
        let sealed = aead::seal_salted(key, CONTENT, &context, &padding::pad(&content), rng);
        SealedRecord { epoch, sealed, farewell: farewell.to_vec() }.encode_to_vec()
    }

    /// Opens a record's content.
    pub fn open(&self, record: &SealedRecord, key: &OuterKey) -> Option<RecordContent> {
        let padded = aead::open_salted(key, CONTENT, &self.context(record.epoch), &record.sealed).ok()?;
        let content = padding::unpad(&padded).ok()?;
        RecordContent::decode(content).ok()
    }

    /// Seals the change that began `epoch` for those who have the key of the epoch before.
    // GRP-25
    pub fn seal_farewell(
        &self,
        epoch: u64,
        before: &OuterKey,
        change: &[u8],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Vec<u8> {
        aead::seal_salted(before, FAREWELL, &self.context(epoch), &padding::pad(change), rng)
    }

    /// Opens that.
    pub fn open_farewell(&self, record: &SealedRecord, before: &OuterKey) -> Option<Vec<u8>> {
        let context = self.context(record.epoch);
        let padded = aead::open_salted(before, FAREWELL, &context, &record.farewell).ok()?;
        let change = padding::unpad(&padded).ok()?;
        (change.len() <= MAX_GROUP_CHANGE).then(|| change.to_vec())
    }
}

/// Reads a record's value.
pub fn read_sealed(value: &[u8]) -> Option<SealedRecord> {
    decode_canonical(value)
}
