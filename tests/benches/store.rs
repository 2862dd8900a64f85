//! What the store costs: one row, and a durable commit of many inputs.
//!
//! An engine's input is about ten row operations: here four reads, five writes and an append.

#![expect(clippy::expect_used, reason = "a benchmark that fails has nothing to report")]

use std::hint::black_box;

use chacha20::ChaCha20Rng;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rand_core::SeedableRng;
use tempfile::TempDir;
use wheesht_core::{
    store::{Backend, Direction, KeyClass, MemoryBackend, SledBackend, Store, StoreKey, Table, Tx},
    time::Timestamp,
};

const SESSIONS: Table = Table::new("sessions", KeyClass::Daily);
const HISTORY: Table = Table::new("history", KeyClass::Lasting);
const ROWS: u64 = 10_000;

fn store(backend: Box<dyn Backend>) -> Store {
    let key = StoreKey::from_bytes([7; 32].into());
    let rng = Box::new(ChaCha20Rng::seed_from_u64(1));
    let mut store = Store::create(backend, &key, rng, Timestamp::from_millis(0)).expect("an empty backend");
    let mut tx = store.begin();
    for sequence in 0..ROWS {
        tx.put(SESSIONS, b"a device", sequence, vec![1; 400]);
    }
    tx.commit().expect("a commit");
    store
}

/// A walk over the rows that no cache line follows.
fn next(number: u64) -> u64 {
    (number * 7_919 + 1) % ROWS
}

fn input(tx: &mut Tx<'_>, number: &mut u64) {
    for _ in 0..4 {
        *number = next(*number);
        let row = tx.get(SESSIONS, b"a device", *number).expect("a read");
        tx.put(SESSIONS, b"a device", *number, row.expect("a row"));
    }
    tx.append(HISTORY, b"a conversation", vec![2; 200]).expect("an append");
    tx.put(HISTORY, b"an index", *number, vec![3; 20]);
}

fn rows(c: &mut Criterion, name: &str, store: &mut Store) {
    let mut group = c.benchmark_group(format!("store on {name}"));
    let mut number = 0;
    let tx = store.begin();
    group.bench_function("get 400 B", |b| {
        b.iter(|| {
            number = next(number);
            black_box(tx.get(SESSIONS, b"a device", number))
        });
    });
    group.bench_function("the last 20 rows of 10,000", |b| {
        b.iter(|| black_box(tx.scan(SESSIONS, b"a device", .., Direction::Backward, 20)));
    });
    drop(tx);
    for inputs in [1, 8, 64] {
        group.throughput(Throughput::Elements(inputs));
        group.bench_function(format!("commit of {inputs} inputs"), |b| {
            let mut number = 0;
            b.iter(|| {
                let mut tx = store.begin();
                (0..inputs).for_each(|_| input(&mut tx, &mut number));
                tx.commit().expect("a commit")
            });
        });
    }
}

fn store_benches(c: &mut Criterion) {
    rows(c, "memory", &mut store(Box::new(MemoryBackend::new())));
    let directory = TempDir::new().expect("a directory");
    let backend = SledBackend::open(directory.path()).expect("an empty store");
    rows(c, "sled, durable", &mut store(Box::new(backend)));
}

criterion_group!(benches, store_benches);
criterion_main!(benches);
