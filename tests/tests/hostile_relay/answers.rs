//! Answers that don't fit their questions, and greetings that aren't true.

use rand_core::{Rng as _, SeedableRng};
use wheesht_core::proto::relay::{
    AccountSession, Bundle, Deliver, DepositResult, DepositResults, DeviceSession, ErrorCode as Refusal,
    HelloOk, Limits, LoginStartOk, LookupOk, Manifests, Ok as Fine, PrekeyCounts, Proposal, ProposalDecided,
    ProposeManifestOk, Record, RecordOk, RegisterStartOk, client_frame, relay_frame::Body,
};
use wheesht_tests::{
    hostile::{Hostile, Victim, refusal},
    stage::people::{MINUTE, Two, friends},
};

use super::{behave, go_on, lie, shared};

const DAY: u64 = 24 * 60 * MINUTE;

/// Everything that a relay can say, in every wrong size.
fn nonsense() -> Vec<Body> {
    let bytes = || vec![0xff; 100];
    vec![
        Body::Ok(Fine {}),
        Body::HelloOk(HelloOk::default()),
        Body::RegisterStartOk(RegisterStartOk { response: bytes() }),
        Body::LoginStartOk(LoginStartOk { response: bytes() }),
        Body::AccountSession(AccountSession { root_vault: bytes(), manifests: vec![bytes()] }),
        Body::ProposeManifestOk(ProposeManifestOk::default()),
        Body::DeviceSession(DeviceSession { statement: bytes(), ..Default::default() }),
        Body::PrekeyCounts(PrekeyCounts { one_time: u32::MAX, ..Default::default() }),
        Body::PrekeyCounts(PrekeyCounts::default()),
        Body::LookupOk(LookupOk::default()),
        Body::LookupOk(LookupOk { manifest: bytes(), request_address: bytes(), ..Default::default() }),
        Body::Manifests(Manifests::default()),
        Body::Manifests(Manifests { manifests: vec![bytes(); 3] }),
        Body::Bundle(Bundle::default()),
        Body::Bundle(Bundle { signed_prekey: bytes(), one_time: bytes(), kem: bytes() }),
        Body::DepositResults(DepositResults::default()),
        Body::DepositResults(DepositResults { results: vec![DepositResult::default(); 70] }),
        Body::RecordOk(RecordOk::default()),
        Body::RecordOk(RecordOk { record: Some(Record { value: bytes(), ..Default::default() }) }),
        refusal(Refusal::Malformed, 0),
        refusal(Refusal::NotFound, u32::MAX),
        refusal(Refusal::RateLimited, u32::MAX),
        refusal(Refusal::Conflict, 1),
        refusal(Refusal::Internal, 0),
        refusal(Refusal::NotAuthenticated, 0),
        refusal(Refusal::UnsupportedVersion, 0),
    ]
}

/// Answers anything to anything, in one life after the other.
#[test]
fn answers_what_was_not_asked() {
    for seed in 0..12 {
        let mut two = friends(500 + seed);
        let mut rng = chacha20::ChaCha20Rng::seed_from_u64(seed);
        let all = nonsense();
        lie(&mut two.stage, move |_, question, answer| {
            let greeting = matches!(question, client_frame::Body::Hello(_));
            if rng.next_u64() % 3 == 0 && !(greeting && rng.next_u64() % 8 > 0) {
                *answer = all[(rng.next_u64() % all.len() as u64) as usize].clone();
            }
        });
        let mut said = Vec::new();
        for n in 0..6 {
            for (from, to) in [(two.alice, "bob"), (two.bob, "alice")] {
                let text = format!("{to} {n}");
                if two.stage.try_send(from, to, &text).is_ok() {
                    said.push(text);
                }
            }
            two.stage.advance(MINUTE);
            two.stage.disconnect(two.alice);
            two.stage.restart(two.bob);
        }
        behave(&mut two.stage, &[two.alice, two.bob]);
        two.stage.advance(2 * DAY);
        let Two { stage, alice, bob, alice_id, bob_id } = &mut two;
        for (who, with, name) in [(*bob, *alice_id, "bob"), (*alice, *bob_id, "alice")] {
            let told = stage.texts(who, with);
            for text in said.iter().filter(|text| text.starts_with(name)) {
                let times = told.iter().filter(|one| *one == text).count();
                assert!(times <= 1, "seed {seed}: {text} {times} times");
                let lost = times == 0 && !failed(stage, if who == *bob { *alice } else { *bob }, text);
                assert!(!lost, "seed {seed}: {text} is lost in silence");
            }
        }
        let contact = stage.contact(*alice, "bob").unwrap();
        assert!(!contact.identity_changed, "seed {seed}");
        go_on(&mut two);
    }
}

/// Whether the sender sees that it didn't arrive: it failed, or never got further than the relay's word.
fn failed(stage: &mut wheesht_tests::stage::Stage, who: wheesht_tests::stage::Who, text: &str) -> bool {
    use wheesht_core::api::{Body, MessageState, Request, Response};
    let Ok(Response::Conversations { conversations }) = stage.ask(who, Request::Conversations) else {
        panic!()
    };
    conversations.iter().flat_map(|one| stage.history(who, one.id)).any(|one| {
        matches!(&one.body, Body::Text { text: said, .. } if said == text)
            && matches!(one.state, Some(MessageState::Failed { .. } | MessageState::Sent))
    })
}

/// Pushes what nobody waits for.
struct Pushes {
    rng: chacha20::ChaCha20Rng,
}

impl Hostile for Pushes {
    fn answered(&mut self, _: Victim, _: &client_frame::Body, answer: Body) -> Body {
        answer
    }

    fn pushed(&mut self, _: Victim, push: Body) -> Vec<Body> {
        let [id] = [self.rng.next_u64()];
        let noise = id.to_be_bytes().repeat(2 + (id % 9) as usize);
        vec![
            Body::Proposal(Proposal {
                proposal_id: noise.clone(),
                manifest: noise.clone(),
                effective_at_ms: id,
                proof: noise.clone(),
            }),
            Body::ProposalDecided(ProposalDecided { proposal_id: noise.clone(), accepted: id % 2 == 0 }),
            Body::Deliver(Deliver {
                envelope: noise.clone().into(),
                address: noise.clone(),
                ..Default::default()
            }),
            Body::DepositResults(DepositResults::default()),
            Body::Ok(Fine {}),
            push,
            Body::Proposal(Proposal::default()),
        ]
    }
}

#[test]
fn pushes_what_nobody_waits_for() {
    let mut two = friends(520);
    two.stage.hostile = Some(Box::new(Pushes { rng: chacha20::ChaCha20Rng::seed_from_u64(1) }));
    for n in 0..20 {
        two.stage.send(two.alice, "bob", &format!("{n}"));
        two.stage.advance(1_000);
    }
    two.stage.advance(MINUTE);
    assert_eq!(two.stage.texts(two.bob, two.alice_id).len(), 21);
    go_on(&mut two);
}

#[test]
fn greets_with_limits_that_are_none() {
    for limits in [Limits::default(), all(1), all(u32::MAX)] {
        let mut two = friends(521);
        lie(&mut two.stage, move |_, _, answer| {
            if let Body::HelloOk(greeting) = answer {
                greeting.limits = Some(limits);
                greeting.now_ms = u64::MAX;
            }
        });
        for who in [two.alice, two.bob] {
            two.stage.disconnect(who);
        }
        two.stage.advance(MINUTE);
        go_on(&mut two);
    }
}

fn all(most: u32) -> Limits {
    Limits {
        max_frame: most,
        max_envelope: most,
        max_deposit_entries: most,
        max_record: most,
        max_in_flight: most,
        envelope_lifetime_ms: most.into(),
        eviction_grace_ms: most.into(),
        idle_timeout_ms: most.into(),
        max_ephemeral: most,
        max_blob: most.into(),
    }
}

#[test]
fn never_has_enough_keys() {
    let mut two = friends(522);
    let (mine, uploads) = shared::<u32>();
    lie(&mut two.stage, move |_, question, answer| {
        *mine.borrow_mut() += u32::from(matches!(question, client_frame::Body::UploadPrekeys(_)));
        match answer {
            Body::PrekeyCounts(counts) => *counts = PrekeyCounts::default(),
            Body::DeviceSession(session) => session.prekeys = None,
            _ => {}
        }
    });
    two.stage.disconnect(two.alice);
    two.stage.advance(10 * DAY);
    assert!(*uploads.borrow() < 100, "{}", uploads.borrow());
    behave(&mut two.stage, &[two.alice, two.bob]);
    two.stage.advance(MINUTE);
    go_on(&mut two);
}

#[test]
fn forgets_the_address_at_every_login() {
    let mut two = friends(523);
    lie(&mut two.stage, |_, _, answer| {
        if let Body::DeviceSession(session) = answer {
            session.addresses.clear();
            session.statement.clear();
            session.mailbox_id.clear();
        }
    });
    for _ in 0..3 {
        two.stage.disconnect(two.alice);
        two.stage.disconnect(two.bob);
        two.stage.advance(MINUTE);
    }
    go_on(&mut two);
}

#[test]
fn answers_each_victim_something_else() {
    // One side sees a relay that works, the other one that refuses all it can: what gets through is genuine.
    for victim in [0, 1] {
        let mut two = friends(530 + victim as u64);
        lie(&mut two.stage, move |who, question, answer| {
            let opening =
                matches!(question, client_frame::Body::Hello(_) | client_frame::Body::DeviceLogin(_));
            if who == victim && !opening {
                *answer = refusal(Refusal::Unavailable, 0);
            }
        });
        let (alice, bob) = (two.alice, two.bob);
        two.stage.send(alice, "bob", "are you there?");
        two.stage.send(bob, "alice", "and you?");
        two.stage.advance(DAY);
        behave(&mut two.stage, &[alice, bob]);
        two.stage.advance(60 * MINUTE);
        assert_eq!(
            two.stage.texts(bob, two.alice_id).iter().filter(|one| *one == "are you there?").count(),
            1
        );
        assert_eq!(two.stage.texts(alice, two.bob_id).iter().filter(|one| *one == "and you?").count(), 1);
        go_on(&mut two);
    }
}

#[test]
fn claims_that_a_store_is_an_old_copy() {
    let mut two = friends(540);
    let (mine, logins) = shared::<u32>();
    lie(&mut two.stage, move |_, question, answer| match question {
        client_frame::Body::PutStatement(_) => *answer = refusal(Refusal::Conflict, 0),
        client_frame::Body::DeviceLogin(_) => *mine.borrow_mut() += 1,
        _ => {}
    });
    two.stage.advance(DAY);
    // Its word alone stops nobody; what it has to show is looked at, now and then.
    for who in [two.alice, two.bob] {
        assert_eq!(two.stage.phase(who), wheesht_core::api::Phase::Active);
        assert!(two.stage.troubles(who).iter().any(super::refused));
    }
    assert!(*logins.borrow() < 100, "{}", logins.borrow());
    go_on(&mut two);
}
