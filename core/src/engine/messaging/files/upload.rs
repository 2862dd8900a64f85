//! A file on its way to the own relay: a ticket, the blob, and then the message that refers to it.

use wheesht_proto::{content::FileRef, stored::Transfer};
use zeroize::Zeroizing;

use super::{
    Found, Pending,
    queue::{self, MAX_RENEWED},
    reference, send,
    words::{self, Verdict},
};
use crate::{
    api::{Error, MessageState},
    crypto::secret::Secret as _,
    engine::{
        Ctx, EngineError, account,
        blobs::{self, Blob, BlobFailure, BlobOrder, BlobReport, Looked, Source},
        messaging::{files::transfer, history},
        tables::TRANSFERS,
    },
    protocol::attachment::{FileKey, Layout},
};
use sha2::{Digest as _, Sha256};

/// Goes on with it, from where it stands.
pub(super) fn begin(ctx: &mut Ctx<'_, '_>, n: u64, row: &Transfer, found: &Found) -> Result<(), EngineError> {
    let (Some(link), Some(file)) = (account::own_link(ctx)?, &found.entry.file) else { return Ok(()) };
    let parts = file.reference.as_ref().and_then(reference::parts);
    let Some((id, key, digest)) = parts else { return Ok(()) };
    let Ok(ticket) = <[u8; 32]>::try_from(row.ticket.as_slice()) else {
        let length = Layout::of(digest.size).map_or(u64::MAX, |layout| layout.blob_len());
        queue::run(ctx, n, true, 0);
        blobs::ticket(ctx, &link, blobs::Pending::File(Pending::Upload(n)), length);
        return queue::tell(ctx, found, true, 0);
    };
    let order = BlobOrder::Upload {
        blob: Blob { relay: link.relay, id, key, digest },
        source: Source::Path { path: row.path.clone(), keep_metadata: row.keep_metadata },
        ticket,
        delete_hash: Sha256::digest(&file.delete_secret).into(),
    };
    let token = blobs::ask(ctx, blobs::Pending::File(Pending::Upload(n)), order);
    queue::run(ctx, n, true, token);
    queue::tell(ctx, found, true, 0)
}

/// The relay has given a ticket, or not.
pub(super) fn ticket(
    ctx: &mut Ctx<'_, '_>,
    n: u64,
    ticket: Result<[u8; 32], Option<Error>>,
) -> Result<(), EngineError> {
    // Paused or given up meanwhile: the ticket is lost, the next one is asked for.
    if ctx.passing.messaging.files.running.get(&n).is_none_or(|running| running.order != 0) {
        return Ok(());
    }
    let Some((mut row, found)) = queue::ended(ctx, n)? else { return Ok(()) };
    match ticket {
        Ok(ticket) => {
            row.ticket = ticket.to_vec();
            ctx.save(TRANSFERS, b"", n, &row);
            begin(ctx, n, &row, &found)
        }
        Err(Some(error)) if error.retry_after_ms.is_none() => queue::stop(ctx, n, row, found, &error),
        Err(error) => {
            let least = error.as_ref().and_then(|error| error.retry_after_ms).unwrap_or(0);
            queue::again(ctx, n, &found, true, u64::from(least), error)
        }
    }
}

/// The driver has done it, or not.
pub(super) fn report(ctx: &mut Ctx<'_, '_>, n: u64, report: BlobReport) -> Result<(), EngineError> {
    let Some((mut row, mut found)) = queue::ended(ctx, n)? else { return Ok(()) };
    let failure = match report {
        BlobReport::Uploaded => {
            queue::finish(ctx, n, &mut found);
            found.save(ctx);
            queue::tell(ctx, &found, true, 0)?;
            // FIL-10
            send::go(ctx, found)?;
            return queue::pump(ctx);
        }
        BlobReport::Failed(failure) => failure,
        _ => BlobFailure::Status(0),
    };
    row.renewed += 1;
    match words::verdict(failure, true) {
        Verdict::Again(least_ms, error) => queue::again(ctx, n, &found, true, least_ms, Some(error)),
        Verdict::Stop(error) => queue::stop(ctx, n, row, found, &error),
        _ if row.renewed > MAX_RENEWED => queue::stop(ctx, n, row, found, &words::in_vain()),
        Verdict::NewTicket => {
            row.ticket.clear();
            ctx.save(TRANSFERS, b"", n, &row);
            queue::pump(ctx)
        }
        Verdict::NewBlob => {
            renew(ctx, &mut found);
            row.ticket.clear();
            ctx.save(TRANSFERS, b"", n, &row);
            found.save(ctx);
            queue::pump(ctx)
        }
        Verdict::LookAgain => {
            ctx.save(TRANSFERS, b"", n, &row);
            let source = Source::Path { path: row.path.clone(), keep_metadata: row.keep_metadata };
            let pending = blobs::Pending::File(Pending::Again(n));
            let token = blobs::ask(ctx, pending, BlobOrder::Look(source));
            queue::run(ctx, n, true, token);
            Ok(())
        }
    }
}

/// The file has changed, and was looked at again: it is sent anew, under another key.
// FIL-7
pub(super) fn looked_again(ctx: &mut Ctx<'_, '_>, n: u64, report: BlobReport) -> Result<(), EngineError> {
    let Some((mut row, mut found)) = queue::ended(ctx, n)? else { return Ok(()) };
    let looked = match report {
        BlobReport::Looked(looked) => *looked,
        BlobReport::Failed(failure) => return queue::stop(ctx, n, row, found, &words::looking(failure)),
        _ => return queue::stop(ctx, n, row, found, &words::in_vain()),
    };
    if let Some(error) = send::too_large(ctx, looked.digest.size)? {
        return queue::stop(ctx, n, row, found, &error);
    }
    if let Some(reference) = found.entry.file.as_mut().and_then(|file| file.reference.as_mut()) {
        describe(reference, looked);
    }
    renew(ctx, &mut found);
    row.ticket.clear();
    ctx.save(TRANSFERS, b"", n, &row);
    found.save_and_tell(ctx)?;
    queue::pump(ctx)
}

/// What the reference says of the content.
pub(super) fn describe(reference: &mut FileRef, looked: Looked) {
    reference.size = looked.digest.size;
    reference.sha256 = looked.digest.sha256.to_vec();
    reference.media_type = super::name::clean_type(&looked.media_type);
    if let Some(picture) = looked.picture {
        (reference.width, reference.height) = (picture.width, picture.height);
        reference.preview = picture.preview;
    }
}

/// Another blob: another id, another key, another secret that deletes it.
fn renew(ctx: &mut Ctx<'_, '_>, found: &mut Found) {
    let (id, key, secret) = fresh(ctx);
    if let Some(file) = found.entry.file.as_mut() {
        file.delete_secret = secret;
        if let Some(reference) = file.reference.as_mut() {
            (reference.blob_id, reference.key) = (id, key);
        }
    }
}

/// What a new blob is known by, what opens it, and what deletes it.
// FIL-7
pub(super) fn fresh(ctx: &mut Ctx<'_, '_>) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    let id = ctx.random::<32>().to_vec();
    let key = FileKey::generate(ctx.rng).expose().to_vec();
    let secret = Zeroizing::new(ctx.random::<32>());
    (id, key, secret.to_vec())
}

/// A person calls it back.
pub(super) fn cancelled(ctx: &mut Ctx<'_, '_>, n: u64, found: Found) -> Result<(), EngineError> {
    let Some(row) = transfer(ctx, n)? else { return Ok(()) };
    // A part of it may lie there already.
    if !row.ticket.is_empty() {
        super::gone::delete_blob(ctx, &found)?;
    }
    queue::fail(ctx, n, &row, found, crate::api::FailReason::Cancelled)?;
    queue::pump(ctx)
}

/// It can't go any more: the message has failed, and the blob is of no use.
pub(super) fn in_vain(
    ctx: &mut Ctx<'_, '_>,
    found: &Found,
    reason: crate::api::FailReason,
) -> Result<(), EngineError> {
    super::gone::delete_blob(ctx, found)?;
    let message_id = found.entry.message_id.clone();
    history::advance(ctx, &found.id, &message_id, MessageState::Failed { reason })
}
