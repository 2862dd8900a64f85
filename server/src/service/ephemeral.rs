//! Ephemeral envelopes: presence, typing. They go straight from one connection to others, or nowhere.
//!
//! They take no room in a mailbox, no sequence number, and none of the credit, so a flood of them holds up no message. The
//! answer to the sender is the same whether the device is connected or not: else anyone who has an address could ask the
//! relay when its owner is awake.

use std::collections::HashSet;

use prost::bytes::Bytes;
use wheesht_core::{
    proto::{
        ids::{DepositAddress, EnvelopeId, MailboxId},
        limits::{MAX_EPHEMERAL, MAX_EPHEMERAL_MS},
        relay::{self, ErrorCode, relay_frame::Body as Reply},
    },
    time::Timestamp,
};

use super::{Caller, Service, refusal::Refusal, request::Entry};
use crate::storage::{Storage, StorageError, Target};

/// An envelope on its way.
pub(super) struct Passing<'a> {
    pub(super) id: EnvelopeId,
    pub(super) envelope: &'a Bytes,
    pub(super) received: Timestamp,
    /// When it is worth nothing any more.
    pub(super) expires: Timestamp,
}

impl<S: Storage> Service<S> {
    /// An ephemeral entry of a deposit: a result for each address.
    pub(super) fn pass_on(
        &mut self,
        caller: Caller,
        entry: &Entry,
        now: Timestamp,
    ) -> Result<Vec<relay::AddressResult>, StorageError> {
        let whole = self.check_ephemeral(caller, entry, now).err();
        let passing = Passing {
            id: entry.id,
            envelope: &entry.envelope,
            received: now,
            expires: now.plus_millis(u64::from(entry.ephemeral_ms)),
        };
        let mut reached = HashSet::new();
        let mut results = Vec::with_capacity(entry.addresses.len());
        for address in &entry.addresses {
            let refusal = match whole {
                Some(refusal) => Some(refusal),
                None => self.pass_on_to(address, &passing, &mut reached)?.err(),
            };
            let mut result = relay::AddressResult::default();
            if let Some(refusal) = refusal {
                result.set_code(refusal.code);
                result.retry_after_ms = refusal.retry_after();
            }
            results.push(result);
        }
        Ok(results)
    }

    fn check_ephemeral(&mut self, caller: Caller, entry: &Entry, now: Timestamp) -> Result<(), Refusal> {
        // REL-34
        check_size(&entry.envelope)?;
        if entry.ephemeral_ms > MAX_EPHEMERAL_MS {
            return Err(Refusal::malformed("an ephemeral envelope is worth ten minutes at most"));
        }
        self.gates.deposits_per_network.pass_many(caller.network, entry.addresses.len(), now)
    }

    /// Gives it to the device behind an address, if that is there to take it.
    pub(super) fn pass_on_to(
        &mut self,
        address: &DepositAddress,
        passing: &Passing<'_>,
        reached: &mut HashSet<MailboxId>,
    ) -> Result<Result<(), Refusal>, StorageError> {
        // REL-34: strangers have nothing to say that is worth so little.
        let Some(Target::Device { mailbox, .. }) = self.storage.target(address)? else {
            return Ok(Err(Refusal::not_found("no such address")));
        };
        if let Err(refusal) = self.gates.ephemerals_per_address.pass(*address, passing.received) {
            return Ok(Err(refusal));
        }
        if reached.insert(mailbox) {
            self.give(mailbox, address, passing);
        }
        Ok(Ok(()))
    }

    fn give(&mut self, mailbox: MailboxId, address: &DepositAddress, passing: &Passing<'_>) {
        let Some(id) = self.serving.get(&mailbox).copied() else {
            return;
        };
        let listens =
            self.connections.get(&id).and_then(|one| one.feed).is_some_and(|feed| feed.has_credit());
        if !listens {
            return;
        }
        self.push(
            id,
            Reply::Deliver(relay::Deliver {
                envelope_id: passing.id.to_vec(),
                address: address.to_vec(),
                received_ms: passing.received.as_millis(),
                envelope: passing.envelope.clone(),
                ephemeral: true,
                expires_ms: passing.expires.as_millis(),
            }),
        );
    }
}

/// REL-34
pub(super) fn check_size(envelope: &Bytes) -> Result<(), Refusal> {
    if envelope.is_empty() {
        return Err(Refusal::malformed("an empty envelope"));
    }
    if envelope.len() > MAX_EPHEMERAL {
        return Err(Refusal::new(ErrorCode::TooLarge, "too large for an ephemeral envelope"));
    }
    Ok(())
}
