//! Lies about records: vaults and address books.

use std::collections::BTreeMap;

use wheesht_core::{
    api::Trouble,
    proto::relay::{ErrorCode as Refusal, Record, RecordOk, client_frame, relay_frame::Body},
};
use wheesht_tests::{
    hostile::refusal,
    stage::people::{MINUTE, Two, friends},
};

use super::{behave, go_on, lie, shared};

const DAY: u64 = 24 * 60 * MINUTE;

/// Keeps the first version seen of each record, and goes back to it when told so.
fn rolls_back(two: &mut Two) -> std::rc::Rc<std::cell::RefCell<bool>> {
    let (mine, back) = shared::<bool>();
    let mut first = BTreeMap::<Vec<u8>, Record>::new();
    lie(&mut two.stage, move |_, _, answer| {
        if let Body::RecordOk(RecordOk { record: Some(record) }) = answer {
            let old = first.entry(record.id.clone()).or_insert_with(|| record.clone());
            if *mine.borrow() {
                *record = old.clone();
            }
        }
    });
    back
}

#[test]
fn rolls_a_vault_back() {
    let mut two = friends(401);
    let back = rolls_back(&mut two);
    two.stage.disconnect(two.alice);
    two.stage.advance(MINUTE);
    let carol = two.stage.register("carol");
    two.stage.send(two.alice, "carol", "hello");
    two.stage.advance(MINUTE);
    two.stage.accept(carol, "alice");
    two.stage.advance(10 * MINUTE);
    *back.borrow_mut() = true;
    two.stage.disconnect(two.alice);
    two.stage.restart(two.alice);
    two.stage.advance(10 * MINUTE);
    assert!(two.stage.contact(two.alice, "carol").is_some());
    behave(&mut two.stage, &[two.alice, two.bob]);
    let second = two.stage.join(two.alice, "alice");
    two.stage.advance(10 * MINUTE);
    for name in ["bob", "carol"] {
        assert!(two.stage.contact(second, name).is_some(), "{name}");
    }
    go_on(&mut two);
}

#[test]
fn rolls_an_address_book_back() {
    let mut two = friends(402);
    let back = rolls_back(&mut two);
    two.stage.restart(two.alice);
    two.stage.advance(MINUTE);
    let second = two.stage.join(two.bob, "bob");
    two.stage.advance(10 * MINUTE);
    *back.borrow_mut() = true;
    two.stage.restart(two.alice);
    two.stage.advance(10 * MINUTE);
    two.stage.send(two.alice, "bob", "to both of yours");
    two.stage.advance(30 * MINUTE);
    for who in [two.bob, second] {
        assert!(two.stage.texts(who, two.alice_id).contains(&"to both of yours".to_owned()));
    }
    behave(&mut two.stage, &[two.alice, two.bob]);
    go_on(&mut two);
}

#[test]
fn gives_out_one_record_for_another() {
    let mut two = friends(403);
    let mut all = BTreeMap::<Vec<u8>, Record>::new();
    lie(&mut two.stage, move |_, question, answer| {
        if let (client_frame::Body::GetRecord(asked), Body::RecordOk(RecordOk { record: Some(record) })) =
            (question, answer)
        {
            all.insert(asked.id.clone(), record.clone());
            if let Some((_, other)) = all.iter().find(|(id, _)| **id != asked.id) {
                *record = other.clone();
            }
        }
    });
    for who in [two.alice, two.bob] {
        two.stage.disconnect(who);
        two.stage.restart(who);
    }
    two.stage.advance(60 * MINUTE);
    assert!(two.stage.contact(two.alice, "bob").is_some());
    // Each reads the own vault, so each is told.
    let told = two.stage.troubles(two.alice);
    assert!(told.iter().any(|one| matches!(one, Trouble::RelayRefused { .. })), "{told:?}");
    behave(&mut two.stage, &[two.alice, two.bob]);
    go_on(&mut two);
}

#[test]
fn says_that_a_record_is_not_there() {
    let mut two = friends(404);
    lie(&mut two.stage, |_, _, answer| {
        if matches!(answer, Body::RecordOk(_)) {
            *answer = refusal(Refusal::NotFound, 0);
        }
    });
    for who in [two.alice, two.bob] {
        two.stage.disconnect(who);
        two.stage.restart(who);
    }
    two.stage.advance(DAY);
    assert!(two.stage.contact(two.alice, "bob").is_some());
    go_on(&mut two);
    behave(&mut two.stage, &[two.alice, two.bob]);
    two.stage.advance(60 * MINUTE);
    let second = two.stage.join(two.alice, "alice");
    two.stage.advance(10 * MINUTE);
    assert!(two.stage.contact(second, "bob").is_some());
}

#[test]
fn claims_conflicts_without_end() {
    let mut two = friends(405);
    let carol = two.stage.register("carol");
    let (mine, writes) = shared::<u32>();
    lie(&mut two.stage, move |_, question, answer| {
        if matches!(question, client_frame::Body::PutRecord(_)) {
            *mine.borrow_mut() += 1;
            *answer = refusal(Refusal::Conflict, 0);
        }
    });
    two.stage.send(two.alice, "carol", "hello");
    two.stage.advance(10 * MINUTE);
    // Tried again, but not as fast as the relay answers.
    assert!(*writes.borrow() < 1_000, "{}", writes.borrow());
    behave(&mut two.stage, &[two.alice, two.bob, carol]);
    two.stage.advance(60 * MINUTE);
    let second = two.stage.join(two.alice, "alice");
    two.stage.advance(10 * MINUTE);
    assert!(two.stage.contact(second, "carol").is_some());
    go_on(&mut two);
}
