//! The end of an account, in its identity key's word: neither a relay nor a device alone can say that an account is no more.

use prost::Message;
use wheesht_proto::{account, address::Address, ids::AccountId};

use super::{IdentityKey, decode_canonical, signature_field};
use crate::{
    crypto::sign::{Label, Signature, VerifyingKey},
    time::Timestamp,
};

const LABEL: Label = Label::new("wheesht/1 account deletion");

/// Largest encoded deletion in bytes: address, identity, time and signature.
const MAX_DELETION: usize = 512;

/// An account's deletion, verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deletion {
    identity: AccountId,
    address: String,
    encoded: Vec<u8>,
}

impl Deletion {
    /// Signs that the account at `address` is no more.
    pub fn sign(identity: &IdentityKey, address: &Address, now: Timestamp) -> Self {
        let (account, address) = (identity.account_id(), address.canonical());
        let message = account::Deletion {
            address: address.clone(),
            identity: account.to_vec(),
            created_ms: now.as_millis(),
        };
        let deletion = message.encode_to_vec();
        let signature = identity.sign(&LABEL, &deletion).to_vec();
        let encoded = account::SignedDeletion { deletion, signature }.encode_to_vec();
        Self { identity: account, address, encoded }
    }

    /// Whose account.
    pub fn identity(&self) -> AccountId {
        self.identity
    }

    /// Its address in canonical form.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The encoded `SignedDeletion`.
    pub fn encoded(&self) -> &[u8] {
        &self.encoded
    }
}

/// A deletion as bytes said it.
#[derive(Debug, Clone)]
pub struct UnverifiedDeletion {
    deletion: Deletion,
    signed: Vec<u8>,
    signature: Signature,
}

impl UnverifiedDeletion {
    /// Reads an encoded `SignedDeletion`; none if it is not one.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > MAX_DELETION {
            return None;
        }
        // ACC-3
        let outer: account::SignedDeletion = decode_canonical(bytes)?;
        let inner = account::Deletion::decode(&*outer.deletion).ok()?;
        let deletion = Deletion {
            identity: AccountId::try_from(&*inner.identity).ok()?,
            address: inner.address,
            encoded: bytes.to_vec(),
        };
        Some(Self { deletion, signature: signature_field(&outer.signature)?, signed: outer.deletion })
    }

    /// The address that it claims to be for.
    pub fn address(&self) -> &str {
        &self.deletion.address
    }

    /// Checks that this account's identity key signed it, for this address. None if not.
    pub fn verify(self, identity: &AccountId, address: &str) -> Option<Deletion> {
        // ACC-32
        if self.deletion.identity != *identity || self.deletion.address != address {
            return None;
        }
        let key = VerifyingKey::from_bytes(identity.as_bytes()).ok()?;
        key.verify(&LABEL, &[&self.signed], &self.signature).ok()?;
        Some(self.deletion)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acc_32_only_the_identity_key_ends_an_account_and_only_its_own() {
        let now = Timestamp::from_millis(1_800_000_000_000);
        let alice = IdentityKey::from_secret_bytes(&[1; 32]);
        let other = IdentityKey::from_secret_bytes(&[2; 32]);
        let address: Address = "alice@relay.test".parse().unwrap();
        let deletion = Deletion::sign(&alice, &address, now);
        let read = || UnverifiedDeletion::decode(deletion.encoded()).unwrap();
        assert_eq!(read().verify(&alice.account_id(), "alice@relay.test"), Some(deletion.clone()));
        assert_eq!(read().verify(&other.account_id(), "alice@relay.test"), None);
        assert_eq!(read().verify(&alice.account_id(), "bob@relay.test"), None);
        let mut bent = deletion.encoded().to_vec();
        *bent.last_mut().unwrap() ^= 1;
        let bent = UnverifiedDeletion::decode(&bent).unwrap();
        assert_eq!(bent.verify(&alice.account_id(), "alice@relay.test"), None);
        assert!(UnverifiedDeletion::decode(&[0; 600]).is_none());
        assert!(UnverifiedDeletion::decode(b"").is_none());
    }
}
