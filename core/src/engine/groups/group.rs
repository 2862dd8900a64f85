//! One group: the rows, parsed, and kept at hand while the engine lives.
//!
//! What stands in the store was verified before it was written: opening a group checks no signature again.

use std::rc::Rc;

use wheesht_proto::{
    ids::{AccountId, GroupId},
    limits::MAX_RECORD_CHANGES,
    prost::Message as _,
    stored::{self, group::Phase as Stored},
};

use super::super::{
    Ctx, EngineError, account,
    tables::{GROUP_CHANGES, GROUP_NUMBERS, GROUP_STATES, GROUPS},
};
use crate::{
    protocol::group::{Change, Checkpoint, Role, State, UnverifiedChange},
    store::Direction,
};

/// Groups kept at hand.
const CACHED: usize = 64;

/// How this account stands to a group whose state it knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Belongs.
    Member,
    /// Has asked to go; the state doesn't say so yet.
    Leaving,
    /// Has gone.
    Left,
    /// Was removed.
    Removed,
}

/// See the module's story.
#[derive(Clone)]
pub(crate) struct Group {
    pub(super) number: u64,
    pub(crate) id: GroupId,
    /// The newest known.
    pub(crate) state: State,
    /// The encoded change that led to the state.
    pub(super) head: Vec<u8>,
    pub(crate) phase: Phase,
    pub(super) leave: Vec<u8>,
    pub(super) forked: bool,
    pub(super) record_version: u64,
    /// A member's device has gone since the epoch began.
    pub(super) device_lost: bool,
    /// Members none of whose devices became known in time: messages don't wait for them again.
    pub(super) unreached: Vec<AccountId>,
}

impl Group {
    /// A group that this account has founded or joined.
    pub(super) fn new(state: State, head: &Change) -> Self {
        Self {
            number: 0,
            id: state.group(),
            state,
            head: head.encoded().to_vec(),
            phase: Phase::Member,
            leave: Vec::new(),
            forked: false,
            record_version: 0,
            device_lost: false,
            unreached: Vec::new(),
        }
    }

    /// The newest state known.
    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// Whether this account belongs: it reads, and keeps its keys.
    pub(crate) fn belongs(&self) -> bool {
        matches!(self.phase, Phase::Member | Phase::Leaving)
    }

    /// Takes over a later state.
    pub(super) fn advance(&mut self, state: State, head: &Change) {
        self.device_lost &= self.state.epoch() == state.epoch();
        self.state = state;
        self.head = head.encoded().to_vec();
    }
}

/// A group by its id, if its state is known.
pub(crate) fn load(ctx: &mut Ctx<'_, '_>, id: &GroupId) -> Result<Option<Rc<Group>>, EngineError> {
    if let Some(group) = ctx.passing.groups.cache.get(id) {
        return Ok(Some(Rc::clone(group)));
    }
    let Some(number) = number(ctx, id)? else { return Ok(None) };
    let Some(row) = ctx.load::<stored::Group>(GROUPS, b"", number)? else { return Ok(None) };
    let state = ctx.load::<stored::GroupState>(GROUP_STATES, id.as_ref(), 0)?.ok_or_else(unreadable)?;
    let head = UnverifiedChange::decode(&state.head).map_err(|_| unreadable())?;
    let group = Group {
        number,
        id: *id,
        state: State::decode_stored(&state.state, head.hash()).map_err(|_| unreadable())?,
        head: state.head,
        phase: match row.phase() {
            Stored::Member => Phase::Member,
            Stored::Leaving => Phase::Leaving,
            Stored::Left => Phase::Left,
            Stored::Removed => Phase::Removed,
            Stored::Unspecified => return Err(unreadable()),
        },
        leave: row.leave,
        forked: row.forked,
        record_version: row.record_version,
        device_lost: row.device_lost,
        unreached: row.unreached.iter().filter_map(|id| AccountId::try_from(&**id).ok()).collect(),
    };
    Ok(Some(keep(ctx, group)))
}

/// All groups whose state is known, in the order in which they came.
pub(crate) fn ids(ctx: &Ctx<'_, '_>) -> Result<Vec<GroupId>, EngineError> {
    let rows = ctx.tx.scan(GROUPS, b"", .., Direction::Forward, usize::MAX)?;
    let ids = rows.iter().map(|(_, row)| {
        let row = stored::Group::decode(row.as_slice()).map_err(|_| unreadable())?;
        GroupId::try_from(&*row.group_id).map_err(|_| unreadable())
    });
    ids.collect()
}

/// What this account may do in a group that it belongs to and does not leave.
pub(super) fn own_role(ctx: &mut Ctx<'_, '_>, group: &Group) -> Result<Option<Role>, EngineError> {
    let me = account::me(ctx)?;
    Ok(me.filter(|_| group.phase == Phase::Member).and_then(|me| group.state.role(&me.account)))
}

/// Writes the group's row; a new group gets its number. The state is written by [`save_state`].
pub(super) fn save(ctx: &mut Ctx<'_, '_>, mut group: Group) -> Result<Rc<Group>, EngineError> {
    let id = group.id;
    if group.number == 0 {
        group.number = match number(ctx, &id)? {
            Some(number) => number,
            None => ctx.tx.next_sequence(GROUPS, b"")?,
        };
        ctx.tx.put(GROUP_NUMBERS, id.as_ref(), 0, group.number.to_be_bytes().to_vec());
    }
    let phase = match group.phase {
        Phase::Member => Stored::Member,
        Phase::Leaving => Stored::Leaving,
        Phase::Left => Stored::Left,
        Phase::Removed => Stored::Removed,
    };
    let row = stored::Group {
        group_id: id.to_vec(),
        phase: phase.into(),
        leave: group.leave.clone(),
        forked: group.forked,
        record_version: group.record_version,
        device_lost: group.device_lost,
        unreached: group.unreached.iter().map(|id| id.to_vec()).collect(),
    };
    ctx.save(GROUPS, b"", group.number, &row);
    Ok(keep(ctx, group))
}

/// A member's device is no longer one of its account's: it knows the outer key, perhaps the write key.
pub(super) fn device_lost(ctx: &mut Ctx<'_, '_>, id: &GroupId) -> Result<(), EngineError> {
    match load(ctx, id)?.filter(|group| group.belongs() && !group.device_lost) {
        Some(group) => save(ctx, Group { device_lost: true, ..(*group).clone() }).map(|_| ()),
        None => Ok(()),
    }
}

/// Writes a group with its state, and the change that led there.
pub(super) fn save_state(ctx: &mut Ctx<'_, '_>, group: Group) -> Result<Rc<Group>, EngineError> {
    let (id, version) = (group.id, group.state.version());
    let row = stored::GroupState { state: group.state.encode(), head: group.head.clone() };
    ctx.save(GROUP_STATES, id.as_ref(), 0, &row);
    ctx.tx.put(GROUP_CHANGES, id.as_ref(), version, group.head.clone());
    // One goes for each that comes, so that no more than these are ever there.
    ctx.tx.delete(GROUP_CHANGES, id.as_ref(), version.saturating_sub(MAX_RECORD_CHANGES as u64 + 1));
    save(ctx, group)
}

/// The encoded change that led to this version, if it is not too long ago.
pub(super) fn change(ctx: &Ctx<'_, '_>, id: &GroupId, version: u64) -> Result<Option<Vec<u8>>, EngineError> {
    Ok(ctx.tx.get(GROUP_CHANGES, id.as_ref(), version)?.map(|row| row.as_slice().to_vec()))
}

/// Encoded changes that follow this version, the oldest first; as far as they are kept without a gap up to the newest state.
pub(crate) fn changes_since(
    ctx: &Ctx<'_, '_>,
    group: &Group,
    version: u64,
) -> Result<Vec<Vec<u8>>, EngineError> {
    let range = version.saturating_add(1)..=group.state.version();
    let rows = ctx.tx.scan(GROUP_CHANGES, group.id.as_ref(), range, Direction::Backward, usize::MAX)?;
    let mut expected = group.state.version();
    let mut changes = Vec::new();
    for (version, row) in rows {
        if version != expected {
            break;
        }
        expected = version.saturating_sub(1);
        changes.push(row.as_slice().to_vec());
    }
    changes.reverse();
    Ok(changes)
}

/// The newest state, as another device is given it: with the changes after the version that it knows.
pub(crate) fn checkpoint(ctx: &Ctx<'_, '_>, group: &Group, known: u64) -> Result<Checkpoint, EngineError> {
    let head = UnverifiedChange::decode(&group.head).and_then(UnverifiedChange::assume_verified);
    let mut before = changes_since(ctx, group, known)?;
    before.pop();
    Ok(Checkpoint::new(group.state.clone(), head.map_err(|_| unreadable())?, before))
}

/// Forgets a group's rows.
pub(super) fn erase(ctx: &mut Ctx<'_, '_>, group: &Group) -> Result<(), EngineError> {
    let id = group.id;
    ctx.tx.delete(GROUPS, b"", group.number);
    ctx.tx.delete(GROUP_NUMBERS, id.as_ref(), 0);
    ctx.tx.delete(GROUP_STATES, id.as_ref(), 0);
    ctx.tx.delete_all(GROUP_CHANGES, id.as_ref())?;
    ctx.passing.groups.cache.remove(&id);
    Ok(())
}

fn number(ctx: &Ctx<'_, '_>, id: &GroupId) -> Result<Option<u64>, EngineError> {
    let Some(row) = ctx.tx.get(GROUP_NUMBERS, id.as_ref(), 0)? else { return Ok(None) };
    row.as_slice().try_into().map(|bytes| Some(u64::from_be_bytes(bytes))).map_err(|_| unreadable())
}

fn keep(ctx: &mut Ctx<'_, '_>, group: Group) -> Rc<Group> {
    let cache = &mut ctx.passing.groups.cache;
    if cache.len() >= CACHED {
        cache.clear();
    }
    let group = Rc::new(group);
    cache.insert(group.id, Rc::clone(&group));
    group
}

pub(super) const fn unreadable() -> EngineError {
    EngineError::Row { what: GROUPS.name() }
}
