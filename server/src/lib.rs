//! The blind relay: a store-and-forward server for what it can't read.
//!
//! ```text
//! socket ◀─▶ connection task ──Request──▶ ┌────────────────────────────┐
//!   TLS      frames in and out            │ writer thread: Service     │──▶ Storage ──▶ sled, fsync
//! socket ◀─▶ connection task ◀──Output─── └────────────────────────────┘
//! ```
//!
//! [`service`] is the relay's rules without a network: a simulation drives it with a memory backend and a clock of its own.
//! [`storage`] is what it keeps, but for [`blobs`]. The network around it is here: [`Relay::start`] gives a running one, for the binary
//! `wheesht-relay`, for tests and for a program that embeds a relay.
//!
//! It is blind by construction: of the core it uses signatures, OPAQUE and the key-value backend, and none of the code that
//! encrypts or decrypts (REL-6, `tests/blind.rs`). Rules: `proto/spec/relay.md`.

pub mod blobs;
pub mod config;
mod metrics;
mod net;
pub mod program;
pub mod service;
pub mod storage;

pub use config::{Certificate, Config, NetLimits};
pub use net::{Relay, RunningRelay, StartError};
