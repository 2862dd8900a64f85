//! The queue from the writer to one connection.
//!
//! What waits in it is bounded by what a connection may have under way and by its window of unacked envelopes. Ephemeral
//! envelopes count in neither, so they have a bound of their own here: what a slow connection doesn't take in time is dropped.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use wheesht_core::{
    proto::relay::{Deliver, RelayFrame, relay_frame::Body as Reply},
    time::Timestamp,
};

/// What reaches a connection.
pub(super) enum Downstream {
    Frame(RelayFrame),
    Close,
}

/// The writer's end.
pub(super) struct Outlet {
    sender: UnboundedSender<Downstream>,
    waiting: Arc<AtomicUsize>,
}

/// The connection's end.
pub(super) struct Intake {
    receiver: UnboundedReceiver<Downstream>,
    waiting: Arc<AtomicUsize>,
}

/// Bytes of ephemeral envelopes that wait for one connection: what it takes within a second or two on a slow line.
const MAX_EPHEMERAL_WAITING: usize = 64 * 1024;

pub(super) fn queue() -> (Outlet, Intake) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let waiting = Arc::<AtomicUsize>::default();
    (Outlet { sender, waiting: Arc::clone(&waiting) }, Intake { receiver, waiting })
}

fn ephemeral(frame: &RelayFrame) -> Option<&Deliver> {
    match &frame.body {
        Some(Reply::Deliver(deliver)) if deliver.ephemeral => Some(deliver),
        _ => None,
    }
}

impl Outlet {
    /// A connection that is gone needs nothing more.
    pub(super) fn send(&self, frame: RelayFrame) {
        if let Some(deliver) = ephemeral(&frame) {
            // REL-35. Only the writer adds, so nothing comes between the look and the sum.
            if self.waiting.load(Ordering::Relaxed) + deliver.envelope.len() > MAX_EPHEMERAL_WAITING {
                return;
            }
            self.waiting.fetch_add(deliver.envelope.len(), Ordering::Relaxed);
        }
        let _ = self.sender.send(Downstream::Frame(frame));
    }

    pub(super) fn close(&self) {
        let _ = self.sender.send(Downstream::Close);
    }
}

impl Intake {
    /// The next one that is still worth sending; none at the end.
    pub(super) async fn next(&mut self, clock: impl Fn() -> Timestamp) -> Option<Downstream> {
        loop {
            let next = self.receiver.recv().await?;
            if self.is_worth_sending(&next, &clock) {
                return Some(next);
            }
        }
    }

    /// The next one, if it is there.
    pub(super) fn try_next(&mut self, clock: impl Fn() -> Timestamp) -> Option<Downstream> {
        loop {
            let next = self.receiver.try_recv().ok()?;
            if self.is_worth_sending(&next, &clock) {
                return Some(next);
            }
        }
    }

    fn is_worth_sending(&self, next: &Downstream, clock: impl Fn() -> Timestamp) -> bool {
        let Downstream::Frame(frame) = next else {
            return true;
        };
        ephemeral(frame).is_none_or(|deliver| {
            self.waiting.fetch_sub(deliver.envelope.len(), Ordering::Relaxed);
            // REL-35
            Timestamp::from_millis(deliver.expires_ms) > clock()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deliver(ephemeral: bool, expires_ms: u64) -> RelayFrame {
        let deliver = Deliver { envelope: vec![0; 4096].into(), ephemeral, expires_ms, ..Deliver::default() };
        RelayFrame { id: 0, body: Some(Reply::Deliver(deliver)) }
    }

    #[test]
    fn what_is_ephemeral_waits_within_bounds_and_not_for_ever_rel_35() {
        let (outlet, mut intake) = queue();
        let now = || Timestamp::from_millis(1_000);
        for _ in 0..100 {
            outlet.send(deliver(true, 2_000));
            outlet.send(deliver(false, 0));
        }
        let count = |intake: &mut Intake| std::iter::from_fn(|| intake.try_next(now)).count();
        assert_eq!(count(&mut intake), 100 + MAX_EPHEMERAL_WAITING / 4096);
        outlet.send(deliver(true, 1_000));
        assert_eq!(count(&mut intake), 0, "too late");
        outlet.send(deliver(true, 1_001));
        assert_eq!(count(&mut intake), 1);
    }
}
