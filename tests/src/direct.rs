//! Engines and a relay wired straight to each other: no network between them, no faults, and time that stands still until it is
//! told to pass. For what needs a working system and nothing of the simulation: benchmarks, and fuzzing from inside a session.
//!
//! A device takes its inputs as the driver does: up to 256 in one durable commit, or as many as make a good batch for sled.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use chacha20::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng};
use wheesht_core::{
    api::{self, Event, EventId, Request, Response},
    engine::{Effect, Engine, Input, LinkEvent, LinkId, RequestError},
    opaque::KsfCost,
    proto::{
        limits::ENVELOPE_LIFETIME_MS,
        relay::{ClientFrame, RelayFrame, client_frame, relay_frame::Body},
    },
    store::{Backend, MemoryBackend, Store, StoreKey, sled::GOOD_BATCH},
    time::Timestamp,
};
use wheesht_relay::{
    service::{self as relay_service, ConnectionId, Network, Output, Rate, Service, Settings},
    storage::{Retention, embedded::Embedded},
};

/// What stands after the @ of the relay's names.
pub const DOMAIN: &str = "relay.example";

/// When it all begins.
pub const BEGIN: Timestamp = Timestamp::from_millis(1_790_000_000_000);

/// Inputs in one commit: the driver's bound.
const BATCH: usize = 256;
/// Bytes after which a commit takes no further input: the driver's bound.
const FULL: usize = GOOD_BATCH / 2;

/// The relay service, on a store in memory.
pub type MemoryService = Service<Embedded<MemoryBackend>>;

/// A relay service on what this backend holds, with limits that a single busy tester doesn't meet.
pub fn open_service(backend: MemoryBackend, seed: u64) -> MemoryService {
    let retention = Retention::new(Duration::from_millis(ENVELOPE_LIFETIME_MS));
    let storage = Embedded::open(backend, retention).expect("a healthy store opens");
    let mut settings = Settings::new(DOMAIN);
    let limits = &mut settings.limits;
    limits.idle_timeout_ms = u64::from(u32::MAX);
    limits.registrations = Rate::UNLIMITED;
    limits.device_logins = Rate::UNLIMITED;
    limits.deposits_per_address = Rate::UNLIMITED;
    limits.deposits_per_network = Rate::UNLIMITED;
    limits.device_writes = Rate::UNLIMITED;
    Service::open(storage, settings, Box::new(ChaCha20Rng::seed_from_u64(seed)))
        .expect("a service begins on its own storage")
}

/// Which device, in the order in which they came.
pub type DeviceId = usize;

/// A relay, and devices connected to it.
pub struct Direct {
    now: Timestamp,
    rng: ChaCha20Rng,
    relay: MemoryBackend,
    service: MemoryService,
    devices: Vec<Device>,
    connections: BTreeMap<ConnectionId, (DeviceId, LinkId)>,
    last_connection: u64,
    /// The relay answers nobody.
    held: bool,
    /// What the relay sent on a connection that somebody listens to.
    heard: Option<(ConnectionId, Vec<RelayFrame>)>,
}

struct Device {
    store: Store,
    engine: Engine,
    rng: ChaCha20Rng,
    reachable: bool,
    links: BTreeMap<LinkId, Link>,
    waiting: VecDeque<Input>,
    last_command: u64,
    answers: BTreeMap<u64, Result<Response, api::Error>>,
    events: Vec<Event>,
    spent: Duration,
}

#[derive(Default)]
struct Link {
    connection: Option<ConnectionId>,
    last_request: u64,
    tokens: BTreeMap<u64, u64>,
}

impl Direct {
    /// A relay without accounts.
    pub fn new(seed: u64) -> Self {
        Self::resume(MemoryBackend::new(), BEGIN, seed)
    }

    /// A relay that holds what this backend holds.
    pub fn resume(relay: MemoryBackend, now: Timestamp, seed: u64) -> Self {
        Self {
            now,
            rng: ChaCha20Rng::seed_from_u64(seed),
            service: open_service(relay.clone(), seed),
            relay,
            devices: Vec::new(),
            connections: BTreeMap::new(),
            last_connection: 0,
            held: false,
            heard: None,
        }
    }

    /// The key of every device's store.
    pub fn store_key() -> StoreKey {
        StoreKey::from_bytes([7; 32].into())
    }

    /// A device on this backend, which may be empty or hold a device's store.
    pub fn add(&mut self, backend: Box<dyn Backend>) -> DeviceId {
        let (rng, store_rng) = (self.new_rng(), Box::new(self.new_rng()));
        let store = match Store::exists(&*backend).expect("a healthy backend reads") {
            true => Store::open(backend, &Self::store_key(), store_rng),
            false => Store::create(backend, &Self::store_key(), store_rng, self.now),
        };
        self.devices.push(Device {
            store: store.expect("a healthy store opens"),
            engine: Engine::new(),
            rng,
            reachable: true,
            links: BTreeMap::new(),
            waiting: VecDeque::from([Input::Start, Input::ReplayEvents { after: EventId::default() }]),
            last_command: 0,
            answers: BTreeMap::new(),
            events: Vec::new(),
            spent: Duration::ZERO,
        });
        self.run();
        self.devices.len() - 1
    }

    fn new_rng(&mut self) -> ChaCha20Rng {
        ChaCha20Rng::seed_from_u64(self.rng.next_u64())
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// What the relay holds.
    pub fn relay_store(&self) -> MemoryBackend {
        self.relay.snapshot()
    }

    /// Asks a device, and lets everything happen that follows at once. None: the answer takes longer than that.
    pub fn ask(&mut self, device: DeviceId, request: Request) -> Option<Result<Response, api::Error>> {
        let id = self.tell(device, request);
        self.run();
        self.devices[device].answers.remove(&id)
    }

    /// Hands a device a request. It is dealt with by the next [`Self::run`].
    pub fn tell(&mut self, device: DeviceId, request: Request) -> u64 {
        let device = &mut self.devices[device];
        device.last_command += 1;
        let id = device.last_command;
        device.waiting.push_back(Input::Command { id, request });
        id
    }

    /// Hands a device anything else.
    pub fn input(&mut self, device: DeviceId, input: Input) {
        self.devices[device].waiting.push_back(input);
    }

    /// The events of a device since they were last taken.
    pub fn take_events(&mut self, device: DeviceId) -> Vec<Event> {
        let device = &mut self.devices[device];
        if let Some(last) = device.events.iter().filter_map(|event| event.id).max() {
            device.waiting.push_back(Input::AckEvents(last));
        }
        std::mem::take(&mut device.events)
    }

    /// How long a device's engine and store have worked since this was last asked.
    pub fn take_spent(&mut self, device: DeviceId) -> Duration {
        std::mem::take(&mut self.devices[device].spent)
    }

    /// A device's links that stand, and the engine's tokens of the requests that wait for an answer on them.
    pub fn links(&self, device: DeviceId) -> Vec<(LinkId, Vec<u64>)> {
        let standing = self.devices[device].links.iter().filter(|(_, link)| link.connection.is_some());
        standing.map(|(id, link)| (id.clone(), link.tokens.values().copied().collect())).collect()
    }

    /// Says something to the relay in a device's name; gives what the relay sends on that connection because of it.
    pub fn say(&mut self, device: DeviceId, link: &LinkId, frame: relay_service::Request) -> Vec<RelayFrame> {
        let Some(connection) = self.devices[device].links.get(link).and_then(|link| link.connection) else {
            return Vec::new();
        };
        self.heard = Some((connection, Vec::new()));
        self.service.receive(connection, frame, self.now);
        self.run();
        self.heard.take().map(|(_, frames)| frames).unwrap_or_default()
    }

    /// Makes the relay fall silent, or answer what has gathered.
    pub fn hold_relay(&mut self, held: bool) {
        self.held = held;
    }

    /// Cuts a device off, or lets it connect again.
    pub fn set_reachable(&mut self, device: DeviceId, reachable: bool) {
        self.devices[device].reachable = reachable;
        let links: Vec<LinkId> = self.devices[device].links.keys().cloned().collect();
        for link in links {
            if reachable { self.connect(device, &link) } else { self.break_link(device, &link) }
        }
    }

    /// Lets time pass, in steps, with all that happens in it.
    pub fn pass(&mut self, step_ms: u64, steps: u32) {
        for _ in 0..steps {
            self.now = self.now.plus_millis(step_ms);
            while self.service.tick(self.now) {}
            for device in 0..self.devices.len() {
                self.set_reachable(device, self.devices[device].reachable);
            }
            self.run();
        }
    }

    /// Lets everything happen that waits for nothing but its turn.
    pub fn run(&mut self) {
        loop {
            for device in 0..self.devices.len() {
                self.turn(device);
            }
            self.commit_relay();
            let due = |device: &Device| device.engine.next_wake().is_some_and(|wake| wake <= self.now);
            if self.devices.iter().all(|device| device.waiting.is_empty() && !due(device))
                && (self.held || !self.service.has_work())
            {
                return;
            }
        }
    }

    /// One commit of a device.
    fn turn(&mut self, id: DeviceId) {
        let device = &mut self.devices[id];
        if device.engine.next_wake().is_some_and(|wake| wake <= self.now) {
            device.waiting.push_back(Input::Tick);
        }
        if device.waiting.is_empty() {
            return;
        }
        let begun = Instant::now();
        let mut tx = device.store.begin();
        let mut effects = Vec::new();
        for _ in 0..BATCH {
            let Some(input) = device.waiting.pop_front() else { break };
            let more = device.engine.handle(&mut tx, input, self.now, &mut device.rng);
            effects.extend(more.expect("a healthy store doesn't fail"));
            if tx.size() > FULL {
                break;
            }
        }
        tx.commit().expect("a healthy store commits");
        device.spent += begun.elapsed();
        effects.into_iter().for_each(|effect| self.effect(id, effect));
    }

    fn effect(&mut self, id: DeviceId, effect: Effect) {
        let device = &mut self.devices[id];
        match effect {
            Effect::Open(link) => {
                device.links.entry(link.clone()).or_default();
                self.connect(id, &link);
            }
            Effect::Close(link) => {
                if let Some(connection) = device.links.remove(&link).and_then(|link| link.connection) {
                    self.service.disconnect(connection);
                }
            }
            Effect::Request { link, token, body } => self.request(id, &link, token, body),
            Effect::Work { token, job } => {
                let output = job.run(KsfCost::insecure_fast(), &mut device.rng);
                device.waiting.push_back(Input::WorkDone { token, output });
            }
            // Nobody here sends a file.
            Effect::Blob { .. } | Effect::StopBlob { .. } => {}
            Effect::Respond { id, result } => drop(device.answers.insert(id, result)),
            Effect::Event(event) => device.events.push(event),
        }
    }

    fn request(&mut self, id: DeviceId, link: &LinkId, token: u64, body: client_frame::Body) {
        let device = &mut self.devices[id];
        let open = device.links.get_mut(link).and_then(|link| link.connection.map(|open| (link, open)));
        match open {
            Some((link, connection)) => {
                link.last_request += 1;
                if token != 0 {
                    link.tokens.insert(link.last_request, token);
                }
                let frame = ClientFrame { id: link.last_request, body: Some(body) };
                self.service.receive(connection, relay_service::Request::new(frame), self.now);
            }
            None if token != 0 => {
                device.waiting.push_back(Input::Reply { token, result: Err(RequestError::Lost) });
            }
            None => {}
        }
    }

    fn connect(&mut self, id: DeviceId, link: &LinkId) {
        let device = &mut self.devices[id];
        let Some(known) = device.links.get_mut(link) else { return };
        if known.connection.is_some() || !device.reachable {
            return;
        }
        self.last_connection += 1;
        let connection = ConnectionId(self.last_connection);
        *known = Link { connection: Some(connection), ..Link::default() };
        device.waiting.push_back(Input::Link { link: link.clone(), event: LinkEvent::Up });
        self.connections.insert(connection, (id, link.clone()));
        let network = Network::from(std::net::IpAddr::from([10, 0, 0, 1]));
        self.service.connect(connection, network, self.now);
    }

    fn break_link(&mut self, id: DeviceId, link: &LinkId) {
        let device = &mut self.devices[id];
        let Some(known) = device.links.get_mut(link) else { return };
        let Some(connection) = known.connection.take() else { return };
        for token in std::mem::take(&mut known.tokens).into_values() {
            device.waiting.push_back(Input::Reply { token, result: Err(RequestError::Lost) });
        }
        let event = LinkEvent::Down { reason: "the connection broke".to_owned(), untrusted: false };
        device.waiting.push_back(Input::Link { link: link.clone(), event });
        self.connections.remove(&connection);
        self.service.disconnect(connection);
    }

    fn commit_relay(&mut self) {
        while !self.held && self.service.has_work() {
            for output in self.service.commit().expect("a healthy store commits") {
                match output {
                    Output::Check(connection, check) => {
                        self.service.checked(connection, check.run(), self.now);
                    }
                    Output::Frame(connection, frame) => self.arrive(connection, frame),
                    Output::Close(connection) => {
                        if let Some((device, link)) = self.connections.get(&connection).cloned() {
                            self.break_link(device, &link);
                        }
                    }
                }
            }
        }
    }

    fn arrive(&mut self, connection: ConnectionId, frame: RelayFrame) {
        if let Some((listened, frames)) = &mut self.heard
            && *listened == connection
        {
            frames.push(frame.clone());
        }
        let Some((id, link)) = self.connections.get(&connection) else { return };
        let device = &mut self.devices[*id];
        let (Some(body), Some(open)) = (frame.body, device.links.get_mut(link)) else { return };
        let input = match open.tokens.remove(&frame.id) {
            _ if frame.id == 0 => Input::Push { link: link.clone(), body },
            Some(token) => {
                let result = match body {
                    Body::Error(error) => Err(RequestError::Refused(error)),
                    body => Ok(body),
                };
                Input::Reply { token, result }
            }
            None => return,
        };
        device.waiting.push_back(input);
    }
}
