//! Going: who leaves says so once, to all; others heed it at once; an owner's or admin's client makes a change of it by itself.
//!
//! ```text
//!  LeaveGroup ─▶ phase leaving, signed word ─▶ group message ─▶ row at each member ─▶ admins' clients: RemoveMember, some seconds
//!                                                                                     apart, so that mostly one of them does it
//! ```
//!
//! The word names the membership that ends, so it is worth nothing against a later one.

use std::collections::BTreeMap;

use wheesht_proto::{
    content::content,
    group::GroupUpdate,
    ids::{AccountId, GroupId},
};

use super::{
    super::{Ctx, EngineError, account, error::Answer, tables::GROUP_LEAVES_ASKED, timers::Timer},
    apply, fanout,
    group::{self, Group, Phase},
    joining, propose, words,
};
use crate::{
    api::Response,
    protocol::group::{Action, Leave, Role, UnverifiedLeave},
    store::Direction,
    time::Timestamp,
};

/// Admins' clients wait up to this long (milliseconds), each another time, before they write down that somebody has gone.
const JITTER_MS: u64 = 5_000;

/// One's own word is said again after this long (milliseconds), while the state does not heed it.
const AGAIN_MS: u64 = 60 * 60_000;

/// When what somebody said is acted on.
#[derive(Default)]
pub(super) struct Leaving {
    due: BTreeMap<GroupId, Timestamp>,
}

/// This account leaves.
pub(super) fn leave(ctx: &mut Ctx<'_, '_>, id: &GroupId) -> Answer {
    let Some(me) = account::me(ctx)? else { return Err(account::not_active(ctx)?.into()) };
    let Some(group) = group::load(ctx, id)? else { return Err(joining::not_in(ctx, id).into()) };
    let role = match (group.phase, group.state.role(&me.account)) {
        (Phase::Member, Some(role)) => role,
        (Phase::Leaving, _) => return apply::answer(ctx, id),
        _ => return Err(words::not_a_member().into()),
    };
    if group.state.members().len() == 1 {
        // Nobody is left to write it down, or to care.
        apply::over(ctx, &group, Phase::Left)?;
        return apply::answer(ctx, id);
    }
    if role == Role::Owner && owners(&group) == 1 {
        return Err(words::last_owner().into());
    }
    let word = Leave::sign(&me.signing, &me.certificate, *id, group.state.version(), ctx.now);
    propose::erase(ctx, id)?;
    let group = Group { phase: Phase::Leaving, leave: word.encoded().to_vec(), ..(*group).clone() };
    let group = group::save(ctx, group)?;
    say(ctx, &group)?;
    apply::shown(ctx, id)?;
    apply::answer(ctx, id).map(|answer| answer.map(|answer: Response| answer))
}

/// A member says that it goes.
// GRP-29
pub(super) fn received(
    ctx: &mut Ctx<'_, '_>,
    id: &GroupId,
    from: &AccountId,
    word: &[u8],
) -> Result<(), EngineError> {
    let Some(group) = group::load(ctx, id)?.filter(|group| group.belongs()) else { return Ok(()) };
    let Ok(word) = UnverifiedLeave::decode(word).and_then(UnverifiedLeave::verify) else { return Ok(()) };
    let Some(member) = group.state.member(&word.identity()) else { return Ok(()) };
    let theirs = word.group() == *id && word.identity() == *from && word.version() >= member.since_version;
    if !theirs || asked(ctx, id)?.iter().any(|(_, known)| known.identity() == *from) {
        return Ok(());
    }
    ctx.tx.append(GROUP_LEAVES_ASKED, id.as_ref(), word.encoded().to_vec())?;
    // From now on this device writes to it no more.
    fanout::audience_changed(ctx, id);
    arm(ctx, id);
    Ok(())
}

/// Who has said that they go, and still belongs by the state: nothing more is written to them.
pub(crate) fn going(ctx: &Ctx<'_, '_>, id: &GroupId) -> Result<Vec<AccountId>, EngineError> {
    Ok(asked(ctx, id)?.iter().map(|(_, word)| word.identity()).collect())
}

/// Finds what is still to be done.
pub(super) fn start(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    for id in group::ids(ctx)? {
        let leaving = group::load(ctx, &id)?.is_some_and(|group| group.phase == Phase::Leaving);
        if leaving || !asked(ctx, &id)?.is_empty() {
            arm(ctx, &id);
        }
    }
    Ok(())
}

/// Writes down that somebody has gone; says again that this account goes.
pub(super) fn due(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    let now = ctx.now;
    let leaving = &ctx.passing.groups.leaving;
    let due: Vec<_> = leaving.due.iter().filter(|(_, at)| **at <= now).map(|(id, _)| *id).collect();
    for id in due {
        ctx.passing.groups.leaving.due.remove(&id);
        let Some(group) = group::load(ctx, &id)?.filter(|group| group.belongs()) else { continue };
        if group.phase == Phase::Leaving {
            say(ctx, &group)?;
            continue;
        }
        if group::own_role(ctx, &group)?.is_none_or(|role| role < Role::Admin) {
            continue;
        }
        for (_, word) in asked(ctx, &id)? {
            let account = word.identity();
            let remove = Action::Remove { account, ban: false, leave: Some(Box::new(word)) };
            propose::by_itself(ctx, &id, vec![remove])?;
        }
    }
    next(ctx);
    Ok(())
}

/// The state has changed: words of those who have gone are done with; one that can no longer be heeded is taken back.
pub(super) fn state_changed(ctx: &mut Ctx<'_, '_>, group: &Group) -> Result<(), EngineError> {
    for (n, word) in asked(ctx, &group.id)? {
        let member = group.state.member(&word.identity());
        if member.is_none_or(|member| member.since_version > word.version()) {
            ctx.tx.delete(GROUP_LEAVES_ASKED, group.id.as_ref(), n);
        }
    }
    if let (Phase::Leaving, Some(me)) = (group.phase, account::me(ctx)?)
        && group.state.role(&me.account) == Some(Role::Owner)
        && owners(group) == 1
    {
        // The other owner went first: somebody has to stay.
        group::save(ctx, Group { phase: Phase::Member, leave: Vec::new(), ..group.clone() })?;
    }
    Ok(())
}

/// Forgets what was said in a group.
pub(super) fn erase(ctx: &mut Ctx<'_, '_>, id: &GroupId) -> Result<(), EngineError> {
    ctx.passing.groups.leaving.due.remove(id);
    Ok(ctx.tx.delete_all(GROUP_LEAVES_ASKED, id.as_ref())?)
}

fn say(ctx: &mut Ctx<'_, '_>, group: &Group) -> Result<(), EngineError> {
    let update = GroupUpdate { leave: group.leave.clone(), ..Default::default() };
    fanout::queue_update(ctx, &group.id, content::Body::GroupUpdate(update))?;
    let at = ctx.now.plus_millis(AGAIN_MS);
    ctx.passing.groups.leaving.due.insert(group.id, at);
    next(ctx);
    Ok(())
}

fn asked(ctx: &Ctx<'_, '_>, id: &GroupId) -> Result<Vec<(u64, Leave)>, EngineError> {
    let rows = ctx.tx.scan(GROUP_LEAVES_ASKED, id.as_ref(), .., Direction::Forward, usize::MAX)?;
    let words = rows.into_iter().filter_map(|(n, row)| {
        UnverifiedLeave::decode(row.as_slice()).and_then(UnverifiedLeave::verify).ok().map(|word| (n, word))
    });
    Ok(words.collect())
}

fn owners(group: &Group) -> usize {
    group.state.members().iter().filter(|member| member.role == Role::Owner).count()
}

fn arm(ctx: &mut Ctx<'_, '_>, id: &GroupId) {
    let wait = u64::from_be_bytes(ctx.random()) % JITTER_MS;
    let at = ctx.now.plus_millis(wait);
    ctx.passing.groups.leaving.due.insert(*id, at);
    next(ctx);
}

fn next(ctx: &mut Ctx<'_, '_>) {
    if let Some(at) = ctx.passing.groups.leaving.due.values().min().copied() {
        ctx.passing.timers.set_by(Timer::Groups, at);
    }
}
