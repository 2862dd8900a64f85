//! Making this installation a device of an existing account.
//!
//! ```text
//!  command ─▶ LoginStart ─▶ Work ─▶ LoginFinish ─▶ chain, root vault ─▶ a draft (see `pending`)
//! ```
//!
//! Nothing of this is stored: until a draft stands, a crash leaves everything as it was.

use wheesht_proto::{
    address::Address,
    limits::MAX_MANIFESTS,
    relay::{self, AccountSession, client_frame, relay_frame},
    stored::{AccountPhase, AccountStop},
};

use super::{
    super::{Ctx, EngineError, error::Answer, io::RequestError},
    Pending, PendingWork, Step,
    jobs::Job,
    me::{self, Row, identified},
    pending,
    register::{broken, never_joined},
    session, stop, words,
};
use crate::{
    api::{Error, ErrorCode, Password},
    opaque::{ExportKey, LoggedIn, LoginFlow, OpaqueError},
    protocol::device_link::DeviceLink,
};

/// Most versions of a manifest that are read: a chain that is longer was not made by people.
const MAX_HISTORY: usize = 10_000;

/// How a device wants to join.
pub(super) enum Way {
    /// Confirmed by somebody who compares codes.
    Beside,
    /// By a link that another device shows.
    Link(Box<DeviceLink>),
    /// In the place of all others.
    Evicting,
}

/// A login that has come as far as the account session.
pub(super) struct LogIn {
    pub(super) way: Way,
    pub(super) export_key: ExportKey,
    pub(super) root_vault: Vec<u8>,
    pub(super) manifests: Vec<Vec<u8>>,
}

/// `LogIn`.
pub(super) fn command(
    ctx: &mut Ctx<'_, '_>,
    id: u64,
    address: Address,
    password: &Password,
    label: String,
    way: Way,
) -> Answer {
    super::check_free(ctx)?;
    super::check_label(&label)?;
    if let Some(row) = me::row(ctx)? {
        let same = me::address(&row)?.canonical() == address.canonical();
        match row.phase() {
            AccountPhase::Registering => stop::forget(ctx)?,
            AccountPhase::Pending | AccountPhase::Stopped if same => {}
            AccountPhase::Pending if row.stop_before() == AccountStop::Unspecified => stop::forget(ctx)?,
            AccountPhase::Stopped if never_joined(&row) => stop::forget(ctx)?,
            AccountPhase::Joining | AccountPhase::Active if same => return Err(already(&row).into()),
            _ => return Err(belongs_to(&row).into()),
        }
    }
    let (flow, request) = LoginFlow::start(password.expose(), &mut *ctx.rng).map_err(broken)?;
    let name = address.name().as_str().to_owned();
    let link = identified(address.relay());
    let serial = super::begin(ctx, id, address, label, Step::LogIn { way, flow: Some(Box::new(flow)) });
    let body = relay::LoginStart { name, request };
    ctx.ask(&link, Pending::LoginStart(serial), client_frame::Body::LoginStart(body));
    Ok(None)
}

pub(super) fn started(
    ctx: &mut Ctx<'_, '_>,
    serial: u64,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<(), EngineError> {
    let Some(flow) = super::flow(ctx, serial) else { return Ok(()) };
    let Step::LogIn { flow: state, .. } = &mut flow.step else { return Ok(()) };
    let Some(state) = state.take() else { return Ok(()) };
    let address = flow.address.clone();
    match result {
        Ok(relay_frame::Body::LoginStartOk(started)) => {
            if let Err(error) = session::check_domain(ctx, &address) {
                return super::fail(ctx, error);
            }
            ctx.work(PendingWork(serial), Job::log_in(state, address, started.response));
        }
        // Why is known when the link says that it is down.
        Err(RequestError::Lost) => {}
        other => return super::fail(ctx, words::failed(other)),
    }
    Ok(())
}

/// The password is stretched, and was right if this went well.
pub(super) fn worked(
    ctx: &mut Ctx<'_, '_>,
    result: Result<LoggedIn, OpaqueError>,
) -> Result<(), EngineError> {
    let Some(flow) = &mut ctx.passing.account.flow else { return Ok(()) };
    if !matches!(flow.step, Step::LogIn { .. }) {
        return Ok(());
    }
    let LoggedIn { finalization, export_key } = match result {
        Ok(logged_in) => logged_in,
        Err(error) => return super::fail(ctx, broken(error)),
    };
    let (serial, link) = (flow.serial, identified(flow.address.relay()));
    let step = std::mem::replace(&mut flow.step, Step::Proposed);
    let Step::LogIn { way, .. } = step else { return Ok(()) };
    flow.step = Step::Session(LogIn { way, export_key, root_vault: Vec::new(), manifests: Vec::new() });
    let body = relay::LoginFinish { finalization };
    ctx.ask(&link, Pending::LoginFinish(serial), client_frame::Body::LoginFinish(body));
    Ok(())
}

/// The account session, or a further part of the chain.
pub(super) fn session(
    ctx: &mut Ctx<'_, '_>,
    serial: u64,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<(), EngineError> {
    let Some(flow) = super::flow(ctx, serial) else { return Ok(()) };
    let Step::Session(login) = &mut flow.step else { return Ok(()) };
    let manifests = match result {
        Ok(relay_frame::Body::AccountSession(AccountSession { root_vault, manifests })) => {
            login.root_vault = root_vault;
            manifests
        }
        Ok(relay_frame::Body::Manifests(relay::Manifests { manifests })) => manifests,
        Err(RequestError::Lost) => return Ok(()),
        other => {
            return super::fail(ctx, words::failed(other));
        }
    };
    let more = manifests.len() >= MAX_MANIFESTS && login.manifests.len() < MAX_HISTORY;
    login.manifests.extend(manifests);
    if more {
        let from_version = login.manifests.len() as u64 + 1;
        let ask = relay::GetManifests { name: flow.address.name().as_str().to_owned(), from_version };
        let link = identified(flow.address.relay());
        ctx.ask(&link, Pending::LoginFinish(serial), client_frame::Body::GetManifests(ask));
        return Ok(());
    }
    let step = std::mem::replace(&mut flow.step, Step::Proposed);
    let (address, label) = (flow.address.clone(), flow.label.clone());
    let Step::Session(login) = step else { return Ok(()) };
    match pending::propose(ctx, &address, label, login)? {
        Ok(()) => Ok(()),
        Err(error) => super::fail(ctx, error),
    }
}

fn already(row: &Row) -> Error {
    Error::new(ErrorCode::AccountExists, format!("This installation is a device of {} already.", row.address))
        .next("Nothing needs to be done.")
}

fn belongs_to(row: &Row) -> Error {
    Error::new(ErrorCode::AccountExists, format!("This installation belongs to {}.", row.address))
        .next("For another account, use another directory.")
}
