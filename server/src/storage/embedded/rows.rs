//! What keys and values look like on the backend. A key is a table's byte and the row's key in it; numbers are big-endian,
//! so that the order of keys is theirs.

use std::ops::Bound;

use prost::{Message, bytes::Bytes};
use wheesht_core::{
    proto::{
        address::Name,
        ids::{DepositAddress, DeviceId, EnvelopeId, MailboxId, RecordId},
    },
    store::backend::KeyRange,
    time::Timestamp,
};

use super::{Delivery, Envelope, OneTimeKind, SingleKind, StorageError};

/// Builds keys.
pub(super) struct Key;

#[repr(u8)]
enum Table {
    Header = 0,
    Relay = 1,
    Account = 2,
    Manifest = 3,
    Proposal = 4,
    Device = 5,
    /// Address → where it leads.
    Address = 6,
    /// Mailbox and address: the way back.
    DeviceAddress = 7,
    Prekey = 8,
    /// Mailbox → counts and highest ids of its prekeys.
    PrekeyPool = 9,
    Statement = 10,
    Record = 11,
    /// Mailbox and sequence number → an envelope, or a mention of one in `Body`.
    Queue = 12,
    /// Mailbox and envelope id → sequence number; outlives the queue's row.
    Known = 13,
    /// Bytes of an envelope that lies in several mailboxes, and in how many.
    Body = 14,
    BodyCount = 15,
    /// Due time and sequence number → envelopes to look at then.
    Sweep = 16,
    /// Mailboxes of removed devices that still hold something.
    Removed = 17,
    /// Name → the tickets it got on a day.
    Allowance = 18,
    /// Name of an account that was deleted → the identity key's word.
    Deletion = 19,
}

fn key(table: Table, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + parts.iter().map(|part| part.len()).sum::<usize>());
    key.push(table as u8);
    parts.iter().for_each(|part| key.extend_from_slice(part));
    key
}

/// A name's characters never include this one, so no name's rows lie among another's.
const AFTER_NAME: &[u8] = &[0];

impl Key {
    pub(super) fn header() -> Vec<u8> {
        key(Table::Header, &[])
    }
    pub(super) fn relay() -> Vec<u8> {
        key(Table::Relay, &[])
    }
    pub(super) fn accounts() -> Vec<u8> {
        key(Table::Account, &[])
    }
    pub(super) fn account(name: &Name) -> Vec<u8> {
        key(Table::Account, &[name.as_str().as_bytes()])
    }
    pub(super) fn allowance(name: &Name) -> Vec<u8> {
        key(Table::Allowance, &[name.as_str().as_bytes()])
    }
    pub(super) fn deletion(name: &Name) -> Vec<u8> {
        key(Table::Deletion, &[name.as_str().as_bytes()])
    }
    pub(super) fn manifests(name: &Name) -> Vec<u8> {
        key(Table::Manifest, &[name.as_str().as_bytes(), AFTER_NAME])
    }
    pub(super) fn manifest(name: &Name, version: u64) -> Vec<u8> {
        key(Table::Manifest, &[name.as_str().as_bytes(), AFTER_NAME, &version.to_be_bytes()])
    }
    pub(super) fn proposals() -> Vec<u8> {
        key(Table::Proposal, &[])
    }
    pub(super) fn proposal(name: &Name) -> Vec<u8> {
        key(Table::Proposal, &[name.as_str().as_bytes()])
    }
    pub(super) fn devices(name: &Name) -> Vec<u8> {
        key(Table::Device, &[name.as_str().as_bytes(), AFTER_NAME])
    }
    pub(super) fn device(name: &Name, device: &DeviceId) -> Vec<u8> {
        key(Table::Device, &[name.as_str().as_bytes(), AFTER_NAME, device.as_ref()])
    }
    pub(super) fn address(address: &DepositAddress) -> Vec<u8> {
        key(Table::Address, &[address.as_ref()])
    }
    pub(super) fn device_addresses(mailbox: &MailboxId) -> Vec<u8> {
        key(Table::DeviceAddress, &[mailbox.as_ref()])
    }
    pub(super) fn device_address(mailbox: &MailboxId, address: &DepositAddress) -> Vec<u8> {
        key(Table::DeviceAddress, &[mailbox.as_ref(), address.as_ref()])
    }
    pub(super) fn prekeys(mailbox: &MailboxId) -> Vec<u8> {
        key(Table::Prekey, &[mailbox.as_ref()])
    }
    pub(super) fn single_prekey(mailbox: &MailboxId, kind: SingleKind) -> Vec<u8> {
        let kind = match kind {
            SingleKind::Signed => 1,
            SingleKind::LastResortKem => 2,
        };
        key(Table::Prekey, &[mailbox.as_ref(), &[kind]])
    }
    pub(super) fn one_time_prekeys(mailbox: &MailboxId, kind: OneTimeKind) -> Vec<u8> {
        let kind = match kind {
            OneTimeKind::Curve => 3,
            OneTimeKind::Kem => 4,
        };
        key(Table::Prekey, &[mailbox.as_ref(), &[kind]])
    }
    pub(super) fn one_time_prekey(mailbox: &MailboxId, kind: OneTimeKind, id: u32) -> Vec<u8> {
        let mut key = Self::one_time_prekeys(mailbox, kind);
        key.extend_from_slice(&id.to_be_bytes());
        key
    }
    pub(super) fn prekey_pool(mailbox: &MailboxId) -> Vec<u8> {
        key(Table::PrekeyPool, &[mailbox.as_ref()])
    }
    pub(super) fn statement(mailbox: &MailboxId) -> Vec<u8> {
        key(Table::Statement, &[mailbox.as_ref()])
    }
    pub(super) fn record(id: &RecordId) -> Vec<u8> {
        key(Table::Record, &[id.as_ref()])
    }
    pub(super) fn queue(mailbox: &MailboxId) -> Vec<u8> {
        key(Table::Queue, &[mailbox.as_ref()])
    }
    pub(super) fn queued(mailbox: &MailboxId, sequence: u64) -> Vec<u8> {
        key(Table::Queue, &[mailbox.as_ref(), &sequence.to_be_bytes()])
    }
    pub(super) fn known_by(mailbox: &MailboxId) -> Vec<u8> {
        key(Table::Known, &[mailbox.as_ref()])
    }
    pub(super) fn known(mailbox: &MailboxId, envelope: &EnvelopeId) -> Vec<u8> {
        key(Table::Known, &[mailbox.as_ref(), envelope.as_ref()])
    }
    pub(super) fn body(envelope: &EnvelopeId) -> Vec<u8> {
        key(Table::Body, &[envelope.as_ref()])
    }
    pub(super) fn body_count(envelope: &EnvelopeId) -> Vec<u8> {
        key(Table::BodyCount, &[envelope.as_ref()])
    }
    /// The sweep rows due at `now` or before.
    pub(super) fn sweeps_until(now: Timestamp) -> KeyRange {
        let end = key(Table::Sweep, &[&now.as_millis().saturating_add(1).to_be_bytes()]);
        KeyRange::new(Bound::Included(key(Table::Sweep, &[])), Bound::Excluded(end))
    }
    pub(super) fn sweep(due: Timestamp, sequence: u64) -> Vec<u8> {
        key(Table::Sweep, &[&due.as_millis().to_be_bytes(), &sequence.to_be_bytes()])
    }
    pub(super) fn all_removed() -> Vec<u8> {
        key(Table::Removed, &[])
    }
    pub(super) fn removed(mailbox: &MailboxId) -> Vec<u8> {
        key(Table::Removed, &[mailbox.as_ref()])
    }
}

/// Written at every start.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Header {
    #[prost(uint32, tag = "1")]
    pub(super) format: u32,
    #[prost(uint64, tag = "2")]
    pub(super) starts: u64,
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub(super) struct Relay {
    #[prost(string, tag = "1")]
    pub(super) domain: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) opaque: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub(super) struct Account {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) password_file: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) root_vault: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    pub(super) request_address: Vec<u8>,
    #[prost(uint64, tag = "4")]
    pub(super) manifest_version: u64,
    #[prost(uint32, tag = "5")]
    pub(super) records: u32,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Allowance {
    #[prost(uint64, tag = "1")]
    pub(super) day: u64,
    #[prost(uint32, tag = "2")]
    pub(super) record_tickets: u32,
    #[prost(uint32, tag = "3")]
    pub(super) blob_tickets: u32,
    #[prost(uint64, tag = "4")]
    pub(super) blob_bytes: u64,
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub(super) struct Proposal {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) manifest: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    pub(super) root_vault: Vec<u8>,
    #[prost(uint64, optional, tag = "4")]
    pub(super) effective_at_ms: Option<u64>,
    #[prost(bytes = "vec", tag = "5")]
    pub(super) proof: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub(super) struct Device {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) signing_key: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    pub(super) mailbox: Vec<u8>,
}

/// Where an address leads: without a mailbox, it is the account's request address.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub(super) struct Address {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(bytes = "vec", optional, tag = "2")]
    pub(super) mailbox: Option<Vec<u8>>,
    #[prost(bool, tag = "3")]
    pub(super) group: bool,
}

/// What a device has here, and the highest ids that it ever added.
#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Pool {
    #[prost(uint32, tag = "1")]
    pub(super) signed: u32,
    #[prost(uint32, tag = "2")]
    pub(super) last_resort_kem: u32,
    #[prost(uint32, tag = "3")]
    pub(super) one_time: u32,
    #[prost(uint32, tag = "4")]
    pub(super) one_time_kem: u32,
    #[prost(uint32, tag = "5")]
    pub(super) highest_one_time: u32,
    #[prost(uint32, tag = "6")]
    pub(super) highest_one_time_kem: u32,
}

/// An entry of a mailbox's queue: a header of fixed length and, unless it is shared, the envelope.
pub(super) struct Queued {
    pub(super) id: EnvelopeId,
    pub(super) address: DepositAddress,
    pub(super) received: Timestamp,
    pub(super) request: bool,
    pub(super) length: u32,
    /// None: the bytes lie in `Body`.
    pub(super) bytes: Option<Bytes>,
}

const SHARED: u8 = 1;
const REQUEST: u8 = 2;
const QUEUED_HEADER: usize = 16 + 16 + 8 + 4 + 1;

impl Queued {
    pub(super) fn encode(envelope: &Envelope, delivery: &Delivery, shared: bool) -> Vec<u8> {
        let inline: &[u8] = if shared { &[] } else { &envelope.bytes };
        let flags = if shared { SHARED } else { 0 } | if delivery.request { REQUEST } else { 0 };
        let mut row = Vec::with_capacity(QUEUED_HEADER + inline.len());
        row.extend_from_slice(envelope.id.as_ref());
        row.extend_from_slice(delivery.address.as_ref());
        row.extend_from_slice(&envelope.received.as_millis().to_be_bytes());
        row.extend_from_slice(&u32::try_from(envelope.bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
        row.push(flags);
        row.extend_from_slice(inline);
        row
    }

    pub(super) fn decode(row: Vec<u8>) -> Result<Self, StorageError> {
        Self::read(row).ok_or(StorageError::Damaged("mailbox"))
    }

    fn read(row: Vec<u8>) -> Option<Self> {
        let (id, rest) = row.split_first_chunk::<16>()?;
        let (address, rest) = rest.split_first_chunk::<16>()?;
        let (received, rest) = rest.split_first_chunk::<8>()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let (flags, _) = rest.split_first()?;
        let queued = Self {
            id: EnvelopeId::new(*id),
            address: DepositAddress::new(*address),
            received: Timestamp::from_millis(u64::from_be_bytes(*received)),
            request: flags & REQUEST != 0,
            length: u32::from_be_bytes(*length),
            bytes: (flags & SHARED == 0).then(Bytes::new),
        };
        let bytes = queued.bytes.is_some().then(|| Bytes::from(row).slice(QUEUED_HEADER..));
        Some(Self { bytes, ..queued })
    }
}

/// An envelope to look at when its time has come.
#[derive(Clone, Copy)]
pub(super) struct Sweep {
    pub(super) mailbox: MailboxId,
    pub(super) envelope: EnvelopeId,
    pub(super) sequence: u64,
    pub(super) received: Timestamp,
}

pub(super) const SWEEP_LEN: usize = 16 + 16 + 8 + 8;

impl Sweep {
    pub(super) fn encode_all(entries: &[Self]) -> Vec<u8> {
        let mut row = Vec::with_capacity(entries.len() * SWEEP_LEN);
        for entry in entries {
            row.extend_from_slice(entry.mailbox.as_ref());
            row.extend_from_slice(entry.envelope.as_ref());
            row.extend_from_slice(&entry.sequence.to_be_bytes());
            row.extend_from_slice(&entry.received.as_millis().to_be_bytes());
        }
        row
    }

    pub(super) fn decode_all(row: &[u8]) -> Result<Vec<Self>, StorageError> {
        let entries = row.chunks(SWEEP_LEN).map(Self::read);
        entries.collect::<Option<_>>().ok_or(StorageError::Damaged("expiry list"))
    }

    fn read(entry: &[u8]) -> Option<Self> {
        let (mailbox, rest) = entry.split_first_chunk::<16>()?;
        let (envelope, rest) = rest.split_first_chunk::<16>()?;
        let (sequence, rest) = rest.split_first_chunk::<8>()?;
        Some(Self {
            mailbox: MailboxId::new(*mailbox),
            envelope: EnvelopeId::new(*envelope),
            sequence: u64::from_be_bytes(*sequence),
            received: Timestamp::from_millis(u64::from_be_bytes(rest.try_into().ok()?)),
        })
    }
}

/// A number in a row of its own.
pub(super) fn decode_number(row: &[u8], what: &'static str) -> Result<u64, StorageError> {
    row.try_into().map(u64::from_be_bytes).map_err(|_| StorageError::Damaged(what))
}
