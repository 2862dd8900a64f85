//! Tests of the protocol as a whole: two or more devices, and everything between them.

mod bytes;
mod conversation;
mod interleaving;
mod limits;
mod refusals;
mod vectors;
mod world;
