//! The relay without a network, under a clock of its own: what can't be waited for on sockets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::large_futures,
    reason = "a test may; clippy knows that of test functions only"
)]

mod common;

use chacha20::{ChaCha20Rng, rand_core::SeedableRng};
use common::{Person, register_finish};
use wheesht_core::{
    opaque::{KsfCost, RegistrationFlow},
    proto::{
        ids::DepositAddress,
        relay::{
            self, ClientFrame, ErrorCode, RelayFrame, client_frame::Body as Frame, relay_frame::Body as Reply,
        },
    },
    signed::LoginContext,
    store::memory::{MemoryBackend, WriteFate},
    time::Timestamp,
};
use wheesht_relay::{
    service::{ConnectionId, Network, Output, Request, Service, Settings},
    storage::{Retention, embedded::Embedded},
};

const DAY: std::time::Duration = std::time::Duration::from_secs(86_400);

struct Bench {
    backend: MemoryBackend,
    service: Service<Embedded<MemoryBackend>>,
    now: Timestamp,
    connections: u64,
    nonces: Vec<[u8; 32]>,
}

impl Bench {
    fn new() -> Self {
        Self::on(MemoryBackend::new(), Timestamp::from_millis(1_000_000_000))
    }

    fn on(backend: MemoryBackend, now: Timestamp) -> Self {
        let storage = Embedded::open(backend.clone(), Retention::new(30 * DAY)).unwrap();
        let rng = Box::new(ChaCha20Rng::seed_from_u64(now.as_millis()));
        let service = Service::open(storage, Settings::new("relay.example"), rng).unwrap();
        Self { backend, service, now, connections: 0, nonces: Vec::new() }
    }

    /// The machine after a loss of power.
    fn restarted(&self) -> Self {
        Self::on(self.backend.snapshot(), self.now)
    }

    fn connect(&mut self) -> ConnectionId {
        let id = ConnectionId(self.connections);
        self.connections += 1;
        self.service.connect(id, Network::from(std::net::IpAddr::from([192, 0, 2, 1])), self.now);
        let hello = relay::Hello { min_version: 1, max_version: 1 };
        let Reply::HelloOk(hello) = self.ask(id, Frame::Hello(hello)) else { panic!("hello") };
        self.nonces.push(hello.nonce.try_into().unwrap());
        id
    }

    fn send(&mut self, id: ConnectionId, body: Frame) {
        self.service.receive(id, Request::new(ClientFrame { id: 5, body: Some(body) }), self.now);
    }

    /// Everything sent to a connection.
    fn settle(&mut self, to: ConnectionId) -> Vec<RelayFrame> {
        let outputs = self.service.settle(self.now).unwrap();
        let frame = |output| match output {
            Output::Frame(id, frame) if id == to => Some(frame),
            _ => None,
        };
        outputs.into_iter().filter_map(frame).collect()
    }

    fn ask(&mut self, id: ConnectionId, body: Frame) -> Reply {
        self.send(id, body);
        let answers = self.settle(id).into_iter().filter(|frame| frame.id == 5);
        let [answer] = <[RelayFrame; 1]>::try_from(answers.collect::<Vec<_>>()).unwrap();
        answer.body.unwrap()
    }

    fn tick(&mut self, now: Timestamp) {
        self.now = now;
        while self.service.tick(now) {
            self.service.settle(now).unwrap();
        }
        self.service.settle(now).unwrap();
    }

    fn register(&mut self, person: &mut Person) -> relay::RegisterFinish {
        let id = self.connect();
        let (flow, request) = RegistrationFlow::start("a password", &mut person.rng).unwrap();
        let start = relay::RegisterStart { name: person.name.to_string(), request };
        let Reply::RegisterStartOk(answer) = self.ask(id, Frame::RegisterStart(start)) else {
            panic!("start")
        };
        let mut rng = person.fork();
        let cost = KsfCost::insecure_fast();
        let registered = flow.finish(&answer.response, person.who(), cost, &mut rng).unwrap();
        let finish = register_finish(person, registered.upload);
        assert!(matches!(self.ask(id, Frame::RegisterFinish(finish.clone())), Reply::Ok(_)));
        finish
    }

    fn device(&mut self, person: &Person) -> ConnectionId {
        let id = self.connect();
        let key = &person.devices[0].key;
        let context = LoginContext {
            nonce: &self.nonces[id.0 as usize],
            relay: &person.relay,
            name: &person.name,
            device_id: key.device_id(),
        };
        let login = relay::DeviceLogin {
            name: person.name.to_string(),
            device_id: key.device_id().to_vec(),
            signature: context.sign(key).to_vec(),
        };
        assert!(matches!(self.ask(id, Frame::DeviceLogin(login)), Reply::DeviceSession(_)));
        id
    }
}

fn alice() -> Person {
    Person::new("alice", "relay.example", 1)
}

fn put(address: DepositAddress) -> Frame {
    Frame::PutAddress(relay::PutAddress {
        address: address.to_vec(),
        kind: relay::AddressKind::Contact.into(),
    })
}

fn deposit(address: DepositAddress, envelope: &'static [u8]) -> Frame {
    let entry = relay::DepositEntry {
        envelope: envelope.into(),
        addresses: vec![address.to_vec()],
        device_id: Vec::new(),
        ephemeral_ms: 0,
    };
    Frame::Deposit(relay::Deposit { entries: vec![entry] })
}

fn delivered(frames: &[RelayFrame]) -> Vec<&[u8]> {
    frames
        .iter()
        .filter_map(|frame| match &frame.body {
            Some(Reply::Deliver(deliver)) => Some(&*deliver.envelope),
            _ => None,
        })
        .collect()
}

#[test]
fn nothing_leaves_before_it_is_durable_rel_3() {
    let mut bench = Bench::new();
    let mut alice = alice();
    bench.register(&mut alice);
    let device = bench.device(&alice);
    let address = alice.new_address();
    bench.ask(device, put(address));
    bench.ask(device, Frame::Subscribe(relay::Subscribe { credit: 10 }));
    let sender = bench.connect();
    bench.send(sender, deposit(address, b"first"));
    assert!(bench.restarted().backend_is_without(b"first"), "not yet committed");
    assert_eq!(delivered(&bench.settle(device)), [b"first"]);

    // The disk fails: neither the sender nor the device hears of the envelope, and the service is at its end.
    bench.backend.on_write(|_| WriteFate::CrashesBefore);
    bench.send(sender, deposit(address, b"second"));
    assert!(bench.service.commit().is_err());
    assert!(bench.restarted().backend_is_without(b"second"));
}

impl Bench {
    fn backend_is_without(&self, text: &[u8]) -> bool {
        use wheesht_core::store::backend::{Backend, Direction, KeyRange};
        let rows = self.backend.scan(&KeyRange::all(), Direction::Forward, usize::MAX).unwrap();
        rows.iter().all(|(_, value)| !value.windows(text.len()).any(|window| window == text))
    }
}

#[test]
fn what_waits_for_a_commit_never_outgrows_what_a_disk_can_promise_rel_1() {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };
    let mut bench = Bench::new();
    let mut alice = alice();
    bench.register(&mut alice);
    let device = bench.device(&alice);
    let address = alice.new_address();
    bench.ask(device, put(address));
    let writes = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&writes);
    bench.backend.on_write(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        WriteFate::Succeeds
    });
    // A megabyte in one request, and many requests before one commit.
    let sender = bench.connect();
    let entry = |number: u8| relay::DepositEntry {
        envelope: vec![number; 250_000].into(),
        addresses: vec![address.to_vec()],
        ..Default::default()
    };
    bench.send(sender, Frame::Deposit(relay::Deposit { entries: (0..4).map(entry).collect() }));
    let after_one = writes.load(Ordering::Relaxed);
    assert!(after_one >= 3, "{after_one}");
    for number in 0..100_u8 {
        let entry = relay::DepositEntry { envelope: vec![number; 20_000].into(), ..entry(0) };
        bench.send(sender, Frame::Deposit(relay::Deposit { entries: vec![entry] }));
    }
    let after_many = writes.load(Ordering::Relaxed) - after_one;
    assert!((8..100).contains(&after_many), "{after_many}");
    assert_eq!(bench.settle(sender).len(), 101, "one answer for each");
    bench.send(device, Frame::Subscribe(relay::Subscribe { credit: 1_000 }));
    assert_eq!(delivered(&bench.settle(device)).len(), 104);
}

#[test]
fn a_registration_can_be_repeated_rel_23() {
    let mut bench = Bench::new();
    let mut alice = alice();
    let finish = bench.register(&mut alice);
    let mut bench = bench.restarted();
    let id = bench.connect();
    assert!(matches!(bench.ask(id, Frame::RegisterFinish(finish.clone())), Reply::Ok(_)));
    let other = relay::RegisterFinish { root_vault: Vec::new(), record: vec![0; 192], ..finish };
    let Reply::Error(error) = bench.ask(id, Frame::RegisterFinish(other)) else { panic!("taken") };
    assert_eq!(error.code(), ErrorCode::NameTaken);
}

#[test]
fn envelopes_expire_and_make_room_rel_33() {
    let mut bench = Bench::new();
    let mut alice = alice();
    bench.register(&mut alice);
    let device = bench.device(&alice);
    let address = alice.new_address();
    bench.ask(device, put(address));
    let start = bench.now;
    let sender = bench.connect();
    bench.ask(sender, deposit(address, b"old"));
    bench.now = start + 20 * DAY;
    bench.ask(sender, deposit(address, b"younger"));
    bench.tick(start + 31 * DAY);
    let device = bench.device(&alice);
    bench.send(device, Frame::Subscribe(relay::Subscribe { credit: 10 }));
    assert_eq!(delivered(&bench.settle(device)), [b"younger"]);
    bench.tick(start + 51 * DAY);
    assert!(bench.backend_is_without(b"younger"));
}

#[test]
fn the_same_seed_gives_the_same_answers() {
    let run = || {
        let mut bench = Bench::new();
        let mut alice = alice();
        bench.register(&mut alice);
        bench.device(&alice);
        bench.nonces
    };
    assert_eq!(run(), run());
}
