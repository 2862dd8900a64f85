//! The engine's thread: the one place that holds engine and store.
//!
//! ```text
//! calls, acks ──▶┌───────┐  all that waits   ┌────────┐ one durable ┌────────┐  released  ──▶ answers, events
//! links       ──▶│ inbox │ ────────────────▶ │ engine │ ──────────▶ │ commit │ ───────────▶  requests, links
//! finished work─▶└───────┘  (256 at most)    └────────┘             └────────┘            ──▶ slow work
//! ```
//!
//! It is a thread and not a task: a turn is computing and then waiting for the disk, and neither belongs on the app's executor.
//! Everything that waits goes into one transaction, so a mailbox of ten thousand messages costs some forty fsyncs. Effects leave
//! only after the commit. If that fails, nothing is known about what the disk holds: engine and store are dropped, callers and app
//! are told, and both are opened again, with growing pauses while the cause lasts.

use std::{path::PathBuf, sync::Arc, time::Duration};

use tokio::{
    runtime::{Builder, Handle},
    sync::{mpsc, oneshot},
    time::timeout,
};
use tracing::{error, warn};
use wheesht_proto::relay::relay_frame;

use super::{
    clock,
    events::{EventQueue, Replay},
    journal::{Journal, Level},
    links::Links,
    report::Setting,
    tls::Roots,
    transfer::Transfers,
    turn::{About, Releases, Running},
};
use crate::{
    api::{Error, ErrorCode, EventId, Request, Response},
    engine::{BlobReport, EngineError, JobOutput, LinkEvent, LinkId, RequestError},
    store::{BackendError, OpenError, Store},
};

/// Inputs that may wait, and that one transaction takes. At a few kilobytes each they cost little memory, and beyond this an fsync is
/// well shared.
pub(super) const INBOX: usize = 256;
/// The longest sleep: the clock by the wall may jump, and a sleeping machine's timers stand still.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);
/// Before the store is opened again; doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// For links that say goodbye.
const GOODBYES: Duration = Duration::from_secs(2);

/// The caller's end of a request.
pub(super) type Answer = oneshot::Sender<Result<Response, Error>>;

/// What the engine's thread is told.
pub(super) enum Message {
    Call { request: Request, answer: Answer },
    Ack(EventId),
    Replay(Replay),
    Link { link: LinkId, task: u64, epoch: u64, event: LinkEvent },
    Push { link: LinkId, task: u64, body: relay_frame::Body },
    Reply { era: u64, token: u64, result: Result<relay_frame::Body, RequestError> },
    Blob { era: u64, token: u64, report: BlobReport },
    WorkDone { era: u64, token: u64, output: JobOutput },
    Close(oneshot::Sender<()>),
}

/// Opens the store, at first and again after a failure.
pub(super) type OpenStore = Box<dyn FnMut() -> Result<Store, OpenError> + Send>;

/// What the thread needs to begin.
pub(super) struct Setup {
    pub(super) open: OpenStore,
    pub(super) inbox: mpsc::Receiver<Message>,
    /// For links and finished work. Weak, so that the thread ends with the last client.
    pub(super) sender: mpsc::WeakSender<Message>,
    pub(super) events: Arc<EventQueue>,
    /// Whose certificates the links believe.
    pub(super) roots: Roots,
    /// What a debug bundle tells of how the client was opened.
    pub(super) setting: Setting,
    /// Where files go that nobody has said a place for.
    pub(super) downloads: PathBuf,
    /// The app's runtime: where links and slow work run.
    pub(super) runtime: Handle,
}

/// Runs the engine until the client is closed. Says through `opened` whether the store could be opened.
pub(super) fn run(mut setup: Setup, opened: oneshot::Sender<Result<(), OpenError>>) {
    let ending = Ending(setup.events.clone());
    // It waits on the inbox and on the clock, nothing else.
    let waiting = Builder::new_current_thread().enable_time().build().map_err(BackendError::Io);
    let (waiting, store) =
        match waiting.map_err(OpenError::from).and_then(|waiting| Ok((waiting, (setup.open)()?))) {
            Ok(both) => both,
            Err(error) => return drop(opened.send(Err(error))),
        };
    let journal = Arc::new(Journal::default());
    journal.note(Level::Notable, "opened", []);
    let links = Links::new(setup.runtime.clone(), setup.sender.clone(), setup.roots.clone(), journal.clone());
    let transfers = Transfers::new(setup.runtime.clone(), setup.sender.clone(), setup.roots, setup.downloads);
    let about = About { setting: setup.setting, journal };
    let releases = Releases::new(setup.runtime, setup.sender, setup.events.clone(), links, transfers, about);
    let mut actor =
        Actor { open: setup.open, inbox: setup.inbox, releases, running: None, pause: FIRST_PAUSE };
    actor.start(store);
    let _ = opened.send(Ok(()));
    let goodbye = waiting.block_on(actor.serve());

    let Actor { mut inbox, mut releases, running, .. } = actor;
    // What still comes in finds a closed door, so no link waits for room.
    inbox.close();
    releases.transfers.stop_all();
    releases.refuse_all(|| Error::new(ErrorCode::Closed, "The client was closed."));
    waiting.block_on(releases.links.shut_down(GOODBYES));
    // The store's lock goes before anybody hears that the client is closed.
    drop(running);
    drop(ending);
    if let Some(goodbye) = goodbye {
        let _ = goodbye.send(());
    }
}

/// Ends the streams of events, even if this thread does not come to its end in good order: an app must not wait for ever.
struct Ending(Arc<EventQueue>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.close();
    }
}

struct Actor {
    open: OpenStore,
    inbox: mpsc::Receiver<Message>,
    releases: Releases,
    /// None after a failure, until the store is open again.
    running: Option<Running>,
    pause: Duration,
}

impl Actor {
    /// Serves until the client is closed, or gone.
    async fn serve(&mut self) -> Option<oneshot::Sender<()>> {
        loop {
            let mut batch = self.releases.take_again();
            let wait = match &self.running {
                _ if !batch.is_empty() => Duration::ZERO,
                Some(running) => running.sleep(clock::now()).min(LONGEST_SLEEP),
                None => self.pause,
            };
            let room = INBOX.saturating_sub(batch.len()).max(1);
            if let Ok(0) = timeout(wait, self.inbox.recv_many(&mut batch, room)).await {
                return None;
            }
            let goodbye = take_goodbye(&mut batch);
            match &mut self.running {
                Some(running) => match running.turn(batch, &mut self.releases) {
                    Ok(()) => self.pause = FIRST_PAUSE,
                    Err(error) => self.fail(&error),
                },
                None => {
                    self.releases.refuse(batch);
                    self.open_again();
                }
            }
            if goodbye.is_some() {
                return goodbye;
            }
        }
    }

    fn start(&mut self, store: Store) {
        match Running::start(store, &mut self.releases) {
            Ok(running) => self.running = Some(running),
            Err(error) => self.fail(&error),
        }
    }

    /// Nothing is known about what the disk holds: back to the beginning.
    fn fail(&mut self, failure: &EngineError) {
        error!(%failure, "the store failed");
        self.releases.about.journal.note(Level::Notable, "the store failed", []);
        self.running = None;
        self.releases.abandon(&failure.to_string());
    }

    fn open_again(&mut self) {
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        match (self.open)() {
            Ok(store) => self.start(store),
            Err(error) => warn!(%error, "the store can't be opened again yet"),
        }
    }
}

/// Takes the wish to close out of a batch: it comes true when the rest has been dealt with.
fn take_goodbye(batch: &mut Vec<Message>) -> Option<oneshot::Sender<()>> {
    let position = batch.iter().position(|message| matches!(message, Message::Close(_)))?;
    // What was said after it is answered like anything that comes too late.
    let rest = batch.split_off(position);
    rest.into_iter().find_map(|message| match message {
        Message::Close(goodbye) => Some(goodbye),
        _ => None,
    })
}
