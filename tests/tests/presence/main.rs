//! Who is there and who is writing, through the public door: seen by whom it is for, and by nobody else.

#![allow(clippy::expect_used, clippy::panic, reason = "a test may; clippy knows that of test functions only")]

mod hostile;
mod people;
mod telling;
mod typing;
