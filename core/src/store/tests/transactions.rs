//! What a transaction reads, keeps and forgets.

use super::*;

fn numbers(rows: Vec<(u64, Value)>) -> Vec<u64> {
    rows.into_iter().map(|(sequence, _)| sequence).collect()
}

fn scan(tx: &Tx<'_>, range: impl std::ops::RangeBounds<u64>, direction: Direction, limit: usize) -> Vec<u64> {
    numbers(tx.scan(LETTERS, b"a", range, direction, limit).unwrap())
}

#[test]
fn a_transaction_reads_its_own_writes_and_dropping_it_forgets_them() {
    let mut store = create(&MemoryBackend::new());
    let mut tx = store.begin();
    tx.put(LETTERS, b"a", 1, value("one"));
    assert_eq!(text(tx.get(LETTERS, b"a", 1).unwrap()).as_deref(), Some("one"));
    assert!(tx.contains(LETTERS, b"a", 1).unwrap());
    assert_eq!(text(tx.get(LETTERS, b"b", 1).unwrap()), None);
    assert_eq!(text(tx.get(RATCHETS, b"a", 1).unwrap()), None);
    tx.delete(LETTERS, b"a", 1);
    assert!(!tx.contains(LETTERS, b"a", 1).unwrap());
    tx.put(LETTERS, b"a", 1, value("again"));
    drop(tx);
    assert_eq!(text(store.begin().get(LETTERS, b"a", 1).unwrap()), None);
    assert_eq!(store.commit_counter(), 0);
}

#[test]
fn sto_10_each_commit_counts_once_and_is_there_after_a_start() {
    let backend = MemoryBackend::new();
    let mut store = create(&backend);
    let mut tx = store.begin();
    tx.put(LETTERS, b"a", 1, value("one"));
    tx.put(RATCHETS, b"a", 1, value("root"));
    assert_eq!(tx.commit().unwrap(), 1);
    assert_eq!(store.begin().commit().unwrap(), 1, "nothing changed");
    let mut store = open(&backend.snapshot());
    assert_eq!(store.commit_counter(), 1);
    let mut tx = store.begin();
    assert_eq!(text(tx.get(LETTERS, b"a", 1).unwrap()).as_deref(), Some("one"));
    assert_eq!(text(tx.get(RATCHETS, b"a", 1).unwrap()).as_deref(), Some("root"));
    tx.delete(LETTERS, b"a", 1);
    assert_eq!(tx.commit().unwrap(), 2);
}

#[test]
fn a_scan_merges_stored_rows_with_changes_in_both_directions() {
    let mut store = create(&MemoryBackend::new());
    let mut tx = store.begin();
    for sequence in [2, 4, 6, 8, u64::MAX] {
        tx.put(LETTERS, b"a", sequence, value("stored"));
    }
    tx.put(LETTERS, b"b", 3, value("another prefix"));
    tx.commit().unwrap();
    let mut tx = store.begin();
    tx.put(LETTERS, b"a", 5, value("new"));
    tx.put(LETTERS, b"a", 6, value("changed"));
    tx.delete(LETTERS, b"a", 8);
    tx.delete(LETTERS, b"a", 7);
    assert_eq!(scan(&tx, .., Direction::Forward, 100), [2, 4, 5, 6, u64::MAX]);
    assert_eq!(scan(&tx, .., Direction::Backward, 100), [u64::MAX, 6, 5, 4, 2]);
    assert_eq!(scan(&tx, .., Direction::Forward, 3), [2, 4, 5]);
    assert_eq!(scan(&tx, ..9, Direction::Backward, 2), [6, 5]);
    assert_eq!(scan(&tx, 4..6, Direction::Forward, 100), [4, 5]);
    let (from, to) = (6, 4);
    assert_eq!(scan(&tx, from..to, Direction::Forward, 100), [0; 0]);
    assert_eq!(scan(&tx, .., Direction::Forward, 0), [0; 0]);
    let row = tx.scan(LETTERS, b"a", 6..=6, Direction::Forward, 1).unwrap().pop().unwrap().1;
    assert_eq!(text(Some(row)).as_deref(), Some("changed"));
}

#[test]
fn sto_12_a_sequence_gives_each_number_out_once_even_after_deletion() {
    let mut store = create(&MemoryBackend::new());
    let mut tx = store.begin();
    assert_eq!(tx.append(LETTERS, b"a", value("one")).unwrap(), 1);
    assert_eq!(tx.append(LETTERS, b"a", value("two")).unwrap(), 2);
    assert_eq!(tx.append(LETTERS, b"b", value("one")).unwrap(), 1);
    assert_eq!(tx.next_sequence(RATCHETS, b"a").unwrap(), 1);
    tx.commit().unwrap();
    let mut tx = store.begin();
    tx.delete_all(LETTERS, b"a").unwrap();
    assert_eq!(scan(&tx, .., Direction::Forward, 9), [0; 0]);
    assert_eq!(tx.append(LETTERS, b"a", value("three")).unwrap(), 3);
    tx.delete_all(LETTERS, b"a").unwrap();
    tx.commit().unwrap();
    let mut tx = store.begin();
    assert!(!tx.contains(LETTERS, b"a", 3).unwrap());
    assert!(tx.contains(LETTERS, b"b", 1).unwrap());
    assert_eq!(tx.next_sequence(LETTERS, b"a").unwrap(), 4);
}

#[test]
fn a_rollback_undoes_what_came_after_the_savepoint_and_nothing_else() {
    let mut store = create(&MemoryBackend::new());
    let mut tx = store.begin();
    tx.put(LETTERS, b"a", 1, value("stored"));
    tx.commit().unwrap();
    let mut tx = store.begin();
    tx.put(LETTERS, b"a", 2, value("kept"));
    let savepoint = tx.savepoint();
    tx.put(LETTERS, b"a", 2, value("spoilt"));
    tx.delete(LETTERS, b"a", 1);
    tx.append(LETTERS, b"q", value("spoilt")).unwrap();
    tx.rollback_to(savepoint);
    assert_eq!(scan(&tx, .., Direction::Forward, 9), [1, 2]);
    assert_eq!(text(tx.get(LETTERS, b"a", 2).unwrap()).as_deref(), Some("kept"));
    assert_eq!(tx.append(LETTERS, b"q", value("first")).unwrap(), 1);
    tx.commit().unwrap();
    assert_eq!(text(store.begin().get(LETTERS, b"a", 2).unwrap()).as_deref(), Some("kept"));
}
