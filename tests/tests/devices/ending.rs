//! The account is deleted.

use std::{cell::RefCell, collections::BTreeSet, rc::Rc};

use wheesht_core::{
    api::{Notice, StopReason},
    proto::relay::{GetManifests, GetRecord, Lookup, client_frame, relay_frame},
};
use wheesht_tests::stage::people::{Two, friends};

use super::*;

const DELETED: Phase = Phase::Stopped { reason: StopReason::Deleted };

fn is_deleted(stage: &mut Stage, name: &str) -> bool {
    let lookup = client_frame::Body::Lookup(Lookup { name: name.to_owned() });
    let chain = client_frame::Body::GetManifests(GetManifests { name: name.to_owned(), from_version: 1 });
    [lookup, chain].map(|ask| matches!(stage.anyone(ask), relay_frame::Body::Deleted(_))) == [true, true]
}

#[test]
fn contacts_are_told_the_relay_forgets_and_the_name_stays_taken_dev_18_rel_66() {
    let Two { mut stage, alice, bob, alice_id, bob_id } = friends(921);
    let second = stage.join(alice, "alice");
    assert_eq!(code(stage.ask(alice, delete("wrong password for this"))), ErrorCode::BadCredentials);
    let id = stage.command(alice, delete(PASSWORD));
    stage.advance(2 * MINUTE);
    assert_eq!(stage.at(alice).answer(id), Some(Ok(Response::Done)));
    assert_eq!((stage.phase(alice), stage.phase(second)), (DELETED, DELETED));
    assert!(stage.notices(bob, alice_id).contains(&Notice::AccountDeleted));
    assert_eq!(
        code(stage.try_send(bob, "alice", "are you there?").map(|_| Response::Done)),
        ErrorCode::NotFound
    );
    assert!(is_deleted(&mut stage, "alice"));
    assert_eq!(code(log_in(&mut stage, "alice", PASSWORD)), ErrorCode::BadCredentials);
    let other = stage.add();
    let request = Request::Register {
        address: address("alice"),
        password: Password::new(PASSWORD),
        device: String::new(),
    };
    assert_eq!(code(stage.ask(other, request)), ErrorCode::NameTaken);
    // What was said stays readable, and nothing is tried any more.
    assert!(stage.texts(alice, bob_id).contains(&"> hello".to_owned()));
    stage.restart(alice);
    stage.advance(MINUTE);
    assert_eq!(stage.phase(alice), DELETED);
}

#[test]
fn once_begun_it_goes_on_whatever_crashes_dev_18() {
    let mut begun = 0;
    for steps in (0..60).step_by(4) {
        let Two { mut stage, alice, bob, alice_id, .. } = friends(922);
        stage.command(alice, delete(PASSWORD));
        for _ in 0..steps {
            stage.step();
        }
        stage.restart(alice);
        stage.advance(3 * MINUTE);
        if stage.phase(alice) == Phase::Active {
            assert!(!is_deleted(&mut stage, "alice"), "after {steps} steps");
            assert!(!stage.notices(bob, alice_id).contains(&Notice::AccountDeleted));
            let id = stage.command(alice, delete(PASSWORD));
            stage.advance(3 * MINUTE);
            assert_eq!(stage.at(alice).answer(id), Some(Ok(Response::Done)), "after {steps} steps");
        } else {
            begun += 1;
        }
        assert_eq!(stage.phase(alice), DELETED, "after {steps} steps");
        assert!(is_deleted(&mut stage, "alice"));
        assert!(stage.notices(bob, alice_id).contains(&Notice::AccountDeleted), "after {steps} steps");
    }
    assert!(begun > 0);
}

#[test]
fn a_device_and_a_contact_who_were_away_learn_it_from_the_relay_acc_32() {
    let Two { mut stage, alice, bob, alice_id, .. } = friends(923);
    let second = stage.join(alice, "alice");
    stage.set_offline(second, true);
    let id = stage.command(alice, delete(PASSWORD));
    stage.advance(3 * MINUTE);
    assert_eq!(stage.at(alice).answer(id), Some(Ok(Response::Done)));
    stage.set_offline(second, false);
    stage.advance(3 * MINUTE);
    assert_eq!(stage.phase(second), DELETED);
    assert_eq!(stage.notices(bob, alice_id).iter().filter(|one| **one == Notice::AccountDeleted).count(), 1);
}

#[test]
fn no_record_of_the_account_stays_at_the_relay_rel_66() {
    let Two { mut stage, alice, bob, alice_id, .. } = friends(924);
    let written: Rc<RefCell<BTreeSet<Vec<u8>>>> = Rc::default();
    let seen = written.clone();
    stage.watch = Some(Box::new(move |who, body| {
        if let (true, client_frame::Body::PutRecord(put)) = (who == alice, body) {
            seen.borrow_mut().extend(put.record.iter().map(|record| record.id.clone()));
        }
    }));
    let profile = Request::SetProfile {
        name: Some("Alice the Loud".to_owned()),
        about: None,
        picture: None,
        fields: None,
        visibility: None,
    };
    assert!(stage.ask(alice, profile).is_ok());
    stage.send(alice, "bob", "one more thing");
    stage.advance(5 * MINUTE);
    let ids = written.borrow().clone();
    let stands = |stage: &mut Stage, id: &Vec<u8>| {
        let ask = client_frame::Body::GetRecord(GetRecord { id: id.clone() });
        matches!(stage.anyone(ask), relay_frame::Body::RecordOk(_))
    };
    assert!(!ids.is_empty() && ids.iter().all(|id| stands(&mut stage, id)));
    let id = stage.command(alice, delete(PASSWORD));
    stage.advance(2 * MINUTE);
    assert_eq!(stage.at(alice).answer(id), Some(Ok(Response::Done)));
    let left = ids.iter().filter(|id| stands(&mut stage, id)).count();
    assert_eq!(left, 0, "of {}", ids.len());
    assert!(stage.notices(bob, alice_id).contains(&Notice::AccountDeleted));
}
