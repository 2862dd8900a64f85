//! What the relay keeps, in the relay's own words, and what it needs of whoever keeps it.
//!
//! [`Storage`] is a *unit of work*: its changes collect, its reads see them, and [`Storage::commit`] makes all of them
//! durable at once. The service above takes what many connections asked for into one unit and answers when it is
//! committed, so the cost of an fsync is shared (REL-3).
//!
//! The contract, which `contract.rs` checks for every implementation:
//!
//! * **REL-1** When `commit` has returned, no crash undoes the unit; when it hasn't, none or all of it is there.
//! * Reads see every change made before them, committed or not.
//! * A unit may hold [`Storage::has_room`] bytes. Beyond that a backend may keep no promise at a power cut, so whoever fills
//!   it commits before; every commit is between two changes that belong together.
//! * After an error nothing is known about the open unit. The service stops; a start from the disk is the way back.
//! * **REL-30** Envelopes of a mailbox come out in the order in which they went in, across restarts too.
//! * **REL-31** An envelope's id is known to a mailbox from its deposit until it expires and for [`Retention::known_ms`]
//!   after the deposit at least, acked or not.
//! * **REL-32** The bytes of an envelope for many mailboxes are stored once, and are gone when the last of them acked it.
//!
//! [`embedded`] sits on the core's ordered key-value backends. A database shared by several relays is another module.

pub mod embedded;
mod model;

#[cfg(test)]
mod contract;

use wheesht_core::{
    proto::{
        address::Name,
        ids::{DepositAddress, DeviceId, EnvelopeId, MailboxId, RecordId},
    },
    time::Timestamp,
};

pub use model::{
    Account, Acked, AddressKind, Allowance, Delivery, Device, Envelope, OneTimeKind, Prekeys, Proposal,
    RelayState, Retention, SingleKind, Target, Usage,
};

/// Why the storage failed. All of them end the relay: it must not answer from memory what it can't keep.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The backend underneath failed.
    #[error(transparent)]
    Backend(#[from] wheesht_core::store::backend::BackendError),
    /// A row is not of the form in which it was written.
    #[error("the relay's {0} is damaged; restore the data directory from a backup")]
    Damaged(&'static str),
    /// Written by a newer relay.
    #[error(
        "the data directory was written by a newer relay (format {found}, known is {known}): use that version"
    )]
    Newer {
        /// The format found.
        found: u32,
        /// The newest format that this version reads.
        known: u32,
    },
}

/// Everything the relay keeps. See the module for the contract.
pub trait Storage: Send {
    /// The relay's own state; none before the first start.
    fn relay_state(&self) -> Result<Option<RelayState>, StorageError>;
    /// Replaces the relay's own state.
    fn put_relay_state(&mut self, state: &RelayState) -> Result<(), StorageError>;

    /// Whether any account exists.
    fn has_accounts(&self) -> Result<bool, StorageError>;
    /// An account by its name.
    fn account(&self, name: &Name) -> Result<Option<Account>, StorageError>;
    /// Makes or replaces an account.
    fn put_account(&mut self, name: &Name, account: &Account) -> Result<(), StorageError>;
    /// Forgets an account: itself, its manifests, its proposal, its allowance and its request address. Its devices go one by one, by
    /// [`Storage::delete_device`].
    fn delete_account(&mut self, name: &Name) -> Result<(), StorageError>;
    /// The identity key's word that the account of this name was deleted.
    fn deletion(&self, name: &Name) -> Result<Option<Vec<u8>>, StorageError>;
    /// Keeps that.
    fn put_deletion(&mut self, name: &Name, deletion: &[u8]) -> Result<(), StorageError>;
    /// Encoded manifests from a version on, that one included, oldest first.
    fn manifests(&self, name: &Name, from: u64, limit: usize) -> Result<Vec<Vec<u8>>, StorageError>;
    /// Adds a manifest.
    fn put_manifest(&mut self, name: &Name, version: u64, manifest: &[u8]) -> Result<(), StorageError>;

    /// The proposal that stands for an account.
    fn proposal(&self, name: &Name) -> Result<Option<Proposal>, StorageError>;
    /// Every proposal that takes effect by time, for the start.
    fn evictions(&self) -> Result<Vec<(Timestamp, Name)>, StorageError>;
    /// Sets the proposal of an account.
    fn put_proposal(&mut self, name: &Name, proposal: &Proposal) -> Result<(), StorageError>;
    /// Removes the proposal of an account.
    fn delete_proposal(&mut self, name: &Name) -> Result<(), StorageError>;

    /// A device of an account.
    fn device(&self, name: &Name, device: &DeviceId) -> Result<Option<Device>, StorageError>;
    /// All devices of an account.
    fn devices(&self, name: &Name) -> Result<Vec<Device>, StorageError>;
    /// Adds or replaces a device.
    fn put_device(&mut self, name: &Name, device: &Device) -> Result<(), StorageError>;
    /// Removes a device with its addresses, prekeys and statement at once, and its envelopes in the steps of
    /// [`Storage::clear_removed`].
    fn delete_device(&mut self, name: &Name, device: &Device) -> Result<(), StorageError>;
    /// Removes at most `limit` envelopes of removed devices. Returns whether more remain.
    fn clear_removed(&mut self, limit: usize) -> Result<bool, StorageError>;

    /// Where a deposit address leads.
    fn target(&self, address: &DepositAddress) -> Result<Option<Target>, StorageError>;
    /// Registers an account's request address.
    fn put_request_address(&mut self, address: &DepositAddress, name: &Name) -> Result<(), StorageError>;
    /// Registers an address of a device.
    fn put_address(
        &mut self,
        address: &DepositAddress,
        kind: AddressKind,
        name: &Name,
        device: &Device,
    ) -> Result<(), StorageError>;
    /// Removes an address of a device.
    fn delete_address(&mut self, address: &DepositAddress, mailbox: &MailboxId) -> Result<(), StorageError>;
    /// The addresses that lead to a device's mailbox; the request address is not among them.
    fn addresses(&self, mailbox: &MailboxId) -> Result<Vec<DepositAddress>, StorageError>;

    /// What prekeys a device has here.
    fn prekeys(&self, mailbox: &MailboxId) -> Result<Prekeys, StorageError>;
    /// Replaces the device's signed or last-resort prekey.
    fn put_single_prekey(
        &mut self,
        mailbox: &MailboxId,
        kind: SingleKind,
        id: u32,
        prekey: &[u8],
    ) -> Result<(), StorageError>;
    /// **REL-41** Adds a one-time prekey, unless one with this or a higher id was ever added: what was handed out never
    /// comes back.
    fn add_one_time_prekey(
        &mut self,
        mailbox: &MailboxId,
        kind: OneTimeKind,
        id: u32,
        prekey: &[u8],
    ) -> Result<(), StorageError>;
    /// The device's signed or last-resort prekey.
    fn single_prekey(&self, mailbox: &MailboxId, kind: SingleKind) -> Result<Option<Vec<u8>>, StorageError>;
    /// Takes the oldest one-time prekey out.
    fn take_one_time_prekey(
        &mut self,
        mailbox: &MailboxId,
        kind: OneTimeKind,
    ) -> Result<Option<Vec<u8>>, StorageError>;

    /// The device's statement, encoded.
    fn statement(&self, mailbox: &MailboxId) -> Result<Option<Vec<u8>>, StorageError>;
    /// Replaces the device's statement.
    fn put_statement(&mut self, mailbox: &MailboxId, statement: &[u8]) -> Result<(), StorageError>;

    /// A record, encoded.
    fn record(&self, id: &RecordId) -> Result<Option<Vec<u8>>, StorageError>;
    /// Replaces a record.
    fn put_record(&mut self, id: &RecordId, record: &[u8]) -> Result<(), StorageError>;

    /// Removes a record.
    fn delete_record(&mut self, id: &RecordId) -> Result<(), StorageError>;

    /// What an account has got of its tickets, on the last day on which it got any.
    fn allowance(&self, name: &Name) -> Result<Option<Allowance>, StorageError>;
    /// Replaces that.
    fn put_allowance(&mut self, name: &Name, allowance: &Allowance) -> Result<(), StorageError>;

    /// How full a mailbox is. May cost a walk through it; the service asks once.
    fn usage(&self, mailbox: &MailboxId) -> Result<Usage, StorageError>;
    /// REL-31: whether a mailbox has, or had, this envelope.
    fn knows(&self, mailbox: &MailboxId, envelope: &EnvelopeId) -> Result<bool, StorageError>;
    /// Puts an envelope into mailboxes which don't know it, and returns its sequence number in them, higher than any before.
    fn deposit(&mut self, envelope: &Envelope, to: &[Delivery]) -> Result<u64, StorageError>;
    /// A mailbox's envelopes behind a sequence number, oldest first: at most `limit`, and no more than the one with which
    /// they exceed `bytes`.
    fn queued(
        &self,
        mailbox: &MailboxId,
        behind: u64,
        limit: usize,
        bytes: usize,
    ) -> Result<Vec<(u64, Delivery, Envelope)>, StorageError>;
    /// Removes an envelope; none if the mailbox doesn't hold it.
    fn ack(&mut self, mailbox: &MailboxId, envelope: &EnvelopeId) -> Result<Option<Acked>, StorageError>;
    /// Removes what is over its time, looking at about `limit` envelopes. Returns what left which mailbox, and whether more
    /// may be due.
    fn expire(
        &mut self,
        now: Timestamp,
        limit: usize,
    ) -> Result<(Vec<(MailboxId, Acked)>, bool), StorageError>;

    /// Whether about so many more bytes, keys included, should go into this unit. A unit without changes has room for
    /// anything.
    fn has_room(&self, bytes: usize) -> bool;
    /// Whether the unit holds changes.
    fn has_changes(&self) -> bool;
    /// REL-1: makes the unit durable and opens the next.
    fn commit(&mut self) -> Result<(), StorageError>;
}
