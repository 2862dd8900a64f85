//! The sender's side: any chunk, whenever it is wanted.

use aead_stream::StreamPrimitive as _;

use super::{AAD, Digest, FileKey, HEADER_LEN, Keys, Layout, MARK, TooLarge, chunk_of};
use crate::crypto::aead::TAG_LEN;

/// The bytes are not as many as the chunk holds, or there is no such chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the file is not the one that was to be sent")]
pub struct NotThisChunk;

/// Seals a file whose content is known by its digest.
pub struct Sealer {
    layout: Layout,
    keys: Keys,
}

impl Sealer {
    /// For a content with this digest. The same key and digest give the same blob, at every attempt.
    ///
    /// # Errors
    /// [`TooLarge`].
    pub fn new(key: &FileKey, digest: &Digest) -> Result<Self, TooLarge> {
        Ok(Self { layout: Layout::of(digest.size)?, keys: Keys::derive(key, digest) })
    }

    /// Where the chunks lie.
    pub const fn layout(&self) -> Layout {
        self.layout
    }

    /// What the blob begins with.
    pub const fn header(&self) -> &[u8; HEADER_LEN] {
        &self.keys.header
    }

    /// Seals a chunk: `content` is what the file has at [`Layout::in_content`], and becomes what the blob has at [`Layout::in_blob`].
    ///
    /// The caller must have seen that the file has the digest (FIL-7): hash it before each attempt, since a chunk whose file changed
    /// in between would be sealed under the key of the file before.
    ///
    /// # Errors
    /// [`NotThisChunk`].
    pub fn seal(&self, chunk: u32, content: &[u8]) -> Result<Vec<u8>, NotThisChunk> {
        let layout = &self.layout;
        let within = layout.in_content(chunk);
        if chunk >= layout.chunks() || content.len() as u64 != within.end - within.start {
            return Err(NotThisChunk);
        }
        let padded = layout.padded_in(chunk);
        let mut out = Vec::with_capacity(padded.saturating_add(TAG_LEN));
        out.extend_from_slice(content);
        // FIL-4: the mark stands where the content ends, in this chunk or as the first byte of the next.
        if chunk_of(layout.size) == chunk {
            out.push(MARK);
        }
        out.resize(padded, 0);
        // FIL-3
        self.keys
            .stream
            .encrypt_in_place(chunk, layout.is_last(chunk), AAD, &mut out)
            .map_err(|_| NotThisChunk)?;
        Ok(out)
    }
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { layout, keys: _ } = self;
        f.debug_struct("Sealer").field("layout", layout).finish_non_exhaustive()
    }
}
