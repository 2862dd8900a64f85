//! Whether everything that was promised has come true.

use std::collections::BTreeSet;

use wheesht_core::api::{GroupPhase, Message, Phase, Request, Response};

use super::{
    super::{
        check::{Broken, complete},
        groups::{self, Deed, Part},
        node::NodeId,
    },
    World,
};

impl World {
    /// Whether everything that was promised has come true.
    pub(super) fn complete(&mut self) -> Result<(), Broken> {
        for id in 0..self.nodes.len() {
            if !self.nodes[id].is_running() {
                continue;
            }
            match self.phase(id) {
                Some(Phase::Active) => {}
                Some(Phase::Stopped { .. }) => continue,
                phase => return Err(Broken::Stuck { node: id, what: format!("{phase:?}") }),
            }
            if !self.nodes[id].persona.has_said_all() {
                return Err(Broken::Stuck { node: id, what: "not everything was said".to_owned() });
            }
            let name = self.nodes[id].persona.name.clone();
            let lines = || {
                self.nodes
                    .iter()
                    .flat_map(|node| node.persona.lines.iter().map(|line| (&node.persona.name, line)))
            };
            let expected = lines().filter(|(from, line)| line.to == name || **from == name);
            let mut expected: BTreeSet<String> = expected.map(|(_, line)| line.text.clone()).collect();
            let own: BTreeSet<String> =
                self.nodes[id].persona.lines.iter().map(|line| line.text.clone()).collect();
            // What was said before a later device joined went past it.
            if !self.is_first(id) {
                expected.clone_from(&own);
            }
            let history = self.history(id);
            complete(id, &history, &expected, &own)?;
        }
        self.together()
    }

    /// The group: everyone's picture of it is the same, and who belonged heard everything.
    fn together(&mut self) -> Result<(), Broken> {
        let mut shared: Option<String> = None;
        for id in 0..self.nodes.len() {
            if !self.nodes[id].is_running() || self.nodes[id].persona.part.is_none() {
                continue;
            }
            let stuck = |what: &str| Broken::Stuck { node: id, what: what.to_owned() };
            let Some(Response::Groups { groups }) = self.query(id, Request::Groups) else {
                return Err(stuck("it does not answer"));
            };
            let Some(group) = groups.into_iter().next() else { return Err(stuck("it knows no group")) };
            let name = self.nodes[id].persona.name.clone();
            let gone = self.is_gone(&name);
            let history = self.history(id);
            match group.phase {
                GroupPhase::Member if !gone => {}
                GroupPhase::Left | GroupPhase::Removed if gone => {
                    self.heard_nothing_afterwards(id, &name, &history)?;
                    continue;
                }
                phase => return Err(stuck(&format!("{phase:?}, gone: {gone}"))),
            }
            if !self.nodes[id].persona.part.as_ref().is_some_and(Part::has_done_all) {
                return Err(stuck("not everything was said and done in the group"));
            }
            if !group.pending.is_empty() {
                return Err(stuck("its changes are pending"));
            }
            let now = self.now;
            let Some(details) = groups::details(&mut self.nodes[id], group.id, now) else {
                return Err(stuck("it does not answer"));
            };
            let members: Vec<_> =
                details.members.iter().map(|one| (one.account, one.role, one.devices)).collect();
            let here = format!("{:?} {:?} {members:?}", group.title, group.version);
            if let Some(there) = shared.clone().filter(|there| *there != here) {
                return Err(Broken::Apart { node: id, here, there });
            }
            shared = Some(here);
            self.heard_everything(id, &name, &history)?;
        }
        Ok(())
    }

    /// Whether somebody has left or was removed.
    fn is_gone(&self, name: &str) -> bool {
        self.nodes.iter().any(|node| {
            let done = node.persona.part.iter().flat_map(|part| part.done.iter().map(|n| &part.deeds[*n].1));
            let mut done = done;
            done.any(|deed| match deed {
                Deed::Removes(whom) => whom == name,
                Deed::Leaves => node.persona.name == name,
                _ => false,
            })
        })
    }

    /// Whether it is the first device of its account.
    fn is_first(&self, id: NodeId) -> bool {
        let name = &self.nodes[id].persona.name;
        self.nodes.iter().position(|node| node.persona.name == *name) == Some(id)
    }

    fn heard_everything(&self, id: NodeId, name: &str, history: &[Message]) -> Result<(), Broken> {
        let first = self.is_first(id);
        // What somebody hadn't sent when they were gone never goes.
        let there = self.nodes.iter().filter(|node| !self.is_gone(&node.persona.name));
        for part in there.filter_map(|node| node.persona.part.as_ref()) {
            for (text, view) in &part.views {
                let times = history.iter().filter(|message| groups::says(message, text)).count();
                if times > 1 {
                    return Err(Broken::ShownTwice { node: id, text: text.clone() });
                }
                if times == 0 && first && view.contains(name) {
                    return Err(Broken::Lost { node: id, text: text.clone() });
                }
            }
        }
        Ok(())
    }

    /// Whoever is gone reads nothing that was said by somebody who had seen them and saw them no more.
    fn heard_nothing_afterwards(&self, id: NodeId, name: &str, history: &[Message]) -> Result<(), Broken> {
        for node in self.nodes.iter().filter(|node| node.persona.name != name) {
            let Some(part) = &node.persona.part else { continue };
            let last = part
                .lines
                .iter()
                .rposition(|text| part.views.get(text).is_some_and(|view| view.contains(name)));
            // Said before they came, or after they were gone: only the latter is forbidden.
            let after = part.lines.iter().skip(last.map_or(part.lines.len(), |last| last + 1));
            for text in after.filter(|text| part.views.contains_key(*text)) {
                if history.iter().any(|message| groups::says(message, text)) {
                    return Err(Broken::ReadAfterwards { node: id, text: text.clone() });
                }
            }
        }
        Ok(())
    }

    /// Everything that a device shows, conversation by conversation.
    pub fn history(&mut self, id: NodeId) -> Vec<Message> {
        let Some(Response::Conversations { conversations }) = self.query(id, Request::Conversations) else {
            return Vec::new();
        };
        let mut all = Vec::new();
        for conversation in conversations {
            let request = Request::History { conversation: conversation.id, before: None, limit: 1_000 };
            if let Some(Response::History { messages, .. }) = self.query(id, request) {
                all.extend(messages);
            }
        }
        all
    }
}
