//! What deserves to call for attention. Every event passes by here on its way to the app; a few of them are followed by a
//! notification, which a frontend shows as it stands.
//!
//! ```text
//!            own, read, or looked at? ─▶ nothing          too old, or too many? ─▶ gathered, and told in one (late.rs)
//!  event ──▶ muted, group of mentions only? ─▶ nothing    ─▶ else: in words, as much as the settings show (words.rs)
//!            quiet hours? ─▶ nothing
//! ```
//!
//! Notifications are passing: one that was not shown when its time had come is of no use later, and the unread marks stay.

mod late;
mod said;
mod settings;
mod words;

use std::collections::{BTreeSet, VecDeque};

use wheesht_proto::ids::GroupId;

use super::{Ctx, EngineError, error::Answer, people};
use crate::{
    api::{
        ConversationId, Error, ErrorCode, EventKind, Group, GroupPhase, JoinRequest, Notification,
        NotificationSettings, Request, Response,
    },
    time::Timestamp,
};

/// What a frontend says of where one looks counts for so long (milliseconds), in case it ends without a word.
const FOCUS_MS: u64 = 10 * 60_000;
/// So many may call within so long (milliseconds); what is beyond is gathered.
const BURST: (usize, u64) = (5, 10_000);
/// Invitations of which it is remembered that they called.
const MAX_INVITATIONS: usize = 1_000;

#[derive(Default)]
pub(crate) struct Passing {
    /// The conversation that somebody looks at, and until when that counts.
    focus: Option<(ConversationId, Timestamp)>,
    /// As stored.
    settings: Option<NotificationSettings>,
    /// When the last few called.
    recent: VecDeque<Timestamp>,
    late: late::Late,
    /// Invitations that have called: a group's event comes whenever it changes.
    invited: BTreeSet<GroupId>,
}

pub(super) fn command(ctx: &mut Ctx<'_, '_>, request: Request) -> Answer {
    match request {
        Request::SetFocus { conversation } => {
            let until = ctx.now.plus_millis(FOCUS_MS);
            ctx.passing.notify.focus = conversation.map(|conversation| (conversation, until));
            if let Some(conversation) = conversation {
                ctx.passing.notify.late.forget(&conversation);
            }
            Ok(Some(Response::Done))
        }
        Request::NotificationSettings => {
            Ok(Some(Response::NotificationSettings { settings: settings::load(ctx)? }))
        }
        Request::SetNotifications { settings } => settings::set(ctx, settings),
        _ => Err(Error::new(ErrorCode::Internal, "This request is not about notifications.").into()),
    }
}

/// Whether what happens calls for attention, and how.
pub(super) fn about(ctx: &mut Ctx<'_, '_>, kind: &EventKind) -> Result<Option<Notification>, EngineError> {
    match kind {
        EventKind::Message { message } => said::said(ctx, message),
        EventKind::Read { conversation, unread: 0 } => {
            ctx.passing.notify.late.forget(conversation);
            Ok(None)
        }
        EventKind::Group { group } => invitation(ctx, group),
        EventKind::JoinRequest { request } => join_request(ctx, request),
        EventKind::DeviceProposal { proposal: Some(_) } => Ok(Some(words::device())),
        _ => Ok(None),
    }
}

/// What was gathered has waited long enough.
pub(super) fn due(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    if let Some(notification) = late::take(ctx)? {
        ctx.passing_event(EventKind::Notification { notification });
    }
    Ok(())
}

fn invitation(ctx: &mut Ctx<'_, '_>, group: &Group) -> Result<Option<Notification>, EngineError> {
    let known = &mut ctx.passing.notify.invited;
    if group.phase != GroupPhase::Invited {
        known.remove(&group.id);
        return Ok(None);
    }
    if known.len() >= MAX_INVITATIONS {
        known.clear();
    }
    if !known.insert(group.id) || is_quiet(ctx)? {
        return Ok(None);
    }
    let inviter = match group.inviter {
        Some(inviter) => people::by_id(ctx, &inviter)?.map(|contact| contact.address.name().to_string()),
        None => None,
    };
    let shows = settings::load(ctx)?.shows;
    Ok(Some(words::invitation(shows, group, inviter.as_deref())))
}

fn join_request(ctx: &mut Ctx<'_, '_>, request: &JoinRequest) -> Result<Option<Notification>, EngineError> {
    if is_quiet(ctx)? {
        return Ok(None);
    }
    let id = ConversationId::Group(request.group);
    let title = super::messaging::title(ctx, &id)?;
    let shows = settings::load(ctx)?.shows;
    Ok(Some(words::join_request(shows, id, &title, request.address.name().as_str())))
}

/// Whether nothing is to call now.
fn is_quiet(ctx: &mut Ctx<'_, '_>) -> Result<bool, EngineError> {
    let now = ctx.now;
    Ok(settings::load(ctx)?.quiet.is_some_and(|quiet| settings::falls_into(&quiet, now)))
}

/// Whether somebody looks at this conversation.
fn is_looked_at(ctx: &Ctx<'_, '_>, id: &ConversationId) -> bool {
    ctx.passing.notify.focus.is_some_and(|(focus, until)| focus == *id && ctx.now < until)
}

/// Whether one more would be too many. One that isn't is counted.
fn is_too_many(ctx: &mut Ctx<'_, '_>) -> bool {
    let now = ctx.now;
    let recent = &mut ctx.passing.notify.recent;
    recent.retain(|at| now.millis_since(*at) < BURST.1);
    let too_many = recent.len() >= BURST.0;
    if !too_many {
        recent.push_back(now);
    }
    too_many
}
