//! Calling for attention: what deserves it, and how much of it may be seen by whoever looks at the screen.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wheesht_proto::ids::MessageId;

use super::who::ConversationId;

/// Something that a person is called for. The engine has decided that it deserves it; a frontend shows title and body as they stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Notification {
    /// Why.
    pub reason: NotificationReason,
    /// One line of at most 80 characters, without control characters.
    pub title: String,
    /// One line of at most 160 characters, without control characters.
    pub body: String,
    /// How much the two tell.
    pub shows: Shows,
    /// Where it leads, if to one conversation.
    pub conversation: Option<ConversationId>,
    /// Which message of that, if it is about one.
    pub message: Option<MessageId>,
    /// How many messages it stands for.
    pub count: u64,
}

/// Why a person is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NotificationReason {
    /// Somebody wrote.
    Message,
    /// Somebody named this account.
    Mention,
    /// Somebody answered a message of this account.
    Reply,
    /// A stranger would like to talk.
    Request,
    /// Somebody invites into a group.
    Invitation,
    /// Somebody asks to join a group, and one may decide.
    JoinRequest,
    /// A device asks to join this account. It calls at any hour.
    Device,
    /// Several messages at once: they came late, or too fast to tell of each.
    Several,
}

/// How much a notification tells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Shows {
    /// That there is something.
    Nothing,
    /// Who wrote, and in which group.
    #[default]
    Who,
    /// The beginning of the message, too. Never that of a stranger's.
    Message,
}

/// Which messages of a group call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GroupsCall {
    /// All.
    #[default]
    All,
    /// Those that name this account, or answer it.
    Mentions,
}

/// When nothing calls, every day. Minutes count from midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct QuietHours {
    /// From this minute on, below 1,440.
    pub from: u16,
    /// Until before this one, below 1,440. If it isn't after `from`, it is the next day's.
    pub until: u16,
    /// Minutes by which the clock on the wall is ahead of UTC, -1,440 to 1,440. A frontend says it again when that has changed.
    pub utc_offset: i16,
}

/// What of what happens calls for attention on this device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NotificationSettings {
    /// How much is told.
    #[serde(default)]
    pub shows: Shows,
    /// What of groups calls.
    #[serde(default)]
    pub groups: GroupsCall,
    /// A message that names this account, or answers it, calls from a muted group as well.
    #[serde(default = "yes")]
    pub mentions_when_muted: bool,
    /// When nothing calls.
    #[serde(default)]
    pub quiet: Option<QuietHours>,
}

const fn yes() -> bool {
    true
}

impl Default for NotificationSettings {
    fn default() -> Self {
        Self {
            shows: Shows::default(),
            groups: GroupsCall::default(),
            mentions_when_muted: true,
            quiet: None,
        }
    }
}
