//! The daily key's replacement: what makes deleting from a log-structured store delete.
//!
//! Such a store keeps what was deleted or overwritten until it happens to clean up. So rows of class `Daily` are sealed
//! under a key that lives for a day, and then the key is destroyed, which stands in the slot alone.
//!
//! ```text
//!             rotate_if_due                      reseal_step … reseal_step
//! [one key] ───────────────▶ [old and new key] ─────────────────────────────▶ [one key]
//!             slot: old+new     new rows under the new key,                      slot: new
//!                               old rows sealed again in small batches
//! ```
//!
//! Each arrow is durable before the next begins. A start that finds two keys goes on from the middle. The old key goes
//! only when a pass over all rows of the class found none under it (STO-9).

use super::{
    backend::{Batch, Direction, KeyRange},
    error::StoreError,
    open::Store,
    sealing::{Salt, Sealed},
    table::{KeyClass, RowKey, rows_of_class},
};
use crate::{proto::limits::DAY_MS, time::Timestamp};

/// Where the daily key's replacement stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotation {
    /// One key, and nothing to do.
    Idle,
    /// Two keys: call [`Store::reseal_step`], from time to time, until it says [`Rotation::Idle`].
    Resealing,
}

impl Store {
    /// Begins to replace the daily key if it is older than a day. Cheap when it isn't; call it at start and hourly.
    pub fn rotate_if_due(&mut self, now: Timestamp) -> Result<Rotation, StoreError> {
        if self.keys.retiring.is_some() {
            return Ok(Rotation::Resealing);
        }
        // A clock that once ran ahead must not stop the rotation: a key from the future is as due as an old one.
        if self.keys.daily.created.as_millis().abs_diff(now.as_millis()) < DAY_MS {
            return Ok(Rotation::Idle);
        }
        // STO-9: both keys are in the slot before a row is sealed under the new one.
        self.keys.next_daily(&mut *self.rng, now);
        self.resealed = None;
        self.write_keys()?;
        Ok(Rotation::Resealing)
    }

    /// Looks at up to `limit` rows and seals those again that are under the old key: one small durable batch. After the
    /// last one, the old key is destroyed.
    pub fn reseal_step(&mut self, limit: usize) -> Result<Rotation, StoreError> {
        if self.keys.retiring.is_none() {
            return Ok(Rotation::Idle);
        }
        let rows = self.backend.scan(&self.not_resealed(), Direction::Forward, limit.max(1))?;
        let Some((last, _)) = rows.last() else {
            self.keys.retiring = None;
            self.write_keys()?;
            return Ok(Rotation::Idle);
        };
        let last = last.clone();
        let salt = Salt::random(&mut *self.rng);
        let mut batch = Batch::new();
        for (key, sealed) in rows {
            if let Some(again) = self.seal_again(&key, &sealed, salt) {
                batch.put(key, again);
            }
        }
        if !batch.is_empty() {
            self.backend.commit(&batch)?;
        }
        self.resealed = Some(last);
        Ok(Rotation::Resealing)
    }

    fn not_resealed(&self) -> KeyRange {
        let rows = rows_of_class(KeyClass::Daily);
        match &self.resealed {
            Some(last) => rows.after(last.clone(), Direction::Forward),
            None => rows,
        }
    }

    /// A row under the new key; none if it is already, or does not open: whoever reads that one is told that it is
    /// damaged, and it must not keep the old key alive.
    fn seal_again(&self, key: &[u8], sealed: &[u8], salt: Salt) -> Option<Vec<u8>> {
        let row = RowKey::from_bytes(key)?;
        if Sealed::parse(sealed)?.key_id == self.keys.for_writing(KeyClass::Daily).id() {
            return None;
        }
        Some(self.seal(&row, &self.unseal(&row, sealed)?, salt))
    }
}
