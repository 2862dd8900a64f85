//! What a device says in passing, signed by it.

use prost::Message as _;
use wheesht_proto::{
    ids::{AccountId, DeviceId, GroupId},
    limits::MAX_PRESENCE_TEXT,
    presence,
};

use crate::{
    crypto::sign::{BadSignature, Label, Signature},
    signed::{DeviceCertificate, DeviceSigningKey, decode_canonical, signature_field},
    time::Timestamp,
};

const PRESENCE: Label = Label::new("wheesht/1 presence");
const TYPING: Label = Label::new("wheesht/1 typing");

/// It is no statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed statement")]
pub struct Malformed;

/// How available somebody is, the less before the more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Not there.
    Offline,
    /// The device is on, and nobody at it.
    Away,
    /// Not to be disturbed.
    Busy,
    /// There.
    Online,
}

const STATUSES: [(Status, presence::presence::Status); 4] = [
    (Status::Offline, presence::presence::Status::Offline),
    (Status::Away, presence::presence::Status::Away),
    (Status::Busy, presence::presence::Status::Busy),
    (Status::Online, presence::presence::Status::Online),
];

/// How one device of an account is.
#[derive(Clone, PartialEq, Eq)]
pub struct PresenceStatement {
    /// Whose.
    pub account: AccountId,
    /// Which device says so.
    pub device: DeviceId,
    /// Its session at a relay: what a newer one says overrides.
    pub session: u64,
    /// Within the session likewise.
    pub counter: u64,
    /// Until when it holds; none: until a newer session says something else.
    pub expires: Option<Timestamp>,
    /// How available.
    pub status: Status,
    /// One line.
    pub text: String,
    /// Whoever reads it is asked to say the same of itself.
    pub asks: bool,
}

impl PresenceStatement {
    /// What is left with the relay for the session's end.
    // PRE-9
    pub fn last_will(account: AccountId, device: DeviceId, session: u64) -> Self {
        Self {
            account,
            device,
            session,
            counter: u64::MAX,
            expires: None,
            status: Status::Offline,
            text: String::new(),
            asks: false,
        }
    }

    /// Signs it, as it stands in an envelope.
    // PRE-4
    pub fn sign(&self, device: &DeviceSigningKey) -> Vec<u8> {
        let status = STATUSES.iter().find(|(status, _)| *status == self.status);
        let statement = presence::Presence {
            account: self.account.to_vec(),
            device_id: self.device.to_vec(),
            session: self.session,
            counter: self.counter,
            expires_ms: self.expires.map_or(0, Timestamp::as_millis),
            status: status.map_or(0, |(_, number)| *number as i32),
            text: self.text.clone(),
            asks: self.asks,
        };
        signed(device, &PRESENCE, statement.encode_to_vec())
    }
}

/// A presence as bytes said it.
pub struct UnverifiedPresence {
    statement: PresenceStatement,
    signed: Vec<u8>,
    signature: Signature,
}

impl UnverifiedPresence {
    /// Reads an encoded `Signed`.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let (signed, signature) = split(bytes).ok_or(Malformed)?;
        let statement = read_presence(&signed).ok_or(Malformed)?;
        Ok(Self { statement, signed, signature })
    }

    /// The device that it claims to be of.
    pub fn device(&self) -> DeviceId {
        self.statement.device
    }

    /// Checks that this device of the account signed it, for itself.
    ///
    /// # Errors
    /// [`BadSignature`].
    // PRE-4
    pub fn verify(self, device: &DeviceCertificate) -> Result<PresenceStatement, BadSignature> {
        let Self { statement, signed, signature } = self;
        if (statement.account, statement.device) != (device.identity(), device.device_id()) {
            return Err(BadSignature);
        }
        device.signing_key().verify(&PRESENCE, &[&signed], &signature)?;
        Ok(statement)
    }
}

/// Where something is being written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TypingIn {
    /// To this account.
    Direct(AccountId),
    /// In this group.
    Group(GroupId),
}

/// That somebody is writing, or no longer.
#[derive(Clone, PartialEq, Eq)]
pub struct TypingStatement {
    /// Who.
    pub account: AccountId,
    /// On which device.
    pub device: DeviceId,
    /// Where.
    pub conversation: TypingIn,
    /// The device's clock in milliseconds, rising.
    pub order: u64,
    /// No longer.
    pub stopped: bool,
}

impl TypingStatement {
    /// Signs it, as it stands in an envelope.
    // PRE-13
    pub fn sign(&self, device: &DeviceSigningKey) -> Vec<u8> {
        let conversation = match &self.conversation {
            TypingIn::Direct(account) => account.to_vec(),
            TypingIn::Group(group) => [b"g", group.as_ref()].concat(),
        };
        let statement = presence::Typing {
            account: self.account.to_vec(),
            device_id: self.device.to_vec(),
            conversation,
            order: self.order,
            stopped: self.stopped,
        };
        signed(device, &TYPING, statement.encode_to_vec())
    }
}

/// Such a statement as bytes said it.
pub struct UnverifiedTyping {
    statement: TypingStatement,
    signed: Vec<u8>,
    signature: Signature,
}

impl UnverifiedTyping {
    /// Reads an encoded `Signed`.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let (signed, signature) = split(bytes).ok_or(Malformed)?;
        let statement = read_typing(&signed).ok_or(Malformed)?;
        Ok(Self { statement, signed, signature })
    }

    /// The device that it claims to be of.
    pub fn device(&self) -> DeviceId {
        self.statement.device
    }

    /// Checks that this device of the account signed it, for itself.
    ///
    /// # Errors
    /// [`BadSignature`].
    // PRE-13
    pub fn verify(self, device: &DeviceCertificate) -> Result<TypingStatement, BadSignature> {
        let Self { statement, signed, signature } = self;
        if (statement.account, statement.device) != (device.identity(), device.device_id()) {
            return Err(BadSignature);
        }
        device.signing_key().verify(&TYPING, &[&signed], &signature)?;
        Ok(statement)
    }
}

fn signed(device: &DeviceSigningKey, label: &Label, statement: Vec<u8>) -> Vec<u8> {
    let signature = device.sign(label, &[&statement]).to_vec();
    presence::Signed { statement, signature }.encode_to_vec()
}

fn split(bytes: &[u8]) -> Option<(Vec<u8>, Signature)> {
    let outer: presence::Signed = decode_canonical(bytes)?;
    Some((outer.statement, signature_field(&outer.signature)?))
}

fn read_presence(bytes: &[u8]) -> Option<PresenceStatement> {
    let presence = presence::Presence::decode(bytes).ok()?;
    // PRE-5
    if presence.text.len() > MAX_PRESENCE_TEXT {
        return None;
    }
    let status = STATUSES.iter().find(|(_, number)| *number as i32 == presence.status)?;
    Some(PresenceStatement {
        account: presence.account.as_slice().try_into().ok()?,
        device: presence.device_id.as_slice().try_into().ok()?,
        session: presence.session,
        counter: presence.counter,
        expires: (presence.expires_ms > 0).then(|| Timestamp::from_millis(presence.expires_ms)),
        status: status.0,
        text: presence.text,
        asks: presence.asks,
    })
}

fn read_typing(bytes: &[u8]) -> Option<TypingStatement> {
    let typing = presence::Typing::decode(bytes).ok()?;
    let conversation = match typing.conversation.split_first() {
        Some((b'g', group)) if typing.conversation.len() == GroupId::LEN + 1 => {
            TypingIn::Group(group.try_into().ok()?)
        }
        _ => TypingIn::Direct(typing.conversation.as_slice().try_into().ok()?),
    };
    Some(TypingStatement {
        account: typing.account.as_slice().try_into().ok()?,
        device: typing.device_id.as_slice().try_into().ok()?,
        conversation,
        order: typing.order,
        stopped: typing.stopped,
    })
}

#[cfg(test)]
mod tests {
    use chacha20::{ChaCha20Rng, rand_core::SeedableRng};

    use super::*;
    use crate::signed::IdentityKey;

    struct Side {
        key: DeviceSigningKey,
        certificate: DeviceCertificate,
    }

    fn side(seed: u64) -> Side {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let key = DeviceSigningKey::generate(&mut rng);
        let identity = IdentityKey::generate(&mut rng);
        let certificate =
            DeviceCertificate::issue(&identity, &key.verifying_key(), [4; 32], Timestamp::from_millis(1));
        Side { key, certificate }
    }

    fn here(side: &Side) -> PresenceStatement {
        PresenceStatement {
            account: side.certificate.identity(),
            device: side.certificate.device_id(),
            session: 3,
            counter: 1,
            expires: Some(Timestamp::from_millis(5)),
            status: Status::Busy,
            text: "in a meeting".to_owned(),
            asks: true,
        }
    }

    #[test]
    fn pre_4_a_statement_is_its_own_devices_only() {
        let (alice, mallory) = (side(1), side(2));
        let said = here(&alice).sign(&alice.key);
        let read = UnverifiedPresence::decode(&said).unwrap();
        assert!(read.verify(&alice.certificate).unwrap() == here(&alice));
        assert!(UnverifiedPresence::decode(&said).unwrap().verify(&mallory.certificate).is_err());
        // Whoever holds the presence key can seal, not sign.
        let forged = here(&alice).sign(&mallory.key);
        assert!(UnverifiedPresence::decode(&forged).unwrap().verify(&alice.certificate).is_err());
        // The signature of one kind is worth nothing for the other.
        let typing = TypingStatement {
            account: alice.certificate.identity(),
            device: alice.certificate.device_id(),
            conversation: TypingIn::Direct(mallory.certificate.identity()),
            order: 7,
            stopped: false,
        };
        let bytes = typing.sign(&alice.key);
        assert!(
            UnverifiedPresence::decode(&bytes).map_or(true, |read| read.verify(&alice.certificate).is_err())
        );
    }

    #[test]
    fn pre_5_a_text_too_long_is_no_statement() {
        let alice = side(1);
        let text = "x".repeat(MAX_PRESENCE_TEXT + 1);
        let long = PresenceStatement { text, ..here(&alice) }.sign(&alice.key);
        assert!(UnverifiedPresence::decode(&long).is_err());
    }

    #[test]
    fn pre_13_typing_names_its_conversation() {
        let alice = side(1);
        for conversation in
            [TypingIn::Direct(AccountId::new([b'g'; 32])), TypingIn::Group(GroupId::new([b'g'; 32]))]
        {
            let typing = TypingStatement {
                account: alice.certificate.identity(),
                device: alice.certificate.device_id(),
                conversation,
                order: 7,
                stopped: true,
            };
            let read = UnverifiedTyping::decode(&typing.sign(&alice.key)).unwrap();
            assert!(read.verify(&alice.certificate).unwrap() == typing);
        }
        assert!(UnverifiedTyping::decode(b"anything").is_err());
    }
}
