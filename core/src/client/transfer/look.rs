//! Looking at a file that is to be sent: what it is by its content, and how a picture looks.

use std::{
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
    path::Path,
};

use super::{picture, source};
use crate::engine::{BlobFailure, Looked, LookedPicture, Source};

/// What a file is of which nothing is known.
const UNKNOWN: &str = "application/octet-stream";

/// Looks at it.
pub(super) fn look(source: Source) -> Result<Looked, BlobFailure> {
    let source = match source {
        Source::Path { path, keep_metadata } => {
            // Whoever goes on with it may stand in another directory.
            let absolute = std::path::absolute(&path).unwrap_or_else(|_| path.clone().into());
            let path = absolute.into_os_string().into_string().unwrap_or(path);
            Source::Path { path, keep_metadata }
        }
        bytes @ Source::Bytes(_) => bytes,
    };
    let mut opened = source::open(&source)?;
    let beginning = opened.beginning().unwrap_or_default();
    let media_type = type_of(&beginning).unwrap_or(UNKNOWN).to_owned();
    let mut content = opened.read()?;
    let picture = if media_type.starts_with("image/") { looks(&mut content) } else { None };
    let path = match source {
        Source::Path { path, .. } => path,
        Source::Bytes(_) => String::new(),
    };
    let name =
        Path::new(&path).file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    Ok(Looked { path, name, digest: content.digest(), media_type, picture })
}

fn looks(content: &mut source::Content) -> Option<LookedPicture> {
    let seen = match content.in_memory() {
        Some(bytes) => picture::look(std::io::Cursor::new(bytes)),
        None => picture::look(std::io::BufReader::new(content.file()?)),
    };
    seen.map(|(width, height, preview)| LookedPicture { width, height, preview })
}

/// What a file is by its first bytes.
pub(super) fn type_of(beginning: &[u8]) -> Option<&'static str> {
    if let Some(known) = infer::get(beginning) {
        return Some(known.mime_type());
    }
    // A character may be cut at the end.
    let text = match std::str::from_utf8(beginning) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(beginning.get(..error.valid_up_to())?).ok()?
        }
        Err(_) => return None,
    };
    let plain = |letter: char| !letter.is_control() || matches!(letter, '\n' | '\r' | '\t' | '\u{c}');
    (!text.is_empty() && text.chars().all(plain)).then_some("text/plain")
}

/// What a file that was fetched is.
pub(super) fn type_of_file(file: &mut File) -> Option<String> {
    let mut beginning = Vec::new();
    file.seek(SeekFrom::Start(0)).ok()?;
    file.take(8 * 1024).read_to_end(&mut beginning).ok()?;
    type_of(&beginning).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_what_its_content_says() {
        assert_eq!(type_of(b"\x89PNG\r\n\x1a\n????"), Some("image/png"));
        assert_eq!(type_of(b"%PDF-1.7"), Some("application/pdf"));
        assert_eq!(type_of("Grüße\n".as_bytes()), Some("text/plain"));
        assert_eq!(type_of(b"cut in the middle: \xc3"), Some("text/plain"));
        assert_eq!(type_of(b"\x00\x01\x02"), None);
        assert_eq!(type_of(b"\xff\xfe\xfd\xfc"), None);
        assert_eq!(type_of(b""), None);
    }
}
