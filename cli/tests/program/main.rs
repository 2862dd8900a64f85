//! The program from outside: as a script, a person at a terminal, and another program see it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may; clippy knows that of test functions only"
)]

#[cfg(unix)]
mod archive;
mod chat;
mod commands;
mod devices;
mod presence;
mod rpc;
#[cfg(unix)]
mod terminal;
#[cfg(unix)]
mod tui;
mod world;
