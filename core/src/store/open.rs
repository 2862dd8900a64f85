//! Creating and opening an encrypted store.
//!
//! A store is a backend with two things in it: the key slot (`keys.rs`), and rows, among them a readable one that says
//! which store this is. Slot first, then rows: a creation that was interrupted leaves a slot without rows, and counts as
//! no store.

use rand_core::CryptoRng;

use super::{
    backend::{Backend, BackendError, Batch, KeyRange},
    error::{OpenError, StoreError},
    keys::Keys,
    sealing::{Salt, Sealed, StoreId, Value},
    store_key::StoreKey,
    table::{KeyClass, Place, RowKey, Table},
    tx::Tx,
};
use crate::time::Timestamp;

/// The only row that isn't sealed: below every class of rows. It holds the store's id.
const MARK: &[u8] = &[0];
/// How many transactions were committed.
const COUNTER: Table = Table::new("commit counter", KeyClass::Lasting);

/// An encrypted store. One process, one owner; all access is by [transaction](Self::begin).
pub struct Store {
    pub(super) backend: Box<dyn Backend>,
    pub(super) keys: Keys,
    pub(super) rng: Box<dyn CryptoRng + Send>,
    pub(super) commits: u64,
    /// Up to where rows have been sealed again, while a daily key retires.
    pub(super) resealed: Option<Vec<u8>>,
}

impl Store {
    /// Whether the backend holds a store.
    pub fn exists(backend: &dyn Backend) -> Result<bool, BackendError> {
        Ok(backend.get(MARK)?.is_some())
    }

    /// Makes a new store in an empty backend.
    pub fn create(
        backend: Box<dyn Backend>,
        key: &StoreKey,
        mut rng: Box<dyn CryptoRng + Send>,
        now: Timestamp,
    ) -> Result<Self, OpenError> {
        if !is_empty(&*backend)? {
            return Err(OpenError::AlreadyExists);
        }
        let keys = Keys::generate(key, &mut *rng, now);
        backend.write_slot(&keys.to_slot(&mut *rng))?;
        let mut store = Self { backend, keys, rng, commits: 0, resealed: None };
        let mut batch = Batch::new();
        batch.put(MARK, store.keys.store);
        let salt = Salt::random(&mut *store.rng);
        batch.put(
            store.counter_row().as_bytes(),
            store.seal(&store.counter_row(), &0_u64.to_be_bytes(), salt),
        );
        store.backend.commit(&batch)?;
        Ok(store)
    }

    /// Opens a store. Touches nothing unless the key is right and the version known.
    pub fn open(
        backend: Box<dyn Backend>,
        key: &StoreKey,
        rng: Box<dyn CryptoRng + Send>,
    ) -> Result<Self, OpenError> {
        let (mark, slot) = match (backend.get(MARK)?, backend.read_slot()?) {
            (Some(mark), Some(slot)) => (mark, slot),
            (Some(_), None) => return Err(OpenError::KeysMissing),
            (None, _) if is_empty(&*backend)? => return Err(OpenError::NotFound),
            (None, _) => return Err(OpenError::Corrupt { what: "mark" }),
        };
        let keys = Keys::from_slot(&slot, key)?;
        let mark = StoreId::try_from(mark.as_slice()).map_err(|_| OpenError::Corrupt { what: "mark" })?;
        if mark != keys.store {
            return Err(OpenError::KeysOfAnotherStore);
        }
        let mut store = Self { backend, keys, rng, commits: 0, resealed: None };
        store.commits = store.read_counter()?;
        Ok(store)
    }

    /// Begins a transaction.
    pub fn begin(&mut self) -> Tx<'_> {
        Tx::new(self)
    }

    /// How many transactions were committed in the store's life. A copy of the files that was put back shows a smaller
    /// number than the one the device stated to its relay.
    pub const fn commit_counter(&self) -> u64 {
        self.commits
    }

    /// Lets another key open the store from now on, and this one no more. No row is written.
    pub fn change_key(&mut self, key: &StoreKey) -> Result<(), BackendError> {
        self.keys.wrap_under(key, &mut *self.rng);
        self.write_keys()
    }

    pub(super) fn write_keys(&mut self) -> Result<(), BackendError> {
        let slot = self.keys.to_slot(&mut *self.rng);
        self.backend.write_slot(&slot)
    }

    pub(super) fn place(&self, table: Table, prefix: &[u8]) -> Place {
        Place::new(&self.keys.index, table, prefix)
    }

    /// Where the commit counter stands: written with every transaction.
    pub(super) fn counter_row(&self) -> RowKey {
        self.place(COUNTER, &[]).row(0)
    }

    fn read_counter(&self) -> Result<u64, OpenError> {
        let damaged = OpenError::Corrupt { what: COUNTER.name() };
        let row = self.counter_row();
        let Some(value) = self.backend.get(row.as_bytes())?.and_then(|sealed| self.unseal(&row, &sealed))
        else {
            return Err(damaged);
        };
        value.as_slice().try_into().map(u64::from_be_bytes).map_err(|_| damaged)
    }

    /// Seals a value for its row.
    pub(super) fn seal(&self, row: &RowKey, value: &[u8], salt: Salt) -> Vec<u8> {
        let class = row.class().unwrap_or(KeyClass::Lasting);
        self.keys.for_writing(class).seal(&self.keys.store, row, value, salt)
    }

    /// Opens a row; none if it doesn't authenticate.
    pub(super) fn unseal(&self, row: &RowKey, bytes: &[u8]) -> Option<Value> {
        let sealed = Sealed::parse(bytes)?;
        self.keys.for_reading(row.class()?, sealed.key_id)?.open(&self.keys.store, row, &sealed)
    }

    /// Opens a row of a table. STO-6: the error names the table, never what stood there.
    pub(super) fn open_row(&self, table: Table, row: &RowKey, sealed: &[u8]) -> Result<Value, StoreError> {
        self.unseal(row, sealed).ok_or(StoreError::Corrupt { table: table.name() })
    }
}

fn is_empty(backend: &dyn Backend) -> Result<bool, BackendError> {
    Ok(backend.scan(&KeyRange::all(), super::Direction::Forward, 1)?.is_empty())
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { backend: _, keys: _, rng: _, commits, resealed: _ } = self;
        f.debug_struct("Store").field("commits", commits).finish_non_exhaustive()
    }
}
