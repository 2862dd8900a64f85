//! Making files and directory entries durable, and readable by their owner only.

use std::{
    fs::{File, OpenOptions},
    io,
    path::Path,
};

/// Makes the entries of a directory durable: names that appeared, changed or went.
pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    // Windows can't open a directory as a file, and makes entries durable with the file.
    if cfg!(unix) { File::open(directory)?.sync_all() } else { Ok(()) }
}

/// How a file that holds keys is written: where it lies, and if it is new, readable by its owner only (STO-14).
pub(super) fn private_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// The directory in which this name stands.
pub(super) fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
