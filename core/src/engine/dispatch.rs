//! Which part of the engine deals with an input.

use super::{
    Ctx, EngineError, account, blobs, diagnose,
    error::Answer,
    events, groups,
    io::{Input, RequestError},
    links, messaging, notify, people, presence, profiles, search,
    timers::Timer,
};
use crate::api::{Request, Response};
use wheesht_proto::relay::relay_frame::Body;

/// One input, then everything that follows from it at once.
pub(super) fn input(ctx: &mut Ctx<'_, '_>, input: Input) -> Result<(), EngineError> {
    match input {
        Input::Start => {
            account::start(ctx)?;
            people::start(ctx)?;
            messaging::start(ctx)?;
            search::start(ctx)?;
            groups::start(ctx)?;
            presence::start(ctx)?;
            blobs::start(ctx)?;
        }
        Input::Command { id, request } => match command(ctx, id, request) {
            Ok(Some(response)) => ctx.respond(id, Ok(response)),
            Ok(None) => {}
            Err(failure) => ctx.refuse(id, failure)?,
        },
        Input::AckEvents(up_to) => events::acknowledge(ctx, up_to)?,
        Input::ReplayEvents { after } => events::replay(ctx, after)?,
        Input::Link { link, event } => links::event(ctx, &link, event)?,
        Input::Reply { token, result } => links::route(ctx, token, result)?,
        Input::Push { link, body } => match body {
            Body::Deliver(deliver) => messaging::deliver(ctx, &link, deliver)?,
            Body::Proposal(proposal) => account::proposal(ctx, &link, proposal)?,
            Body::ProposalDecided(decision) => account::proposal_decided(ctx, &link, decision)?,
            // A goodbye is the driver's to heed; anything else is no push.
            _ => {}
        },
        Input::WorkDone { token, output } => {
            if let Some(pending) = ctx.passing.work.remove(&token) {
                account::work_done(ctx, pending, output)?;
            }
        }
        Input::Blob { token, report } => blobs::report(ctx, token, report)?,
        Input::Tick => {}
    }
    loop {
        if let Some(token) = links::take_lost(ctx) {
            links::route(ctx, token, Err(RequestError::Lost))?;
        } else if let Some(timer) = ctx.passing.timers.take_due(ctx.now) {
            due(ctx, timer)?;
        } else {
            let said = messaging::settle(ctx)?;
            let passed = presence::settle(ctx)? | profiles::settle(ctx)?;
            if !groups::settle(ctx)? && !said && !passed {
                return Ok(());
            }
        }
    }
}

fn command(ctx: &mut Ctx<'_, '_>, id: u64, request: Request) -> Answer {
    match request {
        Request::DebugBundle => Ok(Some(Response::DebugBundle { text: diagnose::bundle(ctx)? })),
        Request::Status
        | Request::SuggestPassphrase
        | Request::Register { .. }
        | Request::LogIn { .. }
        | Request::LogInByLink { .. }
        | Request::MakeDeviceLink
        | Request::RevokeDeviceLink
        | Request::Devices
        | Request::ConfirmDevice { .. }
        | Request::RejectDevice { .. }
        | Request::RemoveDevice { .. }
        | Request::RenameDevice { .. }
        | Request::ChangePassword { .. }
        | Request::DeleteAccount { .. }
        | Request::SetRelay { .. } => account::command(ctx, id, request),
        Request::Contacts
        | Request::AddContact { .. }
        | Request::AcceptContact { .. }
        | Request::BlockContact { .. }
        | Request::UnblockContact { .. }
        | Request::DeleteContact { .. }
        | Request::AcceptIdentity { .. }
        | Request::EditContact { .. }
        | Request::SafetyNumber { .. }
        | Request::MarkVerified { .. } => people::command(ctx, id, request),
        Request::SetFocus { .. } | Request::NotificationSettings | Request::SetNotifications { .. } => {
            notify::command(ctx, request)
        }
        Request::Groups
        | Request::Group { .. }
        | Request::CreateGroup { .. }
        | Request::EditGroup { .. }
        | Request::SetGroupPolicy { .. }
        | Request::InviteToGroup { .. }
        | Request::MakeGroupLink { .. }
        | Request::RevokeGroupLink { .. }
        | Request::JoinGroup { .. }
        | Request::AcceptInvitation { .. }
        | Request::DeclineInvitation { .. }
        | Request::AnswerJoin { .. }
        | Request::LeaveGroup { .. }
        | Request::DeleteGroup { .. }
        | Request::RemoveMember { .. }
        | Request::Unban { .. }
        | Request::SetRole { .. }
        | Request::MoveGroup { .. } => groups::command(ctx, id, request),
        Request::Profile { .. } | Request::SetProfile { .. } => profiles::command(ctx, request),
        Request::Presence
        | Request::SetPresence { .. }
        | Request::SetActivity { .. }
        | Request::ShowPresence { .. }
        | Request::ShowPresenceToLists { .. }
        | Request::Typing { .. }
        | Request::SetTyping { .. } => presence::command(ctx, request),
        Request::Search { search } => search::search(ctx, &search),
        Request::Conversations
        | Request::Send { .. }
        | Request::History { .. }
        | Request::Page { .. }
        | Request::Message { .. }
        | Request::MarkRead { .. }
        | Request::React { .. }
        | Request::Edit { .. }
        | Request::Edits { .. }
        | Request::Delete { .. }
        | Request::Forward { .. }
        | Request::Pin { .. }
        | Request::Pins { .. }
        | Request::Deliveries { .. }
        | Request::SetDraft { .. }
        | Request::SetDisappearing { .. }
        | Request::Mute { .. }
        | Request::Archive { .. }
        | Request::Import { .. }
        | Request::SendFile { .. }
        | Request::SaveFile { .. }
        | Request::CancelTransfer { .. }
        | Request::PauseTransfer { .. }
        | Request::ResumeTransfer { .. }
        | Request::Files { .. }
        | Request::SetAutoDownload { .. }
        | Request::SendHistory { .. }
        | Request::CancelHistory { .. }
        | Request::Settings
        | Request::SetReadReceipts { .. } => messaging::command(ctx, id, request),
    }
}

fn due(ctx: &mut Ctx<'_, '_>, timer: Timer) -> Result<(), EngineError> {
    match timer {
        Timer::Prekeys
        | Timer::OwnLookup
        | Timer::Statement
        | Timer::Vault
        | Timer::Grace
        | Timer::Devices => account::due(ctx, timer),
        Timer::People => people::due(ctx),
        Timer::Outbox
        | Timer::Acks
        | Timer::Receipts
        | Timer::Disappear
        | Timer::Drafts
        | Timer::Repair
        | Timer::Files
        | Timer::Handover
        | Timer::Housekeeping => messaging::due(ctx, timer),
        Timer::Groups => groups::due(ctx),
        Timer::Presence => presence::due(ctx),
        Timer::Profiles => profiles::due(ctx),
        Timer::Notify => notify::due(ctx),
        Timer::Search => search::due(ctx),
        Timer::Blobs => blobs::due(ctx),
        Timer::IdleLinks => {
            links::close_idle(ctx);
            Ok(())
        }
    }
}
