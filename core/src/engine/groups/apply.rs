//! A change has become part of the group's history: what follows from it, here and for others.
//!
//! ```text
//!  change, state ─▶ rows ─┬ notices: who did what
//!                         ├ roster, chains: who belongs
//!                         ├ epochs, write key: what this device may open and write
//!                         └ if it was this device's own: the keys to those who are to have them, the change to all
//! ```
//!
//! It doesn't matter how the change came here, as the answer of the record or in somebody's message: a wish of this device that it
//! fulfils is found by its bytes.

use wheesht_proto::{
    content::content,
    group::{GroupUpdate, group_control::What},
    ids::{AccountId, GroupId},
    stored::GroupProposal,
};

use super::{
    super::{Ctx, EngineError, account, error::Answer, messaging, people},
    addresses, admin_keys, epochs, fanout,
    group::{self, Group, Phase},
    joining, leaving, propose, roster, shown, words,
};
use crate::{
    api::{ContactState, EventKind, GroupChange, Response},
    crypto::secret::Secret as _,
    protocol::group::{Action, Change, Checkpoint, OuterKey, Role, State},
};

/// Takes over the state that a verified change leads to.
pub(super) fn install(
    ctx: &mut Ctx<'_, '_>,
    group: &Group,
    change: &Change,
    next: State,
) -> Result<(), EngineError> {
    let Some(me) = account::me(ctx)? else { return Ok(()) };
    let id = group.id;
    let wish = propose::take(ctx, &id, change.encoded())?;
    let before = group.state.clone();
    if let Some(key) = wish.as_ref().and_then(|wish| <[u8; 32]>::try_from(wish.outer_key.as_slice()).ok()) {
        epochs::begin(ctx, &id, next.epoch().number, &OuterKey::restore(&key));
    }
    let mut fresh = group.clone();
    if before.record() != next.record() {
        fresh.record_version = 0;
    }
    fresh.advance(next, change);
    let group = group::save_state(ctx, fresh)?;
    super::told(ctx, &group, change.actor(), words::changes(&before, change.actions()), &before)?;
    if group.state.role(&me.account).is_none() {
        let asked = |action: &Action| matches!(action, Action::Remove { account, leave: Some(_), .. } if *account == me.account);
        let left = group.phase == Phase::Leaving || change.actions().iter().any(asked);
        return over(ctx, &group, if left { Phase::Left } else { Phase::Removed });
    }
    follow(ctx, &before, &group)?;
    if let Some(wish) = wish {
        fulfilled(ctx, &before, &group, change, &wish)?;
    }
    shown(ctx, &id)
}

/// Takes over a state without the changes in between: this device was away for longer than they are kept.
pub(super) fn jump(ctx: &mut Ctx<'_, '_>, group: &Group, checkpoint: &Checkpoint) -> Result<(), EngineError> {
    let Some(me) = account::me(ctx)? else { return Ok(()) };
    let before = group.state.clone();
    let mut fresh = group.clone();
    if before.record() != checkpoint.state().record() {
        fresh.record_version = 0;
    }
    fresh.advance(checkpoint.state().clone(), checkpoint.head());
    let group = group::save_state(ctx, fresh)?;
    // GRP-22: nobody can say who did what; that is said.
    let missed = group.state.version().saturating_sub(before.version());
    let caught_up = vec![GroupChange::CaughtUp { missed }];
    super::told(ctx, &group, checkpoint.head().actor(), caught_up, &before)?;
    if group.state.role(&me.account).is_none() {
        let phase = if group.phase == Phase::Leaving { Phase::Left } else { Phase::Removed };
        return over(ctx, &group, phase);
    }
    follow(ctx, &before, &group)?;
    shown(ctx, &group.id)
}

/// This account no longer belongs: every key goes, the address is closed, what was said stays.
pub(super) fn over(ctx: &mut Ctx<'_, '_>, group: &Group, phase: Phase) -> Result<(), EngineError> {
    let id = group.id;
    group::save(ctx, Group { phase, leave: Vec::new(), ..group.clone() })?;
    forget_keys(ctx, &id)?;
    addresses::close(ctx, &id)?;
    super::left(ctx, &id)?;
    shown(ctx, &id)
}

/// Forgets whatever opens or writes something in a group.
pub(super) fn forget_keys(ctx: &mut Ctx<'_, '_>, id: &GroupId) -> Result<(), EngineError> {
    propose::erase(ctx, id)?;
    leaving::erase(ctx, id)?;
    admin_keys::erase(ctx, id);
    super::silence(ctx, id)?;
    roster::erase(ctx, id)?;
    epochs::erase(ctx, id)
}

/// Tells the app how a group stands now.
pub(super) fn shown(ctx: &mut Ctx<'_, '_>, id: &GroupId) -> Result<(), EngineError> {
    let Some(group) = group::load(ctx, id)? else { return Ok(()) };
    let group = shown::group(ctx, &group)?;
    ctx.event(EventKind::Group { group })
}

/// The answer to a request that changes a group.
pub(super) fn answer(ctx: &mut Ctx<'_, '_>, id: &GroupId) -> Answer {
    let Some(group) = group::load(ctx, id)? else { return Err(joining::not_in(ctx, id).into()) };
    Ok(Some(Response::Group { group: shown::group(ctx, &group)? }))
}

/// What follows from a new state, whoever made it.
fn follow(ctx: &mut Ctx<'_, '_>, before: &State, group: &Group) -> Result<(), EngineError> {
    let id = group.id;
    if before.epoch() != group.state.epoch() {
        if epochs::advanced(ctx, group)? {
            super::epoch_opened(ctx, &id);
        } else {
            super::lacks_epoch(ctx, &id)?;
        }
    }
    if group::own_role(ctx, group)?.is_none_or(|role| role < Role::Admin) {
        admin_keys::erase(ctx, &id);
    }
    leaving::state_changed(ctx, group)?;
    roster::members_changed(ctx, &id)?;
    super::state_changed(ctx, group)?;
    fanout::look(ctx, &id);
    propose::look(ctx, &id);
    Ok(())
}

/// This device's own change was taken: the others are told, and get what they need.
fn fulfilled(
    ctx: &mut Ctx<'_, '_>,
    before: &State,
    group: &Group,
    change: &Change,
    wish: &GroupProposal,
) -> Result<(), EngineError> {
    let id = group.id;
    propose::hurry(ctx, &id);
    if !wish.outer_key.is_empty() {
        epochs::distribute(ctx, group)?;
    }
    admin_keys::adopt(ctx, group, before, wish)?;
    for action in change.actions() {
        if let Action::Remove { account, .. } = action {
            dismissed(ctx, &id, account, change)?;
        }
    }
    if group.state.members().len() > 1 || has_other_devices(ctx)? {
        let update = GroupUpdate { changes: vec![change.encoded().to_vec()], ..Default::default() };
        fanout::queue_update(ctx, &id, content::Body::GroupUpdate(update))?;
    }
    Ok(())
}

/// Who was removed and is a contact hears of it at once. Others find it in the record.
fn dismissed(
    ctx: &mut Ctx<'_, '_>,
    id: &GroupId,
    account: &AccountId,
    change: &Change,
) -> Result<(), EngineError> {
    let accepted =
        people::by_id(ctx, account)?.is_some_and(|contact| contact.state == ContactState::Accepted);
    if accepted {
        messaging::queue_control(ctx, id, account, None, What::Removed(change.encoded().to_vec()))?;
    }
    Ok(())
}

fn has_other_devices(ctx: &mut Ctx<'_, '_>) -> Result<bool, EngineError> {
    Ok(account::me(ctx)?.is_some_and(|me| me.manifest.devices().len() > 1))
}
