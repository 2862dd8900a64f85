//! A device's turn: what it takes in, and what comes of it.

use std::collections::BTreeMap;

use wheesht_core::{
    api::{Event, EventKind, Phase, Request, Response},
    engine::{BlobFailure, BlobReport, Effect, Input},
    opaque::KsfCost,
};

use super::{
    super::{
        check::Broken,
        faults::below,
        network::Happening,
        node::{NodeId, NodeLink, Processed},
        trace,
    },
    World,
};

impl World {
    pub(super) fn process(&mut self, id: NodeId) -> Result<(), Broken> {
        self.to_process.remove(&id);
        let node = &mut self.nodes[id];
        if !node.is_running() || node.waiting.is_empty() {
            return Ok(());
        }
        match node.process(&self.faults, &mut self.rng, self.now, |input| {
            self.trace.line(self.now, id, || trace::input(input))
        }) {
            Processed::Crashed => {
                self.trace.line(self.now, id, || "dies".to_owned());
                self.kill(id);
                let later = self.now.plus_millis(below(&mut self.rng, 5_000));
                self.network.at(later, Happening::Restart(id));
                return Ok(());
            }
            Processed::Effects(effects) => {
                for effect in effects {
                    self.effect(id, effect)?;
                }
            }
        }
        if !self.nodes[id].waiting.is_empty() {
            self.process_soon(id);
        }
        if let Some(wake) = self.nodes[id].next_wake() {
            self.network.at(wake.max(self.now.plus_millis(1)), Happening::Wake(id));
        }
        Ok(())
    }

    fn effect(&mut self, id: NodeId, effect: Effect) -> Result<(), Broken> {
        self.trace.line(self.now, id, || trace::effect(&effect));
        match effect {
            Effect::Open(link) => {
                let node = &mut self.nodes[id];
                let new = NodeLink {
                    connection: None,
                    last_request: 0,
                    tokens: BTreeMap::new(),
                    failures: 0,
                    connecting: false,
                };
                let known = node.links.entry(link.clone()).or_insert(new);
                if known.connection.is_none() && !known.connecting {
                    known.connecting = true;
                    let at = self.delay();
                    self.network.at(at, Happening::Connect(id, link));
                }
            }
            Effect::Close(link) => {
                if let Some(NodeLink { connection: Some(connection), .. }) =
                    self.nodes[id].links.remove(&link)
                {
                    let gone = self.delay();
                    self.network.cut(connection, gone, gone);
                }
            }
            Effect::Request { link, token, body } => self.request(id, &link, token, body),
            Effect::Work { token, job } => {
                let node = &mut self.nodes[id];
                let output = job.run(KsfCost::insecure_fast(), node.rng());
                node.waiting.push_back(Input::WorkDone { token, output });
            }
            // Files pass over HTTP, which is simulated nowhere: here no relay is ever reached that way.
            Effect::Blob { token, .. } => {
                let report = BlobReport::Failed(BlobFailure::Network("not simulated".to_owned()));
                self.nodes[id].waiting.push_back(Input::Blob { token, report });
            }
            Effect::StopBlob { .. } => {}
            Effect::Respond { id: command, result } => {
                let node = &mut self.nodes[id];
                if let (Some(request), Some(part)) = (node.commands.remove(&command), &mut node.persona.part)
                {
                    part.answered(&request, result.is_ok());
                }
            }
            Effect::Event(event) => self.event(id, &event)?,
        }
        Ok(())
    }

    fn event(&mut self, id: NodeId, event: &Event) -> Result<(), Broken> {
        if let EventKind::Phase { phase: Phase::Active } = event.kind
            && let Some(Response::Status { status }) = self.query(id, Request::Status)
            && let Some(account) = status.account
        {
            let name = self.nodes[id].persona.name.clone();
            self.ledger.learn(account, &name);
        }
        self.ledger.event(id, &self.nodes[id].persona.name, event)?;
        self.nodes[id].acknowledge(event);
        Ok(())
    }

    pub(super) fn kill(&mut self, id: NodeId) {
        let node = &mut self.nodes[id];
        let open: Vec<u64> = node.links.values().filter_map(|link| link.connection).collect();
        node.crash();
        for connection in open {
            let gone = self.delay();
            self.network.cut(connection, gone, gone);
        }
    }
}
