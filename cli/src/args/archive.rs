//! Finding what was said, writing it out, and taking it in again.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use wheesht_core::client::archive::ExportFormat;

use super::PasswordSource;

/// A QUERY is words, "several in this order", begin*, from:NAME, in:"NAME", before:2026-01-31, after:…, on:…, has:link.
#[derive(Debug, ClapArgs)]
pub(crate) struct SearchArgs {
    /// What to look for
    #[arg(required = true, num_args = 1.., allow_hyphen_values = true)]
    pub(crate) query: Vec<String>,
    /// Only what was said with this one, or in this #GROUP
    #[arg(long, value_name = "WITH")]
    pub(crate) with: Option<String>,
    /// What comes first
    #[arg(long, value_enum, value_name = "ORDER", default_value = "newest")]
    pub(crate) order: OrderName,
    /// How many
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) limit: u32,
    /// Go on where the page before ended ("cursor" in --json)
    #[arg(long, value_name = "CURSOR")]
    pub(crate) cursor: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OrderName {
    Newest,
    Oldest,
    Relevance,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ExportArgs {
    /// Where to: a file; for all conversations in a format other than json, a new directory
    pub(crate) to: PathBuf,
    /// How
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "json")]
    pub(crate) format: FormatName,
    /// Only what was said with this one, or in this #GROUP
    #[arg(long, value_name = "WITH")]
    pub(crate) with: Option<String>,
}

/// The chat's `/export`, understood by the same definition.
#[derive(Debug, Parser)]
#[command(name = "/export", no_binary_name = true, disable_help_flag = true, color = clap::ColorChoice::Never)]
pub(crate) struct ExportLine {
    #[command(flatten)]
    pub(crate) what: ExportArgs,
}

impl From<FormatName> for ExportFormat {
    fn from(name: FormatName) -> Self {
        match name {
            FormatName::Json => Self::Json,
            FormatName::Html => Self::Html,
            FormatName::Markdown => Self::Markdown,
            FormatName::Text => Self::Text,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FormatName {
    /// Lines of JSON: what can be imported again
    Json,
    /// A page that looks like a chat
    Html,
    Markdown,
    Text,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BackupAction {
    /// Write everything that was said, notes about contacts and settings into one file that a passphrase opens
    Create {
        /// Where to
        file: PathBuf,
        #[command(flatten)]
        passphrase: PasswordSource,
        /// Make up a six-word passphrase, print it and use it
        #[arg(long, conflicts_with_all = ["password_fd", "password_file"])]
        generate: bool,
    },
    /// Take in a backup of this account, on a device that has logged in
    Restore {
        /// Which
        file: PathBuf,
        #[command(flatten)]
        passphrase: PasswordSource,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CardFormat {
    Vcard,
    Json,
}
