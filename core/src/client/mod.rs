//! The driver: it gives the engine what the engine has none of, which is files, sockets, a clock and randomness.
//!
//! ```text
//!  app ──call, ack──▶ ┌───────────────┐ ──requests──▶ link tasks ◀── TLS 1.3, WebSocket ──▶ relays
//!      ◀──answers──── │ engine thread │ ◀─replies, ──
//!      ◀──events───── │ engine, store │    pushes     slow work on blocking threads
//!                     └───────────────┘
//! ```
//!
//! It decides nothing: what is said to whom, and when, is the engine's. It keeps the engine's one rule (`actor.rs`), knows relays by
//! their keys (`tls.rs`), comes back to them (`link.rs`), and hands events to the app until they are acknowledged (`events.rs`).
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use wheesht_core::{api::{Password, To}, client::{Client, Config}};
//!
//! let client = Client::open(Config::new("/var/lib/my-bot")).await?;
//! client.register("bot@relay.example.org".parse()?, Password::new("six words from suggest_passphrase"), "server").await?;
//! client.send("bob@relay.example.org".parse::<To>()?, "hello").await?;
//! let mut events = client.events();
//! while let Some(event) = events.next().await {
//!     println!("{:?}", event.kind);
//!     if let Some(id) = event.id {
//!         events.ack(id).await;
//!     }
//! }
//! client.close().await;
//! # Ok(())
//! # }
//! ```

mod actor;
pub mod archive;
mod calls;
mod clock;
mod config;
mod connect;
mod connection;
mod erase;
mod events;
mod files;
mod find;
mod journal;
mod key;
mod link;
mod links;
mod open_error;
mod report;
#[cfg(test)]
mod tests;
mod tls;
mod transfer;
mod turn;
mod upkeep;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::sync::{mpsc, oneshot};

pub use config::{Config, KeySource};
pub use events::EventStream;
pub use open_error::OpenError;

use crate::{
    api::{Error, ErrorCode, EventId, Request, Response},
    store::{self, SledBackend, Store},
};
use actor::{INBOX, Message, Setup};
use events::EventQueue;
use report::Setting;

/// One installation's account and device, open. Cheap to clone; the last clone closes it, [`Self::close`] closes it and waits.
#[derive(Clone)]
pub struct Client {
    inbox: mpsc::Sender<Message>,
    events: Arc<EventQueue>,
}

impl Client {
    /// Opens the installation in `config.data_dir`, which is made if it isn't there. Only one process at a time may have it open.
    /// Connections and slow work run on the tokio runtime that this is called on; it needs its I/O and time drivers.
    pub async fn open(config: Config) -> Result<Self, OpenError> {
        let Config { data_dir, key, authorities, downloads } = config;
        let directory = data_dir.clone();
        let setting = Setting {
            data_dir: Some(data_dir.clone()),
            key: Setting::name_of(&key),
            authorities: authorities.len(),
        };
        let (key, roots) = blocking(move || {
            make_directory(&directory)?;
            Ok((key::store_key(&key, &directory)?, tls::roots(&authorities)?))
        })
        .await?;
        let path = data_dir.join(key::STORE);
        let open = Box::new(move || {
            let backend = Box::new(SledBackend::open(&path)?);
            match Store::exists(&*backend)? {
                true => Store::open(backend, &key, Box::new(clock::rng())),
                false => Store::create(backend, &key, Box::new(clock::rng()), clock::now()),
            }
        });
        Self::open_with(open, roots, setting, downloads).await
    }

    async fn open_with(
        open: actor::OpenStore,
        roots: tls::Roots,
        setting: Setting,
        downloads: PathBuf,
    ) -> Result<Self, OpenError> {
        let (inbox, receiver) = mpsc::channel(INBOX);
        let events = Arc::new(EventQueue::default());
        let setup = Setup {
            open,
            inbox: receiver,
            sender: inbox.downgrade(),
            events: events.clone(),
            roots,
            setting,
            downloads,
            runtime: tokio::runtime::Handle::current(),
        };
        let (opened, result) = oneshot::channel();
        std::thread::Builder::new()
            .name("wheesht-engine".to_owned())
            .spawn(move || actor::run(setup, opened))
            .map_err(OpenError::Thread)?;
        // A thread that ends without a word panicked, and has said why on its way.
        result.await.unwrap_or(Err(store::OpenError::Corrupt { what: "engine" }))?;
        Ok(Self { inbox, events })
    }

    /// Asks, and waits for the answer. What was asked goes on if the caller stops waiting.
    pub async fn call(&self, request: Request) -> Result<Response, Error> {
        self.ask(request).await?.wait().await
    }

    /// Asks without waiting for the answer: on return the request stands in line behind those asked before. For whoever has several
    /// under way and minds their order.
    pub async fn ask(&self, request: Request) -> Result<Answer, Error> {
        let (answer, response) = oneshot::channel();
        self.inbox.send(Message::Call { request, answer }).await.map_err(|_| closed())?;
        Ok(Answer(response))
    }

    /// What happens, beginning with the oldest event that was not acknowledged. There is one stream at a time: a new one ends the
    /// one before.
    pub fn events(&self) -> EventStream {
        EventStream::new(self.events.clone(), self.inbox.clone())
    }

    /// Says that the app has dealt with all events up to and including this one. Events that were not acknowledged come again with
    /// the next stream, in this process or the next. Durable once a later call was answered, or [`Self::close`] has returned.
    pub async fn ack(&self, up_to: EventId) {
        // A client that is closed has said so already.
        let _ = self.inbox.send(Message::Ack(up_to)).await;
    }

    /// Finishes what was asked before, says goodbye to relays, and lets the files go. All clones are closed with it.
    pub async fn close(self) {
        let (done, closed) = oneshot::channel();
        if self.inbox.send(Message::Close(done)).await.is_ok() {
            let _ = closed.await;
        }
    }
}

/// What a request asked with [`Client::ask`] will be answered. It is worked on whether or not anybody waits.
#[derive(Debug)]
pub struct Answer(oneshot::Receiver<Result<Response, Error>>);

impl Answer {
    /// Waits for it.
    pub async fn wait(self) -> Result<Response, Error> {
        self.0.await.unwrap_or_else(|_| Err(closed()))
    }
}

fn closed() -> Error {
    Error::new(ErrorCode::Closed, "The client was closed.")
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { inbox, events: _ } = self;
        f.debug_struct("Client").field("closed", &inbox.is_closed()).finish_non_exhaustive()
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, OpenError> + Send + 'static,
) -> Result<T, OpenError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(OpenError::Thread(error.into())))
}

/// For its owner only, from the first moment.
fn make_directory(path: &Path) -> Result<(), OpenError> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|error| OpenError::Directory { path: path.to_owned(), error })
}
