//! Everything in the corpora again: seeds, and what once made a target fail.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may; clippy knows that of test functions only"
)]

use std::{fs, path::Path};

use wheesht_fuzz::{TARGETS, seeds};

fn replay(name: &str) {
    let (_, target) = TARGETS.iter().find(|(target, _)| *target == name).unwrap();
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let mut files: Vec<_> = fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    for file in files {
        let data = fs::read(&file).unwrap();
        // Shown if the target panics.
        println!("{}", file.display());
        target(&data);
    }
}

macro_rules! replay {
    ($($target:ident)*) => {
        $(
            #[test]
            fn $target() {
                replay(stringify!($target));
            }
        )*

        #[test]
        fn every_target_is_replayed() {
            assert_eq!(TARGETS.map(|(name, _)| name), [$(stringify!($target)),*]);
        }
    };
}

replay!(
    frame envelope bundle ratchet_message manifest record attachment stored_session stored_row two_peers
    group_envelope group_network group_state
);

/// A format has changed if this fails: write the seeds anew.
#[test]
fn the_seeds_are_what_today_s_code_says() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for seed in seeds::all() {
        let file = corpus.join(seed.target).join(format!("seed-{}", seed.name));
        assert!(fs::read(&file).ok() == Some(seed.bytes), "{} is stale", file.display());
    }
}
