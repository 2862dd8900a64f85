//! What every command understands: where this installation is, and how to print.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::config::Config;

#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct Global {
    /// Directory of this installation, instead of the profile's
    #[arg(long, global = true, value_name = "DIR", env = "WHEESHT_DATA")]
    pub(crate) data: Option<PathBuf>,
    /// Which of several installations
    #[arg(long, global = true, value_name = "NAME", env = "WHEESHT_PROFILE", default_value = "default", value_parser = profile)]
    pub(crate) profile: String,
    /// Print one JSON object a line
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// When to use colours [default: auto] (NO_COLOR is heeded)
    #[arg(long, global = true, value_enum, value_name = "WHEN")]
    pub(crate) color: Option<Color>,
    /// What opens the messages stored here; the same each time [default: file]
    #[arg(long, global = true, value_enum, value_name = "KIND", env = "WHEESHT_STORE_KEY")]
    pub(crate) store_key: Option<StoreKey>,
    /// For --store-key passphrase: a file whose first line is it, instead of asking
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) store_passphrase_file: Option<PathBuf>,
    /// Trust the certificate authorities in this PEM file, besides the web's
    #[arg(long, global = true, value_name = "FILE", env = "WHEESHT_CA")]
    pub(crate) ca: Option<PathBuf>,
    /// Log what happens (never what is said, nor to whom): error, warn, info, debug, trace
    #[arg(long, global = true, value_name = "LEVEL", env = "WHEESHT_LOG")]
    pub(crate) log_level: Option<String>,
    /// Log into this file instead of to standard error
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) log_file: Option<PathBuf>,
    /// What the configuration file says; flags win.
    #[arg(skip)]
    pub(crate) config: Config,
}

impl Global {
    /// When to use colours.
    pub(crate) fn color(&self) -> Color {
        self.color.unwrap_or(self.config.color)
    }

    /// What opens the store.
    pub(crate) fn key(&self) -> StoreKey {
        self.store_key.unwrap_or(self.config.store_key)
    }

    pub(crate) fn store_passphrase_file(&self) -> Option<&PathBuf> {
        self.store_passphrase_file.as_ref().or(self.config.store_passphrase_file.as_ref())
    }

    pub(crate) fn ca(&self) -> Option<&PathBuf> {
        self.ca.as_ref().or(self.config.ca.as_ref())
    }

    pub(crate) fn log_level(&self) -> Option<&str> {
        self.log_level.as_deref().or(self.config.log_level.as_deref())
    }

    pub(crate) fn log_file(&self) -> Option<&PathBuf> {
        self.log_file.as_ref().or(self.config.log_file.as_ref())
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum StoreKey {
    #[default]
    /// A file beside the messages, readable by you alone
    File,
    /// A passphrase that is asked for each time
    Passphrase,
    /// The desktop's keyring
    Keyring,
}

/// A profile names a directory.
fn profile(text: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    match (1..=64).contains(&text.len()) && text.chars().all(allowed) {
        true => Ok(text.to_owned()),
        false => Err("a profile's name has 1 to 64 characters of a-z, A-Z, 0-9, '-' and '_'".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_stays_within_its_directory() {
        for bad in ["", "..", "a/b", "a.b"] {
            assert!(profile(bad).is_err(), "{bad}");
        }
        assert_eq!(profile("work-2"), Ok("work-2".to_owned()));
    }
}
