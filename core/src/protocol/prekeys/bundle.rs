//! One device's prekeys as a relay hands them out, and their verification.

use crate::{
    crypto::dh::DhPublic,
    proto::relay,
    signed::{DeviceCertificate, PrekeyError, PrekeyKind, SignedPrekey, UnverifiedPrekey},
    time::Timestamp,
};

/// Why a bundle is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// The signed prekey is missing or doesn't hold.
    #[error("signed prekey: {0}")]
    Signed(PrekeyError),
    /// The one-time prekey doesn't hold.
    #[error("one-time prekey: {0}")]
    OneTime(PrekeyError),
    /// The KEM prekey is missing or doesn't hold.
    #[error("KEM prekey: {0}")]
    Kem(PrekeyError),
}

/// A bundle as a relay said it.
#[derive(Debug, Clone)]
pub struct UnverifiedBundle {
    signed: UnverifiedPrekey,
    one_time: Option<UnverifiedPrekey>,
    kem: UnverifiedPrekey,
}

/// One device's prekeys, verified: signed by the device, of the right kinds, not expired.
#[derive(Debug, Clone)]
pub struct Bundle {
    pub(in crate::protocol) signed: SignedPrekey,
    pub(in crate::protocol) one_time: Option<SignedPrekey>,
    pub(in crate::protocol) kem: SignedPrekey,
}

impl UnverifiedBundle {
    /// Reads a relay's answer.
    ///
    /// # Errors
    /// [`BundleError`] if a prekey is missing or malformed.
    pub fn decode(bundle: &relay::Bundle) -> Result<Self, BundleError> {
        let relay::Bundle { signed_prekey, one_time, kem } = bundle;
        let one_time = (!one_time.is_empty()).then(|| UnverifiedPrekey::decode(one_time));
        Ok(Self {
            signed: UnverifiedPrekey::decode(signed_prekey).map_err(BundleError::Signed)?,
            one_time: one_time.transpose().map_err(BundleError::OneTime)?,
            kem: UnverifiedPrekey::decode(kem).map_err(BundleError::Kem)?,
        })
    }

    /// Verifies all of it against the device's certificate, which is verified itself.
    ///
    /// # Errors
    /// [`BundleError`] with the first prekey that doesn't hold.
    // SES-5
    pub fn verify(self, device: &DeviceCertificate, now: Timestamp) -> Result<Bundle, BundleError> {
        let verify = |prekey: UnverifiedPrekey, kind| {
            prekey.verify(device.signing_key(), &device.device_id(), kind, now)
        };
        let Self { signed, one_time, kem } = self;
        let kem_kind = match kem.kind() {
            PrekeyKind::LastResortKem => PrekeyKind::LastResortKem,
            _ => PrekeyKind::OneTimeKem,
        };
        Ok(Bundle {
            signed: verify(signed, PrekeyKind::SignedX25519).map_err(BundleError::Signed)?,
            one_time: one_time
                .map(|prekey| verify(prekey, PrekeyKind::OneTimeX25519))
                .transpose()
                .map_err(BundleError::OneTime)?,
            kem: verify(kem, kem_kind).map_err(BundleError::Kem)?,
        })
    }
}

impl Bundle {
    /// Until when sessions may be begun with it, and messages encrypted in one that was never answered.
    pub fn expires(&self) -> Timestamp {
        let one_time = self.one_time.as_ref().map_or(self.kem.expires(), SignedPrekey::expires);
        self.signed.expires().min(self.kem.expires()).min(one_time)
    }

    /// The signed prekey as a DH key. Verification has checked its length.
    pub(in crate::protocol) fn signed_key(&self) -> Option<DhPublic> {
        DhPublic::try_from(self.signed.key()).ok()
    }
}
