//! The account's groups on all its devices.
//!
//! A device that joins or founds a group writes where the group's record is, and the outer key, into the vault. Another device that
//! finds the entry reads the record, and from then on belongs like the first: it opens an address, signs its leaf, and asks its
//! siblings and the admins for the roster. Who leaves takes the entry away, and so leaves on every device.

use wheesht_proto::{
    account::VaultMembership,
    address::RelayAddress,
    group::EpochKey,
    ids::{GroupId, RecordId},
    prost::Message as _,
    relay::{self, GetRecord, RecordOk, client_frame, relay_frame},
};

use super::{
    super::{Ctx, EngineError, account, io::RequestError},
    Pending, apply, ask, control, epochs,
    group::{self, Group, Phase},
    joining, roster,
};
use crate::{
    crypto::secret::Secret as _,
    protocol::group::{Checkpoint, OuterKey, RecordKeyPlace, read_sealed},
    signed::UnverifiedRecord,
};

const PREFIX: &str = "group/";

/// Writes what another device needs, if it has changed.
// GRO-18
pub(super) fn store(ctx: &mut Ctx<'_, '_>, id: &GroupId) -> Result<(), EngineError> {
    let Some(group) = super::belonging(ctx, id)? else { return Ok(()) };
    let state = group.state();
    let epoch = state.epoch().number;
    let Some(key) = epochs::key(ctx, id, epoch)? else { return Ok(()) };
    let place = state.record();
    let entry = VaultMembership {
        record_id: place.id.to_vec(),
        relay: place.relay.to_string(),
        epoch,
        outer_key: key.expose().to_vec(),
        state_version: state.version(),
        state_hash: state.hash().to_vec(),
    };
    let known = account::vault::get(ctx, &name(id))?;
    let known = known.and_then(|known| VaultMembership::decode(known.as_slice()).ok());
    // Not each change is worth a write of the vault: what a new device needs is the place and the key.
    let stands = known.is_some_and(|known| {
        (known.record_id, known.relay, known.epoch, known.outer_key)
            == (entry.record_id.clone(), entry.relay.clone(), entry.epoch, entry.outer_key.clone())
    });
    if stands { Ok(()) } else { account::vault::put(ctx, &name(id), entry.encode_to_vec()) }
}

/// The account no longer belongs to the group.
pub(super) fn erase(ctx: &mut Ctx<'_, '_>, id: &GroupId) -> Result<(), EngineError> {
    account::vault::delete(ctx, &name(id))
}

/// Another own device has written or taken away an entry.
// GRO-18
pub(super) fn entry(ctx: &mut Ctx<'_, '_>, key: &str, value: Option<&[u8]>) -> Result<(), EngineError> {
    let Some(id) = key.strip_prefix(PREFIX).and_then(|id| id.parse::<GroupId>().ok()) else {
        // A link's secret: read when it is shown.
        return Ok(());
    };
    let Some(entry) = value.and_then(|value| VaultMembership::decode(value).ok()) else {
        return match super::belonging(ctx, &id)? {
            Some(group) => apply::over(ctx, &group, Phase::Left),
            None => Ok(()),
        };
    };
    if super::belonging(ctx, &id)?.is_some() {
        let epoch = EpochKey { epoch: entry.epoch, outer_key: entry.outer_key };
        let Some(me) = account::me(ctx)? else { return Ok(()) };
        return control::new_epoch(ctx, &id, &me.account, &epoch);
    }
    adopt(ctx, &id, entry)
}

/// Finds groups that the vault has and this device doesn't: a new device, or one that stopped half-way.
pub(super) fn online(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    for (key, value) in account::vault::list(ctx, PREFIX)? {
        let Some(id) = key.strip_prefix(PREFIX).and_then(|id| id.parse::<GroupId>().ok()) else { continue };
        if super::belonging(ctx, &id)?.is_some() {
            continue;
        }
        if let Ok(entry) = VaultMembership::decode(value.as_slice()) {
            adopt(ctx, &id, entry)?;
        }
    }
    Ok(())
}

/// Reads the group's record.
fn adopt(ctx: &mut Ctx<'_, '_>, id: &GroupId, entry: VaultMembership) -> Result<(), EngineError> {
    let (Ok(record), Ok(relay)) =
        (RecordId::try_from(&*entry.record_id), entry.relay.parse::<RelayAddress>())
    else {
        return Ok(());
    };
    joining::settled(ctx, id)?;
    let link = account::anonymous_link(&relay);
    let body = client_frame::Body::GetRecord(GetRecord { id: record.to_vec() });
    ctx.ask(&link, Pending::Adopt(Box::new((*id, entry))), body);
    Ok(())
}

/// The relay's answer. What could not be read is read again at the next login, or when the entry changes.
pub(super) fn read(
    ctx: &mut Ctx<'_, '_>,
    id: &GroupId,
    entry: &VaultMembership,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<(), EngineError> {
    let (Some(me), None) = (account::me(ctx)?, super::belonging(ctx, id)?) else { return Ok(()) };
    let Ok(relay_frame::Body::RecordOk(RecordOk { record: Some(given) })) = result else { return Ok(()) };
    let Some((checkpoint, key, leaves)) = open(id, entry, given) else { return Ok(()) };
    let state = checkpoint.state();
    // GRO-18
    let rolled_back = state.version() < entry.state_version
        || (state.version() == entry.state_version && state.hash().as_slice() != entry.state_hash);
    if rolled_back || state.member(&me.account).is_none() {
        return Ok(());
    }
    group::save_state(ctx, Group::new(state.clone(), checkpoint.head()))?;
    epochs::begin(ctx, id, state.epoch().number, &key);
    super::entered(ctx, id)?;
    roster::learn(ctx, id, &leaves)?;
    ask::ask(ctx, id, ask::What::Roster, None);
    apply::shown(ctx, id)
}

fn open(
    id: &GroupId,
    entry: &VaultMembership,
    given: relay::Record,
) -> Option<(Checkpoint, OuterKey, Vec<Vec<u8>>)> {
    let place = RecordId::try_from(&*entry.record_id).ok()?;
    let record = UnverifiedRecord::read(given).ok()?.verify(&place).ok()?;
    let sealed = read_sealed(record.value())?;
    let key = OuterKey::restore(&entry.outer_key.as_slice().try_into().ok()?);
    let content = RecordKeyPlace { group: id, record: &place }.open(&sealed, &key)?;
    let checkpoint = Checkpoint::verify(&content.checkpoint?, id).ok()?;
    let epoch = *checkpoint.state().epoch();
    let opens = epoch.number == entry.epoch && key.commitment(epoch.number) == epoch.key_commitment;
    opens.then_some((checkpoint, key, content.leaves))
}

fn name(id: &GroupId) -> String {
    format!("{PREFIX}{id}")
}
