//! What calls for attention.

use std::str::FromStr;

use clap::{Args as ClapArgs, Parser, ValueEnum};
use wheesht_core::api::{GroupsCall, Shows};

use super::Switch;

/// What is not named stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, ClapArgs)]
pub(crate) struct NotificationArgs {
    /// How much they tell
    #[arg(long, value_enum, value_name = "WHAT")]
    pub(crate) show: Option<ShowsName>,
    /// Which messages of groups call
    #[arg(long, value_enum, value_name = "WHICH")]
    pub(crate) groups: Option<GroupsName>,
    /// Whether a mention, or an answer, calls from a muted group too
    #[arg(long, value_enum, value_name = "ON")]
    pub(crate) mentions_when_muted: Option<Switch>,
    /// When nothing calls, every day: 22:00-7:00, or off
    #[arg(long, value_name = "FROM-UNTIL")]
    pub(crate) quiet: Option<Quiet>,
}

/// The chat's `/notifications`, understood by the same definition.
#[derive(Debug, Parser)]
#[command(name = "/notifications", no_binary_name = true, disable_help_flag = true, color = clap::ColorChoice::Never)]
pub(crate) struct NotificationLine {
    #[command(flatten)]
    pub(crate) changes: NotificationArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ShowsName {
    /// That there is something
    Nothing,
    /// Who wrote
    Who,
    /// The beginning of the message, too
    Message,
}

impl From<ShowsName> for Shows {
    fn from(name: ShowsName) -> Self {
        match name {
            ShowsName::Nothing => Self::Nothing,
            ShowsName::Who => Self::Who,
            ShowsName::Message => Self::Message,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum GroupsName {
    /// All
    All,
    /// Those that name you, or answer you
    Mentions,
}

impl From<GroupsName> for GroupsCall {
    fn from(name: GroupsName) -> Self {
        match name {
            GroupsName::All => Self::All,
            GroupsName::Mentions => Self::Mentions,
        }
    }
}

/// Quiet hours in minutes after midnight; none: off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quiet(pub(crate) Option<(u16, u16)>);

impl FromStr for Quiet {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self(None));
        }
        let wrong = || "quiet hours are written 22:00-7:00, or off".to_owned();
        let minutes = |time: &str| {
            let (hours, minutes) = time.trim().split_once(':').unwrap_or((time.trim(), "0"));
            let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
            (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
        };
        let (from, until) = text.split_once('-').ok_or_else(wrong)?;
        let (from, until) = (minutes(from).ok_or_else(wrong)?, minutes(until).ok_or_else(wrong)?);
        if from == until { Err(wrong()) } else { Ok(Self(Some((from, until)))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quiet_hours_are_two_times_of_a_day() {
        assert_eq!("22:00-7:00".parse(), Ok(Quiet(Some((1_320, 420)))));
        assert_eq!("9-17:30".parse(), Ok(Quiet(Some((540, 1_050)))));
        assert_eq!("off".parse(), Ok(Quiet(None)));
        for wrong in ["", "22:00", "24:00-7:00", "7:60-8:00", "7:00-7:00", "-1:00-7:00", "now-later"] {
            assert!(wrong.parse::<Quiet>().is_err(), "{wrong}");
        }
    }
}
