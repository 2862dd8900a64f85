//! What a peer, a relay or a damaged disk may hand to Wheesht, thrown at its doors.
//!
//! Each function here takes any bytes and drives one public door with them. It panics if the door breaks its promise: a typed
//! error or a proper result each time; after an error, nothing changed; nothing accepted that nobody signed or encrypted.
//!
//! | target | whose bytes |
//! |---|---|
//! | [`frame`] | frames to a relay, pushes and replies to a client, in the middle of a working conversation |
//! | [`envelope`] | an envelope, and what lies in one that was properly sealed |
//! | [`bundle`] | another device's prekeys |
//! | [`ratchet_message`] | a session message, to sessions in several states |
//! | [`attachment`] | a file's chunks, in any order, from this file or another |
//! | [`manifest`] | an account's history of devices |
//! | [`record`] | a relay's record |
//! | [`stored_session`] | a session or prekey in its stored form |
//! | [`stored_row`] | anything in the files of an encrypted store |
//! | [`two_peers`] | a network between two devices |
//! | [`group_envelope`] | a group's envelope, what any member may put into one, chains as given and as stored |
//! | [`group_state`] | a group's change, state or checkpoint |
//! | [`group_network`] | a network between a group's member and its reader |
//!
//! `cargo fuzz run frame` explores (bins in `fuzz_targets`); `tests/replay.rs` runs everything in `corpus` again, on every test
//! run. The worlds behind the targets come from fixed seeds, so that the corpus can hold what their people really said:
//! `cargo run -p wheesht-fuzz --example seeds` writes it anew when a format has changed.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a fuzz target says what it found by panicking"
)]

mod attachment;
mod chunks;
mod device;
mod frame;
mod group;
mod group_state;
mod messages;
mod peers;
pub mod seeds;
mod signed;
mod stored;

pub use attachment::attachment;
pub use frame::frame;
pub use group::{group_envelope, group_network};
pub use group_state::group_state;
pub use messages::{bundle, envelope, ratchet_message};
pub use peers::two_peers;
pub use signed::{manifest, record};
pub use stored::{stored_row, stored_session};

/// A target.
pub type Target = fn(&[u8]);

/// All of them, by the names of their corpora.
pub const TARGETS: [(&str, Target); 13] = [
    ("frame", frame),
    ("envelope", envelope),
    ("bundle", bundle),
    ("ratchet_message", ratchet_message),
    ("manifest", manifest),
    ("record", record),
    ("attachment", attachment),
    ("stored_session", stored_session),
    ("stored_row", stored_row),
    ("two_peers", two_peers),
    ("group_envelope", group_envelope),
    ("group_network", group_network),
    ("group_state", group_state),
];

/// Longer inputs find nothing that shorter ones don't.
const LONGEST: usize = 64 * 1024;
