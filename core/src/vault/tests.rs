use chacha20::{ChaCha20Rng, rand_core::SeedableRng};
use wheesht_proto::{
    account::{VaultEntry, VaultGroup},
    address::Address,
    limits::MAX_RECORD,
};

use super::*;
use crate::{
    crypto::secret::Secret,
    opaque::ExportKey,
    signed::{IdentityKey, RecordError},
};

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(11)
}

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

fn group(value: &[u8]) -> VaultGroup {
    let entry = VaultEntry { key: "own".into(), clock: 7, value: Some(value.to_vec()), ..Default::default() };
    VaultGroup { entries: vec![entry] }
}

#[test]
fn vlt_1_the_root_vault_opens_under_its_export_key_only() {
    let mut rng = rng();
    let alice = address("alice@relay.example");
    let secrets = RootSecrets {
        identity: IdentityKey::generate(&mut rng),
        state_key: StateKey::generate(&mut rng),
        state_key_epoch: 3,
    };
    let sealed = seal_root(&ExportKey::from_bytes([1; 64]), &alice, &secrets, &mut rng);
    let opened = open_root(&ExportKey::from_bytes([1; 64]), &alice, &sealed).unwrap();
    assert_eq!(opened.identity.account_id(), secrets.identity.account_id());
    assert_eq!(opened.state_key.expose(), secrets.state_key.expose());
    assert_eq!(opened.state_key_epoch, 3);

    let refusal = |key, address: &Address| open_root(&ExportKey::from_bytes(key), address, &sealed).err();
    assert_eq!(refusal([2; 64], &alice), Some(VaultError::NotAuthentic));
    assert_eq!(refusal([1; 64], &address("alice@relay.evil")), Some(VaultError::NotAuthentic), "VLT-2");
    assert_eq!(refusal([1; 64], &address("bob@relay.example")), Some(VaultError::NotAuthentic), "VLT-2");
}

#[test]
fn acc_16_a_commitment_is_of_one_key_in_one_epoch() {
    let mut rng = rng();
    let (key, other) = (StateKey::generate(&mut rng), StateKey::generate(&mut rng));
    assert_eq!(key.commitment(2), key.commitment(2));
    assert_ne!(key.commitment(2), key.commitment(3));
    assert_ne!(key.commitment(2), other.commitment(2));
    let (identity, address) = (IdentityKey::generate(&mut rng), address("alice@relay.example"));
    let now = crate::time::Timestamp::from_millis(1_800_000_000_000);
    let device = || crate::signed::DeviceSigningKey::from_secret_bytes(&[3; 32]).verifying_key();
    let certificate = crate::signed::DeviceCertificate::issue(&identity, &device(), [9; 32], now);
    let first = crate::signed::Manifest::first(&identity, &address, certificate.clone(), now).unwrap();
    assert_eq!(first.state_key(), None);
    let draft = first.draft_with_state_key(&identity, vec![certificate], key.commitment(2), now).unwrap();
    let read = crate::signed::UnverifiedManifest::decode(&draft.encoded()).unwrap();
    assert_eq!(read.verify_next(&first).unwrap().state_key(), Some(key.commitment(2)));
}

#[test]
fn vlt_2_any_changed_or_missing_byte_of_a_root_vault_is_refused() {
    let mut rng = rng();
    let (key, alice) = (ExportKey::from_bytes([1; 64]), address("alice@relay.example"));
    let (identity, state_key) = (IdentityKey::generate(&mut rng), StateKey::generate(&mut rng));
    let sealed = seal_root(&key, &alice, &RootSecrets { identity, state_key, state_key_epoch: 1 }, &mut rng);
    for at in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        let expected = if at == 0 { VaultError::Format(0) } else { VaultError::NotAuthentic };
        assert_eq!(open_root(&key, &alice, &changed).err(), Some(expected));
        assert_eq!(open_root(&key, &alice, &sealed[..at]).err(), Some(VaultError::NotAuthentic));
    }
    assert_eq!(open_root(&key, &alice, &[1; 5000]).err(), Some(VaultError::NotAuthentic));
}

#[test]
fn vlt_6_a_vault_of_a_newer_device_is_said_to_be_that() {
    let mut rng = rng();
    let (key, alice) = (ExportKey::from_bytes([1; 64]), address("alice@relay.example"));
    let (identity, state_key) = (IdentityKey::generate(&mut rng), StateKey::generate(&mut rng));
    let mut sealed =
        seal_root(&key, &alice, &RootSecrets { identity, state_key, state_key_epoch: 1 }, &mut rng);
    assert_eq!(sealed[0], 1);
    for format in [0, 2, 255] {
        sealed[0] = format;
        assert_eq!(open_root(&key, &alice, &sealed).err(), Some(VaultError::Format(format)));
    }
}

#[test]
fn vlt_3_a_state_key_finds_its_groups_and_another_finds_others() {
    let mut rng = rng();
    let (one, other) = (StateKey::generate(&mut rng), StateKey::generate(&mut rng));
    let id = |key, name| VaultKeys::derive(key, name).record_id();
    assert_eq!(id(&one, "contacts"), id(&one, "contacts"));
    assert_ne!(id(&one, "contacts"), id(&one, "own"));
    assert_ne!(id(&one, "contacts"), id(&other, "contacts"));

    let first = VaultKeys::derive(&one, "own").first(&group(b"x"), &mut rng).unwrap();
    let refused = VaultKeys::derive(&other, "own").verify(first.to_message());
    assert_eq!(refused, Err(VaultError::Record(RecordError::WrongWriter)));
}

#[test]
fn vlt_4_a_version_opens_only_in_its_place() {
    let mut rng = rng();
    let state_key = StateKey::generate(&mut rng);
    let keys = VaultKeys::derive(&state_key, "own");
    let first = keys.first(&group(b"one"), &mut rng).unwrap();
    let second = keys.next(&first, &group(b"two"), &mut rng).unwrap();
    assert_eq!(second.check_next(&first), Ok(()));
    let read = keys.verify(second.to_message()).unwrap();
    assert!(keys.open(&read).unwrap() == group(b"two"));
    assert!(keys.open(&first).unwrap() == group(b"one"));

    // The same value at another version, after another version, and under another name.
    let third = second.next(keys.write_key(), None, first.value().to_vec()).unwrap();
    assert_eq!(keys.open(&third).err(), Some(VaultError::NotAuthentic));
    let other_first = keys.first(&group(b"other"), &mut rng).unwrap();
    let misplaced = other_first.next(keys.write_key(), None, second.value().to_vec()).unwrap();
    assert_eq!(keys.open(&misplaced).err(), Some(VaultError::NotAuthentic));
    assert_eq!(VaultKeys::derive(&state_key, "contacts").open(&first).err(), Some(VaultError::NotAuthentic));
}

#[test]
fn vlt_5_a_closed_group_takes_no_further_write() {
    let mut rng = rng();
    let keys = VaultKeys::derive(&StateKey::generate(&mut rng), "own");
    let first = keys.first(&group(b"one"), &mut rng).unwrap();
    assert!(!keys.is_closed(&first));
    let last = keys.close(&first, &mut rng).unwrap();
    assert!(keys.is_closed(&last));
    assert_eq!(last.check_next(&first), Ok(()));
    assert!(keys.open(&last).unwrap() == VaultGroup::default());
    let refused = keys.next(&last, &group(b"two"), &mut rng);
    assert_eq!(refused, Err(VaultError::Record(RecordError::WrongWriter)));
}

#[test]
fn a_group_too_large_for_a_record_is_an_error() {
    let mut rng = rng();
    let keys = VaultKeys::derive(&StateKey::generate(&mut rng), "own");
    let refused = keys.first(&group(&vec![0; MAX_RECORD]), &mut rng);
    assert_eq!(refused, Err(VaultError::Record(RecordError::TooLarge)));
}

#[test]
fn secrets_are_not_shown() {
    let keys = VaultKeys::derive(&StateKey::restore(&[1; 32]), "own");
    assert_eq!(format!("{keys:?}"), r#"VaultKeys { name: "own", .. }"#);
}
