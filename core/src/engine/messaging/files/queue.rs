//! The transfers: rows, of which a few are under way at a time.
//!
//! ```text
//!              begin                    the driver's last word
//!   row ────────────────▶ running ──┬───────────────────────────▶ done: the row goes
//!    ▲  ▲                           ├── try again ──▶ retry ──┐
//!    │  └───────────────────────────┼───────────────────────-─┘ in time, or when the relay is reached again
//!    └── a person resumes ── row, stopped or paused ◀─┘ a person has to do something
//! ```

use wheesht_proto::stored::Transfer;

use super::{Found, Passing, Retry, Running, download, find, gone, show, transfer, transfers, upload};
use crate::{
    api::{Error, EventKind, FailReason, FileState},
    engine::{
        Ctx, EngineError, blobs,
        error::Failure,
        messaging::{history, row_id},
        tables::{HISTORY, TRANSFERS},
        timers::Timer,
    },
};

/// Under way at once, each way: more would only share the line.
const AT_ONCE: usize = 3;

/// Transfers of an installation, all in all.
pub(super) const MAX_TRANSFERS: usize = 10_000;

/// First pause after a failure, and the longest (milliseconds).
const PAUSES: (u64, u64) = (2_000, 5 * 60_000);

/// A blob, ticket or file that was not as it should be is begun anew this often.
pub(super) const MAX_RENEWED: u32 = 5;

/// Finds what is to go on, after a start.
pub(in super::super) fn start(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    pump(ctx)
}

/// There is a network again: what failed is tried at once.
pub(in super::super) fn online(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    let now = ctx.now;
    let retry = ctx.passing.messaging.files.retry.values_mut();
    // Who waits for room or for tomorrow's tickets waits for more than a network.
    retry.filter(|retry| retry.at.millis_since(now) <= PAUSES.1).for_each(|retry| retry.at = now);
    pump(ctx)
}

/// Some of what failed is tried again.
pub(in super::super) fn due(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    pump(ctx)
}

/// This device is no longer one of the account's: nothing more is sent, and nothing fetched.
pub(in super::super) fn stopped(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    for (n, row) in transfers(ctx)? {
        if let Some(found) = row.place.as_ref().map(|place| find(ctx, place)).transpose()?.flatten() {
            fail(ctx, n, &row, found, FailReason::DeviceStopped)?;
        }
        gone::abandon(ctx, n)?;
    }
    Ok(())
}

/// Files that still have to go out.
pub(in super::super) fn waiting(ctx: &Ctx<'_, '_>) -> Result<u64, EngineError> {
    Ok(transfers(ctx)?.iter().filter(|(_, row)| row.upload).count() as u64)
}

/// Begins what can be begun.
pub(super) fn pump(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    let now = ctx.now;
    for (n, row) in transfers(ctx)? {
        let files = &ctx.passing.messaging.files;
        let busy = files.running.values().filter(|running| running.upload == row.upload).count() >= AT_ONCE;
        let early = files.retry.get(&n).is_some_and(|retry| retry.at > now);
        let rests = row.paused || !row.stopped.is_empty() || files.running.contains_key(&n);
        if rests || early || busy {
            continue;
        }
        begin(ctx, n, &row)?;
    }
    arm(ctx);
    Ok(())
}

fn begin(ctx: &mut Ctx<'_, '_>, n: u64, row: &Transfer) -> Result<(), EngineError> {
    let found = match &row.place {
        Some(place) => find(ctx, place)?,
        None => None,
    };
    // The message is gone, or the file is another transfer's.
    let Some(found) = found.filter(|found| found.entry.file.as_ref().is_some_and(|file| file.transfer == n))
    else {
        return gone::abandon(ctx, n);
    };
    match row.upload {
        true => upload::begin(ctx, n, row, &found),
        false => download::begin(ctx, n, row, &found),
    }
}

/// It is under way from now on.
pub(super) fn run(ctx: &mut Ctx<'_, '_>, n: u64, upload: bool, order: u64) {
    ctx.passing.messaging.files.running.insert(n, Running { upload, order });
}

/// It is no longer under way. Gives it, and its message, if both are still there.
pub(super) fn ended(ctx: &mut Ctx<'_, '_>, n: u64) -> Result<Option<(Transfer, Found)>, EngineError> {
    ctx.passing.messaging.files.running.remove(&n);
    let Some(row) = transfer(ctx, n)? else { return Ok(None) };
    let found = match &row.place {
        Some(place) => find(ctx, place)?,
        None => None,
    };
    match found {
        Some(found) => Ok(Some((row, found))),
        None => {
            gone::abandon(ctx, n)?;
            Ok(None)
        }
    }
}

/// It is tried again, after at least so long, and later each time.
pub(super) fn again(
    ctx: &mut Ctx<'_, '_>,
    n: u64,
    found: &Found,
    upload: bool,
    least_ms: u64,
    error: Option<Error>,
) -> Result<(), EngineError> {
    let now = ctx.now;
    let attempts = ctx.passing.messaging.files.retry.get(&n).map_or(0, |retry| retry.attempts);
    let pause = PAUSES.0.saturating_mul(1 << attempts.min(16)).min(PAUSES.1).max(least_ms);
    let retry = Retry { attempts: attempts.saturating_add(1), at: now.plus_millis(pause), error };
    ctx.passing.messaging.files.retry.insert(n, retry);
    tell(ctx, found, upload, 0)?;
    pump(ctx)
}

/// It doesn't go on before a person has done something.
pub(super) fn stop(
    ctx: &mut Ctx<'_, '_>,
    n: u64,
    mut row: Transfer,
    found: Found,
    error: &Error,
) -> Result<(), EngineError> {
    ctx.passing.messaging.files.retry.remove(&n);
    row.stopped = serde_json::to_string(error).unwrap_or_default();
    ctx.save(TRANSFERS, b"", n, &row);
    tell(ctx, &found, row.upload, 0)?;
    found.save_and_tell(ctx)?;
    pump(ctx)
}

/// It is done with, well or not: the row goes. The caller saves the message.
pub(super) fn finish(ctx: &mut Ctx<'_, '_>, n: u64, found: &mut Found) {
    ctx.tx.delete(TRANSFERS, b"", n);
    let files = &mut ctx.passing.messaging.files;
    files.retry.remove(&n);
    files.running.remove(&n);
    if let Some(file) = found.entry.file.as_mut() {
        file.transfer = 0;
    }
}

/// What was to be sent won't be, what was to be fetched is not.
pub(super) fn fail(
    ctx: &mut Ctx<'_, '_>,
    n: u64,
    row: &Transfer,
    mut found: Found,
    reason: FailReason,
) -> Result<(), EngineError> {
    halt(ctx, n);
    finish(ctx, n, &mut found);
    found.save(ctx);
    if row.upload {
        let state = crate::api::MessageState::Failed { reason };
        history::advance(ctx, &found.id, &found.entry.message_id.clone(), state)?;
    }
    tell(ctx, &found, row.upload, 0)
}

/// The driver leaves it alone.
pub(super) fn halt(ctx: &mut Ctx<'_, '_>, n: u64) {
    if let Some(running) = ctx.passing.messaging.files.running.remove(&n) {
        blobs::stop(ctx, running.order);
    }
}

/// So much of it has passed.
pub(super) fn tell_progress(ctx: &mut Ctx<'_, '_>, n: u64, done: u64) -> Result<(), EngineError> {
    // It gets somewhere: the next pause is a short one.
    ctx.passing.messaging.files.retry.remove(&n);
    let Some(row) = transfer(ctx, n)? else { return Ok(()) };
    let Some(found) = row.place.as_ref().map(|place| find(ctx, place)).transpose()?.flatten() else {
        return Ok(());
    };
    tell(ctx, &found, row.upload, done)
}

/// The app hears how far it is.
pub(super) fn tell(ctx: &mut Ctx<'_, '_>, found: &Found, upload: bool, done: u64) -> Result<(), EngineError> {
    let Some(file) = &found.entry.file else { return Ok(()) };
    let size = file.reference.as_ref().map_or(0, |reference| reference.size);
    let state = show::state(ctx, file)?;
    let done = if matches!(state, FileState::Saved { .. }) { size } else { done.min(size) };
    let message = row_id(&found.entry.message_id, HISTORY)?;
    let transfer = crate::api::Transfer { conversation: found.id, message, upload, done, size, state };
    ctx.passing_event(EventKind::Transfer { transfer });
    Ok(())
}

/// Room for one more.
pub(super) fn room(ctx: &Ctx<'_, '_>) -> Result<(), Failure> {
    if transfers(ctx)?.len() < MAX_TRANSFERS {
        return Ok(());
    }
    let error = Error::new(crate::api::ErrorCode::RateLimited, "Too many files are on their way already.");
    Err(error.next("Wait until some are through, or call some back.").into())
}

fn arm(ctx: &mut Ctx<'_, '_>) {
    let Passing { running, retry } = &ctx.passing.messaging.files;
    let next = retry.iter().filter(|(n, _)| !running.contains_key(n)).map(|(_, retry)| retry.at).min();
    match next {
        // What is due and still waits has no room: whatever ends next looks again.
        Some(at) if at > ctx.now => ctx.passing.timers.set(Timer::Files, at),
        _ => ctx.passing.timers.clear(Timer::Files),
    }
}
