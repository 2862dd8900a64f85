//! What is due when. Timers are passing: each module arms its own at start, from what the store says.

use std::collections::BTreeMap;

use crate::time::Timestamp;

/// One timer each; setting it again moves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Timer {
    /// Look at prekeys: rotate, refill, delete expired ones.
    Prekeys,
    /// Look the own name up without telling who asks.
    OwnLookup,
    /// Tell the relay how far this device's commits have come.
    Statement,
    /// Write changed vault groups.
    Vault,
    /// The end of the grace of this device's own evicting proposal: try to log in.
    Grace,
    /// What follows from a device's removal or the end of the account.
    Devices,
    /// Send what waits in the outbox again.
    Outbox,
    /// Acknowledge envelopes.
    Acks,
    /// Send receipts collected.
    Receipts,
    /// Retry what people's records and manifests need.
    People,
    /// Messages disappear.
    Disappear,
    /// Tell the own devices what is being written.
    Drafts,
    /// Resets that were held back.
    Repair,
    /// Forget what is too old to matter.
    Housekeeping,
    /// Whatever a group has due.
    Groups,
    /// Say or forget who is there, and who is writing.
    Presence,
    /// Tell of messages that were gathered.
    Notify,
    /// Take what was said into the index.
    Search,
    /// Read or write profiles again.
    Profiles,
    /// Files whose transfer is tried again.
    Files,
    /// History that another own device gets, or gives.
    Handover,
    /// Blobs whose deletion is tried again.
    Blobs,
    /// Close anonymous connections that nothing uses.
    IdleLinks,
}

/// All timers that are set.
#[derive(Default)]
pub(crate) struct Timers {
    due: BTreeMap<Timer, Timestamp>,
}

impl Timers {
    /// Sets the timer, replacing an earlier setting.
    pub(crate) fn set(&mut self, timer: Timer, at: Timestamp) {
        self.due.insert(timer, at);
    }

    /// Sets the timer unless it already falls due before.
    pub(crate) fn set_by(&mut self, timer: Timer, at: Timestamp) {
        let due = self.due.entry(timer).or_insert(at);
        *due = (*due).min(at);
    }

    pub(crate) fn clear(&mut self, timer: Timer) {
        self.due.remove(&timer);
    }

    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.due.values().min().copied()
    }

    /// Takes one timer that is due.
    pub(crate) fn take_due(&mut self, now: Timestamp) -> Option<Timer> {
        let timer = self.due.iter().find(|(_, at)| **at <= now).map(|(timer, _)| *timer)?;
        self.due.remove(&timer);
        Some(timer)
    }
}
