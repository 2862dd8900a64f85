//! A leaf: how one device of a member is reached in a group, signed by that device.
//!
//! It names the device's certificate, relay and address in this group, and the head of the account's manifest as the device
//! knows it. A device signs a new leaf when one of these changes; the higher number replaces the lower.

use std::fmt;

use prost::Message as _;
use sha2::{Digest as _, Sha256};
use wheesht_proto::{
    account,
    address::RelayAddress,
    group,
    ids::{AccountId, DepositAddress, DeviceId, GroupId},
};

use super::WitnessError;
use crate::{
    crypto::sign::{Label, Signature},
    signed::{
        DeviceCertificate, DeviceSigningKey, ManifestHead, UnverifiedCertificate, decode_canonical,
        signature_field,
    },
};

const LABEL: Label = Label::new("wheesht/1 group leaf");

/// Largest encoded leaf in bytes: a certificate of at most 700, a relay of at most 300, keys and a signature.
const MAX_LEAF: usize = 1_400;

/// Where a member's device is reached: verified.
#[derive(Clone, PartialEq, Eq)]
pub struct Leaf {
    group: GroupId,
    identity: AccountId,
    device: DeviceId,
    certificate: Vec<u8>,
    address: DepositAddress,
    relay: RelayAddress,
    head: ManifestHead,
    number: u64,
    hash: [u8; 32],
    encoded: Vec<u8>,
}

impl Leaf {
    /// The device of `certificate` is reached at `address` on `relay`.
    pub fn issue(
        device: &DeviceSigningKey,
        certificate: &DeviceCertificate,
        group: GroupId,
        (address, relay): (DepositAddress, &RelayAddress),
        head: ManifestHead,
        number: u64,
    ) -> Self {
        let message = group::Leaf {
            group_id: group.to_vec(),
            certificate: certificate.encoded().to_vec(),
            address: address.to_vec(),
            relay: relay.to_string(),
            manifest_version: head.version,
            manifest_hash: head.hash.to_vec(),
            number,
        };
        let leaf = message.encode_to_vec();
        let signature = device.sign(&LABEL, &[&leaf]).to_vec();
        let encoded = group::SignedLeaf { leaf, signature }.encode_to_vec();
        Self {
            group,
            identity: certificate.identity(),
            device: certificate.device_id(),
            certificate: certificate.encoded().to_vec(),
            address,
            relay: relay.clone(),
            head,
            number,
            hash: Sha256::digest(&encoded).into(),
            encoded,
        }
    }

    /// The group.
    pub fn group(&self) -> GroupId {
        self.group
    }

    /// The account.
    pub fn identity(&self) -> AccountId {
        self.identity
    }

    /// The device.
    pub fn device(&self) -> DeviceId {
        self.device
    }

    /// The device's certificate, encoded.
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// Where to deposit for it.
    pub fn address(&self) -> DepositAddress {
        self.address
    }

    /// On which relay.
    pub fn relay(&self) -> &RelayAddress {
        &self.relay
    }

    /// The account's newest manifest, as the device knew it.
    pub fn head(&self) -> ManifestHead {
        self.head
    }

    /// The higher replaces the lower.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// SHA-256 of the encoded `SignedLeaf`.
    pub fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// The encoded `SignedLeaf`.
    pub fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    /// Reads a leaf that this program has verified before and kept where nobody else writes. Takes it at its word.
    ///
    /// # Errors
    /// [`WitnessError::Malformed`] if it is none.
    pub fn restore(encoded: &[u8]) -> Result<Self, WitnessError> {
        read(encoded).map(|(leaf, _, _)| leaf).ok_or(WitnessError::Malformed)
    }
}

impl fmt::Debug for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            group,
            identity,
            device,
            certificate: _,
            address: _,
            relay: _,
            head: _,
            number,
            hash: _,
            encoded: _,
        } = self;
        f.debug_struct("Leaf")
            .field("group", group)
            .field("identity", identity)
            .field("device", device)
            .field("number", number)
            .finish_non_exhaustive()
    }
}

/// A leaf as bytes said it.
#[derive(Debug, Clone)]
pub struct UnverifiedLeaf {
    leaf: Leaf,
    certificate: UnverifiedCertificate,
    signed: Vec<u8>,
    signature: Signature,
}

impl UnverifiedLeaf {
    /// Reads an encoded `SignedLeaf`.
    ///
    /// # Errors
    /// [`WitnessError::Malformed`].
    pub fn decode(bytes: &[u8]) -> Result<Self, WitnessError> {
        if bytes.len() > MAX_LEAF {
            return Err(WitnessError::Malformed);
        }
        let (leaf, signed, signature) = read(bytes).ok_or(WitnessError::Malformed)?;
        let certificate =
            UnverifiedCertificate::decode(&leaf.certificate).map_err(|_| WitnessError::Malformed)?;
        Ok(Self { leaf, certificate, signed, signature })
    }

    /// The group it claims to be for.
    pub fn group(&self) -> GroupId {
        self.leaf.group
    }

    /// The account it claims to be of.
    pub fn identity(&self) -> AccountId {
        self.leaf.identity
    }

    /// Its hash, by which a leaf that is known already needs no second verification.
    pub fn hash(&self) -> &[u8; 32] {
        &self.leaf.hash
    }

    /// The device it claims to be of.
    pub fn device(&self) -> DeviceId {
        self.leaf.device
    }

    /// Checks that the account certified the device, and the device signed.
    ///
    /// # Errors
    /// [`WitnessError::Certificate`] or [`WitnessError::BadSignature`].
    pub fn verify(self) -> Result<Leaf, WitnessError> {
        let Self { leaf, certificate, signed, signature } = self;
        // GRO-5
        let device = certificate.verify().map_err(|_| WitnessError::Certificate)?;
        device
            .signing_key()
            .verify(&LABEL, &[&signed], &signature)
            .map_err(|_| WitnessError::BadSignature)?;
        Ok(leaf)
    }
}

/// The fields, the bytes that are signed, and the signature. Keys are not looked at: a roster of thousands is read from the
/// store at every start.
fn read(bytes: &[u8]) -> Option<(Leaf, Vec<u8>, Signature)> {
    // GRO-1
    let outer: group::SignedLeaf = decode_canonical(bytes)?;
    let inner: group::Leaf = decode_canonical(&outer.leaf)?;
    let certificate: account::SignedCertificate = decode_canonical(&inner.certificate)?;
    let certificate = account::DeviceCertificate::decode(&*certificate.certificate).ok()?;
    let relay: RelayAddress = inner.relay.parse().ok()?;
    if relay.to_string() != inner.relay {
        return None;
    }
    let leaf = Leaf {
        group: GroupId::try_from(&*inner.group_id).ok()?,
        identity: AccountId::try_from(&*certificate.identity).ok()?,
        device: crate::signed::identity::device_id_of(certificate.signing_key.as_slice().try_into().ok()?),
        certificate: inner.certificate,
        address: DepositAddress::try_from(&*inner.address).ok()?,
        relay,
        head: ManifestHead {
            version: inner.manifest_version,
            hash: inner.manifest_hash.as_slice().try_into().ok()?,
        },
        number: inner.number,
        hash: Sha256::digest(bytes).into(),
        encoded: bytes.to_vec(),
    };
    Some((leaf, outer.leaf, signature_field(&outer.signature)?))
}
