//! What crosses the wire in Wheesht: protobuf messages, ids, addresses and limits.
//!
//! This crate decides nothing and encrypts nothing. It is what a client and a relay must agree on: the generated message
//! types ([`relay`], [`account`], [`session`], [`content`]), the stored forms ([`stored`]), newtypes for every identifier
//! ([`ids`]), the written form of an account's address ([`address`]) and every limit with its reason ([`limits`]).
//! The rules that go with them stand in `proto/spec`.

pub mod address;
pub mod base64url;
pub mod ids;
pub mod limits;

pub use prost;

macro_rules! packages {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        /// As prost lays packages out, so that a message of one can stand in a message of another.
        #[allow(missing_docs, unreachable_pub, clippy::all)]
        mod packages {
            $(pub mod $name {
                pub mod v1 {
                    include!(concat!(env!("OUT_DIR"), "/wheesht.", stringify!($name), ".v1.rs"));
                }
            })*
        }
        $($(#[$doc])* pub use packages::$name::v1 as $name;)*
    };
}

packages! {
    /// Frames between a client and a relay (`proto/spec/relay.md`).
    relay;
    /// Manifests, certificates, prekeys, vaults (`proto/spec/account.md`).
    account;
    /// Sealed envelopes and session messages (`proto/spec/envelope.md`, `session.md`, `ratchet.md`).
    session;
    /// What devices say to each other once decrypted (`proto/spec/content.md`).
    content;
    /// Groups: signed state, roster, chains, and what members' devices send (`proto/spec/group.md`, `group-messages.md`).
    group;
    /// What ephemeral envelopes carry: who is there, who is writing (`proto/spec/presence.md`).
    presence;
    /// What somebody shows of themselves (`proto/spec/profiles.md`).
    profile;
    /// What a client stores (`proto/spec/storage.md`).
    stored;
}
