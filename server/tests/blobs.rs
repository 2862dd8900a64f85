//! Blobs over HTTP, and the figures for the operator.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::large_futures,
    reason = "a test may; clippy knows that of test functions only"
)]

mod common;

use std::{net::SocketAddr, time::Duration};

use common::{Client, Http, TestRelay};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wheesht_core::proto::{
    ids::BlobId,
    relay::{self, TicketKind, client_frame::Body as Frame, relay_frame::Body as Reply},
};
use wheesht_relay::{Config, Relay, StartError};

fn hex(bytes: [u8; 32]) -> String {
    BlobId::new(bytes).to_string()
}

fn hash(bytes: &[u8]) -> String {
    hex(Sha256::digest(bytes).into())
}

fn some_bytes(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}

const SECRET: [u8; 32] = [5; 32];

/// A ticket for one blob of so many bytes.
async fn ticket(device: &mut Client, length: u64) -> String {
    let get = relay::GetTickets { kind: TicketKind::Blob.into(), count: 1, max_bytes: length };
    match device.ask(Frame::GetTickets(get)).await.unwrap() {
        Reply::Tickets(tickets) => hex(tickets.tickets[0].clone().try_into().unwrap()),
        _ => panic!("tickets"),
    }
}

struct Sending {
    path: String,
    ticket: String,
    length: usize,
}

impl Sending {
    fn new(number: u8, ticket: String, length: usize) -> Self {
        Self { path: format!("/v1/blobs/{}", hex([number; 32])), ticket, length }
    }

    fn headers(&self, more: &[(&'static str, String)]) -> Vec<(&'static str, String)> {
        [&[("Wheesht-Ticket", self.ticket.clone())], more].concat()
    }

    async fn begin(&self, http: &mut Http) -> u16 {
        let more = [("Wheesht-Length", self.length.to_string()), ("Wheesht-Delete-Hash", hash(&SECRET))];
        http.ask("POST", &self.path, &self.headers(&more), b"").await.status
    }

    async fn probe(&self, http: &mut Http) -> u64 {
        http.ask("HEAD", &self.path, &self.headers(&[]), b"").await.offset()
    }

    async fn append(&self, http: &mut Http, offset: u64, bytes: &[u8]) -> (u16, Option<u64>) {
        let headers = self.headers(&[("Wheesht-Offset", offset.to_string())]);
        let answer = http.ask("PATCH", &self.path, &headers, bytes).await;
        (answer.status, answer.headers.contains_key("wheesht-offset").then(|| answer.offset()))
    }

    async fn finish(&self, http: &mut Http, bytes: &[u8]) -> u16 {
        let headers = self.headers(&[("Wheesht-Hash", hash(bytes))]);
        http.ask("POST", &format!("{}/finish", self.path), &headers, b"").await.status
    }
}

#[tokio::test]
async fn an_upload_is_resumed_over_cuts_and_crashes_and_read_by_anyone_rel_70_rel_71_rel_72() {
    let mut relay = TestRelay::start().await;
    let (_, mut device) = relay.registered("alice", 1).await;
    let bytes = some_bytes(1_000_000);
    let sending = Sending::new(1, ticket(&mut device, 1_000_000).await, bytes.len());
    let mut http = Http::connect(relay.running()).await;
    for status in [201, 200] {
        assert_eq!(sending.begin(&mut http).await, status, "the answer may have been lost");
    }
    assert_eq!(sending.append(&mut http, 0, &bytes[..300_000]).await, (204, Some(300_000)));
    assert_eq!(sending.append(&mut http, 0, &bytes[..300_000]).await, (409, Some(300_000)));
    let mut http = Http::connect(relay.running()).await;
    // The line is cut in the middle: what came is kept.
    let headers = sending.headers(&[("Wheesht-Offset", "300000".to_owned())]);
    http.send("PATCH", &sending.path, &headers, 700_000, &bytes[300_000..400_000]).await;
    drop(http);
    let mut http = Http::connect(relay.running()).await;
    let mut offset = 0;
    for _ in 0..100 {
        offset = sending.probe(&mut http).await;
        if offset == 400_000 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(offset, 400_000);
    assert_eq!(http.ask("GET", &sending.path, &[], b"").await.status, 404, "not finished");
    assert_eq!(sending.finish(&mut http, &bytes).await, 409, "too short");

    relay.kill_and_restart().await;
    let mut http = Http::connect(relay.running()).await;
    assert_eq!(sending.probe(&mut http).await, 400_000);
    assert_eq!(sending.append(&mut http, 400_000, &bytes[400_000..]).await, (204, Some(1_000_000)));
    for _ in 0..2 {
        assert_eq!(sending.finish(&mut http, &bytes).await, 204);
    }
    assert_eq!(sending.append(&mut http, 1_000_000, b"x").await.0, 409, "never changes");

    relay.kill_and_restart().await;
    let mut http = Http::connect(relay.running()).await;
    let answer = http.ask("GET", &sending.path, &[], b"").await;
    assert!(answer.status == 200 && answer.body == bytes);
    let head = http.ask("HEAD", &sending.path, &[], b"").await;
    assert_eq!((head.status, &*head.headers["content-length"]), (200, "1000000"));
}

#[tokio::test]
async fn a_part_can_be_read_rel_73_rel_76() {
    let relay = TestRelay::start().await;
    let (_, mut device) = relay.registered("alice", 1).await;
    let bytes = some_bytes(1_000);
    let sending = Sending::new(1, ticket(&mut device, 5_000).await, bytes.len());
    let mut http = Http::connect(relay.running()).await;
    sending.begin(&mut http).await;
    sending.append(&mut http, 0, &bytes).await;
    assert_eq!(sending.finish(&mut http, &bytes).await, 204);
    let mut part =
        async |range: &str| http.ask("GET", &sending.path, &[("Range", range.to_owned())], b"").await;
    let answer = part("bytes=10-19").await;
    assert_eq!((answer.status, &*answer.body), (206, &bytes[10..20]));
    assert_eq!(answer.headers["content-range"], "bytes 10-19/1000");
    assert_eq!(part("bytes=-5").await.body, bytes[995..]);
    let behind = part("bytes=1000-").await;
    assert_eq!((behind.status, &*behind.headers["content-range"]), (416, "bytes */1000"));
    // A page in a browser may do all of this.
    assert_eq!(answer.headers["access-control-allow-origin"], "*");
    assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    let allowed =
        http.ask("OPTIONS", &sending.path, &[("Origin", "https://chat.example".to_owned())], b"").await;
    assert_eq!(allowed.status, 204);
    for method in ["PATCH", "POST", "DELETE"] {
        assert!(allowed.headers["access-control-allow-methods"].contains(method));
    }
    for header in ["wheesht-ticket", "wheesht-offset", "range"] {
        assert!(allowed.headers["access-control-allow-headers"].contains(header));
    }
}

#[tokio::test]
async fn a_ticket_is_good_for_one_upload_and_its_length_rel_70_rel_75_rel_77() {
    let relay = TestRelay::start_with(|config| config.blob_space = 2_000).await;
    let (_, mut device) = relay.registered("alice", 1).await;
    let mut http = Http::connect(relay.running()).await;
    let small = ticket(&mut device, 100).await;
    assert_eq!(Sending::new(1, small.clone(), 101).begin(&mut http).await, 401, "too long");
    assert_eq!(Sending::new(1, hex([9; 32]), 100).begin(&mut http).await, 401);
    assert_eq!(Sending::new(1, "zz".to_owned(), 100).begin(&mut http).await, 400);
    assert_eq!(Sending::new(1, small.clone(), 0).begin(&mut http).await, 400);
    let sending = Sending::new(1, small.clone(), 100);
    assert_eq!(sending.begin(&mut http).await, 201);
    assert_eq!(Sending::new(2, small, 100).begin(&mut http).await, 401, "spent");
    let large = ticket(&mut device, 5_000).await;
    assert_eq!(Sending::new(1, large.clone(), 100).begin(&mut http).await, 409, "the id is in use");
    assert_eq!(Sending::new(3, large.clone(), 1_901).begin(&mut http).await, 507, "no room");
    // Another's ticket doesn't go on with it, and nobody sends more than was promised.
    let stranger = Sending::new(1, large.clone(), 100);
    assert_eq!(stranger.append(&mut http, 0, b"x").await.0, 401);
    let mut http = Http::connect(relay.running()).await;
    assert_eq!(sending.append(&mut http, 0, &[1; 101]).await.0, 413);
    let mut http = Http::connect(relay.running()).await;
    assert_eq!(Sending::new(3, large, 1_900).begin(&mut http).await, 201, "refused for room, not spent");
}

#[tokio::test]
async fn other_bytes_than_promised_are_gone_rel_72() {
    let relay = TestRelay::start().await;
    let (_, mut device) = relay.registered("alice", 1).await;
    let mut http = Http::connect(relay.running()).await;
    let sending = Sending::new(1, ticket(&mut device, 3).await, 3);
    sending.begin(&mut http).await;
    sending.append(&mut http, 0, b"abc").await;
    assert_eq!(sending.finish(&mut http, b"abd").await, 422);
    assert_eq!(http.ask("GET", &sending.path, &[], b"").await.status, 404);
}

#[tokio::test]
async fn who_has_the_secret_deletes_rel_74() {
    let relay = TestRelay::start().await;
    let (_, mut device) = relay.registered("alice", 1).await;
    let mut http = Http::connect(relay.running()).await;
    let sending = Sending::new(1, ticket(&mut device, 3).await, 3);
    sending.begin(&mut http).await;
    sending.append(&mut http, 0, b"abc").await;
    sending.finish(&mut http, b"abc").await;
    let mut delete = async |secret: [u8; 32]| {
        http.ask("DELETE", &sending.path, &[("Wheesht-Delete-Secret", hex(secret))], b"").await.status
    };
    assert_eq!(delete([6; 32]).await, 403);
    assert_eq!(delete(SECRET).await, 204);
    assert_eq!(delete(SECRET).await, 404);
    assert_eq!(http.ask("GET", &sending.path, &[], b"").await.status, 404);
}

#[tokio::test]
async fn transfers_are_counted_and_stalled_ones_end_rel_78() {
    let relay = TestRelay::start_with(|config| config.net.write_timeout = Duration::from_millis(500)).await;
    let (_, mut device) = relay.registered("alice", 1).await;
    let mut http = Http::connect(relay.running()).await;
    let sending = Sending::new(1, ticket(&mut device, 1_000).await, 1_000);
    sending.begin(&mut http).await;
    // One that says more than it sends, and keeps silent: another must wait, but not for long.
    let mut silent = Http::connect(relay.running()).await;
    let headers = sending.headers(&[("Wheesht-Offset", "0".to_owned())]);
    silent.send("PATCH", &sending.path, &headers, 1_000, b"abc").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(sending.append(&mut http, 0, b"abcd").await.0, 503);
    let mut http = Http::connect(relay.running()).await;
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert_eq!(sending.probe(&mut http).await, 3);
    assert_eq!(sending.append(&mut http, 3, b"d").await, (204, Some(4)));
}

#[tokio::test]
async fn figures_are_for_this_machine_and_hold_no_names_rel_19() {
    let here = SocketAddr::from(([127, 0, 0, 1], 0));
    let relay = TestRelay::start_with(|config| config.metrics = Some(here)).await;
    let (mut alice, mut device) = relay.registered("alice", 1).await;
    let address = alice.new_address();
    device.put_address(address).await.unwrap();
    relay.connect().await.deposit(address, b"sealed").await;
    let mut stream = tokio::net::TcpStream::connect(relay.running().metrics_addr().unwrap()).await.unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: relay\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert!(text.contains("\nwheesht_deposits_total 1\n"), "{text}");
    assert!(!text.contains("alice") && !text.contains("127.0.0.1"), "{text}");
    // Not on the port that everybody reaches, and on no other address.
    let mut http = Http::connect(relay.running()).await;
    assert_eq!(http.ask("GET", "/metrics", &[], b"").await.status, 404);
    let directory = tempfile::tempdir().unwrap();
    let mut config = Config::new(directory.path());
    config.listen = here;
    config.metrics = Some(SocketAddr::from(([0, 0, 0, 0], 0)));
    assert!(matches!(Relay::start(config).await.err(), Some(StartError::PublicMetrics(_))));
}
