//! Leaving: a member's own word that it goes, which others heed at once and an admin's client makes a change of.
//!
//! It names the version of the state at which the member leaves: whoever joins again later is a member anew, and the old word
//! is worth nothing against it.

use prost::Message as _;
use wheesht_proto::{
    group,
    ids::{AccountId, GroupId},
};

use super::{WitnessError, witness::Signed};
use crate::{
    crypto::sign::Label,
    signed::{DeviceCertificate, DeviceSigningKey, decode_canonical},
    time::Timestamp,
};

const LABEL: Label = Label::new("wheesht/1 group leave");

/// Largest encoded leave in bytes.
const MAX_LEAVE: usize = 1_024;

/// A member leaves: verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leave {
    fields: Fields,
    certificate: DeviceCertificate,
    encoded: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fields {
    group: GroupId,
    identity: AccountId,
    made: Timestamp,
    version: u64,
}

impl Leave {
    /// The account of `certificate` leaves `group`, whose state it knows up to `version`.
    pub fn sign(
        device: &DeviceSigningKey,
        certificate: &DeviceCertificate,
        group: GroupId,
        version: u64,
        now: Timestamp,
    ) -> Self {
        let fields = Fields { group, identity: certificate.identity(), made: now, version };
        let message = group::Leave {
            group_id: group.to_vec(),
            identity: fields.identity.to_vec(),
            made_ms: now.as_millis(),
            version,
        };
        let leave = message.encode_to_vec();
        let signature = device.sign(&LABEL, &[&leave]).to_vec();
        let signed = group::SignedLeave { leave, certificate: certificate.encoded().to_vec(), signature };
        Self { fields, certificate: certificate.clone(), encoded: signed.encode_to_vec() }
    }

    /// The group that is left.
    pub fn group(&self) -> GroupId {
        self.fields.group
    }

    /// Who leaves.
    pub fn identity(&self) -> AccountId {
        self.fields.identity
    }

    /// When, by their device's clock.
    pub fn made(&self) -> Timestamp {
        self.fields.made
    }

    /// The newest version of the state that they knew: a membership that began later is another one.
    pub fn version(&self) -> u64 {
        self.fields.version
    }

    /// The device that signed.
    pub fn certificate(&self) -> &DeviceCertificate {
        &self.certificate
    }

    /// The encoded `SignedLeave`.
    pub fn encoded(&self) -> &[u8] {
        &self.encoded
    }
}

/// A leave as bytes said it.
#[derive(Debug, Clone)]
pub struct UnverifiedLeave {
    fields: Fields,
    signed: Signed,
    encoded: Vec<u8>,
}

impl UnverifiedLeave {
    /// Reads an encoded `SignedLeave`.
    ///
    /// # Errors
    /// [`WitnessError::Malformed`].
    pub fn decode(bytes: &[u8]) -> Result<Self, WitnessError> {
        if bytes.len() > MAX_LEAVE {
            return Err(WitnessError::Malformed);
        }
        // GRO-1
        let outer: group::SignedLeave = decode_canonical(bytes).ok_or(WitnessError::Malformed)?;
        let inner: group::Leave = decode_canonical(&outer.leave).ok_or(WitnessError::Malformed)?;
        let fields = Fields {
            group: GroupId::try_from(&*inner.group_id).map_err(|_| WitnessError::Malformed)?,
            identity: AccountId::try_from(&*inner.identity).map_err(|_| WitnessError::Malformed)?,
            made: Timestamp::from_millis(inner.made_ms),
            version: inner.version,
        };
        let signed = Signed::read(outer.leave, &outer.certificate, &outer.signature)?;
        Ok(Self { fields, signed, encoded: bytes.to_vec() })
    }

    /// Checks that the account's device signed it.
    ///
    /// # Errors
    /// [`WitnessError::Certificate`] or [`WitnessError::BadSignature`].
    pub fn verify(self) -> Result<Leave, WitnessError> {
        let Self { fields, signed, encoded } = self;
        // GRO-2
        if signed.identity() != fields.identity {
            return Err(WitnessError::Certificate);
        }
        Ok(Leave { fields, certificate: signed.verify(&LABEL)?, encoded })
    }
}
