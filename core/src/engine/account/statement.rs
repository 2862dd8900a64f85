//! Rollback: a store restored from a copy must not go on, since its ratchets would repeat keys.
//!
//! This device tells its relay, signed by itself, how many transactions it has committed; at login the relay returns the newest
//! such statement. A device that finds itself behind its own word stops, with its keys. The relay can hold a statement back, but
//! make none; an unsigned or foreign one is ignored (DESIGN §7 says what that leaves).

use wheesht_proto::{
    relay::{self, DeviceSession, ErrorCode as RelayCode, client_frame, relay_frame},
    stored::AccountStop,
};

use super::{
    super::{Ctx, EngineError, io::RequestError, links, timers::Timer},
    Pending,
    me::{self, Row, identified},
    session, stop, words,
};
use crate::{
    api::{Error, ErrorCode},
    signed::{Statement, UnverifiedStatement},
};

/// A statement follows commits by 30 to 90 seconds, so that it tells nobody what this device did when.
const DELAY_MS: std::ops::Range<u64> = 30_000..90_000;

/// A relay that doubts this device makes it log in anew no oftener than this (milliseconds).
const DOUBT_MS: u64 = 60 * 60_000;

/// Whether this store is behind what this device has stated.
pub(super) fn behind(ctx: &mut Ctx<'_, '_>, row: &Row, session: &DeviceSession) -> Result<bool, EngineError> {
    if session.statement.is_empty() {
        return Ok(false);
    }
    let device = me::signing_key(row)?;
    let statement = UnverifiedStatement::decode(&session.statement)
        .and_then(|statement| statement.verify(&device.verifying_key(), &device.device_id()));
    match statement {
        // DEV-7
        Ok(statement) => Ok(statement.commit_counter() > ctx.tx.commit_counter()),
        Err(_) => {
            let error =
                Error::new(ErrorCode::Relay, "The relay returned a statement that this device did not make.")
                    .next("It is ignored; if it lasts, ask the relay's operator.");
            session::trouble(ctx, error)?;
            Ok(false)
        }
    }
}

pub(super) fn roll_back(ctx: &mut Ctx<'_, '_>, row: Row) -> Result<(), EngineError> {
    stop::stop(ctx, row, AccountStop::RolledBack, AccountStop::Unspecified)
}

/// Says how far this device is, and again after a while.
pub(super) fn due(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    let Some(me) = me::me(ctx)?.filter(|_| ctx.passing.account.connection.online) else { return Ok(()) };
    // What has committed, not what this transaction will: a statement never runs ahead.
    let counter = ctx.tx.commit_counter();
    if counter > ctx.passing.account.connection.stated {
        ctx.passing.account.connection.stated = counter;
        let statement = Statement::sign(&me.signing, counter, ctx.now).encoded().to_vec();
        let body = relay::PutStatement { statement };
        ctx.ask(&identified(&me.relay), Pending::Statement, client_frame::Body::PutStatement(body));
    }
    let spread = DELAY_MS.end - DELAY_MS.start;
    let delay = DELAY_MS.start + u64::from_be_bytes(ctx.random()) % spread;
    let at = ctx.now.plus_millis(delay);
    ctx.passing.timers.set(Timer::Statement, at);
    Ok(())
}

/// The relay says that another copy of this store has come further under the same keys. Its word alone stops no device: a new
/// login shows the statement that says so, if there is one.
// DEV-7
fn doubt(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    let now = ctx.now;
    let before = ctx.passing.account.doubted.replace(now);
    let Some(row) = me::row(ctx)? else { return Ok(()) };
    if before.is_some_and(|before| now.millis_since(before) < DOUBT_MS) {
        let error = Error::new(ErrorCode::Relay, "The relay says that this device's store is an old copy.")
            .next("Nothing shows that it is; if it lasts, ask the relay's operator.");
        return session::trouble(ctx, error);
    }
    let link = identified(me::address(&row)?.relay());
    links::close(ctx, &link);
    session::link_down(ctx, &link, "this device logs in anew", false)?;
    links::open(ctx, &link);
    Ok(())
}

pub(super) fn put(
    ctx: &mut Ctx<'_, '_>,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<(), EngineError> {
    match result {
        Ok(relay_frame::Body::Ok(_)) | Err(RequestError::Lost) => Ok(()),
        Err(RequestError::Refused(error)) if error.code() == RelayCode::Conflict => doubt(ctx),
        Err(RequestError::Refused(error)) if error.code() == RelayCode::RateLimited => {
            ctx.passing.account.connection.stated = 0;
            Ok(())
        }
        other => session::trouble(ctx, words::failed(other)),
    }
}
