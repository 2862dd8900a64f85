//! The configuration file: what one would otherwise write on every command line. A flag or a variable of the environment wins
//! over it, and it wins over what is built in. What it doesn't know it refuses, so that a slip of the pen doesn't go unnoticed.

use std::{
    io,
    path::{Path, PathBuf},
};

use etcetera::BaseStrategy as _;
use serde::{Deserialize, Serialize};

use crate::{
    args::{Color, Global, StoreKey},
    exit::{Failure, Result, sentence},
};

/// See the module's story.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    pub(crate) color: Color,
    pub(crate) store_key: StoreKey,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) store_passphrase_file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ca: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) log_level: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) log_file: Option<PathBuf>,
    pub(crate) chat: Chat,
    pub(crate) notify: Notify,
}

/// How the chat looks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Chat {
    /// Entries shown when a conversation is opened.
    pub(crate) history: u32,
}

impl Default for Chat {
    fn default() -> Self {
        Self { history: 10 }
    }
}

/// How one hears of a message that one isn't looking at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Notify {
    pub(crate) bell: bool,
    pub(crate) title: bool,
    pub(crate) terminal: TerminalNotification,
    pub(crate) desktop: bool,
    pub(crate) idle_seconds: u64,
}

impl Default for Notify {
    fn default() -> Self {
        Self { bell: true, title: true, terminal: TerminalNotification::Off, desktop: true, idle_seconds: 30 }
    }
}

/// Which sequence asks the terminal itself to notify.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TerminalNotification {
    #[default]
    Off,
    Osc9,
    Osc777,
}

/// What `wheesht config edit` begins with: every setting with its default, commented out.
pub(crate) const TEMPLATE: &str = "\
# Wheesht's configuration. A line that begins with # is not read; what stands there is what holds without it.
# A flag (--color) or a variable (WHEESHT_STORE_KEY) wins over this file. Passwords never stand here.

# Colours: \"auto\" (in a terminal, unless NO_COLOR is set), \"always\" or \"never\".
# color = \"auto\"

# What opens the messages stored on this machine: \"file\" (a key beside them), \"passphrase\" or \"keyring\".
# It is chosen once, before the account is made.
# store_key = \"file\"

# For store_key = \"passphrase\": a file whose first line it is, instead of asking.
# store_passphrase_file = \"/run/secrets/wheesht\"

# Certificate authorities that are trusted besides the web's, for relays that are known by a certificate: a PEM file.
# ca = \"/etc/ssl/our-own.pem\"

# What is logged: \"error\", \"warn\", \"info\", \"debug\" or \"trace\". Never what is said, nor to whom.
# log_level = \"info\"

# Where to. Beyond 10 MiB the file is put aside, once.
# log_file = \"/var/log/wheesht.log\"

[chat]
# Entries shown when a conversation is opened.
# history = 10

# How you hear of what deserves your attention: a message in another conversation, or one that comes when you have
# not typed for a while. What deserves it, and how much is told of it: wheesht notifications.
[notify]
# The terminal's bell.
# bell = true

# The number of unread messages in the window's title.
# title = true

# A notification by the terminal itself: \"off\", \"osc9\" (iTerm2, WezTerm, Windows Terminal) or \"osc777\" (foot, urxvt).
# terminal = \"off\"

# A notification by the desktop.
# desktop = true

# After how many seconds without a key you count as not looking.
# idle_seconds = 30
";

impl Config {
    /// Reads the file, if there is one.
    pub(crate) fn read(global: &Global) -> Result<Self> {
        let path = path(global)?;
        match std::fs::read_to_string(&path) {
            Ok(text) => Self::parse(&text).map_err(|words| unreadable(&path, &words)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(unreadable(&path, &error.to_string())),
        }
    }

    fn parse(text: &str) -> std::result::Result<Self, String> {
        toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start));
            let line = before.map(|before| before.matches('\n').count() + 1);
            let line = line.map(|line| format!("line {line}: ")).unwrap_or_default();
            format!("{line}{}", error.message())
        })
    }
}

fn unreadable(path: &Path, words: &str) -> Failure {
    Failure::usage(sentence(&format!("{} can't be used: {words}", path.display())))
        .next("wheesht config edit opens it.")
}

/// Where the file is: beside the messages with --data, else where the system keeps settings, one for each profile.
pub(crate) fn path(global: &Global) -> Result<PathBuf> {
    if let Some(data) = &global.data {
        return Ok(data.join("config.toml"));
    }
    let base = etcetera::choose_base_strategy()
        .map_err(|_| Failure::usage("Your home directory can't be found.").next("Use --data DIR."))?;
    Ok(base.config_dir().join("wheesht").join(format!("{}.toml", global.profile)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_shows_what_is_built_in() {
        assert_eq!(Config::parse(TEMPLATE), Ok(Config::default()));
        let said: String = TEMPLATE
            .lines()
            .map(|line| match line.strip_prefix("# ") {
                Some(setting) if setting.split_once(" = ").is_some_and(|(name, _)| !name.contains(' ')) => {
                    setting
                }
                _ => line,
            })
            .filter(|line| {
                !line.starts_with("store_passphrase_file")
                    && !line.starts_with("log_")
                    && !line.starts_with("ca =")
            })
            .map(|line| format!("{line}\n"))
            .collect();
        assert_eq!(Config::parse(&said), Ok(Config::default()), "{said}");
    }

    #[test]
    fn a_slip_is_shown_with_its_line() {
        let error = Config::parse("color = \"never\"\n[notify]\nbel = false\n").unwrap_err();
        assert!(error.starts_with("line 3: unknown field `bel`"), "{error}");
        let error = Config::parse("color = \"pink\"\n").unwrap_err();
        assert!(error.contains("pink"), "{error}");
    }

    #[test]
    fn what_is_shown_can_be_read_again() {
        let config = Config { color: Color::Never, log_level: Some("debug".to_owned()), ..Config::default() };
        assert_eq!(Config::parse(&toml::to_string(&config).unwrap()), Ok(config));
    }
}
