//! Rules of groups that show in who asks whom for what: seen from outside, at what installations ask of their relay.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may; clippy knows that of test functions only"
)]

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use wheesht_core::{
    api::{GroupPhase, Policy, Request},
    proto::{
        group::{Ask, group_control::What},
        ids::GroupId,
        relay::{AddressKind, Deposit, DepositEntry, ErrorCode, client_frame, relay_frame},
    },
};
use wheesht_tests::{
    hostile::{Asked, Hostile, Victim, refusal},
    stage::{
        Stage, Who,
        groups::{Circle, circle},
        people::MINUTE,
    },
};

const HOUR: u64 = 60 * MINUTE;

/// Every deposit of an installation: form of the envelope, and the addresses.
type Deposits = Rc<RefCell<Vec<(u8, Vec<Vec<u8>>)>>>;

fn watch(stage: &mut Stage, whom: Who) -> Deposits {
    let deposits = Deposits::default();
    let seen = Rc::clone(&deposits);
    stage.watch = Some(Box::new(move |who, question| {
        if let (true, client_frame::Body::Deposit(deposit)) = (who == whom, question) {
            let entries = deposit.entries.iter().map(|entry| (entry.envelope[0], entry.addresses.clone()));
            seen.borrow_mut().extend(entries);
        }
    }));
    deposits
}

/// Where somebody's only device is reached in a group.
fn place(stage: &mut Stage, by: Who, id: GroupId, whose: Who) -> Vec<u8> {
    let account = stage.account(whose);
    stage.spoils(by, id).leaf_of(account).address().to_vec()
}

#[test]
fn grm_18_what_two_devices_say_goes_to_the_group_address_under_the_key_that_is_known_there() {
    let Circle { mut stage, alice, bob, carol, id } = circle(701);
    let dave = stage.register("dave");
    stage.befriend((alice, "alice"), (dave, "dave"));
    let deposits = watch(&mut stage, alice);
    stage.bring(alice, id, (dave, "dave"));
    stage.say(alice, id, "welcome");
    stage.advance(5 * MINUTE);
    let at_daves = place(&mut stage, alice, id, dave);
    let forms = |deposits: &Deposits, to: &[u8]| -> Vec<u8> {
        let seen = deposits.borrow();
        seen.iter().filter(|(_, addresses)| *addresses == [to.to_vec()]).map(|(form, _)| *form).collect()
    };
    // Who has just come has no outer key: the welcome, and the chain, are in envelopes for the device.
    assert!(!forms(&deposits, &at_daves).is_empty());
    assert_eq!(forms(&deposits, &at_daves)[0], 1);
    // Who has spoken under it has one: the next epoch's key is sealed under the one before.
    stage.say(dave, id, "thank you");
    stage.advance(5 * MINUTE);
    deposits.borrow_mut().clear();
    stage.remove(alice, id, "bob");
    stage.advance(5 * MINUTE);
    for to in [at_daves, place(&mut stage, alice, id, carol)] {
        let forms = forms(&deposits, &to);
        assert!(!forms.is_empty() && forms.iter().all(|form| *form == 2), "{forms:?}");
    }
    // Nothing is taken by that way but what is about that group.
    stage.watch = None;
    let (carol_id, dave_id) = (stage.account(carol), stage.account(dave));
    let text = wheesht_core::proto::content::Text { body: "psst".to_owned(), ..Default::default() };
    let body = wheesht_core::proto::content::content::Body::Text(text);
    let content = stage.content(body);
    stage.whisper_contents(carol, dave_id, vec![(id, content)]);
    let other = wheesht_core::proto::group::GroupControl {
        group_id: vec![9; 32],
        what: Some(What::Ask(Ask { wants_roster: true, ..Default::default() })),
    };
    let content = stage.content(wheesht_core::proto::content::content::Body::Group(other));
    stage.whisper_contents(carol, dave_id, vec![(id, content)]);
    stage.advance(5 * MINUTE);
    assert!(stage.texts(dave, carol_id).is_empty());
    assert!(!stage.heard(dave, id).contains(&"psst".to_owned()));
    let _ = bob;
}

#[test]
fn gro_9_a_device_signs_its_leaf_anew_when_its_account_s_manifest_has_changed() {
    let Circle { mut stage, alice, bob, id, .. } = circle(702);
    let bob_id = stage.account(bob);
    let device = stage.keys(bob).device;
    let number = |stage: &mut Stage| {
        let leaves = stage.spoils(alice, id).leaves;
        let leaf = leaves.iter().find(|leaf| leaf.device() == device).unwrap();
        (leaf.number(), leaf.head().version)
    };
    let before = number(&mut stage);
    stage.join(bob, "bob");
    stage.advance(10 * MINUTE);
    let after = number(&mut stage);
    assert!(after.0 > before.0 && after.1 > before.1, "{before:?} {after:?}");
    assert_eq!(stage.spoils(alice, id).leaves.iter().filter(|leaf| leaf.identity() == bob_id).count(), 2);
}

/// Answers some questions in the relay's place.
struct Questions<F>(F);

impl<F: FnMut(Victim, &client_frame::Body) -> Option<Asked>> Hostile for Questions<F> {
    fn asked(&mut self, victim: Victim, question: client_frame::Body) -> Asked {
        (self.0)(victim, &question).unwrap_or(Asked::Serve(question))
    }
}

#[test]
fn gro_9_an_address_is_given_out_only_when_the_relay_has_it() {
    let Circle { mut stage, alice, id, .. } = circle(703);
    let dave = stage.register("dave");
    stage.befriend((alice, "alice"), (dave, "dave"));
    stage.hostile = Some(Box::new(Questions(|_, question: &client_frame::Body| match question {
        client_frame::Body::PutAddress(put) if put.kind() == AddressKind::Group => {
            Some(Asked::Answer(refusal(ErrorCode::Unavailable, 0)))
        }
        _ => None,
    })));
    let who = wheesht_core::api::Who::Address(wheesht_tests::stage::address("dave"));
    stage.ask(alice, Request::InviteToGroup { group: id, who }).unwrap();
    stage.advance(MINUTE);
    let deposits = watch(&mut stage, dave);
    stage.change(dave, Request::AcceptInvitation { group: id });
    stage.advance(2 * HOUR);
    assert!(deposits.borrow().is_empty(), "it asks to be let in, and could not be answered");
    assert_eq!(stage.group(alice, id).members.len(), 3);
    stage.hostile = None;
    stage.advance(10 * MINUTE);
    assert_eq!(stage.group_phase(dave, id), Some(GroupPhase::Member));
}

/// What the relay says to a deposit at this address.
fn knock(stage: &mut Stage, address: Vec<u8>) -> ErrorCode {
    let entry =
        DepositEntry { envelope: vec![2; 200].into(), addresses: vec![address], ..Default::default() };
    match stage.anyone(client_frame::Body::Deposit(Deposit { entries: vec![entry] })) {
        relay_frame::Body::DepositResults(results) => results.results[0].addresses[0].code(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn gro_10_an_address_per_group_and_none_for_who_has_left() {
    let Circle { mut stage, alice, bob, id, .. } = circle(704);
    let second = stage.found(alice, "Climbers", Policy::default());
    stage.bring(alice, second, (bob, "bob"));
    stage.say(alice, second, "here");
    stage.advance(5 * MINUTE);
    let (here, there) = (place(&mut stage, alice, id, bob), place(&mut stage, alice, second, bob));
    assert_ne!(here, there);
    assert_eq!(knock(&mut stage, here.clone()), ErrorCode::Unspecified);
    stage.change(bob, Request::LeaveGroup { group: id });
    stage.advance(10 * MINUTE);
    assert_eq!(stage.group_phase(bob, id), Some(GroupPhase::Left));
    assert_ne!(knock(&mut stage, here), ErrorCode::Unspecified);
    assert_eq!(knock(&mut stage, there), ErrorCode::Unspecified);
}

#[test]
fn gro_11_a_send_waits_for_a_day_old_manifests_but_not_for_long() {
    let Circle { mut stage, alice, bob, id, .. } = circle(705);
    let looked = Rc::new(Cell::new(0));
    let counted = Rc::clone(&looked);
    stage.hostile = Some(Box::new(Questions(move |victim, question: &client_frame::Body| match question {
        client_frame::Body::Lookup(_) if victim == 0 => {
            counted.set(counted.get() + 1);
            Some(Asked::Silence)
        }
        _ => None,
    })));
    stage.advance(25 * HOUR);
    let deposits = watch(&mut stage, alice);
    let to_all = |deposits: &Deposits| deposits.borrow().iter().any(|(_, to)| to.len() == 3);
    let before = looked.get();
    stage.say(alice, id, "is that still you?");
    stage.advance(6_000);
    assert!(looked.get() > before, "it asks for Bob's and Carol's");
    assert!(!to_all(&deposits), "it waits");
    stage.advance(4_000);
    assert!(to_all(&deposits), "and then no longer");
    stage.hostile = None;
    stage.advance(5 * MINUTE);
    assert!(stage.heard(bob, id).contains(&"is that still you?".to_owned()));
}

/// Keeps from somebody what is pushed, while told so.
struct Keeps(Victim, Rc<Cell<bool>>);

impl Hostile for Keeps {
    fn asked(&mut self, victim: Victim, question: client_frame::Body) -> Asked {
        // The record would say it, too.
        match question {
            client_frame::Body::GetRecord(_) if victim == self.0 => Asked::Silence,
            question => Asked::Serve(question),
        }
    }

    fn pushed(&mut self, victim: Victim, push: relay_frame::Body) -> Vec<relay_frame::Body> {
        let kept = victim == self.0 && self.1.get() && matches!(push, relay_frame::Body::Deliver(_));
        if kept { Vec::new() } else { vec![push] }
    }
}

#[test]
fn gro_19_who_shows_that_there_is_more_is_asked_for_it() {
    let Circle { mut stage, alice, bob, carol, id } = circle(706);
    let keeps = Rc::new(Cell::new(true));
    stage.hostile = Some(Box::new(Keeps(2, Rc::clone(&keeps))));
    stage.rename(alice, id, "Climbers");
    stage.advance(5 * MINUTE);
    assert_eq!(stage.group(carol, id).group.title, "Hikers");
    keeps.set(false);
    let deposits = watch(&mut stage, carol);
    stage.say(bob, id, "what a climb");
    stage.advance(MINUTE);
    assert_eq!(stage.group(carol, id).group.title, "Climbers");
    let at_bobs = place(&mut stage, alice, id, bob);
    assert!(deposits.borrow().iter().any(|(_, to)| *to == [at_bobs.clone()]), "Bob was asked");
}

#[test]
fn gro_20_what_nobody_answers_is_asked_later_each_time_and_twelve_times_at_most() {
    let Circle { mut stage, alice, bob, carol, id } = circle(707);
    let keeps = Rc::new(Cell::new(true));
    stage.hostile = Some(Box::new(Keeps(2, Rc::clone(&keeps))));
    stage.rename(alice, id, "Climbers");
    stage.advance(5 * MINUTE);
    keeps.set(false);
    let deposits = watch(&mut stage, carol);
    stage.say(bob, id, "what a climb");
    // She has heard that there is more; from now on she hears nothing.
    stage.advance(100);
    keeps.set(true);
    stage.advance(10_000);
    let soon = deposits.borrow().len();
    stage.advance(3 * HOUR);
    let later = deposits.borrow().len();
    stage.advance(9 * HOUR);
    let at_last = deposits.borrow().len();
    // Receipts are among them.
    assert!(soon >= 2 && later > soon, "{soon} {later}");
    assert!(at_last <= 24, "{at_last}");
    let asked_of: std::collections::BTreeSet<_> =
        deposits.borrow().iter().map(|(_, to)| to.clone()).collect();
    assert!(asked_of.len() >= 2, "not only who showed it");
    keeps.set(false);
    stage.hostile = None;
    stage.disconnect(carol);
    stage.advance(30 * MINUTE);
    assert_eq!(stage.group(carol, id).group.title, "Climbers");
}

#[test]
fn grp_28_who_was_removed_keeps_no_key_and_no_address() {
    let Circle { mut stage, alice, bob, carol, id } = circle(708);
    let at_bobs = place(&mut stage, alice, id, bob);
    assert!(stage.holds(bob, id) > 3);
    // Away while it happens, and for as long as others go on.
    stage.set_offline(bob, true);
    stage.remove(alice, id, "bob");
    stage.advance(5 * MINUTE);
    stage.say(carol, id, "without Bob");
    for title in ["Climbers", "Swimmers"] {
        stage.rename(alice, id, title);
        stage.advance(5 * MINUTE);
    }
    stage.set_offline(bob, false);
    stage.advance(10 * MINUTE);
    assert_eq!(stage.group_phase(bob, id), Some(GroupPhase::Removed));
    assert_eq!(stage.holds(bob, id), 0);
    assert_ne!(knock(&mut stage, at_bobs), ErrorCode::Unspecified);
    assert!(!stage.heard(bob, id).contains(&"without Bob".to_owned()));
    let refused = stage.ask(bob, Request::send(wheesht_core::api::ConversationId::Group(id), "still here"));
    assert!(refused.is_err());
}

#[test]
fn grp_29_who_says_that_they_go_is_written_to_no_more() {
    let Circle { mut stage, alice, bob, carol, id } = circle(709);
    let at_bobs = place(&mut stage, alice, id, bob);
    // Nobody is there who could write it down.
    stage.set_offline(alice, true);
    stage.change(bob, Request::LeaveGroup { group: id });
    stage.advance(MINUTE);
    assert_eq!(stage.group(carol, id).members.len(), 3);
    let deposits = watch(&mut stage, carol);
    stage.say(carol, id, "he has gone");
    stage.advance(MINUTE);
    let seen = deposits.borrow();
    assert!(seen.iter().any(|(_, to)| to.len() == 2), "{seen:?}");
    assert!(seen.iter().all(|(_, to)| !to.contains(&at_bobs)), "{seen:?}");
    drop(seen);
    stage.watch = None;
    // An owner's client writes it down when it is back; the only owner can't go.
    stage.set_offline(alice, false);
    stage.advance(10 * MINUTE);
    assert_eq!(stage.group_phase(bob, id), Some(GroupPhase::Left));
    assert_eq!(stage.members(carol, id), ["alice", "carol"]);
    let refused = stage.ask(alice, Request::LeaveGroup { group: id });
    assert_eq!(refused.unwrap_err().code, wheesht_core::api::ErrorCode::LastOwner);
    assert!(!stage.heard(bob, id).contains(&"he has gone".to_owned()));
}
