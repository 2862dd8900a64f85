//! Taking an installation off this machine.

use std::{fs, io, path::Path};

use super::{Client, blocking, key};
use crate::client::OpenError;

impl Client {
    /// Deletes what an installation has stored in its data directory: the file with the key first, without which the rest is noise, then
    /// the store. The client must be closed; nothing can be undone. A key that a keyring holds stays there, and opens nothing.
    pub async fn erase(data_dir: impl Into<std::path::PathBuf>) -> Result<(), OpenError> {
        let data_dir = data_dir.into();
        blocking(move || {
            let gone = |result: io::Result<()>| match result {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    Err(OpenError::from(crate::store::BackendError::Io(error)))
                }
                _ => Ok(()),
            };
            let path: &Path = &data_dir;
            gone(fs::remove_file(path.join(key::KEY_FILE)))?;
            gone(fs::remove_dir_all(path.join(key::STORE)))
        })
        .await
    }
}
