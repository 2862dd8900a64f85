//! Session messages on the wire, and the additional data that authenticates every field of them.
//!
//! A message is a ratchet message, or a ratchet message in a *prekey* form, which carries all that the receiver needs to set
//! the session up. The additional data is not the protobuf encoding, which has many spellings, but a fixed layout of the
//! fields' values, so what is authenticated is what was understood.

use prost::Message;

use super::SessionId;
use crate::{
    crypto::{
        aead::TAG_LEN,
        dh::DhPublic,
        kem::{Kem, MlKem768},
    },
    proto::{
        limits::{MAX_ENVELOPE, PROTOCOL_VERSION, SUITE_1},
        session as wire,
    },
    protocol::ratchet::{Position, Synthetic},
};

/// Why bytes are no session message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MalformedMessage {
    /// Of a protocol version that this one doesn't know: the sender is newer.
    #[error("a message of protocol version {0}")]
    Version(u32),
    /// Of a cipher suite that this version doesn't know.
    #[error("a message of cipher suite {0}")]
    Suite(u32),
    /// Too large, no protobuf, or a field not of its form.
    #[error("malformed message")]
    Malformed,
}

/// A session message as bytes said it.
#[derive(Debug, Clone)]
pub struct UnverifiedSessionMessage {
    pub(super) setup: Option<Setup>,
    pub(super) session: SessionId,
    pub(super) position: Position,
    pub(super) synthetic: Synthetic,
    pub(super) ciphertext: Vec<u8>,
}

/// What a prekey message says so that its receiver can set the session up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setup {
    pub(super) generation: u32,
    pub(super) base_key: DhPublic,
    pub(super) signed: u32,
    pub(super) one_time: Option<u32>,
    pub(super) kem: u32,
    pub(super) last_resort: bool,
    pub(super) kem_ciphertext: Vec<u8>,
}

/// What setting up the session that a message belongs to takes from the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrekeyNeeds {
    /// Row of the signed prekey.
    pub signed: u32,
    /// Row of the one-time prekey, if one was used.
    pub one_time: Option<u32>,
    /// Row of the KEM prekey.
    pub kem: u32,
    /// The base key: whether it has been remembered decides about a last-resort key.
    pub base_key: DhPublic,
}

impl UnverifiedSessionMessage {
    /// Reads a message.
    ///
    /// # Errors
    /// [`MalformedMessage`].
    pub fn decode(bytes: &[u8]) -> Result<Self, MalformedMessage> {
        // SES-2: nothing is parsed that no sender can have made.
        if bytes.len() > MAX_ENVELOPE {
            return Err(MalformedMessage::Malformed);
        }
        let message = wire::SessionMessage::decode(bytes).map_err(|_| MalformedMessage::Malformed)?;
        // SES-1
        if message.version != PROTOCOL_VERSION {
            return Err(MalformedMessage::Version(message.version));
        }
        match message.kind.ok_or(MalformedMessage::Malformed)? {
            wire::session_message::Kind::Ratchet(message) => Self::read(message, None),
            wire::session_message::Kind::Prekey(mut message) => {
                let inner = message.message.take().ok_or(MalformedMessage::Malformed)?;
                Self::read(inner, Some(Setup::read(message)?))
            }
        }
        .ok_or(MalformedMessage::Malformed)
    }

    fn read(message: wire::RatchetMessage, setup: Option<Setup>) -> Option<Self> {
        // RAT-10: version 1 has no second message key.
        if !message.pq.is_empty() || message.ciphertext.len() < TAG_LEN {
            return None;
        }
        Some(Self {
            setup,
            session: SessionId::try_from(&*message.session_id).ok()?,
            position: Position {
                ratchet_key: DhPublic::try_from(&*message.ratchet_key).ok()?,
                chain: message.chain,
                previous_count: message.previous_count,
                count: message.count,
            },
            synthetic: message.synthetic.try_into().ok()?,
            ciphertext: message.ciphertext,
        })
    }

    /// The session it belongs to. Look it up among those with the sender's device; if it is there, that session decrypts the
    /// message, whatever form it is in.
    pub fn session_id(&self) -> SessionId {
        self.session
    }

    /// What it takes to set the session up, if it isn't there. `None`: the message is of a session that was lost.
    pub fn prekeys(&self) -> Option<PrekeyNeeds> {
        self.setup.as_ref().map(|setup| PrekeyNeeds {
            signed: setup.signed,
            one_time: setup.one_time,
            kem: setup.kem,
            base_key: setup.base_key,
        })
    }

    /// Where the message stands in its session: what a request to send it again names.
    pub fn place(&self) -> (DhPublic, u32) {
        (self.position.ratchet_key, self.position.count)
    }

    pub(super) fn aad(&self, outer: &[u8]) -> Vec<u8> {
        additional_data(self.session, self.setup.as_ref(), &self.position, outer)
    }
}

impl Setup {
    fn read(message: wire::PrekeyMessage) -> Result<Self, MalformedMessage> {
        // SES-1
        if message.suite != SUITE_1 {
            return Err(MalformedMessage::Suite(message.suite));
        }
        let setup = Self {
            generation: message.generation,
            base_key: DhPublic::try_from(&*message.base_key).map_err(|_| MalformedMessage::Malformed)?,
            signed: message.signed_prekey_id,
            one_time: (message.one_time_id != 0).then_some(message.one_time_id),
            kem: message.kem_id,
            last_resort: message.kem_last_resort,
            kem_ciphertext: message.kem_ciphertext,
        };
        setup.has_form().then_some(setup).ok_or(MalformedMessage::Malformed)
    }

    /// Whether a receiver would read it; what is stored is held to the same, so that no session sends what nobody takes.
    // SES-2
    pub(super) fn has_form(&self) -> bool {
        self.kem_ciphertext.len() == MlKem768::CIPHERTEXT_LEN && self.signed != 0 && self.kem != 0
    }
}

/// The wire form of a message.
pub(super) fn encode(
    session: SessionId,
    setup: Option<&Setup>,
    position: &Position,
    synthetic: &Synthetic,
    ciphertext: Vec<u8>,
) -> Vec<u8> {
    let message = wire::RatchetMessage {
        session_id: session.as_bytes().to_vec(),
        ratchet_key: position.ratchet_key.to_vec(),
        previous_count: position.previous_count,
        count: position.count,
        synthetic: synthetic.to_vec(),
        ciphertext,
        pq: Vec::new(),
        chain: position.chain,
    };
    let kind = match setup {
        None => wire::session_message::Kind::Ratchet(message),
        Some(setup) => wire::session_message::Kind::Prekey(wire::PrekeyMessage {
            suite: SUITE_1,
            base_key: setup.base_key.to_vec(),
            signed_prekey_id: setup.signed,
            one_time_id: setup.one_time.unwrap_or_default(),
            kem_id: setup.kem,
            kem_last_resort: setup.last_resort,
            kem_ciphertext: setup.kem_ciphertext.clone(),
            message: Some(message),
            generation: setup.generation,
        }),
    };
    wire::SessionMessage { version: PROTOCOL_VERSION, kind: Some(kind) }.encode_to_vec()
}

/// Version, session, position, second-key slot, set-up if any, then what the caller binds.
// RAT-11
pub(super) fn additional_data(
    session: SessionId,
    setup: Option<&Setup>,
    position: &Position,
    outer: &[u8],
) -> Vec<u8> {
    let setup_len = setup.map_or(0, |setup| 64 + setup.kem_ciphertext.len());
    let mut aad = Vec::with_capacity(64 + setup_len + outer.len());
    let mut put = |bytes: &[u8]| aad.extend_from_slice(bytes);
    put(&PROTOCOL_VERSION.to_be_bytes());
    put(session.as_bytes());
    put(position.ratchet_key.as_bytes());
    put(&position.chain.to_be_bytes());
    put(&position.previous_count.to_be_bytes());
    put(&position.count.to_be_bytes());
    put(&[0]); // length of the second message key's slot
    match setup {
        None => put(&[0]),
        Some(setup) => {
            put(&[1]);
            put(&SUITE_1.to_be_bytes());
            put(&setup.generation.to_be_bytes());
            put(setup.base_key.as_bytes());
            put(&setup.signed.to_be_bytes());
            put(&setup.one_time.unwrap_or_default().to_be_bytes());
            put(&setup.kem.to_be_bytes());
            put(&[u8::from(setup.last_resort)]);
            put(&setup.kem_ciphertext);
        }
    }
    put(outer);
    aad
}
