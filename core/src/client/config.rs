//! What a client needs to know before it opens: where its files lie, what opens them, and whom it believes.

use std::path::PathBuf;

use crate::api::Password;

/// How to open a client.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// The directory of one installation: one account's one device. Made with mode 0700 if it isn't there.
    pub data_dir: PathBuf,
    /// What the store in it is encrypted under.
    pub key: KeySource,
    /// PEM files with the certificates of authorities that are trusted besides the web's, for relays that are known by a certificate
    /// and not by their fingerprint. An organisation's own authority, say.
    pub authorities: Vec<PathBuf>,
    /// Where files go that are fetched without saying a place.
    pub downloads: PathBuf,
}

impl Config {
    /// A client in this directory, its key in the file `store.key` beside the store, and files that it fetches in `files`.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        let data_dir = data_dir.into();
        let downloads = data_dir.join("files");
        Self { data_dir, key: KeySource::File, authorities: Vec::new(), downloads }
    }

    /// The same with another key.
    #[must_use]
    pub fn with_key(mut self, key: KeySource) -> Self {
        self.key = key;
        self
    }

    /// The same, with another place for files that are fetched.
    #[must_use]
    pub fn with_downloads(mut self, directory: impl Into<PathBuf>) -> Self {
        self.downloads = directory.into();
        self
    }

    /// The same, trusting the authorities in this PEM file too.
    #[must_use]
    pub fn with_authority(mut self, pem: impl Into<PathBuf>) -> Self {
        self.authorities.push(pem.into());
        self
    }
}

/// Where the key of the store comes from. A store opens only with the kind of key that it was made with.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum KeySource {
    /// A file of mode 0600 in the data directory, made on first use. Guards against a lost backup or a stray copy of the
    /// store, not against somebody who can read the whole directory.
    File,
    /// A passphrase, stretched by Argon2id: opening takes ≈ 0.15 s.
    Passphrase(Password),
    /// The operating system's keyring, under the service `wheesht`; the entry is made on first use.
    #[cfg(feature = "keyring")]
    Keyring,
}
