//! What frontends do with a text before it is sent: emoji by name, and people by name.

use wheesht_proto::{ids::AccountId, limits::MAX_MENTIONS};

use super::message::Mention;

/// The emoji of a short name without its colons: `thumbsup`, `+1`, `tada`.
pub fn emoji(name: &str) -> Option<&'static str> {
    emojis::get_by_shortcode(name).map(emojis::Emoji::as_str)
}

/// Short names that begin so, with their emoji, to complete what is being typed; at most `limit`.
pub fn emoji_names(prefix: &str, limit: usize) -> Vec<(&'static str, &'static str)> {
    let all = emojis::iter().flat_map(|emoji| emoji.shortcodes().map(move |name| (name, emoji.as_str())));
    all.filter(|(name, _)| name.starts_with(prefix)).take(limit).collect()
}

/// The text with each `:name:` that is known replaced by its emoji. What stands between backticks is left alone.
pub fn with_emoji(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut code = false;
    while let Some(at) = rest.find([':', '`']) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let after = from.get(1..).unwrap_or_default();
        if from.starts_with('`') {
            code = !code;
            out.push('`');
            rest = after;
            continue;
        }
        let named = after.split_once(':').filter(|_| !code);
        match named.and_then(|(name, rest)| Some((emoji(name)?, rest))) {
            Some((emoji, after)) => {
                out.push_str(emoji);
                rest = after;
            }
            None => {
                out.push(':');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

/// Finds `@name` of these people in a text, longer names before shorter ones, where no word goes on before or after.
pub fn mentions(text: &str, people: &[(&str, AccountId)]) -> Vec<Mention> {
    let mut found = Vec::new();
    let mut end = 0;
    for (at, _) in text.match_indices('@') {
        let word_before = text.get(..at).and_then(|before| before.chars().next_back()).is_some_and(is_word);
        if at < end || word_before || found.len() >= MAX_MENTIONS {
            continue;
        }
        let after = text.get(at + 1..).unwrap_or_default();
        let named = |(name, account): &&(&str, AccountId)| {
            let _: &AccountId = account;
            let goes_on = |rest: &str| {
                // A dot or a hyphen may end a sentence, or belong to a longer name.
                let mut rest = rest.chars();
                match rest.next() {
                    Some('.' | '-') => rest.next().is_some_and(is_word),
                    Some(next) => is_word(next),
                    None => false,
                }
            };
            !name.is_empty() && after.strip_prefix(*name).is_some_and(|rest| !goes_on(rest))
        };
        let Some((name, account)) = people.iter().filter(named).max_by_key(|(name, _)| name.len()) else {
            continue;
        };
        end = at + 1 + name.len();
        if let (Ok(start), Ok(length)) = (u32::try_from(at), u32::try_from(end - at)) {
            found.push(Mention { account: *account, start, length });
        }
    }
    found
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_between_colons_become_emoji() {
        assert_eq!(emoji("+1"), Some("👍"));
        assert_eq!(
            with_emoji("done :tada: at 10:30: :nothing: `:tada:`"),
            "done 🎉 at 10:30: :nothing: `:tada:`"
        );
        assert_eq!(with_emoji(":+1::+1:"), "👍👍");
        assert!(emoji_names("thumbs", 10).iter().any(|(name, _)| *name == "thumbsup"));
        assert_eq!(emoji_names("", 3).len(), 3);
    }

    #[test]
    fn con_25_people_are_found_by_their_names() {
        let (bob, bobby) = (AccountId::new([1; 32]), AccountId::new([2; 32]));
        let people = [("bob", bob), ("bobby", bobby), ("", bob)];
        let found = |text: &str| {
            let found = mentions(text, &people);
            found
                .into_iter()
                .map(|one| (one.account, text[one.start as usize..][..one.length as usize].to_owned()))
                .collect::<Vec<_>>()
        };
        assert_eq!(found("@bob, ask @bobby."), [(bob, "@bob".to_owned()), (bobby, "@bobby".to_owned())]);
        assert_eq!(found("ü@bob @bobs @bob-by x@bob @ @carol"), []);
        assert_eq!(found("(@bob)"), [(bob, "@bob".to_owned())]);
        assert_eq!(mentions(&"@bob ".repeat(1_000), &people).len(), MAX_MENTIONS);
    }
}
