//! Blobs that are to be deleted: rows, so that it happens however often the relay can't be reached. A relay deletes every blob after
//! thirty days by itself; by then this is no longer tried.

use std::collections::BTreeMap;

use wheesht_proto::{
    address::RelayAddress, ids::BlobId, limits::BLOB_LIFETIME_MS, prost::Message as _, stored::BlobDeletion,
};

use super::{BlobFailure, BlobOrder, BlobReport, Pending, ask};
use crate::{
    engine::{Ctx, EngineError, tables::BLOB_DELETIONS, timers::Timer},
    store::Direction,
    time::Timestamp,
};

/// At once: each is a connection.
const AT_ONCE: usize = 2;

/// First pause after a failure, and the longest (milliseconds).
const PAUSES: (u64, u64) = (5_000, 60 * 60_000);

/// What is under way, and when what failed is tried again.
#[derive(Default)]
pub(super) struct Running {
    /// Attempts so far, and when the next one is due; none: it is under way.
    rows: BTreeMap<u64, (u32, Option<Timestamp>)>,
}

/// Deletes a blob, some time.
// FIL-16
pub(crate) fn delete(
    ctx: &mut Ctx<'_, '_>,
    relay: &RelayAddress,
    id: &BlobId,
    secret: &[u8; 32],
) -> Result<(), EngineError> {
    let row = BlobDeletion {
        relay: relay.to_string(),
        blob_id: id.to_vec(),
        delete_secret: secret.to_vec(),
        since_ms: ctx.now.as_millis(),
    };
    let n = ctx.tx.append(BLOB_DELETIONS, b"", row.encode_to_vec())?;
    let now = ctx.now;
    ctx.passing.blobs.deletions.rows.insert(n, (0, Some(now)));
    due(ctx)
}

/// Finds what is to be deleted again, after a start.
pub(crate) fn start(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    let now = ctx.now;
    for (n, _) in ctx.tx.scan(BLOB_DELETIONS, b"", .., Direction::Forward, usize::MAX)? {
        ctx.passing.blobs.deletions.rows.insert(n, (0, Some(now)));
    }
    arm(ctx);
    Ok(())
}

/// There is a network again.
pub(crate) fn online(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    let now = ctx.now;
    for (_, at) in ctx.passing.blobs.deletions.rows.values_mut() {
        *at = at.map(|_| now);
    }
    due(ctx)
}

/// Begins what is due.
pub(crate) fn due(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    let now = ctx.now;
    loop {
        let rows = &ctx.passing.blobs.deletions.rows;
        if rows.values().filter(|(_, at)| at.is_none()).count() >= AT_ONCE {
            break;
        }
        let next = rows.iter().find(|(_, (_, at))| at.is_some_and(|at| at <= now)).map(|(n, _)| *n);
        let Some(n) = next else { break };
        let row: Option<BlobDeletion> = ctx.load(BLOB_DELETIONS, b"", n)?;
        let parsed =
            row.as_ref().filter(|row| now.as_millis().saturating_sub(row.since_ms) < BLOB_LIFETIME_MS);
        let parsed = parsed.and_then(|row| {
            let id: BlobId = row.blob_id.as_slice().try_into().ok()?;
            Some((row.relay.parse::<RelayAddress>().ok()?, id, row.delete_secret.as_slice().try_into().ok()?))
        });
        let Some((relay, id, secret)) = parsed else {
            forget(ctx, n);
            continue;
        };
        if let Some((_, at)) = ctx.passing.blobs.deletions.rows.get_mut(&n) {
            *at = None;
        }
        ask(ctx, Pending::Deletion(n), BlobOrder::Delete { relay, id, secret });
    }
    arm(ctx);
    Ok(())
}

/// The driver has tried.
pub(super) fn reported(ctx: &mut Ctx<'_, '_>, n: u64, report: &BlobReport) -> Result<(), EngineError> {
    use BlobFailure::{Gone, WrongSecret};
    match report {
        BlobReport::Deleted | BlobReport::Failed(Gone | WrongSecret) => forget(ctx, n),
        _ => {
            let now = ctx.now;
            if let Some((attempts, at)) = ctx.passing.blobs.deletions.rows.get_mut(&n) {
                let pause = PAUSES.0.saturating_mul(1 << (*attempts).min(16)).min(PAUSES.1);
                *attempts += 1;
                *at = Some(now.plus_millis(pause));
            }
        }
    }
    due(ctx)
}

fn forget(ctx: &mut Ctx<'_, '_>, n: u64) {
    ctx.tx.delete(BLOB_DELETIONS, b"", n);
    ctx.passing.blobs.deletions.rows.remove(&n);
}

fn arm(ctx: &mut Ctx<'_, '_>) {
    let rows = &ctx.passing.blobs.deletions.rows;
    let busy = rows.values().filter(|(_, at)| at.is_none()).count() >= AT_ONCE;
    match rows.values().filter_map(|(_, at)| *at).min().filter(|_| !busy) {
        Some(at) => ctx.passing.timers.set(Timer::Blobs, at),
        None => ctx.passing.timers.clear(Timer::Blobs),
    }
}
