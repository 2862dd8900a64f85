//! What fails outside of a request, in the words of one: code, sentence, next step.

use super::{Error, ErrorCode, FailReason, Trouble};

impl FailReason {
    /// Every one.
    pub const ALL: &[Self] = &[
        Self::AwayTooLong,
        Self::AccountGone,
        Self::IdentityChanged,
        Self::TooLarge,
        Self::Withdrawn,
        Self::DeviceStopped,
        Self::Cancelled,
    ];
}

impl From<FailReason> for Error {
    fn from(reason: FailReason) -> Self {
        let (code, message, next) = match reason {
            FailReason::AwayTooLong => (
                ErrorCode::NotFound,
                "Their devices have been away for 90 days, so their keys have expired.",
                "Ask them by another way to open Wheesht, then send it again.",
            ),
            FailReason::AccountGone => {
                (ErrorCode::NotFound, "The account is gone.", "Ask the person for a new address.")
            }
            FailReason::IdentityChanged => (
                ErrorCode::IdentityChanged,
                "Their identity changed, and was not accepted.",
                "Compare the safety number, accept the identity, then send it again.",
            ),
            FailReason::TooLarge => {
                (ErrorCode::TooLarge, "It is too large for the relay.", "Send it in several parts.")
            }
            FailReason::Withdrawn => (
                ErrorCode::Blocked,
                "The contact was blocked or deleted before it went.",
                "Unblock or add the contact, then send it again.",
            ),
            FailReason::DeviceStopped => (
                ErrorCode::NotActive,
                "This device was removed from the account before it went.",
                "Log in again, then send it again.",
            ),
            FailReason::Cancelled => (
                ErrorCode::Invalid,
                "It was called back before it went.",
                "Send it again if it was meant to go.",
            ),
        };
        Self::new(code, message).next(next)
    }
}

impl From<&Trouble> for Error {
    fn from(trouble: &Trouble) -> Self {
        match trouble {
            Trouble::OwnNameMismatch => Self::new(
                ErrorCode::UntrustedRelay,
                "The relay shows others another identity under your name: it may be deceiving your contacts.",
            )
            .next("Warn them by another way, and move to another relay."),
            Trouble::ManifestWithheld { .. } => {
                Self::new(ErrorCode::Relay, "A relay gave out an old or contradictory list of devices.")
                    .next("Compare the safety number; if it happens again, ask the relay's operator.")
            }
            Trouble::Unreadable { .. } => Self::new(ErrorCode::Internal, "A message could not be read.")
                .next("Nothing needs to be done: its sender was asked to send it again."),
            Trouble::GroupForked { .. } => Self::new(
                ErrorCode::Invalid,
                "Two members changed a group at once, past the record that orders changes.",
            )
            .next("The second change is refused; ask an owner to repeat it if it was meant."),
            Trouble::GroupRecordOld { .. } => Self::new(
                ErrorCode::Relay,
                "The relay shows an older state of a group than was seen before.",
            )
            .next("What is known here stays; if it lasts, an owner can move the group to another relay."),
            Trouble::GroupRecordUnreachable { .. } => {
                Self::new(ErrorCode::Network, "The record that orders a group's changes can't be reached.")
                    .next("Changes wait; if it lasts, an owner can move the group to another relay.")
            }
            Trouble::GroupMemberUnreachable { address, .. } => Self::new(
                ErrorCode::Network,
                format!("A device of {}, who is in one of your groups, can't be reached any more.", address.name()),
            )
            .next("They hear what is said from when they are online again; what they missed, tell them another way."),
            Trouble::GroupChangeRefused { error, .. } => error.clone(),
            Trouble::DeviceLinkUsedTwice => Self::new(
                ErrorCode::Invalid,
                "A second device tried to join by a link that was used already, and was refused.",
            )
            .next("If that was not you, somebody knows your password: change it, and look at the list of devices."),
            Trouble::StoreFailed { detail } => Self::new(
                ErrorCode::Store,
                format!("What is stored on this machine can't be read or written: {detail}."),
            ),
            Trouble::RelayRefused { detail } => {
                Self::new(ErrorCode::Relay, format!("The relay refused: {detail}"))
            }
        }
    }
}
