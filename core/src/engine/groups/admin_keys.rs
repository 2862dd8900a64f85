//! The write key of a group's record: owners and admins hold it, and nobody else.
//!
//! It is replaced by the very write that takes the right from somebody: that write, signed by the old key, names the new one, and
//! the new one goes pairwise to those who stay. So a demoted admin can neither write the record nor squat it. Whoever reads the
//! record sees which key writes next; a key that is not that one is of no use and is asked for anew.

use wheesht_proto::{
    group::{AdminKey, group_control::What},
    ids::{AccountId, GroupId, RecordId},
    stored::{GroupProposal, GroupWriteKey},
};

use super::{
    super::{Ctx, EngineError, account, messaging, tables::GROUP_WRITE_KEYS},
    group::{self, Group},
    propose,
};
use crate::{
    crypto::sign::{SigningKey, VerifyingKey},
    protocol::group::{Role, State},
};

/// The key that writes next, if this device has it.
pub(super) fn write_key(
    ctx: &Ctx<'_, '_>,
    group: &Group,
    expected: &VerifyingKey,
) -> Result<Option<SigningKey>, EngineError> {
    Ok(stored(ctx, group)?.map(|(_, key)| key).filter(|key| key.verifying_key() == *expected))
}

/// Keeps the key of a record that this device makes.
pub(super) fn begin(
    ctx: &mut Ctx<'_, '_>,
    id: &GroupId,
    record: &RecordId,
    secret: &[u8],
    from_version: u64,
) {
    let row = GroupWriteKey { record_id: record.to_vec(), secret: secret.to_vec(), from_version };
    ctx.save(GROUP_WRITE_KEYS, id.as_ref(), 0, &row);
}

/// This device's change was taken: the key that it named is the one now; and those who are to have it get it.
// GRP-27
pub(super) fn adopt(
    ctx: &mut Ctx<'_, '_>,
    group: &Group,
    before: &State,
    row: &GroupProposal,
) -> Result<(), EngineError> {
    let place = group.state.record().clone();
    let replaced = if !row.moved_write_key.is_empty() {
        begin(ctx, &group.id, &place.id, &row.moved_write_key, 1);
        true
    } else if !row.next_write_key.is_empty() {
        begin(ctx, &group.id, &place.id, &row.next_write_key, group.record_version.saturating_add(1));
        true
    } else {
        false
    };
    let me = account::me(ctx)?;
    for member in group.state.members().iter().filter(|member| member.role >= Role::Admin) {
        let new = before.role(&member.account).is_none_or(|role| role < Role::Admin);
        let own = me.as_ref().is_some_and(|me| me.account == member.account);
        let alone = own && me.as_ref().is_some_and(|me| me.manifest.devices().len() < 2);
        if (replaced || new) && !alone {
            give(ctx, group, &member.account)?;
        }
    }
    Ok(())
}

/// Gives the key to an owner or admin; nobody else gets it, whoever asks.
pub(super) fn give(ctx: &mut Ctx<'_, '_>, group: &Group, to: &AccountId) -> Result<(), EngineError> {
    if group.state.role(to).is_none_or(|role| role < Role::Admin) {
        return Ok(());
    }
    let Some((from_version, key)) = stored(ctx, group)? else { return Ok(()) };
    let record_id = group.state.record().id.to_vec();
    let given = AdminKey { record_id, from_version, secret: key.to_secret_bytes().to_vec() };
    messaging::queue_control(ctx, &group.id, to, None, What::AdminKey(given))
}

/// An owner or admin has given the key. A wrong one does no harm but to lie here until the right one comes: the record says which
/// one it is.
pub(super) fn received(
    ctx: &mut Ctx<'_, '_>,
    id: &GroupId,
    from: &AccountId,
    given: &AdminKey,
) -> Result<(), EngineError> {
    let Some(group) = group::load(ctx, id)?.filter(|group| group.belongs()) else { return Ok(()) };
    let acting = group.state.role(from).is_some_and(|role| role >= Role::Admin);
    let record = RecordId::try_from(given.record_id.as_slice());
    if !acting || given.secret.len() != 32 || record.is_err() {
        return Ok(());
    }
    let known: Option<GroupWriteKey> = ctx.load(GROUP_WRITE_KEYS, id.as_ref(), 0)?;
    // Two writes may follow each other closely, and their keys come in any order.
    let newer = known
        .is_none_or(|known| known.record_id != given.record_id || known.from_version <= given.from_version);
    if newer && let Ok(record) = record {
        begin(ctx, id, &record, &given.secret, given.from_version);
        propose::hurry(ctx, id);
    }
    Ok(())
}

/// The record says that another key writes next: whichever is given now takes this one's place, whatever number it came with. A
/// false one that was given with the highest number would else keep every later one out.
pub(super) fn doubt(ctx: &mut Ctx<'_, '_>, id: &GroupId) -> Result<(), EngineError> {
    if let Some(known) = ctx.load::<GroupWriteKey>(GROUP_WRITE_KEYS, id.as_ref(), 0)? {
        ctx.save(GROUP_WRITE_KEYS, id.as_ref(), 0, &GroupWriteKey { from_version: 0, ..known });
    }
    Ok(())
}

/// Forgets the key.
pub(super) fn erase(ctx: &mut Ctx<'_, '_>, id: &GroupId) {
    ctx.tx.delete(GROUP_WRITE_KEYS, id.as_ref(), 0);
}

fn stored(ctx: &Ctx<'_, '_>, group: &Group) -> Result<Option<(u64, SigningKey)>, EngineError> {
    let row: Option<GroupWriteKey> = ctx.load(GROUP_WRITE_KEYS, group.id.as_ref(), 0)?;
    let row = row.filter(|row| row.record_id == group.state.record().id.as_ref());
    let parse = |row: GroupWriteKey| {
        let secret = row.secret.as_slice().try_into();
        let unreadable = EngineError::Row { what: GROUP_WRITE_KEYS.name() };
        secret.map(|secret| (row.from_version, SigningKey::from_secret_bytes(secret))).map_err(|_| unreadable)
    };
    row.map(parse).transpose()
}
