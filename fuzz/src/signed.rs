//! Bytes that claim to be signed: an account's manifests, a relay's records.

use std::sync::LazyLock;

use chacha20::ChaCha20Rng;
use prost::Message as _;
use rand_core::SeedableRng;
use wheesht_core::{
    crypto::{dh::DhSecret, sign::SigningKey},
    signed::{
        DeviceCertificate, DeviceSigningKey, IdentityKey, Manifest, Record, UnverifiedManifest,
        UnverifiedRecord, verify_chain, verify_history,
    },
};
use wheesht_proto::{address::Address, relay};

use crate::{LONGEST, chunks::chunks, device::NOW};

/// An account's life: its first device, a second one, and one that evicts both. And beside it what was never finished.
pub(crate) struct Account {
    pub(crate) address: Address,
    pub(crate) history: Vec<Manifest>,
    /// The second version without its countersignature.
    pub(crate) draft: Vec<u8>,
}

pub(crate) static ACCOUNT: LazyLock<Account> = LazyLock::new(|| {
    let mut rng = ChaCha20Rng::seed_from_u64(4);
    let identity = IdentityKey::generate(&mut rng);
    let mut device = || {
        let signing = DeviceSigningKey::generate(&mut rng);
        let dh = *DhSecret::generate(&mut rng).public().as_bytes();
        let certificate = DeviceCertificate::issue(&identity, &signing.verifying_key(), dh, NOW);
        (signing, certificate)
    };
    let ((signing, first), (_, second), (_, third)) = (device(), device(), device());
    let address: Address = "alice@relay.example".parse().unwrap();
    let one = Manifest::first(&identity, &address, first.clone(), NOW).unwrap();
    let draft = one.draft_next(&identity, vec![first, second], NOW).unwrap();
    let unsigned = draft.encoded();
    let two = draft.countersign(&signing).unwrap();
    let three = two.draft_next(&identity, vec![third], NOW).unwrap().finish().unwrap();
    Account { address, history: vec![one, two, three], draft: unsigned }
});

/// A history in parts. None of it verifies but what the account has signed, in its order.
pub fn manifest(data: &[u8]) {
    if data.len() > LONGEST {
        return;
    }
    let account = &*ACCOUNT;
    let genuine = |manifest: &Manifest| {
        let same = |known: &Manifest| known.encoded() == manifest.encoded();
        assert!(account.history.iter().any(same), "forged: {manifest:?}");
    };
    let parts: Vec<&[u8]> = chunks(data).into_iter().map(|chunk| chunk.bytes).collect();
    if let Ok(history) = verify_history(&account.address, &parts) {
        let known = account.history[..history.len()].iter();
        assert!(known.zip(&history).all(|(known, verified)| known == verified), "another history");
    }
    for part in &parts {
        let Ok(unverified) = UnverifiedManifest::decode(part) else { continue };
        if let Ok(first) = unverified.clone().verify_first(&account.address) {
            // Anybody may open an account; this one's is known.
            assert!(first.identity() != account.history[0].identity() || first == account.history[0]);
        }
        for (position, previous) in account.history.iter().enumerate() {
            if let Ok(next) = unverified.clone().verify_next(previous) {
                genuine(&next);
                assert_eq!(account.history.get(position + 1), Some(&next), "an order of its own");
            }
            let _ = unverified.clone().verify_draft(previous);
            if let Ok(chain) = verify_chain(previous, &parts) {
                chain.iter().for_each(genuine);
            }
        }
        let _ = unverified.verify_alone(Some(&account.history[0].identity()), Some(&account.address));
    }
}

/// A record of two versions, the second by the key that the first has named.
pub(crate) static RECORDS: LazyLock<[Record; 2]> = LazyLock::new(|| {
    let mut rng = ChaCha20Rng::seed_from_u64(5);
    let (first, second) = (SigningKey::generate(&mut rng), SigningKey::generate(&mut rng));
    let one = Record::create(&first, [6; 16], Some(&second.verifying_key()), b"a value".to_vec()).unwrap();
    let two = one.next(&second, None, b"another value".to_vec()).unwrap();
    [one, two]
});

/// A record as a relay gives it. Only the writers' own versions verify, and only in their order.
pub fn record(data: &[u8]) {
    if data.len() > LONGEST {
        return;
    }
    let Ok(message) = relay::Record::decode(data) else { return };
    let Ok(unverified) = UnverifiedRecord::read(message) else { return };
    let [one, two] = &*RECORDS;
    for writer in [one.write_key(), two.write_key()] {
        if let Ok(record) = unverified.clone().verify_written_by(&one.id(), writer) {
            let known = [one, two].into_iter().find(|known| known.version() == record.version());
            let known = known.expect("a version that nobody has written");
            assert_eq!(known.to_message(), record.to_message());
        }
    }
    if let Ok(record) = unverified.verify(&one.id()) {
        assert_eq!(record.check_first().is_ok(), record.version() == 1);
        if record.check_next(one).is_ok() {
            assert_eq!(record.to_message(), two.to_message());
        }
        assert!(record.check_next(two).is_err(), "a third version");
    }
}
