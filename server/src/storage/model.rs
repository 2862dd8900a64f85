//! The things that the relay keeps, as values.

use prost::bytes::Bytes;
use wheesht_core::{
    proto::{
        address::Name,
        ids::{DepositAddress, DeviceId, EnvelopeId, MailboxId},
        limits::DAY_MS,
    },
    time::Timestamp,
};
use zeroize::Zeroizing;

/// The relay's own state, made at its first start.
#[derive(Clone)]
pub struct RelayState {
    /// What stands after the `@` of its names.
    pub domain: String,
    /// The encoded OPAQUE server setup: with it, password files can be guessed at offline.
    pub opaque: Zeroizing<Vec<u8>>,
}

/// An account.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// OPAQUE's record of the password.
    pub password_file: Vec<u8>,
    /// Encrypted under a key that only the password gives.
    pub root_vault: Vec<u8>,
    /// Where strangers deposit.
    pub request_address: DepositAddress,
    /// Version of the newest manifest.
    pub manifest_version: u64,
    /// Records that the account has made.
    pub records: u32,
}

/// What an account has got of its tickets on one day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Allowance {
    /// Which day, counted from 1970.
    pub day: u64,
    /// Tickets for records.
    pub record_tickets: u32,
    /// Tickets for blobs.
    pub blob_tickets: u32,
    /// Bytes that those are good for.
    pub blob_bytes: u64,
}

/// A change of the manifest that waits for a device's word or for its time.
#[derive(Clone, PartialEq, Eq)]
pub struct Proposal {
    /// SHA-256 of the manifest's signed bytes.
    pub id: [u8; 32],
    /// The encoded manifest, without countersignature.
    pub manifest: Vec<u8>,
    /// The root vault that goes with it; empty: unchanged.
    pub root_vault: Vec<u8>,
    /// When an evicting one takes effect; none: it waits for a countersignature.
    pub effective_at: Option<Timestamp>,
    /// What the devices that are to confirm it get with it, unread.
    pub proof: Vec<u8>,
}

/// A device that stands in its account's newest manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its id.
    pub id: DeviceId,
    /// Its Ed25519 public key.
    pub signing_key: [u8; 32],
    /// Where its envelopes lie. Made by the relay when the device joined, so a device that comes back has another.
    pub mailbox: MailboxId,
}

/// What a device's own addresses are for. The relay treats both alike but for their quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressKind {
    /// For contacts.
    Contact,
    /// For one group.
    Group,
}

/// Where a deposit address leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// To a device's mailbox.
    Device {
        /// Whose device.
        name: Name,
        /// The mailbox.
        mailbox: MailboxId,
        /// What for.
        kind: AddressKind,
    },
    /// To the device that the deposit names.
    Request {
        /// Whose devices.
        name: Name,
    },
}

/// Prekeys of which a device has one at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SingleKind {
    /// The signed X25519 prekey.
    Signed,
    /// The last-resort KEM key.
    LastResortKem,
}

/// Prekeys that are handed out once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OneTimeKind {
    /// X25519.
    Curve,
    /// ML-KEM.
    Kem,
}

/// What prekeys a device has here. Ids are 0 where there is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Prekeys {
    /// Id of the signed prekey.
    pub signed: u32,
    /// Id of the last-resort KEM key.
    pub last_resort_kem: u32,
    /// One-time X25519 prekeys left.
    pub one_time: u32,
    /// One-time KEM keys left.
    pub one_time_kem: u32,
}

/// An envelope. Its id is a function of its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// SHA-256 of the bytes, first 16.
    pub id: EnvelopeId,
    /// When it was deposited.
    pub received: Timestamp,
    /// What the relay can't read.
    pub bytes: Bytes,
}

/// A mailbox that an envelope goes to, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// The mailbox.
    pub mailbox: MailboxId,
    /// The address it came through.
    pub address: DepositAddress,
    /// Whether that is a request address.
    pub request: bool,
}

/// How full a mailbox is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Envelopes waiting.
    pub envelopes: usize,
    /// Their bytes.
    pub bytes: u64,
    /// How many of them came through the request address.
    pub requests: usize,
    /// The sequence number of the newest; 0 if none waits.
    pub newest: u64,
}

/// What an envelope that left a mailbox took up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acked {
    /// Its sequence number.
    pub sequence: u64,
    /// Its bytes.
    pub bytes: u64,
    /// Whether it came through the request address.
    pub request: bool,
}

/// How long envelopes and their ids are kept, in milliseconds from the deposit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// An envelope that nobody fetched.
    pub envelope_ms: u64,
    /// The id of one that was acked: a sender who missed our answer may repeat the deposit that long.
    pub known_ms: u64,
}

impl Retention {
    /// Envelopes for this long; ids of acked ones for a week. An outbox that was offline for longer after a lost answer is
    /// rare, and a second delivery is harmless, since the client filters too.
    pub fn new(envelopes: std::time::Duration) -> Self {
        let envelope_ms = u64::try_from(envelopes.as_millis()).unwrap_or(u64::MAX);
        Self { envelope_ms, known_ms: 7 * DAY_MS }
    }
}
