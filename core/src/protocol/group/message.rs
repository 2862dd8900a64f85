//! A group message as it travels inside the outer layer, and what its sender binds into it.
//!
//! ```text
//! AAD       = group ‖ epoch ‖ state version ‖ state hash ‖ roster hash ‖ device ‖ chain ‖ count ‖ chain before ‖ additional
//! signature = by the chain's key, over SHA-256(AAD ‖ s ‖ ciphertext)
//! ```
//!
//! Group and epoch are not in the message: the reader knows them by the outer key that opened it, so a message put into another
//! group, or sealed again under another epoch, does not verify.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::{
    crypto::sign::{Label, Signature, SigningKey, VerifyingKey},
    proto::{
        group as wire,
        ids::{ChainId, DeviceId, GroupId},
    },
    protocol::ratchet::Synthetic,
};

const LABEL: Label = Label::new("wheesht/1 group message");

/// Not a group message, nor one between two members' devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed group message")]
pub struct MalformedGroupMessage;

/// What a sender knows of the group while it writes, all of it bound into the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageContext<'a> {
    /// The group.
    pub group: GroupId,
    /// Number of the epoch whose outer key seals it.
    pub epoch: u64,
    /// Version of the group's state as the sender knows it.
    pub state_version: u64,
    /// That state's hash.
    pub state_hash: [u8; 32],
    /// Of the sender's roster.
    pub roster_hash: [u8; 32],
    /// The sending device.
    pub device: DeviceId,
    /// What else both sides bind; at most 4 GiB.
    pub additional: &'a [u8],
}

/// A group message as it came: believed once a chain has opened it.
#[derive(Clone, PartialEq, Eq)]
pub struct UnverifiedGroupMessage {
    pub(super) device: DeviceId,
    pub(super) chain: ChainId,
    pub(super) count: u32,
    pub(super) state_version: u64,
    pub(super) state_hash: [u8; 32],
    pub(super) roster_hash: [u8; 32],
    /// The sender's chain before this one, and how many messages it had.
    pub(super) before: Option<(ChainId, u32)>,
    pub(super) synthetic: Synthetic,
    pub(super) ciphertext: Vec<u8>,
    pub(super) signature: Signature,
}

impl UnverifiedGroupMessage {
    /// The device that claims to have sent it.
    pub fn device(&self) -> DeviceId {
        self.device
    }

    /// The chain it is of.
    pub fn chain(&self) -> ChainId {
        self.chain
    }

    /// Its place in that chain: 0, 1, 2, …
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Version and hash of the group's state as the sender knew it.
    pub fn state(&self) -> (u64, [u8; 32]) {
        (self.state_version, self.state_hash)
    }

    /// Hash of the roster as the sender knew it.
    pub fn roster_hash(&self) -> [u8; 32] {
        self.roster_hash
    }

    /// The message's context where it was read: in this group, under this epoch's outer key.
    pub(super) fn context<'a>(&self, group: GroupId, epoch: u64, additional: &'a [u8]) -> MessageContext<'a> {
        MessageContext {
            group,
            epoch,
            state_version: self.state_version,
            state_hash: self.state_hash,
            roster_hash: self.roster_hash,
            device: self.device,
            additional,
        }
    }

    pub(super) fn to_wire(&self) -> wire::GroupMessage {
        let (old_chain_id, old_chain_count) =
            self.before.map_or((Vec::new(), 0), |(chain, count)| (chain.to_vec(), count));
        wire::GroupMessage {
            device_id: self.device.to_vec(),
            chain_id: self.chain.to_vec(),
            count: self.count,
            state_version: self.state_version,
            state_hash: self.state_hash.to_vec(),
            roster_hash: self.roster_hash.to_vec(),
            old_chain_id,
            old_chain_count,
            synthetic: self.synthetic.to_vec(),
            ciphertext: self.ciphertext.clone(),
            signature: self.signature.to_vec(),
        }
    }

    // GRM-4
    pub(super) fn from_wire(message: wire::GroupMessage) -> Result<Self, MalformedGroupMessage> {
        let before = match (message.old_chain_id.as_slice(), message.old_chain_count) {
            ([], 0) => None,
            (id, count) => Some((ChainId::try_from(id).map_err(|_| MalformedGroupMessage)?, count)),
        };
        let hash = |bytes: Vec<u8>| <[u8; 32]>::try_from(bytes).map_err(|_| MalformedGroupMessage);
        Ok(Self {
            device: DeviceId::try_from(&*message.device_id).map_err(|_| MalformedGroupMessage)?,
            chain: ChainId::try_from(&*message.chain_id).map_err(|_| MalformedGroupMessage)?,
            count: message.count,
            state_version: message.state_version,
            state_hash: hash(message.state_hash)?,
            roster_hash: hash(message.roster_hash)?,
            before,
            synthetic: hash(message.synthetic)?,
            ciphertext: message.ciphertext,
            signature: Signature::try_from(&*message.signature).map_err(|_| MalformedGroupMessage)?,
        })
    }
}

/// Hashes would only tell which group it is of.
impl fmt::Debug for UnverifiedGroupMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            device,
            chain,
            count,
            state_version,
            state_hash: _,
            roster_hash: _,
            before: _,
            synthetic: _,
            ciphertext,
            signature: _,
        } = self;
        f.debug_struct("UnverifiedGroupMessage")
            .field("device", device)
            .field("chain", chain)
            .field("count", count)
            .field("state_version", state_version)
            .field("ciphertext", &ciphertext.len())
            .finish_non_exhaustive()
    }
}

/// All that the message means besides its text, in one spelling.
// GRM-6
pub(super) fn additional_data(
    context: &MessageContext<'_>,
    chain: ChainId,
    count: u32,
    before: Option<(ChainId, u32)>,
) -> Vec<u8> {
    let MessageContext { group, epoch, state_version, state_hash, roster_hash, device, additional } = context;
    let mut aad = Vec::with_capacity(192_usize.saturating_add(additional.len()));
    let mut put = |bytes: &[u8]| aad.extend_from_slice(bytes);
    put(group.as_bytes());
    put(&epoch.to_be_bytes());
    put(&state_version.to_be_bytes());
    put(state_hash);
    put(roster_hash);
    put(device.as_bytes());
    put(chain.as_bytes());
    put(&count.to_be_bytes());
    match before {
        None => put(&[0]),
        Some((chain, count)) => {
            put(&[1]);
            put(chain.as_bytes());
            put(&count.to_be_bytes());
        }
    }
    put(&u32::try_from(additional.len()).unwrap_or(u32::MAX).to_be_bytes());
    put(additional);
    aad
}

/// Signed by its hash: SHA-256 runs in hardware and goes once over a long text, where Ed25519's own hash goes twice.
// GRM-7
pub(super) fn sign(key: &SigningKey, aad: &[u8], s: &Synthetic, ciphertext: &[u8]) -> Signature {
    key.sign(&LABEL, &[&digest(aad, s, ciphertext)])
}

// GRM-7
pub(super) fn signature_holds(key: &VerifyingKey, aad: &[u8], message: &UnverifiedGroupMessage) -> bool {
    let digest = digest(aad, &message.synthetic, &message.ciphertext);
    key.verify(&LABEL, &[&digest], &message.signature).is_ok()
}

/// The additional data says its own length, and `s` has a fixed one.
fn digest(aad: &[u8], s: &Synthetic, ciphertext: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(aad);
    hash.update(s);
    hash.update(ciphertext);
    hash.finalize().into()
}
