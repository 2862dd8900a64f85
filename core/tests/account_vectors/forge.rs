//! What an implementation of the specification's words would make, right or wrong: labels, hashes and signatures from the
//! bare primitives.

use sha2::{Digest, Sha256};
use wheesht_core::{
    crypto::sign::{Label, SigningKey},
    proto::{account, prost::Message},
};

pub(crate) const NOW_MS: u64 = 1_800_000_000_000;
pub(crate) const ADDRESS: &str = "alice@relay.example.org";

pub(crate) const CERTIFICATE: Label = Label::new("wheesht/1 device certificate");
pub(crate) const MANIFEST: Label = Label::new("wheesht/1 device manifest");
pub(crate) const COUNTERSIGNATURE: Label = Label::new("wheesht/1 device manifest countersignature");
pub(crate) const PREKEY: Label = Label::new("wheesht/1 prekey");
pub(crate) const STATEMENT: Label = Label::new("wheesht/1 device statement");
pub(crate) const LOGIN: Label = Label::new("wheesht/1 device login");
pub(crate) const RECORD: Label = Label::new("wheesht/1 record");

/// Alice's identity key.
pub(crate) fn identity() -> SigningKey {
    SigningKey::from_secret_bytes(&[0x11; 32])
}

/// Somebody else's.
pub(crate) fn stranger() -> SigningKey {
    SigningKey::from_secret_bytes(&[0x99; 32])
}

/// The signing key of device 1, 2, 3, …
pub(crate) fn device(number: u8) -> SigningKey {
    SigningKey::from_secret_bytes(&[0x20 + number; 32])
}

pub(crate) fn public(key: &SigningKey) -> Vec<u8> {
    key.verifying_key().as_bytes().to_vec()
}

pub(crate) fn sha256(parts: &[&[u8]]) -> Vec<u8> {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().to_vec()
}

pub(crate) fn device_id(key: &SigningKey) -> Vec<u8> {
    sha256(&[b"wheesht/1 device id", &public(key)])[..16].to_vec()
}

pub(crate) fn certificate_message(key: &SigningKey) -> account::DeviceCertificate {
    account::DeviceCertificate {
        version: 1,
        identity: public(&identity()),
        signing_key: public(key),
        dh_key: vec![0x33; 32],
        suites: vec![1],
        min_version: 1,
        created_ms: NOW_MS,
    }
}

pub(crate) fn sign_certificate(identity: &SigningKey, message: &account::DeviceCertificate) -> Vec<u8> {
    let certificate = message.encode_to_vec();
    let signature = identity.sign(&CERTIFICATE, &[&certificate]).to_vec();
    account::SignedCertificate { certificate, signature }.encode_to_vec()
}

/// A device's certificate as it should be.
pub(crate) fn certificate(key: &SigningKey) -> Vec<u8> {
    sign_certificate(&identity(), &certificate_message(key))
}

/// A manifest with the certificates of these devices, in the order of their ids.
pub(crate) fn manifest_message(
    version: u64,
    previous: &[u8],
    devices: &[&SigningKey],
) -> account::DeviceManifest {
    let mut devices = devices.to_vec();
    devices.sort_by_key(|key| device_id(key));
    account::DeviceManifest {
        state_key: Vec::new(),
        format: 1,
        address: ADDRESS.into(),
        identity: public(&identity()),
        version,
        previous: previous.to_vec(),
        devices: devices.into_iter().map(certificate).collect(),
        created_ms: NOW_MS,
    }
}

pub(crate) fn sign_manifest(
    identity: &SigningKey,
    message: &account::DeviceManifest,
    countersigner: Option<&SigningKey>,
) -> Vec<u8> {
    let manifest = message.encode_to_vec();
    let mut signed = account::SignedManifest {
        identity_signature: identity.sign(&MANIFEST, &[&manifest]).to_vec(),
        manifest,
        ..Default::default()
    };
    if let Some(device) = countersigner {
        signed.countersigner = device_id(device);
        signed.countersignature = device.sign(&COUNTERSIGNATURE, &[&signed.manifest]).to_vec();
    }
    signed.encode_to_vec()
}

/// The hash by which the next version names this one.
pub(crate) fn manifest_hash(signed: &[u8]) -> Vec<u8> {
    sha256(&[&account::SignedManifest::decode(signed).unwrap().manifest])
}
