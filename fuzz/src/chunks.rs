//! Several byte strings in one input: each a tag, a length in two bytes, and that many bytes or as many as are left.

/// One byte string.
pub(crate) struct Chunk<'a> {
    pub(crate) tag: u8,
    pub(crate) bytes: &'a [u8],
}

/// At most 16 of them.
pub(crate) fn chunks(mut input: &[u8]) -> Vec<Chunk<'_>> {
    let mut chunks = Vec::new();
    while let ([tag, high, low, rest @ ..], true) = (input, chunks.len() < 16) {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
        let (bytes, after) = rest.split_at(length);
        chunks.push(Chunk { tag: *tag, bytes });
        input = after;
    }
    chunks
}

/// The input that is read as these.
pub(crate) fn join<B: AsRef<[u8]>>(chunks: impl IntoIterator<Item = (u8, B)>) -> Vec<u8> {
    let mut input = Vec::new();
    for (tag, bytes) in chunks {
        let bytes = bytes.as_ref();
        let length = u16::try_from(bytes.len()).expect("seeds are short");
        input.push(tag);
        input.extend_from_slice(&length.to_be_bytes());
        input.extend_from_slice(bytes);
    }
    input
}
