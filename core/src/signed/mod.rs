//! What a client and a blind relay both verify: signed statements about accounts, devices and records.
//!
//! ```text
//! identity key ──signs──▶ certificate (one device's keys)
//!       │                      ▲ contains
//!       └──────signs──▶ manifest v1 ◀──hash── manifest v2 ◀──hash── …    countersigned by a device of the version before
//!                              │ lists
//!                         device's signing key ──signs──▶ prekeys, statements, logins
//!
//! write key ──signs──▶ record v1 ◀──hash── record v2 ◀──hash── …
//! ```
//!
//! Each kind has two types. `Unverified…` is what bytes decode to; it shows only what is needed to find the key that must
//! have signed it. Verification consumes it and gives the plain type, which can be trusted by construction and keeps the
//! bytes it was read from, since those were signed and hashed. Nothing here needs a secret of anyone else, does I/O or reads
//! a clock; nothing here can decrypt.
//!
//! Specification: `proto/spec/account.md` and `proto/spec/records.md`.

pub mod certificate;
pub mod deletion;
pub mod identity;
pub mod login;
pub mod manifest;
pub mod prekey;
pub mod record;
pub mod statement;

pub use certificate::{CertificateError, DeviceCertificate, UnverifiedCertificate};
pub use deletion::{Deletion, UnverifiedDeletion};
pub use identity::{DeviceSigningKey, IdentityKey, device_id};
pub use login::LoginContext;
pub use manifest::{
    Draft, Manifest, ManifestError, ManifestHead, Step, UnverifiedManifest, verify_chain, verify_history,
};
pub use prekey::{PrekeyError, PrekeyKind, SignedPrekey, UnverifiedPrekey};
pub use record::{Record, RecordError, UnverifiedRecord, record_id};
pub use statement::{Statement, StatementError, UnverifiedStatement};

use prost::Message;

use crate::crypto::sign::Signature;

/// Decodes a wrapper of the form `{ bytes, signatures }` and insists on its one canonical encoding (ACC-3): whatever stands
/// in it unsigned must not give one signed thing two spellings.
pub(crate) fn decode_canonical<M: Message + Default>(bytes: &[u8]) -> Option<M> {
    M::decode(bytes).ok().filter(|message| message.encode_to_vec() == bytes)
}

/// A 64-byte signature field.
pub(crate) fn signature_field(bytes: &[u8]) -> Option<Signature> {
    Signature::try_from(bytes).ok()
}

#[cfg(test)]
mod tests;
