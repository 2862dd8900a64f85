//! The recipient's side: chunk after chunk, and at the end the certainty that it was all of it.

use aead_stream::StreamPrimitive as _;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::{
    AAD, Digest, FileKey, HEADER_LEN, Hasher, Keys, Layout, MARK, SUITE, TooLarge, VERSION, chunk_of,
};

/// Why a blob is not the file that was referred to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The reference names a size that no blob has.
    #[error("the file is larger than any relay takes")]
    TooLarge,
    /// Of a version or suite that this one doesn't know: the sender is newer.
    #[error("a file of version {version}, suite {suite}")]
    Unknown {
        /// Its version.
        version: u8,
        /// Its cipher suite.
        suite: u8,
    },
    /// Another file, or one that was changed, cut, continued or mixed up.
    #[error("not authentic")]
    NotAuthentic,
}

impl From<TooLarge> for OpenError {
    fn from(TooLarge: TooLarge) -> Self {
        Self::TooLarge
    }
}

/// Opens a file in order. What came out of it is not to be used as the file before [`Opening::finish`] has said so.
pub struct Opening {
    layout: Layout,
    keys: Keys,
    digest: Digest,
    hasher: Hasher,
    next: u32,
}

impl Opening {
    /// Begins with what the message says and the blob's first bytes.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn new(key: &FileKey, digest: &Digest, header: &[u8; HEADER_LEN]) -> Result<Self, OpenError> {
        let layout = Layout::of(digest.size)?;
        // FIL-1
        let [version, suite, ..] = *header;
        if (version, suite) != (VERSION, SUITE) {
            return Err(OpenError::Unknown { version, suite });
        }
        let keys = Keys::derive(key, digest);
        // FIL-2: before anything is decrypted.
        if !bool::from(header.ct_eq(&keys.header)) {
            return Err(OpenError::NotAuthentic);
        }
        Ok(Self { layout, keys, digest: *digest, hasher: Hasher::default(), next: 0 })
    }

    /// Where the chunks lie.
    pub const fn layout(&self) -> Layout {
        self.layout
    }

    /// The chunk that comes next; after the last, [`Layout::chunks`].
    pub const fn next(&self) -> u32 {
        self.next
    }

    /// Takes the content of the next chunk from an attempt before, instead of opening it again. Bytes that are not the content make
    /// [`Self::finish`] fail.
    ///
    /// # Errors
    /// [`OpenError::NotAuthentic`] if they are not as many as the chunk holds, or there is no next.
    pub fn skip(&mut self, content: &[u8]) -> Result<(), OpenError> {
        let within = self.layout.in_content(self.next);
        if self.next >= self.layout.chunks() || content.len() as u64 != within.end - within.start {
            return Err(OpenError::NotAuthentic);
        }
        self.hasher.update(content);
        self.next += 1;
        Ok(())
    }

    /// Opens the next chunk: what the blob has at [`Layout::in_blob`] becomes what the file has at [`Layout::in_content`].
    ///
    /// # Errors
    /// [`OpenError::NotAuthentic`]; nothing has changed then, and the chunk may be fetched again.
    pub fn open(&mut self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let (chunk, layout) = (self.next, &self.layout);
        let within = layout.in_blob(chunk);
        if chunk >= layout.chunks() || sealed.len() as u64 != within.end - within.start {
            return Err(OpenError::NotAuthentic);
        }
        let mut content = Zeroizing::new(sealed.to_vec());
        // FIL-3
        self.keys
            .stream
            .decrypt_in_place(chunk, layout.is_last(chunk), AAD, &mut *content)
            .map_err(|_| OpenError::NotAuthentic)?;
        let within = layout.in_content(chunk);
        let length = usize::try_from(within.end - within.start).unwrap_or(usize::MAX);
        // FIL-4
        let padding = content.get(length..).ok_or(OpenError::NotAuthentic)?;
        let marked = chunk_of(layout.size) == chunk;
        let zeros = match (marked, padding.split_first()) {
            (true, Some((mark, zeros))) if *mark == MARK => zeros,
            (false, _) => padding,
            _ => return Err(OpenError::NotAuthentic),
        };
        if zeros.iter().any(|byte| *byte != 0) {
            return Err(OpenError::NotAuthentic);
        }
        content.truncate(length);
        self.hasher.update(&content);
        self.next += 1;
        Ok(content)
    }

    /// Whether that was the file: all chunks, and together the content that the message speaks of.
    ///
    /// # Errors
    /// [`OpenError::NotAuthentic`].
    // FIL-6
    pub fn finish(self) -> Result<(), OpenError> {
        let Self { layout, keys: _, digest, hasher, next } = self;
        if next == layout.chunks() && hasher.finish() == digest {
            Ok(())
        } else {
            Err(OpenError::NotAuthentic)
        }
    }
}

impl std::fmt::Debug for Opening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { layout, keys: _, digest: _, hasher: _, next } = self;
        f.debug_struct("Opening").field("layout", layout).field("next", next).finish_non_exhaustive()
    }
}
