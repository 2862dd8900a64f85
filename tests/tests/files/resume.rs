//! Breaks: of the client, of the relay, of the connection. What has passed once does not pass again.

use std::sync::atomic::Ordering;

use wheesht_core::api::{FileState, MessageState};

use super::cast::{Cast, noise, open, soon, until_moved};

const SIZE: usize = 12_000_000;
/// Part of it that has passed when something breaks.
const SOME: u64 = 3_000_000;
/// What may pass twice at a break: what was under way, sealed and unwritten.
const AGAIN: u64 = 4_000_000;

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_goes_on_after_its_client_was_killed() {
    let mut cast = Cast::new().await;
    cast.network.slow_down(true);
    let bytes = noise(SIZE);
    let path = cast.write("film.bin", &bytes);
    cast.bob.set_auto_download(0).await.unwrap();
    cast.network.count_anew();
    let message = cast.send(&path).await;
    until_moved(&cast.alice, SOME).await;
    cast.alice.close().await;
    cast.alice = open(cast.directory.path(), "alice").await;
    cast.is(message, MessageState::Delivered).await;
    let up = cast.network.up.load(Ordering::SeqCst);
    assert!(up < SIZE as u64 + AGAIN, "{up} bytes passed for {SIZE}");
    cast.bob.save_file(cast.with_alice, message, None).await.unwrap();
    assert!(cast.saved(message).await == bytes);
    cast.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_goes_on_after_its_client_was_killed() {
    let mut cast = Cast::new().await;
    cast.network.slow_down(true);
    let bytes = noise(SIZE);
    let message = cast.send(&cast.write("film.bin", &bytes)).await;
    cast.arrived(message).await;
    cast.network.count_anew();
    cast.bob.save_file(cast.with_alice, message, None).await.unwrap();
    until_moved(&cast.bob, SOME).await;
    cast.bob.close().await;
    cast.bob = open(cast.directory.path(), "bob").await;
    assert!(cast.saved(message).await == bytes);
    let down = cast.network.down.load(Ordering::SeqCst);
    assert!(down < SIZE as u64 + AGAIN, "{down} bytes passed for {SIZE}");
    cast.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_ways_go_on_after_the_relay_was_killed() {
    let mut cast = Cast::new().await;
    cast.network.slow_down(true);
    let bytes = noise(SIZE);
    let path = cast.write("film.bin", &bytes);
    let message = cast.send(&path).await;
    until_moved(&cast.alice, SOME).await;
    cast.restart_relay().await;
    cast.arrived(message).await;
    cast.bob.save_file(cast.with_alice, message, None).await.unwrap();
    until_moved(&cast.bob, SOME).await;
    cast.restart_relay().await;
    assert!(cast.saved(message).await == bytes);
    cast.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_ways_go_on_over_a_network_that_breaks_all_the_time() {
    let cast = Cast::new().await;
    cast.network.slow_down(true);
    let bytes = noise(SIZE);
    let path = cast.write("film.bin", &bytes);
    cast.network.count_anew();
    let message = cast.send(&path).await;
    cast.network.cut_after.store(SOME, Ordering::SeqCst);
    soon("the connection is cut", async || cast.network.cut_after.load(Ordering::SeqCst) == 1).await;
    cast.network.cut_after.store(0, Ordering::SeqCst);
    cast.arrived(message).await;
    cast.bob.save_file(cast.with_alice, message, None).await.unwrap();
    cast.network.cut_after.store(SOME, Ordering::SeqCst);
    soon("the connection is cut", async || cast.network.cut_after.load(Ordering::SeqCst) == 1).await;
    cast.network.cut_after.store(0, Ordering::SeqCst);
    assert!(cast.saved(message).await == bytes);
    cast.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_paused_waits_and_one_called_back_never_comes() {
    let cast = Cast::new().await;
    cast.network.slow_down(true);
    let bytes = noise(SIZE);
    let message = cast.send(&cast.write("film.bin", &bytes)).await;
    until_moved(&cast.alice, 1).await;
    cast.alice.pause_transfer(cast.with_bob, message).await.unwrap();
    let paused = cast.alice.message(cast.with_bob, message).await.unwrap();
    assert_eq!(super::cast::file(&paused).state, FileState::Paused);
    cast.alice.resume_transfer(cast.with_bob, message).await.unwrap();
    cast.arrived(message).await;

    let other = cast.send(&cast.write("other.bin", &noise(SIZE + 1))).await;
    until_moved(&cast.alice, 1).await;
    cast.alice.cancel_transfer(cast.with_bob, other).await.unwrap();
    let state = cast.alice.message(cast.with_bob, other).await.unwrap().state;
    assert!(matches!(state, Some(MessageState::Failed { .. })), "{state:?}");
    soon("what had come of it is deleted", async || cast.blobs().len() == 1).await;

    cast.bob.save_file(cast.with_alice, message, None).await.unwrap();
    until_moved(&cast.bob, 1).await;
    cast.bob.cancel_transfer(cast.with_alice, message).await.unwrap();
    assert_eq!(cast.state(message).await, FileState::Remote);
    let files = cast.directory.path().join("bob/files");
    soon("the part is removed", async || std::fs::read_dir(&files).unwrap().count() == 0).await;
    cast.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fil_7_a_file_that_changes_meanwhile_is_sent_as_it_is_then() {
    let mut cast = Cast::new().await;
    cast.network.slow_down(true);
    let path = cast.write("draft.bin", &noise(SIZE));
    let message = cast.send(&path).await;
    until_moved(&cast.alice, SOME).await;
    cast.alice.close().await;
    let later = noise(SIZE - 1_000);
    std::fs::write(&path, &later).unwrap();
    cast.alice = open(cast.directory.path(), "alice").await;
    let arrived = cast.arrived(message).await;
    assert_eq!(super::cast::file(&arrived).size, later.len() as u64);
    cast.bob.save_file(cast.with_alice, message, None).await.unwrap();
    assert!(cast.saved(message).await == later);
    cast.close().await;
}
