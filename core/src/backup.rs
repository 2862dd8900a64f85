//! A file that only a passphrase opens: what a backup is wrapped in.
//!
//! ```text
//! "wheesht backup" (14) ‖ version (1) ‖ memory in KiB (4) ‖ passes (4) ‖ salt (16) ‖ check (16) │ chunk │ chunk │ … │ last chunk
//!
//! key   = Argon2id(passphrase, salt)          chunks key = HKDF-Expand(key, "wheesht/1 backup chunks" ‖ 0x00 ‖ all before the check)
//!                                             check      = HKDF-Expand(key, "wheesht/1 backup check" ‖ 0x00 ‖ the same)[..16]
//! chunk = up to 64 KiB under the chunks key, its number, and whether it is the last (STREAM, ChaCha20-Poly1305), with its tag
//! ```
//!
//! The salt is random, so the key is that of one file, and the nonces need no random part. Rules: `proto/spec/backup.md`.

use aead_stream::{NewStream as _, StreamBE32, StreamPrimitive as _};
use chacha20poly1305::{ChaCha20Poly1305, KeyInit as _};
use rand_core::CryptoRng;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::{
    crypto::{
        aead::{AeadKey, TAG_LEN},
        kdf::Prf,
        secret::{Secret as _, secret},
    },
    store::PassphraseCost,
};

const MAGIC: &[u8; 14] = b"wheesht backup";
const VERSION: u8 = 1;
const SALT: usize = 16;
const CHECK: usize = 16;
const BEFORE_CHECK: usize = MAGIC.len() + 1 + 4 + 4 + SALT;

/// Bytes before the first chunk.
pub const HEADER: usize = BEFORE_CHECK + CHECK;
/// Bytes of content in each chunk but the last, which has fewer or as many.
pub const CHUNK: usize = 64 * 1024;
/// Bytes of a chunk as it stands in the file.
pub const SEALED_CHUNK: usize = CHUNK + TAG_LEN;

secret! {
    struct Check;
}

/// Why a backup can't be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BackupError {
    /// Something else, or the beginning is damaged.
    #[error("this is no backup of Wheesht")]
    NoBackup,
    /// A newer version made it.
    #[error("a newer version of Wheesht made this backup")]
    Newer,
    /// It asks for more memory or time than any backup does.
    #[error("this backup's header is damaged")]
    Header,
    /// Another passphrase opens it.
    #[error("the passphrase is not the one of this backup")]
    WrongPassphrase,
    /// Cut off, changed or mixed up.
    #[error("this backup is damaged or not whole")]
    Damaged,
}

/// The chunks of one backup, one way or the other.
pub struct Chunks {
    stream: StreamBE32<ChaCha20Poly1305>,
    next: u32,
}

impl Chunks {
    /// Begins a backup: what the file begins with, and what seals its chunks. Takes as long as `cost` says.
    pub fn create(
        passphrase: &str,
        cost: PassphraseCost,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> ([u8; HEADER], Self) {
        let mut salt = [0; SALT];
        rng.fill_bytes(&mut salt);
        let (memory_kib, passes) = cost.numbers();
        let parts: [&[u8]; 5] = [MAGIC, &[VERSION], &memory_kib.to_be_bytes(), &passes.to_be_bytes(), &salt];
        let before = parts.concat();
        let (chunks, check) = derive(passphrase, cost, &salt, &before);
        let mut header = [0; HEADER];
        let bytes = before.iter().chain(check.expose().iter().take(CHECK));
        header.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        (header, chunks)
    }

    /// Opens a backup that begins so. Nothing is computed for a header that asks for too much.
    ///
    /// # Errors
    /// All but [`BackupError::Damaged`].
    // BAK-2
    pub fn open(passphrase: &str, header: &[u8; HEADER]) -> Result<Self, BackupError> {
        let rest = header.strip_prefix(MAGIC.as_slice()).ok_or(BackupError::NoBackup)?;
        let (&[version], rest) = rest.split_first_chunk().ok_or(BackupError::NoBackup)?;
        if version > VERSION {
            return Err(BackupError::Newer);
        }
        let (memory, rest) = rest.split_first_chunk().ok_or(BackupError::Header)?;
        let (passes, rest) = rest.split_first_chunk().ok_or(BackupError::Header)?;
        let (salt, check) = rest.split_first_chunk::<SALT>().ok_or(BackupError::Header)?;
        let cost = PassphraseCost::in_bounds(u32::from_be_bytes(*memory), u32::from_be_bytes(*passes));
        let (before, _) = header.split_at(BEFORE_CHECK);
        let (chunks, expected) = derive(passphrase, cost.ok_or(BackupError::Header)?, salt, before);
        let expected: Vec<u8> = expected.expose().iter().take(CHECK).copied().collect();
        if bool::from(expected.ct_eq(check)) { Ok(chunks) } else { Err(BackupError::WrongPassphrase) }
    }

    /// Seals the next chunk, of [`CHUNK`] bytes unless it is the last.
    ///
    /// # Errors
    /// [`BackupError::Damaged`] for more chunks than a file can have.
    pub fn seal(&mut self, content: &[u8], last: bool) -> Result<Vec<u8>, BackupError> {
        let mut chunk = content.to_vec();
        let number = self.number()?;
        self.stream.encrypt_in_place(number, last, &[], &mut chunk).map_err(|_| BackupError::Damaged)?;
        Ok(chunk)
    }

    /// Opens the next chunk.
    ///
    /// # Errors
    /// [`BackupError::Damaged`].
    // BAK-3
    pub fn unseal(&mut self, sealed: &[u8], last: bool) -> Result<Zeroizing<Vec<u8>>, BackupError> {
        let mut chunk = Zeroizing::new(sealed.to_vec());
        let number = self.number()?;
        self.stream.decrypt_in_place(number, last, &[], &mut *chunk).map_err(|_| BackupError::Damaged)?;
        Ok(chunk)
    }

    fn number(&mut self) -> Result<u32, BackupError> {
        let number = self.next;
        self.next = self.next.checked_add(1).ok_or(BackupError::Damaged)?;
        Ok(number)
    }
}

impl std::fmt::Debug for Chunks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { stream: _, next } = self;
        f.debug_struct("Chunks").field("next", next).finish_non_exhaustive()
    }
}

// BAK-1
fn derive(passphrase: &str, cost: PassphraseCost, salt: &[u8; SALT], before: &[u8]) -> (Chunks, Check) {
    let key = cost.stretch(passphrase, salt);
    let prf = Prf::new(&key);
    let chunks: AeadKey = prf.derive("wheesht/1 backup chunks", &[before]);
    let stream = StreamBE32::from_aead(ChaCha20Poly1305::new(chunks.expose().into()), &[0; 7].into());
    (Chunks { stream, next: 0 }, prf.derive("wheesht/1 backup check", &[before]))
}

#[cfg(test)]
mod tests {
    use chacha20::ChaCha20Rng;
    use rand_core::SeedableRng as _;

    use super::*;

    const COST: PassphraseCost = PassphraseCost::insecure_fast();

    fn sealed(parts: &[&[u8]]) -> ([u8; HEADER], Vec<Vec<u8>>) {
        let (header, mut chunks) = Chunks::create("correct horse", COST, &mut ChaCha20Rng::seed_from_u64(1));
        let last = parts.len() - 1;
        (header, parts.iter().enumerate().map(|(at, part)| chunks.seal(part, at == last).unwrap()).collect())
    }

    #[test]
    fn bak_1_bak_3_what_was_sealed_opens_in_its_order_and_whole() {
        let (header, chunks) = sealed(&[b"one", b"two"]);
        let mut open = Chunks::open("correct horse", &header).unwrap();
        assert_eq!(open.unseal(&chunks[0], false).unwrap().as_slice(), b"one");
        assert_eq!(open.unseal(&chunks[1], true).unwrap().as_slice(), b"two");
        let fresh = || Chunks::open("correct horse", &header).unwrap();
        // Swapped, cut off after the first, continued, changed.
        assert_eq!(fresh().unseal(&chunks[1], true), Err(BackupError::Damaged));
        assert_eq!(fresh().unseal(&chunks[0], true), Err(BackupError::Damaged));
        let mut open = fresh();
        open.unseal(&chunks[0], false).unwrap();
        assert_eq!(open.unseal(&chunks[1], false), Err(BackupError::Damaged));
        let mut changed = chunks[0].clone();
        changed[0] ^= 1;
        assert_eq!(fresh().unseal(&changed, false), Err(BackupError::Damaged));
    }

    #[test]
    fn bak_2_what_does_not_open_is_told_apart() {
        let (header, _) = sealed(&[b"one"]);
        assert_eq!(Chunks::open("wrong", &header).unwrap_err(), BackupError::WrongPassphrase);
        for at in 0..HEADER {
            let mut changed = header;
            changed[at] ^= 0x80;
            let error = Chunks::open("correct horse", &changed).unwrap_err();
            let expected = match at {
                0..14 => BackupError::NoBackup,
                14 => BackupError::Newer,
                15..23 => error,
                _ => BackupError::WrongPassphrase,
            };
            assert_eq!(error, expected, "{at}");
        }
        let mut greedy = header;
        greedy[15] = 0xff;
        assert_eq!(Chunks::open("correct horse", &greedy).unwrap_err(), BackupError::Header);
    }
}
