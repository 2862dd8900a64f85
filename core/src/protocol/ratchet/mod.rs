//! The double ratchet: from one shared root key to a key per message.
//!
//! Follows Signal's published specification, with four decisions of our own (`proto/spec/ratchet.md` has the reasons):
//!
//! - **chains are numbered** on the wire, so that a message says whether it is of an old, the current or the next chain, and
//!   one that can be none of these is refused before any work;
//! - **the sending ratchet is lazy**: a DH step of one's own is taken when something is sent, not when something arrives;
//! - **skipped keys are rows of their own** ([`SkippedKeys`]), never rewritten with the state;
//! - **encryption is rollback-proof** ([`cipher`]).
//!
//! ```text
//!             encrypt: new ratchet key, DH step
//!   Idle ───────────────────────────────────────▶ Active ──┐ encrypt: chain step
//!     ▲                                              │ ◀───┘
//!     └──────────────────────────────────────────────┘
//!             decrypt of the peer's next chain: DH step
//! ```
//!
//! Decryption works on a copy: what it returns replaces the state, and on an error there is nothing to undo.

pub(super) mod chain;
pub(super) mod cipher;
mod receive;
mod skipped;

use rand_core::CryptoRng;

pub use chain::MessageKey;
pub(super) use chain::{ChainKey, RootKey};
pub(super) use cipher::Synthetic;
pub(super) use receive::{Incoming, Refusal};
pub use skipped::{SkippedDelta, SkippedId, SkippedKeys};

use super::codec::{Reader, Writer};
use crate::crypto::dh::{DhPublic, DhSecret, LowOrderPoint};

/// Where a message stands: what its sender's ratchet says of it, in clear inside the envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) ratchet_key: DhPublic,
    pub(super) chain: u32,
    pub(super) previous_count: u32,
    pub(super) count: u32,
}

/// One side's state.
#[derive(Debug, Clone)]
pub(super) struct Ratchet {
    root: RootKey,
    sending: Sending,
    /// Number of the sending chain: the one in use if active, else the one to come.
    sending_chain: u32,
    /// Messages in the sending chain before that.
    previous_count: u32,
    /// The peer's newest ratchet key; for an initiator at first the peer's signed prekey.
    theirs: DhPublic,
    receiving: Option<Receiving>,
    /// Skipped keys kept, of all chains.
    skipped: u32,
}

#[derive(Debug, Clone)]
enum Sending {
    /// The peer has moved on, or nothing was sent yet: the next message takes a DH step first.
    Idle,
    Active {
        secret: DhSecret,
        key: ChainKey,
        next: u32,
    },
}

#[derive(Debug, Clone)]
struct Receiving {
    chain: u32,
    key: ChainKey,
    next: u32,
    /// Skipped keys kept of this chain.
    skipped: u32,
}

/// The ratchet can't encrypt any more: 2^32 messages in a row, or a peer's key that leads nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SealFailure;

/// A sealed message, not yet in its wire form.
#[derive(Debug)]
pub(super) struct Sealed {
    pub(super) position: Position,
    pub(super) synthetic: Synthetic,
    pub(super) ciphertext: Vec<u8>,
    /// A DH step was taken.
    pub(super) stepped: bool,
}

impl Ratchet {
    /// The initiator's: the peer's signed prekey is its first ratchet key.
    pub(super) fn initiator(root: RootKey, their_signed_prekey: DhPublic) -> Self {
        Self {
            root,
            sending: Sending::Idle,
            sending_chain: 0,
            previous_count: 0,
            theirs: their_signed_prekey,
            receiving: None,
            skipped: 0,
        }
    }

    /// The responder's, before the first message is decrypted: its signed prekey is its first ratchet key, and nothing
    /// was sent under it.
    pub(super) fn responder(root: RootKey, signed_prekey: &DhSecret) -> ResponderRatchet<'_> {
        ResponderRatchet { root, signed_prekey }
    }

    /// Encrypts one message. `aad` makes the additional data from the message's position.
    pub(super) fn seal(
        &mut self,
        content: &[u8],
        aad: impl FnOnce(&Position) -> Vec<u8>,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Sealed, SealFailure> {
        let stepped = matches!(self.sending, Sending::Idle);
        if stepped {
            self.step_sending(rng).map_err(|LowOrderPoint| SealFailure)?;
        }
        let Sending::Active { secret, key, next } = &mut self.sending else {
            return Err(SealFailure);
        };
        let position = Position {
            ratchet_key: *secret.public(),
            chain: self.sending_chain,
            previous_count: self.previous_count,
            count: *next,
        };
        // RAT-9
        let after = next.checked_add(1).ok_or(SealFailure)?;
        let (next_key, message_key) = key.step();
        let (synthetic, ciphertext) = cipher::seal(&message_key, &aad(&position), content);
        (*key, *next) = (next_key, after);
        Ok(Sealed { position, synthetic, ciphertext, stepped })
    }

    // RAT-6
    fn step_sending(&mut self, rng: &mut (impl CryptoRng + ?Sized)) -> Result<(), LowOrderPoint> {
        let secret = DhSecret::generate(rng);
        let (root, key) = self.root.step(&secret.agree(&self.theirs)?);
        self.root = root;
        self.sending = Sending::Active { secret, key, next: 0 };
        Ok(())
    }

    pub(super) fn write(&self, out: &mut Writer) {
        let Self { root, sending, sending_chain, previous_count, theirs, receiving, skipped } = self;
        out.secret(root).u32(*sending_chain).u32(*previous_count).raw(theirs.as_bytes()).u32(*skipped);
        match sending {
            Sending::Idle => out.u8(0),
            Sending::Active { secret, key, next } => out.u8(1).dh_secret(secret).secret(key).u32(*next),
        };
        match receiving {
            None => out.u8(0),
            Some(Receiving { chain, key, next, skipped }) => {
                out.u8(1).u32(*chain).secret(key).u32(*next).u32(*skipped)
            }
        };
    }

    pub(super) fn read(input: &mut Reader<'_>) -> Option<Self> {
        let root = input.secret()?;
        let (sending_chain, previous_count) = (input.u32()?, input.u32()?);
        let theirs = DhPublic::new(*input.array()?);
        let skipped = input.u32()?;
        let sending = if input.bool()? {
            Sending::Active { secret: input.dh_secret()?, key: input.secret()?, next: input.u32()? }
        } else {
            Sending::Idle
        };
        let receiving = if input.bool()? {
            Some(Receiving {
                chain: input.u32()?,
                key: input.secret()?,
                next: input.u32()?,
                skipped: input.u32()?,
            })
        } else {
            None
        };
        Some(Self { root, sending, sending_chain, previous_count, theirs, receiving, skipped })
    }
}

/// A responder's ratchet that has received nothing yet. It becomes a [`Ratchet`] with the first message that opens.
pub(super) struct ResponderRatchet<'a> {
    root: RootKey,
    signed_prekey: &'a DhSecret,
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, ops::RangeInclusive};

    use chacha20::{ChaCha20Rng, rand_core::SeedableRng};

    use super::*;
    use crate::{crypto::secret::Secret, protocol::session::SessionId};

    struct NoKeys;

    impl SkippedKeys for NoKeys {
        type Error = Infallible;

        fn get(&self, _: &SkippedId) -> Result<Option<MessageKey>, Infallible> {
            Ok(None)
        }

        fn oldest(
            &self,
            _: SessionId,
            _: RangeInclusive<u32>,
            _: usize,
        ) -> Result<Vec<SkippedId>, Infallible> {
            Ok(Vec::new())
        }
    }

    #[test]
    fn rat_9_a_count_never_wraps() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let prekey = DhSecret::generate(&mut rng);
        let mut ratchet = Ratchet::initiator(RootKey::restore(&[1; 32]), *prekey.public());
        let aad = |_: &Position| Vec::new();
        let sealed = ratchet.seal(b"hush", aad, &mut rng).ok().unwrap();
        if let Sending::Active { next, .. } = &mut ratchet.sending {
            *next = u32::MAX;
        }
        let before = format!("{ratchet:?}");
        assert_eq!(ratchet.seal(b"hush", aad, &mut rng).err(), Some(SealFailure));
        assert_eq!(format!("{ratchet:?}"), before);

        // The receiving side, at its last but one place.
        let receiving = Receiving { chain: 0, key: ChainKey::restore(&[2; 32]), next: u32::MAX, skipped: 0 };
        ratchet.receiving = Some(receiving);
        ratchet.theirs = sealed.position.ratchet_key;
        let position = Position { count: u32::MAX, ..sealed.position };
        let incoming = Incoming {
            session: SessionId::new([0; 8]),
            position: &position,
            synthetic: &sealed.synthetic,
            ciphertext: &sealed.ciphertext,
            aad: &[],
        };
        assert_eq!(ratchet.open(&incoming, &NoKeys).err(), Some(Refusal::Impossible));
    }

    #[test]
    fn debug_shows_no_secret() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let prekey = DhSecret::generate(&mut rng);
        let mut ratchet = Ratchet::initiator(RootKey::restore(&[1; 32]), *prekey.public());
        ratchet.seal(b"hush", |_: &Position| Vec::new(), &mut rng).ok().unwrap();
        let Sending::Active { secret, .. } = &ratchet.sending else { unreachable!() };
        let expected = format!(
            "Ratchet {{ root: RootKey {{ .. }}, sending: Active {{ secret: DhSecret {{ public: {:?}, .. }}, \
             key: ChainKey {{ .. }}, next: 1 }}, sending_chain: 0, previous_count: 0, theirs: {:?}, \
             receiving: None, skipped: 0 }}",
            secret.public(),
            prekey.public(),
        );
        assert_eq!(format!("{ratchet:?}"), expected);
    }
}
