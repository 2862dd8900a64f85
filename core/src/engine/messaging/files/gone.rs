//! What goes with a message: the transfer of its file, the blob, and a copy that nobody asked for.

use wheesht_proto::{
    ids::BlobId,
    stored::{FilePlace, HistoryEntry},
};

use super::{Found, download, find, queue, reference, transfer};
use crate::{
    api::ConversationId,
    engine::{
        Ctx, EngineError, account,
        blobs::{self, BlobOrder},
        io::Effect,
        tables::{FILES, TRANSFERS},
    },
    store::Direction,
};

/// Files looked through for another that refers to the same blob.
const SEARCHED: usize = 10_000;

/// A message is gone. `for_all`: it was deleted for everybody, or its time is over; then the blob goes too if it is one's own, and what
/// was fetched unasked. What a person saved is theirs.
// FIL-16
pub(in super::super) fn gone(
    ctx: &mut Ctx<'_, '_>,
    id: &ConversationId,
    entry: &HistoryEntry,
    for_all: bool,
) -> Result<(), EngineError> {
    let Some(file) = &entry.file else { return Ok(()) };
    let (n, erased) = (file.transfer, for_all && file.unasked && !entry.outgoing && !file.path.is_empty());
    if n != 0 {
        abandon(ctx, n)?;
    }
    if for_all && entry.outgoing {
        delete(ctx, id, entry)?;
    }
    if erased {
        order(ctx, BlobOrder::Erase { path: file.path.clone() });
    }
    Ok(())
}

/// A transfer is given up, with what a download has left.
pub(in super::super) fn abandon(ctx: &mut Ctx<'_, '_>, n: u64) -> Result<(), EngineError> {
    queue::halt(ctx, n);
    ctx.passing.messaging.files.retry.remove(&n);
    let Some(row) = transfer(ctx, n)? else { return Ok(()) };
    ctx.tx.delete(TRANSFERS, b"", n);
    if !row.upload
        && let Some(place) = &row.place
        && let Some(mut found) = find(ctx, place)?
    {
        discard(ctx, &row, &found);
        if let Some(file) = found.entry.file.as_mut().filter(|file| file.transfer == n) {
            file.transfer = 0;
            found.save(ctx);
        }
    }
    Ok(())
}

/// Removes what a download has left.
pub(super) fn discard(ctx: &mut Ctx<'_, '_>, row: &wheesht_proto::stored::Transfer, found: &Found) {
    let reference = found.entry.file.as_ref().and_then(|file| file.reference.as_ref());
    if let Some((id, _, _)) = reference.and_then(reference::parts) {
        order(ctx, BlobOrder::Discard { id, target: download::target(row, found) });
    }
}

/// Deletes the blob of a message of one's own.
pub(super) fn delete_blob(ctx: &mut Ctx<'_, '_>, found: &Found) -> Result<(), EngineError> {
    delete(ctx, &found.id, &found.entry)
}

fn delete(ctx: &mut Ctx<'_, '_>, id: &ConversationId, entry: &HistoryEntry) -> Result<(), EngineError> {
    let (Some(file), Some(blob)) = (&entry.file, reference::blob(ctx, id, entry)?) else { return Ok(()) };
    let Some(own) = account::own_link(ctx)?.filter(|own| own.relay.authority() == blob.relay.authority())
    else {
        return Ok(());
    };
    let Ok(secret) = <[u8; 32]>::try_from(file.delete_secret.as_slice()) else { return Ok(()) };
    if sent_elsewhere(ctx, entry, &blob.id)? {
        return Ok(());
    }
    blobs::delete(ctx, &own.relay, &blob.id, &secret)
}

/// Whether another message of one's own refers to the same blob: one that was sent on.
fn sent_elsewhere(ctx: &Ctx<'_, '_>, entry: &HistoryEntry, blob: &BlobId) -> Result<bool, EngineError> {
    for (_, row) in ctx.tx.scan(FILES, b"", .., Direction::Backward, SEARCHED)? {
        let Some(found) = place(&row).map(|place| find(ctx, &place)).transpose()?.flatten() else { continue };
        let reference = found.entry.file.as_ref().and_then(|file| file.reference.as_ref());
        let same = reference.is_some_and(|reference| reference.blob_id == blob.as_ref());
        if same && found.entry.outgoing && found.entry.message_id != entry.message_id {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A row of the list of files.
pub(super) fn place(row: &[u8]) -> Option<FilePlace> {
    wheesht_proto::prost::Message::decode(row).ok()
}

/// Nobody waits for what comes of it.
fn order(ctx: &mut Ctx<'_, '_>, order: BlobOrder) {
    let token = ctx.passing.token();
    ctx.effects.push(Effect::Blob { token, order });
}
