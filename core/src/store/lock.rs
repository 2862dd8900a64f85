//! One process at a time: a lock on a file in the store's directory.
//!
//! The operating system holds the lock, so a process that was killed leaves none behind. The file itself stays.

use std::{
    fs::{File, OpenOptions, TryLockError},
    path::Path,
};

use super::backend::BackendError;

/// The lock, held until dropped.
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of a directory, or says at once that another has it (STO-11).
    pub(super) fn take(directory: &Path) -> Result<Self, BackendError> {
        let file =
            OpenOptions::new().create(true).write(true).truncate(false).open(directory.join("lock"))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(BackendError::Locked { path: directory.to_path_buf() }),
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }
}
