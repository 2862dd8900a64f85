//! Envelopes that are not for this device, or no envelopes.

use prost::Message;

use super::super::world::{Device, Refused};
use super::pair;
use crate::proto::limits::MAX_ENVELOPE;
use crate::proto::session::SealedContent;
use crate::protocol::envelope;
use crate::protocol::envelope::{OpenError, SealError};

#[test]
fn env_1_other_versions_and_suites_are_refused() {
    let (mut alice, mut bob) = pair();
    let mut envelope = alice.send(&mut bob, b"hush");
    for (version, suite) in [(2, 1), (1, 2), (0, 0)] {
        envelope[0] = version;
        envelope[1] = suite;
        assert_eq!(bob.receive(&envelope).err(), Some(Refused::Open(OpenError::Unknown { version, suite })));
    }
}

#[test]
fn env_2_an_envelope_is_bounded() {
    let (mut alice, mut bob) = pair();
    let refused = envelope::seal(&bob.certificate, &alice.certificate, &[0; MAX_ENVELOPE], &mut alice.rng);
    assert_eq!(refused.err(), Some(SealError::TooLarge));
    let mut envelope = alice.send(&mut bob, b"hush");
    for length in [0, 1] {
        assert_eq!(bob.receive(&envelope[..length]).err(), Some(Refused::Open(OpenError::Malformed)));
    }
    for length in 34..envelope.len() {
        assert_eq!(bob.receive(&envelope[..length]).err(), Some(Refused::Open(OpenError::NotAuthentic)));
    }
    envelope.resize(MAX_ENVELOPE + 1, 0);
    assert_eq!(bob.receive(&envelope).err(), Some(Refused::Open(OpenError::Malformed)));
}

#[test]
fn env_3_an_ephemeral_key_of_small_order_is_refused() {
    let (mut alice, mut bob) = pair();
    let mut envelope = alice.send(&mut bob, b"hush");
    envelope[2..34].fill(0);
    assert_eq!(bob.receive(&envelope).err(), Some(Refused::Open(OpenError::NotAuthentic)));
}

/// Also for another device that holds the same DH key.
#[test]
fn env_4_env_5_an_envelope_opens_for_its_recipient_only() {
    let (mut alice, mut bob) = pair();
    let mut carol = Device::new(3);
    let envelope = alice.send(&mut bob, b"hush");
    assert_eq!(carol.receive(&envelope).err(), Some(Refused::Open(OpenError::NotAuthentic)));
    carol.dh = bob.dh.clone();
    assert_eq!(carol.receive(&envelope).err(), Some(Refused::Open(OpenError::NotAuthentic)));
    assert!(bob.receive(&envelope).is_ok());
}

#[test]
fn env_7_what_is_inside_must_be_of_its_form() {
    let (mut alice, mut bob) = pair();
    let message = alice.encrypt(&mut bob, b"hush");
    // A sender can seal anything; only the form is checked before a session is asked.
    let certificate = alice.certificate.encoded().to_vec();
    let content = SealedContent { certificate, message: message.clone(), ephemeral: Vec::new() };
    assert!(content.encoded_len() < MAX_ENVELOPE);
    let envelope =
        envelope::seal(&bob.certificate, &alice.certificate, b"no message", &mut alice.rng).unwrap();
    assert!(matches!(bob.receive(&envelope), Err(Refused::Open(OpenError::Message(_)))));
}
