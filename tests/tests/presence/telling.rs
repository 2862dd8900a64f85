//! A presence is seen by contacts, and changes when it should.

use std::{cell::RefCell, rc::Rc};

use wheesht_core::{
    api::{Activity, Availability::*, ListRules, PresenceChoice, Request, Who as Whom},
    proto::relay::{DepositEntry, client_frame},
};
use wheesht_relay::service::Settings;
use wheesht_tests::stage::{Stage, Who, address, people::MINUTE};

use crate::people::*;

/// Ephemeral entries that an installation deposits, from now on.
fn watched(stage: &mut Stage, who: Who) -> Rc<RefCell<Vec<DepositEntry>>> {
    let seen: Rc<RefCell<Vec<DepositEntry>>> = Rc::default();
    let kept = Rc::clone(&seen);
    stage.watch = Some(Box::new(move |by, body| {
        if let (true, client_frame::Body::Deposit(deposit)) = (by == who, body) {
            kept.borrow_mut().extend(deposit.entries.iter().filter(|entry| entry.ephemeral_ms > 0).cloned());
        }
    }));
    seen
}

#[test]
fn pre_9_a_presence_is_seen_within_a_second_and_its_end_by_the_last_will() {
    let Two { mut stage, alice, bob, alice_id, .. } = friends(701);
    assert_eq!(is(&mut stage, bob, "alice"), Unknown);
    here(&mut stage, alice);
    assert_eq!(is(&mut stage, bob, "alice"), Online);
    choose(&mut stage, alice, PresenceChoice::Busy, "  in a meeting ");
    assert_eq!(seen(&mut stage, bob, "alice"), (Busy, "in a meeting".to_owned()));
    own(&mut stage, alice, Request::SetPresence { choice: PresenceChoice::Online, text: None });
    own(&mut stage, alice, Request::SetActivity { activity: Activity::Idle });
    stage.advance(2_000);
    assert_eq!(seen(&mut stage, bob, "alice"), (Away, "in a meeting".to_owned()));
    // The process is killed, or the network goes: only the relay can still say so.
    stage.set_offline(alice, true);
    stage.advance(1_000);
    assert_eq!(seen(&mut stage, bob, "alice"), (Offline, String::new()));
    // It holds, also for a client that is started anew.
    stage.advance(60 * MINUTE);
    stage.restart(bob);
    stage.advance(MINUTE);
    assert_eq!(is(&mut stage, bob, "alice"), Offline);
    told(&mut stage, bob);
    stage.set_offline(alice, false);
    stage.advance(1_000);
    assert_eq!(told(&mut stage, bob), vec![(alice_id, Away)]);
}

#[test]
fn pre_1_what_was_said_in_passing_is_nowhere_later() {
    let Two { mut stage, alice, bob, .. } = friends(702);
    stage.set_offline(bob, true);
    here(&mut stage, alice);
    choose(&mut stage, alice, PresenceChoice::Busy, "writing");
    let before = stage.pushed().len();
    stage.set_offline(bob, false);
    stage.advance(100);
    // Nothing waited for him, and nothing of it is acknowledged.
    assert!(stage.pushed()[before..].iter().all(|(_, deliver)| !deliver.ephemeral));
    here(&mut stage, bob);
    let ephemeral: Vec<_> = stage.pushed().into_iter().filter(|(_, deliver)| deliver.ephemeral).collect();
    assert!(!ephemeral.is_empty());
    // As if it had been stored, it is nothing: dealt with, and never shown.
    choose(&mut stage, alice, PresenceChoice::Online, "");
    stage.set_offline(alice, true);
    stage.advance(1_000);
    assert_eq!(is(&mut stage, bob, "alice"), Offline);
    for (who, mut deliver) in ephemeral {
        deliver.ephemeral = false;
        stage.push(who, deliver);
    }
    stage.advance(MINUTE);
    assert_eq!(is(&mut stage, bob, "alice"), Offline);
}

#[test]
fn pre_8_one_envelope_for_each_change_however_many_contacts() {
    let mut stage = Stage::new(703);
    let alice = stage.register("alice");
    let names = ["bob", "carol", "dave", "erin"];
    let others: Vec<_> = names.iter().map(|name| stage.register(name)).collect();
    for (other, name) in others.iter().zip(names) {
        befriend(&mut stage, alice, *other, ("alice", name));
    }
    here(&mut stage, alice);
    let sent = watched(&mut stage, alice);
    choose(&mut stage, alice, PresenceChoice::Busy, "later");
    let entries = sent.borrow().clone();
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].addresses.len(), names.len());
    assert!(entries[0].addresses.is_sorted() && entries[0].envelope.len() < 512);
    for other in others {
        assert_eq!(seen(&mut stage, other, "alice"), (Busy, "later".to_owned()));
    }
    // Many changes at once are one, and the last counts.
    sent.borrow_mut().clear();
    for text in ["a", "b", "c", "d"] {
        let text = Some(text.to_owned());
        own(&mut stage, alice, Request::SetPresence { choice: PresenceChoice::Away, text });
    }
    stage.advance(2_000);
    assert!(sent.borrow().len() <= 2, "{}", sent.borrow().len());
}

#[test]
fn pre_5_it_is_said_again_before_it_expires_and_unknown_after() {
    let Two { mut stage, alice, bob, .. } = friends(704);
    here(&mut stage, alice);
    let sent = watched(&mut stage, alice);
    stage.advance(60 * MINUTE);
    assert_eq!(is(&mut stage, bob, "alice"), Online);
    let times = sent.borrow().len();
    assert!((8..=16).contains(&times), "{times} in an hour");
    // Her relay keeps everything back: nobody is online for ever.
    stage.hostile = Some(Box::new(crate::hostile::Deaf));
    stage.advance(11 * MINUTE);
    assert_eq!(is(&mut stage, bob, "alice"), Unknown);
    let long = Request::SetPresence { choice: PresenceChoice::Busy, text: Some("x".repeat(281)) };
    assert!(stage.ask(alice, long).is_err());
    let lines = Request::SetPresence { choice: PresenceChoice::Busy, text: Some("a\nb".to_owned()) };
    assert!(stage.ask(alice, lines).is_err());
}

#[test]
fn pre_7_of_several_devices_the_most_available_is_seen() {
    let Two { mut stage, alice, bob, .. } = friends(705);
    let laptop = stage.join(alice, "alice");
    stage.advance(MINUTE);
    here(&mut stage, alice);
    here(&mut stage, laptop);
    own(&mut stage, alice, Request::SetActivity { activity: Activity::Idle });
    stage.advance(2_000);
    assert_eq!(is(&mut stage, bob, "alice"), Online);
    stage.set_offline(laptop, true);
    stage.advance(1_000);
    assert_eq!(is(&mut stage, bob, "alice"), Away);
    stage.set_offline(alice, true);
    stage.advance(1_000);
    assert_eq!(is(&mut stage, bob, "alice"), Offline);
    // What was chosen on one holds on both.
    stage.set_offline(alice, false);
    stage.set_offline(laptop, false);
    stage.advance(MINUTE);
    choose(&mut stage, laptop, PresenceChoice::Busy, "lunch");
    stage.advance(MINUTE);
    let chosen = own(&mut stage, alice, Request::Presence);
    assert_eq!((chosen.choice, chosen.text.as_str()), (PresenceChoice::Busy, "lunch"));
    assert_eq!(seen(&mut stage, bob, "alice"), (Busy, "lunch".to_owned()));
}

#[test]
fn pre_10_who_comes_is_told_how_the_others_are() {
    let Two { mut stage, alice, bob, .. } = friends(706);
    here(&mut stage, alice);
    choose(&mut stage, alice, PresenceChoice::Busy, "here already");
    stage.restart(bob);
    stage.advance(1_000);
    assert_eq!(is(&mut stage, bob, "alice"), Unknown);
    let sent = watched(&mut stage, alice);
    here(&mut stage, bob);
    assert_eq!(seen(&mut stage, bob, "alice"), (Busy, "here already".to_owned()));
    assert_eq!(is(&mut stage, alice, "bob"), Online);
    // One answer, and none to the answer.
    stage.advance(10_000);
    assert_eq!(sent.borrow().len(), 1);
    // Somebody who becomes a contact now is told too, and tells.
    let carol = stage.register("carol");
    here(&mut stage, carol);
    befriend(&mut stage, carol, alice, ("carol", "alice"));
    assert_eq!(is(&mut stage, carol, "alice"), Busy);
    assert_eq!(is(&mut stage, alice, "carol"), Online);
}

#[test]
fn pre_11_only_contacts_see_anything_and_who_is_hidden_from_sees_nothing() {
    let Two { mut stage, alice, bob, .. } = friends(707);
    let carol = stage.register("carol");
    stage.send(carol, "alice", "let me in");
    stage.advance(MINUTE);
    here(&mut stage, carol);
    here(&mut stage, alice);
    assert_eq!(is(&mut stage, carol, "alice"), Unknown);
    assert_eq!(is(&mut stage, alice, "carol"), Unknown);

    show(&mut stage, alice, "bob", false);
    assert_eq!(is(&mut stage, bob, "alice"), Offline);
    let sent = watched(&mut stage, alice);
    choose(&mut stage, alice, PresenceChoice::Busy, "secret");
    stage.advance(20 * MINUTE);
    assert!(sent.borrow().is_empty());
    assert_eq!(is(&mut stage, bob, "alice"), Offline);
    show(&mut stage, alice, "bob", true);
    assert_eq!(seen(&mut stage, bob, "alice"), (Busy, "secret".to_owned()));

    // Blocked: offline, and never anything else.
    let block = Request::BlockContact { who: Whom::Address(address("bob")) };
    assert!(stage.ask(alice, block).is_ok());
    stage.advance(1_000);
    assert_eq!(is(&mut stage, bob, "alice"), Offline);
    choose(&mut stage, alice, PresenceChoice::Online, "gone?");
    stage.advance(20 * MINUTE);
    assert_eq!(is(&mut stage, bob, "alice"), Offline);
    // Nor is he seen.
    here(&mut stage, bob);
    assert_eq!(is(&mut stage, alice, "bob"), Unknown);
}

#[test]
fn pre_17_lists_of_contacts_see_it_or_do_not_on_every_own_device() {
    let Two { mut stage, alice, bob, .. } = friends(717);
    let carol = stage.register("carol");
    befriend(&mut stage, carol, alice, ("carol", "alice"));
    let on = |stage: &mut Stage, name: &str, lists: &[&str]| {
        let lists = Some(lists.iter().map(|&list| list.to_owned()).collect());
        let who = Whom::Address(address(name));
        let edit = Request::EditContact { who, nickname: None, note: None, lists };
        assert!(stage.ask(alice, edit).is_ok());
        stage.advance(1_000);
    };
    let rule = |stage: &mut Stage, who, hidden_from: &[&str], only: &[&str]| {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let lists = ListRules { hidden_from: names(hidden_from), only: names(only) };
        let presence = own(stage, who, Request::ShowPresenceToLists { lists: lists.clone() });
        assert_eq!(presence.lists, lists);
        // PRE-8: a session that ended a moment ago is followed by one a second later.
        stage.advance(2_000);
    };
    here(&mut stage, alice);
    assert_eq!((is(&mut stage, bob, "alice"), is(&mut stage, carol, "alice")), (Online, Online));

    // A contact may be on several lists: one that is hidden from suffices.
    on(&mut stage, "bob", &["work", "choir"]);
    rule(&mut stage, alice, &["work"], &[]);
    assert_eq!((is(&mut stage, bob, "alice"), is(&mut stage, carol, "alice")), (Offline, Online));
    assert!(stage.contact(alice, "bob").expect("bob").presence_hidden);
    // Hidden from as a contact stays hidden, whatever the lists say.
    show(&mut stage, alice, "carol", false);
    rule(&mut stage, alice, &["work"], &["choir"]);
    assert_eq!((is(&mut stage, bob, "alice"), is(&mut stage, carol, "alice")), (Offline, Offline));

    // It holds on a device that comes later, and after a restart.
    rule(&mut stage, alice, &["work"], &[]);
    stage.restart(alice);
    let laptop = stage.join(alice, "alice");
    stage.advance(MINUTE);
    here(&mut stage, laptop);
    let sent = watched(&mut stage, laptop);
    choose(&mut stage, laptop, PresenceChoice::Busy, "secret");
    stage.advance(20 * MINUTE);
    assert!(sent.borrow().is_empty(), "both contacts are hidden from");
    assert_eq!((is(&mut stage, bob, "alice"), is(&mut stage, carol, "alice")), (Offline, Offline));
    let too_many = ListRules { only: (0..65).map(|n| n.to_string()).collect(), ..ListRules::default() };
    assert!(stage.ask(alice, Request::ShowPresenceToLists { lists: too_many }).is_err());
}

#[test]
fn pre_12_who_is_invisible_sees_and_is_not_seen_and_off_is_off() {
    let Two { mut stage, alice, bob, .. } = friends(708);
    here(&mut stage, alice);
    here(&mut stage, bob);
    choose(&mut stage, alice, PresenceChoice::Invisible, "");
    assert_eq!(is(&mut stage, bob, "alice"), Offline);
    let sent = watched(&mut stage, alice);
    choose(&mut stage, bob, PresenceChoice::Busy, "seen");
    assert_eq!(seen(&mut stage, alice, "bob"), (Busy, "seen".to_owned()));
    // Not even by what her relay passes on when her connection ends, or by an answer.
    stage.disconnect(alice);
    stage.restart(bob);
    stage.advance(MINUTE);
    here(&mut stage, bob);
    stage.advance(20 * MINUTE);
    assert!(sent.borrow().is_empty());
    assert_eq!(is(&mut stage, bob, "alice"), Offline);

    choose(&mut stage, alice, PresenceChoice::Off, "");
    assert_eq!(is(&mut stage, alice, "bob"), Unknown);
    choose(&mut stage, bob, PresenceChoice::Away, "unseen");
    assert_eq!(is(&mut stage, alice, "bob"), Unknown);
    // It is so after a restart.
    stage.restart(alice);
    stage.advance(MINUTE);
    here(&mut stage, alice);
    assert_eq!(is(&mut stage, bob, "alice"), Offline);
    // A program that nobody sits at tells nothing either.
    choose(&mut stage, alice, PresenceChoice::Online, "");
    assert_eq!(is(&mut stage, bob, "alice"), Online);
    own(&mut stage, alice, Request::SetActivity { activity: Activity::Background });
    stage.advance(1_000);
    assert_eq!(is(&mut stage, bob, "alice"), Offline);
}

#[test]
fn pre_8_a_contact_on_another_relay_is_told_there() {
    let mut stage = Stage::new(709);
    stage.add_relay(Settings::new("elsewhere.test"));
    let alice = stage.register("alice");
    let bob = stage.add();
    let there: wheesht_core::proto::address::Address = "bob@elsewhere.test".parse().expect("an address");
    let password = wheesht_core::api::Password::new(wheesht_tests::stage::people::PASSWORD);
    let request = Request::Register { address: there.clone(), password, device: String::new() };
    stage.ask(bob, request).expect("an account");
    stage.ask(alice, Request::send(there, "hello")).expect("a request");
    stage.advance(MINUTE);
    stage.accept(bob, "alice");
    stage.advance(MINUTE);
    here(&mut stage, alice);
    here(&mut stage, bob);
    assert_eq!(is(&mut stage, bob, "alice"), Online);
    assert_eq!(is(&mut stage, alice, "bob"), Online);
    // The connection stays as long as a will hangs on it.
    stage.advance(30 * MINUTE);
    stage.set_offline(alice, true);
    stage.advance(1_000);
    assert_eq!(is(&mut stage, bob, "alice"), Offline);
}
