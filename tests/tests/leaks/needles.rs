//! What must not be found, in every form in which it might lie around, and the search for it.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Secrets in all their forms.
pub(crate) struct Needles {
    forms: Vec<Form>,
    /// Forms by their first two bytes.
    by_start: Vec<Vec<usize>>,
}

struct Form {
    what: String,
    bytes: Vec<u8>,
}

impl Default for Needles {
    fn default() -> Self {
        Self { forms: Vec::new(), by_start: vec![Vec::new(); 1 << 16] }
    }
}

/// Shorter than this, random bytes would hit by chance.
const SHORTEST: usize = 8;

impl Needles {
    /// Adds one.
    pub(crate) fn add(&mut self, what: &str, secret: impl AsRef<[u8]>) {
        let secret = secret.as_ref();
        assert!(secret.len() >= SHORTEST, "{what}");
        self.form(format!("{what}, as it is"), secret.to_vec());
        let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        self.form(format!("{what}, in HEX"), hex.to_uppercase().into_bytes());
        self.form(format!("{what}, in hex"), hex.into_bytes());
        for shift in 0..3 {
            self.form(format!("{what}, in base64"), base64(secret, shift, b"+/"));
            self.form(format!("{what}, in base64 for URLs"), base64(secret, shift, b"-_"));
        }
        if let Ok(text) = str::from_utf8(secret) {
            let wide = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            self.form(format!("{what}, in UTF-16"), wide);
        } else {
            let numbers: Vec<String> = secret.iter().map(u8::to_string).collect();
            self.form(format!("{what}, as a list of numbers"), numbers.join(", ").into_bytes());
        }
    }

    fn form(&mut self, what: String, bytes: Vec<u8>) {
        self.by_start[start(&bytes)].push(self.forms.len());
        self.forms.push(Form { what, bytes });
    }

    /// What of it lies in these bytes.
    pub(crate) fn search(&self, place: &str, hay: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        for at in 0..hay.len().saturating_sub(1) {
            for form in &self.by_start[start(&hay[at..])] {
                let form = &self.forms[*form];
                if hay[at..].starts_with(&form.bytes) {
                    let around = &hay[at.saturating_sub(60)..hay.len().min(at + form.bytes.len() + 20)];
                    let around = String::from_utf8_lossy(around);
                    found.push(format!("{} at {at} of {place}: {around:?}", form.what));
                }
            }
        }
        found
    }

    /// What of it lies in the files below a directory, or in their names. The key file may hold what it is there for.
    pub(crate) fn search_files(&self, directory: &Path) -> Vec<String> {
        let mut found = Vec::new();
        for path in files_under(directory) {
            let name = path.strip_prefix(directory).unwrap().display().to_string();
            found.extend(self.search("a file's name", name.as_bytes()));
            if path.file_name().is_none_or(|name| name != "store.key") {
                found.extend(self.search(&path.display().to_string(), &fs::read(&path).unwrap()));
            }
        }
        found
    }

    /// Every form is found where it is.
    pub(crate) fn assert_each_is_found(&self) {
        for form in &self.forms {
            let hay = [b"before ", &form.bytes[..], b" after"].concat();
            assert!(!self.search("a file that holds it", &hay).is_empty(), "{}", form.what);
        }
    }
}

fn start(bytes: &[u8]) -> usize {
    usize::from(u16::from_be_bytes([bytes[0], bytes[1]]))
}

pub(crate) fn files_under(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_under(&path) } else { vec![path] }).collect()
}

/// The characters that base64 has for these bytes wherever they stand, `shift` bytes after a multiple of three.
fn base64(bytes: &[u8], shift: usize, last_two: &[u8; 2]) -> Vec<u8> {
    let alphabet: Vec<u8> = (b'A'..=b'Z').chain(b'a'..=b'z').chain(b'0'..=b'9').chain(*last_two).collect();
    let bits: Vec<u8> = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
    // Characters that hold bits of what stands before or after are another's as well.
    let skipped = (6 - shift * 8 % 6) % 6;
    let whole = bits[skipped..].chunks_exact(6);
    whole.map(|bits| alphabet[bits.iter().fold(0, |value, bit| value << 1 | usize::from(*bit))]).collect()
}

#[test]
fn base64_is_found_at_every_position() {
    assert_eq!(base64(b"light w", 0, b"+/"), b"bGlnaHQgd");
    // "a" before: YWxpZ2h0IHc
    assert_eq!(base64(b"light w", 1, b"+/"), b"xpZ2h0IH");
    // "ab" before: YWJsaWdodCB3
    assert_eq!(base64(b"light w", 2, b"+/"), b"saWdodCB3");
}
