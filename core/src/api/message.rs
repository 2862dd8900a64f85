//! What belongs to a message besides its text.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wheesht_proto::ids::{AccountId, InvalidId, MessageId};

use super::{types::MessageState, who::ConversationId};
use crate::time::Timestamp;

/// Somebody is named in a text. Both numbers count bytes of UTF-8 and lie between characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Mention {
    /// Who.
    pub account: AccountId,
    /// Where the name begins, its @ included.
    pub start: u32,
    /// How long it is.
    pub length: u32,
}

/// The message that another one answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Quote {
    /// Who wrote it.
    pub author: AccountId,
    /// Which.
    pub message: MessageId,
    /// Where it stands, if this device has it.
    pub seq: Option<u64>,
    /// How it begins: as it stands here, or else as the one who answers it says. Empty if it was deleted.
    pub text: String,
}

/// One reaction, and whose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reaction {
    /// What.
    pub emoji: String,
    /// Whose.
    pub accounts: Vec<AccountId>,
    /// This account's among them.
    pub mine: bool,
}

/// How many members of a group have a message, as far as they say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Receipts {
    /// Have it, those who have read it included.
    pub delivered: u32,
    /// Have read it.
    pub read: u32,
    /// Whom it was for.
    pub of: u32,
}

/// How far a message is with one who gets it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Delivery {
    /// Who.
    pub account: AccountId,
    /// Their name.
    pub name: String,
    /// How far.
    pub state: MessageState,
    /// Since when, as heard here; absent between two people.
    pub at: Option<Timestamp>,
}

/// A text that was changed since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EarlierText {
    /// As it was.
    pub text: String,
    /// Since when it was so, as its writer says.
    pub at: Timestamp,
}

/// What is being written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Draft {
    /// So far.
    pub text: String,
    /// The message that it will answer.
    pub reply_to: Option<MessageId>,
}

/// Leads to a message: `wheesht:message/<conversation>/<message id>`. [`super::Request::Message`] shows it. It means something only
/// to those who are in that conversation: to the others of a group, or to one's own devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MessageLink {
    /// Where.
    pub conversation: ConversationId,
    /// Which.
    pub message: MessageId,
}

const LINK: &str = "wheesht:message/";

impl fmt::Display for MessageLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{LINK}{}/{}", self.conversation, self.message)
    }
}

impl FromStr for MessageLink {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid = InvalidId { expected: MessageId::LEN };
        let (conversation, message) =
            text.strip_prefix(LINK).and_then(|rest| rest.split_once('/')).ok_or(invalid)?;
        Ok(Self { conversation: conversation.parse()?, message: message.parse()? })
    }
}

#[cfg(test)]
mod tests {
    use wheesht_proto::ids::GroupId;

    use super::*;

    #[test]
    fn a_link_leads_back_to_its_message() {
        let conversation = ConversationId::Group(GroupId::new([3; 32]));
        let link = MessageLink { conversation, message: MessageId::new([4; 16]) };
        assert_eq!(link.to_string().parse(), Ok(link));
        assert!(link.to_string().starts_with("wheesht:message/group:0303"));
        for wrong in ["", "wheesht:message/", "wheesht:message/group:03/04", "message/group:03"] {
            assert!(wrong.parse::<MessageLink>().is_err());
        }
    }
}
