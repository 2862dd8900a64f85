//! What must be refused, rule by rule, and that a refusal changes nothing.

mod envelope;
mod ratchet;
mod sessions;
mod setup;

use chacha20::{ChaCha20Rng, rand_core::SeedableRng};
use prost::Message;

use super::world::{Device, NOW};
use crate::{
    crypto::sign::{Label, SigningKey},
    proto::{
        account,
        session::{PrekeyMessage, RatchetMessage, SessionMessage, session_message::Kind},
    },
    protocol::session::UnverifiedSessionMessage,
    signed::{DeviceCertificate, IdentityKey, UnverifiedCertificate},
};

fn pair() -> (Device, Device) {
    (Device::new(1), Device::new(2))
}

fn parse(message: &[u8]) -> UnverifiedSessionMessage {
    UnverifiedSessionMessage::decode(message).unwrap()
}

fn change_prekey(message: &[u8], change: impl FnOnce(&mut PrekeyMessage)) -> Vec<u8> {
    let mut message = SessionMessage::decode(message).unwrap();
    match message.kind.as_mut() {
        Some(Kind::Prekey(prekey)) => change(prekey),
        _ => panic!("no prekey message"),
    }
    message.encode_to_vec()
}

fn change_ratchet(message: &[u8], change: impl FnOnce(&mut RatchetMessage)) -> Vec<u8> {
    let mut message = SessionMessage::decode(message).unwrap();
    match message.kind.as_mut() {
        Some(Kind::Prekey(prekey)) => change(prekey.message.as_mut().unwrap()),
        Some(Kind::Ratchet(ratchet)) => change(ratchet),
        None => panic!("no message"),
    }
    message.encode_to_vec()
}

/// A certificate with other suites or another minimum than this version's.
fn certificate(device: &Device, suites: Vec<u32>, min_version: u32) -> DeviceCertificate {
    let identity = IdentityKey::generate(&mut ChaCha20Rng::seed_from_u64(9));
    let certificate = account::DeviceCertificate {
        version: 1,
        identity: identity.account_id().to_vec(),
        signing_key: device.certificate.signing_key().as_bytes().to_vec(),
        dh_key: device.certificate.dh_key().to_vec(),
        suites,
        min_version,
        created_ms: NOW.as_millis(),
    }
    .encode_to_vec();
    let signature = SigningKey::from_secret_bytes(&identity.to_secret_bytes())
        .sign(&Label::new("wheesht/1 device certificate"), &[&certificate])
        .to_vec();
    let encoded = account::SignedCertificate { certificate, signature }.encode_to_vec();
    UnverifiedCertificate::decode(&encoded).unwrap().verify().unwrap()
}
