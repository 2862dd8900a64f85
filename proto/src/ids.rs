//! Newtypes for every identifier, so that one can't stand where another is meant.
//!
//! All are opaque bytes of a fixed length, written as lower-case hex. None is secret in the cryptographic sense, but a
//! [`DepositAddress`] is a capability and a [`MailboxId`] is known to the device and its relay only: neither belongs in a log.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use sha2::{Digest, Sha256};

/// Bytes given where an identifier of another length is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an identifier of {expected} bytes was expected")]
pub struct InvalidId {
    /// The length it should have, in bytes.
    pub expected: usize,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $len]);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $len;

            /// Wraps the bytes.
            pub const fn new(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }

            /// The bytes.
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }

            /// A copy of the bytes for a protobuf field.
            pub fn to_vec(self) -> Vec<u8> {
                self.0.to_vec()
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = InvalidId;

            fn try_from(bytes: &[u8]) -> Result<Self, InvalidId> {
                bytes.try_into().map(Self).map_err(|_| InvalidId { expected: $len })
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidId;

            fn from_str(hex: &str) -> Result<Self, InvalidId> {
                let mut bytes = [0; $len];
                parse_hex(hex, &mut bytes).ok_or(InvalidId { expected: $len })?;
                Ok(Self(bytes))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "pattern": concat!("^([0-9a-f]{2}){", $len, "}$") })
            }
        }
    };
}

id!(
    /// An account: its Ed25519 identity key.
    AccountId, 32
);
id!(
    /// A device: the first 16 bytes of `SHA-256("wheesht/1 device id" ‖ signing key)`.
    DeviceId, 16
);
id!(
    /// A device's queue on its relay; known to the two of them only.
    MailboxId, 16
);
id!(
    /// 16 unguessable bytes that lead into a mailbox: address and capability in one.
    DepositAddress, 16
);
id!(
    /// An envelope: the first 16 bytes of its SHA-256.
    EnvelopeId, 16
);
id!(
    /// A record on a relay: SHA-256 over label, first write key and salt.
    RecordId, 32
);
id!(
    /// A blob on a relay: 32 unguessable bytes, chosen by who uploads it; whoever has them may read it.
    BlobId, 32
);
id!(
    /// A group: the hash of its founding change.
    GroupId, 32
);
id!(
    /// A device's sender chain in a group: random.
    ChainId, 16
);
id!(
    /// A message as people know it: random, the same on every device it reaches.
    MessageId, 16
);

impl EnvelopeId {
    /// The id of an envelope's bytes, as relay and client compute it.
    pub fn of(envelope: &[u8]) -> Self {
        let digest: [u8; 32] = Sha256::digest(envelope).into();
        let (id, _) = digest.split_first_chunk().unwrap_or((&[0; 16], &[]));
        Self(*id)
    }
}

fn parse_hex(hex: &str, out: &mut [u8]) -> Option<()> {
    if hex.len() != out.len() * 2 {
        return None;
    }
    for (byte, pair) in out.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).ok().filter(|pair| !pair.starts_with('+'))?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_round_trips_and_refuses_other_lengths() {
        let id = MessageId::new([0xa5; 16]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("a5".parse::<MessageId>(), Err(InvalidId { expected: 16 }));
        assert_eq!("+5".repeat(16).parse::<MessageId>(), Err(InvalidId { expected: 16 }));
        assert_eq!("€".repeat(16).parse::<MessageId>(), Err(InvalidId { expected: 16 }));
    }
}
