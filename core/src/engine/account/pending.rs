//! Asking to join: the draft of a manifest with this device, and what becomes of it.
//!
//! ```text
//!  chain, root vault ─▶ row Pending ─▶ ProposeManifest ─▶ Pending{code}
//!                                                            │
//!       Stopped{Rejected} ◀── refused, replaced, withdrawn ──┤
//!       Joining ◀── confirmed by a device, or grace is over ─┘
//! ```
//!
//! The password opens the root vault here and nowhere else; the identity key is used once, for certificate and draft, and is gone
//! when this returns. A draft that keeps none of the devices of before brings a new state key and so a new vault.

use wheesht_proto::{
    address::Address,
    limits::MAX_DEVICES,
    relay::{self, client_frame, relay_frame},
    stored::{self, AccountPhase, AccountStop},
};

use super::{
    super::{Ctx, EngineError, io::RequestError, links, tables::OWN_MANIFESTS, timers::Timer},
    Pending,
    commands::{phase, status},
    link,
    login::{LogIn, Way},
    me::{self, Row, identified},
    register::{Keys, never_joined},
    session, stop, words,
};
use crate::{
    api::{Error, ErrorCode, EventKind, Response},
    crypto::secret::Secret as _,
    signed::{
        Manifest, UnverifiedCertificate, UnverifiedManifest,
        manifest::{Draft, Step as DraftStep, verify_history},
    },
    time::Timestamp,
    vault::{RootSecrets, StateKey, open_root, seal_root},
};

/// How often a pending device looks whether it was confirmed, beside being told (milliseconds).
const POLL_MS: u64 = 15_000;

/// How long after the end of the grace it looks (milliseconds): the relay's clock and this one differ.
const AFTER_GRACE_MS: u64 = 2_000;

/// Checks everything the relay said, makes this device, and asks to let it join.
pub(super) fn propose(
    ctx: &mut Ctx<'_, '_>,
    address: &Address,
    label: String,
    login: LogIn,
) -> Result<Result<(), Error>, EngineError> {
    let before = me::row(ctx)?;
    // DEV-2
    let history = match verify_history(address, &login.manifests) {
        Ok(history) => history,
        Err(error) => return Ok(Err(bad_chain(&error.to_string()))),
    };
    if let Some(error) = before.as_ref().map(|row| contradicts(ctx, row, &history)).transpose()?.flatten() {
        return Ok(Err(error));
    }
    let Some(newest) = history.last() else { return Ok(Err(words::nonsense())) };
    let root = open_root(&login.export_key, address, &login.root_vault).ok();
    let Some(root) = root.filter(|root| root.identity.account_id() == newest.identity()) else {
        return Ok(Err(bad_chain("the account's vault does not open, or is another's")));
    };
    // DEV-22
    if let Way::Link(shown) = &login.way
        && let Err(error) = link::fits(shown, newest)
    {
        return Ok(Err(error));
    }
    let own = before.as_ref().and_then(|row| UnverifiedCertificate::decode(&row.certificate).ok());
    let keys = Keys::generate(ctx, &root.identity);
    let mut devices = vec![keys.certificate.clone()];
    if !matches!(login.way, Way::Evicting) {
        // The device that this installation was before has lost its keys: it goes.
        let was_this = |id| own.as_ref().is_some_and(|own| own.device_id() == id);
        devices.extend(newest.devices().iter().filter(|device| !was_this(device.device_id())).cloned());
    }
    if devices.len() > MAX_DEVICES {
        return Ok(Err(too_many()));
    }
    // DEV-14
    let committed = history.iter().rev().find_map(Manifest::state_key);
    if committed.is_some_and(|committed| committed != root.state_key.commitment(root.state_key_epoch)) {
        return Ok(Err(bad_chain("its vault is older than its list of devices")));
    }
    // Who keeps no device of before brings a new state key.
    let kept = devices.iter().any(|device| newest.device(&device.device_id()).is_some());
    let state_key = StateKey::generate(&mut *ctx.rng);
    let epoch = root.state_key_epoch.saturating_add(1);
    let draft = if kept {
        newest.draft_next(&root.identity, devices, ctx.now)
    } else {
        newest.draft_with_state_key(&root.identity, devices, state_key.commitment(epoch), ctx.now)
    };
    let Ok(draft) = draft else { return Ok(Err(words::nonsense())) };
    let mut row = pending_row(address, label, &root, newest, &draft, before.as_ref());
    row.state_key_commitment = committed.map(Vec::from).unwrap_or_default();
    keys.store(ctx, &mut row);
    let root_vault = match draft.step() {
        DraftStep::EvictsAll => {
            let next = RootSecrets { identity: root.identity, state_key, state_key_epoch: epoch };
            row.old_state_key = std::mem::replace(&mut row.state_key, next.state_key.expose().to_vec());
            row.state_key_epoch = next.state_key_epoch;
            seal_root(&login.export_key, address, &next, &mut *ctx.rng)
        }
        DraftStep::Adds | DraftStep::AddsNone => Vec::new(),
    };
    for manifest in &history {
        ctx.tx.put(OWN_MANIFESTS, b"", manifest.version(), manifest.encoded().to_vec());
    }
    me::save_row(ctx, &row);
    let link = identified(address.relay());
    if let Some(before) =
        before.as_ref().map(me::address).transpose()?.filter(|before| before.relay() != address.relay())
    {
        // The same relay, known in another way.
        links::close(ctx, &identified(before.relay()));
    }
    let proof = match &login.way {
        Way::Link(shown) => shown.secret.proof(&shown.maker, &draft.hash()).to_vec(),
        Way::Beside | Way::Evicting => Vec::new(),
    };
    let ask = relay::ProposeManifest { manifest: draft.encoded(), root_vault, proof };
    ctx.ask(&link, Pending::Propose, client_frame::Body::ProposeManifest(ask));
    Ok(Ok(()))
}

fn pending_row(
    address: &Address,
    label: String,
    root: &RootSecrets,
    newest: &Manifest,
    draft: &Draft,
    before: Option<&Row>,
) -> Row {
    let mut row = Row::new(stored::Account {
        address: address.to_string(),
        label,
        identity: newest.identity().to_vec(),
        state_key: root.state_key.expose().to_vec(),
        state_key_epoch: root.state_key_epoch,
        manifest_version: newest.version(),
        draft: draft.encoded(),
        ..Default::default()
    });
    row.set_phase(AccountPhase::Pending);
    if let Some(before) = before {
        let was = if before.phase() == AccountPhase::Stopped { before.stop() } else { before.stop_before() };
        row.set_stop_before(if never_joined(before) { AccountStop::Unspecified } else { was });
    }
    row
}

/// What the relay shows against what this installation knows of the account already.
fn contradicts(ctx: &Ctx<'_, '_>, row: &Row, history: &[Manifest]) -> Result<Option<Error>, EngineError> {
    let Some(known) = me::manifest(ctx, row.manifest_version)? else { return Ok(None) };
    Ok(match history.iter().find(|manifest| manifest.version() == known.version()) {
        Some(same) if same.identity() != known.identity() => Some(
            Error::new(ErrorCode::IdentityChanged, "This name belongs to another account now.")
                .next("Use another directory for it; what stands here belongs to the account of before."),
        ),
        Some(same) if same.hash() == known.hash() => None,
        _ => Some(bad_chain("it is older than, or another than, the one known here")),
    })
}

pub(super) fn proposed(
    ctx: &mut Ctx<'_, '_>,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<(), EngineError> {
    let Some(mut row) = me::row(ctx)?.filter(|row| row.phase() == AccountPhase::Pending) else {
        return Ok(());
    };
    match result {
        Ok(relay_frame::Body::ProposeManifestOk(proposed)) => {
            row.effective_at_ms = proposed.effective_at_ms;
            me::save_row(ctx, &row);
            await_decision(ctx, &row);
            ctx.event(EventKind::Phase { phase: phase(Some(&row))? })?;
            if let Some(flow) = ctx.passing.account.flow.take() {
                let status = status(ctx)?;
                ctx.respond(flow.command, Ok(Response::Status { status }));
            }
            Ok(())
        }
        // The relay may have it: the row stays, and the next connection shows.
        Err(RequestError::Lost) => Ok(()),
        other => {
            undo(ctx, row)?;
            super::fail(ctx, words::failed(other))
        }
    }
}

/// Arms the timer that looks whether it was decided.
pub(super) fn await_decision(ctx: &mut Ctx<'_, '_>, row: &Row) {
    let poll = ctx.now.plus_millis(POLL_MS);
    let effective = Timestamp::from_millis(row.effective_at_ms).plus_millis(AFTER_GRACE_MS);
    let soon = row.effective_at_ms > 0 && effective > ctx.now;
    ctx.passing.timers.set(Timer::Grace, if soon { poll.min(effective) } else { poll });
}

/// The relay has said how the proposal ended.
pub(super) fn decided(ctx: &mut Ctx<'_, '_>, id: &[u8], accepted: bool) -> Result<(), EngineError> {
    let Some(row) = me::row(ctx)?.filter(|row| row.phase() == AccountPhase::Pending) else { return Ok(()) };
    let ours = UnverifiedManifest::decode(&row.draft).is_ok_and(|draft| draft.hash() == id);
    match (ours, accepted) {
        (true, true) => session::log_in(ctx, &row),
        (true, false) => refused(ctx, row),
        // The end of a proposal that this one took the place of.
        (false, _) => Ok(()),
    }
}

/// The proposal does not stand any more, and this device is none of the account's.
pub(super) fn refused(ctx: &mut Ctx<'_, '_>, row: Row) -> Result<(), EngineError> {
    let reason = match row.stop_before() {
        AccountStop::Unspecified => AccountStop::Rejected,
        before => before,
    };
    let before = row.stop_before();
    stop::stop(ctx, row, reason, before)
}

/// The relay did not take the proposal: as if it had not been made.
fn undo(ctx: &mut Ctx<'_, '_>, row: Row) -> Result<(), EngineError> {
    match row.stop_before() {
        AccountStop::Unspecified => stop::forget(ctx),
        before => stop::stop(ctx, row, before, before),
    }
}

fn bad_chain(detail: &str) -> Error {
    Error::new(ErrorCode::Relay, format!("What the relay says about this account does not hold: {detail}."))
        .next("Don't use this relay for the account until its operator has explained that.")
}

pub(super) fn too_many() -> Error {
    Error::new(ErrorCode::TooLarge, format!("An account has at most {MAX_DEVICES} devices."))
        .next("Log in with the choice to remove all others, if you don't have them any more.")
}
