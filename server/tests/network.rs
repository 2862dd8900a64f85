//! What the network may do to the relay: nonsense, silence, crowds; and the relay's own end.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::large_futures,
    reason = "a test may; clippy knows that of test functions only"
)]

mod common;

use std::{sync::OnceLock, time::Duration};

use common::{Client, TestRelay, tls};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wheesht_core::proto::{
    limits::MAX_FRAME,
    prost::Message,
    relay::{self, ClientFrame, ErrorCode, client_frame::Body as Frame, relay_frame::Body as Reply},
};

/// What the relay says before it hangs up.
async fn last_word(client: &mut Client) -> Option<ErrorCode> {
    match &*client.until_closed().await {
        [Reply::Error(error)] => Some(error.code()),
        [] => None,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_is_no_frame_ends_the_connection_rel_10() {
    let relay = TestRelay::start().await;
    let mut client = relay.connect().await;
    client.send_bytes(vec![0xff; 40]).await;
    assert_eq!(last_word(&mut client).await, Some(ErrorCode::Malformed));
    let mut client = relay.connect().await;
    let zero = ClientFrame { id: 0, body: Some(Frame::Ping(relay::Ping {})) };
    client.send_bytes(zero.encode_to_vec()).await;
    assert_eq!(last_word(&mut client).await, Some(ErrorCode::Malformed));
    let mut client = relay.connect().await;
    client.send_text("{}").await;
    assert_eq!(last_word(&mut client).await, Some(ErrorCode::Malformed));
    let mut client = relay.connect().await;
    client.send_bytes(vec![0; MAX_FRAME + 1]).await;
    assert!(matches!(last_word(&mut client).await, Some(ErrorCode::Malformed) | None));
}

#[tokio::test]
async fn an_unknown_request_is_refused_and_the_connection_goes_on() {
    let relay = TestRelay::start().await;
    let mut client = relay.connect().await;
    let frame = ClientFrame { id: 77, body: None };
    client.send_bytes(frame.encode_to_vec()).await;
    assert_eq!(client.answer(77).await.map_err(|error| error.code()).err(), Some(ErrorCode::Malformed));
    assert!(client.ask(Frame::Ping(relay::Ping {})).await.is_ok());
}

/// One relay for all cases, on a runtime of its own.
fn shared() -> &'static (tokio::runtime::Runtime, TestRelay) {
    static SHARED: OnceLock<(tokio::runtime::Runtime, TestRelay)> = OnceLock::new();
    SHARED.get_or_init(|| {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let relay = runtime.block_on(TestRelay::start());
        (runtime, relay)
    })
}

fn alive() -> bool {
    let (runtime, relay) = shared();
    runtime.block_on(async { relay.connect().await.ask(Frame::Ping(relay::Ping {})).await.is_ok() })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_bytes_hurt_the_relay_rel_10(messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..400), 1..4)) {
        let (runtime, relay) = shared();
        runtime.block_on(async {
            let mut client = Client::connect_silently(relay.running()).await;
            for message in messages {
                client.send_bytes(message).await;
            }
        });
        prop_assert!(alive());
    }

    /// Requests that are frames, with fields that are nonsense, on a connection of each role.
    #[test]
    fn no_fields_hurt_the_relay_rel_10(tag in 2_u32..50, field in prop::collection::vec(any::<u8>(), 0..300), role in 0..2) {
        let (runtime, relay) = shared();
        runtime.block_on(async {
            let mut client = relay.connect().await;
            if role == 1 {
                static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
                let seed = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                let mut person = relay.person(&format!("person{seed}"), seed);
                // Registrations are limited, so only the first few get in; the others stay anonymous.
                if client.register(&mut person).await.is_ok() {
                    client.device_login(&person, 0).await.unwrap();
                }
            }
            let mut frame = ClientFrame { id: 9, body: None }.encode_to_vec();
            wheesht_core::proto::prost::encoding::bytes::encode(tag, &field, &mut frame);
            client.send_bytes(frame).await;
        });
        prop_assert!(alive());
    }
}

#[tokio::test]
async fn silence_ends_a_connection_rel_14() {
    let relay = TestRelay::start_with(|config| {
        config.limits.hello_timeout_ms = 200;
        config.limits.idle_timeout_ms = 3000;
        config.net.handshake_timeout = Duration::from_millis(500);
    })
    .await;
    // A TCP connection that never begins.
    let mut tcp = tokio::net::TcpStream::connect(relay.running().local_addr()).await.unwrap();
    assert_eq!(tcp.read(&mut [0; 8]).await.unwrap_or(0), 0);
    // TLS, and no HTTP.
    let mut stream = tls(relay.running()).await;
    assert_eq!(stream.read(&mut [0; 8]).await.unwrap_or(0), 0);
    // A WebSocket without a hello.
    let mut silent = Client::connect_silently(relay.running()).await;
    assert_eq!(last_word(&mut silent).await, Some(ErrorCode::Unavailable));
    // One that says a lot, but no hello.
    let mut evasive = Client::connect_silently(relay.running()).await;
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while tokio::time::timeout(Duration::from_millis(50), evasive.read_one()).await != Ok(false) {
        assert!(std::time::Instant::now() < deadline, "it gained time");
        evasive.send(Frame::Credit(relay::Credit { envelopes: 1 })).await;
    }
    // One that pings stays, one that doesn't goes.
    let (mut lively, mut idle) = (relay.connect().await, relay.connect().await);
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(900)).await;
        lively.ask(Frame::Ping(relay::Ping {})).await.unwrap();
    }
    assert_eq!(last_word(&mut idle).await, Some(ErrorCode::Unavailable));
}

#[tokio::test]
async fn a_network_has_its_share_of_connections_rel_15() {
    let relay = TestRelay::start_with(|config| config.net.connections_per_network = 2).await;
    let first = relay.connect().await;
    let _second = relay.connect().await;
    let mut stream = tls(relay.running()).await;
    let request = "GET /v1 HTTP/1.1\r\nHost: relay\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = vec![0; 1024];
    let length = stream.read(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..length]).to_ascii_lowercase();
    assert!(answer.starts_with("http/1.1 503") && answer.contains("retry-after: 30"), "{answer}");
    drop(first);
    tokio::time::sleep(Duration::from_millis(300)).await;
    relay.connect().await;
}

#[tokio::test]
async fn the_relay_speaks_tls_1_3_with_a_hybrid_key_exchange_rel_2() {
    let relay = TestRelay::start().await;
    let stream = tls(relay.running()).await;
    let (_, session) = stream.get_ref();
    let group = session.negotiated_key_exchange_group().unwrap().name();
    assert_eq!(group, rustls::NamedGroup::X25519MLKEM768);
    assert_eq!(session.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
    // A client that knows nothing newer than TLS 1.2 gets an alert.
    let hello = b"\x16\x03\x01\x00\x2f\x01\x00\x00\x2b\x03\x03aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\x00\x00\x04\xc0\x2b\xc0\x2f\x01\x00";
    let mut old = tokio::net::TcpStream::connect(relay.running().local_addr()).await.unwrap();
    old.write_all(hello).await.unwrap();
    let mut answer = Vec::new();
    old.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer.first(), Some(&0x15), "an alert: {answer:?}");
}

#[tokio::test]
async fn who_takes_nothing_is_cut_off_rel_16() {
    let relay = TestRelay::start_with(|config| {
        config.net.write_timeout = Duration::from_millis(500);
        config.limits.unacked_bytes = u64::MAX;
    })
    .await;
    let (mut alice, mut device) = relay.registered("alice", 1).await;
    let address = alice.new_address();
    device.put_address(address).await.unwrap();
    device.subscribe(u32::MAX).await;
    let mut sender = relay.connect().await;
    // More than the sockets' buffers hold, to a device that doesn't read.
    for number in 0..120_u8 {
        let mut envelope = vec![0; 200_000];
        envelope[0] = number;
        sender.deposit(address, &envelope).await;
    }
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let mut read = 0;
    while device.read_one().await {
        read += 1;
    }
    assert!(read < 120, "{read}");
    // Nothing is lost by that.
    let session = relay.connect().await.device_login(&alice, 0).await.unwrap();
    assert_eq!(session.queued, 120);
}

#[tokio::test]
async fn health_is_a_web_page() {
    let relay = TestRelay::start().await;
    let mut stream = tls(relay.running()).await;
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: relay\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("ok\n"), "{answer}");
}

#[tokio::test]
async fn the_relay_says_goodbye_and_answers_what_it_received_rel_5() {
    let mut relay = TestRelay::start().await;
    let (mut alice, mut device) = relay.registered("alice", 1).await;
    let address = alice.new_address();
    device.put_address(address).await.unwrap();
    let mut sender = relay.connect().await;
    let mut ids = Vec::new();
    for number in 0..30_u8 {
        let entry = relay::DepositEntry {
            envelope: vec![number; 2000].into(),
            addresses: vec![address.to_vec()],
            device_id: Vec::new(),
            ephemeral_ms: 0,
        };
        ids.push(sender.send(Frame::Deposit(relay::Deposit { entries: vec![entry] })).await);
    }
    // The last one's answer says that all have been received.
    sender.answer(*ids.last().unwrap()).await.unwrap();
    relay.shutdown().await;
    for id in &ids[..29] {
        assert!(sender.answer(*id).await.is_ok());
    }
    let said = sender.until_closed().await;
    assert!(matches!(&*said, [Reply::Goodbye(goodbye)] if goodbye.reconnect_after_ms > 0), "{said:?}");
}

#[tokio::test]
async fn more_in_flight_than_allowed_waits_its_turn_rel_11() {
    let relay = TestRelay::start().await;
    let mut client = relay.connect().await;
    let mut ids = Vec::new();
    for _ in 0..500 {
        ids.push(client.send(Frame::Ping(relay::Ping {})).await);
    }
    for id in ids {
        client.answer(id).await.unwrap();
    }
}

#[tokio::test]
async fn more_bytes_in_flight_than_allowed_wait_their_turn_rel_11() {
    let relay = TestRelay::start().await;
    let (mut alice, mut device) = relay.registered("alice", 1).await;
    let address = alice.new_address();
    device.put_address(address).await.unwrap();
    let mut client = relay.connect().await;
    let mut ids = Vec::new();
    for number in 0..24_u8 {
        let entry = |half: u8| relay::DepositEntry {
            envelope: vec![2 * number + half; 200_000].into(),
            addresses: vec![address.to_vec()],
            device_id: Vec::new(),
            ephemeral_ms: 0,
        };
        ids.push(client.send(Frame::Deposit(relay::Deposit { entries: vec![entry(0), entry(1)] })).await);
    }
    for id in ids {
        client.answer(id).await.unwrap();
    }
    assert_eq!(relay.connect().await.device_login(&alice, 0).await.unwrap().queued, 48);
}

#[tokio::test]
async fn unacked_bytes_are_bounded_rel_54() {
    let relay = TestRelay::start_with(|config| config.limits.unacked_bytes = 10_000).await;
    let (mut alice, mut device) = relay.registered("alice", 1).await;
    let address = alice.new_address();
    device.put_address(address).await.unwrap();
    device.subscribe(1000).await;
    let mut sender = relay.connect().await;
    for number in 0..10_u8 {
        sender.deposit(address, &[number; 4000]).await;
    }
    let mut seen = 0;
    for most in [3, 3, 3] {
        let delivered = device.deliveries().await;
        assert!((1..=most).contains(&delivered.len()), "{}", delivered.len());
        seen += delivered.len();
        device.ack(&delivered).await;
    }
    while seen < 10 {
        let delivered = device.deliveries().await;
        assert!(!delivered.is_empty());
        seen += delivered.len();
        device.ack(&delivered).await;
    }
}

#[tokio::test]
async fn a_data_directory_keeps_to_its_domain_rel_4() {
    use wheesht_relay::{Config, Relay, StartError, service::OpenError};
    let directory = tempfile::tempdir().unwrap();
    let config = |domain: Option<&str>| {
        let mut config = Config::new(directory.path());
        config.listen = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        config.domain = domain.map(str::to_owned);
        config
    };
    let first = Relay::start(config(None)).await.unwrap();
    let own = first.address().authority();
    let fingerprint = first.fingerprint();
    first.shutdown().await.unwrap();
    // Without accounts it may still change; with some it may not.
    let second = Relay::start(config(Some("relay.example"))).await.unwrap();
    assert_eq!(second.address().authority(), "relay.example");
    assert_eq!(second.fingerprint(), fingerprint);
    let mut alice = common::Person::new("alice", "relay.example", 1);
    Client::connect(&second).await.register(&mut alice).await.unwrap();
    second.shutdown().await.unwrap();
    let refused = Relay::start(config(Some(&own))).await.err();
    assert!(matches!(refused, Some(StartError::Service(OpenError::OtherDomain { .. }))));
    let third = Relay::start(config(None)).await.unwrap();
    assert_eq!(third.address().authority(), "relay.example");
    assert!(matches!(
        Relay::start(config(None)).await.err(),
        Some(StartError::Service(OpenError::Storage(_)))
    ));
}

#[cfg(unix)]
#[tokio::test]
async fn the_certificates_key_is_the_relays_alone() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let mut config = wheesht_relay::Config::new(directory.path());
    config.listen = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let _relay = wheesht_relay::Relay::start(config).await.unwrap();
    let mode = std::fs::metadata(directory.path().join("certificate-key.pem")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn nothing_is_dropped_when_much_waits_rel_11_rel_54() {
    let relay = TestRelay::start().await;
    let (mut alice, mut device) = relay.registered("alice", 1).await;
    let address = alice.new_address();
    device.put_address(address).await.unwrap();
    device.subscribe(10_000).await;
    // More requests than the relay takes in one group, from many connections at once.
    let mut senders = tokio::task::JoinSet::new();
    for number in 0..24_u8 {
        let mut sender = relay.connect().await;
        senders.spawn(async move {
            let mut ids = Vec::new();
            for count in 0..60_u8 {
                let entry = relay::DepositEntry {
                    envelope: vec![number, count].into(),
                    addresses: vec![address.to_vec()],
                    device_id: Vec::new(),
                    ephemeral_ms: 0,
                };
                ids.push(sender.send(Frame::Deposit(relay::Deposit { entries: vec![entry] })).await);
            }
            for id in ids {
                sender.answer(id).await.unwrap();
            }
        });
    }
    senders.join_all().await;
    let mut delivered: Vec<Vec<u8>> =
        device.deliveries().await.iter().map(|delivery| delivery.envelope.to_vec()).collect();
    delivered.sort();
    let all: Vec<Vec<u8>> =
        (0..24).flat_map(|number| (0..60).map(move |count| vec![number, count])).collect();
    assert_eq!(delivered, all);
}
