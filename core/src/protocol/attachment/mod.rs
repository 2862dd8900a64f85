//! Attachments: a file of any size, encrypted chunk by chunk for a relay that keeps it and can't read it.
//!
//! ```text
//! version ‖ suite ‖ commitment │ chunk 0 │ chunk 1 │ … │ last chunk        each chunk: up to 64 KiB, and its tag
//!    1        1        32
//!
//! content ‖ 80 ‖ 00…  cut into chunks; each under the file's key, its number, and whether it is the last   (STREAM)
//! file's key = derive(random key, "file", SHA-256 of the content ‖ its size)
//! ```
//!
//! Whoever sends hashes the file first, then [seals](Sealer) its chunks in whatever order it needs them: an upload that broke goes on
//! where the relay says. Whoever receives [opens](Opening) them one after the other and may stop and go on too. Neither holds more
//! than a chunk. The key depends on the content, so a file that has changed between two attempts is sealed under another key, and no
//! nonce ever meets two texts.
//!
//! Reading and writing files, and talking to relays, is not for here. Rules: `proto/spec/files.md`.

mod open;
mod seal;
#[cfg(test)]
mod tests;

pub use open::{OpenError, Opening};
pub use seal::{NotThisChunk, Sealer};

use std::ops::Range;

use aead_stream::{NewStream as _, StreamBE32};
use chacha20poly1305::{ChaCha20Poly1305, KeyInit as _};
use sha2::{Digest as _, Sha256};

use super::padding::padded_len;
use crate::{
    crypto::{
        aead::{AeadKey, COMMITMENT_LEN, TAG_LEN},
        kdf::Prf,
        secret::{Secret as _, secret},
    },
    proto::limits::{MAX_BLOB, SUITE_1},
};

/// Bytes of padded content in each chunk but the last, which may have fewer.
// FIL-3
pub const CHUNK: usize = 64 * 1024;

/// What stands before the first chunk.
pub const HEADER_LEN: usize = 2 + COMMITMENT_LEN;

const SEALED_CHUNK: u64 = (CHUNK + TAG_LEN) as u64;
const VERSION: u8 = 1;
#[expect(clippy::cast_possible_truncation, reason = "suites are numbered below 256")]
const SUITE: u8 = SUITE_1 as u8;

secret! {
    /// The random key of one file, which the message that refers to it carries.
    pub struct FileKey;
}

secret! {
    struct ContentKey;
}

/// What a reference says of the content: enough to check all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest {
    /// Bytes.
    pub size: u64,
    /// SHA-256.
    pub sha256: [u8; 32],
}

/// Makes a [`Digest`] piece by piece.
#[derive(Debug, Clone, Default)]
pub struct Hasher {
    size: u64,
    hash: Sha256,
}

impl Hasher {
    /// Takes the next piece.
    pub fn update(&mut self, piece: &[u8]) {
        self.size = self.size.saturating_add(piece.len() as u64);
        self.hash.update(piece);
    }

    /// What the pieces were together.
    pub fn finish(self) -> Digest {
        Digest { size: self.size, sha256: self.hash.finalize().into() }
    }
}

/// The file is larger than any relay takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the file is too large to be sent")]
pub struct TooLarge;

/// Where what lies in a blob: all of it follows from the content's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    size: u64,
    padded: u64,
}

impl Layout {
    /// The layout of a content of this many bytes.
    ///
    /// # Errors
    /// [`TooLarge`].
    // FIL-5
    pub fn of(size: u64) -> Result<Self, TooLarge> {
        if size > MAX_BLOB {
            return Err(TooLarge);
        }
        // FIL-4
        let padded = padded_len(usize::try_from(size).map_err(|_| TooLarge)?) as u64;
        let layout = Self { size, padded };
        if layout.blob_len() > MAX_BLOB { Err(TooLarge) } else { Ok(layout) }
    }

    /// How many chunks there are: one at least.
    #[expect(clippy::cast_possible_truncation, reason = "a blob has at most 2 GiB, so 32,768 chunks")]
    pub const fn chunks(&self) -> u32 {
        self.padded.div_ceil(CHUNK as u64) as u32
    }

    /// Bytes of the whole blob.
    pub fn blob_len(&self) -> u64 {
        HEADER_LEN as u64 + self.padded + u64::from(self.chunks()) * TAG_LEN as u64
    }

    /// Which bytes of the blob a chunk is.
    pub fn in_blob(&self, chunk: u32) -> Range<u64> {
        let start = HEADER_LEN as u64 + u64::from(chunk) * SEALED_CHUNK;
        start.min(self.blob_len())..(start + SEALED_CHUNK).min(self.blob_len())
    }

    /// Which bytes of the content a chunk holds; none if it holds padding only.
    pub fn in_content(&self, chunk: u32) -> Range<u64> {
        let start = u64::from(chunk) * CHUNK as u64;
        start.min(self.size)..(start + CHUNK as u64).min(self.size)
    }

    /// The first chunk of which a blob that has come this far does not have all: where to go on.
    #[expect(clippy::cast_possible_truncation, reason = "a blob has at most 2 GiB, so 32,768 chunks")]
    pub fn resume_at(&self, blob_len: u64) -> u32 {
        if blob_len >= self.blob_len() {
            return self.chunks();
        }
        (blob_len.saturating_sub(HEADER_LEN as u64) / SEALED_CHUNK) as u32
    }

    const fn is_last(&self, chunk: u32) -> bool {
        chunk + 1 == self.chunks()
    }

    /// Bytes of padded content in a chunk.
    fn padded_in(&self, chunk: u32) -> usize {
        let range = self.in_blob(chunk);
        usize::try_from(range.end - range.start).unwrap_or(0).saturating_sub(TAG_LEN)
    }
}

/// What both sides derive.
struct Keys {
    stream: StreamBE32<ChaCha20Poly1305>,
    header: [u8; HEADER_LEN],
}

impl Keys {
    // FIL-2, FIL-7
    fn derive(key: &FileKey, digest: &Digest) -> Self {
        let content: ContentKey =
            Prf::new(key).derive("wheesht/1 file", &[&digest.sha256, &digest.size.to_be_bytes()]);
        let prf = Prf::new(&content);
        let key: AeadKey = prf.derive("wheesht/1 file chunks", &[]);
        let commitment: ContentKey = prf.derive("wheesht/1 file commitment", &[]);
        let mut header = [0; HEADER_LEN];
        let bytes = [VERSION, SUITE].iter().chain(commitment.expose());
        header.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        // The key seals one content, so the nonces need no random part.
        let stream = StreamBE32::from_aead(ChaCha20Poly1305::new(key.expose().into()), &[0; 7].into());
        Self { stream, header }
    }
}

/// Every chunk is bound to version and suite.
const AAD: &[u8] = &[VERSION, SUITE];

const MARK: u8 = 0x80;

/// The chunk that a place in the padded content lies in.
#[expect(clippy::cast_possible_truncation, reason = "a blob has at most 2 GiB, so 32,768 chunks")]
const fn chunk_of(place: u64) -> u32 {
    (place / CHUNK as u64) as u32
}
