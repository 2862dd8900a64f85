//! Envelopes made up, or pushed to see what a device does because of them: nothing that is not authentic makes it ask or send
//! anything at once on connections that don't say who it is.

use std::{cell::RefCell, rc::Rc};

use wheesht_core::{
    api::{Password, Request, Response},
    proto::relay::{Deliver, client_frame},
};
use wheesht_tests::stage::{
    Who,
    people::{MINUTE, PASSWORD, Two, friends},
    stranger::pushed_through,
};

use super::go_on;

/// Notes what somebody asks on connections that don't say who it is.
fn watch(two: &mut Two, whom: Who) -> Rc<RefCell<Vec<String>>> {
    let seen = Rc::<RefCell<Vec<String>>>::default();
    let noted = Rc::clone(&seen);
    two.stage.watch = Some(Box::new(move |who, question| {
        let what = match question {
            client_frame::Body::Lookup(asked) => format!("look-up of {}", asked.name),
            client_frame::Body::FetchBundle(_) => "prekeys".to_owned(),
            client_frame::Body::Deposit(_) => "deposit".to_owned(),
            client_frame::Body::GetManifests(_) => "manifests".to_owned(),
            client_frame::Body::GetRecord(_) => "record".to_owned(),
            _ => return,
        };
        if who == whom {
            noted.borrow_mut().push(what);
        }
    }));
    seen
}

/// Where Alice's contacts write to, as the relay sees it.
fn contact_address(two: &Two) -> Vec<u8> {
    let mut pushed = two.stage.pushed().into_iter().rev();
    pushed.find(|(who, _)| *who == two.alice).map(|(_, deliver)| deliver.address).unwrap()
}

/// Pushes it to Alice; nothing follows at once.
fn quiet(two: &mut Two, deliver: Deliver) {
    two.stage.advance(60 * MINUTE);
    let alice = two.alice;
    let seen = watch(two, alice);
    two.stage.push(alice, deliver);
    two.stage.advance(4_000);
    assert_eq!(*seen.borrow(), Vec::<String>::new(), "Alice can be told by what she does");
    two.stage.watch = None;
}

#[test]
fn con_33_pushes_what_nobody_can_read_under_a_contacts_name() {
    let mut two = friends(321);
    let (address, bob) = (contact_address(&two), two.stage.device_of("bob"));
    let envelope = two.stage.unreadable(&bob, "alice");
    quiet(&mut two, pushed_through(&address, envelope));
    // Later, at a time that says nothing, it is asked for.
    let alice = two.alice;
    let seen = watch(&mut two, alice);
    two.stage.advance(2 * MINUTE);
    assert!(seen.borrow().contains(&"deposit".to_owned()), "{:?}", seen.borrow());
    two.stage.watch = None;
    go_on(&mut two);
}

#[test]
fn con_33_pushes_a_certificate_that_no_list_of_the_contact_has() {
    let mut two = friends(322);
    let address = contact_address(&two);
    let (second, bob) = (two.stage.join(two.bob, "bob"), two.bob);
    let old = two.stage.keys(second);
    let request = Request::RemoveDevice { device: old.device, password: Password::new(PASSWORD) };
    assert_eq!(two.stage.ask(bob, request), Ok(Response::Done));
    two.stage.advance(10 * MINUTE);
    let envelope = two.stage.unreadable(&old.certificate, "alice");
    quiet(&mut two, pushed_through(&address, envelope));
    go_on(&mut two);
}

#[test]
fn con_33_con_4_pushes_a_request_in_a_contacts_name() {
    let mut two = friends(323);
    let request_address = two.stage.looked_up("alice").request_address;
    let mut mallory = two.stage.stranger("bob");
    let content = two.stage.content(mallory.request("it's me, Bob"));
    let envelope = two.stage.by_hand(&mut mallory, "alice", &content);
    quiet(&mut two, pushed_through(&request_address, envelope));
    assert_eq!(two.stage.contact(two.alice, "bob").unwrap().id, two.bob_id);
    let mallory_id = mallory.id();
    assert!(two.stage.texts(two.alice, mallory_id).is_empty());
    go_on(&mut two);
}
