//! The ordered key-value store underneath: what a backend promises, in words.
//!
//! * Keys and values are bytes; keys are ordered as bytes are. A backend encrypts nothing.
//! * **STO-1** A batch is atomic: after a crash at any point either all of it is there or none of it.
//! * **STO-2** A batch is durable: when [`Backend::commit`] has returned, no loss of power undoes it. Batches take
//!   effect in the order of their commits.
//! * Reads see every commit that has returned. Reads and commits may come from several threads.
//! * **STO-3** After a failed write nothing is known about what the disk holds; so every later call fails with
//!   [`BackendError::Failed`] until the backend is opened again.
//! * The *slot* is one small value outside the ordered keys. Writing it replaces it durably and atomically, and
//!   **STO-4** leaves nothing of the value before it in any file of the backend.
//!
//! `contract.rs` is this page as tests, run for every backend.

use std::{io, ops::Bound, path::PathBuf};

/// A key and its value, as a backend returns them.
pub type KeyValue = (Vec<u8>, Vec<u8>);

/// An ordered key-value store with atomic, durable batches.
pub trait Backend: Send + Sync {
    /// The value of a key.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, BackendError>;

    /// The first `limit` entries of the range, counted from its start or from its end.
    fn scan(
        &self,
        range: &KeyRange,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<KeyValue>, BackendError>;

    /// Applies the whole batch; durable on return.
    fn commit(&self, batch: &Batch) -> Result<(), BackendError>;

    /// The slot's value.
    fn read_slot(&self) -> Result<Option<Vec<u8>>, BackendError>;

    /// Replaces the slot's value, at most [`MAX_SLOT`] bytes; durable on return.
    fn write_slot(&self, value: &[u8]) -> Result<(), BackendError>;
}

/// The longest key, in bytes. Backends build pages of keys; a bound lets them stay within what they do well.
pub const MAX_KEY: usize = 255;
/// The largest value, in bytes: room for anything that belongs into a row. Files are blobs, not rows.
pub const MAX_VALUE: usize = 16 << 20;
/// The largest value a slot takes, in bytes.
pub const MAX_SLOT: usize = 3072;

/// Why a backend failed.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// The operating system refused.
    #[error("the store can't be read or written: {0}")]
    Io(#[from] io::Error),
    /// Another process, or another handle in this one, has the store open.
    #[error("{} is in use by another process: stop that one first, or choose another directory", path.display())]
    Locked {
        /// The store's directory.
        path: PathBuf,
    },
    /// The files are not what this backend wrote.
    #[error("the store's files are damaged ({what}); restore a backup")]
    Corrupt {
        /// Which part.
        what: &'static str,
    },
    /// A write failed earlier, so nothing is certain until the store is opened again.
    #[error("an earlier write to the store failed; free disk space if it is full, then start again")]
    Failed,
    /// A key or a value is longer than [`MAX_KEY`], [`MAX_VALUE`] or [`MAX_SLOT`]; nothing was written.
    #[error("a key or value of more than {limit} bytes can't be stored")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
}

/// From which end a range is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Ascending keys.
    Forward,
    /// Descending keys.
    Backward,
}

/// One change of a [`Batch`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// Sets a key's value.
    Put(Vec<u8>, Vec<u8>),
    /// Removes a key; no error if it isn't there.
    Delete(Vec<u8>),
}

/// Changes that happen together or not at all. Of two changes to one key, the later counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    writes: Vec<Write>,
}

impl Batch {
    /// An empty batch.
    pub const fn new() -> Self {
        Self { writes: Vec::new() }
    }

    /// Sets a key's value.
    pub fn put(&mut self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.writes.push(Write::Put(key.into(), value.into()));
    }

    /// Removes a key.
    pub fn delete(&mut self, key: impl Into<Vec<u8>>) {
        self.writes.push(Write::Delete(key.into()));
    }

    /// Takes over the changes of `other`, after its own.
    pub fn append(&mut self, other: Self) {
        self.writes.extend(other.writes);
    }

    /// The changes, in their order.
    pub fn writes(&self) -> &[Write] {
        &self.writes
    }

    /// Whether every key and value is within the limits: what a backend asks before it begins.
    pub fn check(&self) -> Result<(), BackendError> {
        self.writes.iter().try_for_each(|write| match write {
            Write::Put(key, value) => within(key, MAX_KEY).and_then(|()| within(value, MAX_VALUE)),
            Write::Delete(key) => within(key, MAX_KEY),
        })
    }

    /// How many changes.
    pub fn len(&self) -> usize {
        self.writes.len()
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }
}

/// Whether the bytes are at most `limit`.
pub(super) const fn within(bytes: &[u8], limit: usize) -> Result<(), BackendError> {
    if bytes.len() > limit { Err(BackendError::TooLarge { limit }) } else { Ok(()) }
}

/// A range of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRange {
    start: Bound<Vec<u8>>,
    end: Bound<Vec<u8>>,
}

impl KeyRange {
    /// Between two bounds. A range whose start lies behind its end is empty.
    pub const fn new(start: Bound<Vec<u8>>, end: Bound<Vec<u8>>) -> Self {
        Self { start, end }
    }

    /// Every key.
    pub const fn all() -> Self {
        Self::new(Bound::Unbounded, Bound::Unbounded)
    }

    /// Every key that begins with `prefix`.
    pub fn prefix(prefix: &[u8]) -> Self {
        let end = after_prefix(prefix).map_or(Bound::Unbounded, Bound::Excluded);
        Self::new(Bound::Included(prefix.to_vec()), end)
    }

    /// The bounds.
    pub fn bounds(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
        (self.start.as_ref().map(Vec::as_slice), self.end.as_ref().map(Vec::as_slice))
    }

    /// Whether no key can lie within. (`BTreeMap::range` panics on such a range, so backends ask first.)
    pub fn is_empty(&self) -> bool {
        use Bound::{Excluded, Included, Unbounded};
        match (&self.start, &self.end) {
            (Unbounded, _) | (_, Unbounded) => false,
            (Included(start), Included(end)) => start > end,
            (Included(start) | Excluded(start), Excluded(end)) | (Excluded(start), Included(end)) => {
                start >= end
            }
        }
    }

    /// What remains of the range, read in `direction`, once `key` has been read.
    #[must_use]
    pub fn after(self, key: Vec<u8>, direction: Direction) -> Self {
        match direction {
            Direction::Forward => Self { start: Bound::Excluded(key), ..self },
            Direction::Backward => Self { end: Bound::Excluded(key), ..self },
        }
    }
}

/// The first key behind all that begin with `prefix`; none if it is all `0xff`.
fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return Some(end);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_range_ends_behind_its_last_key() {
        assert_eq!(after_prefix(&[1, 2]), Some(vec![1, 3]));
        assert_eq!(after_prefix(&[1, 0xff]), Some(vec![2]));
        assert_eq!(after_prefix(&[0xff, 0xff]), None);
        assert_eq!(after_prefix(&[]), None);
    }
}
