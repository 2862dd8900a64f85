//! What is never stored: ephemeral envelopes and last wills; and tickets, which lie in memory too.

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
use common::{Client, TestRelay};
use wheesht_core::{
    crypto::sign::SigningKey,
    proto::{
        ids::DepositAddress,
        limits::{MAX_EPHEMERAL, MAX_EPHEMERAL_MS},
        relay::{self, ErrorCode, TicketKind, client_frame::Body as Frame, relay_frame::Body as Reply},
    },
    signed::Record,
};
use wheesht_relay::service::Rate;

const TAKEN: ErrorCode = ErrorCode::Unspecified;

fn flash(addresses: &[DepositAddress], envelope: &[u8]) -> relay::DepositEntry {
    relay::DepositEntry {
        envelope: envelope.to_vec().into(),
        addresses: addresses.iter().map(|address| address.to_vec()).collect(),
        device_id: Vec::new(),
        ephemeral_ms: 60_000,
    }
}

fn will(addresses: &[DepositAddress], envelope: &[u8]) -> Frame {
    let entry = relay::LastWillEntry {
        envelope: envelope.to_vec().into(),
        addresses: addresses.iter().map(|address| address.to_vec()).collect(),
    };
    Frame::PutLastWill(relay::PutLastWill { entries: vec![entry] })
}

const NO_WILL: Frame = Frame::PutLastWill(relay::PutLastWill { entries: Vec::new() });

async fn push(device: &mut Client) -> relay::Deliver {
    match device.push().await {
        Reply::Deliver(deliver) => deliver,
        _ => panic!("another push"),
    }
}

#[tokio::test]
async fn an_ephemeral_envelope_reaches_who_listens_and_is_never_stored_rel_34() {
    let relay = TestRelay::start().await;
    let (mut alice, mut device) = relay.registered("alice", 1).await;
    let address = alice.new_address();
    device.put_address(address).await.unwrap();
    let mut sender = relay.connect().await;
    let say =
        async |sender: &mut Client, text: &[u8]| sender.deposit_entries(vec![flash(&[address], text)]).await;
    // Nobody listens: without a subscription, and without credit. The answer doesn't tell.
    assert_eq!(say(&mut sender, b"unheard").await, [[TAKEN]]);
    device.subscribe(0).await;
    assert_eq!(say(&mut sender, b"unheard").await, [[TAKEN]]);
    device.subscribe(1).await;
    for _ in 0..3 {
        assert_eq!(say(&mut sender, b"typing").await, [[TAKEN]]);
        let deliver = push(&mut device).await;
        assert!(deliver.ephemeral && deliver.expires_ms == deliver.received_ms + 60_000);
        assert_eq!((&*deliver.envelope, &*deliver.address), (&b"typing"[..], &address.as_bytes()[..]));
    }
    // The credit of one is still there, and nothing lies in the mailbox.
    assert_eq!(sender.deposit(address, b"a message").await, TAKEN);
    let message = push(&mut device).await;
    assert!(!message.ephemeral && &*message.envelope == b"a message");
    device.ack(&[message]).await;
    assert_eq!(say(&mut sender, b"unheard").await, [[TAKEN]], "no credit");
    let mut again = relay.connect().await;
    assert_eq!(again.device_login(&alice, 0).await.unwrap().queued, 0);
    again.subscribe(10).await;
    assert!(again.deliveries().await.is_empty());
}

#[tokio::test]
async fn ephemeral_envelopes_are_small_short_lived_and_not_for_strangers_rel_34_rel_20() {
    let relay = TestRelay::start_with(|config| config.limits.ephemerals_per_address = Rate::new(2, 1)).await;
    let (mut alice, mut device) = relay.registered("alice", 1).await;
    let address = alice.new_address();
    device.put_address(address).await.unwrap();
    device.subscribe(10).await;
    let mut sender = relay.connect().await;
    let large = flash(&[address], &[1; MAX_EPHEMERAL + 1]);
    let mut lasting = flash(&[address], b"lasting");
    lasting.ephemeral_ms = MAX_EPHEMERAL_MS + 1;
    let mut strange = flash(&[alice.request_address], b"strange");
    strange.device_id = alice.device_id(0).to_vec();
    let empty = flash(&[address], b"");
    let codes = sender.deposit_entries(vec![large, lasting, strange, empty]).await;
    let (too_large, malformed, unknown) = (ErrorCode::TooLarge, ErrorCode::Malformed, ErrorCode::NotFound);
    assert_eq!(codes, [[too_large], [malformed], [unknown], [malformed]]);
    // A refused one stands in no message's way.
    let durable = relay::DepositEntry { ephemeral_ms: 0, ..flash(&[address], b"a message") };
    let three = [b"1", b"2", b"3"].map(|text| flash(&[address], text));
    let codes = sender.deposit_entries([&three[..], &[durable]].concat()).await;
    assert_eq!(codes, [[TAKEN], [TAKEN], [ErrorCode::RateLimited], [TAKEN]]);
    let texts: Vec<_> = device.deliveries().await.into_iter().map(|one| one.envelope).collect();
    assert_eq!(texts, [&b"1"[..], b"2", b"a message"]);
    assert_eq!(device.ask(will(&[address], b"mine")).await.err(), Some(ErrorCode::NotAuthenticated));
}

#[tokio::test]
async fn a_last_will_goes_out_when_its_connection_dies_rel_36() {
    let relay = TestRelay::start().await;
    let (mut alice, mut device) = relay.registered("alice", 1).await;
    let address = alice.new_address();
    device.put_address(address).await.unwrap();
    device.subscribe(10).await;
    let mut addresses = [address, alice.new_address()];
    addresses.sort();
    let mut one = relay.connect().await;
    one.ask(will(&addresses, b"the first")).await.unwrap();
    one.ask(will(&addresses, b"the second")).await.unwrap();
    let mut two = relay.connect().await;
    two.ask(will(&addresses, b"called off")).await.unwrap();
    two.ask(NO_WILL).await.unwrap();
    drop((one, two));
    let deliver = push(&mut device).await;
    assert!(deliver.ephemeral && &*deliver.envelope == b"the second");
    assert!(device.deliveries().await.is_empty());
}

#[tokio::test]
async fn last_wills_are_bounded_rel_36() {
    let relay = TestRelay::start_with(|config| config.limits.wills_bytes_per_network = 3_000).await;
    let (address, mut one, mut two) =
        (DepositAddress::new([1; 16]), relay.connect().await, relay.connect().await);
    one.ask(will(&[address], &[1; 2_000])).await.unwrap();
    // In place of the one before, not beside it.
    one.ask(will(&[address], &[2; 2_000])).await.unwrap();
    let full = two.ask_in_full(will(&[address], &[3; 2_000])).await.err().unwrap();
    assert!(full.code() == ErrorCode::QuotaExceeded && full.retry_after_ms > 0);
    one.ask(NO_WILL).await.unwrap();
    two.ask(will(&[address], &[3; 2_000])).await.unwrap();
    let entries = vec![relay::LastWillEntry::default(); 17];
    let many = Frame::PutLastWill(relay::PutLastWill { entries });
    assert_eq!(two.ask(many).await.err(), Some(ErrorCode::TooLarge));
    assert_eq!(two.ask(will(&[], b"to nobody")).await.err(), Some(ErrorCode::Malformed));
    assert_eq!(two.ask(will(&[address], &[0; MAX_EPHEMERAL + 1])).await.err(), Some(ErrorCode::TooLarge));
}

#[tokio::test]
async fn no_last_will_goes_out_when_the_relay_goes_down_rel_37() {
    let mut relay = TestRelay::start().await;
    let (mut alice, mut device) = relay.registered("alice", 1).await;
    let address = alice.new_address();
    device.put_address(address).await.unwrap();
    device.subscribe(10).await;
    let mut one = relay.connect().await;
    one.ask(will(&[address], b"offline")).await.unwrap();
    let pushes = tokio::spawn(async move { device.until_closed().await });
    relay.shutdown().await;
    let pushes = pushes.await.unwrap();
    assert!(matches!(pushes[..], [Reply::Goodbye(_)]), "a goodbye and nothing else");
}

fn tickets(kind: TicketKind, count: u32, max_bytes: u64) -> Frame {
    Frame::GetTickets(relay::GetTickets { kind: kind.into(), count, max_bytes })
}

async fn get(device: &mut Client, count: u32) -> Result<Vec<Vec<u8>>, ErrorCode> {
    match device.ask(tickets(TicketKind::Record, count, 0)).await? {
        Reply::Tickets(tickets) => Ok(tickets.tickets),
        _ => panic!("tickets"),
    }
}

#[tokio::test]
async fn a_ticket_makes_one_record_and_tells_nothing_rel_48() {
    let mut relay = TestRelay::start().await;
    let (_, mut device) = relay.registered("alice", 1).await;
    let key = SigningKey::generate(&mut ChaCha20Rng::seed_from_u64(3));
    let put = |salt: u8, ticket: &[u8]| {
        let record = Record::create(&key, [salt; 16], None, b"a value".to_vec()).unwrap().to_message();
        Frame::PutRecord(relay::PutRecord { record: Some(record), ticket: ticket.to_vec() })
    };
    let got = get(&mut device, 3).await.unwrap();
    let blob = match device.ask(tickets(TicketKind::Blob, 1, 1_000)).await.unwrap() {
        Reply::Tickets(tickets) => tickets.tickets[0].clone(),
        _ => panic!("tickets"),
    };
    let mut anyone = relay.connect().await;
    for (bad, code) in [
        (&[9; 32][..], ErrorCode::BadTicket),
        (&blob, ErrorCode::BadTicket),
        (&[9; 31], ErrorCode::Malformed),
        (&[], ErrorCode::NotAuthenticated),
    ] {
        assert_eq!(anyone.ask(put(1, bad)).await.err(), Some(code));
    }
    assert_eq!(device.ask(put(1, &got[0])).await.err(), Some(ErrorCode::NotAuthenticated));
    anyone.ask(put(1, &got[0])).await.unwrap();
    // The answer was lost: the same again, with the ticket that is spent.
    anyone.ask(put(1, &got[0])).await.unwrap();
    assert_eq!(anyone.ask(put(2, &got[0])).await.err(), Some(ErrorCode::BadTicket));
    // What is refused for another reason spends nothing.
    let Frame::PutRecord(mut forged) = put(2, &got[1]) else { panic!("a record") };
    forged.record.as_mut().unwrap().value = b"forged".to_vec();
    assert_eq!(anyone.ask(Frame::PutRecord(forged)).await.err(), Some(ErrorCode::BadSignature));
    anyone.ask(put(2, &got[1])).await.unwrap();
    relay.kill_and_restart().await;
    let mut anyone = relay.connect().await;
    assert_eq!(anyone.ask(put(3, &got[2])).await.err(), Some(ErrorCode::BadTicket), "a restart ends it");
    anyone.ask(put(2, &got[2])).await.unwrap();
}

#[tokio::test]
async fn tickets_are_counted_by_account_and_day_rel_47_rel_45() {
    let mut relay = TestRelay::start_with(|config| {
        config.limits.record_tickets_per_day = 5;
        config.limits.records = 4;
        config.limits.blob_bytes_per_day = 1_000;
        config.limits.blob_tickets_per_day = 3;
        config.limits.max_blob = 600;
    })
    .await;
    let (alice, mut device) = relay.registered("alice", 1).await;
    assert_eq!(
        relay.connect().await.ask(tickets(TicketKind::Record, 1, 0)).await.err(),
        Some(ErrorCode::NotAuthenticated)
    );
    for bad in [
        tickets(TicketKind::Record, 0, 0),
        tickets(TicketKind::Record, 17, 0),
        tickets(TicketKind::Unspecified, 1, 0),
        tickets(TicketKind::Blob, 1, 0),
    ] {
        assert_eq!(device.ask(bad).await.err(), Some(ErrorCode::Malformed));
    }
    assert_eq!(get(&mut device, 3).await.unwrap().len(), 3);
    assert_eq!(get(&mut device, 2).await.err(), Some(ErrorCode::QuotaExceeded), "records in all");
    let blobs = |count, most| tickets(TicketKind::Blob, count, most);
    assert_eq!(device.ask(blobs(1, 601)).await.err(), Some(ErrorCode::TooLarge));
    device.ask(blobs(2, 300)).await.unwrap();
    let refused = device.ask_in_full(blobs(1, 500)).await.err().unwrap();
    assert!(refused.code() == ErrorCode::QuotaExceeded && refused.retry_after_ms > 0);
    relay.kill_and_restart().await;
    let mut device = relay.connect().await;
    device.device_login(&alice, 0).await.unwrap();
    assert_eq!(device.ask(blobs(1, 500)).await.err(), Some(ErrorCode::QuotaExceeded), "the count is durable");
    device.ask(blobs(1, 400)).await.unwrap();
    assert_eq!(device.ask(blobs(1, 1)).await.err(), Some(ErrorCode::QuotaExceeded), "tickets of the day");
    // Another account has its own.
    let (_, mut other) = relay.registered("bob", 2).await;
    other.ask(blobs(1, 500)).await.unwrap();
}
