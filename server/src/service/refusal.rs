//! Why a request is not granted: what goes to the client, and what ends the relay.

use wheesht_core::proto::relay::{self, ErrorCode};

use crate::storage::StorageError;

/// REL-17: a typed refusal. The detail is for developers; being a constant, it holds nothing of what a client sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: ErrorCode,
    pub(crate) detail: &'static str,
    /// Milliseconds after which a retry may succeed; 0: a retry will not help.
    pub(crate) retry_after_ms: u64,
}

impl Refusal {
    pub(crate) const fn new(code: ErrorCode, detail: &'static str) -> Self {
        Self { code, detail, retry_after_ms: 0 }
    }

    pub(crate) const fn malformed(detail: &'static str) -> Self {
        Self::new(ErrorCode::Malformed, detail)
    }

    pub(crate) const fn not_found(detail: &'static str) -> Self {
        Self::new(ErrorCode::NotFound, detail)
    }

    pub(crate) const fn after(self, retry_after_ms: u64) -> Self {
        Self { retry_after_ms, ..self }
    }

    /// The retry-after as the wire has it.
    pub(crate) fn retry_after(&self) -> u32 {
        u32::try_from(self.retry_after_ms).unwrap_or(u32::MAX)
    }

    /// As the client gets it.
    pub(crate) fn to_message(self) -> relay::Error {
        relay::Error {
            code: self.code.into(),
            detail: self.detail.to_owned(),
            retry_after_ms: self.retry_after(),
        }
    }
}

/// How a request fails: the client's doing, or the storage's.
#[derive(Debug)]
pub(crate) enum Failure {
    Refused(Refusal),
    Storage(StorageError),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}
