//! The parts of a group's state, each read from bytes with its limits checked.

use std::fmt;

use wheesht_proto::{
    address::{Address, RelayAddress},
    group as wire,
    ids::{AccountId, RecordId},
    limits::{MAX_GROUP_ABOUT, MAX_GROUP_PICTURE, MAX_GROUP_TITLE},
};

use super::policy::Role;
use crate::{crypto::sign::VerifyingKey, time::Timestamp};

/// What a group says of itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Description {
    /// One line, not empty.
    pub title: String,
    /// What it is about.
    pub about: String,
    /// A small picture; empty: none.
    pub picture: Vec<u8>,
}

/// Somebody who belongs to a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Identity key.
    pub account: AccountId,
    /// `name@relay`, with the way to the relay.
    pub address: Address,
    /// What it may do.
    pub role: Role,
    /// Who signed the addition; the founder: itself.
    pub added_by: AccountId,
    /// When, as the signer's clock had it.
    pub since: Timestamp,
    /// Version of the change that added it: a membership's name in time.
    pub since_version: u64,
}

/// A link that is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invite {
    /// Its public key; the link holds the secret.
    pub key: VerifyingKey,
    /// Until when.
    pub expires: Option<Timestamp>,
    /// How often it can still be used; absent: any number.
    pub uses_left: Option<u32>,
    /// Who made it.
    pub maker: AccountId,
}

/// A span of a group's life with one outer key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epoch {
    /// 1, 2, 3, …
    pub number: u64,
    /// See [`OuterKey::commitment`](super::OuterKey::commitment).
    pub key_commitment: [u8; 32],
}

/// Where the record lies that orders a group's changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordPlace {
    /// Which.
    pub id: RecordId,
    /// On which relay.
    pub relay: RelayAddress,
}

impl fmt::Debug for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { title: _, about: _, picture: _ } = self;
        f.write_str("Description(…)")
    }
}

impl Description {
    pub(super) fn to_wire(&self) -> wire::Description {
        wire::Description {
            title: self.title.clone(),
            about: self.about.clone(),
            picture: self.picture.clone(),
        }
    }

    pub(super) fn read(wire: wire::Description) -> Option<Self> {
        let description = Self { title: wire.title, about: wire.about, picture: wire.picture };
        description.well_formed().then_some(description)
    }

    // GRP-3
    pub(super) fn well_formed(&self) -> bool {
        let Self { title, about, picture } = self;
        !title.is_empty()
            && title.len() <= MAX_GROUP_TITLE
            && !title.chars().any(char::is_control)
            && about.len() <= MAX_GROUP_ABOUT
            && picture.len() <= MAX_GROUP_PICTURE
    }
}

impl Member {
    pub(super) fn to_wire(&self) -> wire::Member {
        wire::Member {
            identity: self.account.to_vec(),
            address: self.address.to_string(),
            role: self.role.to_wire(),
            added_by: self.added_by.to_vec(),
            since_ms: self.since.as_millis(),
            since_version: self.since_version,
        }
    }

    pub(super) fn read(wire: &wire::Member) -> Option<Self> {
        Some(Self {
            account: account(&wire.identity)?,
            address: address(&wire.address)?,
            role: Role::read(wire.role)?,
            added_by: account(&wire.added_by)?,
            since: Timestamp::from_millis(wire.since_ms),
            since_version: wire.since_version,
        })
    }
}

impl Invite {
    pub(super) fn to_wire(&self) -> wire::Invite {
        wire::Invite {
            key: self.key.as_bytes().to_vec(),
            expires_ms: self.expires.map_or(0, Timestamp::as_millis),
            uses_left: self.uses_left.unwrap_or_default(),
            bounded: self.uses_left.is_some(),
            maker: self.maker.to_vec(),
        }
    }

    pub(super) fn read(wire: &wire::Invite) -> Option<Self> {
        Some(Self {
            key: VerifyingKey::try_from(&*wire.key).ok()?,
            expires: expiry(wire.expires_ms),
            uses_left: wire.bounded.then_some(wire.uses_left),
            maker: account(&wire.maker)?,
        })
    }
}

impl Epoch {
    pub(super) fn to_wire(self) -> wire::Epoch {
        wire::Epoch { number: self.number, key_commitment: self.key_commitment.to_vec() }
    }

    pub(super) fn read(wire: &wire::Epoch) -> Option<Self> {
        let key_commitment = wire.key_commitment.as_slice().try_into().ok()?;
        Some(Self { number: wire.number, key_commitment })
    }
}

impl RecordPlace {
    pub(super) fn to_wire(&self) -> wire::RecordPlace {
        wire::RecordPlace { record_id: self.id.to_vec(), relay: self.relay.to_string() }
    }

    pub(super) fn read(wire: &wire::RecordPlace) -> Option<Self> {
        let relay: RelayAddress = wire.relay.parse().ok()?;
        // One spelling, so that a state has one encoding.
        (relay.to_string() == wire.relay)
            .then_some(Self { id: RecordId::try_from(&*wire.record_id).ok()?, relay })
    }
}

pub(super) fn account(bytes: &[u8]) -> Option<AccountId> {
    AccountId::try_from(bytes).ok()
}

pub(super) fn address(text: &str) -> Option<Address> {
    text.parse().ok().filter(|address: &Address| address.to_string() == text)
}

pub(super) fn expiry(millis: u64) -> Option<Timestamp> {
    (millis > 0).then_some(Timestamp::from_millis(millis))
}
