//! Looking through files for what must not be in them.

use std::{fs, io, path::Path};

/// What a search came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Searched {
    pub(super) files: usize,
    pub(super) bytes: u64,
    /// How many of the wanted texts were in some file.
    pub(super) found: usize,
}

/// Searches every file below a directory.
pub(super) fn files(directory: &Path, wanted: &[&[u8]]) -> io::Result<Searched> {
    let mut searched = Searched::default();
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            if path.is_dir() {
                directories.push(path);
                continue;
            }
            let content = fs::read(path)?;
            searched.files += 1;
            searched.bytes += content.len() as u64;
            searched.found += wanted.iter().filter(|wanted| contains(&content, wanted)).count();
        }
    }
    Ok(searched)
}

fn contains(content: &[u8], wanted: &[u8]) -> bool {
    !wanted.is_empty() && content.windows(wanted.len()).any(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_finds_what_is_there() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("deep")).unwrap();
        fs::write(directory.path().join("deep/a"), b"xxneedlexx").unwrap();
        fs::write(directory.path().join("b"), b"nothing").unwrap();
        let searched = files(directory.path(), &[b"needle", b"absent"]).unwrap();
        assert_eq!(searched, Searched { files: 2, bytes: 17, found: 1 });
    }
}
