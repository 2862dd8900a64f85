//! Taking in what another own device hands over: part after part, a few messages in each turn of the engine.

use wheesht_proto::{
    content::HistoryPart,
    ids::{BlobId, DeviceId},
    prost::Message as _,
    stored::{HandedPart, HandedSpot},
};
use zeroize::Zeroizing;

use super::{
    super::{
        super::{
            Ctx, EngineError, account,
            blobs::{self, Blob, BlobFailure, BlobOrder, BlobReport, Target},
            error::Failure,
            tables::{HANDED, HANDED_SPOT},
        },
        conversations,
        files::{Verdict, verdict},
        import,
    },
    Pending,
    part::{self, Batch},
    tell,
};
use crate::{
    api::{Error, ErrorCode, ExportLine, HistoryTransferState, Response},
    crypto::secret::Secret as _,
    protocol::attachment::{Digest, FileKey},
    store::Direction,
};

/// Parts that may wait: more than any history that fits on a machine, and a bound on rows.
const MAX_WAITING: usize = 10_000;

/// Messages taken in at once, and how large their lines may be together (bytes, about).
const AT_ONCE: usize = 100;
const SIZE: usize = 128 << 10;

/// A part being taken in.
pub(super) struct Taking {
    n: u64,
    /// The driver's order, while the part is fetched.
    order: Option<u64>,
    lines: Zeroizing<Vec<u8>>,
    at: usize,
    conversation: Option<(crate::api::ConversationId, u64)>,
}

/// Another own device tells of a part.
// DEV-25
pub(in super::super) fn receive(
    ctx: &mut Ctx<'_, '_>,
    from: &DeviceId,
    part: HistoryPart,
) -> Result<(), EngineError> {
    let Some(me) = account::me(ctx)? else { return Ok(()) };
    let sound = BlobId::try_from(part.blob_id.as_slice()).is_ok()
        && [&part.key, &part.sha256, &part.delete_secret].into_iter().all(|field| field.len() == 32)
        && part.transfer.len() == 16
        && part.size <= part::MAX_PART;
    if part.device_id != me.device.as_ref() || !sound {
        return Ok(());
    }
    if ctx.tx.scan(HANDED, b"", .., Direction::Forward, MAX_WAITING)?.len() >= MAX_WAITING {
        return Ok(());
    }
    let row = HandedPart { from: from.to_vec(), part: Some(part) };
    ctx.tx.append(HANDED, b"", row.encode_to_vec())?;
    super::due(ctx)
}

/// Whether lines wait to be taken in.
pub(super) fn busy(ctx: &Ctx<'_, '_>) -> bool {
    let taking = &ctx.passing.messaging.handover.taking;
    taking.as_ref().is_some_and(|taking| taking.order.is_none())
}

/// Takes some in, or fetches the next part.
pub(super) fn pump(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    match ctx.passing.messaging.handover.taking.take() {
        Some(taking) if taking.order.is_none() => take_some(ctx, taking),
        Some(taking) => {
            ctx.passing.messaging.handover.taking = Some(taking);
            Ok(())
        }
        None => fetch(ctx),
    }
}

fn fetch(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    if ctx.passing.messaging.handover.take_retry.rests(ctx.now) {
        return Ok(());
    }
    let (Some(link), Some((n, part))) = (account::own_link(ctx)?, first(ctx)?) else { return Ok(()) };
    let (Ok(id), Ok(key), Ok(sha256)) = (
        BlobId::try_from(part.blob_id.as_slice()),
        <&[u8; 32]>::try_from(part.key.as_slice()),
        part.sha256.as_slice().try_into(),
    ) else {
        ctx.tx.delete(HANDED, b"", n);
        return Ok(());
    };
    // It lies on the account's own relay, and nowhere else.
    let digest = Digest { size: part.size, sha256 };
    let blob = Blob { relay: link.relay, id, key: FileKey::restore(key), digest };
    let order = BlobOrder::Download { blob, target: Target::Memory };
    let token = blobs::ask(ctx, blobs::Pending::Handover(Pending::Take(n)), order);
    let taking = Taking { n, order: Some(token), lines: Zeroizing::default(), at: 0, conversation: None };
    ctx.passing.messaging.handover.taking = Some(taking);
    Ok(())
}

/// The driver has it, or not.
pub(super) fn report(ctx: &mut Ctx<'_, '_>, n: u64, report: BlobReport) -> Result<(), EngineError> {
    let Some(mut taking) = ctx.passing.messaging.handover.taking.take_if(|taking| taking.n == n) else {
        return Ok(());
    };
    let failure = match report {
        BlobReport::Fetched(lines) => {
            ctx.passing.messaging.handover.take_retry = Default::default();
            taking.order = None;
            taking.lines = lines;
            ctx.passing.messaging.handover.taking = Some(taking);
            return Ok(());
        }
        BlobReport::Failed(failure) => failure,
        _ => BlobFailure::Status(0),
    };
    let Some(row) = load(ctx, n)? else { return Ok(()) };
    match verdict(failure, false) {
        Verdict::Again(least, error) => {
            let now = ctx.now;
            ctx.passing.messaging.handover.take_retry.fail(now, least);
            say(ctx, &row, 0, HistoryTransferState::Waiting { error })
        }
        Verdict::Stop(error) => {
            ctx.tx.delete(HANDED, b"", n);
            let error = error.next("Have it handed over again; what is here already stays.");
            say(ctx, &row, 0, HistoryTransferState::Failed { error })
        }
        Verdict::NewTicket | Verdict::NewBlob | Verdict::LookAgain => {
            ctx.tx.delete(HANDED, b"", n);
            let error = Error::new(ErrorCode::Relay, "A part of the history is not as it was sent.")
                .next("Have it handed over again; what is here already stays.");
            say(ctx, &row, 0, HistoryTransferState::Failed { error })
        }
    }
}

/// The next few messages of a part; with the last of them the part is done.
fn take_some(ctx: &mut Ctx<'_, '_>, mut taking: Taking) -> Result<(), EngineError> {
    let Some(row) = load(ctx, taking.n)? else { return Ok(()) };
    let Some(part) = row.part.clone() else { return Ok(()) };
    if let Some(batch) = next(&mut taking) {
        let spot: HandedSpot = ctx.load(HANDED_SPOT, b"", 0)?.unwrap_or_default();
        let key = conversations::key(&batch.conversation);
        let same = spot.transfer == part.transfer && spot.conversation == key;
        let cursor = (same && spot.cursor > 0).then_some(spot.cursor);
        let answer = import::import(ctx, &batch.conversation, cursor, batch.remaining, batch.messages);
        match answer {
            Ok(Some(Response::Imported { imported })) => {
                let cursor = imported.cursor.unwrap_or_default();
                let spot = HandedSpot { transfer: part.transfer.clone(), conversation: key, cursor };
                ctx.save(HANDED_SPOT, b"", 0, &spot);
            }
            Err(Failure::Engine(error)) => return Err(error),
            // What can't be taken in is left out, as in every import.
            Ok(_) | Err(Failure::Answer(_)) => {}
        }
    }
    if taking.at < taking.lines.len() {
        ctx.passing.messaging.handover.taking = Some(taking);
        return Ok(());
    }
    ctx.tx.delete(HANDED, b"", taking.n);
    discard(ctx, &part)?;
    let state = if part.last { HistoryTransferState::Done } else { HistoryTransferState::Running };
    if part.last {
        ctx.tx.delete(HANDED_SPOT, b"", 0);
    }
    say(ctx, &row, part.messages, state)?;
    fetch(ctx)
}

/// Messages of one conversation, as many as are taken in at once. None: none are left in the part.
fn next(taking: &mut Taking) -> Option<Batch> {
    let mut batch: Option<Batch> = None;
    let mut size = 0;
    while let Some(rest) = taking.lines.get(taking.at..).filter(|rest| !rest.is_empty()) {
        let length = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |at| at + 1);
        let line = part::read(rest.get(..length).unwrap_or_default());
        match line {
            Some(ExportLine::Conversation { id, messages, .. }) => {
                if batch.is_some() {
                    return batch;
                }
                taking.conversation = Some((id, messages));
            }
            Some(ExportLine::Message { message }) => {
                if let Some((id, remaining)) = &mut taking.conversation
                    && message.conversation == *id
                {
                    let batch = batch.get_or_insert(Batch {
                        conversation: *id,
                        remaining: *remaining,
                        messages: Vec::new(),
                    });
                    batch.messages.push(*message);
                    *remaining = remaining.saturating_sub(1);
                    size += length;
                }
            }
            // What a newer version wrote is passed over.
            _ => {}
        }
        taking.at += length;
        if size >= SIZE || batch.as_ref().is_some_and(|batch| batch.messages.len() >= AT_ONCE) {
            break;
        }
    }
    batch
}

/// The blob is of no more use.
fn discard(ctx: &mut Ctx<'_, '_>, part: &HistoryPart) -> Result<(), EngineError> {
    let (Some(link), Ok(id), Ok(secret)) = (
        account::own_link(ctx)?,
        BlobId::try_from(part.blob_id.as_slice()),
        <&[u8; 32]>::try_from(part.delete_secret.as_slice()),
    ) else {
        return Ok(());
    };
    blobs::delete(ctx, &link.relay, &id, secret)
}

pub(super) fn stopped(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    if let Some(order) = ctx.passing.messaging.handover.taking.take().and_then(|taking| taking.order) {
        blobs::stop(ctx, order);
    }
    ctx.tx.delete(HANDED_SPOT, b"", 0);
    Ok(ctx.tx.delete_all(HANDED, b"")?)
}

fn say(
    ctx: &mut Ctx<'_, '_>,
    row: &HandedPart,
    more: u64,
    state: HistoryTransferState,
) -> Result<(), EngineError> {
    let device = super::super::row_id(&row.from, HANDED)?;
    let Some(part) = &row.part else { return Ok(()) };
    tell(ctx, device, false, part.done.saturating_add(more), part.total, state)
}

fn load(ctx: &Ctx<'_, '_>, n: u64) -> Result<Option<HandedPart>, EngineError> {
    ctx.load(HANDED, b"", n)
}

/// The part whose turn it is.
fn first(ctx: &Ctx<'_, '_>) -> Result<Option<(u64, HistoryPart)>, EngineError> {
    let Some((n, row)) = ctx.tx.scan(HANDED, b"", .., Direction::Forward, 1)?.pop() else { return Ok(None) };
    let row: HandedPart = super::decode(HANDED, &row)?;
    Ok(row.part.map(|part| (n, part)))
}
