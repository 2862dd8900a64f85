//! The nouns of the API.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wheesht_proto::{
    address::Address,
    ids::{AccountId, DeviceId, MessageId},
};
use zeroize::Zeroize;

use super::{
    contact_extra::ContactExtra,
    file::File,
    group::GroupChange,
    message::{Draft, Mention, Quote, Reaction, Receipts},
    presence::Presence,
    who::ConversationId,
};

use crate::time::Timestamp;

/// A password or passphrase on its way in. Wiped on drop, never printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Password(String);

impl Password {
    /// Takes the text over.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself: for the one place that hands it to OPAQUE, or shows a generated one to its owner.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Drop for Password {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.write_str("Password(…)")
    }
}

/// How far this installation is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Phase {
    /// No account here: register or log in.
    Empty,
    /// Logged in by password; waits for another device's confirmation, or for the end of the grace.
    Pending {
        /// Short code that the confirming device shows too.
        code: String,
        /// When an eviction takes effect; absent: another device must confirm.
        effective_at: Option<Timestamp>,
    },
    /// In use.
    Active,
    /// This device is no longer one of the account's. Its history can be read; to go on, log in again.
    Stopped {
        /// Why.
        reason: StopReason,
    },
}

/// Why a device is no longer one of its account's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StopReason {
    /// Another device, or a login that evicted all devices, removed it.
    Removed,
    /// The store on this machine is older than what this device had told its relay: it was restored from a copy.
    RolledBack,
    /// Another device refused the request to join.
    Rejected,
    /// The account was deleted.
    Deleted,
}

/// One of an account's devices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Device {
    /// Its id.
    pub id: DeviceId,
    /// When its certificate was made.
    pub created: Timestamp,
    /// Whether it is the one that answers.
    pub this: bool,
    /// The name its owner gave it; known to the account's own devices only.
    pub label: Option<String>,
}

/// What a new device is shown so that it may join.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeviceLink {
    /// As text, and for a QR code. Secret like a password: with it and the password anybody joins.
    pub code: Password,
    /// Until when.
    pub expires: Timestamp,
}

/// A device that asks to join the account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeviceProposal {
    /// SHA-256 of the proposed manifest, hex: what to confirm or reject.
    pub id: String,
    /// Short code to compare with the one that the new device shows.
    pub code: String,
    /// It removes every device of the account, this one included.
    pub evicts: bool,
    /// When that takes effect unless it is rejected.
    pub effective_at: Option<Timestamp>,
}

/// How one stands with a contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ContactState {
    /// Looked up; nothing was sent yet.
    Known,
    /// One's first message waits for the other to accept.
    RequestSent,
    /// A stranger wrote: accept, block or delete.
    RequestReceived,
    /// Both sides have accepted.
    Accepted,
    /// Blocked: nothing of theirs is shown.
    Blocked,
}

/// Somebody one talks to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Contact {
    /// Identity key.
    pub id: AccountId,
    /// `name@relay`.
    pub address: Address,
    /// How one stands with them.
    pub state: ContactState,
    /// The safety number was compared.
    pub verified: bool,
    /// The address now shows another identity. Sending is blocked until it is accepted.
    pub identity_changed: bool,
    /// Since when.
    pub added: Timestamp,
    /// How they are, while this device is connected and they show it.
    #[serde(default)]
    pub presence: Presence,
    /// What they call themselves, if they show a profile. Their word: two people may say the same.
    #[serde(default)]
    pub profile_name: Option<String>,
    /// They don't see one's own presence.
    #[serde(default)]
    pub presence_hidden: bool,
    /// What one notes down about them, on one's own devices alone.
    #[serde(default, skip_serializing_if = "ContactExtra::is_empty")]
    pub extra: ContactExtra,
}

/// A conversation in the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Conversation {
    /// Its id.
    pub id: ConversationId,
    /// Name to show.
    pub title: String,
    /// Incoming messages not read.
    pub unread: u64,
    /// The newest entry.
    pub last: Option<Message>,
    /// What is being written.
    #[serde(default)]
    pub draft: Option<Draft>,
    /// Frontends don't call for attention before.
    #[serde(default)]
    pub muted_until: Option<Timestamp>,
    /// What is said disappears this long after it was sent or read (milliseconds).
    #[serde(default)]
    pub disappear_ms: Option<u64>,
    /// It is put away: frontends show it apart from the others.
    #[serde(default, skip_serializing_if = "is_false")]
    pub archived: bool,
}

/// One entry of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Message {
    /// The same on every device. Entries this device made itself (notices) have one too.
    pub id: MessageId,
    /// Where it stands.
    pub conversation: ConversationId,
    /// Position in this device's copy of the conversation, ascending: the cursor for paging.
    pub seq: u64,
    /// Who wrote it.
    pub sender: AccountId,
    /// Name of who wrote it.
    pub sender_name: String,
    /// Written by this account.
    pub outgoing: bool,
    /// When it was written, as its writer says, clamped to when it arrived.
    pub sent_at: Timestamp,
    /// When it arrived here.
    pub received_at: Timestamp,
    /// What it says.
    pub body: Body,
    /// How far an outgoing message is.
    pub state: Option<MessageState>,
    /// An incoming message that was marked as read.
    pub read: bool,
    /// The message that this one answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<Quote>,
    /// Who is named in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<Mention>,
    /// It names this account.
    #[serde(default, skip_serializing_if = "is_false")]
    pub mentions_me: bool,
    /// Somebody else wrote it; it was sent on.
    #[serde(default, skip_serializing_if = "is_false")]
    pub forwarded: bool,
    /// What people think of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reactions: Vec<Reaction>,
    /// When its text was last changed. [`super::Request::Edits`] gives what it was before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited: Option<Timestamp>,
    /// It is pinned.
    #[serde(default, skip_serializing_if = "is_false")]
    pub pinned: bool,
    /// It disappears this long after it was sent or read (milliseconds).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disappear_ms: Option<u64>,
    /// When it disappears, once that time has begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disappears_at: Option<Timestamp>,
    /// Of an outgoing message in a group: how many have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipts: Option<Receipts>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

/// What an entry says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Body {
    /// Text as written.
    Text {
        /// At most 64 KiB.
        text: String,
    },
    /// A file.
    File {
        /// Which.
        file: Box<File>,
        /// A text that goes with it; may be empty.
        caption: String,
    },
    /// It was deleted for everybody.
    Deleted {
        /// By whom: who wrote it, or an admin.
        by: AccountId,
    },
    /// Something happened that the person should know.
    Notice {
        /// What.
        notice: Notice,
    },
}

/// What happened in a conversation besides messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Notice {
    /// The other account has a new device.
    DeviceAdded {
        /// Which.
        device: DeviceId,
    },
    /// The other account removed a device.
    DeviceRemoved {
        /// Which.
        device: DeviceId,
    },
    /// The address belongs to another identity now.
    IdentityChanged,
    /// The person accepted the new identity.
    IdentityAccepted,
    /// A message could not be read; its sender was asked to send it again.
    Unreadable,
    /// The encrypted session was set up anew.
    SessionReset,
    /// The other accepted to talk.
    Accepted,
    /// The other account was deleted, by its owner.
    AccountDeleted,
    /// From now on messages disappear, or no longer do.
    Disappearing {
        /// Who said so.
        by: AccountId,
        /// This long after they were sent or read (milliseconds); 0: they stay.
        after_ms: u64,
    },
    /// The group has changed.
    Group {
        /// Who changed it.
        actor: AccountId,
        /// Their name.
        actor_name: String,
        /// How.
        change: GroupChange,
    },
}

/// How far an outgoing message is. It only ever moves forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum MessageState {
    /// On this device only.
    Pending,
    /// Durable on the relay, for every device of the recipient.
    Sent,
    /// On a device of the recipient.
    Delivered,
    /// Seen by the recipient.
    Read,
    /// It won't go.
    Failed {
        /// Why.
        reason: FailReason,
    },
}

/// Why a message won't go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FailReason {
    /// The recipient's devices have not been seen for 90 days: their keys have expired.
    AwayTooLong,
    /// The recipient's account is gone.
    AccountGone,
    /// The recipient's identity changed and was not accepted.
    IdentityChanged,
    /// Too large for the relay.
    TooLarge,
    /// The contact was blocked or deleted before it went.
    Withdrawn,
    /// This device was removed from the account before it went.
    DeviceStopped,
    /// It was called back before it went.
    Cancelled,
}

/// What two people compare.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SafetyNumber {
    /// Sixty digits.
    pub digits: String,
    /// The same as bytes for a QR code, hex.
    pub qr: String,
}
