//! What the files show, and what happens to rows that someone changed.

use super::*;

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

fn damaged(result: Result<Option<String>, StoreError>, table: &str) {
    let error = result.unwrap_err();
    assert!(error.to_string().contains(table) && !error.to_string().contains("plaintext"), "{error}");
    assert!(matches!(error, StoreError::Corrupt { table: named } if named == table));
}

/// The rows that were not there before.
fn added(backend: &MemoryBackend, store: &mut Store, table: Table, prefix: &[u8]) -> Vec<u8> {
    let before = raw(backend);
    put(store, table, prefix, 1, "plaintext");
    let mut new = raw(backend).into_iter().filter(|(key, _)| !before.iter().any(|(old, _)| old == key));
    new.next().unwrap().0
}

#[test]
fn sto_5_sto_6_neither_values_nor_prefixes_nor_tables_can_be_read_in_the_files() {
    let backend = MemoryBackend::new();
    let mut store = create(&backend);
    put(&mut store, LETTERS, b"bob@example.org", 1, "plaintext of a letter");
    put(&mut store, RATCHETS, b"bob@example.org", 2, "plaintext of a ratchet");
    let mut bytes = backend.read_slot().unwrap().unwrap();
    bytes.extend(raw(&backend).into_iter().flat_map(|(key, value)| [key, value].concat()));
    for secret in [&b"plaintext"[..], b"bob@", b"example", b"letters", b"ratchet", &[7; 8]] {
        assert!(!contains(&bytes, secret), "{}", String::from_utf8_lossy(secret));
    }
}

#[test]
fn sto_5_a_value_written_twice_shows_different_bytes_even_from_a_copy_put_back() {
    let backend = MemoryBackend::new();
    let mut store = create(&backend);
    let row = added(&backend, &mut store, LETTERS, b"a");
    let copy = backend.snapshot();
    let first = backend.get(&row).unwrap();
    put(&mut store, LETTERS, b"a", 1, "plaintext");
    let second = backend.get(&row).unwrap();
    let mut store = Store::open(Box::new(copy.clone()), &key(), rng(5)).unwrap();
    put(&mut store, LETTERS, b"a", 1, "plaintext");
    let third = copy.get(&row).unwrap();
    assert!(first != second && second != third && first != third);
}

#[test]
fn sto_6_every_flipped_bit_and_every_cut_of_a_row_is_noticed_and_names_the_table() {
    for table in [LETTERS, RATCHETS] {
        let backend = MemoryBackend::new();
        let mut store = create(&backend);
        let row = added(&backend, &mut store, table, b"a");
        let whole = backend.get(&row).unwrap().unwrap();
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            overwrite(&backend, &row, &bytes);
            damaged(get(&mut store, table, b"a", 1), table.name());
        }
        for length in 0..whole.len() {
            overwrite(&backend, &row, &whole[..length]);
            damaged(get(&mut store, table, b"a", 1), table.name());
            let scan = store.begin().scan(table, b"a", .., Direction::Forward, 9);
            assert!(matches!(scan, Err(StoreError::Corrupt { .. })));
        }
        overwrite(&backend, &row, &whole);
        assert_eq!(get(&mut store, table, b"a", 1).unwrap().as_deref(), Some("plaintext"));
    }
}

#[test]
fn sto_6_a_row_that_was_moved_does_not_open() {
    let backend = MemoryBackend::new();
    let mut store = create(&backend);
    let a = added(&backend, &mut store, LETTERS, b"a");
    let b = added(&backend, &mut store, LETTERS, b"b");
    let ratchet = added(&backend, &mut store, RATCHETS, b"a");
    let bytes = |row: &[u8]| backend.get(row).unwrap().unwrap();
    let (of_a, of_b, of_ratchet) = (bytes(&a), bytes(&b), bytes(&ratchet));
    overwrite(&backend, &a, &of_b);
    damaged(get(&mut store, LETTERS, b"a", 1), "letters");
    overwrite(&backend, &a, &of_ratchet);
    damaged(get(&mut store, LETTERS, b"a", 1), "letters");
    overwrite(&backend, &ratchet, &of_a);
    damaged(get(&mut store, RATCHETS, b"a", 1), "ratchets");
}

#[test]
fn nothing_secret_shows_in_debug() {
    let backend = MemoryBackend::new();
    let mut store = create(&backend);
    let passphrase = StoreKey::from_passphrase(Zeroizing::new("plaintext".into()), PassphraseCost::DEFAULT);
    assert_eq!(format!("{passphrase:?} {:?}", key()), "StoreKey(passphrase) StoreKey(bytes)");
    assert_eq!(format!("{store:?}"), "Store { commits: 0, .. }");
    let mut tx = store.begin();
    tx.put(LETTERS, b"bob", 1, value("plaintext"));
    assert_eq!(format!("{tx:?}"), "Tx { changes: 1, .. }");
    assert_eq!(format!("{backend:?}"), "MemoryBackend { rows: 2, failed: false, .. }");
}
