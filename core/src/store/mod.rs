//! The store: what a client or a relay keeps, durably.
//!
//! ```text
//! engine ─▶ Store / Tx   rows of tables, sealed at rest            (feature `store`)
//!                │
//! relay ──▶   Backend    ordered keys, atomic and durable batches  (feature `backend`)
//!                │
//!          memory, sled
//! ```
//!
//! A [`Backend`] orders bytes and loses nothing. `Store` lets the engine read and write [tables](Table) in transactions, and
//! seals every row so that whoever gets the files learns how many rows there are and how long, and no more. What a row
//! means is not its concern. The rules are those of `proto/spec/storage.md`.

pub mod backend;
pub mod memory;
#[cfg(feature = "sled")]
pub mod sled;

#[cfg(any(feature = "sled", feature = "store"))]
mod durable;
#[cfg(feature = "sled")]
mod lock;
#[cfg(feature = "sled")]
mod pieces;
#[cfg(feature = "sled")]
mod sled_files;
#[cfg(feature = "sled")]
mod slot_file;

#[cfg(feature = "store")]
mod error;
#[cfg(feature = "store")]
mod key_file;
#[cfg(feature = "store")]
mod keys;
#[cfg(feature = "store")]
mod open;
#[cfg(feature = "store")]
mod rotation;
#[cfg(feature = "store")]
mod scan;
#[cfg(feature = "store")]
mod sealing;
#[cfg(feature = "store")]
mod store_key;
#[cfg(feature = "store")]
mod table;
#[cfg(feature = "store")]
mod tx;

pub use backend::{Backend, BackendError, Batch, Direction, KeyRange, Write};
pub use memory::MemoryBackend;
#[cfg(feature = "sled")]
pub use sled::SledBackend;

#[cfg(feature = "store")]
pub use {
    error::{OpenError, StoreError},
    key_file::KeyFileError,
    open::Store,
    rotation::Rotation,
    sealing::Value,
    store_key::{PassphraseCost, StoreKey},
    table::{KeyClass, Table},
    tx::{Savepoint, Tx},
};

#[cfg(feature = "store")]
/// The version of everything below the engine's rows, and of the rows' own forms. It rises when an older program could
/// misread what a newer one wrote.
pub const SCHEMA_VERSION: u16 = 1;

#[cfg(feature = "store")]
#[cfg(test)]
mod tests;

#[cfg(test)]
mod contract;
