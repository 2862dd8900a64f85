//! Keys of messages that have been overtaken: rows of their own, never rewritten with the session.
//!
//! The ratchet doesn't know how they are stored. It reads through [`SkippedKeys`] and says in a [`SkippedDelta`] what to write
//! and what to delete, in the transaction that also stores the session.

use std::ops::RangeInclusive;

use super::chain::MessageKey;
use crate::protocol::session::SessionId;

/// Which message a skipped key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SkippedId {
    /// The session.
    pub session: SessionId,
    /// The peer's sending chain.
    pub chain: u32,
    /// The message's place in it.
    pub count: u32,
}

impl SkippedId {
    /// Chain and place as one number: ascending, within a session, it is the order of age.
    pub fn seq(&self) -> u64 {
        u64::from(self.chain) << 32 | u64::from(self.count)
    }

    /// The id whose [`seq`](Self::seq) this is.
    pub fn from_seq(session: SessionId, seq: u64) -> Self {
        let [c0, c1, c2, c3, n0, n1, n2, n3] = seq.to_be_bytes();
        Self {
            session,
            chain: u32::from_be_bytes([c0, c1, c2, c3]),
            count: u32::from_be_bytes([n0, n1, n2, n3]),
        }
    }
}

/// Where skipped keys are kept.
pub trait SkippedKeys {
    /// What reading may fail with.
    type Error;

    /// The key of one message, if it is kept.
    ///
    /// # Errors
    /// The store's.
    fn get(&self, id: &SkippedId) -> Result<Option<MessageKey>, Self::Error>;

    /// The oldest ids kept of a session with their chain in `chains`, at most `limit`, ascending by [`SkippedId::seq`].
    ///
    /// # Errors
    /// The store's.
    fn oldest(
        &self,
        session: SessionId,
        chains: RangeInclusive<u32>,
        limit: usize,
    ) -> Result<Vec<SkippedId>, Self::Error>;
}

/// What a decryption changes among the skipped keys. Apply all of it in the transaction that stores the session.
#[derive(Debug, Default)]
pub struct SkippedDelta {
    /// Keys of messages that were overtaken.
    pub insert: Vec<(SkippedId, MessageKey)>,
    /// The key that was used.
    pub used: Option<SkippedId>,
    /// Keys dropped because too many are kept: these messages, if they ever come, can't be read any more.
    pub evicted: Vec<SkippedId>,
}

impl SkippedDelta {
    /// With room for this many keys: a vector that grows would leave them behind in memory.
    pub(super) fn with_room(keys: u32) -> Self {
        let insert = Vec::with_capacity(usize::try_from(keys).unwrap_or_default());
        Self { insert, ..Self::default() }
    }
}
