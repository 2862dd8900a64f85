//! What happened, and what can't be, in words that an app can show.

use wheesht_proto::ids::{AccountId, GroupId};

use crate::{
    api::{Error, ErrorCode, GroupChange},
    protocol::group::{Action, ChangeError, State},
};

/// What these actions do to a state, as an app sees it.
pub(super) fn changes(state: &State, actions: &[Action]) -> Vec<GroupChange> {
    actions.iter().flat_map(|action| change(state, action)).collect()
}

fn change(state: &State, action: &Action) -> Vec<GroupChange> {
    let id = |key: &crate::crypto::sign::VerifyingKey| invite_id(key);
    match action {
        Action::Describe { title, about, picture } => {
            let title = title.clone().map(|title| GroupChange::Title { title });
            let about = about.clone().map(|about| GroupChange::About { about });
            let picture = picture.as_ref().map(|_| GroupChange::Picture);
            title.into_iter().chain(about).chain(picture).collect()
        }
        Action::SetPolicy(policy) => vec![GroupChange::Policy { policy: *policy }],
        Action::Add(consent) => {
            let (account, name) = (consent.identity(), consent.address().name().to_string());
            vec![GroupChange::Added { account, name }]
        }
        Action::Remove { account, leave: Some(_), .. } => {
            vec![GroupChange::Left { account: *account, name: name(state, account) }]
        }
        Action::Remove { account, ban, leave: None } => {
            vec![GroupChange::Removed { account: *account, name: name(state, account), banned: *ban }]
        }
        Action::SetRole { account, role } => {
            vec![GroupChange::Role { account: *account, name: name(state, account), role: *role }]
        }
        Action::Unban(account) => vec![GroupChange::Unbanned { account: *account }],
        Action::AddInvite(invite) => vec![GroupChange::LinkMade { id: id(&invite.key) }],
        Action::RevokeInvite(key) => vec![GroupChange::LinkRevoked { id: id(key) }],
        Action::NewEpoch(_) => vec![GroupChange::KeyReplaced],
        Action::MoveRecord(place) => vec![GroupChange::Moved { relay: place.relay.clone() }],
    }
}

/// The name of a member, as the group knows it.
pub(super) fn name(state: &State, account: &AccountId) -> String {
    state.member(account).map(|member| member.address.name().to_string()).unwrap_or_default()
}

/// [`crate::api::GroupLink::id`].
pub(super) fn invite_id(key: &crate::crypto::sign::VerifyingKey) -> String {
    key.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Why a change can't be.
pub(super) fn change_error(error: ChangeError) -> Error {
    let invalid = |message: &str| Error::new(ErrorCode::Invalid, message);
    match error {
        ChangeError::NotPermitted => {
            Error::new(ErrorCode::NotPermitted, "Your role in this group does not allow that.")
        }
        ChangeError::LastOwner => last_owner(),
        ChangeError::NothingToDo => invalid("Nothing would change.").next("It is as you want it already."),
        ChangeError::Banned => Error::new(ErrorCode::NotPermitted, "They were banned from this group.")
            .next("Lift the ban first, if they may come back."),
        ChangeError::Full => Error::new(
            ErrorCode::TooLarge,
            "The group is full: it has at most 1,000 members, 64 links and 1,000 bans.",
        )
        .next("Remove what is no longer needed."),
        ChangeError::TooLarge => Error::new(ErrorCode::TooLarge, "The group's state would become too large.")
            .next("Use a smaller picture, a shorter text, or do it in several steps."),
        ChangeError::Consent => {
            invalid("Their consent is missing, too old, or came by a link that is not good.")
                .next("Invite them again.")
        }
        ChangeError::Malformed => {
            invalid("A title has 1 to 200 bytes in one line, a text at most 4 KiB, a picture at most 32 KiB.")
        }
        ChangeError::Leave
        | ChangeError::Epoch
        | ChangeError::Certificate
        | ChangeError::BadSignature
        | ChangeError::OtherGroup
        | ChangeError::DoesNotContinue
        | ChangeError::OtherState => {
            Error::new(ErrorCode::Internal, "The group's change does not hold together.")
        }
    }
}

pub(super) fn last_owner() -> Error {
    Error::new(ErrorCode::LastOwner, "You are this group's only owner, and others are there.")
}

pub(super) fn no_group(id: &GroupId) -> Error {
    Error::new(ErrorCode::NotFound, format!("You have no group {id}."))
}

pub(super) fn only_invited() -> Error {
    Error::new(ErrorCode::NotPermitted, "You are invited to this group, and have not accepted.")
        .next("Accept the invitation first.")
}

pub(super) fn not_yet_in() -> Error {
    Error::new(ErrorCode::NotPermitted, "You are not in this group yet.")
        .next("Wait until somebody there has let you in.")
}

pub(super) fn not_a_member() -> Error {
    Error::new(ErrorCode::NotPermitted, "You don't belong to this group.")
        .next("Ask somebody there to invite you.")
}

pub(super) fn too_many() -> Error {
    Error::new(ErrorCode::RateLimited, "Too many changes of this group wait already.").next(
        "Wait until they have gone through; if the group's record can't be reached, an owner can move it.",
    )
}
