//! Who may come in: a count of what is open, in all and per network.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::service::Network;

/// Counts of one kind of thing.
#[derive(Clone)]
pub(super) struct Admission {
    total: usize,
    per_network: usize,
    open: Arc<Mutex<Open>>,
}

#[derive(Default)]
struct Open {
    total: usize,
    networks: HashMap<Network, usize>,
}

/// One that is in. Leaves when dropped.
pub(super) struct Permit {
    network: Network,
    admission: Admission,
}

impl Admission {
    pub(super) fn new(total: usize, per_network: usize) -> Self {
        Self { total, per_network, open: Arc::default() }
    }

    /// REL-15: none if it is full, or this network has its share.
    pub(super) fn admit(&self, network: Network) -> Option<Permit> {
        let mut open = self.lock();
        let open = &mut *open;
        let here = open.networks.entry(network).or_default();
        if open.total >= self.total || *here >= self.per_network {
            if *here == 0 {
                open.networks.remove(&network);
            }
            return None;
        }
        *here += 1;
        open.total += 1;
        Some(Permit { network, admission: self.clone() })
    }

    /// Each change below is complete before the lock is given back, so a panic elsewhere does no harm.
    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut open = self.admission.lock();
        open.total = open.total.saturating_sub(1);
        if let Some(here) = open.networks.get_mut(&self.network) {
            *here = here.saturating_sub(1);
            if *here == 0 {
                open.networks.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[test]
    fn a_network_has_its_share_and_the_whole_its_bound_rel_15() {
        let admission = Admission::new(3, 2);
        let network = |last: u8| Network::from(IpAddr::from([192, 0, 2, last]));
        let first = admission.admit(network(1));
        let second = admission.admit(network(1));
        assert!(first.is_some() && second.is_some());
        assert!(admission.admit(network(1)).is_none());
        let third = admission.admit(network(2));
        assert!(third.is_some());
        assert!(admission.admit(network(3)).is_none());
        drop((first, second, third));
        assert!(admission.lock().networks.is_empty());
        assert!(admission.admit(network(3)).is_some());
    }

    #[test]
    fn an_ipv6_network_is_a_64() {
        let network = |text: &str| Network::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(network("2001:db8:1:2::1"), network("2001:db8:1:2:ffff::9"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
    }
}
