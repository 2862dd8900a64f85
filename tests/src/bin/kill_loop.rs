//! Kills relay, sender and receiver at random moments while two people send each other a thousand messages, and then counts.
//!
//! ```text
//! kill_loop [--kills 100] [--messages 1000] [--seed 1] [--keep DIR]
//! ```
//!
//! Three processes of their own, real sockets, real disks, SIGKILL. Passes if each message arrived exactly once, in order per
//! sender, and each sender knows that it did. It is this program that runs as the peers and the relay, too.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test program"
)]

use std::{
    collections::BTreeMap,
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use chacha20::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use wheesht_core::{
    api::{
        Body, ContactState, ConversationId, ErrorCode, EventKind, Message, MessageState, Password, Phase, Who,
    },
    client::{Client, Config},
    proto::address::Address,
};
use wheesht_relay::Relay;

/// How long everything may take to arrive once nobody is killed any more.
const SETTLED: Duration = Duration::from_secs(180);

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["relay", data, port] => relay(Path::new(data), port.parse().unwrap()).await,
        ["peer", data, own, other, messages] => {
            peer(Path::new(data), own.parse().unwrap(), other.parse().unwrap(), messages.parse().unwrap())
                .await;
        }
        options => orchestrate(&Options::parse(options)).await,
    }
}

struct Options {
    kills: u32,
    messages: usize,
    seed: u64,
    keep: Option<PathBuf>,
}

impl Options {
    fn parse(arguments: &[&str]) -> Self {
        let value = |name: &str| {
            let position = arguments.iter().position(|argument| *argument == name)?;
            arguments.get(position + 1).copied()
        };
        Self {
            kills: value("--kills").map_or(100, |kills| kills.parse().unwrap()),
            messages: value("--messages").map_or(1_000, |messages| messages.parse().unwrap()),
            seed: value("--seed").map_or(1, |seed| seed.parse().unwrap()),
            keep: value("--keep").map(PathBuf::from),
        }
    }
}

/// One of the three processes.
struct Victim {
    arguments: Vec<String>,
    child: Child,
}

impl Victim {
    fn start(arguments: &[&str]) -> Self {
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let child = spawn(&arguments);
        Self { arguments, child }
    }

    /// SIGKILL, and again from the start.
    fn kill_and_restart(&mut self) {
        self.kill();
        self.child = spawn(&self.arguments);
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
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

async fn orchestrate(options: &Options) {
    let scratch = tempfile::tempdir().unwrap();
    let root = options.keep.clone().unwrap_or_else(|| scratch.path().to_owned());
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let data = |name: &str| root.join(name).to_str().unwrap().to_owned();
    let address = root.join("relay.address");

    let (relay_data, relay_port) = (data("relay"), port.to_string());
    fs::create_dir_all(&root).unwrap();
    let relay = Victim::start(&["relay", &relay_data, &relay_port]);
    let relay_address = wait_for(&address).await;
    let person = |name: &str| format!("{name}@{relay_address}");
    let messages = options.messages.to_string();
    let alice = Victim::start(&["peer", &data("alice"), &person("alice"), &person("bob"), &messages]);
    let bob = Victim::start(&["peer", &data("bob"), &person("bob"), &person("alice"), &messages]);

    let mut victims = [("relay", relay), ("alice", alice), ("bob", bob)];
    let mut rng = ChaCha20Rng::seed_from_u64(options.seed);
    let mut killed = BTreeMap::<&str, u32>::new();
    let begun = Instant::now();
    for _ in 0..options.kills {
        tokio::time::sleep(Duration::from_millis(100 + rng.next_u64() % 900)).await;
        let (name, victim) = &mut victims[(rng.next_u64() % 3) as usize];
        victim.kill_and_restart();
        *killed.entry(name).or_default() += 1;
    }
    println!("killed {killed:?} in {:.1} s", begun.elapsed().as_secs_f64());

    let settling = Instant::now();
    let done = |name: &str| fs::read_to_string(root.join(name).join("done")).is_ok();
    while !(done("alice") && done("bob")) {
        if settling.elapsed() > SETTLED {
            println!("not everything has arrived after {} s", SETTLED.as_secs());
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    println!("settled in {:.1} s", settling.elapsed().as_secs_f64());
    // Gone too: what is durable is what counts.
    for (_, victim) in &mut victims {
        victim.kill();
    }
    let faults = [("alice", "bob"), ("bob", "alice")].map(|(own, other)| (own, other, data(own)));
    let mut failed = false;
    for (own, other, data) in faults {
        let found = count(Path::new(&data), own, other, options.messages).await;
        println!("{own}: {found}");
        failed |= found != format!("{0} sent, {0} confirmed, {0} received in order", options.messages);
    }
    println!("{} passed, {} failed", u32::from(!failed), u32::from(failed));
    if failed {
        std::process::exit(1);
    }
}

async fn wait_for(file: &Path) -> String {
    loop {
        match fs::read_to_string(file) {
            Ok(text) if !text.is_empty() => return text,
            _ => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// The relay process.
async fn relay(data: &Path, port: u16) {
    let mut config = wheesht_relay::Config::new(data);
    config.listen = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    // Three peers on one address that come back a hundred times are no flood.
    config.limits.device_logins = wheesht_relay::service::Rate::new(10_000, 10_000);
    let relay = Relay::start(config).await.unwrap();
    let file = data.parent().unwrap().join("relay.address");
    let partial = file.with_extension("partial");
    fs::write(&partial, relay.address().to_string()).unwrap();
    fs::rename(&partial, &file).unwrap();
    relay.ended().await;
}

/// A person's process: registers, accepts, and sends its messages one after the other, from wherever it was.
async fn peer(data: &Path, own: Address, other: Address, messages: usize) {
    let client = Client::open(Config::new(data)).await.unwrap();
    let accepting = tokio::spawn(accept_everyone(client.clone()));
    while client.status().await.unwrap().phase != Phase::Active {
        let password = Password::new(format!("an unguessable sentence for {}", own.name()));
        if let Err(error) = client.register(own.clone(), password, "kill loop").await
            && !matches!(error.code, ErrorCode::Network | ErrorCode::AccountExists | ErrorCode::NotActive)
        {
            panic!("{error}");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut said =
        history(&client, &other).await.iter().filter(|message| message.outgoing && is_text(message)).count();
    while said < messages {
        match client.send(Who::Address(other.clone()), line(own.name().as_str(), said)).await {
            Ok(_) => said += 1,
            // The other has not registered yet, the relay is down, or the request waits to be accepted.
            Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    loop {
        let history = history(&client, &other).await;
        let confirmed = history.iter().filter(|message| message.outgoing && is_confirmed(message)).count();
        let received = history.iter().filter(|message| !message.outgoing && is_text(message)).count();
        if confirmed >= messages && received >= messages {
            fs::write(data.join("done"), "").unwrap();
            break;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    accepting.await.unwrap();
}

async fn accept_everyone(client: Client) {
    for contact in client.contacts().await.unwrap() {
        accept(&client, contact.state, Who::Id(contact.id)).await;
    }
    let mut events = client.events();
    while let Some(event) = events.next().await {
        if let EventKind::Contact { contact } = &event.kind {
            accept(&client, contact.state, Who::Id(contact.id)).await;
        }
        if let Some(id) = event.id {
            client.ack(id).await;
        }
    }
}

async fn accept(client: &Client, state: ContactState, who: Who) {
    if state == ContactState::RequestReceived {
        client.accept_contact(who).await.unwrap();
    }
}

fn line(name: &str, number: usize) -> String {
    format!("{name} {number}")
}

fn is_text(message: &Message) -> bool {
    matches!(message.body, Body::Text { .. })
}

fn is_confirmed(message: &Message) -> bool {
    is_text(message) && matches!(message.state, Some(MessageState::Delivered | MessageState::Read))
}

/// The whole conversation with somebody, oldest first.
async fn history(client: &Client, other: &Address) -> Vec<Message> {
    let contacts = client.contacts().await.unwrap();
    let Some(contact) = contacts.iter().find(|contact| contact.address.name() == other.name()) else {
        return Vec::new();
    };
    let (mut pages, mut before) = (Vec::new(), None);
    loop {
        let (page, more) = client.history(ConversationId::Direct(contact.id), before, 1_000).await.unwrap();
        before = page.first().map(|message| message.seq);
        pages.push(page);
        if !more {
            return pages.into_iter().rev().flatten().collect();
        }
    }
}

/// What one side's store says at the end.
async fn count(data: &Path, own: &str, other: &str, messages: usize) -> String {
    let client = Client::open(Config::new(data)).await.unwrap();
    let somebody = format!("{other}@unused").parse().unwrap();
    let history = history(&client, &somebody).await;
    let texts = |outgoing: bool| {
        let texts = history.iter().filter(move |message| message.outgoing == outgoing);
        texts.filter_map(|message| match &message.body {
            Body::Text { text } => Some(text.clone()),
            _ => None,
        })
    };
    let expected = |name: &str| (0..messages).map(|number| line(name, number)).collect::<Vec<_>>();
    let sent: Vec<String> = texts(true).collect();
    let received: Vec<String> = texts(false).collect();
    let confirmed = history.iter().filter(|message| message.outgoing && is_confirmed(message)).count();
    client.close().await;
    let order =
        if sent == expected(own) && received == expected(other) { " in order" } else { ", NOT as sent" };
    format!("{} sent, {confirmed} confirmed, {} received{order}", sent.len(), received.len())
}
