//! Root key, chain keys and message keys: the ladder of derivations.
//!
//! ```text
//! root ──DH output──▶ root'            HKDF-Extract(salt = root, ikm = DH output), one label each
//!         └─────────▶ chain
//! chain ─▶ chain' ─▶ chain'' …         HMAC under the chain key, one label each
//!     └▶ message   └▶ message'
//! ```

use crate::crypto::{
    dh::SharedSecret,
    kdf::Prf,
    secret::{Secret, secret},
};

secret! {
    /// What every DH step is mixed into.
    pub(in crate::protocol) struct RootKey;
}

secret! {
    /// What one direction's messages between two DH steps come from.
    pub(in crate::protocol) struct ChainKey;
}

secret! {
    /// The key of one message. Kept in a row of its own while that message is awaited.
    pub struct MessageKey;
}

impl RootKey {
    // RAT-1
    pub(super) fn step(&self, agreed: &SharedSecret) -> (Self, ChainKey) {
        let prf = Prf::extract(self.expose(), &[agreed.expose()]);
        (prf.derive("wheesht/1 ratchet root", &[]), prf.derive("wheesht/1 ratchet chain", &[]))
    }
}

impl ChainKey {
    // RAT-1
    pub(in crate::protocol) fn step(&self) -> (Self, MessageKey) {
        let prf = Prf::new(self);
        (prf.derive("wheesht/1 chain next", &[]), prf.derive("wheesht/1 chain message", &[]))
    }
}
