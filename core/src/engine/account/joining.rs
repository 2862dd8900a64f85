//! From confirmed to in use: the chain must list this device, and the vault must be read.
//!
//! ```text
//!  DeviceSession ─▶ GetManifests ─▶ row Joining ─▶ GetRecord × groups ─▶ Active
//! ```
//!
//! After an eviction the old vault is read under the old state key, and everything in it becomes a new vault under the new one,
//! with new keys to be reached with.

use wheesht_proto::{
    ids::DepositAddress,
    limits::MAX_MANIFESTS,
    prost::Message as _,
    relay::{self, client_frame, relay_frame},
    stored::{AccountPhase, AccountStop},
};

use super::{
    super::{Ctx, EngineError, io::RequestError, people, tables::OWN_MANIFESTS, timers::Timer},
    Pending,
    me::{self, Row, identified},
    register, removal, session, stop, vault, vault_sync, words,
};
use crate::{
    api::{Error, ErrorCode},
    crypto::secret::Secret as _,
    signed::{Manifest, manifest::verify_chain},
    vault::StateKey,
};

/// What failed here is tried again after this long (milliseconds).
const RETRY_MS: u64 = 60_000;

/// Begins, or begins again.
pub(super) fn begin(ctx: &mut Ctx<'_, '_>, row: Row) -> Result<(), EngineError> {
    let address = me::address(&row)?;
    let ask =
        relay::GetManifests { name: address.name().as_str().to_owned(), from_version: row.manifest_version };
    ctx.ask(&identified(address.relay()), Pending::JoinChain, client_frame::Body::GetManifests(ask));
    Ok(())
}

pub(super) fn chain(
    ctx: &mut Ctx<'_, '_>,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<(), EngineError> {
    let joining = |row: &Row| matches!(row.phase(), AccountPhase::Pending | AccountPhase::Joining);
    let Some(mut row) = me::row(ctx)?.filter(joining) else { return Ok(()) };
    let manifests = match result {
        Ok(relay_frame::Body::Manifests(relay::Manifests { manifests })) => manifests,
        Err(RequestError::Lost) => return Ok(()),
        other => return again(ctx, words::failed(other)),
    };
    let anchor = me::manifest(ctx, row.manifest_version)?.ok_or_else(me::unreadable)?;
    let chain = match verify_chain(&anchor, &manifests) {
        Ok(chain) => chain,
        Err(error) => {
            let message = format!("The relay's list of this account's devices does not hold: {error}.");
            return again(ctx, Error::new(ErrorCode::Relay, message).next("Ask the relay's operator."));
        }
    };
    for manifest in &chain {
        ctx.tx.put(OWN_MANIFESTS, b"", manifest.version(), manifest.encoded().to_vec());
    }
    let newest = chain.last().unwrap_or(&anchor);
    row.manifest_version = newest.version();
    removal::observe(&mut row, &chain);
    if manifests.len() >= MAX_MANIFESTS {
        me::save_row(ctx, &row);
        return begin(ctx, row);
    }
    // Another device was removed between this one's login and now: only a new login gives the key that stands.
    if !lists(newest, &row) || !removal::has_state_key(&row) {
        return stop::stop(ctx, row, AccountStop::Removed, AccountStop::Unspecified);
    }
    row.set_phase(AccountPhase::Joining);
    me::save_row(ctx, &row);
    ctx.passing.timers.clear(Timer::Grace);
    ctx.passing.account.connection.joining = (0..vault::GROUPS).collect();
    for group in 0..vault::GROUPS {
        vault_sync::ask(ctx, &row, &state_key(&row)?, group, Pending::JoinGroup(group))?;
    }
    Ok(())
}

pub(super) fn group(
    ctx: &mut Ctx<'_, '_>,
    group: u64,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<(), EngineError> {
    let Some(row) = me::row(ctx)?.filter(|row| row.phase() == AccountPhase::Joining) else { return Ok(()) };
    match result {
        Ok(relay_frame::Body::RecordOk(relay::RecordOk { record: Some(record) })) => {
            let taken = vault_sync::take(ctx, &state_key(&row)?, group, record)?;
            if !matches!(taken, vault_sync::Taken::Ours(_)) {
                return again(ctx, vault_sync::not_ours());
            }
        }
        Err(RequestError::Refused(error)) if error.code() == relay::ErrorCode::NotFound => {}
        Err(RequestError::Lost) => return Ok(()),
        other => return again(ctx, words::failed(other)),
    }
    let left = &mut ctx.passing.account.connection.joining;
    if left.remove(&group) && left.is_empty() { complete(ctx, row) } else { Ok(()) }
}

fn complete(ctx: &mut Ctx<'_, '_>, row: Row) -> Result<(), EngineError> {
    match vault::own(ctx)? {
        Some(own) => enter(ctx, row, own.request_address),
        // DEV-12
        None if !row.old_state_key.is_empty() => {
            let address = me::address(&row)?;
            let ask = relay::Lookup { name: address.name().as_str().to_owned() };
            ctx.ask(&identified(address.relay()), Pending::JoinAddress, client_frame::Body::Lookup(ask));
            Ok(())
        }
        None => {
            let error = Error::new(ErrorCode::Relay, "The relay doesn't give out the account's vault.")
                .next("Keep another device of the account; ask the relay's operator.");
            again(ctx, error)
        }
    }
}

/// The account's request address, from the relay itself: the devices evicted had never put it into the vault, and nobody is
/// left who could.
pub(super) fn address(
    ctx: &mut Ctx<'_, '_>,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<(), EngineError> {
    let evicting = |row: &Row| row.phase() == AccountPhase::Joining && !row.old_state_key.is_empty();
    let Some(row) = me::row(ctx)?.filter(evicting) else { return Ok(()) };
    match result {
        Ok(relay_frame::Body::LookupOk(found)) if found.request_address.len() == DepositAddress::LEN => {
            enter(ctx, row, found.request_address)?;
            let message = "The relay has nothing of what this account's other devices knew.";
            session::trouble(
                ctx,
                Error::new(ErrorCode::Relay, message).next("If you had contacts, add them again."),
            )
        }
        Err(RequestError::Lost) => Ok(()),
        other => again(ctx, words::failed(other)),
    }
}

/// Everything is known that there is: this device is in use.
fn enter(ctx: &mut Ctx<'_, '_>, mut row: Row, request_address: Vec<u8>) -> Result<(), EngineError> {
    let device = me::signing_key(&row)?.device_id();
    let manifest = me::manifest(ctx, row.manifest_version)?.ok_or_else(me::unreadable)?;
    // DEV-3
    let evicted = !row.old_state_key.is_empty();
    if evicted {
        // Whoever held the old keys reads and writes nothing that is made from now on.
        row.old_state_key.clear();
        let own = register::new_own(ctx, request_address, row.state_key_epoch);
        vault::put(ctx, vault::OWN, own.encode_to_vec())?;
    }
    for (key, _) in vault::list(ctx, vault::LABELS)? {
        let listed = manifest.devices().iter().any(|device| vault::label_key(&device.device_id()) == key);
        if !listed {
            vault::delete(ctx, &key)?;
        }
    }
    vault::put(ctx, &vault::label_key(&device), row.label.clone().into_bytes())?;
    session::activate(ctx, row)?;
    if evicted { people::keys_replaced(ctx) } else { Ok(()) }
}

/// Whether the manifest lists this device, with the very certificate that it made.
pub(super) fn lists(manifest: &Manifest, row: &Row) -> bool {
    // DEV-5
    manifest.device_by_encoding(&row.certificate).is_some()
}

/// The key that the vault to be read is under.
fn state_key(row: &Row) -> Result<StateKey, EngineError> {
    let key = if row.old_state_key.is_empty() { &row.state_key } else { &row.old_state_key };
    Ok(StateKey::restore(key.as_slice().try_into().map_err(|_| me::unreadable())?))
}

fn again(ctx: &mut Ctx<'_, '_>, error: Error) -> Result<(), EngineError> {
    let at = ctx.now.plus_millis(RETRY_MS);
    ctx.passing.timers.set(Timer::Grace, at);
    session::trouble(ctx, error)
}
