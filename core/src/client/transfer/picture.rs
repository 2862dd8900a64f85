//! Pictures: taken from what they say about their making, and made small.
//!
//! Nothing is encoded again: the parts of the file that make up the picture are kept, and all others dropped, also those that nobody
//! knows today. How the camera was held is the one thing that is said again, since the picture would lie on its side without it.

use std::io::{BufRead, Seek};

use hyper::body::Bytes;
use image::{
    DynamicImage, ImageDecoder as _, ImageReader, Limits, RgbImage, codecs::jpeg::JpegEncoder,
    metadata::Orientation,
};
use img_parts::{ImageEXIF as _, jpeg::Jpeg, png::Png, webp::WebP};
use wheesht_proto::limits::MAX_PREVIEW;

/// Width and height of a picture of which a preview is made, and the memory for decoding it: enough for forty million points.
const MAX_SIDE: u32 = 30_000;
const MAX_ALLOC: u64 = 192 << 20;

/// Width and height of previews, and how well they are encoded: the first that fits is taken.
const PREVIEWS: [(u32, u8); 6] = [(320, 70), (320, 50), (240, 50), (160, 50), (96, 40), (48, 30)];

/// Pictures that can be rewritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Jpeg,
    Png,
    WebP,
    Gif,
}

/// What kind of picture begins like this; nothing if it is none, or can't say anything about its making. An error is why it can't be
/// rewritten.
pub(super) fn kind(beginning: &[u8]) -> Option<Result<Kind, String>> {
    let found = infer::get(beginning)?.mime_type();
    match found {
        "image/jpeg" => Some(Ok(Kind::Jpeg)),
        "image/png" => Some(Ok(Kind::Png)),
        "image/webp" => Some(Ok(Kind::WebP)),
        "image/gif" => Some(Ok(Kind::Gif)),
        "image/bmp" | "image/vnd.microsoft.icon" => None,
        other => other.strip_prefix("image/").map(|kind| Err(format!("it is of the kind {kind}"))),
    }
}

/// The picture, and nothing but the picture.
// FIL-17
pub(super) fn strip(kind: Kind, bytes: Bytes) -> Result<Bytes, String> {
    let broken = |_| "it is damaged".to_owned();
    match kind {
        Kind::Jpeg => {
            let mut jpeg = Jpeg::from_bytes(bytes).map_err(broken)?;
            let turned = turned(jpeg.exif());
            jpeg.segments_mut().retain(|segment| belongs(segment.marker(), segment.contents()));
            jpeg.set_exif(turned);
            trim_jpeg(&jpeg.encoder().bytes()).map(Bytes::from).ok_or_else(|| "it is damaged".to_owned())
        }
        Kind::Png => {
            let mut png = Png::from_bytes(bytes).map_err(broken)?;
            let turned = turned(png.exif());
            png.chunks_mut().retain(|chunk| PNG_CHUNKS.contains(&&chunk.kind()));
            png.set_exif(turned);
            Ok(png.encoder().bytes())
        }
        Kind::WebP => {
            let mut webp = WebP::from_bytes(bytes).map_err(broken)?;
            let turned = turned(webp.exif());
            webp.chunks_mut().retain(|chunk| WEBP_CHUNKS.contains(&&chunk.id()));
            webp.set_exif(turned);
            Ok(webp.encoder().bytes())
        }
        Kind::Gif => trim_gif(&bytes).map(Bytes::from).ok_or_else(|| "it is damaged".to_owned()),
    }
}

/// What a PNG consists of, its colours and movements included.
const PNG_CHUNKS: [&[u8; 4]; 16] = [
    b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP", b"sBIT",
    b"bKGD", b"pHYs", b"acTL", b"fcTL", b"fdAT",
];

/// What a WebP consists of.
const WEBP_CHUNKS: [&[u8; 4]; 7] = [b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF", b"ICCP"];

/// Whether a segment of a JPEG belongs to the picture: everything but what applications and people have written into it, of which the
/// resolution, the colours and how they are coded stay.
fn belongs(marker: u8, contents: &[u8]) -> bool {
    match marker {
        0xe0 => contents.starts_with(b"JFIF\0"),
        0xe2 => contents.starts_with(b"ICC_PROFILE\0"),
        0xee => contents.starts_with(b"Adobe"),
        0xe1..=0xef | 0xfe => false,
        _ => true,
    }
}

/// A JPEG to its end and not beyond, and nothing written between its scans: behind the picture there may be another one, or a film,
/// with everything about its making.
fn trim_jpeg(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut kept = Vec::with_capacity(bytes.len());
    kept.extend_from_slice(bytes.get(..2)?);
    let (mut at, mut in_scan) = (2, false);
    loop {
        let rest = bytes.get(at..)?;
        if in_scan {
            // Until something that is neither data nor a restart.
            let marker =
                |pair: &[u8]| pair.first() == Some(&0xff) && !matches!(pair.get(1), Some(0 | 0xd0..=0xd7));
            let end = rest.windows(2).position(marker)?;
            kept.extend_from_slice(rest.get(..end)?);
            at += end;
            in_scan = false;
            continue;
        }
        match (*rest.first()?, *rest.get(1)?) {
            (0xff, 0xff) => at += 1,
            (0xff, 0xd9) => {
                kept.extend_from_slice(&[0xff, 0xd9]);
                return Some(kept);
            }
            (0xff, 0x01 | 0xd0..=0xd8) => at += 2,
            (0xff, marker) => {
                let length = usize::from(u16::from_be_bytes([*rest.get(2)?, *rest.get(3)?]));
                let segment = rest.get(..2 + length)?;
                let contents = segment.get(4..)?;
                if belongs(marker, contents) || is_orientation(marker, contents) {
                    kept.extend_from_slice(segment);
                }
                at += 2 + length;
                in_scan = marker == 0xda;
            }
            // Some cameras leave zeros between segments.
            _ => at += 1,
        }
    }
}

/// The one segment that [`strip`] has put there itself.
fn is_orientation(marker: u8, contents: &[u8]) -> bool {
    let said = contents.strip_prefix(b"Exif\0\0");
    marker == 0xe1 && said.is_some_and(|exif| (1..=8).any(|value| exif == orientation(value)))
}

/// A GIF without comments and what applications have written into it, but for how often it is repeated.
fn trim_gif(bytes: &[u8]) -> Option<Vec<u8>> {
    let table = |flags: u8| if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) };
    let blocks = |mut at: usize| {
        loop {
            match usize::from(*bytes.get(at)?) {
                0 => return Some(at + 1),
                length => at += 1 + length,
            }
        }
    };
    let mut at = 13 + table(*bytes.get(10)?);
    let mut kept = bytes.get(..at)?.to_vec();
    loop {
        let end = match *bytes.get(at)? {
            0x2c => blocks(at + 10 + table(*bytes.get(at + 9)?) + 1)?,
            0x21 => blocks(at + 2)?,
            0x3b => {
                kept.push(0x3b);
                return Some(kept);
            }
            _ => return None,
        };
        let block = bytes.get(at..end)?;
        let loops = block.get(3..14).is_some_and(|name| name == b"NETSCAPE2.0" || name == b"ANIMEXTS1.0");
        let dropped = block.first() == Some(&0x21) && matches!(block.get(1), Some(0xfe))
            || (block.first() == Some(&0x21) && block.get(1) == Some(&0xff) && !loops);
        if !dropped {
            kept.extend_from_slice(block);
        }
        at = end;
    }
}

/// How the camera was held, said anew and with nothing else; nothing if it was held straight.
fn turned(exif: Option<Bytes>) -> Option<Bytes> {
    let found = Orientation::from_exif_chunk(&exif?)?;
    (found != Orientation::NoTransforms).then(|| Bytes::copy_from_slice(&orientation(found.to_exif())))
}

/// An EXIF block of one entry: the orientation.
const fn orientation(value: u8) -> [u8; 26] {
    [b'I', b'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 0x01, 3, 0, 1, 0, 0, 0, value, 0, 0, 0, 0, 0, 0, 0]
}

/// Width and height as it is shown, and a small JPEG; that is empty if it can't be made.
// FIL-18
pub(super) fn look(reader: impl BufRead + Seek) -> Option<(u32, u32, Vec<u8>)> {
    let mut reader = ImageReader::new(reader).with_guessed_format().ok()?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_ALLOC);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().ok()?;
    let turned = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let (width, height) = decoder.dimensions();
    let aside = matches!(
        turned,
        Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH
    );
    let (width, height) = if aside { (height, width) } else { (width, height) };
    let preview = DynamicImage::from_decoder(decoder).ok().and_then(|picture| preview(picture, turned));
    Some((width, height, preview.unwrap_or_default()))
}

fn preview(picture: DynamicImage, turned: Orientation) -> Option<Vec<u8>> {
    let largest = PREVIEWS.first()?.0;
    let mut small = if picture.width().max(picture.height()) > largest {
        picture.thumbnail(largest, largest)
    } else {
        picture
    };
    small.apply_orientation(turned);
    for (side, quality) in PREVIEWS {
        let sized = if small.width().max(small.height()) > side {
            small.thumbnail(side, side)
        } else {
            small.clone()
        };
        let mut jpeg = Vec::new();
        let encoder = JpegEncoder::new_with_quality(&mut jpeg, quality);
        on_white(&sized).write_with_encoder(encoder).ok()?;
        if jpeg.len() <= MAX_PREVIEW {
            return Some(jpeg);
        }
    }
    None
}

/// A JPEG can't be seen through.
fn on_white(picture: &DynamicImage) -> RgbImage {
    let seen = picture.to_rgba8();
    RgbImage::from_fn(seen.width(), seen.height(), |x, y| {
        let [red, green, blue, opacity] = seen.get_pixel(x, y).0;
        let over = |part: u8| {
            let (part, opacity) = (u16::from(part), u16::from(opacity));
            u8::try_from((part * opacity + 255 * (255 - opacity)) / 255).unwrap_or(255)
        };
        image::Rgb([over(red), over(green), over(blue)])
    })
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::{ImageFormat, Rgba, RgbaImage};

    use super::*;

    const SECRET: &[u8] = b"GPS 55.9533N 3.1883W";

    fn encoded(format: ImageFormat, width: u32, height: u32) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        let shade = |at: u32| u8::try_from(at % 251).unwrap();
        let picture = RgbaImage::from_fn(width, height, |x, y| Rgba([shade(x), shade(y), shade(x * y), 255]));
        DynamicImage::from(picture).to_rgb8().write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    fn holds(bytes: &[u8]) -> bool {
        bytes.windows(SECRET.len()).any(|some| some == SECRET)
    }

    fn points(bytes: &[u8]) -> Vec<u8> {
        image::load_from_memory(bytes).unwrap().to_rgb8().into_raw()
    }

    fn exif() -> Bytes {
        let mut exif = orientation(6).to_vec();
        exif.extend_from_slice(SECRET);
        exif.into()
    }

    #[test]
    fn fil_17_nothing_but_the_picture_is_left_of_a_jpeg() {
        let plain = encoded(ImageFormat::Jpeg, 64, 48);
        let mut jpeg = Jpeg::from_bytes(plain.clone().into()).unwrap();
        jpeg.set_exif(Some(exif()));
        let mut given = jpeg.encoder().bytes().to_vec();
        for marker in [0xfe, 0xe1, 0xe2, 0xed, 0xef] {
            let length = u16::try_from(SECRET.len() + 2).unwrap().to_be_bytes();
            given.splice(2..2, [&[0xff, marker], &length[..], SECRET].concat());
        }
        given.extend_from_slice(&[b"a film behind it: ", SECRET].concat());
        let left = strip(Kind::Jpeg, given.into()).unwrap();
        assert!(!holds(&left));
        assert_eq!(points(&left), points(&plain), "not a point has changed");
        let turned = Jpeg::from_bytes(left.clone()).unwrap().exif().unwrap();
        assert_eq!(Orientation::from_exif_chunk(&turned), Some(Orientation::Rotate90));
        assert_eq!(strip(Kind::Jpeg, left.clone()).unwrap(), left, "what is stripped stays as it is");
    }

    #[test]
    fn fil_17_nothing_but_the_picture_is_left_of_others() {
        let plain = encoded(ImageFormat::Png, 20, 10);
        let mut png = Png::from_bytes(plain.clone().into()).unwrap();
        png.set_exif(Some(exif()));
        for kind in [*b"tEXt", *b"iTXt", *b"tIME", *b"abCd"] {
            png.chunks_mut().insert(1, img_parts::png::PngChunk::new(kind, Bytes::from_static(SECRET)));
        }
        let left = strip(Kind::Png, png.encoder().bytes()).unwrap();
        assert!(!holds(&left));
        assert_eq!(points(&left), points(&plain));

        let plain = encoded(ImageFormat::WebP, 20, 10);
        let mut webp = WebP::from_bytes(plain.clone().into()).unwrap();
        webp.set_exif(Some(exif()));
        let secret = img_parts::riff::RiffContent::Data(Bytes::from_static(SECRET));
        webp.chunks_mut().push(img_parts::riff::RiffChunk::new(*b"XMP ", secret));
        let left = strip(Kind::WebP, webp.encoder().bytes()).unwrap();
        assert!(!holds(&left));
        assert_eq!(points(&left), points(&plain));

        let plain = encoded(ImageFormat::Gif, 20, 10);
        let mut given = plain.clone();
        let at = 13 + if plain[10] & 0x80 == 0 { 0 } else { 3 << ((plain[10] & 7) + 1) };
        let length = u8::try_from(SECRET.len()).unwrap();
        given.splice(at..at, [&[0x21, 0xfe, length], SECRET, &[0]].concat());
        given.splice(at..at, [&[0x21, 0xff, 11], &b"XMP DataXMP"[..], &[length], SECRET, &[0]].concat());
        given.extend_from_slice(SECRET);
        assert!(holds(&given));
        let left = strip(Kind::Gif, given.into()).unwrap();
        assert!(!holds(&left));
        assert_eq!(points(&left), points(&plain));
    }

    #[test]
    fn what_is_damaged_is_refused_and_never_panics() {
        for (kind, format) in [
            (Kind::Jpeg, ImageFormat::Jpeg),
            (Kind::Png, ImageFormat::Png),
            (Kind::WebP, ImageFormat::WebP),
            (Kind::Gif, ImageFormat::Gif),
        ] {
            let whole = encoded(format, 9, 7);
            for end in 0..whole.len() {
                let _ = strip(kind, Bytes::copy_from_slice(&whole[..end]));
                let mut changed = whole.clone();
                changed[end] ^= 0x5a;
                let _ = strip(kind, changed.into());
            }
        }
    }

    #[test]
    fn fil_18_a_preview_is_small_and_what_is_too_large_has_none() {
        let (width, height, preview) = look(Cursor::new(encoded(ImageFormat::Png, 900, 600))).unwrap();
        assert_eq!((width, height), (900, 600));
        assert!(!preview.is_empty() && preview.len() <= MAX_PREVIEW);
        let shown = image::load_from_memory(&preview).unwrap();
        assert!(shown.width() <= 320 && shown.height() <= 320);

        // A file of a few bytes that claims to be enormous.
        let mut bomb = encoded(ImageFormat::Png, 8, 8);
        bomb[16..24].copy_from_slice(&[0, 0, 0x75, 0, 0, 0, 0x75, 0]);
        assert!(look(Cursor::new(bomb)).is_none_or(|(_, _, preview)| preview.is_empty()));
        assert!(look(Cursor::new(b"no picture".to_vec())).is_none());
    }
}
