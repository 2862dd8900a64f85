//! What goes wrong with files, for a person.

use crate::{
    api::{Error, ErrorCode},
    engine::blobs::BlobFailure,
};

/// What to do about a transfer that failed.
pub(in super::super) enum Verdict {
    /// It is tried again, after at least so long (milliseconds).
    Again(u64, Error),
    /// With a new ticket.
    NewTicket,
    /// As another blob.
    NewBlob,
    /// The file is to be looked at again.
    LookAgain,
    /// A person has to do something.
    Stop(Error),
}

/// An hour: for a relay that is full.
const HOUR_MS: u64 = 60 * 60_000;

/// What to do about a failure, and the words for it.
pub(in super::super) fn verdict(failure: BlobFailure, upload: bool) -> Verdict {
    let stop =
        |code: ErrorCode, message: &str, next: &str| Verdict::Stop(Error::new(code, message).next(next));
    match failure {
        BlobFailure::Network(reason) => {
            Verdict::Again(0, Error::new(ErrorCode::Network, sentence(&reason)).next("It goes on by itself."))
        }
        BlobFailure::Busy(after) => {
            let error =
                Error::new(ErrorCode::RateLimited, "The relay is busy.").next("It goes on by itself.");
            Verdict::Again(u64::from(after), error.retry_after(after))
        }
        BlobFailure::NoRoom => Verdict::Again(HOUR_MS, no_room()),
        BlobFailure::Status(500..=599) => Verdict::Again(
            0,
            Error::new(ErrorCode::Relay, "The relay has a problem of its own.").next("It goes on by itself."),
        ),
        BlobFailure::BadTicket | BlobFailure::Gone if upload => Verdict::NewTicket,
        BlobFailure::Taken | BlobFailure::Garbled if upload => Verdict::NewBlob,
        BlobFailure::Changed => Verdict::LookAgain,
        BlobFailure::Source(reason) => Verdict::Stop(source(&reason)),
        BlobFailure::Metadata(reason) => Verdict::Stop(metadata(&reason)),
        BlobFailure::TooLarge => Verdict::Stop(too_large(None)),
        BlobFailure::RelayTooLarge => Verdict::Stop(too_large(None)),
        BlobFailure::Disk(reason) => Verdict::Stop(
            Error::new(ErrorCode::Store, sentence(&reason))
                .next("Make room or choose another directory, then let it go on."),
        ),
        BlobFailure::Untrusted(reason) => {
            Verdict::Stop(Error::new(ErrorCode::UntrustedRelay, sentence(&reason)))
        }
        BlobFailure::Gone => stop(
            ErrorCode::NotFound,
            "The file is no longer on its relay: it was called back, or lay there for too long.",
            "Ask the sender to send it again.",
        ),
        BlobFailure::NotAuthentic => stop(
            ErrorCode::Relay,
            "What the relay gave is not the file that was sent: it was cut, changed or swapped. Nothing of it was kept.",
            "Try again; if it stays so, ask the sender to send it in another way.",
        ),
        BlobFailure::Newer => stop(
            ErrorCode::Invalid,
            "The file was sent by a newer version of Wheesht.",
            "Update Wheesht, then let it go on.",
        ),
        BlobFailure::BadTicket
        | BlobFailure::Taken
        | BlobFailure::Garbled
        | BlobFailure::WrongSecret
        | BlobFailure::Status(_) => stop(
            ErrorCode::Relay,
            "The relay does not answer as a relay does.",
            "Try again later; if it lasts, ask the relay's operator.",
        ),
    }
}

/// A failure of looking at a file, for the one who wants to send it.
pub(super) fn looking(failure: BlobFailure) -> Error {
    match verdict(failure, true) {
        Verdict::Again(_, error) | Verdict::Stop(error) => error,
        Verdict::NewTicket | Verdict::NewBlob | Verdict::LookAgain => {
            Error::new(ErrorCode::Invalid, "The file changes while it is read.")
                .next("Wait until it is written, then send it.")
        }
    }
}

/// Something is not as it should be, again and again.
pub(super) fn in_vain() -> Error {
    Error::new(
        ErrorCode::Relay,
        "The file does not arrive at the relay as it was sent, or changes all the time.",
    )
    .next("See that nothing writes to it, then let it go on; if it lasts, ask the relay's operator.")
}

/// The file can't be read.
fn source(reason: &str) -> Error {
    Error::new(ErrorCode::NotFound, sentence(reason)).next("Put it back in its place, then try again.")
}

fn metadata(reason: &str) -> Error {
    let text = format!("What this picture tells about its making can't be taken out: {reason}.");
    Error::new(ErrorCode::Invalid, text)
        .next("Send it with its metadata if you don't mind, or convert it to JPEG, PNG or WebP first.")
}

fn no_room() -> Error {
    Error::new(ErrorCode::Relay, "The relay has no room for files just now.")
        .next("It goes on by itself when there is room; its operator can make some.")
}

/// Larger than that (bytes), or than any relay takes.
pub(super) fn too_large(most: Option<u64>) -> Error {
    match most {
        Some(0) => Error::new(ErrorCode::TooLarge, "Your relay takes no files.")
            .next("Its operator can change that; texts go as ever."),
        Some(most) => {
            Error::new(ErrorCode::TooLarge, format!("Your relay takes files up to {}.", amount(most)))
                .next("Send it in parts, or ask the relay's operator for more.")
        }
        None => Error::new(ErrorCode::TooLarge, "The file is larger than the relay takes.")
            .next("Send it in parts."),
    }
}

fn amount(bytes: u64) -> String {
    match bytes {
        0..1_048_576 => format!("{} KiB", bytes >> 10),
        1_048_576..1_073_741_824 => format!("{} MiB", bytes >> 20),
        _ => format!("{} GiB", bytes >> 30),
    }
}

/// A reason as a sentence of its own.
fn sentence(reason: &str) -> String {
    let mut letters = reason.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    let rest = letters.as_str().trim_end_matches('.');
    format!("{first}{rest}.")
}
