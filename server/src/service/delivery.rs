//! Pushing envelopes to devices, as far as their credit goes, and taking them off the relay when acked.
//!
//! A *feed* is a device's subscription on one connection. It walks through the mailbox once, oldest first; whatever isn't
//! acked when the connection ends, the next subscription pushes again (REL-54). While it stands at the mailbox's end it is
//! *live*: a deposit goes straight from memory to the connection. When credit or window runs out it falls behind, and reads
//! from the storage when there is room again.

use wheesht_core::{
    proto::{
        ids::{EnvelopeId, MailboxId},
        limits::MAX_ACK_IDS,
        relay::{self, ErrorCode, relay_frame::Body as Reply},
    },
    time::Timestamp,
};

use super::{Caller, ConnectionId, Failure, Service, ok, refusal::Refusal};
use crate::storage::{Acked, Delivery, Envelope, Storage, StorageError};

/// How far a subscription has come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Feed {
    /// Envelopes that the client still wants.
    credit: u64,
    /// The sequence number of the last one pushed.
    pushed: u64,
    /// Bytes pushed on this connection and not acked.
    unacked: u64,
    /// Everything in the mailbox has been pushed.
    live: bool,
}

/// Read from the storage in one turn, so that one device's full mailbox doesn't hold up the others.
const TURN_ENVELOPES: usize = 128;
const TURN_BYTES: usize = 512 * 1024;

impl Feed {
    fn new(credit: u32) -> Self {
        Self { credit: u64::from(credit), pushed: 0, unacked: 0, live: false }
    }

    pub(super) fn has_credit(&self) -> bool {
        self.credit > 0
    }

    fn may_push(&self, window: u64) -> bool {
        self.has_credit() && self.unacked < window
    }

    fn count(&mut self, sequence: u64, bytes: usize) {
        self.credit -= 1;
        self.pushed = sequence;
        self.unacked += bytes as u64;
    }
}

impl<S: Storage> Service<S> {
    pub(super) fn subscribe(&mut self, caller: Caller, message: relay::Subscribe) -> Result<Reply, Failure> {
        self.device_session(caller)?;
        // REL-54
        self.connection(caller)?.feed = Some(Feed::new(message.credit));
        self.pumping.insert(caller.id);
        Ok(ok())
    }

    pub(super) fn credit(&mut self, caller: Caller, message: relay::Credit) -> Result<(), Failure> {
        let connection = self.connection(caller)?;
        if let Some(feed) = &mut connection.feed {
            feed.credit = feed.credit.saturating_add(u64::from(message.envelopes));
            self.pumping.insert(caller.id);
        }
        Ok(())
    }

    pub(super) fn ack(
        &mut self,
        caller: Caller,
        message: &relay::Ack,
        now: Timestamp,
    ) -> Result<Reply, Failure> {
        let session = self.device_session(caller)?;
        if message.envelope_ids.len() > MAX_ACK_IDS {
            return Err(Refusal::new(ErrorCode::TooLarge, "too many ids in one ack").into());
        }
        let ids: Result<Vec<EnvelopeId>, _> =
            message.envelope_ids.iter().map(|id| EnvelopeId::try_from(&**id)).collect();
        let ids = ids.map_err(|_| Refusal::malformed("an envelope's id has 16 bytes"))?;
        let mailbox = session.device.mailbox;
        for id in &ids {
            // REL-55: ids that aren't there are passed over.
            match self.storage.ack(&mailbox, id)? {
                Some(acked) => self.release(mailbox, acked),
                // REL-20: each is a search. A client repeats what it acked before a break, no more.
                None => self.gates.idle_acks.pass(mailbox, now)?,
            }
        }
        Ok(ok())
    }

    /// An envelope has left a mailbox: its room is free again, in the mailbox and in the window.
    pub(super) fn release(&mut self, mailbox: MailboxId, acked: Acked) {
        if let Some(usage) = self.mailboxes.get_mut(&mailbox) {
            usage.envelopes = usage.envelopes.saturating_sub(1);
            usage.bytes = usage.bytes.saturating_sub(acked.bytes);
            usage.requests = usage.requests.saturating_sub(usize::from(acked.request));
        }
        if let Some(id) = self.serving.get(&mailbox)
            && let Some(feed) = self.connections.get_mut(id).and_then(|connection| connection.feed.as_mut())
            && acked.sequence <= feed.pushed
        {
            feed.unacked = feed.unacked.saturating_sub(acked.bytes);
            if !feed.live {
                self.pumping.insert(*id);
            }
        }
    }

    /// An envelope has been put into a mailbox: if its device is connected and has seen all before it, it goes out as soon
    /// as it is durable.
    pub(super) fn offer(&mut self, delivery: &Delivery, sequence: u64, envelope: &Envelope) {
        if let Some(usage) = self.mailboxes.get_mut(&delivery.mailbox) {
            usage.newest = sequence;
        }
        let window = self.settings.limits.unacked_bytes;
        let Some(id) = self.serving.get(&delivery.mailbox).copied() else {
            return;
        };
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let Some(feed) = connection.feed.as_mut() else {
            return;
        };
        if feed.live && feed.may_push(window) && !connection.held {
            feed.count(sequence, envelope.bytes.len());
            self.push(id, deliver(delivery, envelope));
        } else {
            feed.live = false;
        }
    }

    /// REL-16: as much waits to go out on this connection as may. Until [`Service::go_on`] nothing more is pushed on it.
    pub fn hold(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.held = true;
        }
    }

    /// What waited for a connection has gone out.
    pub fn go_on(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.held = false;
            self.pumping.insert(id);
        }
    }

    /// Gives every connection that may be sent more one turn.
    pub(super) fn pump_all(&mut self) {
        for id in std::mem::take(&mut self.pumping) {
            if self.failed.is_some() {
                return;
            }
            match self.pump(id) {
                Ok(true) => drop(self.pumping.insert(id)),
                Ok(false) => {}
                Err(error) => self.failed = Some(error),
            }
        }
    }

    /// One turn. Returns whether another is worth it.
    fn pump(&mut self, id: ConnectionId) -> Result<bool, StorageError> {
        let window = self.settings.limits.unacked_bytes;
        let Some(connection) = self.connections.get(&id).filter(|connection| !connection.held) else {
            return Ok(false);
        };
        let (Some(session), Some(mut feed)) = (connection.device.clone(), connection.feed) else {
            return Ok(false);
        };
        let mailbox = session.device.mailbox;
        feed.live = feed.pushed >= self.usage(mailbox)?.newest;
        if !feed.live && feed.may_push(window) {
            let limit = TURN_ENVELOPES.min(usize::try_from(feed.credit).unwrap_or(usize::MAX));
            let room = TURN_BYTES.min(usize::try_from(window - feed.unacked).unwrap_or(usize::MAX));
            let queued = self.storage.queued(&mailbox, feed.pushed, limit, room)?;
            feed.live = queued.is_empty();
            for (sequence, delivery, envelope) in queued {
                feed.count(sequence, envelope.bytes.len());
                self.push(id, deliver(&delivery, &envelope));
            }
        }
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.feed = Some(feed);
        }
        Ok(!feed.live && feed.may_push(window))
    }
}

fn deliver(delivery: &Delivery, envelope: &Envelope) -> Reply {
    Reply::Deliver(relay::Deliver {
        envelope_id: envelope.id.to_vec(),
        address: delivery.address.to_vec(),
        received_ms: envelope.received.as_millis(),
        envelope: envelope.bytes.clone(),
        ephemeral: false,
        expires_ms: 0,
    })
}
