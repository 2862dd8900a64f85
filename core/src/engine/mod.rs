//! The client as one deterministic state machine.
//!
//! ```text
//!              ┌────────────────────────── engine ──────────────────────────┐
//!  Command ──▶ │ account   who I am: register, log in, devices, vault, keys  │ ──▶ Respond
//!  Link    ──▶ │ people    whom I know: look-up, requests, contacts          │ ──▶ Event
//!  Reply   ──▶ │ messaging what we say: outbox, inbox, receipts, repair      │ ──▶ Request to a relay
//!  Push    ──▶ │ groups    what we do together: state, roster, chains        │ ──▶ Open, Close
//!              │ presence  who is there, who is writing: told, never stored  │
//!  WorkDone──▶ │ notify    what deserves to call for attention                │ ──▶ Work
//!  Tick    ──▶ │ links     connections: hello, login, subscription           │ ──▶ Work
//!              └──────────────── one transaction per input ──────────────────┘
//! ```
//!
//! **The one rule: an input's state changes are one transaction, and its effects are released only after that has
//! committed.** The driver may take several waiting inputs into one commit. Ratchets, history, outbox and duplicate filter
//! move together or not at all, so a crash at any point loses nothing and applies nothing twice: what was lost with the
//! effects is found again in the store by [`Input::Start`].
//!
//! What lives in [`Engine`] itself is *passing*: connections, requests under way, timers, half-done registrations. All of it may
//! vanish at any moment and is rebuilt from the store. If a commit fails, the driver drops the engine and makes a new one.

mod account;
mod blobs;
mod ctx;
mod diagnose;
mod dispatch;
mod error;
mod events;
mod groups;
mod io;
mod links;
mod messaging;
mod notify;
pub mod password;
mod people;
mod presence;
mod profiles;
mod search;
mod tables;
mod timers;

use rand_core::CryptoRng;

pub use account::{Job, JobOutput};
pub use blobs::{Blob, BlobFailure, BlobOrder, BlobReport, Looked, LookedPicture, Source, Target};
pub use error::EngineError;
pub use io::{Effect, Input, LinkEvent, LinkId, RequestError, Role};

pub(crate) use ctx::{Ctx, Passing};

use crate::{store::Tx, time::Timestamp};

/// The state machine. See the module's story.
#[derive(Default)]
pub struct Engine {
    passing: Passing,
}

impl Engine {
    /// An engine that has not begun: feed it [`Input::Start`] first.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one input. State changes go into `tx`; the effects are to be carried out once `tx` has committed.
    ///
    /// A person's mistake, a peer's nonsense and a relay's refusal are not errors here: they become responses, events and
    /// notices. An error means that the store failed; the input then has changed nothing in `tx`, and the driver should drop
    /// the engine.
    pub fn handle(
        &mut self,
        tx: &mut Tx<'_>,
        input: Input,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> Result<Vec<Effect>, EngineError> {
        let _span = tracing::info_span!("input", kind = input.name()).entered();
        let savepoint = tx.savepoint();
        let mut effects = Vec::new();
        let mut ctx = Ctx::new(tx, now, rng, &mut self.passing, &mut effects);
        match dispatch::input(&mut ctx, input) {
            Ok(()) => Ok(effects),
            Err(error) => {
                tx.rollback_to(savepoint);
                Err(error)
            }
        }
    }

    /// When the driver should send [`Input::Tick`] next.
    pub fn next_wake(&self) -> Option<Timestamp> {
        self.passing.timers.next()
    }
}
