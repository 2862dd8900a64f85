//! Changes that are not yet committed, laid over the backend: reads see through them.

use std::{
    collections::BTreeMap,
    ops::Bound::{Excluded, Included, Unbounded},
};

use prost::Message;
use wheesht_core::store::{
    backend::{Backend, Batch, Direction, KeyRange, KeyValue},
    sled::GOOD_BATCH,
};

use super::StorageError;

/// A backend and the changes that wait for it. `None` stands for a key that is to go.
pub(super) struct Unit<B> {
    backend: B,
    changes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// Bytes of keys and values, those that a later change replaced included.
    bytes: usize,
}

/// How the backend cuts large values, about, and what it adds to a piece's key.
const PIECE: usize = 4096;
const PIECE_KEY: usize = 8;

impl<B: Backend> Unit<B> {
    pub(super) fn new(backend: B) -> Self {
        Self { backend, changes: BTreeMap::new(), bytes: 0 }
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        match self.changes.get(key) {
            Some(change) => Ok(change.clone()),
            None => Ok(self.backend.get(key)?),
        }
    }

    pub(super) fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.bytes += key.len() + value.len();
        self.changes.insert(key, Some(value));
    }

    pub(super) fn delete(&mut self, key: Vec<u8>) {
        self.bytes += key.len();
        self.changes.insert(key, None);
    }

    /// Deletes a row whose value may be large: the backend keeps it in pieces, and deletes each.
    pub(super) fn delete_large(&mut self, key: Vec<u8>, length: u32) {
        self.bytes += (key.len() + PIECE_KEY) * (length as usize / PIECE);
        self.delete(key);
    }

    /// A row that is a small protobuf message.
    pub(super) fn row<M: Message + Default>(
        &self,
        key: &[u8],
        what: &'static str,
    ) -> Result<Option<M>, StorageError> {
        let value = self.get(key)?;
        value.map(|value| M::decode(&*value).map_err(|_| StorageError::Damaged(what))).transpose()
    }

    pub(super) fn put_row(&mut self, key: Vec<u8>, row: &impl Message) {
        self.put(key, row.encode_to_vec());
    }

    /// The first `limit` entries of a range, in the order of their keys.
    pub(super) fn scan(&self, range: &KeyRange, limit: usize) -> Result<Vec<KeyValue>, StorageError> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        // Each change in the range can hide one stored entry at most.
        let changed = self.changes.range::<[u8], _>(range.bounds()).count();
        let stored = self.backend.scan(range, Direction::Forward, limit.saturating_add(changed))?;
        if changed == 0 {
            return Ok(stored);
        }
        let behind_stored = match stored.last() {
            // The backend may hold more behind what it returned; changes behind that point must wait their turn.
            Some((last, _)) if stored.len() == limit.saturating_add(changed) => Included(last.clone()),
            _ => Unbounded,
        };
        let mut merged: BTreeMap<Vec<u8>, Vec<u8>> = stored.into_iter().collect();
        for (key, change) in self.changes.range::<[u8], _>(range.bounds()) {
            if matches!(&behind_stored, Included(last) | Excluded(last) if key > last) {
                break;
            }
            match change {
                Some(value) => merged.insert(key.clone(), value.clone()),
                None => merged.remove(key),
            };
        }
        Ok(merged.into_iter().take(limit).collect())
    }

    /// What the backend makes durable in one step, whatever happens to its files (see [`GOOD_BATCH`]).
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.changes.is_empty() || self.bytes.saturating_add(bytes) <= GOOD_BATCH
    }

    pub(super) fn has_changes(&self) -> bool {
        !self.changes.is_empty()
    }

    /// Hands all changes to the backend as one batch, durable on return.
    pub(super) fn commit(&mut self) -> Result<(), StorageError> {
        self.bytes = 0;
        let mut batch = Batch::new();
        for (key, change) in std::mem::take(&mut self.changes) {
            match change {
                Some(value) => batch.put(key, value),
                None => batch.delete(key),
            }
        }
        Ok(self.backend.commit(&batch)?)
    }
}
