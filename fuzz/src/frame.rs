//! Frames in the middle of a working conversation: from a client that has gone mad, and from a relay that lies.

use std::sync::LazyLock;

use prost::Message as _;
use wheesht_core::{
    api::{Body, EventKind, Password, Phase, Request, Response, Who},
    engine::{Input, LinkId, RequestError, Role},
    store::{Backend as _, Direction, KeyRange, MemoryBackend},
    time::Timestamp,
};
use wheesht_proto::{
    address::{Address, RelayAddress},
    prost::bytes::Bytes,
    relay::{RelayFrame, relay_frame},
};
use wheesht_relay::service;
use wheesht_tests::direct::{DOMAIN, Direct};

use crate::{
    LONGEST,
    chunks::{Chunk, chunks},
};

const ALICE: usize = 0;
const BOB: usize = 1;

/// Alice and Bob know each other, and a message for Alice waits at the relay. What is durable of that, and when.
struct World {
    relay: MemoryBackend,
    alice: MemoryBackend,
    bob: MemoryBackend,
    now: Timestamp,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let (alice, bob) = (MemoryBackend::new(), MemoryBackend::new());
    let mut direct = Direct::new(1);
    for (device, (name, backend)) in [("alice", &alice), ("bob", &bob)].into_iter().enumerate() {
        assert_eq!(direct.add(Box::new(backend.clone())), device);
        let password = Password::new("correct horse battery staple pelican");
        let request = Request::Register { address: address(name), password, device: name.to_owned() };
        assert_eq!(direct.ask(device, request), Some(Ok(Response::Done)));
    }
    say(&mut direct, ALICE, "bob", "hello");
    let request = Request::AcceptContact { who: Who::Address(address("alice")) };
    direct.ask(BOB, request).expect("an answer").expect("a request from Alice");
    direct.pass(3_000, 3);
    say(&mut direct, BOB, "alice", "welcome");
    direct.pass(3_000, 3);
    direct.set_reachable(ALICE, false);
    say(&mut direct, BOB, "alice", "are you there?");
    direct.pass(3_000, 1);
    let now = direct.now();
    World { relay: direct.relay_store(), alice: alice.snapshot(), bob: bob.snapshot(), now }
});

impl World {
    /// The world as it was, with both online again.
    fn wake(&self) -> Direct {
        let mut direct = Direct::resume(self.relay.snapshot(), self.now, 2);
        direct.add(Box::new(self.alice.snapshot()));
        direct.add(Box::new(self.bob.snapshot()));
        direct
    }
}

/// Each chunk is one frame. Its tag: to the relay, on Alice's anonymous (0) or identified (1) connection; pushed to Alice by her
/// own relay (2); to Alice as the reply to a look-up (3) or a deposit (4) that is under way.
pub fn frame(data: &[u8]) {
    if data.len() > LONGEST {
        return;
    }
    let mut direct = WORLD.wake();
    for Chunk { tag, bytes } in chunks(data) {
        match tag % 5 {
            0 => ask_relay(&mut direct, Role::Anonymous, bytes),
            1 => ask_relay(&mut direct, Role::Identified, bytes),
            2 => push(&mut direct, bytes),
            3 => reply(&mut direct, Request::AddContact { address: address("carol") }, bytes),
            _ => reply(&mut direct, Request::send(who("bob"), "lost?"), bytes),
        }
    }
    assert_still_works(&mut direct);
}

/// The relay answers each request once, and a refusal has changed nothing.
fn ask_relay(direct: &mut Direct, role: Role, bytes: &[u8]) {
    let Ok(request) = service::Request::decode(Bytes::copy_from_slice(bytes)) else { return };
    let id = wheesht_proto::relay::ClientFrame::decode(bytes).expect("it was decoded before").id;
    let before = rows(&direct.relay_store());
    let answers = direct.say(ALICE, &link(role), request);
    let answers: Vec<_> = answers.into_iter().filter(|frame| frame.id == id && id != 0).collect();
    assert!(answers.len() <= 1, "{} answers", answers.len());
    if let [RelayFrame { body: Some(relay_frame::Body::Error(error)), .. }] = answers.as_slice() {
        assert!(rows(&direct.relay_store()) == before, "refused, and done: {error:?}");
    }
}

fn push(direct: &mut Direct, bytes: &[u8]) {
    if let Ok(RelayFrame { body: Some(body), .. }) = RelayFrame::decode(bytes) {
        direct.input(ALICE, Input::Push { link: link(Role::Identified), body });
        direct.run();
    }
}

fn reply(direct: &mut Direct, request: Request, bytes: &[u8]) {
    let Ok(RelayFrame { body: Some(body), .. }) = RelayFrame::decode(bytes) else { return };
    direct.hold_relay(true);
    direct.tell(ALICE, request);
    direct.run();
    let waiting = direct.links(ALICE).into_iter().find_map(|(_, tokens)| tokens.last().copied());
    if let Some(token) = waiting {
        let result = match body {
            relay_frame::Body::Error(error) => Err(RequestError::Refused(error)),
            body => Ok(body),
        };
        direct.input(ALICE, Input::Reply { token, result });
        direct.run();
    }
    direct.hold_relay(false);
    direct.run();
}

/// After all of it, and a reconnect, the two talk as before: both ways, once.
fn assert_still_works(direct: &mut Direct) {
    direct.set_reachable(ALICE, false);
    direct.pass(1_000, 1);
    direct.set_reachable(ALICE, true);
    direct.pass(60_000, 3);
    for device in [ALICE, BOB] {
        match direct.ask(device, Request::Status) {
            Some(Ok(Response::Status { status })) => assert_eq!(status.phase, Phase::Active),
            other => panic!("no status: {other:?}"),
        }
        direct.take_events(device);
    }
    for (from, to, name, text) in [(ALICE, BOB, "bob", "still here"), (BOB, ALICE, "alice", "so am I")] {
        say(direct, from, name, text);
        direct.pass(60_000, 3);
        let events = direct.take_events(to);
        let shown = events.iter().filter(|event| match &event.kind {
            EventKind::Message { message } => {
                !message.outgoing && message.body == Body::Text { text: text.to_owned() }
            }
            _ => false,
        });
        assert_eq!(shown.count(), 1, "{text:?} was not shown once: {events:?}");
    }
}

fn say(direct: &mut Direct, device: usize, to: &str, text: &str) {
    let answer = direct.ask(device, Request::send(who(to), text));
    assert!(matches!(answer, Some(Ok(Response::Queued { .. }))), "{answer:?}");
}

fn address(name: &str) -> Address {
    format!("{name}@{DOMAIN}").parse().expect("an address")
}

fn who(name: &str) -> Who {
    Who::Address(address(name))
}

fn link(role: Role) -> LinkId {
    let relay: RelayAddress = DOMAIN.parse().expect("an address");
    LinkId { relay, role }
}

fn rows(disk: &MemoryBackend) -> Vec<(Vec<u8>, Vec<u8>)> {
    disk.scan(&KeyRange::all(), Direction::Forward, usize::MAX).expect("a healthy store")
}
