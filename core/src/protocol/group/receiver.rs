//! Another device's sender chain, as it was given to this one: what its messages are checked and opened with.
//!
//! ```text
//!              a message of the chain after it opened: final count, time to die
//!   Open ────────────────────────────────────────────────────────────────────────▶ Ended ──7 days──▶ dead
//! ```
//!
//! The signature is checked before any key is derived. Opening works on a copy: what it returns replaces the chain, and on an
//! error there is nothing to undo. Keys of messages passed over are rows of their own, as in the pairwise ratchet; a chain has
//! 1,000 messages at most, which bounds the keys and the work that one message asks for.

use std::fmt;

use zeroize::Zeroizing;

use super::message::{self, UnverifiedGroupMessage};
use crate::{
    crypto::{secret::Secret, sign::VerifyingKey},
    proto::{
        group as wire,
        ids::{ChainId, GroupId},
        limits::{MAX_CHAIN_MESSAGES, SENDER_CHAIN_LIFETIME_MS},
    },
    protocol::{
        codec::{InvalidStored, Reader, Writer},
        padding,
        ratchet::{ChainKey, MessageKey, cipher},
    },
    time::Timestamp,
};

/// Raised when the form changes; older ones stay readable.
const STORED_VERSION: u8 = 1;

/// A chain's public key, checked. Doing that again for every message costs a seventh of verifying it: a caller keeps it at hand
/// ([`ReceiverChain::verifier`], [`ReceiverChain::decode_with`]).
#[derive(Debug, Clone, Copy)]
pub struct ChainVerifier(VerifyingKey);

/// A chain that was given to this device.
#[derive(Clone)]
pub struct ReceiverChain {
    id: ChainId,
    signing_key: VerifyingKey,
    key: ChainKey,
    /// The first message not yet passed.
    next: u32,
    end: Option<End>,
}

#[derive(Debug, Clone, Copy)]
struct End {
    /// How many messages the chain has.
    count: u32,
    /// From then on none is opened.
    dies: Timestamp,
}

/// Bytes that are no chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed sender chain")]
pub struct MalformedChainKey;

/// Where the keys of messages passed over are kept, of one chain.
pub trait GroupSkippedKeys {
    /// What reading may fail with.
    type Error;

    /// The key of one message, if it is kept.
    ///
    /// # Errors
    /// The store's.
    fn get(&self, count: u32) -> Result<Option<MessageKey>, Self::Error>;
}

/// What an opening changes among the keys kept. Apply all of it in the transaction that stores the chain.
#[derive(Debug, Default)]
pub struct GroupSkippedDelta {
    /// Keys of messages passed over.
    pub insert: Vec<(u32, MessageKey)>,
    /// The key that was used.
    pub used: Option<u32>,
}

/// A message opened.
pub struct OpenedGroupMessage {
    /// What the sender encrypted.
    pub content: Zeroizing<Vec<u8>>,
    /// The chain after it.
    pub next: ReceiverChain,
    /// What changes among the keys kept.
    pub skipped: GroupSkippedDelta,
    /// The sender's chain before this one, and how many messages it had: to be [ended](ReceiverChain::end).
    pub before: Option<(ChainId, u32)>,
}

/// Why a message was not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RefusedMessage<E> {
    /// Not of this chain, not signed by it, or changed.
    #[error("not authentic")]
    NotAuthentic,
    /// Beyond what a chain may have.
    #[error("too far ahead")]
    TooFarAhead,
    /// Its key is gone: it was opened before, or fell behind too far.
    #[error("the message's key is gone")]
    KeyGone,
    /// Beyond the chain's end, or after its death.
    #[error("the chain has ended")]
    Ended,
    /// The store's.
    #[error(transparent)]
    Store(E),
}

impl ReceiverChain {
    /// From what its device gave.
    ///
    /// # Errors
    /// [`MalformedChainKey`] if a field is not of its length, or the key is none.
    pub fn from_key(given: &wire::ChainKey) -> Result<Self, MalformedChainKey> {
        // GRM-12
        if given.count > MAX_CHAIN_MESSAGES {
            return Err(MalformedChainKey);
        }
        let key: &[u8; 32] = given.key.as_slice().try_into().map_err(|_| MalformedChainKey)?;
        Ok(Self {
            id: ChainId::try_from(&*given.chain_id).map_err(|_| MalformedChainKey)?,
            signing_key: VerifyingKey::try_from(&*given.signing_key).map_err(|_| MalformedChainKey)?,
            key: ChainKey::restore(key),
            next: given.count,
            end: None,
        })
    }

    /// What its device calls it.
    pub fn id(&self) -> ChainId {
        self.id
    }

    /// For [`decode_with`](Self::decode_with).
    pub fn verifier(&self) -> ChainVerifier {
        ChainVerifier(self.signing_key)
    }

    /// Whether what was given is this chain: under the same name, with the same key.
    // GRM-13
    pub fn is_same(&self, given: &Self) -> bool {
        self.id == given.id && self.signing_key == given.signing_key
    }

    /// The device has said in a chain after this one how many messages this one had: those that are missing may still come, for
    /// as long as an envelope may be late. What was said first stays.
    // GRM-14
    #[must_use]
    pub fn end(mut self, count: u32, now: Timestamp) -> Self {
        if self.end.is_none() {
            self.end = Some(End { count, dies: now.plus_millis(SENDER_CHAIN_LIFETIME_MS) });
        }
        self
    }

    /// Whether nothing more is opened with it.
    // GRM-14
    pub fn is_dead(&self, now: Timestamp) -> bool {
        self.end.is_some_and(|end| now >= end.dies)
    }

    /// When it dies, if its end is known.
    pub fn dies(&self) -> Option<Timestamp> {
        self.end.map(|end| end.dies)
    }

    /// Checks and opens a message, read in `group` under the outer key of `epoch`.
    ///
    /// # Errors
    /// [`RefusedMessage`].
    pub fn open<K: GroupSkippedKeys>(
        &self,
        message: &UnverifiedGroupMessage,
        group: GroupId,
        epoch: u64,
        additional: &[u8],
        keys: &K,
        now: Timestamp,
    ) -> Result<OpenedGroupMessage, RefusedMessage<K::Error>> {
        let count = message.count();
        if message.chain() != self.id {
            return Err(RefusedMessage::NotAuthentic);
        }
        // GRM-14
        if self.is_dead(now) || self.end.is_some_and(|end| count >= end.count) {
            return Err(RefusedMessage::Ended);
        }
        // GRM-9
        if count >= MAX_CHAIN_MESSAGES {
            return Err(RefusedMessage::TooFarAhead);
        }
        let aad = message::additional_data(
            &message.context(group, epoch, additional),
            self.id,
            count,
            message.before,
        );
        // GRM-7
        if !message::signature_holds(&self.signing_key, &aad, message) {
            return Err(RefusedMessage::NotAuthentic);
        }
        // GRM-10: whatever follows changes a copy.
        let mut next = self.clone();
        let mut skipped = GroupSkippedDelta::default();
        let key = if count < self.next {
            let key = keys.get(count).map_err(RefusedMessage::Store)?.ok_or(RefusedMessage::KeyGone)?;
            skipped.used = Some(count);
            key
        } else {
            next.advance(count, &mut skipped)
        };
        // GRM-8
        let padded = cipher::open(&key, &aad, &message.synthetic, &message.ciphertext)
            .map_err(|_| RefusedMessage::NotAuthentic)?;
        let content = padding::unpad(&padded).map_err(|_| RefusedMessage::NotAuthentic)?;
        Ok(OpenedGroupMessage {
            content: Zeroizing::new(content.to_vec()),
            next,
            skipped,
            before: message.before,
        })
    }

    /// The key of the message at `count`, keeping those of the messages passed over.
    fn advance(&mut self, count: u32, skipped: &mut GroupSkippedDelta) -> MessageKey {
        let jump = count.saturating_sub(self.next);
        // A vector that grows would leave keys behind in memory.
        skipped.insert.reserve_exact(usize::try_from(jump).unwrap_or_default());
        for passed in self.next..count {
            let (next, key) = self.key.step();
            self.key = next;
            skipped.insert.push((passed, key));
        }
        let (next, key) = self.key.step();
        self.key = next;
        self.next = count.saturating_add(1);
        key
    }

    /// The stored form.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let Self { id, signing_key, key, next, end } = self;
        let mut out = Writer::new(STORED_VERSION, 160);
        out.raw(id.as_bytes()).raw(signing_key.as_bytes()).secret(key).u32(*next);
        match end {
            None => out.u8(0),
            Some(End { count, dies }) => out.u8(1).u32(*count).u64(dies.as_millis()),
        };
        out.finish()
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`InvalidStored`] if the bytes are none.
    pub fn decode(stored: &[u8]) -> Result<Self, InvalidStored> {
        Self::read(stored, None)
    }

    /// Reads the stored form, with the public key at hand if it is this chain's.
    ///
    /// # Errors
    /// [`InvalidStored`] if the bytes are none.
    pub fn decode_with(stored: &[u8], verifier: &ChainVerifier) -> Result<Self, InvalidStored> {
        Self::read(stored, Some(verifier))
    }

    fn read(stored: &[u8], verifier: Option<&ChainVerifier>) -> Result<Self, InvalidStored> {
        let mut input = Reader::new(stored, STORED_VERSION)?;
        let chain = Self::fields(&mut input, verifier).ok_or(InvalidStored::Damaged)?;
        input.end().ok_or(InvalidStored::Damaged)?;
        Ok(chain)
    }

    fn fields(input: &mut Reader<'_>, verifier: Option<&ChainVerifier>) -> Option<Self> {
        let id = ChainId::new(*input.array()?);
        let bytes = input.array()?;
        let signing_key = match verifier {
            Some(ChainVerifier(key)) if key.as_bytes() == bytes => *key,
            _ => VerifyingKey::from_bytes(bytes).ok()?,
        };
        let (key, next) = (input.secret()?, input.u32()?);
        let end = if input.bool()? {
            Some(End { count: input.u32()?, dies: Timestamp::from_millis(input.u64()?) })
        } else {
            None
        };
        Some(Self { id, signing_key, key, next, end })
    }
}

impl fmt::Debug for ReceiverChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, signing_key: _, key: _, next, end } = self;
        f.debug_struct("ReceiverChain")
            .field("id", id)
            .field("next", next)
            .field("end", end)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for OpenedGroupMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { content: _, next, skipped, before } = self;
        f.debug_struct("OpenedGroupMessage")
            .field("next", next)
            .field("skipped", skipped)
            .field("before", before)
            .finish_non_exhaustive()
    }
}
