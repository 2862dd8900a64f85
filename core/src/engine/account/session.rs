//! Being logged in as a device: the login itself, and all that a new session is looked through for.
//!
//! ```text
//!  greeted ─▶ DeviceLogin ─▶ DeviceSession ─▶ behind its own statement? ──yes──▶ Stopped{RolledBack}
//!                │                                   │no
//!                │ DEVICE_UNKNOWN                    ▼
//!                ▼                             chain, addresses, prekeys, vault, address book, then messaging and people
//!         what does the chain say?
//! ```

use wheesht_proto::{
    address::Address,
    limits::DAY_MS,
    relay::{self, DeviceSession, ErrorCode as RelayCode, client_frame, relay_frame},
    stored::AccountPhase,
};

use super::{
    super::{
        Ctx, EngineError, blobs, groups,
        io::{LinkId, RequestError},
        links, messaging, people, presence, profiles,
        timers::Timer,
    },
    Pending, addresses, book, closing, ending, joining, manifests,
    me::{self, Row, identified},
    own_lookup, owner, pending, prekeys, proposal, register, removal, statement, vault_sync, words,
};
use crate::{
    api::{Error, ErrorCode, EventKind, LinkState, Trouble},
    signed::LoginContext,
};

/// A login that was refused for a reason that passes is tried again after this long (milliseconds).
const RETRY_MS: u64 = 60_000;

/// At the start: the link of an account that is in use is kept open.
pub(super) fn start(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    let Some(row) = me::row(ctx)? else { return Ok(()) };
    if row.phase() == AccountPhase::Stopped {
        return Ok(());
    }
    links::open(ctx, &identified(me::address(&row)?.relay()));
    if row.phase() == AccountPhase::Pending {
        pending::await_decision(ctx, &row);
    }
    Ok(())
}

/// The own relay has said hello.
pub(super) fn greeted(ctx: &mut Ctx<'_, '_>, link: &LinkId) -> Result<(), EngineError> {
    let Some(row) = me::row(ctx)? else { return Ok(()) };
    if *link != identified(me::address(&row)?.relay()) {
        return Ok(());
    }
    match row.phase() {
        AccountPhase::Registering => register::finish(ctx, &row),
        AccountPhase::Pending | AccountPhase::Joining | AccountPhase::Active => log_in(ctx, &row),
        AccountPhase::Stopped | AccountPhase::Unspecified => Ok(()),
    }
}

/// A relay that calls itself otherwise would take no manifest for this address and no login for it.
pub(super) fn check_domain(ctx: &Ctx<'_, '_>, address: &Address) -> Result<(), Error> {
    let Some(greeting) = ctx.passing.links.greeting(&identified(address.relay())) else { return Ok(()) };
    if greeting.relay == address.relay().authority() {
        return Ok(());
    }
    let calls_itself: String = greeting.relay.chars().filter(|c| c.is_ascii_graphic()).take(260).collect();
    let name = address.name().as_str();
    Err(Error::new(
        ErrorCode::Invalid,
        format!("This relay calls itself {calls_itself}, not {}.", address.relay().authority()),
    )
    .next(format!("Use {name}@{calls_itself}, with the fingerprint after it if it has one.")))
}

/// Logs this device in, if the link is up; otherwise its greeting will.
pub(super) fn log_in(ctx: &mut Ctx<'_, '_>, row: &Row) -> Result<(), EngineError> {
    let address = me::address(row)?;
    let link = identified(address.relay());
    let nonce =
        ctx.passing.links.greeting(&link).and_then(|greeting| greeting.nonce.as_slice().try_into().ok());
    let Some(nonce) = nonce else { return Ok(()) };
    let device = me::signing_key(row)?;
    let relay = address.relay().authority();
    let context =
        LoginContext { nonce: &nonce, relay: &relay, name: address.name(), device_id: device.device_id() };
    let body = relay::DeviceLogin {
        name: address.name().as_str().to_owned(),
        device_id: device.device_id().to_vec(),
        signature: context.sign(&device).to_vec(),
    };
    ctx.ask(&link, Pending::DeviceLogin, client_frame::Body::DeviceLogin(body));
    Ok(())
}

pub(super) fn logged_in(
    ctx: &mut Ctx<'_, '_>,
    link: &LinkId,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<(), EngineError> {
    let Some(row) = me::row(ctx)? else { return Ok(()) };
    if *link != identified(me::address(&row)?.relay()) {
        return Ok(());
    }
    match result {
        Ok(relay_frame::Body::DeviceSession(session)) => accepted(ctx, row, link, session),
        Err(RequestError::Lost) => Ok(()),
        Err(RequestError::Refused(error)) => refused(ctx, row, &error),
        Ok(_) => trouble(ctx, words::nonsense()),
    }
}

fn refused(ctx: &mut Ctx<'_, '_>, row: Row, error: &relay::Error) -> Result<(), EngineError> {
    let retry = ctx.now.plus_millis(u64::from(error.retry_after_ms).max(RETRY_MS));
    match (row.phase(), error.code()) {
        // Still standing: wait on. Without that the proposal is gone.
        (AccountPhase::Pending, RelayCode::DeviceUnknown) if error.retry_after_ms > 0 => {
            pending::await_decision(ctx, &row);
            Ok(())
        }
        (AccountPhase::Pending, RelayCode::DeviceUnknown) => pending::refused(ctx, row),
        // A relay's word alone removes nobody: the chain must say so.
        (
            AccountPhase::Joining | AccountPhase::Active,
            RelayCode::DeviceUnknown | RelayCode::BadCredentials,
        ) => {
            ctx.passing.account.connection.login_refused = true;
            ctx.passing.timers.set(Timer::Grace, retry);
            manifests::read(ctx, &row)
        }
        (AccountPhase::Stopped, _) => Ok(()),
        (_, RelayCode::RateLimited | RelayCode::Unavailable | RelayCode::Internal) => {
            ctx.passing.timers.set(Timer::Grace, retry);
            Ok(())
        }
        _ => {
            ctx.passing.timers.set(Timer::Grace, retry);
            trouble(ctx, words::refused(error))
        }
    }
}

/// The time has come to try the login again.
pub(super) fn retry(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    let Some(row) = me::row(ctx)? else { return Ok(()) };
    match row.phase() {
        AccountPhase::Pending => {
            pending::await_decision(ctx, &row);
            log_in(ctx, &row)
        }
        AccountPhase::Joining if ctx.passing.account.connection.online => joining::begin(ctx, row),
        AccountPhase::Joining | AccountPhase::Active if !ctx.passing.account.connection.online => {
            log_in(ctx, &row)
        }
        _ => Ok(()),
    }
}

fn accepted(
    ctx: &mut Ctx<'_, '_>,
    row: Row,
    link: &LinkId,
    session: DeviceSession,
) -> Result<(), EngineError> {
    if statement::behind(ctx, &row, &session)? {
        return statement::roll_back(ctx, row);
    }
    links::set_logged_in(ctx, link);
    ctx.passing.account.connection.online = true;
    ctx.passing.account.connection.login_refused = false;
    ctx.passing.account.connection.session = Some(session);
    match row.phase() {
        AccountPhase::Registering => activate(ctx, row),
        AccountPhase::Pending | AccountPhase::Joining => joining::begin(ctx, row),
        AccountPhase::Active => online(ctx),
        AccountPhase::Stopped | AccountPhase::Unspecified => Ok(()),
    }
}

/// This device is one of the account's and knows what it needs.
pub(super) fn activate(ctx: &mut Ctx<'_, '_>, mut row: Row) -> Result<(), EngineError> {
    row.set_phase(AccountPhase::Active);
    row.register_finish.clear();
    row.draft.clear();
    row.effective_at_ms = 0;
    me::save_row(ctx, &row);
    ctx.event(EventKind::Phase { phase: crate::api::Phase::Active })?;
    people::activated(ctx)?;
    messaging::activated(ctx)?;
    groups::activated(ctx)?;
    online(ctx)
}

/// Looks the new session through.
fn online(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    let (Some(row), Some(session)) = (me::row(ctx)?, ctx.passing.account.connection.session.take()) else {
        return Ok(());
    };
    let link = identified(me::address(&row)?.relay());
    ctx.passing_event(EventKind::Link { state: LinkState::Online });
    open_address(ctx, &link, &row, &session);
    manifests::read(ctx, &row)?;
    proposal::at_login(ctx, session.proposal.clone())?;
    prekeys::at_login(ctx, session.prekeys.unwrap_or_default())?;
    vault_sync::read_all(ctx)?;
    book::read(ctx)?;
    statement::due(ctx)?;
    own_lookup::arm(ctx);
    addresses::due(ctx)?;
    closing::step(ctx)?;
    ending::step(ctx)?;
    removal::want_state_key(ctx)?;
    messaging::online(ctx, &link, &session)?;
    groups::online(ctx, &link, &session)?;
    presence::online(ctx)?;
    profiles::online(ctx)?;
    blobs::online(ctx)?;
    people::online(ctx)
}

fn open_address(ctx: &mut Ctx<'_, '_>, link: &LinkId, row: &Row, session: &DeviceSession) {
    if session.addresses.contains(&row.contact_address) {
        ctx.passing.account.connection.setup.address = true;
        return;
    }
    let mut body = relay::PutAddress { address: row.contact_address.clone(), ..Default::default() };
    body.set_kind(relay::AddressKind::Contact);
    ctx.ask(link, Pending::PutAddress, client_frame::Body::PutAddress(body));
}

pub(super) fn address_opened(
    ctx: &mut Ctx<'_, '_>,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<(), EngineError> {
    match result {
        Ok(relay_frame::Body::Ok(_)) => {
            ctx.passing.account.connection.setup.address = true;
            set_up(ctx)
        }
        // The next session tries again.
        Err(RequestError::Lost) => Ok(()),
        other => trouble(ctx, words::failed(other)),
    }
}

/// Answers `Register` once others can reach the account.
pub(super) fn set_up(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    if ctx.passing.account.connection.setup.done() { registered(ctx) } else { Ok(()) }
}

/// Answers `Register`: the account is there and durable. What is missing is made up for later.
pub(super) fn registered(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    if ctx.passing.account.flow.is_some()
        && me::me(ctx)?.is_some()
        && let Some(flow) = ctx.passing.account.flow.take()
    {
        let answer = register::answer(&flow);
        ctx.respond(flow.command, answer);
    }
    Ok(())
}

/// The connection went, or could not be made.
pub(super) fn link_down(
    ctx: &mut Ctx<'_, '_>,
    link: &LinkId,
    reason: &str,
    untrusted: bool,
) -> Result<(), EngineError> {
    let row = me::row(ctx)?;
    let own = row.as_ref().map(me::address).transpose()?.map(|address| identified(address.relay()));
    if own.as_ref() == Some(link) {
        ctx.passing.account.connection = super::Connection::default();
        profiles::offline(ctx);
        ctx.passing.timers.clear(Timer::Statement);
        ctx.passing_event(EventKind::Link { state: LinkState::Offline { reason: reason.to_owned() } });
        owner::lost(ctx, reason, untrusted)?;
        ending::lost(ctx);
    }
    let Some(flow) = &ctx.passing.account.flow else {
        return if untrusted { trouble(ctx, words::unreachable(reason, true)) } else { Ok(()) };
    };
    if *link != identified(flow.address.relay()) {
        return Ok(());
    }
    if me::me(ctx)?.is_some() {
        return registered(ctx);
    }
    let mut error = words::unreachable(reason, untrusted);
    if row.is_some_and(|row| matches!(row.phase(), AccountPhase::Registering | AccountPhase::Pending))
        && !untrusted
    {
        error =
            error.next("It goes on by itself as soon as the relay is reachable; look at the status then.");
    }
    super::fail(ctx, error)
}

/// Something that should have worked.
pub(super) fn trouble(ctx: &mut Ctx<'_, '_>, error: Error) -> Result<(), EngineError> {
    registered(ctx)?;
    let detail = error.to_string();
    if newly(ctx, detail.clone()) {
        return ctx.event(EventKind::Trouble { trouble: Trouble::RelayRefused { detail } });
    }
    Ok(())
}

/// A relay that deceives, or looks like it.
pub(super) fn alarm(ctx: &mut Ctx<'_, '_>, trouble: Trouble) -> Result<(), EngineError> {
    if newly(ctx, format!("{trouble:?}")) { ctx.event(EventKind::Trouble { trouble }) } else { Ok(()) }
}

/// Whether this was not said within a day: once is enough for one and the same.
fn newly(ctx: &mut Ctx<'_, '_>, what: String) -> bool {
    let now = ctx.now;
    let told = &mut ctx.passing.account.told;
    told.retain(|_, at| now.millis_since(*at) < DAY_MS);
    told.insert(what, now).is_none()
}
