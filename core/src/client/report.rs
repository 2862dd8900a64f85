//! The driver's part of a debug bundle, below the engine's: files, settings and the journal.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use super::{config::KeySource, journal::Journal};

/// What the driver was opened with, as far as it may be told.
pub(super) struct Setting {
    /// None for a store that is not in files.
    pub(super) data_dir: Option<PathBuf>,
    pub(super) key: &'static str,
    pub(super) authorities: usize,
}

impl Setting {
    pub(super) const fn name_of(key: &KeySource) -> &'static str {
        match key {
            KeySource::File => "a file",
            KeySource::Passphrase(_) => "a passphrase",
            #[cfg(feature = "keyring")]
            KeySource::Keyring => "the keyring",
        }
    }
}

/// The text to put below the engine's. Of files it tells sizes alone.
pub(super) fn text(setting: &Setting, journal: &Journal) -> String {
    let Setting { data_dir, key, authorities } = setting;
    let mut text = String::from("\n[driver]\n");
    let (mut files, mut bytes) = (0, 0);
    if let Some(data_dir) = data_dir {
        measure(data_dir, &mut files, &mut bytes);
    }
    // Writing to a string does not fail.
    let _ = writeln!(text, "files: {files}\nbytes in them: {bytes}");
    let _ = writeln!(text, "the store's key: {key}\ncertificate authorities added: {authorities}");
    let _ = write!(text, "\n[lately, seconds ago]\n{}", journal.lines());
    text
}

fn measure(directory: &Path, files: &mut u64, bytes: &mut u64) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        match entry.metadata() {
            Ok(of) if of.is_dir() => measure(&entry.path(), files, bytes),
            Ok(of) => {
                *files += 1;
                *bytes += of.len();
            }
            Err(_) => {}
        }
    }
}
