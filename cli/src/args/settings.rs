//! Settings of the account, which all its devices share.

use std::str::FromStr;

use clap::{Args as ClapArgs, Parser};

use super::Switch;

/// What is not named stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, ClapArgs)]
pub(crate) struct SettingsArgs {
    /// Whether others learn that you have read their messages, and you theirs
    #[arg(long, value_enum, value_name = "ON")]
    pub(crate) read_receipts: Option<Switch>,
    /// Files of contacts up to this size are fetched by themselves: 512K, 8M, or off
    #[arg(long, value_name = "SIZE")]
    pub(crate) auto_download: Option<Size>,
}

/// The chat's `/settings`, understood by the same definition.
#[derive(Debug, Parser)]
#[command(name = "/settings", no_binary_name = true, disable_help_flag = true, color = clap::ColorChoice::Never)]
pub(crate) struct SettingsLine {
    #[command(flatten)]
    pub(crate) changes: SettingsArgs,
}

/// Bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) u64);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self(0));
        }
        let (number, shift) = match text.strip_suffix(['K', 'k']) {
            Some(number) => (number, 10),
            None => text.strip_suffix(['M', 'm']).map_or((text, 0), |number| (number, 20)),
        };
        let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << shift));
        bytes.map(Self).ok_or_else(|| "a size is written 512K, 8M, or off".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_a_unit_or_none() {
        for (text, bytes) in [("512K", 512 << 10), ("8M", 8 << 20), ("100", 100), ("off", 0)] {
            assert_eq!(text.parse(), Ok(Size(bytes)));
        }
        for wrong in ["", "M", "8G", "-1", "18446744073709551615M"] {
            assert!(wrong.parse::<Size>().is_err(), "{wrong}");
        }
    }
}
