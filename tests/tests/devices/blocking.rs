//! A contact is blocked: nothing that they were given leads anywhere any more.

use std::{cell::RefCell, rc::Rc};

use wheesht_core::{
    api::Who as Whom,
    proto::{
        limits::DAY_MS,
        relay::{AddressKind, client_frame},
    },
};
use wheesht_tests::stage::people::{Two, friends};

use super::*;

/// What a device tells the relay of the ways to it.
#[derive(Default)]
struct Ways {
    opened: Vec<Vec<u8>>,
    closed: Vec<Vec<u8>>,
    /// Records that nobody writes any more.
    ended: Vec<Vec<u8>>,
    /// Records that began.
    begun: Vec<Vec<u8>>,
}

fn watch(stage: &mut Stage, whose: [Who; 2]) -> Rc<RefCell<[Ways; 2]>> {
    let ways = Rc::<RefCell<[Ways; 2]>>::default();
    let seen = Rc::clone(&ways);
    stage.watch = Some(Box::new(move |who, body| {
        let Some(index) = whose.iter().position(|one| *one == who) else { return };
        let seen = &mut seen.borrow_mut()[index];
        match body {
            client_frame::Body::PutAddress(put) if put.kind() == AddressKind::Contact => {
                seen.opened.push(put.address.clone());
            }
            client_frame::Body::CloseAddress(close) => seen.closed.push(close.address.clone()),
            client_frame::Body::PutRecord(put) => {
                let record = put.record.as_ref().unwrap();
                if !record.next_write_key.is_empty() {
                    seen.ended.push(record.id.clone());
                } else if record.version == 1 {
                    seen.begun.push(record.id.clone());
                }
            }
            _ => {}
        }
    }));
    ways
}

fn heard(stage: &mut Stage, who: Who, from: Who, text: &str) -> bool {
    let from = stage.account(from);
    stage.texts(who, from).iter().any(|one| one == text)
}

#[test]
fn whoever_is_blocked_is_left_with_keys_and_addresses_of_before_dev_19() {
    let Two { mut stage, alice, bob, .. } = friends(971);
    let second = stage.join(alice, "alice");
    let carol = stage.register("carol");
    stage.befriend((alice, "alice"), (carol, "carol"));
    stage.advance(2 * MINUTE);

    let ways = watch(&mut stage, [alice, second]);
    let bobs = Whom::Address(address("bob"));
    assert!(stage.ask(alice, Request::BlockContact { who: bobs.clone() }).is_ok());
    stage.advance(5 * MINUTE);
    {
        let ways = ways.borrow();
        assert_eq!(ways[0].begun.len(), 1, "another address book");
        assert_eq!(ways[0].ended.len(), 1, "nobody writes the old one");
        assert_ne!(ways[0].begun, ways[0].ended);
        for ways in &*ways {
            assert_eq!((ways.opened.len(), ways.closed.len()), (1, 0), "own devices may be away");
        }
    }
    stage.send(bob, "alice", "are you there?");
    stage.advance(8 * DAY_MS);
    assert_eq!(ways.borrow()[0].closed.len(), 1, "everyone has answered");
    // An answer that came before the own device had heard of the other keys tells it nothing: it waits.
    stage.advance(24 * DAY_MS);
    for ways in &*ways.borrow() {
        assert_eq!(ways.closed.len(), 1);
        assert_ne!(ways.closed, ways.opened);
    }

    // Nobody else is lost, on either device, and he is not heard.
    stage.send(carol, "alice", "it is carol");
    stage.send(second, "carol", "it is alice");
    stage.advance(5 * MINUTE);
    assert!(
        heard(&mut stage, alice, carol, "it is carol") && heard(&mut stage, second, carol, "it is carol")
    );
    assert!(heard(&mut stage, carol, alice, "it is alice"));
    assert!(!heard(&mut stage, alice, bob, "are you there?"));

    // Let in again, he is told the keys that stand now.
    assert!(stage.ask(alice, Request::UnblockContact { who: bobs }).is_ok());
    stage.advance(5 * MINUTE);
    stage.send(bob, "alice", "there you are");
    stage.send(alice, "bob", "here I am");
    stage.advance(5 * MINUTE);
    assert!(
        heard(&mut stage, alice, bob, "there you are") && heard(&mut stage, second, bob, "there you are")
    );
    assert!(heard(&mut stage, bob, alice, "here I am"));
}
