//! Events on their way to several programs, each at its own pace.
//!
//! ```text
//!  core ──▶ [ 7 8 9 10 11 ] ──▶ A was sent all, has acknowledged 9
//!             ▲         └─────▶ B was sent 10,  has acknowledged 7
//!             └ the floor: what the core has been told to forget
//! ```
//!
//! The floor is the least that any subscriber has acknowledged. One that goes without a word, with events in its hand, holds the
//! floor until another subscribes, which is given everything from the floor on; one that says `unsubscribe` holds nothing. If
//! nobody has come for what it held when there is no room left, those who are there go on without it: they have had all of it.
//!
//! Passing events (the state of a connection, a file's progress) have no id and are not kept. They go beside: whoever is slow to
//! take them misses the oldest.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{
    Notify,
    broadcast::{self, error::TryRecvError},
    watch,
};
use wheesht_core::{
    api::{Event, EventId},
    client::Client,
};

/// Events kept for the slowest subscriber. Beyond that they wait in the core's store.
const KEPT: usize = 4_096;

/// Passing events that wait for a subscriber.
const PASSING: usize = 64;

/// See the module's story.
pub(super) struct Hub {
    client: Client,
    state: Mutex<State>,
    passing: broadcast::Sender<Arc<Event>>,
    /// Rises with every event.
    news: watch::Sender<u64>,
    /// Somebody subscribed, or there is room again.
    wanted: Notify,
}

#[derive(Default)]
struct State {
    events: VecDeque<Arc<Event>>,
    /// The place of the first of `events` in the order of all.
    first: u64,
    subscribers: BTreeMap<u64, Subscriber>,
    ever: u64,
    /// What was acknowledged by those who went without a word.
    held: Option<EventId>,
    floor: EventId,
}

struct Subscriber {
    /// The place of the next event to be sent.
    next: u64,
    sent: EventId,
    acked: EventId,
    /// Events up to this one are not wanted again.
    after: EventId,
}

/// An event was acknowledged that had not been sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotSent;

impl State {
    fn subscribe(&mut self, after: Option<EventId>) -> u64 {
        self.ever += 1;
        let subscriber = Subscriber {
            next: self.first,
            sent: self.floor,
            acked: self.floor,
            after: after.unwrap_or_default(),
        };
        self.subscribers.insert(self.ever, subscriber);
        // Whoever begins at the floor holds it from now on.
        self.held = None;
        self.ever
    }

    fn leave(&mut self, who: u64, in_good_order: bool) {
        if let Some(gone) = self.subscribers.remove(&who)
            && !in_good_order
            && gone.acked < gone.sent
        {
            self.held = Some(self.held.map_or(gone.acked, |held| held.min(gone.acked)));
        }
    }

    fn take(&mut self, who: u64) -> Option<Arc<Event>> {
        let subscriber = self.subscribers.get_mut(&who)?;
        loop {
            let at = subscriber.next.max(self.first).checked_sub(self.first)?;
            let event = self.events.get(usize::try_from(at).ok()?)?.clone();
            subscriber.next = self.first + at + 1;
            match event.id {
                Some(id) if id <= subscriber.after => {
                    subscriber.sent = subscriber.sent.max(id);
                    subscriber.acked = subscriber.acked.max(id);
                }
                Some(id) => {
                    subscriber.sent = subscriber.sent.max(id);
                    return Some(event);
                }
                // Such are not kept.
                None => {}
            }
        }
    }

    fn ack(&mut self, who: u64, up_to: EventId) -> Result<(), NotSent> {
        let subscriber = self.subscribers.get_mut(&who).ok_or(NotSent)?;
        if up_to > subscriber.sent {
            return Err(NotSent);
        }
        subscriber.acked = subscriber.acked.max(up_to);
        Ok(())
    }

    /// Raises the floor as far as all have come. Gives it if it rose.
    fn settle(&mut self) -> Option<EventId> {
        let least = self.subscribers.values().map(|subscriber| subscriber.acked).chain(self.held).min();
        let risen = least.filter(|least| *least > self.floor && !self.subscribers.is_empty());
        if let Some(floor) = risen {
            self.floor = floor;
        }
        while self.events.front().is_some_and(|event| event.id.is_none_or(|id| id <= self.floor)) {
            self.events.pop_front();
            self.first += 1;
        }
        risen
    }

    fn has_room(&self) -> bool {
        self.events.len() < KEPT
    }

    /// Whether there is room if nothing is held any more for those who went without a word.
    fn is_full_for_the_dead(&self) -> bool {
        let newest = self.events.back().and_then(|event| event.id);
        let all_done = self.subscribers.values().all(|subscriber| Some(subscriber.acked) >= newest);
        !self.has_room() && self.held.is_some() && !self.subscribers.is_empty() && all_done
    }
}

impl Hub {
    pub(super) fn new(client: Client) -> Self {
        let (passing, _) = broadcast::channel(PASSING);
        Self { client, state: Mutex::default(), passing, news: watch::Sender::new(0), wanted: Notify::new() }
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes events from the core while somebody listens.
    pub(super) async fn pump(self: Arc<Self>) {
        let mut events = None;
        loop {
            let room = {
                let state = self.state();
                !state.subscribers.is_empty() && state.has_room()
            };
            if !room {
                self.wanted.notified().await;
                continue;
            }
            let stream = events.get_or_insert_with(|| self.client.events());
            let Some(event) = stream.next().await else { return };
            match event.id {
                Some(_) => self.state().events.push_back(Arc::new(event)),
                // Nobody there is no failure.
                None => drop(self.passing.send(Arc::new(event))),
            }
            self.news.send_modify(|count| *count += 1);
        }
    }

    /// From now on, everything that nobody has acknowledged goes to this subscriber too.
    pub(super) fn subscribe(self: &Arc<Self>, after: Option<EventId>) -> Subscription {
        let mut news = self.news.subscribe();
        news.mark_changed();
        let passing = self.passing.subscribe();
        let who = self.state().subscribe(after);
        self.wanted.notify_one();
        Subscription { hub: self.clone(), who, passing, news, in_good_order: false }
    }

    async fn settle(&self) {
        let risen = {
            let mut state = self.state();
            if state.is_full_for_the_dead() {
                state.held = None;
            }
            state.settle()
        };
        self.wanted.notify_one();
        if let Some(floor) = risen {
            self.client.ack(floor).await;
        }
    }
}

/// One program's place among the events.
pub(super) struct Subscription {
    hub: Arc<Hub>,
    who: u64,
    passing: broadcast::Receiver<Arc<Event>>,
    news: watch::Receiver<u64>,
    in_good_order: bool,
}

impl Subscription {
    /// The next event. May be cancelled without loss.
    pub(super) async fn next(&mut self) -> Arc<Event> {
        loop {
            self.news.mark_unchanged();
            if let Some(event) = self.hub.state().take(self.who) {
                return event;
            }
            match self.passing.try_recv() {
                Ok(event) => return event,
                Err(TryRecvError::Lagged(_)) => continue,
                Err(TryRecvError::Empty | TryRecvError::Closed) => {}
            }
            if self.news.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// The program has dealt with all events up to this one.
    pub(super) async fn ack(&self, up_to: EventId) -> Result<(), NotSent> {
        self.hub.state().ack(self.who, up_to)?;
        self.hub.settle().await;
        Ok(())
    }

    /// The program wants no more, and does not mind what it has not acknowledged.
    pub(super) async fn end(mut self) {
        self.in_good_order = true;
        let hub = self.hub.clone();
        drop(self);
        hub.settle().await;
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.hub.state().leave(self.who, self.in_good_order);
    }
}

#[cfg(test)]
mod tests {
    use wheesht_core::{api::EventKind, time::Timestamp};

    use super::*;

    fn put(state: &mut State, ids: std::ops::RangeInclusive<u64>) {
        for id in ids {
            let kind = EventKind::Dropped { count: id };
            state.events.push_back(Arc::new(Event { id: Some(EventId(id)), at: Timestamp::default(), kind }));
        }
    }

    fn all(state: &mut State, who: u64) -> Vec<u64> {
        std::iter::from_fn(|| state.take(who)).map(|event| event.id.unwrap().0).collect()
    }

    #[test]
    fn the_core_forgets_only_what_all_have_dealt_with() {
        let mut state = State::default();
        let (a, b) = (state.subscribe(None), state.subscribe(None));
        put(&mut state, 1..=3);
        assert_eq!(all(&mut state, a), [1, 2, 3]);
        assert_eq!(state.take(b).unwrap().id, Some(EventId(1)));
        state.ack(a, EventId(3)).unwrap();
        assert_eq!(state.settle(), None);
        state.ack(b, EventId(1)).unwrap();
        assert_eq!(state.settle(), Some(EventId(1)));
        assert_eq!(all(&mut state, b), [2, 3]);
        state.ack(b, EventId(3)).unwrap();
        assert_eq!(state.settle(), Some(EventId(3)));
        assert!(state.events.is_empty());
    }

    #[test]
    fn nobody_acknowledges_what_was_not_sent() {
        let mut state = State::default();
        let a = state.subscribe(None);
        put(&mut state, 1..=2);
        state.take(a);
        assert_eq!(state.ack(a, EventId(2)), Err(NotSent));
    }

    #[test]
    fn who_dies_with_events_in_its_hand_leaves_them_to_the_next() {
        let mut state = State::default();
        let (a, b) = (state.subscribe(None), state.subscribe(None));
        put(&mut state, 1..=2);
        all(&mut state, a);
        all(&mut state, b);
        state.ack(a, EventId(2)).unwrap();
        state.leave(b, false);
        assert_eq!(state.settle(), None, "held for the one that died");
        let c = state.subscribe(None);
        assert_eq!(all(&mut state, c), [1, 2]);
        state.ack(c, EventId(2)).unwrap();
        assert_eq!(state.settle(), Some(EventId(2)));
    }

    #[test]
    fn who_leaves_in_good_order_holds_nothing() {
        let mut state = State::default();
        let (a, b) = (state.subscribe(None), state.subscribe(None));
        put(&mut state, 1..=2);
        all(&mut state, a);
        all(&mut state, b);
        state.ack(a, EventId(2)).unwrap();
        state.leave(b, true);
        assert_eq!(state.settle(), Some(EventId(2)));
    }

    #[test]
    fn without_a_subscriber_the_floor_stays() {
        let mut state = State::default();
        let a = state.subscribe(None);
        put(&mut state, 1..=2);
        all(&mut state, a);
        state.leave(a, false);
        assert_eq!(state.settle(), None);
        let b = state.subscribe(Some(EventId(1)));
        assert_eq!(all(&mut state, b), [2], "it said that it had dealt with the first");
    }

    #[test]
    fn what_a_dead_program_held_does_not_make_the_living_deaf() {
        let mut state = State::default();
        let (dead, alive) = (state.subscribe(None), state.subscribe(None));
        put(&mut state, 1..=KEPT as u64 - 1);
        all(&mut state, dead);
        all(&mut state, alive);
        state.leave(dead, false);
        state.ack(alive, EventId(KEPT as u64 - 1)).unwrap();
        assert!(!state.is_full_for_the_dead(), "there is room yet");
        put(&mut state, KEPT as u64..=KEPT as u64);
        assert!(
            !state.has_room() && !state.is_full_for_the_dead(),
            "the living has not dealt with all of it"
        );
        all(&mut state, alive);
        state.ack(alive, EventId(KEPT as u64)).unwrap();
        assert!(state.is_full_for_the_dead());
        state.held = None;
        assert_eq!(state.settle(), Some(EventId(KEPT as u64)));
        assert!(state.has_room());
    }
}
