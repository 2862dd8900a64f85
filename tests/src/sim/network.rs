//! Connections: ordered, delayed, and cut.

use std::collections::BTreeMap;

use wheesht_core::{
    engine::LinkId,
    proto::relay::{ClientFrame, RelayFrame, client_frame, relay_frame::Body},
    time::Timestamp,
};

use super::node::NodeId;

/// One connection, between a device's link and the relay.
pub(super) struct Connection {
    pub(super) node: NodeId,
    pub(super) link: LinkId,
    /// Which relay.
    pub(super) relay: usize,
    /// Questions that have had no answer, kept for a relay that lies.
    pub(super) asked: BTreeMap<u64, client_frame::Body>,
    /// No frame overtakes another: the arrival of the last one in each direction.
    up: Timestamp,
    down: Timestamp,
    /// Nothing gets through any more: after a lost frame none behind it arrives.
    broken: bool,
}

/// Something that happens at a time.
pub(super) enum Happening {
    /// A device takes what waits for it.
    Process(NodeId),
    /// A device's timer falls due.
    Wake(NodeId),
    /// A device starts again.
    Restart(NodeId),
    /// A person looks at the screen.
    Look(NodeId),
    /// A link tries to connect.
    Connect(NodeId, LinkId),
    /// A frame reaches the relay.
    Up(u64, ClientFrame),
    /// A frame reaches a device.
    Down(u64, RelayFrame),
    /// A device notices that a connection is gone.
    Noticed(u64, NodeId, LinkId),
    /// The relay notices that a connection is gone.
    Gone(u64),
    /// A relay commits.
    Commit(usize),
    /// The relays' clocks strike.
    RelayTick,
}

/// What is under way, in order of time.
#[derive(Default)]
pub(super) struct Network {
    queue: BTreeMap<(Timestamp, u64), Happening>,
    order: u64,
    pub(super) connections: BTreeMap<u64, Connection>,
    last_connection: u64,
}

impl Network {
    pub(super) fn at(&mut self, time: Timestamp, happening: Happening) {
        self.order += 1;
        self.queue.insert((time, self.order), happening);
    }

    /// The next thing to happen.
    pub(super) fn next(&mut self) -> Option<(Timestamp, Happening)> {
        self.queue.pop_first().map(|((time, _), happening)| (time, happening))
    }

    /// Whether anything still gets through.
    pub(super) fn stands(&self, connection: u64) -> bool {
        self.connections.get(&connection).is_some_and(|known| !known.broken)
    }

    pub(super) fn open(&mut self, node: NodeId, link: LinkId, relay: usize, now: Timestamp) -> u64 {
        self.last_connection += 1;
        self.connections.insert(
            self.last_connection,
            Connection { node, link, relay, asked: BTreeMap::new(), up: now, down: now, broken: false },
        );
        self.last_connection
    }

    /// Sends a frame to the relay.
    pub(super) fn send_up(&mut self, connection: u64, frame: ClientFrame, arrival: Timestamp) {
        let Some(known) = self.connections.get_mut(&connection).filter(|known| !known.broken) else { return };
        known.up = known.up.max(arrival);
        let arrival = known.up;
        self.at(arrival, Happening::Up(connection, frame));
    }

    /// Sends a frame to the device.
    pub(super) fn send_down(&mut self, connection: u64, frame: RelayFrame, arrival: Timestamp) {
        let Some(known) = self.connections.get_mut(&connection).filter(|known| !known.broken) else { return };
        known.down = known.down.max(arrival);
        let arrival = known.down;
        self.at(arrival, Happening::Down(connection, frame));
    }

    /// Cuts a connection; both ends notice in their own time.
    pub(super) fn cut(&mut self, connection: u64, device: Timestamp, relay: Timestamp) {
        if let Some(known) = self.connections.get_mut(&connection) {
            known.broken = true;
            let (node, link) = (known.node, known.link.clone());
            self.at(device, Happening::Noticed(connection, node, link));
            self.at(relay, Happening::Gone(connection));
        }
    }
}

/// Whether a frame is an envelope pushed to a device: those a bad relay may repeat or reorder.
pub(super) fn is_delivery(frame: &RelayFrame) -> bool {
    matches!(frame.body, Some(Body::Deliver(_)))
}
