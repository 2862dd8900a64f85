//! Connections to relays: opened when something is asked, greeted, and closed when idle.
//!
//! ```text
//!           Open           Link::Up            HelloOk             DeviceSession
//!  (none) ───────▶ Down ─────────────▶ Greeting ───────▶ Greeted ───────────────▶ LoggedIn
//!                   ▲                                       │                        │
//!                   └──────────────── Link::Down ───────────┴────────────────────────┘
//! ```
//!
//! A request waits here until its link has come as far as the request needs, and while too many are under way. When the link
//! fails, everything that waits or is under way is answered `Lost`, and whoever asked decides what that means. There is one link
//! per relay and role: what identifies this account and what must not are never mixed.

use std::collections::{BTreeMap, VecDeque};

use wheesht_proto::{
    limits::{MAX_IN_FLIGHT, PROTOCOL_VERSION},
    relay::{Hello, HelloOk, client_frame, relay_frame},
};

use super::{
    Ctx, EngineError, account, blobs,
    ctx::Pending as Continuation,
    groups,
    io::{Effect, LinkEvent, LinkId, RequestError, Role},
    messaging, people, presence, profiles,
    timers::Timer,
};
use crate::time::Timestamp;

/// An anonymous link without traffic for this long (milliseconds) is closed.
const IDLE_MS: u64 = 60_000;

/// The longest pause that a relay may ask for (milliseconds).
const PATIENCE_MS: u32 = 60 * 60_000;

/// Requests that may wait on one link; more are answered `Lost` at once, and come again with their module's retry.
const MAX_WAITING: usize = 1_024;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Down,
    Greeting,
    Greeted,
    LoggedIn,
}

struct Waiting {
    token: u64,
    needs: Stage,
    body: client_frame::Body,
}

struct Link {
    stage: Stage,
    waiting: VecDeque<Waiting>,
    under_way: usize,
    used: Timestamp,
    /// Something hangs on the connection's standing: it is not closed for being idle.
    kept: bool,
    greeting: Option<HelloOk>,
}

/// All links.
#[derive(Default)]
pub(crate) struct Links {
    links: BTreeMap<LinkId, Link>,
    asked: BTreeMap<u64, LinkId>,
    lost: Vec<u64>,
}

impl Links {
    /// Whether this device is logged in there.
    pub(crate) fn logged_in(&self, id: &LinkId) -> bool {
        self.links.get(id).is_some_and(|link| link.stage == Stage::LoggedIn)
    }

    /// Whether requests go out at once.
    pub(crate) fn greeted(&self, id: &LinkId) -> bool {
        self.links.get(id).is_some_and(|link| link.stage >= Stage::Greeted)
    }

    /// What the relay said in greeting, while the link is up.
    pub(crate) fn greeting(&self, id: &LinkId) -> Option<&HelloOk> {
        self.links.get(id)?.greeting.as_ref()
    }
}

/// Every link and how it stands, for a debug bundle.
pub(super) fn states(ctx: &Ctx<'_, '_>) -> Vec<(LinkId, String)> {
    let state = |link: &Link| {
        let stage = match link.stage {
            Stage::Down => "down",
            Stage::Greeting => "greeting",
            Stage::Greeted => "up",
            Stage::LoggedIn => "logged in",
        };
        format!("{stage}, {} requests wait, {} are under way", link.waiting.len(), link.under_way)
    };
    ctx.passing.links.links.iter().map(|(id, link)| (id.clone(), state(link))).collect()
}

/// What this module asks itself.
pub(crate) enum Pending {
    Hello,
}

impl From<Pending> for Continuation {
    fn from(pending: Pending) -> Self {
        Self::Link(pending)
    }
}

/// Keeps a link open from now on.
pub(crate) fn open(ctx: &mut Ctx<'_, '_>, id: &LinkId) {
    let now = ctx.now;
    if !ctx.passing.links.links.contains_key(id) {
        let link = Link {
            stage: Stage::Down,
            waiting: VecDeque::new(),
            under_way: 0,
            used: now,
            kept: false,
            greeting: None,
        };
        ctx.passing.links.links.insert(id.clone(), link);
        ctx.effects.push(Effect::Open(id.clone()));
        if id.role == Role::Anonymous {
            ctx.passing.timers.set_by(Timer::IdleLinks, now.plus_millis(IDLE_MS));
        }
    }
}

/// Has a link soon to be used: opened, and kept from being closed as idle for a while.
pub(crate) fn want(ctx: &mut Ctx<'_, '_>, id: &LinkId) {
    open(ctx, id);
    let now = ctx.now;
    if let Some(link) = ctx.passing.links.links.get_mut(id) {
        link.used = now;
    }
}

/// Has an anonymous link stay open while nothing uses it, or no longer.
pub(crate) fn keep(ctx: &mut Ctx<'_, '_>, id: &LinkId, kept: bool) {
    if kept {
        open(ctx, id);
    }
    let now = ctx.now;
    if let Some(link) = ctx.passing.links.links.get_mut(id).filter(|link| link.kept != kept) {
        link.kept = kept;
        link.used = now;
        ctx.passing.timers.set_by(Timer::IdleLinks, now.plus_millis(IDLE_MS));
    }
}

/// Closes a link; what waits on it is lost.
pub(crate) fn close(ctx: &mut Ctx<'_, '_>, id: &LinkId) {
    if ctx.passing.links.links.contains_key(id) {
        lose_all(ctx, id);
        ctx.passing.links.links.remove(id);
        ctx.effects.push(Effect::Close(id.clone()));
    }
}

/// See [`Ctx::ask`].
pub(super) fn ask(ctx: &mut Ctx<'_, '_>, id: &LinkId, pending: Continuation, body: client_frame::Body) {
    let token = ctx.passing.token();
    ctx.passing.pending.insert(token, pending);
    ctx.passing.links.asked.insert(token, id.clone());
    let known = ctx.passing.links.links.contains_key(id);
    open(ctx, id);
    let now = ctx.now;
    let Some(link) = ctx.passing.links.links.get_mut(id) else { return };
    link.used = now;
    if link.waiting.len() >= MAX_WAITING {
        ctx.passing.links.lost.push(token);
        return;
    }
    link.waiting.push_back(Waiting { token, needs: needs(id.role, &body), body });
    if known && link.stage == Stage::Down {
        // Asking is a reason to try now rather than at the end of the driver's back-off.
        ctx.effects.push(Effect::Open(id.clone()));
    }
    pump(ctx, id);
}

/// Sends something that is never answered, if the link is logged in.
pub(crate) fn tell(ctx: &mut Ctx<'_, '_>, id: &LinkId, body: client_frame::Body) {
    if ctx.passing.links.logged_in(id) {
        ctx.effects.push(Effect::Request { link: id.clone(), token: 0, body });
    }
}

/// The account's device has logged in on this link: what waited for that goes out.
pub(crate) fn set_logged_in(ctx: &mut Ctx<'_, '_>, id: &LinkId) {
    if let Some(link) = ctx.passing.links.links.get_mut(id).filter(|link| link.stage == Stage::Greeted) {
        link.stage = Stage::LoggedIn;
        pump(ctx, id);
    }
}

/// Something happened to a link.
pub(super) fn event(ctx: &mut Ctx<'_, '_>, id: &LinkId, event: LinkEvent) -> Result<(), EngineError> {
    let Some(link) = ctx.passing.links.links.get_mut(id) else { return Ok(()) };
    match event {
        LinkEvent::Up => {
            link.stage = Stage::Greeting;
            link.under_way = 0;
            let hello = Hello { min_version: PROTOCOL_VERSION, max_version: PROTOCOL_VERSION };
            send(ctx, id, Pending::Hello.into(), client_frame::Body::Hello(hello));
            Ok(())
        }
        LinkEvent::Down { reason, untrusted } => {
            lose_all(ctx, id);
            presence::link_down(ctx, id)?;
            account::link_down(ctx, id, &reason, untrusted)
        }
    }
}

/// A reply has come: the place it took is free again. Gives what to do with it.
pub(super) fn answered(ctx: &mut Ctx<'_, '_>, token: u64) -> Option<(LinkId, Continuation)> {
    let pending = ctx.passing.pending.remove(&token)?;
    let id = ctx.passing.links.asked.remove(&token)?;
    let now = ctx.now;
    if let Some(link) = ctx.passing.links.links.get_mut(&id) {
        link.under_way = link.under_way.saturating_sub(1);
        link.used = now;
    }
    pump(ctx, &id);
    Some((id, pending))
}

/// Takes a request that will get no reply.
pub(super) fn take_lost(ctx: &mut Ctx<'_, '_>) -> Option<u64> {
    ctx.passing.links.lost.pop()
}

/// The reply to a question of this module.
pub(super) fn reply(
    ctx: &mut Ctx<'_, '_>,
    id: &LinkId,
    pending: Pending,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<(), EngineError> {
    let Pending::Hello = pending;
    match result {
        Ok(relay_frame::Body::HelloOk(greeting)) if greeting.version == PROTOCOL_VERSION => {
            let Some(link) = ctx.passing.links.links.get_mut(id) else { return Ok(()) };
            link.stage = Stage::Greeted;
            link.greeting = Some(greeting);
            pump(ctx, id);
            match id.role {
                Role::Identified => account::greeted(ctx, id),
                Role::Anonymous => {
                    messaging::greeted(ctx, id);
                    presence::greeted(ctx, id);
                    groups::greeted(ctx, id)
                }
            }
        }
        Err(RequestError::Lost) => Ok(()),
        Ok(_) | Err(RequestError::Refused(_)) => {
            // It speaks no version that this client does.
            lose_all(ctx, id);
            account::link_down(
                ctx,
                id,
                "the relay speaks another version of the protocol; update Wheesht",
                false,
            )
        }
    }
}

/// Closes anonymous links that nothing has used for a while.
pub(super) fn close_idle(ctx: &mut Ctx<'_, '_>) {
    let now = ctx.now;
    let anonymous: Vec<_> =
        ctx.passing.links.links.iter().filter(|(id, _)| id.role == Role::Anonymous).collect();
    let idle = |link: &Link| {
        !link.kept && link.under_way == 0 && link.waiting.is_empty() && now.millis_since(link.used) >= IDLE_MS
    };
    let (closing, staying): (Vec<_>, Vec<_>) = anonymous.into_iter().partition(|(_, link)| idle(link));
    let next = staying
        .iter()
        .filter(|(_, link)| !link.kept)
        .map(|(_, link)| link.used.plus_millis(IDLE_MS).max(now.plus_millis(1_000)))
        .min();
    let closing: Vec<_> = closing.into_iter().map(|(id, _)| id.clone()).collect();
    for id in closing {
        close(ctx, &id);
    }
    if let Some(next) = next {
        ctx.passing.timers.set_by(Timer::IdleLinks, next);
    }
}

/// How far a link must be for this request.
fn needs(role: Role, body: &client_frame::Body) -> Stage {
    use client_frame::Body;
    match body {
        Body::Hello(_) => Stage::Greeting,
        Body::ConfirmProposal(_)
        | Body::RejectProposal(_)
        | Body::PutAddress(_)
        | Body::CloseAddress(_)
        | Body::UploadPrekeys(_)
        | Body::Subscribe(_)
        | Body::Credit(_)
        | Body::Ack(_)
        | Body::PutStatement(_)
        | Body::GetTickets(_) => Stage::LoggedIn,
        // An anonymous one is written under its key alone, or made with a ticket.
        Body::PutRecord(_) if role == Role::Identified => Stage::LoggedIn,
        _ => Stage::Greeted,
    }
}

/// Sends what may go.
fn pump(ctx: &mut Ctx<'_, '_>, id: &LinkId) {
    let Some(link) = ctx.passing.links.links.get_mut(id) else { return };
    while link.under_way < MAX_IN_FLIGHT {
        let Some(position) = link.waiting.iter().position(|waiting| waiting.needs <= link.stage) else {
            break;
        };
        let Some(Waiting { token, body, .. }) = link.waiting.remove(position) else { break };
        link.under_way += 1;
        ctx.effects.push(Effect::Request { link: id.clone(), token, body });
    }
}

/// Sends at once, before anything that waits.
fn send(ctx: &mut Ctx<'_, '_>, id: &LinkId, pending: Continuation, body: client_frame::Body) {
    let token = ctx.passing.token();
    ctx.passing.pending.insert(token, pending);
    ctx.passing.links.asked.insert(token, id.clone());
    if let Some(link) = ctx.passing.links.links.get_mut(id) {
        link.under_way += 1;
    }
    ctx.effects.push(Effect::Request { link: id.clone(), token, body });
}

fn lose_all(ctx: &mut Ctx<'_, '_>, id: &LinkId) {
    let links = &mut ctx.passing.links;
    if let Some(link) = links.links.get_mut(id) {
        link.stage = Stage::Down;
        link.under_way = 0;
        link.greeting = None;
        links.lost.extend(link.waiting.drain(..).map(|waiting| waiting.token));
    }
}

/// A relay may ask for patience, but one that asked for weeks would be obeyed long after it has come to its senses.
fn patient(mut result: Result<relay_frame::Body, RequestError>) -> Result<relay_frame::Body, RequestError> {
    match &mut result {
        Err(RequestError::Refused(error)) => error.retry_after_ms = error.retry_after_ms.min(PATIENCE_MS),
        Ok(relay_frame::Body::DepositResults(results)) => {
            for one in results.results.iter_mut().flat_map(|result| &mut result.addresses) {
                one.retry_after_ms = one.retry_after_ms.min(PATIENCE_MS);
            }
        }
        _ => {}
    }
    result
}

/// A request that was lost, given back to whoever asked.
pub(super) fn route(
    ctx: &mut Ctx<'_, '_>,
    token: u64,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<(), EngineError> {
    let Some((link, pending)) = answered(ctx, token) else { return Ok(()) };
    let result = patient(result);
    match pending {
        Continuation::Link(pending) => reply(ctx, &link, pending, result),
        Continuation::Account(pending) => account::reply(ctx, &link, pending, result),
        Continuation::People(pending) => people::reply(ctx, &link, pending, result),
        Continuation::Messaging(pending) => messaging::reply(ctx, &link, pending, result),
        Continuation::Groups(pending) => groups::reply(ctx, &link, pending, result),
        Continuation::Profiles(pending) => profiles::reply(ctx, &link, pending, result),
        Continuation::Presence(pending) => {
            presence::reply(ctx, &link, &pending, &result);
            Ok(())
        }
        Continuation::Blobs(pending) => blobs::reply(ctx, pending, result),
    }
}
