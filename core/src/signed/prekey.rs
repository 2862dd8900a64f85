//! Signed prekeys: what lets others start a session with a device that is offline.
//!
//! Every prekey, one-time ones included, is signed by its device over kind, id, owner, key, creation and expiry (DESIGN:
//! a relay must be able neither to swap one kind for another, nor to bring back an old one, nor to slip in its own). The
//! private halves are the protocol's concern.

use prost::Message;
use wheesht_proto::{account, ids::DeviceId, limits::PREKEY_LIFETIME_MS};

pub use wheesht_proto::account::PrekeyKind;

use super::{DeviceSigningKey, decode_canonical, signature_field};
use crate::{
    crypto::sign::{Label, Signature, VerifyingKey},
    time::Timestamp,
};

const LABEL: Label = Label::new("wheesht/1 prekey");

/// Length of an X25519 public key.
const X25519_LEN: usize = 32;
/// Length of an ML-KEM-768 encapsulation key (FIPS 203).
const KEM_LEN: usize = 1184;
/// Largest encoded prekey in bytes: the KEM key and under 150 around it.
const MAX_PREKEY: usize = 1500;

/// Why a prekey is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PrekeyError {
    /// Not the encoding of a prekey, or a field is not of its form.
    #[error("malformed prekey")]
    Malformed,
    /// Of another kind than the one that belongs here.
    #[error("a prekey of another kind")]
    OtherKind,
    /// It is another device's.
    #[error("the prekey is another device's")]
    OtherDevice,
    /// The device did not sign this.
    #[error("the device did not sign this prekey")]
    BadSignature,
    /// Its time is over, so its private half may be gone.
    #[error("the prekey has expired")]
    Expired,
}

/// A prekey, verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedPrekey {
    kind: PrekeyKind,
    id: u32,
    device_id: DeviceId,
    key: Vec<u8>,
    created: Timestamp,
    expires: Timestamp,
    encoded: Vec<u8>,
}

impl SignedPrekey {
    /// Signs the public key of a prekey. `id` is unique among the device's prekeys of that kind and not 0; `expires` is at
    /// most 90 days after `created`; `key` has 32 bytes (X25519) or 1,184 (ML-KEM-768).
    ///
    /// # Errors
    /// [`PrekeyError::Malformed`] if one of these does not hold.
    pub fn sign(
        device: &DeviceSigningKey,
        kind: PrekeyKind,
        id: u32,
        key: &[u8],
        created: Timestamp,
        expires: Timestamp,
    ) -> Result<Self, PrekeyError> {
        let device_id = device.device_id();
        let prekey = account::Prekey {
            kind: kind.into(),
            id,
            device_id: device_id.to_vec(),
            key: key.to_vec(),
            created_ms: created.as_millis(),
            expires_ms: expires.as_millis(),
        }
        .encode_to_vec();
        let signature = device.sign(&LABEL, &[&prekey]).to_vec();
        let encoded = account::SignedPrekey { prekey, signature }.encode_to_vec();
        UnverifiedPrekey::decode(&encoded).map(|read| read.prekey)
    }

    /// What it is for.
    pub fn kind(&self) -> PrekeyKind {
        self.kind
    }

    /// Its id among the device's prekeys of this kind; never 0.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Whose prekey it is.
    pub fn device_id(&self) -> DeviceId {
        self.device_id
    }

    /// The public key: 32 bytes (X25519) or 1,184 (ML-KEM-768), by kind.
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// When it was made, by its device's clock.
    pub fn created(&self) -> Timestamp {
        self.created
    }

    /// From when on nobody encrypts to it.
    pub fn expires(&self) -> Timestamp {
        self.expires
    }

    /// The encoded `SignedPrekey`.
    pub fn encoded(&self) -> &[u8] {
        &self.encoded
    }
}

/// A prekey as bytes said it.
#[derive(Debug, Clone)]
pub struct UnverifiedPrekey {
    prekey: SignedPrekey,
    signed: Vec<u8>,
    signature: Signature,
}

impl UnverifiedPrekey {
    /// Reads an encoded `SignedPrekey`.
    ///
    /// # Errors
    /// [`PrekeyError::Malformed`].
    pub fn decode(bytes: &[u8]) -> Result<Self, PrekeyError> {
        Self::read(bytes).ok_or(PrekeyError::Malformed)
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > MAX_PREKEY {
            return None;
        }
        // ACC-3
        let outer: account::SignedPrekey = decode_canonical(bytes)?;
        let inner = account::Prekey::decode(&*outer.prekey).ok()?;
        let kind = PrekeyKind::try_from(inner.kind).ok()?;
        let prekey = SignedPrekey {
            kind,
            id: inner.id,
            device_id: DeviceId::try_from(&*inner.device_id).ok()?,
            key: inner.key,
            created: Timestamp::from_millis(inner.created_ms),
            expires: Timestamp::from_millis(inner.expires_ms),
            encoded: bytes.to_vec(),
        };
        // ACC-21: the key's length follows from its kind; no id 0; a life of at most 90 days.
        let well_formed = key_len(kind) == Some(prekey.key.len())
            && prekey.id != 0
            && prekey.expires > prekey.created
            && prekey.expires.millis_since(prekey.created) <= PREKEY_LIFETIME_MS;
        let signature = signature_field(&outer.signature)?;
        well_formed.then_some(Self { prekey, signed: outer.prekey, signature })
    }

    /// The kind it claims to be of: a bundle's KEM key may be a one-time one or the last resort.
    pub fn kind(&self) -> PrekeyKind {
        self.prekey.kind
    }

    /// When it claims to expire: for a relay that verified it when it came.
    pub fn expires(&self) -> Timestamp {
        self.prekey.expires
    }

    /// Checks that it is of this kind and this device's, that the device signed it, and that it has not expired.
    ///
    /// # Errors
    /// [`PrekeyError::OtherKind`], [`PrekeyError::OtherDevice`], [`PrekeyError::Expired`] or
    /// [`PrekeyError::BadSignature`].
    pub fn verify(
        self,
        signing_key: &VerifyingKey,
        device_id: &DeviceId,
        expected: PrekeyKind,
        now: Timestamp,
    ) -> Result<SignedPrekey, PrekeyError> {
        let Self { prekey, signed, signature } = self;
        // ACC-22
        if prekey.kind != expected {
            return Err(PrekeyError::OtherKind);
        }
        // ACC-20
        if prekey.device_id != *device_id {
            return Err(PrekeyError::OtherDevice);
        }
        signing_key.verify(&LABEL, &[&signed], &signature).map_err(|_| PrekeyError::BadSignature)?;
        // ACC-23
        if now >= prekey.expires { Err(PrekeyError::Expired) } else { Ok(prekey) }
    }
}

fn key_len(kind: PrekeyKind) -> Option<usize> {
    match kind {
        PrekeyKind::Unspecified => None,
        PrekeyKind::SignedX25519 | PrekeyKind::OneTimeX25519 => Some(X25519_LEN),
        PrekeyKind::OneTimeKem | PrekeyKind::LastResortKem => Some(KEM_LEN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREATED: Timestamp = Timestamp::from_millis(1_800_000_000_000);
    const EXPIRES: Timestamp = CREATED.plus_millis(PREKEY_LIFETIME_MS);

    fn device() -> DeviceSigningKey {
        DeviceSigningKey::from_secret_bytes(&[1; 32])
    }

    fn prekey(kind: PrekeyKind, length: usize) -> Result<SignedPrekey, PrekeyError> {
        SignedPrekey::sign(&device(), kind, 7, &vec![5; length], CREATED, EXPIRES)
    }

    fn verify(prekey: &SignedPrekey, kind: PrekeyKind, now: Timestamp) -> Result<SignedPrekey, PrekeyError> {
        let read = UnverifiedPrekey::decode(prekey.encoded()).unwrap();
        read.verify(&device().verifying_key(), &device().device_id(), kind, now)
    }

    #[test]
    fn acc_20_a_prekey_is_its_devices_alone() {
        let signed = prekey(PrekeyKind::OneTimeX25519, 32).unwrap();
        assert_eq!(verify(&signed, PrekeyKind::OneTimeX25519, CREATED), Ok(signed.clone()));
        let other = DeviceSigningKey::from_secret_bytes(&[2; 32]);
        let read = UnverifiedPrekey::decode(signed.encoded()).unwrap();
        let kind = PrekeyKind::OneTimeX25519;
        let (key, id) = (device().verifying_key(), device().device_id());
        let refusal = read.clone().verify(&other.verifying_key(), &other.device_id(), kind, CREATED);
        assert_eq!(refusal, Err(PrekeyError::OtherDevice));
        assert_eq!(
            read.clone().verify(&other.verifying_key(), &id, kind, CREATED),
            Err(PrekeyError::BadSignature)
        );
        assert_eq!(read.verify(&key, &other.device_id(), kind, CREATED), Err(PrekeyError::OtherDevice));
    }

    #[test]
    fn acc_21_fields_out_of_their_form_are_refused() {
        assert_eq!(prekey(PrekeyKind::SignedX25519, 31), Err(PrekeyError::Malformed));
        assert_eq!(prekey(PrekeyKind::OneTimeKem, 32), Err(PrekeyError::Malformed));
        assert_eq!(prekey(PrekeyKind::Unspecified, 32), Err(PrekeyError::Malformed));
        assert!(prekey(PrekeyKind::LastResortKem, 1184).is_ok());
        let sign = |id, expires| {
            SignedPrekey::sign(&device(), PrekeyKind::SignedX25519, id, &[5; 32], CREATED, expires)
        };
        assert_eq!(sign(0, EXPIRES), Err(PrekeyError::Malformed));
        assert_eq!(sign(7, CREATED), Err(PrekeyError::Malformed));
        assert_eq!(sign(7, EXPIRES.plus_millis(1)), Err(PrekeyError::Malformed));
    }

    #[test]
    fn acc_22_one_kind_does_not_serve_as_another() {
        let signed = prekey(PrekeyKind::OneTimeX25519, 32).unwrap();
        assert_eq!(verify(&signed, PrekeyKind::SignedX25519, CREATED), Err(PrekeyError::OtherKind));
    }

    #[test]
    fn acc_23_nobody_encrypts_to_an_expired_prekey() {
        let signed = prekey(PrekeyKind::SignedX25519, 32).unwrap();
        let last = Timestamp::from_millis(EXPIRES.as_millis() - 1);
        assert!(verify(&signed, PrekeyKind::SignedX25519, last).is_ok());
        assert_eq!(verify(&signed, PrekeyKind::SignedX25519, EXPIRES), Err(PrekeyError::Expired));
    }
}
