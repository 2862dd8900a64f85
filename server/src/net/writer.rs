//! The thread that owns the service, and commits in groups.
//!
//! It takes what waits, up to a bound, lets the service decide it all, commits once, and sends what came of it. While a
//! commit waits for the disk, the next group gathers: the slower the disk, the larger the groups.

use std::{
    collections::HashMap,
    io,
    sync::{
        Arc,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use tokio::{
    runtime::Handle,
    sync::{oneshot, watch},
};
use wheesht_core::time::Timestamp;

use super::{Stop, connection::Place, outlet::Outlet, room::Room};
use crate::{
    metrics::Metrics,
    service::{Checked, ConnectionId, Network, Output, Request, Service},
    storage::{Storage, StorageError},
};

/// What reaches the service.
pub(super) enum Input {
    Connect(ConnectionId, Network, Outlet),
    Request(ConnectionId, Request, Place),
    Checked(ConnectionId, Checked),
    Disconnect(ConnectionId),
    /// What waited for a connection that was held has gone out.
    Drained(ConnectionId),
    SpendBlobTicket {
        ticket: [u8; 32],
        length: u64,
        reply: oneshot::Sender<bool>,
    },
    Goodbye {
        reconnect_after_ms: u32,
    },
    Finish,
}

/// Where inputs go. The channel is unbounded, but what a connection may have in it is not.
#[derive(Clone)]
pub(super) struct Inputs(Sender<Input>);

impl Inputs {
    /// Inputs after the writer's end are lost, like those after a crash.
    pub(super) fn send(&self, input: Input) {
        let _ = self.0.send(input);
    }
}

/// A handle on the thread.
pub(super) struct Writer {
    inputs: Inputs,
    thread: JoinHandle<Result<(), StorageError>>,
}

/// Inputs in one commit: at 1 KiB each, about a millisecond of work beside the fsync.
const GROUP: usize = 512;
const TICK: Duration = Duration::from_secs(1);

impl Writer {
    /// Starts the thread. When the service's storage fails, it stops the relay: an answer without a disk behind it would be a
    /// lie.
    pub(super) fn start<S: Storage + 'static>(
        mut service: Service<S>,
        stop: watch::Sender<Stop>,
        room: Arc<Room>,
        metrics: Arc<Metrics>,
    ) -> io::Result<Self> {
        let (sender, receiver) = mpsc::channel();
        let inputs = Inputs(sender);
        service.set_full(room.is_low());
        let work = Work {
            service,
            receiver,
            inputs: inputs.clone(),
            stop: stop.clone(),
            runtime: Handle::current(),
            connections: HashMap::new(),
            room,
            metrics,
            time: Time::start(clock()),
            now: Timestamp::default(),
            next_tick: Timestamp::default(),
        };
        let run = move || {
            let _end = EndOfRelay(stop);
            let result = work.run();
            if let Err(error) = &result {
                tracing::error!(%error, "the storage failed; the relay stops");
            }
            result
        };
        let thread = thread::Builder::new().name("relay writer".to_owned()).spawn(run)?;
        Ok(Self { inputs, thread })
    }

    pub(super) fn inputs(&self) -> Inputs {
        self.inputs.clone()
    }

    pub(super) fn say_goodbye(&self, reconnect_after_ms: u32) {
        self.inputs.send(Input::Goodbye { reconnect_after_ms });
    }

    /// Lets it finish what it has, and waits for its end.
    pub(super) fn join(self) -> Result<(), StorageError> {
        self.inputs.send(Input::Finish);
        // A panic there is a bug of ours, and no orderly end.
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// Stops the relay when the thread ends, however it does: without it, nothing is answered.
struct EndOfRelay(watch::Sender<Stop>);

impl Drop for EndOfRelay {
    fn drop(&mut self) {
        self.0.send_replace(Stop::Now);
    }
}

struct Work<S> {
    service: Service<S>,
    receiver: Receiver<Input>,
    inputs: Inputs,
    stop: watch::Sender<Stop>,
    runtime: Handle,
    connections: HashMap<ConnectionId, Outlet>,
    room: Arc<Room>,
    metrics: Arc<Metrics>,
    time: Time,
    /// The time of this group.
    now: Timestamp,
    next_tick: Timestamp,
}

impl<S: Storage> Work<S> {
    fn run(mut self) -> Result<(), StorageError> {
        loop {
            let goes_on = self.take_group();
            // A crash must look like one: what wasn't committed is not.
            if *self.stop.borrow() == Stop::Now {
                return Ok(());
            }
            let begun = Instant::now();
            let outputs = self.service.commit()?;
            self.metrics.committed(begun.elapsed());
            outputs.into_iter().for_each(|output| self.hand_out(output));
            if !goes_on {
                return Ok(());
            }
        }
    }

    /// Waits for inputs and takes what is there. Returns whether more may come.
    fn take_group(&mut self) -> bool {
        let first = self.wait();
        self.now = self.time.now(clock(), Instant::now());
        let mut taken = 0;
        let mut goes_on = true;
        let mut next = first;
        while let Some(input) = next {
            if matches!(input, Input::Finish) {
                goes_on = false;
                break;
            }
            self.take(input);
            taken += 1;
            // Asked for only if there is room for it: what has left the channel must be taken.
            next = if taken < GROUP { self.receiver.try_recv().ok() } else { None };
        }
        if self.now >= self.next_tick {
            self.service.set_full(self.room.look());
            let more = self.service.tick(self.now);
            self.next_tick = if more { self.now } else { self.now + TICK };
        }
        goes_on
    }

    fn wait(&self) -> Option<Input> {
        if self.service.has_work() {
            return self.receiver.try_recv().ok();
        }
        let patience = Duration::from_millis(self.next_tick.millis_since(self.now)).min(TICK);
        match self.receiver.recv_timeout(patience) {
            Ok(input) => Some(input),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Input::Finish),
        }
    }

    fn take(&mut self, input: Input) {
        let now = self.now;
        match input {
            Input::Connect(id, network, outlet) => {
                self.connections.insert(id, outlet);
                self.service.connect(id, network, now);
            }
            Input::Request(id, request, _place) => {
                self.metrics.requests.add(1);
                self.service.receive(id, request, now);
            }
            Input::Checked(id, checked) => self.service.checked(id, checked, now),
            Input::Disconnect(id) => {
                self.connections.remove(&id);
                self.service.disconnect(id);
            }
            Input::Drained(id) => self.service.go_on(id),
            Input::SpendBlobTicket { ticket, length, reply } => {
                // Who asked may have gone; then the ticket is spent for nothing.
                let _ = reply.send(self.service.spend_blob_ticket(&ticket, length, now));
            }
            Input::Goodbye { reconnect_after_ms } => self.service.say_goodbye(reconnect_after_ms),
            // Handled by the caller.
            Input::Finish => {}
        }
    }

    fn hand_out(&mut self, output: Output) {
        // A connection that is gone needs nothing more.
        match output {
            Output::Frame(id, frame) => {
                self.metrics.sent(&frame);
                if let Some(connection) = self.connections.get(&id) {
                    connection.send(frame);
                    if connection.fill() {
                        self.service.hold(id);
                    }
                }
            }
            Output::Close(id) => {
                if let Some(connection) = self.connections.remove(&id) {
                    connection.close();
                }
            }
            Output::Check(id, check) => {
                let inputs = self.inputs.clone();
                self.runtime.spawn_blocking(move || inputs.send(Input::Checked(id, check.run())));
            }
        }
    }
}

/// The relay's time: the system's, but it never goes back, and never stands still. When the system's clock is set back, it goes on at
/// the pace of the monotonic clock until the other has caught up; else no limit would ever be replenished, and nothing would end.
struct Time {
    last: Timestamp,
    /// When that was, and what of a millisecond has passed since.
    read: Instant,
}

impl Time {
    fn start(clock: Timestamp) -> Self {
        Self { last: clock, read: Instant::now() }
    }

    fn now(&mut self, clock: Timestamp, read: Instant) -> Timestamp {
        let passed = read.saturating_duration_since(self.read);
        let millis = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX);
        if clock >= self.last {
            (self.last, self.read) = (clock, read);
        } else if millis > 0 {
            self.last = self.last.plus_millis(millis);
            self.read += Duration::from_millis(millis);
        }
        self.last
    }
}

pub(super) fn clock() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_on_when_the_clock_is_set_back() {
        let at = Timestamp::from_millis;
        let (mut time, begun) = (Time::start(at(7_200_000)), Instant::now());
        time.read = begun;
        let after = |millis| begun + Duration::from_millis(millis);
        assert_eq!(time.now(at(7_200_500), after(500)), at(7_200_500));
        // An hour back.
        assert_eq!(time.now(at(3_600_500), after(500)), at(7_200_500));
        assert_eq!(time.now(at(3_601_500), after(1_500)), at(7_201_500));
        assert_eq!(time.now(at(3_610_500), after(10_500)), at(7_210_500));
        // And forward again.
        assert_eq!(time.now(at(7_220_000), after(10_600)), at(7_220_000));
    }
}
