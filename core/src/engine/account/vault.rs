//! The state vault: what an account's devices know together — contacts, settings, labels — as entries with string keys.
//!
//! Every entry carries a Lamport clock and the device that wrote it; of two versions of an entry the higher (clock, device) wins,
//! on every device alike. An entry that was deleted stays as a tombstone for a while, so that a device that was away can't bring
//! it back. Entries lie in groups; a group is a record on the relay ([`super::vault_sync`] reads and writes those).
//!
//! Keys: `own`, `device/<id>` (its label), `setting/…`, `presence…`, `profile`, `contact/<identity>`, `group/<id>`.

use sha2::{Digest as _, Sha256};
use wheesht_proto::{
    account::{VaultEntry, VaultOwn},
    ids::DeviceId,
    limits::DAY_MS,
    prost::Message as _,
    stored,
};
use zeroize::Zeroizing;

use super::{
    super::{
        Ctx, EngineError, groups, messaging, people, presence, profiles,
        tables::{VAULT, VAULT_NUMBERS, VAULT_STATE},
    },
    addresses, book, me, vault_sync,
};
use crate::store::{Direction, Value};

/// Groups of entries that contacts and groups of people are spread over, beside group 0 for everything else. A contact needs
/// under 1 KB and a record holds 256 KB: room for some 5,000.
const CONTACT_GROUPS: u64 = 16;

/// All groups.
pub(super) const GROUPS: u64 = CONTACT_GROUPS + 1;

/// Entries of a group that are looked at; more than a record can hold.
const MAX_ENTRIES: usize = 16_384;

/// A tombstone is forgotten after this long (milliseconds): a device away for longer than a prekey's life starts anew anyway.
const TOMBSTONE_MS: u64 = 90 * DAY_MS;

/// The entry that holds the account's own keys.
pub(super) const OWN: &str = "own";

/// Groups of people that the account belongs to.
const GROUP: &str = "group/";

/// What the owner calls each device.
pub(super) const LABELS: &str = "device/";

/// An entry's value.
pub(crate) fn get(ctx: &Ctx<'_, '_>, key: &str) -> Result<Option<Zeroizing<Vec<u8>>>, EngineError> {
    Ok(entry(ctx, key)?.and_then(|(_, entry)| entry.value).map(Zeroizing::new))
}

/// Sets an entry, on every device of the account in time. One that has that value already is left alone.
pub(crate) fn put(ctx: &mut Ctx<'_, '_>, key: &str, value: Vec<u8>) -> Result<(), EngineError> {
    change(ctx, key, Some(value))
}

/// Removes an entry.
pub(crate) fn delete(ctx: &mut Ctx<'_, '_>, key: &str) -> Result<(), EngineError> {
    change(ctx, key, None)
}

/// Every entry whose key begins so: key and value.
pub(crate) fn list(ctx: &Ctx<'_, '_>, prefix: &str) -> Result<Vec<(String, Value)>, EngineError> {
    let mut found = Vec::new();
    for group in groups(prefix) {
        for (_, entry) in entries(ctx, group)? {
            if let (true, Some(value)) = (entry.key.starts_with(prefix), entry.value) {
                found.push((entry.key, Zeroizing::new(value)));
            }
        }
    }
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(found)
}

/// Where a device's label stands.
pub(super) fn label_key(device: &DeviceId) -> String {
    format!("{LABELS}{device}")
}

/// The account's own keys.
pub(super) fn own(ctx: &Ctx<'_, '_>) -> Result<Option<VaultOwn>, EngineError> {
    let Some(value) = get(ctx, OWN)? else { return Ok(None) };
    VaultOwn::decode(value.as_slice()).map(Some).map_err(|_| unreadable())
}

/// Where an entry belongs.
pub(super) fn group(key: &str) -> u64 {
    if !key.starts_with("contact/") && !key.starts_with(GROUP) {
        return 0;
    }
    let digest = Sha256::digest(key.as_bytes());
    1 + digest.first().map_or(0, |byte| u64::from(*byte) % CONTACT_GROUPS)
}

/// Every entry of a group, tombstones included, with its number.
pub(super) fn entries(ctx: &Ctx<'_, '_>, group: u64) -> Result<Vec<(u64, VaultEntry)>, EngineError> {
    let rows = ctx.tx.scan(VAULT, &group.to_be_bytes(), .., Direction::Forward, MAX_ENTRIES)?;
    let decode = |(number, row): (u64, Zeroizing<Vec<u8>>)| {
        VaultEntry::decode(row.as_slice()).map(|entry| (number, entry)).map_err(|_| unreadable())
    };
    rows.into_iter().map(decode).collect()
}

/// Takes an entry that another device wrote, if it is newer than the one here. Gives whether it was.
pub(super) fn merge(ctx: &mut Ctx<'_, '_>, remote: VaultEntry) -> Result<bool, EngineError> {
    let known = entry(ctx, &remote.key)?;
    let newer = known.is_none_or(|(_, known)| order(&remote) > order(&known));
    if newer {
        let before = own(ctx)?;
        let mut state: stored::VaultState = ctx.load(VAULT_STATE, b"", 0)?.unwrap_or_default();
        state.clock = state.clock.max(remote.clock);
        ctx.save(VAULT_STATE, b"", 0, &state);
        write(ctx, &remote)?;
        if remote.key == OWN {
            own_changed(ctx, before)?;
        } else {
            changed(ctx, &remote.key, remote.value.as_deref())?;
        }
    }
    Ok(newer)
}

/// What decides between two versions of an entry. The value comes last so that even two that a defect gave one clock and
/// device end alike everywhere.
pub(super) fn order(entry: &VaultEntry) -> (u64, &[u8], Option<&[u8]>) {
    // DEV-9
    (entry.clock, &entry.device_id, entry.value.as_deref())
}

/// Drops a group's tombstones whose time is over.
pub(super) fn prune(ctx: &mut Ctx<'_, '_>, group: u64) -> Result<(), EngineError> {
    for (number, entry) in entries(ctx, group)? {
        if entry.value.is_none() && ctx.now.as_millis().saturating_sub(entry.changed_ms) > TOMBSTONE_MS {
            ctx.tx.delete(VAULT, &group.to_be_bytes(), number);
            ctx.tx.delete(VAULT_NUMBERS, entry.key.as_bytes(), 0);
        }
    }
    Ok(())
}

pub(super) const fn unreadable() -> EngineError {
    EngineError::Row { what: VAULT.name() }
}

fn change(ctx: &mut Ctx<'_, '_>, key: &str, value: Option<Vec<u8>>) -> Result<(), EngineError> {
    let known = entry(ctx, key)?.and_then(|(_, entry)| entry.value);
    if known == value {
        return Ok(());
    }
    let Some(row) = me::row(ctx)?.filter(|row| !row.signing_secret.is_empty()) else { return Ok(()) };
    let mut state: stored::VaultState = ctx.load(VAULT_STATE, b"", 0)?.unwrap_or_default();
    state.clock = state.clock.saturating_add(1);
    ctx.save(VAULT_STATE, b"", 0, &state);
    let entry = VaultEntry {
        key: key.to_owned(),
        clock: state.clock,
        device_id: me::signing_key(&row)?.device_id().to_vec(),
        value,
        changed_ms: ctx.now.as_millis(),
    };
    write(ctx, &entry)?;
    vault_sync::changed(ctx, group(key));
    Ok(())
}

fn entry(ctx: &Ctx<'_, '_>, key: &str) -> Result<Option<(u64, VaultEntry)>, EngineError> {
    let Some(number) = number(ctx, key)? else { return Ok(None) };
    let row = ctx.load(VAULT, &group(key).to_be_bytes(), number)?;
    Ok(row.map(|row| (number, row)))
}

fn write(ctx: &mut Ctx<'_, '_>, entry: &VaultEntry) -> Result<(), EngineError> {
    let prefix = group(&entry.key).to_be_bytes();
    let number = match number(ctx, &entry.key)? {
        Some(number) => number,
        None => {
            let number = ctx.tx.next_sequence(VAULT, &prefix)?;
            ctx.tx.put(VAULT_NUMBERS, entry.key.as_bytes(), 0, number.to_be_bytes().to_vec());
            number
        }
    };
    ctx.save(VAULT, &prefix, number, entry);
    if entry.key == OWN {
        ctx.passing.account.me = None;
        presence::keys_replaced(ctx);
        profiles::keys_replaced(ctx);
    }
    Ok(())
}

fn number(ctx: &Ctx<'_, '_>, key: &str) -> Result<Option<u64>, EngineError> {
    let Some(number) = ctx.tx.get(VAULT_NUMBERS, key.as_bytes(), 0)? else { return Ok(None) };
    number.as_slice().try_into().map(|number| Some(u64::from_be_bytes(number))).map_err(|_| unreadable())
}

/// Tells whose entry it is that another device has changed it.
fn changed(ctx: &mut Ctx<'_, '_>, key: &str, value: Option<&[u8]>) -> Result<(), EngineError> {
    if key.starts_with("contact/") {
        people::vault_entry(ctx, key, value)
    } else if key.starts_with("setting/") {
        messaging::setting(ctx, key, value)
    } else if key.starts_with(GROUP) {
        groups::vault_entry(ctx, key, value)
    } else if key.starts_with("presence") {
        presence::vault_entry(ctx)
    } else if key == "profile" {
        profiles::vault_entry(ctx)
    } else {
        Ok(())
    }
}

/// Another own device has replaced the account's own keys: this one takes another address with them.
// DEV-17, DEV-19
fn own_changed(ctx: &mut Ctx<'_, '_>, before: Option<VaultOwn>) -> Result<(), EngineError> {
    book::replaced(ctx)?;
    let now = own(ctx)?;
    match before.zip(now) {
        Some((before, now)) if before.profile_key != now.profile_key => addresses::rotate(ctx),
        _ => Ok(()),
    }
}

fn groups(prefix: &str) -> std::ops::Range<u64> {
    if prefix.starts_with("contact/") || prefix.starts_with(GROUP) { 1..GROUPS } else { 0..GROUPS }
}
