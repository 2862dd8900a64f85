//! The files of a readable export: copies in a folder beside the page, under names that do nothing.
//!
//! ```text
//! chat.html.part   chat-files.part/0012-photo.jpg          while it is written
//! chat.html        chat-files/0012-photo.jpg               when it is whole: the folder first, so that no page points nowhere
//! ```
// EXP-1, EXP-7

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use hyper::body::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{files::failed, shown};
use crate::{
    api::{Error, ErrorCode, File, FileState},
    client::transfer::stripped,
};

/// Endings that a browser shows without running anything. Everything else lies in the folder, and nothing points to it.
const HARMLESS: [&str; 24] = [
    "jpg", "jpeg", "png", "gif", "webp", "avif", "bmp", "heic", "mp4", "webm", "mov", "mkv", "mp3", "ogg",
    "opus", "oga", "m4a", "flac", "wav", "aac", "pdf", "txt", "csv", "zip",
];

/// What became of the file of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Copied {
    /// It lies there, below the page's directory. `open`: the page may point to it.
    Here {
        /// Folder and name, with `/`.
        path: String,
        /// Whether a browser only shows it.
        open: bool,
    },
    /// Its content is not on this device, or is not what was sent any more.
    Missing,
}

/// The folder of one page; made with the first file.
pub(super) struct Beside {
    folder: PathBuf,
    part: PathBuf,
    made: bool,
    done: bool,
    count: u64,
    /// How many files are not in it.
    pub(super) missing: u64,
}

impl Beside {
    /// The folder of the page with this path. Nothing that is there already is replaced.
    pub(super) fn of(page: &Path) -> Result<Self, Error> {
        let mut name = page.file_stem().unwrap_or_default().to_owned();
        name.push("-files");
        let folder = page.with_file_name(&name);
        if folder.exists() {
            let error = format!("There is a {} already.", folder.display());
            return Err(Error::new(ErrorCode::Invalid, error).next("Choose another name, or move it away."));
        }
        name.push(".part");
        let part = page.with_file_name(name);
        Ok(Self { folder, part, made: false, done: false, count: 0, missing: 0 })
    }

    /// Copies a message's file into it, if it is here as it was sent.
    pub(super) async fn take(&mut self, file: &File) -> Result<Copied, Error> {
        let content = match &file.state {
            FileState::Saved { path } => as_sent(Path::new(path), file.size).await,
            _ => None,
        };
        let Some(content) = content else {
            self.missing += 1;
            return Ok(Copied::Missing);
        };
        self.make()?;
        self.count += 1;
        let (stem, ending) = file.name.rsplit_once('.').unwrap_or((&file.name, ""));
        let ending: String = ending.chars().filter(char::is_ascii_alphanumeric).take(10).collect();
        let ending = if ending.is_empty() { "bin".to_owned() } else { ending.to_lowercase() };
        let name = shown::file_name(usize::try_from(self.count).unwrap_or(usize::MAX), stem, &ending);
        let to = self.part.join(&name);
        if !copy(content, &to, file.size).await.map_err(|error| failed(&to, &error))? {
            // It shrank while it was read.
            let _ = fs::remove_file(&to);
            self.missing += 1;
            return Ok(Copied::Missing);
        }
        let folder = self.folder.file_name().unwrap_or_default().to_string_lossy();
        let open = HARMLESS.contains(&ending.as_str());
        Ok(Copied::Here { path: format!("{folder}/{name}"), open })
    }

    /// The folder gets its name.
    pub(super) fn finish(mut self) -> Result<u64, Error> {
        if self.made {
            let named = fs::File::open(&self.part).and_then(|part| part.sync_all());
            // A directory is not renamed over one that has something in it.
            let named = named.and_then(|()| fs::rename(&self.part, &self.folder));
            named.map_err(|error| failed(&self.folder, &error))?;
        }
        self.done = true;
        Ok(self.missing)
    }

    fn make(&mut self) -> Result<(), Error> {
        if self.made {
            return Ok(());
        }
        // What an export that was killed has left.
        let left = fs::symlink_metadata(&self.part).is_ok_and(|about| about.is_dir());
        let cleared = if left { fs::remove_dir_all(&self.part) } else { Ok(()) };
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        cleared.and_then(|()| builder.create(&self.part)).map_err(|error| failed(&self.part, &error))?;
        self.made = true;
        Ok(())
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if self.made && !self.done {
            let _ = fs::remove_dir_all(&self.part);
        }
    }
}

/// What is copied.
enum Content {
    File(tokio::fs::File),
    Memory(Bytes),
}

/// A file as it was sent; none if it is gone, or another one by now.
async fn as_sent(path: &Path, size: u64) -> Option<Content> {
    // A pipe in its place would be waited for.
    let about = tokio::fs::metadata(path).await.ok()?;
    if !about.is_file() {
        return None;
    }
    if about.len() == size {
        return tokio::fs::File::open(path).await.ok().map(Content::File);
    }
    // Of a picture something was taken out when it was sent: it must not be in what is given on, either.
    let path = path.to_owned();
    let stripped = tokio::task::spawn_blocking(move || stripped(&path)).await.ok()??;
    (stripped.len() as u64 == size).then_some(Content::Memory(stripped))
}

/// Copies that many bytes. Gives whether there were so many.
async fn copy(from: Content, to: &Path, size: u64) -> io::Result<bool> {
    let mut options = tokio::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    options.mode(0o600);
    let mut to = options.open(to).await?;
    let copied = match from {
        Content::File(from) => tokio::io::copy(&mut from.take(size), &mut to).await?,
        Content::Memory(bytes) => {
            to.write_all(&bytes).await?;
            size
        }
    };
    to.sync_all().await?;
    Ok(copied == size)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saved(name: &str, path: &Path, size: u64) -> File {
        let state = FileState::Saved { path: path.display().to_string() };
        File {
            name: name.to_owned(),
            size,
            media_type: String::new(),
            preview: None,
            dimensions: None,
            voice: false,
            duration_ms: None,
            state,
        }
    }

    #[tokio::test]
    async fn exp_7_what_is_here_is_copied_under_a_name_that_does_nothing_and_what_is_not_is_counted() {
        let directory = tempfile::tempdir().unwrap();
        let content = directory.path().join("x");
        fs::write(&content, "hello").unwrap();
        let page = directory.path().join("chat.html");
        let mut beside = Beside::of(&page).unwrap();
        let here = |name: &str, open| Copied::Here { path: format!("chat-files/{name}"), open };
        for (name, wanted) in [
            ("photo of us.JPG", here("001-photo_of_us.jpg", true)),
            ("../../etc/passwd", here("002-____.etcpasswd", false)),
            ("page.html", here("003-page.html", false)),
            ("drawing.svg", here("004-drawing.svg", false)),
            ("x.\"onerror=", here("005-x.onerror", false)),
        ] {
            assert_eq!(beside.take(&saved(name, &content, 5)).await.unwrap(), wanted);
        }
        let remote = File { state: FileState::Remote, ..saved("a.txt", &content, 5) };
        for gone in [
            saved("a.txt", &content, 6),
            saved("a.txt", directory.path(), 0),
            saved("a", Path::new("/none"), 1),
            remote,
        ] {
            assert_eq!(beside.take(&gone).await.unwrap(), Copied::Missing);
        }
        assert_eq!(beside.finish().unwrap(), 4);
        let copied = directory.path().join("chat-files");
        assert_eq!(fs::read(copied.join("001-photo_of_us.jpg")).unwrap(), b"hello");
        assert_eq!(fs::read_dir(copied).unwrap().count(), 5);
        assert!(Beside::of(&page).is_err(), "nothing that is there is replaced");
    }

    #[tokio::test]
    async fn exp_1_a_folder_that_was_given_up_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let content = directory.path().join("x");
        fs::write(&content, "hello").unwrap();
        fs::create_dir(directory.path().join("chat-files.part")).unwrap();
        let mut beside = Beside::of(&directory.path().join("chat.html")).unwrap();
        beside.take(&saved("a.txt", &content, 5)).await.unwrap();
        drop(beside);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
