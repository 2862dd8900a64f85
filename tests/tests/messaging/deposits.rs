//! What is sent when: receipts, and the order and repetition of deposits.

use std::{cell::RefCell, collections::BTreeSet, rc::Rc};

use wheesht_core::{
    api::{MessageState, Password, Request},
    proto::relay::{Deliver, client_frame, relay_frame},
};
use wheesht_tests::stage::{Stage, Who, address};

use crate::people::*;

/// What somebody deposits, in requests: the envelopes of each.
type Deposits = Rc<RefCell<Vec<Vec<Vec<u8>>>>>;

fn watch_deposits(stage: &mut Stage, of: Who) -> Deposits {
    let seen = Deposits::default();
    let notes = seen.clone();
    stage.watch = Some(Box::new(move |who, body| {
        if let (true, client_frame::Body::Deposit(deposit)) = (who == of, body) {
            notes.borrow_mut().push(deposit.entries.iter().map(|entry| entry.envelope.to_vec()).collect());
        }
    }));
    seen
}

fn envelopes(deposits: &Deposits) -> usize {
    deposits.borrow().iter().map(Vec::len).sum()
}

#[test]
fn con_10_a_text_has_one_receipt_when_it_is_shown_and_one_when_it_is_read() {
    let Two { mut stage, alice, bob, alice_id, bob_id } = friends(34);
    let deposits = watch_deposits(&mut stage, bob);
    let message = send(&mut stage, alice, "bob", "one");
    stage.advance(MINUTE);
    assert_eq!(state(&mut stage, alice, bob_id, message), MessageState::Delivered);
    assert_eq!(envelopes(&deposits), 1);
    for (who, pushed) in stage.pushed().into_iter().filter(|(who, _)| *who == bob) {
        stage.push(who, pushed);
    }
    stage.advance(MINUTE);
    assert_eq!(envelopes(&deposits), 1);
    for _ in 0..2 {
        mark_read(&mut stage, bob, alice_id);
        stage.advance(MINUTE);
        assert_eq!(state(&mut stage, alice, bob_id, message), MessageState::Read);
        assert_eq!(envelopes(&deposits), 2);
    }
}

#[test]
fn con_11_who_is_not_accepted_has_no_receipts_until_they_are() {
    let Two { mut stage, alice, bob, alice_id, bob_id } = two(35);
    let deposits = watch_deposits(&mut stage, bob);
    let hello = send(&mut stage, alice, "bob", "hello");
    stage.advance(MINUTE);
    mark_read(&mut stage, bob, alice_id);
    stage.advance(10 * MINUTE);
    assert_eq!(envelopes(&deposits), 0);
    assert_eq!(state(&mut stage, alice, bob_id, hello), MessageState::Sent);
    accept(&mut stage, bob, "alice");
    stage.advance(MINUTE);
    assert_eq!(state(&mut stage, alice, bob_id, hello), MessageState::Read);
    // The acceptance and one receipt: nothing was waiting to be told.
    assert_eq!(envelopes(&deposits), 2);
}

#[test]
fn con_11_receipts_are_gathered_for_half_a_second_to_two() {
    let Two { mut stage, alice, bob, .. } = friends(36);
    let deposits = watch_deposits(&mut stage, bob);
    let mut waits = BTreeSet::new();
    for round in 1..=8 {
        for text in ["one", "two", "three"] {
            send(&mut stage, alice, "bob", text);
        }
        stage.advance(499);
        assert_eq!(envelopes(&deposits), round - 1, "too early");
        let mut waited = 499;
        while envelopes(&deposits) < round {
            stage.advance(1);
            waited += 1;
            assert!(waited <= 2_001, "too late");
        }
        waits.insert(waited);
        stage.advance(MINUTE);
        assert_eq!(envelopes(&deposits), round, "one for all three");
    }
    assert!(waits.len() > 4, "at random: {waits:?}");
}

#[test]
fn con_11_a_receipt_names_256_messages_at_most() {
    let Two { mut stage, alice, bob, bob_id, .. } = friends(37);
    stage.set_offline(bob, true);
    for n in 0..257 {
        stage.command(alice, say("bob", &n.to_string()));
    }
    stage.advance(MINUTE);
    let deposits = watch_deposits(&mut stage, bob);
    stage.set_offline(bob, false);
    stage.advance(MINUTE);
    assert!(all_delivered(&mut stage, alice, bob_id));
    assert_eq!(envelopes(&deposits), 2);
}

#[test]
fn con_14_one_deposit_at_a_time_is_under_way_and_is_repeated_with_the_same_bytes() {
    let Two { mut stage, alice, bob, alice_id, .. } = friends(38);
    let deposits = watch_deposits(&mut stage, alice);
    for text in ["one", "two", "three"] {
        stage.command(alice, say("bob", text));
    }
    while deposits.borrow().is_empty() {
        assert!(stage.step());
    }
    // Its answer is lost on the way, again and again.
    for lost in 1..=5 {
        stage.disconnect(alice);
        let (mut steps, before) = (0, stage.now);
        while deposits.borrow().len() == lost {
            if !stage.step() {
                stage.advance(500);
            }
            steps += 1;
            assert!(steps < 10_000, "nothing is repeated after {:?}", stage.now.millis_since(before));
        }
        let deposits = deposits.borrow();
        // What follows may go along, but behind it.
        let repeated = deposits[lost].get(..deposits[0].len());
        assert_eq!(repeated, Some(&deposits[0][..]));
    }
    stage.advance(10 * MINUTE);
    assert_eq!(texts(&mut stage, bob, alice_id), ["hello", "one", "two", "three"]);

    // Each answer is awaited before the next deposit, while the connection stands.
    send(&mut stage, alice, "bob", "four");
    let under_way = Rc::new(RefCell::new((0, 0)));
    let (asked, answered) = (under_way.clone(), under_way.clone());
    stage.watch = Some(Box::new(move |who, body| {
        if let (true, client_frame::Body::Deposit(_)) = (who == alice, body) {
            let mut counts = asked.borrow_mut();
            counts.0 += 1;
            counts.1 = counts.1.max(counts.0);
        }
    }));
    stage.hostile = Some(Box::new(move |who: usize, body: &mut relay_frame::Body| {
        if let (true, relay_frame::Body::DepositResults(_)) = (who == alice.0, body) {
            answered.borrow_mut().0 -= 1;
        }
    }));
    for n in 0..400 {
        stage.command(alice, say("bob", &n.to_string()));
    }
    stage.advance(MINUTE);
    assert_eq!(*under_way.borrow(), (0, 1));
}

#[test]
fn env_8_a_device_that_the_newest_manifest_does_not_list_is_not_believed() {
    let Two { mut stage, alice, bob, alice_id, .. } = friends(39);
    let thief = join(&mut stage, alice, "alice");
    stage.advance(5 * MINUTE);
    // The first message of a device that is genuine then, so that it brings all that a session takes; the relay holds it back.
    stage.hostile = Some(Box::new(move |who: usize, body: &mut relay_frame::Body| {
        if let (true, relay_frame::Body::Deliver(deliver)) = (who == bob.0, body) {
            deliver.envelope = Vec::new().into();
        }
    }));
    send(&mut stage, thief, "bob", "from a thief");
    stage.advance(1_000);
    stage.set_offline(bob, true);
    stage.hostile = None;
    stage.set_offline(alice, true);
    stage.set_offline(thief, true);
    // Alice logs in on another device, which evicts both.
    let second = stage.add();
    let (of, password) = (address("alice"), Password::new(PASSWORD));
    let request = Request::LogIn { address: of, password, device: "second".to_owned(), evict: true };
    stage.ask(second, request).expect("a login");
    stage.advance(60 * MINUTE);
    send(&mut stage, second, "bob", "I lost my phone");
    stage.advance(MINUTE);
    // Bob hears of it first, and of the old message then.
    let old = Rc::new(RefCell::new(None));
    let first = old.clone();
    stage.hostile = Some(Box::new(move |who: usize, body: &mut relay_frame::Body| {
        if let (true, relay_frame::Body::Deliver(deliver)) = (who == bob.0, body) {
            let mut first = first.borrow_mut();
            if first.is_none() {
                *first = Some(deliver.clone());
                deliver.envelope = Vec::new().into();
            }
        }
    }));
    stage.set_offline(bob, false);
    stage.advance(10 * MINUTE);
    assert_eq!(texts(&mut stage, bob, alice_id), ["hello", "I lost my phone"]);
    stage.hostile = None;
    let old: Deliver = old.borrow_mut().take().expect("the old message");
    stage.push(bob, old);
    stage.advance(60 * MINUTE);
    assert_eq!(texts(&mut stage, bob, alice_id), ["hello", "I lost my phone"]);
}

#[test]
fn who_was_not_written_to_for_months_can_be_rel_41() {
    let Two { mut stage, alice, bob, alice_id, .. } = two(34);
    for _ in 0..20 {
        stage.advance(7 * 24 * 60 * MINUTE);
    }
    send(&mut stage, alice, "bob", "after all this time");
    stage.advance(MINUTE);
    assert_eq!(texts(&mut stage, bob, alice_id), ["after all this time"]);
}
