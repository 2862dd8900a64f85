//! Finding messages: what is asked, and what was found.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wheesht_proto::ids::MessageId;

use super::{
    types::Message,
    who::{ConversationId, Who},
};
use crate::time::Timestamp;

/// Which messages. Everything that is present must hold.
///
/// `query` is what a person types: words, all of which must stand in the message; `"words in this order"`; `begin*`; and, instead of
/// the fields below, `from:alice`, `in:"Weekend trip"`, `before:2026-01-01`, `after:2025-12-24`, `on:2025-12-31`, `has:link`. Days are
/// days in UTC. Case and diacritics don't count.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Search {
    /// See above. At most 1 KiB and 16 words or phrases. It may be empty if another field is not.
    pub query: String,
    /// In this conversation.
    pub conversation: Option<ConversationId>,
    /// By this one.
    pub sender: Option<Who>,
    /// Written at this time or after.
    pub from: Option<Timestamp>,
    /// Written before this time.
    pub until: Option<Timestamp>,
    /// Of this kind.
    pub kind: Option<MessageKind>,
    /// What comes first.
    pub order: SearchOrder,
    /// At most 100; absent or 0: 20.
    pub limit: u32,
    /// [`Found::cursor`] of the page before, with everything else as it was.
    pub cursor: Option<String>,
}

/// What a message holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MessageKind {
    /// A text.
    Text,
    /// A text with a link in it.
    Link,
    /// A file, pictures among them.
    File,
    /// A picture.
    Picture,
}

/// What comes first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SearchOrder {
    /// The newest.
    #[default]
    Newest,
    /// The oldest.
    Oldest,
    /// What fits best: rare words, often, in a short message; of two alike the newer one.
    Relevance,
}

/// A page of what was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Found {
    /// In the order asked for.
    pub hits: Vec<Hit>,
    /// Asks for the next page; absent: there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Not everything was looked at: messages of a store of before are still being indexed, or a beginning fits too many words.
    #[serde(default)]
    pub incomplete: bool,
}

/// A message that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Hit {
    /// As it is now.
    pub message: Message,
    /// Where the words stand that were looked for, in order.
    pub marks: Vec<Mark>,
}

/// A part of a text. Both numbers count bytes of UTF-8 and lie between characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Mark {
    /// Where it begins.
    pub start: u32,
    /// How long it is.
    pub length: u32,
}

/// Which part of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum PageAt {
    /// The newest entries.
    Newest,
    /// The oldest entries.
    Oldest,
    /// What stands before this position, the nearest.
    Before {
        /// [`Message::seq`].
        seq: u64,
    },
    /// What stands after this position, the nearest.
    After {
        /// [`Message::seq`].
        seq: u64,
    },
    /// What stands around this position, itself included.
    Around {
        /// [`Message::seq`].
        seq: u64,
    },
    /// What stands around this message, itself included.
    Message {
        /// Its id.
        message: MessageId,
    },
    /// What stands around the first entry that arrived at this time or after.
    Date {
        /// When.
        at: Timestamp,
    },
    /// What stands around the first message that was not read; the newest entries if all were.
    FirstUnread,
}

/// A part of a conversation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Page {
    /// Oldest first.
    pub messages: Vec<Message>,
    /// There is more before them.
    pub earlier: bool,
    /// There is more after them.
    pub later: bool,
    /// Position of the entry that was asked for: the message, the first of that day, the first not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<u64>,
}
