//! Conversations through the public door: what two people say arrives once, in order, whatever goes wrong in between.

#![allow(clippy::expect_used, clippy::panic, reason = "a test may; clippy knows that of test functions only")]

mod crashes;
mod deposits;
mod groups;
mod life;
mod notifications;
mod people;
mod repair;
mod search;
mod talking;
