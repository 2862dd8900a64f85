//! The contract of [`BlobStore`] as tests.

use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::{directory::BlobDirectory, *};

const AT: Timestamp = Timestamp::from_millis(1_000_000);
const CAPACITY: u64 = 10_000;

fn id(number: u8) -> BlobId {
    BlobId::new([number; 32])
}

fn upload(length: u64) -> Upload {
    Upload { length, begun: AT, delete_hash: [1; 32], ticket_hash: [2; 32] }
}

fn hash(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn on_directory(test: fn(&mut dyn FnMut() -> Box<dyn BlobStore>)) {
    let directory = TempDir::new().unwrap();
    test(&mut || Box::new(BlobDirectory::open(&directory.path().join("blobs"), CAPACITY).unwrap()));
}

#[test]
fn an_upload_goes_on_after_a_restart_and_becomes_a_blob_rel_71() {
    on_directory(|open| {
        let store = open();
        assert_eq!(store.find(&id(1)).unwrap(), None);
        store.begin(&id(1), &upload(10)).unwrap();
        assert!(matches!(store.begin(&id(1), &upload(10)), Err(BlobError::Conflict)));
        store.append(&id(1), 0, b"0123").unwrap();
        assert!(matches!(store.append(&id(1), 3, b"x"), Err(BlobError::Conflict)));
        assert!(matches!(store.append(&id(1), 4, b"4567890"), Err(BlobError::Conflict)), "too long");
        assert!(matches!(store.finish(&id(1), &hash(b"0123")), Err(BlobError::Conflict)), "too short");
        assert!(matches!(store.read(&id(1), 0, 4), Err(BlobError::Missing)), "not finished");
        let store = open();
        let stored = Stored { upload: upload(10), have: 4, finished: false };
        assert_eq!(store.find(&id(1)).unwrap(), Some(stored.clone()));
        store.append(&id(1), 4, b"456789").unwrap();
        store.finish(&id(1), &hash(b"0123456789")).unwrap();
        let store = open();
        assert_eq!(store.find(&id(1)).unwrap(), Some(Stored { have: 10, finished: true, ..stored }));
        assert_eq!(store.read(&id(1), 3, 4).unwrap(), b"3456");
        assert_eq!(store.read(&id(1), 8, 100).unwrap(), b"89");
        assert!(matches!(store.append(&id(1), 10, b"x"), Err(BlobError::Missing)), "never changes");
        assert!(matches!(store.begin(&id(1), &upload(1)), Err(BlobError::Conflict)));
    });
}

#[test]
fn what_is_not_what_was_promised_is_deleted_rel_72() {
    on_directory(|open| {
        let store = open();
        store.begin(&id(1), &upload(3)).unwrap();
        store.append(&id(1), 0, b"abc").unwrap();
        assert!(matches!(store.finish(&id(1), &hash(b"abd")), Err(BlobError::WrongHash)));
        assert_eq!((store.find(&id(1)).unwrap(), store.used()), (None, 0));
    });
}

#[test]
fn room_is_set_aside_and_given_back_rel_75() {
    on_directory(|open| {
        let store = open();
        store.begin(&id(1), &upload(6_000)).unwrap();
        assert!(store.has_room(4_000) && !store.has_room(4_001));
        assert!(matches!(store.begin(&id(2), &upload(4_001)), Err(BlobError::NoRoom)));
        store.begin(&id(2), &upload(4_000)).unwrap();
        assert_eq!(open().used(), CAPACITY);
        store.delete(&id(1)).unwrap();
        store.delete(&id(1)).unwrap();
        assert_eq!((store.used(), open().used()), (4_000, 4_000));
    });
}

#[test]
fn blobs_and_uploads_expire_rel_74() {
    on_directory(|open| {
        let store = open();
        for number in 1..=2 {
            store.begin(&id(number), &upload(1)).unwrap();
            store.append(&id(number), 0, b"a").unwrap();
        }
        store.finish(&id(2), &hash(b"a")).unwrap();
        store.expire(AT, AT).unwrap();
        assert_eq!(store.used(), 2);
        store.expire(AT, AT.plus_millis(1)).unwrap();
        assert!(store.find(&id(1)).unwrap().is_none() && store.find(&id(2)).unwrap().is_some());
        store.expire(AT.plus_millis(1), AT).unwrap();
        assert_eq!((store.find(&id(2)).unwrap(), store.used()), (None, 0));
    });
}

#[test]
fn a_torn_beginning_is_as_none_rel_71() {
    let directory = TempDir::new().unwrap();
    let store = BlobDirectory::open(directory.path(), CAPACITY).unwrap();
    store.begin(&id(1), &upload(1)).unwrap();
    let part = directory.path().join("01").join(format!("{}.part", id(1)));
    std::fs::write(&part, b"wheesht").unwrap();
    std::fs::write(directory.path().join("01/notes.txt"), b"somebody's").unwrap();
    let store = BlobDirectory::open(directory.path(), CAPACITY).unwrap();
    assert_eq!((store.find(&id(1)).unwrap(), store.used()), (None, 0));
    store.begin(&id(1), &upload(1)).unwrap();
    store.append(&id(1), 0, b"a").unwrap();
    store.finish(&id(1), &hash(b"a")).unwrap();
}

/// An upload is begun without a sync: a power cut may leave a file of zeros, or of half a header.
#[test]
fn a_torn_file_keeps_nothing_else_from_being_kept_rel_71() {
    let directory = TempDir::new().unwrap();
    let open = || BlobDirectory::open(&directory.path().join("blobs"), CAPACITY).unwrap();
    let store = open();
    store.begin(&id(1), &upload(3)).unwrap();
    store.append(&id(1), 0, b"abc").unwrap();
    store.finish(&id(1), &hash(b"abc")).unwrap();
    for (number, torn) in [(2, &[0; 200][..]), (3, b"half")] {
        let shelf = directory.path().join("blobs").join(format!("{number:02x}"));
        std::fs::create_dir(&shelf).unwrap();
        std::fs::write(shelf.join(format!("{}.part", id(number))), torn).unwrap();
    }
    let shelf = directory.path().join("blobs").join("04");
    std::fs::create_dir(&shelf).unwrap();
    std::fs::write(shelf.join(id(4).to_string()), [7; 500]).unwrap();
    let store = open();
    assert_eq!((store.used(), store.read(&id(1), 0, 3).unwrap()), (3, b"abc".to_vec()));
    for number in [2, 3] {
        store.begin(&id(number), &upload(1)).unwrap();
    }
    assert!(matches!(store.find(&id(4)), Err(BlobError::Io(_))));
}
