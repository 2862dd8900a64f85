//! How searching grows: fills a durable store with messages, and asks it.
//!
//! ```sh
//! cargo run --release -p wheesht-tests --bin search_scale -- fill DIRECTORY 100000
//! cargo run --release -p wheesht-tests --bin search_scale -- ask DIRECTORY
//! ```
//!
//! Two programs, so that the second one's memory is that of an installation that was opened, not of whoever filled it. Ask twice: sled
//! notes where everything lies when it is opened, and at no other time; so the first opening reads the log of all that was written since
//! the one before, here of everything, and the second one is what a person waits for each day. Words follow
//! Zipf's law as those of people do; messages are spread over ten years and two hundred conversations.

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measures")]
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "one that fails has nothing to report"
)]

use std::{
    path::Path,
    time::{Duration, Instant},
};

use chacha20::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};
use wheesht_core::{
    api::{ConversationId, Message, Password, Request, Response, Search, SearchOrder},
    engine::{Engine, Input},
    proto::ids::AccountId,
    store::{SledBackend, Store},
};
use wheesht_tests::direct::{BEGIN, DOMAIN, Direct};

const CONVERSATIONS: u64 = 200;
const VOCABULARY: usize = 60_000;
const AT_ONCE: usize = 200;
const YEARS_MS: u64 = 10 * 365 * 86_400_000;
const QUERIES: usize = 400;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["fill", directory, messages] => fill(Path::new(directory), messages.parse().expect("a number")),
        ["ask", directory] => ask(Path::new(directory)),
        _ => panic!("fill DIRECTORY MESSAGES, or ask DIRECTORY"),
    }
}

/// Words, the more frequent first.
fn vocabulary() -> Vec<String> {
    let syllables =
        ["ka", "lo", "mi", "ter", "san", "vo", "ne", "ri", "shu", "bel", "dor", "ga", "pi", "um", "est"];
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let mut words = std::collections::BTreeSet::new();
    let mut all = Vec::new();
    while all.len() < VOCABULARY {
        let parts = 1 + all.len().max(1).ilog10() as usize / 2 + (rng.next_u32() % 3) as usize;
        let word: String = (0..parts).map(|_| syllables[rng.next_u32() as usize % syllables.len()]).collect();
        let word = if words.insert(word.clone()) { word } else { format!("{word}{}", all.len()) };
        words.insert(word.clone());
        all.push(word);
    }
    all
}

/// A word by Zipf's law: as frequent as one over its rank.
fn draw<'a>(words: &'a [String], rng: &mut ChaCha20Rng) -> &'a str {
    let share = f64::from(rng.next_u32()) / f64::from(u32::MAX);
    let rank = (words.len() as f64).powf(share) as usize;
    &words[rank.min(words.len()) - 1]
}

fn text(words: &[String], rng: &mut ChaCha20Rng) -> String {
    let length = 3 + rng.next_u32() % 16;
    (0..length).map(|_| draw(words, rng)).collect::<Vec<_>>().join(" ")
}

fn other(number: u64) -> AccountId {
    let mut bytes = [1; 32];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    AccountId::new(bytes)
}

fn message(
    own: AccountId,
    with: AccountId,
    number: u64,
    at: u64,
    text: &str,
    rng: &mut ChaCha20Rng,
) -> Message {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&number.to_be_bytes());
    let outgoing = rng.next_u32().is_multiple_of(2);
    let value = serde_json::json!({
        "id": wheesht_core::proto::ids::MessageId::new(id),
        "conversation": ConversationId::Direct(with),
        "seq": 0,
        "sender": if outgoing { own } else { with },
        "sender_name": "",
        "outgoing": outgoing,
        "sent_at": at,
        "received_at": at,
        "body": { "type": "text", "text": text },
        "state": outgoing.then_some(serde_json::json!({ "type": "read" })),
        "read": true,
    });
    serde_json::from_value(value).expect("a message")
}

fn fill(directory: &Path, messages: u64) {
    let mut direct = Direct::new(1);
    let backend = SledBackend::open(directory).expect("a directory");
    let device = direct.add(Box::new(backend));
    let address = format!("alice@{DOMAIN}").parse().expect("an address");
    let password = Password::new("orbit velvet cactus lantern mosaic");
    let register = Request::Register { address, password, device: "bench".to_owned() };
    assert!(matches!(direct.ask(device, register), Some(Ok(Response::Done))), "registered");
    let Some(Ok(Response::Status { status })) = direct.ask(device, Request::Status) else {
        panic!("no status")
    };
    let own = status.account.expect("an account");
    let (words, mut rng) = (vocabulary(), ChaCha20Rng::seed_from_u64(3));
    let first = BEGIN.as_millis() - YEARS_MS;
    let (mut imports, mut merges, mut slowest) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    let began = Instant::now();
    let mut done = 0;
    direct.take_spent(device);
    while done < messages {
        let count = (AT_ONCE as u64).min(messages - done);
        // A span of time in one conversation, as people talk.
        let with = other(rng.next_u64() % CONVERSATIONS);
        let page = (0..count)
            .map(|n| {
                let at = first + (done + n) * (YEARS_MS / messages);
                message(own, with, done + n, at, &text(&words, &mut rng), &mut rng)
            })
            .collect();
        let request = Request::Import {
            conversation: ConversationId::Direct(with),
            cursor: None,
            remaining: count,
            messages: page,
        };
        assert!(matches!(direct.ask(device, request), Some(Ok(Response::Imported { .. }))), "taken in");
        imports += direct.take_spent(device);
        for _ in 0..16 {
            direct.pass(2, 1);
            let step = direct.take_spent(device);
            slowest = slowest.max(step);
            merges += step;
        }
        direct.take_events(device);
        done += count;
        if done % 20_000 < count {
            println!("{done} messages after {:.0} s", began.elapsed().as_secs_f64());
        }
    }
    for _ in 0..2_000 {
        direct.pass(2, 1);
    }
    merges += direct.take_spent(device);
    let each = |spent: Duration| spent.as_secs_f64() * 1_000.0 / messages as f64;
    println!("messages                         {messages}");
    println!(
        "written, with what waits         {:.3} ms each (history, ids, waiting row; synced)",
        each(imports)
    );
    println!(
        "merged into the lists            {:.3} ms each (to reach, with the waiting row: 0.3)",
        each(merges)
    );
    println!("slowest step of merging          {:.1} ms", slowest.as_secs_f64() * 1_000.0);
    println!("bytes on disk                    {}", size(directory));
}

fn ask(directory: &Path) {
    let began = Instant::now();
    let backend = SledBackend::open(directory).expect("a store");
    let mut store =
        Store::open(Box::new(backend), &Direct::store_key(), Box::new(ChaCha20Rng::seed_from_u64(1)))
            .expect("a store");
    let mut engine = Engine::new();
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    let mut tx = store.begin();
    drop(engine.handle(&mut tx, Input::Start, BEGIN, &mut rng).expect("a start"));
    tx.commit().expect("a commit");
    let opened = began.elapsed();
    let words = vocabulary();
    let mut draws = ChaCha20Rng::seed_from_u64(9);
    let after_open = memory();
    println!("opening, with the engine's start {:.0} ms (to reach: 300)", opened.as_secs_f64() * 1_000.0);
    println!(
        "resident after opening           {} MB; peak {} MB (to reach: 150)",
        after_open.0, after_open.1
    );
    println!("{:<24} {:>8} {:>8} {:>8} {:>10}", "query", "p50 ms", "p95 ms", "max ms", "hits/page");
    let mut all = Vec::new();
    let mut run = |name: &str, make: &mut dyn FnMut(&mut ChaCha20Rng) -> Search| {
        let (mut times, mut hits) = (Vec::new(), 0);
        for _ in 0..QUERIES / 8 {
            let request = Request::Search { search: make(&mut draws) };
            let began = Instant::now();
            let mut tx = store.begin();
            let effects = engine
                .handle(&mut tx, Input::Command { id: 1, request }, BEGIN, &mut rng)
                .expect("an answer");
            drop(tx);
            times.push(began.elapsed());
            for effect in effects {
                if let wheesht_core::engine::Effect::Respond {
                    result: Ok(Response::Found { found }), ..
                } = effect
                {
                    hits += found.hits.len();
                }
            }
        }
        all.extend(times.iter().copied());
        report(name, times, hits * 8 / QUERIES);
    };
    let search = |query: String, order| Search { query, order, ..Default::default() };
    run("one word", &mut |rng| search(draw(&words, rng).to_owned(), SearchOrder::Newest));
    run("one word, relevance", &mut |rng| search(draw(&words, rng).to_owned(), SearchOrder::Relevance));
    run("two words", &mut |rng| {
        search(format!("{} {}", draw(&words, rng), draw(&words, rng)), SearchOrder::Newest)
    });
    run("three words, relevance", &mut |rng| {
        let three = [draw(&words, rng), draw(&words, rng), draw(&words, rng)].join(" ");
        search(three, SearchOrder::Relevance)
    });
    run("the two commonest words", &mut |_| {
        search(format!("{} {}", words[0], words[1]), SearchOrder::Relevance)
    });
    run("a phrase", &mut |rng| {
        search(format!("\"{} {}\"", draw(&words, rng), draw(&words, rng)), SearchOrder::Newest)
    });
    run("a beginning", &mut |rng| {
        let begin: String = draw(&words, rng).chars().take(2 + rng.next_u32() as usize % 4).collect();
        search(format!("{begin}*"), SearchOrder::Newest)
    });
    run("word, sender and year", &mut |rng| {
        let mut one = search(draw(&words, rng).to_owned(), SearchOrder::Newest);
        one.sender = Some(wheesht_core::api::Who::Id(other(rng.next_u64() % CONVERSATIONS)));
        one.from = Some(wheesht_core::time::Timestamp::from_millis(BEGIN.as_millis() - YEARS_MS / 2));
        one
    });
    report("all of them", all, 0);
    let end = memory();
    println!("resident after the queries       {} MB; peak {} MB", end.0, end.1);
}

fn report(name: &str, mut times: Vec<Duration>, hits: usize) {
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1_000.0;
    println!("{name:<24} {:>8.1} {:>8.1} {:>8.1} {hits:>10}", at(0.5), at(0.95), at(1.0));
}

/// Resident memory now and at its highest, in MB.
fn memory() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|kb| kb.parse::<u64>().ok()).unwrap_or_default() / 1_024
    };
    (line("VmRSS:"), line("VmHWM:"))
}

fn size(directory: &Path) -> u64 {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => size(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}
