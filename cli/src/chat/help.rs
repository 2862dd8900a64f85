//! `/help`, told as a story of three steps.

use super::command::COMMANDS;
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
        text.push_str(&format!("  {:<10} {:<16} {}\n", usage.name, usage.arguments, style.dim(usage.does)));
    }
    text.push_str("\n  Tab completes. A text that begins with / is written with //. A line that ends\n  in \\ goes on in the next; pasted lines are one message.");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

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
