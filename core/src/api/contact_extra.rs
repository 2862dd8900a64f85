//! What one notes down about a contact. Nobody but one's own devices sees it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One's own notes about a contact.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ContactExtra {
    /// What one calls them: shown instead of their name. At most 128 bytes; empty: none.
    pub nickname: String,
    /// At most 1,000 bytes.
    pub note: String,
    /// The lists that they are on, by name: at most 16 of at most 64 bytes.
    pub lists: Vec<String>,
}

impl ContactExtra {
    /// Whether nothing is noted.
    pub fn is_empty(&self) -> bool {
        self.nickname.is_empty() && self.note.is_empty() && self.lists.is_empty()
    }
}
