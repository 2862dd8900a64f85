//! The embedded backend on `sled` 0.34, made durable by us.
//!
//! On Linux sled's `flush` is no fsync: it writes its log and waits for the pages (`sync_file_range`), but neither for the
//! disk's cache nor for the file's metadata. So every commit here is three steps, one commit at a time:
//!
//! ```text
//! apply_batch (in memory, atomic in the log) ─▶ flush (log written) ─▶ sync (log and names durable) ─▶ return
//! ```
//!
//! What else we don't leave to it:
//! * a failed write leaves its memory ahead of its disk: everything fails from then on (STO-3);
//! * it panics where files are damaged: a panic inside it is caught and becomes [`BackendError::Corrupt`];
//! * it writes large nodes into unsynced files: `pieces.rs` keeps entries small;
//! * it may overwrite a segment of its log (512 KiB) once a whole segment more has been written after the segment's last
//!   live row was copied elsewhere. Since each commit is synced before the next begins, a batch smaller than a segment
//!   can't both copy rows and overwrite where they were, so a power cut finds them in one of the two places. So:
//!   batches below [`GOOD_BATCH`].
//!
//! ```text
//! directory/lock            held while open
//! directory/rows/           sled's own files
//! directory/slot.a, .b      the slot
//! ```

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{
        Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use ::sled::{Config, Db, Error};

use super::{
    backend::{Backend, BackendError, Batch, Direction, KeyRange, KeyValue, MAX_SLOT, within},
    durable::sync_directory,
    lock::Lock,
    pieces,
    sled_files::{SledFiles, create_private_directory},
    slot_file::SlotFile,
};

/// Batches should hold fewer bytes than this: half a segment of sled's log.
pub const GOOD_BATCH: usize = 256 << 10;
/// How much of the store is kept in memory unless the caller says otherwise, in bytes.
pub const DEFAULT_CACHE: u64 = 64 << 20;
/// How often sled cleans up its log. It also syncs then; nothing here relies on it.
const CLEAN_UP_MS: u64 = 1_000;

/// A durable store in a directory.
pub struct SledBackend {
    // Dropped in this order: sled has to be closed before the lock is given up.
    db: Db,
    /// Held through a commit: one at a time.
    files: Mutex<SledFiles>,
    slot: Mutex<SlotFile>,
    /// Held for writing while a batch is applied, so that a scan or a value in pieces is never half old, half new.
    view: RwLock<()>,
    failed: AtomicBool,
    _lock: Lock,
}

impl SledBackend {
    /// Opens the store in this directory, or makes a new one.
    pub fn open(directory: &Path) -> Result<Self, BackendError> {
        Self::open_with_cache(directory, DEFAULT_CACHE)
    }

    /// The same, with this many bytes of cache.
    pub fn open_with_cache(directory: &Path, cache_bytes: u64) -> Result<Self, BackendError> {
        Self::open_cleaned_every(CLEAN_UP_MS, directory, cache_bytes)
    }

    fn open_cleaned_every(ms: u64, directory: &Path, cache_bytes: u64) -> Result<Self, BackendError> {
        create_private_directory(directory)?;
        let lock = Lock::take(directory)?;
        let slot = SlotFile::open(directory)?;
        let rows = directory.join("rows");
        create_private_directory(&rows)?;
        let config = Config::new().path(&rows).cache_capacity(cache_bytes).flush_every_ms(Some(ms));
        let db = catch(|| open_sled(&config))?;
        let files = SledFiles::open(&rows)?;
        sync_directory(directory)?;
        Ok(Self {
            db,
            files: Mutex::new(files),
            slot: Mutex::new(slot),
            view: RwLock::new(()),
            failed: AtomicBool::new(false),
            _lock: lock,
        })
    }

    fn check_live(&self) -> Result<(), BackendError> {
        if self.failed.load(Ordering::Acquire) { Err(BackendError::Failed) } else { Ok(()) }
    }

    /// Runs a read.
    fn read<T>(&self, read: impl FnOnce() -> Result<T, BackendError>) -> Result<T, BackendError> {
        self.check_live()?;
        let _view = self.view.read().unwrap_or_else(PoisonError::into_inner);
        catch(read)
    }

    /// Runs a write, with which the backend lives or dies.
    fn write(&self, write: impl FnOnce() -> Result<(), BackendError>) -> Result<(), BackendError> {
        self.check_live()?;
        let result = catch(write);
        if result.is_err() {
            // STO-3
            self.failed.store(true, Ordering::Release);
        }
        result
    }

    fn apply(&self, batch: &Batch) -> Result<(), BackendError> {
        let batch = pieces::batch(&self.db, batch)?;
        let _view = self.view.write().unwrap_or_else(PoisonError::into_inner);
        Ok(self.db.apply_batch(batch)?)
    }
}

impl Backend for SledBackend {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, BackendError> {
        self.read(|| pieces::get(&self.db, key))
    }

    fn scan(
        &self,
        range: &KeyRange,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<KeyValue>, BackendError> {
        if range.is_empty() || limit == 0 {
            return self.check_live().map(|()| Vec::new());
        }
        self.read(|| pieces::scan(&self.db, range, direction, limit))
    }

    fn commit(&self, batch: &Batch) -> Result<(), BackendError> {
        batch.check()?;
        let mut files = locked(&self.files);
        self.write(|| {
            self.apply(batch)?;
            self.db.flush()?;
            // STO-2
            Ok(files.sync()?)
        })
    }

    fn read_slot(&self) -> Result<Option<Vec<u8>>, BackendError> {
        self.check_live()?;
        locked(&self.slot).read()
    }

    fn write_slot(&self, value: &[u8]) -> Result<(), BackendError> {
        within(value, MAX_SLOT)?;
        let mut slot = locked(&self.slot);
        self.write(|| slot.write(value))
    }
}

/// Whatever panicked while it held the lock also failed the backend.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// sled holds a lock of its own, which its threads may let go a moment after the store was closed. Ours is taken by
/// now, so this process is the only one that can be meant.
fn open_sled(config: &Config) -> Result<Db, BackendError> {
    for _ in 0..100 {
        match config.open() {
            Err(Error::Io(error)) if error.to_string().contains("could not acquire lock") => {
                thread::sleep(Duration::from_millis(20));
            }
            result => return Ok(result?),
        }
    }
    Ok(config.open()?)
}

fn catch<T>(call: impl FnOnce() -> Result<T, BackendError>) -> Result<T, BackendError> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or(Err(BackendError::Corrupt { what: "rows" }))
}

impl From<Error> for BackendError {
    fn from(error: Error) -> Self {
        match error {
            Error::Io(error) => Self::Io(error),
            Error::Unsupported(_) => Self::Corrupt { what: "format of the rows" },
            Error::Corruption { .. } | Error::ReportableBug(_) | Error::CollectionNotFound(_) => {
                Self::Corrupt { what: "rows" }
            }
        }
    }
}

impl std::fmt::Debug for SledBackend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { db: _, files: _, slot: _, view: _, failed, _lock: _ } = self;
        f.debug_struct("SledBackend").field("failed", failed).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "sled_tests.rs"]
mod tests;
