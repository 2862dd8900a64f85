//! Prekeys, statements, records.

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
use common::{Client, Person, TestRelay, one_time};
use wheesht_core::{
    crypto::sign::SigningKey,
    proto::relay::{self, ErrorCode, client_frame::Body as Frame, relay_frame::Body as Reply},
    signed::{PrekeyKind, Record},
};
use wheesht_relay::service::Rate;

async fn upload(client: &mut Client, upload: relay::UploadPrekeys) -> Result<relay::PrekeyCounts, ErrorCode> {
    client.ask(Frame::UploadPrekeys(upload)).await.map(|reply| match reply {
        Reply::PrekeyCounts(counts) => counts,
        other => panic!("{other:?}"),
    })
}

async fn bundle(client: &mut Client, person: &Person) -> Result<relay::Bundle, ErrorCode> {
    let fetch = relay::FetchBundle {
        address: person.request_address.to_vec(),
        device_id: person.device_id(0).to_vec(),
    };
    client.ask(Frame::FetchBundle(fetch)).await.map(|reply| match reply {
        Reply::Bundle(bundle) => bundle,
        other => panic!("{other:?}"),
    })
}

#[tokio::test]
async fn one_time_prekeys_are_handed_out_once_even_over_a_crash_rel_41() {
    let mut relay = TestRelay::start().await;
    let (alice, mut device) = relay.registered("alice", 1).await;
    let mut anyone = relay.connect().await;
    assert_eq!(bundle(&mut anyone, &alice).await.err(), Some(ErrorCode::NotFound));
    let counts = upload(&mut device, alice.devices[0].upload(1..4)).await.unwrap();
    assert_eq!((counts.one_time, counts.one_time_kem), (3, 3));
    assert_eq!((counts.signed_prekey_id, counts.last_resort_kem_id), (1, 1));
    let first = bundle(&mut anyone, &alice).await.unwrap();
    assert_eq!(one_time(&first.signed_prekey), (PrekeyKind::SignedX25519, 1));
    assert_eq!(one_time(&first.one_time), (PrekeyKind::OneTimeX25519, 1));
    assert_eq!(one_time(&first.kem), (PrekeyKind::OneTimeKem, 1));
    relay.kill_and_restart().await;
    let mut anyone = relay.connect().await;
    assert_eq!(
        one_time(&bundle(&mut anyone, &alice).await.unwrap().one_time),
        (PrekeyKind::OneTimeX25519, 2)
    );
    // The same upload again, as after a lost answer, brings nothing back.
    let mut device = relay.connect().await;
    assert_eq!(device.device_login(&alice, 0).await.unwrap().prekeys.unwrap().one_time, 1);
    assert_eq!(upload(&mut device, alice.devices[0].upload(1..4)).await.unwrap().one_time, 1);
    assert_eq!(
        one_time(&bundle(&mut anyone, &alice).await.unwrap().one_time),
        (PrekeyKind::OneTimeX25519, 3)
    );
    let last = bundle(&mut anyone, &alice).await.unwrap();
    assert!(last.one_time.is_empty());
    assert_eq!(one_time(&last.kem), (PrekeyKind::LastResortKem, 1));
}

#[tokio::test]
async fn an_upload_is_verified_and_bounded_rel_40_rel_42() {
    let relay = TestRelay::start().await;
    let (mut alice, mut device) = relay.registered("alice", 1).await;
    let other = alice.new_device();
    let own = &alice.devices[0];
    assert_eq!(upload(&mut device, other.upload(1..2)).await.err(), Some(ErrorCode::Malformed));
    let mut tampered = own.upload(1..3);
    if let Some(last) = tampered.one_time[1].last_mut() {
        *last ^= 1;
    }
    assert_eq!(upload(&mut device, tampered).await.err(), Some(ErrorCode::BadSignature));
    let swapped = relay::UploadPrekeys { one_time: own.upload(1..2).one_time_kem, ..Default::default() };
    assert_eq!(upload(&mut device, swapped).await.err(), Some(ErrorCode::Malformed));
    assert_eq!(upload(&mut device, own.upload(1..102)).await.err(), Some(ErrorCode::TooLarge));
    for (range, count) in [(1..101, 100), (101..201, 200), (201..301, 200)] {
        assert_eq!(upload(&mut device, own.upload(range)).await.unwrap().one_time, count);
    }
}

#[tokio::test]
async fn requests_behind_an_upload_wait_for_it_rel_11() {
    let relay = TestRelay::start().await;
    let (mut alice, mut device) = relay.registered("alice", 1).await;
    let address = alice.new_address();
    let first = device.send(Frame::UploadPrekeys(alice.devices[0].upload(1..50))).await;
    let put = relay::PutAddress { address: address.to_vec(), kind: relay::AddressKind::Group.into() };
    let second = device.send(Frame::PutAddress(put)).await;
    let third = device.send(Frame::UploadPrekeys(alice.devices[0].upload(1..60))).await;
    assert!(
        device
            .answer(third)
            .await
            .is_ok_and(|reply| matches!(reply, Reply::PrekeyCounts(counts) if counts.one_time == 59))
    );
    assert!(device.answer(first).await.is_ok() && device.answer(second).await.is_ok());
}

#[tokio::test]
async fn bundles_take_a_live_address_of_the_account_and_are_limited_rel_46_rel_17() {
    let relay = TestRelay::start_with(|config| config.limits.bundles_per_address = Rate::new(3, 1)).await;
    let (alice, mut device) = relay.registered("alice", 1).await;
    let (bob, mut of_bob) = relay.registered("bob", 2).await;
    upload(&mut device, alice.devices[0].upload(1..10)).await.unwrap();
    upload(&mut of_bob, bob.devices[0].upload(1..10)).await.unwrap();
    let mut anyone = relay.connect().await;
    let mut ask = async |address: &[u8], device: &[u8]| {
        let fetch = relay::FetchBundle { address: address.to_vec(), device_id: device.to_vec() };
        anyone.ask_in_full(Frame::FetchBundle(fetch)).await.err()
    };
    let (of_alice, id) = (alice.request_address.to_vec(), alice.device_id(0).to_vec());
    let code = |error: Option<relay::Error>| error.map(|error| error.code());
    assert_eq!(code(ask(&[1; 16], &id).await), Some(ErrorCode::NotFound));
    assert_eq!(code(ask(bob.request_address.as_bytes(), &id).await), Some(ErrorCode::NotFound));
    for _ in 0..3 {
        assert_eq!(ask(&of_alice, &id).await, None);
    }
    let refused = ask(&of_alice, &id).await.unwrap();
    assert_eq!(refused.code(), ErrorCode::RateLimited);
    assert!(refused.retry_after_ms > 50_000);
}

#[tokio::test]
async fn a_statement_never_goes_back_rel_43() {
    let mut relay = TestRelay::start().await;
    let (mut alice, mut device) = relay.registered("alice", 1).await;
    let put = |statement| Frame::PutStatement(relay::PutStatement { statement });
    let five = alice.devices[0].statement(5);
    for statement in [five.clone(), alice.devices[0].statement(7), alice.devices[0].statement(7)] {
        device.ask(put(statement)).await.unwrap();
    }
    assert_eq!(device.ask(put(five)).await.err(), Some(ErrorCode::Conflict));
    let other = alice.new_device().statement(9);
    assert_eq!(device.ask(put(other)).await.err(), Some(ErrorCode::BadSignature));
    assert_eq!(device.ask(put(vec![1, 2, 3])).await.err(), Some(ErrorCode::Malformed));
    relay.kill_and_restart().await;
    let session = relay.connect().await.device_login(&alice, 0).await.unwrap();
    assert!(!session.statement.is_empty());
    let held = wheesht_core::signed::UnverifiedStatement::decode(&session.statement).unwrap();
    let key = &alice.devices[0].key;
    assert_eq!(held.verify(&key.verifying_key(), &key.device_id()).unwrap().commit_counter(), 7);
}

#[tokio::test]
async fn records_are_compared_and_swapped_rel_44_rel_45() {
    let mut relay = TestRelay::start_with(|config| config.limits.records = 2).await;
    let (_alice, mut device) = relay.registered("alice", 1).await;
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    let (key, other) = (SigningKey::generate(&mut rng), SigningKey::generate(&mut rng));
    let first = Record::create(&key, [1; 16], None, b"one".to_vec()).unwrap();
    let put = |record: &Record| {
        Frame::PutRecord(relay::PutRecord { record: Some(record.to_message()), ticket: Vec::new() })
    };
    let mut anyone = relay.connect().await;
    assert_eq!(anyone.ask(put(&first)).await.err(), Some(ErrorCode::NotAuthenticated));
    let second = first.next(&key, Some(&other.verifying_key()), b"two".to_vec()).unwrap();
    assert_eq!(device.ask(put(&second)).await.err(), Some(ErrorCode::Conflict));
    for _ in 0..2 {
        device.ask(put(&first)).await.unwrap();
    }
    // Later writes are taken from anyone who holds the key; of two at once, one succeeds.
    let rival = first.next(&key, None, b"rival".to_vec()).unwrap();
    anyone.ask(put(&second)).await.unwrap();
    assert_eq!(anyone.ask(put(&rival)).await.err(), Some(ErrorCode::Conflict));
    assert_eq!(anyone.ask(put(&first)).await.err(), Some(ErrorCode::Conflict));
    let third = second.next(&other, None, b"three".to_vec()).unwrap();
    let mut forged = third.to_message();
    forged.value = b"forged".to_vec();
    let forged = Frame::PutRecord(relay::PutRecord { record: Some(forged), ticket: Vec::new() });
    assert_eq!(anyone.ask(forged).await.err(), Some(ErrorCode::BadSignature));
    anyone.ask(put(&third)).await.unwrap();
    relay.kill_and_restart().await;
    let mut anyone = relay.connect().await;
    let get = |id: &[u8]| Frame::GetRecord(relay::GetRecord { id: id.to_vec() });
    let Ok(Reply::RecordOk(found)) = anyone.ask(get(first.id().as_bytes())).await else { panic!("record") };
    assert_eq!(found.record.unwrap(), third.to_message());
    assert_eq!(anyone.ask(get(&[0; 32])).await.err(), Some(ErrorCode::NotFound));
    // An account makes so many and no more.
    let mut device = relay.connect().await;
    let alice = relay.person("alice", 1);
    device.device_login(&alice, 0).await.unwrap();
    let make = |salt| Record::create(&key, [salt; 16], None, Vec::new()).unwrap();
    device.ask(put(&make(2))).await.unwrap();
    assert_eq!(device.ask(put(&make(3))).await.err(), Some(ErrorCode::QuotaExceeded));
}
