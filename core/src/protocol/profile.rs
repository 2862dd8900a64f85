//! A profile: what somebody shows of themselves, signed by one of their devices, sealed in a record.
//!
//! The key that opens it goes to whom its owner wants to see it. All of them could seal another one, with a relay's help, so the
//! device's signature is what is believed, and the revision in it tells the older from the newer. Rules: `proto/spec/profiles.md`.

use prost::Message as _;
use rand_core::CryptoRng;
use wheesht_proto::{
    ids::{AccountId, DeviceId, RecordId},
    limits::{
        MAX_FIELD_NAME, MAX_FIELD_VALUE, MAX_PROFILE_ABOUT, MAX_PROFILE_FIELDS, MAX_PROFILE_NAME,
        MAX_PROFILE_PICTURE,
    },
    profile::{self, Profile},
};

use super::padding;
use crate::{
    crypto::{
        aead::{open_salted, seal_salted},
        secret::{Secret as _, secret},
        sign::{BadSignature, Label, Signature},
    },
    signed::{DeviceCertificate, DeviceSigningKey, Record, decode_canonical, signature_field},
};

const LABEL: Label = Label::new("wheesht/1 profile");
const SEAL: &str = "wheesht/1 profile seal";

secret! {
    /// Opens a profile.
    struct ViewKey;
}

/// Whether a profile is of its form: each field within its bound, names on one line, a picture that is one.
// PRO-3
pub fn is_sound(profile: &Profile) -> bool {
    let line = |text: &str, most: usize| text.len() <= most && !text.chars().any(char::is_control);
    line(&profile.name, MAX_PROFILE_NAME)
        && profile.about.len() <= MAX_PROFILE_ABOUT
        && !profile.about.chars().any(|c| c.is_control() && c != '\n')
        && (profile.picture.is_empty() || is_picture(&profile.picture))
        && profile.fields.len() <= MAX_PROFILE_FIELDS
        && profile.fields.iter().all(|field| {
            !field.name.is_empty() && line(&field.name, MAX_FIELD_NAME) && line(&field.value, MAX_FIELD_VALUE)
        })
}

/// Whether these bytes begin as a picture of a kind that every frontend can show, and are not too many.
// PRO-3
pub fn is_picture(bytes: &[u8]) -> bool {
    bytes.len() <= MAX_PROFILE_PICTURE
        && (bytes.starts_with(b"\x89PNG\r\n\x1a\n")
            || bytes.starts_with(b"\xff\xd8\xff")
            || (bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP")))
}

/// Signs a profile and seals it as its record's `version`.
// PRO-1, PRO-2
pub fn seal(
    key: &[u8; 32],
    (record, version): (&RecordId, u64),
    profile: &Profile,
    device: &DeviceSigningKey,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Vec<u8> {
    let profile = profile.encode_to_vec();
    let signature = device.sign(&LABEL, &[&profile]).to_vec();
    let signed = profile::SignedProfile { profile, signature }.encode_to_vec();
    seal_salted(&ViewKey::restore(key), SEAL, &context(record, version), &padding::pad(&signed), rng)
}

/// A profile as bytes said it.
pub struct UnverifiedProfile {
    profile: Profile,
    device: DeviceId,
    account: AccountId,
    signed: Vec<u8>,
    signature: Signature,
}

impl UnverifiedProfile {
    /// Opens a record. `None`: not with this key, or not of its form.
    // PRO-1, PRO-3
    pub fn open(key: &[u8; 32], record: &Record) -> Option<Self> {
        let aad = context(&record.id(), record.version());
        let padded = open_salted(&ViewKey::restore(key), SEAL, &aad, record.value()).ok()?;
        let outer: profile::SignedProfile = decode_canonical(padding::unpad(&padded).ok()?)?;
        let profile = Profile::decode(outer.profile.as_slice()).ok().filter(is_sound)?;
        Some(Self {
            device: profile.device_id.as_slice().try_into().ok()?,
            account: profile.account.as_slice().try_into().ok()?,
            profile,
            signature: signature_field(&outer.signature)?,
            signed: outer.profile,
        })
    }

    /// The device that it claims to be of.
    pub fn device(&self) -> DeviceId {
        self.device
    }

    /// Checks that this device of the account signed it, for itself.
    ///
    /// # Errors
    /// [`BadSignature`].
    // PRO-2
    pub fn verify(self, device: &DeviceCertificate) -> Result<Profile, BadSignature> {
        if (self.account, self.device) != (device.identity(), device.device_id()) {
            return Err(BadSignature);
        }
        device.signing_key().verify(&LABEL, &[&self.signed], &self.signature)?;
        Ok(self.profile)
    }
}

fn context(record: &RecordId, version: u64) -> Vec<u8> {
    [record.as_ref(), &version.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use chacha20::{ChaCha20Rng, rand_core::SeedableRng};

    use super::*;
    use crate::{crypto::sign::SigningKey, signed::IdentityKey, signed::record_id, time::Timestamp};

    fn device(seed: u64) -> (DeviceSigningKey, DeviceCertificate) {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let key = DeviceSigningKey::generate(&mut rng);
        let identity = IdentityKey::generate(&mut rng);
        let now = Timestamp::from_millis(1);
        let certificate = DeviceCertificate::issue(&identity, &key.verifying_key(), [4; 32], now);
        (key, certificate)
    }

    fn hers(certificate: &DeviceCertificate) -> Profile {
        Profile {
            account: certificate.identity().to_vec(),
            device_id: certificate.device_id().to_vec(),
            revision: 7,
            name: "Alice Liddell".to_owned(),
            about: "down\nthe hole".to_owned(),
            picture: b"\xff\xd8\xff\xe0".to_vec(),
            fields: vec![profile::Field { name: "pronouns".to_owned(), value: "she/her".to_owned() }],
        }
    }

    #[test]
    fn pro_1_pro_2_a_profile_opens_with_its_key_as_its_version_and_is_its_devices() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let ((alice, certificate), (mallory, others)) = (device(1), device(2));
        let write_key = SigningKey::generate(&mut rng);
        let id = record_id(&write_key.verifying_key(), &[0; 16]);
        let value = seal(&[3; 32], (&id, 1), &hers(&certificate), &alice, &mut rng);
        let record = Record::create(&write_key, [0; 16], None, value.clone()).unwrap();
        let opened = UnverifiedProfile::open(&[3; 32], &record).unwrap();
        assert!(opened.verify(&certificate).unwrap() == hers(&certificate));
        assert!(UnverifiedProfile::open(&[4; 32], &record).is_none());
        assert!(UnverifiedProfile::open(&[3; 32], &record).unwrap().verify(&others).is_err());
        let again = record.next(&write_key, None, value).unwrap();
        assert!(UnverifiedProfile::open(&[3; 32], &again).is_none());
        // Whoever may read it can seal another one, and not sign it.
        let forged = seal(&[3; 32], (&id, 1), &hers(&certificate), &mallory, &mut rng);
        let forged = Record::create(&write_key, [0; 16], None, forged).unwrap();
        assert!(UnverifiedProfile::open(&[3; 32], &forged).unwrap().verify(&certificate).is_err());
    }

    #[test]
    fn pro_3_what_is_out_of_bounds_is_no_profile() {
        let (_, certificate) = device(1);
        let sound = hers(&certificate);
        assert!(is_sound(&sound));
        let field =
            |name: &str, value: usize| profile::Field { name: name.to_owned(), value: "x".repeat(value) };
        for wrong in [
            Profile { name: "x".repeat(MAX_PROFILE_NAME + 1), ..sound.clone() },
            Profile { name: "two\nlines".to_owned(), ..sound.clone() },
            Profile { about: "x".repeat(MAX_PROFILE_ABOUT + 1), ..sound.clone() },
            Profile { about: "\u{1b}[31m".to_owned(), ..sound.clone() },
            Profile { picture: b"<svg onload=".to_vec(), ..sound.clone() },
            Profile {
                picture: [b"\xff\xd8\xff".to_vec(), vec![0; MAX_PROFILE_PICTURE]].concat(),
                ..sound.clone()
            },
            Profile { fields: vec![field("x", 1); MAX_PROFILE_FIELDS + 1], ..sound.clone() },
            Profile { fields: vec![field("", 1)], ..sound.clone() },
            Profile { fields: vec![field("x", MAX_FIELD_VALUE + 1)], ..sound.clone() },
        ] {
            assert!(!is_sound(&wrong));
        }
    }
}
