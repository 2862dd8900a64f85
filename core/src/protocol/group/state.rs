//! A group's state at a version: who belongs, who may do what, how it is run. And how a change makes the next one.
//!
//! ```text
//! founding change ──▶ State 1 ──apply(change 2)──▶ State 2 ──apply(change 3)──▶ …
//! ```
//!
//! A state has exactly one encoding, and each change carries the hash of the encoding that results: two clients that took the
//! same changes can't differ unnoticed, and whoever is handed a state with the change that led to it needs no older one. A
//! [`State`] exists only as the result of rules that were kept. Rules: `proto/spec/group.md`.

use sha2::{Digest, Sha256};
use wheesht_proto::{
    group as wire,
    ids::{AccountId, GroupId},
    limits::{MAX_GROUP_BANNED, MAX_GROUP_INVITES, MAX_GROUP_MEMBERS, MAX_GROUP_STATE},
    prost::Message as _,
};

use super::{
    actions::{Acting, Action},
    change::{Change, ChangeError, Founding},
    parts::{Description, Epoch, Invite, Member, RecordPlace, account},
    policy::{Policy, Role},
};
use crate::{signed::decode_canonical, time::Timestamp};

const HASH_DOMAIN: &[u8] = b"wheesht/1 group state\0";

/// A group at a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    fields: Fields,
    /// Hash of the change that led here.
    head: [u8; 32],
    hash: [u8; 32],
}

/// What the encoding holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fields {
    pub(super) group: GroupId,
    pub(super) version: u64,
    pub(super) description: Description,
    pub(super) policy: Policy,
    /// By account.
    pub(super) members: Vec<Member>,
    /// Ascending.
    pub(super) banned: Vec<AccountId>,
    /// By key.
    pub(super) invites: Vec<Invite>,
    pub(super) epoch: Epoch,
    pub(super) record: RecordPlace,
    pub(super) founded: Timestamp,
}

impl State {
    /// The first state, made by the founding change alone.
    pub(super) fn found(group: GroupId, founding: &Founding, made: Timestamp, founder: AccountId) -> Self {
        let member = Member {
            account: founder,
            address: founding.address.clone(),
            role: Role::Owner,
            added_by: founder,
            since: made,
            since_version: 1,
        };
        let fields = Fields {
            group,
            version: 1,
            description: founding.description.clone(),
            policy: founding.policy,
            members: vec![member],
            banned: Vec::new(),
            invites: Vec::new(),
            epoch: founding.epoch,
            record: founding.record.clone(),
            founded: made,
        };
        // GRP-1: the founding change's hash as a change, and the group's id, are two hashes of the same bytes.
        fields.into_state(founding.head)
    }

    /// The state after a verified change.
    ///
    /// # Errors
    /// [`ChangeError`] if the change does not continue this state, or breaks a rule.
    pub fn apply(&self, change: &Change) -> Result<Self, ChangeError> {
        // GRP-5
        if change.group() != Some(self.fields.group) {
            return Err(ChangeError::OtherGroup);
        }
        if Some(change.version()) != self.fields.version.checked_add(1)
            || change.previous() != Some(self.head)
        {
            return Err(ChangeError::DoesNotContinue);
        }
        let next = self.act(change.actor(), change.actions(), change.made())?;
        // GRP-2
        let encoded = next.encode();
        fits(&encoded)?;
        let next = Self { fields: next, head: change.hash(), hash: hash(&encoded) };
        // GRP-6
        if Some(next.hash) == change.state_hash() { Ok(next) } else { Err(ChangeError::OtherState) }
    }

    /// What the actions make of this state, all or none.
    pub(super) fn act(
        &self,
        actor: AccountId,
        actions: &[Action],
        made: Timestamp,
    ) -> Result<Fields, ChangeError> {
        // GRP-9
        let role = self.role(&actor).ok_or(ChangeError::NotPermitted)?;
        let version = self.fields.version.checked_add(1).ok_or(ChangeError::DoesNotContinue)?;
        // Time never runs backwards in a group's history, whatever a member's clock says.
        let made = made.max(self.fields.founded);
        let acting = Acting { actor, role, made, version };
        let mut next = self.fields.clone();
        next.version = version;
        for action in actions {
            action.apply(&mut next, &acting)?;
        }
        // GRP-8
        if !next.members.iter().any(|member| member.role == Role::Owner) {
            return Err(ChangeError::LastOwner);
        }
        // GRP-19: somebody who went shall not see the traffic that follows, and an epoch is an epoch.
        let removed = self.members().iter().any(|member| next.find(&member.account).is_err());
        let epochs = next.epoch.number.saturating_sub(self.fields.epoch.number);
        if epochs > 1 || (removed && epochs != 1) {
            return Err(ChangeError::Epoch);
        }
        Ok(next)
    }

    /// The group.
    pub fn group(&self) -> GroupId {
        self.fields.group
    }

    /// 1 for the founding state.
    pub fn version(&self) -> u64 {
        self.fields.version
    }

    /// The hash that messages and changes name it by.
    pub fn hash(&self) -> [u8; 32] {
        self.hash
    }

    /// Hash of the change that led to it: what the next one names.
    pub fn head(&self) -> [u8; 32] {
        self.head
    }

    /// Title, text, picture.
    pub fn description(&self) -> &Description {
        &self.fields.description
    }

    /// How the group is run.
    pub fn policy(&self) -> &Policy {
        &self.fields.policy
    }

    /// Who belongs, by account.
    pub fn members(&self) -> &[Member] {
        &self.fields.members
    }

    /// A member.
    pub fn member(&self, account: &AccountId) -> Option<&Member> {
        self.fields.member(account)
    }

    /// What an account may do; `None`: it does not belong.
    pub fn role(&self, account: &AccountId) -> Option<Role> {
        self.member(account).map(|member| member.role)
    }

    /// Who must not come back, ascending.
    pub fn banned(&self) -> &[AccountId] {
        &self.fields.banned
    }

    /// Links that are good, by key.
    pub fn invites(&self) -> &[Invite] {
        &self.fields.invites
    }

    /// The span of the group's life.
    pub fn epoch(&self) -> &Epoch {
        &self.fields.epoch
    }

    /// Where the record lies.
    pub fn record(&self) -> &RecordPlace {
        &self.fields.record
    }

    /// When the group was founded, as its founder's clock had it.
    pub fn founded(&self) -> Timestamp {
        self.fields.founded
    }

    /// Its one encoding.
    pub fn encode(&self) -> Vec<u8> {
        self.fields.encode()
    }

    /// Reads an encoding. That the state came about by the rules is not said by its bytes: the change that led to it says so
    /// ([`Checkpoint`](super::Checkpoint)), or the store, which holds only what was verified.
    ///
    /// # Errors
    /// [`ChangeError::Malformed`].
    pub fn decode_stored(bytes: &[u8], head: [u8; 32]) -> Result<Self, ChangeError> {
        let fields = Fields::decode(bytes).ok_or(ChangeError::Malformed)?;
        let hash = hash(bytes);
        Ok(Self { fields, head, hash })
    }
}

impl Fields {
    pub(super) fn find(&self, account: &AccountId) -> Result<usize, usize> {
        self.members.binary_search_by(|member| member.account.cmp(account))
    }

    pub(super) fn member(&self, account: &AccountId) -> Option<&Member> {
        self.find(account).ok().and_then(|place| self.members.get(place))
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let message = wire::State {
            group_id: self.group.to_vec(),
            version: self.version,
            description: Some(self.description.to_wire()),
            policy: Some(self.policy.to_wire()),
            members: self.members.iter().map(Member::to_wire).collect(),
            banned: self.banned.iter().map(|account| account.to_vec()).collect(),
            invites: self.invites.iter().map(Invite::to_wire).collect(),
            epoch: Some(self.epoch.to_wire()),
            record: Some(self.record.to_wire()),
            founded_ms: self.founded.as_millis(),
        };
        message.encode_to_vec()
    }

    fn into_state(self, head: [u8; 32]) -> State {
        let hash = hash(&self.encode());
        State { fields: self, head, hash }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        // GRP-2
        if bytes.len() > MAX_GROUP_STATE {
            return None;
        }
        let wire: wire::State = decode_canonical(bytes)?;
        let fields = Self {
            group: GroupId::try_from(&*wire.group_id).ok()?,
            version: wire.version,
            description: Description::read(wire.description?)?,
            policy: Policy::read(&wire.policy?)?,
            members: wire.members.iter().map(Member::read).collect::<Option<_>>()?,
            banned: wire.banned.iter().map(|bytes| account(bytes)).collect::<Option<_>>()?,
            invites: wire.invites.iter().map(Invite::read).collect::<Option<_>>()?,
            epoch: Epoch::read(&wire.epoch?)?,
            record: RecordPlace::read(&wire.record?)?,
            founded: Timestamp::from_millis(wire.founded_ms),
        };
        fields.well_formed().then_some(fields)
    }

    /// GRP-2, GRP-8: within the limits, sorted, nobody twice, and an owner.
    fn well_formed(&self) -> bool {
        let Self { version, members, banned, invites, .. } = self;
        *version > 0
            && members.len() <= MAX_GROUP_MEMBERS
            && banned.len() <= MAX_GROUP_BANNED
            && invites.len() <= MAX_GROUP_INVITES
            && members.is_sorted_by(|one, next| one.account < next.account)
            && banned.is_sorted_by(|one, next| one < next)
            && invites.is_sorted_by(|one, next| one.key.as_bytes() < next.key.as_bytes())
            && members.iter().any(|member| member.role == Role::Owner)
            && banned.iter().all(|account| self.find(account).is_err())
            && members.iter().all(|member| member.since_version <= *version)
    }
}

/// The hash of an encoded state.
pub(super) fn hash(encoded: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(HASH_DOMAIN).chain_update(encoded).finalize().into()
}

/// Whether a state of this encoding is small enough to be handed over.
pub(super) fn fits(encoded: &[u8]) -> Result<(), ChangeError> {
    if encoded.len() <= MAX_GROUP_STATE { Ok(()) } else { Err(ChangeError::TooLarge) }
}
