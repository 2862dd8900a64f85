//! Whole-system tests.
//!
//! [`sim`] runs real engines against a real relay service under a virtual clock, on a network that a seed makes fail: a thousand
//! lives in a minute, each one repeatable. [`stage`] is the quiet place beside it, where one thing happens at a time and a test decides
//! which. [`hostile`] is a relay that lies, on either. [`direct`] wires engines and relay straight to each other, for benchmarks and fuzzing.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that can't go on says so by panicking"
)]

pub mod direct;
pub mod hostile;
pub mod sim;
pub mod stage;
