//! Who is there, and who is writing, as an app sees it. What the words mean stands in `proto/spec/presence.md`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::list_rules::ListRules;
use crate::time::Timestamp;

/// How available somebody is.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Availability {
    /// They haven't said, or it was too long ago.
    #[default]
    Unknown,
    /// Not there.
    Offline,
    /// A device of theirs is on, and nobody at it.
    Away,
    /// Not to be disturbed.
    Busy,
    /// There.
    Online,
}

/// How somebody is: of several devices, the most available one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Presence {
    /// How available.
    pub availability: Availability,
    /// A line of text with it, as its writer wrote it; may be empty.
    pub text: String,
    /// Since when, as far as this device knows.
    pub since: Option<Timestamp>,
}

/// What this account tells its contacts, on all its devices.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PresenceChoice {
    /// Online, or away where nobody is at the device.
    #[default]
    Online,
    /// Away.
    Away,
    /// Not to be disturbed.
    Busy,
    /// They see nothing; one sees them.
    Invisible,
    /// Nobody sees anything: neither presence nor typing is sent or shown.
    Off,
}

/// Whether somebody is at this device. A frontend says so; until it does, nobody is, and nothing is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Activity {
    /// This is a script or a service: the device tells nobody of itself.
    #[default]
    Background,
    /// Somebody uses this device.
    Here,
    /// Nobody has used it for a while.
    Idle,
}

/// The own presence.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OwnPresence {
    /// What was chosen, for all devices.
    pub choice: PresenceChoice,
    /// The line of text with it.
    pub text: String,
    /// Whether others are told, and tell, who is writing.
    pub typing: bool,
    /// Whether somebody is at this device.
    pub activity: Activity,
    /// Which lists of contacts see it.
    #[serde(default, skip_serializing_if = "ListRules::is_empty")]
    pub lists: ListRules,
}
