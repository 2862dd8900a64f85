//! A backend in memory, for tests, the simulation and the browser.
//!
//! A [`MemoryBackend`] is a handle: clones share one state, so a test keeps one and gives another to the store. What it
//! holds is by definition durable. A crash is played in three ways: [`MemoryBackend::snapshot`] copies what a machine
//! would find after losing power now; a [hook](MemoryBackend::on_write) fails a chosen write, before or after it took
//! effect; [`MemoryBackend::crash`] fails everything from now on. After either failure the handle is dead, as a process
//! would be, and [`MemoryBackend::snapshot`] gives the one that starts again.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::backend::{Backend, BackendError, Batch, Direction, KeyRange, KeyValue, MAX_SLOT, Write, within};

/// What happens to a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteFate {
    /// It succeeds.
    Succeeds,
    /// The process dies before it took effect.
    CrashesBefore,
    /// It takes effect, and the process dies before it hears of that.
    CrashesAfter,
}

/// Which write is about to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteKind {
    /// A batch of this many changes.
    Commit(usize),
    /// The slot.
    Slot,
}

type Hook = Box<dyn FnMut(WriteKind) -> WriteFate + Send>;

/// A handle on a store in memory.
#[derive(Clone, Default)]
pub struct MemoryBackend {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
    slot: Option<Vec<u8>>,
    failed: bool,
    hook: Option<Hook>,
}

impl MemoryBackend {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// A store of its own that holds what is durable in this one, and no hook: the machine after a crash.
    #[must_use]
    pub fn snapshot(&self) -> Self {
        let state = self.lock();
        let copy = State { rows: state.rows.clone(), slot: state.slot.clone(), failed: false, hook: None };
        Self { state: Arc::new(Mutex::new(copy)) }
    }

    /// Decides the fate of every write from now on.
    pub fn on_write(&self, hook: impl FnMut(WriteKind) -> WriteFate + Send + 'static) {
        self.lock().hook = Some(Box::new(hook));
    }

    /// Fails every call from now on.
    pub fn crash(&self) {
        self.lock().failed = true;
    }

    /// A panic elsewhere can't have left the state half-changed: every change below is one step.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn live(&self) -> Result<MutexGuard<'_, State>, BackendError> {
        let state = self.lock();
        // STO-3
        if state.failed { Err(BackendError::Failed) } else { Ok(state) }
    }

    fn write(&self, kind: WriteKind, effect: impl FnOnce(&mut State)) -> Result<(), BackendError> {
        let mut state = self.live()?;
        let fate = state.hook.as_mut().map_or(WriteFate::Succeeds, |hook| hook(kind));
        state.failed = fate != WriteFate::Succeeds;
        if fate != WriteFate::CrashesBefore {
            effect(&mut state);
        }
        if state.failed { Err(BackendError::Failed) } else { Ok(()) }
    }
}

impl Backend for MemoryBackend {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, BackendError> {
        Ok(self.live()?.rows.get(key).cloned())
    }

    fn scan(
        &self,
        range: &KeyRange,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<KeyValue>, BackendError> {
        let state = self.live()?;
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let entries = state.rows.range::<[u8], _>(range.bounds()).map(|(k, v)| (k.clone(), v.clone()));
        Ok(match direction {
            Direction::Forward => entries.take(limit).collect(),
            Direction::Backward => entries.rev().take(limit).collect(),
        })
    }

    fn commit(&self, batch: &Batch) -> Result<(), BackendError> {
        batch.check()?;
        self.write(WriteKind::Commit(batch.len()), |state| {
            for write in batch.writes() {
                match write {
                    Write::Put(key, value) => state.rows.insert(key.clone(), value.clone()),
                    Write::Delete(key) => state.rows.remove(key),
                };
            }
        })
    }

    fn read_slot(&self) -> Result<Option<Vec<u8>>, BackendError> {
        Ok(self.live()?.slot.clone())
    }

    fn write_slot(&self, value: &[u8]) -> Result<(), BackendError> {
        within(value, MAX_SLOT)?;
        self.write(WriteKind::Slot, |state| state.slot = Some(value.to_vec()))
    }
}

impl fmt::Debug for MemoryBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let State { rows, slot: _, failed, hook: _ } = &*self.lock();
        f.debug_struct("MemoryBackend")
            .field("rows", &rows.len())
            .field("failed", failed)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::contract::{Subject, contract};

    struct Memory(MemoryBackend);

    impl Subject for Memory {
        type Backend = MemoryBackend;

        fn new() -> Self {
            Self(MemoryBackend::new())
        }

        fn backend(&self) -> &MemoryBackend {
            &self.0
        }

        fn restart(&mut self) {
            self.0.crash();
            self.0 = self.0.snapshot();
        }
    }

    contract!(Memory, cases: 200);

    #[test]
    fn sto_3_after_a_crash_everything_fails_and_a_snapshot_has_what_was_durable() {
        for (fate, there) in [(WriteFate::CrashesBefore, false), (WriteFate::CrashesAfter, true)] {
            let backend = MemoryBackend::new();
            backend.on_write(move |kind| {
                assert_eq!(kind, WriteKind::Commit(1));
                fate
            });
            let mut batch = Batch::new();
            batch.put(b"a".as_slice(), b"1".as_slice());
            assert!(matches!(backend.commit(&batch), Err(BackendError::Failed)));
            assert!(matches!(backend.get(b"a"), Err(BackendError::Failed)));
            assert!(matches!(backend.commit(&batch), Err(BackendError::Failed)));
            assert_eq!(backend.snapshot().get(b"a").unwrap().is_some(), there);
        }
    }
}
