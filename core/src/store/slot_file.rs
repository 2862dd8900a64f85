//! The slot as two files, written in turn and wiped in place.
//!
//! ```text
//! file = "wheeslot" ‖ version (8) ‖ length (4) ‖ value ‖ SHA-256 of all before ‖ zeros up to 4,096 bytes
//! ```
//!
//! A value is written into the file that is free, and synced; then the other file is overwritten with zeros where it
//! lies, and synced. A crash in between leaves two values: opening keeps the newer and wipes the older. So at every
//! moment one whole value is on the disk, and once [`SlotFile::write`] has returned, no byte of the one before it. (As far as
//! files go: flash storage and copying file systems may keep what was overwritten. SECURITY.md says so.)

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{
    backend::{BackendError, MAX_SLOT, within},
    durable::{private_options, sync_directory},
};

const MAGIC: &[u8; 8] = b"wheeslot";
const FILE: usize = 4096;
const HASH: usize = 32;

/// A slot in a directory.
pub(super) struct SlotFile {
    directory: PathBuf,
    current: Option<Current>,
}

/// Which file holds the value.
#[derive(Clone, Copy)]
struct Current {
    name: &'static str,
    version: u64,
}

const NAMES: [&str; 2] = ["slot.a", "slot.b"];

impl SlotFile {
    /// Finds the value, and ends a replacement that was interrupted.
    pub(super) fn open(directory: &Path) -> Result<Self, BackendError> {
        let mut slot = Self { directory: directory.to_path_buf(), current: None };
        for name in NAMES {
            let newest = slot.current.map_or(0, |current| current.version);
            if let Some((version, _)) = slot.read_file(name)?.as_deref().and_then(|bytes| parse(bytes))
                && version > newest
            {
                slot.current = Some(Current { name, version });
            }
        }
        // Only with a value at hand: what does not parse might otherwise be the one that a repair could still use.
        if let Some(current) = slot.current {
            slot.wipe(other(current.name))?;
        }
        Ok(slot)
    }

    /// The value.
    pub(super) fn read(&self) -> Result<Option<Vec<u8>>, BackendError> {
        let Some(current) = self.current else { return Ok(None) };
        let bytes = self.read_file(current.name)?;
        let value = bytes.as_deref().and_then(|bytes| parse(bytes)).map(|(_, value)| value.to_vec());
        value.map(Some).ok_or(BackendError::Corrupt { what: "slot" })
    }

    /// Replaces the value.
    pub(super) fn write(&mut self, value: &[u8]) -> Result<(), BackendError> {
        within(value, MAX_SLOT)?;
        let (name, version) = match self.current {
            Some(current) => (other(current.name), current.version.saturating_add(1)),
            None => ("slot.a", 1),
        };
        self.overwrite(name, &format(version, value))?;
        self.current = Some(Current { name, version });
        self.wipe(other(name))
    }

    fn read_file(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, BackendError> {
        match fs::read(self.directory.join(name)) {
            Ok(bytes) => Ok(Some(Zeroizing::new(bytes))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// STO-4
    fn wipe(&self, name: &str) -> Result<(), BackendError> {
        match self.read_file(name)? {
            Some(bytes) if bytes.iter().any(|byte| *byte != 0) => self.overwrite(name, &[0; FILE]),
            _ => Ok(()),
        }
    }

    /// Writes the whole file where it lies, and syncs it.
    fn overwrite(&self, name: &str, bytes: &[u8; FILE]) -> Result<(), BackendError> {
        let path = self.directory.join(name);
        let appears = !path.exists();
        let mut file = private_options().create(true).open(&path)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        if appears {
            sync_directory(&self.directory)?;
        }
        Ok(())
    }
}

fn other(name: &str) -> &'static str {
    let [a, b] = NAMES;
    if name == a { b } else { a }
}

fn format(version: u64, value: &[u8]) -> Zeroizing<[u8; FILE]> {
    let mut file = Zeroizing::new([0; FILE]);
    let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
    let head = MAGIC.iter().copied().chain(version.to_be_bytes()).chain(length.to_be_bytes());
    let body = head.chain(value.iter().copied());
    let mut hash = Sha256::new();
    let mut end = 0;
    for (to, from) in file.iter_mut().zip(body) {
        *to = from;
        end += 1;
    }
    let (hashed, rest) = file.split_at_mut(end);
    hash.update(hashed);
    for (to, from) in rest.iter_mut().zip(hash.finalize()) {
        *to = from;
    }
    file
}

/// A file's version and value; none if it isn't whole.
fn parse(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (magic, rest) = bytes.split_first_chunk()?;
    let (version, rest) = rest.split_first_chunk()?;
    let (length, rest) = rest.split_first_chunk()?;
    let (value, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    let (hash, _) = rest.split_first_chunk::<HASH>()?;
    let (hashed, _) = bytes.split_at_checked(bytes.len() - rest.len())?;
    let whole = magic == MAGIC && Sha256::digest(hashed).as_slice() == hash;
    whole.then(|| (u64::from_be_bytes(*version), value))
}
