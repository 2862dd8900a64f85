//! `/help`, told as a story of three steps.

use super::command::{COMMANDS, Usage};
use crate::output::Style;

pub(crate) fn help(style: Style) -> String {
    let mut text = format!(
        "\n{}\n\n  {}  {:<22} somebody on your relay, or bob@elsewhere.org\n  {}  {:<22} once they have accepted, just type\n  {}  {:<22} compare the number by phone or face to face\n\n  \
         Your messages: {} on its way, {} at the relay, {} with them, {} read.\n\n",
        style.bold("Three steps to talk in private:"),
        style.good("1"),
        "/msg bob hello",
        style.good("2"),
        "/open bob",
        style.good("3"),
        "/verify bob",
        style.dim("·"),
        style.dim("✓"),
        "✓✓",
        if style.color { style.good("✓✓") } else { "✓✓ read".to_owned() },
    );
    for usage in COMMANDS {
        text.push_str(&line(usage, style));
        text.push('\n');
    }
    text.push_str("\n  Tab completes. A text that begins with / is written with //. A line that ends\n  in \\ goes on in the next; pasted lines are one message.");
    text
}

/// What is about a word: a command, or what commands do.
pub(crate) fn about(word: &str, style: Style) -> String {
    let word = word.trim_start_matches('/').to_lowercase();
    let named = |usage: &&Usage| usage.name.strip_prefix('/') == Some(&*word);
    let speaks_of = |usage: &&Usage| usage.name.contains(&word) || usage.does.to_lowercase().contains(&word);
    let mut found: Vec<_> = COMMANDS.iter().filter(named).collect();
    if found.is_empty() {
        found = COMMANDS.iter().filter(speaks_of).collect();
    }
    let lines: Vec<_> = found.into_iter().map(|usage| line(usage, style)).collect();
    if lines.is_empty() {
        return "Nothing here is about that. /help lists the commands.".to_owned();
    }
    lines.join("\n")
}

fn line(usage: &Usage, style: Style) -> String {
    format!("  {:<11} {:<16} {}", usage.name, usage.arguments, style.dim(usage.does))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_finds_what_is_about_it() {
        let style = Style { color: false };
        assert!(about("/export", style).starts_with("  /export"));
        assert_eq!(about("export", style).lines().count(), 1);
        assert!(about("picture", style).contains("/avatar"));
        assert!(about("frobnication", style).contains("/help"));
    }

    #[test]
    fn the_story_fits_a_terminal() {
        let help = help(Style { color: false });
        for line in help.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
        assert!(help.contains("1  /msg bob hello"));
        assert!(help.contains("2  /open bob"));
        assert!(help.contains("3  /verify bob"));
    }
}
