//! Prekeys: what lets others begin a session with a device that is away.
//!
//! A device makes them in batches ([`PrekeyBatch`]), uploads the signed public halves and keeps each private half
//! ([`PrivatePrekey`]) in a row of its own. Whoever wants to write to it fetches one of each kind: a [`Bundle`], verified
//! against the device's certificate.
//!
//! The private half outlives the public one: an envelope may be under way for 30 days. Rules: `proto/spec/session.md`.

mod bundle;
mod private;

pub use bundle::{Bundle, BundleError, UnverifiedBundle};
pub(super) use private::PrekeySecret;
pub use private::PrivatePrekey;

use rand_core::CryptoRng;

use crate::{
    proto::limits::PREKEY_LIFETIME_MS,
    signed::{DeviceSigningKey, PrekeyError, PrekeyKind, SignedPrekey},
    time::Timestamp,
};

/// Prekeys of one kind, made together.
#[derive(Debug)]
pub struct PrekeyBatch {
    /// What is uploaded.
    pub public: Vec<SignedPrekey>,
    /// What is kept: a row each, under its id.
    pub private: Vec<PrivatePrekey>,
}

impl PrekeyBatch {
    /// Makes `count` prekeys of one kind, with the ids `first_id`, `first_id + 1`, … One counter numbers a device's prekeys of
    /// all kinds, so that an id names one row; it begins at 1.
    ///
    /// # Errors
    /// [`PrekeyError::Malformed`] if the kind is unspecified, or the ids run through 0.
    pub fn generate(
        device: &DeviceSigningKey,
        kind: PrekeyKind,
        first_id: u32,
        count: usize,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Self, PrekeyError> {
        // SES-19
        let expires = now.plus_millis(PREKEY_LIFETIME_MS);
        let mut batch = Self { public: Vec::with_capacity(count), private: Vec::with_capacity(count) };
        for id in (0..count).map(|n| u32::try_from(n).ok().and_then(|n| first_id.checked_add(n))) {
            let id = id.ok_or(PrekeyError::Malformed)?;
            let private = PrivatePrekey::generate(kind, id, expires, rng).ok_or(PrekeyError::Malformed)?;
            batch.public.push(SignedPrekey::sign(device, kind, id, &private.public_key(), now, expires)?);
            batch.private.push(private);
        }
        Ok(batch)
    }
}
