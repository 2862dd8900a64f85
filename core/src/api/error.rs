//! Why a request failed, for a program (the code) and for a person (the sentence and the next step).
//!
//! Each code comes with a meaning and with what to do where nothing better is known, so that no error is without a next step; the
//! table of them all is `core/ERRORS.md`. What goes wrong outside of requests (a message that does not go, a trouble that an event
//! tells, a client that does not open) has the same three: see `failure.rs`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($variant:ident $name:literal: $meaning:literal, $next:literal;)*) => {
        /// Stable; new ones may be added.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum ErrorCode {
            $(#[doc = $meaning] $variant,)*
        }

        impl ErrorCode {
            /// Every one.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// As it is written in JSON.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// What it means, for a person.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning),* }
            }

            /// What to do where the error itself knows nothing better.
            pub const fn next_step(self) -> &'static str {
                match self { $(Self::$variant => $next),* }
            }
        }
    };
}

codes! {
    Invalid "invalid": "The request itself can't be.", "Change what was asked; the sentence says what is wrong with it.";
    NoAccount "no_account": "There is no account here yet.", "Register, or log in to an account that you have.";
    AccountExists "account_exists": "There is an account here already.", "For another account, use another directory.";
    NotActive "not_active": "This device is pending or was removed.", "Confirm it on another of your devices, or log in again.";
    NameTaken "name_taken": "The name is taken on that relay.", "Choose another name, or another relay.";
    WeakPassword "weak_password": "The password is too easy to guess.", "Choose a longer one, or take a suggested passphrase.";
    BadCredentials "bad_credentials": "Wrong name or password.", "Check both; upper and lower case count in a password.";
    NotFound "not_found": "No such person, message or proposal.", "Check what you asked for; a list shows what there is.";
    Network "network": "The relay can't be reached.", "Check the address and your connection, then try again.";
    UntrustedRelay "untrusted_relay": "The relay's key is not the one it is known by.", "Ask its operator for the current fingerprint by a way that you trust; until then nothing is sent.";
    IdentityChanged "identity_changed": "The contact's identity changed.", "Ask the person by another way, compare the safety number, then accept the identity.";
    NotPermitted "not_permitted": "The role in the group does not allow it.", "Ask an owner or admin of the group.";
    LastOwner "last_owner": "The only owner of a group can't go while others are there.", "Make somebody else an owner first.";
    Blocked "blocked": "The contact is blocked.", "Unblock the contact first.";
    RateLimited "rate_limited": "Too often; wait.", "Wait a while, then try again.";
    TooLarge "too_large": "Too large.", "Make it smaller, or send it in parts.";
    Relay "relay": "The relay refused.", "Try again later; if it lasts, ask the relay's operator.";
    Store "store": "The store failed.", "Free disk space if it is full, then try again.";
    File "file": "A file can't be read or written.", "Check the path, its permissions, and whether the disk is full.";
    Closed "closed": "The client was closed.", "Open it again.";
    Internal "internal": "A defect of ours.", "Please report it, with a debug bundle.";
}

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, thiserror::Error)]
#[error("{message} {next}")]
pub struct Error {
    /// For a program.
    pub code: ErrorCode,
    /// For a person: one sentence.
    pub message: String,
    /// For a person: what to do next.
    pub next: String,
    /// Milliseconds after which a retry may succeed.
    pub retry_after_ms: Option<u32>,
}

impl Error {
    /// An error with its sentence, and the next step that its code suggests.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), next: code.next_step().to_owned(), retry_after_ms: None }
    }

    /// With a better next step.
    #[must_use]
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.next = next.into();
        self
    }

    /// Adds when to try again.
    #[must_use]
    pub fn retry_after(mut self, millis: u32) -> Self {
        self.retry_after_ms = Some(millis).filter(|millis| *millis > 0);
        self
    }
}

#[cfg(test)]
mod tests {
    use std::{fmt::Write as _, fs, path::Path};

    use super::*;
    use crate::api::FailReason;

    fn is_a_sentence(text: &str) -> bool {
        text.starts_with(char::is_uppercase) && text.ends_with('.') && text.len() > 5
    }

    #[test]
    fn every_code_has_a_stable_name_a_meaning_and_a_next_step() {
        let mut names = std::collections::BTreeSet::new();
        for code in ErrorCode::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.name());
            assert!(names.insert(code.name()), "{} twice", code.name());
            assert!(is_a_sentence(code.meaning()), "{}", code.meaning());
            assert!(is_a_sentence(code.next_step()), "{}", code.next_step());
            let error = Error::new(*code, "It did not work.");
            assert_eq!(error.to_string(), format!("It did not work. {}", code.next_step()));
        }
        // In the macro each variant has its place, so none can be missing; this holds the schema to it.
        let schema = serde_json::to_string(&schemars::schema_for!(ErrorCode)).unwrap();
        assert_eq!(schema.matches("\"const\"").count(), ErrorCode::ALL.len(), "{schema}");
    }

    #[test]
    fn every_reason_for_which_a_message_fails_is_told_in_words() {
        for reason in FailReason::ALL {
            let error = Error::from(*reason);
            assert!(is_a_sentence(&error.message) && is_a_sentence(&error.next), "{error}");
        }
        let schema = serde_json::to_string(&schemars::schema_for!(FailReason)).unwrap();
        assert_eq!(schema.matches("\"const\"").count(), FailReason::ALL.len(), "{schema}");
    }

    /// The table that people read is the one that programs get. `UPDATE_ERRORS=1` writes it anew.
    #[test]
    fn the_table_of_codes_is_up_to_date() {
        let mut table = String::from(
            "# What can go wrong\n\nMade from `core/src/api/error.rs` by its test; don't edit it here.\n\nA failed request has a stable \
             `code`, a sentence for a person in `message`, and in `next` what\nto do: what stands here, or something that fits the \
             case better.\n\n| code | meaning | next step |\n|---|---|---|\n",
        );
        for code in ErrorCode::ALL {
            writeln!(table, "| `{}` | {} | {} |", code.name(), code.meaning(), code.next_step()).unwrap();
        }
        table += "\nA message that was accepted and does not go has the state `failed` with a `reason`:\n\n\
                  | reason | code | meaning | next step |\n|---|---|---|---|\n";
        for reason in FailReason::ALL {
            let error = Error::from(*reason);
            let name = serde_json::to_value(reason).unwrap();
            let name = name.as_str().unwrap();
            writeln!(table, "| `{name}` | `{}` | {} | {} |", error.code.name(), error.message, error.next)
                .unwrap();
        }
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("ERRORS.md");
        if std::env::var_os("UPDATE_ERRORS").is_some() {
            fs::write(&path, &table).unwrap();
        }
        assert!(
            fs::read_to_string(&path).unwrap() == table,
            "ERRORS.md is stale: run this test with UPDATE_ERRORS=1"
        );
    }
}
