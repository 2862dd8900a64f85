//! A change: one step of a group's history, signed by a device of the member who acts.
//!
//! ```text
//! bytes ──UnverifiedChange::decode──▶ ──verify──▶ Change ──State::apply──▶ next State
//! what somebody wants ──Draft::sign──▶ Change and next State
//! ```
//!
//! Each change names the one before by its hash and the state that results by another, so nobody can leave one out, slip one in
//! or disagree about the outcome. Two changes of one version are a fork: whoever holds the one refuses the other. What keeps
//! honest admins from forking is the record's compare-and-swap; what keeps others from it is that this does not decide anything
//! by which came first in time. Rules: `proto/spec/group.md`.

use std::fmt;

use sha2::{Digest, Sha256};
use wheesht_proto::{
    address::Address,
    group::{self as wire, action::What},
    ids::{AccountId, GroupId},
    limits::{MAX_GROUP_ACTIONS, MAX_GROUP_CHANGE},
    prost::Message as _,
};

use super::{
    actions::Action,
    parts::{Description, Epoch, RecordPlace, address},
    policy::Policy,
    state::{self, State},
};
use crate::{
    crypto::sign::{Label, Signature},
    signed::{DeviceCertificate, DeviceSigningKey, UnverifiedCertificate, decode_canonical, signature_field},
    time::Timestamp,
};

const LABEL: Label = Label::new("wheesht/1 group change");
const ID_DOMAIN: &[u8] = b"wheesht/1 group id\0";
const HASH_DOMAIN: &[u8] = b"wheesht/1 group change hash\0";

/// Why a change is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// Not the encoding of a change or state, or a field is not of its form or beyond its limit.
    #[error("malformed")]
    Malformed,
    /// The acting device's certificate does not hold.
    #[error("the acting device's certificate does not hold")]
    Certificate,
    /// The acting device did not sign this.
    #[error("the signature does not hold")]
    BadSignature,
    /// Of another group.
    #[error("of another group")]
    OtherGroup,
    /// It does not continue the state: it is of another version, or continues another change.
    #[error("does not continue this state")]
    DoesNotContinue,
    /// It claims another outcome than the rules give.
    #[error("leads to another state than it says")]
    OtherState,
    /// The acting account may not do this.
    #[error("the role does not allow it")]
    NotPermitted,
    /// Nothing would change: it was done already.
    #[error("nothing would change")]
    NothingToDo,
    /// The account is kept out.
    #[error("the account is banned")]
    Banned,
    /// No more members, links or bans.
    #[error("the group is full")]
    Full,
    /// The state would be too large to hand over.
    #[error("the group's state would be too large")]
    TooLarge,
    /// The addition's consent is missing, another's, too old, or came by a link that is not good.
    #[error("the consent does not hold")]
    Consent,
    /// The leave is not the member's, or of an earlier membership.
    #[error("the leave does not hold")]
    Leave,
    /// A removal without a new epoch, or an epoch out of turn.
    #[error("not the next epoch")]
    Epoch,
    /// Nobody would own the group.
    #[error("a group keeps an owner")]
    LastOwner,
}

/// What a founding change says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Founding {
    pub(super) address: Address,
    pub(super) description: Description,
    pub(super) policy: Policy,
    pub(super) epoch: Epoch,
    pub(super) record: RecordPlace,
    pub(super) head: [u8; 32],
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Content {
    Founding(Box<Founding>),
    Actions { group: GroupId, previous: [u8; 32], actions: Vec<Action>, state_hash: [u8; 32] },
}

/// A signed change: certificate, signatures and form verified. Whether it is permitted is [`State::apply`]'s question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    version: u64,
    made: Timestamp,
    content: Content,
    hash: [u8; 32],
    id: GroupId,
    certificate: DeviceCertificate,
    encoded: Vec<u8>,
}

impl Change {
    /// The group; `None`: it founds one.
    pub fn group(&self) -> Option<GroupId> {
        match &self.content {
            Content::Founding(_) => None,
            Content::Actions { group, .. } => Some(*group),
        }
    }

    /// The version of the state that it leads to.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// When it was made, as the acting device's clock had it.
    pub fn made(&self) -> Timestamp {
        self.made
    }

    /// The account that acts.
    pub fn actor(&self) -> AccountId {
        self.certificate.identity()
    }

    /// The device that signed.
    pub fn certificate(&self) -> &DeviceCertificate {
        &self.certificate
    }

    /// What it does; nothing, if it founds.
    pub fn actions(&self) -> &[Action] {
        match &self.content {
            Content::Founding(_) => &[],
            Content::Actions { actions, .. } => actions,
        }
    }

    /// By which the next change names it.
    pub fn hash(&self) -> [u8; 32] {
        self.hash
    }

    /// The hash of the change before.
    pub fn previous(&self) -> Option<[u8; 32]> {
        match &self.content {
            Content::Founding(_) => None,
            Content::Actions { previous, .. } => Some(*previous),
        }
    }

    /// The hash of the state that it leads to; a founding change has none.
    pub fn state_hash(&self) -> Option<[u8; 32]> {
        match &self.content {
            Content::Founding(_) => None,
            Content::Actions { state_hash, .. } => Some(*state_hash),
        }
    }

    /// The encoded `SignedChange`.
    pub fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    /// The first state, if this is a founding change.
    pub fn founded(&self) -> Option<State> {
        match &self.content {
            Content::Founding(founding) => Some(State::found(self.id, founding, self.made, self.actor())),
            Content::Actions { .. } => None,
        }
    }
}

/// A change as bytes said it.
#[derive(Clone)]
pub struct UnverifiedChange {
    inner: wire::Change,
    signed: Vec<u8>,
    certificate: UnverifiedCertificate,
    signature: Signature,
    encoded: Vec<u8>,
}

impl UnverifiedChange {
    /// Reads an encoded `SignedChange`.
    ///
    /// # Errors
    /// [`ChangeError::Malformed`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ChangeError> {
        // GRP-2
        if bytes.len() > MAX_GROUP_CHANGE {
            return Err(ChangeError::Malformed);
        }
        let outer: wire::SignedChange = decode_canonical(bytes).ok_or(ChangeError::Malformed)?;
        let inner: wire::Change = decode_canonical(&outer.change).ok_or(ChangeError::Malformed)?;
        let certificate =
            UnverifiedCertificate::decode(&outer.certificate).map_err(|_| ChangeError::Malformed)?;
        let signature = signature_field(&outer.signature).ok_or(ChangeError::Malformed)?;
        Ok(Self { inner, signed: outer.change, certificate, signature, encoded: bytes.to_vec() })
    }

    /// The version that it claims to lead to.
    pub fn version(&self) -> u64 {
        self.inner.version
    }

    /// The hash by which others name it.
    pub fn hash(&self) -> [u8; 32] {
        hash(&self.signed)
    }

    /// Checks the certificate, the signature, and those in what it carries.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub fn verify(self) -> Result<Change, ChangeError> {
        let Self { inner, signed, certificate, signature, encoded } = self;
        // GRP-4
        let certificate = certificate.verify().map_err(|_| ChangeError::Certificate)?;
        certificate
            .signing_key()
            .verify(&LABEL, &[&signed], &signature)
            .map_err(|_| ChangeError::BadSignature)?;
        read(inner, &signed, certificate, encoded, false)
    }

    /// Takes it at its word: **only** for what this program has verified before and kept where nobody else writes.
    ///
    /// # Errors
    /// [`ChangeError::Malformed`].
    pub fn assume_verified(self) -> Result<Change, ChangeError> {
        let Self { inner, signed, certificate, signature: _, encoded } = self;
        read(inner, &signed, certificate.assume_verified(), encoded, true)
    }
}

impl fmt::Debug for UnverifiedChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { inner, signed: _, certificate: _, signature: _, encoded: _ } = self;
        f.debug_struct("UnverifiedChange").field("version", &inner.version).finish_non_exhaustive()
    }
}

/// Somebody's wish, before it is signed.
#[derive(Debug, Clone)]
pub struct Draft<'a> {
    state: &'a State,
    actions: Vec<Action>,
    made: Timestamp,
}

impl<'a> Draft<'a> {
    /// These actions, on top of this state.
    pub fn new(state: &'a State, actions: Vec<Action>, now: Timestamp) -> Self {
        Self { state, actions, made: now }
    }

    /// Signs it, if the device's account may do it, and gives the state that results.
    ///
    /// # Errors
    /// [`ChangeError`], as others would refuse it.
    pub fn sign(
        self,
        device: &DeviceSigningKey,
        certificate: &DeviceCertificate,
    ) -> Result<(Change, State), ChangeError> {
        let Self { state, actions, made } = self;
        if actions.is_empty() || actions.len() > MAX_GROUP_ACTIONS {
            return Err(ChangeError::Malformed);
        }
        let next = state.act(certificate.identity(), &actions, made)?.encode();
        state::fits(&next)?;
        let inner = wire::Change {
            group_id: state.group().to_vec(),
            version: state.version().saturating_add(1),
            previous: state.head().to_vec(),
            made_ms: made.as_millis(),
            actions: actions.iter().map(Action::to_wire).collect(),
            state_hash: state::hash(&next).to_vec(),
        };
        let change = sign(inner, device, certificate)?;
        let next = state.apply(&change)?;
        Ok((change, next))
    }
}

/// Founds a group: its first change, and its first state.
///
/// # Errors
/// [`ChangeError::Malformed`] if a field is beyond its limit.
#[expect(clippy::too_many_arguments, reason = "what a group begins with, each of its own type")]
pub fn found(
    device: &DeviceSigningKey,
    certificate: &DeviceCertificate,
    salt: [u8; 32],
    address: &Address,
    description: &Description,
    policy: Policy,
    epoch: Epoch,
    record: &RecordPlace,
    now: Timestamp,
) -> Result<(Change, State), ChangeError> {
    let found = wire::Found {
        salt: salt.to_vec(),
        address: address.to_string(),
        description: Some(description.to_wire()),
        policy: Some(policy.to_wire()),
        epoch: Some(epoch.to_wire()),
        record: Some(record.to_wire()),
    };
    let inner = wire::Change {
        version: 1,
        made_ms: now.as_millis(),
        actions: vec![wire::Action { what: Some(What::Found(found)) }],
        ..Default::default()
    };
    let change = sign(inner, device, certificate)?;
    let state = change.founded().ok_or(ChangeError::Malformed)?;
    Ok((change, state))
}

fn sign(
    inner: wire::Change,
    device: &DeviceSigningKey,
    certificate: &DeviceCertificate,
) -> Result<Change, ChangeError> {
    let signed = inner.encode_to_vec();
    let outer = wire::SignedChange {
        signature: device.sign(&LABEL, &[&signed]).to_vec(),
        change: signed.clone(),
        certificate: certificate.encoded().to_vec(),
    };
    let encoded = outer.encode_to_vec();
    if encoded.len() > MAX_GROUP_CHANGE {
        return Err(ChangeError::TooLarge);
    }
    read(inner, &signed, certificate.clone(), encoded, true)
}

fn read(
    inner: wire::Change,
    signed: &[u8],
    certificate: DeviceCertificate,
    encoded: Vec<u8>,
    verified: bool,
) -> Result<Change, ChangeError> {
    let hash = hash(signed);
    let id: [u8; 32] = Sha256::new().chain_update(ID_DOMAIN).chain_update(signed).finalize().into();
    let (version, made) = (inner.version, Timestamp::from_millis(inner.made_ms));
    let content = if version == 1 {
        let founding = read_founding(inner, hash).ok_or(ChangeError::Malformed)?;
        Content::Founding(Box::new(founding))
    } else {
        read_actions(inner, verified)?
    };
    Ok(Change { version, made, content, hash, id: GroupId::new(id), certificate, encoded })
}

/// GRP-1, GRP-7
fn read_founding(inner: wire::Change, head: [u8; 32]) -> Option<Founding> {
    let alone = inner.group_id.is_empty() && inner.previous.is_empty() && inner.state_hash.is_empty();
    let [wire::Action { what: Some(What::Found(found)) }] = <[_; 1]>::try_from(inner.actions).ok()? else {
        return None;
    };
    let epoch = Epoch::read(&found.epoch?).filter(|epoch| epoch.number == 1)?;
    (alone && found.salt.len() == 32).then_some(Founding {
        address: address(&found.address)?,
        description: Description::read(found.description?)?,
        policy: Policy::read(&found.policy?)?,
        epoch,
        record: RecordPlace::read(&found.record?)?,
        head,
    })
}

fn read_actions(inner: wire::Change, verified: bool) -> Result<Content, ChangeError> {
    let count = inner.actions.len();
    if inner.version == 0 || count == 0 || count > MAX_GROUP_ACTIONS {
        return Err(ChangeError::Malformed);
    }
    let hash = |bytes: &[u8]| <[u8; 32]>::try_from(bytes).map_err(|_| ChangeError::Malformed);
    Ok(Content::Actions {
        group: GroupId::try_from(&*inner.group_id).map_err(|_| ChangeError::Malformed)?,
        previous: hash(&inner.previous)?,
        state_hash: hash(&inner.state_hash)?,
        actions: inner
            .actions
            .into_iter()
            .map(|action| Action::read(action, verified))
            .collect::<Result<_, _>>()?,
    })
}

fn hash(signed: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(HASH_DOMAIN).chain_update(signed).finalize().into()
}
