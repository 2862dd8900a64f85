//! Lies about who somebody is, and which devices they have.

use rand_core::SeedableRng;
use wheesht_core::{
    api::{ErrorCode, FailReason, MessageState, Notice, Phase, Request, Response, Trouble, Who as Whom},
    proto::{
        account::{DeviceManifest, SignedManifest},
        ids::DepositAddress,
        prost::Message as _,
        relay::{ErrorCode as Refusal, client_frame, relay_frame::Body},
    },
    signed::{DeviceCertificate, DeviceSigningKey, IdentityKey, Manifest, UnverifiedManifest},
    time::Timestamp,
};
use wheesht_tests::{
    hostile::refusal,
    stage::{
        Stage, address,
        people::{MINUTE, PASSWORD, Two, friends, two},
    },
};

use super::{behave, go_on, lie, look_up, shared, withheld};

const DAY: u64 = 24 * 60 * MINUTE;

/// An identity of the relay's own, for somebody's name.
struct Forger {
    identity: IdentityKey,
    device: DeviceSigningKey,
    now: Timestamp,
}

impl Forger {
    fn new(now: Timestamp) -> Self {
        let mut rng = chacha20::ChaCha20Rng::seed_from_u64(666);
        let (identity, device) = (IdentityKey::generate(&mut rng), DeviceSigningKey::generate(&mut rng));
        Self { identity, device, now }
    }

    fn certificate(&self) -> DeviceCertificate {
        DeviceCertificate::issue(&self.identity, &self.device.verifying_key(), [9; 32], self.now)
    }

    fn manifest(&self, name: &str) -> Manifest {
        Manifest::first(&self.identity, &address(name), self.certificate(), self.now).unwrap()
    }
}

/// The next version of a genuine manifest with a device more, which nobody has signed.
fn with_a_ghost(genuine: &[u8], ghost: &DeviceCertificate) -> Vec<u8> {
    let mut signed = SignedManifest::decode(genuine).unwrap();
    let mut manifest = DeviceManifest::decode(signed.manifest.as_slice()).unwrap();
    manifest.version += 1;
    manifest.previous = UnverifiedManifest::decode(genuine).unwrap().hash().to_vec();
    manifest.devices.push(ghost.encoded().to_vec());
    manifest.devices.sort_by_key(|device| {
        wheesht_core::signed::UnverifiedCertificate::decode(device).map(|device| device.device_id()).ok()
    });
    signed.manifest = manifest.encode_to_vec();
    signed.encode_to_vec()
}

/// Bob has a second device, and nobody was told but by the relay.
fn bob_has_another(two: &mut Two) -> wheesht_tests::stage::Who {
    let second = two.stage.join(two.bob, "bob");
    two.stage.advance(5 * MINUTE);
    second
}

#[test]
fn swaps_the_identity_of_a_contact() {
    let mut two = friends(101);
    let forger = Forger::new(two.stage.now);
    let fake = forger.manifest("bob").encoded().to_vec();
    lie(&mut two.stage, move |victim, _, answer| {
        if let (0, Body::LookupOk(found)) = (victim, answer) {
            (found.manifest, found.request_address) = (fake.clone(), vec![7; 16]);
        }
    });
    // His news makes her look.
    bob_has_another(&mut two);
    let Two { stage, alice, bob, bob_id, .. } = &mut two;
    let contact = stage.contact(*alice, "bob").unwrap();
    assert!(contact.identity_changed && contact.id == *bob_id);
    assert!(stage.notices(*alice, *bob_id).contains(&Notice::IdentityChanged));
    let error = stage.try_send(*alice, "bob", "is it you?").unwrap_err();
    assert_eq!((error.code, !error.next.is_empty()), (ErrorCode::IdentityChanged, true));

    // The relay shows him again: he is who he was, so nothing stands in the way any more.
    behave(stage, &[*alice, *bob]);
    stage.advance(DAY);
    assert!(!stage.contact(*alice, "bob").unwrap().identity_changed);
    go_on(&mut two);
}

#[test]
fn swaps_the_identity_behind_a_name_for_everyone() {
    let Two { mut stage, alice, bob, bob_id, .. } = two(102);
    let forger = Forger::new(stage.now);
    let fake = forger.manifest("bob").encoded().to_vec();
    lie(&mut stage, move |_, question, answer| {
        if let (client_frame::Body::Lookup(asked), Body::LookupOk(found)) = (question, answer)
            && asked.name == "bob"
        {
            (found.manifest, found.request_address) = (fake.clone(), vec![7; 16]);
        }
    });
    stage.send(alice, "bob", "hello");
    stage.advance(DAY);
    // A name alone proves nothing, and is shown as that. His own client finds out.
    let contact = stage.contact(alice, "bob").unwrap();
    assert!(!contact.verified && contact.id != bob_id);
    assert!(stage.troubles(bob).contains(&Trouble::OwnNameMismatch));
}

#[test]
fn splits_its_answers_about_an_identity() {
    let Two { mut stage, alice, bob, alice_id, .. } = two(103);
    let fake = Forger::new(stage.now).manifest("bob").encoded().to_vec();
    lie(&mut stage, move |victim, _, answer| {
        if let (0, Body::LookupOk(found)) = (victim, answer) {
            (found.manifest, found.request_address) = (fake.clone(), vec![7; 16]);
        }
    });
    stage.send(alice, "bob", "hello");
    stage.advance(DAY);
    assert!(!stage.contact(alice, "bob").unwrap().verified);
    // Bob is shown the truth, so nothing warns him; what they compare does.
    behave(&mut stage, &[alice, bob]);
    stage.send(bob, "alice", "hello");
    stage.advance(MINUTE);
    let of_bob = stage.ask(bob, Request::SafetyNumber { who: Whom::Id(alice_id) }).unwrap();
    let of_alice = stage.ask(alice, Request::SafetyNumber { who: Whom::Address(address("bob")) }).unwrap();
    assert_ne!(of_alice, of_bob);
}

#[test]
fn invents_a_device_for_a_contact() {
    let mut two = friends(104);
    let forger = Forger::new(two.stage.now);
    let ghost = forger.certificate();
    let ghost_id = ghost.device_id();
    let (asked_for_ghost, seen) = shared::<bool>();
    lie(&mut two.stage, move |victim, question, answer| {
        if let client_frame::Body::FetchBundle(fetch) = question {
            *asked_for_ghost.borrow_mut() |= fetch.device_id == ghost_id.as_ref();
        }
        match answer {
            Body::LookupOk(found) if victim == 0 => found.manifest = with_a_ghost(&found.manifest, &ghost),
            Body::Manifests(list) if victim == 0 => {
                let last = list.manifests.last().map(|last| with_a_ghost(last, &ghost));
                list.manifests.extend(last);
            }
            _ => {}
        }
    });
    let second = bob_has_another(&mut two);
    let Two { stage, alice, bob, alice_id, bob_id } = &mut two;
    assert!(stage.troubles(*alice).iter().any(withheld(*bob_id)));
    assert!(!stage.notices(*alice, *bob_id).iter().any(|one| matches!(one, Notice::DeviceAdded { .. })));
    stage.send(*alice, "bob", "only for you");
    stage.advance(5 * MINUTE);
    assert!(!*seen.borrow());
    assert!(stage.texts(*bob, *alice_id).contains(&"only for you".to_owned()));
    // With the truth she knows the genuine one.
    behave(stage, &[*alice]);
    stage.advance(DAY);
    let told = stage.notices(*alice, *bob_id);
    assert_eq!(told.iter().filter(|one| matches!(one, Notice::DeviceAdded { .. })).count(), 1);
    go_on(&mut two);
    assert!(two.stage.texts(second, two.alice_id).contains(&"ping".to_owned()));
}

#[test]
fn goes_back_to_an_older_manifest() {
    let mut two = friends(105);
    let old = look_up(&mut two.stage, "bob").manifest;
    let second = bob_has_another(&mut two);
    two.stage.events(two.alice);
    lie(&mut two.stage, move |victim, question, answer| {
        if let (0, client_frame::Body::Lookup(asked), Body::LookupOk(found)) = (victim, question, answer)
            && asked.name == "bob"
        {
            found.manifest = old.clone();
        }
    });
    let Two { stage, alice, bob_id, .. } = &mut two;
    stage.restart(*alice);
    let answer = stage.ask(*alice, Request::AddContact { address: address("bob") });
    assert!(matches!(answer, Ok(Response::Contact { .. })));
    // Whatever makes her look: a bundle that isn't there, say.
    lie_until_she_looks(stage, *alice);
    assert!(stage.troubles(*alice).iter().any(withheld(*bob_id)));
    go_on(&mut two);
    assert!(two.stage.texts(second, two.alice_id).contains(&"ping".to_owned()));
}

/// Refuses one deposit as if the address were gone, on top of the lie under way.
fn lie_until_she_looks(stage: &mut Stage, alice: wheesht_tests::stage::Who) {
    let mut before = stage.hostile.take();
    let mut left = 1;
    lie(stage, move |victim, question, answer| {
        if let Some(before) = &mut before {
            *answer = before.answered(victim, question, answer.clone());
        }
        if let Body::DepositResults(results) = answer
            && left > 0
        {
            left -= 1;
            for one in results.results.iter_mut().flat_map(|result| &mut result.addresses) {
                one.set_code(Refusal::NotFound);
            }
        }
    });
    stage.send(alice, "bob", "knock");
    stage.advance(5 * MINUTE);
}

#[test]
fn con_8_withholds_a_newer_manifest() {
    let mut two = friends(106);
    let old = look_up(&mut two.stage, "bob");
    lie(&mut two.stage, move |victim, question, answer| {
        if let (0, client_frame::Body::Lookup(asked), Body::LookupOk(found)) = (victim, question, answer)
            && asked.name == "bob"
        {
            *found = old.clone();
        }
    });
    let second = bob_has_another(&mut two);
    let Two { stage, alice, bob, bob_id, .. } = &mut two;
    stage.send(*bob, "alice", "I have a new one");
    stage.advance(5 * MINUTE);
    assert!(stage.troubles(*alice).iter().any(withheld(*bob_id)));
    behave(stage, &[*alice]);
    stage.advance(DAY);
    go_on(&mut two);
    assert!(two.stage.texts(second, two.alice_id).contains(&"ping".to_owned()));
}

#[test]
fn says_that_a_contact_is_gone() {
    let mut two = friends(107);
    lie(&mut two.stage, |victim, question, answer| match (victim, question, answer) {
        (0, client_frame::Body::Lookup(asked), answer) if asked.name == "bob" => {
            *answer = refusal(Refusal::NotFound, 0);
        }
        (0, _, Body::DepositResults(results)) => {
            for one in results.results.iter_mut().flat_map(|result| &mut result.addresses) {
                one.set_code(Refusal::NotFound);
            }
        }
        _ => {}
    });
    let Two { stage, alice, bob, bob_id, .. } = &mut two;
    let message = stage.send(*alice, "bob", "where are you?");
    stage.advance(60 * MINUTE);
    // Not in silence: the message says why it didn't go.
    let reason = FailReason::AccountGone;
    assert_eq!(stage.state(*alice, *bob_id, message), MessageState::Failed { reason });
    behave(stage, &[*alice, *bob]);
    stage.advance(60 * MINUTE);
    go_on(&mut two);
}

#[test]
fn answers_a_look_up_with_somebody_else() {
    let Two { mut stage, alice, bob, alice_id, .. } = two(108);
    let carol = stage.register("carol");
    let of_carol = look_up(&mut stage, "carol");
    lie(&mut stage, move |victim, _, answer| {
        if let (0, Body::LookupOk(found)) = (victim, answer) {
            *found = of_carol.clone();
        }
    });
    let error = stage.try_send(alice, "bob", "hello").unwrap_err();
    assert_eq!((error.code, !error.next.is_empty()), (ErrorCode::UntrustedRelay, true));
    behave(&mut stage, &[alice]);
    stage.send(alice, "bob", "hello");
    stage.advance(MINUTE);
    assert_eq!(stage.texts(bob, alice_id), ["hello"]);
    assert!(stage.texts(carol, alice_id).is_empty());
}

#[test]
fn tells_of_a_device_that_was_never_confirmed() {
    let mut two = friends(109);
    // Somebody with Bob's password asks to join, and he refuses; the relay shows the draft as if he had agreed.
    let thief = two.stage.add();
    let password = wheesht_core::api::Password::new(PASSWORD);
    let request =
        Request::LogIn { address: address("bob"), password, device: "thief".to_owned(), evict: false };
    let (kept, draft) = shared::<Vec<u8>>();
    struct Keep(std::rc::Rc<std::cell::RefCell<Vec<u8>>>);
    impl wheesht_tests::hostile::Hostile for Keep {
        fn asked(&mut self, _: usize, question: client_frame::Body) -> wheesht_tests::hostile::Asked {
            if let client_frame::Body::ProposeManifest(proposed) = &question {
                *self.0.borrow_mut() = proposed.manifest.clone();
            }
            wheesht_tests::hostile::Asked::Serve(question)
        }
    }
    two.stage.hostile = Some(Box::new(Keep(kept)));
    two.stage.ask(thief, request).unwrap();
    let Ok(Response::Devices { proposal: Some(proposal), .. }) = two.stage.ask(two.bob, Request::Devices)
    else {
        panic!("no proposal")
    };
    two.stage.ask(two.bob, Request::RejectDevice { proposal: proposal.id }).unwrap();
    two.stage.advance(MINUTE);
    let draft = draft.borrow().clone();
    lie(&mut two.stage, move |_, question, answer| match (question, answer) {
        (client_frame::Body::Lookup(asked), Body::LookupOk(found)) if asked.name == "bob" => {
            found.manifest = draft.clone();
        }
        (client_frame::Body::GetManifests(asked), Body::Manifests(list)) if asked.name == "bob" => {
            list.manifests.push(draft.clone());
        }
        _ => {}
    });
    assert!(matches!(two.stage.phase(thief), Phase::Stopped { .. } | Phase::Empty));
    lie_until_she_looks(&mut two.stage, two.alice);
    assert!(two.stage.troubles(two.alice).iter().any(withheld(two.bob_id)));
    two.stage.advance(DAY);
    let own_look_up = two.stage.troubles(two.bob);
    assert!(own_look_up.iter().any(|one| withheld(two.bob_id)(one) || *one == Trouble::OwnNameMismatch));
    assert!(two.stage.notices(two.alice, two.bob_id).iter().all(|one| *one == Notice::Accepted));
    behave(&mut two.stage, &[two.alice, two.bob]);
    go_on(&mut two);
}

#[test]
fn swaps_the_address_for_strangers() {
    let Two { mut stage, alice, bob, alice_id, .. } = two(110);
    let of_alice: DepositAddress =
        look_up(&mut stage, "alice").request_address.as_slice().try_into().unwrap();
    lie(&mut stage, move |_, question, answer| {
        if let (client_frame::Body::Lookup(asked), Body::LookupOk(found)) = (question, answer)
            && asked.name == "bob"
        {
            found.request_address = of_alice.to_vec();
        }
    });
    stage.send(alice, "bob", "hello");
    stage.advance(DAY);
    assert!(stage.texts(bob, alice_id).is_empty());
    // Bob's client looks as a stranger would, and tells him.
    assert!(!stage.troubles(bob).is_empty());
}

#[test]
fn con_34_shows_a_list_that_nobody_signed_to_lift_a_block() {
    for (seed, ahead) in [(131, 0), (132, 7)] {
        let mut two = friends(seed);
        let forger = Forger::new(two.stage.now);
        let (fake, ghost) = (forger.manifest("bob").encoded().to_vec(), forger.certificate());
        lie(&mut two.stage, move |victim, _, answer| {
            if let (0, Body::LookupOk(found)) = (victim, answer) {
                (found.manifest, found.request_address) = (fake.clone(), vec![7; 16]);
            }
        });
        bob_has_another(&mut two);
        assert!(two.stage.contact(two.alice, "bob").unwrap().identity_changed);
        // His identity's name on it, and nobody's signature.
        lie(&mut two.stage, move |victim, _, answer| match answer {
            Body::LookupOk(found) if victim == 0 => {
                let forged = with_a_ghost(&found.manifest, &ghost);
                let mut signed = SignedManifest::decode(forged.as_slice()).unwrap();
                let mut manifest = DeviceManifest::decode(signed.manifest.as_slice()).unwrap();
                manifest.version += ahead;
                signed.manifest = manifest.encode_to_vec();
                found.manifest = signed.encode_to_vec();
            }
            Body::Manifests(list) if victim == 0 => list.manifests.clear(),
            _ => {}
        });
        for _ in 0..20 {
            two.stage.advance(MINUTE);
            assert!(two.stage.contact(two.alice, "bob").unwrap().identity_changed, "{ahead} ahead");
        }
        let error = two.stage.try_send(two.alice, "bob", "is it you?").unwrap_err();
        assert_eq!(error.code, ErrorCode::IdentityChanged);
        // The truth lifts it.
        behave(&mut two.stage, &[two.alice, two.bob]);
        two.stage.advance(DAY);
        assert!(!two.stage.contact(two.alice, "bob").unwrap().identity_changed);
        go_on(&mut two);
    }
}
