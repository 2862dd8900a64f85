//! One device: an engine, its store, and what the driver does around them.

use std::collections::{BTreeMap, VecDeque};

use chacha20::ChaCha20Rng;
use rand_core::SeedableRng;
use wheesht_core::{
    api::{Event, EventId, Request, Response},
    engine::{Effect, Engine, Input, LinkId},
    store::{MemoryBackend, Store, StoreKey},
    time::Timestamp,
};
use zeroize::Zeroizing;

use super::{
    faults::{Faults, below, happens},
    persona::Persona,
};

/// Which device, in the order in which they were made.
pub type NodeId = usize;

/// A connection as its device sees it.
pub(super) struct NodeLink {
    /// The relay's number of the connection, while it stands.
    pub(super) connection: Option<u64>,
    pub(super) last_request: u64,
    pub(super) tokens: BTreeMap<u64, u64>,
    pub(super) failures: u32,
    /// An attempt to connect is on its way.
    pub(super) connecting: bool,
}

/// One device.
pub(super) struct Node {
    pub(super) persona: Persona,
    backend: MemoryBackend,
    rng: ChaCha20Rng,
    running: Option<(Store, Engine)>,
    pub(super) links: BTreeMap<LinkId, NodeLink>,
    pub(super) waiting: VecDeque<Input>,
    last_command: u64,
    /// Commands whose answer is awaited.
    pub(super) commands: BTreeMap<u64, Request>,
}

/// How processing ended.
pub(super) enum Processed {
    /// These effects may go.
    Effects(Vec<Effect>),
    /// The device died.
    Crashed,
}

impl Node {
    pub(super) fn new(persona: Persona, seed: u64, now: Timestamp) -> Self {
        let mut node = Self {
            persona,
            backend: MemoryBackend::new(),
            rng: ChaCha20Rng::seed_from_u64(seed),
            running: None,
            links: BTreeMap::new(),
            waiting: VecDeque::new(),
            last_command: 0,
            commands: BTreeMap::new(),
        };
        let store = Store::create(Box::new(node.backend.clone()), &store_key(), node.store_rng(), now);
        node.start(store.expect("an empty store can be made"));
        node
    }

    /// Starts again from what is durable.
    pub(super) fn restart(&mut self) {
        self.crash();
        self.backend = self.backend.snapshot();
        let store = Store::open(Box::new(self.backend.clone()), &store_key(), self.store_rng());
        self.start(store.expect("what is durable can be opened"));
    }

    fn start(&mut self, store: Store) {
        self.running = Some((store, Engine::new()));
        self.waiting.push_back(Input::Start);
        self.waiting.push_back(Input::ReplayEvents { after: EventId::default() });
    }

    /// Everything that isn't durable is gone.
    pub(super) fn crash(&mut self) {
        self.persona.unsure(std::mem::take(&mut self.commands).into_values());
        self.running = None;
        self.links.clear();
        self.waiting.clear();
        self.commands.clear();
    }

    pub(super) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Puts the store of this device back to what it was when `copy` was taken.
    pub(super) fn restore(&mut self, copy: &MemoryBackend) {
        self.crash();
        self.backend = copy.snapshot();
    }

    pub(super) fn copy_store(&self) -> MemoryBackend {
        self.backend.snapshot()
    }

    /// Asks the engine for something.
    pub(super) fn command(&mut self, request: Request) {
        self.last_command += 1;
        self.commands.insert(self.last_command, request.clone());
        self.waiting.push_back(Input::Command { id: self.last_command, request });
    }

    /// Asks something that is answered at once and changes nothing. No answer while a timer is due.
    pub(super) fn query(&mut self, request: Request, now: Timestamp) -> Option<Response> {
        let (store, engine) = self.running.as_mut()?;
        if engine.next_wake().is_some_and(|wake| wake <= now) {
            // Any input makes the engine do what is due; that has to go through a commit.
            return None;
        }
        let mut tx = store.begin();
        let effects = engine.handle(&mut tx, Input::Command { id: 0, request }, now, &mut self.rng).ok()?;
        assert!(tx.is_empty(), "a query writes nothing");
        effects.into_iter().find_map(|effect| match effect {
            Effect::Respond { id: 0, result } => result.ok(),
            _ => None,
        })
    }

    /// Takes some of what waits, in one transaction.
    pub(super) fn process(
        &mut self,
        faults: &Faults,
        rng: &mut ChaCha20Rng,
        now: Timestamp,
        trace: impl Fn(&Input),
    ) -> Processed {
        let Some((store, engine)) = self.running.as_mut() else { return Processed::Effects(Vec::new()) };
        let batch = 1 + below(rng, 8) as usize;
        let mut tx = store.begin();
        let mut effects = Vec::new();
        for input in self.waiting.drain(..batch.min(self.waiting.len())) {
            trace(&input);
            effects.extend(
                engine.handle(&mut tx, input, now, &mut self.rng).expect("a healthy store doesn't fail"),
            );
        }
        if happens(rng, faults.crash_before) {
            return Processed::Crashed;
        }
        tx.commit().expect("a healthy store commits");
        if happens(rng, faults.crash_after) { Processed::Crashed } else { Processed::Effects(effects) }
    }

    /// When its next timer falls due.
    pub(super) fn next_wake(&self) -> Option<Timestamp> {
        self.running.as_ref().and_then(|(_, engine)| engine.next_wake())
    }

    pub(super) fn rng(&mut self) -> &mut ChaCha20Rng {
        &mut self.rng
    }

    fn store_rng(&mut self) -> Box<ChaCha20Rng> {
        Box::new(ChaCha20Rng::seed_from_u64(rand_core::Rng::next_u64(&mut self.rng)))
    }

    /// The app has seen this event.
    pub(super) fn acknowledge(&mut self, event: &Event) {
        if let Some(id) = event.id {
            self.waiting.push_back(Input::AckEvents(id));
        }
    }
}

fn store_key() -> StoreKey {
    StoreKey::from_bytes(Zeroizing::new([7; 32]))
}
