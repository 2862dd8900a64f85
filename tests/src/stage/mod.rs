//! A stage: installations and relays in one thread, under a virtual clock, over a network that loses nothing by itself.
//!
//! ```text
//!   Stage ── queue of what is under way ──▶ Installation (engine, store, driver's part) ◀──▶ relay (service, storage)
//! ```
//!
//! Where the simulation lets everything go wrong at random, here nothing does until a test says so: things happen one at a time
//! ([`Stage::step`]), commands have answers that can be looked at, and an installation can crash, or lose its connections, between
//! any two steps. Each input is a transaction of its own; effects are carried out after its commit, as the real driver does.

pub mod blobs;
pub mod groups;
mod installation;
pub mod people;
pub mod stranger;
pub mod tamper;

use std::{
    collections::{BTreeMap, VecDeque},
    net::{IpAddr, Ipv4Addr},
};

use chacha20::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng};
use wheesht_core::{
    api::{Error, Event, EventKind, Request, Response},
    engine::{BlobFailure, BlobOrder, BlobReport, Effect, Input, Job, LinkEvent, LinkId, RequestError, Role},
    opaque::KsfCost,
    proto::{
        address::Address,
        relay::{ClientFrame, Deliver, Hello, RelayFrame, client_frame, relay_frame},
    },
    store::MemoryBackend,
    time::Timestamp,
};
use wheesht_relay::service::{ConnectionId, Network, Output, Settings};

use crate::{
    hostile::{Asked, Hostile},
    sim::SimRelay,
};

pub use installation::Installation;

/// Names an installation of the stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Who(pub usize);

/// Things under way that are dealt with before a test that never comes to rest is given up.
const MAX_STEPS: usize = 1_000_000;

/// The longest step of the clock, so that relays do in time what they do by time.
const TICK_MS: u64 = 30_000;

/// Something under way.
enum Parcel {
    ToRelay(ConnectionId, ClientFrame),
    FromRelay(ConnectionId, RelayFrame),
    Closed(ConnectionId),
    Input(Who, Input),
    Work(Who, u64, Job),
    Blob(Who, u64, BlobOrder),
}

/// A connection of an installation to a relay.
struct Connection {
    who: Who,
    link: LinkId,
    relay: usize,
    /// Requests that have had no reply.
    waiting: BTreeMap<u64, client_frame::Body>,
}

/// Looks at what an installation asks a relay.
type Watch = Box<dyn FnMut(Who, &client_frame::Body)>;

/// See the module.
pub struct Stage {
    /// The virtual time.
    pub now: Timestamp,
    rng: ChaCha20Rng,
    relays: Vec<(String, SimRelay)>,
    installations: Vec<Installation>,
    connections: BTreeMap<ConnectionId, Connection>,
    queue: VecDeque<Parcel>,
    last_connection: u64,
    last_command: u64,
    pushed: Vec<(Who, Deliver)>,
    /// Looks at every request.
    pub watch: Option<Watch>,
    /// Files of everyone, and blobs.
    pub blobs: blobs::Blobs,
    /// Lies in the relays' place.
    pub hostile: Option<Box<dyn Hostile>>,
}

impl Stage {
    /// A stage with one relay, `relay.test`.
    pub fn new(seed: u64) -> Self {
        let mut stage = Self {
            now: Timestamp::from_millis(1_800_000_000_000),
            rng: ChaCha20Rng::seed_from_u64(seed),
            relays: Vec::new(),
            installations: Vec::new(),
            connections: BTreeMap::new(),
            queue: VecDeque::new(),
            last_connection: 0,
            last_command: 0,
            pushed: Vec::new(),
            watch: None,
            blobs: blobs::Blobs::default(),
            hostile: None,
        };
        stage.add_relay(Settings::new("relay.test"));
        stage
    }

    /// Adds a relay.
    pub fn add_relay(&mut self, mut settings: Settings) {
        // Instead of the driver's pings.
        settings.limits.idle_timeout_ms = u64::MAX;
        self.relays.push((settings.domain.clone(), SimRelay::new(settings, self.rng.next_u64())));
    }

    /// Adds an installation with an empty store.
    pub fn add(&mut self) -> Who {
        let who = Who(self.installations.len());
        self.installations.push(Installation::new(&mut self.rng, self.now));
        self.queue.push_back(Parcel::Input(who, Input::Start));
        who
    }

    /// An installation.
    pub fn at(&mut self, who: Who) -> &mut Installation {
        &mut self.installations[who.0]
    }

    /// Gives a command without waiting for anything; its number is what [`Installation::answer`] takes.
    pub fn command(&mut self, who: Who, request: Request) -> u64 {
        self.last_command += 1;
        let id = self.last_command;
        self.queue.push_back(Parcel::Input(who, Input::Command { id, request }));
        id
    }

    /// Gives a command and runs until all is quiet.
    ///
    /// # Panics
    /// If it was not answered by then.
    pub fn ask(&mut self, who: Who, request: Request) -> Result<Response, Error> {
        let id = self.command(who, request);
        self.run();
        self.at(who).answer(id).expect("a command is answered when all is quiet")
    }

    /// Deals with everything under way, without moving the clock.
    ///
    /// # Panics
    /// If it never comes to rest.
    pub fn run(&mut self) {
        for _ in 0..MAX_STEPS {
            if !self.step() {
                return;
            }
        }
        panic!("the stage does not come to rest");
    }

    /// Deals with one thing; false if nothing is under way.
    pub fn step(&mut self) -> bool {
        let Some(parcel) = self.queue.pop_front() else { return false };
        match parcel {
            Parcel::Input(who, input) => self.input(who, input),
            Parcel::Work(who, token, job) => {
                let output = job.run(KsfCost::insecure_fast(), &mut self.rng);
                self.input(who, Input::WorkDone { token, output });
            }
            Parcel::Blob(who, token, order) => {
                let offline = self.at(who).offline && !matches!(order, BlobOrder::Look(_));
                let report = match offline {
                    true => BlobReport::Failed(BlobFailure::Network("there is no network".to_owned())),
                    false => self.blobs.carry_out(order),
                };
                self.input(who, Input::Blob { token, report });
            }
            Parcel::ToRelay(id, frame) => self.reach(id, frame),
            Parcel::FromRelay(id, frame) => self.tell(id, frame),
            Parcel::Closed(id) => self.cut(id, "the relay closed the connection"),
        }
        true
    }

    /// Moves the clock, doing all that falls due on the way.
    pub fn advance(&mut self, millis: u64) {
        let end = self.now.plus_millis(millis);
        self.run();
        while self.now < end {
            let wake = self.installations.iter().filter_map(Installation::next_wake).min();
            let wake = wake.unwrap_or(end).max(self.now.plus_millis(1));
            self.now = wake.min(end).min(self.now.plus_millis(TICK_MS));
            for index in 0..self.relays.len() {
                self.relays[index].1.tick(self.now);
                self.commit(index);
            }
            self.run();
            for index in 0..self.installations.len() {
                if self.installations[index].next_wake().is_some_and(|at| at <= self.now) {
                    self.input(Who(index), Input::Tick);
                }
            }
            self.run();
        }
    }

    /// The process dies; what was committed is found again by the next.
    pub fn restart(&mut self, who: Who) {
        let dead: Vec<_> =
            self.connections.iter().filter(|(_, one)| one.who == who).map(|(id, _)| *id).collect();
        for id in dead {
            if let Some(connection) = self.connections.remove(&id) {
                self.relays[connection.relay].1.disconnect(id.0);
            }
        }
        self.queue
            .retain(|parcel| !matches!(parcel, Parcel::Input(to, _) | Parcel::Work(to, ..) | Parcel::Blob(to, ..) if *to == who));
        self.at(who).restart();
        self.queue.push_back(Parcel::Input(who, Input::Start));
    }

    /// Connections of an installation vanish, with all that is under way on them. They are made again at once, unless it is
    /// [offline](Installation::offline).
    pub fn disconnect(&mut self, who: Who) {
        let ids: Vec<_> =
            self.connections.iter().filter(|(_, one)| one.who == who).map(|(id, _)| *id).collect();
        for id in ids {
            self.cut(id, "the connection was cut");
        }
    }

    /// A relay's process dies and starts again. Connections to it are to be [cut](Self::disconnect) by the test.
    pub fn kill_relay(&mut self, index: usize) {
        self.relays[index].1.restart();
    }

    /// A copy of everything that the first relay has on disk.
    pub fn relay_stored(&self) -> MemoryBackend {
        self.relays[0].1.stored()
    }

    /// Every envelope that relays have pushed so far, and to whom.
    pub fn pushed(&self) -> Vec<(Who, Deliver)> {
        self.pushed.clone()
    }

    /// Pushes an envelope as the installation's relay would.
    pub fn push(&mut self, who: Who, deliver: Deliver) {
        let identified = |one: &&Connection| one.who == who && one.link.role == Role::Identified;
        let link = self.connections.values().find(identified).map(|one| one.link.clone());
        if let Some(link) = link {
            let body = relay_frame::Body::Deliver(deliver);
            self.queue.push_back(Parcel::Input(who, Input::Push { link, body }));
        }
    }

    /// Takes an installation off the network, or puts it back.
    pub fn set_offline(&mut self, who: Who, offline: bool) {
        self.at(who).offline = offline;
        if offline {
            self.disconnect(who);
        } else {
            let links: Vec<_> = self.at(who).wanted().collect();
            for link in links {
                self.connect(who, &link);
            }
        }
    }

    /// The events of an installation since last asked, acknowledged.
    pub fn events(&mut self, who: Who) -> Vec<EventKind> {
        let events: Vec<Event> = std::mem::take(&mut self.at(who).events);
        if let Some(last) = events.iter().filter_map(|event| event.id).max() {
            self.queue.push_back(Parcel::Input(who, Input::AckEvents(last)));
        }
        events.into_iter().map(|event| event.kind).collect()
    }

    /// Asks the first relay something without telling who, as anyone on the network could.
    ///
    /// # Panics
    /// If it does not answer.
    pub fn anyone(&mut self, body: client_frame::Body) -> relay_frame::Body {
        self.last_connection += 1;
        let id = ConnectionId(self.last_connection);
        let relay = &mut self.relays[0].1;
        relay.connect(id.0, Network::from(IpAddr::V4(Ipv4Addr::from_bits(0x0b00_0000))), self.now);
        let hello = client_frame::Body::Hello(Hello { min_version: 1, max_version: 1 });
        relay.receive(id.0, ClientFrame { id: 1, body: Some(hello) }, self.now);
        relay.receive(id.0, ClientFrame { id: 2, body: Some(body) }, self.now);
        let outputs = relay.commit(self.now);
        relay.disconnect(id.0);
        let mut answer = None;
        for output in outputs {
            match output {
                Output::Frame(to, RelayFrame { id: 2, body }) if to == id => answer = body,
                Output::Frame(to, _) | Output::Close(to) if to == id => {}
                // What it has brought about at others.
                Output::Frame(to, frame) => self.queue.push_back(Parcel::FromRelay(to, frame)),
                Output::Close(to) => self.queue.push_back(Parcel::Closed(to)),
                Output::Check(..) => {}
            }
        }
        answer.expect("a relay answers")
    }

    fn input(&mut self, who: Who, input: Input) {
        let effects = self.installations[who.0].handle(input, self.now, &mut self.rng);
        for effect in effects {
            self.effect(who, effect);
        }
    }

    fn effect(&mut self, who: Who, effect: Effect) {
        match effect {
            Effect::Open(link) => {
                self.at(who).want(link.clone());
                self.connect(who, &link);
            }
            Effect::Close(link) => {
                self.at(who).unwant(&link);
                if let Some(id) = self.connection(who, &link) {
                    self.connections.remove(&id);
                    self.relays.iter_mut().for_each(|(_, relay)| relay.disconnect(id.0));
                }
            }
            Effect::Request { link, token, body } => match self.connection(who, &link) {
                Some(id) => {
                    if let Some(watch) = &mut self.watch {
                        watch(who, &body);
                    }
                    if token != 0
                        && let Some(connection) = self.connections.get_mut(&id)
                    {
                        connection.waiting.insert(token, body.clone());
                    }
                    self.queue.push_back(Parcel::ToRelay(id, ClientFrame { id: token, body: Some(body) }));
                }
                None if token == 0 => {}
                None => {
                    let lost = Input::Reply { token, result: Err(RequestError::Lost) };
                    self.queue.push_back(Parcel::Input(who, lost));
                }
            },
            Effect::Work { token, job } => self.queue.push_back(Parcel::Work(who, token, job)),
            Effect::Blob { token, order } => self.queue.push_back(Parcel::Blob(who, token, order)),
            Effect::StopBlob { token } => self.queue.retain(
                |parcel| !matches!(parcel, Parcel::Blob(by, other, _) if (*by, *other) == (who, token)),
            ),
            Effect::Respond { id, result } => self.at(who).answered(id, result),
            Effect::Event(event) => self.at(who).events.push(event),
        }
    }

    fn commit(&mut self, relay: usize) {
        for output in self.relays[relay].1.commit(self.now) {
            match output {
                Output::Frame(id, frame) => self.queue.push_back(Parcel::FromRelay(id, frame)),
                Output::Close(id) => self.queue.push_back(Parcel::Closed(id)),
                Output::Check(..) => {}
            }
        }
    }

    fn connection(&self, who: Who, link: &LinkId) -> Option<ConnectionId> {
        let mut connections = self.connections.iter();
        connections.find(|(_, one)| one.who == who && one.link == *link).map(|(id, _)| *id)
    }

    fn connect(&mut self, who: Who, link: &LinkId) {
        if self.connection(who, link).is_some() {
            return;
        }
        let relay = self.relays.iter().position(|(domain, _)| *domain == link.relay.authority());
        let down = |reason: &str| LinkEvent::Down { reason: reason.to_owned(), untrusted: false };
        let event = match relay {
            None => down("there is no relay of this name"),
            Some(_) if self.at(who).offline => down("there is no network"),
            Some(relay) => {
                self.last_connection += 1;
                let id = ConnectionId(self.last_connection);
                let host = IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + who.0 as u32));
                self.relays[relay].1.connect(id.0, Network::from(host), self.now);
                let connection = Connection { who, link: link.clone(), relay, waiting: BTreeMap::new() };
                self.connections.insert(id, connection);
                LinkEvent::Up
            }
        };
        self.queue.push_back(Parcel::Input(who, Input::Link { link: link.clone(), event }));
    }

    /// A frame reaches the relay.
    fn reach(&mut self, id: ConnectionId, frame: ClientFrame) {
        let Some(connection) = self.connections.get(&id) else { return };
        let (who, relay) = (connection.who, connection.relay);
        let asked = match (&mut self.hostile, frame.body) {
            (Some(hostile), Some(body)) => hostile.asked(who.0, body),
            (None, Some(body)) => Asked::Serve(body),
            (_, None) => Asked::Silence,
        };
        match asked {
            Asked::Serve(body) => {
                let frame = ClientFrame { id: frame.id, body: Some(body) };
                self.relays[relay].1.receive(id.0, frame, self.now);
                self.commit(relay);
            }
            Asked::Answer(body) if frame.id != 0 => self.arrive(id, frame.id, body),
            Asked::Answer(_) | Asked::Silence => {}
        }
    }

    /// The relay says something.
    fn tell(&mut self, id: ConnectionId, frame: RelayFrame) {
        let (Some(connection), Some(body)) = (self.connections.get(&id), frame.body) else { return };
        let who = connection.who.0;
        let bodies = match &mut self.hostile {
            None => vec![body],
            Some(hostile) if frame.id == 0 => hostile.pushed(who, body),
            Some(hostile) => match connection.waiting.get(&frame.id) {
                Some(question) => vec![hostile.answered(who, question, body)],
                None => vec![body],
            },
        };
        for body in bodies {
            self.arrive(id, frame.id, body);
        }
    }

    /// What the relay said arrives.
    fn arrive(&mut self, id: ConnectionId, answers: u64, body: relay_frame::Body) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let (who, link) = (connection.who, connection.link.clone());
        if answers == 0 {
            if let relay_frame::Body::Deliver(deliver) = &body {
                self.pushed.push((who, deliver.clone()));
            }
            if !matches!(body, relay_frame::Body::Error(_) | relay_frame::Body::Goodbye(_)) {
                self.input(who, Input::Push { link, body });
            }
            return;
        }
        if connection.waiting.remove(&answers).is_none() {
            return;
        }
        let result = match body {
            relay_frame::Body::Error(error) => Err(RequestError::Refused(error)),
            body => Ok(body),
        };
        self.input(who, Input::Reply { token: answers, result });
    }

    fn cut(&mut self, id: ConnectionId, reason: &str) {
        let Some(Connection { who, link, relay, waiting }) = self.connections.remove(&id) else { return };
        self.relays[relay].1.disconnect(id.0);
        for token in waiting.into_keys() {
            let lost = Input::Reply { token, result: Err(RequestError::Lost) };
            self.queue.push_back(Parcel::Input(who, lost));
        }
        let event = LinkEvent::Down { reason: reason.to_owned(), untrusted: false };
        self.queue.push_back(Parcel::Input(who, Input::Link { link: link.clone(), event }));
        if self.at(who).wants(&link) && !self.at(who).offline {
            self.connect(who, &link);
        }
    }
}

/// `name@relay.test`.
///
/// # Panics
/// If it is no name.
pub fn address(name: &str) -> Address {
    format!("{name}@relay.test").parse().expect("an address")
}
