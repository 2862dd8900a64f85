//! The own name, looked up as a stranger would, at random times: a relay that shows others another identity is found out.
//!
//! It goes over the unauthenticated connection, so the relay can't tell this look-up from a stranger's.

use wheesht_proto::{
    limits::DAY_MS,
    relay::{self, ErrorCode as RelayCode, LookupOk, client_frame, relay_frame},
};

use super::{
    super::{Ctx, EngineError, io::RequestError, timers::Timer},
    Me, Pending, manifests,
    me::{self, anonymous_link},
    session,
};
use crate::{
    api::{Error, ErrorCode, Trouble},
    signed::UnverifiedManifest,
};

/// Between two look-ups lies a random time of at least this long (milliseconds) …
const MIN_MS: u64 = 60 * 60_000;

/// … and less than this.
const MAX_MS: u64 = DAY_MS / 2;

/// Arms the timer, unless it is.
pub(super) fn arm(ctx: &mut Ctx<'_, '_>) {
    let delay = MIN_MS + u64::from_be_bytes(ctx.random()) % (MAX_MS - MIN_MS);
    let at = ctx.now.plus_millis(delay);
    ctx.passing.timers.set_by(Timer::OwnLookup, at);
}

pub(super) fn due(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    let Some(me) = me::me(ctx)? else { return Ok(()) };
    arm(ctx);
    let ask = relay::Lookup { name: me.address.name().as_str().to_owned() };
    ctx.ask(&anonymous_link(&me.relay), Pending::OwnLookup, client_frame::Body::Lookup(ask));
    Ok(())
}

pub(super) fn answered(
    ctx: &mut Ctx<'_, '_>,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<(), EngineError> {
    let Some(me) = me::me(ctx)? else { return Ok(()) };
    match result {
        Ok(relay_frame::Body::LookupOk(answer)) => check(ctx, &me, &answer),
        Err(RequestError::Refused(error)) if error.code() == RelayCode::NotFound => {
            session::alarm(ctx, Trouble::OwnNameMismatch)
        }
        // The next one will tell.
        _ => Ok(()),
    }
}

fn check(ctx: &mut Ctx<'_, '_>, me: &Me, answer: &LookupOk) -> Result<(), EngineError> {
    // DEV-10
    let shown = UnverifiedManifest::decode(&answer.manifest)
        .and_then(|manifest| manifest.verify_alone(Some(&me.account), Some(&me.address)));
    let Ok(shown) = shown else { return session::alarm(ctx, Trouble::OwnNameMismatch) };
    if answer.request_address != me.request_address.as_ref() {
        let error =
            Error::new(ErrorCode::Relay, "The relay gives strangers another address than this account's.")
                .next("Requests from new people may not arrive; ask the relay's operator.");
        return session::trouble(ctx, error);
    }
    if shown.version() < me.manifest.version() {
        return session::alarm(ctx, Trouble::ManifestWithheld { account: me.account });
    }
    manifests::observe_own_head(ctx, shown.head())
}
