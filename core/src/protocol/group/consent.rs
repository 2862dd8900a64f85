//! Consent: nobody is added to a group without having signed that they want to be.
//!
//! The joining account's device signs group, account, address and who invited it. Who came by an invitation that anyone may
//! hold ([`super::Invitation`]) shows that it holds it: the invitation's key signs group and account, so that a consent seen by
//! others is worth nothing to them. Every client checks the consent in every addition, whoever signed that.

use prost::Message as _;
use wheesht_proto::{
    address::Address,
    group,
    ids::{AccountId, GroupId},
};

use super::{WitnessError, invitation::InviteSecret, witness::Signed};
use crate::{
    crypto::sign::{Label, Signature, VerifyingKey},
    signed::{DeviceCertificate, DeviceSigningKey, decode_canonical, signature_field},
    time::Timestamp,
};

const LABEL: Label = Label::new("wheesht/1 group consent");
const INVITE_LABEL: Label = Label::new("wheesht/1 group invitation used");

/// Largest encoded consent in bytes: an address of at most 300, keys, signatures and a certificate.
const MAX_CONSENT: usize = 2_048;

/// An account wants to belong to a group: verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consent {
    fields: Fields,
    certificate: DeviceCertificate,
    encoded: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Fields {
    group: GroupId,
    identity: AccountId,
    address: Address,
    made: Timestamp,
    inviter: AccountId,
    invite: Option<(VerifyingKey, Signature)>,
}

impl Consent {
    /// The account of `certificate` consents to belong to `group`, invited by `inviter`, perhaps by an invitation.
    pub fn give(
        device: &DeviceSigningKey,
        certificate: &DeviceCertificate,
        address: &Address,
        group: GroupId,
        inviter: AccountId,
        invitation: Option<&InviteSecret>,
        now: Timestamp,
    ) -> Self {
        let identity = certificate.identity();
        let invite = invitation
            .map(|secret| (secret.key(), secret.sign(&INVITE_LABEL, &[group.as_ref(), identity.as_ref()])));
        let fields = Fields { group, identity, address: address.clone(), made: now, inviter, invite };
        let consent = fields.encode();
        let signature = device.sign(&LABEL, &[&consent]).to_vec();
        let signed = group::SignedConsent { consent, certificate: certificate.encoded().to_vec(), signature };
        Self { fields, certificate: certificate.clone(), encoded: signed.encode_to_vec() }
    }

    /// The group it is for.
    pub fn group(&self) -> GroupId {
        self.fields.group
    }

    /// Who consents.
    pub fn identity(&self) -> AccountId {
        self.fields.identity
    }

    /// Their address, with the way to their relay.
    pub fn address(&self) -> &Address {
        &self.fields.address
    }

    /// When, by their device's clock.
    pub fn made(&self) -> Timestamp {
        self.fields.made
    }

    /// Who invited them.
    pub fn inviter(&self) -> AccountId {
        self.fields.inviter
    }

    /// The invitation that they hold, if they came by one.
    pub fn invite_key(&self) -> Option<&VerifyingKey> {
        self.fields.invite.as_ref().map(|(key, _)| key)
    }

    /// The device that signed.
    pub fn certificate(&self) -> &DeviceCertificate {
        &self.certificate
    }

    /// The encoded `SignedConsent`.
    pub fn encoded(&self) -> &[u8] {
        &self.encoded
    }
}

/// A consent as bytes said it.
#[derive(Debug, Clone)]
pub struct UnverifiedConsent {
    fields: Fields,
    signed: Signed,
    encoded: Vec<u8>,
}

impl UnverifiedConsent {
    /// Reads an encoded `SignedConsent`.
    ///
    /// # Errors
    /// [`WitnessError::Malformed`].
    pub fn decode(bytes: &[u8]) -> Result<Self, WitnessError> {
        if bytes.len() > MAX_CONSENT {
            return Err(WitnessError::Malformed);
        }
        // GRO-1
        let outer: group::SignedConsent = decode_canonical(bytes).ok_or(WitnessError::Malformed)?;
        let inner: group::Consent = decode_canonical(&outer.consent).ok_or(WitnessError::Malformed)?;
        let fields = Fields::read(inner).ok_or(WitnessError::Malformed)?;
        let signed = Signed::read(outer.consent, &outer.certificate, &outer.signature)?;
        Ok(Self { fields, signed, encoded: bytes.to_vec() })
    }

    /// The group it claims to be for.
    pub fn group(&self) -> GroupId {
        self.fields.group
    }

    /// Checks that the account's device signed it, and the invitation's key if it names one.
    ///
    /// # Errors
    /// [`WitnessError::Certificate`] or [`WitnessError::BadSignature`].
    pub fn verify(self) -> Result<Consent, WitnessError> {
        let Self { fields, signed, encoded } = self;
        // GRO-2
        if signed.identity() != fields.identity {
            return Err(WitnessError::Certificate);
        }
        let certificate = signed.verify(&LABEL)?;
        // GRO-3
        if let Some((key, signature)) = &fields.invite {
            key.verify(&INVITE_LABEL, &[fields.group.as_ref(), fields.identity.as_ref()], signature)
                .map_err(|_| WitnessError::BadSignature)?;
        }
        Ok(Consent { fields, certificate, encoded })
    }

    /// Takes it at its word: **only** for what this program has verified before and kept where nobody else writes.
    pub fn assume_verified(self) -> Consent {
        let Self { fields, signed, encoded } = self;
        Consent { fields, certificate: signed.assume_verified(), encoded }
    }
}

impl Fields {
    fn encode(&self) -> Vec<u8> {
        let (invite_key, invite_signature) = match &self.invite {
            Some((key, signature)) => (key.as_bytes().to_vec(), signature.to_vec()),
            None => (Vec::new(), Vec::new()),
        };
        let message = group::Consent {
            group_id: self.group.to_vec(),
            identity: self.identity.to_vec(),
            address: self.address.to_string(),
            made_ms: self.made.as_millis(),
            inviter: self.inviter.to_vec(),
            invite_key,
            invite_signature,
        };
        message.encode_to_vec()
    }

    fn read(message: group::Consent) -> Option<Self> {
        let address: Address = message.address.parse().ok()?;
        if address.to_string() != message.address {
            return None;
        }
        let invite = match (message.invite_key.as_slice(), message.invite_signature.as_slice()) {
            ([], []) => None,
            (key, signature) => Some((VerifyingKey::try_from(key).ok()?, signature_field(signature)?)),
        };
        Some(Self {
            group: GroupId::try_from(&*message.group_id).ok()?,
            identity: AccountId::try_from(&*message.identity).ok()?,
            address,
            made: Timestamp::from_millis(message.made_ms),
            inviter: AccountId::try_from(&*message.inviter).ok()?,
            invite,
        })
    }
}
