//! One link: a task that keeps a connection to one relay, in one role.
//!
//! ```text
//!            ┌───────────────────────────── wait (jittered, 0.5 s … 60 s) ◀─────────────┐
//!            ▼                                    │ "try now", at most once a second    │
//!        connecting ──── Link::Up ────▶ connected ┴──── Reply Lost …, Link::Down ───────┘
//! ```
//!
//! The task ends when its channel of orders does. Whatever way a connection ends, each request under way is answered `Lost` before
//! the engine hears of it.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until, timeout},
};
use tracing::{Instrument as _, info_span};

use super::{
    actor::Message,
    clock,
    connect::{self, ConnectError},
    connection::{self, Connection},
    journal::{Journal, Level, Value},
    links::Order,
    tls::Roots,
};
use crate::engine::{LinkEvent, LinkId, RequestError};

/// The first wait after a connection that did not come about; it doubles each time.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Between two attempts, however much the engine asks.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);
/// For name, TCP, TLS and WebSocket together.
pub(super) const CONNECT_WITHIN: Duration = Duration::from_secs(20);

/// See the module's story.
pub(super) struct Link {
    id: LinkId,
    task: u64,
    era: u64,
    inbox: mpsc::Sender<Message>,
    orders: mpsc::UnboundedReceiver<Order>,
    roots: Roots,
    journal: Arc<Journal>,
    failures: u32,
    connections: u64,
}

/// The engine's thread is gone, or lets this link go.
pub(super) struct Over;

impl Link {
    pub(super) fn new(
        id: LinkId,
        task: u64,
        era: u64,
        inbox: mpsc::Sender<Message>,
        orders: mpsc::UnboundedReceiver<Order>,
        roots: Roots,
        journal: Arc<Journal>,
    ) -> Self {
        Self { id, task, era, inbox, orders, roots, journal, failures: 0, connections: 0 }
    }

    pub(super) async fn run(mut self) {
        let span = info_span!("link", task = self.task, role = ?self.id.role);
        async {
            // Only `Over` ends it.
            let Err(Over) = self.keep().await;
            self.note("connection let go", ("connection", self.connections.into()));
        }
        .instrument(span)
        .await;
    }

    fn note(&self, what: &'static str, with: (&'static str, Value)) {
        let of = [("link", self.task.into()), ("role", Value::variant(&self.id.role)), with];
        self.journal.note(Level::Notable, what, of);
    }

    async fn keep(&mut self) -> Result<std::convert::Infallible, Over> {
        let tls = connect::tls(&self.id, &self.roots);
        loop {
            let began = Instant::now();
            let (down, hint) = match &tls {
                Ok(tls) => self.attempt(tls.clone()).await?,
                Err(error) => (ConnectError::new(format!("TLS can't be set up: {error}")), None),
            };
            let failures = u64::from(self.failures).into();
            match down.untrusted {
                true => self.note("not the relay it should be", ("failures", failures)),
                false => self.note("connection down", ("failures", failures)),
            }
            let event = LinkEvent::Down { reason: down.reason, untrusted: down.untrusted };
            self.say(Message::Link { link: self.id.clone(), task: self.task, epoch: 0, event }).await?;
            self.wait(began, hint).await?;
        }
    }

    /// One connection, from its making to its end. Gives why it ended, and when the relay would like to see us again.
    async fn attempt(
        &mut self,
        tls: tokio_rustls::TlsConnector,
    ) -> Result<(ConnectError, Option<Duration>), Over> {
        let relay = self.id.relay.clone();
        let connecting = timeout(CONNECT_WITHIN, Box::pin(connect::connect(&relay, tls)));
        let socket = match self.while_losing(connecting).await? {
            Ok(Ok(socket)) => socket,
            Ok(Err(error)) => {
                self.failures += 1;
                return Ok((error, None));
            }
            Err(_) => {
                self.failures += 1;
                return Ok((ConnectError::no_answer(&relay), None));
            }
        };
        self.connections += 1;
        let epoch = self.connections;
        self.note("connection up", ("connection", epoch.into()));
        let up = Message::Link { link: self.id.clone(), task: self.task, epoch, event: LinkEvent::Up };
        self.say(up).await?;

        let connection = Connection::new(self.id.clone(), self.task, self.era, epoch, self.inbox.clone());
        let ended = connection.run(socket, &mut self.orders).await;
        for token in ended.lost {
            self.lose(token).await?;
        }
        // A relay that accepts and hangs up must not be hammered: only one that greeted counts as reached.
        self.failures = if ended.greeted { 0 } else { self.failures + 1 };
        match ended.reason {
            connection::End::LetGo => Err(Over),
            connection::End::Down(error) => Ok((error, None)),
            connection::End::Goodbye(after) => {
                Ok((ConnectError::new(format!("{} is restarting", relay.authority())), Some(after)))
            }
        }
    }

    async fn wait(&mut self, began: Instant, hint: Option<Duration>) -> Result<(), Over> {
        let doubled = FIRST_WAIT.saturating_mul(1 << self.failures.saturating_sub(1).min(16));
        let wait = clock::jittered(doubled.min(LONGEST_WAIT));
        // The hint is the least; what is added keeps a relay's clients from coming back all at once.
        let wait = hint.map_or(wait, |hint| hint.min(LONGEST_WAIT) + wait);
        let mut until = Instant::now() + wait;
        let may_hurry = hint.is_none();
        loop {
            tokio::select! {
                () = sleep_until(until) => return Ok(()),
                order = self.orders.recv() => match order.ok_or(Over)? {
                    Order::Request { token, .. } => self.lose(token).await?,
                    Order::TryNow if may_hurry => until = until.min(began + SHORTEST_WAIT),
                    Order::TryNow => {}
                },
            }
        }
    }

    /// Does something while there is no connection: requests are lost.
    async fn while_losing<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Over> {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                output = &mut work => return Ok(output),
                order = self.orders.recv() => if let Order::Request { token, .. } = order.ok_or(Over)? {
                    self.lose(token).await?;
                },
            }
        }
    }

    async fn lose(&self, token: u64) -> Result<(), Over> {
        if token == 0 {
            return Ok(());
        }
        self.say(Message::Reply { era: self.era, token, result: Err(RequestError::Lost) }).await
    }

    async fn say(&self, message: Message) -> Result<(), Over> {
        self.inbox.send(message).await.map_err(|_| Over)
    }
}
