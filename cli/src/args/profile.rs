//! What can be said about profiles.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use wheesht_core::api;

/// The chat's `/profile`, understood by the same definition.
#[derive(Debug, Parser)]
#[command(name = "/profile", no_binary_name = true, disable_help_flag = true, color = clap::ColorChoice::Never)]
pub(crate) struct ProfileLine {
    #[command(subcommand)]
    pub(crate) action: Option<ProfileAction>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ProfileAction {
    /// Show one (this is also what happens without an action)
    Show {
        /// Whose; without it: your own
        who: Option<String>,
        /// Write the picture to this file
        #[arg(long, value_name = "FILE")]
        save_picture: Option<PathBuf>,
    },
    /// Change your own
    Set(ProfileChange),
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct ProfileChange {
    /// What you are called ("": nothing)
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// A text about you
    #[arg(long, value_name = "TEXT")]
    pub(crate) about: Option<String>,
    /// A PNG, JPEG or WebP file of at most 32 KiB, sent as it is
    #[arg(long, value_name = "FILE", conflicts_with = "no_picture")]
    pub(crate) picture: Option<PathBuf>,
    /// Take the picture away
    #[arg(long)]
    pub(crate) no_picture: bool,
    /// A field of your own, for instance pronouns=she/her; an empty value takes it away
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) field: Vec<String>,
    /// Who sees it
    #[arg(long, value_enum)]
    pub(crate) visible_to: Option<VisibleTo>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum VisibleTo {
    /// Your own devices only
    Nobody,
    /// Your contacts
    Contacts,
    /// Your contacts, and members of groups that you write in
    Members,
}

impl From<VisibleTo> for api::ProfileVisibility {
    fn from(visible: VisibleTo) -> Self {
        match visible {
            VisibleTo::Nobody => Self::Nobody,
            VisibleTo::Contacts => Self::Contacts,
            VisibleTo::Members => Self::Members,
        }
    }
}
