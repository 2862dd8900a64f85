//! Passwords without showing them: OPAQUE-3DH (RFC 9807) on ristretto255, SHA-512 and Argon2id.
//!
//! ```text
//!  person's device                         relay
//!  RegistrationFlow::start ──request──▶ ServerSetup::registration_start
//!            │            ◀──response──      (nothing kept)
//!         finish (slow)   ───upload───▶ ServerSetup::registration_finish ──▶ PasswordRecord, kept with the account
//!            ▼
//!        ExportKey
//!
//!  LoginFlow::start       ──request──▶ ServerSetup::login_start(record, or none: a simulated answer)
//!            │            ◀──response──      │ ServerLogin, kept by the connection
//!         finish (slow)   ─finalization▶  finish ──▶ the password was right
//!            ▼
//!        ExportKey
//! ```
//!
//! The relay never sees the password and can't precompute; it can guess offline, at Argon2id's cost, since it holds the
//! record. The cost is the specification's ([`KsfCost::SPEC`]) and never the relay's word. The [`ExportKey`] opens the root
//! vault and is known to the person's device only. A name that doesn't exist gets an answer that looks like any other and
//! fails like a wrong password.
//!
//! These are thin wrappers: bytes on the wire, typed state in between, each state consumed by the next step. Both sides
//! need only this module. Rules: `proto/spec/account.md`, section *Password*.

mod client;
mod normalize;
mod rng;
mod server;

use std::fmt;

use opaque_ke::{CipherSuite, Ristretto255, TripleDh, argon2};
use wheesht_proto::address::Name;
use zeroize::{Zeroize, ZeroizeOnDrop};

pub use client::{LoggedIn, LoginFlow, Registered, RegistrationFlow};
pub use normalize::normalize_password;
pub use server::{PasswordRecord, ServerLogin, ServerSetup};

/// Said by both sides into the transcript of a login (PWD-1).
const CONTEXT: &[u8] = b"wheesht/1 opaque";

/// The cipher suite (PWD-1).
#[derive(Debug, Clone, Copy)]
pub struct Suite;

impl CipherSuite for Suite {
    type OprfCs = Ristretto255;
    type KeyExchange = TripleDh<Ristretto255, opaque_sha2::Sha512>;
    type Ksf = argon2::Argon2<'static>;
}

/// Why a step of OPAQUE failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpaqueError {
    /// The other side's bytes are not of their form.
    #[error("malformed password message")]
    Malformed,
    /// Wrong password, unknown name, or a relay that doesn't know the record: one answer for all.
    #[error("wrong name or password")]
    BadCredentials,
    /// The password stretching failed: not enough memory.
    #[error("not enough memory to stretch the password")]
    Stretching,
}

/// Lengths of the messages (RFC 9807 with this suite), which the library's readers don't insist on.
mod length {
    pub(super) const REGISTRATION_REQUEST: usize = 32;
    pub(super) const REGISTRATION_RESPONSE: usize = 64;
    pub(super) const RECORD: usize = 192;
    pub(super) const REQUEST: usize = 96;
    pub(super) const RESPONSE: usize = 320;
    pub(super) const FINALIZATION: usize = 64;
    pub(super) const SETUP: usize = 128;
}

/// The bytes, if they are as many as they must be: nothing rides along behind a message (PWD-1).
fn exactly(bytes: &[u8], length: usize) -> Result<&[u8], OpaqueError> {
    if bytes.len() == length { Ok(bytes) } else { Err(OpaqueError::Malformed) }
}

/// Who logs in, and where. Bound into record and transcript, so a record serves for this name on this relay only (PWD-2).
#[derive(Debug, Clone, Copy)]
pub struct Identifiers<'a> {
    /// The account's name.
    pub name: &'a Name,
    /// The relay's name: what stands after the `@`, with the port if it isn't the usual one.
    pub relay: &'a str,
}

impl<'a> Identifiers<'a> {
    fn to_opaque(self) -> opaque_ke::Identifiers<'a> {
        opaque_ke::Identifiers {
            client: Some(self.name.as_str().as_bytes()),
            server: Some(self.relay.as_bytes()),
        }
    }
}

/// What stretching a password costs. Both registration and login need the same; nothing stores it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KsfCost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl KsfCost {
    /// The specification's: Argon2id with 64 MiB, 3 passes, 4 lanes, the second recommendation of RFC 9106 (PWD-3).
    pub const SPEC: Self = Self { memory_kib: 64 * 1024, passes: 3, lanes: 4 };

    /// Next to nothing. **For simulations only**, which log in ten thousand times: a record made with it is guessed at once,
    /// and doesn't open with [`KsfCost::SPEC`].
    pub const fn insecure_fast() -> Self {
        Self { memory_kib: 8, passes: 1, lanes: 1 }
    }

    fn to_argon2(self) -> Result<argon2::Argon2<'static>, OpaqueError> {
        let params = argon2::Params::new(self.memory_kib, self.passes, self.lanes, None);
        let params = params.map_err(|_| OpaqueError::Stretching)?;
        Ok(argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params))
    }
}

impl Default for KsfCost {
    fn default() -> Self {
        Self::SPEC
    }
}

/// 64 bytes that only the right password gives, the same at every login: the root vault is sealed under it. Wiped on drop.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct ExportKey([u8; 64]);

impl ExportKey {
    /// From the bytes, for tests and vectors.
    pub const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// The bytes: key material for a derivation, never a key itself.
    pub const fn expose(&self) -> &[u8; 64] {
        &self.0
    }

    /// Takes the bytes over and wipes where they stood.
    fn take(mut output: impl AsMut<[u8]>) -> Self {
        let mut key = Self([0; 64]);
        let output = output.as_mut();
        key.0.iter_mut().zip(output.iter()).for_each(|(to, from)| *to = *from);
        output.zeroize();
        key
    }
}

impl fmt::Debug for ExportKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.debug_struct("ExportKey").finish_non_exhaustive()
    }
}

impl From<opaque_ke::errors::ProtocolError> for OpaqueError {
    fn from(error: opaque_ke::errors::ProtocolError) -> Self {
        use opaque_ke::errors::{InternalError, ProtocolError};
        match error {
            ProtocolError::InvalidLoginError => Self::BadCredentials,
            ProtocolError::LibraryError(InternalError::KsfError) => Self::Stretching,
            _ => Self::Malformed,
        }
    }
}

#[cfg(test)]
mod tests;
