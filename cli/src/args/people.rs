//! What can be done with contacts, and with strangers who wrote.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use super::CardFormat;

/// The chat's `/contacts`, understood by the same definition.
#[derive(Debug, Parser)]
#[command(name = "/contacts", no_binary_name = true, disable_help_flag = true, color = clap::ColorChoice::Never)]
pub(crate) struct ContactLine {
    #[command(subcommand)]
    pub(crate) action: Option<ContactAction>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ContactAction {
    /// Show them (this is also what happens without an action)
    List,
    /// Look an address up and keep it
    Add {
        /// NAME or NAME@RELAY
        who: String,
    },
    /// Accept a stranger's request
    Accept {
        /// Whose
        who: String,
    },
    /// Block: they can't write any more, and are not told
    Block {
        /// Whom
        who: String,
    },
    /// Let a blocked contact write again
    Unblock {
        /// Whom
        who: String,
    },
    /// Forget, with the whole conversation
    Delete {
        /// Whom
        who: String,
    },
    /// Accept that an address belongs to another identity now
    Trust {
        /// Whose
        who: String,
    },
    /// Call them something, on your devices alone
    Nickname {
        /// Whom
        who: String,
        /// What; without it: by their own name
        name: Option<String>,
    },
    /// Note something about them, on your devices alone
    Note {
        /// About whom
        who: String,
        /// What; without it: nothing
        text: Option<String>,
    },
    /// Put them on lists of yours
    Put {
        /// Whom
        who: String,
        /// On which
        #[arg(required = true)]
        lists: Vec<String>,
    },
    /// Take them off lists
    Take {
        /// Whom
        who: String,
        /// Off which
        #[arg(required = true)]
        lists: Vec<String>,
    },
    /// Put a conversation away
    Archive {
        /// With whom, or which #GROUP
        who: String,
        /// Take it back
        #[arg(long)]
        off: bool,
    },
    /// Write contacts for another program's address book
    Export {
        /// Where to; without it: standard output
        file: Option<PathBuf>,
        /// How
        #[arg(long, value_enum, value_name = "FORMAT", default_value = "vcard")]
        format: CardFormat,
    },
    /// Take in contacts from a vCard file, or from JSON
    Import {
        /// Which
        file: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum RequestAction {
    /// Show them (this is also what happens without an action)
    List,
    /// Accept: you can talk
    Accept {
        /// Whose
        who: String,
    },
    /// Block
    Block {
        /// Whose
        who: String,
    },
    /// Forget the request
    Delete {
        /// Whose
        who: String,
    },
}
