//! The store's key in a file: for machines where nobody types a passphrase and no keyring runs.
//!
//! The file holds 32 random bytes and is readable by its owner only. It appears whole or not at all, and never in place
//! of another: the key of a store that exists is irreplaceable.

use std::{
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
};

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::{
    durable::{parent, private_options, sync_directory},
    sealing::random,
    store_key::StoreKey,
};

/// Length of the key in bytes.
const KEY: usize = 32;

/// Why a key file could not be used or made.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// There is no such file.
    #[error("there is no key file at {}", path.display())]
    NotFound {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// There is one already, and another store may need it.
    #[error("there is a key file at {} already", path.display())]
    AlreadyExists {
        /// Where it is.
        path: PathBuf,
    },
    /// Others may read it.
    #[error("others can read the key file {0}: run `chmod 600 {0}`", path.display())]
    Exposed {
        /// Where it is.
        path: PathBuf,
    },
    /// It doesn't hold 32 bytes.
    #[error("{} is no key file: it has to hold {KEY} bytes", path.display())]
    Damaged {
        /// Where it is.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("the key file {} can't be used: {error}", path.display())]
    Io {
        /// Where it is.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

impl StoreKey {
    /// Reads a key file; refuses one that others can read (STO-13).
    pub fn from_key_file(path: &Path) -> Result<Self, KeyFileError> {
        let named = |error| with_path(path, error);
        if is_exposed(&fs::metadata(path).map_err(named)?) {
            return Err(KeyFileError::Exposed { path: path.to_path_buf() });
        }
        let bytes = Zeroizing::new(fs::read(path).map_err(named)?);
        let key =
            bytes.as_slice().try_into().map_err(|_| KeyFileError::Damaged { path: path.to_path_buf() })?;
        Ok(Self::from_bytes(Zeroizing::new(key)))
    }

    /// Makes a key file with mode 0600 and a fresh key, durably. There must be none at `path`.
    pub fn create_key_file(path: &Path, rng: &mut (impl CryptoRng + ?Sized)) -> Result<Self, KeyFileError> {
        let key: Zeroizing<[u8; KEY]> = Zeroizing::new(random(rng));
        // The name beside it is drawn at random, so that of two processes neither writes into the other's file.
        let suffix = u64::from_be_bytes(random(rng));
        let mut beside = path.as_os_str().to_owned();
        beside.push(format!(".{suffix:016x}"));
        let beside = PathBuf::from(beside);
        let written = write_whole(&beside, &key).and_then(|()| fs::hard_link(&beside, path));
        let removed = fs::remove_file(&beside);
        written
            .and(removed)
            .and_then(|()| sync_directory(parent(path)))
            .map_err(|error| with_path(path, error))?;
        Ok(Self::from_bytes(key))
    }
}

fn write_whole(path: &Path, key: &[u8; KEY]) -> io::Result<()> {
    let mut file = private_options().create_new(true).open(path)?;
    file.write_all(key)?;
    file.sync_all()
}

#[cfg(unix)]
fn is_exposed(metadata: &fs::Metadata) -> bool {
    std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o077 != 0
}

/// Elsewhere the directory's access list protects the file.
#[cfg(not(unix))]
fn is_exposed(_: &fs::Metadata) -> bool {
    false
}

fn with_path(path: &Path, error: io::Error) -> KeyFileError {
    let path = path.to_path_buf();
    match error.kind() {
        io::ErrorKind::NotFound => KeyFileError::NotFound { path },
        io::ErrorKind::AlreadyExists => KeyFileError::AlreadyExists { path },
        _ => KeyFileError::Io { path, error },
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::store::tests::rng;

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn sto_13_a_key_file_is_made_once_and_only_its_owner_reads_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store.key");
        assert!(matches!(StoreKey::from_key_file(&path), Err(KeyFileError::NotFound { .. })));
        StoreKey::create_key_file(&path, &mut *rng(1)).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        let before = fs::read(&path).unwrap();
        let again = StoreKey::create_key_file(&path, &mut *rng(2));
        assert!(matches!(again, Err(KeyFileError::AlreadyExists { .. })));
        assert_eq!(fs::read(&path).unwrap(), before);
        StoreKey::from_key_file(&path).unwrap();
        for exposed in [0o640, 0o604, 0o660] {
            mode(&path, exposed);
            let error = StoreKey::from_key_file(&path).unwrap_err();
            assert!(error.to_string().contains("chmod 600"), "{error}");
        }
        mode(&path, 0o600);
        fs::write(&path, [1; 31]).unwrap();
        assert!(matches!(StoreKey::from_key_file(&path), Err(KeyFileError::Damaged { .. })));
    }
}
