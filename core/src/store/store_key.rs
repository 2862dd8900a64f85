//! Where the key of a store comes from.
//!
//! From 32 bytes (a [key file](super::key_file), the operating system's keyring, a test) or from a passphrase, stretched
//! by Argon2id with a salt and parameters that stand in the store's slot. Opening a store from a passphrase costs
//! [`PassphraseCost`] once: call it off the interface's thread.

use std::fmt;

use argon2::{Algorithm, Argon2, Params, Version};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::sealing::random;
use crate::crypto::{
    kdf::Prf,
    secret::{Secret as _, secret},
};

secret! {
    /// What a key file or keyring holds, or a passphrase was stretched to.
    pub(crate) struct StoreSecret;
}

secret! {
    /// The key that seals the slot.
    pub(super) struct WrappingKey;
}

/// What opens a store.
pub struct StoreKey(Source);

enum Source {
    Bytes(StoreSecret),
    Passphrase { text: Zeroizing<String>, cost: PassphraseCost },
}

impl StoreKey {
    /// From 32 secret bytes.
    pub fn from_bytes(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(Source::Bytes(StoreSecret::restore(&bytes)))
    }

    /// From a passphrase, as it was typed. `cost` counts for a new store or a new passphrase; an existing store
    /// remembers its own.
    pub const fn from_passphrase(text: Zeroizing<String>, cost: PassphraseCost) -> Self {
        Self(Source::Passphrase { text, cost })
    }

    /// How this key will be derived for a new store.
    pub(super) fn new_origin(&self, rng: &mut (impl CryptoRng + ?Sized)) -> Origin {
        match &self.0 {
            Source::Bytes(_) => Origin::Bytes,
            Source::Passphrase { text: _, cost } => Origin::Passphrase { cost: *cost, salt: random(rng) },
        }
    }

    /// The key that wraps the slot's. What was given for the other kind of store leads to a wrong key, not to an error.
    pub(super) fn wrapping(&self, origin: &Origin) -> WrappingKey {
        let key = match (&self.0, origin) {
            (Source::Bytes(bytes), _) => bytes.clone(),
            (Source::Passphrase { text, .. }, Origin::Passphrase { cost, salt }) => cost.stretch(text, salt),
            (Source::Passphrase { text, .. }, Origin::Bytes) => PassphraseCost::MIN.stretch(text, &[0; 16]),
        };
        Prf::new(&key).derive("wheesht/1 store wrapping", &[&origin.to_bytes()])
    }
}

impl fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Bytes(_) => f.write_str("StoreKey(bytes)"),
            Source::Passphrase { text: _, cost: _ } => f.write_str("StoreKey(passphrase)"),
        }
    }
}

/// Argon2id's parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PassphraseCost {
    memory_kib: u32,
    passes: u32,
}

impl PassphraseCost {
    /// 64 MiB, 3 passes, one lane: RFC 9106's second recommendation with the lanes of one core, ≈ 0.15 s.
    pub const DEFAULT: Self = Self { memory_kib: 64 * 1024, passes: 3 };
    /// The least that Argon2id takes: for tests, where it guards nothing.
    const MIN: Self = Self { memory_kib: 8, passes: 1 };
    /// The most that a store's header may ask for: 1 GiB and 16 passes. A changed header is no means to exhaust memory.
    const MAX: Self = Self { memory_kib: 1024 * 1024, passes: 16 };

    /// The least that Argon2id takes. Guards nothing: for tests.
    pub const fn insecure_fast() -> Self {
        Self::MIN
    }

    /// Memory in KiB, and passes.
    #[cfg(feature = "engine")]
    pub(crate) const fn numbers(self) -> (u32, u32) {
        (self.memory_kib, self.passes)
    }

    /// STO-15
    pub(crate) fn in_bounds(memory_kib: u32, passes: u32) -> Option<Self> {
        let memory = (Self::MIN.memory_kib..=Self::MAX.memory_kib).contains(&memory_kib);
        let time = (Self::MIN.passes..=Self::MAX.passes).contains(&passes);
        (memory && time).then_some(Self { memory_kib, passes })
    }

    #[expect(
        clippy::expect_used,
        reason = "parameters are in Argon2id's bounds by construction, salt and output by type"
    )]
    pub(crate) fn stretch(&self, passphrase: &str, salt: &[u8; 16]) -> StoreSecret {
        let params =
            Params::new(self.memory_kib, self.passes, LANES, Some(32)).expect("parameters in bounds");
        StoreSecret::build(|key| {
            Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
                .hash_password_into(passphrase.as_bytes(), salt, key)
                .expect("a salt and an output of valid lengths");
        })
    }
}

impl Default for PassphraseCost {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// How a store's key was derived, as its slot says in clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Bytes,
    Passphrase { cost: PassphraseCost, salt: [u8; 16] },
}

/// kind (1) ‖ memory in KiB (4) ‖ passes (4) ‖ lanes (4) ‖ salt (16); all but the kind zero for plain bytes.
const ORIGIN: usize = 1 + 3 * 4 + 16;
const LANES: u32 = 1;

impl Origin {
    pub(super) fn to_bytes(self) -> [u8; ORIGIN] {
        let mut bytes = [0; ORIGIN];
        if let Self::Passphrase { cost, salt } = self {
            let numbers = [cost.memory_kib, cost.passes, LANES];
            let written = [1].into_iter().chain(numbers.into_iter().flat_map(u32::to_be_bytes)).chain(salt);
            for (to, from) in bytes.iter_mut().zip(written) {
                *to = from;
            }
        }
        bytes
    }

    /// None if these bytes are no origin that this version writes.
    pub(super) fn from_bytes(bytes: &[u8; ORIGIN]) -> Option<Self> {
        let (&[kind], rest) = bytes.split_first_chunk()?;
        let (memory, rest) = rest.split_first_chunk()?;
        let (passes, rest) = rest.split_first_chunk()?;
        let (lanes, salt) = rest.split_first_chunk()?;
        let cost = PassphraseCost::in_bounds(u32::from_be_bytes(*memory), u32::from_be_bytes(*passes));
        match kind {
            0 if bytes.iter().all(|byte| *byte == 0) => Some(Self::Bytes),
            1 if u32::from_be_bytes(*lanes) == LANES => {
                Some(Self::Passphrase { cost: cost?, salt: salt.try_into().ok()? })
            }
            _ => None,
        }
    }
}
