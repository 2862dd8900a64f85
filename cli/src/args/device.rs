//! What can be done with the account's devices.

use clap::Subcommand;

use super::PasswordSource;

#[derive(Debug, Subcommand)]
pub(crate) enum DeviceAction {
    /// Show them (this is also what happens without an action)
    List,
    /// Let the device join that asks to
    Confirm {
        /// The code that it shows
        code: String,
    },
    /// Refuse the device that asks to join, or stop an eviction
    Reject {
        /// The code that is shown; without it: whichever asks
        code: Option<String>,
    },
    /// Remove a device: it ends, and every key that it shared is replaced. Takes the account's password
    Remove {
        /// Its name, or the beginning of its id
        device: String,
        #[command(flatten)]
        password: PasswordSource,
    },
    /// Hand what was said here over to another device; it goes on by itself while Wheesht runs. What disappears stays here
    SendHistory {
        /// Its name, or the beginning of its id
        device: String,
        /// Do not wait until all of it is on its way
        #[arg(long, conflicts_with = "cancel")]
        no_wait: bool,
        /// Hand no more of it over; what has arrived stays
        #[arg(long)]
        cancel: bool,
    },
    /// Give a device another name; only your own devices see it
    Rename {
        /// Its name, or the beginning of its id
        device: String,
        /// The new name
        name: String,
    },
}
