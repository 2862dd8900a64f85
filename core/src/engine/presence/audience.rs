//! Who is told: the devices of contacts, at each relay.

use std::collections::BTreeMap;

use wheesht_proto::{
    address::RelayAddress,
    ids::{AccountId, DepositAddress},
    limits::MAX_DEPOSIT_ADDRESSES,
};

use super::{
    super::{Ctx, account::Me},
    own,
};

/// Relays besides the own one at which a connection is kept open so that a last will hangs on it. Contacts at others are not told.
const MAX_OTHERS: usize = 15;

/// Addresses at one relay, and whose each is.
pub(super) type Audience = BTreeMap<DepositAddress, AccountId>;

/// Everyone who is told.
// PRE-8, PRE-11
pub(super) fn find(ctx: &Ctx<'_, '_>, me: &Me) -> BTreeMap<RelayAddress, Audience> {
    let mut found: BTreeMap<RelayAddress, Audience> = BTreeMap::new();
    for (id, peer) in ctx.passing.presence.peers.iter().flatten() {
        let contact = peer.contact();
        if own::is_hidden_from(ctx, contact) {
            continue;
        }
        for (_, address) in contact.reached() {
            let audience = found.entry(contact.relay().clone()).or_default();
            if audience.len() < MAX_DEPOSIT_ADDRESSES {
                audience.insert(address, *id);
            }
        }
    }
    let mut others: Vec<_> = found.iter().filter(|(relay, _)| **relay != me.relay).collect();
    others.sort_by_key(|(_, audience)| std::cmp::Reverse(audience.len()));
    let beyond: Vec<_> = others.into_iter().skip(MAX_OTHERS).map(|(relay, _)| relay.clone()).collect();
    found.retain(|relay, _| !beyond.contains(relay));
    found
}
