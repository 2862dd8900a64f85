//! An export as a page, with the files of its messages beside it.

use wheesht_core::{
    api::{FileState, MessageState, Outgoing},
    client::archive::{Export, ExportFormat},
};

use super::{
    cast::{Cast, noise},
    pictures::{PLACE, holds, photograph},
};

#[tokio::test(flavor = "multi_thread")]
async fn exp_7_a_page_has_its_files_beside_it_and_says_which_are_missing() {
    let cast = Cast::new().await;
    let root = cast.directory.path();
    cast.bob.set_auto_download(4_000).await.unwrap();
    let note = cast.write("a note.txt", b"words of hers");
    let noted = cast.send(&note).await;
    // One after the other, since it is numbered as it came.
    cast.saved(noted).await;
    let page = cast.write("page.html", b"<script>alert(1)</script>");
    let caption = "look <here>".to_owned();
    let sent = cast.try_send(Outgoing { caption, ..Outgoing::new(page.to_str().unwrap()) }).await.unwrap();
    cast.saved(sent).await;
    let large = cast.send(&cast.write("large.bin", &noise(5_000))).await;
    cast.arrived(large).await;
    assert_eq!(cast.state(large).await, FileState::Remote);
    // A picture of which something was taken out when it was sent.
    let caption = "the two of us, at the sea".to_owned();
    let photo = cast.write("a photo.jpg", &photograph());
    let photo = Outgoing { caption, ..Outgoing::new(photo.to_str().unwrap()) };
    let photo = cast.try_send(photo).await.unwrap();
    cast.is(photo, MessageState::Delivered).await;
    cast.is(large, MessageState::Delivered).await;

    // Bob has fetched all but one.
    cast.saved(photo).await;
    let export = Export { format: ExportFormat::Html, conversation: Some(cast.with_alice) };
    let done = cast.bob.export(&root.join("bob chat.html"), &export).await.unwrap();
    assert_eq!((done.missing, done.files.len()), (1, 1));
    let folder = root.join("bob chat-files");
    assert_eq!(std::fs::read(folder.join("001-a_note.txt")).unwrap(), b"words of hers");
    assert_eq!(std::fs::read(folder.join("002-page.html")).unwrap(), b"<script>alert(1)</script>");
    let written = std::fs::read_to_string(root.join("bob chat.html")).unwrap();
    assert!(written.contains(r#"href="bob%20chat-files/001-a_note.txt""#), "{written}");
    // Nothing leads to what a browser would run.
    assert!(written.contains("at bob chat-files/002-page.html") && !written.contains("002-page.html\""));
    assert!(written.contains("look &lt;here&gt;") && !written.contains("<script"));
    assert!(written.contains("not on this device") && written.contains("1 file is not beside this page"));

    // Of what one has sent oneself, a copy is made while it still is what it was.
    std::fs::write(&note, "others").unwrap();
    let export = Export { conversation: Some(cast.with_bob), ..export };
    let done = cast.alice.export(&root.join("alice.html"), &export).await.unwrap();
    assert_eq!(done.missing, 1);
    assert_eq!(std::fs::read(root.join("alice-files/002-large.bin")).unwrap(), noise(5_000));
    // Nor is in it what was kept from Bob.
    let photo = std::fs::read(root.join("alice-files/003-a_photo.jpg")).unwrap();
    assert!(!holds(&photo, PLACE) && photo == std::fs::read(folder.join("003-a_photo.jpg")).unwrap());
    let written = std::fs::read_to_string(root.join("alice.html")).unwrap();
    assert!(
        written
            .contains(r#"href="alice-files/003-a_photo.jpg"><img alt="" src="data:image/jpeg;base64,/9j/"#)
    );

    // Nothing that is there is replaced, and what fails leaves nothing.
    std::fs::remove_file(root.join("bob chat.html")).unwrap();
    let export = Export { conversation: Some(cast.with_alice), ..export };
    assert!(cast.bob.export(&root.join("bob chat.html"), &export).await.is_err());
    assert!(!root.join("bob chat.html").exists() && !root.join("bob chat.html.part").exists());
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 3);
    cast.close().await;
}
