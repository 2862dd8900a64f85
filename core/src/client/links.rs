//! All links of a client, as the engine's thread holds them.
//!
//! Each link is a task of its own (`link.rs`) on the app's runtime. What the engine says goes to it through a channel that never
//! blocks; what it says goes into the engine's bounded inbox, so a relay that talks faster than the store can write is slowed
//! down by TCP, and nothing else is.
//!
//! A connection has a number of its own, its *epoch*. The engine's thread notes it with the `Up` that it hands to the engine, and
//! stamps requests with it: a request meant for the connection before never goes out on the next one, ahead of its greeting.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::{runtime::Handle, sync::mpsc, task::JoinSet};
use wheesht_proto::relay::client_frame;

use super::{actor::Message, journal::Journal, link::Link, tls::Roots};
use crate::engine::LinkId;

/// What the engine's thread tells a link.
pub(super) enum Order {
    /// Send this, on this connection and no other.
    Request { epoch: u64, token: u64, body: Box<client_frame::Body> },
    /// Try now rather than at the end of the back-off.
    TryNow,
}

struct Open {
    task: u64,
    epoch: u64,
    orders: mpsc::UnboundedSender<Order>,
}

/// The links that are to be kept open. Dropping this closes them.
pub(super) struct Links {
    runtime: Handle,
    inbox: mpsc::WeakSender<Message>,
    roots: Roots,
    journal: Arc<Journal>,
    open: BTreeMap<LinkId, Open>,
    tasks: JoinSet<()>,
    last_task: u64,
}

impl Links {
    pub(super) fn new(
        runtime: Handle,
        inbox: mpsc::WeakSender<Message>,
        roots: Roots,
        journal: Arc<Journal>,
    ) -> Self {
        Self { runtime, inbox, roots, journal, open: BTreeMap::new(), tasks: JoinSet::new(), last_task: 0 }
    }

    /// Keeps a link open; if it is already, has it try now. `era` goes into what it says.
    pub(super) fn open(&mut self, id: LinkId, era: u64) {
        while self.tasks.try_join_next().is_some() {}
        if let Some(link) = self.open.get(&id) {
            let _ = link.orders.send(Order::TryNow);
            return;
        }
        // Without an inbox the client is closing.
        let Some(inbox) = self.inbox.upgrade() else { return };
        self.last_task += 1;
        let task = self.last_task;
        let (orders, taken) = mpsc::unbounded_channel();
        let link = Link::new(id.clone(), task, era, inbox, taken, self.roots.clone(), self.journal.clone());
        self.tasks.spawn_on(link.run(), &self.runtime);
        self.open.insert(id, Open { task, epoch: 0, orders });
    }

    /// Lets a link go. What is under way on it is answered as lost.
    pub(super) fn close(&mut self, id: &LinkId) {
        self.open.remove(id);
    }

    /// Sends a request on the connection that the engine knows of. False: there is none, so it is lost.
    #[must_use]
    pub(super) fn request(&self, id: &LinkId, epoch: u64, token: u64, body: client_frame::Body) -> bool {
        let Some(link) = self.open.get(id) else { return false };
        link.orders.send(Order::Request { epoch, token, body: Box::new(body) }).is_ok()
    }

    /// The connection that the engine knows of.
    pub(super) fn epoch(&self, id: &LinkId) -> u64 {
        self.open.get(id).map_or(0, |link| link.epoch)
    }

    /// Whether this task still is the link's; one that was closed may have said something before it heard.
    pub(super) fn is_current(&self, id: &LinkId, task: u64) -> bool {
        self.open.get(id).is_some_and(|link| link.task == task)
    }

    /// The engine is about to hear that a connection stands.
    pub(super) fn is_up(&mut self, id: &LinkId, epoch: u64) {
        if let Some(link) = self.open.get_mut(id) {
            link.epoch = epoch;
        }
    }

    /// Lets all links go.
    pub(super) fn close_all(&mut self) {
        self.open.clear();
    }

    /// Lets all links go and waits until they have said goodbye, but not for long.
    pub(super) async fn shut_down(mut self, longest: Duration) {
        self.open.clear();
        let goodbyes = async { while self.tasks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(longest, goodbyes).await;
    }
}
