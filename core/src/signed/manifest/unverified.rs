//! From bytes to a manifest: alone, as the first, or as the one after a known one.

use std::fmt;

use prost::Message;
use sha2::{Digest, Sha256};
use wheesht_proto::{
    account,
    address::Address,
    ids::{AccountId, DeviceId},
    limits::MAX_MANIFEST,
};

use super::{Body, Draft, FORMAT, LABEL, Manifest, ManifestError, check_devices};
use crate::{
    crypto::sign::{Signature, VerifyingKey},
    signed::{DeviceCertificate, UnverifiedCertificate, decode_canonical, signature_field},
    time::Timestamp,
};

/// A manifest as bytes said it. What it claims can be read; none of it is known to be true.
#[derive(Clone)]
pub struct UnverifiedManifest {
    address: String,
    identity: AccountId,
    version: u64,
    previous: Option<[u8; 32]>,
    devices: Vec<UnverifiedCertificate>,
    created: Timestamp,
    signed: Vec<u8>,
    hash: [u8; 32],
    identity_signature: Signature,
    countersignature: Option<(DeviceId, Signature)>,
    encoded: Vec<u8>,
}

impl UnverifiedManifest {
    /// Reads an encoded `SignedManifest`.
    ///
    /// # Errors
    /// [`ManifestError::TooLarge`], [`ManifestError::Malformed`], [`ManifestError::Format`],
    /// [`ManifestError::Certificate`], and those on the list of devices.
    pub fn decode(bytes: &[u8]) -> Result<Self, ManifestError> {
        // ACC-8
        if bytes.len() > MAX_MANIFEST {
            return Err(ManifestError::TooLarge);
        }
        // ACC-3
        let outer: account::SignedManifest = decode_canonical(bytes).ok_or(ManifestError::Malformed)?;
        let inner =
            account::DeviceManifest::decode(&*outer.manifest).map_err(|_| ManifestError::Malformed)?;
        // ACC-9
        if inner.format != FORMAT {
            return Err(ManifestError::Format(inner.format));
        }
        // ACC-16
        if !matches!(inner.state_key.len(), 0 | 32) {
            return Err(ManifestError::Malformed);
        }
        let devices: Vec<_> = inner
            .devices
            .iter()
            .map(|device| UnverifiedCertificate::decode(device))
            .collect::<Result<_, _>>()?;
        check_devices(&devices.iter().map(UnverifiedCertificate::device_id).collect::<Vec<_>>())?;
        Ok(Self {
            identity: AccountId::try_from(&*inner.identity).map_err(|_| ManifestError::Malformed)?,
            previous: previous_field(inner.version, &inner.previous).ok_or(ManifestError::Malformed)?,
            address: canonical_address(inner.address).ok_or(ManifestError::Malformed)?,
            version: inner.version,
            devices,
            created: Timestamp::from_millis(inner.created_ms),
            hash: Sha256::digest(&outer.manifest).into(),
            identity_signature: signature_field(&outer.identity_signature).ok_or(ManifestError::Malformed)?,
            countersignature: countersignature_field(&outer).ok_or(ManifestError::Malformed)?,
            signed: outer.manifest,
            encoded: bytes.to_vec(),
        })
    }

    /// The address it claims to be for.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The account it claims to be of.
    pub fn identity(&self) -> AccountId {
        self.identity
    }

    /// The version it claims to be.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The devices it claims to list, ascending by id.
    pub fn device_ids(&self) -> impl Iterator<Item = DeviceId> {
        self.devices.iter().map(UnverifiedCertificate::device_id)
    }

    /// SHA-256 of its signed bytes.
    pub fn hash(&self) -> [u8; 32] {
        self.hash
    }

    /// As an account's first version, under this address, with one device.
    ///
    /// # Errors
    /// [`ManifestError::WrongAddress`], [`ManifestError::NotFirst`], [`ManifestError::TooManyDevices`], or a signature that
    /// does not hold.
    pub fn verify_first(self, expected: &Address) -> Result<Manifest, ManifestError> {
        // ACC-12
        if self.version != 1 {
            return Err(ManifestError::NotFirst(self.version));
        }
        if self.devices.len() > 1 {
            return Err(ManifestError::TooManyDevices);
        }
        self.verify_alone(None, Some(expected))
    }

    /// Without a version before: the identity key's signatures over manifest and certificates, and nothing on how it came
    /// about. For the first sight of a stranger's account, where trust begins.
    ///
    /// # Errors
    /// [`ManifestError::IdentityChanged`] or [`ManifestError::WrongAddress`] if it is not what was expected; or a signature
    /// that does not hold.
    pub fn verify_alone(
        self,
        identity: Option<&AccountId>,
        address: Option<&Address>,
    ) -> Result<Manifest, ManifestError> {
        if identity.is_some_and(|expected| *expected != self.identity) {
            return Err(ManifestError::IdentityChanged);
        }
        // ACC-10
        if address.is_some_and(|expected| expected.canonical() != self.address) {
            return Err(ManifestError::WrongAddress);
        }
        self.verify_body(&[])
    }

    /// As the version right after `previous`, complete with every signature it needs.
    ///
    /// # Errors
    /// Those of [`Self::verify_draft`], and [`ManifestError::CountersignatureMissing`].
    pub fn verify_next(self, previous: &Manifest) -> Result<Manifest, ManifestError> {
        self.verify_draft(previous)?.finish()
    }

    /// As the version right after `previous`, which may still lack its countersignature. One that is there is checked.
    ///
    /// # Errors
    /// [`ManifestError::IdentityChanged`], [`ManifestError::WrongAddress`], [`ManifestError::Older`],
    /// [`ManifestError::Fork`] (the same version with other content), [`ManifestError::Gap`] (also for `previous` itself),
    /// [`ManifestError::WrongPrevious`], or a signature that does not hold.
    pub fn verify_draft(self, previous: &Manifest) -> Result<Draft, ManifestError> {
        self.check_succession(previous)?;
        let (identity_signature, countersignature) = (self.identity_signature, self.countersignature);
        let manifest = self.verify_body(previous.devices())?;
        let draft = Draft::new(manifest.body, identity_signature, previous);
        match countersignature {
            Some((device, signature)) => draft.with_countersignature(device, signature),
            None => Ok(draft),
        }
    }

    /// Takes the bytes at their word. **Only** for what this program has verified before and kept where nobody else
    /// writes: its own store.
    pub fn assume_verified(self) -> Manifest {
        let devices = self.devices.iter().cloned().map(UnverifiedCertificate::assume_verified).collect();
        self.into_manifest(devices)
    }

    /// ACC-15: same account, same address, the next version, continuing the hash.
    fn check_succession(&self, previous: &Manifest) -> Result<(), ManifestError> {
        if self.identity != previous.identity() {
            return Err(ManifestError::IdentityChanged);
        }
        if self.address != previous.address() {
            return Err(ManifestError::WrongAddress);
        }
        let (known, offered) = (previous.version(), self.version);
        if offered < known {
            return Err(ManifestError::Older { known, offered });
        }
        if offered == known && self.hash != previous.hash() {
            return Err(ManifestError::Fork(known));
        }
        if known.checked_add(1) != Some(offered) {
            return Err(ManifestError::Gap { known, offered });
        }
        if self.previous != Some(previous.hash()) { Err(ManifestError::WrongPrevious) } else { Ok(()) }
    }

    /// ACC-10: every certificate is this identity's and signed by it, and so is the whole. Certificates in `known` have
    /// been verified before.
    fn verify_body(self, known: &[DeviceCertificate]) -> Result<Manifest, ManifestError> {
        let key =
            VerifyingKey::from_bytes(self.identity.as_bytes()).map_err(|_| ManifestError::BadSignature)?;
        key.verify(&LABEL, &[&self.signed], &self.identity_signature)
            .map_err(|_| ManifestError::BadSignature)?;
        let mut devices = Vec::with_capacity(self.devices.len());
        for device in &self.devices {
            let same = known.iter().find(|known| known.encoded() == device.encoded());
            devices.push(match same {
                Some(known) => known.clone(),
                None => device.clone().verify_by(&self.identity)?,
            });
        }
        Ok(self.into_manifest(devices))
    }

    fn into_manifest(self, devices: Vec<DeviceCertificate>) -> Manifest {
        let Self {
            address,
            identity,
            version,
            previous,
            created,
            signed,
            hash,
            countersignature,
            encoded,
            ..
        } = self;
        let body = Body { address, identity, version, previous, devices, created, signed, hash };
        Manifest { body, countersigner: countersignature.map(|(device, _)| device), encoded }
    }
}

impl fmt::Debug for UnverifiedManifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnverifiedManifest")
            .field("identity", &self.identity)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// ACC-9: the address is in its one canonical form.
fn canonical_address(text: String) -> Option<String> {
    let address: Address = text.parse().ok()?;
    (address.canonical() == text).then_some(text)
}

/// ACC-9: version 1 names no version before it, every other does.
fn previous_field(version: u64, previous: &[u8]) -> Option<Option<[u8; 32]>> {
    match version {
        0 => None,
        1 => previous.is_empty().then_some(None),
        _ => previous.try_into().ok().map(Some),
    }
}

/// Countersigner and countersignature are both there or both absent.
fn countersignature_field(outer: &account::SignedManifest) -> Option<Option<(DeviceId, Signature)>> {
    if outer.countersigner.is_empty() && outer.countersignature.is_empty() {
        return Some(None);
    }
    let device = DeviceId::try_from(&*outer.countersigner).ok()?;
    Some(Some((device, signature_field(&outer.countersignature)?)))
}
