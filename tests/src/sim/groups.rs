//! What a person does in a group: founds it, invites, accepts, talks, removes, promotes, leaves. One group per life. Everything is
//! decided by what the API shows; what is remembered here is what the check at the end needs to know.

use std::collections::{BTreeMap, BTreeSet};

use wheesht_core::{
    api::{
        Body, Contact, ContactState, ConversationId, GroupDetails, GroupPhase, Message, Request, Response,
        Role, Who,
    },
    proto::ids::GroupId,
    time::Timestamp,
};

use super::{node::Node, persona::address};

/// How a group's texts name where they are said.
pub(super) const HERE: &str = "#";

/// Times that a deed is tried: its first tries may come before it is possible.
const TRIES: u32 = 40;

/// Something that somebody does once, at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// Removes somebody.
    Removes(String),
    /// Makes somebody an admin.
    Promotes(String),
    /// Makes an admin a member again.
    Demotes(String),
    /// Gives the group another title.
    Retitles(String),
    /// Leaves.
    Leaves,
}

/// What somebody has to do with the group.
#[derive(Debug, Clone, Default)]
pub(super) struct Part {
    founds: bool,
    invites: Vec<String>,
    asked: BTreeSet<String>,
    /// What to say, one after the other.
    pub(super) lines: Vec<String>,
    said: BTreeSet<String>,
    /// Who belonged to the group when a text was sent, as its sender saw it.
    pub(super) views: BTreeMap<String, BTreeSet<String>>,
    /// Who was seen to belong, at any time.
    pub(super) met: BTreeSet<String>,
    pub(super) deeds: Vec<(Timestamp, Deed)>,
    tries: BTreeMap<usize, u32>,
    pub(super) done: BTreeSet<usize>,
    /// Refused so often that it will never be done.
    vain: BTreeSet<usize>,
}

impl Part {
    pub(super) fn founds(&mut self, invites: &[&str]) {
        self.founds = true;
        self.invites = invites.iter().map(|name| (*name).to_owned()).collect();
    }

    /// What the device's death makes the person unsure of.
    pub(super) fn unsure(&mut self, unanswered: impl Iterator<Item = Request>) {
        for request in unanswered {
            self.answered(&request, false);
        }
    }

    pub(super) fn has_done_all(&self) -> bool {
        self.lines.iter().all(|text| self.said.contains(text))
            && (0..self.deeds.len()).all(|deed| self.done.contains(&deed) || self.vain.contains(&deed))
    }

    /// What is true already need not be done any more: it was tried, or somebody else has removed the member.
    fn is_true(&mut self, shows: impl Fn(&Deed) -> bool) {
        let over =
            |number: &usize, deed: &Deed| self.tries.contains_key(number) || matches!(deed, Deed::Removes(_));
        let true_ones = self.deeds.iter().enumerate();
        let true_ones = true_ones.filter(|(number, (_, deed))| over(number, deed) && shows(deed));
        let true_ones: Vec<_> = true_ones.map(|(number, _)| number).collect();
        self.done.extend(true_ones);
    }

    /// A command was answered, or its answer will never come.
    pub(super) fn answered(&mut self, request: &Request, well: bool) {
        if let (Request::InviteToGroup { who: Who::Address(whom), .. }, false) = (request, well) {
            self.asked.remove(whom.name().as_str());
        }
        let Some(deed) = self.deeds.iter().position(|(_, deed)| deed.is(request)) else { return };
        let tries = self.tries.entry(deed).or_default();
        *tries += 1;
        if well {
            self.done.insert(deed);
        } else if *tries >= TRIES {
            self.vain.insert(deed);
        }
    }
}

impl Deed {
    fn request(&self, group: GroupId) -> Request {
        match self {
            Self::Removes(name) => {
                Request::RemoveMember { group, who: Who::Address(address(name)), ban: false }
            }
            Self::Promotes(name) => {
                Request::SetRole { group, who: Who::Address(address(name)), role: Role::Admin }
            }
            Self::Demotes(name) => {
                Request::SetRole { group, who: Who::Address(address(name)), role: Role::Member }
            }
            Self::Retitles(title) => {
                Request::EditGroup { group, title: Some(title.clone()), about: None, picture: None }
            }
            Self::Leaves => Request::LeaveGroup { group },
        }
    }

    /// Whether the group shows that it was done.
    fn shows(&self, details: &GroupDetails, met: &BTreeSet<String>) -> bool {
        match self {
            Self::Removes(name) => met.contains(name) && role(details, name).is_none(),
            Self::Promotes(name) => role(details, name) >= Some(Role::Admin),
            Self::Demotes(name) => role(details, name) == Some(Role::Member),
            Self::Retitles(title) => details.group.title == *title,
            Self::Leaves => false,
        }
    }

    fn is(&self, request: &Request) -> bool {
        match (self, request) {
            (Self::Removes(name), Request::RemoveMember { who: Who::Address(whom), .. }) => {
                *whom == address(name)
            }
            (Self::Promotes(name), Request::SetRole { who: Who::Address(whom), role: Role::Admin, .. })
            | (Self::Demotes(name), Request::SetRole { who: Who::Address(whom), role: Role::Member, .. }) => {
                *whom == address(name)
            }
            (Self::Retitles(title), Request::EditGroup { title: Some(new), .. }) => title == new,
            (Self::Leaves, Request::LeaveGroup { .. }) => true,
            _ => false,
        }
    }
}

/// What a person does next in the group.
pub(super) fn act(node: &mut Node, contacts: &[Contact], now: Timestamp) -> Option<Request> {
    let part = node.persona.part.clone()?;
    let Some(Response::Groups { groups }) = node.query(Request::Groups, now) else { return None };
    let accepted = |name: &String| {
        contacts.iter().any(|contact| {
            contact.address.name().as_str() == *name && contact.state == ContactState::Accepted
        })
    };
    let Some(group) = groups.into_iter().next() else {
        let ready = part.founds && part.invites.iter().any(accepted);
        let title = "a place to talk".to_owned();
        return ready.then_some(Request::CreateGroup {
            title,
            about: String::new(),
            picture: None,
            policy: None,
        });
    };
    match group.phase {
        GroupPhase::Invited => return Some(Request::AcceptInvitation { group: group.id }),
        GroupPhase::Member => {}
        GroupPhase::Leaving | GroupPhase::Left => {
            node.persona.part.as_mut()?.is_true(|deed| *deed == Deed::Leaves);
            return None;
        }
        _ => return None,
    }
    let details = details(node, group.id, now)?;
    let members = names(&details);
    let part = node.persona.part.as_mut()?;
    part.met.extend(members.iter().cloned());
    // The device may have died between the deed and its answer.
    let met = part.met.clone();
    part.is_true(|deed| deed.shows(&details, &met));
    let part = part.clone();
    let missing = |name: &&String| !members.contains(*name) && !part.asked.contains(*name) && accepted(name);
    if let Some(name) = part.invites.iter().find(missing).filter(|name| !part.met.contains(*name)) {
        node.persona.part.as_mut()?.asked.insert(name.clone());
        return Some(Request::InviteToGroup { group: group.id, who: Who::Address(address(name)) });
    }
    let due = |(number, (at, deed)): &(usize, &(Timestamp, Deed))| {
        *at <= now
            && !part.done.contains(number)
            && !part.vain.contains(number)
            && possible(deed, &details, &node.persona.name)
    };
    if let Some((_, (_, deed))) = part.deeds.iter().enumerate().find(due) {
        return Some(deed.request(group.id));
    }
    let text = part.lines.iter().find(|text| !part.said.contains(*text))?.clone();
    // Nobody talks to an empty room.
    if members.len() < 2 {
        return None;
    }
    let conversation = ConversationId::Group(group.id);
    if history(node, conversation, now)?.iter().any(|message| says(message, &text)) {
        node.persona.part.as_mut()?.said.insert(text);
        return None;
    }
    node.persona.part.as_mut()?.views.insert(text.clone(), members);
    Some(Request::send(conversation, text))
}

/// Whoever is to be removed or promoted has to be there, and who does it has to have the right.
fn possible(deed: &Deed, details: &GroupDetails, own: &str) -> bool {
    let role = role(details, own);
    match deed {
        Deed::Removes(name) => {
            role >= Some(Role::Admin) && self::role(details, name).is_some_and(|theirs| Some(theirs) < role)
        }
        Deed::Promotes(name) | Deed::Demotes(name) => {
            role == Some(Role::Owner) && self::role(details, name).is_some()
        }
        Deed::Retitles(_) => role >= Some(Role::Admin) && details.members.len() > 1,
        Deed::Leaves => details.members.len() > 1,
    }
}

fn role(details: &GroupDetails, name: &str) -> Option<Role> {
    details.members.iter().find(|member| member.address.name().as_str() == name).map(|member| member.role)
}

/// A group in full.
pub(super) fn details(node: &mut Node, group: GroupId, now: Timestamp) -> Option<GroupDetails> {
    match node.query(Request::Group { group }, now)? {
        Response::GroupDetails { details } => Some(details),
        _ => None,
    }
}

/// Who belongs to it.
pub(super) fn names(details: &GroupDetails) -> BTreeSet<String> {
    details.members.iter().map(|member| member.address.name().as_str().to_owned()).collect()
}

fn history(node: &mut Node, conversation: ConversationId, now: Timestamp) -> Option<Vec<Message>> {
    match node.query(Request::History { conversation, before: None, limit: 1_000 }, now)? {
        Response::History { messages, .. } => Some(messages),
        _ => None,
    }
}

/// Whether a message is this text.
pub(super) fn says(message: &Message, text: &str) -> bool {
    matches!(&message.body, Body::Text { text: said, .. } if said == text)
}
