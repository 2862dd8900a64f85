//! Lies about the keys that a conversation begins with.

use std::collections::BTreeMap;

use wheesht_core::{
    api::{FailReason, MessageState},
    proto::relay::{Bundle, FetchBundle, client_frame, relay_frame::Body},
};
use wheesht_tests::{
    hostile::Victim,
    stage::{
        Stage, Who,
        people::{MINUTE, Two, friends, two},
    },
};

use super::{behave, delivered, go_on, lie, look_up, refused, shared};

const DAY: u64 = 24 * 60 * MINUTE;

/// A device's keys, as anyone gets them.
fn bundle(stage: &mut Stage, name: &str) -> Bundle {
    let found = look_up(stage, name);
    let manifest = wheesht_core::signed::UnverifiedManifest::decode(&found.manifest).unwrap();
    let device_id = manifest.device_ids().next().unwrap().to_vec();
    let fetch = FetchBundle { address: found.request_address, device_id };
    match stage.anyone(client_frame::Body::FetchBundle(fetch)) {
        Body::Bundle(bundle) => bundle,
        other => panic!("{other:?}"),
    }
}

/// Lies about every bundle that Alice asks for.
fn lie_about_keys(stage: &mut Stage, mut lies: impl FnMut(&mut Bundle) + 'static) {
    lie(stage, move |victim, _, answer| {
        if let (0, Body::Bundle(bundle)) = (victim, answer) {
            lies(bundle);
        }
    });
}

/// With this lie Alice sends nothing, and is told; without it her message arrives.
fn nothing_goes_out(seed: u64, lies: impl FnMut(&mut Bundle) + 'static) {
    let Two { mut stage, alice, bob, alice_id, bob_id } = two(seed);
    lie_about_keys(&mut stage, lies);
    let message = stage.send(alice, "bob", "hello");
    stage.advance(10 * MINUTE);
    assert_eq!(stage.state(alice, bob_id, message), MessageState::Pending);
    assert!(stage.troubles(alice).iter().any(refused));
    assert!(stage.texts(bob, alice_id).is_empty());
    behave(&mut stage, &[alice]);
    stage.advance(60 * MINUTE);
    assert_eq!(stage.texts(bob, alice_id), ["hello"]);
}

#[test]
fn serves_the_keys_of_somebody_else() {
    let mut stage = Stage::new(200);
    let _ = stage.register("carol");
    let of_carol = bundle(&mut stage, "carol");
    nothing_goes_out(201, move |bundle| *bundle = of_carol.clone());
}

#[test]
fn swaps_a_key_for_its_own() {
    nothing_goes_out(202, |bundle| {
        let middle = bundle.signed_prekey.len() / 3;
        bundle.signed_prekey[middle] ^= 1;
    });
    nothing_goes_out(203, |bundle| {
        let middle = bundle.kem.len() / 2;
        bundle.kem[middle] ^= 1;
    });
}

#[test]
fn serves_keys_of_one_kind_as_another() {
    nothing_goes_out(204, |bundle| std::mem::swap(&mut bundle.signed_prekey, &mut bundle.one_time));
    nothing_goes_out(205, |bundle| bundle.one_time = bundle.signed_prekey.clone());
    nothing_goes_out(206, |bundle| bundle.kem = bundle.one_time.clone());
}

#[test]
fn serves_keys_without_signature() {
    nothing_goes_out(207, |bundle| bundle.signed_prekey.clear());
}

#[test]
fn serves_stale_keys() {
    let Two { mut stage, alice, bob, alice_id, bob_id } = two(208);
    let old = bundle(&mut stage, "bob");
    // Both are there all the time, and replace their keys every week.
    stage.advance(100 * DAY);
    lie_about_keys(&mut stage, move |bundle| *bundle = old.clone());
    let message = stage.send(alice, "bob", "hello");
    stage.advance(10 * MINUTE);
    // Nothing is encrypted to keys that should be gone.
    let reason = FailReason::AwayTooLong;
    assert_eq!(stage.state(alice, bob_id, message), MessageState::Failed { reason });
    assert!(stage.texts(bob, alice_id).is_empty());
    behave(&mut stage, &[alice]);
    stage.advance(2 * DAY);
    stage.send(alice, "bob", "again");
    stage.advance(60 * MINUTE);
    assert_eq!(stage.texts(bob, alice_id), ["again"]);
}

#[test]
fn never_gives_out_one_time_keys() {
    let Two { mut stage, alice, bob, alice_id, .. } = two(209);
    let found = look_up(&mut stage, "bob");
    let manifest = wheesht_core::signed::UnverifiedManifest::decode(&found.manifest).unwrap();
    let device_id = manifest.device_ids().next().unwrap().to_vec();
    // It has emptied the pool by itself, and keeps the key of last resort.
    let mut last_resort = None;
    for _ in 0..40 {
        let fetch = FetchBundle { address: found.request_address.clone(), device_id: device_id.clone() };
        for _ in 0..10 {
            match stage.anyone(client_frame::Body::FetchBundle(fetch.clone())) {
                Body::Bundle(bundle) if bundle.one_time.is_empty() => last_resort = Some(bundle),
                Body::Bundle(_) => {}
                _ => stage.advance(MINUTE),
            }
        }
        if last_resort.is_some() {
            break;
        }
    }
    let last_resort = last_resort.expect("the pool can be emptied");
    lie_about_keys(&mut stage, move |bundle| *bundle = last_resort.clone());
    stage.send(alice, "bob", "hello");
    stage.advance(MINUTE);
    assert_eq!(stage.texts(bob, alice_id), ["hello"]);
    // What set the session up, again and again, sets up nothing more.
    for (who, pushed) in stage.pushed() {
        stage.push(who, pushed);
    }
    stage.restart(bob);
    for (who, pushed) in stage.pushed() {
        stage.push(who, pushed);
    }
    stage.advance(MINUTE);
    assert_eq!(stage.texts(bob, alice_id), ["hello"]);
}

#[test]
fn hands_out_a_one_time_key_twice() {
    let mut two = friends(210);
    let stage = &mut two.stage;
    let carol = stage.register("carol");
    let carol_id = stage.account(carol);
    stage.send(carol, "bob", "hello, carol here");
    stage.advance(MINUTE);
    stage.accept(two.bob, "carol");
    stage.advance(MINUTE);
    // Both need keys of Bob's second device, and get the same.
    let (first, given) = shared::<BTreeMap<Vec<u8>, Bundle>>();
    lie(stage, move |_: Victim, question, answer| {
        if let (client_frame::Body::FetchBundle(fetch), Body::Bundle(bundle)) = (question, answer) {
            let mut first = first.borrow_mut();
            *bundle = first.entry(fetch.device_id.clone()).or_insert_with(|| bundle.clone()).clone();
        }
    });
    let second = stage.join(two.bob, "bob");
    stage.advance(5 * MINUTE);
    let said = |stage: &mut Stage, who: Who, text: &str| {
        let message = stage.send(who, "bob", text);
        stage.advance(5 * MINUTE);
        message
    };
    let (one, other) = (said(stage, two.alice, "from alice"), said(stage, carol, "from carol"));
    assert!(given.borrow().values().any(|bundle| !bundle.one_time.is_empty()));
    behave(stage, &[two.alice, two.bob, carol, second]);
    stage.advance(3 * 60 * MINUTE);
    for who in [two.bob, second] {
        let (alices, carols) = (stage.texts(who, two.alice_id), stage.texts(who, carol_id));
        assert_eq!(alices.iter().filter(|text| *text == "from alice").count(), 1, "{alices:?}");
        assert_eq!(carols.iter().filter(|text| *text == "from carol").count(), 1, "{carols:?}");
    }
    delivered(stage, two.alice, two.bob_id, one);
    delivered(stage, carol, two.bob_id, other);
    go_on(&mut two);
}
