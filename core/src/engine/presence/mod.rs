//! Who is there, and who is writing. It is said in ephemeral envelopes, which relays pass on or drop; nothing of it becomes history.
//!
//! ```text
//!                    [own] what this account wants to tell, and to whom
//!                      ▼
//!  [audience] ──▶ [telling] a session at each relay: last will, one envelope for all there, again before it expires
//!                      ▲ asks                                    │ the connection dies
//!                 [heard] ◀── Deliver, ephemeral ◀── relay ◀─────┘ the relay passes the will on
//!                 [typing] ◀──────┘
//! ```
//!
//! All of it is passing but for two things: the number of this device's newest session, which must never be used twice, and those
//! heard of contacts' devices, so that after a restart an old last will still is an old one. Rules: `proto/spec/presence.md`.

mod audience;
mod heard;
mod own;
mod telling;
mod typing;

use std::{collections::BTreeMap, rc::Rc};

use wheesht_proto::{
    address::RelayAddress,
    ids::AccountId,
    relay::{Deliver, relay_frame},
};

use super::{
    Ctx, EngineError, account,
    ctx::Pending as Continuation,
    error::Answer,
    io::{LinkId, RequestError, Role},
    people::Contact,
    tables::PRESENCE_PEERS,
    timers::Timer,
};
use crate::{
    api::{self, ConversationId, Error, ErrorCode, EventKind, Request, Response},
    time::Timestamp,
};

/// What may vanish at any moment.
#[derive(Default)]
pub(crate) struct Passing {
    own: own::Own,
    /// Contacts, once they are needed.
    peers: Option<BTreeMap<AccountId, heard::Peer>>,
    relays: BTreeMap<RelayAddress, telling::AtRelay>,
    typing: typing::Typing,
    /// This device is logged in at its relay.
    online: bool,
    /// What is told may have to change.
    look: bool,
}

/// What to do with a reply.
pub(crate) enum Pending {
    /// A deposit that tells how this account is.
    Told,
    /// A last will.
    Will,
    /// Something that is worth no second try.
    Nothing,
}

impl From<Pending> for Continuation {
    fn from(pending: Pending) -> Self {
        Self::Presence(pending)
    }
}

// ---- Called by the frame -------------------------------------------------------------------------------------

/// After opening the store.
pub(super) fn start(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    own::load(ctx)
}

/// A person's request.
pub(super) fn command(ctx: &mut Ctx<'_, '_>, request: Request) -> Answer {
    if account::me(ctx)?.is_none() && !matches!(request, Request::SetActivity { .. }) {
        return Err(account::not_active(ctx)?.into());
    }
    match request {
        Request::Presence => {}
        Request::SetPresence { choice, text } => own::choose(ctx, choice, text)?,
        Request::SetActivity { activity } => own::set_activity(ctx, activity),
        Request::SetTyping { on } => own::set_typing(ctx, on)?,
        Request::ShowPresence { who, visible } => return own::show_to(ctx, &who, visible),
        Request::ShowPresenceToLists { lists } => own::show_to_lists(ctx, lists)?,
        Request::Typing { conversation, stopped } => return typing::say(ctx, &conversation, stopped),
        _ => return Err(Error::new(ErrorCode::Internal, "This request is not about presence.").into()),
    }
    Ok(Some(Response::OwnPresence { presence: own::shown(ctx) }))
}

/// An ephemeral envelope. It is not acknowledged and leaves nothing behind: a relay that repeats it is met by what it says itself.
// PRE-1
pub(super) fn deliver(ctx: &mut Ctx<'_, '_>, deliver: &Deliver) -> Result<(), EngineError> {
    if own::is_off(ctx) {
        return Ok(());
    }
    heard::deliver(ctx, deliver)
}

pub(super) fn reply(
    ctx: &mut Ctx<'_, '_>,
    link: &LinkId,
    pending: &Pending,
    result: &Result<relay_frame::Body, RequestError>,
) {
    if let Err(RequestError::Refused(error)) = result {
        telling::refused(ctx, &link.relay, pending, error.retry_after_ms);
    }
}

/// Something is due: to be told again, or no longer to be shown.
pub(super) fn due(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    look(ctx);
    typing::forget(ctx);
    heard::expire(ctx)
}

/// An anonymous link is up: a session can begin there.
pub(super) fn greeted(ctx: &mut Ctx<'_, '_>, _link: &LinkId) {
    look(ctx);
}

/// A connection has ended, and what was left with it is passed on by its relay: the session there is over.
pub(super) fn link_down(ctx: &mut Ctx<'_, '_>, link: &LinkId) -> Result<(), EngineError> {
    match link.role {
        Role::Anonymous => {
            telling::ended(ctx, &link.relay);
            Ok(())
        }
        Role::Identified if account::own_link(ctx)?.as_ref() == Some(link) => {
            ctx.passing.presence.online = false;
            look(ctx);
            heard::deaf(ctx)
        }
        Role::Identified => Ok(()),
    }
}

/// Tells what the input has left to be told. Gives whether there was anything to look at.
pub(super) fn settle(ctx: &mut Ctx<'_, '_>) -> Result<bool, EngineError> {
    if !std::mem::take(&mut ctx.passing.presence.look) {
        return Ok(false);
    }
    telling::settle(ctx)?;
    Ok(true)
}

// ---- Offered to account, people and messaging ----------------------------------------------------------------

/// This device is logged in on its relay, and not behind its own statement.
pub(crate) fn online(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    ctx.passing.presence.online = true;
    own::load(ctx)?;
    look(ctx);
    heard::load(ctx)
}

/// This device is no longer one of the account's: it is silent, and knows of nobody.
pub(crate) fn stopped(ctx: &mut Ctx<'_, '_>) {
    telling::fall_silent(ctx);
    own::forget_all(ctx);
    ctx.passing.presence.peers = None;
    ctx.passing.presence.typing = typing::Typing::default();
}

/// Another own device has changed an entry of the vault that is about presence.
pub(crate) fn vault_entry(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    let before = own::shown(ctx);
    own::load(ctx)?;
    look(ctx);
    if own::is_off(ctx) {
        heard::deaf(ctx)?;
    }
    let presence = own::shown(ctx);
    if presence != before {
        ctx.passing_event(EventKind::OwnPresence { presence });
    }
    Ok(())
}

/// The account's own keys may be others: what is told follows from them.
pub(crate) fn keys_replaced(ctx: &mut Ctx<'_, '_>) {
    look(ctx);
}

/// What is known of a contact has changed: state, keys or devices.
pub(crate) fn contact_changed(ctx: &mut Ctx<'_, '_>, contact: &Rc<Contact>) -> Result<(), EngineError> {
    heard::contact_changed(ctx, contact)
}

/// What is known of a contact is gone from this device.
pub(crate) fn contact_removed(ctx: &mut Ctx<'_, '_>, account: &AccountId) {
    heard::contact_removed(ctx, account);
    ctx.tx.delete(PRESENCE_PEERS, account.as_ref(), 0);
}

/// The person has deleted a contact: whether it saw anything is no longer of interest.
pub(crate) fn forget(ctx: &mut Ctx<'_, '_>, account: &AccountId) -> Result<(), EngineError> {
    own::forget(ctx, account)
}

/// How a contact is.
pub(crate) fn of(ctx: &Ctx<'_, '_>, account: &AccountId) -> api::Presence {
    let peers = ctx.passing.presence.peers.as_ref();
    peers.and_then(|peers| peers.get(account)).map(|peer| peer.shown().clone()).unwrap_or_default()
}

/// Whether a contact is not to see the own presence.
pub(crate) fn is_hidden_from(ctx: &Ctx<'_, '_>, contact: &Contact) -> bool {
    own::is_hidden_from(ctx, contact)
}

/// Somebody has said what they were writing.
pub(crate) fn said(ctx: &mut Ctx<'_, '_>, conversation: &ConversationId, who: &AccountId) {
    typing::said(ctx, conversation, who);
}

// ---- For the parts -------------------------------------------------------------------------------------------

/// Has [`settle`] look again.
fn look(ctx: &mut Ctx<'_, '_>) {
    ctx.passing.presence.look = true;
}

/// Has [`due`] called by then.
fn wake_by(ctx: &mut Ctx<'_, '_>, at: Timestamp) {
    ctx.passing.timers.set_by(Timer::Presence, at);
}
