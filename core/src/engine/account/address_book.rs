//! The address book: where an account's contacts reach its devices. A record on the relay, sealed under the profile key.
//!
//! The sealing binds record and version, so that the relay can't show one version's content as another's.

use wheesht_proto::{account::AddressBook, ids::RecordId, prost::Message as _};

use crate::{
    crypto::{
        aead::{open_salted, seal_salted},
        secret::{Secret as _, secret},
    },
    protocol::padding,
    signed::Record,
};

const LABEL: &str = "wheesht/1 address book";

secret! {
    /// The key that an account gives to its contacts.
    struct ProfileKey;
}

/// Reads an address book of an account whose profile key one has been given.
pub(crate) fn open(profile_key: &[u8; 32], record: &Record) -> Option<AddressBook> {
    // DEV-8
    let aad = context(&record.id(), record.version());
    let padded = open_salted(&ProfileKey::restore(profile_key), LABEL, &aad, record.value()).ok()?;
    AddressBook::decode(padding::unpad(&padded).ok()?).ok()
}

/// Seals the book as the record's `version`.
pub(super) fn seal(
    profile_key: &[u8; 32],
    record: &RecordId,
    version: u64,
    book: &AddressBook,
    rng: &mut dyn rand_core::CryptoRng,
) -> Vec<u8> {
    let padded = padding::pad(&book.encode_to_vec());
    seal_salted(&ProfileKey::restore(profile_key), LABEL, &context(record, version), &padded, rng)
}

fn context(record: &RecordId, version: u64) -> Vec<u8> {
    [record.as_ref(), &version.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use chacha20::ChaCha20Rng;
    use rand_core::SeedableRng;
    use wheesht_proto::account::DeviceAddress;

    use super::*;
    use crate::crypto::sign::SigningKey;

    #[test]
    fn dev_8_a_book_is_read_with_its_key_as_its_version_only() {
        let mut rng = ChaCha20Rng::seed_from_u64(8);
        let write_key = SigningKey::generate(&mut rng);
        let id = crate::signed::record::record_id(&write_key.verifying_key(), &[0; 16]);
        let device =
            DeviceAddress { device_id: vec![1; 16], address: vec![2; 16], relay: "relay.test".to_owned() };
        let book = AddressBook { manifest: None, devices: vec![device], profile: None };
        let value = seal(&[3; 32], &id, 1, &book, &mut rng);
        let record = Record::create(&write_key, [0; 16], None, value.clone()).unwrap();
        assert!(open(&[3; 32], &record) == Some(book));
        assert!(open(&[4; 32], &record).is_none());
        let second = record.next(&write_key, None, value).unwrap();
        assert!(open(&[3; 32], &second).is_none());
    }
}
