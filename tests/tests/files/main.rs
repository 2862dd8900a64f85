//! Files through the whole stack: real clients, a real relay, TLS and disks, and a network between them that can be cut.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that can't go on says so by panicking"
)]

mod cast;
mod engine;
mod export;
mod hostile;
mod pictures;
mod resume;
mod talk;
