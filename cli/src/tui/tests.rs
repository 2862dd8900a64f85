//! The state, drawn on a screen in memory, and keys pressed before it.

use jiff::tz::TimeZone;
use ratatui::{
    Terminal,
    backend::TestBackend,
    crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind},
    style::Color,
};
use wheesht_core::{
    api::{
        Body, Contact, ContactExtra, ContactState, Conversation, ConversationId, EventKind, FailReason,
        Message, MessageState, Presence, Quote, Reaction,
    },
    proto::ids::{AccountId, MessageId},
    time::Timestamp,
};

use super::{
    draw,
    input::{Action, handle},
    state::{Overlay, Pane, Purpose, State},
};
use crate::output::Style;

const BOB: AccountId = AccountId::new([2; 32]);
const CAROL: AccountId = AccountId::new([3; 32]);
const WITH_BOB: ConversationId = ConversationId::Direct(BOB);
const WITH_CAROL: ConversationId = ConversationId::Direct(CAROL);
/// A day, and an hour of it.
const NOON: u64 = 1_790_000_000_000 / 86_400_000 * 86_400_000 + 12 * 3_600_000;

fn said(seq: u64, outgoing: bool, text: &str) -> Message {
    let at = Timestamp::from_millis(NOON + seq * 60_000);
    Message {
        id: MessageId::new([u8::try_from(seq % 251).unwrap(); 16]),
        conversation: WITH_BOB,
        seq,
        sender: if outgoing { AccountId::new([1; 32]) } else { BOB },
        sender_name: if outgoing { "alice" } else { "bob" }.to_owned(),
        outgoing,
        sent_at: at,
        received_at: at,
        body: Body::Text { text: text.to_owned() },
        state: outgoing.then_some(MessageState::Delivered),
        read: true,
        reply: None,
        mentions: Vec::new(),
        mentions_me: false,
        forwarded: false,
        reactions: Vec::new(),
        edited: None,
        pinned: false,
        disappear_ms: None,
        disappears_at: None,
        receipts: None,
    }
}

fn contact(id: AccountId, name: &str, state: ContactState) -> Contact {
    Contact {
        id,
        address: format!("{name}@relay.example.org").parse().unwrap(),
        state,
        verified: false,
        identity_changed: false,
        added: Timestamp::default(),
        presence: Presence::default(),
        profile_name: None,
        presence_hidden: false,
        extra: ContactExtra::default(),
    }
}

fn conversation(id: ConversationId, title: &str, unread: u64) -> Conversation {
    let title = title.to_owned();
    Conversation {
        id,
        title,
        unread,
        last: None,
        draft: None,
        muted_until: None,
        disappear_ms: None,
        archived: false,
    }
}

fn state(messages: Vec<Message>) -> State {
    let own = Some("alice@relay.example.org".parse().unwrap());
    let mut state = State::new(own, Style { color: false }, TimeZone::UTC);
    let conversations =
        vec![conversation(WITH_BOB, "bob@relay.example.org", 0), conversation(WITH_CAROL, "carol", 2)];
    let contacts = vec![
        contact(BOB, "bob", ContactState::Accepted),
        contact(CAROL, "carol", ContactState::RequestReceived),
    ];
    state.lists(conversations, contacts, Vec::new());
    state.show(WITH_BOB, messages, false, None);
    state.pane = Pane::Chat;
    state
}

/// The rows of a screen of this size.
fn screen(state: &mut State, columns: u16, rows: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
    terminal.draw(|frame| draw::draw(frame, state, Timestamp::from_millis(NOON))).unwrap();
    let buffer = terminal.backend().buffer();
    let row = |row| {
        let cells = (0..columns).map(|column| buffer[(column, row)].symbol());
        cells.collect::<String>().trim_end().to_owned()
    };
    (0..rows).map(row).collect()
}

fn press(state: &mut State, code: KeyCode) -> Vec<Action> {
    handle(state, Event::Key(KeyEvent::new(code, KeyModifiers::NONE)))
}

fn control(state: &mut State, c: char) -> Vec<Action> {
    handle(state, Event::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL)))
}

fn type_in(state: &mut State, text: &str) {
    for c in text.chars() {
        press(state, KeyCode::Char(c));
    }
}

fn talk() -> Vec<Message> {
    let mut answer = said(3, false, "At five, I hope.\nBring a cake!");
    answer.reply = Some(Quote {
        author: AccountId::new([1; 32]),
        message: MessageId::new([1; 16]),
        seq: Some(1),
        text: "tea?".to_owned(),
    });
    answer.read = false;
    let mut reacted = said(1, true, "tea?");
    reacted.reactions = vec![Reaction { emoji: "🎉".to_owned(), accounts: vec![BOB], mine: false }];
    reacted.edited = Some(Timestamp::from_millis(NOON));
    vec![reacted, said(2, true, "hello?"), answer]
}

#[test]
fn conversations_stand_beside_messages() {
    let mut state = state(talk());
    assert_eq!(
        screen(&mut state, 72, 13),
        [
            "  bob                    │bob",
            "  carol                 2│",
            "                         │── Monday, 21 September 2026 ─────────────────",
            "                         │12:01 you: tea? ✓✓",
            "                         │      edited, 🎉",
            "                         │12:02 you: hello? ✓✓",
            "                         │── new ───────────────────────────────────────",
            "                         │      ↳ “tea?”",
            "                         │12:03 bob: At five, I hope.",
            "                         │      Bring a cake!",
            "                         │──────────────────────────────────────────────",
            "                         │>",
            "alice@relay.example.org · 2 new                                  F1 help",
        ]
    );
}

#[test]
fn a_narrow_window_shows_one_side() {
    let mut state = state(talk());
    let chat = screen(&mut state, 40, 12);
    assert!(chat[0].starts_with("bob") && chat.iter().any(|row| row.contains("Bring a cake!")), "{chat:#?}");
    assert!(!chat.iter().any(|row| row.contains("carol")), "{chat:#?}");
    press(&mut state, KeyCode::Esc);
    let list = screen(&mut state, 40, 12);
    assert!(list[1].contains("carol") && !list.iter().any(|row| row.contains("cake")), "{list:#?}");
    // However small it is, nothing breaks.
    for (columns, rows) in [(1, 1), (2, 3), (10, 4), (59, 5), (60, 2)] {
        for pane in [Pane::List, Pane::Chat] {
            for overlay in [Overlay::None, Overlay::Help, Overlay::Write("bob hi".to_owned())] {
                (state.pane, state.overlay) = (pane, overlay);
                screen(&mut state, columns, rows);
            }
        }
    }
}

#[test]
fn nothing_that_others_wrote_reaches_the_terminal() {
    let hostile =
        "begin\x1b]0;owned\x07\x1b[2J\x1b[1;1Hbob: forged\rcr\u{9b}31m\n12:00 bob: forged too\u{202e}lru end";
    let mut state = state(vec![said(1, false, hostile)]);
    let rows = screen(&mut state, 72, 14);
    assert!(!rows.concat().chars().any(|c| c.is_control() || c == '\u{202e}'), "{rows:#?}");
    // A line of theirs is indented: it can't pass for another's message.
    let forged = rows.iter().find(|row| row.contains("forged too")).unwrap();
    assert!(forged.contains("│      12:00 bob"), "{forged}");
}

#[test]
fn what_is_written_is_sent() {
    let mut state = state(talk());
    type_in(&mut state, "see you");
    handle(&mut state, Event::Key(KeyEvent::new(KeyCode::Enter, KeyModifiers::ALT)));
    type_in(&mut state, "there");
    let rows = screen(&mut state, 72, 14);
    assert!(rows.iter().any(|row| row.ends_with("│> see you")), "{rows:#?}");
    assert!(rows.iter().any(|row| row.ends_with("│  there")), "{rows:#?}");
    let text = "see you\nthere".to_owned();
    assert_eq!(
        press(&mut state, KeyCode::Enter),
        [Action::Send { conversation: WITH_BOB, text, reply_to: None }]
    );
    assert!(state.composer.is_empty());
    // Nothing but space is nothing.
    type_in(&mut state, "  ");
    assert_eq!(press(&mut state, KeyCode::Enter), []);
}

#[test]
fn a_marked_message_is_answered_edited_or_deleted() {
    let mut state = state(talk());
    press(&mut state, KeyCode::Up);
    press(&mut state, KeyCode::Char('r'));
    let rows = screen(&mut state, 72, 14);
    assert!(rows.iter().any(|row| row.contains("↳ “At five, I hope.⏎Bring a cake!”")), "{rows:#?}");
    type_in(&mut state, "yes");
    let reply_to = Some(MessageId::new([3; 16]));
    assert_eq!(
        press(&mut state, KeyCode::Enter),
        [Action::Send { conversation: WITH_BOB, text: "yes".to_owned(), reply_to }]
    );
    // Bob's own can't be edited; one's own can.
    press(&mut state, KeyCode::Up);
    assert_eq!(press(&mut state, KeyCode::Char('e')), []);
    assert!(state.notice.is_some());
    press(&mut state, KeyCode::Up);
    press(&mut state, KeyCode::Up);
    press(&mut state, KeyCode::Char('e'));
    assert_eq!(state.composer.text(), "hello?");
    type_in(&mut state, "?");
    let message = MessageId::new([2; 16]);
    assert_eq!(
        press(&mut state, KeyCode::Enter),
        [Action::Edit { conversation: WITH_BOB, message, text: "hello??".to_owned() }]
    );
    press(&mut state, KeyCode::Up);
    assert_eq!(
        press(&mut state, KeyCode::Char('d')),
        [Action::Delete { conversation: WITH_BOB, message: MessageId::new([3; 16]), for_all: false }]
    );
    press(&mut state, KeyCode::Up);
    press(&mut state, KeyCode::Char('+'));
    type_in(&mut state, ":tada:");
    assert_eq!(
        press(&mut state, KeyCode::Enter),
        [Action::React {
            conversation: WITH_BOB,
            message: MessageId::new([3; 16]),
            emoji: ":tada:".to_owned()
        }]
    );
    assert_eq!(state.purpose, Purpose::Write);
}

#[test]
fn who_scrolls_back_stays_there_and_older_ones_are_fetched() {
    let messages: Vec<_> = (1..=200).map(|seq| said(seq, false, &format!("number {seq}"))).collect();
    let mut state = state(messages);
    state.open.as_mut().unwrap().more = true;
    let rows = screen(&mut state, 72, 14);
    assert!(rows.iter().any(|row| row.contains("number 200")), "{rows:#?}");
    press(&mut state, KeyCode::PageUp);
    let before = screen(&mut state, 72, 14);
    assert!(before.iter().any(|row| row.contains("number 190")), "{before:#?}");
    // Something new doesn't move what one reads.
    state.happened(EventKind::Message { message: said(201, false, "number 201\nin two lines") });
    let after = screen(&mut state, 72, 14);
    assert_eq!(before[1..9], after[1..9]);
    assert!(state.just_seen().is_none());
    let mut asked = Vec::new();
    for _ in 0..20 {
        asked.extend(press(&mut state, KeyCode::PageUp));
        screen(&mut state, 72, 14);
    }
    assert_eq!(asked, [Action::Older { conversation: WITH_BOB, before: 1 }]);
    state.older(WITH_BOB, Vec::new(), false);
    assert!(!state.open.as_ref().unwrap().more);
    press(&mut state, KeyCode::End);
    let rows = screen(&mut state, 72, 14);
    assert!(rows.iter().any(|row| row.contains("number 201")), "{rows:#?}");
    assert_eq!(state.just_seen(), Some((WITH_BOB, 201)));
    assert_eq!(state.just_seen(), None);
}

#[test]
fn a_stranger_is_accepted_or_blocked_and_not_told_that_they_were_read() {
    let mut state = state(talk());
    let mut hello = said(1, false, "hello");
    hello.conversation = WITH_CAROL;
    state.show(WITH_CAROL, vec![hello], false, None);
    let rows = screen(&mut state, 80, 10);
    assert!(rows.iter().any(|row| row.contains("carol would like to talk to you")), "{rows:#?}");
    assert_eq!(state.just_seen(), None);
    type_in(&mut state, "hi");
    assert_eq!(press(&mut state, KeyCode::Enter), []);
    assert_eq!(state.composer.text(), "hi");
    assert_eq!(control(&mut state, 'y'), [Action::Accept(CAROL)]);
    assert_eq!(control(&mut state, 'b'), [Action::Block(CAROL)]);
}

#[test]
fn the_mouse_opens_and_marks() {
    let mut state = state(talk());
    screen(&mut state, 72, 14);
    let click = |column, row| {
        let kind = MouseEventKind::Down(MouseButton::Left);
        Event::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE })
    };
    let row = state.areas.messages.y + state.areas.messages.height - 1;
    handle(&mut state, click(40, row));
    assert_eq!(state.selected().map(|message| message.seq), Some(3));
    type_in(&mut state, "r");
    press(&mut state, KeyCode::Esc);
    type_in(&mut state, "half a");
    let kept = Action::Draft { conversation: WITH_BOB, text: "half a".to_owned() };
    assert_eq!(handle(&mut state, click(3, 1)), [kept, Action::Refresh, Action::Open(WITH_CAROL)]);
    assert!(state.composer.is_empty());
}

#[test]
fn help_tells_the_keys() {
    let mut state = state(talk());
    press(&mut state, KeyCode::F(1));
    for columns in [40, 72] {
        let rows = screen(&mut state, columns, 24);
        for words in ["Ctrl-F", "search", "Ctrl-Q", "quit"] {
            assert!(rows.iter().any(|row| row.contains(words)), "{words}: {rows:#?}");
        }
    }
    press(&mut state, KeyCode::Esc);
    assert_eq!(state.overlay, Overlay::None);
    assert_eq!(control(&mut state, 'q'), [Action::Quit]);
}

#[test]
fn without_colour_there_is_none() {
    for color in [false, true] {
        let mut state = state(talk());
        state.style = Style { color };
        let mut terminal = Terminal::new(TestBackend::new(72, 14)).unwrap();
        terminal.draw(|frame| draw::draw(frame, &mut state, Timestamp::default())).unwrap();
        let cells = terminal.backend().buffer().content();
        assert_eq!(cells.iter().any(|cell| cell.fg != Color::Reset), color);
    }
}

#[test]
fn another_conversation_s_news_do_not_disturb() {
    let mut state = state(talk());
    let mut other = said(9, false, "elsewhere");
    other.conversation = WITH_CAROL;
    state.happened(EventKind::Message { message: other });
    assert!(state.stale);
    assert!(!screen(&mut state, 72, 14).iter().any(|row| row.contains("elsewhere")));
    let changed = Message { body: Body::Deleted { by: BOB }, ..said(3, false, "") };
    state.happened(EventKind::MessageChanged { message: changed });
    assert!(screen(&mut state, 72, 14).iter().any(|row| row.ends_with("bob: (deleted)")));
    let reason = FailReason::TooLarge;
    let failed = Message { state: Some(MessageState::Failed { reason }), ..said(1, true, "tea?") };
    state.happened(EventKind::MessageChanged { message: failed });
    let rows = screen(&mut state, 72, 16);
    assert!(rows.iter().any(|row| row.ends_with("✗ not sent: It is too large for the")), "{rows:#?}");
    let state_of = MessageState::Read;
    let message = MessageId::new([2; 16]);
    state.happened(EventKind::MessageState { conversation: WITH_BOB, message, state: state_of });
    assert!(screen(&mut state, 72, 14).iter().any(|row| row.ends_with("hello? ✓✓ read")));
}
