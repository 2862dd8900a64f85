//! What an app is told unasked.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wheesht_proto::{
    address::{Address, RelayAddress},
    ids::{AccountId, DeviceId, GroupId, MessageId},
};

use super::{
    archive::HistoryTransfer,
    error::Error,
    file::Transfer,
    group::{Group, GroupChange, JoinRequest},
    message::Receipts,
    notify::Notification,
    presence::{OwnPresence, Presence},
    profile::Profile,
    types::{Contact, DeviceProposal, Message, MessageState, Phase},
    who::ConversationId,
};
use crate::time::Timestamp;

/// Identifies an event on this installation, ascending. Acknowledge it when it has been dealt with.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct EventId(pub u64);

/// Something happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// Present if it is kept until acknowledged; passing states (a connection) have none.
    pub id: Option<EventId>,
    /// When.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventKind {
    /// A new entry in a conversation: incoming, from another device of one's own, or a notice.
    Message {
        /// The entry.
        message: Message,
    },
    /// An outgoing message has come further.
    MessageState {
        /// Where.
        conversation: ConversationId,
        /// Which.
        message: MessageId,
        /// How far.
        state: MessageState,
    },
    /// A message was edited, deleted for everybody, pinned or unpinned, or somebody reacted to it.
    MessageChanged {
        /// As it is now.
        message: Message,
    },
    /// A message is gone from this device: it disappeared, or was deleted for oneself.
    MessageGone {
        /// Where.
        conversation: ConversationId,
        /// Which.
        message: MessageId,
    },
    /// What is known of a conversation besides its messages has changed: draft, mute, time to disappear.
    ConversationChanged {
        /// Which.
        conversation: ConversationId,
    },
    /// A member's device has a message of one's own in a group, or the member has read it.
    Receipts {
        /// Where.
        conversation: ConversationId,
        /// Which.
        message: MessageId,
        /// How many.
        receipts: Receipts,
    },
    /// Incoming messages were read, here or on another device.
    Read {
        /// Where.
        conversation: ConversationId,
        /// How many remain.
        unread: u64,
    },
    /// A contact is new or has changed: a request came, was accepted, an identity changed …
    Contact {
        /// As it is now.
        contact: Contact,
    },
    /// A contact is gone.
    ContactDeleted {
        /// Whose.
        account: AccountId,
    },
    /// A group is new or has changed: an invitation came, it was joined, edited, left …
    Group {
        /// As it is now.
        group: Group,
    },
    /// A group is forgotten.
    GroupDeleted {
        /// Which.
        group: GroupId,
    },
    /// Somebody asks to join a group, and an admin decides.
    JoinRequest {
        /// Who, and where to.
        request: JoinRequest,
    },
    /// Something deserves the person's attention. Not kept.
    Notification {
        /// What to show.
        notification: Notification,
    },
    /// A device asks to join this account, or no longer does (absent).
    DeviceProposal {
        /// The request to show.
        proposal: Option<DeviceProposal>,
    },
    /// This account's list of devices has changed.
    Devices {
        /// New ones.
        added: Vec<DeviceId>,
        /// Those gone.
        removed: Vec<DeviceId>,
    },
    /// This installation's phase has changed.
    Phase {
        /// To this.
        phase: Phase,
    },
    /// Something went wrong that the person should know.
    Trouble {
        /// What, with what to do.
        trouble: Trouble,
    },
    /// How a contact is. Not kept: [`Contact`] has it at any time.
    Presence {
        /// Who.
        contact: AccountId,
        /// As it is now.
        presence: Presence,
    },
    /// The own presence was chosen anew, here or on another device. Not kept.
    OwnPresence {
        /// As it is now.
        presence: OwnPresence,
    },
    /// Somebody is writing, or has stopped. Not kept.
    Typing {
        /// Where.
        conversation: ConversationId,
        /// Who.
        who: AccountId,
        /// Show it until then, unless another such event comes; now or before: they have stopped.
        until: Timestamp,
    },
    /// Somebody's profile has changed, or the own one on another device. Not kept: `Profile` tells it at any time.
    Profile {
        /// Whose.
        account: AccountId,
        /// As it is now.
        profile: Profile,
    },
    /// A file goes on its way, up or down. Not kept: what came of it stands in the message ([`super::Body::File`]), and
    /// `message_changed` tells that.
    Transfer {
        /// How far.
        transfer: Transfer,
    },
    /// History goes its way between two own devices. Its end is kept until acknowledged, how far it is is not.
    HistoryTransfer {
        /// How far.
        transfer: HistoryTransfer,
    },
    /// The connection to the own relay. Not kept.
    Link {
        /// Its state.
        state: LinkState,
    },
    /// The app has not acknowledged for so long that this many of the oldest events were dropped: read the history again.
    Dropped {
        /// How many.
        count: u64,
    },
}

/// The connection to the own relay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum LinkState {
    /// Connected and logged in.
    Online,
    /// Not connected; trying.
    Offline {
        /// Why, for a person.
        reason: String,
    },
}

/// Something went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Trouble {
    /// A relay shows another identity for one's own name: it may be deceiving others.
    OwnNameMismatch,
    /// A relay answered with an older or forked list of devices.
    ManifestWithheld {
        /// Whose.
        account: AccountId,
    },
    /// A message could not be read; its sender was asked to send it again.
    Unreadable {
        /// Whose.
        account: AccountId,
    },
    /// Two members signed different changes of one group at once, past the record that orders them: the second is refused.
    GroupForked {
        /// Which.
        group: GroupId,
    },
    /// The relay that keeps a group's record shows an older one than was seen before.
    GroupRecordOld {
        /// Which.
        group: GroupId,
    },
    /// The record that orders a group's changes can't be reached or written: changes wait. An owner can move it.
    GroupRecordUnreachable {
        /// Which.
        group: GroupId,
        /// Where the record is.
        relay: RelayAddress,
    },
    /// A member's device was looked for in vain: the address that its group knows leads nowhere. It gets what is said when it has shown
    /// where it is reached now.
    GroupMemberUnreachable {
        /// Which.
        group: GroupId,
        /// Whose device it is.
        address: Address,
    },
    /// A change made here was given up: another came first, and it is no longer permitted or possible.
    GroupChangeRefused {
        /// Which.
        group: GroupId,
        /// What was given up.
        change: GroupChange,
        /// Why.
        error: Error,
    },
    /// Somebody tried to join by a link that a device had joined by already, and was refused: the password and the link are known to
    /// somebody else.
    DeviceLinkUsedTwice,
    /// What is stored on this machine could not be read or written; Wheesht goes on trying. Not kept.
    StoreFailed {
        /// For a person.
        detail: String,
    },
    /// The relay refused something that should work.
    RelayRefused {
        /// The relay's words.
        detail: String,
    },
}
