//! What the engine costs with a durable store: messages sent, and a mailbox drained, in the batches that the driver makes.
//!
//! Two engines on sled, with every commit synced to the disk, and the relay's service in memory beside them. Counted is what a
//! device's thread spends in engine and store, waiting for the disk included; the relay's share and the network's is not.
//! Sending counts until the relay has confirmed the deposit and the state is `sent`; receiving counts history, events and acks.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark that fails has nothing to report, and one that doesn't prints it"
)]

use std::time::Duration;

use tempfile::TempDir;
use wheesht_core::{
    api::{EventKind, Password, Request, Response, Who},
    proto::address::Address,
    store::SledBackend,
};
use wheesht_tests::direct::{DOMAIN, DeviceId, Direct};

const MESSAGES: usize = 5_000;
/// As many commands as the driver takes into one commit.
const BATCH: usize = 256;
const ALONE: usize = 200;
const ROUNDS: usize = 3;

fn main() {
    // `cargo test --benches` only asks whether it runs.
    let (messages, rounds) =
        if std::env::args().any(|arg| arg == "--bench") { (MESSAGES, ROUNDS) } else { (300, 1) };
    println!("{:<44} {:>12} {:>12}", "engine on sled, synced, 64 B of text", "per second", "to reach");
    for round in 1..=rounds {
        println!("round {round}");
        measure(messages);
    }
}

fn measure(messages: usize) {
    let directory = TempDir::new().expect("a directory");
    let mut direct = Direct::new(1);
    let (alice, bob) = (person(&mut direct, &directory, "alice"), person(&mut direct, &directory, "bob"));
    send(&mut direct, alice, 1);
    done(direct.ask(bob, Request::AcceptContact { who: who("alice") }));
    direct.pass(3_000, 5);

    // One at a time: a commit for the message and one for the relay's answer.
    take(&mut direct, &[alice, bob]);
    for _ in 0..ALONE {
        send(&mut direct, alice, 1);
    }
    report("send, one at a time", ALONE, direct.take_spent(alice), None);
    report("receive, one at a time", ALONE, direct.take_spent(bob), None);
    assert_eq!(shown(&mut direct, bob), ALONE);
    direct.pass(3_000, 5);

    // A mailbox fills while its owner is away.
    direct.set_reachable(bob, false);
    direct.run();
    take(&mut direct, &[alice, bob]);
    let mut sent = 0;
    while sent < messages {
        let batch = BATCH.min(messages - sent);
        send(&mut direct, alice, batch);
        sent += batch;
    }
    report("send, in batches", messages, direct.take_spent(alice), Some(2_000));
    match direct.ask(alice, Request::Status) {
        Some(Ok(Response::Status { status })) => assert_eq!(status.outbox, 0, "all of it is sent"),
        other => panic!("no status: {other:?}"),
    }

    direct.set_reachable(bob, true);
    direct.run();
    report("drain a mailbox", messages, direct.take_spent(bob), Some(5_000));
    assert_eq!(shown(&mut direct, bob), messages);
}

fn person(direct: &mut Direct, directory: &TempDir, name: &str) -> DeviceId {
    let backend = SledBackend::open(&directory.path().join(name)).expect("an empty store");
    let device = direct.add(Box::new(backend));
    let password = Password::new(format!("an unguessable sentence for {name}"));
    done(direct.ask(device, Request::Register { address: address(name), password, device: name.to_owned() }));
    device
}

fn send(direct: &mut Direct, from: DeviceId, messages: usize) {
    for _ in 0..messages {
        direct.tell(from, Request::send(who("bob"), "x".repeat(64)));
    }
    direct.run();
}

/// How many messages a device has shown since this was last asked.
fn shown(direct: &mut Direct, device: DeviceId) -> usize {
    let events = direct.take_events(device);
    events.iter().filter(|event| matches!(event.kind, EventKind::Message { .. })).count()
}

fn take(direct: &mut Direct, devices: &[DeviceId]) {
    for device in devices {
        direct.take_events(*device);
        direct.run();
        direct.take_spent(*device);
    }
}

fn report(what: &str, messages: usize, spent: Duration, target: Option<u32>) {
    let rate = messages as f64 / spent.as_secs_f64();
    let missed = if target.is_some_and(|target| rate < f64::from(target)) { "  missed" } else { "" };
    let target = target.map_or_else(|| "–".to_owned(), |target| target.to_string());
    println!("{what:<44} {rate:>12.0} {target:>12}{missed}");
}

fn done(answer: Option<Result<Response, wheesht_core::api::Error>>) {
    answer.expect("an answer").expect("no refusal");
}

fn address(name: &str) -> Address {
    format!("{name}@{DOMAIN}").parse().unwrap()
}

fn who(name: &str) -> Who {
    Who::Address(address(name))
}
