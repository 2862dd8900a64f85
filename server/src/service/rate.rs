//! How often is too often: token buckets, each kept as the time at which it is full again (GCRA).
//!
//! A bucket that nobody used lately is full and needs no memory, so the table holds the busy ones only, and drops the others
//! when it has grown.

use std::{collections::HashMap, hash::Hash};

use wheesht_core::time::Timestamp;

/// A bucket's size and how fast it fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many at once, after a rest.
    pub burst: u32,
    /// How many per minute in the long run.
    pub per_minute: u32,
}

impl Rate {
    /// Never too often.
    pub const UNLIMITED: Self = Self::new(u32::MAX, u32::MAX);

    /// A rate.
    pub const fn new(burst: u32, per_minute: u32) -> Self {
        Self { burst, per_minute }
    }

    /// Microseconds in which one token grows.
    fn interval(self) -> u64 {
        60_000_000 / u64::from(self.per_minute.max(1))
    }
}

/// Buckets of one rate, one per key.
pub(crate) struct Buckets<K> {
    rate: Rate,
    /// When each is full again, in microseconds.
    full_at: HashMap<K, u64>,
    sweep_at: usize,
}

const FIRST_SWEEP: usize = 1024;

impl<K: Eq + Hash> Buckets<K> {
    pub(crate) fn new(rate: Rate) -> Self {
        Self { rate, full_at: HashMap::new(), sweep_at: FIRST_SWEEP }
    }

    /// Takes `tokens`, or says in how many milliseconds they will be there. More than the bucket holds are granted when it is
    /// full, and paid for by a longer wait afterwards.
    pub(crate) fn take(&mut self, key: K, tokens: usize, now: Timestamp) -> Result<(), u64> {
        if self.rate == Rate::UNLIMITED {
            return Ok(());
        }
        let now = now.as_millis().saturating_mul(1000);
        self.sweep(now);
        let interval = self.rate.interval();
        let room = interval.saturating_mul(u64::from(self.rate.burst));
        let cost = interval.saturating_mul(tokens as u64);
        let full_at = self.full_at.get(&key).copied().unwrap_or(0).max(now);
        let missing = (full_at - now).saturating_add(cost.min(room)).saturating_sub(room);
        if missing > 0 {
            return Err(missing.div_ceil(1000));
        }
        self.full_at.insert(key, full_at.saturating_add(cost));
        Ok(())
    }

    fn sweep(&mut self, now: u64) {
        if self.full_at.len() < self.sweep_at {
            return;
        }
        self.full_at.retain(|_, full_at| *full_at > now);
        // Doubling keeps the cost of sweeping constant per request.
        self.sweep_at = (self.full_at.len() * 2).max(FIRST_SWEEP);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp::from_millis(1_000_000);

    #[test]
    fn a_burst_is_granted_then_one_per_interval_rel_20() {
        let mut buckets = Buckets::new(Rate::new(3, 60));
        for _ in 0..3 {
            assert_eq!(buckets.take("a", 1, AT), Ok(()));
        }
        assert_eq!(buckets.take("a", 1, AT), Err(1000));
        assert_eq!(buckets.take("b", 1, AT), Ok(()));
        assert_eq!(buckets.take("a", 1, AT.plus_millis(999)), Err(1));
        assert_eq!(buckets.take("a", 1, AT.plus_millis(1000)), Ok(()));
        assert_eq!(buckets.take("a", 1, AT.plus_millis(1000)), Err(1000));
    }

    #[test]
    fn more_than_the_bucket_holds_is_granted_and_paid_for_rel_20() {
        let mut buckets = Buckets::new(Rate::new(3, 60));
        assert_eq!(buckets.take("a", 9, AT), Ok(()));
        assert_eq!(buckets.take("a", 1, AT), Err(7000));
    }

    #[test]
    fn full_buckets_are_forgotten_rel_20() {
        let mut buckets = Buckets::new(Rate::new(1, 60));
        for key in 0..10_000 {
            assert_eq!(buckets.take(key, 1, AT.plus_millis(key * 1000)), Ok(()));
        }
        assert!(buckets.full_at.len() < 2 * FIRST_SWEEP);
    }
}
