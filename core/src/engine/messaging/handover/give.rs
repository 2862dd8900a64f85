//! Handing over: one part after another, to one device after another.

use sha2::{Digest as _, Sha256};
use wheesht_proto::{
    content::{HistoryPart, sync::What},
    ids::{BlobId, DeviceId},
    prost::Message as _,
    stored::Handing,
};
use zeroize::Zeroizing;

use super::{
    super::{
        super::{
            Ctx, EngineError, account,
            blobs::{self, Blob, BlobFailure, BlobOrder, BlobReport, Source},
            error::Answer,
            tables::HANDINGS,
        },
        files::{Verdict, verdict},
        sync,
    },
    Pending,
    part::{self, Cursor},
    tell,
};
use crate::{
    api::{Error, ErrorCode, HistoryTransferState, Response},
    crypto::secret::Secret as _,
    protocol::attachment::{Digest, FileKey, Hasher, Layout},
    store::Direction,
};

/// A part on its way. It is nowhere else: whoever dies makes it again.
pub(super) struct Giving {
    n: u64,
    id: BlobId,
    key: FileKey,
    digest: Digest,
    delete_secret: Zeroizing<[u8; 32]>,
    lines: Zeroizing<Vec<u8>>,
    messages: u64,
    next: Cursor,
    last: bool,
    /// The driver's order; none while a ticket is awaited.
    order: Option<u64>,
}

/// `SendHistory`.
// DEV-23
pub(in super::super) fn request(ctx: &mut Ctx<'_, '_>, device: &DeviceId) -> Answer {
    let Some(me) = account::me(ctx)? else { return Err(account::not_active(ctx)?.into()) };
    if *device == me.device {
        let error = Error::new(ErrorCode::Invalid, "This is the device itself.");
        return Err(error.next("Name another one; the list of devices has them.").into());
    }
    if me.manifest.device(device).is_none() {
        let error = Error::new(ErrorCode::NotFound, "The account has no such device.");
        return Err(error.next("Look at the list of devices.").into());
    }
    if find(ctx, device)?.is_none() {
        let row = Handing {
            device_id: device.to_vec(),
            transfer: ctx.random::<16>().to_vec(),
            total: part::total(ctx)?,
            ..Default::default()
        };
        ctx.tx.append(HANDINGS, b"", row.encode_to_vec())?;
    }
    super::due(ctx)?;
    Ok(Some(Response::Done))
}

/// `CancelHistory`.
pub(in super::super) fn cancel(ctx: &mut Ctx<'_, '_>, device: &DeviceId) -> Answer {
    if find(ctx, device)?.is_none() {
        let error = Error::new(ErrorCode::NotFound, "Nothing is being handed to that device.");
        return Err(error.next("Look at the list of devices.").into());
    }
    forget(ctx, device)?;
    super::due(ctx)?;
    Ok(Some(Response::Done))
}

/// Makes the next part, if none is under way.
pub(super) fn pump(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    let handover = &ctx.passing.messaging.handover;
    if handover.giving.is_some() || handover.give_retry.rests(ctx.now) || !ctx.passing.messaging.open {
        return Ok(());
    }
    let Some(link) = account::own_link(ctx)? else { return Ok(()) };
    let Some((n, row)) = rows(ctx)?.into_iter().next() else { return Ok(()) };
    let part = part::make(ctx, Cursor { conversation: row.conversation, position: row.position })?;
    let mut hasher = Hasher::default();
    hasher.update(&part.lines);
    let digest = hasher.finish();
    let length = Layout::of(digest.size).map_or(u64::MAX, |layout| layout.blob_len());
    let giving = Giving {
        n,
        id: BlobId::new(ctx.random::<32>()),
        // DEV-24
        key: FileKey::generate(ctx.rng),
        digest,
        delete_secret: Zeroizing::new(ctx.random::<32>()),
        lines: part.lines,
        messages: part.messages,
        next: part.next,
        last: part.last,
        order: None,
    };
    ctx.passing.messaging.handover.giving = Some(giving);
    blobs::ticket(ctx, &link, blobs::Pending::Handover(Pending::Give(n)), length);
    say(ctx, &row, HistoryTransferState::Running)
}

/// The relay has given a ticket, or not.
pub(super) fn ticket(
    ctx: &mut Ctx<'_, '_>,
    n: u64,
    ticket: Result<[u8; 32], Option<Error>>,
) -> Result<(), EngineError> {
    let giving = ctx.passing.messaging.handover.giving.as_ref();
    let Some(giving) = giving.filter(|giving| giving.n == n && giving.order.is_none()) else { return Ok(()) };
    let ticket = match ticket {
        Ok(ticket) => ticket,
        Err(Some(error)) if error.retry_after_ms.is_none() => return give_up(ctx, n, error),
        Err(error) => {
            let least = error.as_ref().and_then(|error| error.retry_after_ms).unwrap_or(0);
            return again(ctx, n, u64::from(least), error);
        }
    };
    let (id, key, digest) = (giving.id, giving.key.clone(), giving.digest);
    let source = Source::Bytes(giving.lines.clone());
    let delete_hash = Sha256::digest(giving.delete_secret.as_slice()).into();
    let Some(link) = account::own_link(ctx)? else { return Ok(()) };
    let blob = Blob { relay: link.relay, id, key, digest };
    let order = BlobOrder::Upload { blob, source, ticket, delete_hash };
    let token = blobs::ask(ctx, blobs::Pending::Handover(Pending::Give(n)), order);
    if let Some(giving) = &mut ctx.passing.messaging.handover.giving {
        giving.order = Some(token);
    }
    Ok(())
}

/// The driver has brought it there, or not.
pub(super) fn report(ctx: &mut Ctx<'_, '_>, n: u64, report: BlobReport) -> Result<(), EngineError> {
    let failure = match report {
        BlobReport::Uploaded => return told(ctx, n),
        BlobReport::Failed(failure) => failure,
        _ => BlobFailure::Status(0),
    };
    match verdict(failure, true) {
        Verdict::Again(least, error) => again(ctx, n, least, Some(error)),
        // It is made again, as another blob.
        Verdict::NewTicket | Verdict::NewBlob | Verdict::LookAgain => again(ctx, n, 0, None),
        Verdict::Stop(error) => give_up(ctx, n, error),
    }
}

/// The part is durable on the relay: the other device hears of it, and the next one's turn comes.
fn told(ctx: &mut Ctx<'_, '_>, n: u64) -> Result<(), EngineError> {
    let giving = ctx.passing.messaging.handover.giving.take_if(|giving| giving.n == n);
    let (Some(giving), Some(mut row)) = (giving, load(ctx, n)?) else { return Ok(()) };
    ctx.passing.messaging.handover.give_retry = Default::default();
    let part = HistoryPart {
        device_id: row.device_id.clone(),
        transfer: row.transfer.clone(),
        number: row.number,
        blob_id: giving.id.to_vec(),
        key: giving.key.expose().to_vec(),
        size: giving.digest.size,
        sha256: giving.digest.sha256.to_vec(),
        delete_secret: giving.delete_secret.to_vec(),
        messages: giving.messages,
        done: row.done,
        total: row.total,
        last: giving.last,
    };
    sync::say(ctx, What::HistoryPart(part))?;
    row.number += 1;
    row.done += giving.messages;
    (row.conversation, row.position) = (giving.next.conversation, giving.next.position);
    if !giving.last {
        ctx.save(HANDINGS, b"", n, &row);
        return say(ctx, &row, HistoryTransferState::Running);
    }
    ctx.tx.delete(HANDINGS, b"", n);
    say(ctx, &row, HistoryTransferState::Done)
}

/// Nothing more is handed to that device.
pub(super) fn forget(ctx: &mut Ctx<'_, '_>, device: &DeviceId) -> Result<(), EngineError> {
    if let Some((n, _)) = find(ctx, device)? {
        drop_part(ctx, n);
        ctx.tx.delete(HANDINGS, b"", n);
    }
    Ok(())
}

pub(super) fn stopped(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    for (n, _) in rows(ctx)? {
        drop_part(ctx, n);
    }
    Ok(ctx.tx.delete_all(HANDINGS, b"")?)
}

fn again(ctx: &mut Ctx<'_, '_>, n: u64, least_ms: u64, error: Option<Error>) -> Result<(), EngineError> {
    drop_part(ctx, n);
    let now = ctx.now;
    ctx.passing.messaging.handover.give_retry.fail(now, least_ms);
    match (load(ctx, n)?, error) {
        (Some(row), Some(error)) => say(ctx, &row, HistoryTransferState::Waiting { error }),
        _ => Ok(()),
    }
}

fn give_up(ctx: &mut Ctx<'_, '_>, n: u64, error: Error) -> Result<(), EngineError> {
    drop_part(ctx, n);
    let Some(row) = load(ctx, n)? else { return Ok(()) };
    ctx.tx.delete(HANDINGS, b"", n);
    say(ctx, &row, HistoryTransferState::Failed { error })
}

fn drop_part(ctx: &mut Ctx<'_, '_>, n: u64) {
    let giving = ctx.passing.messaging.handover.giving.take_if(|giving| giving.n == n);
    if let Some(order) = giving.and_then(|giving| giving.order) {
        blobs::stop(ctx, order);
    }
}

fn say(ctx: &mut Ctx<'_, '_>, row: &Handing, state: HistoryTransferState) -> Result<(), EngineError> {
    let device = super::super::row_id(&row.device_id, HANDINGS)?;
    tell(ctx, device, true, row.done, row.total, state)
}

fn find(ctx: &Ctx<'_, '_>, device: &DeviceId) -> Result<Option<(u64, Handing)>, EngineError> {
    Ok(rows(ctx)?.into_iter().find(|(_, row)| row.device_id == device.as_ref()))
}

fn load(ctx: &Ctx<'_, '_>, n: u64) -> Result<Option<Handing>, EngineError> {
    ctx.load(HANDINGS, b"", n)
}

fn rows(ctx: &Ctx<'_, '_>) -> Result<Vec<(u64, Handing)>, EngineError> {
    let rows = ctx.tx.scan(HANDINGS, b"", .., Direction::Forward, usize::MAX)?;
    rows.into_iter().map(|(n, row)| Ok((n, super::decode(HANDINGS, &row)?))).collect()
}
