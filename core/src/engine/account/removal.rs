//! Removing a device, and what follows for those that stay.
//!
//! ```text
//!  draft ─▶ row Removal ─▶ ProposeManifest ─▶ the chain has it ─▶ one transaction: state key, own keys, addresses replaced;
//!             │                                                   row Closing; contacts and own devices told
//!             └── another version came first ─▶ forgotten
//! ```
//!
//! The manifest that removes a device commits to the state key that stands from then on. So another own device takes that key from
//! whoever of the account gives it, and no other; one that lacks it neither reads nor writes the vault, and asks. What was proposed
//! is durable before the relay hears of it: whether it was taken, the chain says, however often this device was killed.

use wheesht_proto::{
    content::{StateKeyGiven, StateKeyWanted, Sync, content, sync},
    ids::DeviceId,
    stored,
};

use super::{
    super::{Ctx, EngineError, groups, messaging, tables::REMOVAL},
    Me, closing,
    me::{self, Row},
    profile_key, vault, vault_sync,
};
use crate::{
    api::{Error, ErrorCode},
    crypto::secret::Secret as _,
    signed::Manifest,
    vault::{RootSecrets, StateKey},
};

/// Whether this device may be removed by this one.
pub(super) fn check(me: &Me, device: &DeviceId) -> Result<(), Error> {
    if me.manifest.device(device).is_none() {
        return Err(Error::new(ErrorCode::NotFound, "The account has no such device.")
            .next("Look at the list of devices."));
    }
    if *device == me.device {
        let others = me.manifest.devices().len() > 1;
        let next = if others {
            "Remove it on another of your devices."
        } else {
            "It is the account's only one: delete the account if you want to end it."
        };
        return Err(Error::new(ErrorCode::Invalid, "A device does not remove itself.").next(next));
    }
    Ok(())
}

/// The manifest without that device, and what the root vault holds from then on. Both are kept before the relay hears of them.
// DEV-13
pub(super) fn draft(
    ctx: &mut Ctx<'_, '_>,
    me: &Me,
    device: &DeviceId,
    root: RootSecrets,
) -> Result<Option<(Manifest, RootSecrets)>, EngineError> {
    let stay = me.manifest.devices().iter().filter(|one| one.device_id() != *device).cloned().collect();
    let state_key = StateKey::generate(&mut *ctx.rng);
    let epoch = root.state_key_epoch.saturating_add(1);
    let commitment = state_key.commitment(epoch);
    let draft = me.manifest.draft_with_state_key(&root.identity, stay, commitment, ctx.now);
    let Some(manifest) = draft.ok().and_then(|draft| draft.finish().ok()) else { return Ok(None) };
    let row = stored::Removal {
        hash: manifest.hash().to_vec(),
        version: manifest.version(),
        state_key: state_key.expose().to_vec(),
        state_key_epoch: epoch,
    };
    ctx.save(REMOVAL, b"", 0, &row);
    let next = RootSecrets { identity: root.identity, state_key, state_key_epoch: epoch };
    Ok(Some((manifest, next)))
}

/// The relay did not take it.
pub(super) fn withdrawn(ctx: &mut Ctx<'_, '_>, manifest: &Manifest) -> Result<(), EngineError> {
    let row: Option<stored::Removal> = ctx.load(REMOVAL, b"", 0)?;
    if row.is_some_and(|row| row.hash == manifest.hash()) {
        ctx.tx.delete(REMOVAL, b"", 0);
    }
    Ok(())
}

/// Verified versions were taken over: notes what they commit to, before anything else is made of them.
pub(super) fn observe(row: &mut Row, chain: &[Manifest]) {
    if let Some(commitment) = chain.iter().rev().find_map(Manifest::state_key) {
        row.state_key_commitment = commitment.to_vec();
    }
}

/// Whether this device has the state key that the chain commits to.
// DEV-15
pub(super) fn has_state_key(row: &Row) -> bool {
    row.state_key_commitment.is_empty()
        || commitment(&row.state_key, row.state_key_epoch)
            .is_some_and(|made| row.state_key_commitment == made)
}

fn commitment(state_key: &[u8], epoch: u64) -> Option<[u8; 32]> {
    Some(StateKey::restore(state_key.try_into().ok()?).commitment(epoch))
}

/// Verified versions were taken over, and this device is still listed.
pub(super) fn adopted(
    ctx: &mut Ctx<'_, '_>,
    chain: &[Manifest],
    removed: &[DeviceId],
) -> Result<(), EngineError> {
    let proposed: Option<stored::Removal> = ctx.load(REMOVAL, b"", 0)?;
    if let Some(proposed) = proposed {
        let taken = chain.iter().any(|manifest| manifest.hash().as_slice() == proposed.hash);
        let newest = chain.last().map_or(0, Manifest::version);
        if taken || newest >= proposed.version {
            ctx.tx.delete(REMOVAL, b"", 0);
        }
        if taken {
            replace_state_key(ctx, &proposed.state_key, proposed.state_key_epoch)?;
            profile_key::rotate(ctx)?;
            give_state_key(ctx)?;
        }
    }
    if !removed.is_empty() {
        for device in removed {
            vault::delete(ctx, &vault::label_key(device))?;
        }
        groups::device_removed(ctx)?;
    }
    want_state_key(ctx)
}

/// Asks the own devices for the state key, if the chain commits to another than this device has.
pub(super) fn want_state_key(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    let (Some(row), Some(me)) = (me::row(ctx)?, me::me(ctx)?) else { return Ok(()) };
    if has_state_key(&row) || me.manifest.devices().len() < 2 {
        return Ok(());
    }
    say(ctx, &me, sync::What::StateKeyWanted(StateKeyWanted {}))
}

/// Another own device lacks the state key.
pub(crate) fn state_key_wanted(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    match me::row(ctx)? {
        Some(row) if has_state_key(&row) && !row.state_key_commitment.is_empty() => give_state_key(ctx),
        _ => Ok(()),
    }
}

/// Another own device gives the state key.
// DEV-15
pub(crate) fn state_key_given(ctx: &mut Ctx<'_, '_>, mut given: StateKeyGiven) -> Result<(), EngineError> {
    let key = zeroize::Zeroizing::new(std::mem::take(&mut given.state_key));
    take_state_key(ctx, &key, given.epoch)
}

/// The root vault is open: a device that lost its siblings before they could give it the state key takes it from there.
pub(super) fn heal(ctx: &mut Ctx<'_, '_>, root: &RootSecrets) -> Result<(), EngineError> {
    take_state_key(ctx, root.state_key.expose(), root.state_key_epoch)
}

fn take_state_key(ctx: &mut Ctx<'_, '_>, key: &[u8], epoch: u64) -> Result<(), EngineError> {
    let Some(row) = me::row(ctx)?.filter(|row| !has_state_key(row)) else { return Ok(()) };
    if commitment(key, epoch).is_none_or(|made| row.state_key_commitment != made) {
        return Ok(());
    }
    replace_state_key(ctx, key, epoch)
}

/// Another state key from now on: the vault is written anew under it, the old one closed.
// VLT-5
fn replace_state_key(ctx: &mut Ctx<'_, '_>, key: &[u8], epoch: u64) -> Result<(), EngineError> {
    let Some(mut row) = me::row(ctx)? else { return Ok(()) };
    closing::vault(ctx, &row.state_key)?;
    row.state_key = key.to_vec();
    row.state_key_epoch = epoch;
    me::save_row(ctx, &row);
    vault_sync::rekeyed(ctx)
}

fn give_state_key(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    let (Some(row), Some(me)) = (me::row(ctx)?, me::me(ctx)?) else { return Ok(()) };
    if me.manifest.devices().len() < 2 {
        return Ok(());
    }
    let given = StateKeyGiven { epoch: row.state_key_epoch, state_key: row.state_key.clone() };
    say(ctx, &me, sync::What::StateKey(given))
}

fn say(ctx: &mut Ctx<'_, '_>, me: &Me, what: sync::What) -> Result<(), EngineError> {
    messaging::queue(ctx, &me.account, content::Body::Sync(Sync { what: Some(what) }))
}

/// Whether the own keys are older than the state key: whoever removed a device was lost before it could replace them.
// DEV-16
pub(super) fn keys_are_old(ctx: &Ctx<'_, '_>) -> Result<bool, EngineError> {
    let (Some(row), Some(own)) = (me::row(ctx)?, vault::own(ctx)?) else { return Ok(false) };
    Ok(!row.state_key_commitment.is_empty()
        && has_state_key(&row)
        && own.state_key_epoch < row.state_key_epoch)
}
