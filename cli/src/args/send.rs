//! How a text is sent.

use clap::ValueEnum;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Wait {
    /// Stored here; it goes out when Wheesht runs
    Queued,
    /// Stored by the relay
    Sent,
    /// On a device of the recipient's
    Delivered,
    /// Seen by the recipient
    Read,
}
