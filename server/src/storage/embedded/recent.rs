//! What lies where, of the envelopes that came or were read lately. An envelope is mostly acked within a second of being
//! pushed; with this, the ack is a deletion and no search.
//!
//! An entry stands only as long as its row does: whatever removes the row removes the entry. What isn't here may be there.

use std::collections::HashMap;

use wheesht_core::proto::ids::{EnvelopeId, MailboxId};

/// The place of a queued envelope, and what its ack gives back.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) sequence: u64,
    pub(super) length: u32,
    pub(super) request: bool,
    /// Its bytes lie apart, for several mailboxes.
    pub(super) shared: bool,
}

/// Some 10 MB. When it is full all of it goes: who acks late pays for a search, as after a restart.
const MOST: usize = 100_000;

#[derive(Default)]
pub(super) struct Recent(HashMap<(MailboxId, EnvelopeId), Place>);

impl Recent {
    pub(super) fn note(&mut self, mailbox: MailboxId, envelope: EnvelopeId, place: Place) {
        if self.0.len() >= MOST {
            self.0.clear();
        }
        self.0.insert((mailbox, envelope), place);
    }

    pub(super) fn take(&mut self, mailbox: &MailboxId, envelope: &EnvelopeId) -> Option<Place> {
        self.0.remove(&(*mailbox, *envelope))
    }
}
