//! How much a relay carries: TLS, an fsync before every answer, generator and relay on one machine.
//!
//! Prints one line per figure. Clients deposit 1 KiB each over anonymous connections with a window of requests under way;
//! devices take what is pushed and ack in batches. `MEASURED` figures of other relays were taken the same way.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::large_futures,
    clippy::print_stdout,
    reason = "a benchmark may"
)]

#[path = "../tests/common/mod.rs"]
mod common;

use std::time::{Duration, Instant};

use common::{Client, TestRelay};
use tokio::task::JoinSet;
use wheesht_core::proto::{
    ids::DepositAddress,
    relay::{self, client_frame::Body as Frame, relay_frame::Body as Reply},
};
use wheesht_relay::{Config, service::Rate};

const SIZE: usize = 1024;
const PAIRS: u64 = 64;
const WINDOW: u64 = 32;
const ACK_EVERY: usize = 64;

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        throughput(400).await;
        paced(2000, Duration::from_secs(5)).await;
        drain(100, 200).await;
        fan_out(1000).await;
    });
}

fn unlimited(config: &mut Config) {
    let limits = &mut config.limits;
    for rate in [
        &mut limits.registrations,
        &mut limits.device_logins,
        &mut limits.deposits_per_address,
        &mut limits.deposits_per_network,
    ] {
        *rate = Rate::UNLIMITED;
    }
    config.net.connections_per_network = 10_000;
}

/// A relay and so many devices, each with an address.
async fn devices(count: u64) -> (TestRelay, Vec<(Client, DepositAddress)>) {
    let relay = TestRelay::start_with(unlimited).await;
    let mut devices = Vec::new();
    for number in 0..count {
        let (mut person, mut device) = relay.registered(&format!("person{number}"), number).await;
        let address = person.new_address();
        device.put_address(address).await.unwrap();
        devices.push((device, address));
    }
    (relay, devices)
}

fn deposit(addresses: Vec<Vec<u8>>, number: u64) -> Frame {
    let mut envelope = vec![0; SIZE];
    envelope[..8].copy_from_slice(&number.to_be_bytes());
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    envelope[8..24].copy_from_slice(&since.as_nanos().to_be_bytes());
    let entry = relay::DepositEntry { envelope: envelope.into(), addresses, ..Default::default() };
    Frame::Deposit(relay::Deposit { entries: vec![entry] })
}

async fn take(mut device: Client, count: u64) -> (Client, Vec<Duration>) {
    device.subscribe(u32::MAX).await;
    let mut ids = Vec::new();
    let mut latencies = Vec::new();
    for number in 1..=count {
        let Reply::Deliver(deliver) = device.push().await else { panic!("not a delivery") };
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let sent = u128::from_be_bytes(deliver.envelope[8..24].try_into().unwrap());
        latencies.push(Duration::from_nanos((since.as_nanos().saturating_sub(sent)) as u64));
        ids.push(deliver.envelope_id);
        if ids.len() == ACK_EVERY || number == count {
            device.ask(Frame::Ack(relay::Ack { envelope_ids: std::mem::take(&mut ids) })).await.unwrap();
        }
    }
    (device, latencies)
}

async fn send(mut sender: Client, address: DepositAddress, from: u64, count: u64) -> Client {
    let mut under_way = std::collections::VecDeque::new();
    for number in 0..count {
        if under_way.len() as u64 == WINDOW {
            taken(&sender.answer(under_way.pop_front().unwrap()).await.unwrap());
        }
        under_way.push_back(sender.send(deposit(vec![address.to_vec()], from + number)).await);
    }
    for id in under_way {
        taken(&sender.answer(id).await.unwrap());
    }
    sender
}

fn taken(reply: &Reply) {
    let Reply::DepositResults(results) = reply else { panic!("no results") };
    assert!(results.results.iter().all(|result| result.addresses.iter().all(|address| address.code == 0)));
}

async fn throughput(each: u64) {
    let (relay, devices) = devices(PAIRS).await;
    let mut tasks = JoinSet::new();
    let mut senders = Vec::new();
    for (device, address) in devices {
        senders.push((relay.connect().await, address));
        tasks.spawn(async move { drop(take(device, each).await) });
    }
    let start = Instant::now();
    for (number, (sender, address)) in senders.into_iter().enumerate() {
        tasks.spawn(async move { drop(send(sender, address, number as u64 * each, each).await) });
    }
    tasks.join_all().await;
    let rate = (PAIRS * each) as f64 / start.elapsed().as_secs_f64();
    println!("acked and delivered, {PAIRS} pairs: {rate:.0}/s");
}

async fn paced(rate: u64, time: Duration) {
    let (relay, devices) = devices(PAIRS).await;
    let each = rate * time.as_secs() / PAIRS;
    let mut takers = JoinSet::new();
    let mut senders = JoinSet::new();
    for (number, (device, address)) in devices.into_iter().enumerate() {
        takers.spawn(async move { take(device, each).await.1 });
        let mut sender = relay.connect().await;
        senders.spawn(async move {
            let mut ticks = tokio::time::interval(time / each as u32);
            for message in 0..each {
                ticks.tick().await;
                let id = sender.send(deposit(vec![address.to_vec()], number as u64 * each + message)).await;
                taken(&sender.answer(id).await.unwrap());
            }
        });
    }
    senders.join_all().await;
    let mut latencies: Vec<Duration> = takers.join_all().await.into_iter().flatten().collect();
    latencies.sort();
    let at = |part: f64| latencies[((latencies.len() - 1) as f64 * part) as usize];
    println!("deposit to delivery at {rate}/s: p50 {:.2?}, p99 {:.2?}", at(0.5), at(0.99));
}

async fn drain(mailboxes: u64, each: u64) {
    let (relay, devices) = devices(mailboxes).await;
    let mut tasks = JoinSet::new();
    let start = Instant::now();
    for (number, (_, address)) in devices.iter().enumerate() {
        let (sender, address) = (relay.connect().await, *address);
        tasks.spawn(async move { drop(send(sender, address, number as u64 * each, each).await) });
    }
    tasks.join_all().await;
    println!(
        "stored, {mailboxes} mailboxes: {:.0}/s",
        (mailboxes * each) as f64 / start.elapsed().as_secs_f64()
    );
    let mut tasks = JoinSet::new();
    let start = Instant::now();
    for (device, _) in devices {
        tasks.spawn(async move { drop(take(device, each).await) });
    }
    tasks.join_all().await;
    println!("drained: {:.0}/s", (mailboxes * each) as f64 / start.elapsed().as_secs_f64());
}

async fn fan_out(count: u64) {
    let (relay, mut devices) = devices(count).await;
    let mut addresses: Vec<Vec<u8>> = devices.iter().map(|(_, address)| address.to_vec()).collect();
    addresses.sort();
    for (device, _) in &mut devices {
        device.subscribe(u32::MAX).await;
    }
    let mut sender = relay.connect().await;
    let mut times = Vec::new();
    for number in 0..10 {
        let start = Instant::now();
        taken(&sender.ask(deposit(addresses.clone(), number)).await.unwrap());
        times.push(start.elapsed());
        for (device, _) in &mut devices {
            device.push().await;
        }
    }
    times.sort();
    println!("one envelope to {count} mailboxes, durable: median {:.1?}", times[times.len() / 2]);
}
