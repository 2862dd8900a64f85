//! A group's outer keys: which epochs this device can open, and how a key gets to those who stay.
//!
//! A key is kept as *verified* once the state has named it. One that comes before the change that begins its epoch waits, a few at
//! most. Old ones are kept as long as something sealed under them can still lie in a mailbox.

use std::rc::Rc;

use wheesht_proto::{
    group::{EpochKey, group_control::What},
    ids::{AccountId, GroupId},
    limits::{DAY_MS, ENVELOPE_LIFETIME_MS},
    prost::Message as _,
    stored::{GroupEpoch, group_epoch::Waiting},
};

use super::{
    super::{Ctx, EngineError, account, messaging, tables::GROUP_EPOCHS},
    group::{self, Group},
    held,
};
use crate::{
    crypto::secret::Secret as _,
    protocol::group::{OuterKey, Role, outer},
    store::Direction,
    time::Timestamp,
};

/// An ended epoch's key opens what was under way: the longest time in a mailbox, and a week for those who were late to learn of
/// its end (milliseconds).
const KEPT_MS: u64 = ENVELOPE_LIFETIME_MS + 7 * DAY_MS;

/// Most keys kept of one group, whatever their age.
const MAX_KEPT: usize = 128;

/// How far ahead of the known state a key may be: so many changes can be on their way.
const MAX_AHEAD: u64 = 64;

/// Keys of one epoch that wait for the state to say which of them is right: one of each member who gave one.
const MAX_WAITING: usize = 8;

/// The key of one epoch, if this device has it.
pub(crate) fn key(ctx: &Ctx<'_, '_>, id: &GroupId, epoch: u64) -> Result<Option<OuterKey>, EngineError> {
    let row = ctx.load::<GroupEpoch>(GROUP_EPOCHS, id.as_ref(), epoch)?.filter(|row| row.verified);
    row.map(|row| restore(&row)).transpose()
}

/// The key of the state's own epoch, with its number. `None`: it is still on its way.
pub(crate) fn newest(ctx: &mut Ctx<'_, '_>, id: &GroupId) -> Result<Option<(u64, OuterKey)>, EngineError> {
    let Some(group) = group::load(ctx, id)? else { return Ok(None) };
    let epoch = group.state().epoch().number;
    Ok(key(ctx, id, epoch)?.map(|key| (epoch, key)))
}

/// Every key that may open something, those that the state names first, the newest of them first. One that waits for its epoch to
/// begin is among them: the change that begins it comes sealed under it. Who gave a false one gains nothing, since the message
/// inside is its sender's only by that one's chain and for that epoch.
fn openers(ctx: &Ctx<'_, '_>, id: &GroupId) -> Result<Vec<(u64, OuterKey)>, EngineError> {
    let mut rows = rows(ctx, id)?;
    rows.sort_by_key(|(_, row)| !row.verified);
    let mut keys = Vec::new();
    for (epoch, row) in rows {
        let waiting = row.waiting.iter().map(|waiting| &waiting.key);
        for key in waiting.chain([&row.key]).filter(|key| !key.is_empty()) {
            keys.push((epoch, key.as_slice().try_into().map(OuterKey::restore).map_err(|_| unreadable())?));
        }
    }
    Ok(keys)
}

/// The key that an envelope was sealed under, and its epoch.
pub(crate) fn of_envelope(
    ctx: &mut Ctx<'_, '_>,
    id: &GroupId,
    envelope: &[u8],
) -> Result<Option<(u64, OuterKey)>, EngineError> {
    let known = match ctx.passing.groups.epochs.get(id) {
        Some(known) => Rc::clone(known),
        None => {
            let known: Rc<[_]> = openers(ctx, id)?.into();
            ctx.passing.groups.epochs.insert(*id, Rc::clone(&known));
            known
        }
    };
    Ok(known.iter().find(|(_, key)| outer::belongs(key, envelope)).cloned())
}

/// Somebody who belongs has given a key. Gives whether it opens something new. It is believed only if the state names it, so who
/// gave it doesn't matter.
// GRP-23
pub(crate) fn received(
    ctx: &mut Ctx<'_, '_>,
    id: &GroupId,
    from: &AccountId,
    given: &EpochKey,
) -> Result<bool, EngineError> {
    let Some(group) = group::load(ctx, id)?.filter(|group| group.belongs()) else { return Ok(false) };
    let Ok(bytes) = <[u8; 32]>::try_from(given.outer_key.as_slice()) else { return Ok(false) };
    let key = OuterKey::restore(&bytes);
    let present = *group.state().epoch();
    if given.epoch == present.number {
        if self::key(ctx, id, given.epoch)?.is_some() || key.commitment(given.epoch) != present.key_commitment
        {
            return Ok(false);
        }
        write(ctx, id, given.epoch, &key);
        return Ok(true);
    }
    if given.epoch > present.number && given.epoch - present.number <= MAX_AHEAD {
        // The change that begins it is on its way, or has come and could not be opened.
        let mut row: GroupEpoch = ctx.load(GROUP_EPOCHS, id.as_ref(), given.epoch)?.unwrap_or_default();
        let acts = |identity: &[u8]| {
            let account = AccountId::try_from(identity).ok();
            account.and_then(|account| group.state().role(&account)).is_some_and(|role| role >= Role::Admin)
        };
        wait(&mut row.waiting, acts, from, &key);
        ctx.save(GROUP_EPOCHS, id.as_ref(), given.epoch, &row);
        ctx.passing.groups.epochs.remove(id);
        held::news(ctx, id, held::News::Epoch);
    }
    Ok(false)
}

/// Keeps a key that this device made, or that came with the state.
pub(super) fn begin(ctx: &mut Ctx<'_, '_>, id: &GroupId, epoch: u64, key: &OuterKey) {
    write(ctx, id, epoch, key);
}

/// The state has begun another epoch: a key that waited for that is believed or dropped, those before end. Gives whether this
/// device can open it.
pub(super) fn advanced(ctx: &mut Ctx<'_, '_>, group: &Group) -> Result<bool, EngineError> {
    let (id, present) = (group.id, *group.state().epoch());
    ctx.passing.groups.epochs.remove(&id);
    let mut kept = 0;
    let mut opens = false;
    for (epoch, mut row) in rows(ctx, &id)? {
        if epoch > present.number {
            continue;
        }
        if epoch == present.number {
            let waiting = row.waiting.iter().map(|waiting| &waiting.key).chain([&row.key]);
            let mut keys = waiting.filter_map(|key| key.as_slice().try_into().ok()).map(OuterKey::restore);
            match keys.find(|key| key.commitment(epoch) == present.key_commitment) {
                Some(key) => {
                    opens = true;
                    write(ctx, &id, epoch, &key);
                }
                None => ctx.tx.delete(GROUP_EPOCHS, id.as_ref(), epoch),
            }
            continue;
        }
        kept += 1;
        let ended = Timestamp::from_millis(row.ended_ms);
        let old = row.ended_ms > 0 && ctx.now.millis_since(ended) > KEPT_MS;
        if !row.verified || old || kept > MAX_KEPT {
            ctx.tx.delete(GROUP_EPOCHS, id.as_ref(), epoch);
        } else if row.ended_ms == 0 {
            row.ended_ms = ctx.now.as_millis();
            ctx.save(GROUP_EPOCHS, id.as_ref(), epoch, &row);
        }
    }
    Ok(opens)
}

/// Gives the present key to every member's devices, and to this account's others: pairwise, sealed under what each of them has.
pub(super) fn distribute(ctx: &mut Ctx<'_, '_>, group: &Group) -> Result<(), EngineError> {
    let (id, epoch) = (group.id, group.state().epoch().number);
    let (Some(me), Some(key)) = (account::me(ctx)?, key(ctx, &id, epoch)?) else { return Ok(()) };
    for member in group.state().members() {
        if member.account == me.account && me.manifest.devices().len() < 2 {
            continue;
        }
        let given = EpochKey { epoch, outer_key: key.expose().to_vec() };
        messaging::queue_control(ctx, &id, &member.account, None, What::Epoch(given))?;
    }
    Ok(())
}

/// Forgets every key of a group.
pub(super) fn erase(ctx: &mut Ctx<'_, '_>, id: &GroupId) -> Result<(), EngineError> {
    ctx.passing.groups.epochs.remove(id);
    Ok(ctx.tx.delete_all(GROUP_EPOCHS, id.as_ref())?)
}

fn rows(ctx: &Ctx<'_, '_>, id: &GroupId) -> Result<Vec<(u64, GroupEpoch)>, EngineError> {
    let rows = ctx.tx.scan(GROUP_EPOCHS, id.as_ref(), .., Direction::Backward, usize::MAX)?;
    let decode = |(epoch, row): (u64, crate::store::Value)| {
        GroupEpoch::decode(row.as_slice()).map(|row| (epoch, row)).map_err(|_| unreadable())
    };
    rows.into_iter().map(decode).collect()
}

/// Keeps a key that waits: one of each member, and those of owners and admins, who begin epochs, before all others.
// GRP-23
fn wait(waiting: &mut Vec<Waiting>, acts: impl Fn(&[u8]) -> bool, from: &AccountId, key: &OuterKey) {
    waiting.retain(|known| known.identity != from.as_ref());
    if waiting.len() >= MAX_WAITING {
        match waiting.iter().position(|known| !acts(&known.identity)) {
            Some(least) => drop(waiting.remove(least)),
            None if acts(from.as_ref()) => drop(waiting.remove(0)),
            None => return,
        }
    }
    waiting.push(Waiting { identity: from.to_vec(), key: key.expose().to_vec() });
}

fn write(ctx: &mut Ctx<'_, '_>, id: &GroupId, epoch: u64, key: &OuterKey) {
    ctx.passing.groups.epochs.remove(id);
    let row = GroupEpoch { key: key.expose().to_vec(), verified: true, ..Default::default() };
    ctx.save(GROUP_EPOCHS, id.as_ref(), epoch, &row);
}

fn restore(row: &GroupEpoch) -> Result<OuterKey, EngineError> {
    row.key.as_slice().try_into().map(OuterKey::restore).map_err(|_| unreadable())
}

const fn unreadable() -> EngineError {
    EngineError::Row { what: GROUP_EPOCHS.name() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grp_23_a_member_can_not_take_the_place_of_anothers_waiting_key() {
        let owner = AccountId::new([1; 32]);
        let acts = |identity: &[u8]| identity == owner.as_ref();
        let key = |byte: u8| OuterKey::restore(&[byte; 32]);
        let stranger = |byte: u8| AccountId::new([byte; 32]);
        let mut waiting = Vec::new();
        wait(&mut waiting, acts, &owner, &key(1));
        for byte in 2..40 {
            wait(&mut waiting, acts, &stranger(byte), &key(byte));
            wait(&mut waiting, acts, &stranger(byte), &key(byte + 100));
        }
        assert_eq!(waiting.len(), MAX_WAITING);
        let of_owner: Vec<_> = waiting.iter().filter(|known| known.identity == owner.as_ref()).collect();
        assert_eq!(of_owner.len(), 1);
        assert_eq!(of_owner[0].key, [1; 32]);
        wait(&mut waiting, acts, &owner, &key(9));
        assert!(waiting.iter().any(|known| known.identity == owner.as_ref() && known.key == [9; 32]));
    }
}
