//! Which stores open, and what the person is told about those that don't.

use super::*;
use crate::store::memory::WriteFate;

fn try_open(backend: &MemoryBackend, key: &StoreKey) -> OpenError {
    Store::open(Box::new(backend.clone()), key, rng(3)).unwrap_err()
}

fn passphrase(text: &str) -> StoreKey {
    StoreKey::from_passphrase(Zeroizing::new(text.to_owned()), PassphraseCost::insecure_fast())
}

#[test]
fn a_store_is_made_once_and_then_found() {
    let backend = MemoryBackend::new();
    assert!(!Store::exists(&backend).unwrap());
    assert!(matches!(try_open(&backend, &key()), OpenError::NotFound));
    drop(create(&backend));
    assert!(Store::exists(&backend).unwrap());
    let again = Store::create(Box::new(backend.clone()), &key(), rng(1), NOW);
    assert!(matches!(again, Err(OpenError::AlreadyExists)));
    assert_eq!(open(&backend).commit_counter(), 0);
}

#[test]
fn sto_7_a_wrong_key_is_told_in_words_and_touches_nothing() {
    let backend = MemoryBackend::new();
    put(&mut create(&backend), LETTERS, b"", 1, "x");
    let (rows, slot) = (raw(&backend), backend.read_slot().unwrap());
    for wrong in [StoreKey::from_bytes(Zeroizing::new([8; 32])), passphrase("not this one")] {
        let error = try_open(&backend, &wrong);
        assert!(matches!(error, OpenError::WrongKey));
        assert_eq!(error.to_string(), "this passphrase or key does not open the store");
    }
    assert_eq!((raw(&backend), backend.read_slot().unwrap()), (rows, slot));
}

#[test]
fn a_passphrase_opens_the_store_it_was_chosen_for_until_it_is_changed() {
    let backend = MemoryBackend::new();
    let create = Store::create(Box::new(backend.clone()), &passphrase("six words"), rng(1), NOW);
    put(&mut create.unwrap(), LETTERS, b"", 1, "x");
    assert!(matches!(try_open(&backend, &passphrase("six worms")), OpenError::WrongKey));
    assert!(matches!(try_open(&backend, &key()), OpenError::WrongKey));
    let mut store = Store::open(Box::new(backend.clone()), &passphrase("six words"), rng(2)).unwrap();
    assert_eq!(get(&mut store, LETTERS, b"", 1).unwrap().as_deref(), Some("x"));
    store.change_key(&key()).unwrap();
    assert!(matches!(try_open(&backend, &passphrase("six words")), OpenError::WrongKey));
    assert_eq!(get(&mut open(&backend), LETTERS, b"", 1).unwrap().as_deref(), Some("x"));
}

/// Where the schema version stands in the slot.
const SCHEMA: std::ops::Range<usize> = 13..15;

#[test]
fn sto_8_a_newer_store_is_refused_in_words() {
    let backend = MemoryBackend::new();
    drop(create(&backend));
    let mut slot = backend.read_slot().unwrap().unwrap();
    slot[SCHEMA].copy_from_slice(&2_u16.to_be_bytes());
    slot.truncate(40); // whatever a newer version writes behind its number
    backend.write_slot(&slot).unwrap();
    let error = try_open(&backend, &key());
    assert!(matches!(error, OpenError::NewerSchema { found: 2, supported: 1 }));
    assert!(error.to_string().contains("update this program"), "{error}");
}

#[test]
fn sto_7_every_flipped_bit_and_every_cut_of_the_slot_is_noticed() {
    let backend = MemoryBackend::new();
    drop(create(&backend));
    let slot = backend.read_slot().unwrap().unwrap();
    for bit in 0..slot.len() * 8 {
        let mut damaged = slot.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        backend.write_slot(&damaged).unwrap();
        let error = try_open(&backend, &key());
        let newer = SCHEMA.contains(&(bit / 8));
        match error {
            OpenError::NewerSchema { .. } => assert!(newer),
            OpenError::Corrupt { .. } | OpenError::WrongKey => assert!(!newer || slot[bit / 8] != 0),
            other => panic!("{other}"),
        }
    }
    for length in 0..slot.len() {
        backend.write_slot(&slot[..length]).unwrap();
        assert!(matches!(try_open(&backend, &key()), OpenError::Corrupt { .. } | OpenError::WrongKey));
    }
}

#[test]
fn sto_15_a_header_that_asks_for_too_much_memory_or_time_is_refused_at_once() {
    let backend = MemoryBackend::new();
    drop(Store::create(Box::new(backend.clone()), &passphrase("six words"), rng(1), NOW).unwrap());
    let slot = backend.read_slot().unwrap().unwrap();
    let origin = 31; // behind magic, schema and store id: kind, memory, passes, lanes
    for (at, number) in [(1, 4_194_304_u32), (1, 0), (5, 1_000_000), (5, 0), (9, 64)] {
        let mut changed = slot.clone();
        changed[origin + at..origin + at + 4].copy_from_slice(&number.to_be_bytes());
        backend.write_slot(&changed).unwrap();
        assert!(matches!(try_open(&backend, &passphrase("six words")), OpenError::Corrupt { what: "keys" }));
    }
}

#[test]
fn rows_without_keys_and_keys_of_another_store_are_told_apart() {
    let (ours, theirs) = (MemoryBackend::new(), MemoryBackend::new());
    drop(create(&ours));
    drop(Store::create(Box::new(theirs.clone()), &key(), rng(9), NOW).unwrap());
    let alone = MemoryBackend::new();
    for (row, bytes) in raw(&ours) {
        overwrite(&alone, &row, &bytes);
    }
    assert!(matches!(try_open(&alone, &key()), OpenError::KeysMissing));
    alone.write_slot(&theirs.read_slot().unwrap().unwrap()).unwrap();
    assert!(matches!(try_open(&alone, &key()), OpenError::KeysOfAnotherStore));
    alone.write_slot(&ours.read_slot().unwrap().unwrap()).unwrap();
    drop(open(&alone));
}

#[test]
fn a_creation_interrupted_at_any_write_counts_as_none_or_all() {
    for crash in 0..2 {
        for fate in [WriteFate::CrashesBefore, WriteFate::CrashesAfter] {
            let backend = MemoryBackend::new();
            crashes::crash_at(&backend, crash, fate);
            assert!(Store::create(Box::new(backend.clone()), &key(), rng(1), NOW).is_err());
            let after = backend.snapshot();
            let mut store = if Store::exists(&after).unwrap() { open(&after) } else { create(&after) };
            put(&mut store, LETTERS, b"", 1, "x");
            assert_eq!(open(&after).commit_counter(), 1);
        }
    }
}
