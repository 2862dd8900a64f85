//! A file on its way from a relay: asked for by a person, or small enough and of somebody known.

use wheesht_proto::{
    prost::Message as _,
    stored::{FilePlace, Transfer},
};

use super::{
    Found, Pending, find, name, queue,
    queue::MAX_TRANSFERS,
    reference, transfers,
    words::{self, Verdict},
};
use crate::{
    api::{ContactState, ConversationId, Error, ErrorCode},
    engine::{
        Ctx, EngineError,
        blobs::{self, BlobFailure, BlobOrder, BlobReport, Target},
        error::Failure,
        messaging::{member, row_id, settings},
        people,
        tables::{HISTORY, TRANSFERS},
    },
};

/// A message has come: its file is listed, and fetched if it may be.
pub(in super::super) fn arrived(
    ctx: &mut Ctx<'_, '_>,
    conversation: u64,
    position: u64,
) -> Result<(), EngineError> {
    let place = FilePlace { conversation, position };
    let Some(found) = find(ctx, &place)? else { return Ok(()) };
    if may_fetch(ctx, &found)? && transfers(ctx)?.len() < MAX_TRANSFERS {
        add(ctx, found, None, true)?;
        return queue::pump(ctx);
    }
    Ok(())
}

/// Whether a file is fetched by itself: of oneself, or of somebody with whom both sides have accepted to talk, and not larger than
/// the person has said.
// FIL-12
fn may_fetch(ctx: &mut Ctx<'_, '_>, found: &Found) -> Result<bool, EngineError> {
    let size = found.entry.file.as_ref().and_then(|file| Some(file.reference.as_ref()?.size));
    let most = settings::auto_download(ctx)?;
    if size.is_none_or(|size| size > most) {
        return Ok(false);
    }
    let sender = match &found.id {
        ConversationId::Direct(with) if !found.entry.outgoing => *with,
        _ => row_id(&found.entry.sender, HISTORY)?,
    };
    if !member::is_own(ctx, &sender)? {
        let contact = people::by_id(ctx, &sender)?;
        let known = |contact: &people::Contact| {
            contact.state == ContactState::Accepted
                && !contact.fellow
                && people::may_send(contact, "").is_ok()
        };
        if !contact.is_some_and(|contact| known(&contact)) {
            return Ok(false);
        }
    }
    Ok(reference::blob(ctx, &found.id, &found.entry)?.is_some())
}

/// A person wants it here.
pub(super) fn save(ctx: &mut Ctx<'_, '_>, found: Found, directory: Option<String>) -> Result<(), Failure> {
    let reference = found.entry.file.as_ref().and_then(|file| file.reference.as_ref());
    if reference.is_none_or(|reference| reference.blob_id.is_empty()) {
        let error = "Where this file lay is no longer known: the message comes from an export.";
        return Err(Error::new(ErrorCode::NotFound, error).next("Ask the sender to send it again.").into());
    }
    if reference::blob(ctx, &found.id, &found.entry)?.is_none() {
        let error = "The file is said to lie on a relay that is neither yours nor the sender's: it is not fetched from there.";
        return Err(Error::new(ErrorCode::UntrustedRelay, error)
            .next("Ask the sender to send it again.")
            .into());
    }
    queue::room(ctx)?;
    add(ctx, found, directory, false)?;
    queue::pump(ctx)?;
    Ok(())
}

fn add(
    ctx: &mut Ctx<'_, '_>,
    mut found: Found,
    directory: Option<String>,
    unasked: bool,
) -> Result<(), EngineError> {
    let path = directory.unwrap_or_default();
    let row = Transfer { place: Some(found.place()), path, unasked, ..Default::default() };
    let n = ctx.tx.append(TRANSFERS, b"", row.encode_to_vec())?;
    if let Some(file) = found.entry.file.as_mut() {
        file.transfer = n;
    }
    found.save(ctx);
    Ok(())
}

/// Goes on with it, from where it stands.
pub(super) fn begin(ctx: &mut Ctx<'_, '_>, n: u64, row: &Transfer, found: &Found) -> Result<(), EngineError> {
    let Some(blob) = reference::blob(ctx, &found.id, &found.entry)? else {
        return super::gone::abandon(ctx, n);
    };
    let order = BlobOrder::Download { blob, target: target(row, found) };
    let token = blobs::ask(ctx, blobs::Pending::File(Pending::Download(n)), order);
    queue::run(ctx, n, false, token);
    queue::tell(ctx, found, false, 0)
}

/// Where it goes.
pub(super) fn target(row: &Transfer, found: &Found) -> Target {
    let reference = found.entry.file.as_ref().and_then(|file| file.reference.as_ref());
    let name = name::clean(reference.map_or("", |reference| reference.name.as_str()));
    let directory = Some(row.path.clone()).filter(|path| !path.is_empty());
    Target::Directory { directory, name }
}

/// The driver has done it, or not.
pub(super) fn report(ctx: &mut Ctx<'_, '_>, n: u64, report: BlobReport) -> Result<(), EngineError> {
    let Some((row, mut found)) = queue::ended(ctx, n)? else { return Ok(()) };
    let failure = match report {
        BlobReport::Saved { path, media_type } => {
            queue::finish(ctx, n, &mut found);
            if let Some(file) = found.entry.file.as_mut() {
                (file.path, file.unasked) = (path, row.unasked);
                if let (Some(shown), Some(media_type)) = (file.reference.as_mut(), media_type) {
                    shown.media_type = name::clean_type(&media_type);
                }
            }
            queue::tell(ctx, &found, false, 0)?;
            found.save_and_tell(ctx)?;
            return queue::pump(ctx);
        }
        BlobReport::Failed(failure) => failure,
        _ => BlobFailure::Status(0),
    };
    match words::verdict(failure, false) {
        Verdict::Again(least_ms, error) => queue::again(ctx, n, &found, false, least_ms, Some(error)),
        Verdict::Stop(error) => queue::stop(ctx, n, row, found, &error),
        Verdict::NewTicket | Verdict::NewBlob | Verdict::LookAgain => {
            queue::stop(ctx, n, row, found, &words::in_vain())
        }
    }
}
