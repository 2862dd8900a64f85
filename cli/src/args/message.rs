//! What can be done to messages, and to conversations as a whole.

use clap::Subcommand;

/// A MESSAGE is written ^ (the newest that fits), ^2 (the one before), or as its "seq" or "id" in --json.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub(crate) enum MessageAction {
    /// Answer it
    Reply { with: String, message: String, text: String },
    /// React to it
    React {
        with: String,
        message: String,
        /// An emoji, or its name: :tada:
        emoji: String,
        /// Take it back
        #[arg(long)]
        remove: bool,
    },
    /// Give a message of yours another text
    Edit { with: String, message: String, text: String },
    /// What it said before it was edited
    Edits { with: String, message: String },
    /// Delete it, for you
    Delete {
        with: String,
        message: String,
        /// For everybody
        #[arg(long)]
        for_all: bool,
    },
    /// Send its text on
    Forward { with: String, message: String, to: String },
    /// Pin it for everybody
    Pin {
        with: String,
        message: String,
        /// No longer
        #[arg(long)]
        off: bool,
    },
    /// What is pinned
    Pins { with: String },
    /// Who has it, and who has read it
    Info { with: String, message: String },
    /// Have messages disappear: 30s, 5m, 8h, 7d, or off
    Timer { with: String, after: Span },
    /// Don't be told of what is said there
    Mute {
        with: String,
        /// For so long: 8h, 7d; without it, for good
        span: Option<Span>,
        /// No longer
        #[arg(long, conflicts_with = "span")]
        off: bool,
    },
}

impl MessageAction {
    /// The conversation that it is about.
    pub(crate) fn with(&mut self) -> &mut String {
        match self {
            Self::Reply { with, .. }
            | Self::React { with, .. }
            | Self::Edit { with, .. }
            | Self::Edits { with, .. }
            | Self::Delete { with, .. }
            | Self::Forward { with, .. }
            | Self::Pin { with, .. }
            | Self::Pins { with }
            | Self::Info { with, .. }
            | Self::Timer { with, .. }
            | Self::Mute { with, .. } => with,
        }
    }
}

/// A span of time in milliseconds, written `30s`, `5m`, `8h`, `7d` or `off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) u64);

impl std::str::FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if matches!(text, "off" | "0") {
            return Ok(Self(0));
        }
        let wrong = || "a span of time is written 30s, 5m, 8h or 7d".to_owned();
        let unit = text.chars().last().ok_or_else(wrong)?;
        let count: u64 = text.strip_suffix(unit).and_then(|count| count.parse().ok()).ok_or_else(wrong)?;
        let ms = match unit {
            's' => 1_000,
            'm' => 60_000,
            'h' => 3_600_000,
            'd' => 86_400_000,
            _ => return Err(wrong()),
        };
        count.checked_mul(ms).map(Self).ok_or_else(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_of_time_have_a_unit() {
        for (text, ms) in
            [("off", 0), ("30s", 30_000), ("5m", 300_000), ("8h", 28_800_000), ("7d", 604_800_000)]
        {
            assert_eq!(text.parse(), Ok(Span(ms)));
        }
        for wrong in ["", "5", "h", "5y", "-1d", "99999999999999999999d", "18446744073709551615d"] {
            assert!(wrong.parse::<Span>().is_err(), "{wrong}");
        }
    }
}
