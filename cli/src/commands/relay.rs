//! `wheesht relay`: the relay's own program, so that one install serves.

use std::{ffi::OsString, process::ExitCode};

/// The relay's arguments, if that is what was asked for. They are its own: none is understood, or misunderstood, here.
pub(crate) fn wanted(mut arguments: impl Iterator<Item = OsString>) -> Option<Vec<OsString>> {
    arguments.next()?;
    (arguments.next()? == "relay").then(|| std::iter::once("wheesht relay".into()).chain(arguments).collect())
}

/// Runs it.
pub(crate) fn run(arguments: Vec<OsString>) -> ExitCode {
    wheesht_relay::program::run(arguments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_is_the_relays() {
        let line = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>().into_iter();
        assert_eq!(wanted(line(&["wheesht", "relay", "--data", "x"])).map(|words| words.len()), Some(3));
        assert_eq!(wanted(line(&["wheesht", "send", "relay"])), None);
        assert_eq!(wanted(line(&["wheesht"])), None);
    }
}
