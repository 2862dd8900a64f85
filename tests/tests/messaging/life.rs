//! What becomes of a message after it was said: replies, reactions, edits, deletion, pins, drafts, disappearing.

use wheesht_core::{
    api::{
        Body, Conversation, ConversationId, ErrorCode, EventKind, Mention, Message, MessageState, Notice,
        Request, Response, To,
    },
    proto::ids::{AccountId, MessageId},
};
use wheesht_tests::stage::{Stage, Who, address};

use crate::people::*;

const DAY: u64 = 24 * 60 * MINUTE;

fn direct(with: AccountId) -> ConversationId {
    ConversationId::Direct(with)
}

fn done(stage: &mut Stage, who: Who, request: Request) {
    assert_eq!(stage.ask(who, request), Ok(Response::Done));
}

fn react(stage: &mut Stage, who: Who, with: AccountId, message: MessageId, emoji: &str) {
    let (conversation, emoji) = (direct(with), emoji.to_owned());
    done(stage, who, Request::React { conversation, message, emoji, remove: false });
}

fn edit(with: AccountId, message: MessageId, text: &str) -> Request {
    Request::Edit { conversation: direct(with), message, text: text.to_owned(), mentions: Vec::new() }
}

fn delete(with: AccountId, message: MessageId, for_all: bool) -> Request {
    Request::Delete { conversation: direct(with), message, for_all }
}

fn pin(with: AccountId, message: MessageId, pinned: bool) -> Request {
    Request::Pin { conversation: direct(with), message, pinned }
}

fn find(stage: &mut Stage, who: Who, with: AccountId, message: MessageId) -> Option<Message> {
    history(stage, who, with).into_iter().find(|one| one.id == message)
}

fn text(stage: &mut Stage, who: Who, with: AccountId, message: MessageId) -> String {
    match find(stage, who, with, message).expect("the message").body {
        Body::Text { text } => text,
        other => panic!("{other:?}"),
    }
}

fn pins(stage: &mut Stage, who: Who, with: AccountId) -> Vec<MessageId> {
    match stage.ask(who, Request::Pins { conversation: direct(with) }) {
        Ok(Response::History { messages, .. }) => messages.into_iter().map(|message| message.id).collect(),
        other => panic!("{other:?}"),
    }
}

fn shown(stage: &mut Stage, who: Who, with: AccountId) -> Conversation {
    let all = conversations(stage, who);
    all.into_iter().find(|one| one.id == direct(with)).expect("the conversation")
}

#[test]
fn con_24_a_reply_shows_what_it_answers() {
    let Two { mut stage, alice, bob, alice_id, bob_id } = friends(101);
    let question = send(&mut stage, alice, "bob", &"é".repeat(200));
    stage.advance(MINUTE);
    let answer = Request::Send {
        to: To::from(address("alice")),
        text: "yes, @alice".to_owned(),
        reply_to: Some(question),
        mentions: vec![Mention { account: alice_id, start: 5, length: 6 }],
    };
    let Ok(Response::Queued { message, .. }) = stage.ask(bob, answer) else { panic!() };
    stage.advance(MINUTE);
    for (who, with) in [(alice, bob_id), (bob, alice_id)] {
        let shown = find(&mut stage, who, with, message).expect("the reply");
        let quote = shown.reply.expect("a quote");
        assert_eq!((quote.author, quote.message), (alice_id, question));
        assert_eq!(quote.text, "é".repeat(128));
        assert!(quote.seq.is_some());
        assert_eq!(shown.mentions_me, who == alice);
    }
    // What is deleted is not quoted any more.
    done(&mut stage, alice, delete(bob_id, question, true));
    stage.advance(MINUTE);
    assert_eq!(find(&mut stage, bob, alice_id, message).unwrap().reply.unwrap().text, "");

    // CON-25
    let wrong = Request::Send {
        to: To::from(address("alice")),
        text: "é".to_owned(),
        reply_to: None,
        mentions: vec![Mention { account: alice_id, start: 0, length: 1 }],
    };
    assert_eq!(stage.ask(bob, wrong).unwrap_err().code, ErrorCode::Invalid);
}

#[test]
fn con_26_reactions_reach_every_device_and_are_one_set_per_person() {
    let Two { mut stage, alice, bob, alice_id, bob_id } = friends(102);
    let laptop = join(&mut stage, alice, "alice");
    let message = send(&mut stage, alice, "bob", "shall we?");
    stage.advance(MINUTE);
    react(&mut stage, bob, alice_id, message, "👍");
    react(&mut stage, bob, alice_id, message, "🎉");
    react(&mut stage, bob, alice_id, message, "👍");
    react(&mut stage, alice, bob_id, message, "👍");
    stage.advance(MINUTE);
    for (who, with) in [(alice, bob_id), (laptop, bob_id), (bob, alice_id)] {
        let reactions = find(&mut stage, who, with, message).unwrap().reactions;
        let mut both = vec![alice_id, bob_id];
        both.sort();
        assert_eq!(reactions.len(), 2);
        assert_eq!(
            (&*reactions[0].emoji, &reactions[0].accounts, reactions[0].mine),
            ("🎉", &vec![bob_id], who == bob)
        );
        assert_eq!((&*reactions[1].emoji, &reactions[1].accounts, reactions[1].mine), ("👍", &both, true));
    }
    let (conversation, emoji) = (direct(alice_id), "👍".to_owned());
    done(&mut stage, bob, Request::React { conversation, message, emoji, remove: true });
    stage.advance(MINUTE);
    assert_eq!(find(&mut stage, alice, bob_id, message).unwrap().reactions[1].accounts, [alice_id]);
    let (conversation, emoji) = (direct(alice_id), "hello".to_owned());
    let refused = stage.ask(bob, Request::React { conversation, message, emoji, remove: false });
    assert_eq!(refused.unwrap_err().code, ErrorCode::Invalid);
}

#[test]
fn con_27_an_edit_is_shown_as_one_and_only_the_author_may() {
    let Two { mut stage, alice, bob, alice_id, bob_id } = friends(103);
    let laptop = join(&mut stage, alice, "alice");
    let message = send(&mut stage, alice, "bob", "at siz");
    stage.advance(MINUTE);
    stage.events(bob);
    assert_eq!(stage.ask(bob, edit(alice_id, message, "at ten")).unwrap_err().code, ErrorCode::Invalid);
    done(&mut stage, alice, edit(bob_id, message, "at six"));
    stage.advance(MINUTE);
    for (who, with) in [(alice, bob_id), (laptop, bob_id), (bob, alice_id)] {
        assert_eq!(text(&mut stage, who, with, message), "at six");
        assert!(find(&mut stage, who, with, message).unwrap().edited.is_some());
        let Ok(Response::Edits { earlier }) =
            stage.ask(who, Request::Edits { conversation: direct(with), message })
        else {
            panic!()
        };
        assert_eq!(earlier.into_iter().map(|one| one.text).collect::<Vec<_>>(), ["at siz"]);
    }
    let events = stage.events(bob);
    assert!(
        events
            .iter()
            .any(|event| matches!(event, EventKind::MessageChanged { message: one } if one.id == message))
    );
    assert!(!events.iter().any(|event| matches!(event, EventKind::Message { .. })));
    // CON-12: an edited message is as far as it was.
    assert_eq!(state(&mut stage, alice, bob_id, message), MessageState::Delivered);
}

#[test]
fn con_28_what_is_deleted_for_all_leaves_a_tombstone_and_for_oneself_nothing() {
    let Two { mut stage, alice, bob, alice_id, bob_id } = friends(104);
    let laptop = join(&mut stage, alice, "alice");
    let message = send(&mut stage, alice, "bob", "oops");
    let theirs = send(&mut stage, bob, "alice", "what?");
    stage.advance(MINUTE);
    assert_eq!(shown(&mut stage, bob, alice_id).unread, 2);
    // CON-22
    assert_eq!(stage.ask(alice, delete(bob_id, theirs, true)).unwrap_err().code, ErrorCode::Invalid);
    done(&mut stage, alice, delete(bob_id, message, true));
    stage.advance(MINUTE);
    for (who, with) in [(alice, bob_id), (laptop, bob_id), (bob, alice_id)] {
        assert_eq!(find(&mut stage, who, with, message).unwrap().body, Body::Deleted { by: alice_id });
    }
    assert_eq!(shown(&mut stage, bob, alice_id).unread, 1);
    assert_eq!(stage.ask(alice, edit(bob_id, message, "again")).unwrap_err().code, ErrorCode::Invalid);

    done(&mut stage, alice, delete(bob_id, theirs, false));
    stage.advance(MINUTE);
    assert_eq!(find(&mut stage, alice, bob_id, theirs), None);
    assert_eq!(find(&mut stage, laptop, bob_id, theirs), None);
    assert_eq!(text(&mut stage, bob, alice_id, theirs), "what?");
    // It stays away after a restart, and the conversation goes on.
    stage.restart(alice);
    assert_eq!(find(&mut stage, alice, bob_id, theirs), None);
    let last = send(&mut stage, bob, "alice", "gone?");
    stage.advance(MINUTE);
    assert_eq!(text(&mut stage, alice, bob_id, last), "gone?");
}

#[test]
fn con_23_a_change_that_comes_first_waits_for_its_message() {
    // The laptop hears of a message when it is sent to Bob, and of the change at once.
    let Two { mut stage, alice, bob, alice_id, bob_id } = friends(105);
    let laptop = join(&mut stage, alice, "alice");
    stage.set_offline(bob, true);
    stage.set_offline(laptop, true);
    let edited = send(&mut stage, alice, "bob", "one");
    let deleted = send(&mut stage, alice, "bob", "two");
    done(&mut stage, alice, edit(bob_id, edited, "uno"));
    react(&mut stage, alice, bob_id, edited, "👍");
    done(&mut stage, alice, delete(bob_id, deleted, true));
    stage.advance(MINUTE);
    stage.set_offline(laptop, false);
    stage.restart(laptop);
    stage.advance(MINUTE);
    stage.set_offline(bob, false);
    stage.advance(MINUTE);
    for (who, with) in [(alice, bob_id), (laptop, bob_id), (bob, alice_id)] {
        assert_eq!(text(&mut stage, who, with, edited), "uno");
        assert_eq!(find(&mut stage, who, with, edited).unwrap().reactions.len(), 1);
        assert_eq!(find(&mut stage, who, with, deleted).unwrap().body, Body::Deleted { by: alice_id });
    }
}

#[test]
fn con_21_an_order_far_ahead_holds_nothing_up() {
    let Two { mut stage, alice, bob, alice_id, bob_id } = friends(112);
    let message = send(&mut stage, alice, "bob", "shall we?");
    stage.advance(MINUTE);
    stage.at(bob).ahead = 2 * DAY;
    react(&mut stage, bob, alice_id, message, "👍");
    stage.advance(MINUTE);
    assert_eq!(find(&mut stage, alice, bob_id, message).unwrap().reactions, []);
    // An hour ahead is followed by the next, whatever the clock says by then.
    stage.at(bob).ahead = 60 * MINUTE;
    done(&mut stage, bob, pin(alice_id, message, true));
    stage.advance(MINUTE);
    stage.at(bob).ahead = 0;
    done(&mut stage, bob, pin(alice_id, message, false));
    stage.advance(MINUTE);
    assert_eq!(pins(&mut stage, alice, bob_id), []);
}

#[test]
fn con_29_pins_are_the_conversation_s() {
    let Two { mut stage, alice, bob, alice_id, bob_id } = friends(106);
    let (one, two) = (send(&mut stage, alice, "bob", "one"), send(&mut stage, bob, "alice", "two"));
    stage.advance(MINUTE);
    done(&mut stage, bob, pin(alice_id, one, true));
    done(&mut stage, bob, pin(alice_id, two, true));
    stage.advance(MINUTE);
    assert_eq!(pins(&mut stage, alice, bob_id).len(), 2);
    done(&mut stage, alice, pin(bob_id, one, false));
    stage.advance(MINUTE);
    assert_eq!(pins(&mut stage, bob, alice_id), [two]);
    done(&mut stage, bob, delete(alice_id, two, true));
    stage.advance(MINUTE);
    assert_eq!(pins(&mut stage, alice, bob_id), []);
}

#[test]
fn con_30_messages_disappear_for_both_after_they_were_sent_and_read() {
    let Two { mut stage, alice, bob, alice_id, bob_id } = friends(107);
    let laptop = join(&mut stage, alice, "alice");
    let before = send(&mut stage, alice, "bob", "stays");
    stage.advance(MINUTE);
    mark_read(&mut stage, bob, alice_id);
    done(&mut stage, bob, Request::SetDisappearing { conversation: direct(alice_id), after_ms: DAY });
    stage.advance(MINUTE);
    for (who, with) in [(alice, bob_id), (laptop, bob_id), (bob, alice_id)] {
        assert_eq!(shown(&mut stage, who, with).disappear_ms, Some(DAY));
        let told = notices(&mut stage, who, with);
        assert!(told.contains(&Notice::Disappearing { by: bob_id, after_ms: DAY }), "{told:?}");
    }
    let gone = send(&mut stage, alice, "bob", "goes");
    stage.advance(MINUTE);
    assert_eq!(find(&mut stage, alice, bob_id, gone).unwrap().disappear_ms, Some(DAY));
    assert!(find(&mut stage, alice, bob_id, gone).unwrap().disappears_at.is_some());
    // Not read yet: its time has not begun there.
    assert_eq!(find(&mut stage, bob, alice_id, gone).unwrap().disappears_at, None);
    stage.advance(DAY / 2);
    mark_read(&mut stage, bob, alice_id);
    stage.restart(bob);
    stage.restart(alice);
    stage.events(alice);
    stage.advance(DAY / 2);
    assert_eq!(find(&mut stage, alice, bob_id, gone), None);
    assert_eq!(find(&mut stage, laptop, bob_id, gone), None);
    assert_eq!(text(&mut stage, bob, alice_id, gone), "goes");
    let events = stage.events(alice);
    assert!(
        events
            .iter()
            .any(|event| matches!(event, EventKind::MessageGone { message, .. } if *message == gone))
    );
    stage.advance(DAY / 2 + MINUTE);
    assert_eq!(find(&mut stage, bob, alice_id, gone), None);
    assert_eq!(text(&mut stage, bob, alice_id, before), "stays");

    // No longer.
    done(&mut stage, alice, Request::SetDisappearing { conversation: direct(bob_id), after_ms: 0 });
    let stays = send(&mut stage, alice, "bob", "stays too");
    stage.advance(2 * DAY);
    assert_eq!(text(&mut stage, bob, alice_id, stays), "stays too");
}

#[test]
fn con_32_drafts_are_on_every_own_device_until_they_are_sent() {
    let Two { mut stage, alice, bob, alice_id, bob_id } = friends(108);
    let laptop = join(&mut stage, alice, "alice");
    send(&mut stage, alice, "bob", "soon");
    stage.advance(MINUTE);
    let draft = |text: &str| Request::SetDraft {
        conversation: direct(bob_id),
        text: text.to_owned(),
        reply_to: None,
    };
    done(&mut stage, alice, draft("dear b"));
    done(&mut stage, alice, draft("dear bob"));
    stage.advance(MINUTE);
    assert_eq!(shown(&mut stage, laptop, bob_id).draft.unwrap().text, "dear bob");
    send(&mut stage, laptop, "bob", "dear bob, hello");
    stage.advance(MINUTE);
    assert_eq!(shown(&mut stage, alice, bob_id).draft, None);
    assert_eq!(shown(&mut stage, laptop, bob_id).draft, None);
    assert_eq!(shown(&mut stage, bob, alice_id).draft, None);
}

#[test]
fn a_mute_is_the_account_s_and_ends() {
    let Two { mut stage, alice, bob_id, .. } = friends(109);
    let laptop = join(&mut stage, alice, "alice");
    send(&mut stage, alice, "bob", "soon");
    stage.advance(MINUTE);
    let until = shown(&mut stage, alice, bob_id).last.unwrap().received_at.plus_millis(DAY);
    done(&mut stage, alice, Request::Mute { conversation: direct(bob_id), until: Some(until) });
    stage.advance(MINUTE);
    assert_eq!(shown(&mut stage, laptop, bob_id).muted_until, Some(until));
    stage.advance(DAY);
    assert_eq!(shown(&mut stage, laptop, bob_id).muted_until, None);
    assert_eq!(shown(&mut stage, alice, bob_id).muted_until, None);
}

#[test]
fn a_forwarded_text_says_so_and_nothing_of_where_it_was_said() {
    let Two { mut stage, alice, bob, alice_id, bob_id } = friends(110);
    let note = Request::send(address("alice"), "for later");
    let Ok(Response::Queued { conversation, message }) = stage.ask(alice, note) else { panic!() };
    let forward = Request::Forward { conversation, message, to: direct(bob_id).into() };
    let Ok(Response::Queued { message, .. }) = stage.ask(alice, forward) else { panic!() };
    stage.advance(MINUTE);
    let shown = find(&mut stage, bob, alice_id, message).unwrap();
    assert!(shown.forwarded && shown.reply.is_none());
    assert_eq!(shown.body, Body::Text { text: "for later".to_owned() });
}

#[test]
fn what_is_changed_in_notes_reaches_the_other_devices() {
    let Two { mut stage, alice, alice_id, .. } = friends(111);
    let laptop = join(&mut stage, alice, "alice");
    let note = Request::send(address("alice"), "milk");
    let Ok(Response::Queued { message, .. }) = stage.ask(alice, note) else { panic!() };
    stage.advance(MINUTE);
    done(&mut stage, laptop, edit(alice_id, message, "milk and bread"));
    done(&mut stage, alice, pin(alice_id, message, true));
    stage.advance(MINUTE);
    for who in [alice, laptop] {
        assert_eq!(text(&mut stage, who, alice_id, message), "milk and bread");
        assert_eq!(pins(&mut stage, who, alice_id), [message]);
    }
}
