//! What keys and the mouse mean. They change the state, and give what the engine is to do.

use ratatui::{
    crossterm::event::{
        Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
    },
    layout::Position,
};
use wheesht_core::{
    api::{Body, ConversationId},
    proto::ids::{AccountId, GroupId, MessageId},
};

use super::{
    composer::Move,
    state::{Overlay, Pane, Purpose, State},
};
use crate::text;

/// Rows that a page, and that the mouse's wheel, scroll.
const PAGE: usize = 10;
const WHEEL: usize = 3;

/// What the engine is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    Open(ConversationId),
    Older {
        conversation: ConversationId,
        before: u64,
    },
    Jump {
        conversation: ConversationId,
        seq: u64,
    },
    Send {
        conversation: ConversationId,
        text: String,
        reply_to: Option<MessageId>,
    },
    /// To somebody of this name.
    Write {
        to: String,
        text: String,
    },
    Edit {
        conversation: ConversationId,
        message: MessageId,
        text: String,
    },
    React {
        conversation: ConversationId,
        message: MessageId,
        emoji: String,
    },
    Delete {
        conversation: ConversationId,
        message: MessageId,
        for_all: bool,
    },
    Pin {
        conversation: ConversationId,
        message: MessageId,
        pinned: bool,
    },
    Accept(AccountId),
    Block(AccountId),
    Join {
        group: GroupId,
        accept: bool,
    },
    Draft {
        conversation: ConversationId,
        text: String,
    },
    Typing {
        conversation: ConversationId,
        stopped: bool,
    },
    Search(String),
    Seen {
        conversation: ConversationId,
        up_to: u64,
    },
    Focus(Option<ConversationId>),
    Refresh,
    Quit,
}

/// What follows from an input.
pub(super) fn handle(state: &mut State, event: Event) -> Vec<Action> {
    match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => self::key(state, key),
        Event::Paste(text) => {
            if let Overlay::Search { query: line, .. } | Overlay::Write(line) = &mut state.overlay {
                line.push_str(&text::one_line(&text));
                return Vec::new();
            }
            state.pane = Pane::Chat;
            typed(state, |composer| composer.insert(&text))
        }
        Event::Mouse(mouse) => self::mouse(state, mouse),
        Event::FocusGained => {
            state.focused = true;
            Vec::new()
        }
        Event::FocusLost => {
            state.focused = false;
            Vec::new()
        }
        _ => Vec::new(),
    }
}

fn key(state: &mut State, key: KeyEvent) -> Vec<Action> {
    state.notice = None;
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match (key.code, control) {
        (KeyCode::Char('q' | 'c'), true) => return leave(state),
        (KeyCode::F(1), _) => {
            state.overlay = if state.overlay == Overlay::Help { Overlay::None } else { Overlay::Help };
            return Vec::new();
        }
        _ => {}
    }
    match &state.overlay {
        Overlay::Help => {
            state.overlay = Overlay::None;
            return Vec::new();
        }
        Overlay::Search { .. } => return search(state, key),
        Overlay::Write(_) => return write(state, key),
        Overlay::None => {}
    }
    match (key.code, control) {
        (KeyCode::Char('f'), true) => {
            state.overlay =
                Overlay::Search { query: String::new(), found: Vec::new(), chosen: 0, asked: false };
            Vec::new()
        }
        (KeyCode::Char('n'), true) => {
            state.overlay = Overlay::Write(String::new());
            Vec::new()
        }
        (KeyCode::Char('u'), true) => {
            let oldest = state.conversations.iter().rev().find(|conversation| conversation.unread > 0);
            let oldest = oldest.map(|conversation| conversation.id);
            oldest.map_or_else(Vec::new, |id| open(state, id))
        }
        (KeyCode::Char('y'), true) => answer(state, true),
        (KeyCode::Char('b'), true) => answer(state, false),
        (KeyCode::Up, true) => neighbour(state, false),
        (KeyCode::Down, true) => neighbour(state, true),
        (KeyCode::Tab, _) if state.open.is_some() => {
            state.pane = if state.pane == Pane::List { Pane::Chat } else { Pane::List };
            Vec::new()
        }
        (KeyCode::PageUp, _) => scroll(state, PAGE, true),
        (KeyCode::PageDown, _) => scroll(state, PAGE, false),
        _ if state.pane == Pane::List || state.open.is_none() => list(state, key),
        _ => chat(state, key),
    }
}

fn leave(state: &mut State) -> Vec<Action> {
    let mut actions = put_aside(state);
    actions.push(Action::Quit);
    actions
}

fn list(state: &mut State, key: KeyEvent) -> Vec<Action> {
    let last = state.conversations.len().saturating_sub(1);
    match key.code {
        KeyCode::Up | KeyCode::Char('k') => state.chosen = state.chosen.saturating_sub(1),
        KeyCode::Down | KeyCode::Char('j') => state.chosen = (state.chosen + 1).min(last),
        KeyCode::Home => state.chosen = 0,
        KeyCode::End => state.chosen = last,
        KeyCode::Char('?') => state.overlay = Overlay::Help,
        KeyCode::Enter | KeyCode::Right => {
            let chosen = state.conversations.get(state.chosen).map(|conversation| conversation.id);
            return chosen.map_or_else(Vec::new, |id| open(state, id));
        }
        KeyCode::Esc if state.open.is_some() => state.pane = Pane::Chat,
        _ => {}
    }
    Vec::new()
}

/// Opens a conversation; what was being written in the one before is kept.
fn open(state: &mut State, id: ConversationId) -> Vec<Action> {
    let mut actions = Vec::new();
    if state.open.as_ref().is_none_or(|open| open.id != id) {
        actions = put_aside(state);
        let draft = state.conversations.iter().find(|one| one.id == id).and_then(|one| one.draft.clone());
        state.composer.set(draft.map(|draft| draft.text).unwrap_or_default());
    }
    state.pane = Pane::Chat;
    actions.push(Action::Open(id));
    actions
}

/// What was being written becomes the conversation's draft.
fn put_aside(state: &mut State) -> Vec<Action> {
    let writing = state.purpose == Purpose::Write;
    state.purpose = Purpose::Write;
    let text = state.composer.take();
    let Some(conversation) = state.open.as_ref().map(|open| open.id).filter(|_| writing) else {
        return Vec::new();
    };
    let known = state.conversations.iter_mut().find(|one| one.id == conversation);
    let before = known.as_ref().and_then(|known| known.draft.as_ref()).map(|draft| draft.text.clone());
    if before.unwrap_or_default() == text {
        return Vec::new();
    }
    vec![Action::Draft { conversation, text }, Action::Refresh]
}

fn neighbour(state: &mut State, after: bool) -> Vec<Action> {
    let next = match after {
        true => state.chosen + 1,
        false => state.chosen.saturating_sub(1),
    };
    let there = state.conversations.get(next).map(|conversation| conversation.id);
    there.map_or_else(Vec::new, |id| open(state, id))
}

fn answer(state: &State, accept: bool) -> Vec<Action> {
    if let Some(contact) = state.asking() {
        return vec![if accept { Action::Accept(contact.id) } else { Action::Block(contact.id) }];
    }
    match state.invited() {
        Some(group) => vec![Action::Join { group: group.id, accept }],
        None => Vec::new(),
    }
}

fn scroll(state: &mut State, rows: usize, up: bool) -> Vec<Action> {
    let Some(open) = state.open.as_mut() else { return Vec::new() };
    open.selected = None;
    if !up {
        open.scroll = open.scroll.saturating_sub(rows);
        return Vec::new();
    }
    open.scroll += rows;
    older(state)
}

/// Asks for what stands before, if one is about to look there.
pub(super) fn older(state: &mut State) -> Vec<Action> {
    let Some(open) = state.open.as_mut().filter(|open| open.more && !open.loading) else { return Vec::new() };
    // A message has a row at least.
    let height = usize::from(state.areas.messages.height);
    let Some(first) = open.messages.first().filter(|_| open.scroll + 2 * height >= open.messages.len())
    else {
        return Vec::new();
    };
    open.loading = true;
    vec![Action::Older { conversation: open.id, before: first.seq }]
}

fn chat(state: &mut State, key: KeyEvent) -> Vec<Action> {
    if state.selected().is_some() {
        return selected(state, key);
    }
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    let alt = key.modifiers.contains(KeyModifiers::ALT);
    match key.code {
        KeyCode::Enter if alt => typed(state, |composer| composer.insert("\n")),
        KeyCode::Char('j') if control => typed(state, |composer| composer.insert("\n")),
        KeyCode::Enter => send(state),
        KeyCode::Esc => {
            if state.purpose == Purpose::Write {
                state.pane = Pane::List;
            } else {
                state.purpose = Purpose::Write;
                state.composer.take();
            }
            Vec::new()
        }
        KeyCode::Up if state.composer.is_empty() => select(state, true),
        KeyCode::Left if control || alt => go(state, Move::WordLeft),
        KeyCode::Right if control || alt => go(state, Move::WordRight),
        KeyCode::Left => go(state, Move::Left),
        KeyCode::Right => go(state, Move::Right),
        KeyCode::Home => go(state, Move::LineStart),
        KeyCode::Char('a') if control => go(state, Move::LineStart),
        KeyCode::End if state.composer.is_empty() => newest(state),
        KeyCode::End => go(state, Move::LineEnd),
        KeyCode::Char('e') if control => go(state, Move::LineEnd),
        KeyCode::Backspace => typed(state, |composer| composer.delete(Move::Left)),
        KeyCode::Delete => typed(state, |composer| composer.delete(Move::Right)),
        KeyCode::Char('w') if control => typed(state, |composer| composer.delete(Move::WordLeft)),
        KeyCode::Char('k') if control => typed(state, |composer| composer.delete(Move::LineEnd)),
        KeyCode::Char(c) if !control && !alt => {
            typed(state, |composer| composer.insert(c.encode_utf8(&mut [0; 4])))
        }
        _ => Vec::new(),
    }
}

fn go(state: &mut State, to: Move) -> Vec<Action> {
    state.composer.go(to);
    Vec::new()
}

/// A key that changes the text: those at the other end may be told that one is writing.
fn typed(state: &mut State, change: impl FnOnce(&mut super::composer::Composer)) -> Vec<Action> {
    change(&mut state.composer);
    let telling = state.purpose == Purpose::Write && state.asking().is_none();
    match state.open.as_ref().filter(|_| telling) {
        Some(open) => vec![Action::Typing { conversation: open.id, stopped: state.composer.is_empty() }],
        None => Vec::new(),
    }
}

fn newest(state: &mut State) -> Vec<Action> {
    let Some(open) = state.open.as_mut() else { return Vec::new() };
    open.selected = None;
    open.scroll = 0;
    if open.detached { vec![Action::Open(open.id)] } else { Vec::new() }
}

fn send(state: &mut State) -> Vec<Action> {
    let Some(conversation) = state.open.as_ref().map(|open| open.id) else { return Vec::new() };
    if state.composer.text().trim().is_empty() {
        return Vec::new();
    }
    let text = state.composer.take().trim().to_owned();
    match std::mem::replace(&mut state.purpose, Purpose::Write) {
        Purpose::Write | Purpose::Reply { .. } if state.asking().is_some() => {
            state.notice = Some("Accept first (Ctrl-Y): then they hear of you.".to_owned());
            state.composer.set(text);
            Vec::new()
        }
        Purpose::Write => {
            let mut actions = newest(state);
            actions.insert(0, Action::Send { conversation, text, reply_to: None });
            actions
        }
        Purpose::Reply { to, .. } => vec![Action::Send { conversation, text, reply_to: Some(to) }],
        Purpose::Edit(message) => vec![Action::Edit { conversation, message, text }],
        Purpose::React(message) => vec![Action::React { conversation, message, emoji: text }],
    }
}

/// Moves the mark among the messages.
fn select(state: &mut State, up: bool) -> Vec<Action> {
    let Some(open) = state.open.as_mut() else { return Vec::new() };
    let marked = open.selected.and_then(|id| open.messages.iter().position(|message| message.id == id));
    let last = open.messages.len().checked_sub(1);
    let next = match (marked, up) {
        (None, _) => last,
        (Some(at), true) => Some(at.saturating_sub(1)),
        (Some(at), false) => Some(at + 1).filter(|at| Some(*at) <= last),
    };
    open.selected = next.and_then(|at| open.messages.get(at)).map(|message| message.id);
    if next == Some(0) { older(state) } else { Vec::new() }
}

/// A key about the message that is marked.
fn selected(state: &mut State, key: KeyEvent) -> Vec<Action> {
    match key.code {
        KeyCode::Up => return select(state, true),
        KeyCode::Down => return select(state, false),
        _ => {}
    }
    let Some(message) = state.selected().cloned() else { return Vec::new() };
    let (conversation, id) = (message.conversation, message.id);
    if let Some(open) = state.open.as_mut() {
        open.selected = None;
    }
    let own = |state: &mut State| {
        state.notice = Some("That message isn't yours.".to_owned());
        Vec::new()
    };
    let words = match &message.body {
        Body::Notice { .. } | Body::Deleted { .. } => return Vec::new(),
        body => crate::render::words(body),
    };
    match key.code {
        KeyCode::Char('r') | KeyCode::Enter => {
            state.purpose = Purpose::Reply { to: id, excerpt: text::excerpt(words, 40) };
        }
        KeyCode::Char('e') if message.outgoing => {
            state.composer.set(words);
            state.purpose = Purpose::Edit(id);
        }
        KeyCode::Char('D') if message.outgoing => {
            return vec![Action::Delete { conversation, message: id, for_all: true }];
        }
        KeyCode::Char('e' | 'D') => return own(state),
        KeyCode::Char('+') => state.purpose = Purpose::React(id),
        KeyCode::Char('d') => return vec![Action::Delete { conversation, message: id, for_all: false }],
        KeyCode::Char('p') => {
            return vec![Action::Pin { conversation, message: id, pinned: !message.pinned }];
        }
        _ => {}
    }
    Vec::new()
}

/// To somebody new: a name, and what to say.
fn write(state: &mut State, key: KeyEvent) -> Vec<Action> {
    let Overlay::Write(line) = &mut state.overlay else { return Vec::new() };
    match key.code {
        KeyCode::Esc => state.overlay = Overlay::None,
        KeyCode::Backspace => drop(line.pop()),
        KeyCode::Char(c) if !key.modifiers.contains(KeyModifiers::CONTROL) => line.push(c),
        KeyCode::Enter => {
            let Some((to, text)) = line.trim().split_once(char::is_whitespace) else {
                state.notice = Some("A name, a space, and what to say.".to_owned());
                return Vec::new();
            };
            let action = Action::Write { to: to.to_owned(), text: text.trim().to_owned() };
            state.overlay = Overlay::None;
            let mut actions = put_aside(state);
            actions.push(action);
            return actions;
        }
        _ => {}
    }
    Vec::new()
}

fn search(state: &mut State, key: KeyEvent) -> Vec<Action> {
    let Overlay::Search { query, found, chosen, asked } = &mut state.overlay else { return Vec::new() };
    match key.code {
        KeyCode::Esc => state.overlay = Overlay::None,
        KeyCode::Up => *chosen = chosen.saturating_sub(1),
        KeyCode::Down => *chosen = (*chosen + 1).min(found.len().saturating_sub(1)),
        KeyCode::Enter if *asked && !found.is_empty() => {
            let Some(one) = found.get(*chosen).cloned() else { return Vec::new() };
            state.overlay = Overlay::None;
            let mut actions = open(state, one.conversation);
            actions.pop();
            actions.push(Action::Jump { conversation: one.conversation, seq: one.seq });
            return actions;
        }
        KeyCode::Enter if !query.trim().is_empty() => return vec![Action::Search(query.trim().to_owned())],
        KeyCode::Backspace => {
            query.pop();
            (*asked, *chosen) = (false, 0);
            found.clear();
        }
        KeyCode::Char(c) if !key.modifiers.contains(KeyModifiers::CONTROL) => {
            query.push(c);
            (*asked, *chosen) = (false, 0);
            found.clear();
        }
        _ => {}
    }
    Vec::new()
}

fn mouse(state: &mut State, mouse: MouseEvent) -> Vec<Action> {
    if state.overlay != Overlay::None {
        return Vec::new();
    }
    let place = Position::new(mouse.column, mouse.row);
    let (in_list, in_chat) = (state.areas.list.contains(place), state.areas.messages.contains(place));
    let last = state.conversations.len().saturating_sub(1);
    match mouse.kind {
        MouseEventKind::ScrollUp if in_chat => scroll(state, WHEEL, true),
        MouseEventKind::ScrollDown if in_chat => scroll(state, WHEEL, false),
        MouseEventKind::ScrollUp if in_list => {
            state.chosen = state.chosen.saturating_sub(1);
            Vec::new()
        }
        MouseEventKind::ScrollDown if in_list => {
            state.chosen = (state.chosen + 1).min(last);
            Vec::new()
        }
        MouseEventKind::Down(MouseButton::Left) if in_list => {
            let row = usize::from(place.y - state.areas.list.y) + state.areas.first_listed;
            let there = state.conversations.get(row).map(|conversation| conversation.id);
            there.map_or_else(Vec::new, |id| {
                state.chosen = row;
                open(state, id)
            })
        }
        MouseEventKind::Down(MouseButton::Left) if in_chat => {
            let row = usize::from(place.y - state.areas.messages.y);
            let message = state.areas.rows.get(row).copied().flatten();
            if let Some(open) = state.open.as_mut() {
                open.selected = if open.selected == message { None } else { message };
                state.pane = Pane::Chat;
            }
            Vec::new()
        }
        _ => Vec::new(),
    }
}
