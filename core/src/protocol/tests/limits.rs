//! How far a peer can push: skipped keys, jumps, sessions, sizes.

use super::world::{Device, Refused};
use crate::{
    proto::limits::{MAX_CONTENT, MAX_ENVELOPE, MAX_SESSIONS, SESSION_STALE_MS},
    protocol::{
        Session,
        session::{DecryptError, EncryptError, RespondError, UnverifiedSessionMessage, choose},
    },
};

fn parse(message: &[u8]) -> UnverifiedSessionMessage {
    UnverifiedSessionMessage::decode(message).unwrap()
}

/// Two devices with a session that both have used.
fn talking() -> (Device, Device) {
    let (mut alice, mut bob) = (Device::new(1), Device::new(2));
    exchange(&mut alice, &mut bob);
    (alice, bob)
}

fn exchange(alice: &mut Device, bob: &mut Device) {
    let envelope = alice.send(bob, b"ping");
    bob.receive(&envelope).unwrap();
    let envelope = bob.send(alice, b"pong");
    alice.receive(&envelope).unwrap();
}

fn skip(alice: &mut Device, bob: &mut Device, count: u32) -> Vec<UnverifiedSessionMessage> {
    (0..count).map(|n| parse(&alice.encrypt(bob, &n.to_be_bytes()))).collect()
}

fn open(alice: &Device, bob: &mut Device, message: &UnverifiedSessionMessage) -> Result<u32, Refused> {
    let content = bob.accept(&alice.certificate, message)?;
    Ok(u32::from_be_bytes(content.as_slice().try_into().unwrap()))
}

#[test]
fn rat_3_a_jump_of_a_thousand_is_taken_and_one_more_refused() {
    let (mut alice, mut bob) = talking();
    let messages = skip(&mut alice, &mut bob, 1_002);
    let before = bob.state();
    assert_eq!(open(&alice, &mut bob, &messages[1_001]), Err(Refused::Decrypt(DecryptError::TooFarAhead)));
    assert_eq!(bob.state(), before);
    assert_eq!(open(&alice, &mut bob, &messages[1_000]), Ok(1_000));
    assert_eq!(bob.keys.0.len(), 1_000);
    for n in (0..1_000).rev() {
        assert_eq!(open(&alice, &mut bob, &messages[n as usize]), Ok(n));
    }
    assert!(bob.keys.0.is_empty());
    assert_eq!(open(&alice, &mut bob, &messages[1_001]), Ok(1_001));
}

#[test]
fn rat_3_the_end_of_the_chain_before_counts_too() {
    let (mut alice, mut bob) = talking();
    let missing = skip(&mut alice, &mut bob, 1_001);
    let envelope = bob.send(&mut alice, b"turn");
    alice.receive(&envelope).unwrap();
    let next = skip(&mut alice, &mut bob, 1);
    assert_eq!(open(&alice, &mut bob, &next[0]), Err(Refused::Decrypt(DecryptError::TooFarAhead)));
    assert_eq!(open(&alice, &mut bob, &missing[0]), Ok(0));
    assert_eq!(open(&alice, &mut bob, &next[0]), Ok(0));
    assert_eq!(bob.keys.0.len(), 1_000);
}

#[test]
fn rat_3_a_first_message_may_not_be_far_on() {
    let (mut alice, mut bob) = (Device::new(1), Device::new(2));
    let messages = skip(&mut alice, &mut bob, 1_002);
    assert_eq!(open(&alice, &mut bob, &messages[1_001]), Err(Refused::Respond(RespondError::NotFirst)));
    assert_eq!(open(&alice, &mut bob, &messages[1_000]), Ok(1_000));
    assert_eq!(open(&alice, &mut bob, &messages[3]), Ok(3));
}

#[test]
fn rat_4_of_one_chain_the_oldest_keys_are_dropped() {
    let (mut alice, mut bob) = talking();
    let messages = skip(&mut alice, &mut bob, 1_202);
    open(&alice, &mut bob, &messages[1_000]).unwrap();
    open(&alice, &mut bob, &messages[1_201]).unwrap();
    assert_eq!(bob.keys.0.len(), 1_000);
    assert_eq!(open(&alice, &mut bob, &messages[199]), Err(Refused::Decrypt(DecryptError::KeyGone)));
    assert_eq!(open(&alice, &mut bob, &messages[200]), Ok(200));
    assert_eq!(open(&alice, &mut bob, &messages[1_200]), Ok(1_200));
}

#[test]
fn rat_4_of_one_session_the_oldest_keys_are_dropped() {
    let (mut alice, mut bob) = talking();
    let mut chains = Vec::new();
    for _ in 0..3 {
        let messages = skip(&mut alice, &mut bob, 801);
        open(&alice, &mut bob, &messages[800]).unwrap();
        chains.push(messages);
        let envelope = bob.send(&mut alice, b"turn");
        alice.receive(&envelope).unwrap();
    }
    assert_eq!(bob.keys.0.len(), 2_000);
    assert_eq!(open(&alice, &mut bob, &chains[0][399]), Err(Refused::Decrypt(DecryptError::KeyGone)));
    assert_eq!(open(&alice, &mut bob, &chains[0][400]), Ok(400));
    assert_eq!(open(&alice, &mut bob, &chains[2][0]), Ok(0));
    // The count is right again: nothing is dropped before its time.
    let messages = skip(&mut alice, &mut bob, 3);
    open(&alice, &mut bob, &messages[2]).unwrap();
    assert_eq!(bob.keys.0.len(), 2_000);
}

#[test]
fn ses_14_at_most_five_sessions_are_kept_and_the_newest_stay() {
    let (mut alice, mut bob) = talking();
    let first = alice.sessions_with(&bob)[0].id();
    let ids: Vec<_> = (0..5)
        .map(|_| {
            let id = alice.begin(&mut bob);
            let envelope = alice.send(&mut bob, b"anew");
            bob.receive(&envelope).unwrap();
            id
        })
        .collect();
    for device in [alice.sessions_with(&bob), bob.sessions_with(&alice)] {
        assert_eq!(device.len(), MAX_SESSIONS);
        assert!(device.iter().all(|session| session.id() != first));
        assert_eq!(choose(device).map(Session::id), ids.last().copied());
    }
}

#[test]
fn ses_15_a_session_without_a_step_for_thirty_days_is_stale() {
    let (mut alice, mut bob) = talking();
    let session = alice.sessions_with(&bob)[0].clone();
    assert!(!session.is_stale(alice.now.plus_millis(SESSION_STALE_MS - 1)));
    assert!(session.is_stale(alice.now.plus_millis(SESSION_STALE_MS)));
    alice.now = alice.now.plus_millis(SESSION_STALE_MS);
    bob.now = alice.now;
    let envelope = alice.send(&mut bob, b"back");
    assert_eq!(bob.receive(&envelope).unwrap().as_slice(), b"back");
    assert_ne!(choose(alice.sessions_with(&bob)).map(Session::id), Some(session.id()));
}

#[test]
fn ses_15_an_unanswered_session_ends_with_its_prekeys() {
    let (mut alice, mut bob) = (Device::new(1), Device::new(2));
    // The newest prekeys are 89 days old when the session begins.
    alice.now = alice.now.plus_millis(89 * crate::proto::limits::DAY_MS);
    bob.now = alice.now;
    alice.begin(&mut bob);
    let session = &alice.sessions_with(&bob)[0];
    assert!(!session.is_stale(alice.now));
    assert!(session.is_stale(alice.now.plus_millis(crate::proto::limits::DAY_MS)));
}

#[test]
fn pad_5_the_largest_content_fits_an_envelope_and_one_more_byte_is_refused() {
    let (mut alice, mut bob) = (Device::new(1), Device::new(2));
    let content = vec![7; MAX_CONTENT];
    let envelope = alice.send(&mut bob, &content);
    assert!(envelope.len() <= MAX_ENVELOPE);
    assert_eq!(bob.receive(&envelope).unwrap().as_slice(), content);
    let mut session = alice.sessions_with(&bob)[0].clone();
    let before = session.encode();
    let refused = session.encrypt(&[7; MAX_CONTENT + 1], b"", alice.now, &mut alice.rng);
    assert_eq!(refused, Err(EncryptError::TooLarge));
    assert_eq!(session.encode(), before);
}
