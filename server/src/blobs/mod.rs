//! Blobs: large encrypted values, kept under ids that nobody can guess.
//!
//! ```text
//! begin(id, what it will be) ─▶ append … append ─▶ finish(hash) ─▶ read …  ─▶ delete, or expire
//!                              an upload: resumed where it stands      a blob: never changes
//! ```
//!
//! [`BlobStore`] is what the relay needs of whoever keeps them, and `contract` checks it. [`directory`] keeps each in a file
//! of its own; an object store shared by several relays is another module. Who may do what, and how much of it, is decided
//! in front of this (`net/blobs.rs`). Blobs have no part in the storage's transactions: nothing there speaks of them.

pub mod directory;

#[cfg(test)]
mod contract;

use std::{fmt, io};

use wheesht_core::{proto::ids::BlobId, time::Timestamp};

/// What an upload is to become.
#[derive(Clone, PartialEq, Eq)]
pub struct Upload {
    /// Its length in bytes.
    pub length: u64,
    /// When it was begun.
    pub begun: Timestamp,
    /// SHA-256 of the secret that deletes it.
    pub delete_hash: [u8; 32],
    /// SHA-256 of the ticket that it was begun with, which goes on with it.
    pub ticket_hash: [u8; 32],
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { length, begun, delete_hash: _, ticket_hash: _ } = self;
        f.debug_struct("Upload").field("length", length).field("begun", begun).finish_non_exhaustive()
    }
}

/// What stands under an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// What it is, or is to become.
    pub upload: Upload,
    /// How many bytes are there.
    pub have: u64,
    /// Whether it is a blob by now.
    pub finished: bool,
}

/// Why a blob can't be kept or given.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// Nothing stands there, or nothing any more.
    #[error("no such blob")]
    Missing,
    /// There is no room.
    #[error("no room for blobs")]
    NoRoom,
    /// The upload stands elsewhere than was thought, or the id is in use.
    #[error("the upload doesn't stand there")]
    Conflict,
    /// What came in has another hash than was promised, and is gone.
    #[error("not the bytes that were promised")]
    WrongHash,
    /// The system refused.
    #[error("blobs can't be read or written: {0}")]
    Io(#[from] io::Error),
}

/// Keeps blobs. Calls block; those for one upload come one at a time, all others at once from many threads.
///
/// The contract: what [`BlobStore::finish`] has confirmed is durable, and is what was promised. An upload loses at most its
/// end to a crash, and what it then holds is found out by its hash. Nothing half written is ever read.
pub trait BlobStore: Send + Sync {
    /// What stands under an id.
    fn find(&self, id: &BlobId) -> Result<Option<Stored>, BlobError>;
    /// Begins an upload where nothing stands, and sets its room aside.
    fn begin(&self, id: &BlobId, upload: &Upload) -> Result<(), BlobError>;
    /// Adds to an upload, which must stand at `offset`.
    fn append(&self, id: &BlobId, offset: u64, bytes: &[u8]) -> Result<(), BlobError>;
    /// Makes a complete upload a blob, if its SHA-256 is this: durable on return. With another hash the upload is deleted.
    fn finish(&self, id: &BlobId, hash: &[u8; 32]) -> Result<(), BlobError>;
    /// So many bytes of a blob.
    fn read(&self, id: &BlobId, offset: u64, length: usize) -> Result<Vec<u8>, BlobError>;
    /// Deletes a blob or an upload.
    fn delete(&self, id: &BlobId) -> Result<(), BlobError>;
    /// Deletes blobs begun before `blobs`, and uploads begun before `uploads`.
    fn expire(&self, blobs: Timestamp, uploads: Timestamp) -> Result<(), BlobError>;
    /// Bytes taken or set aside.
    fn used(&self) -> u64;
    /// Whether this much more would fit.
    fn has_room(&self, length: u64) -> bool;
}
