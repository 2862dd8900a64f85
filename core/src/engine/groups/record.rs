//! A group's record: what its relay keeps for it without being able to read it, and how this device reads and writes it.
//!
//! It is read and written over connections that say nothing of who does. Its compare-and-swap is what puts changes that two admins
//! make at once into an order; that it can be trusted for nothing else is why every change in it is checked.

use wheesht_proto::{
    group::{RecordContent, SealedRecord},
    limits::{MAX_DEVICES, MAX_RECORD},
    relay::{self, GetRecord, client_frame},
};

use super::{
    super::{Ctx, EngineError, account},
    Pending, epochs,
    group::Group,
    propose, roster,
};
use crate::{
    protocol::group::{
        Change, Checkpoint, OuterKey, RECORD_ROOM, RecordKeyPlace, RecordPlace, Role, State, read_sealed,
    },
    signed::{Record, UnverifiedRecord},
};

/// Most leaves in a record: enough to find somebody who answers.
const MAX_LEAVES: usize = 2 * MAX_DEVICES;

/// What the leaves may take of a record's room, in bytes.
const LEAVES_ROOM: usize = 20 * 1024;

/// What a record turned out to be.
pub(super) enum Reading {
    /// No version of this record, or nothing that a member sealed.
    Bad,
    /// Of an epoch that this device has no key for: perhaps with the change that began it.
    Closed { epoch: u64, began: Option<Vec<u8>> },
    /// Its content, and what it says to those who lack its epoch's key.
    Open { record: Box<Record>, content: Box<RecordContent>, farewell: Vec<u8> },
}

/// Asks for the record.
pub(super) fn read(ctx: &mut Ctx<'_, '_>, group: &Group) {
    let place = group.state.record();
    let link = account::anonymous_link(&place.relay);
    let body = client_frame::Body::GetRecord(GetRecord { id: place.id.to_vec() });
    ctx.ask(&link, Pending::Order(propose::Pending::Read(group.id)), body);
}

/// Checks and opens what the relay gave.
pub(super) fn open(ctx: &Ctx<'_, '_>, group: &Group, given: relay::Record) -> Result<Reading, EngineError> {
    let id = group.state.record().id;
    let Ok(record) = UnverifiedRecord::read(given).and_then(|record| record.verify(&id)) else {
        return Ok(Reading::Bad);
    };
    let Some(sealed) = read_sealed(record.value()) else { return Ok(Reading::Bad) };
    let place = RecordKeyPlace { group: &group.id, record: &id };
    let Some(key) = epochs::key(ctx, &group.id, sealed.epoch)? else {
        let before = epochs::key(ctx, &group.id, sealed.epoch.saturating_sub(1))?;
        let began = before.and_then(|before| place.open_farewell(&sealed, &before));
        return Ok(Reading::Closed { epoch: sealed.epoch, began });
    };
    let Some(content) = place.open(&sealed, &key) else { return Ok(Reading::Bad) };
    let SealedRecord { farewell, .. } = sealed;
    Ok(Reading::Open { record: Box::new(record), content: Box::new(content), farewell })
}

/// A record's value for this state, which `head` led to; `farewell` as it stands, or is to stand.
pub(super) fn value(
    ctx: &mut Ctx<'_, '_>,
    place: &RecordPlace,
    state: &State,
    head: &Change,
    before: Vec<Vec<u8>>,
    key: &OuterKey,
    farewell: &[u8],
) -> Result<Vec<u8>, EngineError> {
    let leaves = leaves(ctx, state)?;
    let taken: usize = leaves.iter().map(|leaf| leaf.len() + 4).sum();
    let checkpoint = Checkpoint::new(state.clone(), head.clone(), before);
    let checkpoint = Some(checkpoint.to_wire(RECORD_ROOM.saturating_sub(taken)));
    let content = RecordContent { checkpoint, leaves };
    let group = state.group();
    let sealing = RecordKeyPlace { group: &group, record: &place.id };
    let epoch = state.epoch().number;
    let value = sealing.seal(epoch, key, &content, farewell, ctx.rng);
    // A removal beside a large picture: those who lack the key ask without knowing for what.
    Ok(if value.len() <= MAX_RECORD { value } else { sealing.seal(epoch, key, &content, &[], ctx.rng) })
}

/// Where owners and admins are reached: for somebody who has nothing but the record.
fn leaves(ctx: &mut Ctx<'_, '_>, state: &State) -> Result<Vec<Vec<u8>>, EngineError> {
    let known = roster::load(ctx, &state.group())?;
    let acting =
        |account: &wheesht_proto::ids::AccountId| state.role(account).is_some_and(|role| role >= Role::Admin);
    let leaves = known.roster().leaves().filter(|leaf| acting(&leaf.identity()));
    let mut room = LEAVES_ROOM;
    let mut chosen = Vec::new();
    for leaf in leaves.take(MAX_LEAVES) {
        let Some(left) = room.checked_sub(leaf.encoded().len()) else { break };
        room = left;
        chosen.push(leaf.encoded().to_vec());
    }
    Ok(chosen)
}
