//! What Tab offers: commands, names, emoji, and files.

use std::path::{MAIN_SEPARATOR, Path};

use wheesht_core::api::text;

use super::command::COMMANDS;

/// Emoji, and files, offered at once.
const OFFERED: usize = 40;

/// A word that fits: as it is listed, and as it is put in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) shown: String,
    pub(super) word: String,
}

impl Candidate {
    fn word(word: &str) -> Self {
        Self { shown: word.to_owned(), word: format!("{word} ") }
    }
}

/// The words that fit what stands before the cursor, and where that begins.
pub(super) fn candidates(before: &str, names: &[String]) -> (usize, Vec<Candidate>) {
    let start = before.rfind(char::is_whitespace).map_or(0, |at| at + 1);
    let word = before.get(start..).unwrap_or_default();
    if let Some(name) = word.strip_prefix(':').filter(|name| name.len() >= 2) {
        return (start, emoji(name));
    }
    if let Some(name) = word.strip_prefix('@') {
        let fitting = names.iter().filter(|known| !known.starts_with('#') && known.starts_with(name));
        return (start, fitting.map(|name| Candidate::word(&format!("@{name}"))).collect());
    }
    let Some((command, rest)) = before.split_once(' ') else {
        if !before.starts_with('/') {
            return (0, Vec::new());
        }
        let commands = COMMANDS.iter().map(|usage| usage.name).chain(["/help"]);
        return (0, commands.filter(|name| name.starts_with(before)).map(Candidate::word).collect());
    };
    let takes = COMMANDS.iter().find(|usage| usage.name == command).map_or("", |usage| usage.arguments);
    if takes.contains("FILE") || takes.contains("DIRECTORY") {
        return (start, files(word));
    }
    let is_first = !rest.contains(' ');
    // Of /msg only the first word is a name; of what is about groups, all may be.
    let fits = |name: &&String| match name.starts_with('#') {
        true => is_first && (takes.contains("GROUP") || takes.starts_with("NAME") || command == "/join"),
        false => takes.contains("NAME") && (is_first || takes.contains("GROUP")),
    };
    let wanted = names.iter().filter(fits).filter(|name| name.starts_with(word));
    (start, wanted.map(|name| Candidate::word(name)).collect())
}

fn emoji(prefix: &str) -> Vec<Candidate> {
    let names = text::emoji_names(prefix, OFFERED).into_iter();
    names
        .map(|(name, emoji)| Candidate { shown: format!("{emoji} :{name}:"), word: format!(":{name}: ") })
        .collect()
}

/// Files that begin so. A name with a space in it is put in quotes by nobody here: the line's end is its end.
fn files(begun: &str) -> Vec<Candidate> {
    let (directory, name) = match begun.rfind(MAIN_SEPARATOR) {
        Some(at) => begun.split_at(at + 1),
        None => ("", begun),
    };
    let looked_in = if directory.is_empty() { Path::new(".") } else { Path::new(directory) };
    let Ok(entries) = std::fs::read_dir(looked_in) else { return Vec::new() };
    let mut found: Vec<_> = entries
        .flatten()
        .filter_map(|entry| {
            let known = entry.file_name().into_string().ok()?;
            let hidden = known.starts_with('.') && !name.starts_with('.');
            if hidden
                || !known.starts_with(name)
                || known.chars().any(|c| c.is_control() || c.is_whitespace())
            {
                return None;
            }
            let is_directory = entry.path().is_dir();
            let end = if is_directory { MAIN_SEPARATOR.to_string() } else { " ".to_owned() };
            Some(Candidate { word: format!("{directory}{known}{end}"), shown: known })
        })
        .take(1_000)
        .collect();
    found.sort_by(|a, b| a.shown.cmp(&b.shown));
    found.truncate(OFFERED);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(before: &str) -> (usize, Vec<String>) {
        let names =
            ["bob".to_owned(), "bea@elsewhere.net".to_owned(), "carol".to_owned(), "#trip".to_owned()];
        let (start, found) = candidates(before, &names);
        (start, found.into_iter().map(|candidate| candidate.word).collect())
    }

    #[test]
    fn commands_and_names_are_completed() {
        assert_eq!(words("/ms"), (0, vec!["/msg ".to_owned()]));
        assert_eq!(words("/msg b"), (5, vec!["bob ".to_owned(), "bea@elsewhere.net ".to_owned()]));
        assert_eq!(words("/msg bob h").1, [] as [String; 0]);
        assert_eq!(words("/status b").1, [] as [String; 0]);
        assert_eq!(words("hello b").1, [] as [String; 0]);
        assert_eq!(words("/open #t"), (6, vec!["#trip ".to_owned()]));
    }

    #[test]
    fn people_and_emoji_are_completed_anywhere() {
        assert_eq!(words("are you there @c"), (14, vec!["@carol ".to_owned()]));
        assert_eq!(words("@#"), (0, vec![]));
        let (start, found) = words("hurray :tad");
        assert_eq!((start, found), (7, vec![":tada: ".to_owned()]));
        assert!(words("at 10:3").1.is_empty() && words(":").1.is_empty());
        assert!(candidates(":a", &[]).1.is_empty() && candidates(":sm", &[]).1.len() <= OFFERED);
    }

    #[test]
    fn files_are_completed_and_directories_go_on() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["photo.png", "phone book.txt", ".photo"] {
            std::fs::write(directory.path().join(name), b"").unwrap();
        }
        std::fs::create_dir(directory.path().join("photos")).unwrap();
        let begun = format!("{}{MAIN_SEPARATOR}ph", directory.path().display());
        let found: Vec<_> = files(&begun).into_iter().map(|candidate| candidate.shown).collect();
        assert_eq!(found, ["photo.png", "photos"]);
        let words: Vec<_> = files(&begun).into_iter().map(|candidate| candidate.word).collect();
        assert!(words[0].ends_with("photo.png ") && words[1].ends_with(MAIN_SEPARATOR), "{words:?}");
    }
}
