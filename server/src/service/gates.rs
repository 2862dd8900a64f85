//! Every rate limit, and the slowing of password guesses.

use std::{collections::HashMap, hash::Hash};

use wheesht_core::{
    proto::{
        address::Name,
        ids::{DepositAddress, MailboxId},
        relay::ErrorCode,
    },
    time::Timestamp,
};

use super::{connection::Network, rate::Buckets, refusal::Refusal, settings::Limits};

/// The buckets, each for its purpose.
pub(super) struct Gates {
    pub(super) registrations: Gate<Network>,
    pub(super) logins: Gate<Network>,
    pub(super) device_logins: Gate<Network>,
    pub(super) proposals: Gate<Name>,
    pub(super) manifest_checks: Gate<Name>,
    pub(super) prekey_uploads: Gate<MailboxId>,
    pub(super) bundles_per_address: Gate<DepositAddress>,
    pub(super) bundles_per_network: Gate<Network>,
    pub(super) deposits_per_address: Gate<DepositAddress>,
    pub(super) requests_per_address: Gate<DepositAddress>,
    pub(super) ephemerals_per_address: Gate<DepositAddress>,
    pub(super) deposits_per_network: Gate<Network>,
    pub(super) reads: Gate<Network>,
    pub(super) writes: Gate<Network>,
    pub(super) device_writes: Gate<MailboxId>,
    pub(super) idle_acks: Gate<MailboxId>,
    pub(super) guesses: Guesses,
}

impl Gates {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            registrations: Gate(Buckets::new(limits.registrations)),
            logins: Gate(Buckets::new(limits.logins)),
            device_logins: Gate(Buckets::new(limits.device_logins)),
            proposals: Gate(Buckets::new(limits.proposals)),
            manifest_checks: Gate(Buckets::new(limits.manifest_checks)),
            prekey_uploads: Gate(Buckets::new(limits.prekey_uploads)),
            bundles_per_address: Gate(Buckets::new(limits.bundles_per_address)),
            bundles_per_network: Gate(Buckets::new(limits.bundles_per_network)),
            deposits_per_address: Gate(Buckets::new(limits.deposits_per_address)),
            requests_per_address: Gate(Buckets::new(limits.requests_per_address)),
            ephemerals_per_address: Gate(Buckets::new(limits.ephemerals_per_address)),
            deposits_per_network: Gate(Buckets::new(limits.deposits_per_network)),
            reads: Gate(Buckets::new(limits.reads_per_network)),
            writes: Gate(Buckets::new(limits.writes_per_network)),
            device_writes: Gate(Buckets::new(limits.device_writes)),
            idle_acks: Gate(Buckets::new(limits.idle_acks)),
            guesses: Guesses { free: limits.free_logins, tries: HashMap::new(), sweep_at: FIRST_SWEEP },
        }
    }
}

/// REL-20: buckets whose emptiness is a refusal.
pub(super) struct Gate<K>(Buckets<K>);

impl<K: Eq + Hash> Gate<K> {
    pub(super) fn pass(&mut self, key: K, now: Timestamp) -> Result<(), Refusal> {
        self.pass_many(key, 1, now)
    }

    pub(super) fn pass_many(&mut self, key: K, tokens: usize, now: Timestamp) -> Result<(), Refusal> {
        self.0.take(key, tokens, now).map_err(too_often)
    }
}

fn too_often(wait: u64) -> Refusal {
    Refusal::new(ErrorCode::RateLimited, "too often").after(wait)
}

/// REL-21: guesses at one password from one network. A few are free; then each waits twice as long as the one before, up to
/// a minute, and is granted after that wait: whoever knows the password gets in, from anywhere, whatever others do.
pub(super) struct Guesses {
    free: u32,
    tries: HashMap<(Name, Network), Tries>,
    sweep_at: usize,
}

struct Tries {
    count: u32,
    last: Timestamp,
}

const FIRST_SWEEP: usize = 1024;
const FIRST_WAIT_MS: u64 = 1000;
const LONGEST_WAIT_MS: u64 = 60_000;
/// Guesses are forgotten after an hour without one: slower than that is no attack.
const FORGET_MS: u64 = 60 * 60 * 1000;

impl Guesses {
    /// Counts one more guess, or says how long it must wait.
    pub(super) fn begin(&mut self, name: &Name, network: Network, now: Timestamp) -> Result<(), Refusal> {
        self.sweep(now);
        let tries = self.tries.entry((name.clone(), network)).or_insert(Tries { count: 0, last: now });
        if now.millis_since(tries.last) > FORGET_MS {
            tries.count = 0;
        }
        if let Some(over) = tries.count.checked_sub(self.free) {
            let wait = FIRST_WAIT_MS.saturating_mul(1 << over.min(16)).min(LONGEST_WAIT_MS);
            let waited = now.millis_since(tries.last);
            if waited < wait {
                return Err(too_often(wait - waited));
            }
        }
        tries.count = tries.count.saturating_add(1);
        tries.last = now;
        Ok(())
    }

    /// The guess was right.
    pub(super) fn forget(&mut self, name: &Name, network: Network) {
        self.tries.remove(&(name.clone(), network));
    }

    fn sweep(&mut self, now: Timestamp) {
        if self.tries.len() >= self.sweep_at {
            self.tries.retain(|_, tries| now.millis_since(tries.last) <= FORGET_MS);
            self.sweep_at = (self.tries.len() * 2).max(FIRST_SWEEP);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guesses_slow_down_and_are_never_locked_out_rel_21() {
        let mut guesses = Guesses { free: 2, tries: HashMap::new(), sweep_at: FIRST_SWEEP };
        let name: Name = "alice".parse().unwrap();
        let here = Network::from(std::net::IpAddr::from([192, 0, 2, 1]));
        let there = Network::from(std::net::IpAddr::from([192, 0, 2, 2]));
        let mut now = Timestamp::from_millis(1_000_000);
        for _ in 0..2 {
            assert_eq!(guesses.begin(&name, here, now), Ok(()));
        }
        for wait in [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000] {
            assert_eq!(guesses.begin(&name, here, now).map_err(|refusal| refusal.retry_after_ms), Err(wait));
            assert_eq!(guesses.begin(&name, there, now.plus_millis(wait * 100)), Ok(()));
            now = now.plus_millis(wait);
            assert_eq!(guesses.begin(&name, here, now), Ok(()));
            guesses.forget(&name, there);
        }
        guesses.forget(&name, here);
        assert_eq!(guesses.begin(&name, here, now), Ok(()));
    }
}
