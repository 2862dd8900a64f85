//! What a change may say, one action at a time: read, and applied to a state under the rules of who may do what.
//!
//! The rules stand here and nowhere else. Whoever drafts a change and whoever checks one run the same code, so a client never
//! signs what others would refuse.

use std::fmt;

use wheesht_proto::{
    group::{self as wire, action::What},
    ids::AccountId,
    limits::{CONSENT_LIFETIME_MS, DAY_MS, MAX_GROUP_BANNED, MAX_GROUP_INVITES, MAX_GROUP_MEMBERS},
    prost::Message as _,
};

use super::{
    Consent, Leave, UnverifiedConsent, UnverifiedLeave,
    change::ChangeError,
    parts::{Description, Epoch, Invite, Member, RecordPlace, account, address, expiry},
    policy::{Joining, Policy, Role},
    state::Fields,
};
use crate::{crypto::sign::VerifyingKey, time::Timestamp};

/// Clocks of two people may differ by this much (milliseconds).
const CLOCK_SLACK_MS: u64 = DAY_MS;

/// One thing that a change does.
#[derive(Clone, PartialEq, Eq)]
pub enum Action {
    /// Changes what is present.
    Describe {
        /// The new title.
        title: Option<String>,
        /// The new text.
        about: Option<String>,
        /// The new picture; empty: none.
        picture: Option<Vec<u8>>,
    },
    /// Changes how the group is run.
    SetPolicy(Policy),
    /// Adds an account, as a member, with its consent.
    Add(Box<Consent>),
    /// Removes a member, or keeps somebody out.
    Remove {
        /// Whom.
        account: AccountId,
        /// They must not come back.
        ban: bool,
        /// The member's own word, if it asked to go.
        leave: Option<Box<Leave>>,
    },
    /// Gives a member another role.
    SetRole {
        /// Whom.
        account: AccountId,
        /// From now on.
        role: Role,
    },
    /// Lets somebody come back.
    Unban(AccountId),
    /// Makes a link good.
    AddInvite(Invite),
    /// Makes a link void.
    RevokeInvite(VerifyingKey),
    /// Begins a new epoch.
    NewEpoch(Epoch),
    /// The record continues elsewhere.
    MoveRecord(RecordPlace),
}

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Describe { .. } => "Describe",
            Self::SetPolicy(_) => "SetPolicy",
            Self::Add(_) => "Add",
            Self::Remove { .. } => "Remove",
            Self::SetRole { .. } => "SetRole",
            Self::Unban(_) => "Unban",
            Self::AddInvite(_) => "AddInvite",
            Self::RevokeInvite(_) => "RevokeInvite",
            Self::NewEpoch(_) => "NewEpoch",
            Self::MoveRecord(_) => "MoveRecord",
        })
    }
}

/// Who acts, when, and in which change.
pub(super) struct Acting {
    pub(super) actor: AccountId,
    pub(super) role: Role,
    pub(super) made: Timestamp,
    pub(super) version: u64,
}

impl Action {
    pub(super) fn to_wire(&self) -> wire::Action {
        let what = match self {
            Self::Describe { title, about, picture } => What::Describe(wire::Describe {
                title: title.clone(),
                about: about.clone(),
                picture: picture.clone(),
            }),
            Self::SetPolicy(policy) => What::SetPolicy(wire::SetPolicy { policy: Some(policy.to_wire()) }),
            Self::Add(consent) => What::AddMember(wire::AddMember {
                identity: consent.identity().to_vec(),
                address: consent.address().to_string(),
                role: Role::Member.to_wire(),
                consent: consent.encoded().to_vec(),
            }),
            Self::Remove { account, ban, leave } => What::RemoveMember(wire::RemoveMember {
                identity: account.to_vec(),
                ban: *ban,
                leave: leave.as_ref().map(|leave| leave.encoded().to_vec()).unwrap_or_default(),
            }),
            Self::SetRole { account, role } => {
                What::SetRole(wire::SetRole { identity: account.to_vec(), role: role.to_wire() })
            }
            Self::Unban(account) => What::Unban(wire::Unban { identity: account.to_vec() }),
            Self::AddInvite(invite) => What::AddInvite(wire::AddInvite {
                key: invite.key.as_bytes().to_vec(),
                expires_ms: invite.expires.map_or(0, Timestamp::as_millis),
                uses: invite.uses_left.unwrap_or_default(),
                maker: invite.maker.to_vec(),
            }),
            Self::RevokeInvite(key) => {
                What::RevokeInvite(wire::RevokeInvite { key: key.as_bytes().to_vec() })
            }
            Self::NewEpoch(epoch) => What::NewEpoch(wire::NewEpoch { epoch: Some(epoch.to_wire()) }),
            Self::MoveRecord(place) => What::MoveRecord(wire::MoveRecord { record: Some(place.to_wire()) }),
        };
        wire::Action { what: Some(what) }
    }

    /// Encoded, as a wish is stored.
    pub fn encoded(&self) -> Vec<u8> {
        self.to_wire().encode_to_vec()
    }

    /// Reads what [`Self::encoded`] wrote: **only** from where nobody else writes.
    pub fn restore(bytes: &[u8]) -> Option<Self> {
        Self::read(wire::Action::decode(bytes).ok()?, true).ok()
    }

    /// Reads an action, and checks the signatures inside it. `verified`: they were checked before.
    pub(super) fn read(action: wire::Action, verified: bool) -> Result<Self, ChangeError> {
        const MALFORMED: ChangeError = ChangeError::Malformed;
        Ok(match action.what.ok_or(MALFORMED)? {
            // GRP-7: only by itself, in the change that founds.
            What::Found(_) => return Err(MALFORMED),
            What::Describe(wire::Describe { title, about, picture }) => {
                Self::Describe { title, about, picture }
            }
            What::SetPolicy(set) => {
                let policy = set.policy.as_ref().and_then(Policy::read);
                Self::SetPolicy(policy.ok_or(MALFORMED)?)
            }
            What::AddMember(add) => Self::Add(Box::new(read_consent(&add, verified)?)),
            What::RemoveMember(remove) => Self::Remove {
                account: account(&remove.identity).ok_or(MALFORMED)?,
                ban: remove.ban,
                leave: read_leave(&remove)?,
            },
            What::SetRole(set) => Self::SetRole {
                account: account(&set.identity).ok_or(MALFORMED)?,
                role: Role::read(set.role).ok_or(MALFORMED)?,
            },
            What::Unban(unban) => Self::Unban(account(&unban.identity).ok_or(MALFORMED)?),
            What::AddInvite(add) => Self::AddInvite(Invite {
                key: VerifyingKey::try_from(&*add.key).map_err(|_| MALFORMED)?,
                expires: expiry(add.expires_ms),
                uses_left: (add.uses > 0).then_some(add.uses),
                maker: account(&add.maker).ok_or(MALFORMED)?,
            }),
            What::RevokeInvite(revoke) => {
                Self::RevokeInvite(VerifyingKey::try_from(&*revoke.key).map_err(|_| MALFORMED)?)
            }
            What::NewEpoch(new) => Self::NewEpoch(new.epoch.as_ref().and_then(Epoch::read).ok_or(MALFORMED)?),
            What::MoveRecord(moved) => {
                Self::MoveRecord(moved.record.as_ref().and_then(RecordPlace::read).ok_or(MALFORMED)?)
            }
        })
    }

    /// Does it to a state, if the acting member may.
    pub(super) fn apply(&self, state: &mut Fields, acting: &Acting) -> Result<(), ChangeError> {
        match self {
            Self::Describe { title, about, picture } => {
                // GRP-10
                acting.needs(state.policy.describe)?;
                let description = &mut state.description;
                let fresh = Description {
                    title: title.clone().unwrap_or_else(|| description.title.clone()),
                    about: about.clone().unwrap_or_else(|| description.about.clone()),
                    picture: picture.clone().unwrap_or_else(|| description.picture.clone()),
                };
                if !fresh.well_formed() {
                    return Err(ChangeError::Malformed);
                }
                useful(fresh != *description)?;
                *description = fresh;
                Ok(())
            }
            Self::SetPolicy(policy) => {
                // GRP-11
                acting.needs(Role::Owner)?;
                if !policy.well_formed() {
                    return Err(ChangeError::Malformed);
                }
                useful(*policy != state.policy)?;
                state.policy = *policy;
                void_invites(state);
                Ok(())
            }
            Self::Add(consent) => add(state, acting, consent),
            Self::Remove { account, ban, leave } => remove(state, acting, account, *ban, leave.as_deref()),
            Self::SetRole { account, role } => set_role(state, acting, account, *role),
            Self::Unban(account) => {
                // GRP-16
                acting.needs(Role::Admin)?;
                let place = state.banned.binary_search(account).map_err(|_| ChangeError::NothingToDo)?;
                state.banned.remove(place);
                Ok(())
            }
            Self::AddInvite(invite) => add_invite(state, acting, invite),
            Self::RevokeInvite(key) => {
                // GRP-18
                let place = state.invites.iter().position(|invite| invite.key == *key);
                let place = place.ok_or(ChangeError::NothingToDo)?;
                let own = state.invites.get(place).is_some_and(|invite| invite.maker == acting.actor);
                if !own {
                    acting.needs(Role::Admin)?;
                }
                state.invites.remove(place);
                Ok(())
            }
            Self::NewEpoch(epoch) => {
                // GRP-19
                acting.needs(Role::Admin)?;
                if state.epoch.number.checked_add(1) != Some(epoch.number) {
                    return Err(ChangeError::Epoch);
                }
                state.epoch = *epoch;
                Ok(())
            }
            Self::MoveRecord(place) => {
                // GRP-20
                acting.needs(Role::Owner)?;
                useful(*place != state.record)?;
                state.record = place.clone();
                Ok(())
            }
        }
    }
}

impl Acting {
    fn needs(&self, role: Role) -> Result<(), ChangeError> {
        if self.role >= role { Ok(()) } else { Err(ChangeError::NotPermitted) }
    }
}

/// A change that changes nothing is refused: it would only push others off the record.
fn useful(changes: bool) -> Result<(), ChangeError> {
    if changes { Ok(()) } else { Err(ChangeError::NothingToDo) }
}

fn add(state: &mut Fields, acting: &Acting, consent: &Consent) -> Result<(), ChangeError> {
    // GRP-12
    acting.needs(Role::Admin)?;
    let account = consent.identity();
    let Err(place) = state.find(&account) else { return Err(ChangeError::NothingToDo) };
    if state.banned.binary_search(&account).is_ok() {
        return Err(ChangeError::Banned);
    }
    if state.members.len() >= MAX_GROUP_MEMBERS {
        return Err(ChangeError::Full);
    }
    // GRP-13
    if consent.group() != state.group {
        return Err(ChangeError::Consent);
    }
    let (given, used) = (consent.made(), acting.made);
    if used.millis_since(given) > CONSENT_LIFETIME_MS || given.millis_since(used) > CLOCK_SLACK_MS {
        return Err(ChangeError::Consent);
    }
    match consent.invite_key() {
        Some(key) => use_invite(state, key, acting.made)?,
        None => {
            let inviter = state.member(&consent.inviter()).ok_or(ChangeError::Consent)?;
            if inviter.role < state.policy.invite {
                return Err(ChangeError::Consent);
            }
        }
    }
    let member = Member {
        account,
        address: consent.address().clone(),
        role: Role::Member,
        added_by: acting.actor,
        since: acting.made,
        since_version: acting.version,
    };
    state.members.insert(place, member);
    Ok(())
}

/// GRP-14: the link is good, and is used once more.
fn use_invite(state: &mut Fields, key: &VerifyingKey, now: Timestamp) -> Result<(), ChangeError> {
    if state.policy.joining == Joining::Closed {
        return Err(ChangeError::Consent);
    }
    let place = state.invites.iter().position(|invite| invite.key == *key).ok_or(ChangeError::Consent)?;
    let invite = state.invites.get_mut(place).ok_or(ChangeError::Consent)?;
    if invite.expires.is_some_and(|expires| expires < now) {
        return Err(ChangeError::Consent);
    }
    if let Some(left) = &mut invite.uses_left {
        *left = left.saturating_sub(1);
        if *left == 0 {
            state.invites.remove(place);
        }
    }
    Ok(())
}

fn remove(
    state: &mut Fields,
    acting: &Acting,
    account: &AccountId,
    ban: bool,
    leave: Option<&Leave>,
) -> Result<(), ChangeError> {
    // GRP-15
    acting.needs(Role::Admin)?;
    // Who goes does not make the key of those who stay.
    if *account == acting.actor {
        return Err(ChangeError::NotPermitted);
    }
    match (state.find(account), leave) {
        (Ok(place), Some(leave)) => {
            let member = state.members.get(place).ok_or(ChangeError::NothingToDo)?;
            let theirs = leave.group() == state.group
                && leave.identity() == *account
                && leave.version() >= member.since_version
                && leave.version() < acting.version;
            if !theirs || ban {
                return Err(ChangeError::Leave);
            }
            state.members.remove(place);
        }
        (Ok(place), None) => {
            let member = state.members.get(place).ok_or(ChangeError::NothingToDo)?;
            if acting.role < Role::Owner && member.role >= acting.role {
                return Err(ChangeError::NotPermitted);
            }
            state.members.remove(place);
        }
        // Somebody who has gone already can still be kept out.
        (Err(_), None) if ban => {}
        (Err(_), _) => return Err(ChangeError::NothingToDo),
    }
    if ban {
        let Err(place) = state.banned.binary_search(account) else { return Err(ChangeError::NothingToDo) };
        if state.banned.len() >= MAX_GROUP_BANNED {
            return Err(ChangeError::Full);
        }
        state.banned.insert(place, *account);
    }
    void_invites(state);
    Ok(())
}

fn set_role(state: &mut Fields, acting: &Acting, account: &AccountId, role: Role) -> Result<(), ChangeError> {
    // GRP-17
    acting.needs(Role::Owner)?;
    let place = state.find(account).map_err(|_| ChangeError::NothingToDo)?;
    let member = state.members.get_mut(place).ok_or(ChangeError::NothingToDo)?;
    useful(member.role != role)?;
    member.role = role;
    void_invites(state);
    Ok(())
}

fn add_invite(state: &mut Fields, acting: &Acting, invite: &Invite) -> Result<(), ChangeError> {
    // GRP-18
    acting.needs(state.policy.invite)?;
    if invite.maker != acting.actor || invite.uses_left == Some(0) {
        return Err(ChangeError::Malformed);
    }
    // What has expired makes room. It is judged by the change's own time, so everyone judges alike.
    state.invites.retain(|known| known.expires.is_none_or(|expires| expires >= acting.made));
    let place = state.invites.binary_search_by(|known| known.key.as_bytes().cmp(invite.key.as_bytes()));
    let Err(place) = place else { return Err(ChangeError::NothingToDo) };
    if state.invites.len() >= MAX_GROUP_INVITES {
        return Err(ChangeError::Full);
    }
    state.invites.insert(place, invite.clone());
    Ok(())
}

/// GRP-18: links of those who no longer may invite go with their right.
fn void_invites(state: &mut Fields) {
    let Fields { invites, members, policy, .. } = state;
    let may = |maker: &AccountId| {
        let found = members.binary_search_by(|member| member.account.cmp(maker)).ok();
        found.and_then(|place| members.get(place)).is_some_and(|member| member.role >= policy.invite)
    };
    invites.retain(|invite| may(&invite.maker));
}

fn read_consent(add: &wire::AddMember, verified: bool) -> Result<Consent, ChangeError> {
    let consent = UnverifiedConsent::decode(&add.consent).map_err(|_| ChangeError::Consent)?;
    let consent = if verified {
        consent.assume_verified()
    } else {
        consent.verify().map_err(|_| ChangeError::Consent)?
    };
    // GRP-13: the addition says what was consented to, and nobody comes in as more than a member.
    let said = account(&add.identity) == Some(consent.identity())
        && address(&add.address).as_ref() == Some(consent.address())
        && Role::read(add.role) == Some(Role::Member);
    if said { Ok(consent) } else { Err(ChangeError::Consent) }
}

fn read_leave(remove: &wire::RemoveMember) -> Result<Option<Box<Leave>>, ChangeError> {
    if remove.leave.is_empty() {
        return Ok(None);
    }
    let leave = UnverifiedLeave::decode(&remove.leave).map_err(|_| ChangeError::Leave)?;
    leave.verify().map(|leave| Some(Box::new(leave))).map_err(|_| ChangeError::Leave)
}
