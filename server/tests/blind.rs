//! REL-6: the relay is built without the code that could decrypt.
//!
//! The dependency tree is asked for the relay alone, without what only tests need, so that nothing another member of the
//! workspace turns on is counted in, and nothing that the relay turns on is left out.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::large_futures,
    reason = "a test may; clippy knows that of test functions only"
)]

use std::{collections::BTreeSet, process::Command};

fn tree(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "-p", "wheesht-relay", "--prefix", "none"])
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn the_relay_is_built_without_what_decrypts_rel_6() {
    let features = tree(&["-e", "normal,build", "--format", "{p} [{f}]"]);
    let core: BTreeSet<&str> = features.lines().filter(|line| line.starts_with("wheesht-core ")).collect();
    assert_eq!(core.len(), 1, "one build of the core: {core:?}");
    let line = core.first().expect("the relay uses the core");
    let (_, enabled) = line.split_once('[').expect("features are listed");
    let enabled = enabled.trim_end_matches(" (*)").trim_end_matches(']');
    let enabled: BTreeSet<&str> = enabled.split(',').filter(|feature| !feature.is_empty()).collect();
    assert_eq!(enabled, BTreeSet::from(["backend", "opaque", "sled"]));
}

#[test]
fn nothing_that_encrypts_messages_is_linked_rel_6() {
    let packages = tree(&["-e", "normal,build", "--format", "{p}"]);
    let names: BTreeSet<&str> = packages.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(names.contains("opaque-ke") && names.contains("sled"), "the tree is the relay's");
    let forbidden =
        ["chacha20poly1305", "libcrux-ml-kem", "ml-kem", "x25519-dalek", "aes-gcm", "zxcvbn", "bip0039"];
    for name in forbidden {
        assert!(!names.contains(name), "{name} is linked into the relay");
    }
}
