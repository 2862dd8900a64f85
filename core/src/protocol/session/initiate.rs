//! Beginning a session with a device, from its bundle.

use std::sync::Arc;

use rand_core::CryptoRng;

use super::{
    Session, Unanswered,
    message::Setup,
    pqxdh::{Agreements, PrekeyPublics, Transcript},
};
use crate::{
    crypto::{
        dh::{DhPublic, DhSecret, LowOrderPoint},
        kem::{Kem, MlKem768},
    },
    proto::limits::{PROTOCOL_VERSION, SUITE_1},
    protocol::{LocalDevice, prekeys::Bundle, ratchet::Ratchet},
    signed::{DeviceCertificate, PrekeyKind, SignedPrekey},
    time::Timestamp,
};

/// Why no session was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InitiateError {
    /// The other device is this one.
    #[error("a device has no session with itself")]
    OwnDevice,
    /// The other device speaks no suite that this one knows, or no version as low as this one's.
    #[error("the other device needs a newer version")]
    NothingInCommon,
    /// The bundle is another device's.
    #[error("the bundle is another device's")]
    OtherDevice,
    /// The bundle has expired since it was verified.
    #[error("the prekeys have expired")]
    Expired,
    /// One of the keys can't be agreed with: the device published it so.
    #[error("an unusable key")]
    UnusableKey,
}

impl Session {
    /// Begins a session. `generation` is [`next_generation`](super::next_generation) of the sessions with that device.
    ///
    /// # Errors
    /// [`InitiateError`].
    pub fn initiate(
        local: &LocalDevice<'_>,
        peer: &DeviceCertificate,
        bundle: &Bundle,
        generation: u32,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Self, InitiateError> {
        check_peer(local, peer, bundle, now)?;
        let unusable = |_| InitiateError::UnusableKey;
        let signed_key = bundle.signed_key().ok_or(InitiateError::UnusableKey)?;
        let one_time = bundle.one_time.as_ref();
        let one_time_key =
            one_time.map(|prekey| DhPublic::try_from(prekey.key())).transpose().map_err(unusable)?;

        let base = DhSecret::generate(rng);
        let (kem_ciphertext, kem) =
            MlKem768::encapsulate(bundle.kem.key(), rng).map_err(|_| InitiateError::UnusableKey)?;
        let unusable = |LowOrderPoint| InitiateError::UnusableKey;
        let agreements = Agreements {
            dh1: local.dh.agree(&signed_key).map_err(unusable)?,
            dh2: base.agree(&DhPublic::new(*peer.dh_key())).map_err(unusable)?,
            dh3: base.agree(&signed_key).map_err(unusable)?,
            dh4: one_time_key.map(|key| base.agree(&key)).transpose().map_err(unusable)?,
            kem,
        };
        let setup = Setup {
            generation,
            base_key: *base.public(),
            signed: bundle.signed.id(),
            one_time: one_time.map(SignedPrekey::id),
            kem: bundle.kem.id(),
            last_resort: bundle.kem.kind() == PrekeyKind::LastResortKem,
            kem_ciphertext,
        };
        let transcript = Transcript {
            initiator: local.certificate,
            responder: peer,
            setup: &setup,
            publics: PrekeyPublics {
                signed: bundle.signed.key(),
                one_time: one_time.map(SignedPrekey::key),
                kem: bundle.kem.key(),
            },
        };
        let (root, id) = agreements.derive(&transcript);
        Ok(Self {
            id,
            generation,
            account: peer.identity(),
            device: peer.device_id(),
            last_step: now,
            unanswered: Some(Unanswered { setup: Arc::new(setup), usable_until: bundle.expires() }),
            ratchet: Ratchet::initiator(root, signed_key),
        })
    }
}

fn check_peer(
    local: &LocalDevice<'_>,
    peer: &DeviceCertificate,
    bundle: &Bundle,
    now: Timestamp,
) -> Result<(), InitiateError> {
    // SES-6
    if peer.device_id() == local.certificate.device_id() {
        return Err(InitiateError::OwnDevice);
    }
    if !peer.suites().contains(&SUITE_1) || peer.min_version() > PROTOCOL_VERSION {
        return Err(InitiateError::NothingInCommon);
    }
    // SES-5
    if bundle.signed.device_id() != peer.device_id() {
        return Err(InitiateError::OtherDevice);
    }
    if now >= bundle.expires() {
        return Err(InitiateError::Expired);
    }
    Ok(())
}
