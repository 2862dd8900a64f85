//! Blobs: large encrypted values on relays. What moves them is the driver's ([`Effect::Blob`]); who wants them moved, and what
//! then becomes of it, is a matter of the parts of the engine that ask here.
//!
//! ```text
//!  files, profiles … ── ask ──▶ token ── Effect::Blob ──▶ driver ── Input::Blob ──▶ whoever asked, by its Pending
//!                    ── ticket ──▶ own relay, on the identified link
//!                    ── delete ──▶ row ── Effect::Blob ──▶ again until the relay says that it is gone
//! ```
//!
//! A ticket comes over the connection that says who this is, the blob goes over one that doesn't; the relay keeps no note of which
//! ticket was whose. An order lives as long as the engine; whoever needs more keeps a row and asks again.

mod delete;
mod order;

use wheesht_proto::relay::{GetTickets, TicketKind, client_frame, relay_frame};

use super::{
    Ctx, EngineError, account,
    ctx::Pending as Continuation,
    io::{Effect, LinkId, RequestError},
    messaging,
};
use crate::api::{Error, ErrorCode};

pub(crate) use delete::{delete, due, online, start};
pub use order::{Blob, BlobFailure, BlobOrder, BlobReport, Looked, LookedPicture, Source, Target};

#[derive(Default)]
pub(crate) struct Passing {
    deletions: delete::Running,
}

/// Who hears what came of an order, or of the wish for a ticket.
pub(crate) enum Pending {
    /// A deletion of a blob.
    Deletion(u64),
    /// A file of a message.
    File(messaging::FilePending),
    /// A part of the history, between own devices.
    Handover(messaging::HandoverPending),
}

impl From<Pending> for Continuation {
    fn from(pending: Pending) -> Self {
        Self::Blobs(pending)
    }
}

/// Has the driver do something. The token stops it.
pub(crate) fn ask(ctx: &mut Ctx<'_, '_>, pending: Pending, order: BlobOrder) -> u64 {
    let token = ctx.passing.token();
    ctx.passing.blob_orders.insert(token, pending);
    ctx.effects.push(Effect::Blob { token, order });
    token
}

/// Stops it; nothing more is heard of it.
pub(crate) fn stop(ctx: &mut Ctx<'_, '_>, token: u64) {
    if ctx.passing.blob_orders.remove(&token).is_some() {
        ctx.effects.push(Effect::StopBlob { token });
    }
}

/// Asks the own relay for a ticket for a blob of this length. The answer comes as a reply; [`ticket_in`] reads it.
pub(crate) fn ticket(ctx: &mut Ctx<'_, '_>, link: &LinkId, pending: Pending, length: u64) {
    let body = GetTickets { kind: TicketKind::Blob.into(), count: 1, max_bytes: length };
    ctx.ask(link, pending, client_frame::Body::GetTickets(body));
}

/// The ticket that the relay gave, or why there is none.
pub(crate) fn ticket_in(result: Result<relay_frame::Body, RequestError>) -> Result<[u8; 32], Option<Error>> {
    use wheesht_proto::relay::ErrorCode as Refusal;
    let refused = match result {
        Ok(relay_frame::Body::Tickets(given)) => {
            let ticket = given.tickets.into_iter().next();
            return ticket.and_then(|ticket| ticket.try_into().ok()).ok_or(None);
        }
        Err(RequestError::Refused(refused)) => refused,
        Ok(_) | Err(RequestError::Lost) => return Err(None),
    };
    Err(Some(
        match refused.code() {
            Refusal::QuotaExceeded => {
                Error::new(ErrorCode::RateLimited, "You have sent as much today as the relay lets you.")
                    .next("It goes on by itself when the relay lets you send more, at the latest tomorrow.")
            }
            Refusal::TooLarge => Error::new(ErrorCode::TooLarge, "The relay takes no file of this size.")
                .next("Send it in parts, or ask the relay's operator for more."),
            _ => Error::new(ErrorCode::Relay, "The relay gives no ticket for a file."),
        }
        .retry_after(refused.retry_after_ms),
    ))
}

/// The largest blob that the own relay takes, as far as is known now.
pub(crate) fn largest(ctx: &mut Ctx<'_, '_>) -> Result<Option<u64>, EngineError> {
    let Some(link) = account::own_link(ctx)? else { return Ok(None) };
    let greeting = ctx.passing.links.greeting(&link);
    Ok(greeting.and_then(|greeting| greeting.limits.as_ref()).map(|limits| limits.max_blob))
}

// ---- Called by the frame -------------------------------------------------------------------------------------

/// The driver says something about an order.
pub(super) fn report(ctx: &mut Ctx<'_, '_>, token: u64, report: BlobReport) -> Result<(), EngineError> {
    if let BlobReport::Progress { done } = report {
        if let Some(Pending::File(pending)) = ctx.passing.blob_orders.get(&token) {
            let pending = pending.clone();
            messaging::file_progress(ctx, &pending, done)?;
        }
        return Ok(());
    }
    match ctx.passing.blob_orders.remove(&token) {
        Some(Pending::Deletion(n)) => delete::reported(ctx, n, &report),
        Some(Pending::File(pending)) => messaging::file_report(ctx, pending, report),
        Some(Pending::Handover(pending)) => messaging::handover_report(ctx, pending, report),
        None => Ok(()),
    }
}

/// The reply to the wish for a ticket.
pub(super) fn reply(
    ctx: &mut Ctx<'_, '_>,
    pending: Pending,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<(), EngineError> {
    match pending {
        Pending::File(pending) => messaging::file_ticket(ctx, pending, ticket_in(result)),
        Pending::Handover(pending) => messaging::handover_ticket(ctx, pending, ticket_in(result)),
        // Nothing is shown to delete a blob but its secret.
        Pending::Deletion(_) => Ok(()),
    }
}
