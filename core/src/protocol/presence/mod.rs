//! Who is there, and who is writing: small signed statements in envelopes that a relay passes on or drops, and never stores.
//!
//! ```text
//!  statement ─ signed by the device ─┬─ presence:          [sealed] under a key that contacts hold ─▶ one envelope for all of them
//!                                    ├─ typing in a group: [sealed] under a key of its epoch       ─▶ one envelope for all of it
//!                                    └─ typing, to one:    an [`envelope`](super::envelope) for each device
//! ```
//!
//! The seal hides from the relay what is said and who says it. Everyone who holds the key could seal, so that proves nothing:
//! what is believed is the device's signature, over a statement that says whose it is, for whom, and when it stops to hold.
//! Nothing here is stored, acknowledged or repeated, so there is no ratchet that could fall behind. Rules: `proto/spec/presence.md`.

mod sealed;
mod statement;

pub use sealed::{EphemeralKey, FORM, belongs, is_ephemeral, open, seal};
pub use statement::{
    Malformed, PresenceStatement, Status, TypingIn, TypingStatement, UnverifiedPresence, UnverifiedTyping,
};
