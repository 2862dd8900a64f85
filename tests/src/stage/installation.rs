//! One installation: an engine, its store, and what the real driver keeps around them.

use std::collections::{BTreeMap, BTreeSet};

use chacha20::ChaCha20Rng;
use rand_core::{CryptoRng, Rng as _, SeedableRng};
use wheesht_core::{
    api::{Error, Event, Response},
    engine::{Effect, Engine, Input, LinkId},
    store::{MemoryBackend, Store, StoreKey, Tx},
    time::Timestamp,
};
use zeroize::Zeroizing;

/// See the module.
pub struct Installation {
    engine: Engine,
    store: Store,
    backend: MemoryBackend,
    rng: ChaCha20Rng,
    wanted: BTreeSet<LinkId>,
    answers: BTreeMap<u64, Result<Response, Error>>,
    /// Events since last taken.
    pub events: Vec<Event>,
    /// No connection can be made.
    pub offline: bool,
    /// How far its clock is ahead of the stage's (milliseconds).
    pub ahead: u64,
}

impl Installation {
    pub(super) fn new(rng: &mut ChaCha20Rng, now: Timestamp) -> Self {
        let backend = MemoryBackend::new();
        let mut own = ChaCha20Rng::seed_from_u64(rng.next_u64());
        let seeded = Box::new(ChaCha20Rng::seed_from_u64(own.next_u64()));
        let store = Store::create(Box::new(backend.clone()), &key(), seeded, now).expect("an empty backend");
        Self {
            engine: Engine::new(),
            store,
            backend,
            rng: own,
            wanted: BTreeSet::new(),
            answers: BTreeMap::new(),
            events: Vec::new(),
            offline: false,
            ahead: 0,
        }
    }

    /// The answer to a command, once.
    pub fn answer(&mut self, id: u64) -> Option<Result<Response, Error>> {
        self.answers.remove(&id)
    }

    /// A copy of everything on disk, to be put back with [`Self::restore`].
    pub fn snapshot(&self) -> MemoryBackend {
        self.backend.snapshot()
    }

    /// Puts an old copy in place; it counts after the next restart.
    pub fn restore(&mut self, backend: &MemoryBackend) {
        self.backend = backend.snapshot();
    }

    /// Reads and writes what its store holds, behind its engine's back: see [`super::tamper`]. What the engine remembers of it
    /// is right again after a restart.
    pub(super) fn tamper<T>(&mut self, with: impl FnOnce(&mut Tx<'_>) -> T) -> T {
        let mut tx = self.store.begin();
        let result = with(&mut tx);
        tx.commit().expect("the store does not fail");
        result
    }

    pub(super) fn restart(&mut self) {
        let seeded = Box::new(ChaCha20Rng::seed_from_u64(self.rng.next_u64()));
        self.engine = Engine::new();
        self.store = Store::open(Box::new(self.backend.clone()), &key(), seeded).expect("the store opens");
        self.wanted.clear();
    }

    pub(super) fn handle(&mut self, input: Input, now: Timestamp, rng: &mut dyn CryptoRng) -> Vec<Effect> {
        let mut tx = self.store.begin();
        let now = now.plus_millis(self.ahead);
        let effects = self.engine.handle(&mut tx, input, now, rng).expect("the store does not fail");
        tx.commit().expect("the store does not fail");
        effects
    }

    pub(super) fn next_wake(&self) -> Option<Timestamp> {
        let wake = self.engine.next_wake()?;
        Some(Timestamp::from_millis(wake.as_millis().saturating_sub(self.ahead)))
    }

    pub(super) fn answered(&mut self, id: u64, result: Result<Response, Error>) {
        let twice = self.answers.insert(id, result);
        assert!(twice.is_none(), "a command is answered once");
    }

    pub(super) fn want(&mut self, link: LinkId) {
        self.wanted.insert(link);
    }

    pub(super) fn unwant(&mut self, link: &LinkId) {
        self.wanted.remove(link);
    }

    pub(super) fn wants(&self, link: &LinkId) -> bool {
        self.wanted.contains(link)
    }

    pub(super) fn wanted(&self) -> impl Iterator<Item = LinkId> + use<> {
        self.wanted.clone().into_iter()
    }
}

fn key() -> StoreKey {
    StoreKey::from_bytes(Zeroizing::new([7; 32]))
}
