//! A device's sender chain in a group: what it encrypts and signs its messages with.
//!
//! The chain is the symmetric ratchet of [`ratchet`](super::super::ratchet) with a random first key, beside an Ed25519 key of its
//! own. It is given to every member's device once, through the pairwise sessions, as it stands then: what was said before stays
//! unreadable. When a new one is due, and to whom it was given, is the engine's to know.

use std::{fmt, sync::Arc};

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::message::{self, MessageContext, UnverifiedGroupMessage};
use crate::{
    crypto::{
        secret::Secret,
        sign::{SigningKey, VerifyingKey},
    },
    proto::{
        group as wire,
        ids::ChainId,
        limits::{MAX_CHAIN_MESSAGES, MAX_CONTENT, SENDER_CHAIN_LIFETIME_MS},
    },
    protocol::{
        codec::{InvalidStored, Reader, Writer},
        ratchet::{ChainKey, cipher},
    },
    time::Timestamp,
};

/// Raised when the form changes; older ones stay readable.
const STORED_VERSION: u8 = 1;

/// What a chain signs with. Making one from its stored bytes costs as much as a signature: a caller that sends again and again
/// keeps it at hand ([`SenderChain::signer`], [`SenderChain::decode_with`]).
#[derive(Clone)]
pub struct ChainSigner {
    chain: ChainId,
    pub(super) key: Arc<SigningKey>,
}

/// A sender chain, before its next message.
#[derive(Clone)]
pub struct SenderChain {
    id: ChainId,
    pub(super) signer: ChainSigner,
    pub(super) key: ChainKey,
    /// Messages encrypted so far.
    count: u32,
    made: Timestamp,
    /// The device's chain before, and how many messages it had.
    before: Option<(ChainId, u32)>,
}

/// Why nothing was encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CantEncrypt {
    /// More than fits a message.
    #[error("the content is too large")]
    TooLarge,
    /// The chain has served its number of messages: a new one is due.
    #[error("the chain is used up")]
    UsedUp,
}

impl SenderChain {
    /// A new chain. `before` is the one that it replaces, if this device had one in the group.
    pub fn begin(before: Option<&Self>, now: Timestamp, rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut id = [0; ChainId::LEN];
        rng.fill_bytes(&mut id);
        let id = ChainId::new(id);
        Self {
            id,
            signer: ChainSigner { chain: id, key: Arc::new(SigningKey::generate(rng)) },
            key: ChainKey::generate(rng),
            count: 0,
            made: now,
            before: before.map(|before| (before.id, before.count)),
        }
    }

    /// What names it to those it was given to.
    pub fn id(&self) -> ChainId {
        self.id
    }

    /// Messages encrypted so far.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Whether it has served its time or its number of messages.
    // GRM-11
    pub fn is_worn(&self, now: Timestamp) -> bool {
        self.count >= MAX_CHAIN_MESSAGES || now.millis_since(self.made) >= SENDER_CHAIN_LIFETIME_MS
    }

    /// What a member's device needs to read everything from here on.
    pub fn key_now(&self) -> wire::ChainKey {
        wire::ChainKey {
            chain_id: self.id.to_vec(),
            signing_key: self.verifying_key().as_bytes().to_vec(),
            key: self.key.expose().to_vec(),
            count: self.count,
            made_ms: self.made.as_millis(),
        }
    }

    /// The public half of what it signs with.
    pub fn verifying_key(&self) -> VerifyingKey {
        self.signer.key.verifying_key()
    }

    /// For [`decode_with`](Self::decode_with).
    pub fn signer(&self) -> ChainSigner {
        self.signer.clone()
    }

    /// Pads, encrypts and signs one message, and moves on.
    ///
    /// # Errors
    /// [`CantEncrypt`]; the chain stands where it stood.
    pub fn encrypt(
        &mut self,
        context: &MessageContext<'_>,
        content: &[u8],
    ) -> Result<UnverifiedGroupMessage, CantEncrypt> {
        if content.len() > MAX_CONTENT {
            return Err(CantEncrypt::TooLarge);
        }
        // GRM-11
        if self.count >= MAX_CHAIN_MESSAGES {
            return Err(CantEncrypt::UsedUp);
        }
        let (next, key) = self.key.step();
        let aad = message::additional_data(context, self.id, self.count, self.before);
        // GRM-5
        let (synthetic, ciphertext) = cipher::seal(&key, &aad, content);
        let signature = message::sign(&self.signer.key, &aad, &synthetic, &ciphertext);
        let sealed = UnverifiedGroupMessage {
            device: context.device,
            chain: self.id,
            count: self.count,
            state_version: context.state_version,
            state_hash: context.state_hash,
            roster_hash: context.roster_hash,
            before: self.before,
            synthetic,
            ciphertext,
            signature,
        };
        self.key = next;
        self.count = self.count.saturating_add(1);
        Ok(sealed)
    }

    /// The stored form.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let Self { id, signer, key, count, made, before } = self;
        let mut out = Writer::new(STORED_VERSION, 192);
        out.raw(id.as_bytes()).raw(&*signer.key.to_secret_bytes()).secret(key);
        out.u32(*count).u64(made.as_millis());
        match before {
            None => out.u8(0),
            Some((chain, count)) => out.u8(1).raw(chain.as_bytes()).u32(*count),
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

    /// Reads the stored form, with the signing key at hand if it is this chain's.
    ///
    /// # Errors
    /// [`InvalidStored`] if the bytes are none.
    pub fn decode_with(stored: &[u8], signer: &ChainSigner) -> Result<Self, InvalidStored> {
        Self::read(stored, Some(signer))
    }

    fn read(stored: &[u8], signer: Option<&ChainSigner>) -> Result<Self, InvalidStored> {
        let mut input = Reader::new(stored, STORED_VERSION)?;
        let chain = Self::fields(&mut input, signer).ok_or(InvalidStored::Damaged)?;
        input.end().ok_or(InvalidStored::Damaged)?;
        Ok(chain)
    }

    fn fields(input: &mut Reader<'_>, signer: Option<&ChainSigner>) -> Option<Self> {
        let id = ChainId::new(*input.array()?);
        let secret = input.array()?;
        let signer = signer.filter(|signer| signer.chain == id).cloned().unwrap_or_else(|| ChainSigner {
            chain: id,
            key: Arc::new(SigningKey::from_secret_bytes(secret)),
        });
        let (key, count) = (input.secret()?, input.u32()?);
        let made = Timestamp::from_millis(input.u64()?);
        let before = if input.bool()? { Some((ChainId::new(*input.array()?), input.u32()?)) } else { None };
        Some(Self { id, signer, key, count, made, before })
    }
}

impl fmt::Debug for ChainSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { chain, key: _ } = self;
        f.debug_struct("ChainSigner").field("chain", chain).finish_non_exhaustive()
    }
}

impl fmt::Debug for SenderChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, signer: _, key: _, count, made, before } = self;
        f.debug_struct("SenderChain")
            .field("id", id)
            .field("count", count)
            .field("made", made)
            .field("before", before)
            .finish_non_exhaustive()
    }
}
