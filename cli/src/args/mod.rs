//! What was typed. What it means is in `commands`.
//!
//! Each subject has a file: what can be said after its word. [`Command`] only lists the words.

mod account;
mod archive;
mod config;
mod device;
mod files;
mod global;
pub(crate) mod group;
mod message;
mod notifications;
mod password;
mod people;
mod presence;
mod profile;
mod send;
mod settings;

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use clap_complete::Shell;
use wheesht_core::proto::address::Address;

pub(crate) use self::{
    account::{AccountAction, NewPassword},
    archive::{BackupAction, CardFormat, ExportArgs, ExportLine, OrderName, SearchArgs},
    config::ConfigAction,
    device::DeviceAction,
    files::{ListFiles, SaveFile, SendFile},
    global::{Color, Global, StoreKey},
    group::{GroupAction, GroupLine, GroupPolicy, Switch},
    message::{MessageAction, Span},
    notifications::{NotificationArgs, NotificationLine},
    password::PasswordSource,
    people::{ContactAction, ContactLine, RequestAction},
    presence::PresenceArgs,
    profile::{ProfileAction, ProfileChange, ProfileLine},
    send::Wait,
    settings::{SettingsArgs, SettingsLine},
};
use crate::exit::EXIT_CODES;

/// Private messages through a relay that cannot read them. Without a command: chat.
#[derive(Debug, Parser)]
#[command(name = "wheesht", version, after_help = EXIT_CODES, subcommand_help_heading = "Commands")]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make an account on a relay
    Register {
        /// NAME@HOST[:PORT][#FINGERPRINT]
        address: Address,
        #[command(flatten)]
        password: PasswordSource,
        /// Make up a six-word passphrase, print it and use it
        #[arg(long, conflicts_with_all = ["password_fd", "password_file"])]
        generate: bool,
        /// What you call this device
        #[arg(long, value_name = "NAME")]
        device: Option<String>,
    },
    /// Use an existing account on this machine
    Login {
        /// NAME@HOST[:PORT][#FINGERPRINT]
        #[arg(required_unless_present = "link")]
        address: Option<Address>,
        /// What "wheesht link" shows on another device of yours: then nobody has to compare a code. "-" reads it from standard input
        #[arg(long, value_name = "LINK", conflicts_with_all = ["address", "evict"])]
        link: Option<String>,
        #[command(flatten)]
        password: PasswordSource,
        /// What you call this device
        #[arg(long, value_name = "NAME")]
        device: Option<String>,
        /// All other devices are lost: remove them, after a grace in which they may object. Contacts are told
        #[arg(long)]
        evict: bool,
        /// Do not wait until the other device has confirmed
        #[arg(long)]
        no_wait: bool,
    },
    /// Talk (this is also what happens without a command)
    Chat {
        /// With whom to begin
        with: Option<String>,
    },
    /// Talk, on the whole screen: conversations beside messages, keys and mouse
    Tui {
        /// With whom to begin
        with: Option<String>,
    },
    /// Send a text
    Send {
        /// NAME on your own relay, NAME@RELAY, or #GROUP
        to: String,
        /// The text; without it, or with "-", standard input
        text: Option<String>,
        /// How far the message must be before this returns
        #[arg(long, value_enum, default_value = "sent")]
        wait: Wait,
        /// Give up waiting after this many seconds
        #[arg(long, value_name = "SECONDS", default_value_t = 30)]
        timeout: u64,
    },
    /// Send files
    SendFile(SendFile),
    /// The files that were sent, the newest first
    Files(ListFiles),
    /// Fetch a file that you were sent, and print where it is
    Save(SaveFile),
    /// Print what happens as it happens; an event is acknowledged only once it is written
    Listen {
        /// Stop after this many messages
        #[arg(long, value_name = "N")]
        count: Option<u64>,
        /// Stop when nothing has happened for this many seconds
        #[arg(long, value_name = "SECONDS")]
        timeout: Option<u64>,
    },
    /// Whom you know
    Contacts {
        #[command(subcommand)]
        action: Option<ContactAction>,
    },
    /// Strangers who wrote
    Requests {
        #[command(subcommand)]
        action: Option<RequestAction>,
    },
    /// What your contacts see of you: online, away, busy, a line of text, or nothing
    Presence(PresenceArgs),
    /// What you show of yourself, and what others show of themselves: name, text, picture, fields
    Profile {
        #[command(subcommand)]
        action: Option<ProfileAction>,
    },
    /// Groups: make, invite, join, leave, and who may do what
    #[command(visible_alias = "groups")]
    Group {
        #[command(subcommand)]
        action: Option<GroupAction>,
    },
    /// Answer, react to, edit, delete, pin or pass on a message
    Message {
        #[command(subcommand)]
        action: MessageAction,
    },
    /// What was said
    History {
        /// With whom; without it: all conversations
        with: Option<String>,
        /// How many entries
        #[arg(short = 'n', long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
        /// Only what stands before this position ("seq" in --json)
        #[arg(long, value_name = "SEQ")]
        before: Option<u64>,
    },
    /// Find messages by their words
    Search {
        #[command(flatten)]
        search: SearchArgs,
    },
    /// Write what was said into files
    Export {
        #[command(flatten)]
        export: ExportArgs,
    },
    /// Take in what "export --format json" has written, as history to read
    Import {
        /// Which
        file: PathBuf,
    },
    /// Everything in one file that only a passphrase opens
    Backup {
        #[command(subcommand)]
        action: BackupAction,
    },
    /// What calls for your attention on this device; without anything: show it
    Notifications {
        #[command(flatten)]
        changes: NotificationArgs,
    },
    /// The devices of your account
    Devices {
        #[command(subcommand)]
        action: Option<DeviceAction>,
    },
    /// Let a new device join: shows a code to scan or copy, for ten minutes, and confirms the device that uses it
    Link {
        /// Print it and leave; the device is confirmed when Wheesht runs next
        #[arg(long)]
        no_wait: bool,
        /// Hand what was said here over to the new device
        #[arg(long, conflicts_with = "no_wait")]
        history: bool,
    },
    /// Change the account's password
    Password {
        #[command(flatten)]
        old: PasswordSource,
        #[command(flatten)]
        new: NewPassword,
    },
    /// The account as a whole
    Account {
        #[command(subcommand)]
        action: AccountAction,
    },
    /// Make sure that a contact is who you think
    Verify {
        /// Whom
        who: String,
        /// The number was compared and is the same
        #[arg(long, conflicts_with = "no")]
        yes: bool,
        /// Take that back
        #[arg(long)]
        no: bool,
    },
    /// How far this installation is
    Status,
    /// Serve programs: JSON-RPC 2.0 with one object a line, on standard input and output
    Rpc {
        /// Listen at this Unix socket instead, for several programs at once
        #[arg(long, value_name = "PATH")]
        socket: Option<PathBuf>,
        /// With --socket: serve standard input and output too, and end when that ends
        #[arg(long, requires = "socket")]
        stdio: bool,
        /// Print the methods as an OpenRPC document
        #[arg(long, conflicts_with_all = ["socket", "stdio"])]
        describe: bool,
    },
    /// Say where your relay is now, or how it is known
    SetRelay {
        /// HOST[:PORT][#FINGERPRINT]
        relay: wheesht_core::proto::address::RelayAddress,
    },
    /// Write what helps to find a fault: versions, counts and the last log lines, without names, addresses, texts or keys
    DebugBundle {
        /// Where to; without it: standard output
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Show or change what holds on all your devices
    Settings(SettingsArgs),
    /// The file with settings of this machine
    Config {
        #[command(subcommand)]
        action: ConfigAction,
    },
    /// Look for what could be wrong, and say what to do about it
    Doctor,
    /// Print what a shell needs to complete commands: source <(wheesht completions bash)
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Print the manual page, or write one for each command
    Man {
        /// Where to
        directory: Option<PathBuf>,
    },
    /// Run a relay (the same as wheesht-relay; "wheesht relay --help" tells more)
    Relay,
    /// See it all work on this machine, with nothing to set up
    Demo,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_password_is_no_argument() {
        assert!(Args::try_parse_from(["wheesht", "register", "alice@relay", "--password", "x"]).is_err());
        assert!(Args::try_parse_from(["wheesht", "login", "alice@relay", "secret"]).is_err());
    }
}
