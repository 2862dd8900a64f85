//! What is to be sent, as it is sent: a file as it lies there, or a picture without what it says about its making.
//!
//! A file can change at any time, and two texts must never be sealed under one key at one place. So an attempt first reads all of it,
//! compares its digest with the one that its key belongs to, and keeps a mark of each chunk; when it comes to sealing, a chunk that no
//! longer bears its mark is not sealed. Two gigabytes have 32,768 marks of 16 bytes.

use std::{
    fs::File,
    io::{Read, Seek as _, SeekFrom},
    path::Path,
};

use hyper::body::Bytes;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::picture;
use crate::{
    engine::{BlobFailure, Source},
    proto::limits::MAX_BLOB,
    protocol::attachment::{CHUNK, Digest, Hasher},
};

/// Pictures above this are not rewritten: it takes as much memory.
pub(super) const MAX_REWRITTEN: u64 = 24 << 20;

/// What is looked at to tell what a file is.
const BEGINNING: usize = 8 * 1024;

/// Bytes that can be read as often as need be.
pub(super) enum Opened {
    /// A file as it lies there.
    File(File),
    /// A picture rewritten, or what lay in memory anyway.
    Memory(Bytes),
}

/// A mark of a chunk.
type Mark = [u8; 16];

/// A content that was read, and is read again.
pub(super) struct Content {
    opened: Opened,
    digest: Digest,
    marks: Vec<Mark>,
}

/// Opens a source, and takes out of a picture what doesn't belong to it unless that is to stay.
pub(super) fn open(source: &Source) -> Result<Opened, BlobFailure> {
    let (path, keep) = match source {
        Source::Path { path, keep_metadata } => (Path::new(path), *keep_metadata),
        Source::Bytes(bytes) => return Ok(Opened::Memory(Bytes::copy_from_slice(bytes))),
    };
    let no_file = || BlobFailure::Source(format!("{} is no file", path.display()));
    // Looked at before it is opened: opening a pipe waits for whoever writes into it, maybe for ever.
    if !std::fs::metadata(path).map_err(|error| unreadable(path, &error))?.is_file() {
        return Err(no_file());
    }
    let mut file = File::open(path).map_err(|error| unreadable(path, &error))?;
    let about = file.metadata().map_err(|error| unreadable(path, &error))?;
    if !about.is_file() {
        return Err(no_file());
    }
    if about.len() > MAX_BLOB {
        return Err(BlobFailure::TooLarge);
    }
    let beginning = beginning_of(&mut file).map_err(|error| unreadable(path, &error))?;
    let Some(kind) = (if keep { None } else { picture::kind(&beginning) }) else {
        return Ok(Opened::File(file));
    };
    let kind = kind.map_err(BlobFailure::Metadata)?;
    if about.len() > MAX_REWRITTEN {
        let why = format!("it is larger than {} MiB", MAX_REWRITTEN >> 20);
        return Err(BlobFailure::Metadata(why));
    }
    let mut bytes = Vec::new();
    file.take(MAX_REWRITTEN).read_to_end(&mut bytes).map_err(|error| unreadable(path, &error))?;
    picture::strip(kind, bytes.into()).map(Opened::Memory).map_err(BlobFailure::Metadata)
}

/// A picture without what it says about its making, as it was sent if it has not changed since. None if it is no such picture.
pub(in super::super) fn stripped(path: &Path) -> Option<Bytes> {
    let source = Source::Path { path: path.to_str()?.to_owned(), keep_metadata: false };
    match open(&source).ok()? {
        Opened::Memory(bytes) => Some(bytes),
        Opened::File(_) => None,
    }
}

/// What tells what a file is. The next read begins at its beginning again.
fn beginning_of(file: &mut File) -> std::io::Result<Vec<u8>> {
    let mut beginning = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.take(BEGINNING as u64).read_to_end(&mut beginning)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(beginning)
}

impl Opened {
    /// Its first bytes.
    pub(super) fn beginning(&mut self) -> std::io::Result<Vec<u8>> {
        match self {
            Self::File(file) => beginning_of(file),
            Self::Memory(bytes) => Ok(bytes.get(..bytes.len().min(BEGINNING)).unwrap_or_default().to_vec()),
        }
    }

    /// Reads all of it, at most as much as a blob holds.
    pub(super) fn read(mut self) -> Result<Content, BlobFailure> {
        let (mut hasher, mut marks, mut size) = (Hasher::default(), Vec::new(), 0_u64);
        let mut reader = self.reader().map_err(|error| broke(&error))?;
        let mut chunk = Zeroizing::new(Vec::with_capacity(CHUNK));
        loop {
            fill(&mut reader, &mut chunk)?;
            size += chunk.len() as u64;
            if size > MAX_BLOB {
                return Err(BlobFailure::TooLarge);
            }
            if chunk.is_empty() {
                break;
            }
            hasher.update(&chunk);
            marks.push(mark(&chunk));
        }
        Ok(Content { opened: self, digest: hasher.finish(), marks })
    }

    fn reader(&mut self) -> std::io::Result<Reader<'_>> {
        Ok(match self {
            Self::File(file) => {
                file.seek(SeekFrom::Start(0))?;
                Reader::File(file)
            }
            Self::Memory(bytes) => Reader::Memory(bytes),
        })
    }
}

impl Content {
    /// What it was when all of it was read.
    pub(super) const fn digest(&self) -> Digest {
        self.digest
    }

    /// Goes through it again, a chunk at a time; `each` gets its number and the chunk, and says whether to go on.
    // FIL-7
    pub(super) fn chunks(
        &mut self,
        mut each: impl FnMut(u32, &[u8]) -> Result<(), BlobFailure>,
    ) -> Result<(), BlobFailure> {
        let mut reader = self.opened.reader().map_err(|error| broke(&error))?;
        let mut chunk = Zeroizing::new(Vec::with_capacity(CHUNK));
        for (number, known) in (0..).zip(&self.marks) {
            fill(&mut reader, &mut chunk)?;
            if mark(&chunk) != *known {
                return Err(BlobFailure::Changed);
            }
            each(number, &chunk)?;
        }
        Ok(())
    }

    /// In memory, if it lies there.
    pub(super) const fn in_memory(&self) -> Option<&Bytes> {
        match &self.opened {
            Opened::Memory(bytes) => Some(bytes),
            Opened::File(_) => None,
        }
    }

    /// The file, from its beginning.
    pub(super) fn file(&mut self) -> Option<&File> {
        match &mut self.opened {
            Opened::File(file) => file.seek(SeekFrom::Start(0)).ok().map(|_| &*file),
            Opened::Memory(_) => None,
        }
    }
}

enum Reader<'a> {
    File(&'a mut File),
    Memory(&'a [u8]),
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::File(file) => file.read(buffer),
            Self::Memory(bytes) => bytes.read(buffer),
        }
    }
}

/// The next chunk; nothing at the end.
fn fill(reader: &mut Reader<'_>, chunk: &mut Vec<u8>) -> Result<(), BlobFailure> {
    chunk.clear();
    reader.by_ref().take(CHUNK as u64).read_to_end(chunk).map_err(|error| broke(&error))?;
    Ok(())
}

fn mark(chunk: &[u8]) -> Mark {
    let digest: [u8; 32] = Sha256::digest(chunk).into();
    let mut mark = Mark::default();
    mark.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    mark
}

fn unreadable(path: &Path, error: &std::io::Error) -> BlobFailure {
    let path = path.display();
    BlobFailure::Source(match error.kind() {
        std::io::ErrorKind::NotFound => format!("there is no file {path}"),
        std::io::ErrorKind::PermissionDenied => format!("you may not read {path}"),
        _ => format!("{path} can't be read: {error}"),
    })
}

fn broke(error: &std::io::Error) -> BlobFailure {
    BlobFailure::Source(format!("the file can't be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_pipe_is_no_file_and_is_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        for path in [&path, &directory.path().to_owned()] {
            let source = Source::Path { path: path.to_str().unwrap().to_owned(), keep_metadata: false };
            assert!(matches!(open(&source), Err(BlobFailure::Source(_))));
        }
    }

    #[test]
    fn fil_7_no_chunk_is_sealed_that_has_changed_since_it_was_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, vec![1; 3 * CHUNK + 5]).unwrap();
        let source = Source::Path { path: path.to_str().unwrap().to_owned(), keep_metadata: false };
        let mut content = open(&source).unwrap().read().unwrap();
        assert_eq!(content.digest().size, 3 * CHUNK as u64 + 5);
        let mut seen = Vec::new();
        let whole = content.chunks(|number, chunk| {
            seen.push((number, chunk.len()));
            Ok(())
        });
        assert_eq!((whole, seen), (Ok(()), vec![(0, CHUNK), (1, CHUNK), (2, CHUNK), (3, 5)]));

        let mut changed = vec![1; 3 * CHUNK + 5];
        changed[2 * CHUNK + 7] = 2;
        std::fs::write(&path, changed).unwrap();
        let mut seen = Vec::new();
        let rest = content.chunks(|number, _| {
            seen.push(number);
            Ok(())
        });
        assert_eq!((rest, seen), (Err(BlobFailure::Changed), vec![0, 1]));
        std::fs::write(&path, vec![1; CHUNK]).unwrap();
        assert_eq!(content.chunks(|_, _| Ok(())), Err(BlobFailure::Changed), "it is shorter");
    }

    #[test]
    fn what_is_no_file_is_told_in_words() {
        let directory = tempfile::tempdir().unwrap();
        let of = |path: &Path| Source::Path { path: path.to_str().unwrap().to_owned(), keep_metadata: false };
        for path in [directory.path(), &directory.path().join("none")] {
            assert!(matches!(open(&of(path)), Err(BlobFailure::Source(_))));
        }
    }
}
