//! Connections as a device sees them: made, lost, made again; what goes out on them and what comes in.

use wheesht_core::{
    engine::{Input, LinkEvent, LinkId, RequestError},
    proto::relay::{ClientFrame, RelayFrame, client_frame, relay_frame::Body},
};

use super::{
    super::{
        faults::{below, happens},
        network::Happening,
        node::NodeId,
        relay::DOMAINS,
    },
    World,
};

impl World {
    pub(super) fn request(&mut self, id: NodeId, link: &LinkId, token: u64, body: client_frame::Body) {
        let arrival = self.delay();
        let node = &mut self.nodes[id];
        let Some((known, connection)) =
            node.links.get_mut(link).and_then(|link| link.connection.map(|open| (link, open)))
        else {
            if token != 0 {
                node.waiting.push_back(Input::Reply { token, result: Err(RequestError::Lost) });
            }
            return;
        };
        known.last_request += 1;
        let frame = ClientFrame { id: known.last_request, body: Some(body) };
        if token != 0 {
            known.tokens.insert(frame.id, token);
        }
        if happens(&mut self.rng, self.faults.cut) {
            self.cut(connection);
        } else {
            self.network.send_up(connection, frame, arrival);
        }
    }

    pub(super) fn connect(&mut self, id: NodeId, link: LinkId) {
        let node = &mut self.nodes[id];
        let Some(known) = node.links.get_mut(&link) else { return };
        known.connecting = false;
        if known.connection.is_some() {
            return;
        }
        let relay = DOMAINS.iter().position(|domain| *domain == link.relay.authority());
        let reached = relay.filter(|_| !happens(&mut self.rng, self.faults.unreachable));
        let Some(relay) = reached else {
            known.failures += 1;
            let event = LinkEvent::Down { reason: "unreachable".to_owned(), untrusted: false };
            node.waiting.push_back(Input::Link { link: link.clone(), event });
            self.reconnect(id, link);
            return self.process_soon(id);
        };
        let connection = self.network.open(id, link.clone(), relay, self.now);
        known.connection = Some(connection);
        known.last_request = 0;
        known.tokens.clear();
        known.failures = 0;
        node.waiting.push_back(Input::Link { link, event: LinkEvent::Up });
        let ip = std::net::IpAddr::from([10, 0, (id / 250) as u8, (id % 250) as u8]);
        self.relays[relay].connect(connection, ip.into(), self.now);
        self.process_soon(id);
    }

    pub(super) fn reconnect(&mut self, id: NodeId, link: LinkId) {
        let Some(known) = self.nodes[id].links.get_mut(&link).filter(|known| !known.connecting) else {
            return;
        };
        known.connecting = true;
        let pause = 500 << known.failures.min(6);
        let at = self.now.plus_millis(pause / 2 + below(&mut self.rng, pause));
        self.network.at(at, Happening::Connect(id, link));
    }

    pub(super) fn arrive(&mut self, connection: u64, frame: RelayFrame) {
        let Some(known) = self.network.connections.get(&connection) else { return };
        let (id, link) = (known.node, known.link.clone());
        let node = &mut self.nodes[id];
        let Some(open) = node.links.get_mut(&link).filter(|open| open.connection == Some(connection)) else {
            return;
        };
        let Some(body) = frame.body else { return };
        let input = match open.tokens.remove(&frame.id) {
            _ if frame.id == 0 => Input::Push { link, body },
            Some(token) => {
                let result = match body {
                    Body::Error(error) => Err(RequestError::Refused(error)),
                    body => Ok(body),
                };
                Input::Reply { token, result }
            }
            None => return,
        };
        node.waiting.push_back(input);
        self.process_soon(id);
    }

    pub(super) fn notice(&mut self, connection: u64, id: NodeId, link: LinkId) {
        let node = &mut self.nodes[id];
        let Some(open) = node.links.get_mut(&link).filter(|open| open.connection == Some(connection)) else {
            return;
        };
        open.connection = None;
        open.failures += 1;
        for token in std::mem::take(&mut open.tokens).into_values() {
            node.waiting.push_back(Input::Reply { token, result: Err(RequestError::Lost) });
        }
        let event = LinkEvent::Down { reason: "the connection broke".to_owned(), untrusted: false };
        node.waiting.push_back(Input::Link { link: link.clone(), event });
        self.process_soon(id);
        self.reconnect(id, link);
    }

    pub(super) fn cut(&mut self, connection: u64) {
        let (device, relay) = (self.delay(), self.delay());
        self.network.cut(connection, device, relay);
    }
}
