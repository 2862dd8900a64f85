//! What the vectors of the ratchet need and nothing else may: a session from a bare root key.

use super::{Session, SessionId, UnverifiedSessionMessage};
use crate::{
    crypto::{dh::DhSecret, secret::Secret},
    protocol::{
        padding,
        ratchet::{Incoming, Ratchet, RootKey, SkippedDelta},
    },
    signed::DeviceCertificate,
    time::Timestamp,
};

impl Session {
    fn bare(id: SessionId, peer: &DeviceCertificate, ratchet: Ratchet) -> Self {
        Self {
            id,
            generation: 0,
            account: peer.identity(),
            device: peer.device_id(),
            last_step: Timestamp::from_millis(0),
            unanswered: None,
            ratchet,
        }
    }

    /// An initiator's, already answered.
    pub(in crate::protocol) fn of_initiator(
        id: SessionId,
        peer: &DeviceCertificate,
        root: &[u8; 32],
        signed_prekey: &DhSecret,
    ) -> Self {
        Self::bare(id, peer, Ratchet::initiator(RootKey::restore(root), *signed_prekey.public()))
    }

    /// A responder's, from the first message that arrives.
    pub(in crate::protocol) fn of_responder(
        peer: &DeviceCertificate,
        root: &[u8; 32],
        signed_prekey: &DhSecret,
        first: &UnverifiedSessionMessage,
        aad: &[u8],
    ) -> Option<(Self, SkippedDelta, Vec<u8>)> {
        let received = Ratchet::responder(RootKey::restore(root), signed_prekey)
            .open(&Incoming {
                session: first.session,
                position: &first.position,
                synthetic: &first.synthetic,
                ciphertext: &first.ciphertext,
                aad: &first.aad(aad),
            })
            .ok()?;
        let content = padding::unpad(&received.padded).ok()?.to_vec();
        Some((Self::bare(first.session, peer, received.ratchet), received.skipped, content))
    }
}
