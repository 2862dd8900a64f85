//! What members may do, and how a group is run.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wheesht_proto::group as wire;

/// What a member may do. Each includes what stands before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads and, if the policy lets members, writes, invites, and edits title, text and picture.
    Member,
    /// Adds, removes and bans members, answers requests to join, makes links, edits title, text and picture.
    Admin,
    /// Gives and takes roles, sets the policy, moves the group's record.
    Owner,
}

/// How somebody comes in by a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Joining {
    /// A valid link is enough.
    Open,
    /// An admin decides.
    Approval,
    /// Nobody joins by link.
    Closed,
}

/// How a group is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Policy {
    /// How somebody comes in by a link.
    pub joining: Joining,
    /// From which role on members change title, text and picture: `member` or `admin`.
    pub describe: Role,
    /// From which role on members invite: `member` or `admin`.
    pub invite: Role,
    /// From which role on members write: `member`, or `admin` for announcements only.
    pub write: Role,
    /// Whether members who are no contacts of the sender answer with receipts.
    pub receipts: bool,
    /// Messages disappear this long after they were read or sent (milliseconds); 0: they stay.
    pub disappear_ms: u64,
}

impl Default for Policy {
    /// Members write, admins do the rest and answer who comes by a link, messages stay.
    fn default() -> Self {
        Self {
            joining: Joining::Approval,
            describe: Role::Admin,
            invite: Role::Admin,
            write: Role::Member,
            receipts: true,
            disappear_ms: 0,
        }
    }
}

impl Role {
    pub(super) fn to_wire(self) -> i32 {
        match self {
            Self::Member => wire::Role::Member,
            Self::Admin => wire::Role::Admin,
            Self::Owner => wire::Role::Owner,
        }
        .into()
    }

    pub(super) fn read(number: i32) -> Option<Self> {
        match wire::Role::try_from(number).ok()? {
            wire::Role::Unspecified => None,
            wire::Role::Member => Some(Self::Member),
            wire::Role::Admin => Some(Self::Admin),
            wire::Role::Owner => Some(Self::Owner),
        }
    }
}

impl Policy {
    pub(super) fn to_wire(self) -> wire::Policy {
        let joining = match self.joining {
            Joining::Open => wire::Joining::Open,
            Joining::Approval => wire::Joining::Approval,
            Joining::Closed => wire::Joining::Closed,
        };
        wire::Policy {
            joining: joining.into(),
            describe: self.describe.to_wire(),
            invite: self.invite.to_wire(),
            write: self.write.to_wire(),
            receipts: self.receipts,
            disappear_ms: self.disappear_ms,
        }
    }

    pub(super) fn read(wire: &wire::Policy) -> Option<Self> {
        let joining = match wire::Joining::try_from(wire.joining).ok()? {
            wire::Joining::Unspecified => return None,
            wire::Joining::Open => Joining::Open,
            wire::Joining::Approval => Joining::Approval,
            wire::Joining::Closed => Joining::Closed,
        };
        // GRP-4: a right reserved to owners is no policy's to give.
        let right = |number| Role::read(number).filter(|role| *role < Role::Owner);
        Some(Self {
            joining,
            describe: right(wire.describe)?,
            invite: right(wire.invite)?,
            write: right(wire.write)?,
            receipts: wire.receipts,
            disappear_ms: wire.disappear_ms,
        })
    }

    /// Whether this policy can stand in a state.
    pub(super) fn well_formed(&self) -> bool {
        [self.describe, self.invite, self.write].iter().all(|role| *role < Role::Owner)
    }
}
