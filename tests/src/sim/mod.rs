//! The simulation: people, devices, a relay and a bad network, all from one seed.
//!
//! ```text
//!   persona ──commands──▶ node: Engine + Store on MemoryBackend ──frames──▶ network ──▶ relay: Service on MemoryBackend
//!      ▲                        │ crashes before or after a commit            │ delays, cuts       │ crashes, restarts
//!      └───────events───────────┘                                             └────────────────────┘
//!                               ▼
//!                             check: what must never happen, at every event; what must have happened, at the end
//! ```
//!
//! Nothing here knows a secret of the engine's: it is driven through [`wheesht_core::engine::Engine::handle`] and asked through the
//! API, as the real driver does. Time is virtual, randomness comes from the seed, every collection is ordered; so a seed that
//! fails fails again.

mod check;
mod faults;
mod groups;
pub mod hostile;
mod network;
mod node;
mod persona;
mod relay;
mod seeds;
mod trace;
mod world;

pub use check::{Broken, Ledger};
pub use faults::Faults;
pub use groups::Deed;
pub use node::NodeId;
pub use persona::Persona;
pub(crate) use relay::SimRelay;
pub use seeds::every_seed;
pub use world::World;
