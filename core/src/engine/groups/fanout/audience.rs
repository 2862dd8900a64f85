//! Everyone that a message to the group goes to, laid out once for as long as nothing changes: per relay the addresses, sorted as
//! a deposit wants them, and whose they are.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    rc::Rc,
};

use wheesht_proto::{
    address::RelayAddress,
    ids::{AccountId, DepositAddress, DeviceId, GroupId},
};

use super::super::{
    super::{Ctx, EngineError, account},
    group, leaving, roster,
};
use crate::protocol::group::State;

/// The devices of a group, and what a sender says of the group in each message.
pub(crate) struct Audience {
    number: u64,
    own: DeviceId,
    pub(super) state_version: u64,
    pub(super) state_hash: [u8; 32],
    pub(super) roster_hash: [u8; 32],
    pub(super) relays: Vec<Listed>,
    accounts: BTreeMap<DeviceId, AccountId>,
    /// Who has said that they go: they are believed still, and written to no more.
    going: BTreeSet<AccountId>,
}

/// The group's devices at one relay.
pub(super) struct Listed {
    pub(super) relay: RelayAddress,
    /// In the order of their addresses.
    pub(super) devices: Vec<DeviceId>,
    pub(super) addresses: Vec<Vec<u8>>,
}

impl Audience {
    /// Tells it from every other.
    pub(in crate::engine::groups) fn number(&self) -> u64 {
        self.number
    }

    /// All devices that are written to, but this one.
    pub(in crate::engine::groups) fn others(&self) -> impl Iterator<Item = (&DeviceId, &AccountId)> {
        self.accounts
            .iter()
            .filter(|(device, account)| **device != self.own && !self.going.contains(*account))
    }

    /// Members of whom no device is known.
    pub(in crate::engine::groups) fn unreached(&self, state: &State) -> BTreeSet<AccountId> {
        let reached: BTreeSet<_> = self.accounts.values().collect();
        let members = state.members().iter().map(|member| member.account);
        members.filter(|account| !reached.contains(account) && !self.going.contains(account)).collect()
    }

    /// The addresses at each relay.
    #[cfg(test)]
    pub(in crate::engine::groups) fn listed(&self) -> Vec<Vec<Vec<u8>>> {
        self.relays.iter().map(|listed| listed.addresses.clone()).collect()
    }

    /// Whose device it is.
    pub(in crate::engine::groups) fn account_of(&self, device: &DeviceId) -> Option<&AccountId> {
        self.accounts.get(device)
    }
}

/// The group's audience; `None` while this account doesn't belong to it.
pub(in crate::engine::groups) fn audience(
    ctx: &mut Ctx<'_, '_>,
    id: &GroupId,
) -> Result<Option<Rc<Audience>>, EngineError> {
    let Some(me) = account::me(ctx)? else { return Ok(None) };
    let Some(group) = group::load(ctx, id)?.filter(|group| group.state().member(&me.account).is_some())
    else {
        return Ok(None);
    };
    let (state, roster_hash) = (group.state(), roster::hash(ctx, id)?);
    if let Some(known) = ctx.passing.groups.talk.audiences.get(id)
        && known.state_version == state.version()
        && known.state_hash == state.hash()
        && known.roster_hash == roster_hash
    {
        return Ok(Some(Rc::clone(known)));
    }
    let mut by_relay: BTreeMap<RelayAddress, BTreeMap<DepositAddress, DeviceId>> = BTreeMap::new();
    let mut accounts = BTreeMap::new();
    let mut going: BTreeSet<_> = leaving::going(ctx, id)?.into_iter().collect();
    // What this account says last, that it goes, goes to its own devices too.
    going.remove(&me.account);
    for device in roster::devices(ctx, id)? {
        accounts.insert(device.device, device.account);
        if going.contains(&device.account) {
            continue;
        }
        // Two leaves with one address: only one of them can be its owner's, and a list with a duplicate is refused.
        if let Entry::Vacant(place) = by_relay.entry(device.relay).or_default().entry(device.address) {
            place.insert(device.device);
        }
    }
    let listed = |(relay, places): (RelayAddress, BTreeMap<DepositAddress, DeviceId>)| Listed {
        relay,
        addresses: places.keys().map(|address| address.to_vec()).collect(),
        devices: places.into_values().collect(),
    };
    ctx.passing.groups.talk.audience_number += 1;
    let audience = Rc::new(Audience {
        number: ctx.passing.groups.talk.audience_number,
        own: me.device,
        state_version: state.version(),
        state_hash: state.hash(),
        roster_hash,
        relays: by_relay.into_iter().map(listed).collect(),
        accounts,
        going,
    });
    ctx.passing.groups.talk.audiences.insert(*id, Rc::clone(&audience));
    Ok(Some(audience))
}

/// Which devices count has changed.
pub(in crate::engine::groups) fn changed(ctx: &mut Ctx<'_, '_>, id: &GroupId) {
    ctx.passing.groups.talk.audiences.remove(id);
    super::look(ctx, id);
}
