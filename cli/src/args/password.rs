//! Accounts: where a password comes from.

use std::path::PathBuf;

use clap::Args as ClapArgs;

/// Where a password comes from. Never from the command line, where other users and the shell's history would see it.
#[derive(Debug, Clone, ClapArgs)]
#[group(multiple = false)]
pub(crate) struct PasswordSource {
    /// Read the password from this file descriptor (its first line)
    #[arg(long, value_name = "N")]
    pub(crate) password_fd: Option<u32>,
    /// Read the password from this file (its first line)
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
}
