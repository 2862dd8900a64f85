//! The outer layer: what a relay sees of a group's message is a set of addresses and these bytes, neither group nor sender.
//!
//! ```text
//! form ‖ suite ‖ nonce ‖ tag ‖ ciphertext ‖ AEAD tag
//!   1      1       24     32       …           16
//!
//! tag        = HMAC(derive(outer key, "tag"), nonce)      tells which epoch's key it is, and commits to it
//! ciphertext = AEAD(derive(outer key, "seal", nonce), …)  of a group message, or of a message between two of its devices
//! ```
//!
//! Every member holds the outer key, so it proves nothing about the sender; what is inside does. One key serves an epoch of the
//! group's life, and each envelope is sealed under a key of its own. Rules: `proto/spec/group-messages.md`.

use prost::Message;
use rand_core::CryptoRng;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{MalformedGroupMessage, UnverifiedGroupMessage};
use crate::{
    crypto::{
        aead::{self, AeadKey, TAG_LEN},
        kdf::Prf,
        secret::{Secret, secret},
    },
    proto::{
        group as wire,
        ids::DeviceId,
        limits::{MAX_ENVELOPE, SUITE_1},
    },
};

/// The first byte of an envelope sealed under a group's outer key. One sealed for a device ([`envelope`](crate::protocol::envelope))
/// begins with 1.
pub const FORM: u8 = 2;
#[expect(clippy::cast_possible_truncation, reason = "suites are numbered below 256")]
const SUITE: u8 = SUITE_1 as u8;

const NONCE_LEN: usize = 24;
const MARK_LEN: usize = 32;
const HEADER_LEN: usize = 2 + NONCE_LEN + MARK_LEN;

/// What the outer layer adds to what is inside, in bytes.
pub const OVERHEAD: usize = HEADER_LEN + TAG_LEN;

secret! {
    /// The key that hides a group's messages from those outside, for one epoch. Every member device holds it.
    pub struct OuterKey;
}

secret! { struct MarkKey; }

impl OuterKey {
    /// What the group's state says of the key, so that a member can tell the right one: SHA-256 over label, epoch and key.
    // GRM-3
    pub fn commitment(&self, epoch: u64) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(b"wheesht/1 group outer key\0");
        hash.update(epoch.to_be_bytes());
        hash.update(self.expose());
        hash.finalize().into()
    }
}

/// What lies inside.
#[derive(Debug, Clone)]
pub enum Inside {
    /// A message for the whole group.
    Message(UnverifiedGroupMessage),
    /// A session message from one member's device to another's.
    Pairwise {
        /// Who the sender claims to be: believed once a session with that device has opened the message.
        sender: DeviceId,
        /// Whom it is for.
        recipient: DeviceId,
        /// The session message, encoded.
        message: Vec<u8>,
    },
}

/// It does not fit an envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the message is too large for an envelope")]
pub struct TooLarge;

/// Why nothing was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Too short, too long, of another form, or of a suite that this one doesn't know.
    #[error("malformed group envelope")]
    Malformed,
    /// Not sealed under this key, or changed on the way.
    #[error("not authentic")]
    NotAuthentic,
    /// What is inside is no message.
    #[error("in the group envelope: {0}")]
    Inside(#[from] MalformedGroupMessage),
}

/// Whether these bytes are a group's envelope at all, whichever group's.
pub fn is_group_envelope(envelope: &[u8]) -> bool {
    envelope.first() == Some(&FORM)
}

/// Seals under a group's outer key.
///
/// # Errors
/// [`TooLarge`].
pub fn seal(
    key: &OuterKey,
    inside: &Inside,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<Vec<u8>, TooLarge> {
    let inside = inside.to_wire();
    let length = inside.encoded_len();
    // GRM-1
    if length.saturating_add(OVERHEAD) > MAX_ENVELOPE {
        return Err(TooLarge);
    }
    let mut nonce = [0; NONCE_LEN];
    rng.fill_bytes(&mut nonce);
    let prf = Prf::new(key);
    let mut envelope = Vec::with_capacity(length.saturating_add(OVERHEAD));
    envelope.extend_from_slice(&[FORM, SUITE]);
    envelope.extend_from_slice(&nonce);
    envelope.extend_from_slice(&mark(&prf, &nonce));
    inside.encode_raw(&mut envelope);
    // GRM-2: the key is of this nonce alone, so that of the AEAD may be constant.
    let header = [FORM, SUITE];
    aead::seal_in_place(&seal_key(&prf, &nonce), &[0; 12], &header, &mut envelope, HEADER_LEN);
    Ok(envelope)
}

/// Whether the envelope was sealed under this key: told by its tag, without opening it.
pub fn belongs(key: &OuterKey, envelope: &[u8]) -> bool {
    Parts::split(envelope).is_some_and(|parts| parts.belongs(&Prf::new(key)))
}

/// Opens an envelope with a group's outer key.
///
/// # Errors
/// [`OpenError`].
pub fn open(key: &OuterKey, envelope: &[u8]) -> Result<Inside, OpenError> {
    // GRM-1
    let parts = Parts::split(envelope).ok_or(OpenError::Malformed)?;
    let prf = Prf::new(key);
    // GRM-3
    if !parts.belongs(&prf) {
        return Err(OpenError::NotAuthentic);
    }
    let inside = aead::open(&seal_key(&prf, parts.nonce), &[0; 12], &[FORM, SUITE], parts.sealed)
        .map_err(|_| OpenError::NotAuthentic)?;
    Ok(Inside::decode(&inside)?)
}

struct Parts<'a> {
    nonce: &'a [u8; NONCE_LEN],
    mark: &'a [u8; MARK_LEN],
    sealed: &'a [u8],
}

impl<'a> Parts<'a> {
    fn split(envelope: &'a [u8]) -> Option<Self> {
        if envelope.len() > MAX_ENVELOPE {
            return None;
        }
        let (header, rest) = envelope.split_first_chunk::<2>()?;
        let (nonce, rest) = rest.split_first_chunk()?;
        let (mark, sealed) = rest.split_first_chunk()?;
        (*header == [FORM, SUITE]).then_some(Self { nonce, mark, sealed })
    }

    fn belongs(&self, prf: &Prf) -> bool {
        mark(prf, self.nonce).ct_eq(self.mark).into()
    }
}

// GRM-2
fn mark(prf: &Prf, nonce: &[u8; NONCE_LEN]) -> [u8; MARK_LEN] {
    let key: MarkKey = prf.derive("wheesht/1 group envelope tag", &[]);
    Prf::new(&key).mac(&[nonce])
}

// GRM-2
fn seal_key(prf: &Prf, nonce: &[u8; NONCE_LEN]) -> AeadKey {
    prf.derive("wheesht/1 group envelope", &[nonce])
}

impl Inside {
    fn to_wire(&self) -> wire::GroupInside {
        use wire::group_inside::What;
        let what = match self {
            Self::Message(message) => What::Message(message.to_wire()),
            Self::Pairwise { sender, recipient, message } => What::Pairwise(wire::GroupPairwise {
                sender_device: sender.to_vec(),
                recipient_device: recipient.to_vec(),
                message: message.clone(),
            }),
        };
        wire::GroupInside { what: Some(what) }
    }

    /// As it stands inside an envelope.
    pub fn encode(&self) -> Vec<u8> {
        self.to_wire().encode_to_vec()
    }

    /// What stands inside an envelope.
    ///
    /// # Errors
    /// [`MalformedGroupMessage`].
    // GRM-4
    pub fn decode(bytes: &[u8]) -> Result<Self, MalformedGroupMessage> {
        use wire::group_inside::What;
        let inside = wire::GroupInside::decode(bytes).map_err(|_| MalformedGroupMessage)?;
        match inside.what.ok_or(MalformedGroupMessage)? {
            What::Message(message) => UnverifiedGroupMessage::from_wire(message).map(Self::Message),
            What::Pairwise(wire::GroupPairwise { sender_device, recipient_device, message }) => {
                let id = |bytes: &[u8]| DeviceId::try_from(bytes).map_err(|_| MalformedGroupMessage);
                Ok(Self::Pairwise { sender: id(&sender_device)?, recipient: id(&recipient_device)?, message })
            }
        }
    }
}
