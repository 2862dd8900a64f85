//! The files that sled writes, made durable.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use super::durable::{parent, sync_directory};

/// Makes a directory that only its owner can read (STO-14), and it and every new one above it durable.
pub(super) fn create_private_directory(directory: &Path) -> io::Result<()> {
    let is_new = |directory: &&Path| !directory.as_os_str().is_empty() && !directory.exists();
    let new: Vec<&Path> = directory.ancestors().take_while(is_new).collect();
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)?;
    new.into_iter().try_for_each(|made| sync_directory(parent(made)))
}

/// The files sled writes, and which of them are durable.
///
/// Its log is one file, `db`, that is there from the beginning. Nodes too large for it go to files of their own under
/// `blobs`, which sled never syncs; values are cut into pieces so that there are none (`pieces.rs`), and should one
/// appear after all, it is synced here.
pub(super) struct SledFiles {
    log: File,
    blobs: PathBuf,
    synced: BTreeSet<OsString>,
}

impl SledFiles {
    /// Makes everything durable that sled wrote when it opened.
    pub(super) fn open(directory: &Path) -> io::Result<Self> {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                File::open(entry.path())?.sync_all()?;
            }
        }
        let mut files = Self {
            log: File::options().read(true).write(true).open(directory.join("db"))?,
            blobs: directory.join("blobs"),
            synced: BTreeSet::new(),
        };
        files.sync()?;
        sync_directory(&files.blobs)?;
        sync_directory(directory)?;
        Ok(files)
    }

    /// Makes everything durable that was written since the last call.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.sync_blobs()?;
        self.log.sync_all()
    }

    fn sync_blobs(&mut self) -> io::Result<()> {
        let names: BTreeSet<OsString> =
            fs::read_dir(&self.blobs)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<_>>()?;
        let mut appeared = false;
        for name in names.difference(&self.synced) {
            match File::open(self.blobs.join(name)) {
                Ok(file) => file.sync_all()?,
                // sled has removed it since.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            appeared = true;
        }
        self.synced = names;
        if appeared { sync_directory(&self.blobs) } else { Ok(()) }
    }
}
