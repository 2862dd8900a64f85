//! A checkpoint: a state as one member hands it to another, or as the group's record holds it.
//!
//! ```text
//! changes before      head                    state
//! n-2, n-1       ──▶  change n  ──hash of──▶  version n
//! ```
//!
//! Whoever knows version n-3 or later checks every change in between, and needs to trust nobody. Whoever knows less, or nothing,
//! takes the state on the word of whoever signed the head: so that must be somebody it has reason to believe, an owner or admin
//! of the state it knows, or who invited it. That is the caller's to judge ([`Checkpoint::vouched_by`]). Rules: GRP-21, GRP-22.

use wheesht_proto::{
    group as wire,
    ids::{AccountId, GroupId},
    limits::MAX_RECORD_CHANGES,
    prost::Message as _,
};

use super::{
    change::{Change, ChangeError, UnverifiedChange},
    policy::Role,
    state::State,
};

/// A state with the change that led to it: consistent in itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    state: State,
    head: Change,
    /// Encoded, before the head, the oldest first: verified when they are applied.
    before: Vec<Vec<u8>>,
}

impl Checkpoint {
    /// Puts together what was verified: a state, the change that led to it, and encoded changes before that, the oldest first.
    pub fn new(state: State, head: Change, before: Vec<Vec<u8>>) -> Self {
        Self { state, head, before }
    }

    /// As a welcome, an answer or the record carries it. Of the changes before, as many of the newest as fit `room` bytes, with
    /// everything else; the state and its head are there in any case.
    pub fn to_wire(&self, room: usize) -> wire::Checkpoint {
        let state = self.state.encode();
        let head = self.head.encoded().to_vec();
        let mut left = room.saturating_sub(state.len() + head.len());
        let mut changes: Vec<Vec<u8>> = Vec::new();
        for change in self.before.iter().rev().take(MAX_RECORD_CHANGES) {
            // A field's key and length are at most four bytes here.
            let Some(rest) = left.checked_sub(change.len() + 4) else { break };
            left = rest;
            changes.push(change.clone());
        }
        changes.reverse();
        wire::Checkpoint { state, head, changes }
    }

    /// Encoded, as [`Self::to_wire`].
    pub fn encode(&self, room: usize) -> Vec<u8> {
        self.to_wire(room).encode_to_vec()
    }

    /// Checks that state and head belong together and to this group, and that somebody signed the head who could.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub fn verify(wire: &wire::Checkpoint, expected: &GroupId) -> Result<Self, ChangeError> {
        // GRP-21
        if wire.changes.len() > MAX_RECORD_CHANGES {
            return Err(ChangeError::Malformed);
        }
        let head = UnverifiedChange::decode(&wire.head)?.verify()?;
        let state = State::decode_stored(&wire.state, head.hash())?;
        if state.group() != *expected {
            return Err(ChangeError::OtherGroup);
        }
        match head.founded() {
            Some(founded) if founded == state => {}
            Some(_) => return Err(ChangeError::OtherState),
            None => {
                if head.group() != Some(*expected) {
                    return Err(ChangeError::OtherGroup);
                }
                if head.state_hash() != Some(state.hash()) || head.version() != state.version() {
                    return Err(ChangeError::OtherState);
                }
            }
        }
        Ok(Self { state, head, before: wire.changes.clone() })
    }

    /// The state.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The change that led to it.
    pub fn head(&self) -> &Change {
        &self.head
    }

    /// Encoded changes before the head, the oldest first; not verified.
    pub fn before(&self) -> &[Vec<u8>] {
        &self.before
    }

    /// Who signed the head.
    pub fn signer(&self) -> AccountId {
        self.head.actor()
    }

    /// GRP-22: whether whoever signed the head was an owner or admin in a state known before.
    pub fn vouched_by(&self, known: &State) -> bool {
        known.group() == self.state.group()
            && known.version() < self.state.version()
            && known.role(&self.signer()).is_some_and(|role| role >= Role::Admin)
    }
}
