//! Random lives against a model, with a crash at any write.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::store::memory::WriteFate;

/// Lets `count` writes succeed and gives the next one this fate.
pub(super) fn crash_at(backend: &MemoryBackend, count: usize, fate: WriteFate) {
    let mut done = 0;
    backend.on_write(move |_| {
        done += 1;
        if done > count { fate } else { WriteFate::Succeeds }
    });
}

#[derive(Debug, Clone)]
enum Step {
    Put(bool, u8, u64, u16),
    Delete(bool, u8, u64),
    DeleteAll(bool, u8),
    Append(bool, u8),
    Savepoint,
    Rollback,
    Commit,
    Forget,
    Rotate(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let table = any::<bool>();
    prop_oneof![
        8 => (table, 0..3_u8, 0..8_u64, any::<u16>()).prop_map(|(t, p, s, v)| Step::Put(t, p, s, v)),
        3 => (table, 0..3_u8, 0..8_u64).prop_map(|(t, p, s)| Step::Delete(t, p, s)),
        1 => (table, 0..3_u8).prop_map(|(t, p)| Step::DeleteAll(t, p)),
        3 => (table, 3..6_u8).prop_map(|(t, p)| Step::Append(t, p)),
        2 => Just(Step::Savepoint),
        1 => Just(Step::Rollback),
        5 => Just(Step::Commit),
        1 => Just(Step::Forget),
        1 => (1..4_usize).prop_map(Step::Rotate),
    ]
}

const TABLES: [Table; 2] = [LETTERS, RATCHETS];

fn table(daily: bool) -> Table {
    TABLES[usize::from(daily)]
}

/// What a store should hold.
#[derive(Debug, Clone, Default, PartialEq)]
struct Model {
    rows: BTreeMap<(bool, u8, u64), Vec<u8>>,
    last: BTreeMap<(bool, u8), u64>,
    commits: u64,
}

fn read(store: &mut Store) -> Model {
    let commits = store.commit_counter();
    let tx = store.begin();
    let mut model = Model { commits, ..Model::default() };
    for daily in [false, true] {
        for prefix in 0..6 {
            let forward = tx.scan(table(daily), &[prefix], .., Direction::Forward, usize::MAX).unwrap();
            let mut backward = tx.scan(table(daily), &[prefix], .., Direction::Backward, usize::MAX).unwrap();
            backward.reverse();
            assert_eq!(forward, backward);
            model.rows.extend(forward.into_iter().map(|(s, v)| ((daily, prefix, s), v.to_vec())));
        }
    }
    model
}

/// A change of a transaction and of the model that follows it.
fn change(tx: &mut Tx<'_>, model: &mut Model, step: &Step) -> Result<(), StoreError> {
    match *step {
        Step::Put(daily, prefix, sequence, content) => {
            let content = content.to_be_bytes().repeat(usize::from(prefix) + 1);
            tx.put(table(daily), &[prefix], sequence, content.clone());
            model.rows.insert((daily, prefix, sequence), content);
        }
        Step::Delete(daily, prefix, sequence) => {
            tx.delete(table(daily), &[prefix], sequence);
            model.rows.remove(&(daily, prefix, sequence));
        }
        Step::DeleteAll(daily, prefix) => {
            tx.delete_all(table(daily), &[prefix])?;
            model.rows.retain(|(d, p, _), _| (*d, *p) != (daily, prefix));
        }
        Step::Append(daily, prefix) => {
            let sequence = tx.append(table(daily), &[prefix], vec![prefix])?;
            let last = model.last.entry((daily, prefix)).or_default();
            *last += 1;
            assert_eq!(sequence, *last);
            model.rows.insert((daily, prefix, sequence), vec![prefix]);
        }
        _ => {}
    }
    Ok(())
}

/// Runs the steps up to a `Commit` or `Forget` as one transaction. Returns the model after it.
fn transaction(store: &mut Store, steps: &[Step], model: &Model) -> (Model, Result<u64, StoreError>) {
    let mut next = model.clone();
    let mut tx = store.begin();
    let mut savepoint = (tx.savepoint(), next.clone());
    for step in steps {
        match step {
            Step::Savepoint => savepoint = (tx.savepoint(), next.clone()),
            Step::Rollback => {
                tx.rollback_to(savepoint.0);
                next = savepoint.1.clone();
            }
            step => {
                if let Err(error) = change(&mut tx, &mut next, step) {
                    return (model.clone(), Err(error));
                }
            }
        }
    }
    if tx.is_empty() {
        return (model.clone(), tx.commit());
    }
    next.commits += 1;
    (next, tx.commit())
}

/// Lives until a write crashes; returns what is then allowed to be there.
fn live(store: &mut Store, mut model: Model, steps: &[Step]) -> [Model; 2] {
    let mut now = NOW;
    let (mut from, mut to) = (0, 0);
    for step in steps {
        match step {
            Step::Commit => {
                let (next, result) = transaction(store, &steps[from..to], &model);
                if result.is_err() {
                    return [model, next];
                }
                model = next;
                assert_eq!(result.unwrap(), model.commits);
            }
            Step::Forget => {}
            Step::Rotate(limit) => {
                now = now.plus_millis(DAY_MS / 3);
                if store.rotate_if_due(now).and_then(|_| store.reseal_step(*limit)).is_err() {
                    return [model.clone(), model];
                }
            }
            _ => {
                to += 1;
                continue;
            }
        }
        to += 1;
        from = to;
    }
    [model.clone(), model]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sto_1_sto_9_sto_10_a_life_with_crashes_agrees_with_a_model(
        lives in proptest::collection::vec((proptest::collection::vec(step(), 0..40), 0..12_usize, any::<bool>()), 1..4)
    ) {
        let mut backend = MemoryBackend::new();
        drop(create(&backend));
        let mut model = Model::default();
        for (steps, crash, before) in lives {
            let mut store = open(&backend);
            crash_at(&backend, crash, if before { WriteFate::CrashesBefore } else { WriteFate::CrashesAfter });
            let allowed = live(&mut store, model, &steps);
            backend = backend.snapshot();
            let found = read(&mut open(&backend));
            let matching = allowed.into_iter().find(|allowed| {
                (&allowed.rows, allowed.commits) == (&found.rows, found.commits)
            });
            prop_assert!(matching.is_some(), "{found:?}");
            model = matching.unwrap();
        }
    }
}
