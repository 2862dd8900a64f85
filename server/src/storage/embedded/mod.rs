//! The relay's storage on an ordered key-value backend of the core: sled on a disk, or memory.
//!
//! ```text
//! service ──▶ Embedded ──▶ Unit (changes not yet committed, over the backend) ──commit──▶ Backend
//!               │ rows.rs: what a key and a value look like
//!               │ accounts.rs, devices.rs: small rows          mailboxes.rs: queues, ids, shared bytes, expiry
//! ```
//!
//! One `Embedded` has the backend for itself and lives on one thread. Nothing is encrypted here: what reaches a relay that is
//! worth hiding is encrypted already.

mod accounts;
mod devices;
mod mailboxes;
mod recent;
mod rows;
mod unit;

use wheesht_core::{
    proto::{
        address::Name,
        ids::{DepositAddress, DeviceId, EnvelopeId, MailboxId, RecordId},
    },
    store::backend::{Backend, Direction, KeyRange},
    time::Timestamp,
};

use self::{recent::Recent, rows::Key, unit::Unit};
use super::{
    Account, Acked, AddressKind, Allowance, Delivery, Device, Envelope, OneTimeKind, Prekeys, Proposal,
    RelayState, Retention, SingleKind, Storage, StorageError, Target, Usage,
};

/// Format of the rows. A relay refuses to open a newer one.
const FORMAT: u32 = 1;

/// A storage on a backend.
pub struct Embedded<B> {
    unit: Unit<B>,
    retention: Retention,
    /// The next envelope's sequence number: the start's count in the upper bits, so that numbers rise across restarts
    /// without a write for each.
    next_sequence: u64,
    /// Envelopes deposited in this unit, for one sweep row.
    deposited: Vec<rows::Sweep>,
    /// Envelopes that lie in mailboxes and were seen lately: their acks need not look for them.
    recent: Recent,
}

/// Bits of a sequence number that count within one run: room for 10^12 deposits.
const SEQUENCE_BITS: u32 = 40;

impl<B: Backend> Embedded<B> {
    /// Opens the storage on a backend, which may be empty. Envelopes deposited from now on are kept as `retention` says.
    ///
    /// # Errors
    /// [`StorageError::Newer`], or what the backend says.
    pub fn open(backend: B, retention: Retention) -> Result<Self, StorageError> {
        let mut unit = Unit::new(backend);
        let found: Option<rows::Header> = unit.row(&Key::header(), "header")?;
        let mut header = found.unwrap_or(rows::Header { format: FORMAT, starts: 0 });
        if header.format > FORMAT {
            return Err(StorageError::Newer { found: header.format, known: FORMAT });
        }
        header.starts += 1;
        unit.put_row(Key::header(), &header);
        unit.commit()?;
        let next_sequence = header.starts << SEQUENCE_BITS;
        Ok(Self { unit, retention, next_sequence, deposited: Vec::new(), recent: Recent::default() })
    }
}

impl<B: Backend> Storage for Embedded<B> {
    fn relay_state(&self) -> Result<Option<RelayState>, StorageError> {
        let row: Option<rows::Relay> = self.unit.row(&Key::relay(), "own state")?;
        Ok(row.map(|mut row| RelayState {
            domain: std::mem::take(&mut row.domain),
            opaque: std::mem::take(&mut row.opaque).into(),
        }))
    }

    fn put_relay_state(&mut self, state: &RelayState) -> Result<(), StorageError> {
        let row = rows::Relay { domain: state.domain.clone(), opaque: state.opaque.to_vec() };
        self.unit.put_row(Key::relay(), &row);
        Ok(())
    }

    fn has_accounts(&self) -> Result<bool, StorageError> {
        Ok(!self.unit.scan(&KeyRange::prefix(&Key::accounts()), 1)?.is_empty())
    }

    fn account(&self, name: &Name) -> Result<Option<Account>, StorageError> {
        self.read_account(name)
    }

    fn put_account(&mut self, name: &Name, account: &Account) -> Result<(), StorageError> {
        self.write_account(name, account);
        Ok(())
    }

    fn delete_account(&mut self, name: &Name) -> Result<(), StorageError> {
        self.remove_account(name)
    }

    fn deletion(&self, name: &Name) -> Result<Option<Vec<u8>>, StorageError> {
        self.unit.get(&Key::deletion(name))
    }

    fn put_deletion(&mut self, name: &Name, deletion: &[u8]) -> Result<(), StorageError> {
        self.unit.put(Key::deletion(name), deletion.to_vec());
        Ok(())
    }

    fn manifests(&self, name: &Name, from: u64, limit: usize) -> Result<Vec<Vec<u8>>, StorageError> {
        let before = Key::manifest(name, from.saturating_sub(1));
        let range = KeyRange::prefix(&Key::manifests(name)).after(before, Direction::Forward);
        Ok(self.unit.scan(&range, limit)?.into_iter().map(|(_, manifest)| manifest).collect())
    }

    fn put_manifest(&mut self, name: &Name, version: u64, manifest: &[u8]) -> Result<(), StorageError> {
        self.unit.put(Key::manifest(name, version), manifest.to_vec());
        Ok(())
    }

    fn proposal(&self, name: &Name) -> Result<Option<Proposal>, StorageError> {
        self.read_proposal(name)
    }

    fn evictions(&self) -> Result<Vec<(Timestamp, Name)>, StorageError> {
        self.read_evictions()
    }

    fn put_proposal(&mut self, name: &Name, proposal: &Proposal) -> Result<(), StorageError> {
        self.write_proposal(name, proposal);
        Ok(())
    }

    fn delete_proposal(&mut self, name: &Name) -> Result<(), StorageError> {
        self.unit.delete(Key::proposal(name));
        Ok(())
    }

    fn device(&self, name: &Name, device: &DeviceId) -> Result<Option<Device>, StorageError> {
        self.read_device(name, device)
    }

    fn devices(&self, name: &Name) -> Result<Vec<Device>, StorageError> {
        self.read_devices(name)
    }

    fn put_device(&mut self, name: &Name, device: &Device) -> Result<(), StorageError> {
        self.write_device(name, device);
        Ok(())
    }

    fn delete_device(&mut self, name: &Name, device: &Device) -> Result<(), StorageError> {
        self.remove_device(name, device)
    }

    fn clear_removed(&mut self, limit: usize) -> Result<bool, StorageError> {
        self.clear_step(limit)
    }

    fn target(&self, address: &DepositAddress) -> Result<Option<Target>, StorageError> {
        self.read_target(address)
    }

    fn put_request_address(&mut self, address: &DepositAddress, name: &Name) -> Result<(), StorageError> {
        self.write_request_address(address, name);
        Ok(())
    }

    fn put_address(
        &mut self,
        address: &DepositAddress,
        kind: AddressKind,
        name: &Name,
        device: &Device,
    ) -> Result<(), StorageError> {
        self.write_address(address, kind, name, device);
        Ok(())
    }

    fn delete_address(&mut self, address: &DepositAddress, mailbox: &MailboxId) -> Result<(), StorageError> {
        self.remove_address(address, mailbox);
        Ok(())
    }

    fn addresses(&self, mailbox: &MailboxId) -> Result<Vec<DepositAddress>, StorageError> {
        self.read_addresses(mailbox)
    }

    fn prekeys(&self, mailbox: &MailboxId) -> Result<Prekeys, StorageError> {
        Ok(self.read_pool(mailbox)?.counts())
    }

    fn put_single_prekey(
        &mut self,
        mailbox: &MailboxId,
        kind: SingleKind,
        id: u32,
        prekey: &[u8],
    ) -> Result<(), StorageError> {
        self.write_single(mailbox, kind, id, prekey)
    }

    fn add_one_time_prekey(
        &mut self,
        mailbox: &MailboxId,
        kind: OneTimeKind,
        id: u32,
        prekey: &[u8],
    ) -> Result<(), StorageError> {
        self.add_one_time(mailbox, kind, id, prekey)
    }

    fn single_prekey(&self, mailbox: &MailboxId, kind: SingleKind) -> Result<Option<Vec<u8>>, StorageError> {
        self.unit.get(&Key::single_prekey(mailbox, kind))
    }

    fn take_one_time_prekey(
        &mut self,
        mailbox: &MailboxId,
        kind: OneTimeKind,
    ) -> Result<Option<Vec<u8>>, StorageError> {
        self.take_one_time(mailbox, kind)
    }

    fn statement(&self, mailbox: &MailboxId) -> Result<Option<Vec<u8>>, StorageError> {
        self.unit.get(&Key::statement(mailbox))
    }

    fn put_statement(&mut self, mailbox: &MailboxId, statement: &[u8]) -> Result<(), StorageError> {
        self.unit.put(Key::statement(mailbox), statement.to_vec());
        Ok(())
    }

    fn record(&self, id: &RecordId) -> Result<Option<Vec<u8>>, StorageError> {
        self.unit.get(&Key::record(id))
    }

    fn put_record(&mut self, id: &RecordId, record: &[u8]) -> Result<(), StorageError> {
        self.unit.put(Key::record(id), record.to_vec());
        Ok(())
    }

    fn delete_record(&mut self, id: &RecordId) -> Result<(), StorageError> {
        self.unit.delete(Key::record(id));
        Ok(())
    }

    fn allowance(&self, name: &Name) -> Result<Option<Allowance>, StorageError> {
        self.read_allowance(name)
    }

    fn put_allowance(&mut self, name: &Name, allowance: &Allowance) -> Result<(), StorageError> {
        self.write_allowance(name, allowance);
        Ok(())
    }

    fn usage(&self, mailbox: &MailboxId) -> Result<Usage, StorageError> {
        self.measure(mailbox)
    }

    fn knows(&self, mailbox: &MailboxId, envelope: &EnvelopeId) -> Result<bool, StorageError> {
        Ok(self.unit.get(&Key::known(mailbox, envelope))?.is_some())
    }

    fn deposit(&mut self, envelope: &Envelope, to: &[Delivery]) -> Result<u64, StorageError> {
        self.enqueue(envelope, to)
    }

    fn queued(
        &self,
        mailbox: &MailboxId,
        behind: u64,
        limit: usize,
        bytes: usize,
    ) -> Result<Vec<(u64, Delivery, Envelope)>, StorageError> {
        self.read_queue(mailbox, behind, limit, bytes)
    }

    fn ack(&mut self, mailbox: &MailboxId, envelope: &EnvelopeId) -> Result<Option<Acked>, StorageError> {
        self.dequeue(mailbox, envelope)
    }

    fn expire(
        &mut self,
        now: Timestamp,
        limit: usize,
    ) -> Result<(Vec<(MailboxId, Acked)>, bool), StorageError> {
        self.expire_step(now, limit)
    }

    fn has_room(&self, bytes: usize) -> bool {
        // What the sweep's row will add.
        let noted = self.deposited.len() * rows::SWEEP_LEN;
        self.unit.has_room(bytes.saturating_add(noted))
    }

    fn has_changes(&self) -> bool {
        self.unit.has_changes()
    }

    fn commit(&mut self) -> Result<(), StorageError> {
        self.write_sweep();
        self.unit.commit()
    }
}
