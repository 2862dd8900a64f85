//! What can go wrong with an encrypted store, by operation.

use super::backend::BackendError;

/// Why a store could not be created or opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no store here.
    #[error("there is no store here yet")]
    NotFound,
    /// There is a store here already.
    #[error("there is a store here already")]
    AlreadyExists,
    /// The passphrase or key is not this store's.
    #[error("this passphrase or key does not open the store")]
    WrongKey,
    /// A newer version of this program wrote the store.
    #[error(
        "a newer version wrote this store (format {found}, this one reads up to {supported}): update this program"
    )]
    NewerSchema {
        /// The store's version.
        found: u16,
        /// The newest version that this program reads.
        supported: u16,
    },
    /// The store's rows are here, but its keys are not.
    #[error(
        "the store's keys are missing: put back the key slot that belongs to these files, or restore a backup"
    )]
    KeysMissing,
    /// Rows and keys are of two different stores.
    #[error("these keys belong to another store: put back the key slot that belongs to these files")]
    KeysOfAnotherStore,
    /// A part of the store does not authenticate.
    #[error("the store is damaged ({what}): restore a backup")]
    Corrupt {
        /// Which part.
        what: &'static str,
    },
    /// The backend failed.
    #[error(transparent)]
    Backend(#[from] BackendError),
}

/// Why a store could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A row does not authenticate: it was damaged, moved or exchanged.
    #[error("a row of the table \"{table}\" is damaged: restore a backup")]
    Corrupt {
        /// The table's name.
        table: &'static str,
    },
    /// A sequence has no number left.
    #[error("the table \"{table}\" is full")]
    Full {
        /// The table's name.
        table: &'static str,
    },
    /// The backend failed.
    #[error(transparent)]
    Backend(#[from] BackendError),
}
