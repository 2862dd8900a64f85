//! A device's own word on how far it has come, kept for it by its relay.
//!
//! A store restored from an old snapshot would repeat keys. So a device deposits, signed by itself, its highest commit
//! counter; at login the relay returns the statement, and a device that finds itself behind its own word becomes pending
//! again with new keys. A relay can withhold or return an older one (SECURITY.md says so) but can't invent one.

use prost::Message;
use wheesht_proto::{account, ids::DeviceId};

use super::{DeviceSigningKey, decode_canonical, signature_field};
use crate::{
    crypto::sign::{Label, Signature, VerifyingKey},
    time::Timestamp,
};

const LABEL: Label = Label::new("wheesht/1 device statement");

/// Largest encoded statement in bytes: id, counter, time and signature need 110.
const MAX_STATEMENT: usize = 256;

/// Why a statement is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// Not the encoding of a statement.
    #[error("malformed device statement")]
    Malformed,
    /// It is another device's.
    #[error("the statement is another device's")]
    OtherDevice,
    /// The device did not sign this.
    #[error("the device did not sign this statement")]
    BadSignature,
}

/// A device's statement, verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    device_id: DeviceId,
    commit_counter: u64,
    at: Timestamp,
    encoded: Vec<u8>,
}

impl Statement {
    /// Signs that this device's store has reached `commit_counter`.
    pub fn sign(device: &DeviceSigningKey, commit_counter: u64, now: Timestamp) -> Self {
        let device_id = device.device_id();
        let message =
            account::Statement { device_id: device_id.to_vec(), commit_counter, at_ms: now.as_millis() };
        let statement = message.encode_to_vec();
        let signature = device.sign(&LABEL, &[&statement]).to_vec();
        let encoded = account::SignedStatement { statement, signature }.encode_to_vec();
        Self { device_id, commit_counter, at: now, encoded }
    }

    /// Whose statement it is.
    pub fn device_id(&self) -> DeviceId {
        self.device_id
    }

    /// The highest commit counter the device had reached.
    pub fn commit_counter(&self) -> u64 {
        self.commit_counter
    }

    /// When, by the device's clock.
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// The encoded `SignedStatement`.
    pub fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    /// ACC-31: whether this may replace `held`: a statement with a lower counter never does.
    pub fn may_replace(&self, held: &Self) -> bool {
        self.commit_counter >= held.commit_counter
    }
}

/// A statement as bytes said it.
#[derive(Debug, Clone)]
pub struct UnverifiedStatement {
    statement: Statement,
    signed: Vec<u8>,
    signature: Signature,
}

impl UnverifiedStatement {
    /// Reads an encoded `SignedStatement`.
    ///
    /// # Errors
    /// [`StatementError::Malformed`].
    pub fn decode(bytes: &[u8]) -> Result<Self, StatementError> {
        Self::read(bytes).ok_or(StatementError::Malformed)
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > MAX_STATEMENT {
            return None;
        }
        // ACC-3
        let outer: account::SignedStatement = decode_canonical(bytes)?;
        let inner = account::Statement::decode(&*outer.statement).ok()?;
        let statement = Statement {
            device_id: DeviceId::try_from(&*inner.device_id).ok()?,
            commit_counter: inner.commit_counter,
            at: Timestamp::from_millis(inner.at_ms),
            encoded: bytes.to_vec(),
        };
        Some(Self { statement, signature: signature_field(&outer.signature)?, signed: outer.statement })
    }

    /// Checks that it is this device's and signed by its key.
    ///
    /// # Errors
    /// [`StatementError::OtherDevice`] or [`StatementError::BadSignature`].
    pub fn verify(
        self,
        signing_key: &VerifyingKey,
        device_id: &DeviceId,
    ) -> Result<Statement, StatementError> {
        // ACC-30
        if self.statement.device_id != *device_id {
            return Err(StatementError::OtherDevice);
        }
        signing_key
            .verify(&LABEL, &[&self.signed], &self.signature)
            .map_err(|_| StatementError::BadSignature)?;
        Ok(self.statement)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    #[test]
    fn acc_30_only_the_device_itself_says_how_far_it_is() {
        let (device, other) =
            (DeviceSigningKey::from_secret_bytes(&[1; 32]), DeviceSigningKey::from_secret_bytes(&[2; 32]));
        let statement = Statement::sign(&device, 42, NOW);
        let read = UnverifiedStatement::decode(statement.encoded()).unwrap();
        let verified = read.clone().verify(&device.verifying_key(), &device.device_id()).unwrap();
        assert_eq!(verified, statement);
        assert_eq!((verified.commit_counter(), verified.at()), (42, NOW));
        let refusal = read.clone().verify(&other.verifying_key(), &other.device_id());
        assert_eq!(refusal, Err(StatementError::OtherDevice));
        let refusal = read.verify(&other.verifying_key(), &device.device_id());
        assert_eq!(refusal, Err(StatementError::BadSignature));
    }

    #[test]
    fn acc_31_a_lower_counter_replaces_nothing() {
        let device = DeviceSigningKey::from_secret_bytes(&[1; 32]);
        let (earlier, later) = (Statement::sign(&device, 41, NOW), Statement::sign(&device, 42, NOW));
        assert!(later.may_replace(&earlier) && later.may_replace(&later));
        assert!(!earlier.may_replace(&later));
    }
}
