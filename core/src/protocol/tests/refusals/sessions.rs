//! Prekeys that serve once, sessions of their own peer, stored forms.

use super::super::world::{NOW, Refused};
use super::{certificate, change_prekey, pair, parse};
use crate::proto::limits::{DAY_MS, ENVELOPE_LIFETIME_MS, PREKEY_LIFETIME_MS};
use crate::protocol::prekeys::PrivatePrekey;
use crate::protocol::session::{DecryptError, RespondError, choose};
use crate::protocol::{InvalidStored, Session};

#[test]
fn ses_9_a_one_time_prekey_serves_once() {
    let (mut alice, mut bob) = pair();
    let message = alice.encrypt(&mut bob, b"hush");
    let needs = parse(&message).prekeys().unwrap();
    bob.accept(&alice.certificate, &parse(&message)).unwrap();
    assert!(!bob.prekeys.contains_key(&needs.one_time.unwrap()) && !bob.prekeys.contains_key(&needs.kem));
    assert!(bob.prekeys.contains_key(&needs.signed));
    // The session forgotten, the message again sets nothing up.
    bob.sessions.clear();
    let refused = bob.accept(&alice.certificate, &parse(&message)).err();
    assert_eq!(refused, Some(Refused::Respond(RespondError::PrekeyGone)));
}

#[test]
fn ses_10_a_base_key_with_a_last_resort_key_serves_once() {
    let (mut alice, mut bob) = pair();
    for _ in 0..3 {
        bob.raw_bundle();
    }
    let message = alice.encrypt(&mut bob, b"hush");
    assert!(parse(&message).prekeys().unwrap().one_time.is_none());
    assert_eq!(bob.accept(&alice.certificate, &parse(&message)).unwrap().as_slice(), b"hush");
    assert_eq!(bob.seen.len(), 1);
    bob.sessions.clear();
    let refused = bob.accept(&alice.certificate, &parse(&message)).err();
    assert_eq!(refused, Some(Refused::Respond(RespondError::Replay)));
}

#[test]
fn ses_11_a_prekey_of_another_kind_or_time_sets_nothing_up() {
    let (mut alice, mut bob) = pair();
    let message = alice.encrypt(&mut bob, b"hush");
    let needs = parse(&message).prekeys().unwrap();
    let mut refuse = |message: &[u8], expected| {
        assert_eq!(bob.accept(&alice.certificate, &parse(message)).err(), Some(Refused::Respond(expected)));
    };
    let crossed = change_prekey(&message, |prekey| prekey.signed_prekey_id = needs.one_time.unwrap());
    refuse(&crossed, RespondError::OtherKind);
    refuse(&change_prekey(&message, |prekey| prekey.kem_id = needs.signed), RespondError::OtherKind);
    refuse(&change_prekey(&message, |prekey| prekey.kem_last_resort = true), RespondError::OtherKind);
    refuse(&change_prekey(&message, |prekey| prekey.kem_id = 99), RespondError::PrekeyGone);

    // The private half is good as long as an envelope may have waited.
    bob.now = NOW.plus_millis(PREKEY_LIFETIME_MS + ENVELOPE_LIFETIME_MS);
    let refused = bob.accept(&alice.certificate, &parse(&message)).err();
    assert_eq!(refused, Some(Refused::Respond(RespondError::PrekeyGone)));
    bob.now = NOW.plus_millis(PREKEY_LIFETIME_MS + ENVELOPE_LIFETIME_MS - DAY_MS);
    assert!(bob.accept(&alice.certificate, &parse(&message)).is_ok());
}

#[test]
fn ses_12_until_it_is_answered_any_message_sets_a_session_up() {
    let (mut alice, mut bob) = pair();
    let messages: Vec<_> = (0..4).map(|n| alice.encrypt(&mut bob, &[n])).collect();
    assert!(messages.iter().all(|message| parse(message).prekeys().is_some()));
    for n in [2, 0, 3, 1] {
        assert_eq!(bob.accept(&alice.certificate, &parse(&messages[n])).unwrap().as_slice(), [n as u8]);
    }
    let answer = bob.encrypt(&mut alice, b"yes");
    assert!(parse(&answer).prekeys().is_none());
    alice.accept(&bob.certificate, &parse(&answer)).unwrap();
    assert!(parse(&alice.encrypt(&mut bob, b"then")).prekeys().is_none());
}

#[test]
fn ses_13_both_begin_at_once_and_one_session_is_left_in_use() {
    let (mut alice, mut bob) = pair();
    let (from_alice, from_bob) = (alice.send(&mut bob, b"a"), bob.send(&mut alice, b"b"));
    assert_eq!(bob.receive(&from_alice).unwrap().as_slice(), b"a");
    assert_eq!(alice.receive(&from_bob).unwrap().as_slice(), b"b");
    let chosen = choose(alice.sessions_with(&bob)).map(Session::id);
    assert_eq!(chosen, choose(bob.sessions_with(&alice)).map(Session::id));
    // One set up anew outranks both.
    let anew = alice.begin(&mut bob);
    assert_eq!(choose(alice.sessions_with(&bob)).map(Session::id), Some(anew));
    let envelope = alice.send(&mut bob, b"anew");
    bob.receive(&envelope).unwrap();
    assert_eq!(choose(bob.sessions_with(&alice)).map(Session::id), Some(anew));
}

#[test]
fn ses_16_a_session_opens_messages_of_its_own_peer_only() {
    let (mut alice, mut bob) = pair();
    let envelope = alice.send(&mut bob, b"hush");
    bob.receive(&envelope).unwrap();
    let message = parse(&alice.encrypt(&mut bob, b"more"));
    let before = bob.state();
    // Another account that certifies Alice's signing key as its own: the same device id.
    let imposter = certificate(&alice, vec![1], 1);
    assert_eq!(imposter.device_id(), alice.certificate.device_id());
    let refused = bob.accept(&imposter, &message).err();
    assert_eq!(refused, Some(Refused::Decrypt(DecryptError::OtherSender)));
    assert_eq!(bob.state(), before);
    bob.accept(&alice.certificate, &message).unwrap();
}

#[test]
fn ses_17_a_stored_form_restores_or_says_what_is_wrong() {
    let (mut alice, mut bob) = pair();
    alice.begin(&mut bob);
    let unanswered = alice.sessions_with(&bob)[0].encode();
    let envelope = alice.send(&mut bob, b"hush");
    bob.receive(&envelope).unwrap();
    let prekey = bob.prekeys.values().next().unwrap().encode();
    for stored in [&unanswered, &bob.sessions_with(&alice)[0].encode()] {
        assert_eq!(*Session::decode(stored).unwrap().encode(), ***stored);
        for length in 0..stored.len() {
            assert_eq!(Session::decode(&stored[..length]).err(), Some(InvalidStored::Damaged));
        }
        let longer = [stored, &[0][..]].concat();
        assert_eq!(Session::decode(&longer).err(), Some(InvalidStored::Damaged));
        let mut newer = stored.to_vec();
        newer[0] = 2;
        assert_eq!(Session::decode(&newer).err(), Some(InvalidStored::Newer { version: 2 }));
    }
    assert_eq!(*PrivatePrekey::decode(&prekey).unwrap().encode(), **prekey);
    for length in 0..prekey.len() {
        assert_eq!(PrivatePrekey::decode(&prekey[..length]).err(), Some(InvalidStored::Damaged));
    }
}
