//! What happened lately, for a debug bundle: the last few hundred lines, which can't hold what a person said or is called.
//!
//! **A line is made of words of ours and numbers.** That is a matter of types: [`Value`] is made from a `'static` string, a number,
//! a truth, or the name of an enum's variant, and from nothing that came over the network or from a person. Each line goes to
//! `tracing` too, so what is logged from here at any level is as harmless.

use std::{
    borrow::Cow,
    collections::VecDeque,
    fmt::{self, Write as _},
    sync::{Mutex, PoisonError},
};

use tracing::{debug, info};

use super::clock;
use crate::time::Timestamp;

/// Lines kept.
const KEPT: usize = 400;

/// How much a line matters to somebody who reads the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    /// It belongs to a message or a request: there are many.
    Routine,
    /// It changes how things stand.
    Notable,
}

/// What may stand in a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Number(u64),
    Word(Cow<'static, str>),
}

impl Value {
    /// The name of an enum's variant, without what is in it.
    pub(super) fn variant(of: &impl fmt::Debug) -> Self {
        let mut name = FirstWord(String::new());
        // It stops at the first character that is of no name, which says so by an error.
        let _ = write!(name, "{of:?}");
        Self::Word(name.0.into())
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<&'static str> for Value {
    fn from(word: &'static str) -> Self {
        Self::Word(word.into())
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Word(word) => f.write_str(word),
        }
    }
}

struct FirstWord(String);

impl fmt::Write for FirstWord {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            if !c.is_ascii_alphanumeric() || self.0.len() >= 40 {
                return Err(fmt::Error);
            }
            self.0.push(c);
        }
        Ok(())
    }
}

struct Line {
    at: Timestamp,
    text: String,
    times: u64,
}

/// See the module's story.
#[derive(Default)]
pub(super) struct Journal(Mutex<VecDeque<Line>>);

impl Journal {
    /// Something happened.
    pub(super) fn note<const N: usize>(
        &self,
        level: Level,
        what: &'static str,
        with: [(&'static str, Value); N],
    ) {
        let mut text = what.to_owned();
        for (name, value) in with {
            // Writing to a string does not fail.
            let _ = write!(text, " {name}={value}");
        }
        match level {
            Level::Routine => debug!("{text}"),
            Level::Notable => info!("{text}"),
        }
        let at = clock::now();
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match lines.back_mut() {
            Some(last) if last.text == text => (last.at, last.times) = (at, last.times + 1),
            _ => lines.push_back(Line { at, text, times: 1 }),
        }
        if lines.len() > KEPT {
            lines.pop_front();
        }
    }

    /// The lines, the oldest first, each with how many seconds ago it was.
    pub(super) fn lines(&self) -> String {
        let now = clock::now();
        let mut text = String::new();
        for line in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let ago = now.millis_since(line.at);
            let _ = write!(text, "-{}.{:03} {}", ago / 1_000, ago % 1_000, line.text);
            match line.times {
                1 => text.push('\n'),
                times => drop(writeln!(text, " ({times} times)")),
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Password, Request};

    #[test]
    fn a_variant_is_named_without_what_is_in_it() {
        let request = Request::Register {
            address: "alice@relay.example.org".parse().unwrap(),
            password: Password::new("swordfish"),
            device: "phone".to_owned(),
        };
        assert_eq!(Value::variant(&request), "Register".into());
        assert_eq!(Value::variant(&Request::Status), "Status".into());
        assert_eq!(Value::variant(&"a text"), "".into());
        assert_eq!(Value::variant(&Some("alice")), "Some".into());
    }

    #[test]
    fn lines_are_bounded_and_the_same_twice_is_one() {
        let journal = Journal::default();
        for _ in 0..3 {
            journal.note(Level::Routine, "asked", [("what", "Status".into())]);
        }
        assert!(journal.lines().ends_with(" asked what=Status (3 times)\n"), "{}", journal.lines());
        for n in 0..1_000_u64 {
            journal.note(Level::Notable, "up", [("link", n.into())]);
        }
        let lines = journal.lines();
        assert_eq!(lines.lines().count(), KEPT);
        assert!(lines.ends_with("up link=999\n"));
    }
}
