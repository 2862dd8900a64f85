//! How the program ends: exit codes that scripts can rely on, and the error behind each.

use std::{io, process::ExitCode};

use wheesht_core::{
    api::{Error, ErrorCode},
    client::OpenError,
    proto::address::InvalidAddress,
};

/// Why the program ends. The numbers are stable, and stand in `wheesht --help`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Anything not listed, a defect included.
    Other = 1,
    /// The command line, or what was asked, can't be.
    Usage = 2,
    /// There is no account here, or one already, or this device is pending or removed.
    Account = 3,
    /// Wrong name or password, a name that is taken, a password too weak, a blocked contact.
    Refused = 4,
    /// The relay can't be reached, refuses, or asks to wait.
    Relay = 5,
    /// The relay's key or a contact's identity is not the known one.
    Untrusted = 6,
    /// No such person, message or proposal.
    NotFound = 7,
    /// What is stored here can't be opened, read or written, or is in use.
    Store = 8,
    /// `--timeout` is over. A message that was queued still goes out.
    Timeout = 9,
    /// A message won't go.
    Failed = 10,
    /// Interrupted from the keyboard, or told to end.
    Interrupted = 130,
}

/// For `--help`.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  anything not listed, a defect included
  2  the command line, or what was asked, can't be
  3  no account here, or one already, or this device is pending or removed
  4  refused: wrong name or password, name taken, password too weak, contact blocked
  5  the relay can't be reached, refuses, or asks to wait
  6  the relay's key or a contact's identity is not the known one
  7  no such person, message or device
  8  what is stored here can't be opened, read or written, or is in use
  9  --timeout is over (a queued message still goes out when Wheesht runs next)
 10  a message won't go
130  interrupted, or told to end

Files: $XDG_DATA_HOME/wheesht/PROFILE (messages, encrypted), or the --data directory.
With --json, each line of output is one JSON object; an error is one on standard error.";

/// An end that is not the hoped-for one.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// What to say. None: it goes without saying.
    pub(crate) error: Option<Error>,
}

pub(crate) type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    pub(crate) fn new(exit: Exit, code: ErrorCode, message: impl Into<String>) -> Self {
        Self { exit, error: Some(Error::new(code, message)) }
    }

    /// The command line can't be.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, ErrorCode::Invalid, message)
    }

    /// Adds what to do next.
    pub(crate) fn next(mut self, next: impl Into<String>) -> Self {
        self.error = self.error.map(|error| error.next(next));
        self
    }

    pub(crate) fn interrupted() -> Self {
        Self { exit: Exit::Interrupted, error: None }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let exit = match error.code {
            ErrorCode::Invalid | ErrorCode::TooLarge => Exit::Usage,
            ErrorCode::NoAccount | ErrorCode::AccountExists | ErrorCode::NotActive => Exit::Account,
            ErrorCode::NameTaken
            | ErrorCode::WeakPassword
            | ErrorCode::BadCredentials
            | ErrorCode::Blocked => Exit::Refused,
            ErrorCode::NotFound => Exit::NotFound,
            ErrorCode::Network | ErrorCode::RateLimited | ErrorCode::Relay => Exit::Relay,
            ErrorCode::UntrustedRelay | ErrorCode::IdentityChanged => Exit::Untrusted,
            ErrorCode::Store => Exit::Store,
            _ => Exit::Other,
        };
        Self { exit, error: Some(error) }
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        Self { exit: Exit::Store, error: Some(error.into()) }
    }
}

impl From<InvalidAddress> for Failure {
    fn from(error: InvalidAddress) -> Self {
        Self::usage(sentence(&error.to_string()))
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            // Whoever reads our output has had enough.
            io::ErrorKind::BrokenPipe => Self { exit: Exit::Other, error: None },
            io::ErrorKind::Interrupted => Self::interrupted(),
            _ => Self::new(Exit::Other, ErrorCode::Internal, sentence(&error.to_string())),
        }
    }
}

/// An error's words as a sentence: capital letter, full stop.
pub(crate) fn sentence(words: &str) -> String {
    let mut chars = words.chars();
    let first: String = chars.next().into_iter().flat_map(char::to_uppercase).collect();
    let stop = if words.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{stop}", chars.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_stable_and_all_in_the_help() {
        let all = [
            (Exit::Other, 1),
            (Exit::Usage, 2),
            (Exit::Account, 3),
            (Exit::Refused, 4),
            (Exit::Relay, 5),
            (Exit::Untrusted, 6),
            (Exit::NotFound, 7),
            (Exit::Store, 8),
            (Exit::Timeout, 9),
            (Exit::Failed, 10),
            (Exit::Interrupted, 130),
        ];
        for (exit, number) in all {
            assert_eq!(exit as u8, number);
            assert!(EXIT_CODES.lines().any(|line| line.trim_start().starts_with(&format!("{number} "))));
        }
    }

    #[test]
    fn the_guide_tells_the_same_exit_codes_as_the_help() {
        let guide = include_str!("../../docs/using.md");
        let of_guide: Vec<(u8, String)> = guide
            .lines()
            .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | "))
            .filter_map(|(number, meaning)| Some((number.parse().ok()?, meaning.replace('`', ""))))
            .collect();
        let of_help: Vec<(u8, String)> = EXIT_CODES
            .lines()
            .filter_map(|line| line.trim_start().split_once("  "))
            .filter_map(|(number, meaning)| Some((number.parse().ok()?, meaning.to_owned())))
            .collect();
        assert_eq!(of_guide, of_help);
        assert_eq!(of_help.len(), 12);
    }

    #[test]
    fn every_error_says_how_the_program_ends() {
        for (code, exit) in [
            (ErrorCode::Invalid, Exit::Usage),
            (ErrorCode::NoAccount, Exit::Account),
            (ErrorCode::BadCredentials, Exit::Refused),
            (ErrorCode::Network, Exit::Relay),
            (ErrorCode::UntrustedRelay, Exit::Untrusted),
            (ErrorCode::NotFound, Exit::NotFound),
            (ErrorCode::Store, Exit::Store),
            (ErrorCode::Internal, Exit::Other),
        ] {
            assert_eq!(Failure::from(Error::new(code, "x")).exit, exit, "{code:?}");
        }
    }

    #[test]
    fn words_become_sentences() {
        assert_eq!(sentence("the store is damaged"), "The store is damaged.");
        assert_eq!(sentence("Done."), "Done.");
        assert_eq!(sentence(""), ".");
    }
}
