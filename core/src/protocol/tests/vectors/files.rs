//! `files.json`: blobs as relays keep them, and what is no file.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{array, bytes, hex, hold};
use crate::{
    crypto::secret::Secret as _,
    protocol::attachment::{Digest, FileKey, HEADER_LEN, Hasher, OpenError, Opening, Sealer},
};

/// Byte `n` is n mod 251.
fn pattern(size: u64) -> Vec<u8> {
    (0..size).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

fn digest(content: &[u8]) -> Digest {
    let mut hasher = Hasher::default();
    hasher.update(content);
    hasher.finish()
}

fn seal(key: &FileKey, content: &[u8]) -> Vec<u8> {
    let sealer = Sealer::new(key, &digest(content)).unwrap();
    let layout = sealer.layout();
    let mut blob = sealer.header().to_vec();
    for chunk in 0..layout.chunks() {
        let within = layout.in_content(chunk);
        let piece = &content[usize::try_from(within.start).unwrap()..usize::try_from(within.end).unwrap()];
        blob.extend_from_slice(&sealer.seal(chunk, piece).unwrap());
    }
    blob
}

fn open(key: &FileKey, digest: &Digest, blob: &[u8]) -> Result<Vec<u8>, OpenError> {
    let (header, _) = blob.split_first_chunk::<HEADER_LEN>().ok_or(OpenError::NotAuthentic)?;
    let mut opening = Opening::new(key, digest, header)?;
    let mut content = Vec::new();
    for chunk in 0..opening.layout().chunks() {
        let within = opening.layout().in_blob(chunk);
        let range = usize::try_from(within.start).unwrap()..usize::try_from(within.end).unwrap();
        content.extend_from_slice(&opening.open(blob.get(range).ok_or(OpenError::NotAuthentic)?)?);
    }
    opening.finish().map(|()| content)
}

#[test]
fn fil_1_fil_4_file_vectors() {
    let fill = [0x11; 32];
    let key = FileKey::restore(&fill);
    let mut cases: Vec<Value> = Vec::new();
    for (name, content) in [("empty", &b""[..]), ("short", b"hush"), ("ends in zeros", b"hush\0\0")] {
        let blob = seal(&key, content);
        cases.push(json!({ "name": name, "key": hex(fill), "size": content.len(), "sha256": hex(digest(content).sha256),
            "content": hex(content), "blob": hex(blob), "outcome": "ok" }));
    }
    for size in [65_535, 65_536, 65_537, 200_000] {
        let (name, content) = (format!("a pattern of {size} bytes"), pattern(size));
        let blob = seal(&key, &content);
        cases.push(
            json!({ "name": name, "key": hex(fill), "size": size, "sha256": hex(digest(&content).sha256),
            "blob_length": blob.len(), "blob_sha256": hex(Sha256::digest(&blob)), "outcome": "ok" }),
        );
    }
    let blob = seal(&key, b"hush");
    let mut refuse = |name, key: [u8; 32], size, sha256: [u8; 32], blob: &[u8], outcome| {
        cases.push(
            json!({ "name": name, "key": hex(key), "size": size, "sha256": hex(sha256), "blob": hex(blob),
            "outcome": outcome }),
        );
    };
    let sha256 = digest(b"hush").sha256;
    let changed = |place: usize| {
        let mut blob = blob.clone();
        blob[place] ^= 1;
        blob
    };
    refuse("another version", fill, 4, sha256, &changed(0), "unknown");
    refuse("another suite", fill, 4, sha256, &changed(1), "unknown");
    refuse("another commitment", fill, 4, sha256, &changed(2), "not_authentic");
    refuse("another ciphertext", fill, 4, sha256, &changed(HEADER_LEN), "not_authentic");
    refuse("another tag", fill, 4, sha256, &changed(blob.len() - 1), "not_authentic");
    refuse("another key", [0x12; 32], 4, sha256, &blob, "not_authentic");
    refuse("another size", fill, 5, sha256, &blob, "not_authentic");
    refuse("another hash", fill, 4, digest(b"hash").sha256, &blob, "not_authentic");
    refuse("cut", fill, 4, sha256, &blob[..blob.len() - 1], "not_authentic");
    refuse("too large", fill, 1_u64 << 31, sha256, &blob, "too_large");
    let about = "spec/files.md. Content and blob as bytes, or, where they are long, content whose byte n is n mod 251 and the \
                 blob's length and SHA-256.";
    hold("files.json", &json!({ "about": about, "cases": cases }), |case| {
        let key = FileKey::restore(&array(&case["key"]));
        let digest = Digest { size: case["size"].as_u64().unwrap(), sha256: array(&case["sha256"]) };
        if let Some(length) = case["blob_length"].as_u64() {
            let content = pattern(digest.size);
            let blob = seal(&key, &content);
            assert_eq!(blob.len() as u64, length);
            assert_eq!(hex(Sha256::digest(&blob)), case["blob_sha256"].as_str().unwrap());
            assert_eq!(open(&key, &digest, &blob), Ok(content));
            return;
        }
        let opened = open(&key, &digest, &bytes(&case["blob"]));
        match case["outcome"].as_str().unwrap() {
            "ok" => {
                let content = bytes(&case["content"]);
                assert_eq!(opened.as_ref(), Ok(&content), "{}", case["name"]);
                assert_eq!(seal(&key, &content), bytes(&case["blob"]));
            }
            "unknown" => assert!(matches!(opened, Err(OpenError::Unknown { .. })), "{}", case["name"]),
            "not_authentic" => assert_eq!(opened, Err(OpenError::NotAuthentic), "{}", case["name"]),
            "too_large" => assert_eq!(opened, Err(OpenError::TooLarge), "{}", case["name"]),
            other => panic!("{other}"),
        }
    });
}
