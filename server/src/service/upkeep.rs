//! What happens by itself: evictions whose grace is over, envelopes whose time is, connections that say nothing.

use wheesht_core::{
    proto::relay::{self, ErrorCode, relay_frame::Body as Reply},
    time::Timestamp,
};

use super::{ConnectionId, Failure, Output, Service, USUAL_BYTES, refusal::Refusal};
use crate::storage::{Storage, StorageError};

/// Envelopes looked at in one tick by each of the sweeps: a few milliseconds of work.
const SWEEP_STEP: usize = 500;

impl<S: Storage> Service<S> {
    /// Does what is due at `now`. To be called about once a second, and again at once as long as it returns that more is due.
    pub fn tick(&mut self, now: Timestamp) -> bool {
        self.now = self.now.max(now);
        self.tickets.expire(now);
        self.end_silent(now);
        if let Err(error) = self.evict_due(now) {
            self.fail(error);
        }
        self.sweep(now).unwrap_or_else(|error| {
            self.failed = Some(error);
            false
        })
    }

    /// Says goodbye to every connection: the relay is going down. The network side lets them finish.
    pub fn say_goodbye(&mut self, reconnect_after_ms: u32) {
        self.forget_wills();
        let ids: Vec<ConnectionId> = self.connections.keys().copied().collect();
        let count = ids.len().max(1) as u64;
        for (position, id) in ids.into_iter().enumerate() {
            // REL-5: spread over as much time again, so that they don't all come back at once.
            let spread = u64::from(reconnect_after_ms) * position as u64 / count;
            let reconnect_after_ms = reconnect_after_ms.saturating_add(u32::try_from(spread).unwrap_or(0));
            self.push(id, Reply::Goodbye(relay::Goodbye { reconnect_after_ms }));
            self.outputs.push(Output::Close(id));
            self.disconnect(id);
        }
    }

    fn fail(&mut self, failure: Failure) {
        match failure {
            Failure::Storage(error) => self.failed = Some(error),
            // Nobody asked, so there is nobody to refuse.
            Failure::Refused(refusal) => tracing::error!(refusal.detail, "upkeep was refused"),
        }
    }

    fn sweep(&mut self, now: Timestamp) -> Result<bool, StorageError> {
        self.make_room(USUAL_BYTES)?;
        // REL-33
        let (expired, more_expired) = self.storage.expire(now, SWEEP_STEP)?;
        expired.into_iter().for_each(|(mailbox, acked)| self.release(mailbox, acked));
        self.make_room(USUAL_BYTES)?;
        let more_removed = self.storage.clear_removed(SWEEP_STEP)?;
        Ok(more_expired || more_removed)
    }

    fn end_silent(&mut self, now: Timestamp) {
        let limits = &self.settings.limits;
        let silent: Vec<ConnectionId> = self
            .connections
            .iter()
            .filter(|(_, connection)| {
                // REL-14
                let patience =
                    if connection.greeted { limits.idle_timeout_ms } else { limits.hello_timeout_ms };
                now.millis_since(connection.last_seen) > patience
            })
            .map(|(id, _)| *id)
            .collect();
        for id in silent {
            self.end(id, Refusal::new(ErrorCode::Unavailable, "silent for too long").after(1));
        }
    }
}
