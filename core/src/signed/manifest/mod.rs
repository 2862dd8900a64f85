//! The device manifest: which devices an account has, as a hash-chained sequence of versions.
//!
//! ```text
//!               decode                   verify_next(previous)
//!   bytes ───────────────▶ Unverified ─────────────────────────▶ Manifest
//!                              │ verify_draft(previous)             ▲
//!                              ▼                                    │ finish: nothing added, or all evicted
//!   manifest.draft_next ───▶ Draft ─────────────────────────────────┤
//!                                                                   │ countersign, by a device of the version before
//! ```
//!
//! Two consents make a device: the identity key's (the password) and an existing device's. A version that adds a device and
//! keeps one of the version before needs both; one that keeps none needs the first only, and is loud: everyone is told, and
//! the relay makes it wait (ACC-13). So a relay can add no ghost device, and a guessed password no quiet one.
//!
//! Everything is compared with the version before, never with what a message says: an older version, a gap, a second
//! version of the same number and a broken hash are each an error of their own ([`ManifestError`]), since a person is
//! told different things about them.

mod chain;
mod draft;
mod error;
mod unverified;

use std::fmt;

use prost::Message;
use sha2::{Digest, Sha256};
use wheesht_proto::{
    account,
    address::Address,
    ids::{AccountId, DeviceId},
    limits::MAX_DEVICES,
};

pub use chain::{verify_chain, verify_history};
pub use draft::{Draft, Step};
pub use error::ManifestError;
pub use unverified::UnverifiedManifest;

use super::{DeviceCertificate, IdentityKey};
use crate::{
    crypto::sign::{Label, Signature},
    time::Timestamp,
};

const LABEL: Label = Label::new("wheesht/1 device manifest");
const COUNTERSIGN_LABEL: Label = Label::new("wheesht/1 device manifest countersignature");

/// Form of the manifest itself.
const FORMAT: u32 = 1;

/// One version of an account's list of devices, verified.
#[derive(Clone, PartialEq, Eq)]
pub struct Manifest {
    body: Body,
    countersigner: Option<DeviceId>,
    encoded: Vec<u8>,
}

/// What a message says of a manifest: enough for the other side to see that one is withheld.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ManifestHead {
    /// The manifest's version.
    pub version: u64,
    /// Its hash, as [`Manifest::hash`] gives it.
    pub hash: [u8; 32],
}

/// What the identity key signs: certificates verified, bytes as they were signed.
#[derive(Clone, PartialEq, Eq)]
struct Body {
    address: String,
    identity: AccountId,
    version: u64,
    previous: Option<[u8; 32]>,
    devices: Vec<DeviceCertificate>,
    created: Timestamp,
    signed: Vec<u8>,
    hash: [u8; 32],
}

impl Manifest {
    /// An account's first version, with its first device.
    ///
    /// # Errors
    /// [`ManifestError::IdentityChanged`] if the certificate is not this identity's.
    pub fn first(
        identity: &IdentityKey,
        address: &Address,
        certificate: DeviceCertificate,
        now: Timestamp,
    ) -> Result<Self, ManifestError> {
        let body = Body::compose(identity, address.canonical(), 1, None, vec![certificate], None, now)?;
        let encoded = body.seal(&identity.sign(&LABEL, &body.signed), None);
        Ok(Self { body, countersigner: None, encoded })
    }

    /// Begins the next version, with these devices (in any order), signed by the identity key.
    ///
    /// # Errors
    /// [`ManifestError::IdentityChanged`] if the key or a certificate is another account's; [`ManifestError::NoDevice`],
    /// [`ManifestError::TooManyDevices`] or [`ManifestError::DeviceOrder`] (a device twice).
    pub fn draft_next(
        &self,
        identity: &IdentityKey,
        devices: Vec<DeviceCertificate>,
        now: Timestamp,
    ) -> Result<Draft, ManifestError> {
        self.draft(identity, devices, None, now)
    }

    /// The same, committing to a state key that stands from that version on.
    ///
    /// # Errors
    /// Those of [`Self::draft_next`].
    pub fn draft_with_state_key(
        &self,
        identity: &IdentityKey,
        devices: Vec<DeviceCertificate>,
        state_key: [u8; 32],
        now: Timestamp,
    ) -> Result<Draft, ManifestError> {
        self.draft(identity, devices, Some(state_key), now)
    }

    fn draft(
        &self,
        identity: &IdentityKey,
        devices: Vec<DeviceCertificate>,
        state_key: Option<[u8; 32]>,
        now: Timestamp,
    ) -> Result<Draft, ManifestError> {
        if identity.account_id() != self.identity() {
            return Err(ManifestError::IdentityChanged);
        }
        let (address, version) = (self.body.address.clone(), self.version().saturating_add(1));
        let body = Body::compose(identity, address, version, Some(self.hash()), devices, state_key, now)?;
        let signature = identity.sign(&LABEL, &body.signed);
        Ok(Draft::new(body, signature, self))
    }

    /// The account's address in canonical form, `name@host[:port]`.
    pub fn address(&self) -> &str {
        &self.body.address
    }

    /// The account.
    pub fn identity(&self) -> AccountId {
        self.body.identity
    }

    /// 1, 2, 3, …
    pub fn version(&self) -> u64 {
        self.body.version
    }

    /// SHA-256 of the `DeviceManifest` bytes that are signed.
    pub fn hash(&self) -> [u8; 32] {
        self.body.hash
    }

    /// Version and hash, as messages carry them.
    pub fn head(&self) -> ManifestHead {
        ManifestHead { version: self.version(), hash: self.hash() }
    }

    /// The devices, ascending by id.
    pub fn devices(&self) -> &[DeviceCertificate] {
        &self.body.devices
    }

    /// What this version commits the account's state key to, if it is another from here on.
    pub fn state_key(&self) -> Option<[u8; 32]> {
        let message = account::DeviceManifest::decode(&*self.body.signed).ok()?;
        message.state_key.try_into().ok()
    }

    /// The device with this id.
    pub fn device(&self, id: &DeviceId) -> Option<&DeviceCertificate> {
        self.body.device(id)
    }

    /// The device whose certificate has these very bytes: a sender's certificate that needs no second verification.
    pub fn device_by_encoding(&self, certificate: &[u8]) -> Option<&DeviceCertificate> {
        self.devices().iter().find(|device| device.encoded() == certificate)
    }

    /// When this version was made, by the clock of the device that made it.
    pub fn created(&self) -> Timestamp {
        self.body.created
    }

    /// The device of the version before that countersigned this one.
    pub fn countersigner(&self) -> Option<DeviceId> {
        self.countersigner
    }

    /// The encoded `SignedManifest`.
    pub fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    /// The devices that are here and were not (byte for byte) in an earlier version: what a person is told of.
    pub fn added_since<'m>(&'m self, earlier: &'m Self) -> impl Iterator<Item = &'m DeviceCertificate> {
        self.devices().iter().filter(|device| !earlier.devices().contains(device))
    }

    /// The devices of an earlier version that are no longer here.
    pub fn removed_since<'m>(&'m self, earlier: &'m Self) -> impl Iterator<Item = &'m DeviceCertificate> {
        earlier.devices().iter().filter(|device| self.device(&device.device_id()).is_none())
    }
}

impl fmt::Debug for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { body, countersigner, encoded: _ } = self;
        let Body { address: _, identity, version, previous: _, devices, created, signed: _, hash: _ } = body;
        let devices: Vec<_> = devices.iter().map(DeviceCertificate::device_id).collect();
        f.debug_struct("Manifest")
            .field("identity", identity)
            .field("version", version)
            .field("devices", &devices)
            .field("created", created)
            .field("countersigner", countersigner)
            .finish_non_exhaustive()
    }
}

impl From<ManifestHead> for account::ManifestHead {
    fn from(head: ManifestHead) -> Self {
        Self { version: head.version, hash: head.hash.to_vec() }
    }
}

impl TryFrom<account::ManifestHead> for ManifestHead {
    type Error = ManifestError;

    fn try_from(head: account::ManifestHead) -> Result<Self, ManifestError> {
        let hash = head.hash.try_into().map_err(|_| ManifestError::Malformed)?;
        Ok(Self { version: head.version, hash })
    }
}

impl Body {
    fn compose(
        identity: &IdentityKey,
        address: String,
        version: u64,
        previous: Option<[u8; 32]>,
        mut devices: Vec<DeviceCertificate>,
        state_key: Option<[u8; 32]>,
        now: Timestamp,
    ) -> Result<Self, ManifestError> {
        let account_id = identity.account_id();
        devices.sort_by_key(DeviceCertificate::device_id);
        check_devices(&devices.iter().map(DeviceCertificate::device_id).collect::<Vec<_>>())?;
        if devices.iter().any(|device| device.identity() != account_id) {
            return Err(ManifestError::IdentityChanged);
        }
        let message = account::DeviceManifest {
            format: FORMAT,
            address: address.clone(),
            identity: account_id.to_vec(),
            version,
            previous: previous.map(Vec::from).unwrap_or_default(),
            devices: devices.iter().map(|device| device.encoded().to_vec()).collect(),
            created_ms: now.as_millis(),
            state_key: state_key.map(Vec::from).unwrap_or_default(),
        };
        let signed = message.encode_to_vec();
        let hash = Sha256::digest(&signed).into();
        Ok(Self { address, identity: account_id, version, previous, devices, created: now, signed, hash })
    }

    fn device(&self, id: &DeviceId) -> Option<&DeviceCertificate> {
        let position = self.devices.binary_search_by_key(id, DeviceCertificate::device_id).ok()?;
        self.devices.get(position)
    }

    /// The encoded `SignedManifest` with these signatures.
    fn seal(
        &self,
        identity_signature: &Signature,
        countersignature: Option<(DeviceId, Signature)>,
    ) -> Vec<u8> {
        let (countersigner, countersignature) = match countersignature {
            Some((device, signature)) => (device.to_vec(), signature.to_vec()),
            None => (Vec::new(), Vec::new()),
        };
        account::SignedManifest {
            manifest: self.signed.clone(),
            identity_signature: identity_signature.to_vec(),
            countersigner,
            countersignature,
        }
        .encode_to_vec()
    }
}

/// ACC-11: one to ten devices, ascending by id, none twice.
fn check_devices(ids: &[DeviceId]) -> Result<(), ManifestError> {
    match ids.len() {
        0 => Err(ManifestError::NoDevice),
        count if count > MAX_DEVICES => Err(ManifestError::TooManyDevices),
        _ if !ids.is_sorted_by(|one, next| one < next) => Err(ManifestError::DeviceOrder),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
