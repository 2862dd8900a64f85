//! Ten people chat in three groups while their relay is killed under them, and then everything is counted.
//!
//! ```text
//! group_loop [--seconds 300] [--kills 3] [--pause 1500] [--seed 1] [--keep DIR]
//! ```
//!
//! Eleven processes of their own, real sockets, real disks, SIGKILL. Each member says something in one of its groups every `--pause`
//! milliseconds or so. Passes if each message stands exactly once at every member, in order per sender, and whoever said it knows
//! that it has gone out. It is this program that runs as the members and the relay, too.
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
        Body, ConversationId, ErrorCode, GroupDetails, GroupPhase, Joining, Message, MessageState, Password,
        Phase, Policy, Request, Response,
    },
    client::{Client, Config},
    proto::{address::Address, ids::GroupId},
};
use wheesht_relay::{Relay, service::Rate};

const PEOPLE: usize = 10;

/// Who is where; the first of each has founded it. Everybody is in one at least, most in two, somebody in three.
const GROUPS: [(&str, &[usize]); 3] =
    [("ridge", &[0, 1, 2, 3, 4, 5]), ("river", &[3, 4, 5, 6, 7, 8]), ("harbour", &[9, 0, 2, 4, 6, 8])];

/// How long everybody may take to get in, and everything to arrive once nobody speaks any more.
const PATIENCE: Duration = Duration::from_secs(300);

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["relay", data, port] => relay(Path::new(data), port.parse().unwrap()).await,
        ["member", data, own, number, seconds, pause, seed] => {
            let member = Member::open(Path::new(data), number.parse().unwrap()).await;
            let rng = ChaCha20Rng::seed_from_u64(seed.parse().unwrap());
            member.live(own.parse().unwrap(), seconds.parse().unwrap(), pause.parse().unwrap(), rng).await;
        }
        options => orchestrate(&Options::parse(options)).await,
    }
}

struct Options {
    seconds: u64,
    kills: u64,
    pause: u64,
    seed: u64,
    keep: Option<PathBuf>,
}

impl Options {
    fn parse(arguments: &[&str]) -> Self {
        let value = |name: &str| {
            let position = arguments.iter().position(|argument| *argument == name)?;
            arguments.get(position + 1).copied()
        };
        let number = |name: &str, default: u64| value(name).map_or(default, |value| value.parse().unwrap());
        Self {
            seconds: number("--seconds", 300),
            kills: number("--kills", 3),
            pause: number("--pause", 1_500),
            seed: number("--seed", 1),
            keep: value("--keep").map(PathBuf::from),
        }
    }
}

/// One of the processes.
struct Process {
    arguments: Vec<String>,
    child: Child,
}

impl Process {
    fn start(arguments: &[&str]) -> Self {
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let child = spawn(&arguments);
        Self { arguments, child }
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Again from the start.
    fn restart(&mut self) {
        self.child = spawn(&self.arguments);
    }
}

impl Drop for Process {
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
    fs::create_dir_all(&root).unwrap();
    let data = |name: &str| root.join(name).to_str().unwrap().to_owned();
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let mut relay = Process::start(&["relay", &data("relay"), &port.to_string()]);
    let address = wait_for(&root.join("relay.address")).await;

    let begun = Instant::now();
    let mut rng = ChaCha20Rng::seed_from_u64(options.seed);
    let mut members: Vec<_> = (0..PEOPLE)
        .map(|number| {
            let own = format!("{}@{address}", name(number));
            let (number, seed) = (number.to_string(), (rng.next_u64() >> 1).to_string());
            let (seconds, pause) = (options.seconds.to_string(), options.pause.to_string());
            let data = data(&name_of(&number));
            Process::start(&["member", &data, &own, &number, &seconds, &pause, &seed])
        })
        .collect();
    let all = |file: &str| (0..PEOPLE).all(|number| root.join(name(number)).join(file).exists());
    until("everybody is in their groups", || all("ready")).await;
    println!("{PEOPLE} members in {} groups after {:.1} s", GROUPS.len(), begun.elapsed().as_secs_f64());

    fs::write(root.join("go"), "").unwrap();
    let stretch = Duration::from_secs(options.seconds) / u32::try_from(options.kills + 1).unwrap();
    for _ in 0..options.kills {
        tokio::time::sleep(stretch).await;
        relay.kill();
        tokio::time::sleep(Duration::from_millis(200 + rng.next_u64() % 1_800)).await;
        relay.restart();
    }
    tokio::time::sleep(stretch).await;
    println!("relay killed {} times in {} s", options.kills, options.seconds);
    let settling = Instant::now();
    until("everything has arrived", || all("done")).await;
    println!("settled in {:.1} s", settling.elapsed().as_secs_f64());
    // Gone too: what is durable is what counts.
    members.iter_mut().for_each(Process::kill);
    relay.kill();

    let failed = !count(&root).await;
    println!("{} passed, {} failed", u32::from(!failed), u32::from(failed));
    if failed {
        std::process::exit(1);
    }
}

async fn until(what: &str, done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        if begun.elapsed() > PATIENCE {
            println!("not yet after {} s: {what}", PATIENCE.as_secs());
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn wait_for(file: &Path) -> String {
    loop {
        match fs::read_to_string(file) {
            Ok(text) => return text,
            _ => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// All at once, so that nobody reads half of it.
fn publish(file: &Path, text: &str) {
    let partial = file.with_extension("partial");
    fs::write(&partial, text).unwrap();
    fs::rename(&partial, file).unwrap();
}

fn name(number: usize) -> String {
    name_of(&number.to_string())
}

fn name_of(number: &str) -> String {
    format!("member-{number}")
}

/// The relay process.
async fn relay(data: &Path, port: u16) {
    let mut config = wheesht_relay::Config::new(data);
    config.listen = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    // Ten people behind one address, who all come at once and come back as often as the relay does, are no flood.
    let limits = &mut config.limits;
    for rate in [&mut limits.registrations, &mut limits.logins, &mut limits.device_logins] {
        *rate = Rate::new(10_000, 10_000);
    }
    for rate in [
        &mut limits.deposits_per_network,
        &mut limits.bundles_per_network,
        &mut limits.reads_per_network,
        &mut limits.writes_per_network,
    ] {
        *rate = Rate::UNLIMITED;
    }
    let relay = Relay::start(config).await.unwrap();
    publish(&data.parent().unwrap().join("relay.address"), &relay.address().to_string());
    relay.ended().await;
}

/// A member's process.
struct Member {
    client: Client,
    data: PathBuf,
    root: PathBuf,
    number: usize,
}

impl Member {
    async fn open(data: &Path, number: usize) -> Self {
        let client = Client::open(Config::new(data)).await.unwrap();
        Self { client, data: data.to_owned(), root: data.parent().unwrap().to_owned(), number }
    }

    /// The groups that it is in.
    fn places(&self) -> impl Iterator<Item = (&'static str, &'static [usize])> {
        let number = self.number;
        GROUPS.into_iter().filter(move |(_, members)| members.contains(&number))
    }

    async fn live(self, own: Address, seconds: u64, pause: u64, mut rng: ChaCha20Rng) {
        let listening = tokio::spawn(acknowledge(self.client.clone()));
        self.register(own).await;
        let mut groups = BTreeMap::new();
        for (title, members) in self.places() {
            let id = self.get_in(title, members[0] == self.number).await;
            groups.insert(title, ConversationId::Group(id));
        }
        for (title, members) in self.places() {
            let ConversationId::Group(id) = groups[title] else { unreachable!() };
            self.await_all(id, members.len()).await;
        }
        publish(&self.data.join("ready"), "");
        wait_for(&self.root.join("go")).await;

        let (begun, mut said) = (Instant::now(), BTreeMap::<&str, usize>::new());
        let titles: Vec<_> = groups.keys().copied().collect();
        while begun.elapsed() < Duration::from_secs(seconds) {
            let title = titles[usize::try_from(rng.next_u64() % titles.len() as u64).unwrap()];
            let count = said.entry(title).or_default();
            self.client.send(groups[title], line(self.number, title, *count)).await.unwrap();
            *count += 1;
            tokio::time::sleep(Duration::from_millis(pause / 2 + rng.next_u64() % pause)).await;
        }
        let said: Vec<_> =
            titles.iter().map(|title| format!("{title} {}\n", said.get(title).unwrap_or(&0))).collect();
        publish(&self.data.join("said"), &said.concat());

        for (title, members) in self.places() {
            for member in members {
                wait_for(&self.root.join(name(*member)).join("said")).await;
            }
            while heard(&self.client, groups[title]).await.len() < said_in(&self.root, title, members)
                || !all_sent(&self.client, groups[title]).await
            {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        }
        publish(&self.data.join("done"), "");
        listening.await.unwrap();
    }

    async fn register(&self, own: Address) {
        while self.client.status().await.unwrap().phase != Phase::Active {
            let password = Password::new(format!("an unguessable sentence for {}", own.name()));
            if let Err(error) = self.client.register(own.clone(), password, "group loop").await
                && !matches!(error.code, ErrorCode::Network | ErrorCode::AccountExists | ErrorCode::NotActive)
            {
                panic!("{error}");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Founds a group and shows its link, or comes in by that.
    async fn get_in(&self, title: &str, founds: bool) -> GroupId {
        let file = self.root.join(format!("{title}.link"));
        if founds {
            let policy = Some(Policy { joining: Joining::Open, ..Policy::default() });
            let request =
                Request::CreateGroup { title: title.to_owned(), about: String::new(), picture: None, policy };
            let Ok(Response::Group { group }) = self.client.call(request).await else { panic!("no group") };
            let request = Request::MakeGroupLink { group: group.id, lifetime_ms: None, uses: None };
            let Ok(Response::GroupLink { link }) = self.client.call(request).await else { panic!("no link") };
            while self.details(group.id).await.links.is_empty() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            publish(&file, &link.link.unwrap());
            return group.id;
        }
        let link = wait_for(&file).await;
        let Ok(Response::Group { group }) = self.client.call(Request::JoinGroup { link }).await else {
            panic!("not in")
        };
        group.id
    }

    async fn details(&self, group: GroupId) -> GroupDetails {
        match self.client.call(Request::Group { group }).await {
            Ok(Response::GroupDetails { details }) => details,
            other => panic!("{other:?}"),
        }
    }

    /// Until this one belongs, and sees the others with a device each.
    async fn await_all(&self, group: GroupId, members: usize) {
        loop {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let Ok(Response::Groups { groups }) = self.client.call(Request::Groups).await else { panic!() };
            let phase = groups.iter().find(|one| one.id == group).map(|one| one.phase);
            assert_ne!(phase, Some(GroupPhase::Refused));
            if phase == Some(GroupPhase::Member) {
                let seen = self.details(group).await.members;
                if seen.len() == members && seen.iter().all(|member| member.devices == 1) {
                    return;
                }
            }
        }
    }
}

async fn acknowledge(client: Client) {
    let mut events = client.events();
    while let Some(event) = events.next().await {
        if let Some(id) = event.id {
            client.ack(id).await;
        }
    }
}

fn line(number: usize, title: &str, count: usize) -> String {
    format!("{number} on the {title}: {count}")
}

/// How many messages a group's members have said in it.
fn said_in(root: &Path, title: &str, members: &[usize]) -> usize {
    members.iter().map(|member| said_by(root, title, *member)).sum()
}

fn said_by(root: &Path, title: &str, member: usize) -> usize {
    let said = fs::read_to_string(root.join(name(member)).join("said")).unwrap_or_default();
    let count = said.lines().find_map(|line| line.strip_prefix(title)?.trim().parse().ok());
    count.unwrap_or_default()
}

/// The texts of a group, its own among them, oldest first.
async fn heard(client: &Client, group: ConversationId) -> Vec<String> {
    let text = |message: Message| match message.body {
        Body::Text { text } => Some(text),
        _ => None,
    };
    history(client, group).await.into_iter().filter_map(text).collect()
}

async fn all_sent(client: &Client, group: ConversationId) -> bool {
    history(client, group).await.iter().filter(|message| message.outgoing).all(is_sent)
}

fn is_sent(message: &Message) -> bool {
    let sent = [MessageState::Sent, MessageState::Delivered, MessageState::Read];
    message.state.as_ref().is_none_or(|state| sent.contains(state))
}

async fn history(client: &Client, group: ConversationId) -> Vec<Message> {
    let (mut pages, mut before) = (Vec::new(), None);
    loop {
        let (page, more) = client.history(group, before, 1_000).await.unwrap();
        before = page.first().map(|message| message.seq);
        pages.push(page);
        if !more {
            return pages.into_iter().rev().flatten().collect();
        }
    }
}

/// What every store says at the end. Gives whether all is as it should be.
async fn count(root: &Path) -> bool {
    let mut clients = Vec::new();
    for number in 0..PEOPLE {
        clients.push(Client::open(Config::new(root.join(name(number)))).await.unwrap());
    }
    let mut right = true;
    for (title, members) in GROUPS {
        let mut faults = Vec::new();
        for at in members {
            let Ok(Response::Groups { groups }) = clients[*at].call(Request::Groups).await else { panic!() };
            let group = groups.iter().find(|group| group.title == title).map(|group| group.id);
            let Some(group) = group.map(ConversationId::Group) else {
                faults.push(format!("{at} is not in"));
                continue;
            };
            let heard = heard(&clients[*at], group).await;
            for by in members {
                let of_one: Vec<_> =
                    heard.iter().filter(|text| text.starts_with(&format!("{by} on"))).collect();
                let expected: Vec<_> =
                    (0..said_by(root, title, *by)).map(|count| line(*by, title, count)).collect();
                if of_one != expected.iter().collect::<Vec<_>>() {
                    let once = of_one.iter().collect::<std::collections::BTreeSet<_>>().len();
                    faults.push(format!(
                        "of {}'s {} messages {at} has {}, {once} different",
                        by,
                        expected.len(),
                        of_one.len()
                    ));
                }
            }
            if !all_sent(&clients[*at], group).await {
                faults.push(format!("{at} has messages that never went out"));
            }
        }
        let said = said_in(root, title, members);
        println!("{title}: {said} messages × {} members, {} faults", members.len(), faults.len());
        faults.iter().for_each(|fault| println!("  {fault}"));
        right &= faults.is_empty() && said > 0;
    }
    for client in clients {
        client.close().await;
    }
    right
}
