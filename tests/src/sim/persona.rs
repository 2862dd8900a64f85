//! A person at a device: looks at the screen now and then, and does what is next. Everything is decided by what the API shows, so
//! a person whose device died goes on where the device is, not where they thought it was.

use std::collections::BTreeSet;

use chacha20::ChaCha20Rng;
use wheesht_core::{
    api::{Body, ContactState, ConversationId, Password, Phase, Request, Response, StopReason, Who},
    proto::{address::Address, ids::AccountId},
    time::Timestamp,
};

use super::{
    faults::below,
    groups::{self, Deed, HERE, Part},
    node::Node,
    relay::DOMAINS,
};

/// How a device comes to its account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Registers,
    LogsIn,
    LogsInAlone,
}

/// A text to send, and to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) to: String,
    pub(super) text: String,
}

/// A person at a device.
#[derive(Debug, Clone)]
pub struct Persona {
    pub(super) name: String,
    password: String,
    way: Way,
    pub(super) lines: Vec<Line>,
    /// Texts that this device's history shows as sent from here.
    said: BTreeSet<String>,
    /// Not before this time.
    pub(super) from: Timestamp,
    /// What there is to do in the group, if there is one in this life.
    pub(super) part: Option<Part>,
}

impl Persona {
    /// Somebody who registers this name.
    pub fn new(name: &str) -> Self {
        Self::at(name, Way::Registers)
    }

    /// A second device of the account: logs in, and waits to be confirmed by the first.
    pub fn second_device(name: &str) -> Self {
        Self::at(name, Way::LogsIn)
    }

    /// A device of somebody who has lost all others: logs in and evicts them.
    pub fn last_device(name: &str) -> Self {
        Self::at(name, Way::LogsInAlone)
    }

    fn at(name: &str, way: Way) -> Self {
        Self {
            name: name.to_owned(),
            password: format!("correct horse battery staple of {name}"),
            way,
            lines: Vec::new(),
            said: BTreeSet::new(),
            from: Timestamp::default(),
            part: None,
        }
    }

    /// Will send this many texts to somebody.
    #[must_use]
    pub fn says(mut self, to: &str, count: usize) -> Self {
        let mark = if self.way == Way::Registers { "" } else { "'" };
        self.lines.extend((1..=count).map(|number| Line {
            to: to.to_owned(),
            text: format!("{}{mark} to {to}: {number}", self.name),
        }));
        self
    }

    /// Founds the group, and invites these, who have to be contacts.
    #[must_use]
    pub fn founds(mut self, invites: &[&str]) -> Self {
        self.part.get_or_insert_default().founds(invites);
        self
    }

    /// Will say this many texts in the group.
    #[must_use]
    pub fn talks(mut self, count: usize) -> Self {
        let mark = if self.way == Way::Registers { "" } else { "'" };
        let line = |number: usize| format!("{}{mark} to {HERE}: {number}", self.name);
        let part = self.part.get_or_insert_default();
        let said = part.lines.len();
        part.lines.extend((said + 1..=said + count).map(line));
        self
    }

    /// Will do this in the group once this much time has passed in the world, and as soon as it is possible.
    #[must_use]
    pub fn at_time(mut self, millis: u64, deed: Deed) -> Self {
        self.part.get_or_insert_default().deeds.push((Timestamp::from_millis(millis), deed));
        self
    }

    /// Begins only this long after the world does.
    #[must_use]
    pub fn after(mut self, millis: u64) -> Self {
        self.from = self.from.plus_millis(millis);
        self
    }

    /// What the device's death makes the person unsure of.
    pub(super) fn unsure(&mut self, unanswered: impl Iterator<Item = Request>) {
        self.said.clear();
        if let Some(part) = &mut self.part {
            part.unsure(unanswered);
        }
    }

    pub(super) fn has_said_all(&self) -> bool {
        self.lines.iter().all(|line| self.said.contains(&line.text))
    }
}

/// The address of somebody. The second half of the alphabet lives on the second relay.
pub(super) fn address(name: &str) -> Address {
    format!("{name}@{}", DOMAINS[usize::from(name >= "m")]).parse().expect("a simulated name is a name")
}

/// The person looks at the screen.
pub(super) fn look(node: &mut Node, rng: &mut ChaCha20Rng, now: Timestamp) {
    if now < node.persona.from || !node.commands.is_empty() {
        return;
    }
    let Some(Response::Status { status }) = node.query(Request::Status, now) else { return };
    match status.phase {
        // Whose request to join went astray asks again.
        Phase::Empty | Phase::Stopped { reason: StopReason::Rejected } => {
            let persona = &node.persona;
            let (address, password) = (address(&persona.name), Password::new(persona.password.clone()));
            let device = "simulated".to_owned();
            node.command(match persona.way {
                Way::Registers => Request::Register { address, password, device },
                Way::LogsIn => Request::LogIn { address, password, device, evict: false },
                Way::LogsInAlone => Request::LogIn { address, password, device, evict: true },
            });
        }
        Phase::Active => act(node, rng, now),
        _ => {}
    }
}

fn act(node: &mut Node, rng: &mut ChaCha20Rng, now: Timestamp) {
    if let Some(Response::Devices { proposal: Some(proposal), .. }) = node.query(Request::Devices, now)
        && !proposal.evicts
    {
        return node.command(Request::ConfirmDevice { proposal: proposal.id });
    }
    let Some(Response::Contacts { contacts }) = node.query(Request::Contacts, now) else { return };
    if let Some(stranger) = contacts.iter().find(|contact| contact.state == ContactState::RequestReceived) {
        return node.command(Request::AcceptContact { who: Who::Id(stranger.id) });
    }
    if below(rng, 4) == 0
        && let Some(request) = something_unread(node, now)
    {
        return node.command(request);
    }
    let line = node.persona.lines.iter().find(|line| !node.persona.said.contains(&line.text)).cloned();
    let Some(line) = line.filter(|_| node.persona.part.is_none() || below(rng, 2) == 0) else {
        if let Some(request) = groups::act(node, &contacts, now) {
            node.command(request);
        }
        return;
    };
    let known = contacts.iter().find(|contact| contact.address.name().as_str() == line.to);
    if let Some(contact) = known
        && was_said(node, contact.id, &line.text, now)
    {
        node.persona.said.insert(line.text);
        return;
    }
    node.command(Request::send(address(&line.to), line.text));
}

/// Whether the history has it already: the device died after it was durable and before it said so.
fn was_said(node: &mut Node, with: AccountId, text: &str, now: Timestamp) -> bool {
    let all = Request::History { conversation: ConversationId::Direct(with), before: None, limit: 1_000 };
    let Some(Response::History { messages, .. }) = node.query(all, now) else { return false };
    messages.iter().any(|message| matches!(&message.body, Body::Text { text: said } if said == text))
}

fn something_unread(node: &mut Node, now: Timestamp) -> Option<Request> {
    let Some(Response::Conversations { conversations }) = node.query(Request::Conversations, now) else {
        return None;
    };
    let unread = conversations.into_iter().find(|conversation| conversation.unread > 0)?;
    Some(Request::MarkRead { conversation: unread.id, up_to: unread.last?.seq })
}
