//! What comes twice, what can't be read, clocks that are wrong, and other relays.

use wheesht_core::{
    api::{EventKind, FailReason, MessageState, Notice, Password, Request, Response},
    proto::ids::EnvelopeId,
};
use wheesht_tests::stage::Stage;

use crate::people::*;

#[test]
fn con_1_what_is_pushed_again_has_no_effect() {
    let Two { mut stage, alice, bob, alice_id, bob_id } = friends(24);
    for n in 0..5 {
        send(&mut stage, alice, "bob", &format!("one {n}"));
        stage.advance(MINUTE);
        send(&mut stage, bob, "alice", &format!("other {n}"));
        stage.advance(MINUTE);
    }
    let before = (history(&mut stage, alice, bob_id), history(&mut stage, bob, alice_id));
    stage.events(bob);
    for (who, pushed) in stage.pushed() {
        stage.push(who, pushed);
    }
    stage.restart(bob);
    for (who, pushed) in stage.pushed() {
        stage.push(who, pushed);
    }
    stage.advance(MINUTE);
    assert_eq!((history(&mut stage, alice, bob_id), history(&mut stage, bob, alice_id)), before);
    let told = stage.events(bob);
    assert!(told.iter().all(|event| matches!(event, EventKind::Link { .. })), "{told:?}");
}

#[test]
fn con_3_what_was_changed_on_the_way_changes_nothing() {
    let Two { mut stage, alice, bob, alice_id, .. } = friends(25);
    send(&mut stage, alice, "bob", "one");
    stage.advance(MINUTE);
    let before = history(&mut stage, bob, alice_id);
    let pushed: Vec<_> = stage.pushed().into_iter().filter(|(who, _)| *who == bob).collect();
    for (n, (_, mut push)) in pushed.into_iter().cycle().take(200).enumerate() {
        let mut envelope = push.envelope.to_vec();
        match n % 4 {
            0 => envelope.truncate(n),
            1 => envelope.extend_from_slice(&[0; 40]),
            _ => {
                let place = n * 31 % envelope.len();
                envelope[place] ^= 1 << (n % 8);
            }
        }
        push.envelope_id = EnvelopeId::of(&envelope).to_vec();
        push.envelope = envelope.into();
        stage.push(bob, push);
    }
    stage.advance(MINUTE);
    assert_eq!(history(&mut stage, bob, alice_id), before);
    send(&mut stage, alice, "bob", "two");
    stage.advance(MINUTE);
    assert_eq!(texts(&mut stage, bob, alice_id), ["hello", "one", "two"]);
}

#[test]
fn con_2_a_device_not_known_yet_is_heard_once_it_is() {
    let Two { mut stage, alice, bob, alice_id, .. } = friends(26);
    stage.set_offline(bob, true);
    let second = join(&mut stage, alice, "alice");
    stage.advance(5 * MINUTE);
    send(&mut stage, second, "bob", "from a new device");
    stage.advance(MINUTE);
    // Bob hears of the device by its message before he can have asked for the list that it stands in.
    stage.set_offline(bob, false);
    stage.advance(5 * MINUTE);
    assert_eq!(texts(&mut stage, bob, alice_id), ["hello", "from a new device"]);
}

#[test]
fn con_15_a_lost_session_is_repaired_and_the_message_sent_again() {
    let Two { mut stage, alice, bob, alice_id, bob_id } = friends(27);
    send(&mut stage, bob, "alice", "one");
    stage.advance(10 * MINUTE);
    // Bob's store is put back to a time before two steps of the ratchet, too short ago for his statement to say so.
    let copy = stage.at(bob).snapshot();
    send(&mut stage, alice, "bob", "two");
    stage.advance(1_000);
    send(&mut stage, bob, "alice", "three");
    stage.advance(1_000);
    send(&mut stage, alice, "bob", "four");
    stage.advance(1_000);
    stage.at(bob).restore(&copy);
    stage.restart(bob);
    stage.advance(1_000);
    send(&mut stage, alice, "bob", "five");
    stage.advance(10 * MINUTE);
    let heard = texts(&mut stage, bob, alice_id);
    assert_eq!(heard.last().map(String::as_str), Some("five"), "{heard:?}");
    assert_eq!(heard.iter().filter(|text| *text == "five").count(), 1);
    let told = notices(&mut stage, bob, alice_id);
    assert_eq!(told, [Notice::Unreadable, Notice::SessionReset]);
    send(&mut stage, alice, "bob", "six");
    send(&mut stage, bob, "alice", "seven");
    stage.advance(10 * MINUTE);
    assert_eq!(texts(&mut stage, bob, alice_id)[heard.len()..], ["six", "> seven"]);
    assert_eq!(texts(&mut stage, alice, bob_id).last().map(String::as_str), Some("seven"));
    assert_eq!(notices(&mut stage, bob, alice_id).len(), 2);
}

#[test]
fn the_same_inputs_have_the_same_effects() {
    let run = || {
        let Two { mut stage, alice, bob, alice_id, bob_id } = friends(28);
        for n in 0..5 {
            send(&mut stage, alice, "bob", &format!("one {n}"));
            send(&mut stage, bob, "alice", &format!("other {n}"));
            stage.advance(700);
        }
        let seen = (history(&mut stage, alice, bob_id), history(&mut stage, bob, alice_id));
        (seen, stage.pushed().into_iter().map(|(_, push)| push).collect::<Vec<_>>())
    };
    assert!(run() == run());
}

#[test]
fn con_9_a_clock_that_is_ahead_changes_neither_order_nor_time() {
    let Two { mut stage, alice, bob, alice_id, .. } = friends(29);
    stage.at(alice).ahead = 30 * MINUTE;
    send(&mut stage, alice, "bob", "from the future");
    stage.advance(1_000);
    send(&mut stage, bob, "alice", "from now");
    stage.advance(MINUTE);
    assert_eq!(texts(&mut stage, bob, alice_id), ["hello", "from the future", "> from now"]);
    for message in history(&mut stage, bob, alice_id) {
        assert!(message.sent_at <= message.received_at);
    }
}

#[test]
fn con_16_a_session_is_set_up_anew_once_an_hour() {
    let Two { mut stage, alice, bob, alice_id, .. } = friends(30);
    send(&mut stage, bob, "alice", "one");
    stage.advance(10 * MINUTE);
    let lose = |stage: &mut Stage, text: &str| {
        let copy = stage.at(bob).snapshot();
        send(stage, alice, "bob", "lost");
        stage.advance(1_000);
        send(stage, bob, "alice", "lost too");
        stage.advance(1_000);
        send(stage, alice, "bob", "and this");
        stage.advance(1_000);
        stage.at(bob).restore(&copy);
        stage.restart(bob);
        stage.advance(1_000);
        send(stage, alice, "bob", text);
        stage.advance(10 * MINUTE);
        let heard = texts(stage, bob, alice_id).iter().filter(|heard| *heard == text).count();
        let told = notices(stage, bob, alice_id);
        (heard, told.iter().filter(|notice| **notice == Notice::SessionReset).count())
    };
    assert_eq!(lose(&mut stage, "two"), (1, 1));
    assert_eq!(lose(&mut stage, "three"), (0, 1));
    stage.advance(60 * MINUTE);
    assert_eq!(texts(&mut stage, bob, alice_id).last().map(String::as_str), Some("three"));
    let told = notices(&mut stage, bob, alice_id);
    assert_eq!(told.iter().filter(|notice| **notice == Notice::SessionReset).count(), 2);
}

#[test]
fn con_19_who_is_away_for_too_long_can_t_be_written_to() {
    let Two { mut stage, alice, bob, bob_id, .. } = friends(31);
    stage.set_offline(bob, true);
    stage.advance(100 * 24 * 60 * MINUTE);
    let message = send(&mut stage, alice, "bob", "where are you?");
    stage.advance(MINUTE);
    let reason = FailReason::AwayTooLong;
    assert_eq!(state(&mut stage, alice, bob_id, message), MessageState::Failed { reason });
}

#[test]
fn people_on_two_relays_talk() {
    let mut stage = Stage::new(33);
    stage.add_relay(wheesht_relay::service::Settings::new("other.test"));
    let alice = register(&mut stage, "alice");
    let bob = stage.add();
    let address: wheesht_core::proto::address::Address = "bob@other.test".parse().unwrap();
    let (request, password) = (address.clone(), Password::new(PASSWORD));
    let request = Request::Register { address: request, password, device: "bob".to_owned() };
    assert_eq!(stage.ask(bob, request), Ok(Response::Done));
    let (alice_id, bob_id) = (account(&mut stage, alice), account(&mut stage, bob));
    let hello = Request::send(address, "hello");
    assert!(matches!(stage.ask(alice, hello), Ok(Response::Queued { .. })));
    stage.advance(MINUTE);
    accept(&mut stage, bob, "alice");
    stage.advance(MINUTE);
    send(&mut stage, bob, "alice", "from over here");
    stage.advance(MINUTE);
    assert_eq!(texts(&mut stage, alice, bob_id), ["> hello", "from over here"]);
    assert_eq!(texts(&mut stage, bob, alice_id), ["hello", "> from over here"]);
    assert!(all_delivered(&mut stage, alice, bob_id) && all_delivered(&mut stage, bob, alice_id));
}
