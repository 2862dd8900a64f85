//! A disk with little room left.

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
use wheesht_core::proto::relay::ErrorCode;

#[tokio::test]
async fn a_disk_without_room_takes_nothing_more_and_gives_what_it_has_rel_7() {
    let mut relay = TestRelay::start().await;
    let (mut alice, mut device) = relay.registered("alice", 1).await;
    let address = alice.new_address();
    device.put_address(address).await.unwrap();
    assert_eq!(relay.connect().await.deposit(address, b"before").await, ErrorCode::Unspecified);

    // More than any disk has.
    relay.kill_and_restart_with(|config| config.disk_reserve = u64::MAX).await;
    assert_eq!(relay.connect().await.deposit(address, b"too much").await, ErrorCode::Unavailable);
    let mut bob = relay.person("bob", 2);
    assert_eq!(relay.connect().await.register(&mut bob).await.err(), Some(ErrorCode::Unavailable));
    let mut device = relay.connect().await;
    assert_eq!(device.device_login(&alice, 0).await.unwrap().queued, 1);
    device.subscribe(10).await;
    let delivered = device.deliveries().await;
    assert_eq!(delivered.len(), 1);
    device.ack(&delivered).await;

    relay.kill_and_restart_with(|config| config.disk_reserve = 0).await;
    assert_eq!(relay.connect().await.deposit(address, b"after").await, ErrorCode::Unspecified);
    assert_eq!(relay.connect().await.device_login(&alice, 0).await.unwrap().queued, 1, "the first was acked");
}
