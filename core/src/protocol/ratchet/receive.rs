//! The receiving half of the ratchet: which key opens a message, and what the state is after it.

use std::{collections::HashSet, fmt};

use zeroize::Zeroizing;

use super::{
    Position, Ratchet, Receiving, ResponderRatchet, Sending, Synthetic,
    chain::{ChainKey, MessageKey},
    cipher,
    skipped::{SkippedDelta, SkippedId, SkippedKeys},
};
use crate::{
    crypto::dh::{DhPublic, DhSecret},
    proto::limits::{MAX_SKIPPED_PER_CHAIN, MAX_SKIPPED_PER_SESSION},
    protocol::session::SessionId,
};

/// A message as the ratchet sees it.
pub(in crate::protocol) struct Incoming<'a> {
    pub(in crate::protocol) session: SessionId,
    pub(in crate::protocol) position: &'a Position,
    pub(in crate::protocol) synthetic: &'a Synthetic,
    pub(in crate::protocol) ciphertext: &'a [u8],
    pub(in crate::protocol) aad: &'a [u8],
}

/// A message opened, and the state after it.
pub(in crate::protocol) struct Received {
    /// Still padded.
    pub(in crate::protocol) padded: Zeroizing<Vec<u8>>,
    pub(in crate::protocol) ratchet: Ratchet,
    pub(in crate::protocol) skipped: SkippedDelta,
    /// A DH step was taken.
    pub(in crate::protocol) stepped: bool,
}

impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { padded: _, ratchet, skipped, stepped } = self;
        f.debug_struct("Received")
            .field("ratchet", ratchet)
            .field("skipped", skipped)
            .field("stepped", stepped)
            .finish_non_exhaustive()
    }
}

/// Why a message was not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::protocol) enum Refusal<E> {
    Impossible,
    TooFarAhead,
    KeyGone,
    NotAuthentic,
    Store(E),
}

impl Incoming<'_> {
    fn id(&self) -> SkippedId {
        SkippedId { session: self.session, chain: self.position.chain, count: self.position.count }
    }

    fn open<E>(&self, key: &MessageKey) -> Result<Zeroizing<Vec<u8>>, Refusal<E>> {
        cipher::open(key, self.aad, self.synthetic, self.ciphertext).map_err(|_| Refusal::NotAuthentic)
    }
}

impl Ratchet {
    /// Opens one message with a copy of this state.
    pub(in crate::protocol) fn open<K: SkippedKeys>(
        &self,
        message: &Incoming<'_>,
        keys: &K,
    ) -> Result<Received, Refusal<K::Error>> {
        let position = message.position;
        let current = self.receiving.as_ref().map(|receiving| (receiving.chain, receiving.next));
        match current {
            Some((chain, next))
                if position.chain < chain || position.chain == chain && position.count < next =>
            {
                self.open_skipped(message, keys)
            }
            Some((chain, _)) if position.chain == chain => self.open_current(message, keys),
            // RAT-2: the next chain, and only if the peer can have one: it follows a ratchet key of ours.
            Some((chain, _)) if chain.checked_add(1) == Some(position.chain) => self.open_next(message, keys),
            None if position.chain == 0 => self.open_next(message, keys),
            _ => Err(Refusal::Impossible),
        }
    }

    /// A message that was overtaken.
    fn open_skipped<K: SkippedKeys>(
        &self,
        message: &Incoming<'_>,
        keys: &K,
    ) -> Result<Received, Refusal<K::Error>> {
        let id = message.id();
        // RAT-5: a key that was used is gone.
        let key = keys.get(&id).map_err(Refusal::Store)?.ok_or(Refusal::KeyGone)?;
        let padded = message.open(&key)?;
        let mut ratchet = self.clone();
        ratchet.skipped = ratchet.skipped.saturating_sub(1);
        if let Some(receiving) = ratchet.receiving.as_mut().filter(|receiving| receiving.chain == id.chain) {
            receiving.skipped = receiving.skipped.saturating_sub(1);
        }
        let skipped = SkippedDelta { used: Some(id), ..SkippedDelta::default() };
        Ok(Received { padded, ratchet, skipped, stepped: false })
    }

    /// The next message of the peer's current chain, or one further on.
    fn open_current<K: SkippedKeys>(
        &self,
        message: &Incoming<'_>,
        keys: &K,
    ) -> Result<Received, Refusal<K::Error>> {
        let mut ratchet = self.clone();
        let receiving = ratchet.receiving.as_mut().ok_or(Refusal::Impossible)?;
        // RAT-2
        if message.position.ratchet_key != self.theirs {
            return Err(Refusal::Impossible);
        }
        let jump = message.position.count.saturating_sub(receiving.next);
        check_jump(jump)?;
        let mut skipped = SkippedDelta::with_room(jump);
        let passed = receiving.skip_to(message.position.count, message.session, &mut skipped)?;
        let padded = message.open(&receiving.take_key()?)?;
        let in_chain = (receiving.chain, receiving.skipped);
        ratchet.skipped = ratchet.skipped.saturating_add(passed);
        ratchet.evict(&[in_chain], message.session, &mut skipped, keys)?;
        Ok(Received { padded, ratchet, skipped, stepped: false })
    }

    /// The first message that arrives of the peer's next chain.
    fn open_next<K: SkippedKeys>(
        &self,
        message: &Incoming<'_>,
        keys: &K,
    ) -> Result<Received, Refusal<K::Error>> {
        let position = message.position;
        // RAT-2: the peer's new key answers one of ours; without one it has made none.
        let Sending::Active { secret, next: sent, .. } = &self.sending else {
            return Err(Refusal::Impossible);
        };
        // RAT-3, both jumps, before the DH.
        let received = self.receiving.as_ref().map_or(0, |receiving| receiving.next);
        let rest = position.previous_count.checked_sub(received).ok_or(Refusal::Impossible)?;
        if self.receiving.is_none() && rest != 0 {
            return Err(Refusal::Impossible);
        }
        check_jump(rest)?;
        check_jump(position.count)?;

        let mut skipped = SkippedDelta::with_room(rest.saturating_add(position.count));
        let mut ratchet = self.clone();
        let mut passed = 0_u32;
        let mut chains = Vec::with_capacity(2);
        if let Some(old) = ratchet.receiving.as_mut() {
            passed = old.skip_to(position.previous_count, message.session, &mut skipped)?;
            chains.push((old.chain, old.skipped));
        }
        let mut receiving = ratchet.step_receiving(secret, &position.ratchet_key, position.chain)?;
        passed = passed.saturating_add(receiving.skip_to(position.count, message.session, &mut skipped)?);
        let padded = message.open(&receiving.take_key()?)?;

        chains.push((receiving.chain, receiving.skipped));
        ratchet.receiving = Some(receiving);
        ratchet.previous_count = *sent;
        ratchet.sending_chain = ratchet.sending_chain.checked_add(1).ok_or(Refusal::Impossible)?;
        ratchet.sending = Sending::Idle;
        ratchet.skipped = ratchet.skipped.saturating_add(passed);
        ratchet.evict(&chains, message.session, &mut skipped, keys)?;
        Ok(Received { padded, ratchet, skipped, stepped: true })
    }

    fn step_receiving<E>(
        &mut self,
        ours: &DhSecret,
        theirs: &DhPublic,
        chain: u32,
    ) -> Result<Receiving, Refusal<E>> {
        let agreed = ours.agree(theirs).map_err(|_| Refusal::Impossible)?;
        let (root, key) = self.root.step(&agreed);
        self.root = root;
        self.theirs = *theirs;
        Ok(Receiving { chain, key, next: 0, skipped: 0 })
    }

    /// Drops the oldest keys of a chain that keeps too many, then those of the session.
    // RAT-4
    fn evict<K: SkippedKeys>(
        &mut self,
        chains: &[(u32, u32)],
        session: SessionId,
        delta: &mut SkippedDelta,
        keys: &K,
    ) -> Result<(), Refusal<K::Error>> {
        for (chain, held) in chains {
            let over = held.saturating_sub(MAX_SKIPPED_PER_CHAIN);
            if over > 0 {
                let oldest = keys.oldest(session, *chain..=*chain, as_usize(over)).map_err(Refusal::Store)?;
                if let Some(receiving) = self.receiving.as_mut().filter(|receiving| receiving.chain == *chain)
                {
                    receiving.skipped = receiving.skipped.saturating_sub(over);
                }
                delta.evicted.extend(oldest);
            }
        }
        let dropped = u32::try_from(delta.evicted.len()).unwrap_or(u32::MAX);
        self.skipped = self.skipped.saturating_sub(dropped);
        let over = as_usize(self.skipped).saturating_sub(MAX_SKIPPED_PER_SESSION);
        if over > 0 {
            let limit = over.saturating_add(delta.evicted.len());
            let oldest = keys.oldest(session, 0..=u32::MAX, limit).map_err(Refusal::Store)?;
            let already: HashSet<_> = delta.evicted.iter().copied().collect();
            for id in oldest.into_iter().filter(|id| !already.contains(id)).take(over) {
                self.skipped = self.skipped.saturating_sub(1);
                if let Some(receiving) =
                    self.receiving.as_mut().filter(|receiving| receiving.chain == id.chain)
                {
                    receiving.skipped = receiving.skipped.saturating_sub(1);
                }
                delta.evicted.push(id);
            }
        }
        Ok(())
    }
}

impl ResponderRatchet<'_> {
    /// Opens the first message to arrive, which need not be the first that was sent.
    pub(in crate::protocol) fn open(
        self,
        message: &Incoming<'_>,
    ) -> Result<Received, Refusal<std::convert::Infallible>> {
        let position = message.position;
        // RAT-2
        if position.chain != 0 || position.previous_count != 0 {
            return Err(Refusal::Impossible);
        }
        check_jump(position.count)?;
        let mut skipped = SkippedDelta::with_room(position.count);
        let mut ratchet = Ratchet::initiator(self.root, position.ratchet_key);
        let mut receiving = ratchet.step_receiving(self.signed_prekey, &position.ratchet_key, 0)?;
        ratchet.skipped = receiving.skip_to(position.count, message.session, &mut skipped)?;
        let padded = message.open(&receiving.take_key()?)?;
        ratchet.receiving = Some(receiving);
        Ok(Received { padded, ratchet, skipped, stepped: true })
    }
}

impl Receiving {
    /// Moves on to `count`, keeping the keys of the messages passed over; tells how many.
    fn skip_to<E>(
        &mut self,
        count: u32,
        session: SessionId,
        delta: &mut SkippedDelta,
    ) -> Result<u32, Refusal<E>> {
        let jump = count.checked_sub(self.next).ok_or(Refusal::Impossible)?;
        for count in self.next..count {
            let (next, key) = self.key.step();
            self.key = next;
            delta.insert.push((SkippedId { session, chain: self.chain, count }, key));
        }
        self.next = count;
        self.skipped = self.skipped.saturating_add(jump);
        Ok(jump)
    }

    /// The key of the next message.
    fn take_key<E>(&mut self) -> Result<MessageKey, Refusal<E>> {
        // RAT-9
        let after = self.next.checked_add(1).ok_or(Refusal::Impossible)?;
        let (next, key): (ChainKey, MessageKey) = self.key.step();
        (self.key, self.next) = (next, after);
        Ok(key)
    }
}

// RAT-3
fn check_jump<E>(jump: u32) -> Result<(), Refusal<E>> {
    if jump > MAX_SKIPPED_PER_CHAIN { Err(Refusal::TooFarAhead) } else { Ok(()) }
}

fn as_usize(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
