//! A device that asks to join, as the account's other devices see it: shown, confirmed or rejected.
//!
//! The relay can pass on or hold back a proposal; it can't make one, since the identity key signs it. Who holds the password can:
//! so the person compares the code that both devices show.

use std::rc::Rc;

use sha2::{Digest as _, Sha256};
use wheesht_proto::{
    relay::{self, client_frame, relay_frame},
    stored,
};

use super::{
    super::{Ctx, EngineError, error::Answer, io::RequestError, tables::PROPOSAL},
    Me, Pending,
    commands::effective_at,
    manifests,
    me::{self, identified},
    words,
};
use crate::{
    api::{DeviceProposal, Error, ErrorCode, EventKind, Response},
    signed::{
        Manifest, UnverifiedManifest,
        manifest::{Draft, Step},
    },
};

const CODE_DOMAIN: &[u8] = b"wheesht/1 proposal code";

/// The code that both sides show: eight digits.
pub(super) fn code(hash: &[u8; 32]) -> String {
    // DEV-4
    let digest: [u8; 32] = Sha256::new().chain_update(CODE_DOMAIN).chain_update(hash).finalize().into();
    let number = digest.first_chunk().map_or(0, |first: &[u8; 8]| u64::from_be_bytes(*first));
    format!("{:04} {:04}", number / 10_000 % 10_000, number % 10_000)
}

/// The relay pushes what stands now: a proposal, or none.
pub(super) fn pushed(ctx: &mut Ctx<'_, '_>, proposal: relay::Proposal) -> Result<(), EngineError> {
    if me::me(ctx)?.is_none() {
        return Ok(());
    }
    if proposal.manifest.is_empty() {
        clear(ctx)?;
        // It may stand no more because it took effect.
        manifests::look_for_manifest(ctx)?;
        return Ok(());
    }
    let row: Option<stored::AccountProposal> = ctx.load(PROPOSAL, b"", 0)?;
    let same = row.as_ref().is_some_and(|row| row.manifest == proposal.manifest);
    let announced = same && row.is_some_and(|row| row.announced);
    let row = stored::AccountProposal {
        manifest: proposal.manifest,
        effective_at_ms: proposal.effective_at_ms,
        announced,
    };
    ctx.save(PROPOSAL, b"", 0, &row);
    announce(ctx)
}

/// What stood when this device logged in.
pub(super) fn at_login(ctx: &mut Ctx<'_, '_>, proposal: Option<relay::Proposal>) -> Result<(), EngineError> {
    match proposal.filter(|proposal| !proposal.manifest.is_empty()) {
        Some(proposal) => pushed(ctx, proposal),
        None => clear(ctx),
    }
}

/// A proposal that followed on a version not yet known may be good now; one that was overtaken is gone.
pub(super) fn manifest_changed(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    let Some(me) = me::me(ctx)? else { return Ok(()) };
    let Some(row) = load(ctx)? else { return Ok(()) };
    let overtaken = UnverifiedManifest::decode(&row.manifest)
        .map_or(true, |draft| draft.version() <= me.manifest.version());
    if overtaken { clear(ctx) } else { announce(ctx) }
}

/// The proposal that stands, as the app sees it.
pub(super) fn standing(ctx: &Ctx<'_, '_>, me: &Me) -> Result<Option<DeviceProposal>, EngineError> {
    Ok(draft(ctx, me)?.map(|(draft, row)| to_api(&draft, &row)))
}

/// `ConfirmDevice`.
pub(super) fn confirm(ctx: &mut Ctx<'_, '_>, id: u64, proposal: &str) -> Answer {
    let (me, draft) = named(ctx, proposal)?;
    if draft.step() == Step::EvictsAll {
        let error = Error::new(
            ErrorCode::Invalid,
            "This request removes every device of the account, this one included.",
        );
        return Err(error
            .next("It takes effect by itself when its time has come; reject it to stop it.")
            .into());
    }
    let Ok(manifest) = draft.countersign(&me.signing) else { return Err(gone().into()) };
    let body = relay::ConfirmProposal { manifest: manifest.encoded().to_vec() };
    let pending = Pending::Confirm(id, Box::new(manifest));
    ctx.ask(&identified(&me.relay), pending, client_frame::Body::ConfirmProposal(body));
    Ok(None)
}

pub(super) fn confirmed(
    ctx: &mut Ctx<'_, '_>,
    id: u64,
    manifest: Manifest,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<(), EngineError> {
    match result {
        Ok(relay_frame::Body::Ok(_)) => {
            manifests::adopt(ctx, vec![manifest])?;
            clear(ctx)?;
            ctx.respond(id, Ok(Response::Done));
            Ok(())
        }
        other => undecided(ctx, id, other),
    }
}

/// `RejectDevice`.
pub(super) fn reject(ctx: &mut Ctx<'_, '_>, id: u64, proposal: &str) -> Answer {
    let (me, draft) = named(ctx, proposal)?;
    let body = relay::RejectProposal { proposal_id: draft.hash().to_vec() };
    ctx.ask(&identified(&me.relay), Pending::Reject(id), client_frame::Body::RejectProposal(body));
    Ok(None)
}

pub(super) fn rejected(
    ctx: &mut Ctx<'_, '_>,
    id: u64,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<(), EngineError> {
    match result {
        Ok(relay_frame::Body::Ok(_)) => {
            clear(ctx)?;
            ctx.respond(id, Ok(Response::Done));
            Ok(())
        }
        other => undecided(ctx, id, other),
    }
}

fn undecided(
    ctx: &mut Ctx<'_, '_>,
    id: u64,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<(), EngineError> {
    if matches!(&result, Err(RequestError::Refused(error)) if error.code() == relay::ErrorCode::NotFound) {
        clear(ctx)?;
        manifests::look_for_manifest(ctx)?;
        ctx.respond(id, Err(gone()));
        return Ok(());
    }
    ctx.respond(id, Err(words::failed(result)));
    Ok(())
}

fn named(ctx: &mut Ctx<'_, '_>, proposal: &str) -> Result<(Rc<Me>, Draft), super::super::error::Failure> {
    let Some(me) = me::me(ctx)? else { return Err(me::not_active(ctx)?.into()) };
    match draft(ctx, &me)? {
        Some((draft, row)) if to_api(&draft, &row).id == proposal => Ok((me, draft)),
        _ => Err(gone().into()),
    }
}

fn gone() -> Error {
    Error::new(ErrorCode::NotFound, "No such request to join stands.").next("Look at the list of devices.")
}

/// Tells the person of a proposal that holds, once.
fn announce(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    let Some(me) = me::me(ctx)? else { return Ok(()) };
    let Some((draft, mut row)) = draft(ctx, &me)?.filter(|(_, row)| !row.announced) else { return Ok(()) };
    row.announced = true;
    ctx.save(PROPOSAL, b"", 0, &row);
    ctx.event(EventKind::DeviceProposal { proposal: Some(to_api(&draft, &row)) })
}

fn clear(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    let Some(row) = load(ctx)? else { return Ok(()) };
    ctx.tx.delete(PROPOSAL, b"", 0);
    if row.announced { ctx.event(EventKind::DeviceProposal { proposal: None }) } else { Ok(()) }
}

/// The proposal that stands, if the identity key signed it and it follows on the newest manifest.
fn draft(ctx: &Ctx<'_, '_>, me: &Me) -> Result<Option<(Draft, stored::AccountProposal)>, EngineError> {
    let Some(row) = load(ctx)? else { return Ok(None) };
    let draft = UnverifiedManifest::decode(&row.manifest).and_then(|draft| draft.verify_draft(&me.manifest));
    Ok(draft.ok().map(|draft| (draft, row)))
}

fn load(ctx: &Ctx<'_, '_>) -> Result<Option<stored::AccountProposal>, EngineError> {
    ctx.load(PROPOSAL, b"", 0)
}

fn to_api(draft: &Draft, row: &stored::AccountProposal) -> DeviceProposal {
    let hash = draft.hash();
    DeviceProposal {
        id: hash.iter().map(|byte| format!("{byte:02x}")).collect(),
        code: code(&hash),
        evicts: draft.step() == Step::EvictsAll,
        effective_at: effective_at(row.effective_at_ms),
    }
}
