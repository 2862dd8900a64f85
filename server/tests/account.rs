//! Registration, both logins, look-ups.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::large_futures,
    reason = "a test may; clippy knows that of test functions only"
)]

mod common;

use common::{Client, TestRelay};
use wheesht_core::proto::relay::{self, ErrorCode, client_frame::Body as Frame, relay_frame::Body as Reply};

#[tokio::test]
async fn a_person_registers_and_logs_in_by_password_and_by_device() {
    let relay = TestRelay::start().await;
    let mut alice = relay.person("alice", 1);
    let mut client = relay.connect().await;
    assert_eq!(client.hello.relay, relay.domain());
    let export_key = client.register(&mut alice).await.unwrap();

    let (session, again) = client.login(&mut alice, "correct horse battery staple").await.unwrap();
    assert_eq!(session.root_vault, b"a root vault");
    assert_eq!(session.manifests, [alice.manifest.encoded()]);
    assert_eq!(again.expose(), export_key.expose());

    let session = client.device_login(&alice, 0).await.unwrap();
    assert_eq!(session.mailbox_id.len(), 16);
    assert_eq!((session.queued, session.statement.len(), session.addresses.len()), (0, 0, 0));
    assert!(session.proposal.is_none());
}

#[tokio::test]
async fn a_name_is_given_once_and_a_lost_answer_does_no_harm_rel_23() {
    let relay = TestRelay::start().await;
    let (mut alice, mut client) = relay.registered("alice", 1).await;
    assert_eq!(client.register(&mut alice).await.err(), Some(ErrorCode::NameTaken));
    let mut other = relay.person("alice", 2);
    assert_eq!(client.register(&mut other).await.err(), Some(ErrorCode::NameTaken));
    let bad = relay::RegisterStart { name: "-no".to_owned(), request: vec![0; 32] };
    assert_eq!(client.ask(Frame::RegisterStart(bad)).await.err(), Some(ErrorCode::NameInvalid));
}

#[tokio::test]
async fn registration_checks_the_manifest_rel_22() {
    let relay = TestRelay::start().await;
    let mut client = relay.connect().await;
    let mut elsewhere = common::Person::new("alice", "other.example", 1);
    assert_eq!(client.register(&mut elsewhere).await.err(), Some(ErrorCode::Malformed));
    let mut alice = relay.person("alice", 1);
    let bob = relay.person("bobby", 2);
    alice.manifest = bob.manifest.clone();
    assert_eq!(client.register(&mut alice).await.err(), Some(ErrorCode::Malformed));
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_name_look_alike_rel_24() {
    let relay = TestRelay::start().await;
    let (mut alice, mut client) = relay.registered("alice", 1).await;
    assert_eq!(client.login(&mut alice, "wrong").await.err(), Some(ErrorCode::BadCredentials));
    let mut nobody = relay.person("nobody", 2);
    assert_eq!(client.login(&mut nobody, "wrong").await.err(), Some(ErrorCode::BadCredentials));
    // And the relay doesn't take a finalization without the password.
    let (_, request) = wheesht_core::opaque::LoginFlow::start("wrong", &mut alice.rng).unwrap();
    let start = relay::LoginStart { name: "alice".to_owned(), request };
    assert!(client.ask(Frame::LoginStart(start)).await.is_ok());
    let finish = relay::LoginFinish { finalization: vec![1; 64] };
    assert_eq!(client.ask(Frame::LoginFinish(finish.clone())).await.err(), Some(ErrorCode::BadCredentials));
    assert_eq!(client.ask(Frame::LoginFinish(finish)).await.err(), Some(ErrorCode::Malformed));
}

#[tokio::test]
async fn guesses_slow_down_rel_21() {
    let relay = TestRelay::start_with(|config| config.limits.free_logins = 2).await;
    let (mut alice, mut client) = relay.registered("alice", 1).await;
    for _ in 0..2 {
        assert_eq!(client.login(&mut alice, "wrong").await.err(), Some(ErrorCode::BadCredentials));
    }
    assert_eq!(client.login(&mut alice, "wrong").await.err(), Some(ErrorCode::RateLimited));
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    assert!(client.login(&mut alice, "correct horse battery staple").await.is_ok());
    assert!(client.login(&mut alice, "correct horse battery staple").await.is_ok());
}

#[tokio::test]
async fn a_device_login_is_for_one_connection_and_one_device_rel_25() {
    let relay = TestRelay::start().await;
    let (mut alice, _client) = relay.registered("alice", 1).await;
    let mut other = relay.connect().await;
    let nonce = std::mem::replace(&mut other.hello.nonce, vec![0; 32]);
    assert_eq!(other.device_login(&alice, 0).await.err(), Some(ErrorCode::BadCredentials));
    other.hello.nonce = nonce;
    let stranger = alice.new_device();
    alice.devices.push(stranger);
    assert_eq!(other.device_login(&alice, 1).await.err(), Some(ErrorCode::DeviceUnknown));
    alice.name = "nobody".parse().unwrap();
    assert_eq!(other.device_login(&alice, 0).await.err(), Some(ErrorCode::BadCredentials));
}

#[tokio::test]
async fn a_device_has_one_connection_and_the_newest_wins_rel_26() {
    let relay = TestRelay::start().await;
    let (alice, mut first) = relay.registered("alice", 1).await;
    let mut second = relay.connect().await;
    second.device_login(&alice, 0).await.unwrap();
    let said = first.until_closed().await;
    assert!(matches!(&*said, [Reply::Error(error)] if error.code() == ErrorCode::Conflict), "{said:?}");
    assert!(second.ask(Frame::Subscribe(relay::Subscribe { credit: 1 })).await.is_ok());
}

#[tokio::test]
async fn anyone_looks_a_name_up_rel_27() {
    let relay = TestRelay::start().await;
    let (alice, _client) = relay.registered("alice", 1).await;
    let mut anyone = relay.connect().await;
    let lookup = |name: &str| Frame::Lookup(relay::Lookup { name: name.to_owned() });
    let Ok(Reply::LookupOk(found)) = anyone.ask(lookup("ALICE")).await else { panic!("lookup") };
    assert_eq!(found.manifest, alice.manifest.encoded());
    assert_eq!(found.request_address, alice.request_address.as_bytes());
    assert_eq!(anyone.ask(lookup("nobody")).await.err(), Some(ErrorCode::NotFound));
    let from =
        |from_version| Frame::GetManifests(relay::GetManifests { name: "alice".to_owned(), from_version });
    for (from_version, count) in [(0, 1), (1, 1), (2, 0), (u64::MAX, 0)] {
        let Ok(Reply::Manifests(found)) = anyone.ask(from(from_version)).await else { panic!("manifests") };
        assert_eq!(found.manifests.len(), count, "from {from_version}");
    }
}

#[tokio::test]
async fn a_connection_begins_with_hello_and_keeps_its_role_rel_12_rel_13() {
    let relay = TestRelay::start().await;
    let mut silent = Client::connect_silently(relay.running()).await;
    let lookup = Frame::Lookup(relay::Lookup { name: "alice".to_owned() });
    assert_eq!(silent.ask(lookup.clone()).await.err(), Some(ErrorCode::Malformed));
    let future = Frame::Hello(relay::Hello { min_version: 2, max_version: 9 });
    assert_eq!(silent.ask(future).await.err(), Some(ErrorCode::UnsupportedVersion));
    let hello = Frame::Hello(relay::Hello { min_version: 1, max_version: 9 });
    assert!(silent.ask(hello).await.is_ok());
    assert_eq!(silent.ask(lookup).await.err(), Some(ErrorCode::NotFound));

    let subscribe = Frame::Subscribe(relay::Subscribe { credit: 1 });
    assert_eq!(silent.ask(subscribe).await.err(), Some(ErrorCode::NotAuthenticated));
    let propose = Frame::ProposeManifest(relay::ProposeManifest::default());
    assert_eq!(silent.ask(propose).await.err(), Some(ErrorCode::NotAuthenticated));
    let (alice, mut client) = relay.registered("alice", 1).await;
    let deposit = Frame::Deposit(relay::Deposit::default());
    assert_eq!(client.ask(deposit).await.err(), Some(ErrorCode::NotAuthenticated));
    let bundle = relay::FetchBundle {
        address: alice.request_address.to_vec(),
        device_id: alice.device_id(0).to_vec(),
    };
    assert_eq!(client.ask(Frame::FetchBundle(bundle)).await.err(), Some(ErrorCode::NotAuthenticated));
}

#[tokio::test]
async fn a_closed_relay_takes_no_accounts() {
    let relay = TestRelay::start_with(|config| config.registration = false).await;
    let mut alice = relay.person("alice", 1);
    let refused = relay.connect().await.register(&mut alice).await;
    assert_eq!(refused.err(), Some(ErrorCode::RegistrationClosed));
}
