//! A relay, and people's installations, for tests.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;
use wheesht_relay::{Config, Relay, RunningRelay};

pub(crate) const PASSWORD: &str = "orbit velvet cactus lantern mosaic";

/// A relay, and a directory for what people have.
pub(crate) struct World {
    runtime: tokio::runtime::Runtime,
    relay: Option<RunningRelay>,
    pub(crate) address: String,
    directory: TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::of(|_| {})
    }

    /// With a relay that is set up in another way.
    pub(crate) fn of(set_up: impl FnOnce(&mut Config)) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let listen = "127.0.0.1:0".parse().unwrap();
        let mut config = Config { listen, ..Config::new(directory.path().join("relay")) };
        set_up(&mut config);
        let relay = runtime.block_on(Relay::start(config)).unwrap();
        let address = relay.address().to_string();
        std::fs::write(directory.path().join("password"), PASSWORD).unwrap();
        std::fs::write(directory.path().join("other password"), "something else entirely, too").unwrap();
        Self { runtime, relay: Some(relay), address, directory }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn stop_relay(&mut self) {
        if let Some(relay) = self.relay.take() {
            self.runtime.block_on(relay.kill()).unwrap();
        }
    }

    pub(crate) fn wheesht(&self, who: &str, arguments: &[&str]) -> Output {
        wheesht(&self.path(who), arguments)
    }

    pub(crate) fn json(&self, who: &str, arguments: &[&str]) -> Vec<Value> {
        let output = self.wheesht(who, &[&["--json"], arguments].concat());
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{arguments:?}: {out}{err}");
        assert_eq!(err, "", "{arguments:?}");
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub(crate) fn register(&self, name: &str) {
        let address = format!("{name}@{}", self.address);
        let password = self.path("password");
        let said = self.json(name, &["register", &address, "--password-file", password.to_str().unwrap()]);
        assert_eq!(said[0]["status"]["phase"]["type"], "active");
        assert_eq!(said[0]["status"]["address"], address.as_str());
    }

    /// Two people who can talk.
    pub(crate) fn friends(&self, one: &str, other: &str) {
        self.register(one);
        self.register(other);
        self.meet(one, other);
    }

    /// Two who have accounts, and can talk from now on.
    pub(crate) fn meet(&self, one: &str, other: &str) {
        self.json(one, &["send", other, "may we talk?"]);
        self.until("the request", || !self.contacts(other, "request_received").is_empty());
        self.json(other, &["requests", "accept", one]);
        self.until("the answer", || {
            // Whoever listens sends what waits, and takes what lies there.
            self.json(other, &["listen", "--timeout", "1"]);
            self.json(one, &["listen", "--timeout", "1"]);
            self.accepts(one, other)
        });
    }

    /// Contacts with whom one stands so.
    fn contacts(&self, who: &str, state: &str) -> Vec<Value> {
        let asked = if state == "request_received" { "requests" } else { "contacts" };
        let contacts = self.json(who, &[asked])[0]["contacts"].as_array().cloned().unwrap_or_default();
        contacts.into_iter().filter(|contact| contact["state"] == state).collect()
    }

    fn accepts(&self, who: &str, whom: &str) -> bool {
        let named = |contact: &Value| {
            contact["address"].as_str().is_some_and(|it| it.starts_with(&format!("{whom}@")))
        };
        self.contacts(who, "accepted").iter().any(named)
    }

    /// Waits, however slow the machine.
    pub(crate) fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        let begun = std::time::Instant::now();
        while !is_so() {
            assert!(begun.elapsed() < std::time::Duration::from_secs(60), "{what} does not come");
        }
    }
}

pub(crate) fn wheesht(data: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_wheesht"))
        .args(["--data", data.to_str().unwrap()])
        .args(arguments)
        .env_remove("NO_COLOR")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// What was printed.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

pub(crate) fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}
