//! First contact, receipts, order, other devices, notes.

use wheesht_core::api::{
    ContactState, ConversationId, ErrorCode, EventKind, FailReason, MessageState, Notice, Request, Response,
    Who as Whom,
};
use wheesht_tests::stage::Stage;

use crate::people::*;

#[test]
fn con_4_a_stranger_asks_and_two_people_talk() {
    let Two { mut stage, alice, bob, alice_id, bob_id } = two(1);
    let hello = send(&mut stage, alice, "bob", "hello");
    let second = send(&mut stage, alice, "bob", "are you there?");
    stage.advance(MINUTE);
    // Nothing answers a stranger, and what follows waits.
    assert_eq!(state(&mut stage, alice, bob_id, hello), MessageState::Sent);
    assert_eq!(state(&mut stage, alice, bob_id, second), MessageState::Pending);
    assert_eq!(texts(&mut stage, bob, alice_id), ["hello"]);
    assert_eq!(contact(&mut stage, bob, "alice").unwrap().state, ContactState::RequestReceived);
    let error = try_send(&mut stage, bob, "alice", "who are you?").unwrap_err();
    assert_eq!(error.code, ErrorCode::Invalid);

    accept(&mut stage, bob, "alice");
    stage.advance(MINUTE);
    assert_eq!(texts(&mut stage, bob, alice_id), ["hello", "are you there?"]);
    assert_eq!(state(&mut stage, alice, bob_id, hello), MessageState::Delivered);
    assert_eq!(state(&mut stage, alice, bob_id, second), MessageState::Delivered);
    assert_eq!(contact(&mut stage, alice, "bob").unwrap().state, ContactState::Accepted);

    let reply = send(&mut stage, bob, "alice", "yes");
    stage.advance(MINUTE);
    assert_eq!(texts(&mut stage, alice, bob_id), ["> hello", "> are you there?", "yes"]);
    assert_eq!(state(&mut stage, bob, alice_id, reply), MessageState::Delivered);
}

#[test]
fn con_13_read_receipts_follow_the_setting_both_ways() {
    let Two { mut stage, alice, bob, alice_id, bob_id } = friends(2);
    let first = send(&mut stage, alice, "bob", "one");
    stage.advance(MINUTE);
    assert_eq!(conversations(&mut stage, bob)[0].unread, 2);
    mark_read(&mut stage, bob, alice_id);
    stage.advance(MINUTE);
    assert_eq!(conversations(&mut stage, bob)[0].unread, 0);
    assert_eq!(state(&mut stage, alice, bob_id, first), MessageState::Read);

    // Whoever turns them off sends none, and sees none.
    assert_eq!(stage.ask(bob, Request::SetReadReceipts { on: false }), Ok(Response::Done));
    let second = send(&mut stage, alice, "bob", "two");
    let third = send(&mut stage, bob, "alice", "three");
    stage.advance(MINUTE);
    mark_read(&mut stage, bob, alice_id);
    mark_read(&mut stage, alice, bob_id);
    stage.advance(MINUTE);
    assert_eq!(state(&mut stage, alice, bob_id, second), MessageState::Delivered);
    assert_eq!(state(&mut stage, bob, alice_id, third), MessageState::Delivered);
}

#[test]
fn con_12_states_only_move_forward_and_each_step_is_told() {
    let Two { mut stage, alice, bob, alice_id, .. } = friends(3);
    let message = send(&mut stage, alice, "bob", "one");
    stage.advance(MINUTE);
    mark_read(&mut stage, bob, alice_id);
    stage.advance(MINUTE);
    let told = stage.events(alice).into_iter().filter_map(|event| match event {
        EventKind::MessageState { message: of, state, .. } if of == message => Some(state),
        _ => None,
    });
    let told: Vec<_> = told.collect();
    assert_eq!(told, [MessageState::Sent, MessageState::Delivered, MessageState::Read]);
}

#[test]
fn what_is_sent_while_the_other_is_away_arrives_in_order() {
    let Two { mut stage, alice, bob, alice_id, bob_id } = friends(4);
    stage.set_offline(bob, true);
    let mut expected = vec!["hello".to_owned()];
    for n in 0..200 {
        let text = format!("message {n}");
        send(&mut stage, alice, "bob", &text);
        expected.push(text);
    }
    stage.advance(MINUTE);
    assert_eq!(texts(&mut stage, bob, alice_id), ["hello"]);
    let last = history(&mut stage, alice, bob_id).pop().unwrap();
    assert_eq!(last.state, Some(MessageState::Sent));
    stage.set_offline(bob, false);
    stage.advance(MINUTE);
    assert_eq!(texts(&mut stage, bob, alice_id), expected);
    assert!(all_delivered(&mut stage, alice, bob_id));
}

#[test]
fn a_long_queue_goes_out_without_a_pause() {
    let Two { mut stage, alice, bob, alice_id, bob_id } = friends(32);
    stage.set_offline(alice, true);
    let said: Vec<_> = (0..300).map(|n| format!("message {n}")).collect();
    for text in &said {
        stage.command(alice, say("bob", text));
    }
    stage.run();
    stage.set_offline(alice, false);
    stage.run();
    assert_eq!(texts(&mut stage, bob, alice_id)[1..], said);
    stage.advance(MINUTE);
    assert!(all_delivered(&mut stage, alice, bob_id));
}

#[test]
fn what_is_sent_while_offline_goes_out_later() {
    let Two { mut stage, alice, bob, alice_id, bob_id } = friends(5);
    stage.set_offline(alice, true);
    let message = send(&mut stage, alice, "bob", "from the train");
    stage.restart(alice);
    stage.advance(60 * MINUTE);
    assert_eq!(state(&mut stage, alice, bob_id, message), MessageState::Pending);
    let Ok(Response::Status { status }) = stage.ask(alice, Request::Status) else { panic!() };
    assert_eq!((status.outbox, status.online), (1, false));
    stage.set_offline(alice, false);
    stage.advance(MINUTE);
    assert_eq!(texts(&mut stage, bob, alice_id), ["hello", "from the train"]);
    assert_eq!(state(&mut stage, alice, bob_id, message), MessageState::Delivered);
}

#[test]
fn both_write_at_once_and_go_on() {
    for seed in 10..15 {
        let Two { mut stage, alice, bob, alice_id, bob_id } = friends(seed);
        for round in 0..10 {
            for (from, to) in [(alice, "bob"), (bob, "alice")] {
                stage.command(from, say(to, &format!("{to} {round}")));
            }
            stage.advance(3_000);
        }
        stage.advance(MINUTE);
        let received = |mut texts: Vec<String>| {
            texts.retain(|text| !text.starts_with("> "));
            texts
        };
        let at_alice = received(texts(&mut stage, alice, bob_id));
        let at_bob = received(texts(&mut stage, bob, alice_id));
        let expected = |name: &str| (0..10).map(|n| format!("{name} {n}")).collect::<Vec<_>>();
        assert_eq!(at_alice, expected("alice"));
        assert_eq!(at_bob[1..], expected("bob"));
        assert!(notices(&mut stage, alice, bob_id).iter().all(|notice| *notice == Notice::Accepted));
        assert!(notices(&mut stage, bob, alice_id).is_empty());
    }
}

#[test]
fn both_ask_at_once_and_are_friends() {
    let Two { mut stage, alice, bob, alice_id, bob_id } = two(16);
    for (from, to) in [(alice, "bob"), (bob, "alice")] {
        stage.command(from, say(to, &format!("hello {to}")));
    }
    stage.advance(2 * MINUTE);
    assert_eq!(contact(&mut stage, alice, "bob").unwrap().state, ContactState::Accepted);
    assert_eq!(contact(&mut stage, bob, "alice").unwrap().state, ContactState::Accepted);
    send(&mut stage, alice, "bob", "ha");
    stage.advance(MINUTE);
    assert!(texts(&mut stage, bob, alice_id).contains(&"hello bob".to_owned()));
    assert!(texts(&mut stage, bob, alice_id).contains(&"ha".to_owned()));
    assert!(texts(&mut stage, alice, bob_id).contains(&"hello alice".to_owned()));
    assert!(all_delivered(&mut stage, alice, bob_id) && all_delivered(&mut stage, bob, alice_id));
}

#[test]
fn con_5_two_devices_of_one_account_see_the_same() {
    let Two { mut stage, alice, bob, alice_id, bob_id } = friends(17);
    let second = join(&mut stage, alice, "alice");
    stage.advance(5 * MINUTE);
    send(&mut stage, alice, "bob", "from the first");
    stage.advance(MINUTE);
    let from_second = send(&mut stage, second, "bob", "from the second");
    stage.advance(MINUTE);
    send(&mut stage, bob, "alice", "to both");
    stage.advance(MINUTE);
    assert_eq!(texts(&mut stage, bob, alice_id), ["hello", "from the first", "from the second", "> to both"]);
    let said = ["> from the first", "> from the second", "to both"];
    assert_eq!(texts(&mut stage, second, bob_id), said);
    assert_eq!(texts(&mut stage, alice, bob_id)[1..], said);
    assert_eq!(state(&mut stage, alice, bob_id, from_second), MessageState::Delivered);

    mark_read(&mut stage, second, bob_id);
    stage.advance(MINUTE);
    assert_eq!(conversations(&mut stage, alice)[0].unread, 0);
    assert!(notices(&mut stage, bob, alice_id).iter().any(|one| matches!(one, Notice::DeviceAdded { .. })));
}

#[test]
fn a_note_to_oneself_reaches_the_other_devices() {
    let mut stage = Stage::new(18);
    let alice = register(&mut stage, "alice");
    let alice_id = account(&mut stage, alice);
    let alone = send(&mut stage, alice, "alice", "buy milk");
    assert_eq!(state(&mut stage, alice, alice_id, alone), MessageState::Sent);
    let second = join(&mut stage, alice, "alice");
    stage.advance(5 * MINUTE);
    let note = send(&mut stage, alice, "alice", "and bread");
    stage.advance(MINUTE);
    assert_eq!(state(&mut stage, alice, alice_id, note), MessageState::Sent);
    assert_eq!(texts(&mut stage, second, alice_id), ["> and bread"]);
    assert_eq!(conversations(&mut stage, second)[0].title, "Note to self");
}

#[test]
fn blocked_and_deleted_people_are_not_heard() {
    let Two { mut stage, alice, bob, alice_id, bob_id } = friends(19);
    stage.ask(bob, Request::BlockContact { who: Whom::Id(alice_id) }).unwrap();
    send(&mut stage, alice, "bob", "still there?");
    stage.advance(MINUTE);
    assert_eq!(texts(&mut stage, bob, alice_id), ["hello"]);
    let error = try_send(&mut stage, bob, "alice", "no").unwrap_err();
    assert_eq!(error.code, ErrorCode::Blocked);
    stage.ask(bob, Request::DeleteContact { who: Whom::Id(alice_id) }).unwrap();
    assert!(conversations(&mut stage, bob).is_empty());
    assert!(texts(&mut stage, bob, alice_id).is_empty());
    // DEV-17: no other contact has to learn Bob's new address, so the old one closed at once. It looks as if he were away.
    let last = |stage: &mut Stage| history(stage, alice, bob_id).last().unwrap().state;
    assert_eq!(last(&mut stage), Some(MessageState::Pending));
    stage.advance(31 * 24 * 60 * MINUTE);
    assert_eq!(last(&mut stage), Some(MessageState::Failed { reason: FailReason::AwayTooLong }));
    assert!(texts(&mut stage, bob, alice_id).is_empty());
}

#[test]
fn con_7_texts_have_bounds() {
    let Two { mut stage, alice, bob, alice_id, .. } = friends(20);
    assert_eq!(try_send(&mut stage, alice, "bob", "").unwrap_err().code, ErrorCode::Invalid);
    let large = "x".repeat(64 * 1024);
    send(&mut stage, alice, "bob", &large);
    let error = try_send(&mut stage, alice, "bob", &format!("{large}x")).unwrap_err();
    assert_eq!((error.code, error.next.is_empty()), (ErrorCode::TooLarge, false));
    stage.advance(MINUTE);
    assert_eq!(texts(&mut stage, bob, alice_id), ["hello".to_owned(), large]);
    let nobody = try_send(&mut stage, alice, "nobody", "hello").unwrap_err();
    assert_eq!(nobody.code, ErrorCode::NotFound);
}

#[test]
fn history_is_read_in_pages() {
    let Two { mut stage, alice, bob_id, .. } = friends(21);
    for n in 0..25 {
        send(&mut stage, alice, "bob", &n.to_string());
    }
    let conversation = ConversationId::Direct(bob_id);
    let (mut before, mut seen) = (None, Vec::new());
    loop {
        let request = Request::History { conversation, before, limit: 10 };
        let Ok(Response::History { messages, more }) = stage.ask(alice, request) else { panic!() };
        before = messages.first().map(|message| message.seq);
        seen.splice(0..0, messages);
        if !more {
            break;
        }
    }
    assert_eq!(seen.len(), history(&mut stage, alice, bob_id).len());
    assert!(seen.is_sorted_by_key(|message| message.seq));
    let one = seen[3].clone();
    let request = Request::Message { conversation, message: one.id };
    let Ok(Response::History { messages, .. }) = stage.ask(alice, request) else { panic!() };
    assert_eq!(messages, [one]);
}
