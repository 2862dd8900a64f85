//! The encrypted store as the engine sees it.

use chacha20::ChaCha20Rng;
use rand_core::{CryptoRng, SeedableRng};
use zeroize::Zeroizing;

use super::{
    Backend, Batch, Direction, KeyClass, KeyRange, MemoryBackend, OpenError, PassphraseCost, Rotation, Store,
    StoreError, StoreKey, Table, Tx, Value,
};
use crate::{proto::limits::DAY_MS, time::Timestamp};

mod crashes;
mod opening;
mod rotation;
mod sealing;
mod transactions;
mod vectors;

const LETTERS: Table = Table::new("letters", KeyClass::Lasting);
const RATCHETS: Table = Table::new("ratchets", KeyClass::Daily);

const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);

pub(super) fn rng(seed: u64) -> Box<dyn CryptoRng + Send> {
    Box::new(ChaCha20Rng::seed_from_u64(seed))
}

fn key() -> StoreKey {
    StoreKey::from_bytes(Zeroizing::new([7; 32]))
}

fn create(backend: &MemoryBackend) -> Store {
    Store::create(Box::new(backend.clone()), &key(), rng(1), NOW).unwrap()
}

fn open(backend: &MemoryBackend) -> Store {
    Store::open(Box::new(backend.clone()), &key(), rng(2)).unwrap()
}

fn value(text: &str) -> Value {
    Value::new(text.as_bytes().to_vec())
}

fn text(value: Option<Value>) -> Option<String> {
    value.map(|value| String::from_utf8(value.to_vec()).unwrap())
}

fn put(store: &mut Store, table: Table, prefix: &[u8], sequence: u64, content: &str) {
    let mut tx = store.begin();
    tx.put(table, prefix, sequence, value(content));
    tx.commit().unwrap();
}

fn get(store: &mut Store, table: Table, prefix: &[u8], sequence: u64) -> Result<Option<String>, StoreError> {
    store.begin().get(table, prefix, sequence).map(text)
}

/// What lies in the backend.
fn raw(backend: &MemoryBackend) -> Vec<(Vec<u8>, Vec<u8>)> {
    backend.scan(&KeyRange::all(), Direction::Forward, usize::MAX).unwrap()
}

fn overwrite(backend: &MemoryBackend, key: &[u8], bytes: &[u8]) {
    let mut batch = Batch::new();
    batch.put(key, bytes);
    backend.commit(&batch).unwrap();
}
