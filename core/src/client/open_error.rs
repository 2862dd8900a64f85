//! Why a client can't be opened; and the same as an [`Error`] with code, sentence and next step, for every frontend.

use std::path::PathBuf;

use crate::{
    api::{Error, ErrorCode},
    store::{self, BackendError, KeyFileError},
};

/// Why a client can't be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The data directory can't be made or read.
    #[error("the directory {} can't be used: {error}", path.display())]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The key file can't be read, or others may read it.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// The keyring does not answer, or refuses.
    #[error("the keyring can't be used ({detail})")]
    Keyring {
        /// Its words.
        detail: String,
    },
    /// A file of certificate authorities can't be used.
    #[error("the certificate authorities in {} can't be used: {detail}", path.display())]
    Authority {
        /// Which.
        path: PathBuf,
        /// Why.
        detail: String,
    },
    /// Another process has this installation open.
    #[error("the installation in {} is in use by another Wheesht", path.display())]
    InUse {
        /// Which.
        path: PathBuf,
    },
    /// The key or passphrase is another one's.
    #[error("this key or passphrase does not open the messages stored here")]
    WrongKey,
    /// A newer Wheesht wrote it.
    #[error("a newer Wheesht wrote what is stored here (format {found}, this one reads up to {supported})")]
    Newer {
        /// The stored format.
        found: u16,
        /// The newest format that this one reads.
        supported: u16,
    },
    /// The store is damaged or can't be read.
    #[error(transparent)]
    Store(store::OpenError),
    /// The operating system gives no thread.
    #[error("the client's thread can't be started: {0}")]
    Thread(std::io::Error),
}

impl From<store::OpenError> for OpenError {
    fn from(error: store::OpenError) -> Self {
        match error {
            store::OpenError::WrongKey => Self::WrongKey,
            store::OpenError::NewerSchema { found, supported } => Self::Newer { found, supported },
            store::OpenError::Backend(BackendError::Locked { path }) => Self::InUse { path },
            error => Self::Store(error),
        }
    }
}

impl From<BackendError> for OpenError {
    fn from(error: BackendError) -> Self {
        store::OpenError::from(error).into()
    }
}

impl From<OpenError> for Error {
    fn from(error: OpenError) -> Self {
        let (code, next) = match &error {
            OpenError::Directory { .. } => {
                (ErrorCode::Store, "See that you may write there, or choose another directory.")
            }
            OpenError::KeyFile(KeyFileError::NotFound { .. }) => (
                ErrorCode::Store,
                "Bring the file back from where it went: without it nobody can read what is stored here.",
            ),
            OpenError::KeyFile(_) => (ErrorCode::Store, "Put the key file right, then open it again."),
            OpenError::Keyring { .. } => (
                ErrorCode::Store,
                "Start or unlock the keyring, then try again; a new installation can use a key file or a passphrase instead.",
            ),
            OpenError::Authority { .. } => {
                (ErrorCode::Invalid, "Give a PEM file that holds the authority's certificate.")
            }
            OpenError::InUse { .. } => (ErrorCode::Store, "Close that one first, or use another directory."),
            OpenError::WrongKey => (
                ErrorCode::Store,
                "Use the key or passphrase that it was made with; there is no way around it.",
            ),
            OpenError::Newer { .. } => (ErrorCode::Store, "Update Wheesht."),
            OpenError::Store(_) => (
                ErrorCode::Store,
                "Free disk space if it is full, then try again; what is damaged has to come back from a backup.",
            ),
            OpenError::Thread(_) => (ErrorCode::Internal, "Close other programs, then try again."),
        };
        Self::new(code, sentence(&error.to_string())).next(next)
    }
}

/// An error's words with a capital letter and a full stop.
fn sentence(words: &str) -> String {
    let mut chars = words.chars();
    let first: String = chars.next().into_iter().flat_map(char::to_uppercase).collect();
    let stop = if words.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{stop}", chars.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_keeps_a_client_from_opening_is_told_with_a_next_step() {
        for error in [
            OpenError::InUse { path: "a/directory".into() },
            OpenError::WrongKey,
            OpenError::Newer { found: 9, supported: 1 },
            OpenError::KeyFile(KeyFileError::NotFound { path: "store.key".into() }),
            OpenError::Keyring { detail: "it is locked".to_owned() },
            OpenError::Thread(std::io::Error::other("no more")),
        ] {
            let told = Error::from(error);
            for sentence in [&told.message, &told.next] {
                assert!(sentence.starts_with(char::is_uppercase) && sentence.ends_with('.'), "{told}");
            }
        }
    }
}
