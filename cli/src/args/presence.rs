//! What can be said about the own presence.

use clap::{Args, ValueEnum};
use wheesht_core::api;

use super::group::Switch;

/// How available one is.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum PresenceWord {
    /// There, or away while nobody uses the device
    Online,
    /// Away
    Away,
    /// Not to be disturbed
    Busy,
    /// See others, and not be seen
    Invisible,
    /// Tell nothing and see nothing, of typing either
    Off,
}

impl From<PresenceWord> for api::PresenceChoice {
    fn from(word: PresenceWord) -> Self {
        match word {
            PresenceWord::Online => Self::Online,
            PresenceWord::Away => Self::Away,
            PresenceWord::Busy => Self::Busy,
            PresenceWord::Invisible => Self::Invisible,
            PresenceWord::Off => Self::Off,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct PresenceArgs {
    /// How available you are, on all your devices; without it: show it
    pub(crate) choice: Option<PresenceWord>,
    /// A line of text with it ("": none); without it: as before
    #[arg(requires = "choice")]
    pub(crate) text: Option<String>,
    /// Show nothing of it to this contact
    #[arg(long, value_name = "WHO")]
    pub(crate) hide_from: Vec<String>,
    /// Show it to this contact again
    #[arg(long, value_name = "WHO")]
    pub(crate) show_to: Vec<String>,
    /// Show nothing of it to who is on this list ("": to no list any longer)
    #[arg(long, value_name = "LIST")]
    pub(crate) hide_from_list: Vec<String>,
    /// Show it only to who is on this list, or on another one so named ("": to everybody)
    #[arg(long, value_name = "LIST")]
    pub(crate) only_list: Vec<String>,
    /// Tell others that you are writing, and see when they are
    #[arg(long)]
    pub(crate) typing: Option<Switch>,
}
