//! What others did: changes as they come in a group's messages, in answers and in the record, checked and taken over one by one.
//!
//! Where a change comes from doesn't matter; it is signed. A change of a version that is known already is either the same or a
//! fork: the second of two is refused, whichever came first, and the person hears of it. A gap is filled from the record or by
//! asking. Who was away for longer than the changes are kept takes the newest state on the word of an owner or admin whom it knew.

use wheesht_proto::{group as wire, ids::GroupId};

use super::{
    super::{Ctx, EngineError, account, people},
    apply,
    group::{self, Group, Phase},
    propose,
};
use crate::{
    api::{EventKind, Trouble},
    protocol::group::{Action, Change, ChangeError, Checkpoint, Role, UnverifiedChange},
};

/// What came of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Learned {
    /// How many changes were new.
    pub(crate) applied: usize,
    /// There are newer ones, which don't continue what this device knows: it lacks some in between.
    pub(crate) missing: bool,
}

/// Where changes come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// A member has told.
    Told,
    /// They stand in the record, which orders them.
    Record,
}

/// Takes over signed changes, in their order.
pub(crate) fn learn(
    ctx: &mut Ctx<'_, '_>,
    id: &GroupId,
    changes: &[Vec<u8>],
    source: Source,
) -> Result<Learned, EngineError> {
    let mut learned = Learned::default();
    let believed = match source {
        Source::Told => hearsay(ctx, id, changes)?,
        Source::Record => changes.len(),
    };
    if believed < changes.len() {
        propose::catch_up(ctx, id);
    }
    for encoded in changes.iter().take(believed) {
        let Some(group) = group::load(ctx, id)?.filter(|group| group.belongs()) else { break };
        let Ok(change) = UnverifiedChange::decode(encoded) else { break };
        let known = group.state.version();
        if change.version() <= known {
            compare(ctx, &group, change, encoded)?;
            continue;
        }
        if change.version() > known.saturating_add(1) {
            learned.missing = true;
            propose::catch_up(ctx, id);
            break;
        }
        let Ok(change) = change.verify() else { break };
        match group.state.apply(&change) {
            Ok(next) => {
                apply::install(ctx, &group, &change, next)?;
                learned.applied += 1;
            }
            // GRP-5: it continues another history.
            Err(ChangeError::DoesNotContinue) if is_acting(&group, &change.actor()) => {
                forked(ctx, &group)?;
                break;
            }
            Err(_) => break,
        }
    }
    Ok(learned)
}

/// How many of these, told by a member, are believed without the record: up to the last one whose device is known to be its
/// account's still. Who took a device that was given up can sign with it, and what it signed may look like a change.
// GRP-32
fn hearsay(ctx: &mut Ctx<'_, '_>, id: &GroupId, changes: &[Vec<u8>]) -> Result<usize, EngineError> {
    let Some(group) = group::load(ctx, id)? else { return Ok(0) };
    let known = group.state.version();
    let mut before = None;
    let mut listed = Vec::with_capacity(changes.len());
    for encoded in changes {
        let Ok(change) = UnverifiedChange::decode(encoded) else { break };
        // What is known already needs no word for it; whether it is the same is compared.
        if change.version() <= known {
            listed.push(true);
            continue;
        }
        let Ok(change) = change.verify() else { break };
        if before.is_some_and(|before| change.previous() != Some(before)) {
            break;
        }
        before = Some(change.hash());
        listed.push(is_listed(ctx, &change)?);
    }
    Ok(believed(&listed))
}

fn believed(listed: &[bool]) -> usize {
    listed.iter().rposition(|listed| *listed).map_or(0, |last| last + 1)
}

/// Whether the newest manifest known of who acts has the device. Of whom none is known, nothing speaks against it.
fn is_listed(ctx: &mut Ctx<'_, '_>, change: &Change) -> Result<bool, EngineError> {
    let (actor, certificate) = (change.actor(), change.certificate().encoded());
    let Some(me) = account::me(ctx)? else { return Ok(false) };
    if actor == me.account {
        return Ok(me.manifest.device_by_encoding(certificate).is_some());
    }
    let known = people::by_id(ctx, &actor)?;
    Ok(known.is_none_or(|known| known.manifest.device_by_encoding(certificate).is_some()))
}

/// Takes over a state that a member or the record hands over.
pub(crate) fn checkpoint(
    ctx: &mut Ctx<'_, '_>,
    id: &GroupId,
    given: &wire::Checkpoint,
    source: Source,
) -> Result<Learned, EngineError> {
    let Some(group) = group::load(ctx, id)?.filter(|group| group.belongs()) else {
        return Ok(Learned::default());
    };
    let Ok(head) = UnverifiedChange::decode(&given.head) else { return Ok(Learned::default()) };
    let (version, known) = (head.version(), group.state.version());
    if version <= known {
        compare(ctx, &group, head, &given.head)?;
        return Ok(Learned::default());
    }
    // The changes before the head are consecutive, so what is known already can be counted off.
    let behind = usize::try_from(version - known - 1).unwrap_or(usize::MAX);
    let new = given.changes.len().checked_sub(behind).and_then(|from| given.changes.get(from..));
    if let Some(new) = new {
        let chain: Vec<_> = new.iter().chain([&given.head]).cloned().collect();
        return learn(ctx, id, &chain, source);
    }
    // GRP-22
    match Checkpoint::verify(given, id) {
        // GRP-32
        Ok(checkpoint) if source == Source::Told && !is_listed(ctx, checkpoint.head())? => {
            propose::catch_up(ctx, id);
            Ok(Learned { applied: 0, missing: true })
        }
        Ok(checkpoint) if checkpoint.vouched_by(&group.state) => {
            apply::jump(ctx, &group, &checkpoint)?;
            Ok(Learned { applied: 1, missing: false })
        }
        _ => Ok(Learned { applied: 0, missing: true }),
    }
}

/// An admin says that this account was removed.
// GRP-28
pub(super) fn removed(ctx: &mut Ctx<'_, '_>, id: &GroupId, change: &[u8]) -> Result<(), EngineError> {
    learn(ctx, id, &[change.to_vec()], Source::Told)?;
    let Some(group) = group::load(ctx, id)?.filter(|group| group.belongs()) else { return Ok(()) };
    let Some(me) = account::me(ctx)? else { return Ok(()) };
    // This device was away for longer: the change doesn't continue what it knows, but says whom it removes.
    let Ok(change) = UnverifiedChange::decode(change).and_then(UnverifiedChange::verify) else {
        return Ok(());
    };
    let removes =
        |action: &Action| matches!(action, Action::Remove { account, .. } if *account == me.account);
    let later = change.version() > group.state.version() && change.group() == Some(*id);
    let acting = is_acting(&group, &change.actor()) && is_listed(ctx, &change)?;
    if later && acting && change.actions().iter().any(removes) {
        let phase = if group.phase == Phase::Leaving { Phase::Left } else { Phase::Removed };
        apply::over(ctx, &group, phase)?;
    }
    Ok(())
}

/// A change of a version that is known already: the same, or a fork.
fn compare(
    ctx: &mut Ctx<'_, '_>,
    group: &Group,
    change: UnverifiedChange,
    encoded: &[u8],
) -> Result<(), EngineError> {
    let Some(known) = group::change(ctx, &group.id, change.version())? else { return Ok(()) };
    if group.forked || known == encoded {
        return Ok(());
    }
    // Signed by somebody who could: otherwise anyone could cry wolf.
    match change.verify() {
        Ok(change) if change.group() == Some(group.id) && is_acting(group, &change.actor()) => {
            forked(ctx, group)
        }
        _ => Ok(()),
    }
}

fn is_acting(group: &Group, account: &wheesht_proto::ids::AccountId) -> bool {
    group.state.role(account).is_some_and(|role| role >= Role::Admin)
}

fn forked(ctx: &mut Ctx<'_, '_>, group: &Group) -> Result<(), EngineError> {
    if group.forked {
        return Ok(());
    }
    group::save(ctx, Group { forked: true, ..group.clone() })?;
    ctx.event(EventKind::Trouble { trouble: Trouble::GroupForked { group: group.id } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grp_32_what_an_unlisted_device_did_last_is_not_taken_on_hearsay() {
        assert_eq!(believed(&[true, true]), 2);
        assert_eq!(believed(&[true, false]), 1, "the record has to say so");
        assert_eq!(believed(&[false, true, false, false]), 2, "a later one builds on the first");
        assert_eq!(believed(&[false]), 0);
        assert_eq!(believed(&[]), 0);
    }
}
