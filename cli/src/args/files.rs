//! Files: sent, listed, saved.

use std::path::PathBuf;

use clap::Args;

use super::Wait;

/// What `send-file` sends, and how.
#[derive(Debug, Args)]
pub(crate) struct SendFile {
    /// NAME on your own relay, NAME@RELAY, or #GROUP
    pub(crate) to: String,
    /// Files of this machine
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// A text to go with the first
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) caption: String,
    /// They are voice notes of this length
    #[arg(long, value_name = "SECONDS")]
    pub(crate) voice: Option<u32>,
    /// Send pictures with the place and time where they were taken, and the camera
    #[arg(long)]
    pub(crate) keep_metadata: bool,
    /// How far they must be before this returns. What is not sent by then goes on when Wheesht runs next
    #[arg(long, value_enum, default_value = "sent")]
    pub(crate) wait: Wait,
}

/// Which files are listed.
#[derive(Debug, Args)]
pub(crate) struct ListFiles {
    /// With whom; without it: all
    pub(crate) with: Option<String>,
    /// How many
    #[arg(short = 'n', long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) limit: u32,
    /// Those before ("next" in --json)
    #[arg(long, value_name = "N")]
    pub(crate) before: Option<u64>,
}

/// Which file is saved.
#[derive(Debug, Args)]
pub(crate) struct SaveFile {
    /// ^ (the newest file that you were sent), ^2 (the one before), or its message's "id" in --json
    pub(crate) message: String,
    /// The directory to save it in; nothing there is overwritten
    #[arg(value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
    /// Among the files of this conversation
    #[arg(long, value_name = "WHO")]
    pub(crate) with: Option<String>,
}
