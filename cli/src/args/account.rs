//! What is done to the account as a whole.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};

use super::PasswordSource;

/// Where a new password comes from; without any of these it is asked for.
#[derive(Debug, ClapArgs)]
#[group(multiple = false)]
pub(crate) struct NewPassword {
    /// Read the new password from this file descriptor (its first line)
    #[arg(long, value_name = "N")]
    pub(crate) new_password_fd: Option<u32>,
    /// Read the new password from this file (its first line)
    #[arg(long, value_name = "FILE")]
    pub(crate) new_password_file: Option<PathBuf>,
    /// Take a new six-word passphrase, and print it
    #[arg(long)]
    pub(crate) generate: bool,
}

impl NewPassword {
    /// The same as a source of a password; none if it is to be asked for, or made.
    pub(crate) fn source(&self) -> PasswordSource {
        PasswordSource { password_fd: self.new_password_fd, password_file: self.new_password_file.clone() }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum AccountAction {
    /// Delete the account: contacts are told, the relay forgets it, and what is stored on this machine goes. Nothing undoes that
    Delete {
        #[command(flatten)]
        password: PasswordSource,
        /// Do not ask whether that is meant
        #[arg(long)]
        yes: bool,
        /// Keep what was said on this machine
        #[arg(long)]
        keep_history: bool,
    },
}
