//! A relay that hands out a file's chunks as it likes.

use std::sync::LazyLock;

use wheesht_core::{
    crypto::secret::Secret as _,
    protocol::attachment::{Digest, FileKey, HEADER_LEN, Hasher, OpenError, Opening, Sealer},
};

use crate::chunks::{chunks, join};

/// A file as its sender has it, and as a relay does.
struct Sent {
    key: FileKey,
    digest: Digest,
    content: Vec<u8>,
    header: [u8; HEADER_LEN],
    chunks: Vec<Vec<u8>>,
}

/// One of a single chunk, one that fills two with nothing but its padding in the second, one of three.
static FILES: LazyLock<[Sent; 3]> =
    LazyLock::new(|| [(1, 100), (2, 65_536), (3, 140_000)].map(|(n, size)| sent(n, size)));

fn sent(number: u8, size: usize) -> Sent {
    let content: Vec<u8> = (0..size).map(|at| (at % 251) as u8 ^ number).collect();
    let mut hasher = Hasher::default();
    hasher.update(&content);
    let (key, digest) = (FileKey::restore(&[number; 32]), hasher.finish());
    let sealer = Sealer::new(&key, &digest).unwrap();
    let within = |chunk| {
        let range = sealer.layout().in_content(chunk);
        &content[range.start as usize..range.end as usize]
    };
    let chunks =
        (0..sealer.layout().chunks()).map(|chunk| sealer.seal(chunk, within(chunk)).unwrap()).collect();
    let header = *sealer.header();
    Sent { key, digest, content, header, chunks }
}

/// The first byte: which file is wanted. Then what comes: each time a chunk of one of the files, changed where the bytes say so
/// (two bytes of place, one that is put there). What is taken is the file's next chunk as it was; all else changes nothing.
pub fn attachment(data: &[u8]) {
    let Some((wanted, data)) = data.split_first() else { return };
    let files = &*FILES;
    let file = &files[usize::from(*wanted) % files.len()];
    let mut opening = Opening::new(&file.key, &file.digest, &file.header).unwrap();
    let mut got = Vec::new();
    for piece in chunks(data) {
        let from = &files[usize::from(piece.tag >> 4) % files.len()];
        let mut chunk = from.chunks[usize::from(piece.tag & 15) % from.chunks.len()].clone();
        match piece.bytes {
            [] => {}
            // Cut to the sum of the bytes.
            [0, rest @ ..] => chunk.truncate(rest.iter().map(|byte| usize::from(*byte)).sum()),
            bytes => {
                for change in bytes.chunks_exact(3) {
                    let place = usize::from(u16::from_be_bytes([change[0], change[1]])) % chunk.len();
                    chunk[place] = change[2];
                }
            }
        }
        let next = opening.next();
        let genuine = file.chunks.get(next as usize) == Some(&chunk);
        match opening.open(&chunk) {
            Ok(content) => {
                assert!(genuine, "chunk {next} was taken");
                got.extend_from_slice(&content);
            }
            Err(error) => {
                assert!(!genuine && error == OpenError::NotAuthentic, "{error:?}");
                assert_eq!(opening.next(), next);
            }
        }
    }
    let all = opening.next() as usize == file.chunks.len();
    assert!(file.content.starts_with(&got));
    assert!(!all || got == file.content);
    assert_eq!(opening.finish().is_ok(), all);
}

/// Where the corpus begins.
pub(crate) fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let say = |wanted: u8, pieces: &[(u8, &[u8])]| [&[wanted][..], &join(pieces.iter().copied())].concat();
    vec![
        ("single", say(0, &[(0x00, &[])])),
        ("two", say(1, &[(0x10, &[]), (0x11, &[])])),
        ("three", say(2, &[(0x20, &[]), (0x21, &[]), (0x22, &[])])),
        ("swapped", say(2, &[(0x21, &[]), (0x20, &[]), (0x22, &[]), (0x21, &[])])),
        ("without-the-last", say(2, &[(0x20, &[]), (0x21, &[])])),
        ("last-in-the-middle", say(2, &[(0x20, &[]), (0x22, &[])])),
        ("of-another", say(1, &[(0x20, &[]), (0x10, &[]), (0x21, &[])])),
        ("changed", say(0, &[(0x00, &[1, 2, 3]), (0x00, &[])])),
        ("cut", say(0, &[(0x00, &[0, 60]), (0x00, &[])])),
    ]
}
