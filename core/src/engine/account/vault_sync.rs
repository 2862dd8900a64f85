//! The vault's groups as records on the relay: read at every login, merged, written by compare-and-swap.
//!
//! ```text
//!  login, or another device says so ─▶ GetRecord ─▶ merge ─▶ anything here that isn't there? ─▶ PutRecord
//!                                         ▲                                                       │
//!                                         └───────────────────── CONFLICT ────────────────────────┘
//! ```
//!
//! Nothing of this is stored: after a restart the next reading shows what is missing there. Since of two versions of an entry
//! the higher always wins, a relay that gives out an old group takes nothing away.

use std::collections::{BTreeMap, BTreeSet};

use wheesht_proto::{
    account::{VaultEntry, VaultGroup},
    ids::DeviceId,
    relay::{self, ErrorCode as RelayCode, client_frame, relay_frame},
};

use super::{
    super::{Ctx, EngineError, io::RequestError, messaging, timers::Timer},
    Pending, book, manifests,
    me::{self, Row, identified},
    profile_key, removal, session, vault, words,
};
use crate::{
    api::{Error, ErrorCode},
    crypto::secret::Secret as _,
    signed::{Record, RecordError},
    vault::{StateKey, VaultError, VaultKeys},
};

/// Changes within this time (milliseconds) are written together.
const GATHER_MS: u64 = 2_000;

/// What the relay refused is tried again after this long (milliseconds).
const RETRY_MS: u64 = 60_000;

/// Longest key of an entry in bytes.
const MAX_KEY: usize = 256;

/// Clocks beyond this are nobody's: counting there takes longer than there is time, and one such entry would leave no room
/// for a newer one.
const MAX_CLOCK: u64 = 1 << 48;

/// What is known of the relay's records on this connection.
#[derive(Default)]
pub(super) struct VaultSync {
    /// What stands there, for the groups that have been read.
    base: BTreeMap<u64, Option<Record>>,
    /// To be written.
    dirty: BTreeSet<u64>,
    /// To be read again.
    unread: BTreeSet<u64>,
    /// Being read.
    reading: BTreeSet<u64>,
    /// Being written.
    writing: BTreeMap<u64, Record>,
    /// Writes that others' came before, in a row.
    conflicts: u32,
    /// Under how many state keys before this one there were questions on this connection.
    keys: u64,
}

/// What a record from the relay is.
pub(super) enum Taken {
    /// Its entries were taken in.
    Ours(Box<Record>),
    /// Another state key stands.
    Closed,
    /// No device of the account wrote it.
    NotOurs,
}

impl VaultSync {
    fn busy(&self, group: u64) -> bool {
        self.reading.contains(&group) || self.writing.contains_key(&group)
    }
}

/// Another device has changed the vault.
pub(crate) fn refresh(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    read_all(ctx)?;
    book::read(ctx)
}

/// Reads every group.
pub(super) fn read_all(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    (0..vault::GROUPS).try_for_each(|group| read(ctx, group))
}

/// The state key is another one now: everything is read, and written, under that.
pub(super) fn rekeyed(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    let vault = &mut ctx.passing.account.connection.vault;
    *vault = VaultSync { keys: vault.keys + 1, ..VaultSync::default() };
    read_all(ctx)
}

/// For every group that stands on the relay, as far as it was read, a version that could follow.
pub(super) fn last_versions(ctx: &mut Ctx<'_, '_>) -> Result<Vec<Record>, EngineError> {
    let Some(row) = me::row(ctx)? else { return Ok(Vec::new()) };
    let (state_key, mut last) = (state_key(&row)?, Vec::new());
    let base = ctx.passing.account.connection.vault.base.clone();
    for (group, record) in base {
        if let Some(record) = record {
            last.extend(keys(&state_key, group).close(&record, &mut *ctx.rng).ok());
        }
    }
    Ok(last)
}

/// An entry of this group was changed here.
pub(super) fn changed(ctx: &mut Ctx<'_, '_>, group: u64) {
    if ctx.passing.account.connection.online {
        ctx.passing.account.connection.vault.dirty.insert(group);
        let at = ctx.now.plus_millis(GATHER_MS);
        ctx.passing.timers.set_by(Timer::Vault, at);
    }
}

/// The time has come to write, or to try again.
pub(super) fn due(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    let vault = &mut ctx.passing.account.connection.vault;
    let (unread, dirty) = (std::mem::take(&mut vault.unread), vault.dirty.clone());
    book::retry(ctx)?;
    unread.into_iter().try_for_each(|group| read(ctx, group))?;
    dirty.into_iter().try_for_each(|group| write(ctx, group))
}

/// Asks for a group's record.
pub(super) fn ask(
    ctx: &mut Ctx<'_, '_>,
    row: &Row,
    state_key: &StateKey,
    group: u64,
    pending: Pending,
) -> Result<(), EngineError> {
    let id = keys(state_key, group).record_id().to_vec();
    let link = identified(me::address(row)?.relay());
    ctx.ask(&link, pending, client_frame::Body::GetRecord(relay::GetRecord { id }));
    Ok(())
}

fn read(ctx: &mut Ctx<'_, '_>, group: u64) -> Result<(), EngineError> {
    if !ctx.passing.account.connection.online || me::me(ctx)?.is_none() {
        return Ok(());
    }
    // DEV-15
    let Some(row) = me::row(ctx)?.filter(removal::has_state_key) else { return Ok(()) };
    let vault = &mut ctx.passing.account.connection.vault;
    if vault.busy(group) {
        vault.unread.insert(group);
        return Ok(());
    }
    vault.reading.insert(group);
    let keys = vault.keys;
    ask(ctx, &row, &state_key(&row)?, group, Pending::VaultRead(group, keys))
}

pub(super) fn read_done(
    ctx: &mut Ctx<'_, '_>,
    group: u64,
    keys: u64,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<(), EngineError> {
    let vault = &mut ctx.passing.account.connection.vault;
    if vault.keys != keys || !vault.reading.remove(&group) {
        return Ok(());
    }
    let Some(row) = me::row(ctx)? else { return Ok(()) };
    let base = match result {
        Ok(relay_frame::Body::RecordOk(relay::RecordOk { record: Some(record) })) => {
            match take(ctx, &state_key(&row)?, group, record)? {
                Taken::Ours(record) => Some(*record),
                // Which one, the chain says.
                Taken::Closed => return manifests::look_for_manifest(ctx).map(drop),
                Taken::NotOurs => return session::trouble(ctx, not_ours()),
            }
        }
        Err(RequestError::Refused(error)) if error.code() == RelayCode::NotFound => {
            if !vault::entries(ctx, group)?.is_empty() {
                ctx.passing.account.connection.vault.dirty.insert(group);
            }
            None
        }
        Err(RequestError::Lost) => return Ok(()),
        other => {
            ctx.passing.account.connection.vault.unread.insert(group);
            return later(ctx, words::failed(other));
        }
    };
    let vault = &mut ctx.passing.account.connection.vault;
    vault.base.insert(group, base);
    if vault.dirty.contains(&group) { write(ctx, group) } else { settled(ctx, group) }
}

/// Takes a record's entries in.
pub(super) fn take(
    ctx: &mut Ctx<'_, '_>,
    state_key: &StateKey,
    group: u64,
    record: relay::Record,
) -> Result<Taken, EngineError> {
    let keys = keys(state_key, group);
    let Ok(record) = keys.verify(record) else { return Ok(Taken::NotOurs) };
    // VLT-5
    if keys.is_closed(&record) {
        return Ok(Taken::Closed);
    }
    let Ok(content) = keys.open(&record) else { return Ok(Taken::NotOurs) };
    let theirs: BTreeMap<_, _> = content
        .entries
        .into_iter()
        .filter(|entry| well_formed(group, entry))
        .map(|entry| (entry.key.clone(), entry))
        .collect();
    for entry in theirs.values() {
        vault::merge(ctx, entry.clone())?;
    }
    let ours = vault::entries(ctx, group)?;
    let known = |entry: &VaultEntry| {
        theirs.get(&entry.key).is_some_and(|theirs| vault::order(theirs) == vault::order(entry))
    };
    if !ours.iter().all(|(_, entry)| known(entry)) {
        ctx.passing.account.connection.vault.dirty.insert(group);
    }
    Ok(Taken::Ours(Box::new(record)))
}

fn well_formed(group: u64, entry: &VaultEntry) -> bool {
    vault::group(&entry.key) == group
        && entry.key.len() <= MAX_KEY
        && entry.clock <= MAX_CLOCK
        && entry.device_id.len() == DeviceId::LEN
}

fn write(ctx: &mut Ctx<'_, '_>, group: u64) -> Result<(), EngineError> {
    let Some(row) = me::row(ctx)?.filter(removal::has_state_key) else { return Ok(()) };
    if !ctx.passing.account.connection.online || ctx.passing.account.connection.vault.busy(group) {
        return Ok(());
    }
    let Some(base) = ctx.passing.account.connection.vault.base.get(&group).cloned() else {
        return read(ctx, group);
    };
    vault::prune(ctx, group)?;
    let entries = vault::entries(ctx, group)?.into_iter().map(|(_, entry)| entry).collect();
    let (keys, content) = (keys(&state_key(&row)?, group), VaultGroup { entries });
    ctx.passing.account.connection.vault.dirty.remove(&group);
    let record = match &base {
        Some(base) => keys.next(base, &content, &mut *ctx.rng),
        None => keys.first(&content, &mut *ctx.rng),
    };
    let record = match record {
        Ok(record) => record,
        Err(VaultError::Record(RecordError::TooLarge)) => return session::trouble(ctx, full()),
        Err(_) => return session::trouble(ctx, not_ours()),
    };
    let body = relay::PutRecord { record: Some(record.to_message()), ticket: Vec::new() };
    let vault = &mut ctx.passing.account.connection.vault;
    vault.writing.insert(group, record);
    let pending = Pending::VaultWrite(group, vault.keys);
    let link = identified(me::address(&row)?.relay());
    ctx.ask(&link, pending, client_frame::Body::PutRecord(body));
    Ok(())
}

pub(super) fn written(
    ctx: &mut Ctx<'_, '_>,
    group: u64,
    keys: u64,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<(), EngineError> {
    let vault = &mut ctx.passing.account.connection.vault;
    if vault.keys != keys {
        return Ok(());
    }
    let Some(record) = vault.writing.remove(&group) else { return Ok(()) };
    match result {
        Ok(relay_frame::Body::Ok(_)) => {
            vault.conflicts = 0;
            vault.base.insert(group, Some(record));
            if vault.writing.is_empty() && vault.dirty.is_empty() {
                messaging::vault_changed(ctx)?;
            }
            settled(ctx, group)?;
            due(ctx)
        }
        Err(RequestError::Refused(error)) if error.code() == RelayCode::Conflict => {
            vault.dirty.insert(group);
            vault.conflicts = vault.conflicts.saturating_add(1);
            let Some(pause) = pause_after(vault.conflicts) else { return read(ctx, group) };
            vault.unread.insert(group);
            let at = ctx.now.plus_millis(pause);
            ctx.passing.timers.set_by(Timer::Vault, at);
            Ok(())
        }
        Err(RequestError::Lost) => Ok(()),
        other => {
            vault.dirty.insert(group);
            later(ctx, words::failed(other))
        }
    }
}

/// The relay has what is here. The first group holds what another device needs to join.
fn settled(ctx: &mut Ctx<'_, '_>, group: u64) -> Result<(), EngineError> {
    if group == 0 {
        // DEV-16
        if removal::keys_are_old(ctx)? {
            profile_key::rotate(ctx)?;
        }
        ctx.passing.account.connection.setup.vault = true;
        return session::set_up(ctx);
    }
    Ok(())
}

fn later(ctx: &mut Ctx<'_, '_>, error: Error) -> Result<(), EngineError> {
    let wait = u64::from(error.retry_after_ms.unwrap_or_default()).max(RETRY_MS);
    let at = ctx.now.plus_millis(wait);
    ctx.passing.timers.set_by(Timer::Vault, at);
    if error.code == ErrorCode::RateLimited { session::registered(ctx) } else { session::trouble(ctx, error) }
}

/// Devices that write at once soon have had their turns. More conflicts than that are an error or a lie: the pause before the next
/// try, in milliseconds.
pub(super) fn pause_after(conflicts: u32) -> Option<u64> {
    const TURNS: u32 = 10;
    let more = conflicts.checked_sub(TURNS)?;
    Some(RETRY_MS.min(1_000 << more.min(16)))
}

/// A group's keys. On the relay its number is its name.
pub(super) fn keys(state_key: &StateKey, group: u64) -> VaultKeys {
    VaultKeys::derive(state_key, &group.to_string())
}

fn state_key(row: &Row) -> Result<StateKey, EngineError> {
    Ok(StateKey::restore(row.state_key.as_slice().try_into().map_err(|_| me::unreadable())?))
}

pub(super) fn not_ours() -> Error {
    Error::new(ErrorCode::Relay, "The relay gives out a vault that no device of this account wrote.")
        .next("What stands on this device stays; ask the relay's operator.")
}

fn full() -> Error {
    Error::new(
        ErrorCode::TooLarge,
        "There are more contacts than the account's vault holds; other devices miss some.",
    )
    .next("Delete contacts that you don't need.")
}
