//! Files as people send them.

use wheesht_core::{
    api::{FileState, MessageState, Outgoing, Voice},
    client::{Client, Config},
};

use super::cast::{Cast, file, noise, soon};

#[tokio::test(flavor = "multi_thread")]
async fn files_of_any_size_arrive_as_they_were_sent() {
    let cast = Cast::new().await;
    for length in [0, 1, 65_535, 65_536, 1_500_000] {
        let bytes = noise(length);
        let message = cast.send(&cast.write("data.bin", &bytes)).await;
        assert!(cast.saved(message).await == bytes, "{length} bytes");
        cast.is(message, MessageState::Delivered).await;
    }
    // Nothing was overwritten.
    let mut names: Vec<_> = std::fs::read_dir(cast.directory.path().join("bob/files"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["data (1).bin", "data (2).bin", "data (3).bin", "data (4).bin", "data.bin"]);

    let (messages, next) = cast.bob.files(Some(cast.with_alice), None, 2).await.unwrap();
    assert_eq!(messages.iter().map(|message| file(message).size).collect::<Vec<_>>(), [1_500_000, 65_536]);
    let (rest, next) = cast.bob.files(None, next, 10).await.unwrap();
    assert_eq!((rest.len(), next), (3, None));
    cast.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fil_12_what_is_large_waits_until_a_person_asks() {
    let cast = Cast::new().await;
    cast.bob.set_auto_download(1_000).await.unwrap();
    let small = cast.send(&cast.write("small.txt", b"words")).await;
    assert_eq!(cast.saved(small).await, b"words");
    let large = cast.send(&cast.write("large.bin", &noise(2_000))).await;
    cast.arrived(large).await;
    assert_eq!(cast.state(large).await, FileState::Remote);
    let directory = cast.directory.path().join("elsewhere");
    cast.bob.save_file(cast.with_alice, large, Some(&directory)).await.unwrap();
    assert_eq!(cast.saved(large).await, noise(2_000));
    assert!(directory.join("large.bin").exists());
    cast.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_voice_note_has_a_length_and_a_caption_its_words() {
    let cast = Cast::new().await;
    let path = cast.write("note.ogg", b"OggS and so on");
    let sent = Outgoing {
        caption: "listen".to_owned(),
        voice: Some(Voice { duration_ms: 4_200 }),
        ..Outgoing::new(path.to_str().unwrap())
    };
    let message = cast.try_send(sent).await.unwrap();
    cast.saved(message).await;
    let message = cast.bob.message(cast.with_alice, message).await.unwrap();
    let note = file(&message);
    assert_eq!((note.voice, note.duration_ms), (true, Some(4_200)));
    assert!(matches!(message.body, wheesht_core::api::Body::File { caption, .. } if caption == "listen"));
    cast.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fil_16_deleting_for_everybody_deletes_the_blob() {
    let cast = Cast::new().await;
    let message = cast.send(&cast.write("secret.txt", b"not for long")).await;
    cast.saved(message).await;
    let path = cast.path(message).await.unwrap();
    assert!(!cast.blobs().is_empty());
    cast.alice.delete_message(cast.with_bob, message, true).await.unwrap();
    soon("the blob is deleted", async || cast.blobs().is_empty()).await;
    // Bob's client had fetched it by itself.
    soon("the copy that nobody asked for goes", async || !path.exists()).await;
    cast.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_passed_on_without_being_uploaded_again() {
    let cast = Cast::new().await;
    let message = cast.send(&cast.write("story.txt", b"once upon a time")).await;
    cast.saved(message).await;
    let blobs = cast.blobs().len();
    let request = wheesht_core::api::Request::Forward {
        conversation: cast.with_alice,
        message,
        to: cast.with_alice.into(),
    };
    let answer = cast.bob.call(request).await.unwrap();
    let wheesht_core::api::Response::Queued { message, .. } = answer else { panic!("{answer:?}") };
    soon("it comes back", async || {
        let back = cast.alice.message(cast.with_bob, message).await;
        back.is_ok_and(|back| matches!(file(&back).state, FileState::Saved { .. }) && back.forwarded)
    })
    .await;
    assert_eq!(cast.blobs().len(), blobs);
    cast.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fil_11_what_can_not_be_sent_is_told_in_words() {
    let cast = Cast::new().await;
    for (path, words) in [
        (cast.directory.path().join("nothing"), "There is no file"),
        (cast.directory.path().to_owned(), "is no file"),
    ] {
        let error = cast.try_send(Outgoing::new(path.to_str().unwrap())).await.unwrap_err();
        assert!(error.message.contains(words), "{error}");
    }
    // FIL-11: a stranger is sent no file.
    let path = cast.write("x.txt", b"x");
    let carol = Client::open(Config::new(cast.directory.path().join("carol"))).await.unwrap();
    let address = format!("carol@{}", cast.address).parse().unwrap();
    carol
        .register(address, wheesht_core::api::Password::new("orbit lava pencil dutch actor solve"), "c")
        .await
        .unwrap();
    let bob: wheesht_core::api::To = format!("bob@{}", cast.address).parse().unwrap();
    let file = || Outgoing::new(path.to_str().unwrap());
    assert!(carol.send_file(bob.clone(), file()).await.is_err());
    let (conversation, _) = carol.send(bob, "may I?").await.unwrap();
    assert!(carol.send_file(conversation, file()).await.unwrap_err().message.contains("has not accepted"));
    carol.close().await;
    cast.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fil_14_files_pass_over_connections_of_their_own() {
    let cast = Cast::new().await;
    cast.bob.set_auto_download(0).await.unwrap();
    let made = || cast.network.connections.load(std::sync::atomic::Ordering::SeqCst);
    let before = made();
    let message = cast.send(&cast.write("data.bin", b"words")).await;
    cast.arrived(message).await;
    let between = made();
    assert!(between > before, "the upload has its own connection");
    cast.bob.save_file(cast.with_alice, message, None).await.unwrap();
    cast.saved(message).await;
    assert!(made() > between, "and so has the download");
    cast.close().await;
}
