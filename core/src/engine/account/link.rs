//! A link for a new device: made on one that is in use, shown as text or code, and proved to be known by the one that joins.
//!
//! ```text
//!  here:  MakeDeviceLink ─▶ row DeviceLink ── a proposal with the right proof ─▶ countersigned ─▶ in the chain ─▶ used
//!  there: LogInByLink ─▶ login ─▶ is it that account? ─▶ ProposeManifest{proof}
//! ```
//!
//! It is the confirmation that a person gives by comparing codes, begun on the other side, and changes nothing else: the proposal is
//! signed by the identity key, for which the password was typed, and the new device can do nothing until it is confirmed. A link
//! confirms one proposal, ever: the row notes which before the relay hears of it, so neither a crash nor a relay that shows another
//! one gets a second. A proof that doesn't hold, or is taken away on its way, leaves a request like any other, with a code.

use wheesht_proto::{limits::MAX_DEVICES, stored};
use zeroize::Zeroizing;

use super::{
    super::{Ctx, EngineError, error::Answer, tables::DEVICE_LINK},
    Me,
    login::{self, Way},
    me, pending, proposal, session,
};
use crate::{
    api::{self, Error, ErrorCode, Password, Response, Trouble},
    protocol::device_link::{DeviceLink, LinkSecret},
    signed::{
        Manifest,
        manifest::{Draft, Step},
    },
};

/// How long a link is good (milliseconds): time to walk to the other machine, and little more.
const LIFETIME_MS: u64 = 10 * 60_000;

/// `MakeDeviceLink`.
// DEV-20
pub(super) fn make(ctx: &mut Ctx<'_, '_>) -> Answer {
    let Some(me) = me::me(ctx)? else { return Err(me::not_active(ctx)?.into()) };
    if me.manifest.devices().len() >= MAX_DEVICES {
        return Err(pending::too_many().next("Remove one that you don't use any more.").into());
    }
    let secret = LinkSecret::generate(&mut *ctx.rng);
    let expires = ctx.now.plus_millis(LIFETIME_MS);
    let row = stored::DeviceLink {
        secret: secret.expose().to_vec(),
        expires_ms: expires.as_millis(),
        ..Default::default()
    };
    ctx.save(DEVICE_LINK, b"", 0, &row);
    let link =
        DeviceLink { address: me.address.clone(), identity: me.account, maker: me.device, expires, secret };
    let code = Password::new(link.to_text().as_str());
    Ok(Some(Response::DeviceLink { link: api::DeviceLink { code, expires } }))
}

/// `RevokeDeviceLink`.
pub(super) fn revoke(ctx: &mut Ctx<'_, '_>) -> Response {
    ctx.tx.delete(DEVICE_LINK, b"", 0);
    Response::Done
}

/// `LogInByLink`.
pub(super) fn log_in(
    ctx: &mut Ctx<'_, '_>,
    id: u64,
    link: &Password,
    password: &Password,
    label: String,
) -> Answer {
    let link = DeviceLink::from_text(link.expose()).map_err(|_| {
        Error::new(ErrorCode::Invalid, "This is no link for a device.")
            .next("Copy it whole: it begins with wheesht:device/. Another of your devices makes one.")
    })?;
    // DEV-22
    if link.expires <= ctx.now {
        let error = Error::new(ErrorCode::Invalid, "This link is no longer good: it was for ten minutes.");
        return Err(error
            .next("Make another on the device that made it; check both clocks if that is new.")
            .into());
    }
    login::command(ctx, id, link.address.clone(), password, label, Way::Link(Box::new(link)))
}

/// Whether the account that the relay shows is the one that the link is for.
// DEV-22
pub(super) fn fits(link: &DeviceLink, newest: &Manifest) -> Result<(), Error> {
    if link.identity != newest.identity() {
        let error = Error::new(ErrorCode::Relay, "The relay shows another account than the link is for.");
        return Err(error.next(
            "Nothing was done. Make sure that the link is your own; if it is, ask the relay's operator.",
        ));
    }
    if newest.device(&link.maker).is_none() {
        let error = Error::new(
            ErrorCode::Invalid,
            "The device that made this link is no longer one of the account's.",
        );
        return Err(error.next("Make another link on a device that is."));
    }
    Ok(())
}

/// A proposal stands that the person was not told of: whether it is dealt with, because it has the proof of the link made here.
// DEV-21
pub(super) fn takes(
    ctx: &mut Ctx<'_, '_>,
    me: &Me,
    draft: &Draft,
    proof: &[u8],
) -> Result<bool, EngineError> {
    let Some(mut row) = load(ctx)? else { return Ok(false) };
    let hash = draft.hash();
    if row.expires_ms <= ctx.now.as_millis() && row.confirmed != hash {
        ctx.tx.delete(DEVICE_LINK, b"", 0);
        return Ok(false);
    }
    let secret = Zeroizing::new(std::mem::take(&mut row.secret));
    let Ok(secret) = secret.as_slice().try_into().map(LinkSecret::restore) else { return Ok(false) };
    if !secret.proves(&me.device, &hash, proof) {
        return Ok(false);
    }
    if row.used {
        proposal::ask_to_reject(ctx, me, None, &hash);
        session::alarm(ctx, Trouble::DeviceLinkUsedTwice)?;
        return Ok(true);
    }
    let plain = draft.step() == Step::Adds && draft.added().count() == 1 && draft.removed().count() == 0;
    let first = row.confirmed.is_empty() || row.confirmed == hash;
    if !plain || !first {
        return Ok(false);
    }
    let Ok(manifest) = draft.clone().countersign(&me.signing) else { return Ok(false) };
    row.confirmed = hash.to_vec();
    row.secret = secret.expose().to_vec();
    ctx.save(DEVICE_LINK, b"", 0, &row);
    proposal::ask_to_confirm(ctx, me, None, manifest);
    Ok(true)
}

/// Verified versions were taken over.
pub(super) fn adopted(ctx: &mut Ctx<'_, '_>, chain: &[Manifest]) -> Result<(), EngineError> {
    let Some(mut row) = load(ctx)? else { return Ok(()) };
    if chain.iter().any(|manifest| manifest.hash().as_slice() == row.confirmed) {
        row.used = true;
        ctx.save(DEVICE_LINK, b"", 0, &row);
    }
    Ok(())
}

fn load(ctx: &Ctx<'_, '_>) -> Result<Option<stored::DeviceLink>, EngineError> {
    ctx.load(DEVICE_LINK, b"", 0)
}
