//! The account's own manifests: the chain that this device has verified, and how it grows.
//!
//! Only the chain decides who is a device of the account: not the relay's refusal of a login, not a contact's word. Those are
//! reasons to read it.

use wheesht_proto::{
    ids::DeviceId,
    limits::MAX_MANIFESTS,
    relay::{self, client_frame, relay_frame},
    stored::{AccountPhase, AccountStop},
};

use super::{
    super::{Ctx, EngineError, groups, io::RequestError, messaging, tables::OWN_MANIFESTS},
    Pending, book, ending, joining, link,
    me::{self, Row, identified},
    proposal, removal, session, stop, words,
};
use crate::{
    api::{Error, ErrorCode, EventKind, Trouble},
    signed::{Manifest, ManifestHead, manifest::verify_chain},
};

/// Reading of the chain, on this connection.
#[derive(Default)]
pub(super) struct Chain {
    reading: bool,
    /// The farthest that somebody says the manifest has come.
    observed: Option<ManifestHead>,
}

/// Somebody says that the own manifest has come this far. If that is news, the chain is read from the relay.
pub(crate) fn observe_own_head(ctx: &mut Ctx<'_, '_>, head: ManifestHead) -> Result<(), EngineError> {
    let Some(me) = me::me(ctx)? else { return Ok(()) };
    let known = me::manifest(ctx, head.version)?;
    if known.is_some_and(|known| known.hash() == head.hash) {
        return Ok(());
    }
    if head.version <= me.manifest.version() {
        return withheld(ctx, &me.account);
    }
    let observed = &mut ctx.passing.account.connection.chain.observed;
    if observed.is_none_or(|observed| observed.version < head.version) {
        *observed = Some(head);
    }
    look_for_manifest(ctx)?;
    Ok(())
}

/// Reads the chain from the relay, if the relay can be reached. Gives whether it is being read.
pub(crate) fn look_for_manifest(ctx: &mut Ctx<'_, '_>) -> Result<bool, EngineError> {
    let active = |row: &Row| row.phase() == AccountPhase::Active;
    let Some(row) = me::row(ctx)?.filter(active) else { return Ok(false) };
    read(ctx, &row)?;
    Ok(ctx.passing.account.connection.online)
}

/// Asks for what follows on the newest version known.
pub(super) fn read(ctx: &mut Ctx<'_, '_>, row: &Row) -> Result<(), EngineError> {
    if std::mem::replace(&mut ctx.passing.account.connection.chain.reading, true) {
        return Ok(());
    }
    let address = me::address(row)?;
    let name = address.name().as_str().to_owned();
    let ask = relay::GetManifests { name, from_version: row.manifest_version };
    ctx.ask(&identified(address.relay()), Pending::Chain, client_frame::Body::GetManifests(ask));
    Ok(())
}

pub(super) fn read_done(
    ctx: &mut Ctx<'_, '_>,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<(), EngineError> {
    ctx.passing.account.connection.chain.reading = false;
    let live = |row: &Row| matches!(row.phase(), AccountPhase::Joining | AccountPhase::Active);
    let Some(row) = me::row(ctx)?.filter(live) else { return Ok(()) };
    let encoded = match result {
        Ok(relay_frame::Body::Manifests(relay::Manifests { manifests })) => manifests,
        Err(RequestError::Lost) => return Ok(()),
        Ok(relay_frame::Body::Deleted(relay::Deleted { deletion })) if ending::shown(ctx, &deletion)? => {
            return Ok(());
        }
        other => return session::trouble(ctx, words::failed(other)),
    };
    let known = me::manifest(ctx, row.manifest_version)?.ok_or_else(me::unreadable)?;
    // DEV-6: a relay that answers truly begins with the version that was named.
    let chain = match verify_chain(&known, &encoded) {
        Ok(chain) if !encoded.is_empty() => chain,
        _ => return withheld(ctx, &known.identity()),
    };
    let more = encoded.len() >= MAX_MANIFESTS;
    let newest = chain.last().unwrap_or(&known).head();
    adopt(ctx, chain)?;
    let Some(row) = me::row(ctx)?.filter(live) else { return Ok(()) };
    if more {
        return read(ctx, &row);
    }
    let observed = ctx.passing.account.connection.chain.observed.take();
    if observed.is_some_and(|head| {
        head.version > newest.version || (head.version == newest.version && head != newest)
    }) {
        withheld(ctx, &known.identity())?;
    }
    if std::mem::take(&mut ctx.passing.account.connection.login_refused) {
        let error =
            Error::new(ErrorCode::Relay, "The relay refuses this device, though the account lists it.")
                .next("It is tried again by itself; if it lasts, ask the relay's operator.");
        return session::trouble(ctx, error);
    }
    Ok(())
}

/// Takes verified versions that follow on the newest one known.
pub(super) fn adopt(ctx: &mut Ctx<'_, '_>, chain: Vec<Manifest>) -> Result<(), EngineError> {
    let Some(mut row) = me::row(ctx)? else { return Ok(()) };
    let Some(newest) = chain.last() else { return Ok(()) };
    let before = me::manifest(ctx, row.manifest_version)?.ok_or_else(me::unreadable)?;
    if newest.version() <= before.version() {
        return Ok(());
    }
    for manifest in &chain {
        ctx.tx.put(OWN_MANIFESTS, b"", manifest.version(), manifest.encoded().to_vec());
    }
    row.manifest_version = newest.version();
    removal::observe(&mut row, &chain);
    me::save_row(ctx, &row);
    let added: Vec<DeviceId> = newest.added_since(&before).map(|device| device.device_id()).collect();
    let removed: Vec<DeviceId> = newest.removed_since(&before).map(|device| device.device_id()).collect();
    ctx.event(EventKind::Devices { added: added.clone(), removed: removed.clone() })?;
    if !joining::lists(newest, &row) {
        return stop::stop(ctx, row, AccountStop::Removed, AccountStop::Unspecified);
    }
    link::adopted(ctx, &chain)?;
    proposal::manifest_changed(ctx)?;
    if row.phase() == AccountPhase::Active {
        removal::adopted(ctx, &chain, &removed)?;
        book::read(ctx)?;
        messaging::own_manifest_changed(ctx, &added, &removed)?;
        groups::own_manifest_changed(ctx, &added, &removed)?;
    }
    Ok(())
}

fn withheld(ctx: &mut Ctx<'_, '_>, account: &wheesht_proto::ids::AccountId) -> Result<(), EngineError> {
    session::alarm(ctx, Trouble::ManifestWithheld { account: *account })
}
