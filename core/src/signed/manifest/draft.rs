//! A next version that the identity key has signed and that may still lack a device's countersignature.

use std::fmt;

use wheesht_proto::ids::DeviceId;

use super::{Body, COUNTERSIGN_LABEL, Manifest, ManifestError};
use crate::{
    crypto::sign::Signature,
    signed::{DeviceCertificate, DeviceSigningKey},
};

/// What a version does to the one before it, and so what it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Every certificate stood in the version before: devices were removed, if anything. The identity key suffices.
    AddsNone,
    /// Adds a device (or changes one's certificate) and keeps one of the version before: needs a countersignature.
    Adds,
    /// Keeps no device of the version before. The identity key suffices, but it waits for the grace period and is loud.
    EvictsAll,
}

/// The next version of a manifest, signed by the identity key and checked against the version before.
#[derive(Clone, PartialEq, Eq)]
pub struct Draft {
    pub(super) body: Body,
    identity_signature: Signature,
    countersignature: Option<(DeviceId, Signature)>,
    step: Step,
    previous_devices: Vec<DeviceCertificate>,
}

impl Draft {
    pub(super) fn new(body: Body, identity_signature: Signature, previous: &Manifest) -> Self {
        let step = Step::between(&body, &previous.body);
        let previous_devices = previous.devices().to_vec();
        Self { body, identity_signature, countersignature: None, step, previous_devices }
    }

    /// Takes in the countersignature that came with the bytes.
    pub(super) fn with_countersignature(
        mut self,
        device: DeviceId,
        signature: Signature,
    ) -> Result<Self, ManifestError> {
        // ACC-14: the key is the one that the version *before* gives to that device.
        let signer = self.previous_device(&device).ok_or(ManifestError::CountersignerUnknown)?;
        let checked = signer.signing_key().verify(&COUNTERSIGN_LABEL, &[&self.body.signed], &signature);
        checked.map_err(|_| ManifestError::BadCountersignature)?;
        self.countersignature = Some((device, signature));
        Ok(self)
    }

    /// What it does to the version before.
    pub fn step(&self) -> Step {
        self.step
    }

    /// Whether it is worth nothing until a device of the version before has countersigned it.
    pub fn needs_countersignature(&self) -> bool {
        self.step == Step::Adds && self.countersignature.is_none()
    }

    /// The device that has countersigned it.
    pub fn countersigner(&self) -> Option<DeviceId> {
        self.countersignature.map(|(device, _)| device)
    }

    /// The version it would be.
    pub fn version(&self) -> u64 {
        self.body.version
    }

    /// SHA-256 of the signed bytes: the proposal's id, and the hash of the manifest that it becomes.
    pub fn hash(&self) -> [u8; 32] {
        self.body.hash
    }

    /// The devices it lists, ascending by id.
    pub fn devices(&self) -> &[DeviceCertificate] {
        &self.body.devices
    }

    /// The devices that the version before doesn't list, byte for byte.
    pub fn added(&self) -> impl Iterator<Item = &DeviceCertificate> {
        self.body.devices.iter().filter(|device| !self.previous_devices.contains(device))
    }

    /// The devices of the version before that it no longer lists.
    pub fn removed(&self) -> impl Iterator<Item = &DeviceCertificate> {
        self.previous_devices.iter().filter(|device| self.body.device(&device.device_id()).is_none())
    }

    /// The encoded `SignedManifest` as far as it is signed: what is proposed to the relay.
    pub fn encoded(&self) -> Vec<u8> {
        self.body.seal(&self.identity_signature, self.countersignature)
    }

    /// Confirms it as a device of the version before.
    ///
    /// # Errors
    /// [`ManifestError::CountersignerUnknown`] if this device does not stand there.
    pub fn countersign(mut self, device: &DeviceSigningKey) -> Result<Manifest, ManifestError> {
        let id = device.device_id();
        self.previous_device(&id).ok_or(ManifestError::CountersignerUnknown)?;
        self.countersignature = Some((id, device.sign(&COUNTERSIGN_LABEL, &[&self.body.signed])));
        self.finish()
    }

    /// Makes it the next version, if it is signed by all that must.
    ///
    /// # Errors
    /// [`ManifestError::CountersignatureMissing`].
    pub fn finish(self) -> Result<Manifest, ManifestError> {
        // ACC-13
        if self.needs_countersignature() {
            return Err(ManifestError::CountersignatureMissing);
        }
        let encoded = self.encoded();
        Ok(Manifest { countersigner: self.countersigner(), body: self.body, encoded })
    }

    fn previous_device(&self, id: &DeviceId) -> Option<&DeviceCertificate> {
        self.previous_devices.iter().find(|device| device.device_id() == *id)
    }
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { body, identity_signature: _, countersignature: _, step, previous_devices: _ } = self;
        f.debug_struct("Draft").field("version", &body.version).field("step", step).finish_non_exhaustive()
    }
}

impl Step {
    /// ACC-13. A certificate counts as added unless it stood in the version before byte for byte: otherwise whoever holds the
    /// identity key alone could quietly swap an existing device's DH key for their own. A device counts as kept by its id.
    fn between(next: &Body, previous: &Body) -> Self {
        let adds = next.devices.iter().any(|device| !previous.devices.contains(device));
        let keeps = next.devices.iter().any(|device| previous.device(&device.device_id()).is_some());
        match (adds, keeps) {
            (false, _) => Self::AddsNone,
            (true, true) => Self::Adds,
            (true, false) => Self::EvictsAll,
        }
    }
}
