//! A wish, drafted on top of a group's newest state: the change, what follows from it, and the record that carries it.
//!
//! What follows from a removal is a new outer key; from that, and from an owner's or admin's going, a new write key. Both stand in
//! the wish's row before anything is sent, since the relay may take the change and the answer be lost.

use wheesht_proto::{prost::Message as _, relay::Record as RecordFrame, stored::GroupProposal};

use super::{
    super::{Ctx, EngineError, account::Me},
    epochs, group,
    group::Group,
    propose, record,
};
use crate::{
    crypto::{secret::Secret as _, sign::SigningKey},
    protocol::group::{
        Action, ChangeError, Draft, Epoch, OuterKey, RecordKeyPlace, RecordPlace, Role, State,
        UnverifiedChange,
    },
    signed::{Record, UnverifiedRecord, record_id},
};
use rand_core::CryptoRng;

/// Why a wish could not be drafted.
pub(super) enum NotDrafted {
    /// The outer key is still on its way.
    NoKey,
    /// It can't be.
    Refused(ChangeError),
}

/// A wish, drafted.
pub(super) struct Drafted {
    /// The row, without its record.
    pub(super) row: GroupProposal,
    /// What the record is to hold.
    pub(super) value: Vec<u8>,
    /// The key that writes next.
    pub(super) next_write_key: Option<SigningKey>,
}

/// Adds what follows: after a removal, or when a member has lost a device, a new epoch, whose key is given too.
// GRP-19
pub(super) fn complete(
    group: &Group,
    actions: &[Action],
    rng: &mut (impl CryptoRng + ?Sized),
) -> (Vec<Action>, Option<OuterKey>) {
    let removes = |action: &Action| match action {
        Action::Remove { account, .. } => group.state.member(account).is_some(),
        Action::NewEpoch(_) => true,
        _ => false,
    };
    let mut whole: Vec<Action> =
        actions.iter().filter(|action| !matches!(action, Action::NewEpoch(_))).cloned().collect();
    if !group.device_lost && !actions.iter().any(removes) {
        return (whole, None);
    }
    let key = OuterKey::generate(rng);
    let number = group.state.epoch().number.saturating_add(1);
    whole.push(Action::NewEpoch(Epoch { number, key_commitment: key.commitment(number) }));
    (whole, Some(key))
}

/// Whether the wish moves the record.
pub(super) fn moves(row: &GroupProposal) -> bool {
    propose::actions(row).iter().any(|action| matches!(action, Action::MoveRecord(_)))
}

/// Drafts a wish.
pub(super) fn draft(
    ctx: &mut Ctx<'_, '_>,
    me: &Me,
    group: &Group,
    row: &GroupProposal,
    farewell: &[u8],
) -> Result<Result<Drafted, NotDrafted>, EngineError> {
    if group::own_role(ctx, group)?.is_none_or(|role| role < Role::Admin) {
        return Ok(Err(NotDrafted::Refused(ChangeError::NotPermitted)));
    }
    let Some(present) = epochs::key(ctx, &group.id, group.state.epoch().number)? else {
        return Ok(Err(NotDrafted::NoKey));
    };
    if row.foreign {
        return foreign(ctx, group, row, &present, farewell);
    }
    let mut fresh = GroupProposal {
        change: Vec::new(),
        record: Vec::new(),
        outer_key: Vec::new(),
        next_write_key: Vec::new(),
        ..row.clone()
    };
    let actions = place(ctx, me, &mut fresh);
    let (whole, outer) = complete(group, &actions, ctx.rng);
    let signed = Draft::new(&group.state, whole, ctx.now).sign(&me.signing, &me.certificate);
    let (change, state) = match signed {
        Ok(signed) => signed,
        Err(error) => return Ok(Err(NotDrafted::Refused(error))),
    };
    fresh.change = change.encoded().to_vec();
    let next_write_key = replaces(&group.state, &state).then(|| SigningKey::generate(ctx.rng));
    if let Some(key) = &next_write_key {
        fresh.next_write_key = key.to_secret_bytes().to_vec();
    }
    let old_place = group.state.record().clone();
    let epoch = state.epoch().number;
    let farewell = match &outer {
        Some(key) => {
            fresh.outer_key = key.expose().to_vec();
            let sealing = RecordKeyPlace { group: &group.id, record: &old_place.id };
            sealing.seal_farewell(epoch, &present, change.encoded(), ctx.rng)
        }
        None => farewell.to_vec(),
    };
    let before = group::changes_since(ctx, group, 0)?;
    let key = outer.unwrap_or(present);
    let value = record::value(ctx, &old_place, &state, &change, before, &key, &farewell)?;
    Ok(Ok(Drafted { row: fresh, value, next_write_key }))
}

/// Another member's change, as it is signed.
fn foreign(
    ctx: &mut Ctx<'_, '_>,
    group: &Group,
    row: &GroupProposal,
    key: &OuterKey,
    farewell: &[u8],
) -> Result<Result<Drafted, NotDrafted>, EngineError> {
    let change = UnverifiedChange::decode(&row.change).and_then(UnverifiedChange::assume_verified);
    let (change, state) = match change.and_then(|change| Ok((group.state.apply(&change)?, change))) {
        Ok((state, change)) => (change, state),
        Err(error) => return Ok(Err(NotDrafted::Refused(error))),
    };
    let before = group::changes_since(ctx, group, 0)?;
    let place = state.record().clone();
    let value = record::value(ctx, &place, &state, &change, before, key, farewell)?;
    Ok(Ok(Drafted { row: row.clone(), value, next_write_key: None }))
}

/// The first version of the record that a change moves to. `None`: the state has moved on, or a key is lacking.
pub(super) fn moved(
    ctx: &mut Ctx<'_, '_>,
    group: &Group,
    row: &GroupProposal,
) -> Result<Option<Record>, EngineError> {
    let change = UnverifiedChange::decode(&row.change).and_then(UnverifiedChange::assume_verified);
    let Ok((state, change)) = change.and_then(|change| Ok((group.state.apply(&change)?, change))) else {
        return Ok(None);
    };
    let Some(key) = epochs::key(ctx, &group.id, state.epoch().number)? else { return Ok(None) };
    let (Ok(secret), Ok(salt)) =
        (row.moved_write_key.as_slice().try_into(), row.moved_salt.as_slice().try_into())
    else {
        return Ok(None);
    };
    let place = state.record().clone();
    let before = group::changes_since(ctx, group, 0)?;
    let value = record::value(ctx, &place, &state, &change, before, &key, &[])?;
    Ok(Record::create(&SigningKey::from_secret_bytes(secret), salt, None, value).ok())
}

/// The record that a row holds.
pub(super) fn record_of(row: &GroupProposal) -> Option<Record> {
    let frame = RecordFrame::decode(row.record.as_slice()).ok()?;
    UnverifiedRecord::read(frame).ok().map(UnverifiedRecord::assume_verified)
}

/// A wish to move says only where to: the record's id follows from a key that is drawn here, once.
fn place(ctx: &mut Ctx<'_, '_>, me: &Me, row: &mut GroupProposal) -> Vec<Action> {
    let mut actions = propose::actions(row);
    for action in &mut actions {
        let Action::MoveRecord(place) = action else { continue };
        let known = row.moved_write_key.as_slice().try_into().ok();
        let key = match known {
            Some(secret) => SigningKey::from_secret_bytes(secret),
            None => SigningKey::generate(ctx.rng),
        };
        let salt = row.moved_salt.as_slice().try_into().ok().unwrap_or_else(|| ctx.random());
        *place = RecordPlace { id: record_id(&key.verifying_key(), &salt), relay: me.relay.clone() };
        row.moved_write_key = key.to_secret_bytes().to_vec();
        row.moved_salt = salt.to_vec();
    }
    actions
}

/// GRP-27: somebody who holds the write key no longer may, or an epoch ended because a device was lost.
fn replaces(before: &State, after: &State) -> bool {
    let acted = before.members().iter().filter(|member| member.role >= Role::Admin);
    let mut acted = acted.map(|member| after.role(&member.account));
    before.epoch().number != after.epoch().number
        || acted.any(|role| role.is_none_or(|role| role < Role::Admin))
}
