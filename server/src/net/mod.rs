//! The relay on a network: starting, stopping, and what stands between sockets and the service.
//!
//! * `listener` accepts, ends TLS, speaks HTTP and hands WebSockets to `connection`.
//! * `connection` is one task per client: bytes to requests, outputs to bytes.
//! * `outlet` is the queue between the two; ephemeral envelopes may get lost in it, nothing else may.
//! * `writer` is the one thread that owns the service: it takes what has gathered, commits once, and sends what came of it.
//! * `blobs` is HTTP for large things; `statistics` tells the operator's monitoring how it goes.
//! * `admission` counts who is in; `patience` ends who takes nothing; `certificate`, `tls` and `domain` say who the relay is.

mod admission;
mod blobs;
mod certificate;
mod connection;
mod domain;
mod listener;
mod outlet;
mod patience;
mod room;
mod statistics;
mod tls;
mod writer;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use rand_core::UnwrapErr;
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
};
use wheesht_core::{
    proto::{
        address::{Fingerprint, RelayAddress},
        limits::ENVELOPE_LIFETIME_MS,
    },
    store::sled::SledBackend,
};

use self::{admission::Admission, blobs::Blobs, room::Room, writer::Writer};
use crate::{
    blobs::{BlobError, directory::BlobDirectory},
    config::{Certificate, Config},
    metrics::Metrics,
    service::{OpenError, Service, Settings, stored_domain},
    storage::{Retention, StorageError, embedded::Embedded},
};

/// Why a relay doesn't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address can't be listened on.
    #[error("can't listen on {address}: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        error: io::Error,
    },
    /// The storage can't be opened, or is another relay's.
    #[error(transparent)]
    Service(#[from] OpenError),
    /// Certificate or key can't be read, made or used.
    #[error("TLS: {0}")]
    Tls(String),
    /// The directory of blobs can't be opened.
    #[error(transparent)]
    Blobs(#[from] BlobError),
    /// Figures are for this machine alone.
    #[error("figures can be had on a loopback address only, and {0} is none")]
    PublicMetrics(SocketAddr),
    /// The system doesn't tell how much room there is.
    #[error("can't tell how much room there is on the disk: {0}")]
    Disk(io::Error),
    /// The system refuses a thread.
    #[error("can't start a thread: {0}")]
    Thread(io::Error),
}

impl From<StorageError> for StartError {
    fn from(error: StorageError) -> Self {
        Self::Service(error.into())
    }
}

/// A relay; [`Relay::start`] is all there is to it.
#[derive(Debug)]
pub struct Relay;

/// A relay that runs, until it is [shut down](RunningRelay::shutdown), dropped, or its storage fails.
pub struct RunningRelay {
    local_addr: SocketAddr,
    address: RelayAddress,
    fingerprint: Option<Fingerprint>,
    metrics_addr: Option<SocketAddr>,
    stop: watch::Sender<Stop>,
    writer: Option<Writer>,
    /// Ends when the last connection has.
    open: mpsc::Receiver<()>,
}

/// How far the relay's end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stop {
    Running,
    /// No new connections; those that are open finish.
    Draining,
    /// Everything ends where it stands.
    Now,
}

/// How long connections have to take what waits for them when the relay goes down.
const DRAIN: Duration = Duration::from_secs(10);
/// What the goodbye asks clients to wait before they come back: a restart's time.
const RECONNECT_AFTER_MS: u32 = 2_000;

impl Relay {
    /// Starts a relay on the current tokio runtime. It listens when this returns.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(config: Config) -> Result<RunningRelay, StartError> {
        let listener = TcpListener::bind(config.listen)
            .await
            .map_err(|error| StartError::Listen { address: config.listen, error })?;
        let local_addr =
            listener.local_addr().map_err(|error| StartError::Listen { address: config.listen, error })?;

        // REL-33: clients rely on the longest time, since they keep the private halves of prekeys that long and no longer.
        let longest = Duration::from_millis(ENVELOPE_LIFETIME_MS);
        let config = Config { envelope_lifetime: config.envelope_lifetime.min(longest), ..config };
        let retention = Retention::new(config.envelope_lifetime);
        let backend = SledBackend::open(&config.data.join("store")).map_err(StorageError::from)?;
        let storage = Embedded::open(backend, retention)?;
        let domain = match &config.domain {
            Some(domain) => domain.clone(),
            None => match stored_domain(&storage)? {
                Some(domain) => domain,
                None => domain::of_this_machine(local_addr),
            },
        };
        let settings = settings(&config, domain.clone());
        let mut service = Service::open(storage, settings, Box::new(UnwrapErr(getrandom::SysRng)))?;
        if let Some(witness) = config.witness.clone() {
            service.set_witness(witness);
        }
        let address: RelayAddress = domain.parse().map_err(|_| OpenError::Domain(domain))?;
        let tls = tls::load(&config, &address)?;
        let fingerprint = tls.as_ref().map(|tls| tls.fingerprint);

        let (stop, stopped) = watch::channel(Stop::Running);
        let metrics = Arc::<Metrics>::default();
        let store = Arc::new(BlobDirectory::open(&config.data.join("blobs"), config.blob_space)?);
        let room = Arc::new(Room::of(&config.data, config.disk_reserve).map_err(StartError::Disk)?);
        let blobs = Blobs::new(store.clone(), config.blob_lifetime, Arc::clone(&room), Arc::clone(&metrics));
        let blobs = Arc::new(blobs);
        let metrics_addr = match config.metrics {
            Some(address) => {
                let told = stopped.clone();
                Some(statistics::start(address, Arc::clone(&metrics), store, told).await?)
            }
            None => None,
        };
        let writer =
            Writer::start(service, stop.clone(), room, Arc::clone(&metrics)).map_err(StartError::Thread)?;
        tokio::spawn(until_stopped(stopped.clone(), Arc::clone(&blobs).sweep()));
        let (alive, open) = mpsc::channel(1);
        let shared = listener::Shared {
            inputs: writer.inputs(),
            stopped,
            alive,
            sockets: Admission::new(config.net.connections.saturating_mul(2), sockets_per_network(&config)),
            sessions: Admission::new(config.net.connections, config.net.connections_per_network),
            limits: config.net.clone(),
            behind_proxy: matches!(config.certificate, Certificate::Plain),
            log_identities: config.log_identities,
            blobs,
            metrics,
        };
        tokio::spawn(listener::run(listener, tls.map(|tls| tls.acceptor), Arc::new(shared)));
        let address = match (&config.certificate, fingerprint) {
            (Certificate::SelfMade, Some(fingerprint)) => address.with_fingerprint(fingerprint),
            _ => address,
        };
        Ok(RunningRelay { local_addr, address, fingerprint, metrics_addr, stop, writer: Some(writer), open })
    }
}

/// Does something as long as the relay runs.
async fn until_stopped(mut stopped: watch::Receiver<Stop>, work: impl Future<Output = ()>) {
    tokio::select! {
        _ = stopped.wait_for(|stop| *stop != Stop::Running) => {}
        () = work => {}
    }
}

/// Sockets that haven't become sessions are cheap but not free. Behind a proxy they all come from one address.
fn sockets_per_network(config: &Config) -> usize {
    match config.certificate {
        Certificate::Plain => usize::MAX,
        _ => config.net.connections_per_network.saturating_mul(2),
    }
}

fn settings(config: &Config, domain: String) -> Settings {
    let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    Settings {
        domain,
        registration: config.registration,
        envelope_lifetime_ms: millis(config.envelope_lifetime),
        eviction_grace_ms: millis(config.eviction_grace),
        log_identities: config.log_identities,
        limits: config.limits.clone(),
    }
}

impl RunningRelay {
    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// How clients name it: its domain, and the fingerprint if its certificate is self-made.
    pub fn address(&self) -> &RelayAddress {
        &self.address
    }

    /// SHA-256 of its public key info; none behind a proxy.
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        self.fingerprint
    }

    /// Where its figures can be had, if anywhere.
    pub fn metrics_addr(&self) -> Option<SocketAddr> {
        self.metrics_addr
    }

    /// Waits until the relay has ended by itself, which it does when its storage fails.
    pub async fn ended(&self) {
        let mut stopped = self.stop.subscribe();
        let _ = stopped.wait_for(|stop| *stop == Stop::Now).await;
    }

    /// Ends it in order: no new connections, what was received is answered, a goodbye to everyone, and what is committed is on
    /// the disk.
    ///
    /// # Errors
    /// What the storage said, now or earlier.
    pub async fn shutdown(mut self) -> Result<(), StorageError> {
        self.stop.send_if_modified(|stop| {
            let running = *stop == Stop::Running;
            *stop = (*stop).max(Stop::Draining);
            running
        });
        if let Some(writer) = &self.writer {
            writer.say_goodbye(RECONNECT_AFTER_MS);
        }
        let _ = tokio::time::timeout(DRAIN, self.open.recv()).await;
        self.finish().await
    }

    /// Ends it as a crash would: nothing is finished, nothing more is written.
    ///
    /// # Errors
    /// What the storage said earlier.
    pub async fn kill(mut self) -> Result<(), StorageError> {
        self.stop.send_replace(Stop::Now);
        self.open.recv().await;
        self.finish().await
    }

    async fn finish(&mut self) -> Result<(), StorageError> {
        match self.writer.take() {
            Some(writer) => match tokio::task::spawn_blocking(move || writer.join()).await {
                Ok(result) => result,
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                // The runtime is going down, and this with it.
                Err(_) => Ok(()),
            },
            None => Ok(()),
        }
    }
}

impl Drop for RunningRelay {
    fn drop(&mut self) {
        self.stop.send_replace(Stop::Now);
    }
}
