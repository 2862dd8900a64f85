//! How a relay is set up.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use wheesht_core::proto::limits::{BLOB_LIFETIME_MS, ENVELOPE_LIFETIME_MS};

use crate::service::{Limits, Witness};

/// What a start, and deleting, need on a disk that is otherwise full, and some more for the system beside it.
const DISK_RESERVE: u64 = 256 << 20;

/// How a relay is set up. [`Config::new`] gives the defaults, which need nothing but a directory.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where everything is kept: accounts, envelopes, the self-made certificate.
    pub data: PathBuf,
    /// Where to listen. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// What stands after the `@` of names: a host, with its port unless that is 8443. None: what the first start finds, and
    /// that from then on: the address listened on, or this machine's own if that is every address.
    pub domain: Option<String>,
    /// Who ends TLS, and with which certificate.
    pub certificate: Certificate,
    /// Whether new accounts are taken.
    pub registration: bool,
    /// How long an existing device may object to being evicted.
    pub eviction_grace: Duration,
    /// How long an envelope waits for its device; 30 days at most.
    pub envelope_lifetime: Duration,
    /// Bytes of blobs kept at most, all accounts together.
    pub blob_space: u64,
    /// Bytes of the disk that stay free: below, nothing more is taken in.
    pub disk_reserve: u64,
    /// How long a blob is kept.
    pub blob_lifetime: Duration,
    /// REL-19: where the operator's monitoring finds figures: a loopback address.
    pub metrics: Option<SocketAddr>,
    /// REL-18: whether names and network addresses may stand in the log.
    pub log_identities: bool,
    /// Bounds on what is kept and done.
    pub limits: Limits,
    /// Bounds on connections.
    pub net: NetLimits,
    /// Told of every envelope as it is put into a mailbox; for demonstrations.
    pub witness: Option<Witness>,
}

/// Who ends TLS, and with which certificate.
#[derive(Debug, Clone)]
pub enum Certificate {
    /// The relay, with a certificate that it makes at its first start. Clients know it by its fingerprint.
    SelfMade,
    /// The relay, with these PEM files.
    Files {
        /// The certificate chain.
        chain: PathBuf,
        /// Its key.
        key: PathBuf,
    },
    /// A proxy in front of it. The relay itself speaks plainly, and takes the client's address from `X-Forwarded-For`.
    Plain,
}

/// Bounds on connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetLimits {
    /// Open at once.
    pub connections: usize,
    /// Open at once from one network.
    pub connections_per_network: usize,
    /// From the TCP connection to the WebSocket.
    pub handshake_timeout: Duration,
    /// A client that takes nothing for this long while something waits for it is cut off.
    pub write_timeout: Duration,
}

impl Default for NetLimits {
    fn default() -> Self {
        Self {
            connections: 20_000,
            connections_per_network: 256,
            handshake_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(30),
        }
    }
}

impl Config {
    /// The defaults, with this data directory, on port 8443 of every address.
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            listen: SocketAddr::from(([0, 0, 0, 0], wheesht_core::proto::address::DEFAULT_PORT)),
            domain: None,
            certificate: Certificate::SelfMade,
            registration: true,
            eviction_grace: Duration::from_secs(10 * 60),
            envelope_lifetime: Duration::from_millis(ENVELOPE_LIFETIME_MS),
            blob_space: 64 << 30,
            disk_reserve: DISK_RESERVE,
            blob_lifetime: Duration::from_millis(BLOB_LIFETIME_MS),
            metrics: None,
            log_identities: false,
            limits: Limits::default(),
            net: NetLimits::default(),
            witness: None,
        }
    }
}
