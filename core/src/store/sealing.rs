//! How a row's value is sealed.
//!
//! ```text
//! subkey = HKDF-Expand(key of the row's class, "wheesht/1 store row" ‖ 0x00 ‖ salt ‖ row's key)
//! row    = format (1 byte) ‖ key id (4 bytes, big-endian) ‖ salt (16 bytes) ‖ ChaCha20-Poly1305(subkey, nonce 0, value)
//! ```
//!
//! The salt is drawn at random for each transaction, so no subkey is ever used for two values, not even by a store that
//! was put back to an earlier copy of itself. Additional data are format and key id, the store's id, and the row's key,
//! in which the table and the prefix stand: a row that was moved does not open.

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::table::{self, RowKey};
use crate::crypto::{
    aead::{self, AeadKey},
    kdf::Prf,
    secret::secret,
};

/// A value as the caller knows it; wiped when dropped.
pub type Value = Zeroizing<Vec<u8>>;

/// The format of a sealed row.
const FORMAT: u8 = 1;
const SALT: usize = 16;
/// Bytes before the ciphertext.
const HEADER: usize = 1 + 4 + SALT;
/// A subkey seals one value.
const NONCE: [u8; 12] = [0; 12];
/// The key id of every row of class `Lasting`. Daily keys count from 1.
pub(super) const LASTING: u32 = 0;

/// Names the store in every row's additional data.
pub(super) type StoreId = [u8; 16];

secret! {
    /// The key of the function that hides tables and prefixes.
    pub(super) struct IndexSecret;
}

secret! {
    /// The key of a class, of which every row's subkey is derived.
    pub(super) struct RowsSecret;
}

/// Fresh random bytes that need not stay secret.
pub(super) fn random<const N: usize>(rng: &mut (impl CryptoRng + ?Sized)) -> [u8; N] {
    let mut bytes = [0; N];
    rng.fill_bytes(&mut bytes);
    bytes
}

/// The function that hides tables and prefixes.
pub(super) struct Index(Prf);

impl Index {
    pub(super) fn new(secret: &IndexSecret) -> Self {
        Self(Prf::new(secret))
    }

    /// The pseudorandom part of the row keys of a table's prefix. `domain` has 3 bytes.
    pub(super) fn prefix(&self, domain: &[u8; 3], table: &str, prefix: &[u8]) -> [u8; table::PREFIX] {
        // `Table::new` has bounded the name.
        let length = u8::try_from(table.len()).unwrap_or(u8::MAX);
        let mac = self.0.mac(&[domain, &[length], table.as_bytes(), prefix]);
        let mut out = [0; table::PREFIX];
        out.copy_from_slice(mac.split_at(table::PREFIX).0);
        out
    }
}

/// A salt for the rows of one transaction. Each row is sealed once in it.
#[derive(Clone, Copy)]
pub(super) struct Salt([u8; SALT]);

impl Salt {
    pub(super) fn random(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self(random(rng))
    }
}

/// A key under whose subkeys rows are sealed.
pub(super) struct SealingKey {
    id: u32,
    prf: Prf,
}

impl SealingKey {
    pub(super) fn new(id: u32, secret: &RowsSecret) -> Self {
        Self { id, prf: Prf::new(secret) }
    }

    pub(super) fn id(&self) -> u32 {
        self.id
    }

    /// STO-5: a key for this row and this salt alone.
    fn subkey(&self, salt: &[u8], row: &RowKey) -> AeadKey {
        self.prf.derive("wheesht/1 store row", &[salt, row.as_bytes()])
    }

    /// Seals a row's value.
    pub(super) fn seal(&self, store: &StoreId, row: &RowKey, value: &[u8], salt: Salt) -> Vec<u8> {
        let mut sealed = Vec::with_capacity(HEADER + value.len() + aead::TAG_LEN);
        sealed.push(FORMAT);
        sealed.extend_from_slice(&self.id.to_be_bytes());
        sealed.extend_from_slice(&salt.0);
        sealed.extend_from_slice(value);
        let key = self.subkey(&salt.0, row);
        aead::seal_in_place(&key, &NONCE, &associated(self.id, store, row), &mut sealed, HEADER);
        sealed
    }

    /// Opens a row that names this key.
    pub(super) fn open(&self, store: &StoreId, row: &RowKey, sealed: &Sealed<'_>) -> Option<Value> {
        let key = self.subkey(sealed.salt, row);
        aead::open(&key, &NONCE, &associated(self.id, store, row), sealed.body).ok()
    }
}

/// A sealed row, taken apart.
pub(super) struct Sealed<'a> {
    /// Which key it is sealed under.
    pub(super) key_id: u32,
    salt: &'a [u8],
    body: &'a [u8],
}

impl<'a> Sealed<'a> {
    /// None if these bytes are no sealed row.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (&[format], bytes) = bytes.split_first_chunk()?;
        let (id, bytes) = bytes.split_first_chunk()?;
        let (salt, body) = bytes.split_at_checked(SALT)?;
        (format == FORMAT).then_some(Self { key_id: u32::from_be_bytes(*id), salt, body })
    }
}

/// STO-6: a row opens where it was written, in its store, under the key it names.
fn associated(id: u32, store: &StoreId, row: &RowKey) -> Vec<u8> {
    [&[FORMAT], &id.to_be_bytes() as &[u8], store, row.as_bytes()].concat()
}
