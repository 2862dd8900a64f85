//! Wheesht's core: end-to-end encrypted messaging as a library.
//!
//! ```text
//! wheesht-proto ← crypto ← signed, protocol ← store ← engine ← client ← frontends
//! ```
//!
//! | layer | feature | what it is |
//! |---|---|---|
//! | [`crypto`] | – | typed keys and the primitives, each from a library |
//! | [`signed`] | – | what both a client and a blind relay verify: certificates, manifests, prekeys, records, statements |
//! | `protocol` | `protocol` | the cryptographic state machines, sans-I/O |
//! | `vault` | `opaque` + `protocol` | the root vault and the state vault, sealed |
//! | `store` | `backend`, `store`, `sled` | durable key-value batches, encryption at rest |
//! | `engine` | `engine` | the whole client as one deterministic state machine |
//! | `client` | `client` | the driver: sockets, TLS, timers; the public async API |
//!
//! A relay builds this crate with neither `protocol` nor `engine`: it holds no code that could decrypt a message.

pub mod crypto;
pub mod signed;
pub mod time;

#[cfg(feature = "opaque")]
pub mod opaque;
#[cfg(feature = "protocol")]
pub mod protocol;
#[cfg(feature = "backend")]
pub mod store;
#[cfg(all(feature = "opaque", feature = "protocol"))]
pub mod vault;

#[cfg(feature = "engine")]
pub mod api;
#[cfg(feature = "engine")]
pub mod backup;
#[cfg(feature = "engine")]
pub mod engine;

#[cfg(feature = "client")]
pub mod client;

pub use wheesht_proto as proto;
