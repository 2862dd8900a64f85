//! A session: the shared state of two devices, from its first message to its last.
//!
//! ```text
//!             bundle                        prekey message
//! initiate ───────────▶ unanswered ······························▶ respond ──▶ answered
//!                        │ encrypt: prekey messages                              │
//!                        └── decrypt the peer's first ──▶ answered               └ encrypt, decrypt: ratchet messages
//! ```
//!
//! A session that was begun here sends *prekey messages* until the peer's first message has opened: each of them can set the
//! session up on the other side, so none of them has to arrive first.
//!
//! Two devices may have several sessions (both began at once; one was set up anew): [`choose`] says on which to send, the same
//! on both sides. Rules: `proto/spec/session.md`.

mod choice;
mod initiate;
mod message;
mod pqxdh;
mod respond;
mod stored;
#[cfg(test)]
mod vectors;

use std::{fmt, sync::Arc};

use rand_core::CryptoRng;
use zeroize::Zeroizing;

pub use choice::{Rank, choose, next_generation, surplus};
pub use initiate::InitiateError;
pub use message::{MalformedMessage, PrekeyNeeds, UnverifiedSessionMessage};
pub use respond::{Accepted, BaseKeyMark, PrekeyRows, RespondError};

use self::message::Setup;
use super::{
    padding,
    ratchet::{Incoming, Ratchet, Refusal, SealFailure, SkippedDelta, SkippedKeys},
};
use crate::{
    proto::{
        ids::{AccountId, DeviceId},
        limits::{MAX_CONTENT, SESSION_STALE_MS},
    },
    signed::DeviceCertificate,
    time::Timestamp,
};

/// Names a session to its two devices: derived with its keys, so it says nothing to anyone else.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId([u8; Self::LEN]);

impl SessionId {
    /// Length in bytes.
    pub const LEN: usize = 8;

    /// Wraps the bytes.
    pub const fn new(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    fn first_bytes(source: &[u8; 32]) -> Self {
        let (first, _) = source.split_first_chunk().unwrap_or((&[0; Self::LEN], &[]));
        Self(*first)
    }
}

impl TryFrom<&[u8]> for SessionId {
    type Error = std::array::TryFromSliceError;

    fn try_from(bytes: &[u8]) -> Result<Self, Self::Error> {
        bytes.try_into().map(Self)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

/// The shared state with one device.
#[derive(Debug, Clone)]
pub struct Session {
    id: SessionId,
    generation: u32,
    account: AccountId,
    device: DeviceId,
    last_step: Timestamp,
    unanswered: Option<Unanswered>,
    ratchet: Ratchet,
}

/// What every message carries until the peer's first one has opened.
#[derive(Debug, Clone)]
struct Unanswered {
    // Public, and more than a kilobyte: shared by the copies that decryption makes.
    setup: Arc<Setup>,
    usable_until: Timestamp,
}

/// A message decrypted. Everything here goes into one transaction.
pub struct Decrypted {
    /// The content.
    pub content: Zeroizing<Vec<u8>>,
    /// The session after it: it replaces the one that decrypted.
    pub session: Session,
    /// What changes among the skipped keys.
    pub skipped: SkippedDelta,
}

impl fmt::Debug for Decrypted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { content: _, session, skipped } = self;
        let mut shown = f.debug_struct("Decrypted");
        shown.field("session", session).field("skipped", skipped).finish_non_exhaustive()
    }
}

/// Why nothing was encrypted. The session is unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncryptError {
    /// The content is larger than a message may be.
    #[error("the content is too large")]
    TooLarge,
    /// The session can't go on: set it up anew.
    #[error("the session is used up")]
    UsedUp,
}

/// Why a message was not decrypted. The session is unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecryptError<E> {
    /// The session is another device's than the sender's.
    #[error("the session is another device's")]
    OtherSender,
    /// The message is of another session.
    #[error("the message is of another session")]
    OtherSession,
    /// No message of this session can stand where this one says it does.
    #[error("impossible place in the session")]
    Impossible,
    /// It would skip more messages than are kept waiting for.
    #[error("too many messages are missing before it")]
    TooFarAhead,
    /// Its key was used or dropped: it was opened before, or many hundreds were missing before it.
    #[error("the message's key is gone")]
    KeyGone,
    /// Not what the peer encrypted.
    #[error("not authentic")]
    NotAuthentic,
    /// The message is authentic, but its content isn't padded.
    #[error("malformed content")]
    Malformed,
    /// The skipped keys could not be read.
    #[error(transparent)]
    Store(E),
}

impl Session {
    /// Its name.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// The account on the other side.
    pub fn account(&self) -> AccountId {
        self.account
    }

    /// The device on the other side.
    pub fn device(&self) -> DeviceId {
        self.device
    }

    /// Whether the peer has shown that it has this session.
    pub fn is_answered(&self) -> bool {
        self.unanswered.is_none()
    }

    /// Whether it is to be set up anew before anything is sent: it saw no DH step for 30 days, or was never answered and its
    /// prekeys have expired.
    // SES-15
    pub fn is_stale(&self, now: Timestamp) -> bool {
        now.millis_since(self.last_step) >= SESSION_STALE_MS
            || self.unanswered.as_ref().is_some_and(|unanswered| now >= unanswered.usable_until)
    }

    /// Pads and encrypts a content; gives the encoded session message. `aad` is what the caller binds beside it.
    ///
    /// # Errors
    /// [`EncryptError`].
    pub fn encrypt(
        &mut self,
        content: &[u8],
        aad: &[u8],
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Vec<u8>, EncryptError> {
        // PAD-5
        if content.len() > MAX_CONTENT {
            return Err(EncryptError::TooLarge);
        }
        let setup = self.unanswered.as_ref().map(|unanswered| &*unanswered.setup);
        let sealed = self
            .ratchet
            .seal(content, |position| message::additional_data(self.id, setup, position, aad), rng)
            .map_err(|SealFailure| EncryptError::UsedUp)?;
        if sealed.stepped {
            self.last_step = now;
        }
        Ok(message::encode(self.id, setup, &sealed.position, &sealed.synthetic, sealed.ciphertext))
    }

    /// Decrypts a message that came in an envelope of `sender`, with a copy of this session.
    ///
    /// # Errors
    /// [`DecryptError`].
    pub fn decrypt<K: SkippedKeys>(
        &self,
        sender: &DeviceCertificate,
        message: &UnverifiedSessionMessage,
        aad: &[u8],
        keys: &K,
        now: Timestamp,
    ) -> Result<Decrypted, DecryptError<K::Error>> {
        // SES-16: a device id alone would not do, since another account could certify the same signing key.
        if sender.identity() != self.account || sender.device_id() != self.device {
            return Err(DecryptError::OtherSender);
        }
        if message.session != self.id {
            return Err(DecryptError::OtherSession);
        }
        let received = self.ratchet.open(
            &Incoming {
                session: self.id,
                position: &message.position,
                synthetic: &message.synthetic,
                ciphertext: &message.ciphertext,
                aad: &message.aad(aad),
            },
            keys,
        )?;
        let content = padding::unpad(&received.padded).map_err(|_| DecryptError::Malformed)?;
        Ok(Decrypted {
            content: Zeroizing::new(content.to_vec()),
            session: Self {
                last_step: if received.stepped { now } else { self.last_step },
                // SES-12
                unanswered: None,
                ratchet: received.ratchet,
                ..*self
            },
            skipped: received.skipped,
        })
    }
}

impl<E> From<Refusal<E>> for DecryptError<E> {
    fn from(refusal: Refusal<E>) -> Self {
        match refusal {
            Refusal::Impossible => Self::Impossible,
            Refusal::TooFarAhead => Self::TooFarAhead,
            Refusal::KeyGone => Self::KeyGone,
            Refusal::NotAuthentic => Self::NotAuthentic,
            Refusal::Store(error) => Self::Store(error),
        }
    }
}
