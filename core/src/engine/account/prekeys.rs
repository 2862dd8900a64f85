//! This device's prekeys: the private halves here, the public ones on the relay.
//!
//! Made at the first login, the signed one and the KEM key of last resort anew every week, the one-time ones when fewer than a
//! quarter are left. Private halves are durable before the public ones are sent; they stay until nothing encrypted to them can
//! still arrive. An upload whose answer was lost leaves some private halves that nobody asks for, until then.

use wheesht_proto::{
    account::PrekeyKind,
    limits::{DAY_MS, ONE_TIME_PREKEYS, ONE_TIME_REFILL_BELOW, SIGNED_PREKEY_ROTATION_MS},
    relay::{self, ErrorCode as RelayCode, PrekeyCounts, client_frame, relay_frame},
    stored,
};
use zeroize::Zeroizing;

use super::{
    super::{
        Ctx, EngineError,
        io::RequestError,
        tables::{PREKEY_STATE, PREKEYS},
        timers::Timer,
    },
    Me, Pending,
    me::{self, identified},
    session, words,
};
use crate::{
    protocol::prekeys::{PrekeyBatch, PrivatePrekey},
    store::Direction,
    time::Timestamp,
};

pub(super) const KINDS: [PrekeyKind; 4] =
    [PrekeyKind::SignedX25519, PrekeyKind::OneTimeX25519, PrekeyKind::OneTimeKem, PrekeyKind::LastResortKem];

/// Private halves of one kind that are looked at when forgetting; what is left over is next day's.
const MAX_ROWS: usize = 10_000;

/// An upload that the relay refused is tried again after this long (milliseconds).
const RETRY_MS: u64 = 5 * 60_000;

/// Used keys are made up for after this long (milliseconds): a burst of new sessions is one upload.
const REFILL_DELAY_MS: u64 = 2_000;

/// What the relay holds, as far as is known on this connection.
#[derive(Default)]
pub(super) struct Uploads {
    counts: Option<PrekeyCounts>,
    uploading: bool,
    /// What is under way uploads nothing, and only asks what is left.
    asking: bool,
}

/// The private half of a prekey, as [`PrivatePrekey`] encodes it.
pub(crate) fn private(
    ctx: &Ctx<'_, '_>,
    kind: PrekeyKind,
    id: u32,
) -> Result<Option<Zeroizing<Vec<u8>>>, EngineError> {
    Ok(ctx.tx.get(PREKEYS, &prefix(kind), u64::from(id))?)
}

/// Forgets a one-time prekey, in the transaction that accepts the first message encrypted to it.
pub(crate) fn consume(ctx: &mut Ctx<'_, '_>, kind: PrekeyKind, id: u32) {
    ctx.tx.delete(PREKEYS, &prefix(kind), u64::from(id));
    let Some(counts) = &mut ctx.passing.account.connection.prekeys.counts else { return };
    let count = match kind {
        PrekeyKind::OneTimeX25519 => &mut counts.one_time,
        PrekeyKind::OneTimeKem => &mut counts.one_time_kem,
        _ => return,
    };
    *count = count.saturating_sub(1);
    if (*count as usize) < ONE_TIME_REFILL_BELOW {
        let at = ctx.now.plus_millis(REFILL_DELAY_MS);
        ctx.passing.timers.set_by(Timer::Prekeys, at);
    }
}

pub(super) fn prefix(kind: PrekeyKind) -> [u8; 4] {
    i32::from(kind).to_be_bytes()
}

/// The relay has said what it holds.
pub(super) fn at_login(ctx: &mut Ctx<'_, '_>, counts: PrekeyCounts) -> Result<(), EngineError> {
    ctx.passing.account.connection.prekeys.counts = Some(counts);
    forget_old(ctx)?;
    look(ctx)
}

/// A day, or a burst of new sessions, has gone by: what is left on the relay is asked, since keys may have been handed out for
/// messages that have not come.
pub(super) fn due(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    forget_old(ctx)?;
    let uploads = &mut ctx.passing.account.connection.prekeys;
    if uploads.counts.is_none() || uploads.uploading {
        return Ok(());
    }
    uploads.asking = true;
    upload(ctx, relay::UploadPrekeys::default())
}

fn upload(ctx: &mut Ctx<'_, '_>, upload: relay::UploadPrekeys) -> Result<(), EngineError> {
    let Some(me) = me::me(ctx)? else { return Ok(()) };
    ctx.passing.account.connection.prekeys.uploading = true;
    ctx.ask(&identified(&me.relay), Pending::UploadPrekeys, client_frame::Body::UploadPrekeys(upload));
    Ok(())
}

/// Uploads what is missing.
fn look(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    let Some(me) = me::me(ctx)? else { return Ok(()) };
    let uploads = &ctx.passing.account.connection.prekeys;
    let Some(counts) = uploads.counts.filter(|_| !uploads.uploading) else { return Ok(()) };
    let mut state = state(ctx)?;
    let held =
        counts.signed_prekey_id == state.signed_id && counts.last_resort_kem_id == state.last_resort_id;
    let rotated = Timestamp::from_millis(state.rotated_ms);
    let rotate = !held || state.signed_id == 0 || ctx.now.millis_since(rotated) >= SIGNED_PREKEY_ROTATION_MS;
    let mut made = relay::UploadPrekeys::default();
    if rotate {
        let signed = make(ctx, &me, &mut state, PrekeyKind::SignedX25519, 1)?;
        let last_resort = make(ctx, &me, &mut state, PrekeyKind::LastResortKem, 1)?;
        made.signed_prekey = signed.into_iter().next().unwrap_or_default();
        made.last_resort_kem = last_resort.into_iter().next().unwrap_or_default();
        state.last_resort_id = state.next_id - 1;
        state.signed_id = state.next_id - 2;
        state.rotated_ms = ctx.now.as_millis();
    }
    made.one_time = make(ctx, &me, &mut state, PrekeyKind::OneTimeX25519, missing(counts.one_time))?;
    made.one_time_kem = make(ctx, &me, &mut state, PrekeyKind::OneTimeKem, missing(counts.one_time_kem))?;
    let tomorrow = ctx.now.plus_millis(DAY_MS);
    ctx.passing.timers.set(Timer::Prekeys, tomorrow);
    if made == relay::UploadPrekeys::default() {
        ctx.passing.account.connection.setup.prekeys = true;
        return session::set_up(ctx);
    }
    ctx.save(PREKEY_STATE, b"", 0, &state);
    upload(ctx, made)
}

pub(super) fn uploaded(
    ctx: &mut Ctx<'_, '_>,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<(), EngineError> {
    let uploads = &mut ctx.passing.account.connection.prekeys;
    uploads.uploading = false;
    let asked = std::mem::take(&mut uploads.asking);
    match result {
        Ok(relay_frame::Body::PrekeyCounts(counts)) => {
            uploads.counts = Some(counts);
            // Only after a question: a relay that never has enough is not fed without end.
            if asked {
                return look(ctx);
            }
            ctx.passing.account.connection.setup.prekeys = true;
            session::set_up(ctx)
        }
        // The next session shows whether it arrived.
        Err(RequestError::Lost) => Ok(()),
        Err(RequestError::Refused(error)) if error.code() == RelayCode::RateLimited => {
            let wait = u64::from(error.retry_after_ms).max(REFILL_DELAY_MS);
            retry_in(ctx, wait);
            session::registered(ctx)
        }
        other => {
            retry_in(ctx, RETRY_MS);
            session::trouble(ctx, words::failed(other))
        }
    }
}

fn retry_in(ctx: &mut Ctx<'_, '_>, millis: u64) {
    let at = ctx.now.plus_millis(millis);
    ctx.passing.timers.set(Timer::Prekeys, at);
}

/// Makes prekeys: stores the private halves and gives the public ones.
fn make(
    ctx: &mut Ctx<'_, '_>,
    me: &Me,
    state: &mut stored::PrekeyState,
    kind: PrekeyKind,
    count: usize,
) -> Result<Vec<Vec<u8>>, EngineError> {
    let batch = PrekeyBatch::generate(&me.signing, kind, state.next_id, count, ctx.now, &mut *ctx.rng);
    // Ids run out after four billion prekeys: none is made then, and the relay goes on with the keys of last resort.
    let Ok(batch) = batch else { return Ok(Vec::new()) };
    // DEV-11
    for private in &batch.private {
        ctx.tx.put(PREKEYS, &prefix(kind), u64::from(private.id()), private.encode());
        state.next_id = private.id().saturating_add(1);
    }
    Ok(batch.public.iter().map(|public| public.encoded().to_vec()).collect())
}

fn missing(held: u32) -> usize {
    let held = held as usize;
    if held < ONE_TIME_REFILL_BELOW { ONE_TIME_PREKEYS - held } else { 0 }
}

fn state(ctx: &Ctx<'_, '_>) -> Result<stored::PrekeyState, EngineError> {
    let first = stored::PrekeyState { next_id: 1, ..Default::default() };
    Ok(ctx.load(PREKEY_STATE, b"", 0)?.unwrap_or(first))
}

/// Forgets private halves that nothing can be encrypted to any more.
fn forget_old(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    for kind in KINDS {
        // Ids ascend with time: the first that stays ends the search.
        for (id, row) in ctx.tx.scan(PREKEYS, &prefix(kind), .., Direction::Forward, MAX_ROWS)? {
            let prekey =
                PrivatePrekey::decode(&row).map_err(|_| EngineError::Row { what: PREKEYS.name() })?;
            if prekey.forget_after() > ctx.now {
                break;
            }
            ctx.tx.delete(PREKEYS, &prefix(kind), id);
        }
    }
    Ok(())
}
