//! Handles: numbers that are looked up, so that a wrong one is an error and never a stray pointer.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use wheesht_core::api::{Error, ErrorCode};

use crate::open::Client;

struct Registry {
    /// The handle given last. Handles are never reused: an old one can't mean a new client.
    last: u64,
    open: BTreeMap<u64, Arc<Client>>,
}

static REGISTRY: Mutex<Registry> = Mutex::new(Registry { last: 0, open: BTreeMap::new() });

fn registry() -> MutexGuard<'static, Registry> {
    // Every critical section is one operation on the map, so a poisoned lock still guards a whole one.
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps an open client and names it.
pub(crate) fn insert(client: Client) -> u64 {
    let mut registry = registry();
    registry.last += 1;
    let handle = registry.last;
    registry.open.insert(handle, Arc::new(client));
    handle
}

/// The client of a handle. It lives at least as long as this reference, even if another thread closes it meanwhile.
pub(crate) fn get(handle: u64) -> Result<Arc<Client>, Error> {
    registry()
        .open
        .get(&handle)
        .cloned()
        .ok_or_else(|| Error::new(ErrorCode::Closed, "This handle is not open."))
}

/// Forgets a handle.
pub(crate) fn remove(handle: u64) -> Option<Arc<Client>> {
    registry().open.remove(&handle)
}
