//! What a device signs in its account's name, with its certificate beside it: consent, leaving.
//!
//! The certificate is the identity key's word that the device is the account's; the signature is the device's. Whoever reads it
//! needs nothing else to know which account speaks. That the device still belongs to the account is not said here: it is asked of
//! the newest manifest known.

use wheesht_proto::ids::AccountId;

use crate::{
    crypto::sign::{Label, Signature},
    signed::{DeviceCertificate, UnverifiedCertificate, signature_field},
};

/// Why something signed by a member's device is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WitnessError {
    /// Not the encoding of such a thing, or a field is not of its form.
    #[error("malformed")]
    Malformed,
    /// The device's certificate does not hold, or is another account's.
    #[error("the device's certificate does not hold")]
    Certificate,
    /// The device, or the invitation, did not sign this.
    #[error("the signature does not hold")]
    BadSignature,
}

/// Bytes, who is said to have signed them, and the signature.
#[derive(Debug, Clone)]
pub(super) struct Signed {
    pub(super) body: Vec<u8>,
    certificate: UnverifiedCertificate,
    signature: Signature,
}

impl Signed {
    pub(super) fn read(body: Vec<u8>, certificate: &[u8], signature: &[u8]) -> Result<Self, WitnessError> {
        let certificate = UnverifiedCertificate::decode(certificate).map_err(|_| WitnessError::Malformed)?;
        let signature = signature_field(signature).ok_or(WitnessError::Malformed)?;
        Ok(Self { body, certificate, signature })
    }

    /// The account that the certificate claims.
    pub(super) fn identity(&self) -> AccountId {
        self.certificate.identity()
    }

    /// Checks certificate and signature.
    pub(super) fn verify(self, label: &Label) -> Result<DeviceCertificate, WitnessError> {
        let device = self.certificate.verify().map_err(|_| WitnessError::Certificate)?;
        device
            .signing_key()
            .verify(label, &[&self.body], &self.signature)
            .map_err(|_| WitnessError::BadSignature)?;
        Ok(device)
    }

    /// Takes it at its word: for what this program has verified before.
    pub(super) fn assume_verified(self) -> DeviceCertificate {
        self.certificate.assume_verified()
    }
}
