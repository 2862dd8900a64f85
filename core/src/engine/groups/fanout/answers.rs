//! What a relay says to a deposit for a group: each address succeeds or fails alone.

use std::rc::Rc;

use wheesht_proto::{
    address::RelayAddress,
    ids::{DeviceId, GroupId},
    relay::{DepositResult, ErrorCode as Refusal, relay_frame},
    stored::{GroupDeposit, GroupOutboxItem},
};

use super::{
    super::{
        super::{Ctx, EngineError, account, io::RequestError, messaging, people, tables::GROUP_OUTBOX},
        ask, group, propose,
    },
    Audience, at_relay, audience, finish, look, save_item, wake_by,
};
use crate::api::{EventKind, FailReason, Trouble};

/// First pause after a failure, and the longest (milliseconds): of a relay, of one device's mailbox there.
const PAUSES: (u64, u64) = (1_000, 5 * 60_000);
const DEVICE_PAUSES: (u64, u64) = (2_000, 15 * 60_000);

/// How often in a row an address that leads nowhere is tried, which takes about an hour: a device that moves is reached at its old one
/// until its new leaf is known, and each time that leaf is looked for.
const MAX_ASTRAY: u32 = 12;

/// Addresses known to lead nowhere that are remembered.
const MAX_STRAYS: usize = 10_000;

/// What a deposit holds, in its order.
pub(crate) struct Sent {
    pub(super) group: GroupId,
    pub(super) relay: RelayAddress,
    pub(super) entries: Vec<Entry>,
}

/// One item of it.
pub(super) struct Entry {
    pub(super) n: u64,
    pub(super) whom: Whom,
    /// Devices that lack it too, and were left out.
    pub(super) withheld: Vec<DeviceId>,
}

/// Whom it was for.
pub(super) enum Whom {
    /// Every device at that relay.
    All(Rc<Audience>, usize),
    /// These, and where.
    Some(Vec<(DeviceId, Vec<u8>)>),
}

impl Whom {
    /// As a deposit lists them.
    pub(super) fn addresses(&self) -> Vec<Vec<u8>> {
        match self {
            Self::All(audience, at) => {
                audience.relays.get(*at).map(|listed| listed.addresses.clone()).unwrap_or_default()
            }
            Self::Some(places) => places.iter().map(|(_, address)| address.clone()).collect(),
        }
    }

    fn devices(&self) -> Vec<DeviceId> {
        match self {
            Self::All(audience, at) => {
                audience.relays.get(*at).map(|listed| listed.devices.clone()).unwrap_or_default()
            }
            Self::Some(places) => places.iter().map(|(device, _)| *device).collect(),
        }
    }
}

/// The relay's reply.
pub(in crate::engine::groups) fn reply(
    ctx: &mut Ctx<'_, '_>,
    sent: &Sent,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<(), EngineError> {
    let Sent { group: id, relay, entries } = sent;
    if ctx.passing.groups.talk.lanes.contains_key(id)
        && let Some(at) = at_relay(ctx, id, relay)
    {
        at.under_way = false;
    }
    match result {
        Ok(relay_frame::Body::DepositResults(results)) if results.results.len() == entries.len() => {
            if let Some(at) = at_relay(ctx, id, relay) {
                (at.failures, at.single) = (0, false);
            }
            for (entry, result) in entries.iter().zip(&results.results) {
                taken(ctx, id, relay, entry, result)?;
            }
        }
        Err(RequestError::Refused(error))
            if matches!(error.code(), Refusal::TooLarge | Refusal::Malformed) =>
        {
            refused(ctx, id, relay, entries)?;
        }
        Err(RequestError::Refused(error)) => pause(ctx, id, relay, error.retry_after_ms),
        Ok(_) | Err(RequestError::Lost) => pause(ctx, id, relay, 0),
    }
    look(ctx, id);
    Ok(())
}

/// Whether no device of the audience lacks the item any more.
pub(super) fn is_finished(item: &GroupOutboxItem, audience: &Audience) -> bool {
    audience.relays.iter().all(|listed| {
        let name = listed.relay.to_string();
        item.relays.iter().find(|progress| progress.relay == name).is_some_and(|progress| {
            // Those who lack it may have gone since.
            progress.done
                || !progress.left.is_empty()
                    && !listed
                        .devices
                        .iter()
                        .any(|device| progress.left.iter().any(|left| left == device.as_ref()))
        })
    })
}

/// What became of a finished item.
pub(super) fn outcome(item: &GroupOutboxItem) -> Result<(), FailReason> {
    if item.relays.is_empty() || item.relays.iter().any(|progress| progress.taken) {
        Ok(())
    } else {
        Err(FailReason::TooLarge)
    }
}

/// The relay has answered for each address of one item.
fn taken(
    ctx: &mut Ctx<'_, '_>,
    id: &GroupId,
    relay: &RelayAddress,
    entry: &Entry,
    result: &DepositResult,
) -> Result<(), EngineError> {
    let Some(mut item) = ctx.load::<GroupOutboxItem>(GROUP_OUTBOX, id.as_ref(), entry.n)? else {
        return Ok(());
    };
    let mut left: Vec<Vec<u8>> = entry.withheld.iter().map(|device| device.to_vec()).collect();
    let mut taken = false;
    for (at, (device, address)) in entry.whom.devices().into_iter().zip(entry.whom.addresses()).enumerate() {
        let (code, retry_after) = match result.addresses.get(at) {
            Some(answer) => (answer.code(), answer.retry_after_ms),
            None => (Refusal::Internal, 0),
        };
        match code {
            Refusal::Unspecified => {
                taken = true;
                on_time(ctx, id, relay, &address);
            }
            Refusal::TooLarge | Refusal::Malformed => {}
            // Looked for in vain, and told: what follows doesn't wait for it again.
            Refusal::NotFound if ctx.passing.groups.talk.strays.contains(&address) => {}
            Refusal::NotFound => {
                let times = put_off(ctx, id, relay, &address, retry_after);
                if gone_astray(ctx, id, &device, &address, times)? {
                    left.push(device.to_vec());
                }
            }
            _ => {
                put_off(ctx, id, relay, &address, retry_after);
                left.push(device.to_vec());
            }
        }
    }
    let progress = progress(&mut item, relay);
    progress.done = left.is_empty();
    progress.left = left;
    progress.taken |= taken;
    settle(ctx, id, entry.n, item)
}

/// An address leads nowhere. Its device may have another by now: in its account's manifest, in the group's record, or in the roster
/// of another member. Gives whether it is tried again; if not, the person hears who can't be reached.
// GRM-25
fn gone_astray(
    ctx: &mut Ctx<'_, '_>,
    id: &GroupId,
    device: &DeviceId,
    address: &[u8],
    times: u32,
) -> Result<bool, EngineError> {
    let Some(account) = audience(ctx, id)?.and_then(|there| there.account_of(device).copied()) else {
        return Ok(false);
    };
    if times < MAX_ASTRAY {
        match account::me(ctx)? {
            Some(me) if me.account == account => {
                account::look_for_manifest(ctx)?;
            }
            _ => people::unreachable(ctx, &account)?,
        }
        ask::ask(ctx, id, ask::What::Roster, None);
        propose::catch_up(ctx, id);
        return Ok(true);
    }
    let strays = &mut ctx.passing.groups.talk.strays;
    if strays.len() >= MAX_STRAYS {
        strays.pop_first();
    }
    strays.insert(address.to_vec());
    let member = group::load(ctx, id)?.and_then(|group| group.state().member(&account).cloned());
    if let Some(member) = member {
        let trouble = Trouble::GroupMemberUnreachable { group: *id, address: member.address };
        ctx.event(EventKind::Trouble { trouble })?;
    }
    Ok(false)
}

/// The relay refused a deposit as a whole.
fn refused(
    ctx: &mut Ctx<'_, '_>,
    id: &GroupId,
    relay: &RelayAddress,
    entries: &[Entry],
) -> Result<(), EngineError> {
    let [entry] = entries else {
        if let Some(at) = at_relay(ctx, id, relay) {
            at.single = true;
        }
        return Ok(());
    };
    messaging::trouble(ctx, "it doesn't take one of the messages")?;
    let Some(mut item) = ctx.load::<GroupOutboxItem>(GROUP_OUTBOX, id.as_ref(), entry.n)? else {
        return Ok(());
    };
    progress(&mut item, relay).done = true;
    settle(ctx, id, entry.n, item)
}

fn settle(ctx: &mut Ctx<'_, '_>, id: &GroupId, n: u64, item: GroupOutboxItem) -> Result<(), EngineError> {
    match audience(ctx, id)? {
        Some(audience) if is_finished(&item, &audience) => finish(ctx, id, n, &item, outcome(&item)),
        _ => {
            save_item(ctx, id, n, &item);
            Ok(())
        }
    }
}

fn progress<'i>(item: &'i mut GroupOutboxItem, relay: &RelayAddress) -> &'i mut GroupDeposit {
    let name = relay.to_string();
    let at = item.relays.iter().position(|progress| progress.relay == name).unwrap_or_else(|| {
        item.relays.push(GroupDeposit { relay: name, ..Default::default() });
        item.relays.len() - 1
    });
    #[expect(clippy::indexing_slicing, reason = "found or pushed above")]
    &mut item.relays[at]
}

fn pause(ctx: &mut Ctx<'_, '_>, id: &GroupId, relay: &RelayAddress, at_least_ms: u32) {
    let Some(at) = at_relay(ctx, id, relay) else { return };
    let failures = at.failures;
    at.failures = failures.saturating_add(1);
    let until = messaging::pause_after(ctx, failures, at_least_ms, PAUSES);
    if let Some(at) = at_relay(ctx, id, relay) {
        at.pause = Some(until);
    }
    wake_by(ctx, id, until);
}

/// What is behind an address refused something: it is left out for a while, longer each time. Gives how often in a row it did.
fn put_off(
    ctx: &mut Ctx<'_, '_>,
    id: &GroupId,
    relay: &RelayAddress,
    address: &[u8],
    at_least_ms: u32,
) -> u32 {
    let now = ctx.now;
    let failures = match at_relay(ctx, id, relay).map(|at| at.slow.get(address).copied()) {
        // Refused together with one before it, in the same deposit.
        Some(Some((failures, until))) if until > now => return failures,
        Some(known) => known.map_or(0, |(failures, _)| failures),
        None => return 0,
    };
    let until = messaging::pause_after(ctx, failures, at_least_ms, DEVICE_PAUSES);
    if let Some(at) = at_relay(ctx, id, relay) {
        at.slow.insert(address.to_vec(), (failures + 1, until));
    }
    failures + 1
}

fn on_time(ctx: &mut Ctx<'_, '_>, id: &GroupId, relay: &RelayAddress, address: &[u8]) {
    ctx.passing.groups.talk.strays.remove(address);
    if let Some(running) = ctx.passing.groups.talk.lanes.get_mut(id)
        && let Some(at) = running.relays.get_mut(relay)
        && !at.slow.is_empty()
    {
        at.slow.remove(address);
    }
}
