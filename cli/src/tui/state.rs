//! What is on the screen: all of it, and nothing that draws or waits. Events and answers change it here; keys do in `input.rs`.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use ratatui::text::Line;
use wheesht_core::{
    api::{
        Body, Contact, ContactState, Conversation, ConversationId, EventKind, Group, GroupPhase, LinkState,
        Message, Phase,
    },
    proto::{
        address::Address,
        ids::{AccountId, GroupId, MessageId},
    },
    time::Timestamp,
};

use super::{composer::Composer, preview, view};
use crate::{output::Style, render, text};

/// Messages kept in memory of the open conversation; older ones are fetched again when one scrolls there.
const KEPT: usize = 2_000;
/// People of whom it is remembered that they are writing.
const MAX_WRITING: usize = 64;

/// See the module's story.
pub(super) struct State {
    pub(super) own: Option<Address>,
    pub(super) style: Style,
    pub(super) zone: TimeZone,
    pub(super) conversations: Vec<Conversation>,
    pub(super) contacts: BTreeMap<AccountId, Contact>,
    pub(super) groups: BTreeMap<GroupId, Group>,
    /// Who is writing where, and until when that is shown.
    pub(super) typing: BTreeMap<(ConversationId, AccountId), Timestamp>,
    /// Where the mark in the list stands.
    pub(super) chosen: usize,
    pub(super) open: Option<Open>,
    pub(super) composer: Composer,
    pub(super) purpose: Purpose,
    pub(super) pane: Pane,
    pub(super) overlay: Overlay,
    /// What is said in the last line.
    pub(super) notice: Option<String>,
    pub(super) online: bool,
    /// The terminal has the focus, as far as it says.
    pub(super) focused: bool,
    /// The lists are no longer as the engine has them.
    pub(super) stale: bool,
    pub(super) areas: Areas,
}

/// The conversation that is shown.
pub(super) struct Open {
    pub(super) id: ConversationId,
    pub(super) messages: Vec<Message>,
    /// There is more before the first.
    pub(super) more: bool,
    /// There is more after the last: it was jumped to.
    pub(super) detached: bool,
    /// Where what was unread on opening begins.
    pub(super) first_unread: Option<u64>,
    /// Rows below the last one that is shown.
    pub(super) scroll: usize,
    /// The message that keys are about.
    pub(super) selected: Option<MessageId>,
    /// Previews of pictures, decoded once.
    pub(super) previews: BTreeMap<MessageId, Vec<Line<'static>>>,
    /// Older ones have been asked for.
    pub(super) loading: bool,
    /// Up to where the engine knows that it was seen.
    pub(super) seen: u64,
}

/// What becomes of the text that is being written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Purpose {
    Write,
    Reply { to: MessageId, excerpt: String },
    Edit(MessageId),
    React(MessageId),
}

/// Which side keys go to; in a narrow window, which is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pane {
    List,
    Chat,
}

/// What lies over the conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Overlay {
    None,
    Help,
    /// Writing to somebody whose name is typed, with a text after it.
    Write(String),
    /// Searching: what for, what was found, and which of these is marked.
    Search {
        query: String,
        found: Vec<Found>,
        chosen: usize,
        asked: bool,
    },
}

/// A place in a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) seq: u64,
    /// There is more than what was fetched around it, towards the end.
    pub(super) later: bool,
}

/// A message that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) conversation: ConversationId,
    pub(super) seq: u64,
    pub(super) line: String,
}

/// Where things were drawn, for the mouse: first column, first row, columns, rows.
#[derive(Debug, Clone, Default)]
pub(super) struct Areas {
    pub(super) list: ratatui::layout::Rect,
    pub(super) first_listed: usize,
    pub(super) messages: ratatui::layout::Rect,
    /// The message that each row of them belongs to.
    pub(super) rows: Vec<Option<MessageId>>,
}

impl State {
    pub(super) fn new(own: Option<Address>, style: Style, zone: TimeZone) -> Self {
        Self {
            own,
            style,
            zone,
            conversations: Vec::new(),
            contacts: BTreeMap::new(),
            groups: BTreeMap::new(),
            typing: BTreeMap::new(),
            chosen: 0,
            open: None,
            composer: Composer::default(),
            purpose: Purpose::Write,
            pane: Pane::List,
            overlay: Overlay::None,
            notice: None,
            online: true,
            focused: true,
            stale: true,
            areas: Areas::default(),
        }
    }

    /// What a conversation is called.
    pub(super) fn title(&self, conversation: &Conversation) -> String {
        match conversation.id {
            ConversationId::Direct(account) => match self.contacts.get(&account) {
                Some(contact) => render::short(&contact.address, self.own.as_ref()),
                None => text::one_line(&conversation.title),
            },
            _ => format!("#{}", text::one_line(&conversation.title)),
        }
    }

    /// The conversation that is open, as the list has it.
    pub(super) fn opened(&self) -> Option<&Conversation> {
        let id = self.open.as_ref()?.id;
        self.conversations.iter().find(|conversation| conversation.id == id)
    }

    /// Messages that were found, unless something else was asked for meanwhile.
    pub(super) fn found(&mut self, what: &str, all: Vec<Found>) {
        if let Overlay::Search { query, found, chosen, asked } = &mut self.overlay
            && query.trim() == what
        {
            (*found, *chosen, *asked) = (all, 0, true);
        }
    }

    /// The contact at the other end of a conversation.
    pub(super) fn other(&self, id: &ConversationId) -> Option<&Contact> {
        match id {
            ConversationId::Direct(account) => self.contacts.get(account),
            _ => None,
        }
    }

    /// The stranger who wrote in the open conversation and waits for an answer.
    pub(super) fn asking(&self) -> Option<&Contact> {
        let contact = self.other(&self.open.as_ref()?.id)?;
        (contact.state == ContactState::RequestReceived).then_some(contact)
    }

    /// The group that the open conversation is an invitation to.
    pub(super) fn invited(&self) -> Option<&Group> {
        match self.open.as_ref()?.id {
            ConversationId::Group(group) => {
                self.groups.get(&group).filter(|group| group.phase == GroupPhase::Invited)
            }
            _ => None,
        }
    }

    /// The names of those who are writing in the open conversation.
    pub(super) fn writing(&self, now: Timestamp) -> Vec<String> {
        let Some(open) = &self.open else { return Vec::new() };
        let there = self.typing.iter().filter(|((id, _), until)| *id == open.id && now < **until);
        let name = |account: &AccountId| match self.contacts.get(account) {
            Some(contact) => contact.address.name().to_string(),
            None => "somebody".to_owned(),
        };
        there.map(|((_, account), _)| name(account)).collect()
    }

    /// How many messages are unread in all.
    pub(super) fn unread(&self) -> u64 {
        self.conversations.iter().map(|conversation| conversation.unread).sum()
    }

    /// The message that keys are about.
    pub(super) fn selected(&self) -> Option<&Message> {
        let open = self.open.as_ref()?;
        open.messages.iter().find(|message| Some(message.id) == open.selected)
    }

    /// The lists as the engine has them now.
    pub(super) fn lists(
        &mut self,
        conversations: Vec<Conversation>,
        contacts: Vec<Contact>,
        groups: Vec<Group>,
    ) {
        let chosen = self.conversations.get(self.chosen).map(|conversation| conversation.id);
        self.conversations = conversations;
        self.contacts = contacts.into_iter().map(|contact| (contact.id, contact)).collect();
        // An invitation, and a group in which nothing was said, have no conversation yet.
        let without = groups.iter().filter(|group| {
            matches!(group.phase, GroupPhase::Invited | GroupPhase::Member)
                && !self.conversations.iter().any(|one| one.id == ConversationId::Group(group.id))
        });
        let empty: Vec<_> = without.map(nothing_said).collect();
        self.conversations.splice(0..0, empty);
        self.groups = groups.into_iter().map(|group| (group.id, group)).collect();
        // What was put away comes last.
        self.conversations.sort_by_key(|conversation| conversation.archived);
        let kept = chosen.and_then(|id| self.conversations.iter().position(|one| one.id == id));
        self.chosen = kept.unwrap_or(self.chosen).min(self.conversations.len().saturating_sub(1));
        self.stale = false;
    }

    /// A conversation was fetched, up to its end or around a place in it.
    pub(super) fn show(&mut self, id: ConversationId, messages: Vec<Message>, more: bool, at: Option<Place>) {
        let unread = messages.iter().find(|message| is_new(message)).map(|message| message.seq);
        let same = self.open.as_ref().filter(|open| open.id == id);
        let first_unread = same.map_or(unread, |open| open.first_unread.or(unread));
        let selected = at.and_then(|place| messages.iter().find(|message| message.seq == place.seq));
        self.open = Some(Open {
            id,
            selected: selected.map(|message| message.id),
            detached: at.is_some_and(|place| place.later),
            scroll: 0,
            previews: previews(&messages),
            loading: false,
            seen: 0,
            messages,
            more,
            first_unread,
        });
        if let Some(place) = self.conversations.iter().position(|conversation| conversation.id == id) {
            self.chosen = place;
        }
    }

    /// Messages before those that are shown.
    pub(super) fn older(&mut self, id: ConversationId, mut messages: Vec<Message>, more: bool) {
        let Some(open) = self.open.as_mut().filter(|open| open.id == id) else { return };
        open.loading = false;
        messages.retain(|message| open.messages.first().is_none_or(|first| message.seq < first.seq));
        open.previews.append(&mut previews(&messages));
        open.more = more && !messages.is_empty();
        messages.append(&mut open.messages);
        open.messages = messages;
    }

    /// What happened.
    pub(super) fn happened(&mut self, kind: EventKind) {
        match kind {
            EventKind::Message { message } => {
                self.typing.remove(&(message.conversation, message.sender));
                self.message(message);
            }
            EventKind::MessageChanged { message } => {
                self.stale = true;
                if let Some(known) = self.message_mut(&message.conversation, &message.id) {
                    *known = message;
                }
            }
            EventKind::MessageState { conversation, message, state } => {
                if let Some(known) = self.message_mut(&conversation, &message) {
                    known.state = Some(state);
                }
            }
            EventKind::Receipts { conversation, message, receipts } => {
                if let Some(known) = self.message_mut(&conversation, &message) {
                    known.receipts = Some(receipts);
                }
            }
            EventKind::MessageGone { conversation, message } => {
                self.stale = true;
                if let Some(open) = self.open.as_mut().filter(|open| open.id == conversation) {
                    open.messages.retain(|known| known.id != message);
                }
            }
            EventKind::Read { conversation, unread } => {
                let known = self.conversations.iter_mut().find(|one| one.id == conversation);
                if let Some(known) = known {
                    known.unread = unread;
                }
            }
            EventKind::Presence { contact, presence } => {
                if let Some(known) = self.contacts.get_mut(&contact) {
                    known.presence = presence;
                }
            }
            EventKind::Typing { conversation, who, until } => {
                if self.typing.len() >= MAX_WRITING {
                    self.typing.clear();
                }
                self.typing.insert((conversation, who), until);
            }
            EventKind::Link { state } => self.online = matches!(state, LinkState::Online),
            EventKind::Trouble { trouble } => self.notice = Some(render::trouble(&trouble)),
            EventKind::DeviceProposal { proposal: Some(proposal) } => {
                self.notice = Some(render::proposal(&proposal, Style { color: false }));
            }
            EventKind::JoinRequest { request } => {
                let who = render::short(&request.address, self.own.as_ref());
                self.notice =
                    Some(format!("{who} asks to join a group of yours: /group in the chat lists who asks."));
            }
            EventKind::Devices { added, .. } if !added.is_empty() => {
                self.notice = Some("Your account has a new device: wheesht devices shows it.".to_owned());
            }
            EventKind::Devices { .. } => {
                self.notice = Some("A device of your account was removed.".to_owned());
            }
            EventKind::Phase { phase } if phase != Phase::Active => {
                self.notice = Some(render::phase(&phase, Style { color: false }));
            }
            EventKind::Dropped { .. } => self.stale = true,
            EventKind::ContactDeleted { account } => self.gone(&ConversationId::Direct(account)),
            EventKind::GroupDeleted { group } => self.gone(&ConversationId::Group(group)),
            EventKind::Contact { .. } | EventKind::Group { .. } | EventKind::ConversationChanged { .. } => {
                self.stale = true;
            }
            _ => {}
        }
    }

    fn message(&mut self, message: Message) {
        self.stale = true;
        let rows = view::height(&message, &self.zone, usize::from(self.areas.messages.width).max(1));
        let Some(open) = self.open.as_mut().filter(|open| open.id == message.conversation) else { return };
        if open.detached || open.messages.first().is_some_and(|first| message.seq < first.seq) {
            return;
        }
        match open.messages.binary_search_by_key(&message.seq, |known| known.seq) {
            // What was fetched a moment ago may come as an event, too.
            Ok(at) => {
                if let Some(known) = open.messages.get_mut(at) {
                    *known = message;
                }
                return;
            }
            // One's own is told by the worker, and may come after what others said later.
            Err(at) => {
                open.previews.append(&mut previews(std::slice::from_ref(&message)));
                open.messages.insert(at, message);
            }
        }
        // Who has scrolled back goes on looking at the same.
        if open.scroll > 0 {
            open.scroll += rows;
        }
        if open.messages.len() > KEPT && open.scroll == 0 {
            for old in open.messages.drain(..KEPT / 2) {
                open.previews.remove(&old.id);
            }
            open.more = true;
        }
    }

    fn message_mut(&mut self, conversation: &ConversationId, message: &MessageId) -> Option<&mut Message> {
        let open = self.open.as_mut().filter(|open| open.id == *conversation)?;
        open.messages.iter_mut().rev().find(|known| known.id == *message)
    }

    fn gone(&mut self, id: &ConversationId) {
        self.stale = true;
        self.conversations.retain(|conversation| conversation.id != *id);
        self.chosen = self.chosen.min(self.conversations.len().saturating_sub(1));
        if self.open.as_ref().is_some_and(|open| open.id == *id) {
            self.open = None;
            self.pane = Pane::List;
        }
    }

    /// The conversation that somebody looks at.
    pub(super) fn looked_at(&self) -> Option<ConversationId> {
        self.open.as_ref().filter(|_| self.focused).map(|open| open.id)
    }

    /// Up to where the open conversation has been seen, if the engine doesn't know yet.
    pub(super) fn just_seen(&mut self) -> Option<(ConversationId, u64)> {
        let stranger = self.asking().is_some();
        let focused = self.focused;
        let open =
            self.open.as_mut().filter(|open| focused && !stranger && !open.detached && open.scroll == 0)?;
        let last = open.messages.last()?.seq;
        if last <= open.seen {
            return None;
        }
        open.seen = last;
        Some((open.id, last))
    }
}

/// The previews of pictures among these.
fn previews(messages: &[Message]) -> BTreeMap<MessageId, Vec<Line<'static>>> {
    let preview = |message: &Message| match &message.body {
        Body::File { file, .. } => {
            let rows = preview::rows(file.preview.as_ref()?.bytes());
            (!rows.is_empty()).then_some((message.id, rows))
        }
        _ => None,
    };
    messages.iter().filter_map(preview).collect()
}

/// A conversation in which nothing was said yet.
fn nothing_said(group: &Group) -> Conversation {
    Conversation {
        id: ConversationId::Group(group.id),
        title: group.title.clone(),
        unread: u64::from(group.phase == GroupPhase::Invited),
        last: None,
        draft: None,
        muted_until: None,
        disappear_ms: None,
        archived: false,
    }
}

/// Whether it is somebody else's, and has not been seen.
fn is_new(message: &Message) -> bool {
    !message.outgoing && !message.read && !matches!(message.body, Body::Notice { .. } | Body::Deleted { .. })
}
