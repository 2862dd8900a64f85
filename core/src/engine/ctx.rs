//! What every handler works with: the transaction, the time, randomness, the passing state, and a place for effects.

use std::collections::HashMap;

use rand_core::CryptoRng;
use wheesht_proto::{prost::Message, relay::client_frame};

use super::{
    EngineError,
    account::{self, Job},
    blobs,
    error::Failure,
    groups,
    io::{Effect, LinkId},
    links::{self, Links},
    messaging, notify, people, presence, profiles, search,
    timers::Timers,
};
use crate::{
    api,
    store::{Table, Tx},
    time::Timestamp,
};

/// What an envelope of unproven origin brings about waits this long (milliseconds): at least, and at most so much more.
const UNOBSERVED_MS: (u64, u64) = (5_000, 30_000);

/// What to do with a reply; each module keeps its own kind.
pub(crate) enum Pending {
    Link(links::Pending),
    Account(account::Pending),
    People(people::Pending),
    Messaging(messaging::Pending),
    Groups(groups::Pending),
    Presence(presence::Pending),
    Profiles(profiles::Pending),
    Blobs(blobs::Pending),
}

/// State that may vanish at any moment.
#[derive(Default)]
pub(crate) struct Passing {
    pub(crate) links: Links,
    pub(crate) timers: Timers,
    pub(crate) account: account::Passing,
    pub(crate) people: people::Passing,
    pub(crate) messaging: messaging::Passing,
    pub(crate) groups: groups::Passing,
    pub(crate) presence: presence::Passing,
    pub(crate) profiles: profiles::Passing,
    pub(crate) notify: notify::Passing,
    pub(crate) search: search::Passing,
    pub(crate) blobs: blobs::Passing,
    pub(super) blob_orders: HashMap<u64, blobs::Pending>,
    pub(super) pending: HashMap<u64, Pending>,
    pub(super) work: HashMap<u64, account::PendingWork>,
    last_token: u64,
}

impl Passing {
    pub(super) fn token(&mut self) -> u64 {
        self.last_token += 1;
        self.last_token
    }
}

/// See the module's story. `'s` is the store's lifetime.
pub(crate) struct Ctx<'a, 's> {
    pub(crate) tx: &'a mut Tx<'s>,
    pub(crate) now: Timestamp,
    pub(crate) rng: &'a mut dyn CryptoRng,
    pub(crate) passing: &'a mut Passing,
    pub(super) effects: &'a mut Vec<Effect>,
}

impl<'a, 's> Ctx<'a, 's> {
    pub(super) fn new(
        tx: &'a mut Tx<'s>,
        now: Timestamp,
        rng: &'a mut dyn CryptoRng,
        passing: &'a mut Passing,
        effects: &'a mut Vec<Effect>,
    ) -> Self {
        Self { tx, now, rng, passing, effects }
    }

    /// Asks a relay. Opens the link if need be, and waits until it has got as far as this request needs; a link that fails
    /// answers `Lost`.
    pub(crate) fn ask(&mut self, link: &LinkId, pending: impl Into<Pending>, body: client_frame::Body) {
        links::ask(self, link, pending.into(), body);
    }

    /// Has slow work done.
    pub(crate) fn work(&mut self, pending: account::PendingWork, job: Job) {
        let token = self.passing.token();
        self.passing.work.insert(token, pending);
        self.effects.push(Effect::Work { token, job });
    }

    /// Answers a command.
    pub(crate) fn respond(&mut self, id: u64, result: Result<api::Response, api::Error>) {
        self.effects.push(Effect::Respond { id, result });
    }

    /// Answers a command that failed; the store's failure goes up.
    pub(crate) fn refuse(&mut self, id: u64, failure: Failure) -> Result<(), EngineError> {
        match failure {
            Failure::Answer(error) => {
                self.respond(id, Err(error));
                Ok(())
            }
            Failure::Engine(error) => Err(error),
        }
    }

    /// Tells the app, until it has acknowledged; and the person, if it deserves that.
    pub(crate) fn event(&mut self, kind: api::EventKind) -> Result<(), EngineError> {
        let notification = notify::about(self, &kind)?;
        super::events::emit(self, kind)?;
        if let Some(notification) = notification {
            self.passing_event(api::EventKind::Notification { notification });
        }
        Ok(())
    }

    /// Tells the app something that passes.
    pub(crate) fn passing_event(&mut self, kind: api::EventKind) {
        self.effects.push(Effect::Event(api::Event { id: None, at: self.now, kind }));
    }

    /// Fresh random bytes.
    pub(crate) fn random<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.rng.fill_bytes(&mut bytes);
        bytes
    }

    /// When to do what an envelope asks for that proves nothing of its sender: late enough, and at random, so that a relay which
    /// pushes one can't tell by what follows whose connection is whose.
    // CON-33
    pub(crate) fn unobserved(&mut self) -> Timestamp {
        let more = u64::from_be_bytes(self.random()) % UNOBSERVED_MS.1;
        self.now.plus_millis(UNOBSERVED_MS.0 + more)
    }

    /// Reads a row.
    pub(crate) fn load<M: Message + Default>(
        &self,
        table: Table,
        prefix: &[u8],
        seq: u64,
    ) -> Result<Option<M>, EngineError> {
        let Some(bytes) = self.tx.get(table, prefix, seq)? else { return Ok(None) };
        M::decode(bytes.as_slice()).map(Some).map_err(|_| EngineError::Row { what: table.name() })
    }

    /// Writes a row.
    pub(crate) fn save(&mut self, table: Table, prefix: &[u8], seq: u64, row: &impl Message) {
        self.tx.put(table, prefix, seq, row.encode_to_vec());
    }
}
