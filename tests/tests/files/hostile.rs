//! A relay that gives out something else than what was sent, and a sender who calls it what it is not.

use std::fs;

use wheesht_core::api::{ErrorCode, FileState};

use super::cast::{Cast, noise, soon};

/// What a relay does to a blob.
type Wrong = fn(&mut Vec<u8>);

const SEALED: usize = 65_536 + 16;

/// What the relay writes before a blob.
const BEFORE: usize = 128;

#[tokio::test(flavor = "multi_thread")]
async fn fil_3_a_blob_that_is_cut_swapped_or_changed_is_refused_and_told() {
    let cast = Cast::new().await;
    cast.bob.set_auto_download(0).await.unwrap();
    let wrongs: [Wrong; 6] = [
        |blob| blob.truncate(34 + SEALED),
        |blob| blob.truncate(20),
        |blob| {
            // Two chunks change places.
            let (first, second) = blob[34..].split_at_mut(SEALED);
            first.swap_with_slice(&mut second[..SEALED]);
        },
        |blob| blob[34 + 2 * SEALED + 5] ^= 1,
        |blob| blob[10] ^= 1,
        |blob| blob[0] = 9,
    ];
    for wrong in wrongs {
        let bytes = noise(200_000);
        let message = cast.send(&cast.write("data.bin", &bytes)).await;
        cast.arrived(message).await;
        let [path] = &cast.blobs()[..] else { panic!("one blob") };
        let whole = fs::read(path).unwrap();
        let mut changed = whole[BEFORE..].to_vec();
        wrong(&mut changed);
        fs::write(path, [&whole[..BEFORE], &changed[..]].concat()).unwrap();
        cast.bob.save_file(cast.with_alice, message, None).await.unwrap();
        soon("it is refused", async || matches!(cast.state(message).await, FileState::Stopped { .. })).await;
        let FileState::Stopped { error } = cast.state(message).await else { panic!("it was refused") };
        assert!(matches!(error.code, ErrorCode::Relay | ErrorCode::Invalid), "{error}");
        let files = cast.directory.path().join("bob/files");
        assert!(fs::read_dir(files).map_or(0, Iterator::count) == 0, "nothing of it is kept");

        // The relay comes to its senses.
        fs::write(path, whole).unwrap();
        cast.bob.resume_transfer(cast.with_alice, message).await.unwrap();
        assert!(cast.saved(message).await == bytes);
        fs::remove_file(cast.path(message).await.unwrap()).unwrap();
        cast.alice.delete_message(cast.with_bob, message, true).await.unwrap();
        soon("the blob is deleted", async || cast.blobs().is_empty()).await;
    }
    cast.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fil_3_the_blob_of_another_message_is_not_taken_for_this_one() {
    let cast = Cast::new().await;
    cast.bob.set_auto_download(0).await.unwrap();
    // As large as each other, and the same but for a byte: nothing but the keys tells them apart.
    let one = noise(150_000);
    let mut other = one.clone();
    other[70_000] ^= 1;
    let first = cast.send(&cast.write("one.bin", &one)).await;
    cast.arrived(first).await;
    let [first_blob] = &cast.blobs()[..] else { panic!("one blob") };
    let second = cast.send(&cast.write("other.bin", &other)).await;
    cast.arrived(second).await;
    let blobs = cast.blobs();
    let second_blob = blobs.iter().find(|blob| *blob != first_blob).unwrap();
    let before = (fs::read(first_blob).unwrap(), fs::read(second_blob).unwrap());
    // What the relay writes before a blob stays; what it was given changes places.
    for (path, head, body) in [(first_blob, &before.0, &before.1), (second_blob, &before.1, &before.0)] {
        fs::write(path, [&head[..BEFORE], &body[BEFORE..]].concat()).unwrap();
    }
    for message in [first, second] {
        cast.bob.save_file(cast.with_alice, message, None).await.unwrap();
        soon("it is refused", async || matches!(cast.state(message).await, FileState::Stopped { .. })).await;
    }
    let files = cast.directory.path().join("bob/files");
    assert!(fs::read_dir(files).map_or(0, Iterator::count) == 0, "nothing of it is kept");
    fs::write(first_blob, before.0).unwrap();
    fs::write(second_blob, before.1).unwrap();
    for (message, bytes) in [(first, one), (second, other)] {
        cast.bob.resume_transfer(cast.with_alice, message).await.unwrap();
        assert!(cast.saved(message).await == bytes);
    }
    cast.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fil_6_a_part_that_was_changed_on_the_disk_is_fetched_again() {
    let mut cast = Cast::new().await;
    cast.network.slow_down(true);
    let bytes = noise(12_000_000);
    let message = cast.send(&cast.write("film.bin", &bytes)).await;
    cast.arrived(message).await;
    cast.bob.save_file(cast.with_alice, message, None).await.unwrap();
    super::cast::until_moved(&cast.bob, 3_000_000).await;
    cast.bob.close().await;
    let files = cast.directory.path().join("bob/files");
    let part = fs::read_dir(&files).unwrap().next().unwrap().unwrap().path();
    assert_eq!(part.extension().unwrap(), "part", "it doesn't stand under its name yet");
    let mut half = fs::read(&part).unwrap();
    half[100] ^= 1;
    fs::write(&part, half).unwrap();
    cast.bob = super::cast::open(cast.directory.path(), "bob").await;
    assert!(cast.saved(message).await == bytes);
    cast.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_that_is_gone_is_told_in_words() {
    let cast = Cast::new().await;
    cast.bob.set_auto_download(0).await.unwrap();
    let message = cast.send(&cast.write("data.bin", b"gone soon")).await;
    cast.arrived(message).await;
    cast.blobs().into_iter().for_each(|path| fs::remove_file(path).unwrap());
    cast.bob.save_file(cast.with_alice, message, None).await.unwrap();
    soon("it is told", async || matches!(cast.state(message).await, FileState::Stopped { .. })).await;
    let FileState::Stopped { error } = cast.state(message).await else { panic!("it has stopped") };
    assert!(error.message.contains("no longer on its relay"), "{error}");
    cast.close().await;
}
