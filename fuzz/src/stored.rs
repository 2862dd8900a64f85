//! Bytes from a disk that somebody else has written on.

use std::sync::LazyLock;

use chacha20::ChaCha20Rng;
use rand_core::SeedableRng;
use wheesht_core::{
    protocol::{Session, prekeys::PrivatePrekey, session::UnverifiedSessionMessage},
    store::{Backend, Batch, Direction, KeyClass, KeyRange, MemoryBackend, Store, StoreKey, Table},
};

use crate::{
    LONGEST,
    device::{AAD, Keys, NOW},
    messages::WORLD,
};

/// The first byte: a session, or a private prekey. What can be read is written again as it was, and can be used.
pub fn stored_session(data: &[u8]) {
    let Some((kind, bytes)) = data.split_first() else { return };
    if bytes.len() > LONGEST {
        return;
    }
    if kind % 2 == 1 {
        if let Ok(prekey) = PrivatePrekey::decode(bytes) {
            assert_eq!(prekey.encode().as_slice(), bytes);
            prekey.public_key();
        }
        return;
    }
    let Ok(mut session) = Session::decode(bytes) else { return };
    assert_eq!(session.encode().as_slice(), bytes);
    let world = &*WORLD;
    for (message, _) in &world.said {
        let message = UnverifiedSessionMessage::decode(message).unwrap();
        let before = session.encode();
        let _ = session.decrypt(&world.alice.certificate, &message, AAD, &Keys::default(), NOW);
        assert_eq!(session.encode(), before);
    }
    session.is_stale(NOW);
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    if let Ok(message) = session.encrypt(b"hello", AAD, NOW, &mut rng) {
        UnverifiedSessionMessage::decode(&message).expect("what was encrypted is a message");
        Session::decode(&session.encode()).expect("what was written can be read");
    }
}

const TABLES: [Table; 2] = [Table::new("lasting", KeyClass::Lasting), Table::new("daily", KeyClass::Daily)];
const ROWS: u64 = 6;

/// A store with a few rows in each class.
pub(crate) static DISK: LazyLock<MemoryBackend> = LazyLock::new(|| {
    let backend = MemoryBackend::new();
    let rng = Box::new(ChaCha20Rng::seed_from_u64(8));
    let mut store = Store::create(Box::new(backend.clone()), &key(), rng, NOW).unwrap();
    let mut tx = store.begin();
    for table in TABLES {
        for _ in 0..ROWS {
            let sequence = tx.next_sequence(table, b"prefix").unwrap();
            tx.put(table, b"prefix", sequence, value(table, sequence));
        }
    }
    tx.commit().unwrap();
    backend
});

fn key() -> StoreKey {
    StoreKey::from_bytes([9; 32].into())
}

fn value(table: Table, sequence: u64) -> Vec<u8> {
    format!("{} row {sequence}", table.name()).into_bytes()
}

/// All rows of the disk as they lie there.
pub(crate) fn raw_rows(disk: &MemoryBackend) -> Vec<(Vec<u8>, Vec<u8>)> {
    disk.scan(&KeyRange::all(), Direction::Forward, usize::MAX).unwrap()
}

/// The first byte: which row is overwritten with the rest; or the key slot. The store refuses to open, or each row is refused or
/// as it was; and what can't be read can be written anew.
pub fn stored_row(data: &[u8]) {
    let Some((place, bytes)) = data.split_first() else { return };
    // The first thousands of bytes of a row or slot decide its fate.
    if bytes.len() > 3_000 {
        return;
    }
    let disk = DISK.snapshot();
    let rows = raw_rows(&disk);
    match rows.get(usize::from(*place)) {
        Some((row, _)) => {
            let mut batch = Batch::new();
            batch.put(row.clone(), bytes);
            disk.commit(&batch).unwrap();
        }
        None => disk.write_slot(bytes).unwrap(),
    }
    let before = raw_rows(&disk);
    let rng = Box::new(ChaCha20Rng::seed_from_u64(10));
    let Ok(mut store) = Store::open(Box::new(disk.clone()), &key(), rng) else {
        assert_eq!(raw_rows(&disk), before, "a refusal has changed something");
        return;
    };
    let mut tx = store.begin();
    let mut refused = 0;
    for table in TABLES {
        let scanned = tx.scan(table, b"prefix", .., Direction::Forward, usize::MAX);
        for sequence in 1..=ROWS {
            match tx.get(table, b"prefix", sequence) {
                Ok(found) => assert_eq!(found.expect("it is there").as_slice(), value(table, sequence)),
                Err(_) => {
                    refused += 1;
                    assert!(scanned.is_err());
                    tx.put(table, b"prefix", sequence, value(table, sequence));
                }
            }
        }
        if tx.next_sequence(table, b"prefix").is_ok_and(|next| next != ROWS + 1) {
            panic!("a sequence that runs backwards");
        }
    }
    assert!(refused <= 1, "one row was overwritten, {refused} are refused");
    tx.commit().unwrap();
    let tx = store.begin();
    for table in TABLES {
        for sequence in 1..=ROWS {
            let found = tx.get(table, b"prefix", sequence).unwrap();
            assert_eq!(found.expect("it is there").as_slice(), value(table, sequence));
        }
    }
}
