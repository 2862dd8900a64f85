//! The root vault: the account's identity key and state key, sealed under the password's export key.

use std::fmt;

use prost::Message;
use rand_core::CryptoRng;
use wheesht_proto::{account, address::Address, limits::MAX_ROOT_VAULT};
use zeroize::{Zeroize, Zeroizing};

use super::{FORMAT, StateKey, VaultError, body, prefixed};
use crate::{
    crypto::{
        aead::{open_salted, seal_salted},
        kdf::Prf,
        secret::{Secret, secret},
    },
    opaque::ExportKey,
    protocol::padding,
    signed::IdentityKey,
};

const EXTRACT_SALT: &[u8] = b"wheesht/1 root vault";
const KEY: &str = "wheesht/1 root vault key";
const SEAL: &str = "wheesht/1 root vault seal";

secret! {
    /// Made from the export key; seals nothing but root vaults.
    struct RootVaultKey;
}

/// What the root vault holds. Wiped on drop; keep it no longer than the step that the password was typed for.
pub struct RootSecrets {
    /// The account itself.
    pub identity: IdentityKey,
    /// The key of the state vault.
    pub state_key: StateKey,
    /// Counts the state keys: 1, then one more with each replacement.
    pub state_key_epoch: u64,
}

impl fmt::Debug for RootSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { identity: _, state_key: _, state_key_epoch } = self;
        f.debug_struct("RootSecrets").field("state_key_epoch", state_key_epoch).finish_non_exhaustive()
    }
}

/// Seals the root vault of the account at `address`: for `RegisterFinish.root_vault` or `ProposeManifest.root_vault`.
pub fn seal_root(
    export_key: &ExportKey,
    address: &Address,
    secrets: &RootSecrets,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Vec<u8> {
    let mut message = account::RootVault {
        identity_secret: secrets.identity.to_secret_bytes().to_vec(),
        state_key: secrets.state_key.expose().to_vec(),
        state_key_epoch: secrets.state_key_epoch,
    };
    let encoded = Zeroizing::new(message.encode_to_vec());
    wipe(&mut message);
    let mut sealed = vec![FORMAT];
    // VLT-2
    sealed.extend(seal_salted(&key(export_key), SEAL, &aad(address), &padding::pad(&encoded), rng));
    sealed
}

/// Opens the root vault of the account at `address`.
///
/// # Errors
/// [`VaultError::NotAuthentic`], [`VaultError::Format`] or [`VaultError::Malformed`].
pub fn open_root(
    export_key: &ExportKey,
    address: &Address,
    sealed: &[u8],
) -> Result<RootSecrets, VaultError> {
    if sealed.len() > MAX_ROOT_VAULT {
        return Err(VaultError::NotAuthentic);
    }
    let opened = open_salted(&key(export_key), SEAL, &aad(address), body(sealed)?);
    let padded = opened.map_err(|_| VaultError::NotAuthentic)?;
    let encoded = padding::unpad(&padded).map_err(|_| VaultError::Malformed)?;
    let mut message = account::RootVault::decode(encoded).map_err(|_| VaultError::Malformed)?;
    let secrets = read(&message).ok_or(VaultError::Malformed);
    wipe(&mut message);
    secrets
}

fn read(message: &account::RootVault) -> Option<RootSecrets> {
    Some(RootSecrets {
        identity: IdentityKey::from_secret_bytes(message.identity_secret.as_slice().try_into().ok()?),
        state_key: StateKey::restore(message.state_key.as_slice().try_into().ok()?),
        state_key_epoch: message.state_key_epoch,
    })
}

/// VLT-1
fn key(export_key: &ExportKey) -> RootVaultKey {
    Prf::extract(EXTRACT_SALT, &[export_key.expose()]).derive(KEY, &[])
}

/// VLT-2: a root vault of one account is none of another's, whatever their passwords.
fn aad(address: &Address) -> Vec<u8> {
    prefixed(address.canonical().as_bytes())
}

fn wipe(message: &mut account::RootVault) {
    message.identity_secret.zeroize();
    message.state_key.zeroize();
}
