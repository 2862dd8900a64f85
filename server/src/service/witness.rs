//! A look at what a relay gets to keep, for whoever runs it inside a program of their own: `wheesht demo` shows it to people beside
//! what was said. It is no more than the relay's operator can read from its files.

use std::sync::mpsc;

use prost::bytes::Bytes;
use wheesht_core::proto::ids::MailboxId;

/// An envelope that was put into a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deposited {
    /// Whose: the relay knows.
    pub mailbox: MailboxId,
    /// Whether it came by a request address, and so from a stranger.
    pub request: bool,
    /// All that the relay has of it.
    pub bytes: Bytes,
}

/// Where they are told, just before they are made durable.
pub type Witness = mpsc::Sender<Deposited>;
