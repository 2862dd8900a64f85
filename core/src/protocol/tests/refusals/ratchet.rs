//! Places in a session, and what must not be changed on the way.

use super::super::world::{Device, NOW, Refused};
use super::{change_ratchet, pair, parse};
use crate::proto::session::RatchetMessage;
use crate::protocol::session::{DecryptError, MalformedMessage, UnverifiedSessionMessage};
use crate::signed::DeviceCertificate;

#[test]
fn rat_2_an_impossible_place_is_refused_before_any_work() {
    let (mut alice, mut bob) = pair();
    let envelope = alice.send(&mut bob, b"hush");
    bob.receive(&envelope).unwrap();
    let envelope = bob.send(&mut alice, b"yes");
    alice.receive(&envelope).unwrap();
    let message = alice.encrypt(&mut bob, b"more");
    let mut refuse = |change: fn(&mut RatchetMessage)| {
        let before = bob.state();
        let refused = bob.accept(&alice.certificate, &parse(&change_ratchet(&message, change))).err();
        assert_eq!(refused, Some(Refused::Decrypt(DecryptError::Impossible)));
        assert_eq!(bob.state(), before);
    };
    refuse(|ratchet| ratchet.chain = 2);
    refuse(|ratchet| ratchet.chain = u32::MAX);
    // Fewer in the chain before than have arrived.
    refuse(|ratchet| ratchet.previous_count = 0);
    refuse(|ratchet| ratchet.ratchet_key = vec![0; 32]);
    bob.accept(&alice.certificate, &parse(&message)).unwrap();
    let message = alice.encrypt(&mut bob, b"again");
    let other_key = change_ratchet(&message, |ratchet| ratchet.ratchet_key[0] ^= 1);
    let refused = bob.accept(&alice.certificate, &parse(&other_key)).err();
    assert_eq!(refused, Some(Refused::Decrypt(DecryptError::Impossible)));
    // Bob has made no new key since: Alice can't have answered one.
    let early = change_ratchet(&message, |ratchet| ratchet.chain = 2);
    let refused = bob.accept(&alice.certificate, &parse(&early)).err();
    assert_eq!(refused, Some(Refused::Decrypt(DecryptError::Impossible)));
}

#[test]
fn rat_5_a_message_opens_once() {
    let (mut alice, mut bob) = pair();
    let messages: Vec<_> = (0..3).map(|n| parse(&alice.encrypt(&mut bob, &[n]))).collect();
    for n in [2, 0] {
        bob.accept(&alice.certificate, &messages[n]).unwrap();
        let refused = bob.accept(&alice.certificate, &messages[n]).err();
        assert_eq!(refused, Some(Refused::Decrypt(DecryptError::KeyGone)));
    }
}

#[test]
fn rat_6_the_sending_ratchet_turns_when_something_is_sent() {
    let (mut alice, mut bob) = pair();
    let envelope = alice.send(&mut bob, b"hush");
    bob.receive(&envelope).unwrap();
    let keys: Vec<_> = (0..2).map(|n| parse(&bob.encrypt(&mut alice, &[n])).place()).collect();
    assert_eq!(keys[0].0, keys[1].0);
    let message = bob.send(&mut alice, b"yes");
    alice.receive(&message).unwrap();
    let message = alice.send(&mut bob, b"and");
    bob.receive(&message).unwrap();
    assert_ne!(parse(&bob.encrypt(&mut alice, b"new")).place().0, keys[0].0);
}

#[test]
fn rat_10_a_second_message_key_is_refused_in_version_1() {
    let (mut alice, mut bob) = pair();
    let message = alice.encrypt(&mut bob, b"hush");
    let with_slot = change_ratchet(&message, |ratchet| ratchet.pq = vec![1]);
    assert_eq!(UnverifiedSessionMessage::decode(&with_slot).err(), Some(MalformedMessage::Malformed));
}

/// Flips bits, every `step`th of a message: each time it is refused, and nothing is changed.
fn flip(bob: &mut Device, sender: &DeviceCertificate, message: &[u8], step: usize) {
    let before = bob.state();
    for bit in (0..message.len() * 8).step_by(step) {
        let mut changed = message.to_vec();
        changed[bit / 8] ^= 1 << (bit % 8);
        if let Ok(parsed) = UnverifiedSessionMessage::decode(&changed) {
            assert!(bob.accept(sender, &parsed).is_err(), "bit {bit}");
            assert_eq!(bob.state(), before);
        }
    }
}

#[test]
fn rat_11_nothing_of_a_message_can_be_changed() {
    let (mut alice, mut bob) = pair();
    let first = alice.encrypt(&mut bob, b"hush");
    let second = alice.encrypt(&mut bob, b"still a first one");
    // Each costs a key agreement: a sample of the 12,000 bits.
    flip(&mut bob, &alice.certificate, &first, 37);
    bob.accept(&alice.certificate, &parse(&first)).unwrap();
    // Now the session is there, and what would set it up is only authenticated.
    flip(&mut bob, &alice.certificate, &second, 5);
    bob.accept(&alice.certificate, &parse(&second)).unwrap();
    let envelope = bob.send(&mut alice, b"yes");
    alice.receive(&envelope).unwrap();
    let third = alice.encrypt(&mut bob, b"more");
    flip(&mut bob, &alice.certificate, &third, 1);
    let session = bob.sessions_with(&alice)[0].clone();
    let refused = session.decrypt(&alice.certificate, &parse(&third), b"other", &bob.keys, NOW).err();
    assert_eq!(refused, Some(DecryptError::NotAuthentic));
    bob.accept(&alice.certificate, &parse(&third)).unwrap();
}
