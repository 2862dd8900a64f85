//! Who and where: the ways in which a request names a person or a conversation. All are one string in JSON.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use wheesht_proto::{
    address::{Address, InvalidAddress},
    ids::{AccountId, GroupId, InvalidId},
};

/// A person: by address, or by account id if already known.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Who {
    /// `name@relay`; a name alone is not an address: frontends add the own relay.
    Address(Address),
    /// The identity key in hex.
    Id(AccountId),
}

impl FromStr for Who {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        match text.parse() {
            Ok(id) => Ok(Self::Id(id)),
            Err(_) => text.parse().map(Self::Address),
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Id(id) => id.fmt(f),
        }
    }
}

impl Serialize for Who {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Who {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for Who {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Who".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "examples": ["bob@relay.example.org"] })
    }
}

/// A conversation. Written `direct:<account id>` or `group:<group id>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ConversationId {
    /// With this account; one's own: note to self.
    Direct(AccountId),
    /// A group's.
    Group(GroupId),
}

impl fmt::Display for ConversationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Direct(account) => write!(f, "direct:{account}"),
            Self::Group(group) => write!(f, "group:{group}"),
        }
    }
}

impl FromStr for ConversationId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        if let Some(group) = text.strip_prefix("group:") {
            return group.parse().map(Self::Group);
        }
        let account = text.strip_prefix("direct:").ok_or(InvalidId { expected: AccountId::LEN })?;
        account.parse().map(Self::Direct)
    }
}

impl Serialize for ConversationId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ConversationId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for ConversationId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ConversationId".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^(direct|group):[0-9a-f]{64}$" })
    }
}

/// Where a message goes: to a person, known or not, or into a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum To {
    /// By address or account id.
    Who(Who),
    /// By conversation.
    Conversation(ConversationId),
}

impl From<Who> for To {
    fn from(who: Who) -> Self {
        Self::Who(who)
    }
}

impl From<Address> for To {
    fn from(address: Address) -> Self {
        Self::Who(Who::Address(address))
    }
}

impl From<ConversationId> for To {
    fn from(conversation: ConversationId) -> Self {
        Self::Conversation(conversation)
    }
}

impl FromStr for To {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        match text.parse() {
            Ok(conversation) => Ok(Self::Conversation(conversation)),
            Err(_) => text.parse().map(Self::Who),
        }
    }
}

impl fmt::Display for To {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Who(who) => who.fmt(f),
            Self::Conversation(conversation) => conversation.fmt(f),
        }
    }
}

impl Serialize for To {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for To {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for To {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "To".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "examples": ["bob@relay.example.org", "group:…"] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_name_a_recipient_survives_its_string() {
        let account = AccountId::new([7; 32]);
        let group = GroupId::new([8; 32]);
        for (text, to) in [
            ("bob@relay.example.org", To::from("bob@relay.example.org".parse::<Address>().unwrap())),
            (&account.to_string(), To::Who(Who::Id(account))),
            (&format!("direct:{account}"), To::Conversation(ConversationId::Direct(account))),
            (&format!("group:{group}"), To::Conversation(ConversationId::Group(group))),
        ] {
            assert_eq!(text.parse(), Ok(to.clone()));
            assert_eq!(to.to_string(), text);
        }
        assert!("group:12".parse::<To>().is_err());
    }
}
