//! Every rule of `proto/spec/files.md`, at the sizes where chunks and padding begin and end.

use chacha20::{ChaCha20Rng, rand_core::SeedableRng};
use proptest::prelude::*;

use super::*;

const SIZES: [usize; 10] =
    [0, 1, 159, 160, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK - 1, 2 * CHUNK, 5 * CHUNK + 77];

fn content(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at % 251) as u8).collect()
}

fn digest(content: &[u8]) -> Digest {
    let mut hasher = Hasher::default();
    content.chunks(1_000).for_each(|piece| hasher.update(piece));
    hasher.finish()
}

fn key(fill: u8) -> FileKey {
    FileKey::restore(&[fill; 32])
}

fn piece(content: &[u8], layout: Layout, chunk: u32) -> &[u8] {
    let within = layout.in_content(chunk);
    &content[within.start as usize..within.end as usize]
}

fn sealed(key: &FileKey, content: &[u8]) -> (Digest, [u8; HEADER_LEN], Vec<Vec<u8>>) {
    let digest = digest(content);
    let sealer = Sealer::new(key, &digest).unwrap();
    let layout = sealer.layout();
    let chunks = (0..layout.chunks()).map(|n| sealer.seal(n, piece(content, layout, n)).unwrap());
    (digest, *sealer.header(), chunks.collect())
}

fn opened(
    key: &FileKey,
    digest: &Digest,
    header: &[u8; HEADER_LEN],
    chunks: &[Vec<u8>],
) -> Result<Vec<u8>, OpenError> {
    let mut opening = Opening::new(key, digest, header)?;
    let mut content = Vec::new();
    for chunk in chunks {
        content.extend_from_slice(&opening.open(chunk)?);
    }
    opening.finish().map(|()| content)
}

#[test]
fn what_was_sealed_opens_and_lies_where_the_layout_says() {
    for size in SIZES {
        let content = content(size);
        let (digest, header, chunks) = sealed(&key(7), &content);
        assert_eq!(opened(&key(7), &digest, &header, &chunks).as_ref(), Ok(&content), "{size}");
        let layout = Layout::of(size as u64).unwrap();
        let mut at = HEADER_LEN as u64;
        for (n, chunk) in (0..).zip(&chunks) {
            assert_eq!(layout.in_blob(n), at..at + chunk.len() as u64);
            assert_eq!((layout.resume_at(at), layout.resume_at(at + 1)), (n, n));
            at += chunk.len() as u64;
        }
        assert_eq!(layout.blob_len(), at);
        assert_eq!(layout.resume_at(at), layout.chunks());
        assert_eq!(layout.resume_at(0), 0);
    }
}

#[test]
fn fil_1_other_versions_and_suites_are_refused() {
    let (digest, mut header, _) = sealed(&key(7), b"hush");
    for (version, suite) in [(2, 1), (1, 2), (0, 0)] {
        (header[0], header[1]) = (version, suite);
        let refused = Opening::new(&key(7), &digest, &header).err();
        assert_eq!(refused, Some(OpenError::Unknown { version, suite }));
    }
}

#[test]
fn fil_2_the_key_commits_to_the_file_and_the_reference_to_all_of_it() {
    let (digest, header, _) = sealed(&key(7), b"hush");
    let refused =
        |key: &FileKey, digest: &Digest, header: &[u8; HEADER_LEN]| Opening::new(key, digest, header).err();
    assert_eq!(refused(&key(7), &digest, &header), None);
    let not_authentic = Some(OpenError::NotAuthentic);
    assert_eq!(refused(&key(8), &digest, &header), not_authentic);
    assert_eq!(refused(&key(7), &Digest { size: 5, ..digest }, &header), not_authentic);
    assert_eq!(refused(&key(7), &Digest { sha256: [0; 32], ..digest }, &header), not_authentic);
    for bit in 16..HEADER_LEN * 8 {
        let mut changed = header;
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(refused(&key(7), &digest, &changed), not_authentic);
    }
}

#[test]
fn fil_3_chunks_that_were_changed_cut_moved_doubled_or_swapped_are_refused() {
    let all = content(5 * CHUNK + 77);
    let (digest, header, chunks) = sealed(&key(7), &all);
    let refused = |chunks: &[Vec<u8>]| opened(&key(7), &digest, &header, chunks).err();
    let not_authentic = Some(OpenError::NotAuthentic);
    for (one, other) in [(0, 1), (1, 4), (0, 5)] {
        let mut moved = chunks.clone();
        moved.swap(one, other);
        assert_eq!(refused(&moved), not_authentic);
        let mut doubled = chunks.clone();
        doubled[one] = chunks[other].clone();
        assert_eq!(refused(&doubled), not_authentic);
    }
    for length in 0..chunks.len() {
        assert_eq!(refused(&chunks[..length]), not_authentic, "cut after {length}");
    }
    assert_eq!(refused(&[&chunks[..], &chunks[5..]].concat()), not_authentic);
    // A shorter file's end in the place of this one's middle, and another file's chunk under the same random key.
    for other in [&all[..2 * CHUNK], &vec![1; all.len()]] {
        let (_, _, foreign) = sealed(&key(7), other);
        let mut swapped = chunks.clone();
        swapped[1] = foreign[1].clone();
        assert_eq!(refused(&swapped), not_authentic);
    }
    for place in [0, 1, CHUNK, CHUNK + TAG_LEN - 1] {
        let mut changed = chunks.clone();
        changed[2][place] ^= 1;
        assert_eq!(refused(&changed), not_authentic);
    }
}

#[test]
fn fil_3_a_refusal_changes_nothing() {
    let all = content(2 * CHUNK + 1);
    let (digest, header, chunks) = sealed(&key(7), &all);
    let mut opening = Opening::new(&key(7), &digest, &header).unwrap();
    let mut got = Vec::new();
    for chunk in &chunks {
        for wrong in [&chunk[1..], &[][..], &chunk[..TAG_LEN], &vec![0; chunk.len()]] {
            assert_eq!(opening.open(wrong).err(), Some(OpenError::NotAuthentic));
        }
        got.extend_from_slice(&opening.open(chunk).unwrap());
    }
    assert_eq!((got, opening.finish()), (all, Ok(())));
}

#[test]
fn fil_4_the_padding_is_checked_to_its_last_byte() {
    // A sender who pads otherwise: seals what a well-behaved one would refuse to.
    for size in [100, CHUNK - 1, CHUNK, 5 * CHUNK + 77] {
        let all = content(size);
        let (digest, header, chunks) = sealed(&key(7), &all);
        let (keys, layout) = (Keys::derive(&key(7), &digest), Layout::of(size as u64).unwrap());
        let marked = chunk_of(size as u64);
        for chunk in marked..layout.chunks() {
            let length = piece(&all, layout, chunk).len();
            for place in [length, length + 1, layout.padded_in(chunk) - 1] {
                let mut plain = piece(&all, layout, chunk).to_vec();
                plain.extend((chunk == marked).then_some(MARK));
                plain.resize(layout.padded_in(chunk), 0);
                let Some(byte) = plain.get_mut(place) else { continue };
                *byte ^= 1;
                aead_stream::StreamPrimitive::encrypt_in_place(
                    &keys.stream,
                    chunk,
                    layout.is_last(chunk),
                    AAD,
                    &mut plain,
                )
                .unwrap();
                let mut changed = chunks.clone();
                changed[chunk as usize] = plain;
                let refused = opened(&key(7), &digest, &header, &changed);
                assert_eq!(refused, Err(OpenError::NotAuthentic), "{size}: {place} of chunk {chunk}");
            }
        }
    }
}

#[test]
fn fil_4_a_blob_s_length_gives_away_little_of_the_size() {
    for size in [10_000_u64, 1_000_000, 1_000_000_000] {
        let lengths: std::collections::BTreeSet<_> =
            (0..100).map(|more| Layout::of(size + more).unwrap().blob_len()).collect();
        assert!(lengths.len() <= 2, "{size}: {lengths:?}");
        let length = Layout::of(size).unwrap().blob_len();
        assert!(length * 100 <= size * 113, "{size} became {length}");
    }
}

#[test]
fn fil_5_no_blob_is_larger_than_relays_take() {
    assert_eq!(Layout::of(MAX_BLOB), Err(TooLarge));
    assert_eq!(Layout::of(u64::MAX), Err(TooLarge));
    let largest = (0..).map(|step| MAX_BLOB - (step << 20)).find_map(|size| Layout::of(size).ok()).unwrap();
    assert!(largest.blob_len() <= MAX_BLOB && largest.blob_len() > MAX_BLOB * 9 / 10);
    let digest = Digest { size: u64::MAX, sha256: [0; 32] };
    assert_eq!(Sealer::new(&key(7), &digest).err(), Some(TooLarge));
    assert_eq!(Opening::new(&key(7), &digest, &[1; HEADER_LEN]).err(), Some(OpenError::TooLarge));
}

#[test]
fn fil_6_a_download_goes_on_and_only_all_of_the_file_is_the_file() {
    let all = content(3 * CHUNK);
    let (digest, header, chunks) = sealed(&key(7), &all);
    let begin = || Opening::new(&key(7), &digest, &header).unwrap();
    let mut opening = begin();
    opening.skip(&all[..CHUNK]).unwrap();
    assert_eq!(opening.skip(&all[..CHUNK - 1]).err(), Some(OpenError::NotAuthentic));
    assert_eq!(opening.next(), 1);
    chunks[1..].iter().for_each(|chunk| drop(opening.open(chunk).unwrap()));
    assert_eq!(opening.skip(&[]).err(), Some(OpenError::NotAuthentic));
    assert_eq!(opening.finish(), Ok(()));

    // What lies on the disk has been changed since.
    let mut opening = begin();
    opening.skip(&vec![0; CHUNK]).unwrap();
    chunks[1..].iter().for_each(|chunk| drop(opening.open(chunk).unwrap()));
    assert_eq!(opening.finish(), Err(OpenError::NotAuthentic));
    let mut opening = begin();
    opening.open(&chunks[0]).unwrap();
    assert_eq!(opening.finish(), Err(OpenError::NotAuthentic));
}

#[test]
fn fil_7_another_content_is_sealed_under_another_key_and_the_same_the_same() {
    let (_, header, chunks) = sealed(&key(7), &content(CHUNK + 1));
    assert_eq!(sealed(&key(7), &content(CHUNK + 1)), (digest(&content(CHUNK + 1)), header, chunks.clone()));
    let mut changed = content(CHUNK + 1);
    changed[CHUNK] ^= 1;
    let (_, other_header, other_chunks) = sealed(&key(7), &changed);
    assert_ne!(header, other_header);
    // The first chunk's content is the same; under the same key its ciphertext would be.
    assert_ne!(chunks[0], other_chunks[0]);

    let sealer = Sealer::new(&key(7), &digest(b"hush")).unwrap();
    for wrong in [&b"hus"[..], b"hush!", b""] {
        assert_eq!(sealer.seal(0, wrong), Err(NotThisChunk));
    }
    for chunk in [1, u32::MAX] {
        assert_eq!(sealer.seal(chunk, b""), Err(NotThisChunk));
    }
}

#[test]
fn debug_shows_no_key() {
    let (digest, header, _) = sealed(&key(0xa5), b"hush");
    let sealer = Sealer::new(&key(0xa5), &digest).unwrap();
    let opening = Opening::new(&key(0xa5), &digest, &header).unwrap();
    assert_eq!(format!("{sealer:?}"), "Sealer { layout: Layout { size: 4, padded: 160 }, .. }");
    assert_eq!(format!("{opening:?}"), "Opening { layout: Layout { size: 4, padded: 160 }, next: 0, .. }");
    assert_eq!(format!("{:?}", FileKey::generate(&mut ChaCha20Rng::seed_from_u64(1))), "FileKey { .. }");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..Default::default() })]
    #[test]
    fn any_content_comes_back_and_no_other_bytes_do(
        content in prop::collection::vec(any::<u8>(), 0..3 * CHUNK),
        fill in any::<u8>(),
        flip in any::<prop::sample::Index>(),
    ) {
        let (digest, header, mut chunks) = sealed(&key(fill), &content);
        prop_assert_eq!(opened(&key(fill), &digest, &header, &chunks), Ok(content));
        let total: usize = chunks.iter().map(Vec::len).sum();
        let mut place = flip.index(total);
        for chunk in &mut chunks {
            if place < chunk.len() {
                chunk[place] ^= 0x10;
                break;
            }
            place -= chunk.len();
        }
        prop_assert_eq!(opened(&key(fill), &digest, &header, &chunks), Err(OpenError::NotAuthentic));
    }
}
