//! The relays' turns.

use wheesht_core::proto::relay::{ClientFrame, RelayFrame};
use wheesht_relay::service::Output;

use super::{
    super::{
        faults::{below, happens},
        network::{Happening, is_delivery},
    },
    World,
};
use crate::hostile::Asked;

impl World {
    /// A frame reaches its relay.
    pub(super) fn reach(&mut self, connection: u64, frame: ClientFrame) {
        let Some(known) = self.network.connections.get_mut(&connection) else { return };
        let (relay, node) = (known.relay, known.node);
        let frame = match (&mut self.hostile, frame.body) {
            (Some(hostile), Some(body)) => match hostile.asked(node, body) {
                Asked::Serve(body) => {
                    known.asked.insert(frame.id, body.clone());
                    ClientFrame { id: frame.id, body: Some(body) }
                }
                Asked::Answer(body) => {
                    return self.send_down(connection, RelayFrame { id: frame.id, body: Some(body) });
                }
                Asked::Silence => return,
            },
            (_, body) => ClientFrame { id: frame.id, body },
        };
        self.relays[relay].receive(connection, frame, self.now);
        self.commit_soon(relay);
    }

    /// A relay notices that a connection is gone.
    pub(super) fn gone(&mut self, connection: u64) {
        if let Some(known) = self.network.connections.remove(&connection) {
            self.relays[known.relay].disconnect(connection);
            self.commit_soon(known.relay);
        }
    }

    /// The relays' clocks strike.
    pub(super) fn tick_relays(&mut self) {
        for relay in 0..self.relays.len() {
            self.relays[relay].tick(self.now);
            self.commit_soon(relay);
        }
        self.network.at(self.now.plus_millis(1_000), Happening::RelayTick);
    }

    fn commit_soon(&mut self, relay: usize) {
        if self.commits.insert(relay) {
            self.network.at(self.now.plus_millis(below(&mut self.rng, 5)), Happening::Commit(relay));
        }
    }

    pub(super) fn commit(&mut self, relay: usize) {
        self.commits.remove(&relay);
        if happens(&mut self.rng, self.faults.relay_crash) {
            self.relays[relay].restart();
            let known = self.network.connections.iter();
            let connections: Vec<u64> =
                known.filter(|(_, known)| known.relay == relay).map(|(id, _)| *id).collect();
            for connection in connections {
                self.cut(connection);
            }
            return;
        }
        for output in self.relays[relay].commit(self.now) {
            match output {
                Output::Frame(connection, frame) => self.say(connection.0, frame),
                Output::Close(connection) => self.cut(connection.0),
                Output::Check(..) => {}
            }
        }
    }

    /// The relay says something, or what a liar makes of it.
    fn say(&mut self, connection: u64, frame: RelayFrame) {
        let Some(known) = self.network.connections.get_mut(&connection) else { return };
        let question = known.asked.remove(&frame.id);
        let bodies = match (&mut self.hostile, frame.body) {
            (Some(hostile), Some(body)) if frame.id == 0 => hostile.pushed(known.node, body),
            (Some(hostile), Some(body)) => match question {
                Some(question) => vec![hostile.answered(known.node, &question, body)],
                None => vec![body],
            },
            (_, body) => body.into_iter().collect(),
        };
        for body in bodies {
            self.send_down(connection, RelayFrame { id: frame.id, body: Some(body) });
        }
    }

    fn send_down(&mut self, connection: u64, frame: RelayFrame) {
        if !self.network.stands(connection) {
            return;
        }
        if happens(&mut self.rng, self.faults.cut) {
            return self.cut(connection);
        }
        let arrival = self.delay();
        if is_delivery(&frame) && happens(&mut self.rng, self.faults.duplicate) {
            self.network.send_down(connection, frame.clone(), arrival);
        }
        if is_delivery(&frame) && happens(&mut self.rng, self.faults.reorder) {
            let late = arrival.plus_millis(below(&mut self.rng, 300));
            self.network.at(late, Happening::Down(connection, frame));
        } else {
            self.network.send_down(connection, frame, arrival);
        }
    }
}
