//! Forms, bundles, and who sets a session up with whom.

use prost::Message;

use super::super::world::{Device, NOW, Refused};
use super::{certificate, change_prekey, change_ratchet, pair, parse};
use crate::proto::limits::{MAX_ENVELOPE, PREKEY_LIFETIME_MS};
use crate::proto::relay;
use crate::proto::session::SessionMessage;
use crate::protocol::prekeys::{BundleError, PrekeyBatch, UnverifiedBundle};
use crate::protocol::session::{InitiateError, MalformedMessage, RespondError, UnverifiedSessionMessage};
use crate::protocol::{LocalDevice, Session};
use crate::signed::{DeviceCertificate, PrekeyError, PrekeyKind};

#[test]
fn ses_1_other_versions_and_suites_are_refused() {
    let (mut alice, mut bob) = pair();
    let message = alice.encrypt(&mut bob, b"hush");
    let mut newer = SessionMessage::decode(&*message).unwrap();
    newer.version = 2;
    let refused = UnverifiedSessionMessage::decode(&newer.encode_to_vec()).err();
    assert_eq!(refused, Some(MalformedMessage::Version(2)));
    let other = change_prekey(&message, |prekey| prekey.suite = 7);
    assert_eq!(UnverifiedSessionMessage::decode(&other).err(), Some(MalformedMessage::Suite(7)));
}

#[test]
fn ses_2_a_field_not_of_its_form_is_refused() {
    let (mut alice, mut bob) = pair();
    let message = alice.encrypt(&mut bob, b"hush");
    let malformed = |bytes: Vec<u8>| {
        assert_eq!(UnverifiedSessionMessage::decode(&bytes).err(), Some(MalformedMessage::Malformed));
    };
    malformed(change_prekey(&message, |prekey| prekey.base_key.truncate(31)));
    malformed(change_prekey(&message, |prekey| prekey.kem_ciphertext.push(0)));
    malformed(change_prekey(&message, |prekey| prekey.signed_prekey_id = 0));
    malformed(change_prekey(&message, |prekey| prekey.kem_id = 0));
    malformed(change_prekey(&message, |prekey| prekey.message = None));
    malformed(change_ratchet(&message, |ratchet| ratchet.session_id.push(0)));
    malformed(change_ratchet(&message, |ratchet| ratchet.ratchet_key.clear()));
    malformed(change_ratchet(&message, |ratchet| ratchet.synthetic.truncate(16)));
    malformed(change_ratchet(&message, |ratchet| ratchet.ciphertext.truncate(15)));
    malformed(vec![0; MAX_ENVELOPE + 1]);
    malformed(SessionMessage { version: 1, kind: None }.encode_to_vec());
    for length in 0..message.len() {
        assert!(UnverifiedSessionMessage::decode(&message[..length]).is_err(), "{length}");
    }
}

#[test]
fn ses_5_a_bundle_is_verified() {
    let (_, mut bob) = pair();
    let mallory = Device::new(3);
    let good = bob.raw_bundle();
    let verify = |bundle: &relay::Bundle, now| {
        UnverifiedBundle::decode(bundle).and_then(|bundle| bundle.verify(&bob.certificate, now)).map(drop)
    };
    assert_eq!(verify(&good, NOW), Ok(()));
    let swapped = relay::Bundle { signed_prekey: good.one_time.clone(), ..good.clone() };
    assert_eq!(verify(&swapped, NOW), Err(BundleError::Signed(PrekeyError::OtherKind)));
    let swapped = relay::Bundle { kem: good.one_time.clone(), ..good.clone() };
    assert_eq!(verify(&swapped, NOW), Err(BundleError::Kem(PrekeyError::OtherKind)));
    let none = relay::Bundle { kem: Vec::new(), ..good.clone() };
    assert_eq!(verify(&none, NOW), Err(BundleError::Kem(PrekeyError::Malformed)));
    let expired = NOW.plus_millis(PREKEY_LIFETIME_MS);
    assert_eq!(verify(&good, expired), Err(BundleError::Signed(PrekeyError::Expired)));
    let foreign = UnverifiedBundle::decode(&good).unwrap().verify(&mallory.certificate, NOW).err();
    assert_eq!(foreign, Some(BundleError::Signed(PrekeyError::OtherDevice)));
    for field in 0..3 {
        let mut changed = good.clone();
        let bytes = [&mut changed.signed_prekey, &mut changed.one_time, &mut changed.kem];
        *bytes.into_iter().nth(field).and_then(|bytes| bytes.last_mut()).unwrap() ^= 1;
        assert!(verify(&changed, NOW).is_err(), "{field}");
    }
}

#[test]
fn ses_5_a_bundle_of_another_device_or_time_begins_nothing() {
    let (mut alice, mut bob) = pair();
    let mut carol = Device::new(3);
    let (bundle, other) = (bob.bundle(), carol.bundle());
    let local = LocalDevice { certificate: &alice.certificate, dh: &alice.dh };
    let mut begin = |bundle, now| {
        Session::initiate(&local, &bob.certificate, bundle, 0, now, &mut alice.rng).map(drop).err()
    };
    assert_eq!(begin(&other, NOW), Some(InitiateError::OtherDevice));
    assert_eq!(begin(&bundle, bundle.expires()), Some(InitiateError::Expired));
    assert_eq!(begin(&bundle, NOW), None);
}

#[test]
fn ses_6_no_session_with_oneself_or_without_a_common_suite() {
    let (mut alice, mut bob) = pair();
    let own = alice.bundle();
    let local = LocalDevice { certificate: &alice.certificate, dh: &alice.dh };
    let refused = Session::initiate(&local, &alice.certificate, &own, 0, NOW, &mut alice.rng).err();
    assert_eq!(refused, Some(InitiateError::OwnDevice));
    let bundle = bob.bundle();
    for newer in [certificate(&bob, vec![2], 1), certificate(&bob, vec![1], 2)] {
        let refused = Session::initiate(&local, &newer, &bundle, 0, NOW, &mut alice.rng).err();
        assert_eq!(refused, Some(InitiateError::NothingInCommon));
    }
    let message = parse(&bob.encrypt(&mut alice, b"hush"));
    for newer in [certificate(&bob, vec![2], 1), certificate(&bob, vec![1], 2), alice.certificate.clone()] {
        let refused = alice.accept(&newer, &message).err();
        assert_eq!(refused, Some(Refused::Respond(RespondError::UnfitPeer)));
    }
}

#[test]
fn ses_8_both_sides_must_have_seen_the_same() {
    let (mut alice, mut bob) = pair();
    let message = alice.encrypt(&mut bob, b"hush");
    let refuse = |bob: &mut Device, sender: &DeviceCertificate, message: &[u8]| {
        let before = bob.state();
        let refused = bob.accept(sender, &parse(message)).err();
        assert_eq!(refused, Some(Refused::Respond(RespondError::NotAuthentic)));
        assert_eq!(bob.state(), before);
    };
    // The same keys under another certificate are another party.
    refuse(&mut bob, &certificate(&alice, vec![1], 1), &message);
    let own = std::mem::replace(&mut bob.certificate, certificate(&Device::new(2), vec![1], 1));
    refuse(&mut bob, &alice.certificate, &message);
    bob.certificate = own;
    refuse(&mut bob, &alice.certificate, &change_prekey(&message, |prekey| prekey.generation = 1));
    refuse(&mut bob, &alice.certificate, &change_prekey(&message, |prekey| prekey.kem_ciphertext[9] ^= 1));
    refuse(&mut bob, &alice.certificate, &change_prekey(&message, |prekey| prekey.base_key[0] ^= 1));
    refuse(&mut bob, &alice.certificate, &change_prekey(&message, |prekey| prekey.one_time_id = 0));
    refuse(&mut bob, &alice.certificate, &change_ratchet(&message, |ratchet| ratchet.session_id[0] ^= 1));
    assert!(bob.accept(&alice.certificate, &parse(&message)).is_ok());
}

#[test]
fn ses_4_a_base_key_of_small_order_is_refused() {
    let (mut alice, mut bob) = pair();
    let message = alice.encrypt(&mut bob, b"hush");
    let zero = change_prekey(&message, |prekey| prekey.base_key = vec![0; 32]);
    let refused = bob.accept(&alice.certificate, &parse(&zero)).err();
    assert_eq!(refused, Some(Refused::Respond(RespondError::NotAuthentic)));
}

#[test]
fn ses_19_batches_number_their_prekeys_and_keep_both_halves_together() {
    let mut bob = Device::new(2);
    for kind in [PrekeyKind::OneTimeX25519, PrekeyKind::OneTimeKem] {
        bob.publish(kind, 100);
    }
    assert_eq!(bob.prekeys.len(), 208);
    assert!(bob.prekeys.iter().all(|(id, row)| *id == row.id() && *id != 0));
    let refused =
        PrekeyBatch::generate(&bob.signing, PrekeyKind::OneTimeX25519, u32::MAX, 2, NOW, &mut bob.rng);
    assert_eq!(refused.err(), Some(PrekeyError::Malformed));
}
