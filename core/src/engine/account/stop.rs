//! The end: this device is no longer one of the account's, or never became one.

use wheesht_proto::stored::{AccountPhase, AccountStop};

use super::{
    super::{
        Ctx, EngineError, groups, links, messaging, presence, profiles,
        tables::{
            CLOSING, DEVICE_LINK, ENDING, OLD_ADDRESSES, OWN_BOOK, OWN_MANIFESTS, PREKEY_STATE, PREKEYS,
            PROPOSAL, REMOVAL, VAULT, VAULT_NUMBERS, VAULT_STATE,
        },
        timers::Timer,
    },
    commands::phase,
    me::{self, Row, identified},
    owner, prekeys, vault,
};
use crate::api::EventKind;

/// Drops every key of this device; history, contacts and what is known of the account stay. `before` is what the row said
/// before a login that came to nothing.
pub(super) fn stop(
    ctx: &mut Ctx<'_, '_>,
    mut row: Row,
    reason: AccountStop,
    before: AccountStop,
) -> Result<(), EngineError> {
    let link = identified(me::address(&row)?.relay());
    let was = row.phase();
    row.set_phase(AccountPhase::Stopped);
    row.set_stop(reason);
    row.set_stop_before(before);
    row.clear_secrets();
    row.draft.clear();
    row.effective_at_ms = 0;
    me::save_row(ctx, &row);
    drop_keys(ctx)?;
    if matches!(was, AccountPhase::Active | AccountPhase::Joining) {
        presence::stopped(ctx);
        profiles::stopped(ctx);
        messaging::stopped(ctx)?;
        groups::stopped(ctx)?;
        forget_vault(ctx)?;
    }
    owner::stopped(ctx)?;
    ctx.event(EventKind::Phase { phase: phase(Some(&row))? })?;
    close(ctx, &link);
    Ok(())
}

/// Forgets an account that this installation never was a device of.
pub(super) fn forget(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    let Some(row) = me::row(ctx)? else { return Ok(()) };
    let link = identified(me::address(&row)?.relay());
    me::delete_row(ctx);
    drop_keys(ctx)?;
    ctx.tx.delete_all(OWN_MANIFESTS, b"")?;
    forget_vault(ctx)?;
    if ctx.passing.account.flow.is_none() {
        close(ctx, &link);
    }
    Ok(())
}

/// Drops what the account's devices know together, keys among it: a device that comes back reads it anew.
fn forget_vault(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    for group in 0..vault::GROUPS {
        for (_, entry) in vault::entries(ctx, group)? {
            ctx.tx.delete(VAULT_NUMBERS, entry.key.as_bytes(), 0);
        }
        ctx.tx.delete_all(VAULT, &group.to_be_bytes())?;
    }
    ctx.tx.delete(VAULT_STATE, b"", 0);
    Ok(())
}

fn drop_keys(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    for kind in prekeys::KINDS {
        ctx.tx.delete_all(PREKEYS, &prekeys::prefix(kind))?;
    }
    ctx.tx.delete_all(CLOSING, b"")?;
    ctx.tx.delete_all(OLD_ADDRESSES, b"")?;
    for (table, number) in
        [(PREKEY_STATE, 0), (OWN_BOOK, 0), (PROPOSAL, 0), (DEVICE_LINK, 0), (REMOVAL, 0), (ENDING, 0)]
    {
        ctx.tx.delete(table, b"", number);
    }
    Ok(())
}

fn close(ctx: &mut Ctx<'_, '_>, link: &super::super::io::LinkId) {
    links::close(ctx, link);
    for timer in
        [Timer::Prekeys, Timer::OwnLookup, Timer::Statement, Timer::Vault, Timer::Grace, Timer::Devices]
    {
        ctx.passing.timers.clear(timer);
    }
    ctx.passing.account.connection = super::Connection::default();
}
