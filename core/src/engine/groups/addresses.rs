//! Where this device is reached in each group: an address of its own, so that those who know one group's learn nothing of another.
//!
//! An address is drawn when one begins to join or founds a group, given out only when the relay has it, and closed when the group
//! is left. The relay says at every login which ones it has; what differs is put right.

use std::collections::BTreeMap;

use wheesht_proto::{
    ids::{DepositAddress, GroupId},
    limits::DAY_MS,
    prost::Message as _,
    relay::{
        AddressKind, CloseAddress, DeviceSession, ErrorCode as Refusal, PutAddress, client_frame, relay_frame,
    },
    stored::GroupAddress,
};

use super::{
    super::{
        Ctx, EngineError, account,
        io::{LinkId, RequestError},
        tables::GROUP_ADDRESSES,
        timers::Timer,
    },
    Pending,
};
use crate::{store::Direction, time::Timestamp};

/// What the relay refused is tried again after this long (milliseconds), or later if it says so.
const RETRY_MS: u64 = 60_000;

/// An address that was replaced stays open for this long (milliseconds): members who are away for longer hear of the new one before
/// they write.
const OVERLAP_MS: u64 = 7 * DAY_MS;

/// The addresses, by group and the other way round.
#[derive(Default)]
pub(super) struct Addresses {
    of: BTreeMap<GroupId, Own>,
    groups: BTreeMap<DepositAddress, GroupId>,
    /// Those that others took the place of, by row.
    old: BTreeMap<u64, Old>,
    retry: Option<Timestamp>,
}

#[derive(Clone, Copy)]
struct Old {
    address: DepositAddress,
    until: Timestamp,
}

#[derive(Clone, Copy)]
struct Own {
    n: u64,
    address: DepositAddress,
    /// The relay has it, as far as it said so since the start.
    open: bool,
    closing: bool,
}

/// Finds the addresses again.
pub(super) fn start(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    for (n, row) in ctx.tx.scan(GROUP_ADDRESSES, b"", .., Direction::Forward, usize::MAX)? {
        let row = GroupAddress::decode(row.as_slice()).map_err(|_| unreadable())?;
        let group = GroupId::try_from(&*row.group_id).map_err(|_| unreadable())?;
        let address = DepositAddress::try_from(&*row.address).map_err(|_| unreadable())?;
        if row.retired_until_ms > 0 {
            retire(ctx, n, group, Old { address, until: Timestamp::from_millis(row.retired_until_ms) });
            continue;
        }
        remember(ctx, group, Own { n, address, open: false, closing: row.closing });
    }
    Ok(())
}

/// The group whose address this is.
pub(crate) fn by_address(ctx: &Ctx<'_, '_>, address: &DepositAddress) -> Option<GroupId> {
    ctx.passing.groups.addresses.groups.get(address).copied()
}

/// This device's address in a group, if the relay has it.
pub(super) fn open_address(ctx: &Ctx<'_, '_>, group: &GroupId) -> Option<DepositAddress> {
    ctx.passing.groups.addresses.of.get(group).filter(|own| own.open && !own.closing).map(|own| own.address)
}

/// This device's address in a group; a new one is drawn and opened.
pub(super) fn obtain(ctx: &mut Ctx<'_, '_>, group: &GroupId) -> Result<DepositAddress, EngineError> {
    if let Some(own) = ctx.passing.groups.addresses.of.get(group).copied() {
        if own.closing {
            keep(ctx, group, Own { closing: false, ..own });
            open(ctx, group, own.address)?;
        }
        return Ok(own.address);
    }
    let address = DepositAddress::new(ctx.random());
    let n = ctx.tx.next_sequence(GROUP_ADDRESSES, b"")?;
    keep(ctx, group, Own { n, address, open: false, closing: false });
    open(ctx, group, address)?;
    Ok(address)
}

/// Draws another address for every group. The present ones stay open for a while; the leaf names the new one once the relay has it.
// GRO-30
pub(super) fn replace_all(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    let present: Vec<_> = ctx.passing.groups.addresses.of.iter().map(|(group, own)| (*group, *own)).collect();
    for (group, own) in present.into_iter().filter(|(_, own)| !own.closing) {
        let until = ctx.now.plus_millis(OVERLAP_MS);
        let row = GroupAddress {
            group_id: group.to_vec(),
            address: own.address.to_vec(),
            closing: false,
            retired_until_ms: until.as_millis(),
        };
        ctx.save(GROUP_ADDRESSES, b"", own.n, &row);
        retire(ctx, own.n, group, Old { address: own.address, until });
        let address = DepositAddress::new(ctx.random());
        let n = ctx.tx.next_sequence(GROUP_ADDRESSES, b"")?;
        keep(ctx, &group, Own { n, address, open: false, closing: false });
        open(ctx, &group, address)?;
    }
    Ok(())
}

fn retire(ctx: &mut Ctx<'_, '_>, n: u64, group: GroupId, old: Old) {
    let addresses = &mut ctx.passing.groups.addresses;
    addresses.old.insert(n, old);
    addresses.groups.insert(old.address, group);
    ctx.passing.timers.set_by(Timer::Groups, old.until);
}

/// Closes those replaced whose time is over.
// GRO-30
fn close_old(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    let Some(link) = link(ctx)? else { return Ok(()) };
    let (now, old) = (ctx.now, &ctx.passing.groups.addresses.old);
    let due: Vec<_> = old.iter().filter(|(_, old)| old.until <= now).map(|(n, old)| (*n, *old)).collect();
    if let Some(next) = old.values().map(|old| old.until).filter(|until| *until > now).min() {
        ctx.passing.timers.set_by(Timer::Groups, next);
    }
    for (n, old) in due {
        let body = CloseAddress { address: old.address.to_vec() };
        ctx.ask(&link, Pending::CloseOld(n), client_frame::Body::CloseAddress(body));
    }
    Ok(())
}

/// The relay's answer to closing one that was replaced.
pub(super) fn old_closed(ctx: &mut Ctx<'_, '_>, n: u64, result: Result<relay_frame::Body, RequestError>) {
    let gone = match result {
        Ok(relay_frame::Body::Ok(_)) => true,
        Err(RequestError::Refused(error)) if error.code() == Refusal::NotFound => true,
        Err(RequestError::Refused(error)) => {
            retry(ctx, error.retry_after_ms);
            false
        }
        _ => false,
    };
    if gone && let Some(old) = ctx.passing.groups.addresses.old.remove(&n) {
        ctx.passing.groups.addresses.groups.remove(&old.address);
        ctx.tx.delete(GROUP_ADDRESSES, b"", n);
    }
}

/// The group is no longer this account's: what others still send there is not wanted.
// GRO-10
pub(super) fn close(ctx: &mut Ctx<'_, '_>, group: &GroupId) -> Result<(), EngineError> {
    let Some(own) = ctx.passing.groups.addresses.of.get(group).copied() else { return Ok(()) };
    keep(ctx, group, Own { closing: true, ..own });
    shut(ctx, group, own.address)
}

/// Forgets every address: the relay has closed them with the device.
pub(super) fn stopped(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    ctx.tx.delete_all(GROUP_ADDRESSES, b"")?;
    ctx.passing.groups.addresses = Addresses::default();
    Ok(())
}

/// The relay has said which addresses it has.
pub(super) fn online(ctx: &mut Ctx<'_, '_>, session: &DeviceSession) -> Result<(), EngineError> {
    let known: Vec<_> = ctx.passing.groups.addresses.of.iter().map(|(group, own)| (*group, *own)).collect();
    for (group, own) in known {
        let there = session.addresses.iter().any(|address| address == own.address.as_ref());
        match (own.closing, there) {
            (true, true) => shut(ctx, &group, own.address)?,
            (true, false) => forget(ctx, &group),
            (false, false) => open(ctx, &group, own.address)?,
            (false, true) => opened(ctx, &group)?,
        }
    }
    close_old(ctx)
}

/// The relay's answer to opening one.
pub(super) fn put(
    ctx: &mut Ctx<'_, '_>,
    group: &GroupId,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<(), EngineError> {
    match result {
        Ok(relay_frame::Body::Ok(_)) => opened(ctx, group),
        Err(RequestError::Refused(error)) => {
            retry(ctx, error.retry_after_ms);
            Ok(())
        }
        // The next session looks again.
        _ => Ok(()),
    }
}

/// The relay's answer to closing one.
pub(super) fn closed(
    ctx: &mut Ctx<'_, '_>,
    group: &GroupId,
    result: Result<relay_frame::Body, RequestError>,
) {
    match result {
        Ok(relay_frame::Body::Ok(_)) => forget(ctx, group),
        Err(RequestError::Refused(error)) if error.code() == Refusal::NotFound => forget(ctx, group),
        Err(RequestError::Refused(error)) => retry(ctx, error.retry_after_ms),
        _ => {}
    }
}

/// Tries again what the relay refused.
pub(super) fn due(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    close_old(ctx)?;
    let Some(at) = ctx.passing.groups.addresses.retry else { return Ok(()) };
    if at > ctx.now {
        ctx.passing.timers.set_by(Timer::Groups, at);
        return Ok(());
    }
    ctx.passing.groups.addresses.retry = None;
    let known: Vec<_> = ctx.passing.groups.addresses.of.iter().map(|(group, own)| (*group, *own)).collect();
    for (group, own) in known {
        match own {
            Own { closing: true, .. } => shut(ctx, &group, own.address)?,
            Own { open: false, .. } => open(ctx, &group, own.address)?,
            Own { .. } => {}
        }
    }
    Ok(())
}

fn retry(ctx: &mut Ctx<'_, '_>, at_least_ms: u32) {
    let at = ctx.now.plus_millis(u64::from(at_least_ms).max(RETRY_MS));
    ctx.passing.groups.addresses.retry = Some(at);
    ctx.passing.timers.set_by(Timer::Groups, at);
}

fn opened(ctx: &mut Ctx<'_, '_>, group: &GroupId) -> Result<(), EngineError> {
    let Some(own) = ctx.passing.groups.addresses.of.get_mut(group) else { return Ok(()) };
    if std::mem::replace(&mut own.open, true) || own.closing {
        return Ok(());
    }
    super::address_opened(ctx, group)
}

fn open(ctx: &mut Ctx<'_, '_>, group: &GroupId, address: DepositAddress) -> Result<(), EngineError> {
    let Some(link) = link(ctx)? else { return Ok(()) };
    let mut body = PutAddress { address: address.to_vec(), ..Default::default() };
    body.set_kind(AddressKind::Group);
    ctx.ask(&link, Pending::PutAddress(*group), client_frame::Body::PutAddress(body));
    Ok(())
}

fn shut(ctx: &mut Ctx<'_, '_>, group: &GroupId, address: DepositAddress) -> Result<(), EngineError> {
    let Some(link) = link(ctx)? else { return Ok(()) };
    let body = CloseAddress { address: address.to_vec() };
    ctx.ask(&link, Pending::CloseAddress(*group), client_frame::Body::CloseAddress(body));
    Ok(())
}

/// The own link while it is logged in; every login looks at all addresses anyway.
fn link(ctx: &mut Ctx<'_, '_>) -> Result<Option<LinkId>, EngineError> {
    Ok(account::own_link(ctx)?.filter(|link| ctx.passing.links.logged_in(link)))
}

fn keep(ctx: &mut Ctx<'_, '_>, group: &GroupId, own: Own) {
    let row = GroupAddress {
        group_id: group.to_vec(),
        address: own.address.to_vec(),
        closing: own.closing,
        retired_until_ms: 0,
    };
    ctx.save(GROUP_ADDRESSES, b"", own.n, &row);
    remember(ctx, *group, own);
}

fn remember(ctx: &mut Ctx<'_, '_>, group: GroupId, own: Own) {
    let addresses = &mut ctx.passing.groups.addresses;
    addresses.of.insert(group, own);
    addresses.groups.insert(own.address, group);
}

fn forget(ctx: &mut Ctx<'_, '_>, group: &GroupId) {
    let Some(own) = ctx.passing.groups.addresses.of.remove(group) else { return };
    ctx.passing.groups.addresses.groups.remove(&own.address);
    ctx.tx.delete(GROUP_ADDRESSES, b"", own.n);
}

const fn unreadable() -> EngineError {
    EngineError::Row { what: GROUP_ADDRESSES.name() }
}
