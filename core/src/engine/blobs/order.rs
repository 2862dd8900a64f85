//! What the driver is asked to do with blobs, and what it says about it: plain data.

use std::fmt;

use wheesht_proto::{address::RelayAddress, ids::BlobId};
use zeroize::Zeroizing;

use crate::protocol::attachment::{Digest, FileKey};

/// A blob, and the file that it is.
pub struct Blob {
    /// The relay that keeps it.
    pub relay: RelayAddress,
    /// Its id there: whoever has it may fetch it.
    pub id: BlobId,
    /// Opens it.
    pub key: FileKey,
    /// What comes out.
    pub digest: Digest,
}

/// What is to be sent.
#[derive(Clone)]
pub enum Source {
    /// A file of this machine.
    Path {
        /// Where.
        path: String,
        /// As it is; else without what a picture says about its making.
        keep_metadata: bool,
    },
    /// These bytes.
    Bytes(Zeroizing<Vec<u8>>),
}

/// Where what is fetched goes.
#[derive(Clone)]
pub enum Target {
    /// Into a directory of this machine, under this name or one like it that is free.
    Directory {
        /// Which; none: the driver's own.
        directory: Option<String>,
        /// Clean: see `files::name`.
        name: String,
    },
    /// Into memory: only for what is known to be small.
    Memory,
}

/// Work with a blob.
pub enum BlobOrder {
    /// Look at what is to be sent.
    Look(Source),
    /// Encrypt it and bring it to its relay, from where an earlier attempt ended.
    Upload {
        /// What it will be. The digest is what the file was when it was looked at.
        blob: Blob,
        /// The file.
        source: Source,
        /// Pays for it.
        ticket: [u8; 32],
        /// SHA-256 of what deletes it.
        delete_hash: [u8; 32],
    },
    /// Fetch it, from where an earlier attempt ended, and decrypt it.
    Download {
        /// Which.
        blob: Blob,
        /// Where to.
        target: Target,
    },
    /// Delete it.
    Delete {
        /// Where it is.
        relay: RelayAddress,
        /// Which.
        id: BlobId,
        /// What was uploaded as a hash.
        secret: [u8; 32],
    },
    /// Remove a file that was fetched unasked, with the message that it belonged to.
    Erase {
        /// Where it was saved.
        path: String,
    },
    /// Remove what a download that is given up has left.
    Discard {
        /// Of which blob.
        id: BlobId,
        /// As the download had it.
        target: Target,
    },
}

impl BlobOrder {
    /// What kind of work it is, for logs: nothing of what it is about.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Look(_) => "look",
            Self::Upload { .. } => "upload",
            Self::Download { .. } => "download",
            Self::Delete { .. } => "delete",
            Self::Erase { .. } => "erase",
            Self::Discard { .. } => "discard",
        }
    }
}

/// What a file to be sent is.
pub struct Looked {
    /// Where it is, from the root of the file system.
    pub path: String,
    /// The last part of that.
    pub name: String,
    /// As it will be sent.
    pub digest: Digest,
    /// By its content.
    pub media_type: String,
    /// Of a picture.
    pub picture: Option<LookedPicture>,
}

/// What a picture to be sent looks like.
pub struct LookedPicture {
    /// As it is shown.
    pub width: u32,
    /// As it is shown.
    pub height: u32,
    /// A small JPEG of it, if it could be made.
    pub preview: Vec<u8>,
}

/// What the driver says about an order. Everything but [`Self::Progress`] is its last word.
pub enum BlobReport {
    /// To [`BlobOrder::Look`].
    Looked(Box<Looked>),
    /// So many bytes of the file have passed.
    Progress {
        /// Of the content.
        done: u64,
    },
    /// It is a blob, durably.
    Uploaded,
    /// Every byte was verified, and it has its name.
    Saved {
        /// Where.
        path: String,
        /// By its content, if that tells.
        media_type: Option<String>,
    },
    /// To [`Target::Memory`]: every byte was verified.
    Fetched(Zeroizing<Vec<u8>>),
    /// It is not there any more.
    Deleted,
    /// It did not come to that.
    Failed(BlobFailure),
}

/// Why an order was not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlobFailure {
    /// The file to be sent can't be read: why, for a person.
    Source(String),
    /// The file to be sent is no longer the one that was looked at.
    Changed,
    /// What a picture says about its making can't be taken out of it: why, for a person.
    Metadata(String),
    /// Too large for any relay.
    TooLarge,
    /// What is fetched can't be written: why, for a person.
    Disk(String),
    /// The relay can't be reached, or the connection broke.
    Network(String),
    /// The relay showed another key than the one it is known by.
    Untrusted(String),
    /// The ticket is not good for this.
    BadTicket,
    /// Something else stands under the id.
    Taken,
    /// The relay is busy; try again after so long (milliseconds).
    Busy(u32),
    /// The relay takes none so large.
    RelayTooLarge,
    /// The relay has no room.
    NoRoom,
    /// What arrived there is not what was sent.
    Garbled,
    /// It is not there (any more).
    Gone,
    /// The secret is not the blob's.
    WrongSecret,
    /// The relay answered with this status, which makes no sense here.
    Status(u16),
    /// What the relay gave is not the file.
    NotAuthentic,
    /// The file was made by a newer version.
    Newer,
}

impl fmt::Debug for BlobReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Looked(_) => f.write_str("Looked"),
            Self::Progress { done } => f.debug_struct("Progress").field("done", done).finish(),
            Self::Uploaded => f.write_str("Uploaded"),
            Self::Saved { .. } => f.write_str("Saved"),
            Self::Fetched(_) => f.write_str("Fetched"),
            Self::Deleted => f.write_str("Deleted"),
            Self::Failed(failure) => f.debug_tuple("Failed").field(failure).finish(),
        }
    }
}

impl fmt::Debug for BlobOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
