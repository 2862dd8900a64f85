//! What can be done with the configuration file.

use clap::Subcommand;

#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum ConfigAction {
    /// Open it in your editor; it begins with every setting explained
    Edit,
    /// What holds, the file and what is built in together
    Show,
    /// Where it is
    Path,
}
