//! Groups as an app sees them. What the words mean stands in `proto/spec/group.md`.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use wheesht_proto::{
    address::{Address, RelayAddress},
    ids::{AccountId, GroupId},
};

pub use crate::protocol::group::{Joining, Policy, Role};
use crate::time::Timestamp;

/// A small picture: PNG, JPEG or WebP of at most 32 KiB. Hex in JSON.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture(Vec<u8>);

impl Picture {
    /// Takes the file's bytes over.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The file's bytes; empty: no picture.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(bytes) = self;
        write!(f, "Picture({} bytes)", bytes.len())
    }
}

impl Serialize for Picture {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use fmt::Write as _;
        let mut hex = String::with_capacity(self.0.len() * 2);
        for byte in &self.0 {
            // Writing to a string can't fail.
            let _ = write!(hex, "{byte:02x}");
        }
        serializer.serialize_str(&hex)
    }
}

impl<'de> Deserialize<'de> for Picture {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let hex = String::deserialize(deserializer)?;
        let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let (pairs, rest) = hex.as_bytes().as_chunks::<2>();
        let bytes = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?));
        let bytes: Option<Vec<u8>> = bytes.collect();
        let bytes = bytes.filter(|_| rest.is_empty());
        bytes.map(Self).ok_or_else(|| D::Error::custom("a picture is written in hex"))
    }
}

impl JsonSchema for Picture {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Picture".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^([0-9a-f]{2}){0,32768}$" })
    }
}

/// How this account stands to a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GroupPhase {
    /// Somebody has invited this account: accept or decline.
    Invited,
    /// Has asked to join, or accepted; waits to be added.
    Joining,
    /// Belongs.
    Member,
    /// Has left; an admin's client still has to sign that.
    Leaving,
    /// Has left. What was said can be read.
    Left,
    /// Was removed. What was said can be read.
    Removed,
    /// The request to join was refused, or went unanswered too long.
    Refused,
}

/// Why somebody was not let into a group, as the inviter says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GroupRefusal {
    /// Links into it no longer let anybody in.
    Closed,
    /// The link or the invitation is no longer good.
    Expired,
    /// Somebody decided so.
    Declined,
    /// The account was banned.
    Banned,
    /// It has as many members as a group can have.
    Full,
    /// Nobody answered for two weeks.
    Unanswered,
}

/// A group in the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Group {
    /// Its id.
    pub id: GroupId,
    /// Its title; before joining: what the inviter says.
    pub title: String,
    /// What it is about.
    pub about: String,
    /// Its picture, if it has one.
    pub picture: Option<Picture>,
    /// How this account stands to it.
    pub phase: GroupPhase,
    /// This account's role, while it belongs.
    pub role: Option<Role>,
    /// How it is run; absent before joining.
    pub policy: Option<Policy>,
    /// How many belong to it, as far as known.
    pub members: u32,
    /// Who invited this account, before joining.
    pub inviter: Option<AccountId>,
    /// Why this account was not let in, if it was refused.
    pub refusal: Option<GroupRefusal>,
    /// Version of the group's state: rises with each change.
    pub version: u64,
    /// When it was founded; absent before joining.
    pub founded: Option<Timestamp>,
    /// The relay that keeps the record which orders its changes; absent before joining.
    pub relay: Option<RelayAddress>,
    /// Changes made here that aren't ordered yet: the record's relay has not taken them.
    pub pending: Vec<GroupChange>,
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GroupMember {
    /// Identity key.
    pub account: AccountId,
    /// `name@relay`.
    pub address: Address,
    /// What it calls itself, if it shows a profile. Its word: two members may say the same.
    #[serde(default)]
    pub profile_name: Option<String>,
    /// What it may do.
    pub role: Role,
    /// Who added it; the founder: itself.
    pub added_by: AccountId,
    /// Since when.
    pub since: Timestamp,
    /// How many of its devices are known in this group.
    pub devices: u32,
    /// It is this account.
    pub own: bool,
    /// It is a contact whose safety number was compared.
    pub verified: bool,
}

/// Somebody asks to join a group by a link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JoinRequest {
    /// Which group.
    pub group: GroupId,
    /// Identity key of who asks.
    pub account: AccountId,
    /// `name@relay` of who asks.
    pub address: Address,
    /// When the request came.
    pub at: Timestamp,
}

/// A link into a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GroupLink {
    /// Names it in `RevokeGroupLink`: its public key, hex.
    pub id: String,
    /// `wheesht:group/…`, also for a QR code; only this account's own devices know it.
    pub link: Option<String>,
    /// Who made it.
    pub maker: AccountId,
    /// Until when it is good.
    pub expires: Option<Timestamp>,
    /// How often it still can be used; absent: any number.
    pub uses_left: Option<u32>,
}

/// What a group is asked about in full.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GroupDetails {
    /// As in the list.
    pub group: Group,
    /// Owners first, then admins, then by address.
    pub members: Vec<GroupMember>,
    /// Who must not come back.
    pub banned: Vec<AccountId>,
    /// Who asks to join; for owners and admins.
    pub requests: Vec<JoinRequest>,
    /// Links that are good.
    pub links: Vec<GroupLink>,
}

/// What somebody did to a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum GroupChange {
    /// Founded it.
    Founded {
        /// Its title.
        title: String,
    },
    /// Gave it another title.
    Title {
        /// The new one.
        title: String,
    },
    /// Changed what it is about.
    About {
        /// The new text.
        about: String,
    },
    /// Changed or took away the picture.
    Picture,
    /// Changed how it is run.
    Policy {
        /// From now on.
        policy: Policy,
    },
    /// Added somebody, who had agreed.
    Added {
        /// Whom.
        account: AccountId,
        /// Their name.
        name: String,
    },
    /// Removed somebody.
    Removed {
        /// Whom.
        account: AccountId,
        /// Their name.
        name: String,
        /// They must not come back.
        banned: bool,
    },
    /// Somebody left by their own wish; the actor's client only wrote it down.
    Left {
        /// Who.
        account: AccountId,
        /// Their name.
        name: String,
    },
    /// Gave somebody another role.
    Role {
        /// Whom.
        account: AccountId,
        /// Their name.
        name: String,
        /// From now on.
        role: Role,
    },
    /// Lets somebody come back.
    Unbanned {
        /// Whom.
        account: AccountId,
    },
    /// Made a link.
    LinkMade {
        /// [`GroupLink::id`].
        id: String,
    },
    /// Revoked a link.
    LinkRevoked {
        /// [`GroupLink::id`].
        id: String,
    },
    /// Made a new key that hides the group's traffic.
    KeyReplaced,
    /// Moved the group's record to another relay.
    Moved {
        /// Where to.
        relay: RelayAddress,
    },
    /// Nothing that this owner or admin did: this device was away for so long that what was changed meanwhile is not known one by
    /// one. The state that it has now is on their word.
    CaughtUp {
        /// Changes that were missed.
        missed: u64,
    },
}
