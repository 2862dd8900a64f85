//! A device certificate: the identity key's word that a device with these keys is the account's.
//!
//! It is issued once, when the device joins, and never changes: another DH key or another list of suites makes another
//! certificate, which the manifest's rules treat like another device (ACC-13). It travels inside manifests and inside every
//! sealed envelope. Its encoding is kept as it was signed: a certificate whose bytes equal those of one already verified
//! needs no second verification.

use prost::Message;
use wheesht_proto::{
    account,
    ids::{AccountId, DeviceId},
    limits::{PROTOCOL_VERSION, SUITE_1},
};

use super::{IdentityKey, decode_canonical, device_id, signature_field};
use crate::{
    crypto::sign::{Label, Signature, VerifyingKey},
    time::Timestamp,
};

const LABEL: Label = Label::new("wheesht/1 device certificate");

/// Form of the certificate itself. Another one is another meaning, so it is refused.
const FORMAT: u32 = 1;

/// Largest encoded certificate in bytes. Today's have under 200; the rest is room for suites and fields to come.
const MAX_CERTIFICATE: usize = 700;

/// Most suites that a certificate may name.
const MAX_SUITES: usize = 16;

/// Why a device certificate is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Not the encoding of a certificate, or a field is not of its form.
    #[error("malformed device certificate")]
    Malformed,
    /// Of a form that this version doesn't know: the other side is newer.
    #[error("device certificate of format {0}, which this version doesn't know")]
    Format(u32),
    /// It speaks for another account than the one expected.
    #[error("the device certificate is another account's")]
    OtherAccount,
    /// The identity key did not sign this.
    #[error("the identity key did not sign this device certificate")]
    BadSignature,
}

/// A device as the identity key certifies it: verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceCertificate {
    fields: Fields,
    encoded: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Fields {
    identity: AccountId,
    device_id: DeviceId,
    signing_key: VerifyingKey,
    dh_key: [u8; 32],
    suites: Vec<u32>,
    min_version: u32,
    created: Timestamp,
}

impl DeviceCertificate {
    /// Certifies a device of this protocol version: the one with `signing_key` and the X25519 public key `dh_public`.
    pub fn issue(
        identity: &IdentityKey,
        signing_key: &VerifyingKey,
        dh_public: [u8; 32],
        now: Timestamp,
    ) -> Self {
        let fields = Fields {
            identity: identity.account_id(),
            device_id: device_id(signing_key),
            signing_key: *signing_key,
            dh_key: dh_public,
            suites: vec![SUITE_1],
            min_version: PROTOCOL_VERSION,
            created: now,
        };
        let certificate = fields.encode();
        let signature = identity.sign(&LABEL, &certificate).to_vec();
        Self { fields, encoded: account::SignedCertificate { certificate, signature }.encode_to_vec() }
    }

    /// The account whose device this is.
    pub fn identity(&self) -> AccountId {
        self.fields.identity
    }

    /// The device's id: a hash of its signing key.
    pub fn device_id(&self) -> DeviceId {
        self.fields.device_id
    }

    /// The key with which the device signs prekeys, statements and logins.
    pub fn signing_key(&self) -> &VerifyingKey {
        &self.fields.signing_key
    }

    /// The device's X25519 public key.
    pub fn dh_key(&self) -> &[u8; 32] {
        &self.fields.dh_key
    }

    /// The cipher suites it supports, ascending.
    pub fn suites(&self) -> &[u32] {
        &self.fields.suites
    }

    /// Nobody talks to this device below this protocol version.
    pub fn min_version(&self) -> u32 {
        self.fields.min_version
    }

    /// When the device joined, by the clock of the device that issued the certificate.
    pub fn created(&self) -> Timestamp {
        self.fields.created
    }

    /// The encoded `SignedCertificate`, byte for byte as it was issued.
    pub fn encoded(&self) -> &[u8] {
        &self.encoded
    }
}

/// A certificate as bytes said it, its signature not yet checked.
#[derive(Debug, Clone)]
pub struct UnverifiedCertificate {
    fields: Fields,
    signed: Vec<u8>,
    signature: Signature,
    encoded: Vec<u8>,
}

impl UnverifiedCertificate {
    /// Reads an encoded `SignedCertificate`.
    ///
    /// # Errors
    /// [`CertificateError::Malformed`] or [`CertificateError::Format`].
    pub fn decode(bytes: &[u8]) -> Result<Self, CertificateError> {
        if bytes.len() > MAX_CERTIFICATE {
            return Err(CertificateError::Malformed);
        }
        // ACC-3
        let outer: account::SignedCertificate = decode_canonical(bytes).ok_or(CertificateError::Malformed)?;
        let signature = signature_field(&outer.signature).ok_or(CertificateError::Malformed)?;
        let inner = account::DeviceCertificate::decode(&*outer.certificate)
            .map_err(|_| CertificateError::Malformed)?;
        // ACC-6; ACC-7: fields that this version doesn't know are signed like the others, and passed over.
        if inner.version != FORMAT {
            return Err(CertificateError::Format(inner.version));
        }
        let fields = Fields::read(inner).ok_or(CertificateError::Malformed)?;
        Ok(Self { fields, signed: outer.certificate, signature, encoded: bytes.to_vec() })
    }

    /// The account it claims to speak for.
    pub fn identity(&self) -> AccountId {
        self.fields.identity
    }

    /// The device it claims to be.
    pub fn device_id(&self) -> DeviceId {
        self.fields.device_id
    }

    /// The bytes it was read from. If they equal a verified certificate's [`DeviceCertificate::encoded`], that one can be
    /// used in its place.
    pub fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    /// Checks the signature by the identity key that it names. Whether that identity is the right one is the caller's
    /// question; see [`Self::verify_by`].
    ///
    /// # Errors
    /// [`CertificateError::BadSignature`].
    pub fn verify(self) -> Result<DeviceCertificate, CertificateError> {
        let Self { fields, signed, signature, encoded } = self;
        // ACC-5
        let key = VerifyingKey::from_bytes(fields.identity.as_bytes())
            .map_err(|_| CertificateError::BadSignature)?;
        key.verify(&LABEL, &[&signed], &signature).map_err(|_| CertificateError::BadSignature)?;
        Ok(DeviceCertificate { fields, encoded })
    }

    /// Takes the bytes at their word. **Only** for what this program has verified before and kept where nobody else
    /// writes: its own store.
    pub fn assume_verified(self) -> DeviceCertificate {
        DeviceCertificate { fields: self.fields, encoded: self.encoded }
    }

    /// Checks that it speaks for this account, and the signature.
    ///
    /// # Errors
    /// [`CertificateError::OtherAccount`] or [`CertificateError::BadSignature`].
    pub fn verify_by(self, identity: &AccountId) -> Result<DeviceCertificate, CertificateError> {
        if self.fields.identity == *identity { self.verify() } else { Err(CertificateError::OtherAccount) }
    }
}

impl Fields {
    fn encode(&self) -> Vec<u8> {
        let message = account::DeviceCertificate {
            version: FORMAT,
            identity: self.identity.to_vec(),
            signing_key: self.signing_key.as_bytes().to_vec(),
            dh_key: self.dh_key.to_vec(),
            suites: self.suites.clone(),
            min_version: self.min_version,
            created_ms: self.created.as_millis(),
        };
        message.encode_to_vec()
    }

    fn read(message: account::DeviceCertificate) -> Option<Self> {
        let signing_key = VerifyingKey::try_from(&*message.signing_key).ok()?;
        // ACC-6: suites ascending, at least one; versions begin at 1.
        let suites = &message.suites;
        let well_formed = !suites.is_empty()
            && suites.len() <= MAX_SUITES
            && suites.is_sorted_by(|one, next| one < next)
            && message.min_version > 0;
        well_formed.then_some(Self {
            identity: AccountId::try_from(&*message.identity).ok()?,
            device_id: device_id(&signing_key),
            signing_key,
            dh_key: message.dh_key.try_into().ok()?,
            suites: message.suites,
            min_version: message.min_version,
            created: Timestamp::from_millis(message.created_ms),
        })
    }
}

#[cfg(test)]
mod tests;
