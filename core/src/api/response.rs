//! What an app is answered.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wheesht_proto::{
    address::Address,
    ids::{AccountId, DeviceId, MessageId},
};

use super::{
    archive::Imported,
    group::{Group, GroupDetails, GroupLink},
    message::{Delivery, EarlierText},
    notify::NotificationSettings,
    presence::OwnPresence,
    profile::Profile,
    search::{Found, Page},
    types::{
        Contact, Conversation, Device, DeviceLink, DeviceProposal, Message, Password, Phase, SafetyNumber,
    },
    who::ConversationId,
};

/// How far this installation is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// Its phase.
    pub phase: Phase,
    /// The account's address, once there is one.
    pub address: Option<Address>,
    /// The account's identity.
    pub account: Option<AccountId>,
    /// This device.
    pub device: Option<DeviceId>,
    /// Whether the own relay is connected and this device logged in there.
    pub online: bool,
    /// Messages that still have to go out.
    pub outbox: u64,
}

/// The answer to a [`super::Request`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Response {
    /// It is done, and durable.
    Done,
    /// To `Status`, `LogIn` and `LogInByLink`.
    Status {
        /// How far this installation is.
        status: Status,
    },
    /// To `SuggestPassphrase`.
    Passphrase {
        /// Six words.
        passphrase: Password,
    },
    /// To `Devices`.
    Devices {
        /// Those in the manifest.
        devices: Vec<Device>,
        /// One that asks to join.
        proposal: Option<DeviceProposal>,
    },
    /// To `MakeDeviceLink`.
    DeviceLink {
        /// To be shown to the new device, and nobody else.
        link: DeviceLink,
    },
    /// To `Contacts`.
    Contacts {
        /// By address.
        contacts: Vec<Contact>,
    },
    /// To what changes one contact.
    Contact {
        /// As it is now.
        contact: Contact,
    },
    /// To `SafetyNumber`.
    SafetyNumber {
        /// What to compare.
        safety_number: SafetyNumber,
    },
    /// To `Conversations`.
    Conversations {
        /// The most recent first.
        conversations: Vec<Conversation>,
    },
    /// To `Send`: the message is durable here and will go out.
    Queued {
        /// Where.
        conversation: ConversationId,
        /// Its id.
        message: MessageId,
    },
    /// To `Groups`.
    Groups {
        /// By title.
        groups: Vec<Group>,
    },
    /// To what changes one group: the change is durable here, and among `pending` until the group's record has taken it.
    Group {
        /// As it is now.
        group: Group,
    },
    /// To `Group`.
    GroupDetails {
        /// All of it.
        details: GroupDetails,
    },
    /// To `MakeGroupLink`.
    GroupLink {
        /// The link.
        link: GroupLink,
    },
    /// To `Presence` and what changes the own presence.
    OwnPresence {
        /// As it is now.
        presence: OwnPresence,
    },
    /// To `Profile` and `SetProfile`.
    Profile {
        /// As it is now; of one's own: as it will be once the relay has it.
        profile: Profile,
    },
    /// To `DebugBundle`.
    DebugBundle {
        /// For a person to read and give away.
        text: String,
    },
    /// To `Deliveries`.
    Deliveries {
        /// By name.
        members: Vec<Delivery>,
    },
    /// To `NotificationSettings`.
    NotificationSettings {
        /// As they are.
        settings: NotificationSettings,
    },
    /// To `Edits`.
    Edits {
        /// The oldest first; the present text is not among them.
        earlier: Vec<EarlierText>,
    },
    /// To `Settings`.
    Settings {
        /// Whether read receipts are sent and shown.
        read_receipts: bool,
        /// Files of contacts up to so many bytes are fetched by themselves; 0: none.
        #[serde(default)]
        auto_download: u64,
    },
    /// To `Import`.
    Imported {
        /// What became of them.
        imported: Imported,
    },
    /// To `Page`.
    Page {
        /// The part.
        page: Page,
    },
    /// To `Search`.
    Found {
        /// What was found.
        found: Found,
    },
    /// To `Files`.
    Files {
        /// The newest first.
        messages: Vec<Message>,
        /// For the page after this; absent: there is no more.
        next: Option<u64>,
    },
    /// To `History`, `Message` and `Pins`.
    History {
        /// Oldest first.
        messages: Vec<Message>,
        /// Whether there is more before them.
        more: bool,
    },
}
