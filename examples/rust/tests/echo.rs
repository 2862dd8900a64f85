//! The bot as a process of its own, and Alice who talks to it over a relay.

#![allow(clippy::unwrap_used, reason = "helpers of a test")]

use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

use wheesht_core::{
    api::{Body, EventKind, Who},
    client::{Client, Config, EventStream},
};
use wheesht_relay::Relay;

struct Bot(Child);

impl Drop for Bot {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn next_text(events: &mut EventStream) -> String {
    loop {
        if let EventKind::Message { message } = events.next().await.unwrap().kind
            && let (false, Body::Text { text }) = (message.outgoing, message.body)
        {
            return text;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bot_answers_with_ones_own_words() {
    let directory = tempfile::tempdir().unwrap();
    let settings = wheesht_relay::Config::new(directory.path().join("relay"));
    let relay =
        Relay::start(wheesht_relay::Config { listen: ([127, 0, 0, 1], 0).into(), ..settings }).await.unwrap();
    let echo = format!("echo@{}", relay.address());
    let _bot = Bot(Command::new(env!("CARGO_BIN_EXE_echo"))
        .arg(directory.path().join("echo"))
        .arg(&echo)
        .stdout(Stdio::null())
        .spawn()
        .unwrap());

    let alice = Client::open(Config::new(directory.path().join("alice"))).await.unwrap();
    let password = alice.suggest_passphrase().await.unwrap();
    alice.register(format!("alice@{}", relay.address()).parse().unwrap(), password, "test").await.unwrap();
    let mut events = alice.events();
    let echo: Who = echo.parse().unwrap();
    // The bot registers meanwhile; until then nobody of that name is there.
    let found = async {
        while alice.send(echo.clone(), "wheesht").await.is_err() {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), found).await.unwrap();
    let answer = tokio::time::timeout(Duration::from_secs(60), next_text(&mut events)).await.unwrap();
    assert_eq!(answer, "wheesht");

    alice.close().await;
    relay.shutdown().await.unwrap();
}
