//! The cryptographic state machines, sans-I/O: bytes, time and randomness come in; results, and the state to store, come out.
//!
//! ```text
//!   content ──pad──▶ ratchet message ──▶ session message ──seal──▶ envelope ──▶ (relay) ──▶ open ──▶ … ──▶ content
//!                    [ratchet]           [session]       [envelope]
//!   [attachment]: a file of any size, chunk by chunk
//!   [presence]: what is said in passing, and never stored
//!   [profile]: what somebody shows of themselves
//!   [group]: the same for many: one chain per sender, one envelope for all
//!   [prekeys]: what lets a session begin while the other side is away
//!   [safety_number]: what lets two people see that no one stands between them
//! ```
//!
//! Nothing here stores anything. What decrypts returns the state after it; the caller writes that, with the changes to skipped
//! keys and prekeys that come with it, in one transaction. On an error there is nothing to write and nothing to undo.
//!
//! Specification: `proto/spec/session.md`, `ratchet.md`, `envelope.md`, `group.md`, `group-messages.md`, `presence.md`, `files.md`, `padding.md`, `safety-number.md`; test vectors:
//! `proto/vectors`.

pub mod attachment;
mod codec;
pub mod device_link;
pub mod envelope;
pub mod group;
pub mod padding;
pub mod prekeys;
pub mod presence;
pub mod profile;
mod ratchet;
pub mod safety_number;
pub mod session;

#[cfg(test)]
mod tests;

pub use codec::InvalidStored;
pub use ratchet::{MessageKey, SkippedDelta, SkippedId, SkippedKeys};
pub use session::Session;

use crate::{crypto::dh::DhSecret, signed::DeviceCertificate};

/// The device that acts here: its certificate as it is published, and the secret half of the X25519 key in it.
#[derive(Debug, Clone, Copy)]
pub struct LocalDevice<'a> {
    /// The published certificate.
    pub certificate: &'a DeviceCertificate,
    /// The secret of its `dh_key`.
    pub dh: &'a DhSecret,
}
