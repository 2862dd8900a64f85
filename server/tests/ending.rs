//! Another password, and the end of an account.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::large_futures,
    reason = "a test may; clippy knows that of test functions only"
)]

mod common;

use common::{Client, Person, TestRelay};
use sha2::{Digest as _, Sha256};
use wheesht_core::{
    crypto::sign::SigningKey,
    opaque::{KsfCost, RegistrationFlow},
    proto::relay::{self, ErrorCode, client_frame::Body as Frame, relay_frame::Body as Reply},
    signed::{Deletion, IdentityKey, Record},
    time::Timestamp,
};

const COST: KsfCost = KsfCost::insecure_fast();
const PASSWORD: &str = "correct horse battery staple";
const NEW: &str = "velvet ankle mirror cousin salad bridge";
const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

async fn change(client: &mut Client, person: &mut Person, replaces: &[u8]) -> Result<Reply, ErrorCode> {
    let mut rng = person.fork();
    let (flow, request) = RegistrationFlow::start(NEW, &mut rng).unwrap();
    let start = Frame::ChangePasswordStart(relay::ChangePasswordStart { request });
    let Reply::RegisterStartOk(answer) = client.ask(start).await? else { panic!("an answer") };
    let registered = flow.finish(&answer.response, person.who(), COST, &mut rng).unwrap();
    let finish = relay::ChangePasswordFinish {
        record: registered.upload,
        root_vault: b"the new root vault".to_vec(),
        replaces: Sha256::digest(replaces).to_vec(),
    };
    client.ask(Frame::ChangePasswordFinish(finish)).await
}

#[tokio::test]
async fn password_and_root_vault_are_swapped_together_and_other_sessions_end_rel_65() {
    let relay = TestRelay::start().await;
    let (mut alice, mut device) = relay.registered("alice", 1).await;
    // Neither a device nor nobody.
    assert_eq!(change(&mut device, &mut alice, b"").await.unwrap_err(), ErrorCode::NotAuthenticated);
    let (mut session, mut other) = (relay.connect().await, relay.connect().await);
    let (shown, _) = session.login(&mut alice, PASSWORD).await.unwrap();
    other.login(&mut alice, PASSWORD).await.unwrap();
    let stale = change(&mut session, &mut alice, b"another vault").await;
    assert_eq!(stale.unwrap_err(), ErrorCode::Conflict);
    let changed = change(&mut session, &mut alice, &shown.root_vault).await;
    assert_eq!(changed, Ok(Reply::Ok(relay::Ok {})));
    let refused = change(&mut other, &mut alice, &shown.root_vault).await;
    assert_eq!(refused.unwrap_err(), ErrorCode::NotAuthenticated);
    assert!(relay.connect().await.login(&mut alice, PASSWORD).await.is_err());
    let (shown, _) = relay.connect().await.login(&mut alice, NEW).await.unwrap();
    assert_eq!(shown.root_vault, b"the new root vault");
}

#[tokio::test]
async fn an_account_ends_by_its_identity_alone_and_takes_its_records_along_rel_66() {
    let relay = TestRelay::start().await;
    let (mut alice, mut device) = relay.registered("alice", 1).await;
    let (mut record_rng, address) = (alice.fork(), format!("alice@{}", alice.relay).parse().unwrap());
    let write_key = SigningKey::generate(&mut record_rng);
    let record = Record::create(&write_key, [0; 16], None, b"one".to_vec()).unwrap();
    let other =
        Record::create(&SigningKey::generate(&mut record_rng), [0; 16], None, b"other".to_vec()).unwrap();
    for record in [&record, &other] {
        let put = relay::PutRecord { record: Some(record.to_message()), ticket: Vec::new() };
        device.ask(Frame::PutRecord(put)).await.unwrap();
    }
    let last = record.next(&write_key, None, Vec::new()).unwrap();
    // What the caller can't write stays.
    let forged = other.to_message();
    let delete = |deletion: &Deletion| {
        let records = vec![last.to_message(), forged.clone()];
        Frame::DeleteAccount(relay::DeleteAccount { deletion: deletion.encoded().to_vec(), records })
    };
    let mut anyone = relay.connect().await;
    let thief = IdentityKey::generate(&mut record_rng);
    let refused = anyone.ask(delete(&Deletion::sign(&thief, &address, NOW))).await;
    assert_eq!(refused.unwrap_err(), ErrorCode::BadSignature);
    let deletion = Deletion::sign(&alice.identity, &address, NOW);
    for _ in 0..2 {
        assert_eq!(anyone.ask(delete(&deletion)).await, Ok(Reply::Ok(relay::Ok {})));
    }
    let mut get = async |id: Vec<u8>| anyone.ask(Frame::GetRecord(relay::GetRecord { id })).await;
    assert_eq!(get(record.id().to_vec()).await.unwrap_err(), ErrorCode::NotFound);
    assert!(get(other.id().to_vec()).await.is_ok());
    let lookup = Frame::Lookup(relay::Lookup { name: "alice".to_owned() });
    let shown = Reply::Deleted(relay::Deleted { deletion: deletion.encoded().to_vec() });
    assert_eq!(anyone.ask(lookup).await, Ok(shown));
    let mut again = relay.connect().await;
    assert!(again.login(&mut alice, PASSWORD).await.is_err());
    assert_eq!(again.register(&mut alice).await.unwrap_err(), ErrorCode::NameTaken);
    assert_eq!(again.device_login(&alice, 0).await.unwrap_err(), ErrorCode::BadCredentials);
}
