//! A relay, or somebody who holds a key, that would have people believe what is not so.

use std::{cell::RefCell, rc::Rc};

use wheesht_core::{
    api::{Availability::*, PresenceChoice},
    proto::relay::{client_frame, relay_frame},
};
use wheesht_tests::{
    hostile::{Asked, Hostile, Victim},
    stage::people::MINUTE,
};

use crate::people::*;

/// Passes nothing on that isn't stored.
pub(crate) struct Deaf;

impl Hostile for Deaf {
    fn pushed(&mut self, _victim: Victim, push: relay_frame::Body) -> Vec<relay_frame::Body> {
        match push {
            relay_frame::Body::Deliver(deliver) if deliver.ephemeral => Vec::new(),
            push => vec![push],
        }
    }
}

/// Keeps the wills that were left.
struct Collector(Rc<RefCell<Vec<Vec<u8>>>>);

impl Hostile for Collector {
    fn asked(&mut self, _victim: Victim, question: client_frame::Body) -> Asked {
        if let client_frame::Body::PutLastWill(will) = &question {
            self.0.borrow_mut().extend(will.entries.iter().map(|entry| entry.envelope.to_vec()));
        }
        Asked::Serve(question)
    }
}

#[test]
fn pre_6_an_older_presence_or_will_that_a_relay_replays_overrides_nothing() {
    let Two { mut stage, alice, bob, .. } = friends(721);
    let wills = Rc::new(RefCell::new(Vec::new()));
    stage.hostile = Some(Box::new(Collector(Rc::clone(&wills))));
    here(&mut stage, alice);
    choose(&mut stage, alice, PresenceChoice::Busy, "first");
    choose(&mut stage, alice, PresenceChoice::Online, "second");
    // Another session: the will of the one before is passed on, and overridden.
    stage.disconnect(alice);
    stage.advance(2_000);
    assert_eq!(seen(&mut stage, bob, "alice"), (Online, "second".to_owned()));
    let old: Vec<_> = stage.pushed().into_iter().filter(|(_, deliver)| deliver.ephemeral).collect();
    assert!(old.len() >= 4);
    told(&mut stage, bob);
    for (who, deliver) in old.clone() {
        stage.push(who, deliver);
    }
    stage.advance(1_000);
    assert_eq!(seen(&mut stage, bob, "alice"), (Online, "second".to_owned()));
    assert_eq!(told(&mut stage, bob), Vec::new());
    // Nor for somebody who has just begun to listen, and has heard nothing yet.
    stage.restart(bob);
    stage.advance(1_000);
    let first = wills.borrow().first().expect("a will").clone();
    for (who, mut deliver) in old {
        if deliver.envelope == first {
            deliver.expires_ms = u64::MAX;
            stage.push(who, deliver);
        }
    }
    stage.advance(1_000);
    assert_eq!(is(&mut stage, bob, "alice"), Unknown);
    here(&mut stage, bob);
    assert_eq!(is(&mut stage, bob, "alice"), Online);
    // Hours later none of it is worth anything.
    let recorded: Vec<_> = stage.pushed().into_iter().filter(|(_, deliver)| deliver.ephemeral).collect();
    stage.set_offline(alice, true);
    stage.advance(120 * MINUTE);
    assert_eq!(is(&mut stage, bob, "alice"), Offline);
    stage.restart(bob);
    stage.advance(MINUTE);
    for (who, deliver) in recorded {
        stage.push(who, deliver);
    }
    stage.advance(1_000);
    assert_eq!(is(&mut stage, bob, "alice"), Offline);
}

#[test]
fn pre_4_another_contact_who_holds_the_key_cannot_speak_for_her() {
    let Two { mut stage, alice, bob, .. } = friends(722);
    let mallory = stage.register("mallory");
    befriend(&mut stage, mallory, alice, ("mallory", "alice"));
    befriend(&mut stage, mallory, bob, ("mallory", "bob"));
    here(&mut stage, mallory);
    here(&mut stage, alice);
    choose(&mut stage, mallory, PresenceChoice::Away, "mallory's");
    assert_eq!(seen(&mut stage, bob, "alice"), (Online, String::new()));
    // What was for somebody else says nothing about her, through whatever address it comes.
    let all: Vec<_> = stage.pushed().into_iter().filter(|(_, deliver)| deliver.ephemeral).collect();
    let through = all.iter().find(|(who, _)| *who == bob).map(|(_, deliver)| deliver.address.clone());
    let through = through.expect("bob has heard something");
    for (_, mut deliver) in all {
        deliver.address = through.clone();
        stage.push(bob, deliver.clone());
        // Cut, or of another form.
        let envelope = deliver.envelope.to_vec();
        for bytes in
            [envelope[..envelope.len() / 2].to_vec(), [&[1], &envelope[1..]].concat(), vec![3], Vec::new()]
        {
            deliver.envelope = bytes.into();
            stage.push(bob, deliver.clone());
        }
    }
    stage.advance(1_000);
    assert_eq!(seen(&mut stage, bob, "alice"), (Online, String::new()));
    assert_eq!(seen(&mut stage, bob, "mallory"), (Away, "mallory's".to_owned()));
}
