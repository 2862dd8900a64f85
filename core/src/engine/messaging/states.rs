//! States and notices, as rows and as the app sees them.

use wheesht_proto::{
    ids::{AccountId, DeviceId},
    stored::{
        HistoryEntry, HistoryNotice,
        history_entry::{Failure, State},
        history_notice::Kind,
    },
};

use super::{
    super::{EngineError, tables::HISTORY},
    row_id,
};
use crate::api::{FailReason, MessageState, Notice};

/// From now on messages disappear.
pub(super) const fn disappearing(by: AccountId, after_ms: u64) -> Notice {
    Notice::Disappearing { by, after_ms }
}

const REASONS: [(FailReason, Failure); 7] = [
    (FailReason::AwayTooLong, Failure::AwayTooLong),
    (FailReason::AccountGone, Failure::AccountGone),
    (FailReason::IdentityChanged, Failure::IdentityChanged),
    (FailReason::TooLarge, Failure::TooLarge),
    (FailReason::Withdrawn, Failure::Withdrawn),
    (FailReason::DeviceStopped, Failure::DeviceStopped),
    (FailReason::Cancelled, Failure::Cancelled),
];

pub(super) fn state_to_row(state: MessageState) -> (State, Failure) {
    let state = match state {
        MessageState::Pending => State::Pending,
        MessageState::Sent => State::Sent,
        MessageState::Delivered => State::Delivered,
        MessageState::Read => State::Read,
        MessageState::Failed { reason } => {
            let found = REASONS.iter().find(|(known, _)| *known == reason);
            return (State::Failed, found.map_or(Failure::Unspecified, |(_, row)| *row));
        }
    };
    (state, Failure::Unspecified)
}

pub(super) fn state_from_row(entry: &HistoryEntry) -> Option<MessageState> {
    match entry.state() {
        State::Unspecified => None,
        State::Pending => Some(MessageState::Pending),
        State::Sent => Some(MessageState::Sent),
        State::Delivered => Some(MessageState::Delivered),
        State::Read => Some(MessageState::Read),
        State::Failed => {
            let found = REASONS.iter().find(|(_, row)| *row == entry.failure());
            Some(MessageState::Failed { reason: found.map_or(FailReason::Withdrawn, |(reason, _)| *reason) })
        }
    }
}

pub(super) fn notice_to_row(notice: Notice) -> HistoryNotice {
    let device = |kind: Kind, device: DeviceId| HistoryNotice {
        kind: kind.into(),
        device_id: device.to_vec(),
        ..Default::default()
    };
    let plain = |kind: Kind| HistoryNotice { kind: kind.into(), ..Default::default() };
    match notice {
        Notice::DeviceAdded { device: added } => device(Kind::DeviceAdded, added),
        Notice::DeviceRemoved { device: removed } => device(Kind::DeviceRemoved, removed),
        Notice::IdentityChanged => plain(Kind::IdentityChanged),
        Notice::IdentityAccepted => plain(Kind::IdentityAccepted),
        Notice::Unreadable => plain(Kind::Unreadable),
        Notice::SessionReset => plain(Kind::SessionReset),
        Notice::Accepted => plain(Kind::Accepted),
        Notice::AccountDeleted => plain(Kind::AccountDeleted),
        Notice::Disappearing { by, after_ms } => HistoryNotice {
            kind: Kind::Disappearing.into(),
            disappear_ms: after_ms,
            actor: by.to_vec(),
            ..Default::default()
        },
        // The change has many forms, and they are the app's: what it is told is what is kept.
        notice @ Notice::Group { .. } => HistoryNotice {
            kind: Kind::Group.into(),
            group: serde_json::to_string(&notice).unwrap_or_default(),
            ..Default::default()
        },
    }
}

pub(super) fn notice_from_row(row: &HistoryNotice) -> Result<Notice, EngineError> {
    Ok(match row.kind() {
        Kind::DeviceAdded => Notice::DeviceAdded { device: row_id(&row.device_id, HISTORY)? },
        Kind::DeviceRemoved => Notice::DeviceRemoved { device: row_id(&row.device_id, HISTORY)? },
        Kind::IdentityChanged => Notice::IdentityChanged,
        Kind::IdentityAccepted => Notice::IdentityAccepted,
        Kind::Unreadable => Notice::Unreadable,
        Kind::SessionReset => Notice::SessionReset,
        Kind::Accepted => Notice::Accepted,
        Kind::AccountDeleted => Notice::AccountDeleted,
        Kind::Disappearing => disappearing(row_id(&row.actor, HISTORY)?, row.disappear_ms),
        Kind::Group => {
            serde_json::from_str(&row.group).map_err(|_| EngineError::Row { what: HISTORY.name() })?
        }
        Kind::Unspecified => return Err(EngineError::Row { what: HISTORY.name() }),
    })
}
