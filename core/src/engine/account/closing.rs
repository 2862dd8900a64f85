//! Records that a removed device could still write are closed: a last version, signed over to a key that is thrown away.
//!
//! ```text
//!  row Closing ─▶ GetRecord ─▶ last version already? ──▶ next record ──▶ … ──▶ row gone
//!                     ▲                │ no
//!                     └── CONFLICT ── PutRecord
//! ```
//!
//! The vault's groups end empty: who hasn't heard of the removal finds them closed, and waits for the new key. The address book ends
//! with the addresses of the devices that stay, so that contacts who haven't heard still reach them. What is still to be closed is a
//! row; after a restart it goes on. One record is dealt with at a time.

use wheesht_proto::{
    account::VaultOwn,
    ids::RecordId,
    prost::Message as _,
    relay::{self, ErrorCode as RelayCode, client_frame, relay_frame},
    stored,
};

use super::{
    super::{Ctx, EngineError, io::RequestError, tables::CLOSING, timers::Timer},
    Pending, address_book,
    me::{self, identified},
    vault, vault_sync,
};
use crate::{
    crypto::{secret::Secret as _, sign::SigningKey},
    signed::{Record, UnverifiedRecord},
    store::Direction,
    vault::StateKey,
};

/// Tried again after this long (milliseconds).
const RETRY_MS: u64 = 60_000;

/// The vault under this state key is to be closed.
// VLT-5
pub(super) fn vault(ctx: &mut Ctx<'_, '_>, state_key: &[u8]) -> Result<(), EngineError> {
    let row = stored::Closing {
        state_key: state_key.to_vec(),
        groups: (0..vault::GROUPS).collect(),
        ..Default::default()
    };
    append(ctx, &row)
}

/// An address book is to be closed.
pub(super) fn book(ctx: &mut Ctx<'_, '_>, own: &VaultOwn) -> Result<(), EngineError> {
    let row = stored::Closing {
        profile_key: own.profile_key.clone(),
        address_write_key: own.address_write_key.clone(),
        address_record: own.address_record.clone(),
        ..Default::default()
    };
    append(ctx, &row)
}

fn append(ctx: &mut Ctx<'_, '_>, row: &stored::Closing) -> Result<(), EngineError> {
    let n = ctx.tx.next_sequence(CLOSING, b"")?;
    ctx.save(CLOSING, b"", n, row);
    step(ctx)
}

/// Goes on, unless something is under way.
pub(super) fn step(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    let connection = &ctx.passing.account.connection;
    if !connection.online || connection.closing {
        return Ok(());
    }
    let Some(me) = me::me(ctx)? else { return Ok(()) };
    while let Some((n, row)) = first(ctx)? {
        let Some(id) = record_id(&row) else {
            ctx.tx.delete(CLOSING, b"", n);
            continue;
        };
        ctx.passing.account.connection.closing = true;
        let ask = client_frame::Body::GetRecord(relay::GetRecord { id: id.to_vec() });
        ctx.ask(&identified(&me.relay), Pending::CloseRead(n), ask);
        return Ok(());
    }
    Ok(())
}

pub(super) fn read_done(
    ctx: &mut Ctx<'_, '_>,
    n: u64,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<(), EngineError> {
    ctx.passing.account.connection.closing = false;
    let (Some((first, row)), Some(me)) = (first(ctx)?, me::me(ctx)?) else { return Ok(()) };
    if first != n {
        return step(ctx);
    }
    let record = match result {
        Ok(relay_frame::Body::RecordOk(relay::RecordOk { record: Some(record) })) => record,
        Err(RequestError::Lost) => return Ok(()),
        Err(RequestError::Refused(error)) if error.code() == RelayCode::NotFound => return next(ctx, n, row),
        _ => return later(ctx),
    };
    // One that this key can't close was closed already, or is the removed device's own: nobody takes it for the account's.
    let Some(last) = last_version(ctx, &me, &row, record) else { return next(ctx, n, row) };
    ctx.passing.account.connection.closing = true;
    let body = relay::PutRecord { record: Some(last.to_message()), ticket: Vec::new() };
    ctx.ask(&identified(&me.relay), Pending::CloseWrite(n), client_frame::Body::PutRecord(body));
    Ok(())
}

pub(super) fn written(
    ctx: &mut Ctx<'_, '_>,
    n: u64,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<(), EngineError> {
    ctx.passing.account.connection.closing = false;
    let Some((first, row)) = first(ctx)? else { return Ok(()) };
    match result {
        Ok(relay_frame::Body::Ok(_)) if first == n => next(ctx, n, row),
        Err(RequestError::Lost) => Ok(()),
        Err(RequestError::Refused(error)) if error.code() == RelayCode::BadSignature => next(ctx, n, row),
        // Another write came first.
        Err(RequestError::Refused(error)) if error.code() == RelayCode::Conflict => later(ctx),
        _ => later(ctx),
    }
}

/// One record is done with.
fn next(ctx: &mut Ctx<'_, '_>, n: u64, mut row: stored::Closing) -> Result<(), EngineError> {
    if row.groups.pop().is_none() {
        row.address_record.clear();
    }
    if row.groups.is_empty() && row.address_record.is_empty() {
        ctx.tx.delete(CLOSING, b"", n);
    } else {
        ctx.save(CLOSING, b"", n, &row);
    }
    step(ctx)
}

fn later(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    let at = ctx.now.plus_millis(RETRY_MS);
    ctx.passing.timers.set_by(Timer::Devices, at);
    Ok(())
}

fn first(ctx: &Ctx<'_, '_>) -> Result<Option<(u64, stored::Closing)>, EngineError> {
    let rows = ctx.tx.scan(CLOSING, b"", .., Direction::Forward, 1)?;
    let Some((n, row)) = rows.into_iter().next() else { return Ok(None) };
    let row =
        stored::Closing::decode(row.as_slice()).map_err(|_| EngineError::Row { what: CLOSING.name() })?;
    Ok(Some((n, row)))
}

fn record_id(row: &stored::Closing) -> Option<RecordId> {
    match row.groups.last() {
        Some(group) => {
            let state_key = StateKey::restore(row.state_key.as_slice().try_into().ok()?);
            Some(vault_sync::keys(&state_key, *group).record_id())
        }
        None => row.address_record.as_slice().try_into().ok(),
    }
}

/// The version that closes a record; none if this device can't make it.
fn last_version(
    ctx: &mut Ctx<'_, '_>,
    me: &super::Me,
    row: &stored::Closing,
    record: relay::Record,
) -> Option<Record> {
    if let Some(group) = row.groups.last() {
        let state_key = StateKey::restore(row.state_key.as_slice().try_into().ok()?);
        let keys = vault_sync::keys(&state_key, *group);
        let record = keys.verify(record).ok()?;
        return keys.close(&record, &mut *ctx.rng).ok();
    }
    let id: RecordId = row.address_record.as_slice().try_into().ok()?;
    let write_key = SigningKey::from_secret_bytes(row.address_write_key.as_slice().try_into().ok()?);
    let profile_key: [u8; 32] = row.profile_key.as_slice().try_into().ok()?;
    let record =
        UnverifiedRecord::read(record).ok()?.verify_written_by(&id, &write_key.verifying_key()).ok()?;
    let mut book = address_book::open(&profile_key, &record)?;
    book.devices.retain(|device| {
        me.manifest.devices().iter().any(|listed| device.device_id == listed.device_id().as_ref())
    });
    book.manifest = Some(me.manifest.head().into());
    let version = record.version().saturating_add(1);
    let value = address_book::seal(&profile_key, &id, version, &book, &mut *ctx.rng);
    let nobody = SigningKey::generate(&mut *ctx.rng).verifying_key();
    record.next(&write_key, Some(&nobody), value).ok()
}
