//! What the account's owner alone may do: the password is typed, the root vault opened for this one errand, and everything that was
//! opened is gone when it ends.
//!
//! ```text
//!  command ─▶ LoginStart ─▶ Work ─▶ LoginFinish ─▶ root vault ─▶ GetManifests ─▶ remove a device · delete the account
//!                                                                      └──▶ ChangePasswordStart ─▶ Work ─▶ ChangePasswordFinish
//! ```
//!
//! Nothing of this is stored but what an errand itself keeps before the relay hears of it ([`super::removal`], [`super::ending`]). One
//! errand is under way at a time.

use sha2::{Digest as _, Sha256};
use wheesht_proto::{
    ids::DeviceId,
    relay::{self, ErrorCode as RelayCode, client_frame, relay_frame},
};

use super::{
    super::{Ctx, EngineError, error::Answer, io::RequestError},
    Pending, PendingWork, ending,
    jobs::Job,
    manifests,
    me::{self, identified},
    register::broken,
    removal, strength, words,
};
use crate::{
    api::{Error, ErrorCode, Password, Response},
    opaque::{ExportKey, LoggedIn, LoginFlow, OpaqueError, Registered, RegistrationFlow},
    signed::{Manifest, manifest::verify_chain},
    vault::{RootSecrets, open_root, seal_root},
};

/// What the password was typed for.
pub(super) enum What {
    Remove(DeviceId),
    ChangePassword(Password),
    Delete,
}

/// An errand under way.
pub(super) struct Errand {
    serial: u64,
    command: u64,
    what: What,
    step: Step,
}

enum Step {
    /// OPAQUE's login; none while the password is stretched.
    LogIn(Option<Box<LoginFlow>>),
    /// The password of before was refused: is the new one in force already?
    Look(Option<Box<LoginFlow>>),
    Session(ExportKey),
    Chain(Opened),
    /// OPAQUE's registration of the new password; none while that is stretched.
    Register(Option<Box<RegistrationFlow>>, Opened),
    /// The relay has been told.
    Told,
}

/// The root vault, open.
struct Opened {
    export_key: ExportKey,
    root: RootSecrets,
    /// SHA-256 of the sealed vault that it was read from.
    sealed: [u8; 32],
}

/// Begins an errand.
pub(super) fn command(ctx: &mut Ctx<'_, '_>, id: u64, password: &Password, what: What) -> Answer {
    super::check_free(ctx)?;
    let Some(me) = me::me(ctx)? else { return Err(me::not_active(ctx)?.into()) };
    match &what {
        What::ChangePassword(new) => strength::check(new, &me.address)?,
        What::Remove(device) => removal::check(&me, device)?,
        What::Delete => {}
    }
    let (flow, request) = LoginFlow::start(password.expose(), &mut *ctx.rng).map_err(broken)?;
    let account = &mut ctx.passing.account;
    account.serial += 1;
    let serial = account.serial;
    let step = Step::LogIn(Some(Box::new(flow)));
    account.errand = Some(Errand { serial, command: id, what, step });
    log_in(ctx, serial, request)?;
    Ok(None)
}

fn log_in(ctx: &mut Ctx<'_, '_>, serial: u64, request: Vec<u8>) -> Result<(), EngineError> {
    let Some(me) = me::me(ctx)? else { return Ok(()) };
    let body = relay::LoginStart { name: me.address.name().as_str().to_owned(), request };
    ctx.ask(&identified(&me.relay), Pending::OwnerStart(serial), client_frame::Body::LoginStart(body));
    Ok(())
}

/// Whether slow work of this serial is an errand's.
pub(super) fn owns(ctx: &Ctx<'_, '_>, serial: u64) -> bool {
    ctx.passing.account.errand.as_ref().is_some_and(|errand| errand.serial == serial)
}

fn errand<'c>(ctx: &'c mut Ctx<'_, '_>, serial: u64) -> Option<&'c mut Errand> {
    ctx.passing.account.errand.as_mut().filter(|errand| errand.serial == serial)
}

pub(super) fn started(
    ctx: &mut Ctx<'_, '_>,
    serial: u64,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<(), EngineError> {
    let Some(me) = me::me(ctx)? else { return Ok(()) };
    let Some(errand) = errand(ctx, serial) else { return Ok(()) };
    let (Step::LogIn(flow) | Step::Look(flow)) = &mut errand.step else { return Ok(()) };
    let Some(flow) = flow.take() else { return Ok(()) };
    match result {
        Ok(relay_frame::Body::LoginStartOk(started)) => {
            ctx.work(PendingWork(serial), Job::log_in(flow, me.address.clone(), started.response));
            Ok(())
        }
        // Why is known when the link says that it is down.
        Err(RequestError::Lost) => Ok(()),
        other => fail(ctx, words::failed(other)),
    }
}

/// The password is stretched, and was right if this went well.
pub(super) fn logged_in(
    ctx: &mut Ctx<'_, '_>,
    result: Result<LoggedIn, OpaqueError>,
) -> Result<(), EngineError> {
    let Some(me) = me::me(ctx)? else { return Ok(()) };
    let Some(errand) = &mut ctx.passing.account.errand else { return Ok(()) };
    match (result, &errand.step) {
        // PWD-9: whoever repeats a change whose answer was lost is told that it is done.
        (Ok(_), Step::Look(_)) => succeed(ctx),
        (Ok(LoggedIn { finalization, export_key }), _) => {
            errand.step = Step::Session(export_key);
            let body = relay::LoginFinish { finalization };
            let pending = Pending::OwnerFinish(errand.serial);
            ctx.ask(&identified(&me.relay), pending, client_frame::Body::LoginFinish(body));
            Ok(())
        }
        (Err(OpaqueError::BadCredentials), Step::LogIn(_))
            if matches!(errand.what, What::ChangePassword(_)) =>
        {
            look(ctx)
        }
        (Err(error), _) => fail(ctx, broken(error)),
    }
}

/// Sees whether the new password is the one in force.
fn look(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    let Some(errand) = &mut ctx.passing.account.errand else { return Ok(()) };
    let What::ChangePassword(new) = &errand.what else { return Ok(()) };
    match LoginFlow::start(new.expose(), &mut *ctx.rng) {
        Ok((flow, request)) => {
            errand.step = Step::Look(Some(Box::new(flow)));
            let serial = errand.serial;
            log_in(ctx, serial, request)
        }
        Err(error) => fail(ctx, broken(error)),
    }
}

/// The account session: the root vault is opened.
pub(super) fn session(
    ctx: &mut Ctx<'_, '_>,
    serial: u64,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<(), EngineError> {
    let (Some(me), Some(row)) = (me::me(ctx)?, me::row(ctx)?) else { return Ok(()) };
    let Some(errand) = errand(ctx, serial) else { return Ok(()) };
    let Step::Session(export_key) = &errand.step else { return Ok(()) };
    let session = match result {
        Ok(relay_frame::Body::AccountSession(session)) => session,
        Err(RequestError::Lost) => return Ok(()),
        other => return fail(ctx, words::failed(other)),
    };
    let root = open_root(export_key, &me.address, &session.root_vault).ok();
    let Some(root) = root.filter(|root| root.identity.account_id() == me.account) else {
        return fail(ctx, bad_vault("does not open, or is another's"));
    };
    // DEV-14
    if root.state_key_epoch < row.state_key_epoch {
        return fail(ctx, bad_vault("is older than one that this device has seen"));
    }
    let sealed = Sha256::digest(&session.root_vault).into();
    errand.step = Step::Chain(Opened { export_key: export_key.clone(), root, sealed });
    let ask = relay::GetManifests {
        name: me.address.name().as_str().to_owned(),
        from_version: me.manifest.version(),
    };
    let pending = Pending::OwnerChain(serial);
    ctx.ask(&identified(&me.relay), pending, client_frame::Body::GetManifests(ask));
    Ok(())
}

/// The newest manifest is known: the errand is done upon it.
pub(super) fn chain(
    ctx: &mut Ctx<'_, '_>,
    serial: u64,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<(), EngineError> {
    if errand(ctx, serial).is_none() {
        return Ok(());
    }
    let encoded = match result {
        Ok(relay_frame::Body::Manifests(relay::Manifests { manifests })) => manifests,
        Err(RequestError::Lost) => return Ok(()),
        other => return fail(ctx, words::failed(other)),
    };
    let (Some(me), Some(row)) = (me::me(ctx)?, me::row(ctx)?) else { return Ok(()) };
    let known = me::manifest(ctx, row.manifest_version)?.ok_or_else(me::unreadable)?;
    // While this was asked for, another reading may have brought the same versions.
    let first = encoded.iter().position(|manifest| manifest.as_slice() == known.encoded());
    let rest = encoded.get(first.unwrap_or(0)..).unwrap_or_default();
    match verify_chain(&known, rest) {
        Ok(chain) if !encoded.is_empty() && rest.len() < wheesht_proto::limits::MAX_MANIFESTS => {
            manifests::adopt(ctx, chain)?;
        }
        _ => {
            let error =
                Error::new(ErrorCode::Relay, "The relay's list of this account's devices does not hold.");
            return fail(ctx, error.next("Try again; if it lasts, ask the relay's operator."));
        }
    }
    drop(me);
    let Some(me) = me::me(ctx)? else {
        return fail(
            ctx,
            Error::new(ErrorCode::NotActive, "This device was removed from the account meanwhile."),
        );
    };
    let Some(errand) = errand(ctx, serial) else { return Ok(()) };
    let Step::Chain(opened) = std::mem::replace(&mut errand.step, Step::Told) else { return Ok(()) };
    removal::heal(ctx, &opened.root)?;
    let Some(errand) = &mut ctx.passing.account.errand else { return Ok(()) };
    match &errand.what {
        What::Remove(device) => {
            let device = *device;
            if let Err(error) = removal::check(&me, &device) {
                return fail(ctx, error);
            }
            let Opened { export_key, root, .. } = opened;
            match removal::draft(ctx, &me, &device, root)? {
                Some((manifest, next)) => {
                    let root_vault = seal_root(&export_key, &me.address, &next, &mut *ctx.rng);
                    let manifest_bytes = manifest.encoded().to_vec();
                    let ask =
                        relay::ProposeManifest { manifest: manifest_bytes, root_vault, proof: Vec::new() };
                    let pending = Pending::OwnerRemove(serial, Box::new(manifest));
                    ctx.ask(&identified(&me.relay), pending, client_frame::Body::ProposeManifest(ask));
                    Ok(())
                }
                None => fail(ctx, words::nonsense()),
            }
        }
        What::ChangePassword(new) => match RegistrationFlow::start(new.expose(), &mut *ctx.rng) {
            Ok((flow, request)) => {
                errand.step = Step::Register(Some(Box::new(flow)), opened);
                let body = client_frame::Body::ChangePasswordStart(relay::ChangePasswordStart { request });
                ctx.ask(&identified(&me.relay), Pending::OwnerRegister(serial), body);
                Ok(())
            }
            Err(error) => fail(ctx, broken(error)),
        },
        What::Delete => {
            let command = errand.command;
            ctx.passing.account.errand = None;
            ending::begin(ctx, &me, &opened.root.identity, command)
        }
    }
}

/// The relay has, or hasn't, taken a removal.
pub(super) fn removed(
    ctx: &mut Ctx<'_, '_>,
    serial: u64,
    manifest: Manifest,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<(), EngineError> {
    match result {
        Ok(relay_frame::Body::ProposeManifestOk(_)) => {
            manifests::adopt(ctx, vec![manifest])?;
            if owns(ctx, serial) { succeed(ctx) } else { Ok(()) }
        }
        // The relay may have it: the chain will say.
        Err(RequestError::Lost) => Ok(()),
        other => {
            removal::withdrawn(ctx, &manifest)?;
            manifests::look_for_manifest(ctx)?;
            if owns(ctx, serial) { fail(ctx, words::failed(other)) } else { Ok(()) }
        }
    }
}

pub(super) fn registering(
    ctx: &mut Ctx<'_, '_>,
    serial: u64,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<(), EngineError> {
    let Some(me) = me::me(ctx)? else { return Ok(()) };
    let Some(errand) = errand(ctx, serial) else { return Ok(()) };
    let Step::Register(flow, _) = &mut errand.step else { return Ok(()) };
    let Some(flow) = flow.take() else { return Ok(()) };
    match result {
        Ok(relay_frame::Body::RegisterStartOk(started)) => {
            ctx.work(PendingWork(serial), Job::register(flow, me.address.clone(), started.response));
            Ok(())
        }
        Err(RequestError::Lost) => Ok(()),
        other => fail(ctx, words::failed(other)),
    }
}

/// The new password is stretched: password and root vault go to the relay together.
pub(super) fn registered(
    ctx: &mut Ctx<'_, '_>,
    result: Result<Registered, OpaqueError>,
) -> Result<(), EngineError> {
    let Some(me) = me::me(ctx)? else { return Ok(()) };
    let Some(errand) = &mut ctx.passing.account.errand else { return Ok(()) };
    let Step::Register(_, Opened { root, sealed, .. }) = std::mem::replace(&mut errand.step, Step::Told)
    else {
        return Ok(());
    };
    let Registered { upload, export_key } = match result {
        Ok(registered) => registered,
        Err(error) => return fail(ctx, broken(error)),
    };
    let pending = Pending::OwnerPassword(errand.serial);
    // PWD-8
    let root_vault = seal_root(&export_key, &me.address, &root, &mut *ctx.rng);
    let body = relay::ChangePasswordFinish { record: upload, root_vault, replaces: sealed.to_vec() };
    ctx.ask(&identified(&me.relay), pending, client_frame::Body::ChangePasswordFinish(body));
    Ok(())
}

pub(super) fn password_changed(
    ctx: &mut Ctx<'_, '_>,
    serial: u64,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<(), EngineError> {
    if !owns(ctx, serial) {
        return Ok(());
    }
    match result {
        Ok(relay_frame::Body::Ok(_)) => succeed(ctx),
        // The link says why.
        Err(RequestError::Lost) => Ok(()),
        Err(RequestError::Refused(error)) if error.code() == RelayCode::Conflict => fail(
            ctx,
            Error::new(
                ErrorCode::Relay,
                "Another device changed the account at the same moment; the password is as it was.",
            )
            .next("Try again."),
        ),
        other => fail(ctx, words::failed(other)),
    }
}

/// The connection went: the person is told what that leaves.
pub(super) fn lost(ctx: &mut Ctx<'_, '_>, reason: &str, untrusted: bool) -> Result<(), EngineError> {
    let Some(errand) = &ctx.passing.account.errand else { return Ok(()) };
    let error = words::unreachable(reason, untrusted);
    let error = match (&errand.step, &errand.what) {
        (Step::Told, What::ChangePassword(_)) => Error::new(
            ErrorCode::Network,
            "The connection went before the relay had answered: the old password holds, or the new one does.",
        )
        .next("Give the same command again, with the same two passwords: it ends the change, or says that it is done."),
        (Step::Told, What::Remove(_)) => Error::new(
            ErrorCode::Network,
            "The connection went before the relay had answered: the device may have been removed.",
        )
        .next("Look at the list of devices once you are connected again; if the device is still there, try again."),
        _ => error,
    };
    fail(ctx, error)
}

/// This device is none of the account's any more.
pub(super) fn stopped(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    if ctx.passing.account.errand.is_none() {
        return Ok(());
    }
    let error = me::not_active(ctx)?;
    fail(ctx, error)
}

fn succeed(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    if let Some(errand) = ctx.passing.account.errand.take() {
        ctx.respond(errand.command, Ok(Response::Done));
    }
    Ok(())
}

fn fail(ctx: &mut Ctx<'_, '_>, error: Error) -> Result<(), EngineError> {
    if let Some(errand) = ctx.passing.account.errand.take() {
        ctx.respond(errand.command, Err(error));
    }
    Ok(())
}

fn bad_vault(detail: &str) -> Error {
    Error::new(ErrorCode::Relay, format!("The vault that the relay keeps for the account {detail}."))
        .next("Nothing was changed; ask the relay's operator.")
}
