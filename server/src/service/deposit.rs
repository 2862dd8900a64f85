//! Deposits: envelopes put into mailboxes, by anyone who knows an address.
//!
//! Every address of every entry gets its own answer, and `Ok` goes out after the commit (REL-3). The one thing that ties
//! entries together: an address that refused once refuses for the rest of the request, so a later message never overtakes an
//! earlier one that has to be sent again.

use std::collections::{HashMap, HashSet};

use wheesht_core::{
    proto::{
        ids::{DepositAddress, MailboxId},
        limits::MAX_ENVELOPE,
        relay::{self, ErrorCode, relay_frame::Body as Reply},
    },
    time::Timestamp,
};

use super::{Caller, Deposited, Failure, Limits, Service, refusal::Refusal, request::Entry};
use crate::storage::{Delivery, Envelope, Storage, StorageError, Target, Usage};

/// A full mailbox empties when its device comes, which nobody can foretell.
const FULL_RETRY_MS: u64 = 10 * 60 * 1000;

/// Rows for a thousand mailboxes fit one unit of the storage; those for more are made in steps, each whole in itself.
const DELIVERIES_AT_ONCE: usize = 1000;
/// About what the rows of an envelope in one mailbox take, without its own bytes.
const DELIVERY_BYTES: usize = 170;

type Refused = HashMap<DepositAddress, Refusal>;

/// What an address says to an envelope.
enum Verdict {
    Deliver(Delivery),
    /// The mailbox has it, or had it.
    Known,
    Refused(Refusal),
}

impl<S: Storage> Service<S> {
    pub(super) fn deposit(
        &mut self,
        caller: Caller,
        entries: &[Entry],
        now: Timestamp,
    ) -> Result<Reply, Failure> {
        self.require_anonymous(caller)?;
        let mut refused = Refused::new();
        let mut results = Vec::with_capacity(entries.len());
        for entry in entries {
            let addresses = if entry.ephemeral_ms > 0 {
                self.pass_on(caller, entry, now)?
            } else {
                self.deposit_entry(caller, entry, &mut refused, now)?
            };
            results.push(relay::DepositResult { addresses });
        }
        Ok(Reply::DepositResults(relay::DepositResults { results }))
    }

    fn deposit_entry(
        &mut self,
        caller: Caller,
        entry: &Entry,
        refused: &mut Refused,
        now: Timestamp,
    ) -> Result<Vec<relay::AddressResult>, StorageError> {
        let whole = self.check_entry(caller, entry, now).err();
        let mut deliveries: Vec<Delivery> = Vec::new();
        let mut mailboxes = HashSet::new();
        let mut results = Vec::with_capacity(entry.addresses.len());
        for address in &entry.addresses {
            // REL-52
            let verdict = match whole.or_else(|| refused.get(address).copied()) {
                Some(refusal) => Verdict::Refused(refusal),
                None => self.judge(address, entry, &mut mailboxes, now)?,
            };
            let mut result = relay::AddressResult::default();
            match verdict {
                Verdict::Deliver(delivery) => deliveries.push(delivery),
                Verdict::Known => {}
                Verdict::Refused(refusal) => {
                    refused.insert(*address, refusal);
                    result.set_code(refusal.code);
                    result.retry_after_ms = refusal.retry_after();
                }
            }
            results.push(result);
        }
        if !deliveries.is_empty() {
            let envelope = Envelope { id: entry.id, received: now, bytes: entry.envelope.clone() };
            for some in deliveries.chunks(DELIVERIES_AT_ONCE) {
                self.make_room(envelope.bytes.len() + some.len() * DELIVERY_BYTES)?;
                let sequence = self.storage.deposit(&envelope, some)?;
                for delivery in some {
                    self.offer(delivery, sequence, &envelope);
                    self.tell(delivery, &envelope);
                }
            }
        }
        Ok(results)
    }

    fn tell(&self, delivery: &Delivery, envelope: &Envelope) {
        if let Some(witness) = &self.witness {
            let Delivery { mailbox, request, .. } = *delivery;
            // Whoever listened may have had enough.
            let _ = witness.send(Deposited { mailbox, request, bytes: envelope.bytes.clone() });
        }
    }

    fn check_entry(&mut self, caller: Caller, entry: &Entry, now: Timestamp) -> Result<(), Refusal> {
        if entry.envelope.is_empty() {
            return Err(Refusal::malformed("an empty envelope"));
        }
        if entry.envelope.len() > MAX_ENVELOPE {
            return Err(Refusal::new(ErrorCode::TooLarge, "the envelope is too large"));
        }
        self.require_room()?;
        self.gates.deposits_per_network.pass_many(caller.network, entry.addresses.len(), now)
    }

    fn judge(
        &mut self,
        address: &DepositAddress,
        entry: &Entry,
        mailboxes: &mut HashSet<MailboxId>,
        now: Timestamp,
    ) -> Result<Verdict, StorageError> {
        const UNKNOWN: Verdict = Verdict::Refused(Refusal::not_found("no such address"));
        let (mailbox, request) = match (self.storage.target(address)?, &entry.device) {
            (Some(Target::Device { mailbox, .. }), _) => (mailbox, false),
            (Some(Target::Request { name }), Some(device)) => match self.storage.device(&name, device)? {
                Some(device) => (device.mailbox, true),
                None => return Ok(UNKNOWN),
            },
            (Some(Target::Request { .. }), None) | (None, _) => return Ok(UNKNOWN),
        };
        // REL-31, and twice in one entry by two addresses.
        if mailboxes.contains(&mailbox) || self.storage.knows(&mailbox, &entry.id)? {
            return Ok(Verdict::Known);
        }
        if let Err(refusal) = self.admit(address, mailbox, request, entry.envelope.len() as u64, now)? {
            return Ok(Verdict::Refused(refusal));
        }
        mailboxes.insert(mailbox);
        Ok(Verdict::Deliver(Delivery { mailbox, address: *address, request }))
    }

    /// REL-53: the quotas of the address and the mailbox.
    fn admit(
        &mut self,
        address: &DepositAddress,
        mailbox: MailboxId,
        request: bool,
        bytes: u64,
        now: Timestamp,
    ) -> Result<Result<(), Refusal>, StorageError> {
        let gate =
            if request { &mut self.gates.requests_per_address } else { &mut self.gates.deposits_per_address };
        if let Err(refusal) = gate.pass(*address, now) {
            return Ok(Err(refusal));
        }
        let Limits { mailbox_envelopes, mailbox_bytes, request_envelopes, .. } = self.settings.limits;
        let usage = self.usage(mailbox)?;
        let full = usage.envelopes >= mailbox_envelopes
            || usage.bytes + bytes > mailbox_bytes
            || (request && usage.requests >= request_envelopes);
        if full {
            return Ok(Err(
                Refusal::new(ErrorCode::QuotaExceeded, "the mailbox is full").after(FULL_RETRY_MS)
            ));
        }
        usage.envelopes += 1;
        usage.bytes += bytes;
        usage.requests += usize::from(request);
        Ok(Ok(()))
    }

    /// How full a mailbox is: measured when it is first touched, kept up to date from then on.
    pub(super) fn usage(&mut self, mailbox: MailboxId) -> Result<&mut Usage, StorageError> {
        use std::collections::hash_map::Entry::{Occupied, Vacant};
        match self.mailboxes.entry(mailbox) {
            Occupied(known) => Ok(known.into_mut()),
            Vacant(unknown) => Ok(unknown.insert(self.storage.usage(&mailbox)?)),
        }
    }
}
