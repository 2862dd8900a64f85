//! Whether a text is what was looked for, and where: the last word on every hit, whatever the index said.
// SEA-7

use super::{
    query::Clause,
    words::{Word, words},
};
use crate::api::Mark;

/// Most marks in a text.
const MAX_MARKS: usize = 256;

/// Where a text has what was looked for; none if it lacks any of it.
pub(super) fn marks(text: &str, clauses: &[Clause]) -> Option<Vec<Mark>> {
    let words: Vec<Word> = words(text).collect();
    let mut found = Vec::new();
    for clause in clauses {
        let before = found.len();
        found.extend(words.windows(clause.words.len()).filter(|there| fits(clause, there)).filter_map(span));
        if found.len() == before {
            return None;
        }
    }
    found.sort_unstable();
    let mut marks: Vec<(usize, usize)> = Vec::new();
    for (start, end) in found {
        match marks.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => marks.push((start, end)),
        }
    }
    let mark = |(start, end): (usize, usize)| {
        Some(Mark { start: u32::try_from(start).ok()?, length: u32::try_from(end - start).ok()? })
    };
    Some(marks.into_iter().take(MAX_MARKS).filter_map(mark).collect())
}

fn fits(clause: &Clause, there: &[Word]) -> bool {
    let last = clause.words.len().saturating_sub(1);
    clause.words.iter().zip(there).enumerate().all(|(at, (wanted, word))| match clause.prefix && at == last {
        true => word.folded.starts_with(wanted.as_str()),
        false => word.folded == *wanted,
    })
}

fn span(there: &[Word]) -> Option<(usize, usize)> {
    Some((there.first()?.start, there.last()?.end))
}

#[cfg(test)]
mod tests {
    use super::{super::query::parse, *};

    fn marked(text: &str, query: &str) -> Option<Vec<String>> {
        let found = marks(text, &parse(query).unwrap().clauses)?;
        let part = |mark: &Mark| text[mark.start as usize..][..mark.length as usize].to_owned();
        Some(found.iter().map(part).collect())
    }

    #[test]
    fn sea_7_what_was_looked_for_is_marked() {
        let text = "Der Zug nach Düsseldorf, der ZUG!";
        assert_eq!(marked(text, "zug"), Some(vec!["Zug".to_owned(), "ZUG".to_owned()]));
        assert_eq!(marked(text, "\"nach dusseldorf\""), Some(vec!["nach Düsseldorf".to_owned()]));
        assert_eq!(
            marked(text, "dussel* der"),
            Some(["Der", "Düsseldorf", "der"].map(str::to_owned).to_vec())
        );
        assert_eq!(marked(text, "\"zug dusseldorf\""), None);
        assert_eq!(marked(text, "zug flug"), None);
        assert_eq!(marked("東京都へ", "京都"), Some(vec!["京都".to_owned()]));
        assert_eq!(marked("a", ""), Some(Vec::new()));
    }
}
