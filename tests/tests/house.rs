//! The promises that the repository's texts make to their readers: links lead somewhere, and a rule's number stands in the
//! specification, at its check and in the name of a test.

#![allow(clippy::unwrap_used, reason = "helpers of a test")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every file below `directory` with one of these extensions, but for what is built.
fn files(directory: &Path, extensions: &[&str], found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            files(&path, extensions, found);
        } else if extensions.iter().any(|extension| path.extension().is_some_and(|is| is == *extension)) {
            found.push(path);
        }
    }
}

fn texts(below: &str, extensions: &[&str]) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    files(&root().join(below), extensions, &mut found);
    found.into_iter().map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

/// `ENV-3` and its like in a text, each with where it begins.
fn rules(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.match_indices('-').filter_map(|(dash, _)| {
        let letters = text[..dash].bytes().rev().take_while(u8::is_ascii_uppercase).count();
        let digits = text[dash + 1..].bytes().take_while(u8::is_ascii_digit).count();
        let start = dash - letters;
        let word_before = text[..start].bytes().next_back().is_some_and(|byte| byte.is_ascii_alphanumeric());
        (letters == 3 && digits > 0 && !word_before).then(|| (start, &text[start..dash + 1 + digits]))
    })
}

/// Whether a rule is written down here, rather than spoken of: in bold, at the beginning of a line or in a table.
fn is_definition(text: &str, at: usize) -> bool {
    text[..at].ends_with("\n**[") || text[..at].ends_with("| **[")
}

#[test]
fn every_link_leads_somewhere() {
    let mut broken = Vec::new();
    for (path, text) in texts("", &["md"]) {
        for (_, rest) in text.match_indices("](").map(|(at, _)| text.split_at(at + 2)) {
            let link = rest.split(')').next().unwrap().split('#').next().unwrap();
            if !link.is_empty() && !link.contains("://") && !path.parent().unwrap().join(link).exists() {
                broken.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn every_rule_stands_once_in_the_specification_and_at_its_check() {
    let mut defined = BTreeMap::new();
    for (path, text) in texts("proto/spec", &["md"]) {
        for (at, rule) in rules(&text) {
            if is_definition(&text, at) {
                let before = defined.insert(rule.to_owned(), path.clone());
                assert_eq!(before, None, "{rule} is two rules");
            }
        }
    }
    assert!(!defined.is_empty());
    let families: BTreeSet<_> = defined.keys().map(|rule| rule[..3].to_owned()).collect();

    let mut cited = BTreeSet::new();
    for below in ["proto/src", "proto/proto", "core", "server"] {
        for (path, text) in texts(below, &["rs", "proto"]) {
            for (_, rule) in rules(&text).filter(|(_, rule)| families.contains(&rule[..3])) {
                assert!(defined.contains_key(rule), "{} cites {rule}, which is no rule", path.display());
                cited.insert(rule.to_owned());
            }
        }
    }
    let silent: Vec<_> = defined.keys().filter(|rule| !cited.contains(*rule)).collect();
    assert!(silent.is_empty(), "rules that no code cites: {silent:?}");
}

#[test]
fn every_rule_has_a_test_of_its_name() {
    let mut names = String::new();
    for below in ["core", "server", "tests", "proto", "cli"] {
        for (_, text) in texts(below, &["rs"]) {
            let functions = text.split("fn ").skip(1).filter_map(|rest| rest.split('(').next());
            functions.for_each(|name| names.extend(["_", name, "_ "]));
        }
    }
    let named = |rule: &str| names.contains(&format!("_{}_", rule.to_lowercase().replace('-', "_")));
    let mut missing = Vec::new();
    for (_, text) in texts("proto/spec", &["md"]) {
        let defined = rules(&text).filter(|(at, _)| is_definition(&text, *at)).map(|(_, rule)| rule);
        missing.extend(defined.filter(|rule| !named(rule)).map(str::to_owned));
    }
    assert!(missing.is_empty(), "rules that no test is named for: {missing:?}");
}
