//! The store's keys, and the small value that holds them: the slot.
//!
//! ```text
//! StoreKey (passphrase, key file, keyring) ─▶ wrapping key ─▶ opens the slot:
//!     lasting key ─▶ index key, and the key of rows of class `Lasting`
//!     daily keys: one, or two while rows are being sealed again
//! ```
//!
//! All keys of rows are random and stand nowhere but in the slot, sealed. So what was overwritten there can't be read
//! again, whatever a log-structured store still keeps of its rows, and another passphrase means one small write.
//!
//! ```text
//! slot = "wheesht store" ‖ schema (2) ‖ store id (16) ‖ origin of the store key (29) ‖ salt (16) ‖ key check (16)
//!        ‖ ChaCha20-Poly1305(slot key, nonce 0, keys; additional data: all before)
//! slot key  = HKDF-Expand(wrapping key, "wheesht/1 store slot" ‖ 0x00 ‖ salt)
//! key check = HKDF-Expand(wrapping key, "wheesht/1 store key check" ‖ 0x00 ‖ all before)[..16]
//! keys = lasting key (32) ‖ number of daily keys (1) ‖ each: id (4) ‖ created (8, ms) ‖ key (32)
//! ```
//!
//! The key check tells a wrong key from damage; it gives a guesser nothing that the AEAD's tag does not.

use rand_core::CryptoRng;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::{
    SCHEMA_VERSION,
    error::OpenError,
    sealing::{Index, LASTING, SealingKey, StoreId, random},
    store_key::{Origin, StoreKey, WrappingKey},
    table::KeyClass,
};
use crate::{
    crypto::{
        aead::{self, AeadKey},
        kdf::Prf,
        secret::{Secret as _, secret},
    },
    time::Timestamp,
};

const MAGIC: &[u8; 13] = b"wheesht store";
/// A salt is for one slot.
const NONCE: [u8; 12] = [0; 12];

secret! {
    /// The secret of the index and of rows of class `Lasting`.
    struct LastingSecret;
}

secret! {
    /// The secret of rows of class `Daily`, for a day.
    struct DailySecret;
}

secret! {
    struct KeyCheck;
}

/// A key that is replaced daily.
pub(super) struct DailyKey {
    pub(super) created: Timestamp,
    secret: DailySecret,
    sealing: SealingKey,
}

impl DailyKey {
    fn new(id: u32, created: Timestamp, secret: DailySecret) -> Self {
        let sealing = SealingKey::new(id, &Prf::new(&secret).derive("wheesht/1 store daily rows", &[]));
        Self { created, secret, sealing }
    }
}

/// Every key of an open store.
pub(super) struct Keys {
    pub(super) store: StoreId,
    pub(super) index: Index,
    origin: Origin,
    wrapping: WrappingKey,
    lasting_secret: LastingSecret,
    lasting: SealingKey,
    /// What new rows are sealed under.
    pub(super) daily: DailyKey,
    /// What rows not sealed again yet are under.
    pub(super) retiring: Option<DailyKey>,
}

impl Keys {
    /// The keys of a new store.
    pub(super) fn generate(key: &StoreKey, rng: &mut (impl CryptoRng + ?Sized), now: Timestamp) -> Self {
        let origin = key.new_origin(rng);
        let wrapping = key.wrapping(&origin);
        let daily = DailyKey::new(1, now, DailySecret::generate(rng));
        Self::assemble(random(rng), origin, wrapping, LastingSecret::generate(rng), daily, None)
    }

    fn assemble(
        store: StoreId,
        origin: Origin,
        wrapping: WrappingKey,
        lasting_secret: LastingSecret,
        daily: DailyKey,
        retiring: Option<DailyKey>,
    ) -> Self {
        let prf = Prf::new(&lasting_secret);
        let index = Index::new(&prf.derive("wheesht/1 store index", &[]));
        let lasting = SealingKey::new(LASTING, &prf.derive("wheesht/1 store lasting rows", &[]));
        Self { store, index, origin, wrapping, lasting_secret, lasting, daily, retiring }
    }

    /// What a new row of this class is sealed under.
    pub(super) fn for_writing(&self, class: KeyClass) -> &SealingKey {
        match class {
            KeyClass::Lasting => &self.lasting,
            KeyClass::Daily => &self.daily.sealing,
        }
    }

    /// The key that a row names, if its class may be sealed under it.
    pub(super) fn for_reading(&self, class: KeyClass, id: u32) -> Option<&SealingKey> {
        match class {
            KeyClass::Lasting => Some(&self.lasting),
            KeyClass::Daily if id == self.daily.sealing.id() => Some(&self.daily.sealing),
            KeyClass::Daily => self.retiring.as_ref().map(|old| &old.sealing),
        }
        .filter(|key| key.id() == id)
    }

    /// Begins the change of daily keys: new rows are sealed under a fresh one. Written before it is used (STO-9).
    pub(super) fn next_daily(&mut self, rng: &mut (impl CryptoRng + ?Sized), now: Timestamp) {
        let id = self.daily.sealing.id().wrapping_add(1).max(1);
        let next = DailyKey::new(id, now, DailySecret::generate(rng));
        self.retiring = Some(std::mem::replace(&mut self.daily, next));
    }

    /// Takes another store key from now on.
    pub(super) fn wrap_under(&mut self, key: &StoreKey, rng: &mut (impl CryptoRng + ?Sized)) {
        self.origin = key.new_origin(rng);
        self.wrapping = key.wrapping(&self.origin);
    }

    /// The slot's value.
    pub(super) fn to_slot(&self, rng: &mut (impl CryptoRng + ?Sized)) -> Vec<u8> {
        let salt: [u8; 16] = random(rng);
        let mut slot = header_bytes(&self.store, &self.origin, &salt);
        slot.extend_from_slice(&self.wrapping.check(&slot));
        let sealed = aead::seal(&self.wrapping.slot_key(&salt), &NONCE, &slot, &self.key_bytes());
        slot.extend_from_slice(&sealed);
        slot
    }

    fn key_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut keys = Zeroizing::new(Vec::with_capacity(32 + 1 + 2 * (4 + 8 + 32)));
        keys.extend_from_slice(self.lasting_secret.expose());
        keys.push(if self.retiring.is_some() { 2 } else { 1 });
        for key in [self.retiring.as_ref(), Some(&self.daily)].into_iter().flatten() {
            keys.extend_from_slice(&key.sealing.id().to_be_bytes());
            keys.extend_from_slice(&key.created.as_millis().to_be_bytes());
            keys.extend_from_slice(key.secret.expose());
        }
        keys
    }

    /// Opens a slot.
    pub(super) fn from_slot(slot: &[u8], key: &StoreKey) -> Result<Self, OpenError> {
        let header = SlotHeader::parse(slot)?;
        let wrapping = key.wrapping(&header.origin);
        // STO-7
        if !bool::from(wrapping.check(header.checked).ct_eq(header.check)) {
            return Err(OpenError::WrongKey);
        }
        let keys = aead::open(&wrapping.slot_key(&header.salt), &NONCE, header.associated, header.sealed)
            .map_err(|_| OpenError::Corrupt { what: "keys" })?;
        let (lasting, retiring, daily) = read_keys(&keys).ok_or(OpenError::Corrupt { what: "keys" })?;
        Ok(Self::assemble(header.store, header.origin, wrapping, lasting, daily, retiring))
    }
}

fn header_bytes(store: &StoreId, origin: &Origin, salt: &[u8; 16]) -> Vec<u8> {
    [MAGIC, &SCHEMA_VERSION.to_be_bytes() as &[u8], store, &origin.to_bytes(), salt].concat()
}

/// The readable part of a slot, and where its other parts lie.
struct SlotHeader<'a> {
    store: StoreId,
    origin: Origin,
    salt: [u8; 16],
    /// What the key check covers.
    checked: &'a [u8],
    check: &'a [u8; 16],
    /// What the tag covers.
    associated: &'a [u8],
    sealed: &'a [u8],
}

impl<'a> SlotHeader<'a> {
    fn parse(slot: &'a [u8]) -> Result<Self, OpenError> {
        let damaged = OpenError::Corrupt { what: "keys" };
        let Some((magic, rest)) = slot.split_first_chunk::<13>() else { return Err(damaged) };
        let Some((schema, rest)) = rest.split_first_chunk() else { return Err(damaged) };
        if magic != MAGIC {
            return Err(damaged);
        }
        // Before anything that a later version may have laid out differently.
        check_schema(u16::from_be_bytes(*schema))?;
        Self::parse_fields(slot, rest).ok_or(damaged)
    }

    fn parse_fields(slot: &'a [u8], rest: &'a [u8]) -> Option<Self> {
        let (store, rest) = rest.split_first_chunk()?;
        let (origin, rest) = rest.split_first_chunk()?;
        let (salt, rest) = rest.split_first_chunk()?;
        let (checked, _) = slot.split_at_checked(slot.len() - rest.len())?;
        let (check, sealed) = rest.split_first_chunk()?;
        let (associated, _) = slot.split_at_checked(slot.len() - sealed.len())?;
        let origin = Origin::from_bytes(origin)?;
        Some(Self { store: *store, origin, salt: *salt, checked, check, associated, sealed })
    }
}

/// STO-8: what a newer version wrote is refused before it is touched.
pub(super) fn check_schema(found: u16) -> Result<(), OpenError> {
    match found {
        SCHEMA_VERSION => Ok(()),
        0 => Err(OpenError::Corrupt { what: "version" }),
        _ => Err(OpenError::NewerSchema { found, supported: SCHEMA_VERSION }),
    }
}

/// The lasting key, the retiring daily key if there is one, and the daily key.
fn read_keys(keys: &[u8]) -> Option<(LastingSecret, Option<DailyKey>, DailyKey)> {
    let (lasting, rest) = keys.split_first_chunk()?;
    let (&[count], rest) = rest.split_first_chunk()?;
    let (first, rest) = read_daily(rest)?;
    let (retiring, daily, rest) = match count {
        1 => (None, first, rest),
        2 => {
            let (second, rest) = read_daily(rest)?;
            (Some(first), second, rest)
        }
        _ => return None,
    };
    rest.is_empty().then(|| (LastingSecret::restore(lasting), retiring, daily))
}

fn read_daily(keys: &[u8]) -> Option<(DailyKey, &[u8])> {
    let (id, rest) = keys.split_first_chunk()?;
    let (created, rest) = rest.split_first_chunk()?;
    let (secret, rest) = rest.split_first_chunk()?;
    let created = Timestamp::from_millis(u64::from_be_bytes(*created));
    Some((DailyKey::new(u32::from_be_bytes(*id), created, DailySecret::restore(secret)), rest))
}

impl WrappingKey {
    /// The key check of a slot's header.
    fn check(&self, header: &[u8]) -> [u8; 16] {
        let whole: KeyCheck = Prf::new(self).derive("wheesht/1 store key check", &[header]);
        let mut check = [0; 16];
        check.copy_from_slice(whole.expose().split_at(16).0);
        check
    }

    fn slot_key(&self, salt: &[u8; 16]) -> AeadKey {
        Prf::new(self).derive("wheesht/1 store slot", &[salt])
    }
}
