//! One turn of the engine's thread: inputs in, one commit, effects out.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::{runtime::Handle, sync::mpsc};
use tracing::{Instrument as _, debug, info_span};
use wheesht_proto::relay::client_frame;

use super::{
    actor::{Answer, Message},
    clock,
    events::{EventQueue, Replay},
    journal::{Journal, Level, Value},
    links::Links,
    report::{self, Setting},
    transfer::Transfers,
    upkeep::Upkeep,
};
use crate::{
    api::{Error, ErrorCode, Event, EventKind, Response, Trouble},
    engine::{Effect, Engine, EngineError, Input, Job, LinkEvent, LinkId, RequestError},
    opaque::KsfCost,
    store::{Store, sled::GOOD_BATCH},
    time::Timestamp,
};

/// A transaction that has grown to this many bytes takes no further input: the backend likes batches below [`GOOD_BATCH`].
const FULL: usize = GOOD_BATCH / 2;

/// What the driver can tell about itself.
pub(super) struct About {
    pub(super) setting: Setting,
    pub(super) journal: Arc<Journal>,
}

/// An engine and its store.
pub(super) struct Running {
    engine: Engine,
    store: Store,
    upkeep: Upkeep,
}

impl Running {
    /// A new engine takes up where the store stands.
    pub(super) fn start(store: Store, releases: &mut Releases) -> Result<Self, EngineError> {
        releases.begin_era();
        let mut running = Self { engine: Engine::new(), store, upkeep: Upkeep::default() };
        running.step([Inbound::Plain(Input::Start)], releases)?;
        Ok(running)
    }

    /// How long the thread may sleep.
    pub(super) fn sleep(&self, now: Timestamp) -> Duration {
        let until = |at: Timestamp| Duration::from_millis(at.millis_since(now));
        let engine = self.engine.next_wake().map_or(Duration::MAX, until);
        engine.min(until(self.upkeep.due()))
    }

    /// Deals with all that waits.
    pub(super) fn turn(&mut self, batch: Vec<Message>, releases: &mut Releases) -> Result<(), EngineError> {
        let idle = batch.is_empty();
        let now = clock::now();
        let tick = self.engine.next_wake().is_some_and(|at| at <= now);
        let tick = tick.then_some(Inbound::Plain(Input::Tick));
        if !idle || tick.is_some() {
            self.step(batch.into_iter().map(Inbound::Message).chain(tick), releases)?;
        }
        Ok(self.upkeep.step(&mut self.store, now, idle)?)
    }

    fn step(
        &mut self,
        inbound: impl IntoIterator<Item = Inbound>,
        releases: &mut Releases,
    ) -> Result<(), EngineError> {
        let mut inbound = inbound.into_iter().peekable();
        while inbound.peek().is_some() {
            self.commit(&mut inbound, releases)?;
        }
        Ok(())
    }

    /// Handles inputs up to what makes a good batch for the backend, commits, releases.
    fn commit(
        &mut self,
        inbound: &mut impl Iterator<Item = Inbound>,
        releases: &mut Releases,
    ) -> Result<(), EngineError> {
        let mut rng = clock::rng();
        let mut tx = self.store.begin();
        let mut held = Vec::new();
        for inbound in inbound {
            let (input, replay) = match inbound {
                Inbound::Plain(input) => (input, None),
                Inbound::Message(Message::Replay(replay)) => {
                    (Input::ReplayEvents { after: replay.after }, Some(replay))
                }
                Inbound::Message(message) => match releases.input(message) {
                    Some(input) => (input, None),
                    None => continue,
                },
            };
            let mut replayed = Vec::new();
            for effect in self.engine.handle(&mut tx, input, clock::now(), &mut rng)? {
                match effect {
                    Effect::Event(event) if replay.is_some() => replayed.push(event),
                    Effect::Request { link, token, body } => {
                        let epoch = releases.links.epoch(&link);
                        held.push(Held::Request { link, epoch, token, body });
                    }
                    effect => held.push(Held::Effect(effect)),
                }
            }
            held.extend(replay.map(|replay| Held::Replayed(replay, replayed)));
            if tx.size() > FULL {
                break;
            }
        }
        let counter = tx.commit()?;
        debug!(effects = held.len(), counter, "committed");
        held.into_iter().for_each(|held| releases.release(held));
        Ok(())
    }
}

/// An input on its way to the engine.
enum Inbound {
    Message(Message),
    Plain(Input),
}

/// An effect that waits for the commit.
#[expect(clippy::large_enum_variant, reason = "nearly all are the large ones, and none outlives its turn")]
enum Held {
    Effect(Effect),
    /// With the connection that the engine knew of when it asked.
    Request {
        link: LinkId,
        epoch: u64,
        token: u64,
        body: client_frame::Body,
    },
    Replayed(Replay, Vec<Event>),
}

impl About {
    /// An answer is about to leave: a refusal is remembered, and the driver's part put below the engine's in a debug bundle.
    fn complete(&self, result: &mut Result<Response, Error>) {
        match result {
            Ok(Response::DebugBundle { text }) => {
                text.push_str(&report::text(&self.setting, &self.journal));
            }
            Ok(_) => {}
            Err(error) => {
                self.journal.note(Level::Notable, "refused", [("code", error.code.name().into())]);
            }
        }
    }

    fn told(&self, kind: &EventKind) {
        let level = match kind {
            EventKind::Message { .. }
            | EventKind::MessageState { .. }
            | EventKind::Read { .. }
            | EventKind::Transfer { .. }
            | EventKind::HistoryTransfer { .. } => Level::Routine,
            _ => Level::Notable,
        };
        let what = match kind {
            EventKind::Trouble { trouble } => ("trouble", Value::variant(trouble)),
            kind => ("event", Value::variant(kind)),
        };
        self.journal.note(level, "told", [what]);
    }
}

/// Where effects go, and what leads answers back.
pub(super) struct Releases {
    pub(super) links: Links,
    pub(super) transfers: Transfers,
    pub(super) about: About,
    runtime: Handle,
    sender: mpsc::WeakSender<Message>,
    events: Arc<EventQueue>,
    /// Counts engines: what was meant for an earlier one is not for this one.
    era: u64,
    last_call: u64,
    callers: HashMap<u64, Answer>,
    /// What effects came to at once.
    again: Vec<Message>,
}

impl Releases {
    pub(super) fn new(
        runtime: Handle,
        sender: mpsc::WeakSender<Message>,
        events: Arc<EventQueue>,
        links: Links,
        transfers: Transfers,
        about: About,
    ) -> Self {
        let (callers, again) = (HashMap::new(), Vec::new());
        Self { links, transfers, about, runtime, sender, events, era: 0, last_call: 0, callers, again }
    }

    fn begin_era(&mut self) {
        self.era += 1;
        self.events.restarted();
    }

    /// Inputs that the last turn's effects came to.
    pub(super) fn take_again(&mut self) -> Vec<Message> {
        std::mem::take(&mut self.again)
    }

    /// What a message is to the engine; nothing if it was meant for another one, or comes from a link that was closed.
    fn input(&mut self, message: Message) -> Option<Input> {
        match message {
            Message::Call { request, answer } => {
                self.last_call += 1;
                self.about.journal.note(Level::Routine, "asked", [("what", Value::variant(&request))]);
                self.callers.insert(self.last_call, answer);
                Some(Input::Command { id: self.last_call, request })
            }
            Message::Ack(up_to) => Some(Input::AckEvents(up_to)),
            Message::Link { link, task, epoch, event } => {
                let current = self.links.is_current(&link, task);
                if current && event == LinkEvent::Up {
                    self.links.is_up(&link, epoch);
                }
                current.then_some(Input::Link { link, event })
            }
            Message::Push { link, task, body } => {
                self.links.is_current(&link, task).then_some(Input::Push { link, body })
            }
            Message::Reply { era, token, result } => {
                (era == self.era).then_some(Input::Reply { token, result })
            }
            Message::Blob { era, token, report } => {
                (era == self.era).then_some(Input::Blob { token, report })
            }
            Message::WorkDone { era, token, output } => {
                (era == self.era).then_some(Input::WorkDone { token, output })
            }
            // Both were taken out before.
            Message::Replay(_) | Message::Close(_) => None,
        }
    }

    fn release(&mut self, held: Held) {
        match held {
            Held::Replayed(replay, events) => self.events.replayed(replay, events),
            Held::Request { link, epoch, token, body } => {
                if !self.links.request(&link, epoch, token, body) && token != 0 {
                    let result = Err(RequestError::Lost);
                    self.again.push(Message::Reply { era: self.era, token, result });
                }
            }
            Held::Effect(effect) => match effect {
                Effect::Open(link) => self.links.open(link, self.era),
                Effect::Close(link) => self.links.close(&link),
                Effect::Work { token, job } => self.work(token, job),
                Effect::Blob { token, order } => self.transfers.start(token, order, self.era),
                Effect::StopBlob { token } => self.transfers.stop(token),
                Effect::Respond { id, mut result } => {
                    self.about.complete(&mut result);
                    if let Some(answer) = self.callers.remove(&id) {
                        // A caller that has gone away does not want it.
                        let _ = answer.send(result);
                    }
                }
                Effect::Event(event) => {
                    self.about.told(&event.kind);
                    self.events.offer(event);
                }
                // Held as such.
                Effect::Request { .. } => {}
            },
        }
    }

    fn work(&self, token: u64, job: Job) {
        let Some(sender) = self.sender.upgrade() else { return };
        let era = self.era;
        let done = async move {
            // It fails only when the app's runtime is going down.
            if let Ok(output) =
                tokio::task::spawn_blocking(move || job.run(KsfCost::SPEC, &mut clock::rng())).await
            {
                let _ = sender.send(Message::WorkDone { era, token, output }).await;
            }
        };
        self.runtime.spawn(done.instrument(info_span!("work", token)));
    }

    /// The engine is gone: nothing that was under way will be answered.
    pub(super) fn abandon(&mut self, reason: &str) {
        self.links.close_all();
        self.transfers.stop_all();
        self.again.clear();
        self.refuse_all(|| store_failed(reason));
        let trouble = Trouble::StoreFailed { detail: reason.to_owned() };
        self.events.offer(Event { id: None, at: clock::now(), kind: EventKind::Trouble { trouble } });
    }

    /// Answers all callers alike.
    pub(super) fn refuse_all(&mut self, error: impl Fn() -> Error) {
        for (_, answer) in self.callers.drain() {
            let _ = answer.send(Err(error()));
        }
    }

    /// Answers what came while there was no engine. Acknowledgements may be forgotten: the events come again.
    pub(super) fn refuse(&self, batch: Vec<Message>) {
        for message in batch {
            if let Message::Call { answer, .. } = message {
                let _ = answer.send(Err(store_failed("it is being opened again")));
            }
        }
    }
}

fn store_failed(detail: &str) -> Error {
    Error::new(
        ErrorCode::Store,
        format!("What is stored on this machine can't be read or written: {detail}."),
    )
    .next("Free disk space if it is full, then try again.")
}
