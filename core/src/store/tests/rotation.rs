//! The daily key: replaced when due, whatever happens meanwhile, and gone afterwards.

use super::*;
use crate::store::memory::WriteFate;

const TOMORROW: Timestamp = Timestamp::from_millis(NOW.as_millis() + DAY_MS);

fn with_ratchets(count: u64) -> MemoryBackend {
    let backend = MemoryBackend::new();
    let mut store = create(&backend);
    let mut tx = store.begin();
    for sequence in 0..count {
        tx.put(RATCHETS, b"a", sequence, value(&format!("ratchet {sequence}")));
        tx.put(LETTERS, b"a", sequence, value(&format!("letter {sequence}")));
    }
    tx.commit().unwrap();
    backend
}

fn finish(store: &mut Store, limit: usize) {
    while store.reseal_step(limit).unwrap() == Rotation::Resealing {}
}

fn check(store: &mut Store, count: u64) {
    let tx = store.begin();
    for (table, name) in [(RATCHETS, "ratchet"), (LETTERS, "letter")] {
        let rows = tx.scan(table, b"a", .., Direction::Forward, usize::MAX).unwrap();
        let rows: Vec<_> = rows.into_iter().map(|(_, value)| text(Some(value)).unwrap()).collect();
        assert_eq!(rows, (0..count).map(|sequence| format!("{name} {sequence}")).collect::<Vec<_>>());
    }
}

#[test]
fn sto_9_a_key_is_replaced_when_a_day_old_or_from_the_future_and_not_before() {
    let mut store = open(&with_ratchets(3));
    let almost = Timestamp::from_millis(TOMORROW.as_millis() - 1);
    assert_eq!(store.rotate_if_due(almost).unwrap(), Rotation::Idle);
    assert_eq!(store.reseal_step(10).unwrap(), Rotation::Idle);
    let long_ago = Timestamp::from_millis(NOW.as_millis() - DAY_MS);
    assert_eq!(store.rotate_if_due(long_ago).unwrap(), Rotation::Resealing);
    assert_eq!(store.rotate_if_due(TOMORROW).unwrap(), Rotation::Resealing, "one at a time");
    finish(&mut store, 2);
    assert_eq!(store.rotate_if_due(long_ago).unwrap(), Rotation::Idle);
    assert_eq!(store.rotate_if_due(TOMORROW).unwrap(), Rotation::Resealing);
    check(&mut store, 3);
}

#[test]
fn sto_9_what_was_deleted_before_can_not_be_opened_after() {
    let backend = with_ratchets(3);
    let log = raw(&backend); // what a log-structured store keeps
    let mut store = open(&backend);
    let mut tx = store.begin();
    tx.delete(RATCHETS, b"a", 1);
    tx.commit().unwrap();
    let put_back = |backend: &MemoryBackend| {
        for (key, bytes) in &log {
            if backend.get(key).unwrap().is_none() {
                overwrite(backend, key, bytes);
            }
        }
    };
    let before = backend.snapshot();
    put_back(&before);
    assert_eq!(get(&mut open(&before), RATCHETS, b"a", 1).unwrap().as_deref(), Some("ratchet 1"));
    store.rotate_if_due(TOMORROW).unwrap();
    finish(&mut store, 1);
    put_back(&backend);
    assert!(matches!(
        get(&mut open(&backend), RATCHETS, b"a", 1),
        Err(StoreError::Corrupt { table: "ratchets" })
    ));
    assert_eq!(get(&mut open(&backend), RATCHETS, b"a", 2).unwrap().as_deref(), Some("ratchet 2"));
}

#[test]
fn sto_9_rows_written_while_resealing_are_under_the_new_key() {
    let backend = with_ratchets(5);
    let mut store = open(&backend);
    store.rotate_if_due(TOMORROW).unwrap();
    store.reseal_step(2).unwrap();
    for sequence in 5..9 {
        put(&mut store, RATCHETS, b"a", sequence, &format!("ratchet {sequence}"));
        put(&mut store, LETTERS, b"a", sequence, &format!("letter {sequence}"));
        store.reseal_step(1).unwrap();
    }
    finish(&mut store, 1);
    check(&mut store, 9);
    check(&mut open(&backend), 9);
}

#[test]
fn sto_9_a_replacement_interrupted_at_any_write_is_taken_up_and_ends() {
    for crash in 0..10 {
        for fate in [WriteFate::CrashesBefore, WriteFate::CrashesAfter] {
            let backend = with_ratchets(7);
            let mut store = open(&backend);
            crashes::crash_at(&backend, crash, fate);
            let rotated = (|| {
                store.rotate_if_due(TOMORROW)?;
                while store.reseal_step(2)? == Rotation::Resealing {}
                Ok::<_, StoreError>(())
            })();
            assert_eq!(rotated.is_ok(), crash >= 6, "two writes of the slot and four of rows");
            let after = backend.snapshot();
            let mut store = open(&after);
            check(&mut store, 7);
            store.rotate_if_due(TOMORROW).unwrap();
            finish(&mut store, 3);
            check(&mut store, 7);
            check(&mut open(&after), 7);
            assert_eq!(store.rotate_if_due(TOMORROW).unwrap(), Rotation::Idle);
        }
    }
}

#[test]
fn sto_9_a_damaged_row_does_not_keep_the_old_key_alive() {
    let backend = with_ratchets(3);
    let mut store = open(&backend);
    for (key, bytes) in raw(&backend) {
        if key[0] == KeyClass::Daily as u8 && key[24] == 1 {
            overwrite(&backend, &key, &[&bytes[..30], b"damage"].concat());
        }
    }
    store.rotate_if_due(TOMORROW).unwrap();
    finish(&mut store, 1);
    assert_eq!(store.rotate_if_due(TOMORROW).unwrap(), Rotation::Idle);
    assert!(matches!(get(&mut store, RATCHETS, b"a", 1), Err(StoreError::Corrupt { .. })));
    assert_eq!(get(&mut store, RATCHETS, b"a", 2).unwrap().as_deref(), Some("ratchet 2"));
}
