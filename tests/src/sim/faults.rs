//! What goes wrong, and how often.

use chacha20::ChaCha20Rng;
use rand_core::Rng;

/// Chances in a thousand, each time there is an occasion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Faults {
    /// A frame breaks its connection, and is lost with all behind it.
    pub cut: u32,
    /// A connection can't be made.
    pub unreachable: u32,
    /// A push arrives twice.
    pub duplicate: u32,
    /// A push changes places with the one before it.
    pub reorder: u32,
    /// A device dies before a commit took effect.
    pub crash_before: u32,
    /// A device dies after a commit, before any effect of it.
    pub crash_after: u32,
    /// The relay dies instead of committing.
    pub relay_crash: u32,
    /// Longest delay of a frame in milliseconds.
    pub delay_ms: u64,
}

impl Faults {
    /// A network that works.
    pub const NONE: Self = Self {
        cut: 0,
        unreachable: 0,
        duplicate: 0,
        reorder: 0,
        crash_before: 0,
        crash_after: 0,
        relay_crash: 0,
        delay_ms: 20,
    };

    /// Faults of every kind, how many of each the seed decides.
    pub fn from_seed(rng: &mut ChaCha20Rng) -> Self {
        Self {
            cut: below(rng, 30) as u32,
            unreachable: below(rng, 200) as u32,
            duplicate: below(rng, 100) as u32,
            // Half of the lives keep their order, so that it can be checked.
            reorder: (below(rng, 2) * below(rng, 100)) as u32,
            crash_before: below(rng, 10) as u32,
            crash_after: below(rng, 10) as u32,
            relay_crash: below(rng, 5) as u32,
            delay_ms: 1 + below(rng, 400),
        }
    }
}

/// A number below `bound`, which is at least 1.
pub(super) fn below(rng: &mut ChaCha20Rng, bound: u64) -> u64 {
    rng.next_u64() % bound.max(1)
}

/// Whether something with this chance in a thousand happens now.
pub(super) fn happens(rng: &mut ChaCha20Rng, per_mille: u32) -> bool {
    below(rng, 1000) < u64::from(per_mille)
}
