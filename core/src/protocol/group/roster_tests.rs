//! Leaves, rosters, consent, leaving and links: what holds, and what doesn't.

use std::collections::BTreeSet;

use chacha20::{ChaCha20Rng, rand_core::SeedableRng};
use proptest::prelude::*;
use prost::Message as _;
use wheesht_proto::{
    address::Address,
    group,
    ids::{DepositAddress, GroupId},
};

use super::*;
use crate::{
    signed::{DeviceCertificate, DeviceSigningKey, IdentityKey, ManifestHead},
    time::Timestamp,
};

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const GROUP: GroupId = GroupId::new([7; 32]);

struct Device {
    signing: DeviceSigningKey,
    certificate: DeviceCertificate,
}

fn device(account: u8, number: u8) -> Device {
    let identity = IdentityKey::from_secret_bytes(&[account; 32]);
    let signing = DeviceSigningKey::from_secret_bytes(&[number; 32]);
    let certificate = DeviceCertificate::issue(&identity, &signing.verifying_key(), [number; 32], NOW);
    Device { signing, certificate }
}

fn address() -> Address {
    "bob@relay.example.org".parse().unwrap()
}

fn leaf(device: &Device, number: u64, place: u8) -> Leaf {
    let head = ManifestHead { version: 1, hash: [9; 32] };
    let relay = address().relay().clone();
    let place = (DepositAddress::new([place; 16]), &relay);
    Leaf::issue(&device.signing, &device.certificate, GROUP, place, head, number)
}

fn invitation() -> InviteSecret {
    InviteSecret::from_bytes(&[5; 32])
}

#[test]
fn gro_1_a_statement_has_one_encoding() {
    let bob = device(2, 20);
    let inviter = device(1, 10).certificate.identity();
    let consent = Consent::give(&bob.signing, &bob.certificate, &address(), GROUP, inviter, None, NOW);
    let leave = Leave::sign(&bob.signing, &bob.certificate, GROUP, 3, NOW);
    let leaf = leaf(&bob, 1, 1);
    let trailing = |bytes: &[u8]| [bytes, &[0x78, 0x01]].concat();
    assert_eq!(UnverifiedConsent::decode(consent.encoded()).unwrap().verify(), Ok(consent.clone()));
    assert!(UnverifiedConsent::decode(&trailing(consent.encoded())).is_err());
    assert_eq!(UnverifiedLeave::decode(leave.encoded()).unwrap().verify(), Ok(leave.clone()));
    assert!(UnverifiedLeave::decode(&trailing(leave.encoded())).is_err());
    assert_eq!(UnverifiedLeaf::decode(leaf.encoded()).unwrap().verify(), Ok(leaf.clone()));
    assert_eq!(Leaf::restore(leaf.encoded()), Ok(leaf.clone()));
    assert!(UnverifiedLeaf::decode(&trailing(leaf.encoded())).is_err());
}

#[test]
fn gro_2_nobody_consents_or_leaves_for_another() {
    let (bob, eve) = (device(2, 20), device(3, 30));
    let inviter = device(1, 10).certificate.identity();
    // Eve's device signs a consent that names Bob, with her own certificate and with his.
    for certificate in [&eve.certificate, &bob.certificate] {
        let genuine = Consent::give(&bob.signing, &bob.certificate, &address(), GROUP, inviter, None, NOW);
        let mut forged = group::SignedConsent::decode(genuine.encoded()).unwrap();
        forged.certificate = certificate.encoded().to_vec();
        let label = crate::crypto::sign::Label::new("wheesht/1 group consent");
        forged.signature = eve.signing.sign(&label, &[&forged.consent]).to_vec();
        let refusal = UnverifiedConsent::decode(&forged.encode_to_vec()).unwrap().verify().unwrap_err();
        assert!(matches!(refusal, WitnessError::Certificate | WitnessError::BadSignature));
        let genuine = Leave::sign(&bob.signing, &bob.certificate, GROUP, 3, NOW);
        let mut forged = group::SignedLeave::decode(genuine.encoded()).unwrap();
        forged.certificate = certificate.encoded().to_vec();
        let label = crate::crypto::sign::Label::new("wheesht/1 group leave");
        forged.signature = eve.signing.sign(&label, &[&forged.leave]).to_vec();
        let refusal = UnverifiedLeave::decode(&forged.encode_to_vec()).unwrap().verify().unwrap_err();
        assert!(matches!(refusal, WitnessError::Certificate | WitnessError::BadSignature));
    }
}

#[test]
fn gro_3_an_invitation_used_is_worth_nothing_to_another() {
    let (bob, eve) = (device(2, 20), device(3, 30));
    let inviter = device(1, 10).certificate.identity();
    let secret = invitation();
    let give = |device: &Device, secret| {
        Consent::give(&device.signing, &device.certificate, &address(), GROUP, inviter, secret, NOW)
    };
    let consent = give(&bob, Some(&secret));
    assert_eq!(consent.invite_key(), Some(&secret.key()));
    assert!(UnverifiedConsent::decode(consent.encoded()).unwrap().verify().is_ok());
    // Eve shows the signature that she saw in Bob's consent.
    let seen =
        group::Consent::decode(&*group::SignedConsent::decode(consent.encoded()).unwrap().consent).unwrap();
    let mut forged = group::SignedConsent::decode(give(&eve, None).encoded()).unwrap();
    let mut inner = group::Consent::decode(&*forged.consent).unwrap();
    (inner.invite_key, inner.invite_signature) = (seen.invite_key, seen.invite_signature);
    forged.consent = inner.encode_to_vec();
    let label = crate::crypto::sign::Label::new("wheesht/1 group consent");
    forged.signature = eve.signing.sign(&label, &[&forged.consent]).to_vec();
    let refusal = UnverifiedConsent::decode(&forged.encode_to_vec()).unwrap().verify();
    assert_eq!(refusal, Err(WitnessError::BadSignature));
}

#[test]
fn gro_4_a_link_says_what_it_was_made_of_and_nothing_else_is_one() {
    let invitation = Invitation {
        group: GROUP,
        secret: invitation(),
        address: address(),
        identity: device(1, 10).certificate.identity(),
        expires: Some(NOW),
        title: "Böse Überraschung ".repeat(30),
    };
    let link = invitation.to_link();
    assert!(link.starts_with("wheesht:group/"));
    let read = Invitation::from_link(&link).unwrap();
    assert_eq!((read.group, &read.address, read.identity), (GROUP, &invitation.address, invitation.identity));
    assert_eq!((read.secret.key(), read.expires), (invitation.secret.key(), Some(NOW)));
    assert!(invitation.title.starts_with(&read.title) && read.title.len() <= 256);
    assert!(!format!("{read:?}").contains("Böse"));
    for wrong in
        ["", "wheesht:group/", "wheesht:group/AAAA", "https://example.org/x", &link[..link.len() - 1]]
    {
        assert_eq!(Invitation::from_link(wrong).err(), Some(InvalidLink), "{wrong}");
    }
}

#[test]
fn gro_5_a_leaf_is_its_devices_own() {
    let (bob, eve) = (device(2, 20), device(3, 30));
    let mut forged = group::SignedLeaf::decode(leaf(&bob, 1, 1).encoded()).unwrap();
    let label = crate::crypto::sign::Label::new("wheesht/1 group leaf");
    forged.signature = eve.signing.sign(&label, &[&forged.leaf]).to_vec();
    let refusal = UnverifiedLeaf::decode(&forged.encode_to_vec()).unwrap().verify();
    assert_eq!(refusal, Err(WitnessError::BadSignature));
}

#[test]
fn gro_6_the_newer_leaf_stays_in_whatever_order_they_come() {
    let bob = device(2, 20);
    let mut roster = Roster::default();
    assert_eq!(roster.merge(leaf(&bob, 2, 2)), Merged::New);
    assert_eq!(roster.merge(leaf(&bob, 1, 1)), Merged::Known);
    assert_eq!(roster.merge(leaf(&bob, 2, 2)), Merged::Known);
    assert_eq!(roster.merge(leaf(&bob, 3, 3)), Merged::Replaced);
    assert_eq!(roster.leaf(&bob.certificate.device_id()), Some(&leaf(&bob, 3, 3)));
    assert_eq!(roster.of(&bob.certificate.identity()).count(), 1);
}

proptest! {
    #[test]
    fn gro_7_rosters_of_the_same_leaves_are_the_same_and_asking_repairs_what_differs(
        picks in proptest::collection::vec((0u8..4, 1u64..4, 0u8..3), 0..24),
        cut in 0usize..24,
    ) {
        let devices: Vec<_> = (0..4).map(|n| device(n + 1, n + 40)).collect();
        let leaves: Vec<_> =
            picks.iter().map(|(d, number, place)| leaf(&devices[usize::from(*d)], *number, *place)).collect();
        let all: Roster = leaves.iter().cloned().collect();
        let backwards: Roster = leaves.iter().rev().cloned().collect();
        prop_assert_eq!(all.hash(), backwards.hash());
        let mut part: Roster = leaves.iter().take(cut).cloned().collect();
        let lacking: Vec<_> = all.lacking(&part.prefixes()).cloned().collect();
        lacking.into_iter().for_each(|leaf| { part.merge(leaf); });
        prop_assert_eq!(&part, &all);
        prop_assert_eq!(part.lacking(&all.prefixes()).count(), 0);
    }

    #[test]
    fn gro_1_no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = UnverifiedLeaf::decode(&bytes);
        let _ = UnverifiedConsent::decode(&bytes);
        let _ = UnverifiedLeave::decode(&bytes);
        let _ = Leaf::restore(&bytes);
        let _ = Invitation::from_link(&String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn secrets_are_not_shown() {
    let secret = InviteSecret::generate(&mut ChaCha20Rng::seed_from_u64(1));
    assert_eq!(format!("{secret:?}"), "InviteSecret { .. }");
    let numbers: BTreeSet<_> = [secret.to_bytes().to_vec(), secret.key().as_bytes().to_vec()].into();
    assert_eq!(numbers.len(), 2);
}
