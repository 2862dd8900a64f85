//! One open client: the async library on a runtime of its own, with calls that block.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, de::DeserializeOwned};
use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::Mutex,
    time::timeout,
};
use wheesht_core::{
    api::{Error, ErrorCode, Event, EventId, Password, Request, Response},
    client::{self, Config, EventStream, KeySource},
};

/// A client and what it needs to run.
pub(crate) struct Client {
    /// There until the client is dropped.
    runtime: Option<Runtime>,
    handle: Handle,
    client: client::Client,
    /// Several threads may wait for events; each event goes to one of them.
    events: Mutex<EventStream>,
}

/// What `wheesht_open` takes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OpenConfig {
    data_dir: PathBuf,
    key: Key,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum Key {
    File,
    Passphrase { passphrase: Password },
    Keyring,
}

impl From<Key> for KeySource {
    fn from(key: Key) -> Self {
        match key {
            Key::File => Self::File,
            Key::Passphrase { passphrase } => Self::Passphrase(passphrase),
            Key::Keyring => Self::Keyring,
        }
    }
}

/// What may still run when a client is closed, a file being read for instance, gets this long.
const CLOSING: Duration = Duration::from_secs(2);

impl Drop for Client {
    fn drop(&mut self) {
        // A runtime that is dropped waits for work that blocks, however long that takes.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(CLOSING);
        }
    }
}

impl Client {
    /// Opens the client that a config describes; it connects by itself.
    pub(crate) fn open(config: &str) -> Result<Self, Error> {
        let OpenConfig { data_dir, key } = parse(config, "The config")?;
        // Sockets and timers only: the engine has a thread of its own.
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("wheesht")
            .enable_all()
            .build()
            .map_err(|error| {
                Error::new(ErrorCode::Internal, format!("No thread can be started: {error}."))
            })?;
        let config = Config::new(data_dir).with_key(key.into());
        let client = runtime.block_on(client::Client::open(config)).map_err(Error::from)?;
        let events = Mutex::new(client.events());
        Ok(Self { handle: runtime.handle().clone(), runtime: Some(runtime), client, events })
    }

    /// Sends a request and waits for its answer.
    pub(crate) fn call(&self, request: &str) -> Result<Response, Error> {
        let request: Request = parse(request, "The request")?;
        self.handle.block_on(self.client.call(request))
    }

    /// Waits for the next event; none if the time is over.
    pub(crate) fn next_event(&self, longest: Duration) -> Result<Option<Event>, Error> {
        let next = async { timeout(longest, async { self.events.lock().await.next().await }).await };
        match self.handle.block_on(next) {
            Err(_) => Ok(None),
            Ok(Some(event)) => Ok(Some(event)),
            Ok(None) => Err(Error::new(ErrorCode::Closed, "The client was closed.")),
        }
    }

    /// Says that events have been dealt with.
    pub(crate) fn ack_event(&self, up_to: EventId) {
        self.handle.block_on(self.client.ack(up_to));
    }

    /// Closes. Whoever waits in another thread gets the error `closed`; the runtime ends with the last of them.
    pub(crate) fn close(&self) {
        self.handle.block_on(self.client.clone().close());
    }
}

fn parse<T: DeserializeOwned>(json: &str, what: &str) -> Result<T, Error> {
    serde_json::from_str(json)
        .map_err(|error| Error::new(ErrorCode::Invalid, format!("{what} is not understood: {error}.")))
}
