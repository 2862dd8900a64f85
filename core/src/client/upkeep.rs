//! The store's housekeeping: replacing the daily key, a little at a time and never in anybody's way.

use std::time::Duration;

use crate::{
    store::{Rotation, Store, StoreError},
    time::Timestamp,
};

/// Between two looks at whether the key is due.
const LOOK_EVERY: Duration = Duration::from_secs(60 * 60);
/// Between two steps of sealing rows again.
const STEP_EVERY: Duration = Duration::from_millis(50);
/// The longest that a busy engine puts a step off: the old key must go within the day even if there is always something to do.
const STEP_AT_LEAST_EVERY: Duration = Duration::from_secs(2);
/// Rows per step: well under a commit's time.
const ROWS: usize = 128;

/// When to do what.
#[derive(Default)]
pub(super) struct Upkeep {
    due: Timestamp,
    resealing: bool,
}

impl Upkeep {
    /// When [`Self::step`] has something to do.
    pub(super) fn due(&self) -> Timestamp {
        self.due
    }

    /// Does a little, if it is time.
    pub(super) fn step(&mut self, store: &mut Store, now: Timestamp, idle: bool) -> Result<(), StoreError> {
        // A clock that was set back must not put this off.
        let far = self.due.millis_since(now) > LOOK_EVERY.as_millis() as u64;
        if now < self.due && !far {
            return Ok(());
        }
        let busy = self.resealing && !idle && now < self.due + STEP_AT_LEAST_EVERY;
        if busy {
            return Ok(());
        }
        let rotation = match self.resealing {
            true => store.reseal_step(ROWS)?,
            false => store.rotate_if_due(now)?,
        };
        self.resealing = rotation == Rotation::Resealing;
        self.due = now + if self.resealing { STEP_EVERY } else { LOOK_EVERY };
        Ok(())
    }
}
