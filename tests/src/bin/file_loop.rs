//! Kills sender and receiver while a large file is on its way, and then compares.
//!
//! ```text
//! file_loop [--mib 1024] [--kills 2] [--keep DIR]
//! ```
//!
//! Two processes of their own and a relay in this one, real sockets, real disks, SIGKILL: `kills` times each side, at even parts of the
//! way. Passes if the file arrives byte-identical and neither side ever took more than 32 MiB above what it takes idle (Linux only).
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test program"
)]

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use chacha20::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};
use wheesht_core::{
    api::{Body, ContactState, FileState, Message, MessageState, Outgoing, Password, Phase, Who},
    client::{Client, Config},
    proto::address::Address,
};
use wheesht_relay::Relay;

/// The longest that any step may take.
const PATIENCE: Duration = Duration::from_secs(1_800);
/// The most that a side may take above what it takes idle (MiB).
const MOST_MIB: f64 = 32.0;
const LOOK: Duration = Duration::from_millis(20);

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["alice", data, own, other, file] => alice(Path::new(data), own, other, file).await,
        ["bob", data, own] => bob(Path::new(data), own).await,
        options => orchestrate(options).await,
    }
}

/// One of the two processes, and the memory it has been seen to take (KiB).
struct Victim {
    arguments: Vec<String>,
    child: Child,
    idle: u64,
    most: u64,
}

impl Victim {
    fn start(arguments: &[&str]) -> Self {
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Self { child: spawn(&arguments), arguments, idle: 0, most: 0 }
    }

    fn kill_and_restart(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.child = spawn(&self.arguments);
    }

    fn memory(&self, which: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with(which));
        line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
    }

    /// The highest that the system has counted, not only what was seen: so a short peak counts, that of opening the store too.
    fn look(&mut self) {
        self.most = self.most.max(self.memory("VmHWM:"));
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(arguments: &[String]) -> Child {
    let program = std::env::current_exe().unwrap();
    Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap()
}

async fn orchestrate(arguments: &[&str]) {
    let value = |name: &str| {
        let position = arguments.iter().position(|argument| *argument == name)?;
        arguments.get(position + 1).copied()
    };
    let mib: u64 = value("--mib").map_or(1_024, |mib| mib.parse().unwrap());
    let kills: u64 = value("--kills").map_or(2, |kills| kills.parse().unwrap());
    let scratch = tempfile::tempdir().unwrap();
    let root = value("--keep").map_or_else(|| scratch.path().to_owned(), PathBuf::from);
    fs::create_dir_all(&root).unwrap();
    let size = mib << 20;
    let original = root.join("original.bin");
    write_noise(&original, size);

    let config = wheesht_relay::Config {
        listen: (Ipv4Addr::LOCALHOST, 0).into(),
        blob_space: 4 << 30,
        ..wheesht_relay::Config::new(root.join("relay"))
    };
    let relay = Relay::start(config).await.unwrap();
    let person = |name: &str| format!("{name}@{}", relay.address());
    let data = |name: &str| root.join(name).to_str().unwrap().to_owned();
    let mut bob = Victim::start(&["bob", &data("bob"), &person("bob")]);
    let file = original.to_str().unwrap();
    let mut alice = Victim::start(&["alice", &data("alice"), &person("alice"), &person("bob"), file]);

    wait("both talk", || root.join("alice/ready").exists() && root.join("bob/ready").exists()).await;
    // Whatever setting an account up took is given back, or counts as idle.
    alice.kill_and_restart();
    bob.kill_and_restart();
    tokio::time::sleep(Duration::from_secs(3)).await;
    (alice.idle, bob.idle) = (alice.memory("VmRSS:"), bob.memory("VmRSS:"));

    let begun = Instant::now();
    fs::write(root.join("alice/go"), "").unwrap();
    for (number, victim) in (0..2 * kills + 2).map(|step| (step % (kills + 1) + 1, step <= kills)) {
        let sending = victim;
        let victim = if sending { &mut alice } else { &mut bob };
        let part = size * number / (kills + 1);
        let directory = if sending { root.join("relay/blobs") } else { root.join("bob/files") };
        let last = number > kills;
        let done = root.join(if sending { "alice/done" } else { "bob/done" });
        let limit = Instant::now() + PATIENCE;
        while if last { !done.exists() } else { largest(&directory) < part } {
            victim.look();
            assert!(Instant::now() < limit, "nothing moves");
            tokio::time::sleep(LOOK).await;
        }
        if !last {
            victim.kill_and_restart();
        }
    }
    let arrived = fs::read_to_string(root.join("bob/done")).unwrap();
    assert!(same(&original, Path::new(&arrived)), "the file is not the one that was sent");
    println!(
        "{mib} MiB through {kills} kills of each side in {:.0} s, byte-identical; memory above idle: sender {:.1} MiB, receiver {:.1} MiB",
        begun.elapsed().as_secs_f64(),
        above(&alice),
        above(&bob),
    );
    assert!(above(&alice).max(above(&bob)) <= MOST_MIB, "more memory than {MOST_MIB} MiB above idle");
    drop((alice, bob));
    relay.shutdown().await.unwrap();
}

#[expect(clippy::cast_precision_loss, reason = "a figure to look at")]
fn above(victim: &Victim) -> f64 {
    victim.most.saturating_sub(victim.idle) as f64 / 1_024.0
}

async fn wait(what: &str, holds: impl Fn() -> bool) {
    let limit = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < limit, "in vain: {what}");
        tokio::time::sleep(LOOK).await;
    }
}

/// Bytes of the largest file below a directory.
fn largest(directory: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(directory) else { return 0 };
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(about) if about.is_dir() => largest(&entry.path()),
        Ok(about) => about.len(),
        Err(_) => 0,
    };
    entries.flatten().map(size).max().unwrap_or(0)
}

fn write_noise(path: &Path, size: u64) {
    let mut rng = ChaCha20Rng::seed_from_u64(size);
    let (mut file, mut piece) = (File::create(path).unwrap(), vec![0; 1 << 20]);
    for _ in 0..size >> 20 {
        rng.fill_bytes(&mut piece);
        file.write_all(&piece).unwrap();
    }
}

fn same(one: &Path, other: &Path) -> bool {
    let (mut one, mut other) = (File::open(one).unwrap(), File::open(other).unwrap());
    let (mut left, mut right) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    if one.metadata().unwrap().len() != other.metadata().unwrap().len() {
        return false;
    }
    loop {
        let read = one.read(&mut left).unwrap();
        other.read_exact(&mut right[..read]).unwrap();
        if left[..read] != right[..read] {
            return false;
        }
        if read == 0 {
            return true;
        }
    }
}

async fn open(data: &Path, own: &str) -> Client {
    let client = Client::open(Config::new(data)).await.unwrap();
    let own: Address = own.parse().unwrap();
    while client.status().await.unwrap().phase != Phase::Active {
        let password = Password::new(format!("an unguessable sentence for {}", own.name()));
        let _ = client.register(own.clone(), password, "file loop").await;
        tokio::time::sleep(LOOK).await;
    }
    client
}

async fn talks(client: &Client) -> bool {
    client.contacts().await.unwrap().iter().any(|one| one.state == ContactState::Accepted)
}

async fn alice(data: &Path, own: &str, other: &str, file: &str) {
    let client = open(data, own).await;
    let other: Who = other.parse().unwrap();
    while client.conversations().await.unwrap().is_empty() {
        let _ = client.send(other.clone(), "a file will come").await;
        tokio::time::sleep(LOOK).await;
    }
    while !talks(&client).await {
        tokio::time::sleep(LOOK).await;
    }
    fs::write(data.join("ready"), "").unwrap();
    while !data.join("go").exists() {
        tokio::time::sleep(LOOK).await;
    }
    if client.files(None, None, 1).await.unwrap().0.is_empty() {
        client.send_file(other, Outgoing::new(file)).await.unwrap();
    }
    loop {
        let (files, _) = client.files(None, None, 1).await.unwrap();
        if files.iter().any(|one| matches!(one.state, Some(MessageState::Delivered | MessageState::Read))) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    fs::write(data.join("done"), "").unwrap();
    std::future::pending::<()>().await;
}

async fn bob(data: &Path, own: &str) {
    let client = open(data, own).await;
    loop {
        for contact in client.contacts().await.unwrap() {
            if contact.state == ContactState::RequestReceived {
                client.accept_contact(Who::Id(contact.id)).await.unwrap();
            }
        }
        if talks(&client).await && !data.join("ready").exists() {
            fs::write(data.join("ready"), "").unwrap();
        }
        for message in client.files(None, None, 1).await.unwrap().0 {
            match state(&message) {
                Some(FileState::Remote) => {
                    client.save_file(message.conversation, message.id, None).await.unwrap();
                }
                Some(FileState::Saved { path }) if !data.join("done").exists() => {
                    let partial = data.join("done.partial");
                    fs::write(&partial, path).unwrap();
                    fs::rename(partial, data.join("done")).unwrap();
                }
                _ => {}
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn state(message: &Message) -> Option<FileState> {
    match &message.body {
        Body::File { file, .. } => Some(file.state.clone()),
        _ => None,
    }
}
