//! What must never happen, checked at every event; and what must have happened, checked at the end.

use std::collections::{BTreeMap, BTreeSet};

use wheesht_core::{
    api::{Body, ConversationId, Event, EventId, EventKind, Message, MessageState, Trouble},
    proto::ids::{AccountId, MessageId},
};

use super::{groups::HERE, node::NodeId};

/// A rule of the design's section 6 that did not hold.
#[expect(missing_docs, reason = "each field is named after what it holds")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Broken {
    /// A message was shown twice on one device.
    ShownTwice { node: NodeId, text: String },
    /// One sender's messages were shown in another order than they were sent.
    OutOfOrder { node: NodeId, text: String, after: String },
    /// A message stands in another conversation than its own, or under another name.
    Misplaced { node: NodeId, text: String },
    /// A message's state went back.
    StateWentBack { node: NodeId, from: MessageState, to: MessageState },
    /// At the end, a message is missing on a device.
    Lost { node: NodeId, text: String },
    /// At the end, a sender does not know that a message has arrived.
    NotConfirmed { node: NodeId, text: String, state: Option<MessageState> },
    /// A device never got as far as it should.
    Stuck { node: NodeId, what: String },
    /// Two changes of one group's state that exclude each other.
    Forked { node: NodeId },
    /// Somebody reads what was said after they were gone.
    ReadAfterwards { node: NodeId, text: String },
    /// At the end, two members have different pictures of their group.
    Apart { node: NodeId, here: String, there: String },
}

/// What was seen so far.
#[derive(Default)]
pub struct Ledger {
    /// Envelopes may overtake each other: messages are shown as they arrive, so their order says nothing.
    reordered: bool,
    accounts: BTreeMap<AccountId, String>,
    shown: BTreeMap<(NodeId, MessageId), EventId>,
    newest: BTreeMap<(NodeId, String), (usize, String)>,
    states: BTreeMap<(NodeId, MessageId), MessageState>,
    /// The newest event told on each device: after a crash, older ones are told again.
    told: BTreeMap<NodeId, EventId>,
}

impl Ledger {
    pub(super) fn new(reordered: bool) -> Self {
        Self { reordered, ..Self::default() }
    }

    /// Whose account this is.
    pub(super) fn learn(&mut self, account: AccountId, name: &str) {
        self.accounts.insert(account, name.to_owned());
    }

    /// A device was put back to an earlier state: what it showed after that, it may show again.
    pub(super) fn forget(&mut self, node: NodeId) {
        self.shown.retain(|(shown, _), _| *shown != node);
        self.newest.retain(|(shown, _), _| *shown != node);
        self.states.retain(|(shown, _), _| *shown != node);
    }

    /// A device tells its app something.
    pub(super) fn event(&mut self, node: NodeId, owner: &str, event: &Event) -> Result<(), Broken> {
        match &event.kind {
            EventKind::Message { message } => self.message(node, owner, event.id, message),
            EventKind::MessageState { message, state, .. } if self.is_new(node, event.id) => {
                self.state(node, *message, *state)
            }
            EventKind::Trouble { trouble: Trouble::GroupForked { .. } } => Err(Broken::Forked { node }),
            _ => Ok(()),
        }
    }

    fn is_new(&mut self, node: NodeId, id: Option<EventId>) -> bool {
        let Some(id) = id else { return true };
        let told = self.told.entry(node).or_default();
        let new = id > *told;
        *told = id.max(*told);
        new
    }

    fn message(
        &mut self,
        node: NodeId,
        owner: &str,
        id: Option<EventId>,
        message: &Message,
    ) -> Result<(), Broken> {
        let Body::Text { text } = &message.body else { return Ok(()) };
        let Some(id) = id else { return Ok(()) };
        match self.shown.insert((node, message.id), id) {
            Some(before) if before == id => return Ok(()),
            Some(_) => return Err(Broken::ShownTwice { node, text: text.clone() }),
            None => {}
        }
        let Some(line) = ParsedLine::parse(text) else { return Ok(()) };
        let misplaced = || Broken::Misplaced { node, text: text.clone() };
        let named = |account: &AccountId| self.accounts.get(account).map(String::as_str);
        let here = match message.conversation {
            ConversationId::Group(_) => line.to == HERE,
            ConversationId::Direct(other) => {
                let should_be = if line.from == owner { line.to } else { line.from };
                named(&other).is_none_or(|other| other == should_be)
            }
            _ => false,
        };
        if !here
            || named(&message.sender).is_some_and(|sender| sender != line.from)
            || message.outgoing != (line.from == owner)
        {
            return Err(misplaced());
        }
        let stream = format!("{} to {}", line.device, line.to);
        if let Some((number, after)) = self.newest.get(&(node, stream.clone()))
            && *number >= line.number
            && !self.reordered
        {
            return Err(Broken::OutOfOrder { node, text: text.clone(), after: after.clone() });
        }
        self.newest.insert((node, stream), (line.number, text.clone()));
        Ok(())
    }

    fn state(&mut self, node: NodeId, message: MessageId, state: MessageState) -> Result<(), Broken> {
        match self.states.insert((node, message), state) {
            // An event may be told again after a crash, so the same state is no step back.
            Some(before) if rank(state) < rank(before) => {
                Err(Broken::StateWentBack { node, from: before, to: state })
            }
            _ => Ok(()),
        }
    }
}

/// How far a message is.
pub(super) fn rank(state: MessageState) -> u8 {
    match state {
        MessageState::Pending => 0,
        MessageState::Sent => 1,
        MessageState::Delivered => 2,
        MessageState::Read => 3,
        _ => 4,
    }
}

/// Compares the histories at the end: every text exactly once, on every device that should have it.
pub(super) fn complete(
    node: NodeId,
    history: &[Message],
    expected: &BTreeSet<String>,
    own: &BTreeSet<String>,
) -> Result<(), Broken> {
    let mut found = BTreeMap::<&str, u32>::new();
    for message in history {
        if let Body::Text { text } = &message.body {
            *found.entry(text).or_default() += 1;
        }
    }
    for text in expected {
        match found.get(text.as_str()) {
            None => return Err(Broken::Lost { node, text: text.clone() }),
            Some(1) => {}
            Some(_) => return Err(Broken::ShownTwice { node, text: text.clone() }),
        }
    }
    let unconfirmed = history.iter().find_map(|message| {
        let Body::Text { text } = &message.body else { return None };
        let confirmed = message.state.is_some_and(|state| matches!(rank(state), 2 | 3));
        (own.contains(text) && !confirmed).then(|| (text.clone(), message.state))
    });
    match unconfirmed {
        Some((text, state)) => Err(Broken::NotConfirmed { node, text, state }),
        None => Ok(()),
    }
}

/// What a persona's line says of itself: `alice to bob: 3`, or `alice' to bob: 3` from another device.
struct ParsedLine<'a> {
    device: &'a str,
    from: &'a str,
    to: &'a str,
    number: usize,
}

impl<'a> ParsedLine<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (device, rest) = text.split_once(" to ")?;
        let (to, number) = rest.split_once(": ")?;
        Some(Self { device, from: device.trim_end_matches('\''), to, number: number.parse().ok()? })
    }
}
