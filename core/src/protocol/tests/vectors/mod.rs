//! The test vectors in `proto/vectors`: data that another implementation can use, and that ours is held to.
//!
//! Each file is made here from fixed inputs, must equal what stands on disk (so that a change of format can't pass unseen), and
//! is then read back and checked case by case from the data alone. `WHEESHT_BLESS=1 cargo test vectors` writes the files anew.

mod device_link;
mod envelope;
mod files;
mod group;
mod group_state;
mod kdf;
mod padding;
mod pqxdh;
mod ratchet;
mod safety_number;
mod stored;

use std::{
    convert::Infallible,
    fs,
    path::{Path, PathBuf},
};

use rand_core::{TryCryptoRng, TryRng};
use serde_json::Value;

use crate::{
    crypto::dh::DhSecret,
    signed::{DeviceCertificate, DeviceSigningKey, IdentityKey, UnverifiedCertificate},
    time::Timestamp,
};

pub(super) const NOW: Timestamp = Timestamp::from_millis(1_764_000_000_000);

fn hold(name: &str, made: &Value, check: impl Fn(&Value)) {
    hold_at(&PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../proto/vectors").join(name), made, check);
}

fn hold_at(path: &Path, made: &Value, check: impl Fn(&Value)) {
    if std::env::var_os("WHEESHT_BLESS").is_some() {
        fs::write(path, serde_json::to_string_pretty(made).unwrap() + "\n").unwrap();
    }
    let file: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    assert!(file == *made, "{} differs from what this code makes", path.display());
    let cases = file["cases"].as_array().unwrap();
    assert!(!cases.is_empty());
    cases.iter().for_each(check);
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A field's bytes; `null` and absent are none.
fn bytes(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap_or_default();
    assert!(text.len().is_multiple_of(2));
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn array<const N: usize>(value: &Value) -> [u8; N] {
    bytes(value).try_into().unwrap()
}

fn number(value: &Value) -> u32 {
    u32::try_from(value.as_u64().unwrap()).unwrap()
}

fn certificate(value: &Value) -> DeviceCertificate {
    UnverifiedCertificate::decode(&bytes(value)).unwrap().verify().unwrap()
}

/// Bytes that a vector names, in the order they are asked for.
struct Named(Vec<u8>);

impl TryRng for Named {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        unreachable!("the protocol asks for bytes")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        unreachable!("the protocol asks for bytes")
    }

    fn try_fill_bytes(&mut self, target: &mut [u8]) -> Result<(), Infallible> {
        let rest = self.0.split_off(target.len());
        target.copy_from_slice(&std::mem::replace(&mut self.0, rest));
        Ok(())
    }
}

impl TryCryptoRng for Named {}

/// A device with keys that are easy to read in the files.
struct Device {
    signing: DeviceSigningKey,
    certificate: DeviceCertificate,
}

fn device(fill: u8) -> Device {
    let identity = IdentityKey::from_secret_bytes(&[fill; 32]);
    let signing = DeviceSigningKey::from_secret_bytes(&[fill + 1; 32]);
    let dh = DhSecret::from_secret_bytes(&[fill + 2; 32]);
    let certificate =
        DeviceCertificate::issue(&identity, &signing.verifying_key(), *dh.public().as_bytes(), NOW);
    Device { signing, certificate }
}
