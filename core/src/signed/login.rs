//! What a device signs to log in to its relay.
//!
//! The signature speaks for one connection and one place only: the relay's nonce of this connection, the relay's name as the
//! *device* knows it (so a relay in the middle can't pass the login on to another), the account's name, the device, and the
//! role in which it connects.

use wheesht_proto::{address::Name, ids::DeviceId};

use super::DeviceSigningKey;
use crate::crypto::sign::{BadSignature, Label, Signature, VerifyingKey};

const LABEL: Label = Label::new("wheesht/1 device login");

/// The role signed: a device that fetches its own mailbox. Others would have other numbers.
const ROLE_DEVICE: u8 = 1;

/// Length of the relay's nonce in bytes.
pub const NONCE_LEN: usize = 32;

/// Everything a login signature speaks for.
#[derive(Debug, Clone, Copy)]
pub struct LoginContext<'a> {
    /// The nonce from this connection's `HelloOk`.
    pub nonce: &'a [u8; NONCE_LEN],
    /// The relay's name: what stands after the `@`, with the port if it isn't the usual one. A device takes it from its own
    /// address, a relay from its own settings.
    pub relay: &'a str,
    /// The account's name.
    pub name: &'a Name,
    /// The device that logs in.
    pub device_id: DeviceId,
}

impl LoginContext<'_> {
    /// Signs the login.
    pub fn sign(&self, device: &DeviceSigningKey) -> Signature {
        device.sign(&LABEL, &[&self.to_bytes()])
    }

    /// Checks a login's signature against the signing key of the device's certificate.
    ///
    /// # Errors
    /// [`BadSignature`].
    pub fn verify(&self, signing_key: &VerifyingKey, signature: &[u8]) -> Result<(), BadSignature> {
        // ACC-35
        signing_key.verify(&LABEL, &[&self.to_bytes()], &Signature::try_from(signature)?)
    }

    /// Nonce, role and device id have fixed lengths; name and relay have their length (4 bytes, big-endian) in front.
    fn to_bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(160);
        bytes.extend_from_slice(self.nonce);
        bytes.push(ROLE_DEVICE);
        bytes.extend_from_slice(self.device_id.as_bytes());
        for text in [self.relay, self.name.as_str()] {
            let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acc_35_a_login_speaks_for_one_connection_relay_name_and_device() {
        let device = DeviceSigningKey::from_secret_bytes(&[1; 32]);
        let (alice, bob): (Name, Name) = ("alice".parse().unwrap(), "bob".parse().unwrap());
        let context = LoginContext {
            nonce: &[9; 32],
            relay: "relay.example",
            name: &alice,
            device_id: device.device_id(),
        };
        let signature = context.sign(&device);
        let check = |context: LoginContext<'_>| context.verify(&device.verifying_key(), signature.as_bytes());
        assert_eq!(check(context), Ok(()));
        assert_eq!(check(LoginContext { nonce: &[8; 32], ..context }), Err(BadSignature));
        assert_eq!(check(LoginContext { relay: "relay.evil", ..context }), Err(BadSignature));
        assert_eq!(check(LoginContext { name: &bob, ..context }), Err(BadSignature));
        assert_eq!(check(LoginContext { device_id: DeviceId::new([0; 16]), ..context }), Err(BadSignature));
        assert_eq!(context.verify(&device.verifying_key(), &signature.as_bytes()[..63]), Err(BadSignature));
    }
}
