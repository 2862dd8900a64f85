//! The inbox: each envelope takes effect once, and is acknowledged when that is durable.
//!
//! ```text
//!  Deliver ─▶ seen? ─▶ open ─▶ who sealed it ─▶ decrypt ─▶ [content] ─▶ mark as seen ─▶ Ack, after the commit
//!               │                    │                 └─▶ unreadable: [repair]
//!               └─▶ Ack again        └─▶ unknown: held sealed, tried again when the sender's manifest is known
//! ```
//!
//! An envelope is marked as seen in the transaction in which it takes effect, and only once its sender is authentic or it is
//! certain that it never will be: what a relay or a stranger makes up can't stand in the way of what is genuine.

use wheesht_proto::{
    content::Content,
    ids::{AccountId, DepositAddress, EnvelopeId},
    limits::DAY_MS,
    prost::Message as _,
    relay::{Ack, Credit, Deliver, Subscribe, client_frame, relay_frame},
    stored::HeldEnvelope,
};

use super::{
    super::{
        Ctx, EngineError,
        account::{self, Me},
        groups,
        io::{LinkId, RequestError},
        links,
        people::{self, Sender},
        presence,
        tables::{HELD, SEEN},
        timers::Timer,
    },
    Pending, content,
    content::From,
    repair, row_id, sessions,
    sessions::Opened,
};
use crate::{
    api::ContactState,
    protocol::{LocalDevice, envelope},
    store::Direction,
    time::Timestamp,
};

/// Envelopes that a relay may push before it is given more credit.
const CREDIT: u32 = 512;

/// Acks are gathered for this long (milliseconds), and up to this many.
const ACK_MS: u64 = 20;
const ACKS: usize = 128;

/// What the relay refused is tried again after this long (milliseconds), or later if it says so.
const REFUSED_MS: u64 = 5_000;

/// How long an envelope is remembered at least: as long as anything can stay in a mailbox, and a day. Those of two such months
/// are kept, so that each is remembered for one to two.
const MONTH_MS: u64 = 31 * DAY_MS;

/// Envelopes held at once for senders not known yet, and for how long.
const MAX_HELD: usize = 1_000;
const HELD_MS: u64 = 7 * DAY_MS;

/// What becomes of an envelope.
enum Fate {
    /// It has taken effect, or never will.
    Done,
    /// Its sender has to be known first.
    Hold(AccountId),
    /// It is no stranger's request, and came through the address for those. If the relay swapped addresses, it may still come
    /// through its own.
    Elsewhere,
}

/// Asks for what lies in the mailbox.
pub(super) fn subscribe(ctx: &mut Ctx<'_, '_>, link: &LinkId) {
    let passing = &mut ctx.passing.messaging;
    passing.uncredited = 0;
    passing.resubscribe = None;
    ctx.ask(link, Pending::Subscribe, client_frame::Body::Subscribe(Subscribe { credit: CREDIT }));
}

/// The relay's answer to that. A connection that was lost is subscribed anew with the next login.
pub(super) fn subscribed(ctx: &mut Ctx<'_, '_>, result: Result<relay_frame::Body, RequestError>) {
    if let Err(RequestError::Refused(error)) = result {
        let at = later(ctx, error.retry_after_ms);
        ctx.passing.messaging.resubscribe = Some(at);
    }
}

/// The relay's answer to an ack. A lost one is no loss: the relay pushes again, and is answered again.
pub(super) fn acknowledged(
    ctx: &mut Ctx<'_, '_>,
    ids: Vec<EnvelopeId>,
    result: Result<relay_frame::Body, RequestError>,
) {
    if let Err(RequestError::Refused(error)) = result {
        // Until it takes them, the relay counts them as not read, and pushes the less.
        later(ctx, error.retry_after_ms);
        ctx.passing.messaging.acks.extend(ids);
    }
}

fn later(ctx: &mut Ctx<'_, '_>, retry_after_ms: u32) -> Timestamp {
    let at = ctx.now.plus_millis(u64::from(retry_after_ms).max(REFUSED_MS));
    ctx.passing.timers.set_by(Timer::Acks, at);
    at
}

/// The relay pushes an envelope.
pub(super) fn deliver(ctx: &mut Ctx<'_, '_>, link: &LinkId, deliver: Deliver) -> Result<(), EngineError> {
    let Some(me) = account::me(ctx)? else { return Ok(()) };
    // PRE-1
    if deliver.ephemeral {
        return presence::deliver(ctx, &deliver);
    }
    give_credit(ctx, link);
    let id = EnvelopeId::of(&deliver.envelope);
    if deliver.envelope_id != id.as_ref() {
        // The relay contradicts itself: nothing is acknowledged that did not come.
        return Ok(());
    }
    // CON-1, GRM-21
    if !is_seen(ctx, &id)? {
        let address = DepositAddress::try_from(deliver.address.as_slice()).ok();
        // Only the keys of whoever knows the address are tried.
        match address.and_then(|address| groups::by_address(ctx, &address)) {
            Some(group) => {
                if groups::deliver(ctx, &group, &deliver.envelope)? {
                    mark_seen(ctx, &id);
                }
            }
            None => {
                let asking = address == Some(me.request_address);
                match take(ctx, &me, &deliver.envelope, asking)? {
                    Fate::Done => mark_seen(ctx, &id),
                    Fate::Hold(sender) => {
                        hold(ctx, &id, &sender, &deliver)?;
                        mark_seen(ctx, &id);
                    }
                    Fate::Elsewhere => {}
                }
            }
        }
    }
    ctx.passing.messaging.acks.push(id);
    if ctx.passing.messaging.acks.len() >= ACKS {
        acknowledge(ctx)?;
    } else {
        let at = ctx.now.plus_millis(ACK_MS);
        ctx.passing.timers.set_by(Timer::Acks, at);
    }
    Ok(())
}

/// Acknowledges what is durable: effects leave only after the commit, and what was taken before was committed before.
pub(super) fn acknowledge(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    ctx.passing.timers.clear(Timer::Acks);
    let acks = std::mem::take(&mut ctx.passing.messaging.acks);
    let Some(link) = account::own_link(ctx)?.filter(|link| ctx.passing.links.logged_in(link)) else {
        return Ok(());
    };
    for acks in acks.chunks(ACKS) {
        let envelope_ids = acks.iter().map(|id| id.to_vec()).collect();
        ctx.ask(&link, Pending::Ack(acks.to_vec()), client_frame::Body::Ack(Ack { envelope_ids }));
    }
    match ctx.passing.messaging.resubscribe {
        Some(at) if at <= ctx.now => subscribe(ctx, &link),
        Some(at) => ctx.passing.timers.set_by(Timer::Acks, at),
        None => {}
    }
    Ok(())
}

/// An account's manifest is known anew: envelopes held for it are tried again, in the order in which they came.
pub(super) fn retry_held(ctx: &mut Ctx<'_, '_>, sender: &AccountId) -> Result<(), EngineError> {
    let Some(held) = ctx.passing.messaging.held.remove(sender) else { return Ok(()) };
    let Some(me) = account::me(ctx)? else { return Ok(()) };
    for n in held {
        let Some(row) = ctx.load::<HeldEnvelope>(HELD, b"", n)? else { continue };
        // What came through the request address is never held.
        match take(ctx, &me, &row.envelope, false)? {
            Fate::Done | Fate::Elsewhere => ctx.tx.delete(HELD, b"", n),
            Fate::Hold(_) => ctx.passing.messaging.held.entry(*sender).or_default().push(n),
        }
    }
    Ok(())
}

/// Forgets what is held for an account.
pub(super) fn drop_held(ctx: &mut Ctx<'_, '_>, sender: &AccountId) {
    for n in ctx.passing.messaging.held.remove(sender).unwrap_or_default() {
        ctx.tx.delete(HELD, b"", n);
    }
}

/// Forgets everything that is held.
pub(super) fn drop_all_held(ctx: &mut Ctx<'_, '_>) {
    for n in std::mem::take(&mut ctx.passing.messaging.held).into_values().flatten() {
        ctx.tx.delete(HELD, b"", n);
    }
}

/// Finds held envelopes again, after a start.
pub(super) fn start(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    for (n, row) in ctx.tx.scan(HELD, b"", .., Direction::Forward, usize::MAX)? {
        let row = HeldEnvelope::decode(row.as_slice()).map_err(|_| EngineError::Row { what: HELD.name() })?;
        let sender = row_id(&row.identity, HELD)?;
        ctx.passing.messaging.held.entry(sender).or_default().push(n);
    }
    Ok(())
}

/// Forgets held envelopes whose sender did not become known.
// CON-2
pub(super) fn forget_held(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    for (n, row) in ctx.tx.scan(HELD, b"", .., Direction::Forward, usize::MAX)? {
        let row = HeldEnvelope::decode(row.as_slice()).map_err(|_| EngineError::Row { what: HELD.name() })?;
        if ctx.now.as_millis().saturating_sub(row.received_ms) < HELD_MS {
            break;
        }
        unhold(ctx, n);
    }
    Ok(())
}

/// Forgets envelopes seen so long ago that no relay has them any more, a bounded number at once. Gives whether there are more.
pub(super) fn forget_seen(ctx: &mut Ctx<'_, '_>) -> Result<bool, EngineError> {
    const AT_ONCE: usize = 500;
    let month = ctx.now.as_millis() / MONTH_MS;
    // A device that was off for a year has nothing older than that either.
    for old in month.saturating_sub(14)..month.saturating_sub(1) {
        let rows = ctx.tx.scan(SEEN, &old.to_be_bytes(), .., Direction::Forward, AT_ONCE)?;
        for (half, _) in &rows {
            ctx.tx.delete(SEEN, &old.to_be_bytes(), *half);
        }
        if rows.len() == AT_ONCE {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Opens an envelope and acts on it. On `Hold`, nothing has changed.
fn take(ctx: &mut Ctx<'_, '_>, me: &Me, envelope: &[u8], asking: bool) -> Result<Fate, EngineError> {
    let local = LocalDevice { certificate: &me.certificate, dh: &me.dh };
    // Whoever has the address can put anything there: what doesn't open is nobody's.
    let Ok(opened) = envelope::open(&local, envelope) else { return Ok(Fate::Done) };
    let identity = opened.certificate.identity();
    // ENV-8: only a claim so far; the session proves it.
    let from = match people::sender(ctx, opened.certificate)? {
        Sender::Own(device) if !asking => From::Own(device),
        Sender::Contact(contact, device) if asking || talks(contact.state) => {
            From::Contact { device, state: contact.state }
        }
        Sender::Stranger(device) if asking => From::Stranger(device),
        // CON-2: this device may be the last to hear that another of its account has accepted them.
        Sender::Contact(..) | Sender::Unknown | Sender::Stranger(_) if !asking => {
            return Ok(Fate::Hold(identity));
        }
        Sender::Own(_) if asking => return Ok(Fate::Elsewhere),
        _ => return Ok(Fate::Done),
    };
    let before = ctx.tx.savepoint();
    match sessions::open(ctx, me, from.device(), &opened.message)? {
        Opened::Content(bytes) => {
            let known = Content::decode(bytes.as_slice()).ok();
            let wanted = match known {
                Some(known) => content::receive(ctx, &from, asking, known)?,
                None => !matches!(from, From::Stranger(_)),
            };
            if !wanted {
                // CON-4: a stranger leaves nothing behind, not even a session.
                ctx.tx.rollback_to(before);
                return Ok(if asking { Fate::Elsewhere } else { Fate::Done });
            }
        }
        Opened::Nothing => {}
        Opened::Unreadable if matches!(from, From::Stranger(_)) => {}
        Opened::Unreadable => {
            repair::unreadable(ctx, &from.account(), &from.device().device_id(), None, &opened.message)?;
        }
    }
    Ok(Fate::Done)
}

/// Whether what they say through the contact address is taken.
fn talks(state: ContactState) -> bool {
    matches!(state, ContactState::Accepted | ContactState::RequestSent)
}

fn hold(
    ctx: &mut Ctx<'_, '_>,
    id: &EnvelopeId,
    sender: &AccountId,
    deliver: &Deliver,
) -> Result<(), EngineError> {
    let held: usize = ctx.passing.messaging.held.values().map(Vec::len).sum();
    if held >= MAX_HELD {
        let oldest = ctx.passing.messaging.held.values().filter_map(|held| held.first()).min().copied();
        oldest.into_iter().for_each(|n| unhold(ctx, n));
    }
    let row = HeldEnvelope {
        envelope_id: id.to_vec(),
        identity: sender.to_vec(),
        envelope: deliver.envelope.to_vec(),
        received_ms: ctx.now.as_millis(),
    };
    let n = ctx.tx.append(HELD, b"", row.encode_to_vec())?;
    ctx.passing.messaging.held.entry(*sender).or_default().push(n);
    Ok(())
}

fn unhold(ctx: &mut Ctx<'_, '_>, n: u64) {
    ctx.tx.delete(HELD, b"", n);
    for held in ctx.passing.messaging.held.values_mut() {
        held.retain(|known| *known != n);
    }
    ctx.passing.messaging.held.retain(|_, held| !held.is_empty());
}

fn give_credit(ctx: &mut Ctx<'_, '_>, link: &LinkId) {
    ctx.passing.messaging.uncredited += 1;
    let envelopes = ctx.passing.messaging.uncredited;
    if envelopes >= CREDIT / 2 {
        ctx.passing.messaging.uncredited = 0;
        links::tell(ctx, link, client_frame::Body::Credit(Credit { envelopes }));
    }
}

fn is_seen(ctx: &Ctx<'_, '_>, id: &EnvelopeId) -> Result<bool, EngineError> {
    let month = ctx.now.as_millis() / MONTH_MS;
    let half = half(id);
    for month in [month, month.saturating_sub(1)] {
        if let Some(row) = ctx.tx.get(SEEN, &month.to_be_bytes(), half)? {
            // The whole id decides: a half can be made to collide.
            return Ok(row.as_slice() == id.as_ref());
        }
    }
    Ok(false)
}

fn mark_seen(ctx: &mut Ctx<'_, '_>, id: &EnvelopeId) {
    let month = ctx.now.as_millis() / MONTH_MS;
    let half = half(id);
    ctx.tx.put(SEEN, &month.to_be_bytes(), half, id.to_vec());
}

fn half(id: &EnvelopeId) -> u64 {
    let (first, _) = id.as_bytes().split_first_chunk().unwrap_or((&[0; 8], &[]));
    u64::from_be_bytes(*first)
}
