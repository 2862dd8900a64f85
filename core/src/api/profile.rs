//! What people show of themselves, as an app sees it. What the words mean stands in `proto/spec/profiles.md`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wheesht_proto::ids::AccountId;

use super::group::Picture;
use crate::time::Timestamp;

/// Who sees the own profile, from the fewest to the most.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ProfileVisibility {
    /// Nobody but the own devices.
    Nobody,
    /// Contacts: both sides have accepted to talk.
    Contacts,
    /// Everyone one talks to: contacts, and the members of groups in which one writes.
    #[default]
    Members,
}

/// Something that somebody says of themselves: pronouns, a page on the web, a town.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProfileField {
    /// What it is: 1 to 64 bytes.
    pub name: String,
    /// At most 512 bytes, on one line.
    pub value: String,
}

/// What somebody shows of themselves. It is their word, and verified to be theirs; it says nothing about who they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Profile {
    /// Whose.
    pub account: AccountId,
    /// What they call themselves: at most 128 bytes; empty: nothing.
    pub name: String,
    /// At most 2 KiB.
    pub about: String,
    /// At most 16.
    pub fields: Vec<ProfileField>,
    /// Their picture.
    pub picture: Option<Picture>,
    /// When it was last changed, as they say; absent: they show none, or it was not read yet.
    pub updated: Option<Timestamp>,
    /// Of the own profile: who sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visibility: Option<ProfileVisibility>,
}
