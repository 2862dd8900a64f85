//! Events on their way to the app: a window in memory onto the queue that the store keeps.
//!
//! ```text
//! engine ──offer──▶ [ window ] ──next──▶ app ──ack──▶ engine forgets
//!                       ▲
//!   store ──replay──────┘   when the app has caught up with a full window, after a restart, and for a new stream
//! ```
//!
//! The engine never waits for the app. While the window is full, events stay in the store alone, and are fetched from there once
//! the app has emptied the window. What passes (the state of a connection) has no place in the store; the oldest of it goes
//! first.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Notify, mpsc};

use super::actor::Message;
use crate::api::{Event, EventId, EventKind};

/// Events in the window, beyond which they stay in the store.
const WINDOW: usize = 1_024;
/// Passing events in the window.
const PASSING: usize = 64;

/// The window. Shared by the engine's thread and the app.
#[derive(Default)]
pub(super) struct EventQueue {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    window: VecDeque<Event>,
    /// The newest kept event that was put into the window.
    last: EventId,
    /// The store may hold events that the window has not had.
    behind: bool,
    /// A replay is under way.
    asked: bool,
    /// Which stream the window is for: a newer one takes it over.
    stream: u64,
    closed: bool,
}

/// A question to the engine for events that the window has not had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Replay {
    pub(super) stream: u64,
    pub(super) after: EventId,
}

impl EventQueue {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing below panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what the engine says.
    pub(super) fn offer(&self, event: Event) {
        let mut state = self.state();
        if state.stream == 0 {
            return;
        }
        match event.id {
            Some(id) if !state.behind && state.window.len() < WINDOW => {
                state.last = state.last.max(id);
                state.window.push_back(event);
            }
            Some(_) => state.behind = true,
            None => {
                let mut passing = state.window.iter().enumerate().filter(|(_, event)| droppable(event));
                let oldest = passing.next().map(|(position, _)| position);
                if passing.count() + 1 >= PASSING
                    && let Some(oldest) = oldest
                {
                    state.window.remove(oldest);
                }
                state.window.push_back(event);
            }
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Takes what the engine replayed.
    pub(super) fn replayed(&self, replay: Replay, events: Vec<Event>) {
        let mut state = self.state();
        if state.stream != replay.stream {
            return;
        }
        state.asked = false;
        let mut more = false;
        for event in events {
            match event.id {
                Some(id) if id <= state.last => continue,
                Some(id) => {
                    state.last = id;
                    more = true;
                }
                None => {}
            }
            state.window.push_back(event);
        }
        // An empty answer: the store has nothing that the window has not had, so new events may go straight in.
        state.behind = more;
        drop(state);
        self.changed.notify_one();
    }

    /// The engine begins anew from the store: a replay that was under way will not be answered.
    pub(super) fn restarted(&self) {
        let mut state = self.state();
        state.behind = true;
        state.asked = false;
        drop(state);
        self.changed.notify_one();
    }

    /// No more events will come.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.changed.notify_one();
    }

    fn begin(&self) -> u64 {
        let mut state = self.state();
        state.stream += 1;
        state.window.clear();
        state.last = EventId(0);
        state.behind = true;
        state.asked = false;
        let stream = state.stream;
        drop(state);
        // The stream before learns that it is over; it passes the wake-up on.
        self.changed.notify_waiters();
        stream
    }

    fn step(&self, stream: u64) -> Step {
        let mut state = self.state();
        if state.stream != stream {
            return Step::Over;
        }
        if let Some(event) = state.window.pop_front() {
            return Step::Event(Box::new(event));
        }
        match (state.closed, state.behind && !state.asked) {
            (true, _) => Step::Over,
            (false, true) => Step::Ask,
            (false, false) => Step::Wait,
        }
    }

    fn ask(&self, stream: u64) -> Option<Replay> {
        let mut state = self.state();
        let due = state.stream == stream && state.behind && !state.asked;
        state.asked |= due;
        due.then_some(Replay { stream, after: state.last })
    }
}

enum Step {
    Event(Box<Event>),
    Ask,
    Wait,
    Over,
}

/// That events were dropped is itself never dropped.
fn droppable(event: &Event) -> bool {
    event.id.is_none() && !matches!(event.kind, EventKind::Dropped { .. })
}

/// The events of a [`super::Client`], the oldest not acknowledged first.
pub struct EventStream {
    stream: u64,
    queue: Arc<EventQueue>,
    inbox: mpsc::Sender<Message>,
}

impl EventStream {
    pub(super) fn new(queue: Arc<EventQueue>, inbox: mpsc::Sender<Message>) -> Self {
        Self { stream: queue.begin(), queue, inbox }
    }

    /// The next event; none when the client was closed or a newer stream has taken over. May be cancelled without loss.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            let mut changed = std::pin::pin!(self.queue.changed.notified());
            changed.as_mut().enable();
            match self.queue.step(self.stream) {
                Step::Event(event) => return Some(*event),
                Step::Over => return None,
                Step::Wait => changed.await,
                Step::Ask => {
                    let Ok(permit) = self.inbox.reserve().await else { return None };
                    if let Some(replay) = self.queue.ask(self.stream) {
                        permit.send(Message::Replay(replay));
                    }
                }
            }
        }
    }

    /// Says that the app has dealt with all events up to and including this one: they won't come again. See
    /// [`super::Client::ack`].
    pub async fn ack(&self, up_to: EventId) {
        // A client that is closed has said so already.
        let _ = self.inbox.send(Message::Ack(up_to)).await;
    }
}

impl std::fmt::Debug for EventStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { stream: _, queue: _, inbox: _ } = self;
        f.debug_struct("EventStream").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{api::LinkState, time::Timestamp};

    fn event(id: Option<u64>) -> Event {
        Event {
            id: id.map(EventId),
            at: Timestamp::default(),
            kind: EventKind::Link { state: LinkState::Online },
        }
    }

    /// A store's queue, as far as the window sees it.
    fn answer(queue: &EventQueue, replay: Replay, stored: std::ops::RangeInclusive<u64>) {
        let events = stored.filter(|id| *id > replay.after.0).take(1_000).map(|id| event(Some(id))).collect();
        queue.replayed(replay, events);
    }

    fn drain(queue: &EventQueue, stream: u64) -> Vec<u64> {
        std::iter::from_fn(|| match queue.step(stream) {
            Step::Event(event) => Some(event.id.map_or(0, |id| id.0)),
            _ => None,
        })
        .collect()
    }

    #[test]
    fn nothing_is_lost_doubled_or_reordered_when_the_app_falls_behind() {
        let queue = EventQueue::default();
        let stream = queue.begin();
        let mut seen = Vec::new();
        let mut stored = 0;
        for round in 0..20 {
            for _ in 0..700 {
                stored += 1;
                queue.offer(event(Some(stored)));
            }
            if round % 2 == 1 {
                seen.extend(drain(&queue, stream));
                if let Some(replay) = queue.ask(stream) {
                    answer(&queue, replay, 1..=stored);
                }
            }
        }
        while {
            seen.extend(drain(&queue, stream));
            queue.ask(stream).is_some_and(|replay| {
                answer(&queue, replay, 1..=stored);
                true
            })
        } {}
        assert_eq!(seen, (1..=stored).collect::<Vec<_>>());
    }

    #[test]
    fn the_window_is_bounded() {
        let queue = EventQueue::default();
        let stream = queue.begin();
        queue.replayed(Replay { stream, after: EventId(0) }, Vec::new());
        for id in 1..10_000 {
            queue.offer(event(Some(id)));
            queue.offer(event(None));
        }
        assert!(queue.state().window.len() <= WINDOW + PASSING);
    }

    #[test]
    fn without_a_stream_nothing_is_collected() {
        let queue = EventQueue::default();
        queue.offer(event(Some(1)));
        queue.offer(event(None));
        assert!(queue.state().window.is_empty());
    }

    #[test]
    fn a_new_stream_begins_again_and_ends_the_one_before() {
        let queue = EventQueue::default();
        let first = queue.begin();
        let replay = queue.ask(first).unwrap();
        answer(&queue, replay, 1..=3);
        assert_eq!(drain(&queue, first), [1, 2, 3]);
        let second = queue.begin();
        assert!(matches!(queue.step(first), Step::Over));
        answer(&queue, replay, 1..=9);
        assert_eq!(drain(&queue, second), [] as [u64; 0], "an answer to the stream before");
        let replay = queue.ask(second).unwrap();
        answer(&queue, replay, 2..=3);
        assert_eq!(drain(&queue, second), [2, 3]);
    }
}
