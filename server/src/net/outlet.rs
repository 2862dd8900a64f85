//! The queue from the writer to one connection.
//!
//! What waits in it is bounded: answers by what a connection may have under way, envelopes by what it takes. When more than
//! [`FULL`] waits, no more is read from its mailbox until little does ([`Outlet::fill`], [`Intake::has_drained`]). Ephemeral envelopes
//! don't wait like that: what a slow connection doesn't take in time is dropped.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use prost::Message;

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
    level: Arc<Level>,
}

/// The connection's end.
pub(super) struct Intake {
    receiver: UnboundedReceiver<Downstream>,
    level: Arc<Level>,
}

/// What waits. Only the writer adds, only the connection takes away.
#[derive(Default)]
struct Level {
    /// Bytes of all frames.
    bytes: AtomicUsize,
    /// Those of ephemeral envelopes.
    ephemeral: AtomicUsize,
    /// The writer was told that it is full, and not yet that it isn't any more.
    full: AtomicBool,
}

/// Bytes of frames that wait for one connection before no more is read from its mailbox, and those at which it goes on.
const FULL: usize = 512 * 1024;
const DRAINED: usize = 128 * 1024;

/// Bytes of ephemeral envelopes that wait for one connection: what it takes within a second or two on a slow line.
const MAX_EPHEMERAL_WAITING: usize = 64 * 1024;

pub(super) fn queue() -> (Outlet, Intake) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let level = Arc::<Level>::default();
    (Outlet { sender, level: Arc::clone(&level) }, Intake { receiver, level })
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
            let waiting = &self.level.ephemeral;
            if waiting.load(Ordering::Relaxed) + deliver.envelope.len() > MAX_EPHEMERAL_WAITING {
                return;
            }
            waiting.fetch_add(deliver.envelope.len(), Ordering::Relaxed);
        }
        self.level.bytes.fetch_add(frame.encoded_len(), Ordering::SeqCst);
        let _ = self.sender.send(Downstream::Frame(frame));
    }

    /// Whether it has become full: then [`Intake::has_drained`] will tell when that is over.
    pub(super) fn fill(&self) -> bool {
        let level = &self.level;
        if level.bytes.load(Ordering::SeqCst) < FULL || level.full.swap(true, Ordering::SeqCst) {
            return false;
        }
        // The connection may have taken all of it just before it could see the mark; then nobody would look at it again.
        let drained_already = level.bytes.load(Ordering::SeqCst) <= DRAINED;
        !(drained_already && level.full.swap(false, Ordering::SeqCst))
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

    /// Whether it was full, and isn't any more. Tells it once.
    pub(super) fn has_drained(&self) -> bool {
        let level = &self.level;
        level.full.load(Ordering::SeqCst)
            && level.bytes.load(Ordering::SeqCst) <= DRAINED
            && level.full.swap(false, Ordering::SeqCst)
    }

    fn is_worth_sending(&self, next: &Downstream, clock: impl Fn() -> Timestamp) -> bool {
        let Downstream::Frame(frame) = next else {
            return true;
        };
        self.level.bytes.fetch_sub(frame.encoded_len(), Ordering::SeqCst);
        ephemeral(frame).is_none_or(|deliver| {
            self.level.ephemeral.fetch_sub(deliver.envelope.len(), Ordering::Relaxed);
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
    #[test]
    fn who_takes_nothing_is_full_and_is_heard_of_again_rel_16() {
        let (outlet, mut intake) = queue();
        let now = || Timestamp::from_millis(1_000);
        let mut sent = 0;
        while !outlet.fill() {
            outlet.send(deliver(false, 0));
            sent += 1;
        }
        assert!((FULL / 4096 - 2..=FULL / 4096).contains(&sent), "{sent}");
        outlet.send(deliver(false, 0));
        assert!(!outlet.fill(), "it was said");
        assert!(!intake.has_drained());
        let mut taken = 0;
        while !intake.has_drained() {
            assert!(intake.try_next(now).is_some());
            taken += 1;
        }
        assert!(taken > sent / 2 && taken <= sent);
        assert!(!intake.has_drained(), "it was said");
    }
}
