//! Blobs as files: `<directory>/<first byte of the id>/<id>`, with `.part` behind it until the upload is finished.
//!
//! A file is a header of fixed length and the bytes. What an upload has is the file's length, so a crash needs no repair;
//! whether a lost tail left zeros behind, as some file systems do, the hash tells before anyone may read it. The rename that
//! makes a blob of an upload comes after the file's own `fsync`, and the directory's follows it.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, ErrorKind, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use sha2::{Digest, Sha256};
use wheesht_core::{proto::ids::BlobId, time::Timestamp};

use super::{BlobError, BlobStore, Stored, Upload};

/// A directory of blobs.
pub struct BlobDirectory {
    directory: PathBuf,
    capacity: u64,
    /// Bytes taken or set aside. Held while files come and go, so that it stays what they add up to.
    used: Mutex<u64>,
}

const MAGIC: &[u8; 16] = b"wheesht blob 1\n\0";
const HEADER: u64 = 128;
/// Read at once while hashing.
const STEP: usize = 256 * 1024;

impl BlobDirectory {
    /// Opens a directory, which is made if there is none, for blobs of so many bytes together.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(directory: &Path, capacity: u64) -> Result<Self, BlobError> {
        make_private(directory)?;
        let store = Self { directory: directory.to_owned(), capacity, used: Mutex::default() };
        let mut used = 0_u64;
        let mut strange = 0_u64;
        store.walk(|id, finished| {
            match store.read_header(id, finished) {
                Ok(Some((_, stored))) => used += stored.upload.length,
                Ok(None) => {}
                // Torn by a power cut, or not readable any more: that must not keep the relay from its messages.
                Err(_) => strange += 1,
            }
            Ok(())
        })?;
        if strange > 0 {
            tracing::warn!(files = strange, "some files among the blobs can't be read; they are left alone");
        }
        *store.lock() = used;
        Ok(store)
    }

    /// Each change under the lock is complete before it is given back, so a panic elsewhere does no harm.
    fn lock(&self) -> MutexGuard<'_, u64> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shelf(&self, id: &BlobId) -> PathBuf {
        let [first, ..] = id.as_bytes();
        self.directory.join(format!("{first:02x}"))
    }

    fn path(&self, id: &BlobId, finished: bool) -> PathBuf {
        let name = if finished { id.to_string() } else { format!("{id}.part") };
        self.shelf(id).join(name)
    }

    fn read_header(&self, id: &BlobId, finished: bool) -> Result<Option<(File, Stored)>, BlobError> {
        let mut file = match File::open(self.path(id, finished)) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let mut header = [0; HEADER as usize];
        match file.read_exact(&mut header) {
            Ok(()) => {}
            // Begun, and not even that was written.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        let Some(upload) = decode(&header) else {
            // An upload is begun without a sync, so a power cut may leave its length without its bytes. It never was one.
            return if finished {
                Err(io::Error::new(ErrorKind::InvalidData, "a file of another kind").into())
            } else {
                Ok(None)
            };
        };
        let have = file.metadata()?.len().saturating_sub(HEADER);
        Ok(Some((file, Stored { upload, have, finished })))
    }

    /// Every file that bears an id, and whether it is finished.
    fn walk(&self, mut visit: impl FnMut(&BlobId, bool) -> Result<(), BlobError>) -> Result<(), BlobError> {
        for shelf in fs::read_dir(&self.directory)? {
            let shelf = shelf?.path();
            if !shelf.is_dir() {
                continue;
            }
            for file in fs::read_dir(shelf)? {
                let name = file?.file_name();
                let Some(name) = name.to_str() else { continue };
                let (id, finished) = name.strip_suffix(".part").map_or((name, true), |id| (id, false));
                if let Ok(id) = id.parse() {
                    visit(&id, finished)?;
                }
            }
        }
        Ok(())
    }

    fn remove(&self, id: &BlobId, finished: bool) -> Result<(), BlobError> {
        let mut used = self.lock();
        let length = self.read_header(id, finished)?.map_or(0, |(_, stored)| stored.upload.length);
        match fs::remove_file(self.path(id, finished)) {
            Ok(()) => *used = used.saturating_sub(length),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}

impl BlobStore for BlobDirectory {
    fn find(&self, id: &BlobId) -> Result<Option<Stored>, BlobError> {
        let finished = self.read_header(id, true)?;
        let found = if finished.is_some() { finished } else { self.read_header(id, false)? };
        Ok(found.map(|(_, stored)| stored))
    }

    fn begin(&self, id: &BlobId, upload: &Upload) -> Result<(), BlobError> {
        let mut used = self.lock();
        if self.find(id)?.is_some() {
            return Err(BlobError::Conflict);
        }
        if used.saturating_add(upload.length) > self.capacity {
            return Err(BlobError::NoRoom);
        }
        make_private(&self.shelf(id))?;
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(self.path(id, false))?.write_all(&encode(upload)).map_err(full_or_failed)?;
        *used += upload.length;
        Ok(())
    }

    fn append(&self, id: &BlobId, offset: u64, bytes: &[u8]) -> Result<(), BlobError> {
        let (_, stored) = self.read_header(id, false)?.ok_or(BlobError::Missing)?;
        let fits = stored.upload.length.saturating_sub(offset) >= bytes.len() as u64;
        if stored.have != offset || !fits {
            return Err(BlobError::Conflict);
        }
        let mut file = OpenOptions::new().append(true).open(self.path(id, false))?;
        file.write_all(bytes).map_err(full_or_failed)
    }

    fn finish(&self, id: &BlobId, hash: &[u8; 32]) -> Result<(), BlobError> {
        let (mut file, stored) = self.read_header(id, false)?.ok_or(BlobError::Missing)?;
        if stored.have != stored.upload.length {
            return Err(BlobError::Conflict);
        }
        let mut hasher = Sha256::new();
        let mut step = vec![0; STEP];
        loop {
            match file.read(&mut step)? {
                0 => break,
                length => hasher.update(step.get(..length).unwrap_or_default()),
            }
        }
        let found: [u8; 32] = hasher.finalize().into();
        if found != *hash {
            self.remove(id, false)?;
            return Err(BlobError::WrongHash);
        }
        file.sync_all().map_err(full_or_failed)?;
        fs::rename(self.path(id, false), self.path(id, true))?;
        File::open(self.shelf(id))?.sync_all()?;
        Ok(())
    }

    fn read(&self, id: &BlobId, offset: u64, length: usize) -> Result<Vec<u8>, BlobError> {
        let (mut file, stored) = self.read_header(id, true)?.ok_or(BlobError::Missing)?;
        file.seek(SeekFrom::Start(HEADER + offset))?;
        let left = usize::try_from(stored.have.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; length.min(left)];
        file.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn delete(&self, id: &BlobId) -> Result<(), BlobError> {
        self.remove(id, false)?;
        self.remove(id, true)
    }

    fn expire(&self, blobs: Timestamp, uploads: Timestamp) -> Result<(), BlobError> {
        self.walk(|id, finished| {
            let due = if finished { blobs } else { uploads };
            match self.read_header(id, finished) {
                Ok(Some((_, stored))) if stored.upload.begun >= due => Ok(()),
                Ok(Some(_)) => self.remove(id, finished),
                // Being begun at this moment, or torn by a crash then. The next `begin` writes over it.
                Ok(None) => Ok(()),
                // One file that isn't ours must not keep the others from expiring.
                Err(_) => Ok(()),
            }
        })
    }

    fn used(&self) -> u64 {
        *self.lock()
    }

    fn has_room(&self, length: u64) -> bool {
        self.lock().saturating_add(length) <= self.capacity
    }
}

/// A directory that is there after a crash, and that others can't look into.
fn make_private(directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)?;
    match directory.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => Ok(()),
    }
}

fn full_or_failed(error: io::Error) -> BlobError {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => BlobError::NoRoom,
        _ => error.into(),
    }
}

fn encode(upload: &Upload) -> [u8; HEADER as usize] {
    let mut header = [0; HEADER as usize];
    let Upload { length, begun, delete_hash, ticket_hash } = upload;
    let fields =
        [&MAGIC[..], &length.to_be_bytes(), &begun.as_millis().to_be_bytes(), delete_hash, ticket_hash]
            .concat();
    header.iter_mut().zip(fields).for_each(|(byte, field)| *byte = field);
    header
}

fn decode(header: &[u8; HEADER as usize]) -> Option<Upload> {
    let rest = header.strip_prefix(MAGIC)?;
    let (length, rest) = rest.split_first_chunk::<8>()?;
    let (begun, rest) = rest.split_first_chunk::<8>()?;
    let (delete_hash, rest) = rest.split_first_chunk::<32>()?;
    let (ticket_hash, _) = rest.split_first_chunk::<32>()?;
    Some(Upload {
        length: u64::from_be_bytes(*length),
        begun: Timestamp::from_millis(u64::from_be_bytes(*begun)),
        delete_hash: *delete_hash,
        ticket_hash: *ticket_hash,
    })
}
