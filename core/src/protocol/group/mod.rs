//! Groups: who belongs is signed, what is said is encrypted once for all.
//!
//! ```text
//!   content ─▶ padded, encrypted under the sender's chain, signed ─▶ sealed under the epoch's outer key ─▶ one envelope for all
//!              [sender]                              [message]       [outer]
//!                 ▲ the chain, given to each member's device through its pairwise session
//!   envelope ─▶ opened with the outer key ─▶ signature, chain ─▶ content
//!               [outer]                      [receiver]
//! ```
//!
//! Confidentiality rests on the chains: who was never given a sender's chain reads nothing of it. The outer layer hides which
//! group and which sender an envelope is of; losing it loses nothing else. Rules: `proto/spec/group.md` (who belongs),
//! `proto/spec/group-messages.md` (what is said).

mod actions;
mod change;
mod checkpoint;
mod consent;
mod invitation;
mod leaf;
mod leave;
mod message;
pub mod outer;
mod parts;
mod policy;
mod receiver;
mod roster;
mod sealed_record;
mod sender;
mod state;
mod witness;

#[cfg(test)]
mod roster_tests;
#[cfg(test)]
mod state_tests;
#[cfg(test)]
mod tests;

pub use actions::Action;
pub use change::{Change, ChangeError, Draft, UnverifiedChange, found};
pub use checkpoint::Checkpoint;
pub use consent::{Consent, UnverifiedConsent};
pub use invitation::{InvalidLink, Invitation, InviteSecret};
pub use leaf::{Leaf, UnverifiedLeaf};
pub use leave::{Leave, UnverifiedLeave};
pub use message::{MalformedGroupMessage, MessageContext, UnverifiedGroupMessage};
pub use outer::{Inside, OuterKey};
pub use parts::{Description, Epoch, Invite, Member, RecordPlace};
pub use policy::{Joining, Policy, Role};
pub use receiver::{
    ChainVerifier, GroupSkippedDelta, GroupSkippedKeys, MalformedChainKey, OpenedGroupMessage, OtherChain,
    ReceiverChain, RefusedMessage,
};
pub use roster::{Merged, Roster};
pub use sealed_record::{RECORD_ROOM, RecordKeyPlace, read_sealed};
pub use sender::{CantEncrypt, ChainSigner, SenderChain};
pub use state::State;
pub use witness::WitnessError;
