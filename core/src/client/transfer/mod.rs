//! Blobs on their way: what the engine orders, done on the app's runtime.
//!
//! ```text
//!  Effect::Blob ─▶ [Transfers] ─▶ look      read, sniff, preview           (a blocking thread)
//!                                 upload    file ─▶ seal ─▶ PATCH          (a blocking thread, two chunks ahead)
//!                                 download  GET ─▶ open ─▶ part ─▶ name    (the same the other way)
//!                                 delete
//!                      ◀── Input::Blob: how far it is, and what became of it
//! ```
//!
//! Nothing here holds more of a file than a few chunks; a picture whose metadata is taken out is the exception, and is bounded. Each order
//! has a connection of its own that shows nothing of the account, made as those of anonymous links are. Decisions (what, from where, when
//! again) are the engine's.

mod disk;
mod download;
mod http;
mod look;
mod picture;
mod source;
mod upload;

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::{Semaphore, mpsc},
    task::{JoinHandle, spawn_blocking},
    time::{Instant, interval},
};
use tracing::{Instrument as _, info_span};

pub(super) use source::stripped;

use super::{actor::Message, tls::Roots};
use crate::engine::{BlobFailure, BlobOrder, BlobReport};

/// How often the engine hears how far an order is.
const TELL_EVERY: Duration = Duration::from_millis(250);

/// An order that gets nowhere for so long is given up, and tried again later. Generous: a relay verifies two gigabytes before it says
/// that it has them.
const STALLED: Duration = Duration::from_secs(120);

/// Files looked at, at once: a picture takes memory.
const LOOKING: usize = 1;

/// What the orders share.
pub(super) struct Tools {
    roots: Roots,
    /// Where files go that nobody has said a place for.
    downloads: PathBuf,
    looking: Semaphore,
}

/// How far an order is: bytes of the file.
#[derive(Clone, Default)]
struct Progress(Arc<AtomicU64>);

impl Progress {
    fn set(&self, done: u64) {
        self.0.store(done, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// All orders under way. Dropping this stops them.
pub(super) struct Transfers {
    runtime: Handle,
    inbox: mpsc::WeakSender<Message>,
    tools: Arc<Tools>,
    running: HashMap<u64, JoinHandle<()>>,
}

impl Transfers {
    pub(super) fn new(
        runtime: Handle,
        inbox: mpsc::WeakSender<Message>,
        roots: Roots,
        downloads: PathBuf,
    ) -> Self {
        let tools = Arc::new(Tools { roots, downloads, looking: Semaphore::new(LOOKING) });
        Self { runtime, inbox, tools, running: HashMap::new() }
    }

    /// Begins an order. `era` goes into what is said of it.
    pub(super) fn start(&mut self, token: u64, order: BlobOrder, era: u64) {
        self.running.retain(|_, task| !task.is_finished());
        let (inbox, tools) = (self.inbox.clone(), self.tools.clone());
        let span = info_span!("blob", token, order = order.name());
        let task = async move {
            let report = attend(order, &tools, token, era, &inbox).await;
            // Without an inbox the client is closing.
            if let Some(inbox) = inbox.upgrade() {
                let _ = inbox.send(Message::Blob { era, token, report }).await;
            }
        };
        self.running.insert(token, self.runtime.spawn(task.instrument(span)));
    }

    /// Stops an order.
    pub(super) fn stop(&mut self, token: u64) {
        if let Some(task) = self.running.remove(&token) {
            task.abort();
        }
    }

    /// Stops all.
    pub(super) fn stop_all(&mut self) {
        self.running.drain().for_each(|(_, task)| task.abort());
    }
}

impl Drop for Transfers {
    fn drop(&mut self) {
        self.stop_all();
    }
}

/// Carries an order out, tells how far it is, and gives up when it gets nowhere.
async fn attend(
    order: BlobOrder,
    tools: &Arc<Tools>,
    token: u64,
    era: u64,
    inbox: &mpsc::WeakSender<Message>,
) -> BlobReport {
    let progress = Progress::default();
    // Reading and hashing a large file before the first byte passes is no stall.
    let patient = matches!(order, BlobOrder::Look(_));
    let mut work = Box::pin(carry_out(order, tools, progress.clone()));
    let mut ticks = interval(TELL_EVERY);
    let (mut told, mut moved) = (0, Instant::now());
    loop {
        tokio::select! {
            report = &mut work => return report,
            _ = ticks.tick() => {}
        }
        let done = progress.get();
        if done != told {
            (told, moved) = (done, Instant::now());
            if let Some(inbox) = inbox.upgrade() {
                // While the engine is busy with more important things, it need not know.
                let _ = inbox.try_send(Message::Blob { era, token, report: BlobReport::Progress { done } });
            }
        } else if !patient && moved.elapsed() > STALLED {
            return BlobReport::Failed(BlobFailure::Network("the relay no longer answers".to_owned()));
        }
    }
}

async fn carry_out(order: BlobOrder, tools: &Arc<Tools>, progress: Progress) -> BlobReport {
    let done = match order {
        BlobOrder::Look(source) => {
            let Ok(_permit) = tools.looking.acquire().await else { return closing() };
            blocking(move || look::look(source)).await.map(|looked| BlobReport::Looked(Box::new(looked)))
        }
        BlobOrder::Upload { blob, source, ticket, delete_hash } => {
            let upload = upload::Upload { blob, source, ticket, delete_hash };
            upload.run(&tools.roots, &progress).await.map(|()| BlobReport::Uploaded)
        }
        BlobOrder::Download { blob, target } => download::run(blob, target, tools, &progress).await,
        BlobOrder::Delete { relay, id, secret } => {
            http::delete(&relay, &tools.roots, &id, &secret).await.map(|()| BlobReport::Deleted)
        }
        BlobOrder::Discard { id, target } => {
            let downloads = tools.downloads.clone();
            blocking(move || {
                disk::discard(&id, &target, &downloads);
                Ok(BlobReport::Deleted)
            })
            .await
        }
        BlobOrder::Erase { path } => {
            blocking(move || {
                // Whoever moved it has made it theirs.
                let _ = std::fs::remove_file(path);
                Ok(BlobReport::Deleted)
            })
            .await
        }
    };
    done.unwrap_or_else(BlobReport::Failed)
}

/// Does what may wait for a disk, where it delays nobody.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BlobFailure> + Send + 'static,
) -> Result<T, BlobFailure> {
    spawn_blocking(work)
        .await
        .unwrap_or_else(|_| Err(BlobFailure::Network("the program is closing".to_owned())))
}

fn closing() -> BlobReport {
    BlobReport::Failed(BlobFailure::Network("the program is closing".to_owned()))
}
