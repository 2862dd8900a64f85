//! What is fetched, on its way to a name: a part, verified, and then renamed to something that nobody had before.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};
use wheesht_proto::ids::BlobId;

use super::http::hex;
use crate::engine::Target;

/// Names tried, before it is given up.
const TRIED: u32 = 10_000;

/// Where the part of a download lies. The blob's id leads to the blob, so its hash stands in the name.
pub(super) fn part(id: &BlobId, directory: &Path, name: &str) -> PathBuf {
    let hash = Sha256::digest(id.as_ref());
    directory.join(format!("{name}.{}.part", hex(hash.get(..4).unwrap_or_default())))
}

/// The directory of a target.
pub(super) fn directory(directory: Option<&str>, downloads: &Path) -> PathBuf {
    directory.map_or_else(|| downloads.to_owned(), PathBuf::from)
}

/// Opens a part, new or from before: for its owner alone, never to be executed, and no link to somewhere else.
// FIL-15
pub(super) fn open_part(path: &Path) -> io::Result<File> {
    match fs::symlink_metadata(path) {
        Ok(about) if !about.is_file() => {
            return Err(io::Error::other("something else has the name of the part"));
        }
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Makes a directory that isn't there.
pub(super) fn make(directory: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

/// Gives a verified part its name, or the next like it that is free. Nothing is overwritten.
// FIL-15
pub(super) fn settle(part: &Path, directory: &Path, name: &str) -> io::Result<PathBuf> {
    for number in 0..TRIED {
        let path = directory.join(numbered(name, number));
        match claim(part, &path) {
            Ok(()) => {
                // Its name is on the disk before anybody hears of it.
                if let Ok(directory) = File::open(directory) {
                    let _ = directory.sync_all();
                }
                return Ok(fs::canonicalize(&path).unwrap_or(path));
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(ErrorKind::AlreadyExists, "every name like it is taken"))
}

/// A second name that must not be there, and then the first one goes. Where the file system has no second names, an empty file takes
/// the place first.
fn claim(part: &Path, path: &Path) -> io::Result<()> {
    match fs::hard_link(part, path) {
        Ok(()) => fs::remove_file(part),
        Err(error) if matches!(error.kind(), ErrorKind::AlreadyExists | ErrorKind::NotFound) => Err(error),
        Err(_) => {
            OpenOptions::new().write(true).create_new(true).open(path)?;
            fs::rename(part, path)
        }
    }
}

/// `name`, `name (1)`, …, the number before the ending.
fn numbered(name: &str, number: u32) -> String {
    match (number, name.rsplit_once('.')) {
        (0, _) => name.to_owned(),
        (_, Some((stem, ending))) if !stem.is_empty() => format!("{stem} ({number}).{ending}"),
        _ => format!("{name} ({number})"),
    }
}

/// Removes what a download has left.
pub(super) fn discard(id: &BlobId, target: &Target, downloads: &Path) {
    if let Target::Directory { directory: chosen, name } = target {
        // If it isn't there, there is nothing to remove.
        let _ = fs::remove_file(part(id, &directory(chosen.as_deref(), downloads), name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fil_15_nothing_is_overwritten_or_executable() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        fs::write(path.join("a.tar.gz"), "mine").unwrap();
        let mut names = Vec::new();
        for round in 0..3 {
            let part = part(&BlobId::new([round; 32]), path, "a.tar.gz");
            drop(open_part(&part).unwrap());
            fs::write(&part, [round]).unwrap();
            let settled = settle(&part, path, "a.tar.gz").unwrap();
            assert!(!part.exists());
            assert_eq!(fs::read(&settled).unwrap(), [round]);
            #[cfg(unix)]
            assert_eq!(
                std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&settled).unwrap().permissions())
                    & 0o777,
                0o600
            );
            names.push(settled.file_name().unwrap().to_str().unwrap().to_owned());
        }
        assert_eq!(names, ["a.tar (1).gz", "a.tar (2).gz", "a.tar (3).gz"]);
        assert_eq!(fs::read_to_string(path.join("a.tar.gz")).unwrap(), "mine");
        assert_eq!(numbered("README", 2), "README (2)");
    }

    #[cfg(unix)]
    #[test]
    fn fil_15_a_link_in_the_parts_place_is_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let victim = directory.path().join("victim");
        fs::write(&victim, "mine").unwrap();
        let part = directory.path().join("x.part");
        std::os::unix::fs::symlink(&victim, &part).unwrap();
        assert!(open_part(&part).is_err());
        // Nor is one in the place of the name.
        let fetched = directory.path().join("fetched");
        fs::write(&fetched, "theirs").unwrap();
        std::os::unix::fs::symlink(directory.path().join("nowhere"), directory.path().join("name")).unwrap();
        assert!(settle(&fetched, directory.path(), "name").unwrap().ends_with("name (1)"));
        assert_eq!(fs::read_to_string(victim).unwrap(), "mine");
    }
}
