//! The sealed envelope: what a relay sees of a message is an address and these bytes, never the sender.
//!
//! ```text
//! version ‖ suite ‖ ephemeral key ‖ commitment ‖ ciphertext ‖ tag
//!    1        1          32             32           …        16
//!
//! agreed = X25519(ephemeral, recipient device's key)
//! key    = derive(HKDF-Extract(ephemeral key ‖ recipient key, agreed), "envelope", recipient device)
//! inside = the sender's certificate, the session message
//! ```
//!
//! The seal hides; it proves nothing about the sender, since certificates are public. Who sent it is proved by the session
//! message: the certificate's device must be the session's peer. The AEAD commits to its key, so an envelope opens for one
//! recipient only. Rules: `proto/spec/envelope.md`.

use prost::Message;
use rand_core::CryptoRng;

use super::{
    LocalDevice, padding,
    session::{MalformedMessage, UnverifiedSessionMessage},
};
use crate::{
    crypto::{
        aead::{self, COMMITMENT_LEN, CommittingKey, TAG_LEN},
        dh::{DhPublic, DhSecret, LowOrderPoint, SharedSecret},
        kdf::Prf,
        secret::Secret,
    },
    proto::{
        ids::DeviceId,
        limits::{MAX_ENVELOPE, MAX_EPHEMERAL, SUITE_1},
        session::SealedContent,
    },
    signed::{CertificateError, DeviceCertificate, UnverifiedCertificate},
};

const VERSION: u8 = 1;
#[expect(clippy::cast_possible_truncation, reason = "suites are numbered below 256")]
const SUITE: u8 = SUITE_1 as u8;

/// Version, suite, ephemeral key.
const HEADER_LEN: usize = 2 + 32;

/// What an envelope adds to its content, in bytes.
pub const OVERHEAD: usize = HEADER_LEN + COMMITMENT_LEN + TAG_LEN;

/// Why nothing was sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The recipient's device key can't be agreed with.
    #[error("the recipient's device key is unusable")]
    UnusableKey,
    /// The message is too large for an envelope.
    #[error("the message is too large for an envelope")]
    TooLarge,
}

/// Why an envelope was not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Too short, too long, or of another form.
    #[error("malformed envelope")]
    Malformed,
    /// Of a version or suite that this one doesn't know.
    #[error("an envelope of version {version}, suite {suite}")]
    Unknown {
        /// Its version.
        version: u8,
        /// Its cipher suite.
        suite: u8,
    },
    /// Not sealed for this device, or changed on the way.
    #[error("not authentic")]
    NotAuthentic,
    /// The certificate inside is none.
    #[error("in the envelope: {0}")]
    Certificate(CertificateError),
    /// The message inside is none.
    #[error("in the envelope: {0}")]
    Message(MalformedMessage),
}

/// What was in an envelope.
#[derive(Debug, Clone)]
pub struct Opened {
    /// Who the sender claims to be. Verified by its signature, or by being byte-equal to one that was; believed once a session
    /// with that device has decrypted the message.
    pub certificate: UnverifiedCertificate,
    /// The session message.
    pub message: UnverifiedSessionMessage,
}

/// Seals a session message for one device.
///
/// # Errors
/// [`SealError`].
pub fn seal(
    recipient: &DeviceCertificate,
    sender: &DeviceCertificate,
    session_message: &[u8],
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<Vec<u8>, SealError> {
    let content = SealedContent {
        certificate: sender.encoded().to_vec(),
        message: session_message.to_vec(),
        ephemeral: Vec::new(),
    };
    seal_content(recipient, content, MAX_ENVELOPE, rng)
}

/// Seals a [statement](super::presence) for one device, in an envelope that is never stored.
///
/// # Errors
/// [`SealError`].
// PRE-14
pub fn seal_ephemeral(
    recipient: &DeviceCertificate,
    sender: &DeviceCertificate,
    statement: &[u8],
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<Vec<u8>, SealError> {
    let content = SealedContent {
        certificate: sender.encoded().to_vec(),
        message: Vec::new(),
        ephemeral: padding::pad(statement).to_vec(),
    };
    seal_content(recipient, content, MAX_EPHEMERAL, rng)
}

fn seal_content(
    recipient: &DeviceCertificate,
    content: SealedContent,
    most: usize,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<Vec<u8>, SealError> {
    let content = content.encode_to_vec();
    // ENV-2
    if content.len().saturating_add(OVERHEAD) > most {
        return Err(SealError::TooLarge);
    }
    let recipient_key = DhPublic::new(*recipient.dh_key());
    let ephemeral = DhSecret::generate(rng);
    let agreed = ephemeral.agree(&recipient_key).map_err(|LowOrderPoint| SealError::UnusableKey)?;
    let key = derive(&agreed, ephemeral.public(), &recipient_key, &recipient.device_id());
    let mut envelope = Vec::with_capacity(content.len() + OVERHEAD);
    envelope.extend_from_slice(&[VERSION, SUITE]);
    envelope.extend_from_slice(ephemeral.public().as_bytes());
    aead::seal_committed(
        key,
        &additional_data(ephemeral.public(), &recipient.device_id()),
        &content,
        &mut envelope,
    );
    Ok(envelope)
}

/// Opens an envelope with a device's key.
///
/// # Errors
/// [`OpenError`].
pub fn open(device: &LocalDevice<'_>, envelope: &[u8]) -> Result<Opened, OpenError> {
    let content = open_content(device, envelope)?;
    Ok(Opened {
        certificate: UnverifiedCertificate::decode(&content.certificate).map_err(OpenError::Certificate)?,
        message: UnverifiedSessionMessage::decode(&content.message).map_err(OpenError::Message)?,
    })
}

/// Opens an envelope that was not stored: who claims to have sealed it, and the statement in it.
///
/// # Errors
/// [`OpenError`].
// PRE-14
pub fn open_ephemeral(
    device: &LocalDevice<'_>,
    envelope: &[u8],
) -> Result<(UnverifiedCertificate, Vec<u8>), OpenError> {
    let content = open_content(device, envelope)?;
    let certificate = UnverifiedCertificate::decode(&content.certificate).map_err(OpenError::Certificate)?;
    let statement = padding::unpad(&content.ephemeral).map_err(|_| OpenError::Malformed)?;
    Ok((certificate, statement.to_vec()))
}

fn open_content(device: &LocalDevice<'_>, envelope: &[u8]) -> Result<SealedContent, OpenError> {
    // ENV-2
    if envelope.len() > MAX_ENVELOPE {
        return Err(OpenError::Malformed);
    }
    // ENV-1
    let ([version, suite], rest) = envelope.split_first_chunk().ok_or(OpenError::Malformed)?;
    if (*version, *suite) != (VERSION, SUITE) {
        return Err(OpenError::Unknown { version: *version, suite: *suite });
    }
    let (ephemeral, sealed) = rest.split_first_chunk().ok_or(OpenError::Malformed)?;
    let ephemeral = DhPublic::new(*ephemeral);
    let id = device.certificate.device_id();
    // ENV-3
    let agreed = device.dh.agree(&ephemeral).map_err(|LowOrderPoint| OpenError::NotAuthentic)?;
    let key = derive(&agreed, &ephemeral, device.dh.public(), &id);
    let content = aead::open_committed(key, &additional_data(&ephemeral, &id), sealed)
        .map_err(|_| OpenError::NotAuthentic)?;
    // ENV-7
    SealedContent::decode(&**content).map_err(|_| OpenError::Malformed)
}

// ENV-4
fn derive(
    agreed: &SharedSecret,
    ephemeral: &DhPublic,
    recipient: &DhPublic,
    device: &DeviceId,
) -> CommittingKey {
    let salt = [*ephemeral.as_bytes(), *recipient.as_bytes()].concat();
    Prf::extract(&salt, &[agreed.expose()]).derive("wheesht/1 envelope", &[device.as_bytes()])
}

// ENV-5
fn additional_data(ephemeral: &DhPublic, device: &DeviceId) -> Vec<u8> {
    [&[VERSION, SUITE][..], ephemeral.as_bytes(), device.as_bytes()].concat()
}
