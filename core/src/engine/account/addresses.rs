//! This device's address for contacts, when it is replaced: the old one stays open until every contact has said that it knows the
//! new keys, at most 30 days; and for a week if there are other own devices, which may be away and know no other.

use wheesht_proto::{
    ids::AccountId,
    limits::DAY_MS,
    prost::Message as _,
    relay::{self, ErrorCode as RelayCode, client_frame, relay_frame},
    stored,
};

use super::{
    super::{Ctx, EngineError, io::RequestError, people, tables::OLD_ADDRESSES, timers::Timer},
    Pending, book,
    me::{self, identified},
};
use crate::{store::Direction, time::Timestamp};

/// The longest that two addresses are open at once (milliseconds).
const OVERLAP_MS: u64 = 30 * DAY_MS;

/// For as long (milliseconds) an own device that was away finds this one where it was.
const SIBLINGS_MS: u64 = 7 * DAY_MS;

/// Old addresses that are open at once. One more, and the oldest is closed.
const MAX_OLD: usize = 4;

/// What the relay refused is tried again after this long (milliseconds).
const RETRY_MS: u64 = 60 * 60_000;

/// Draws another address.
// DEV-17
pub(super) fn rotate(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    let (Some(mut row), Some(me)) = (me::row(ctx)?, me::me(ctx)?) else { return Ok(()) };
    let waits_for = people::accepted(ctx)?.iter().map(|contact| contact.to_vec()).collect();
    let until_ms = ctx.now.plus_millis(OVERLAP_MS).as_millis();
    let siblings = me.manifest.devices().len() > 1;
    let siblings_until_ms = if siblings { ctx.now.plus_millis(SIBLINGS_MS).as_millis() } else { 0 };
    let old =
        stored::OldAddress { address: row.contact_address.clone(), until_ms, waits_for, siblings_until_ms };
    let n = ctx.tx.next_sequence(OLD_ADDRESSES, b"")?;
    ctx.save(OLD_ADDRESSES, b"", n, &old);
    let mut all = all(ctx)?;
    let surplus = all.len().saturating_sub(MAX_OLD);
    for (n, old) in all.iter_mut().take(surplus) {
        (old.until_ms, old.siblings_until_ms) = (0, 0);
        ctx.save(OLD_ADDRESSES, b"", *n, old);
    }
    row.contact_address = ctx.random::<16>().to_vec();
    me::save_row(ctx, &row);
    if ctx.passing.account.connection.online {
        let mut body = relay::PutAddress { address: row.contact_address.clone(), ..Default::default() };
        body.set_kind(relay::AddressKind::Contact);
        ctx.ask(&identified(&me.relay), Pending::PutAddress, client_frame::Body::PutAddress(body));
    }
    book::read(ctx)?;
    due(ctx)
}

/// A contact has said that it knows the present keys.
pub(crate) fn known_by(ctx: &mut Ctx<'_, '_>, contact: &AccountId) -> Result<(), EngineError> {
    let mut over = false;
    for (n, mut old) in all(ctx)? {
        let before = old.waits_for.len();
        old.waits_for.retain(|waits| waits != contact.as_ref());
        if old.waits_for.len() < before {
            over |= old.waits_for.is_empty();
            ctx.save(OLD_ADDRESSES, b"", n, &old);
        }
    }
    if over { due(ctx) } else { Ok(()) }
}

/// Closes what need not be open any more.
// DEV-17
pub(super) fn due(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    let Some(me) = me::me(ctx)?.filter(|_| ctx.passing.account.connection.online) else { return Ok(()) };
    for (n, old) in all(ctx)? {
        let until_ms = if old.waits_for.is_empty() { old.siblings_until_ms } else { old.until_ms };
        if until_ms <= ctx.now.as_millis() {
            let body = client_frame::Body::CloseAddress(relay::CloseAddress { address: old.address });
            ctx.ask(&identified(&me.relay), Pending::CloseOld(n), body);
        } else {
            ctx.passing.timers.set_by(Timer::Devices, Timestamp::from_millis(until_ms));
        }
    }
    Ok(())
}

/// The relay's answer to closing one.
pub(super) fn closed(ctx: &mut Ctx<'_, '_>, n: u64, result: Result<relay_frame::Body, RequestError>) {
    match result {
        Ok(relay_frame::Body::Ok(_)) => ctx.tx.delete(OLD_ADDRESSES, b"", n),
        Err(RequestError::Refused(error)) if error.code() == RelayCode::NotFound => {
            ctx.tx.delete(OLD_ADDRESSES, b"", n);
        }
        Err(RequestError::Lost) => {}
        _ => {
            let at = ctx.now.plus_millis(RETRY_MS);
            ctx.passing.timers.set_by(Timer::Devices, at);
        }
    }
}

fn all(ctx: &Ctx<'_, '_>) -> Result<Vec<(u64, stored::OldAddress)>, EngineError> {
    let rows = ctx.tx.scan(OLD_ADDRESSES, b"", .., Direction::Forward, 2 * MAX_OLD)?;
    let read = |(n, row): (u64, crate::store::Value)| {
        let row = stored::OldAddress::decode(row.as_slice());
        row.map(|row| (n, row)).map_err(|_| EngineError::Row { what: OLD_ADDRESSES.name() })
    };
    rows.into_iter().map(read).collect()
}
