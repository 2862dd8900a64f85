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
    link, manifests,
    me::{self, identified},
    session, words,
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
        proof: proposal.proof,
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
    ask_to_confirm(ctx, &me, Some(id), manifest);
    Ok(None)
}

/// Brings a countersigned draft to the relay, for a command or because of a link.
pub(super) fn ask_to_confirm(ctx: &mut Ctx<'_, '_>, me: &Me, command: Option<u64>, manifest: Manifest) {
    let body = relay::ConfirmProposal { manifest: manifest.encoded().to_vec() };
    let pending = Pending::Confirm(command, Box::new(manifest));
    ctx.ask(&identified(&me.relay), pending, client_frame::Body::ConfirmProposal(body));
}

pub(super) fn confirmed(
    ctx: &mut Ctx<'_, '_>,
    command: Option<u64>,
    manifest: Manifest,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<(), EngineError> {
    match result {
        Ok(relay_frame::Body::Ok(_)) => {
            manifests::adopt(ctx, vec![manifest])?;
            clear(ctx)?;
            done(ctx, command);
            Ok(())
        }
        other => undecided(ctx, command, other),
    }
}

/// `RejectDevice`.
pub(super) fn reject(ctx: &mut Ctx<'_, '_>, id: u64, proposal: &str) -> Answer {
    let (me, draft) = named(ctx, proposal)?;
    ask_to_reject(ctx, &me, Some(id), &draft.hash());
    Ok(None)
}

pub(super) fn ask_to_reject(ctx: &mut Ctx<'_, '_>, me: &Me, command: Option<u64>, hash: &[u8; 32]) {
    let body = relay::RejectProposal { proposal_id: hash.to_vec() };
    ctx.ask(&identified(&me.relay), Pending::Reject(command), client_frame::Body::RejectProposal(body));
}

pub(super) fn rejected(
    ctx: &mut Ctx<'_, '_>,
    command: Option<u64>,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<(), EngineError> {
    match result {
        Ok(relay_frame::Body::Ok(_)) => {
            clear(ctx)?;
            done(ctx, command);
            Ok(())
        }
        other => undecided(ctx, command, other),
    }
}

fn done(ctx: &mut Ctx<'_, '_>, command: Option<u64>) {
    if let Some(id) = command {
        ctx.respond(id, Ok(Response::Done));
    }
}

fn undecided(
    ctx: &mut Ctx<'_, '_>,
    command: Option<u64>,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<(), EngineError> {
    if matches!(&result, Err(RequestError::Refused(error)) if error.code() == relay::ErrorCode::NotFound) {
        clear(ctx)?;
        manifests::look_for_manifest(ctx)?;
        if let Some(id) = command {
            ctx.respond(id, Err(gone()));
        }
        return Ok(());
    }
    match command {
        Some(id) => ctx.respond(id, Err(words::failed(result))),
        // The next session shows what stands, and it goes on.
        None if matches!(result, Err(RequestError::Lost)) => {}
        None => return session::trouble(ctx, words::failed(result)),
    }
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
    if link::takes(ctx, &me, &draft, &row.proof)? {
        return Ok(());
    }
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
