//! From a [`KeySource`] to the key that opens the store.

use std::path::Path;

use zeroize::Zeroizing;

use super::{clock, config::KeySource, open_error::OpenError};
use crate::store::{KeyFileError, PassphraseCost, StoreKey};

/// The key file's name in the data directory.
pub(super) const KEY_FILE: &str = "store.key";
/// The store's.
pub(super) const STORE: &str = "store";

/// Gets the key; makes it if this is the first time. Where a store stands already, a key that is gone is not made anew: a new one would
/// open nothing, and hide what is wrong.
pub(super) fn store_key(source: &KeySource, data_dir: &Path) -> Result<StoreKey, OpenError> {
    let first = !data_dir.join(STORE).exists();
    match source {
        KeySource::File => {
            let path = data_dir.join(KEY_FILE);
            match StoreKey::from_key_file(&path) {
                Err(KeyFileError::NotFound { .. }) if first => {
                    Ok(StoreKey::create_key_file(&path, &mut clock::rng())?)
                }
                key => Ok(key?),
            }
        }
        KeySource::Passphrase(passphrase) => {
            let text = Zeroizing::new(passphrase.expose().to_owned());
            Ok(StoreKey::from_passphrase(text, PassphraseCost::DEFAULT))
        }
        #[cfg(feature = "keyring")]
        KeySource::Keyring => keyring_key(data_dir, first),
    }
}

/// One entry per data directory.
#[cfg(feature = "keyring")]
fn keyring_key(data_dir: &Path, first: bool) -> Result<StoreKey, OpenError> {
    // Without a keyring, an entry can only say that there is none; this says why.
    if let Err(error) = keyring::Entry::store_status() {
        return Err(OpenError::Keyring { detail: error.to_string() });
    }
    let directory = data_dir.canonicalize().unwrap_or_else(|_| data_dir.to_owned());
    let entry = keyring::Entry::new("wheesht", &directory.to_string_lossy());
    entry_key(&entry.map_err(refused)?, first)
}

#[cfg(feature = "keyring")]
fn entry_key(entry: &keyring::Entry, first: bool) -> Result<StoreKey, OpenError> {
    use rand_core::Rng as _;

    let secret = match entry.get_secret() {
        Ok(secret) => Zeroizing::new(secret),
        Err(keyring::Error::NoEntry) if first => {
            let mut secret = Zeroizing::new(vec![0; 32]);
            clock::rng().fill_bytes(&mut secret);
            entry.set_secret(&secret).map_err(refused)?;
            secret
        }
        Err(error) => return Err(refused(error)),
    };
    let bytes = <[u8; 32]>::try_from(secret.as_slice())
        .map_err(|_| OpenError::Keyring { detail: "its entry for this directory is no key".to_owned() })?;
    Ok(StoreKey::from_bytes(Zeroizing::new(bytes)))
}

#[cfg(feature = "keyring")]
fn refused(error: keyring::Error) -> OpenError {
    let detail = match error {
        keyring::Error::NoEntry => "it has no entry for this directory".to_owned(),
        // Its words never repeat what the entry holds.
        error => error.to_string(),
    };
    OpenError::Keyring { detail }
}

#[cfg(test)]
#[cfg(feature = "keyring")]
mod tests {
    use keyring_core::{Error, api::CredentialStoreApi as _, mock};

    use super::*;

    fn entry() -> keyring::Entry {
        let store = mock::Store::new().unwrap();
        keyring::Entry { inner: store.build("wheesht", "/a/directory", None).unwrap() }
    }

    fn detail(result: Result<StoreKey, OpenError>) -> String {
        match result {
            Err(OpenError::Keyring { detail }) => detail,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_key_is_made_once_and_found_again() {
        let entry = entry();
        entry_key(&entry, true).unwrap();
        let secret = entry.get_secret().unwrap();
        assert_eq!(secret.len(), 32);
        assert_ne!(secret, [0; 32]);
        entry_key(&entry, false).unwrap();
        entry_key(&entry, true).unwrap();
        assert_eq!(entry.get_secret().unwrap(), secret);
    }

    #[test]
    fn a_key_that_is_gone_is_not_made_anew_beside_a_store() {
        let entry = entry();
        assert!(detail(entry_key(&entry, false)).contains("no entry"));
        assert!(matches!(entry.get_secret(), Err(Error::NoEntry)));
    }

    #[test]
    fn what_is_no_key_is_refused_and_not_shown() {
        let entry = entry();
        entry.set_secret(b"swordfish").unwrap();
        assert!(detail(entry_key(&entry, true)).contains("no key"));
        let mock: &mock::Cred = entry.inner.as_any().downcast_ref().unwrap();
        mock.set_error(Error::BadEncoding(b"swordfish".to_vec()));
        assert!(!detail(entry_key(&entry, true)).contains("swordfish"));
        assert_eq!(entry.get_secret().unwrap(), b"swordfish");
    }

    #[test]
    fn a_locked_keyring_is_told_and_nothing_is_made() {
        let entry = entry();
        let mock: &mock::Cred = entry.inner.as_any().downcast_ref().unwrap();
        mock.set_error(Error::NoStorageAccess("it is locked".into()));
        assert!(detail(entry_key(&entry, true)).contains("locked"));
        assert!(matches!(entry.get_secret(), Err(Error::NoEntry)));
    }
}
