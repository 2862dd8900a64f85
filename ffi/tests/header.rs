//! The checked-in header says what the library exports, no more and no less.

use std::collections::BTreeSet;

const HEADER: &str = include_str!("../wheesht.h");
const SOURCE: &str = include_str!("../src/lib.rs");

/// The `wheesht_…` names that stand right before an opening parenthesis in lines that `declares` picks.
fn functions(text: &str, declares: impl Fn(&str) -> bool) -> BTreeSet<&str> {
    text.lines()
        .filter(|line| declares(line))
        .filter_map(|line| line.split_once('('))
        .filter_map(|(before, _)| before.rfind("wheesht_").map(|at| &before[at..]))
        .collect()
}

#[test]
fn the_header_declares_what_is_exported() {
    let declared = functions(HEADER, |line| line.ends_with(");") && !line.starts_with(' '));
    let exported = functions(SOURCE, |line| line.contains("extern \"C\" fn "));
    assert_eq!(declared, exported);
    assert_eq!(
        SOURCE.matches("unsafe(no_mangle)").count(),
        exported.len(),
        "all that is exported has C's calling convention"
    );
}
