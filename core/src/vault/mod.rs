//! The two vaults: what an account keeps on its relay that the relay can't read.
//!
//! ```text
//! password ──OPAQUE──▶ ExportKey ──▶ root vault { identity key, state key }     beside the account, swapped whole
//!                                                      │
//!                                                      ▼
//!                                    state vault: groups of entries             a record each, compare-and-swap
//! ```
//!
//! The *root vault* is opened only while the password is typed; nothing that opens it is ever stored. The *state vault* is what
//! the devices know together (contacts, settings, keys they share): every device holds the state key. So a stolen device reads
//! the state vault, but doesn't own the account. When a device is removed the state key is replaced: the vault moves to new
//! records, whose ids and write keys nobody can derive who doesn't hold the new key.
//!
//! Sealing is key-committing and salted: no counter can repeat after a restored backup. What the entries mean and which of two
//! versions wins is the engine's concern. Specification: `proto/spec/account.md`, section *Vaults*.

mod root;
mod state;

pub use root::{RootSecrets, open_root, seal_root};
pub use state::{StateKey, VaultKeys};

use crate::signed::RecordError;

/// First byte of a sealed vault: the form of what follows.
const FORMAT: u8 = 1;

/// Why a vault can't be opened or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// Not sealed under this key for this place: another password, another account, or changed bytes.
    #[error("the vault can't be opened")]
    NotAuthentic,
    /// Of a form that this version doesn't know: a newer device wrote it.
    #[error("vault of format {0}, which this version doesn't know")]
    Format(u8),
    /// Authentic, but not what a vault holds: a defect of the device that wrote it.
    #[error("malformed vault")]
    Malformed,
    /// The record around it is refused; [`RecordError::TooLarge`] if a group has grown beyond what a record holds.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// The bytes after the format byte (VLT-6).
fn body(sealed: &[u8]) -> Result<&[u8], VaultError> {
    match sealed.split_first() {
        Some((&FORMAT, body)) => Ok(body),
        Some((&other, _)) => Err(VaultError::Format(other)),
        None => Err(VaultError::NotAuthentic),
    }
}

/// `bytes` with their length (4 bytes, big-endian) in front, so that what follows can't be taken for a part of them.
fn prefixed(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes();
    [&length, bytes].concat()
}

#[cfg(test)]
mod tests;
