//! The one place of the library that reads the clock and draws randomness.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use getrandom::SysRng;
use rand_core::{CryptoRng, Rng as _, UnwrapErr};

use crate::time::Timestamp;

/// The time by the wall: what timers of the engine, certificates and messages are measured by.
#[expect(clippy::disallowed_methods, reason = "the driver is where time comes from")]
pub(super) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// The operating system's randomness. If that fails, which Linux rules out once it has booted, going on would be worse than
/// stopping: the wrapper panics.
pub(super) fn rng() -> impl CryptoRng + Send + 'static {
    UnwrapErr(SysRng)
}

/// A span between half and the whole of `longest`, so that clients which lost a relay together don't come back together.
pub(super) fn jittered(longest: Duration) -> Duration {
    let share = f64::from(rng().next_u32()) / f64::from(u32::MAX);
    longest.mul_f64(0.5 + share / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_between_half_and_whole() {
        let longest = Duration::from_secs(8);
        for _ in 0..1_000 {
            let span = jittered(longest);
            assert!(span >= longest / 2 && span <= longest, "{span:?}");
        }
    }
}
