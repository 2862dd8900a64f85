//! Whom one knows, as far as a screen needs it: names for ids, and names to complete.

use std::collections::BTreeMap;

use wheesht_core::{
    api::{Contact, ContactState, ConversationId, Group, GroupDetails, GroupPhase, Presence},
    proto::{
        address::Address,
        ids::{AccountId, GroupId},
    },
};

use super::editor::{Names, lock};
use crate::{
    render,
    session::{handle, unique_handle},
};

/// See the module's story.
#[derive(Default)]
pub(super) struct People {
    own: Option<Address>,
    known: BTreeMap<AccountId, Contact>,
    groups: BTreeMap<GroupId, Group>,
    fellows: BTreeMap<AccountId, String>,
    names: Names,
}

impl People {
    pub(super) fn new(own: Option<Address>, names: Names) -> Self {
        Self { own, known: BTreeMap::new(), groups: BTreeMap::new(), fellows: BTreeMap::new(), names }
    }

    /// These are all.
    pub(super) fn replace(&mut self, contacts: Vec<Contact>) {
        self.known = contacts.into_iter().map(|contact| (contact.id, contact)).collect();
        self.complete();
    }

    /// These are all groups.
    pub(super) fn replace_groups(&mut self, groups: Vec<Group>) {
        self.groups = groups.into_iter().map(|group| (group.id, group)).collect();
        self.complete();
    }

    /// A group is new or has changed. Gives how it was.
    pub(super) fn put_group(&mut self, group: Group) -> Option<Group> {
        let before = self.groups.insert(group.id, group);
        self.complete();
        before
    }

    pub(super) fn remove_group(&mut self, group: &GroupId) {
        self.groups.remove(group);
        self.complete();
    }

    /// Groups that wait for an answer to their invitation.
    pub(super) fn invitations(&self) -> impl Iterator<Item = &Group> {
        self.groups.values().filter(|group| group.phase == GroupPhase::Invited)
    }

    /// What to call, and what to type for, a group.
    pub(super) fn group_name(&self, group: &Group) -> String {
        let plain = handle(&group.title);
        let same = self.groups.values().filter(|other| handle(&other.title) == plain).count();
        if same > 1 { unique_handle(group) } else { plain }
    }

    /// What to call somebody.
    pub(super) fn who(&self, account: &AccountId) -> Option<String> {
        self.known.get(account).map(|contact| self.name(contact))
    }

    /// The same of somebody who may only be met in a group.
    pub(super) fn anybody(&self, account: &AccountId) -> Option<String> {
        self.who(account).or_else(|| self.fellows.get(account).cloned())
    }

    /// Whom one meets in the group that is open.
    pub(super) fn meet(&mut self, details: &GroupDetails) {
        let name = |address: &Address| render::short(address, self.own.as_ref());
        self.fellows = details.members.iter().map(|member| (member.account, name(&member.address))).collect();
    }

    /// As one knows them.
    pub(super) fn contact(&self, account: &AccountId) -> Option<&Contact> {
        self.known.get(account)
    }

    /// Somebody is so now. Gives how they were, if they are another way.
    pub(super) fn be(&mut self, account: &AccountId, presence: Presence) -> Option<Presence> {
        let known = self.known.get_mut(account)?;
        let before = std::mem::replace(&mut known.presence, presence);
        (before.availability != known.presence.availability).then_some(before)
    }

    pub(super) fn remove(&mut self, account: &AccountId) {
        self.known.remove(account);
        self.complete();
    }

    /// Whether there is a name for this conversation.
    pub(super) fn knows(&self, conversation: &ConversationId) -> bool {
        match conversation {
            ConversationId::Group(group) => self.groups.contains_key(group),
            _ => true,
        }
    }

    /// What to call the other side of a conversation.
    pub(super) fn title(&self, conversation: &ConversationId) -> String {
        match conversation {
            ConversationId::Direct(account) => match self.known.get(account) {
                Some(contact) => self.name(contact),
                None => "notes".to_owned(),
            },
            ConversationId::Group(group) => {
                self.groups.get(group).map_or_else(|| "#?".to_owned(), |group| self.group_name(group))
            }
            _ => "?".to_owned(),
        }
    }

    /// What to call, and what to type for, a contact.
    pub(super) fn name(&self, contact: &Contact) -> String {
        render::short(&contact.address, self.own.as_ref())
    }

    /// The contact of this address.
    pub(super) fn find(&self, address: &Address) -> Option<&Contact> {
        self.known.values().find(|contact| contact.address.canonical() == address.canonical())
    }

    /// Strangers who wrote.
    pub(super) fn requests(&self) -> impl Iterator<Item = &Contact> {
        self.known.values().filter(|contact| contact.state == ContactState::RequestReceived)
    }

    fn complete(&self) {
        let mut names: Vec<_> = self.known.values().map(|contact| self.name(contact)).collect();
        names.extend(self.groups.values().map(|group| self.group_name(group)));
        names.sort();
        *lock(&self.names) = names;
    }
}
