//! Tables, and where their rows lie.
//!
//! A row is named by its table, a prefix (whose rows these are: a conversation's id, a session's, or nothing) and a
//! sequence number, by which the rows of one prefix are ordered. On the disk neither table nor prefix can be read:
//!
//! ```text
//! key class (1 byte) ‖ HMAC-SHA-256(index key, "row" ‖ length of table's name (1 byte) ‖ name ‖ prefix)[..16] ‖ sequence (8 bytes, big-endian)
//! ```

use std::ops::{Bound, RangeBounds};

use super::{backend::KeyRange, sealing::Index};

/// Which key the rows of a table are sealed under.
///
/// The numbers stand in the rows' keys. 3 is kept for keys per expiry bucket (timed messages).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum KeyClass {
    /// A key that lasts as long as the store: history, contacts, settings.
    Lasting = 1,
    /// A key that is replaced daily, and with which what was deleted becomes unreadable: sessions, message keys, private
    /// prekeys.
    Daily = 2,
}

/// A table: a constant of whoever owns its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table {
    name: &'static str,
    class: KeyClass,
}

impl Table {
    /// A table. The name is part of where its rows lie, so it can never change; at most 255 bytes.
    pub const fn new(name: &'static str, class: KeyClass) -> Self {
        assert!(name.len() <= 255, "a table's name has at most 255 bytes");
        Self { name, class }
    }

    /// Its name.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The class of its key.
    pub const fn class(&self) -> KeyClass {
        self.class
    }
}

/// Length of the pseudorandom part in bytes: 2^64 prefixes until two may meet.
pub(super) const PREFIX: usize = 16;
/// Length of a row's key in bytes.
const LEN: usize = 1 + PREFIX + 8;

/// Where the rows of one prefix of one table lie.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    class: KeyClass,
    prefix: [u8; PREFIX],
}

impl Place {
    /// Of a table's prefix.
    pub(super) fn new(index: &Index, table: Table, prefix: &[u8]) -> Self {
        Self { class: table.class, prefix: index.prefix(b"row", table.name, prefix) }
    }

    /// Of the sequence counters of a table's prefix: apart from every table, whatever its name.
    pub(super) fn of_sequence(index: &Index, table: Table, prefix: &[u8]) -> Self {
        Self { class: KeyClass::Lasting, prefix: index.prefix(b"seq", table.name, prefix) }
    }

    /// The row with this sequence number.
    pub(super) fn row(&self, sequence: u64) -> RowKey {
        let mut key = [0; LEN];
        let (class, rest) = key.split_at_mut(1);
        let (prefix, seq) = rest.split_at_mut(PREFIX);
        class.copy_from_slice(&[self.class as u8]);
        prefix.copy_from_slice(&self.prefix);
        seq.copy_from_slice(&sequence.to_be_bytes());
        RowKey(key)
    }

    /// The rows with these sequence numbers, as inclusive bounds; none if there can be none.
    pub(super) fn rows(&self, range: &impl RangeBounds<u64>) -> Option<(RowKey, RowKey)> {
        let first = match range.start_bound() {
            Bound::Included(&start) => start,
            Bound::Excluded(&start) => start.checked_add(1)?,
            Bound::Unbounded => 0,
        };
        let last = match range.end_bound() {
            Bound::Included(&end) => end,
            Bound::Excluded(&end) => end.checked_sub(1)?,
            Bound::Unbounded => u64::MAX,
        };
        (first <= last).then(|| (self.row(first), self.row(last)))
    }
}

/// A row's key on the disk.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RowKey([u8; LEN]);

impl RowKey {
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    pub(super) fn class(&self) -> Option<KeyClass> {
        let [class, ..] = self.0;
        [KeyClass::Lasting, KeyClass::Daily].into_iter().find(|known| *known as u8 == class)
    }

    pub(super) fn sequence(&self) -> u64 {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(self.0.split_at(LEN - 8).1);
        u64::from_be_bytes(bytes)
    }
}

/// Every row whose key is of this class.
pub(super) fn rows_of_class(class: KeyClass) -> KeyRange {
    KeyRange::prefix(&[class as u8])
}
