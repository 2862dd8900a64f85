//! What is written out of an installation, and taken in again: the lines of an export.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wheesht_proto::{
    address::Address,
    ids::{AccountId, DeviceId},
};

use super::{
    contact_extra::ContactExtra,
    error::Error,
    types::{ContactState, Message},
    who::ConversationId,
};
use crate::time::Timestamp;

/// The version of the lines that this library writes. It reads those up to it.
pub const EXPORT_VERSION: u32 = 1;

/// A line of an export: a file of JSON objects, one a line, `header` first. A conversation's messages stand behind its line, the oldest
/// first. Whoever reads passes over types and fields it doesn't know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ExportLine {
    /// What this is.
    Header {
        /// [`EXPORT_VERSION`].
        version: u32,
        /// Whose it is.
        account: AccountId,
        /// Their address.
        address: Address,
        /// When it was made.
        at: Timestamp,
    },
    /// Settings of the account.
    Settings {
        /// Whether read receipts are sent and shown.
        read_receipts: bool,
    },
    /// Somebody one knows.
    Contact {
        /// Identity key.
        id: AccountId,
        /// `name@relay`.
        address: Address,
        /// How one stood with them.
        state: ContactState,
        /// The safety number was compared. Nothing that is taken in makes anybody verified.
        verified: bool,
        /// What one noted down about them.
        #[serde(default, skip_serializing_if = "ContactExtra::is_empty")]
        extra: ContactExtra,
    },
    /// A conversation; its messages follow.
    Conversation {
        /// Which.
        id: ConversationId,
        /// What it is called.
        title: String,
        /// How many messages follow.
        messages: u64,
        /// It was put away.
        #[serde(default)]
        archived: bool,
        /// It was muted until then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        muted_until: Option<Timestamp>,
    },
    /// A message of the conversation before.
    Message {
        /// As it was shown.
        message: Box<Message>,
    },
    /// The last line: whoever finds none has not got all.
    End {
        /// Messages in all.
        messages: u64,
    },
}

/// How far history is on its way between two devices of the account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryTransfer {
    /// The other device.
    pub device: DeviceId,
    /// It is handed over from here; else it is taken in here.
    pub sending: bool,
    /// Messages that have passed.
    pub done: u64,
    /// Messages in all, about.
    pub total: u64,
    /// How it goes.
    pub state: HistoryTransferState,
}

/// How a transfer of history goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum HistoryTransferState {
    /// It goes on.
    Running,
    /// It goes on by itself when this has passed.
    Waiting {
        /// Why.
        error: Error,
    },
    /// All that there is has passed: handed over, or taken in.
    Done,
    /// It does not go on by itself, or a part is lost. What has arrived stays.
    Failed {
        /// Why.
        error: Error,
    },
}

/// What became of messages that were taken in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Imported {
    /// Where the next ones go: to be handed over with them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<u64>,
    /// Taken in.
    pub added: u64,
    /// Here already.
    pub known: u64,
    /// Of a kind that is not taken in: what disappears, and what a newer version wrote.
    pub passed_over: u64,
}
