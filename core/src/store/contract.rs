//! What every [`Backend`] must do, as one suite of tests run for each of them.

use std::collections::BTreeMap;
use std::ops::Bound;

use proptest::prelude::*;

use super::backend::{
    Backend, BackendError, Batch, Direction, KeyRange, KeyValue, MAX_KEY, MAX_SLOT, MAX_VALUE,
};

/// A backend that can be closed and opened again.
pub(super) trait Subject {
    type Backend: Backend;

    /// A new, empty one.
    fn new() -> Self;
    fn backend(&self) -> &Self::Backend;
    /// The process dies, and another opens what it left.
    fn restart(&mut self);
}

fn put(backend: &impl Backend, key: &[u8], value: &[u8]) {
    let mut batch = Batch::new();
    batch.put(key, value);
    backend.commit(&batch).unwrap();
}

fn all(backend: &impl Backend) -> Vec<KeyValue> {
    backend.scan(&KeyRange::all(), Direction::Forward, usize::MAX).unwrap()
}

fn keys(entries: &[KeyValue]) -> Vec<&[u8]> {
    entries.iter().map(|(key, _)| key.as_slice()).collect()
}

pub(super) fn a_value_is_read_back_replaced_and_deleted<S: Subject>() {
    let subject = S::new();
    let backend = subject.backend();
    assert_eq!(backend.get(b"a").unwrap(), None);
    put(backend, b"a", b"1");
    put(backend, b"", b"the empty key");
    assert_eq!(backend.get(b"a").unwrap().unwrap(), b"1");
    assert_eq!(backend.get(b"").unwrap().unwrap(), b"the empty key");
    put(backend, b"a", b"");
    assert_eq!(backend.get(b"a").unwrap().unwrap(), b"");
    let mut batch = Batch::new();
    batch.delete(b"a".as_slice());
    batch.delete(b"never there".as_slice());
    backend.commit(&batch).unwrap();
    assert_eq!(backend.get(b"a").unwrap(), None);
}

pub(super) fn of_two_changes_to_a_key_the_later_counts<S: Subject>() {
    let subject = S::new();
    let mut batch = Batch::new();
    batch.put(b"a".as_slice(), b"1".as_slice());
    batch.delete(b"a".as_slice());
    batch.put(b"b".as_slice(), vec![1; 20_000]);
    batch.put(b"b".as_slice(), b"2".as_slice());
    batch.delete(b"c".as_slice());
    batch.put(b"c".as_slice(), b"3".as_slice());
    subject.backend().commit(&batch).unwrap();
    let expected = [(b"b".to_vec(), b"2".to_vec()), (b"c".to_vec(), b"3".to_vec())];
    assert_eq!(all(subject.backend()), expected);
}

pub(super) fn a_scan_is_ordered_bounded_and_limited_in_both_directions<S: Subject>() {
    let subject = S::new();
    let backend = subject.backend();
    let mut batch = Batch::new();
    for key in [&b"a"[..], b"ab", b"b", b"b\0", b"b\xff\xff", b"c", b"\xff", b"\xff\xff"] {
        batch.put(key, b"x".as_slice());
    }
    backend.commit(&batch).unwrap();
    let scan = |range: &KeyRange, direction, limit| backend.scan(range, direction, limit).unwrap();
    let b = KeyRange::prefix(b"b");
    assert_eq!(keys(&scan(&b, Direction::Forward, 9)), [&b"b"[..], b"b\0", b"b\xff\xff"]);
    assert_eq!(keys(&scan(&b, Direction::Backward, 2)), [&b"b\xff\xff"[..], b"b\0"]);
    assert_eq!(keys(&scan(&KeyRange::prefix(b"\xff"), Direction::Forward, 9)), [&b"\xff"[..], b"\xff\xff"]);
    assert_eq!(scan(&KeyRange::all(), Direction::Backward, 9).len(), 8);
    assert_eq!(scan(&KeyRange::all(), Direction::Forward, 0).len(), 0);
    let open = KeyRange::new(Bound::Excluded(b"ab".to_vec()), Bound::Excluded(b"c".to_vec()));
    assert_eq!(scan(&open, Direction::Forward, 9).len(), 3);
    let rest = open.clone().after(b"b".to_vec(), Direction::Forward);
    assert_eq!(keys(&scan(&rest, Direction::Forward, 9)), [&b"b\0"[..], b"b\xff\xff"]);
    let rest = open.after(b"b\0".to_vec(), Direction::Backward);
    assert_eq!(keys(&scan(&rest, Direction::Backward, 9)), [b"b"]);
    for (start, end) in [("c", "a"), ("b", "b")] {
        let (start, end) = (start.as_bytes().to_vec(), end.as_bytes().to_vec());
        let inverted = KeyRange::new(Bound::Excluded(start), Bound::Excluded(end));
        assert_eq!(scan(&inverted, Direction::Forward, 9), []);
        assert_eq!(scan(&inverted, Direction::Backward, 9), []);
    }
}

pub(super) fn values_of_every_length_are_read_back<S: Subject>() {
    let mut subject = S::new();
    let lengths = [0, 1, 4095, 4096, 4097, 8192, 8193, 100_000, 2_000_000];
    let value = |length: usize| -> Vec<u8> { (0..length).map(|i| (i % 251) as u8).collect() };
    for length in lengths {
        put(subject.backend(), length.to_string().as_bytes(), &value(length));
    }
    subject.restart();
    for length in lengths {
        assert_eq!(subject.backend().get(length.to_string().as_bytes()).unwrap().unwrap(), value(length));
    }
    // Long to short, to long, to nothing: no piece of a former value shows.
    put(subject.backend(), b"100000", b"short");
    put(subject.backend(), b"8193", &value(4_100));
    let mut batch = Batch::new();
    batch.delete(b"2000000".as_slice());
    subject.backend().commit(&batch).unwrap();
    subject.restart();
    assert_eq!(subject.backend().get(b"100000").unwrap().unwrap(), b"short");
    assert_eq!(subject.backend().get(b"8193").unwrap().unwrap(), value(4_100));
    assert_eq!(all(subject.backend()).len(), lengths.len() - 1);
}

pub(super) fn what_is_too_large_is_refused_and_nothing_written<S: Subject>() {
    let subject = S::new();
    let backend = subject.backend();
    let mut batch = Batch::new();
    batch.put(b"a".as_slice(), b"1".as_slice());
    let mut long_key = batch.clone();
    long_key.put(vec![0; MAX_KEY + 1], b"".as_slice());
    let mut long_value = batch.clone();
    long_value.put(b"b".as_slice(), vec![0; MAX_VALUE + 1]);
    assert!(matches!(backend.commit(&long_key), Err(BackendError::TooLarge { limit: MAX_KEY })));
    assert!(matches!(backend.commit(&long_value), Err(BackendError::TooLarge { limit: MAX_VALUE })));
    assert!(matches!(
        backend.write_slot(&[0; MAX_SLOT + 1]),
        Err(BackendError::TooLarge { limit: MAX_SLOT })
    ));
    assert_eq!(all(backend), []);
    batch.put(vec![0xff; MAX_KEY], vec![1; 10_000]);
    backend.commit(&batch).unwrap();
    assert_eq!(backend.get(&[0xff; MAX_KEY]).unwrap().unwrap(), [1; 10_000]);
}

pub(super) fn the_slot_is_replaced_and_survives<S: Subject>() {
    let mut subject = S::new();
    assert_eq!(subject.backend().read_slot().unwrap(), None);
    for value in [vec![1; 10], vec![2; MAX_SLOT], vec![], vec![3; 1]] {
        subject.backend().write_slot(&value).unwrap();
        assert_eq!(subject.backend().read_slot().unwrap().unwrap(), value);
        subject.restart();
        assert_eq!(subject.backend().read_slot().unwrap().unwrap(), value);
    }
    assert_eq!(all(subject.backend()), [], "the slot is no row");
}

pub(super) fn many_threads_may_read_and_commit<S: Subject>()
where
    S::Backend: Sync,
{
    let mut subject = S::new();
    let backend = subject.backend();
    std::thread::scope(|scope| {
        for thread in 0..4_u8 {
            scope.spawn(move || {
                for i in 0..20_u8 {
                    let mut batch = Batch::new();
                    // A pair, one of them in pieces: whoever reads sees both or neither.
                    batch.put([thread, 0], vec![i; 9_000]);
                    batch.put([thread, 1], vec![i; 1]);
                    backend.commit(&batch).unwrap();
                    let pair = backend.scan(&KeyRange::prefix(&[thread]), Direction::Forward, 2).unwrap();
                    assert!(pair.iter().all(|(_, value)| value.iter().all(|byte| *byte == i)));
                }
            });
        }
        for _ in 0..50 {
            for pair in all(backend).chunks(2) {
                assert_eq!(pair[0].1[0], pair[1].1[0]);
                assert!(pair[0].1.iter().all(|byte| *byte == pair[1].1[0]));
            }
        }
    });
    subject.restart();
    assert_eq!(all(subject.backend()).len(), 8);
}

/// One step of a random life.
#[derive(Debug, Clone)]
enum Step {
    Commit(Vec<(u8, Option<u16>)>),
    Slot(u8),
    Restart,
    Scan(u8, u8, bool, usize),
}

fn step() -> impl Strategy<Value = Step> {
    let change = (any::<u8>(), proptest::option::weighted(0.7, 0..12_000_u16));
    prop_oneof![
        6 => proptest::collection::vec(change, 0..20).prop_map(Step::Commit),
        1 => any::<u8>().prop_map(Step::Slot),
        1 => Just(Step::Restart),
        3 => (any::<u8>(), any::<u8>(), any::<bool>(), 0..20_usize).prop_map(|(a, b, c, d)| Step::Scan(a, b, c, d)),
    ]
}

/// Keys of several lengths, so that some are prefixes of others.
fn key(number: u8) -> Vec<u8> {
    vec![number / 3; usize::from(number % 3) + 1]
}

fn live<S: Subject>(steps: Vec<Step>) {
    let mut subject = S::new();
    let mut model: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    let mut slot = None;
    for step in steps {
        match step {
            Step::Commit(changes) => {
                let mut batch = Batch::new();
                for (number, change) in changes {
                    match change {
                        Some(length) => {
                            let value = vec![number; usize::from(length)];
                            batch.put(key(number), value.clone());
                            model.insert(key(number), value);
                        }
                        None => {
                            batch.delete(key(number));
                            model.remove(&key(number));
                        }
                    }
                }
                subject.backend().commit(&batch).unwrap();
            }
            Step::Slot(value) => {
                subject.backend().write_slot(&[value; 40]).unwrap();
                slot = Some(vec![value; 40]);
            }
            Step::Restart => subject.restart(),
            Step::Scan(a, b, forward, limit) => {
                let range = KeyRange::new(Bound::Included(key(a)), Bound::Excluded(key(b)));
                let direction = if forward { Direction::Forward } else { Direction::Backward };
                let found = subject.backend().scan(&range, direction, limit).unwrap();
                let inside = model.iter().filter(|(k, _)| **k >= key(a) && **k < key(b));
                let inside = inside.map(|(k, v)| (k.clone(), v.clone()));
                let expected: Vec<KeyValue> =
                    if forward { inside.take(limit).collect() } else { inside.rev().take(limit).collect() };
                assert_eq!(found, expected);
            }
        }
    }
    subject.restart();
    assert_eq!(all(subject.backend()), model.into_iter().collect::<Vec<_>>());
    assert_eq!(subject.backend().read_slot().unwrap(), slot);
}

pub(super) fn a_random_life_agrees_with_a_map<S: Subject>(cases: u32) {
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(steps in proptest::collection::vec(step(), 0..30))| live::<S>(steps));
}

/// The suite, for one backend.
macro_rules! contract {
    ($subject:ty, cases: $cases:literal, $($name:ident),*) => {
        $(#[test]
        fn $name() {
            crate::store::contract::$name::<$subject>();
        })*

        #[test]
        fn sto_1_sto_2_a_random_life_agrees_with_a_map() {
            crate::store::contract::a_random_life_agrees_with_a_map::<$subject>($cases);
        }
    };
    ($subject:ty, cases: $cases:literal) => {
        crate::store::contract::contract!(
            $subject,
            cases: $cases,
            a_value_is_read_back_replaced_and_deleted,
            of_two_changes_to_a_key_the_later_counts,
            a_scan_is_ordered_bounded_and_limited_in_both_directions,
            values_of_every_length_are_read_back,
            what_is_too_large_is_refused_and_nothing_written,
            the_slot_is_replaced_and_survives,
            many_threads_may_read_and_commit
        );
    };
}
pub(super) use contract;
