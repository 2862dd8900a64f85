//! The driver against a relay that does as a script says, and against a store that fails.

mod fake_relay;
mod links;
mod opening;
mod store;
