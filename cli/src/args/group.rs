//! What can be done with groups.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use wheesht_core::api::{Joining, Role};

/// A GROUP is written #title, with - for spaces, or by its id.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub(crate) enum GroupAction {
    /// Show them (this is also what happens without an action)
    List,
    /// One of them: its members, links, and who asks to join
    #[command(visible_alias = "members")]
    Show { group: String },
    /// Found one
    Create {
        title: String,
        /// What it is about
        #[arg(long, value_name = "TEXT")]
        about: Option<String>,
    },
    /// Give it another title, text or picture
    Edit {
        group: String,
        #[arg(long, value_name = "TEXT")]
        title: Option<String>,
        /// What it is about
        #[arg(long, value_name = "TEXT")]
        about: Option<String>,
        /// PNG, JPEG or WebP of at most 32 KiB
        #[arg(long, value_name = "FILE")]
        picture: Option<PathBuf>,
        /// Take the picture away
        #[arg(long, conflicts_with = "picture")]
        no_picture: bool,
    },
    /// Say how it is run
    Policy {
        group: String,
        #[command(flatten)]
        policy: GroupPolicy,
    },
    /// Invite contacts
    Invite {
        group: String,
        #[arg(required = true)]
        who: Vec<String>,
    },
    /// Accept an invitation
    Accept { group: String },
    /// Decline an invitation, and forget it
    Decline { group: String },
    /// Ask to join by a link
    Join { link: String },
    /// Make a link, and a code to scan
    Link {
        group: String,
        /// For how long it is good
        #[arg(long, value_name = "N")]
        hours: Option<u64>,
        /// How often it can be used
        #[arg(long, value_name = "N")]
        uses: Option<u32>,
    },
    /// Make a link void
    Revoke { group: String, link: String },
    /// Let somebody in who asks to join
    Admit { group: String, who: String },
    /// Refuse somebody who asks to join
    Refuse { group: String, who: String },
    /// Leave it
    Leave { group: String },
    /// Forget a group that you don't belong to, with all that was said
    Delete { group: String },
    /// Remove a member
    #[command(visible_alias = "remove")]
    Kick {
        group: String,
        who: String,
        /// They must not come back
        #[arg(long)]
        ban: bool,
    },
    /// Let somebody come back who was banned
    Unban { group: String, account: String },
    /// Give a member another role
    Role {
        group: String,
        who: String,
        #[arg(value_enum)]
        role: RoleName,
    },
    /// Move the record that orders its changes to another relay, because its relay is lost
    Move {
        group: String,
        /// HOST[:PORT][#FINGERPRINT]
        relay: wheesht_core::proto::address::RelayAddress,
    },
}

/// What is not named stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, ClapArgs)]
#[group(required = true, multiple = true)]
pub(crate) struct GroupPolicy {
    /// How somebody comes in by a link
    #[arg(long, value_enum, value_name = "HOW")]
    pub(crate) joining: Option<JoiningName>,
    /// From which role on members write
    #[arg(long, value_enum, value_name = "ROLE")]
    pub(crate) write: Option<RoleName>,
    /// From which role on members invite
    #[arg(long, value_enum, value_name = "ROLE")]
    pub(crate) invite: Option<RoleName>,
    /// From which role on members change title, text and picture
    #[arg(long, value_enum, value_name = "ROLE")]
    pub(crate) describe: Option<RoleName>,
    /// Whether members who don't know each other say that they have read
    #[arg(long, value_enum, value_name = "ON")]
    pub(crate) receipts: Option<Switch>,
    /// After how many hours messages disappear; 0: they stay
    #[arg(long, value_name = "N")]
    pub(crate) disappear_hours: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoleName {
    Member,
    Admin,
    Owner,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Member => Self::Member,
            RoleName::Admin => Self::Admin,
            RoleName::Owner => Self::Owner,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum JoiningName {
    /// A link is enough
    Open,
    /// An admin decides
    Approval,
    /// Nobody joins by link
    Closed,
}

impl From<JoiningName> for Joining {
    fn from(name: JoiningName) -> Self {
        match name {
            JoiningName::Open => Self::Open,
            JoiningName::Approval => Self::Approval,
            JoiningName::Closed => Self::Closed,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    On,
    Off,
}

/// The chat's `/group`, understood by the same definition.
#[derive(Debug, Parser)]
#[command(name = "/group", no_binary_name = true, disable_help_flag = true, color = clap::ColorChoice::Never)]
pub(crate) struct GroupLine {
    #[command(subcommand)]
    pub(crate) action: Option<GroupAction>,
}
