//! Bad input, alike for everything signed: a flipped bit, a missing end, something behind it, something else altogether. Each
//! is a typed error: nothing verifies that was not signed, and nothing panics.

use proptest::prelude::*;
use wheesht_proto::address::Address;

use super::*;
use crate::{crypto::sign::SigningKey, time::Timestamp};

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// Takes bytes as one kind of signed thing, and says whether they verify.
type Receiver<'w> = Box<dyn Fn(&[u8]) -> bool + 'w>;

struct World {
    address: Address,
    device: DeviceSigningKey,
    certificate: DeviceCertificate,
    first: Manifest,
    second: Manifest,
    prekey: SignedPrekey,
    statement: Statement,
    record: Record,
}

impl World {
    fn new() -> Self {
        let address: Address = "alice@relay.example".parse().unwrap();
        let identity = IdentityKey::from_secret_bytes(&[1; 32]);
        let (device, other) =
            (DeviceSigningKey::from_secret_bytes(&[2; 32]), DeviceSigningKey::from_secret_bytes(&[3; 32]));
        let certificate = DeviceCertificate::issue(&identity, &device.verifying_key(), [4; 32], NOW);
        let added = DeviceCertificate::issue(&identity, &other.verifying_key(), [5; 32], NOW);
        let first = Manifest::first(&identity, &address, certificate.clone(), NOW).unwrap();
        let draft = first.draft_next(&identity, vec![certificate.clone(), added], NOW).unwrap();
        let second = draft.countersign(&device).unwrap();
        let expires = NOW.plus_millis(1);
        let prekey =
            SignedPrekey::sign(&device, PrekeyKind::SignedX25519, 1, &[6; 32], NOW, expires).unwrap();
        let statement = Statement::sign(&device, 9, NOW);
        let record =
            Record::create(&SigningKey::from_secret_bytes(&[7; 32]), [8; 16], None, vec![9; 40]).unwrap();
        Self { address, device, certificate, first, second, prekey, statement, record }
    }

    /// Every kind's encoding, with what a receiver does with it.
    fn kinds(&self) -> [(Vec<u8>, Receiver<'_>); 6] {
        let (key, id) = (self.device.verifying_key(), self.device.device_id());
        let (record, record_id) = (self.record.to_message().encode_to_vec(), self.record.id());
        let certificate =
            |bytes: &[u8]| UnverifiedCertificate::decode(bytes).is_ok_and(|read| read.verify().is_ok());
        [
            (self.certificate.encoded().to_vec(), Box::new(certificate)),
            (
                self.first.encoded().to_vec(),
                Box::new(|bytes| {
                    UnverifiedManifest::decode(bytes)
                        .is_ok_and(|read| read.verify_first(&self.address).is_ok())
                }),
            ),
            (
                self.second.encoded().to_vec(),
                Box::new(|bytes| {
                    UnverifiedManifest::decode(bytes).is_ok_and(|read| read.verify_next(&self.first).is_ok())
                }),
            ),
            (
                self.prekey.encoded().to_vec(),
                Box::new(move |bytes| {
                    UnverifiedPrekey::decode(bytes)
                        .is_ok_and(|read| read.verify(&key, &id, PrekeyKind::SignedX25519, NOW).is_ok())
                }),
            ),
            (
                self.statement.encoded().to_vec(),
                Box::new(move |bytes| {
                    UnverifiedStatement::decode(bytes).is_ok_and(|read| read.verify(&key, &id).is_ok())
                }),
            ),
            (
                record,
                Box::new(move |bytes| {
                    let Ok(message) = wheesht_proto::relay::Record::decode(bytes) else { return false };
                    // The frame around a record is not signed; what counts is that no other content verifies.
                    let same = message == self.record.to_message();
                    !same && UnverifiedRecord::read(message).is_ok_and(|read| read.verify(&record_id).is_ok())
                }),
            ),
        ]
    }
}

#[test]
fn what_was_signed_verifies() {
    let world = World::new();
    let [certificate, first, second, prekey, statement, _] = world.kinds();
    for (bytes, accepts) in [certificate, first, second, prekey, statement] {
        assert!(accepts(&bytes));
    }
}

#[test]
fn acc_1_every_flipped_bit_of_a_certificate_prekey_and_statement_is_refused() {
    let world = World::new();
    let [certificate, _, _, prekey, statement, _] = world.kinds();
    for (bytes, accepts) in [certificate, prekey, statement] {
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(!accepts(&changed), "bit {bit}");
        }
    }
}

proptest! {
    #[test]
    fn acc_1_a_flipped_bit_is_refused(kind in 0usize..6, at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let world = World::new();
        let (mut bytes, accepts) = world.kinds().into_iter().nth(kind).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!(!accepts(&bytes));
    }

    #[test]
    fn acc_3_a_cut_or_lengthened_encoding_is_refused(
        kind in 0usize..6,
        at in any::<prop::sample::Index>(),
        tail in prop::collection::vec(any::<u8>(), 1..40),
    ) {
        let world = World::new();
        let (mut bytes, accepts) = world.kinds().into_iter().nth(kind).unwrap();
        prop_assert!(!accepts(&bytes[..at.index(bytes.len())]));
        bytes.extend(tail);
        prop_assert!(!accepts(&bytes));
    }

    #[test]
    fn one_kind_never_passes_for_another(kind in 0usize..6, other in 0usize..6) {
        prop_assume!(kind != other);
        let world = World::new();
        let bytes = world.kinds().into_iter().nth(kind).unwrap().0;
        let (_, accepts) = world.kinds().into_iter().nth(other).unwrap();
        prop_assert!(!accepts(&bytes));
    }

    #[test]
    fn any_bytes_are_an_error_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let world = World::new();
        for (_, accepts) in world.kinds() {
            prop_assert!(!accepts(&bytes));
        }
    }

    #[test]
    fn acc_15_a_chain_in_any_other_order_is_refused(order in Just(vec![0usize, 1, 2, 3]).prop_shuffle()) {
        prop_assume!(order != [0, 1, 2, 3]);
        let world = World::new();
        let identity = IdentityKey::from_secret_bytes(&[1; 32]);
        let one = vec![world.certificate.clone()];
        let third = world.second.draft_next(&identity, one.clone(), NOW).unwrap().finish().unwrap();
        let fourth = third.draft_next(&identity, one, NOW).unwrap().finish().unwrap();
        let chain = [&world.first, &world.second, &third, &fourth];
        let shuffled: Vec<_> = order.iter().map(|at| chain[*at].encoded()).collect();
        prop_assert!(verify_history(&world.address, &shuffled).is_err());
        let repeated = [chain[0], chain[1], chain[1], chain[2]].map(Manifest::encoded);
        prop_assert!(verify_history(&world.address, &repeated).is_err());
    }
}
