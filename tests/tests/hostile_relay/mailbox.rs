//! Lies about what was deposited, and tricks with what is delivered.

use std::{cell::RefCell, collections::VecDeque, rc::Rc};

use wheesht_core::{
    api::{MessageState, Notice},
    proto::{
        ids::EnvelopeId,
        relay::{
            self, AddressResult, Deliver, DepositResult, DepositResults, ErrorCode as Refusal, client_frame,
            relay_frame::Body,
        },
    },
};
use wheesht_tests::{
    hostile::{Asked, Hostile, Victim, refusal},
    stage::people::{MINUTE, Two, friends},
};

use super::{behave, go_on, lie, look_up, shared};

const ALICE: Victim = 0;
const BOB: Victim = 1;
const DAY: u64 = 24 * 60 * MINUTE;

/// Changes what is pushed to Bob.
struct Pushes<F>(F);

impl<F: FnMut(Deliver) -> Vec<Deliver>> Hostile for Pushes<F> {
    fn pushed(&mut self, victim: Victim, push: Body) -> Vec<Body> {
        match push {
            Body::Deliver(deliver) if victim == BOB => {
                (self.0)(deliver).into_iter().map(Body::Deliver).collect()
            }
            push => vec![push],
        }
    }
}

/// Takes Bob's questions away.
struct Questions<F>(F);

impl<F: FnMut(Victim, client_frame::Body) -> Asked> Hostile for Questions<F> {
    fn asked(&mut self, victim: Victim, question: client_frame::Body) -> Asked {
        (self.0)(victim, question)
    }
}

/// Alice says this many things, a second apart.
fn talk(two: &mut Two, count: usize) -> Vec<String> {
    let texts: Vec<_> = (0..count).map(|n| format!("number {n}")).collect();
    for text in &texts {
        two.stage.send(two.alice, "bob", text);
        two.stage.advance(1_000);
    }
    texts
}

/// What Bob heard after "hello", whatever its order.
fn heard(two: &mut Two) -> Vec<String> {
    let mut heard = two.stage.texts(two.bob, two.alice_id);
    heard.retain(|text| text.starts_with("number"));
    heard.sort();
    heard
}

#[test]
fn withholds_what_was_deposited() {
    let mut two = friends(301);
    two.stage.hostile = Some(Box::new(Pushes(|_| Vec::new())));
    let said = talk(&mut two, 5);
    two.stage.advance(20 * DAY);
    assert!(heard(&mut two).is_empty());
    let bob_id = two.bob_id;
    // Nobody says that it has arrived.
    let all = two.stage.history(two.alice, wheesht_core::api::ConversationId::Direct(bob_id));
    assert!(all.iter().rev().take(5).all(|one| one.state == Some(MessageState::Sent)));
    behave(&mut two.stage, &[two.bob]);
    two.stage.advance(MINUTE);
    assert_eq!(heard(&mut two), said);
    go_on(&mut two);
}

#[test]
fn delivers_in_another_order() {
    let mut two = friends(302);
    let (mine, held) = shared::<Vec<Deliver>>();
    two.stage.hostile = Some(Box::new(Pushes(move |deliver| {
        mine.borrow_mut().push(deliver);
        Vec::new()
    })));
    let said = talk(&mut two, 9);
    two.stage.hostile = None;
    let held = held.take();
    for (n, deliver) in held.iter().rev().chain(held.iter().step_by(2)).enumerate() {
        two.stage.push(two.bob, deliver.clone());
        if n % 4 == 3 {
            two.stage.run();
            two.stage.restart(two.bob);
        }
    }
    two.stage.advance(5 * MINUTE);
    assert_eq!(heard(&mut two), said);
    assert!(two.stage.notices(two.bob, two.alice_id).is_empty());
    go_on(&mut two);
}

#[test]
fn replays_everything_it_ever_saw() {
    let mut two = friends(303);
    let said = talk(&mut two, 5);
    two.stage.advance(MINUTE);
    let before = two.stage.texts(two.alice, two.bob_id);
    // At everyone, at once and after a month and more.
    for pause in [MINUTE, 40 * DAY] {
        two.stage.advance(pause);
        for (_, deliver) in two.stage.pushed() {
            two.stage.push(two.alice, deliver.clone());
            two.stage.push(two.bob, deliver);
        }
        two.stage.advance(MINUTE);
        assert_eq!(heard(&mut two), said);
        assert_eq!(two.stage.texts(two.alice, two.bob_id), before);
    }
    go_on(&mut two);
}

#[test]
fn delivers_through_another_address() {
    let mut two = friends(304);
    let request = look_up(&mut two.stage, "bob").request_address;
    let (mine, held) = shared::<Vec<Deliver>>();
    two.stage.hostile = Some(Box::new(Pushes(move |deliver: Deliver| {
        mine.borrow_mut().push(deliver.clone());
        let through = |address: &[u8]| Deliver { address: address.to_vec(), ..deliver.clone() };
        vec![through(&request), through(&[5; 16]), through(&[])]
            .into_iter()
            .take(if mine.borrow().len() % 2 == 0 { 1 } else { 0 })
            .collect()
    })));
    let said = talk(&mut two, 6);
    two.stage.advance(MINUTE);
    // A contact's words are no stranger's request.
    assert!(heard(&mut two).is_empty());
    two.stage.hostile = None;
    for deliver in held.take() {
        two.stage.push(two.bob, deliver);
    }
    two.stage.advance(5 * MINUTE);
    assert_eq!(heard(&mut two), said);
    go_on(&mut two);
}

#[test]
fn delivers_to_somebody_else() {
    let mut two = friends(305);
    let carol = two.stage.register("carol");
    let said = talk(&mut two, 4);
    for (_, deliver) in two.stage.pushed() {
        two.stage.push(carol, deliver);
    }
    two.stage.advance(DAY);
    let alice_id = two.alice_id;
    assert!(two.stage.texts(carol, alice_id).is_empty());
    assert!(two.stage.contact(carol, "alice").is_none());
    assert_eq!(heard(&mut two), said);
    go_on(&mut two);
}

#[test]
fn gives_an_envelope_another_id() {
    let mut two = friends(306);
    two.stage.hostile = Some(Box::new(Pushes(|deliver| {
        let other = EnvelopeId::of(b"another").to_vec();
        vec![Deliver { envelope_id: other, ..deliver }]
    })));
    let said = talk(&mut two, 3);
    assert!(heard(&mut two).is_empty());
    behave(&mut two.stage, &[two.bob]);
    two.stage.advance(MINUTE);
    assert_eq!(heard(&mut two), said);
    go_on(&mut two);
}

#[test]
fn drops_acks() {
    let mut two = friends(307);
    two.stage.hostile = Some(Box::new(Questions(|_, question| match question {
        client_frame::Body::Ack(_) => Asked::Answer(Body::Ok(relay::Ok {})),
        question => Asked::Serve(question),
    })));
    let said = talk(&mut two, 3);
    for _ in 0..5 {
        two.stage.disconnect(two.bob);
        two.stage.restart(two.bob);
        two.stage.advance(MINUTE);
    }
    assert_eq!(heard(&mut two), said);
    behave(&mut two.stage, &[two.alice, two.bob]);
    two.stage.advance(MINUTE);
    assert_eq!(heard(&mut two), said);
    go_on(&mut two);
}

#[test]
fn refuses_acks_and_pushes_again() {
    let mut two = friends(308);
    two.stage.hostile = Some(Box::new(Questions(|_, question| match question {
        client_frame::Body::Ack(_) => Asked::Answer(refusal(Refusal::Unavailable, u32::MAX)),
        question => Asked::Serve(question),
    })));
    let said = talk(&mut two, 3);
    two.stage.advance(DAY);
    assert_eq!(heard(&mut two), said);
    behave(&mut two.stage, &[]);
    two.stage.advance(DAY);
    go_on(&mut two);
}

#[test]
fn says_sent_and_throws_away() {
    let mut two = friends(309);
    two.stage.hostile = Some(Box::new(Questions(|victim, question| match question {
        client_frame::Body::Deposit(deposit) if victim == ALICE => {
            let taken = |entry: &relay::DepositEntry| DepositResult {
                addresses: entry.addresses.iter().map(|_| AddressResult::default()).collect(),
            };
            let results = deposit.entries.iter().map(taken).collect();
            Asked::Answer(Body::DepositResults(DepositResults { results }))
        }
        question => Asked::Serve(question),
    })));
    let bob_id = two.bob_id;
    let thrown = two.stage.send(two.alice, "bob", "number 0");
    two.stage.advance(DAY);
    // The relay's word makes it `sent`, and nothing but Bob's makes it more.
    assert_eq!(two.stage.state(two.alice, bob_id, thrown), MessageState::Sent);
    behave(&mut two.stage, &[two.alice, two.bob]);
    go_on(&mut two);
    assert_eq!(two.stage.state(two.alice, bob_id, thrown), MessageState::Sent);
}

#[test]
fn refuses_for_weeks() {
    let mut two = friends(310);
    two.stage.hostile = Some(Box::new(Questions(|_, question| match question {
        client_frame::Body::Deposit(deposit) => {
            let code = Refusal::QuotaExceeded.into();
            let refused = AddressResult { code, retry_after_ms: u32::MAX };
            let results = deposit.entries.iter().map(|_| DepositResult { addresses: vec![refused] });
            Asked::Answer(Body::DepositResults(DepositResults { results: results.collect() }))
        }
        question => Asked::Serve(question),
    })));
    let (alice, bob_id) = (two.alice, two.bob_id);
    let message = two.stage.send(alice, "bob", "number 0");
    two.stage.advance(DAY);
    assert_eq!(two.stage.state(alice, bob_id, message), MessageState::Pending);
    // A relay may ask for patience, and not for seven weeks of it.
    two.stage.hostile = None;
    two.stage.advance(2 * 60 * MINUTE);
    assert_eq!(two.stage.state(alice, bob_id, message), MessageState::Delivered);
    go_on(&mut two);
}

#[test]
fn refuses_a_whole_deposit_for_weeks() {
    let mut two = friends(311);
    two.stage.hostile = Some(Box::new(Questions(|_, question| match question {
        client_frame::Body::Deposit(_) => Asked::Answer(refusal(Refusal::RateLimited, u32::MAX)),
        question => Asked::Serve(question),
    })));
    let (alice, bob_id) = (two.alice, two.bob_id);
    let message = two.stage.send(alice, "bob", "number 0");
    two.stage.advance(DAY);
    two.stage.hostile = None;
    two.stage.advance(2 * 60 * MINUTE);
    assert_eq!(two.stage.state(alice, bob_id, message), MessageState::Delivered);
}

#[test]
fn answers_for_fewer_envelopes_than_were_deposited() {
    let mut two = friends(312);
    lie(&mut two.stage, |_, _, answer| {
        if let Body::DepositResults(results) = answer {
            results.results.pop();
        }
    });
    let alice = two.alice;
    let said = talk(&mut two, 3);
    two.stage.advance(MINUTE);
    behave(&mut two.stage, &[alice]);
    two.stage.advance(60 * MINUTE);
    assert_eq!(heard(&mut two), said);
    go_on(&mut two);
}

#[test]
fn lets_an_accomplice_write_to_the_contact_address() {
    let mut two = friends(313);
    // The relay knows where Bob's contacts write to, and puts Mallory's request there.
    let address: Rc<RefCell<Option<Vec<u8>>>> = Rc::default();
    let known = Rc::clone(&address);
    two.stage.hostile = Some(Box::new(Questions(move |victim, question| {
        let mut question = question;
        if let client_frame::Body::Deposit(deposit) = &mut question {
            for entry in &mut deposit.entries {
                if victim == ALICE {
                    *known.borrow_mut() = entry.addresses.first().cloned();
                } else if let (2, Some(address)) = (victim, &*known.borrow()) {
                    entry.addresses = vec![address.clone()];
                    entry.device_id.clear();
                }
            }
        }
        Asked::Serve(question)
    })));
    two.stage.send(two.alice, "bob", "number 0");
    two.stage.advance(MINUTE);
    let mallory = two.stage.register("mallory");
    assert_eq!(mallory.0, 2);
    let mallory_id = two.stage.account(mallory);
    two.stage.send(mallory, "bob", "let me in");
    two.stage.advance(10 * DAY);
    assert!(two.stage.contact(two.bob, "mallory").is_none());
    assert!(two.stage.texts(two.bob, mallory_id).is_empty());
    behave(&mut two.stage, &[two.alice, two.bob, mallory]);
    go_on(&mut two);
}

#[test]
fn floods_a_mailbox_with_noise() {
    let mut two = friends(314);
    let pushed = two.stage.pushed();
    let (_, sample) = pushed.iter().find(|(who, _)| who.0 == BOB).unwrap();
    for n in 0..5_000_u32 {
        let mut envelope = sample.envelope.to_vec();
        envelope.extend(n.to_be_bytes());
        let envelope_id = EnvelopeId::of(&envelope).to_vec();
        two.stage.push(two.bob, Deliver { envelope: envelope.into(), envelope_id, ..sample.clone() });
    }
    two.stage.run();
    assert!(two.stage.notices(two.bob, two.alice_id).iter().all(|one| *one == Notice::Accepted));
    go_on(&mut two);
}

#[test]
fn swallows_questions() {
    let mut two = friends(315);
    let (mine, swallowed) = shared::<VecDeque<()>>();
    two.stage.hostile = Some(Box::new(Questions(move |_, question| match question {
        client_frame::Body::Hello(_) | client_frame::Body::DeviceLogin(_) => Asked::Serve(question),
        _ => {
            mine.borrow_mut().push_back(());
            Asked::Silence
        }
    })));
    let said = talk(&mut two, 3);
    for _ in 0..5 {
        two.stage.advance(2 * MINUTE);
        // The driver gives a connection up on which nothing is answered.
        two.stage.disconnect(two.alice);
        two.stage.disconnect(two.bob);
    }
    assert!(swallowed.borrow().len() > 5);
    behave(&mut two.stage, &[two.alice, two.bob]);
    two.stage.advance(10 * MINUTE);
    assert_eq!(heard(&mut two), said);
    go_on(&mut two);
}
