//! A relay on loopback, people with keys, and a small client that speaks frames over TLS.

#![allow(dead_code, unused_imports, unreachable_pub, reason = "each test file uses its part")]

mod client;
mod http;
mod person;

use std::net::SocketAddr;

use tempfile::TempDir;
use wheesht_relay::{Config, Relay, RunningRelay};

pub use client::{Client, register_finish, tls};
pub use http::{Http, HttpAnswer};
pub use person::{Person, TestDevice, one_time};

/// A relay on loopback that keeps its port and its data over restarts.
pub struct TestRelay {
    directory: TempDir,
    running: Option<RunningRelay>,
    config: Config,
}

impl TestRelay {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub async fn start_with(set: impl FnOnce(&mut Config)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut config = Config::new(directory.path());
        config.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        set(&mut config);
        let running = Relay::start(config.clone()).await.unwrap();
        config.listen = running.local_addr();
        Self { directory, running: Some(running), config }
    }

    pub fn running(&self) -> &RunningRelay {
        self.running.as_ref().unwrap()
    }

    /// What stands after the `@`.
    pub fn domain(&self) -> String {
        self.running().address().authority()
    }

    /// The same, with other settings from then on.
    pub async fn kill_and_restart_with(&mut self, set: impl FnOnce(&mut Config)) {
        set(&mut self.config);
        self.kill_and_restart().await;
    }

    /// Ends it as a crash would, and starts it again on what is durable.
    pub async fn kill_and_restart(&mut self) {
        self.running.take().unwrap().kill().await.unwrap();
        self.running = Some(Relay::start(self.config.clone()).await.unwrap());
    }

    pub async fn shutdown(&mut self) {
        self.running.take().unwrap().shutdown().await.unwrap();
    }

    pub async fn connect(&self) -> Client {
        Client::connect(self.running()).await
    }

    pub fn person(&self, name: &str, seed: u64) -> Person {
        Person::new(name, &self.domain(), seed)
    }

    /// A registered person, with their first device logged in on the connection returned.
    pub async fn registered(&self, name: &str, seed: u64) -> (Person, Client) {
        let mut person = self.person(name, seed);
        let mut client = self.connect().await;
        client.register(&mut person).await.unwrap();
        client.device_login(&person, 0).await.unwrap();
        (person, client)
    }
}
