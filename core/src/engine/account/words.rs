//! What goes wrong between this account and its relay, in words for a person.

use wheesht_proto::relay::{self, relay_frame};

use super::super::io::RequestError;
use crate::api::{Error, ErrorCode};

/// The relay can't be reached, or is another than it was.
pub(super) fn unreachable(reason: &str, untrusted: bool) -> Error {
    if untrusted {
        Error::new(ErrorCode::UntrustedRelay, format!("The relay is not the one it should be: {reason}"))
            .next("Ask its operator for the current fingerprint by a way that you trust; until then nothing is sent.")
    } else {
        Error::new(ErrorCode::Network, format!("The relay can't be reached: {reason}"))
            .next("Check the address and your connection, then try again.")
    }
}

/// The connection went while something was under way.
pub(super) fn lost() -> Error {
    Error::new(ErrorCode::Network, "The connection to the relay went before it had answered.")
        .next("See whether it was done; if not, try again.")
}

/// The relay's own answer that is neither what was asked for nor a refusal.
pub(super) fn nonsense() -> Error {
    Error::new(ErrorCode::Relay, "The relay's answer can't be understood.")
        .next("Update Wheesht; if it is up to date, ask the relay's operator.")
}

/// Whatever became of a request that should have gone well.
pub(super) fn failed(result: Result<relay_frame::Body, RequestError>) -> Error {
    match result {
        Ok(_) => nonsense(),
        Err(RequestError::Lost) => lost(),
        Err(RequestError::Refused(error)) => refused(&error),
    }
}

/// The relay refused.
pub(super) fn refused(error: &relay::Error) -> Error {
    use relay::ErrorCode as Relay;
    let (code, message, next) = match error.code() {
        Relay::NameTaken => (
            ErrorCode::NameTaken,
            "This name is taken on that relay.".to_owned(),
            "Choose another name; if the account is yours, log in instead.",
        ),
        Relay::NameInvalid => (
            ErrorCode::Invalid,
            "The relay doesn't take this name.".to_owned(),
            "Choose one of 2 to 32 characters of a-z, 0-9, '.', '_' and '-'.",
        ),
        Relay::BadCredentials => (
            ErrorCode::BadCredentials,
            "Wrong name or password.".to_owned(),
            "Check both; upper and lower case count in a password.",
        ),
        Relay::RegistrationClosed => (
            ErrorCode::Relay,
            "This relay takes no new accounts.".to_owned(),
            "Ask its operator, or choose another relay.",
        ),
        Relay::RateLimited => {
            (ErrorCode::RateLimited, "The relay asks to wait.".to_owned(), "Try again a little later.")
        }
        Relay::QuotaExceeded => {
            (ErrorCode::RateLimited, "The relay has no room for this now.".to_owned(), "Try again later.")
        }
        Relay::Unavailable => (
            ErrorCode::Network,
            "The relay is overloaded or going down.".to_owned(),
            "Try again in a minute.",
        ),
        Relay::NotFound => (
            ErrorCode::NotFound,
            "The relay doesn't have this any more.".to_owned(),
            "Look at the list of devices again.",
        ),
        Relay::Conflict => (
            ErrorCode::Relay,
            "Something else changed the account at the same moment.".to_owned(),
            "Try again.",
        ),
        _ => (
            ErrorCode::Relay,
            format!(
                "The relay refused ({}).",
                if error.detail.is_empty() { "without a reason" } else { &error.detail }
            ),
            "Update Wheesht; if it is up to date, ask the relay's operator.",
        ),
    };
    Error::new(code, message).next(next).retry_after(error.retry_after_ms)
}
