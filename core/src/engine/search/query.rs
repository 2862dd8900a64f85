//! What a person types, taken apart. The same for every frontend.
//!
//! ```text
//! weekend "train to the sea" sun* from:alice in:"Weekend trip" before:2026-01-01 has:link
//! ```
// SEA-2

use super::words::words;
use crate::{
    api::{Error, ErrorCode, MessageKind},
    time::Timestamp,
};

/// The longest query in bytes.
const MAX_QUERY: usize = 1_024;
/// Most clauses of a query.
const MAX_CLAUSES: usize = 16;
/// A beginning has at least this many characters, once folded.
pub(super) const MIN_PREFIX: usize = 2;

const DAY_MS: u64 = wheesht_proto::limits::DAY_MS;

/// Words that stand one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Clause {
    /// Folded; at least one.
    pub(super) words: Vec<String>,
    /// The last one is how a word begins.
    pub(super) prefix: bool,
}

/// A query.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) clauses: Vec<Clause>,
    /// Names of senders, as typed.
    pub(super) from: Vec<String>,
    /// Names of conversations, as typed.
    pub(super) inside: Vec<String>,
    /// Milliseconds: at or after, and before.
    pub(super) since: Option<u64>,
    pub(super) until: Option<u64>,
    pub(super) kind: Option<MessageKind>,
}

/// Takes a query apart.
pub(super) fn parse(text: &str) -> Result<Query, Error> {
    if text.len() > MAX_QUERY {
        let error = Error::new(ErrorCode::TooLarge, "A search has at most 1,024 bytes.");
        return Err(error.next("Look for fewer words."));
    }
    let mut query = Query::default();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (token, after) = token(rest);
        take(&mut query, token)?;
        rest = after.trim_start();
    }
    if query.clauses.len() > MAX_CLAUSES {
        let error = Error::new(ErrorCode::TooLarge, "A search has at most 16 words or phrases.");
        return Err(error.next("Look for fewer words."));
    }
    Ok(query)
}

/// One part: up to a space outside of quotation marks.
fn token(text: &str) -> (&str, &str) {
    let mut quoted = false;
    let end = text.char_indices().find(|(_, c)| {
        quoted ^= *c == '"';
        c.is_whitespace() && !quoted
    });
    text.split_at(end.map_or(text.len(), |(at, _)| at))
}

fn take(query: &mut Query, token: &str) -> Result<(), Error> {
    if let Some((key, value)) = token.split_once(':') {
        let value = value.trim_matches('"').trim();
        match key {
            _ if value.is_empty() => {}
            "from" => {
                query.from.push(value.to_owned());
                return Ok(());
            }
            "in" => {
                query.inside.push(value.to_owned());
                return Ok(());
            }
            "has" => {
                query.kind = Some(kind(value)?);
                return Ok(());
            }
            "before" => {
                query.until = min(query.until, day(value)?);
                return Ok(());
            }
            "after" => {
                query.since = query.since.max(Some(day(value)? + DAY_MS));
                return Ok(());
            }
            "on" => {
                let day = day(value)?;
                query.since = query.since.max(Some(day));
                query.until = min(query.until, day + DAY_MS);
                return Ok(());
            }
            _ => {}
        }
    }
    let prefix = token.ends_with('*');
    let words: Vec<String> = words(token).map(|word| word.folded).collect();
    let Some(last) = words.last() else { return Ok(()) };
    if prefix && last.chars().count() < MIN_PREFIX && !last.chars().all(|c| !c.is_ascii()) {
        let error = Error::new(ErrorCode::Invalid, "Before * stand at least two letters.");
        return Err(error.next("Write more of the word."));
    }
    // One character of a script without spaces is a word.
    let prefix = prefix && last.chars().count() >= MIN_PREFIX;
    query.clauses.push(Clause { words, prefix });
    Ok(())
}

fn min(known: Option<u64>, other: u64) -> Option<u64> {
    Some(known.map_or(other, |known| known.min(other)))
}

fn kind(value: &str) -> Result<MessageKind, Error> {
    Ok(match value {
        "text" => MessageKind::Text,
        "link" | "url" => MessageKind::Link,
        "file" | "attachment" => MessageKind::File,
        "picture" | "image" | "photo" => MessageKind::Picture,
        _ => {
            let error = Error::new(ErrorCode::Invalid, format!("There is no has:{}.", plain(value)));
            return Err(error.next("There are has:text, has:link, has:file and has:picture."));
        }
    })
}

/// The beginning of a day in UTC.
fn day(value: &str) -> Result<u64, Error> {
    let wrong = || {
        Error::new(ErrorCode::Invalid, format!("{} is no day.", plain(value)))
            .next("Write it like 2026-01-31.")
    };
    let mut parts = value.splitn(3, '-').map(|part| part.parse::<u64>().ok());
    let (Some(Some(year)), Some(Some(month)), Some(Some(day))) = (parts.next(), parts.next(), parts.next())
    else {
        return Err(wrong());
    };
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return Err(wrong());
    }
    // Days since 1970, by years that begin in March.
    let shifted = if month <= 2 { year - 1 } else { year };
    let from_march = (month + 9) % 12;
    let days =
        shifted * 365 + shifted / 4 - shifted / 100 + shifted / 400 + (from_march * 153 + 2) / 5 + day - 1;
    Ok(days.saturating_sub(719_468) * DAY_MS)
}

fn plain(value: &str) -> String {
    value.chars().filter(|c| !c.is_control()).take(40).collect()
}

/// A time as milliseconds.
pub(super) fn millis(at: Option<Timestamp>) -> Option<u64> {
    at.map(Timestamp::as_millis)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn clause(words: &[&str], prefix: bool) -> Clause {
        Clause { words: words.iter().map(|&word| word.to_owned()).collect(), prefix }
    }

    #[test]
    fn sea_2_what_a_person_types_is_taken_apart() {
        let query =
            parse(r#"Sea "Train to" sun* from:alice in:"Weekend trip" before:2026-01-01 has:link x:y"#)
                .unwrap();
        let clauses = [
            clause(&["sea"], false),
            clause(&["train", "to"], false),
            clause(&["sun"], true),
            clause(&["x", "y"], false),
        ];
        assert_eq!(query.clauses, clauses);
        assert_eq!(query.from, ["alice"]);
        assert_eq!(query.inside, ["Weekend trip"]);
        assert_eq!(query.until, Some(1_767_225_600_000));
        assert_eq!(query.kind, Some(MessageKind::Link));
        assert_eq!(parse("東京").unwrap().clauses, [clause(&["東", "京"], false)]);
        assert_eq!(parse("\"open").unwrap().clauses, [clause(&["open"], false)]);
        assert_eq!(parse("  ").unwrap(), Query::default());
        assert_eq!(parse("from:").unwrap().clauses, [clause(&["from"], false)]);
    }

    #[test]
    fn sea_2_days_are_days() {
        assert_eq!(day("1970-01-01").unwrap(), 0);
        assert_eq!(day("2000-03-01").unwrap(), 951_868_800_000);
        assert_eq!(day("2024-02-29").unwrap(), 1_709_164_800_000);
        assert_eq!(parse("on:1970-01-02").unwrap().since, Some(DAY_MS));
        assert_eq!(parse("on:1970-01-02").unwrap().until, Some(2 * DAY_MS));
        assert_eq!(parse("after:1970-01-02").unwrap().since, Some(2 * DAY_MS));
        for wrong in [
            "before:yesterday",
            "before:2026",
            "before:2026-13-01",
            "after:1-1-1",
            "on:99999999999999999999-1-1",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sea_2_a_search_is_bounded() {
        assert!(parse(&"a ".repeat(MAX_CLAUSES)).is_ok());
        assert!(parse(&"a ".repeat(MAX_CLAUSES + 1)).is_err());
        assert!(parse(&"x".repeat(MAX_QUERY + 1)).is_err());
        assert!(parse("a*").is_err());
        assert!(parse("東*").is_ok());
        assert!(parse("has:nothing").is_err());
    }

    proptest! {
        #[test]
        fn sea_2_nothing_typed_makes_it_fall_over(text in any::<String>()) {
            let _ = parse(&text);
        }
    }
}
