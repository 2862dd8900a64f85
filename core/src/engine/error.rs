//! The only way `handle` fails: the store.

use crate::{api, store::StoreError};

/// The engine can't go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The store failed. Nothing of the input was kept.
    #[error("the store failed: {0}")]
    Store(#[from] StoreError),
    /// A row decrypted but does not decode: it was written by a defect of ours, or by a newer version.
    #[error("a stored {what} can't be read; export what you can and report this")]
    Row {
        /// Which kind of row.
        what: &'static str,
    },
}

/// How a command's handler fails: towards the app, or altogether.
pub(crate) enum Failure {
    /// The app is answered this.
    Answer(api::Error),
    /// The store failed.
    Engine(EngineError),
}

impl From<api::Error> for Failure {
    fn from(error: api::Error) -> Self {
        Self::Answer(error)
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Engine(error.into())
    }
}

/// A command's answer, or `None` if it comes later.
pub(crate) type Answer = Result<Option<api::Response>, Failure>;
