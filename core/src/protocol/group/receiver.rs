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

use subtle::ConstantTimeEq as _;
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
const STORED_VERSION: u8 = 2;

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
    /// The first message it was given for: no key before it was ever here.
    first: u32,
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

/// What was given is not the chain that is known under that name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("another sender chain under the same name")]
pub struct OtherChain;

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
    /// It was sent before the place at which the chain was given, as far as this device has it.
    #[error("the chain was given from a later message on")]
    BeforeGiven,
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
            first: given.count,
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

    /// Its device gave it from an earlier message on as well: what was given twice may arrive the later first. Gives the chain with
    /// the keys of the messages in between, of which none can have been opened; `None` if `given` tells nothing new.
    ///
    /// # Errors
    /// [`OtherChain`] if `given` is not this chain, or does not lead to where it stands.
    // GRM-13
    pub fn from_earlier(&self, given: Self) -> Result<Option<(Self, GroupSkippedDelta)>, OtherChain> {
        if !self.is_same(&given) {
            return Err(OtherChain);
        }
        if given.next >= self.first {
            return Ok(None);
        }
        let mut skipped = GroupSkippedDelta::default();
        skipped.insert.reserve_exact(usize::try_from(self.first - given.next).unwrap_or_default());
        let (from, mut key) = (given.next, given.key);
        for count in from..self.next {
            let (next, message_key) = key.step();
            key = next;
            // Those behind it were known here, and may have been used.
            if count < self.first {
                skipped.insert.push((count, message_key));
            }
        }
        if !bool::from(key.expose().ct_eq(self.key.expose())) {
            return Err(OtherChain);
        }
        Ok(Some((Self { first: from, ..self.clone() }, skipped)))
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
            let gone = if count < self.first { RefusedMessage::BeforeGiven } else { RefusedMessage::KeyGone };
            let key = keys.get(count).map_err(RefusedMessage::Store)?.ok_or(gone)?;
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
        let Self { id, signing_key, key, first, next, end } = self;
        let mut out = Writer::new(STORED_VERSION, 160);
        out.raw(id.as_bytes()).raw(signing_key.as_bytes()).secret(key).u32(*first).u32(*next);
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
        // The first form didn't say from where a chain was given: nothing before it is taken.
        let with_first = stored.first() != Some(&1);
        let mut input = Reader::new(stored, if with_first { STORED_VERSION } else { 1 })?;
        let chain = Self::fields(&mut input, verifier, with_first).ok_or(InvalidStored::Damaged)?;
        input.end().ok_or(InvalidStored::Damaged)?;
        Ok(chain)
    }

    fn fields(input: &mut Reader<'_>, verifier: Option<&ChainVerifier>, with_first: bool) -> Option<Self> {
        let id = ChainId::new(*input.array()?);
        let bytes = input.array()?;
        let signing_key = match verifier {
            Some(ChainVerifier(key)) if key.as_bytes() == bytes => *key,
            _ => VerifyingKey::from_bytes(bytes).ok()?,
        };
        let key = input.secret()?;
        let first = if with_first { input.u32()? } else { 0 };
        let next = input.u32()?;
        let end = if input.bool()? {
            Some(End { count: input.u32()?, dies: Timestamp::from_millis(input.u64()?) })
        } else {
            None
        };
        Some(Self { id, signing_key, key, first, next, end })
    }
}

impl fmt::Debug for ReceiverChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, signing_key: _, key: _, first, next, end } = self;
        f.debug_struct("ReceiverChain")
            .field("id", id)
            .field("first", first)
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
