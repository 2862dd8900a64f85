//! A relay that lies about removals, vaults and deletions.

use std::{cell::RefCell, rc::Rc};

use wheesht_core::{
    api::{StopReason, Trouble},
    proto::relay::{Deleted, client_frame, relay_frame},
};
use wheesht_tests::{
    hostile::{Hostile, Victim},
    stage::people::{Two, friends},
};

use super::*;

struct Answers<F>(F);

impl<F: FnMut(Victim, &client_frame::Body, &mut relay_frame::Body)> Hostile for Answers<F> {
    fn answered(
        &mut self,
        victim: Victim,
        question: &client_frame::Body,
        mut answer: relay_frame::Body,
    ) -> relay_frame::Body {
        (self.0)(victim, question, &mut answer);
        answer
    }
}

fn lie(stage: &mut Stage, lies: impl FnMut(Victim, &client_frame::Body, &mut relay_frame::Body) + 'static) {
    stage.hostile = Some(Box::new(Answers(lies)));
}

#[test]
fn the_root_vault_of_before_a_removal_is_refused_dev_14() {
    let mut two = friends(931);
    let second = two.stage.join(two.alice, "alice");
    let third = two.stage.join(two.alice, "alice");
    let (stage, alice) = (&mut two.stage, two.alice);
    // The relay keeps the vault that it shows at the first login, and shows it for ever.
    let kept: Rc<RefCell<Option<Vec<u8>>>> = Rc::default();
    lie(stage, move |_, question, answer| {
        if let (client_frame::Body::LoginFinish(_), relay_frame::Body::AccountSession(session)) =
            (question, answer)
        {
            let mut kept = kept.borrow_mut();
            session.root_vault = kept.get_or_insert_with(|| session.root_vault.clone()).clone();
        }
    });
    let gone = device(stage, third);
    assert_eq!(stage.ask(alice, remove_request(gone, PASSWORD)), Ok(Response::Done));
    stage.advance(2 * MINUTE);
    let gone = device(stage, second);
    assert_eq!(code(stage.ask(alice, remove_request(gone, PASSWORD))), ErrorCode::Relay);
    assert_eq!(code(stage.ask(alice, change(PASSWORD, NEW))), ErrorCode::Relay);
    assert_eq!(code(log_in(stage, "alice", PASSWORD)), ErrorCode::Relay);
    in_use(stage, second);
}

#[test]
fn a_removal_withheld_from_a_device_is_shown_to_its_person_dev_6() {
    let mut two = friends(932);
    let second = two.stage.join(two.alice, "alice");
    let third = two.stage.join(two.alice, "alice");
    let (stage, alice, alice_id) = (&mut two.stage, two.alice, two.alice_id);
    stage.events(second);
    let victim = second.0;
    lie(stage, move |who, question, answer| {
        if let (true, client_frame::Body::GetManifests(_), relay_frame::Body::Manifests(list)) =
            (who == victim, question, answer)
        {
            list.manifests.truncate(1);
        }
    });
    let gone = device(stage, third);
    assert_eq!(stage.ask(alice, remove_request(gone, PASSWORD)), Ok(Response::Done));
    stage.advance(5 * MINUTE);
    assert!(stage.troubles(second).contains(&Trouble::ManifestWithheld { account: alice_id }));
    // Until it knows, it takes no key and writes nothing where the removed device reads.
    stage.hostile = None;
    stage.disconnect(second);
    stage.advance(5 * MINUTE);
    in_step(stage, alice, second, "known now");
}

#[test]
fn a_removed_device_put_back_from_a_copy_gets_nowhere_dev_5() {
    let mut two = friends(933);
    let second = two.stage.join(two.alice, "alice");
    let (stage, alice) = (&mut two.stage, two.alice);
    let copy = stage.at(second).snapshot();
    stage.set_offline(second, true);
    let gone = device(stage, second);
    assert_eq!(stage.ask(alice, remove_request(gone, PASSWORD)), Ok(Response::Done));
    stage.advance(2 * MINUTE);
    stage.at(second).restore(&copy);
    stage.restart(second);
    stage.set_offline(second, false);
    stage.advance(2 * MINUTE);
    assert_eq!(stage.phase(second), Phase::Stopped { reason: StopReason::Removed });
    assert_eq!(stage.troubles(alice), []);
}

#[test]
fn a_deletion_that_the_identity_did_not_sign_is_none_acc_32() {
    let Two { mut stage, alice, bob, .. } = friends(934);
    lie(&mut stage, |_, question, answer| {
        if matches!(question, client_frame::Body::Lookup(_) | client_frame::Body::GetManifests(_)) {
            *answer = relay_frame::Body::Deleted(Deleted { deletion: vec![1; 100] });
        }
    });
    for who in [alice, bob] {
        stage.restart(who);
    }
    stage.advance(30 * 60 * MINUTE);
    stage.hostile = None;
    for who in [alice, bob] {
        stage.disconnect(who);
        in_use(&mut stage, who);
    }
    stage.advance(20 * MINUTE);
    assert!(!stage.contact(bob, "alice").unwrap().identity_changed);
    let Two { alice_id, .. } = friends(934);
    stage.send(alice, "bob", "still here");
    stage.advance(MINUTE);
    assert!(stage.texts(bob, alice_id).contains(&"still here".to_owned()));
}
