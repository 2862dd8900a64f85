//! A picture with the place where it was taken, through the whole stack.

use wheesht_core::api::Outgoing;

use super::cast::{Cast, file};

/// Words that a camera might write into a picture.
pub(crate) const PLACE: &[u8] = b"GPS 55.9533N 3.1883W";

/// A picture of one colour, 64 by 32, lying on its side, with a place in its EXIF block, a comment, and another picture behind its end.
pub(crate) fn photograph() -> Vec<u8> {
    let mut plain = std::io::Cursor::new(Vec::new());
    let red = image::RgbImage::from_pixel(64, 32, image::Rgb([200, 30, 30]));
    red.write_to(&mut plain, image::ImageFormat::Jpeg).unwrap();
    let plain = plain.into_inner();
    let mut exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0".to_vec();
    exif.extend_from_slice(PLACE);
    let segment = |marker: u8, contents: &[u8]| {
        let length = u16::try_from(contents.len() + 2).unwrap().to_be_bytes();
        [&[0xff, marker], &length[..], contents].concat()
    };
    let comment = segment(0xfe, PLACE);
    let xmp = segment(0xe1, &[b"http://ns.adobe.com/xap/1.0/\0", PLACE].concat());
    let (start, rest) = plain.split_at(2);
    [start, &segment(0xe1, &exif), &comment, &xmp, rest, PLACE].concat()
}

pub(crate) fn holds(bytes: &[u8], words: &[u8]) -> bool {
    bytes.windows(words.len()).any(|some| some == words)
}

#[tokio::test(flavor = "multi_thread")]
async fn fil_17_a_picture_does_not_tell_where_it_was_taken() {
    let cast = Cast::new().await;
    let original = photograph();
    assert!(holds(&original, PLACE));
    let path = cast.write("photo.jpg", &original);
    let message = cast.send(&path).await;
    let received = cast.saved(message).await;
    assert!(!holds(&received, PLACE) && !holds(&received, b"xap"));
    assert_eq!(received[..2], original[..2]);
    // How it was held is kept: a quarter turn.
    assert!(holds(&received, b"\x12\x01\x03\0\x01\0\0\0\x06\0"));
    let picture = file(&cast.bob.message(cast.with_alice, message).await.unwrap());
    assert_eq!((picture.media_type.as_str(), picture.dimensions), ("image/jpeg", Some((32, 64))));
    let preview = picture.preview.unwrap();
    assert!(preview.bytes().len() <= 12 * 1024 && !holds(preview.bytes(), PLACE));

    // As it is, if that is what is wanted.
    let kept = Outgoing { keep_metadata: true, ..Outgoing::new(path.to_str().unwrap()) };
    let message = cast.try_send(kept).await.unwrap();
    assert!(cast.saved(message).await == original);

    // What can't be rewritten is not sent in silence.
    let heic = cast.write("photo.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic\0\0\0\0");
    let error = cast.try_send(Outgoing::new(heic.to_str().unwrap())).await.unwrap_err();
    assert!(error.message.contains("can't be taken out"), "{error}");
    cast.close().await;
}
