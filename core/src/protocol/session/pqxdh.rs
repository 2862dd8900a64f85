//! PQXDH: the key agreement that begins a session.
//!
//! Signal's published specification, with two changes: every key is under a certificate or signature that the other side has
//! checked, and the keys are derived from a transcript of *all* that was agreed on, not of the identities alone.
//!
//! ```text
//! initiator: device key I, base key E         responder: device key R, signed prekey S, one-time prekey O, KEM prekey P
//!
//! DH1 = (I, S)   DH2 = (E, R)   DH3 = (E, S)   DH4 = (E, O), if there is one   SS = KEM secret for P
//! prf = HKDF-Extract(salt = 0³², 0xFF³² ‖ DH1 ‖ DH2 ‖ DH3 ‖ DH4 ‖ SS)
//! root, session id = derive(prf, …, SHA-256(transcript))
//! ```
//!
//! Rules: `proto/spec/session.md`.

use sha2::{Digest, Sha256};

use super::{SessionId, message::Setup};
use crate::{
    crypto::{
        dh::SharedSecret,
        kdf::Prf,
        kem::KemShared,
        secret::{Secret, secret},
    },
    proto::limits::{PROTOCOL_VERSION, SUITE_1},
    protocol::ratchet::RootKey,
    signed::DeviceCertificate,
};

secret! { struct IdSource; }

/// The four agreements; the last one is there if a one-time prekey was.
pub(super) struct Agreements {
    pub(super) dh1: SharedSecret,
    pub(super) dh2: SharedSecret,
    pub(super) dh3: SharedSecret,
    pub(super) dh4: Option<SharedSecret>,
    pub(super) kem: KemShared,
}

/// The public keys that the set-up names by id.
pub(super) struct PrekeyPublics<'a> {
    pub(super) signed: &'a [u8],
    pub(super) one_time: Option<&'a [u8]>,
    pub(super) kem: &'a [u8],
}

/// All that both sides must have seen alike.
pub(super) struct Transcript<'a> {
    pub(super) initiator: &'a DeviceCertificate,
    pub(super) responder: &'a DeviceCertificate,
    pub(super) setup: &'a Setup,
    pub(super) publics: PrekeyPublics<'a>,
}

impl Agreements {
    // SES-7
    pub(super) fn derive(&self, transcript: &Transcript<'_>) -> (RootKey, SessionId) {
        let Self { dh1, dh2, dh3, dh4, kem } = self;
        let dh4: &[u8] = dh4.as_ref().map_or(&[], |shared| shared.expose());
        let prf = Prf::extract(
            &[0; 32],
            &[&[0xff; 32], dh1.expose(), dh2.expose(), dh3.expose(), dh4, kem.expose()],
        );
        let transcript = transcript.hash();
        let root = prf.derive("wheesht/1 session root", &[&transcript]);
        let id: IdSource = prf.derive("wheesht/1 session id", &[&transcript]);
        (root, SessionId::first_bytes(id.expose()))
    }
}

impl Transcript<'_> {
    // SES-8: what varies in length has its length in front, so a transcript can be read in one way only.
    fn hash(&self) -> [u8; 32] {
        let Self { initiator, responder, setup, publics } = self;
        let mut hash = Sha256::new_with_prefix(b"wheesht/1 session transcript\0");
        let mut put = |bytes: &[u8]| {
            hash.update(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
            hash.update(bytes);
        };
        put(&PROTOCOL_VERSION.to_be_bytes());
        put(&SUITE_1.to_be_bytes());
        put(&setup.generation.to_be_bytes());
        put(initiator.encoded());
        put(responder.encoded());
        put(setup.base_key.as_bytes());
        put(&setup.signed.to_be_bytes());
        put(publics.signed);
        put(&setup.one_time.unwrap_or_default().to_be_bytes());
        put(publics.one_time.unwrap_or_default());
        put(&setup.kem.to_be_bytes());
        put(&[u8::from(setup.last_resort)]);
        put(publics.kem);
        put(&setup.kem_ciphertext);
        hash.finalize().into()
    }
}
