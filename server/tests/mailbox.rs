//! Addresses, deposits, deliveries, acks.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::large_futures,
    reason = "a test may; clippy knows that of test functions only"
)]

mod common;

use common::TestRelay;
use wheesht_core::proto::{
    ids::EnvelopeId,
    relay::{self, ErrorCode, client_frame::Body as Frame},
};
use wheesht_relay::service::Rate;

/// The code of an address that took the envelope.
const TAKEN: ErrorCode = ErrorCode::Unspecified;

#[tokio::test]
async fn an_envelope_goes_from_anyone_to_the_device_and_is_gone_when_acked_rel_55() {
    let relay = TestRelay::start().await;
    let (mut alice, mut device) = relay.registered("alice", 1).await;
    let address = alice.new_address();
    device.put_address(address).await.unwrap();
    device.subscribe(10).await;
    let mut sender = relay.connect().await;
    assert_eq!(sender.deposit(address, b"sealed").await, TAKEN);
    let delivered = device.deliveries().await;
    assert_eq!(delivered.len(), 1);
    assert_eq!(&*delivered[0].envelope, b"sealed");
    assert_eq!(delivered[0].envelope_id, EnvelopeId::of(b"sealed").as_bytes());
    assert_eq!(delivered[0].address, address.as_bytes());
    for _ in 0..2 {
        device.ack(&delivered).await;
    }
    device.subscribe(10).await;
    assert!(device.deliveries().await.is_empty());
    let ack = |count, length| Frame::Ack(relay::Ack { envelope_ids: vec![vec![0; length]; count] });
    assert_eq!(device.ask(ack(1001, 16)).await.err(), Some(ErrorCode::TooLarge));
    assert_eq!(device.ask(ack(1, 15)).await.err(), Some(ErrorCode::Malformed));
}

#[tokio::test]
async fn acks_of_nothing_are_limited_rel_20() {
    let relay = TestRelay::start_with(|config| config.limits.idle_acks = Rate::new(100, 1)).await;
    let (_, mut device) = relay.registered("alice", 1).await;
    let ack = |number: u8| {
        let id = |n: u8| [[number; 8], [n; 8]].concat();
        Frame::Ack(relay::Ack { envelope_ids: (0..60).map(id).collect() })
    };
    device.ask(ack(1)).await.unwrap();
    assert_eq!(device.ask(ack(2)).await.err(), Some(ErrorCode::RateLimited));
}

#[tokio::test]
async fn what_was_taken_survives_a_crash_rel_1() {
    let mut relay = TestRelay::start().await;
    let (mut alice, mut device) = relay.registered("alice", 1).await;
    let address = alice.new_address();
    device.put_address(address).await.unwrap();
    let mut sender = relay.connect().await;
    for number in 0..20_u8 {
        assert_eq!(sender.deposit(address, &[number; 300]).await, TAKEN);
    }
    relay.kill_and_restart().await;
    let mut device = relay.connect().await;
    let session = device.device_login(&alice, 0).await.unwrap();
    assert_eq!((session.queued, session.addresses), (20, vec![address.to_vec()]));
    device.subscribe(100).await;
    let delivered = device.deliveries().await;
    let numbers: Vec<u8> = delivered.iter().map(|delivery| delivery.envelope[0]).collect();
    assert_eq!(numbers, (0..20).collect::<Vec<_>>());
    device.ack(&delivered[..5]).await;
    relay.kill_and_restart().await;
    let mut device = relay.connect().await;
    assert_eq!(device.device_login(&alice, 0).await.unwrap().queued, 15);
}

#[tokio::test]
async fn a_deposit_may_be_repeated_before_and_after_the_ack_rel_31() {
    let mut relay = TestRelay::start().await;
    let (mut alice, mut device) = relay.registered("alice", 1).await;
    let address = alice.new_address();
    device.put_address(address).await.unwrap();
    device.subscribe(10).await;
    let mut sender = relay.connect().await;
    for _ in 0..2 {
        assert_eq!(sender.deposit(address, b"once").await, TAKEN);
    }
    let delivered = device.deliveries().await;
    assert_eq!(delivered.len(), 1);
    device.ack(&delivered).await;
    assert_eq!(sender.deposit(address, b"once").await, TAKEN);
    assert!(device.deliveries().await.is_empty());
    relay.kill_and_restart().await;
    let mut sender = relay.connect().await;
    assert_eq!(sender.deposit(address, b"once").await, TAKEN);
    assert_eq!(relay.connect().await.device_login(&alice, 0).await.unwrap().queued, 0);
}

#[tokio::test]
async fn one_entry_goes_to_many_and_each_address_answers_rel_32() {
    let relay = TestRelay::start().await;
    let (mut alice, mut of_alice) = relay.registered("alice", 1).await;
    let (mut bob, mut of_bob) = relay.registered("bob", 2).await;
    let mut addresses = [alice.new_address(), alice.new_address(), bob.new_address(), bob.new_address()];
    let [first, second, third, unknown] = addresses;
    of_alice.put_address(first).await.unwrap();
    of_alice.put_address(second).await.unwrap();
    of_bob.put_address(third).await.unwrap();
    addresses.sort();
    let entry = |envelope: &'static [u8]| relay::DepositEntry {
        envelope: envelope.into(),
        addresses: addresses.iter().map(|address| address.to_vec()).collect(),
        device_id: Vec::new(),
        ephemeral_ms: 0,
    };
    let mut sender = relay.connect().await;
    let results = sender.deposit_entries(vec![entry(b"to all"), entry(b"to all again")]).await;
    for result in &results {
        for (address, code) in addresses.iter().zip(result) {
            assert_eq!(*code, if *address == unknown { ErrorCode::NotFound } else { TAKEN });
        }
    }
    for device in [&mut of_alice, &mut of_bob] {
        device.subscribe(10).await;
        let delivered = device.deliveries().await;
        assert_eq!(
            delivered.iter().map(|one| &*one.envelope).collect::<Vec<_>>(),
            [&b"to all"[..], b"to all again"]
        );
        device.ack(&delivered).await;
    }
}

#[tokio::test]
async fn a_list_of_addresses_ascends_rel_51() {
    let relay = TestRelay::start().await;
    let mut sender = relay.connect().await;
    let entry = |addresses: &[&[u8]]| relay::DepositEntry {
        envelope: b"e"[..].into(),
        addresses: addresses.iter().map(|address| address.to_vec()).collect(),
        device_id: Vec::new(),
        ephemeral_ms: 0,
    };
    let (one, two) = (&[1; 16][..], &[2; 16][..]);
    for bad in [&[][..], &[one, one], &[two, one], &[&[1; 15]]] {
        let deposit = relay::Deposit { entries: vec![entry(bad)] };
        assert_eq!(sender.ask(Frame::Deposit(deposit)).await.err(), Some(ErrorCode::Malformed));
    }
    let deposit = relay::Deposit { entries: vec![entry(&[one]); 65] };
    assert_eq!(sender.ask(Frame::Deposit(deposit)).await.err(), Some(ErrorCode::TooLarge));
}

#[tokio::test]
async fn credit_bounds_what_is_pushed_rel_54() {
    let relay = TestRelay::start().await;
    let (mut alice, mut device) = relay.registered("alice", 1).await;
    let address = alice.new_address();
    device.put_address(address).await.unwrap();
    let mut sender = relay.connect().await;
    for number in 0..6_u8 {
        assert_eq!(sender.deposit(address, &[number]).await, TAKEN);
    }
    device.subscribe(2).await;
    let numbers =
        |delivered: &[relay::Deliver]| delivered.iter().map(|one| one.envelope[0]).collect::<Vec<_>>();
    assert_eq!(numbers(&device.deliveries().await), [0, 1]);
    device.send(Frame::Credit(relay::Credit { envelopes: 3 })).await;
    assert_eq!(numbers(&device.deliveries().await), [2, 3, 4]);
    sender.deposit(address, &[6]).await;
    assert!(device.deliveries().await.is_empty());
    device.send(Frame::Credit(relay::Credit { envelopes: 9 })).await;
    assert_eq!(numbers(&device.deliveries().await), [5, 6]);
    sender.deposit(address, &[7]).await;
    assert_eq!(numbers(&device.deliveries().await), [7]);
    // A new subscription begins again with all that isn't acked.
    let mut again = relay.connect().await;
    again.device_login(&alice, 0).await.unwrap();
    again.subscribe(100).await;
    assert_eq!(numbers(&again.deliveries().await), [0, 1, 2, 3, 4, 5, 6, 7]);
}

#[tokio::test]
async fn a_request_address_leads_to_the_device_named_and_has_its_quota_rel_53() {
    let relay = TestRelay::start_with(|config| config.limits.request_envelopes = 2).await;
    let (mut alice, mut device) = relay.registered("alice", 1).await;
    let mut stranger = relay.connect().await;
    let (to, id) = (alice.request_address, alice.device_id(0));
    assert_eq!(stranger.deposit(to, b"for nobody").await, ErrorCode::NotFound);
    let other = alice.new_device().key.device_id();
    assert_eq!(stranger.deposit_request(to, other, b"for no device").await, ErrorCode::NotFound);
    assert_eq!(stranger.deposit_request(to, id, b"one").await, TAKEN);
    assert_eq!(stranger.deposit_request(to, id, b"two").await, TAKEN);
    assert_eq!(stranger.deposit_request(to, id, b"three").await, ErrorCode::QuotaExceeded);
    assert_eq!(stranger.deposit_request(to, id, b"one").await, TAKEN);
    device.subscribe(10).await;
    let delivered = device.deliveries().await;
    assert_eq!(delivered.len(), 2);
    device.ack(&delivered[..1]).await;
    assert_eq!(stranger.deposit_request(to, id, b"three").await, TAKEN);
}

#[tokio::test]
async fn a_refused_address_refuses_for_the_rest_of_the_request_rel_52() {
    let relay = TestRelay::start_with(|config| config.limits.mailbox_bytes = 100).await;
    let (mut alice, mut device) = relay.registered("alice", 1).await;
    let address = alice.new_address();
    device.put_address(address).await.unwrap();
    let entry = |envelope: Vec<u8>| relay::DepositEntry {
        envelope: envelope.into(),
        addresses: vec![address.to_vec()],
        device_id: Vec::new(),
        ephemeral_ms: 0,
    };
    let mut sender = relay.connect().await;
    let results =
        sender.deposit_entries(vec![entry(vec![1; 60]), entry(vec![2; 60]), entry(vec![3; 10])]).await;
    assert_eq!(results, [[TAKEN], [ErrorCode::QuotaExceeded], [ErrorCode::QuotaExceeded]]);
    assert_eq!(sender.deposit(address, &[3; 10]).await, TAKEN);
    let large = vec![0; 256 * 1024 + 1];
    assert_eq!(sender.deposit(address, &large).await, ErrorCode::TooLarge);
}

#[tokio::test]
async fn addresses_are_ones_own_and_close_rel_28() {
    let relay = TestRelay::start_with(|config| config.limits.addresses = 2).await;
    let (mut alice, mut of_alice) = relay.registered("alice", 1).await;
    let (bob, mut of_bob) = relay.registered("bob", 2).await;
    let [one, two, three] = [alice.new_address(), alice.new_address(), alice.new_address()];
    for _ in 0..2 {
        of_alice.put_address(one).await.unwrap();
    }
    assert_eq!(of_bob.put_address(one).await.err(), Some(ErrorCode::Conflict));
    assert_eq!(of_bob.put_address(alice.request_address).await.err(), Some(ErrorCode::Conflict));
    assert_eq!(of_bob.put_address(bob.request_address).await.err(), Some(ErrorCode::Conflict));
    of_alice.put_address(two).await.unwrap();
    assert_eq!(of_alice.put_address(three).await.err(), Some(ErrorCode::QuotaExceeded));
    let close = |address: wheesht_core::proto::ids::DepositAddress| {
        Frame::CloseAddress(relay::CloseAddress { address: address.to_vec() })
    };
    of_bob.ask(close(one)).await.unwrap();
    let mut sender = relay.connect().await;
    assert_eq!(sender.deposit(one, b"still open").await, TAKEN);
    of_alice.ask(close(one)).await.unwrap();
    assert_eq!(sender.deposit(one, b"closed").await, ErrorCode::NotFound);
    of_alice.put_address(three).await.unwrap();
}
