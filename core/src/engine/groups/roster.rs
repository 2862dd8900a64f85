//! Who is reached where: the leaves of a group's devices, kept as rows and in memory.
//!
//! A leaf *stands* if its certificate is in the newest manifest known of its account; only such a device is written to or
//! believed. One whose manifest is not known yet is kept and waits for the look-up; one that the newest manifest doesn't have
//! goes. This device signs its own leaf, and a new one whenever what it says has changed.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use wheesht_proto::{
    address::RelayAddress,
    content::content,
    group::{Answer, GroupUpdate, group_control::What},
    ids::{AccountId, DepositAddress, DeviceId, GroupId},
    limits::MAX_DEVICES,
    prost::Message as _,
    stored::GroupLeaf,
};

use super::{
    super::{
        Ctx, EngineError, account, messaging,
        people::{self, Destination, Route},
        tables::GROUP_LEAVES,
    },
    addresses, concord, epochs, fanout, group, members, requests,
};
use crate::{
    protocol::group::{Leaf, Merged, OuterKey, Roster, UnverifiedLeaf},
    signed::{DeviceCertificate, UnverifiedCertificate},
    store::Direction,
};

/// Rosters kept in memory.
const CACHED: usize = 32;

/// A group's roster as this device has it.
#[derive(Clone, Default)]
pub(crate) struct Known {
    roster: Roster,
    hash: [u8; 32],
    rows: BTreeMap<DeviceId, Row>,
}

#[derive(Clone, Copy)]
struct Row {
    n: u64,
    stands: bool,
    epoch: u64,
}

impl Known {
    /// The leaves.
    pub(crate) fn roster(&self) -> &Roster {
        &self.roster
    }

    fn is_empty_of(&self, account: &AccountId) -> bool {
        self.roster.of(account).next().is_none()
    }

    fn stands(&self, device: &DeviceId) -> bool {
        self.rows.get(device).is_some_and(|row| row.stands)
    }
}

/// A device of a member, as it is reached in the group.
#[derive(Clone)]
pub(crate) struct MemberDevice {
    pub(crate) account: AccountId,
    pub(crate) device: DeviceId,
    pub(crate) address: DepositAddress,
    pub(crate) relay: RelayAddress,
    certificate: Vec<u8>,
}

impl MemberDevice {
    /// Its certificate. It was verified with the leaf.
    pub(crate) fn certificate(&self) -> Option<DeviceCertificate> {
        UnverifiedCertificate::decode(&self.certificate).ok().map(UnverifiedCertificate::assume_verified)
    }

    fn of(leaf: &Leaf) -> Self {
        Self {
            account: leaf.identity(),
            device: leaf.device(),
            address: leaf.address(),
            relay: leaf.relay().clone(),
            certificate: leaf.certificate().to_vec(),
        }
    }
}

/// How an account is reached in a group.
pub(crate) struct GroupRoute {
    /// Its devices.
    pub(crate) destinations: Vec<Destination>,
    /// The outer key to seal under, and its epoch; none: an ordinary envelope.
    pub(crate) outer: Option<(u64, OuterKey)>,
}

/// A group's roster.
pub(crate) fn load(ctx: &mut Ctx<'_, '_>, id: &GroupId) -> Result<Rc<Known>, EngineError> {
    if let Some(known) = ctx.passing.groups.rosters.get(id) {
        return Ok(Rc::clone(known));
    }
    let mut known = Known::default();
    for (n, row) in ctx.tx.scan(GROUP_LEAVES, id.as_ref(), .., Direction::Forward, usize::MAX)? {
        let row = GroupLeaf::decode(row.as_slice()).map_err(|_| unreadable())?;
        let leaf = Leaf::restore(&row.leaf).map_err(|_| unreadable())?;
        known.rows.insert(leaf.device(), Row { n, stands: row.stands, epoch: row.epoch });
        known.roster.merge(leaf);
    }
    known.hash = known.roster.hash();
    Ok(keep(ctx, id, known))
}

/// The devices that messages go to: those whose leaves stand, of members; one's own included.
pub(crate) fn devices(ctx: &mut Ctx<'_, '_>, id: &GroupId) -> Result<Vec<MemberDevice>, EngineError> {
    let (Some(group), known) = (group::load(ctx, id)?, load(ctx, id)?) else { return Ok(Vec::new()) };
    let reached = known
        .roster
        .leaves()
        .filter(|leaf| known.stands(&leaf.device()) && group.state().member(&leaf.identity()).is_some());
    Ok(reached.map(MemberDevice::of).collect())
}

/// The device of this id, if messages from it are believed.
pub(crate) fn device(
    ctx: &mut Ctx<'_, '_>,
    id: &GroupId,
    device: &DeviceId,
) -> Result<Option<MemberDevice>, EngineError> {
    let (Some(group), known) = (group::load(ctx, id)?, load(ctx, id)?) else { return Ok(None) };
    let leaf = known
        .roster
        .leaf(device)
        .filter(|leaf| known.stands(&leaf.device()) && group.state().member(&leaf.identity()).is_some());
    Ok(leaf.map(MemberDevice::of))
}

/// The roster's hash.
pub(crate) fn hash(ctx: &mut Ctx<'_, '_>, id: &GroupId) -> Result<[u8; 32], EngineError> {
    Ok(load(ctx, id)?.hash)
}

/// Where what is said to an account about a group goes: its devices in the group; or, while it doesn't belong yet, those that ask
/// to join, or those of a contact.
pub(crate) fn destinations(
    ctx: &mut Ctx<'_, '_>,
    id: &GroupId,
    to: &AccountId,
) -> Result<Option<GroupRoute>, EngineError> {
    let Some(me) = account::me(ctx)? else { return Ok(None) };
    if *to != me.account
        && let Some(group) = group::load(ctx, id)?.filter(|group| group.state().member(to).is_some())
    {
        let known = load(ctx, id)?;
        let leaves: Vec<_> = known.roster.of(to).filter(|leaf| known.stands(&leaf.device())).collect();
        if leaves.is_empty() {
            members::meet(ctx, &group)?;
            return Ok(None);
        }
        let newest = group.state().epoch().number;
        let epoch =
            leaves.iter().filter_map(|leaf| known.rows.get(&leaf.device())).map(|row| row.epoch).min();
        let epoch = epoch.unwrap_or(newest).min(newest);
        // Who is new has no outer key yet, and is given it in an envelope of its own.
        let outer = if epoch == 0 { None } else { epochs::key(ctx, id, epoch)?.map(|key| (epoch, key)) };
        let destinations = leaves.into_iter().filter_map(destination).collect();
        return Ok(Some(GroupRoute { destinations, outer }));
    }
    if let Some(leaves) = requests::leaves_of(ctx, id, to)? {
        let destinations = leaves.iter().filter_map(destination).collect();
        return Ok(Some(GroupRoute { destinations, outer: None }));
    }
    match people::route(ctx, to)? {
        Route::Ready(destinations) => Ok(Some(GroupRoute { destinations, outer: None })),
        Route::Wait | Route::Fail(_) => Ok(None),
    }
}

/// A message of this device's came under this epoch: it has that outer key.
pub(crate) fn saw_epoch(
    ctx: &mut Ctx<'_, '_>,
    id: &GroupId,
    device: &DeviceId,
    epoch: u64,
) -> Result<(), EngineError> {
    let known = load(ctx, id)?;
    let Some(row) = known.rows.get(device).copied().filter(|row| row.epoch < epoch) else { return Ok(()) };
    let Some(leaf) = known.roster.leaf(device) else { return Ok(()) };
    let row = Row { epoch, ..row };
    write(ctx, id, leaf, row);
    change(ctx, id, |known| {
        known.rows.insert(*device, row);
    });
    Ok(())
}

/// Takes leaves that somebody showed. Gives whether the roster has changed.
pub(crate) fn learn(ctx: &mut Ctx<'_, '_>, id: &GroupId, leaves: &[Vec<u8>]) -> Result<bool, EngineError> {
    learn_at(ctx, id, leaves, 0)
}

/// The same of leaves that came with the group's state: those devices have its outer key.
pub(super) fn learn_newest(
    ctx: &mut Ctx<'_, '_>,
    id: &GroupId,
    leaves: &[Vec<u8>],
) -> Result<bool, EngineError> {
    let epoch = group::load(ctx, id)?.map_or(0, |group| group.state.epoch().number);
    learn_at(ctx, id, leaves, epoch)
}

/// `epoch`: up to which a device that is new here is known to have the outer keys; 0: none.
fn learn_at(
    ctx: &mut Ctx<'_, '_>,
    id: &GroupId,
    leaves: &[Vec<u8>],
    epoch: u64,
) -> Result<bool, EngineError> {
    let Some(group) = group::load(ctx, id)? else { return Ok(false) };
    let Some(me) = account::me(ctx)? else { return Ok(false) };
    let mut changed = false;
    for encoded in leaves {
        let Ok(leaf) = UnverifiedLeaf::decode(encoded) else { continue };
        let known = load(ctx, id)?;
        let there = known.roster.leaf(&leaf.device());
        // GRO-8
        if leaf.group() != *id
            || group.state().member(&leaf.identity()).is_none()
            || there.is_some_and(|there| there.hash() == leaf.hash())
            || (there.is_none() && known.roster.of(&leaf.identity()).count() >= MAX_DEVICES)
        {
            continue;
        }
        let Ok(leaf) = leaf.verify() else { continue };
        if leaf.device() == me.device && there.is_none_or(|there| there.number() < leaf.number()) {
            // Signed by this device before it lost what it knew: the next one is higher.
            ctx.passing.groups.leaf_numbers.insert(*id, leaf.number());
            continue;
        }
        let Some(stands) = members::lists(ctx, &leaf)? else { continue };
        changed |= take(ctx, id, leaf, stands, epoch)?;
    }
    if changed {
        super::devices_changed(ctx, id)?;
    }
    Ok(changed)
}

/// The state has changed: leaves of those who no longer belong go, those who are new get to be known.
pub(crate) fn members_changed(ctx: &mut Ctx<'_, '_>, id: &GroupId) -> Result<(), EngineError> {
    let Some(group) = group::load(ctx, id)? else { return Ok(()) };
    let known = load(ctx, id)?;
    let gone = known.roster.leaves().filter(|leaf| group.state().member(&leaf.identity()).is_none());
    let gone: Vec<_> = gone.map(Leaf::device).collect();
    drop_leaves(ctx, id, &gone)?;
    members::meet(ctx, &group)
}

/// An account's manifest is known anew: its devices stand or go.
pub(crate) fn manifest_changed(ctx: &mut Ctx<'_, '_>, account: &AccountId) -> Result<(), EngineError> {
    for id in group::ids(ctx)? {
        let known = load(ctx, &id)?;
        let (mut gone, mut stand) = (Vec::new(), Vec::new());
        for leaf in known.roster.of(account) {
            match members::lists(ctx, leaf)? {
                Some(stands) if stands != known.stands(&leaf.device()) => stand.push((leaf.device(), stands)),
                Some(_) => {}
                None => gone.push(leaf.device()),
            }
        }
        if !gone.is_empty() {
            group::device_lost(ctx, &id)?;
        }
        drop_leaves(ctx, &id, &gone)?;
        for (device, stands) in &stand {
            let (Some(leaf), Some(row)) = (known.roster.leaf(device), known.rows.get(device)) else {
                continue;
            };
            let row = Row { stands: *stands, ..*row };
            write(ctx, &id, leaf, row);
            change(ctx, &id, |known| {
                known.rows.insert(*device, row);
            });
        }
        if !known.is_empty_of(account) {
            super::devices_changed(ctx, &id)?;
        }
    }
    Ok(())
}

/// Looks again for the manifests that leaves wait for.
pub(super) fn reconsider(ctx: &mut Ctx<'_, '_>, id: &GroupId) -> Result<(), EngineError> {
    let known = load(ctx, id)?;
    for leaf in known.roster.leaves().filter(|leaf| !known.stands(&leaf.device())) {
        members::observe(ctx, &leaf.identity(), leaf.head())?;
    }
    Ok(())
}

/// This device's leaf, as the roster has it.
pub(super) fn shown_leaf(ctx: &mut Ctx<'_, '_>, id: &GroupId) -> Result<Option<Vec<u8>>, EngineError> {
    let Some(me) = account::me(ctx)? else { return Ok(None) };
    Ok(load(ctx, id)?.roster.leaf(&me.device).map(|leaf| leaf.encoded().to_vec()))
}

/// Signs this device's leaf if there is none, or what it says has changed. Gives the present one, once the relay has the address.
// GRO-9
pub(super) fn own_leaf(ctx: &mut Ctx<'_, '_>, id: &GroupId) -> Result<Option<Leaf>, EngineError> {
    let Some(me) = account::me(ctx)? else { return Ok(None) };
    let Some(address) = addresses::open_address(ctx, id) else { return Ok(None) };
    let known = load(ctx, id)?;
    let present = known.roster.leaf(&me.device);
    if let Some(leaf) = present
        && leaf.address() == address
        && *leaf.relay() == me.relay
        && leaf.head() == me.manifest.head()
    {
        return Ok(Some(leaf.clone()));
    }
    let seen = ctx.passing.groups.leaf_numbers.get(id).copied().unwrap_or_default();
    let number = present.map_or(0, Leaf::number).max(seen) + 1;
    let place = (address, &me.relay);
    let leaf = Leaf::issue(&me.signing, &me.certificate, *id, place, me.manifest.head(), number);
    Ok(Some(leaf))
}

/// Puts this device's leaf into the roster, and tells the group if that is news.
pub(super) fn publish(ctx: &mut Ctx<'_, '_>, id: &GroupId) -> Result<(), EngineError> {
    let Some(group) = group::load(ctx, id)?.filter(|group| group.belongs()) else { return Ok(()) };
    let (Some(me), Some(leaf)) = (account::me(ctx)?, own_leaf(ctx, id)?) else { return Ok(()) };
    if load(ctx, id)?.roster.leaf(&leaf.device()) == Some(&leaf) {
        return Ok(());
    }
    let encoded = leaf.encoded().to_vec();
    let first = load(ctx, id)?.roster.leaf(&me.device).is_none();
    take(ctx, id, leaf, true, group.state().epoch().number)?;
    if first && me.manifest.devices().len() > 1 {
        introduce(ctx, id, &me, &encoded)?;
    }
    if group.state().members().len() == 1 && me.manifest.devices().len() == 1 {
        return Ok(());
    }
    announce(ctx, id, vec![encoded], vec![me.manifest.encoded().to_vec()])
}

/// A new device of a member is believed by nobody before its leaf is known: it shows it to each account that it can reach, and to
/// its siblings, who tell the group.
fn introduce(ctx: &mut Ctx<'_, '_>, id: &GroupId, me: &account::Me, leaf: &[u8]) -> Result<(), EngineError> {
    let mut accounts = reached(ctx, id)?;
    accounts.insert(me.account);
    for account in accounts {
        let shown = Answer {
            leaves: vec![leaf.to_vec()],
            manifests: vec![me.manifest.encoded().to_vec()],
            ..Default::default()
        };
        messaging::queue_control(ctx, id, &account, None, What::Answer(shown))?;
    }
    Ok(())
}

/// Tells the group of leaves.
pub(super) fn announce(
    ctx: &mut Ctx<'_, '_>,
    id: &GroupId,
    leaves: Vec<Vec<u8>>,
    manifests: Vec<Vec<u8>>,
) -> Result<(), EngineError> {
    let update = GroupUpdate { leaves, manifests, ..Default::default() };
    fanout::queue_update(ctx, id, content::Body::GroupUpdate(update))
}

/// Forgets a group's roster.
pub(super) fn erase(ctx: &mut Ctx<'_, '_>, id: &GroupId) -> Result<(), EngineError> {
    ctx.tx.delete_all(GROUP_LEAVES, id.as_ref())?;
    ctx.passing.groups.rosters.remove(id);
    Ok(())
}

/// The accounts of whom at least one device stands.
pub(super) fn reached(ctx: &mut Ctx<'_, '_>, id: &GroupId) -> Result<BTreeSet<AccountId>, EngineError> {
    let known = load(ctx, id)?;
    let standing = known.roster.leaves().filter(|leaf| known.stands(&leaf.device()));
    Ok(standing.map(Leaf::identity).collect())
}

fn take(
    ctx: &mut Ctx<'_, '_>,
    id: &GroupId,
    leaf: Leaf,
    stands: bool,
    epoch: u64,
) -> Result<bool, EngineError> {
    let known = load(ctx, id)?;
    let row = match known.rows.get(&leaf.device()) {
        Some(row) => Row { stands, ..*row },
        None => Row { n: ctx.tx.next_sequence(GROUP_LEAVES, id.as_ref())?, stands, epoch },
    };
    drop(known);
    let mut changed = false;
    let encoded = leaf.clone();
    change(ctx, id, |known| {
        let device = leaf.device();
        changed = known.roster.merge(leaf) != Merged::Known;
        if changed {
            known.rows.insert(device, row);
            known.hash = known.roster.hash();
        }
    });
    if changed {
        write(ctx, id, &encoded, row);
        concord::unsettled(ctx, id);
        messaging::route_ready(ctx, &encoded.identity())?;
    }
    Ok(changed)
}

fn drop_leaves(ctx: &mut Ctx<'_, '_>, id: &GroupId, gone: &[DeviceId]) -> Result<(), EngineError> {
    if gone.is_empty() {
        return Ok(());
    }
    let known = load(ctx, id)?;
    for row in gone.iter().filter_map(|device| known.rows.get(device)) {
        ctx.tx.delete(GROUP_LEAVES, id.as_ref(), row.n);
    }
    drop(known);
    change(ctx, id, |known| {
        known.roster.retain(|leaf| !gone.contains(&leaf.device()));
        known.rows.retain(|device, _| !gone.contains(device));
        known.hash = known.roster.hash();
    });
    concord::unsettled(ctx, id);
    super::devices_changed(ctx, id)
}

fn destination(leaf: &Leaf) -> Option<Destination> {
    let certificate = UnverifiedCertificate::decode(leaf.certificate()).ok()?.assume_verified();
    Some(Destination { certificate, address: leaf.address(), relay: leaf.relay().clone(), request: false })
}

fn write(ctx: &mut Ctx<'_, '_>, id: &GroupId, leaf: &Leaf, row: Row) {
    let stored = GroupLeaf { leaf: leaf.encoded().to_vec(), stands: row.stands, epoch: row.epoch };
    ctx.save(GROUP_LEAVES, id.as_ref(), row.n, &stored);
}

fn change(ctx: &mut Ctx<'_, '_>, id: &GroupId, change: impl FnOnce(&mut Known)) {
    if let Some(known) = ctx.passing.groups.rosters.get_mut(id) {
        change(Rc::make_mut(known));
    }
}

fn keep(ctx: &mut Ctx<'_, '_>, id: &GroupId, known: Known) -> Rc<Known> {
    let rosters = &mut ctx.passing.groups.rosters;
    if rosters.len() >= CACHED {
        rosters.clear();
    }
    let known = Rc::new(known);
    rosters.insert(*id, Rc::clone(&known));
    known
}

const fn unreadable() -> EngineError {
    EngineError::Row { what: GROUP_LEAVES.name() }
}
