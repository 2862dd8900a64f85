//! Last wills: what a connection leaves to be passed on when it ends.
//!
//! A client puts its encrypted "offline" here, since it may not be there to send it. The will lies in memory beside its
//! connection and nowhere else. It goes out however the connection ends: by a word, by a cut cable, by silence, by
//! being replaced. Only the relay's own end executes none (REL-37).

use std::collections::{HashMap, HashSet};

use prost::bytes::Bytes;
use wheesht_core::{
    proto::{
        ids::{DepositAddress, EnvelopeId},
        limits::{MAX_EPHEMERAL_MS, MAX_WILL, MAX_WILL_ENTRIES},
        relay::{self, ErrorCode, relay_frame::Body as Reply},
    },
    time::Timestamp,
};

use super::{
    Caller, Failure, Network, Service,
    ephemeral::{Passing, check_size},
    ok,
    refusal::Refusal,
    request::ascending,
};
use crate::storage::{Storage, StorageError};

/// What stands in for the parts of an entry that have no length of their own.
const ENTRY_BYTES: usize = 128;
/// Somebody else's connection has to end first.
const FULL_RETRY_MS: u64 = 60_000;

/// What one connection has left.
pub(super) struct Will {
    entries: Vec<Entry>,
    bytes: usize,
}

struct Entry {
    id: EnvelopeId,
    envelope: Bytes,
    addresses: Vec<DepositAddress>,
}

impl Will {
    fn read(message: relay::PutLastWill) -> Result<Self, Refusal> {
        if message.entries.len() > MAX_WILL_ENTRIES {
            return Err(Refusal::new(ErrorCode::TooLarge, "too many entries in a last will"));
        }
        let entries = message.entries.into_iter().map(Entry::read).collect::<Result<Vec<_>, _>>()?;
        let bytes = entries.iter().map(Entry::bytes).sum();
        // REL-36
        if bytes > MAX_WILL {
            return Err(Refusal::new(ErrorCode::TooLarge, "too large for a last will"));
        }
        Ok(Self { entries, bytes })
    }

    fn addresses(&self) -> usize {
        self.entries.iter().map(|entry| entry.addresses.len()).sum()
    }
}

impl Entry {
    fn read(entry: relay::LastWillEntry) -> Result<Self, Refusal> {
        check_size(&entry.envelope)?;
        let addresses = ascending(&entry.addresses)?;
        // A copy: what came is a slice of its frame, which would be kept whole as long as this is.
        let envelope = Bytes::copy_from_slice(&entry.envelope);
        Ok(Self { id: EnvelopeId::of(&envelope), envelope, addresses })
    }

    fn bytes(&self) -> usize {
        ENTRY_BYTES + self.envelope.len() + self.addresses.len() * DepositAddress::LEN
    }
}

/// How much memory they take.
#[derive(Default)]
pub(super) struct Wills {
    bytes: usize,
    networks: HashMap<Network, usize>,
}

impl Wills {
    fn release(&mut self, network: Network, will: &Will) {
        self.bytes = self.bytes.saturating_sub(will.bytes);
        if let Some(bytes) = self.networks.get_mut(&network) {
            *bytes = bytes.saturating_sub(will.bytes);
            if *bytes == 0 {
                self.networks.remove(&network);
            }
        }
    }
}

impl<S: Storage> Service<S> {
    pub(super) fn put_last_will(
        &mut self,
        caller: Caller,
        message: relay::PutLastWill,
        now: Timestamp,
    ) -> Result<Reply, Failure> {
        // REL-13
        self.require_anonymous(caller)?;
        let will = Will::read(message)?;
        // Paid for now: at its end nobody is there to be refused.
        self.gates.deposits_per_network.pass_many(caller.network, will.addresses().max(1), now)?;
        let before = self.connection(caller)?.will.take();
        if let Some(before) = &before {
            self.wills.release(caller.network, before);
        }
        if will.entries.is_empty() {
            return Ok(ok());
        }
        let limits = &self.settings.limits;
        let here = self.wills.networks.entry(caller.network).or_default();
        // REL-36
        if self.wills.bytes + will.bytes > limits.wills_bytes
            || *here + will.bytes > limits.wills_bytes_per_network
        {
            if *here == 0 {
                self.wills.networks.remove(&caller.network);
            }
            return Err(Refusal::new(ErrorCode::QuotaExceeded, "no room for last wills")
                .after(FULL_RETRY_MS)
                .into());
        }
        *here += will.bytes;
        self.wills.bytes += will.bytes;
        self.connection(caller)?.will = Some(will);
        Ok(ok())
    }

    /// REL-36: passes on what a connection has left.
    pub(super) fn execute(
        &mut self,
        network: Network,
        will: &Will,
        now: Timestamp,
    ) -> Result<(), StorageError> {
        self.wills.release(network, will);
        for Entry { id, envelope, addresses } in &will.entries {
            let passing = Passing {
                id: *id,
                envelope,
                received: now,
                expires: now.plus_millis(u64::from(MAX_EPHEMERAL_MS)),
            };
            let mut reached = HashSet::new();
            for address in addresses {
                // An address that is gone, or hears too much already, misses this too.
                let _ = self.pass_on_to(address, &passing, &mut reached)?;
            }
        }
        Ok(())
    }

    /// REL-37: the relay goes down. Those whom the wills would tell lose their own connections with it, and who left one is
    /// there again after a restart; so nobody is to be told that everybody went.
    pub(super) fn forget_wills(&mut self) {
        self.connections.values_mut().for_each(|connection| connection.will = None);
        self.wills = Wills::default();
    }
}
