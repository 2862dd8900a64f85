//! REL-18: what the relay logs. In a file of its own, since a process has one log.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::large_futures,
    reason = "a test may; clippy knows that of test functions only"
)]

mod common;

use std::{
    io,
    sync::{Arc, Mutex},
};

use common::TestRelay;
use tracing_subscriber::{fmt::MakeWriter, layer::SubscriberExt};
use wheesht_core::proto::relay::ErrorCode;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

async fn some_life(log_identities: bool) {
    let relay = TestRelay::start_with(|config| config.log_identities = log_identities).await;
    let (mut alice, mut device) = relay.registered("alice-of-the-log", 1).await;
    let address = alice.new_address();
    device.put_address(address).await.unwrap();
    let mut sender = relay.connect().await;
    assert_eq!(sender.deposit(address, b"an envelope of the log").await, ErrorCode::Unspecified);
    assert!(sender.login(&mut alice, "a wrong password").await.is_err());
    sender.send_bytes(vec![0xff; 9]).await;
    sender.until_closed().await;
    let mut relay = relay;
    relay.shutdown().await;
}

#[tokio::test]
async fn the_log_names_nobody_unless_asked_to_rel_18() {
    let log = Log::default();
    let everything = tracing_subscriber::registry()
        .with(tracing_subscriber::filter::EnvFilter::new("wheesht_relay=trace,wheesht_core=trace"))
        .with(tracing_subscriber::fmt::layer().with_ansi(false).with_writer(log.clone()));
    tracing::subscriber::set_global_default(everything).unwrap();
    some_life(false).await;
    let text = String::from_utf8(std::mem::take(&mut *log.0.lock().unwrap())).unwrap();
    assert!(text.contains("connected"), "something is logged: {text}");
    for secret in ["alice", "127.0.0.1", "envelope of the log", "password"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    some_life(true).await;
    let text = String::from_utf8(std::mem::take(&mut *log.0.lock().unwrap())).unwrap();
    assert!(text.contains("alice-of-the-log") && text.contains("127.0.0.1"), "{text}");
}
