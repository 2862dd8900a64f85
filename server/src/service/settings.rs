//! What an operator may set, and the defaults.

use wheesht_core::proto::limits::{
    ENVELOPE_LIFETIME_MS, MAILBOX_BYTES, MAILBOX_ENVELOPES, MAX_ADDRESSES, MAX_BLOB, REQUEST_ENVELOPES,
};

use super::rate::Rate;

/// How the service behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// What stands after the `@` of the relay's names, in canonical form: a host, with its port unless that is 8443.
    pub domain: String,
    /// Whether new accounts are taken.
    pub registration: bool,
    /// How long an envelope waits for its device, in milliseconds.
    pub envelope_lifetime_ms: u64,
    /// How long an existing device may object to being evicted, in milliseconds.
    pub eviction_grace_ms: u64,
    /// Whether names may stand in the log.
    pub log_identities: bool,
    /// Bounds on what is kept and done.
    pub limits: Limits,
}

impl Settings {
    /// The defaults, for a relay of this name.
    pub fn new(domain: impl Into<String>) -> Self {
        Self {
            domain: domain.into(),
            registration: true,
            envelope_lifetime_ms: ENVELOPE_LIFETIME_MS,
            eviction_grace_ms: 10 * 60 * 1000,
            log_identities: false,
            limits: Limits::default(),
        }
    }
}

/// Bounds. Those per network count a whole IPv6 /64 as one, since one person has all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Envelopes waiting in one mailbox.
    pub mailbox_envelopes: usize,
    /// Their bytes.
    pub mailbox_bytes: u64,
    /// Envelopes from strangers waiting in one mailbox.
    pub request_envelopes: usize,
    /// Addresses of one device.
    pub addresses: usize,
    /// Records made by one account: vault groups, profile, addresses, and those of groups it owns.
    pub records: u32,
    /// Tickets for records that an account gets in a day.
    pub record_tickets_per_day: u32,
    /// Tickets for blobs that an account gets in a day.
    pub blob_tickets_per_day: u32,
    /// Bytes that the blob tickets of one account and day are good for, together.
    pub blob_bytes_per_day: u64,
    /// The largest blob in bytes.
    pub max_blob: u64,
    /// Bytes of last wills held in memory.
    pub wills_bytes: usize,
    /// Those from one network.
    pub wills_bytes_per_network: usize,
    /// Bytes pushed on one connection and not yet acked. A client acks as it goes, so this bounds what waits for a slow one.
    pub unacked_bytes: u64,
    /// Milliseconds from the connection's opening to its hello.
    pub hello_timeout_ms: u64,
    /// Milliseconds without a frame after which a connection is closed.
    pub idle_timeout_ms: u64,
    /// Registrations per network.
    pub registrations: Rate,
    /// Password logins per network, all names together.
    pub logins: Rate,
    /// Password logins per name and network that are granted without a wait; each further one waits twice as long as the one
    /// before.
    pub free_logins: u32,
    /// Device logins per network.
    pub device_logins: Rate,
    /// Proposals per account.
    pub proposals: Rate,
    /// Manifests shown and verified per account, the same one again included.
    pub manifest_checks: Rate,
    /// Uploads of prekeys per device.
    pub prekey_uploads: Rate,
    /// Bundles per deposit address shown.
    pub bundles_per_address: Rate,
    /// Bundles per network.
    pub bundles_per_network: Rate,
    /// Envelopes per contact or group address.
    pub deposits_per_address: Rate,
    /// Ephemeral envelopes per address.
    pub ephemerals_per_address: Rate,
    /// Envelopes per request address.
    pub requests_per_address: Rate,
    /// Envelopes per network, each address counted.
    pub deposits_per_network: Rate,
    /// Look-ups and reads of records and manifests per network.
    pub reads_per_network: Rate,
    /// Writes of records per network.
    pub writes_per_network: Rate,
    /// Statements, and addresses opened or closed, per device.
    pub device_writes: Rate,
    /// Acks of envelopes that aren't there, per device.
    pub idle_acks: Rate,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            mailbox_envelopes: MAILBOX_ENVELOPES,
            mailbox_bytes: MAILBOX_BYTES,
            request_envelopes: REQUEST_ENVELOPES,
            addresses: MAX_ADDRESSES,
            records: 4096,
            record_tickets_per_day: 64,
            blob_tickets_per_day: 1_000,
            blob_bytes_per_day: 2 * MAX_BLOB,
            max_blob: MAX_BLOB,
            wills_bytes: 256 << 20,
            wills_bytes_per_network: 4 << 20,
            unacked_bytes: 8 << 20,
            hello_timeout_ms: 10_000,
            idle_timeout_ms: 120_000,
            registrations: Rate::new(20, 2),
            logins: Rate::new(60, 20),
            free_logins: 5,
            device_logins: Rate::new(600, 600),
            proposals: Rate::new(10, 1),
            manifest_checks: Rate::new(60, 30),
            prekey_uploads: Rate::new(20, 2),
            bundles_per_address: Rate::new(60, 6),
            bundles_per_network: Rate::new(300, 60),
            deposits_per_address: Rate::new(5_000, 3_000),
            ephemerals_per_address: Rate::new(2_000, 1_200),
            requests_per_address: Rate::new(50, 10),
            deposits_per_network: Rate::new(100_000, 60_000),
            reads_per_network: Rate::new(600, 600),
            writes_per_network: Rate::new(600, 120),
            device_writes: Rate::new(2 * MAX_ADDRESSES as u32, 600),
            idle_acks: Rate::new(20_000, 6_000),
        }
    }
}
