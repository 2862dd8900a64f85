//! The vectors of `proto/spec/account.md` and `records.md`: each case of `proto/vectors` is read from its file and must end
//! as the file says.
//!
//! The cases are made here a second time, from the specification's words and the bare primitives, forgeries included: so a
//! change of what this crate writes or accepts shows as a difference to the file. With `WHEESHT_WRITE_VECTORS` set the files
//! are written anew.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test"
)]

mod certificates;
mod forge;
mod logins;
mod manifests;
mod passwords;
mod prekeys;
mod records;
mod statements;
mod vaults;

use std::{fs, path::Path};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

#[derive(Serialize, Deserialize)]
struct VectorFile<C> {
    about: String,
    spec: String,
    cases: Vec<C>,
}

/// Compares the cases with the file, and runs every case of the file.
fn check<C: Serialize + DeserializeOwned>(
    file: &str,
    about: &str,
    spec: &str,
    cases: Vec<C>,
    run: impl Fn(&C),
) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto/vectors").join(file);
    let made = VectorFile { about: about.to_owned(), spec: spec.to_owned(), cases };
    let made = serde_json::to_string_pretty(&made).unwrap() + "\n";
    if std::env::var_os("WHEESHT_WRITE_VECTORS").is_some() {
        fs::write(&path, &made).unwrap();
    }
    let text = fs::read_to_string(&path).unwrap();
    let read: VectorFile<C> = serde_json::from_str(&text).unwrap();
    assert!(!read.cases.is_empty());
    read.cases.iter().for_each(run);
    assert!(text == made, "{file} is no longer what this code makes");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2));
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn unhex_array<const N: usize>(text: &str) -> [u8; N] {
    unhex(text).try_into().unwrap()
}
