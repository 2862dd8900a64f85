//! A transaction: reads that see its own writes, and one batch at the end.
//!
//! Writes wait in memory, in clear, and are sealed when the transaction commits; so a row that many inputs of one batch
//! change is sealed and written once. Dropping the transaction forgets them. A [savepoint](Tx::savepoint) lets one bad
//! input among many undo itself alone.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    ops::RangeBounds,
};

use super::{
    backend::{Batch, Direction},
    error::StoreError,
    open::Store,
    scan,
    sealing::{Salt, Value},
    table::{Place, RowKey, Table},
};

/// What a transaction has changed: a row's new value, or none if it was deleted.
pub(super) type Changes = BTreeMap<RowKey, Option<Value>>;

/// A transaction on a [`Store`].
pub struct Tx<'s> {
    store: &'s mut Store,
    changes: Changes,
    /// For each change, what it replaced in `changes`.
    undo: Vec<(RowKey, Option<Option<Value>>)>,
}

/// A moment in a transaction to which it can be rolled back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Savepoint(usize);

impl<'s> Tx<'s> {
    pub(super) const fn new(store: &'s mut Store) -> Self {
        Self { store, changes: BTreeMap::new(), undo: Vec::new() }
    }

    /// The value of a row.
    pub fn get(&self, table: Table, prefix: &[u8], sequence: u64) -> Result<Option<Value>, StoreError> {
        self.read(table, &self.store.place(table, prefix).row(sequence))
    }

    /// Whether there is a row. It isn't opened.
    pub fn contains(&self, table: Table, prefix: &[u8], sequence: u64) -> Result<bool, StoreError> {
        let row = self.store.place(table, prefix).row(sequence);
        match self.changes.get(&row) {
            Some(change) => Ok(change.is_some()),
            None => Ok(self.store.backend.get(row.as_bytes())?.is_some()),
        }
    }

    /// Sets the value of a row.
    pub fn put(&mut self, table: Table, prefix: &[u8], sequence: u64, value: impl Into<Value>) {
        let row = self.store.place(table, prefix).row(sequence);
        self.change(row, Some(value.into()));
    }

    /// Removes a row; nothing happens if there is none.
    pub fn delete(&mut self, table: Table, prefix: &[u8], sequence: u64) {
        let row = self.store.place(table, prefix).row(sequence);
        self.change(row, None);
    }

    /// Removes every row of the prefix, without opening any. Its sequence goes on where it was.
    pub fn delete_all(&mut self, table: Table, prefix: &[u8]) -> Result<(), StoreError> {
        let place = self.store.place(table, prefix);
        let rows = scan::rows(self.store.backend.as_ref(), &self.changes, place)?;
        for row in rows {
            self.change(row, None);
        }
        Ok(())
    }

    /// The first `limit` rows of the prefix with a sequence number in `range`, from its start or its end.
    pub fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        range: impl RangeBounds<u64>,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<(u64, Value)>, StoreError> {
        let Some(bounds) = self.store.place(table, prefix).rows(&range) else { return Ok(Vec::new()) };
        scan::Scan::new(self.store, &self.changes, table, bounds, direction).collect(limit)
    }

    /// The next number of the prefix's sequence, from 1. A number is given out once, even if its row is deleted (STO-12).
    pub fn next_sequence(&mut self, table: Table, prefix: &[u8]) -> Result<u64, StoreError> {
        let row = Place::of_sequence(&self.store.keys.index, table, prefix).row(0);
        let last = match self.read(table, &row)? {
            None => 0,
            Some(value) => value
                .as_slice()
                .try_into()
                .map(u64::from_be_bytes)
                .map_err(|_| StoreError::Corrupt { table: table.name() })?,
        };
        let next = last.checked_add(1).ok_or(StoreError::Full { table: table.name() })?;
        self.change(row, Some(next.to_be_bytes().to_vec().into()));
        Ok(next)
    }

    /// Puts a row at the end of the prefix's sequence and returns its number.
    pub fn append(
        &mut self,
        table: Table,
        prefix: &[u8],
        value: impl Into<Value>,
    ) -> Result<u64, StoreError> {
        let sequence = self.next_sequence(table, prefix)?;
        self.put(table, prefix, sequence, value);
        Ok(sequence)
    }

    /// Marks this moment.
    pub const fn savepoint(&self) -> Savepoint {
        Savepoint(self.undo.len())
    }

    /// Undoes everything since `savepoint`. Savepoints made after it mean nothing any more.
    pub fn rollback_to(&mut self, savepoint: Savepoint) {
        while self.undo.len() > savepoint.0 {
            match self.undo.pop() {
                Some((row, Some(before))) => drop(self.changes.insert(row, before)),
                Some((row, None)) => drop(self.changes.remove(&row)),
                None => {}
            }
        }
    }

    /// The commit counter as it stands before this transaction.
    pub const fn commit_counter(&self) -> u64 {
        self.store.commits
    }

    /// Whether nothing was changed.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// How many bytes [`Self::commit`] would write, about. A backend may like batches of a certain size.
    pub fn size(&self) -> usize {
        const ROW: usize = 64;
        self.changes.values().map(|value| ROW + value.as_ref().map_or(0, |value| value.len())).sum()
    }

    /// Writes everything as one durable batch, and returns the new commit counter. A transaction that changed nothing
    /// writes nothing and counts nothing. After an error, nothing is known about what was written: the store has to be
    /// opened again.
    pub fn commit(self) -> Result<u64, StoreError> {
        let Self { store, changes, undo: _ } = self;
        if changes.is_empty() {
            return Ok(store.commits);
        }
        let salt = Salt::random(&mut *store.rng);
        let mut batch = Batch::new();
        for (row, change) in &changes {
            match change {
                Some(value) => batch.put(row.as_bytes(), store.seal(row, value, salt)),
                None => batch.delete(row.as_bytes()),
            }
        }
        // STO-10
        let counter = store.commits.saturating_add(1);
        let row = store.counter_row();
        batch.put(row.as_bytes(), store.seal(&row, &counter.to_be_bytes(), salt));
        store.backend.commit(&batch)?;
        store.commits = counter;
        Ok(counter)
    }

    fn read(&self, table: Table, row: &RowKey) -> Result<Option<Value>, StoreError> {
        if let Some(change) = self.changes.get(row) {
            return Ok(change.clone());
        }
        match self.store.backend.get(row.as_bytes())? {
            Some(sealed) => self.store.open_row(table, row, &sealed).map(Some),
            None => Ok(None),
        }
    }

    fn change(&mut self, row: RowKey, value: Option<Value>) {
        let before = match self.changes.entry(row) {
            Entry::Occupied(mut entry) => Some(entry.insert(value)),
            Entry::Vacant(entry) => {
                entry.insert(value);
                None
            }
        };
        self.undo.push((row, before));
    }
}

impl std::fmt::Debug for Tx<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { store: _, changes, undo: _ } = self;
        f.debug_struct("Tx").field("changes", &changes.len()).finish_non_exhaustive()
    }
}
