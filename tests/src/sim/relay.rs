//! The relay: the real service on a store in memory, which dies and comes back.

use chacha20::ChaCha20Rng;
use rand_core::SeedableRng;
use wheesht_core::{
    proto::{limits::ENVELOPE_LIFETIME_MS, relay::ClientFrame},
    store::MemoryBackend,
    time::Timestamp,
};
use wheesht_relay::{
    service::{ConnectionId, Network, Output, Request, Service, Settings},
    storage::{Retention, embedded::Embedded},
};

/// What stands after the @ of the relays' names.
pub(crate) const DOMAINS: [&str; 2] = ["relay.example", "other.example"];

/// How long it keeps envelopes.
const LIFETIME: std::time::Duration = std::time::Duration::from_millis(ENVELOPE_LIFETIME_MS);

/// The relay.
pub(crate) struct SimRelay {
    backend: MemoryBackend,
    service: Service<Embedded<MemoryBackend>>,
    seed: u64,
    settings: Settings,
}

impl SimRelay {
    pub(crate) fn new(settings: Settings, seed: u64) -> Self {
        let backend = MemoryBackend::new();
        let service = open(&backend, &settings, seed);
        Self { backend, service, seed, settings }
    }

    /// Dies, and starts again from what is durable.
    pub(crate) fn restart(&mut self) {
        self.seed = self.seed.wrapping_add(1);
        self.backend = self.backend.snapshot();
        self.service = open(&self.backend, &self.settings, self.seed);
    }

    pub(crate) fn connect(&mut self, connection: u64, network: Network, now: Timestamp) {
        self.service.connect(ConnectionId(connection), network, now);
    }

    pub(crate) fn disconnect(&mut self, connection: u64) {
        self.service.disconnect(ConnectionId(connection));
    }

    pub(crate) fn receive(&mut self, connection: u64, frame: ClientFrame, now: Timestamp) {
        self.service.receive(ConnectionId(connection), Request::new(frame), now);
    }

    pub(crate) fn tick(&mut self, now: Timestamp) {
        while self.service.tick(now) {}
    }

    /// What goes out after everything so far has become durable.
    pub(crate) fn commit(&mut self, now: Timestamp) -> Vec<Output> {
        let mut outputs = Vec::new();
        while self.service.has_work() {
            for output in self.service.commit().expect("a healthy store commits") {
                match output {
                    Output::Check(connection, check) => self.service.checked(connection, check.run(), now),
                    output => outputs.push(output),
                }
            }
        }
        outputs
    }

    /// Everything it stores, to search for what must not be there.
    pub(crate) fn stored(&self) -> MemoryBackend {
        self.backend.snapshot()
    }
}

fn open(backend: &MemoryBackend, settings: &Settings, seed: u64) -> Service<Embedded<MemoryBackend>> {
    let storage =
        Embedded::open(backend.clone(), Retention::new(LIFETIME)).expect("what is durable can be opened");
    let rng = Box::new(ChaCha20Rng::seed_from_u64(seed));
    Service::open(storage, settings.clone(), rng).expect("a service begins on its own storage")
}
