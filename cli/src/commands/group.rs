//! `wheesht group`, and `/group` in the chat: one definition, understood and done in one place.

use std::{path::Path, time::Duration};

use wheesht_core::{
    api::{
        Error, ErrorCode, GroupDetails, GroupLink, Joining, Picture, Policy, Request, Response, Role, Who,
    },
    proto::ids::{AccountId, GroupId},
};

use crate::{
    args::{Global, GroupAction, GroupPolicy, Switch},
    exit::{Exit, Failure, Result},
    output::{Output, Style},
    render,
    session::Session,
};

/// A change of a group is ordered by its record: so long is waited until it is.
const ORDERED_WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What came of it: for a program, and for a person.
pub(crate) struct Outcome {
    pub(crate) object: Response,
    pub(crate) words: String,
}

pub(crate) async fn run(global: &Global, out: Output, action: Option<GroupAction>) -> Result<()> {
    let session = Session::with_account(global, out).await?;
    // Who asks what there is means also what still lies at the relay.
    session.catch_up().await?;
    let action = action.unwrap_or(GroupAction::List);
    let changes = !matches!(action, GroupAction::List | GroupAction::Show { .. });
    let outcome = act(&session, action, out.style).await?;
    out.result(&outcome.object, |_| outcome.words)?;
    if changes {
        return session.finish().await;
    }
    session.client.close().await;
    Ok(())
}

/// Does it.
pub(crate) async fn act(session: &Session, action: GroupAction, style: Style) -> Result<Outcome> {
    match action {
        GroupAction::List => {
            let groups = session.groups().await?;
            let lines: Vec<_> = groups.iter().map(|group| render::group(group, style)).collect();
            let none = "You belong to no group. wheesht group create TITLE makes one.";
            let words = if lines.is_empty() { none.to_owned() } else { lines.join("\n") };
            Ok(Outcome { object: Response::Groups { groups }, words })
        }
        GroupAction::Show { group } => {
            let details = details(session, session.group(&group).await?.id).await?;
            let words = render::group_details(&details, session.own.as_ref(), style);
            Ok(Outcome { object: Response::GroupDetails { details }, words })
        }
        GroupAction::Create { title, about } => {
            let request =
                Request::CreateGroup { title, about: about.unwrap_or_default(), picture: None, policy: None };
            changed(session, request, style, "Founded; you are its owner. Next: group invite").await
        }
        GroupAction::Edit { group, title, about, picture, no_picture } => {
            let group = session.group(&group).await?.id;
            let picture = match (picture, no_picture) {
                (Some(path), _) => Some(read_picture(&path)?),
                (None, true) => Some(Picture::new(Vec::new())),
                (None, false) => None,
            };
            changed(session, Request::EditGroup { group, title, about, picture }, style, "Changed").await
        }
        GroupAction::Policy { group, policy } => {
            let found = session.group(&group).await?;
            let policy = with(found.policy.unwrap_or_default(), &policy);
            changed(session, Request::SetGroupPolicy { group: found.id, policy }, style, "Changed").await
        }
        GroupAction::Invite { group, who } => {
            let group = session.group(&group).await?.id;
            for who in &who {
                session.client.call(Request::InviteToGroup { group, who: session.who(who)? }).await?;
            }
            let names: Vec<_> = who.iter().map(|who| render::name(who)).collect();
            Ok(done(format!("Invited: {}. They are added once they have accepted.", names.join(", "))))
        }
        GroupAction::Accept { group } => {
            let request = Request::AcceptInvitation { group: session.group(&group).await?.id };
            changed(session, request, style, "Accepted").await
        }
        GroupAction::Decline { group } => {
            session
                .client
                .call(Request::DeclineInvitation { group: session.group(&group).await?.id })
                .await?;
            Ok(done("Declined, and forgotten.".to_owned()))
        }
        GroupAction::Join { link } => {
            changed(session, Request::JoinGroup { link }, style, "Asked to join").await
        }
        GroupAction::Link { group, hours, uses } => {
            let group = session.group(&group).await?.id;
            let lifetime_ms = hours.map(|hours| hours.saturating_mul(3_600_000));
            let response = session.client.call(Request::MakeGroupLink { group, lifetime_ms, uses }).await?;
            let Response::GroupLink { link } = response else { return Err(strange()) };
            let words = shown(&link, style);
            Ok(Outcome { object: Response::GroupLink { link }, words })
        }
        GroupAction::Revoke { group, link } => {
            let request = Request::RevokeGroupLink { group: session.group(&group).await?.id, link };
            changed(session, request, style, "Revoked").await
        }
        GroupAction::Admit { group, who } => answer(session, &group, &who, true, style).await,
        GroupAction::Refuse { group, who } => answer(session, &group, &who, false, style).await,
        GroupAction::Leave { group } => {
            let request = Request::LeaveGroup { group: session.group(&group).await?.id };
            changed(session, request, style, "Left").await
        }
        GroupAction::Delete { group } => {
            session.client.call(Request::DeleteGroup { group: session.group(&group).await?.id }).await?;
            Ok(done("Forgotten, with all that was said.".to_owned()))
        }
        GroupAction::Kick { group, who, ban } => {
            let group = session.group(&group).await?.id;
            let who = Who::Id(member(session, group, &who).await?);
            changed(session, Request::RemoveMember { group, who, ban }, style, "Removed").await
        }
        GroupAction::Unban { group, account } => {
            let group = session.group(&group).await?.id;
            let Ok(account) = account.parse() else {
                return Err(Failure::usage(
                    "Who is banned is named by the account id that group show lists.",
                ));
            };
            changed(session, Request::Unban { group, account }, style, "No longer banned").await
        }
        GroupAction::Role { group, who, role } => {
            let group = session.group(&group).await?.id;
            let who = Who::Id(member(session, group, &who).await?);
            changed(session, Request::SetRole { group, who, role: role.into() }, style, "Changed").await
        }
        GroupAction::Move { group, relay } => {
            let request = Request::MoveGroup { group: session.group(&group).await?.id, relay };
            changed(session, request, style, "Moved").await
        }
    }
}

fn done(words: String) -> Outcome {
    Outcome { object: Response::Done, words }
}

fn strange() -> Failure {
    Error::new(ErrorCode::Internal, "The engine gave an answer of another kind.").into()
}

async fn details(session: &Session, group: GroupId) -> Result<GroupDetails> {
    match session.client.call(Request::Group { group }).await? {
        Response::GroupDetails { details } => Ok(details),
        _ => Err(strange()),
    }
}

/// A change, waited for until the group's record has taken it.
async fn changed(session: &Session, request: Request, style: Style, words: &str) -> Result<Outcome> {
    let Response::Group { mut group } = session.client.call(request).await? else { return Err(strange()) };
    let ordered = async {
        while !group.pending.is_empty() {
            tokio::time::sleep(LOOK_EVERY).await;
            group = details(session, group.id).await?.group;
        }
        Ok::<_, Failure>(())
    };
    let words = match tokio::time::timeout(ORDERED_WITHIN, ordered).await {
        Ok(ordered) => {
            ordered?;
            format!("{words}.")
        }
        Err(_) => format!("{words}, here; the others see it when the group's relay has taken it."),
    };
    let words = format!("{words}\n{}", render::group(&group, style));
    Ok(Outcome { object: Response::Group { group }, words })
}

/// Somebody who asks to join.
async fn answer(session: &Session, group: &str, who: &str, accept: bool, style: Style) -> Result<Outcome> {
    let group = session.group(group).await?.id;
    let whom = session.who(who)?;
    let requests = details(session, group).await?.requests;
    let asking = requests.iter().find(|request| is(&whom, &request.account, &request.address));
    let account = asking.map(|request| request.account).ok_or_else(|| {
        Failure::new(
            Exit::NotFound,
            ErrorCode::NotFound,
            format!("{} does not ask to join.", render::name(who)),
        )
    })?;
    let words = if accept { "Admitted" } else { "Refused" };
    changed(session, Request::AnswerJoin { group, account, accept }, style, words).await
}

/// A member, by name, who need not be a contact.
async fn member(session: &Session, group: GroupId, who: &str) -> Result<AccountId> {
    let whom = session.who(who)?;
    let members = details(session, group).await?.members;
    let found = members.iter().find(|member| is(&whom, &member.account, &member.address));
    found.map(|member| member.account).ok_or_else(|| {
        Failure::new(
            Exit::NotFound,
            ErrorCode::NotFound,
            format!("{} does not belong to it.", render::name(who)),
        )
    })
}

fn is(who: &Who, account: &AccountId, address: &wheesht_core::proto::address::Address) -> bool {
    match who {
        Who::Id(id) => id == account,
        Who::Address(wanted) => wanted.canonical() == address.canonical(),
    }
}

fn read_picture(path: &Path) -> Result<Picture> {
    let bytes = std::fs::read(path)
        .map_err(|error| Failure::usage(format!("{} can't be read: {error}.", path.display())))?;
    Ok(Picture::new(bytes))
}

/// The policy with what was asked for changed.
fn with(mut policy: Policy, asked: &GroupPolicy) -> Policy {
    policy.joining = asked.joining.map_or(policy.joining, Joining::from);
    policy.write = asked.write.map_or(policy.write, Role::from);
    policy.invite = asked.invite.map_or(policy.invite, Role::from);
    policy.describe = asked.describe.map_or(policy.describe, Role::from);
    policy.receipts = asked.receipts.map_or(policy.receipts, |switch| switch == Switch::On);
    policy.disappear_ms =
        asked.disappear_hours.map_or(policy.disappear_ms, |hours| hours.saturating_mul(3_600_000));
    policy
}

fn shown(link: &GroupLink, style: Style) -> String {
    let Some(text) = &link.link else { return "The link is another device's.".to_owned() };
    let code = render::qr(text);
    format!("{code}{}\n\nWhoever has it can ask to join: wheesht group join LINK", style.bold(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_asked_for_stays() {
        let asked =
            GroupPolicy { write: Some(crate::args::group::RoleName::Admin), ..GroupPolicy::default() };
        let policy = with(Policy::default(), &asked);
        assert_eq!(policy, Policy { write: Role::Admin, ..Policy::default() });
    }
}
