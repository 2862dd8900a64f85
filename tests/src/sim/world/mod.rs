//! The world: one clock, one queue of what happens next.

mod device;
mod outcome;
mod relays;
mod wires;

use std::collections::BTreeSet;

use chacha20::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use wheesht_core::{
    api::{Phase, Request, Response},
    engine::Input,
    store::MemoryBackend,
    time::Timestamp,
};
use wheesht_relay::service::Settings;

use super::{
    check::{Broken, Ledger},
    faults::{Faults, below},
    network::{Happening, Network},
    node::{Node, NodeId},
    persona::{Persona, look},
    relay::{DOMAINS, SimRelay},
    trace::Trace,
};
use crate::hostile::Hostile;

/// Everything.
pub struct World {
    now: Timestamp,
    begun: Timestamp,
    rng: ChaCha20Rng,
    faults: Faults,
    relays: Vec<SimRelay>,
    nodes: Vec<Node>,
    network: Network,
    ledger: Ledger,
    to_process: BTreeSet<NodeId>,
    /// Relays that are about to commit.
    commits: BTreeSet<usize>,
    trace: Trace,
    /// Lies in the relays' place.
    hostile: Option<Box<dyn Hostile>>,
}

impl World {
    /// A world with these people, on a network with these faults.
    pub fn new(seed: u64, faults: Faults, personas: impl IntoIterator<Item = Persona>) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let begun = Timestamp::from_millis(1_790_000_000_000);
        let relay = |domain: &&str| {
            let mut settings = Settings::new(*domain);
            settings.eviction_grace_ms = 5_000;
            SimRelay::new(settings, rng.next_u64())
        };
        let relays = DOMAINS.iter().map(relay).collect();
        let mut world = Self {
            now: begun,
            begun,
            rng,
            faults,
            relays,
            nodes: Vec::new(),
            network: Network::default(),
            ledger: Ledger::new(faults.reorder > 0),
            to_process: BTreeSet::new(),
            commits: BTreeSet::new(),
            trace: Trace::new(begun),
            hostile: None,
        };
        world.network.at(begun, Happening::RelayTick);
        for persona in personas {
            world.add(persona);
        }
        world
    }

    /// One more device.
    pub fn add(&mut self, mut persona: Persona) -> NodeId {
        let id = self.nodes.len();
        persona.from = self.now.plus_millis(persona.from.as_millis());
        for (at, _) in persona.part.iter_mut().flat_map(|part| &mut part.deeds) {
            *at = self.begun.plus_millis(at.as_millis());
        }
        self.nodes.push(Node::new(persona, self.rng.next_u64(), self.now));
        self.process_soon(id);
        self.network.at(self.now.plus_millis(below(&mut self.rng, 1_000)), Happening::Look(id));
        id
    }

    /// Changes what goes wrong from now on.
    pub fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
    }

    /// From now on the relays lie, until all is to be well.
    pub fn set_hostile(&mut self, hostile: Box<dyn Hostile>) {
        self.hostile = Some(hostile);
    }

    /// Milliseconds since the world began.
    pub fn elapsed(&self) -> u64 {
        self.now.millis_since(self.begun)
    }

    /// Lets this many milliseconds pass.
    pub fn run_for(&mut self, millis: u64) -> Result<(), Broken> {
        let end = self.now.plus_millis(millis);
        while let Some((time, happening)) = self.network.next() {
            if time > end {
                self.network.at(time, happening);
                break;
            }
            self.now = self.now.max(time);
            self.happen(happening)?;
        }
        self.now = end;
        Ok(())
    }

    /// Nothing happens anywhere for this many milliseconds: what was under way goes on afterwards.
    pub fn sleep(&mut self, millis: u64) {
        self.now = self.now.plus_millis(millis);
    }

    /// Every device dies at once, and starts again a moment later.
    pub fn crash_everything(&mut self) {
        for node in 0..self.nodes.len() {
            self.kill(node);
            let at = self.delay();
            self.network.at(at, Happening::Restart(node));
        }
    }

    /// The network becomes good; everything that was promised must come true within this many milliseconds.
    pub fn settle(&mut self, millis: u64) -> Result<(), Broken> {
        self.faults = Faults::NONE;
        self.hostile = None;
        let connections: Vec<u64> = self.network.connections.keys().copied().collect();
        for connection in connections {
            self.network.cut(connection, self.now, self.now);
        }
        let end = self.now.plus_millis(millis);
        let mut step = 5_000;
        loop {
            self.run_for(step)?;
            // What takes longer takes hours, and looking costs more than living.
            step = (step + 1_000).min(60_000);
            match self.complete() {
                Ok(()) => return Ok(()),
                Err(broken) if self.now >= end => return Err(broken),
                Err(_) => {}
            }
        }
    }

    /// Kills a device and leaves it off.
    pub fn switch_off(&mut self, node: NodeId) {
        self.kill(node);
    }

    /// Starts a device that was switched off.
    pub fn switch_on(&mut self, node: NodeId) {
        self.network.at(self.now, Happening::Restart(node));
    }

    /// A copy of a device's store, as a backup of the disk would have it.
    pub fn copy_store(&self, node: NodeId) -> MemoryBackend {
        self.nodes[node].copy_store()
    }

    /// Puts a copy of a device's store back, as somebody would who restores the disk.
    pub fn restore_store(&mut self, node: NodeId, copy: &MemoryBackend) {
        self.kill(node);
        self.nodes[node].restore(copy);
        self.ledger.forget(node);
        self.network.at(self.now, Happening::Restart(node));
    }

    /// What the relays have stored.
    pub fn relay_stores(&self) -> Vec<MemoryBackend> {
        self.relays.iter().map(SimRelay::stored).collect()
    }

    /// Gives a device a command.
    pub fn command(&mut self, node: NodeId, request: Request) {
        self.nodes[node].command(request);
        self.process_soon(node);
    }

    /// Asks a device something that changes nothing.
    pub fn query(&mut self, node: NodeId, request: Request) -> Option<Response> {
        self.nodes[node].query(request, self.now)
    }

    /// How far a device is.
    pub fn phase(&mut self, node: NodeId) -> Option<Phase> {
        match self.query(node, Request::Status)? {
            Response::Status { status } => Some(status.phase),
            _ => None,
        }
    }

    fn happen(&mut self, happening: Happening) -> Result<(), Broken> {
        match happening {
            Happening::Process(node) => return self.process(node),
            Happening::Wake(node) => {
                if self.nodes[node].next_wake().is_some_and(|wake| wake <= self.now) {
                    self.nodes[node].waiting.push_back(Input::Tick);
                    self.process_soon(node);
                }
            }
            Happening::Restart(node) => {
                if !self.nodes[node].is_running() {
                    self.nodes[node].restart();
                    self.process_soon(node);
                }
            }
            Happening::Look(node) => {
                look(&mut self.nodes[node], &mut self.rng, self.now);
                self.process_soon(node);
                let next = self.now.plus_millis(200 + below(&mut self.rng, 1_000));
                self.network.at(next, Happening::Look(node));
            }
            Happening::Connect(node, link) => self.connect(node, link),
            Happening::Up(connection, frame) => self.reach(connection, frame),
            Happening::Down(connection, frame) => self.arrive(connection, frame),
            Happening::Noticed(connection, node, link) => self.notice(connection, node, link),
            Happening::Gone(connection) => self.gone(connection),
            Happening::Commit(relay) => self.commit(relay),
            Happening::RelayTick => self.tick_relays(),
        }
        Ok(())
    }

    fn process_soon(&mut self, node: NodeId) {
        if self.to_process.insert(node) {
            self.network.at(self.now, Happening::Process(node));
        }
    }

    fn delay(&mut self) -> Timestamp {
        self.now.plus_millis(below(&mut self.rng, self.faults.delay_ms + 1))
    }
}
