//! Where a lane's items go: to the account's devices by the addresses that contacts have, or by those of a group.
//!
//! The two don't wait for each other: a member of a group need not be a contact, and what is said to a contact who has not
//! accepted yet doesn't hold up what a group needs.

use std::collections::{BTreeMap, btree_map::Entry};

use wheesht_proto::{
    ids::{AccountId, GroupId},
    stored::OutboxItem,
};

use super::super::{
    super::{
        Ctx, EngineError, groups,
        people::{self, Destination, Route},
        tables::OUTBOX,
    },
    outbox, row_id,
};
use crate::{api::FailReason, protocol::group::OuterKey};

/// One way of reaching an account.
pub(super) struct Way {
    pub(super) destinations: Vec<Destination>,
    /// The group's key that everything is sealed under; without one it is sealed for each device.
    pub(super) outer: Option<OuterKey>,
}

/// By group; without one: as a contact.
pub(super) type Ways = BTreeMap<Option<GroupId>, Way>;

/// Which way an item goes.
pub(super) fn way_of(item: &OutboxItem) -> Result<Option<GroupId>, EngineError> {
    if item.group.is_empty() { Ok(None) } else { row_id(&item.group, OUTBOX).map(Some) }
}

/// The first items of a lane that have a way, and their ways.
pub(super) fn find(
    ctx: &mut Ctx<'_, '_>,
    to: &AccountId,
) -> Result<(Vec<(u64, OutboxItem)>, Ways), EngineError> {
    let mut ways = Ways::new();
    let mut items = outbox::window(ctx, to)?;
    if items.iter().any(|(_, item)| item.group.is_empty()) {
        match people::route(ctx, to)? {
            Route::Ready(destinations) => {
                // Before the other has accepted, the request goes, and all else waits.
                if destinations.iter().any(|destination| destination.request) {
                    items = outbox::window_of(ctx, to, |item| item.request || !item.group.is_empty())?;
                }
                ways.insert(None, Way { destinations, outer: None });
            }
            Route::Wait => items = outbox::window_of(ctx, to, |item| !item.group.is_empty())?,
            Route::Fail(reason) => {
                outbox::fail_as_contact(ctx, to, reason)?;
                items = outbox::window(ctx, to)?;
            }
        }
    }
    let mut going = Vec::with_capacity(items.len());
    for (n, item) in items {
        let Some(group) = way_of(&item)? else {
            going.push((n, item));
            continue;
        };
        // GRM-15: whoever has left since it was queued gets no key, by whatever way.
        if item.members_only && !groups::has_member(ctx, &group, to)? {
            outbox::finish(ctx, to, n, item, Err(FailReason::Withdrawn))?;
            continue;
        }
        if let Entry::Vacant(place) = ways.entry(Some(group))
            && let Some(route) = groups::destinations(ctx, &group, to)?
        {
            let outer = route.outer.map(|(_, key)| key);
            place.insert(Way { destinations: route.destinations, outer });
        }
        going.push((n, item));
    }
    Ok((going, ways))
}
