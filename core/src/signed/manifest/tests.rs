use chacha20::{ChaCha20Rng, rand_core::SeedableRng};

use super::*;
use crate::signed::DeviceSigningKey;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

struct Account {
    identity: IdentityKey,
    address: Address,
    rng: ChaCha20Rng,
}

struct Device {
    key: DeviceSigningKey,
    certificate: DeviceCertificate,
}

impl Account {
    fn new(seed: u64) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        Self {
            identity: IdentityKey::generate(&mut rng),
            address: "alice@relay.example".parse().unwrap(),
            rng,
        }
    }

    fn device(&mut self) -> Device {
        let key = DeviceSigningKey::generate(&mut self.rng);
        let certificate = DeviceCertificate::issue(&self.identity, &key.verifying_key(), [7; 32], NOW);
        Device { key, certificate }
    }

    fn first(&self, device: &Device) -> Manifest {
        Manifest::first(&self.identity, &self.address, device.certificate.clone(), NOW).unwrap()
    }

    fn draft(&self, previous: &Manifest, devices: &[&Device]) -> Draft {
        let devices = devices.iter().map(|device| device.certificate.clone()).collect();
        previous.draft_next(&self.identity, devices, NOW).unwrap()
    }
}

fn decode(bytes: &[u8]) -> UnverifiedManifest {
    UnverifiedManifest::decode(bytes).unwrap()
}

#[test]
fn acc_12_a_first_version_verifies_under_its_address() {
    let mut alice = Account::new(1);
    let phone = alice.device();
    let first = alice.first(&phone);
    let read = decode(first.encoded()).verify_first(&alice.address).unwrap();
    assert_eq!(read, first);
    assert_eq!(read.device(&phone.key.device_id()), Some(&phone.certificate));
    assert_eq!(read.device_by_encoding(phone.certificate.encoded()), Some(&phone.certificate));
    let elsewhere = "alice@evil.example".parse().unwrap();
    assert_eq!(decode(first.encoded()).verify_first(&elsewhere), Err(ManifestError::WrongAddress));
}

#[test]
fn acc_12_a_first_version_with_two_devices_is_refused() {
    let mut alice = Account::new(1);
    let devices = vec![alice.device().certificate, alice.device().certificate];
    let body =
        Body::compose(&alice.identity, alice.address.canonical(), 1, None, devices, None, NOW).unwrap();
    let bytes = body.seal(&alice.identity.sign(&LABEL, &body.signed), None);
    assert_eq!(decode(&bytes).verify_first(&alice.address), Err(ManifestError::TooManyDevices));
}

#[test]
fn acc_13_an_added_device_needs_a_countersignature() {
    let mut alice = Account::new(2);
    let (phone, laptop) = (alice.device(), alice.device());
    let first = alice.first(&phone);
    let draft = alice.draft(&first, &[&laptop, &phone]);
    assert_eq!(draft.step(), Step::Adds);
    assert!(draft.needs_countersignature());
    assert_eq!(draft.added().collect::<Vec<_>>(), [&laptop.certificate]);
    assert_eq!(draft.clone().finish(), Err(ManifestError::CountersignatureMissing));
    assert_eq!(
        decode(&draft.encoded()).verify_next(&first),
        Err(ManifestError::CountersignatureMissing),
        "a guessed password adds no quiet device"
    );

    // The relay and the existing device see the draft; the device confirms it.
    let seen = decode(&draft.encoded()).verify_draft(&first).unwrap();
    assert_eq!(seen, draft);
    let second = seen.countersign(&phone.key).unwrap();
    assert_eq!(second.countersigner(), Some(phone.key.device_id()));
    assert_eq!(second.hash(), draft.hash());
    assert_eq!(decode(second.encoded()).verify_next(&first), Ok(second));
}

#[test]
fn acc_14_only_a_device_of_the_version_before_countersigns() {
    let mut alice = Account::new(3);
    let (phone, laptop) = (alice.device(), alice.device());
    let first = alice.first(&phone);
    let draft = alice.draft(&first, &[&phone, &laptop]);
    assert_eq!(draft.clone().countersign(&laptop.key), Err(ManifestError::CountersignerUnknown));

    let sealed = |device: &Device, signature| {
        draft.body.seal(&draft_signature(&alice, &draft), Some((device.key.device_id(), signature)))
    };
    let by_laptop = laptop.key.sign(&COUNTERSIGN_LABEL, &[&draft.body.signed]);
    assert_eq!(
        decode(&sealed(&laptop, by_laptop)).verify_next(&first),
        Err(ManifestError::CountersignerUnknown)
    );
    assert_eq!(
        decode(&sealed(&phone, by_laptop)).verify_next(&first),
        Err(ManifestError::BadCountersignature)
    );
    let other_purpose = phone.key.sign(&LABEL, &[&draft.body.signed]);
    assert_eq!(
        decode(&sealed(&phone, other_purpose)).verify_next(&first),
        Err(ManifestError::BadCountersignature)
    );
}

fn draft_signature(account: &Account, draft: &Draft) -> Signature {
    account.identity.sign(&LABEL, &draft.body.signed)
}

#[test]
fn acc_13_swapping_the_keys_of_a_listed_device_counts_as_adding_one() {
    let mut alice = Account::new(4);
    let phone = alice.device();
    let first = alice.first(&phone);
    let swapped = DeviceCertificate::issue(&alice.identity, &phone.key.verifying_key(), [8; 32], NOW);
    let draft = first.draft_next(&alice.identity, vec![swapped], NOW).unwrap();
    assert_eq!(draft.step(), Step::Adds);
    assert_eq!(draft.finish(), Err(ManifestError::CountersignatureMissing));
}

#[test]
fn acc_13_removing_and_evicting_take_the_identity_key_alone() {
    let mut alice = Account::new(5);
    let (phone, laptop, lost) = (alice.device(), alice.device(), alice.device());
    let first = alice.first(&lost);
    let second = alice.draft(&first, &[&lost, &phone]).countersign(&lost.key).unwrap();

    let removal = alice.draft(&second, &[&phone]);
    assert_eq!(removal.step(), Step::AddsNone);
    assert_eq!(removal.removed().collect::<Vec<_>>(), [&lost.certificate]);
    let third = removal.finish().unwrap();
    assert_eq!(third.removed_since(&second).count(), 1);
    assert_eq!(decode(third.encoded()).verify_next(&second).as_ref(), Ok(&third));

    let eviction = alice.draft(&third, &[&laptop]);
    assert_eq!(eviction.step(), Step::EvictsAll);
    let fourth = eviction.finish().unwrap();
    let history = [&first, &second, &third, &fourth].map(|manifest| manifest.encoded().to_vec());
    let verified = verify_history(&alice.address, &history).unwrap();
    assert_eq!(verified.last(), Some(&fourth));
    assert_eq!(verify_chain(&first, &history[1..]).unwrap(), &verified[1..]);
    assert_eq!(verify_chain(&first, &history).unwrap(), &verified[1..], "the anchor itself is passed over");
    assert_eq!(verify_chain(&fourth, &history[3..]).unwrap(), []);
    assert_eq!(verify_chain(&third, &history).unwrap(), &verified[3..], "and what stands before it");
    assert_eq!(verify_history(&alice.address, &history[1..]), Err(ManifestError::NotFirst(2)));
}

#[test]
fn acc_15_each_break_of_the_chain_has_its_own_error() {
    let mut alice = Account::new(6);
    let (phone, laptop) = (alice.device(), alice.device());
    let first = alice.first(&phone);
    let second = alice.draft(&first, &[&phone, &laptop]).countersign(&phone.key).unwrap();
    let third = alice.draft(&second, &[&phone]).finish().unwrap();
    let other_second =
        first.draft_next(&alice.identity, vec![phone.certificate.clone()], NOW).unwrap().finish().unwrap();
    let other_third = alice.draft(&other_second, &[&phone]).finish().unwrap();

    let next = |manifest: &Manifest, previous: &Manifest| decode(manifest.encoded()).verify_next(previous);
    assert_eq!(next(&third, &first), Err(ManifestError::Gap { known: 1, offered: 3 }));
    assert_eq!(next(&first, &third), Err(ManifestError::Older { known: 3, offered: 1 }));
    assert_eq!(next(&other_second, &second), Err(ManifestError::Fork(2)));
    assert_eq!(next(&second, &second), Err(ManifestError::Gap { known: 2, offered: 2 }));
    assert_eq!(next(&other_third, &second), Err(ManifestError::WrongPrevious));

    let mut mallory = Account::new(7);
    let tablet = mallory.device();
    let foreign = mallory.first(&tablet);
    assert_eq!(next(&foreign, &first), Err(ManifestError::IdentityChanged));
    let known = Some(alice.identity.account_id());
    assert_eq!(
        decode(foreign.encoded()).verify_alone(known.as_ref(), None),
        Err(ManifestError::IdentityChanged)
    );
}

#[test]
fn acc_10_another_identitys_certificate_is_refused() {
    let (mut alice, mut mallory) = (Account::new(8), Account::new(9));
    let foreign = mallory.device();
    let refused = Manifest::first(&alice.identity, &alice.address, foreign.certificate.clone(), NOW);
    assert_eq!(refused, Err(ManifestError::IdentityChanged));

    let device = alice.device();
    let mut message = account::DeviceManifest::decode(&*alice.first(&device).body.signed).unwrap();
    message.devices = vec![foreign.certificate.encoded().to_vec()];
    let bytes = signed(&alice, message);
    assert_eq!(
        decode(&bytes).verify_alone(None, None),
        Err(ManifestError::Certificate(crate::signed::CertificateError::OtherAccount))
    );
}

fn signed(account: &Account, message: account::DeviceManifest) -> Vec<u8> {
    let manifest = message.encode_to_vec();
    let identity_signature = account.identity.sign(&LABEL, &manifest).to_vec();
    account::SignedManifest { manifest, identity_signature, ..Default::default() }.encode_to_vec()
}

#[test]
fn acc_9_acc_11_fields_out_of_their_form_are_refused() {
    let mut alice = Account::new(10);
    let device = alice.device();
    let good = account::DeviceManifest::decode(&*alice.first(&device).body.signed).unwrap();
    let refusal = |change: &dyn Fn(&mut account::DeviceManifest)| {
        let mut message = good.clone();
        change(&mut message);
        UnverifiedManifest::decode(&signed(&alice, message)).unwrap_err()
    };
    assert_eq!(refusal(&|m| m.format = 2), ManifestError::Format(2));
    assert_eq!(refusal(&|m| m.version = 0), ManifestError::Malformed);
    assert_eq!(refusal(&|m| m.version = 2), ManifestError::Malformed);
    assert_eq!(refusal(&|m| m.previous = vec![0; 32]), ManifestError::Malformed);
    assert_eq!(refusal(&|m| m.address = "Alice@relay.example".into()), ManifestError::Malformed);
    assert_eq!(refusal(&|m| m.address = "alice".into()), ManifestError::Malformed);
    assert_eq!(refusal(&|m| m.identity.truncate(31)), ManifestError::Malformed);
    assert_eq!(refusal(&|m| m.devices.clear()), ManifestError::NoDevice);
    assert_eq!(refusal(&|m| m.devices = vec![m.devices[0].clone(); 2]), ManifestError::DeviceOrder);
    assert_eq!(refusal(&|m| m.devices = vec![m.devices[0].clone(); 11]), ManifestError::TooManyDevices);
}

#[test]
fn acc_8_a_manifest_beyond_8_kib_is_not_read() {
    let mut alice = Account::new(19);
    let device = alice.device();
    let good = alice.first(&device).encoded().to_vec();
    assert!(UnverifiedManifest::decode(&good).is_ok());
    // Whatever it is, and were it a manifest of eleven devices: nothing of it is looked at.
    for long in [vec![0; 8 * 1024 + 1], [good.as_slice(), &[0; 8 * 1024]].concat()] {
        assert_eq!(UnverifiedManifest::decode(&long).unwrap_err(), ManifestError::TooLarge);
    }
    assert_eq!(UnverifiedManifest::decode(&[0; 8 * 1024]).unwrap_err(), ManifestError::Malformed);
}

#[test]
fn acc_3_a_manifest_has_one_spelling() {
    let mut alice = Account::new(11);
    let phone = alice.device();
    let mut bytes = alice.first(&phone).encoded().to_vec();
    // A further, unknown field: unsigned, so it would give one manifest many encodings.
    bytes.extend_from_slice(&[0x7a, 0x01, 0x00]);
    assert_eq!(UnverifiedManifest::decode(&bytes).unwrap_err(), ManifestError::Malformed);
}

#[test]
fn a_stored_manifest_is_read_back() {
    let mut alice = Account::new(12);
    let (phone, laptop) = (alice.device(), alice.device());
    let first = alice.first(&phone);
    let second = alice.draft(&first, &[&phone, &laptop]).countersign(&phone.key).unwrap();
    assert_eq!(decode(second.encoded()).assume_verified(), second);
    let head = account::ManifestHead::from(second.head());
    assert_eq!(ManifestHead::try_from(head), Ok(second.head()));
}
