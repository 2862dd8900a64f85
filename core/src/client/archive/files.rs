//! Files that are whole or not there: written beside their place under another name, synced, renamed.
// EXP-1

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use tokio::{
    fs::File,
    io::{AsyncWriteExt as _, BufWriter},
};

use crate::api::{Error, ErrorCode};

/// A file that is being written.
pub(super) struct Part {
    writer: BufWriter<File>,
    part: PathBuf,
    path: PathBuf,
    done: bool,
}

impl Part {
    /// Begins. Nothing that is there already is replaced.
    pub(super) async fn create(path: &Path) -> Result<Self, Error> {
        if path.exists() {
            let error = format!("There is a file {} already.", path.display());
            return Err(Error::new(ErrorCode::Invalid, error).next("Choose another name, or move it away."));
        }
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&part).map_err(|error| failed(&part, &error))?;
        let writer = BufWriter::with_capacity(1 << 16, File::from_std(file));
        Ok(Self { writer, part, path: path.to_owned(), done: false })
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.writer.write_all(bytes).await.map_err(|error| failed(&self.part, &error))
    }

    /// It is whole: it gets its name.
    pub(super) async fn finish(mut self) -> Result<(), Error> {
        let written = async {
            self.writer.flush().await?;
            self.writer.get_ref().sync_all().await?;
            // Without replacing what has appeared meanwhile.
            fs::hard_link(&self.part, &self.path).or_else(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => Err(error),
                _ => fs::rename(&self.part, &self.path),
            })
        };
        written.await.map_err(|error| failed(&self.path, &error))?;
        let _ = fs::remove_file(&self.part);
        self.done = true;
        if let Some(directory) = self.path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
            let _ = fs::File::open(directory).and_then(|directory| directory.sync_all());
        }
        Ok(())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.done {
            let _ = fs::remove_file(&self.part);
        }
    }
}

/// What went wrong with a file, for a person.
pub(super) fn failed(path: &Path, error: &io::Error) -> Error {
    let sentence = format!("{}: {error}.", path.display());
    Error::new(ErrorCode::File, sentence)
        .next("Check the path, its permissions, and whether the disk is full.")
}
