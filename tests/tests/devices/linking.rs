//! A device joins by a link that another one shows: nobody compares a code, and nobody else gets in by it.

use std::{cell::RefCell, rc::Rc};

use wheesht_core::{
    api::{DeviceLink, EventKind, StopReason, Trouble},
    proto::relay::{client_frame, relay_frame},
    protocol::device_link::DeviceLink as DeviceLinkText,
    signed::UnverifiedManifest,
};
use wheesht_tests::{
    hostile::{Asked, Hostile, Victim},
    stage::people::{Two, friends},
};

use super::*;

fn make(stage: &mut Stage, who: Who) -> DeviceLink {
    match stage.ask(who, Request::MakeDeviceLink) {
        Ok(Response::DeviceLink { link }) => link,
        other => panic!("{other:?}"),
    }
}

fn by(link: &DeviceLink, password: &str) -> Request {
    Request::LogInByLink {
        link: link.code.clone(),
        password: Password::new(password),
        device: "linked".to_owned(),
    }
}

fn pending(stage: &mut Stage, who: Who) -> bool {
    matches!(stage.phase(who), Phase::Pending { .. })
}

/// A relay that does something else with what passes.
struct Passing<A, P>(A, P);

impl<A, P> Hostile for Passing<A, P>
where
    A: FnMut(Victim, &mut client_frame::Body),
    P: FnMut(Victim, &mut relay_frame::Body),
{
    fn asked(&mut self, victim: Victim, mut question: client_frame::Body) -> Asked {
        (self.0)(victim, &mut question);
        Asked::Serve(question)
    }

    fn pushed(&mut self, victim: Victim, mut push: relay_frame::Body) -> Vec<relay_frame::Body> {
        (self.1)(victim, &mut push);
        vec![push]
    }
}

#[test]
fn a_device_joins_by_link_without_a_code_dev_20_dev_21() {
    let Two { mut stage, alice, bob, alice_id, bob_id } = friends(951);
    let link = make(&mut stage, alice);
    let second = stage.add();
    stage.events(alice);
    assert!(matches!(stage.ask(second, by(&link, PASSWORD)), Ok(Response::Status { .. })));
    stage.advance(MINUTE);
    in_use(&mut stage, second);
    let id = device(&mut stage, second);
    let told = stage.events(alice);
    assert!(told.iter().any(|one| matches!(one, EventKind::Devices { added, .. } if *added == [id])));
    // The person is not asked.
    assert!(!told.iter().any(|one| matches!(one, EventKind::DeviceProposal { .. })), "{told:?}");
    in_step(&mut stage, alice, second, "linked");
    stage.send(second, "bob", "from the second");
    stage.send(bob, "alice", "to both");
    stage.advance(5 * MINUTE);
    assert!(stage.texts(bob, alice_id).contains(&"from the second".to_owned()));
    assert!(stage.texts(second, bob_id).contains(&"to both".to_owned()));
    assert_eq!(stage.troubles(alice), []);
}

#[test]
fn a_wrong_password_spends_no_link_and_a_link_lets_one_device_in_dev_21() {
    let Two { mut stage, alice, .. } = friends(952);
    let link = make(&mut stage, alice);
    let (second, third) = (stage.add(), stage.add());
    assert_eq!(code(stage.ask(second, by(&link, "wrong password for this"))), ErrorCode::BadCredentials);
    stage.ask(second, by(&link, PASSWORD)).unwrap();
    stage.advance(MINUTE);
    in_use(&mut stage, second);
    stage.ask(third, by(&link, PASSWORD)).unwrap();
    stage.advance(MINUTE);
    assert_eq!(stage.phase(third), Phase::Stopped { reason: StopReason::Rejected });
    assert_eq!(stage.troubles(alice), [Trouble::DeviceLinkUsedTwice]);
    assert_eq!(devices(&mut stage, alice).len(), 2);
}

#[test]
fn a_link_that_ran_out_or_is_another_accounts_is_refused_in_words_dev_22() {
    let Two { mut stage, alice, bob, .. } = friends(953);
    let link = make(&mut stage, alice);
    let second = stage.add();
    // Somebody's who has an account already.
    assert_eq!(code(stage.ask(bob, by(&link, PASSWORD))), ErrorCode::AccountExists);
    let shortened = Request::LogInByLink {
        link: Password::new(&link.code.expose()[..60]),
        password: Password::new(PASSWORD),
        device: String::new(),
    };
    assert_eq!(code(stage.ask(second, shortened)), ErrorCode::Invalid);
    // The maker is gone by the time.
    let maker = stage.join(alice, "alice");
    let orphan = make(&mut stage, maker);
    let gone = device(&mut stage, maker);
    assert_eq!(stage.ask(alice, remove_request(gone, PASSWORD)), Ok(Response::Done));
    assert_eq!(code(stage.ask(second, by(&orphan, PASSWORD))), ErrorCode::Invalid);
    stage.advance(11 * MINUTE);
    assert_eq!(code(stage.ask(second, by(&link, PASSWORD))), ErrorCode::Invalid);
    assert_eq!(stage.phase(second), Phase::Empty);
    // One that is taken back leaves a request like any other.
    let link = make(&mut stage, alice);
    assert_eq!(stage.ask(alice, Request::RevokeDeviceLink), Ok(Response::Done));
    stage.ask(second, by(&link, PASSWORD)).unwrap();
    stage.advance(MINUTE);
    assert!(pending(&mut stage, second));
    assert_eq!(devices(&mut stage, alice).len(), 1);
}

#[test]
fn a_crash_or_a_lost_connection_at_any_step_lets_the_device_in_once_dev_21() {
    for steps in (0..40).step_by(2) {
        for crash in [true, false] {
            let Two { mut stage, alice, .. } = friends(954);
            let link = make(&mut stage, alice);
            let second = stage.add();
            stage.command(second, by(&link, PASSWORD));
            for _ in 0..steps {
                stage.step();
            }
            if crash {
                stage.restart(alice);
            } else {
                stage.disconnect(alice);
            }
            stage.advance(2 * MINUTE);
            in_use(&mut stage, second);
            assert_eq!(devices(&mut stage, alice).len(), 2, "{steps}");
            let third = stage.add();
            stage.ask(third, by(&link, PASSWORD)).unwrap();
            stage.advance(MINUTE);
            assert_eq!(stage.phase(third), Phase::Stopped { reason: StopReason::Rejected }, "{steps}");
        }
    }
}

#[test]
fn the_device_that_made_the_link_confirms_when_it_is_back_and_no_other_does_dev_21() {
    let Two { mut stage, alice, .. } = friends(955);
    let other = stage.join(alice, "alice");
    let link = make(&mut stage, alice);
    stage.set_offline(alice, true);
    let third = stage.add();
    stage.ask(third, by(&link, PASSWORD)).unwrap();
    stage.advance(5 * MINUTE);
    assert!(pending(&mut stage, third));
    assert_eq!(devices(&mut stage, other).len(), 2);
    stage.set_offline(alice, false);
    stage.advance(MINUTE);
    in_use(&mut stage, third);
    in_step(&mut stage, other, third, "three of them");
}

#[test]
fn a_relay_that_takes_the_proof_away_or_changes_it_gains_nothing_dev_21() {
    for change in [0, 1] {
        let Two { mut stage, alice, .. } = friends(956);
        let link = make(&mut stage, alice);
        let second = stage.add();
        let spoil = move |_: Victim, question: &mut client_frame::Body| {
            if let client_frame::Body::ProposeManifest(ask) = question {
                match change {
                    0 => ask.proof.clear(),
                    _ => ask.proof.iter_mut().for_each(|byte| *byte ^= 1),
                }
            }
        };
        stage.hostile = Some(Box::new(Passing(spoil, |_: Victim, _: &mut relay_frame::Body| {})));
        stage.ask(second, by(&link, PASSWORD)).unwrap();
        stage.advance(MINUTE);
        // It is a request with a code, as without a link.
        assert!(pending(&mut stage, second));
        let Ok(Response::Devices { proposal: Some(proposal), .. }) = stage.ask(alice, Request::Devices)
        else {
            panic!("no proposal")
        };
        stage.hostile = None;
        assert_eq!(stage.ask(alice, Request::ConfirmDevice { proposal: proposal.id }), Ok(Response::Done));
        stage.advance(MINUTE);
        in_use(&mut stage, second);
    }
}

#[test]
fn a_proof_that_a_relay_has_seen_lets_no_other_device_in_dev_21() {
    let Two { mut stage, alice, .. } = friends(957);
    let link = make(&mut stage, alice);
    let (second, thief) = (stage.add(), stage.add());
    // The relay, helped by somebody who knows the password, puts the proof beside the thief's proposal.
    let seen: Rc<RefCell<Vec<u8>>> = Rc::default();
    let kept = seen.clone();
    let thiefs = thief.0;
    let swap = move |victim: Victim, question: &mut client_frame::Body| {
        if let client_frame::Body::ProposeManifest(ask) = question {
            if victim == thiefs {
                ask.proof.clone_from(&kept.borrow());
            } else {
                *kept.borrow_mut() = std::mem::take(&mut ask.proof);
            }
        }
    };
    stage.hostile = Some(Box::new(Passing(swap, |_: Victim, _: &mut relay_frame::Body| {})));
    stage.ask(second, by(&link, PASSWORD)).unwrap();
    let request = Request::LogIn {
        address: address("alice"),
        password: Password::new(PASSWORD),
        device: String::new(),
        evict: false,
    };
    stage.ask(thief, request).unwrap();
    stage.advance(MINUTE);
    assert_eq!(seen.borrow().len(), 32);
    assert!(pending(&mut stage, thief));
    assert_eq!(devices(&mut stage, alice).len(), 1);
}

#[test]
fn a_link_evicts_nobody_and_stands_for_no_account_that_the_relay_makes_up_dev_22() {
    let Two { mut stage, alice, .. } = friends(958);
    let link = make(&mut stage, alice);
    // Whoever knows password and link may put a right proof beside an eviction: it is still one, which the person refuses.
    let evictor = stage.add();
    let shown = DeviceLinkText::from_text(link.code.expose()).unwrap();
    let prove = move |_: Victim, question: &mut client_frame::Body| {
        if let client_frame::Body::ProposeManifest(ask) = question {
            let draft = UnverifiedManifest::decode(&ask.manifest).unwrap();
            ask.proof = shown.secret.proof(&shown.maker, &draft.hash()).to_vec();
        }
    };
    stage.hostile = Some(Box::new(Passing(prove, |_: Victim, _: &mut relay_frame::Body| {})));
    let request = Request::LogIn {
        address: address("alice"),
        password: Password::new(PASSWORD),
        device: String::new(),
        evict: true,
    };
    stage.ask(evictor, request).unwrap();
    stage.advance(MINUTE);
    in_use(&mut stage, alice);
    assert!(pending(&mut stage, evictor));
    // Another account under the name: the link names the identity.
    let mut false_stage = Stage::new(959);
    let impostor = false_stage.register("alice");
    let own = make(&mut false_stage, impostor);
    assert_ne!(own.code, link.code);
    let second = false_stage.add();
    assert_eq!(code(false_stage.ask(second, by(&link, PASSWORD))), ErrorCode::Relay);
    assert_eq!(false_stage.phase(second), Phase::Empty);
}
