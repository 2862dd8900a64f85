//! Where everything that is printed goes through: lines for a person or JSON objects for a program.

use std::io::{self, IsTerminal as _, Write as _};

use serde::Serialize;

use crate::{
    args::Color,
    exit::{Failure, Result},
    text, wrap,
};

/// How to print.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    pub(crate) json: bool,
    pub(crate) style: Style,
}

impl Output {
    pub(crate) fn new(json: bool, color: Color) -> Self {
        // https://no-color.org: set and not empty.
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let color = match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => wanted && io::stdout().is_terminal(),
        };
        Self { json, style: Style { color } }
    }

    /// One result: the object, or the lines that say the same to a person. On return it is written and flushed.
    pub(crate) fn result(&self, object: &impl Serialize, lines: impl FnOnce(Style) -> String) -> Result<()> {
        let text = match self.json {
            true => json(object)?,
            false => wrap::for_output(&lines(self.style)),
        };
        self.write(&text)
    }

    /// A line for a person only.
    pub(crate) fn line(&self, line: impl AsRef<str>) -> Result<()> {
        if self.json { Ok(()) } else { self.write(&wrap::for_output(line.as_ref())) }
    }

    /// Something beside the result: to standard error, so that the result can be piped.
    pub(crate) fn aside(&self, line: impl AsRef<str>) {
        if !self.json {
            // If that is closed, there is nobody to tell.
            let _ = writeln!(io::stderr(), "{}", wrap::for_asides(line.as_ref()));
        }
    }

    /// Why the program ends.
    pub(crate) fn failure(&self, failure: &Failure) {
        let Some(error) = &failure.error else { return };
        let _ = match self.json {
            true => {
                let mut object = serde_json::json!({ "type": "error" });
                if let (Some(object), Ok(serde_json::Value::Object(error))) =
                    (object.as_object_mut(), serde_json::to_value(error))
                {
                    object.extend(error);
                }
                writeln!(io::stderr(), "{object}")
            }
            // It may hold a relay's words.
            false => {
                let words = format!("wheesht: {}", text::one_line(&error.to_string()));
                writeln!(io::stderr(), "{}", wrap::for_asides(&words))
            }
        };
    }

    /// The same for a person and a program.
    pub(crate) fn raw(&self, text: &str) -> Result<()> {
        self.write(text.trim_end())
    }

    fn write(&self, text: &str) -> Result<()> {
        let mut out = io::stdout().lock();
        writeln!(out, "{text}")?;
        Ok(out.flush()?)
    }
}

pub(crate) fn json(object: &impl Serialize) -> Result<String> {
    serde_json::to_string(object).map_err(|error| io::Error::other(error).into())
}

/// Colours, or none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    pub(crate) color: bool,
}

impl Style {
    fn paint(self, code: &str, text: &str) -> String {
        if self.color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    pub(crate) fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    pub(crate) fn own(self, text: &str) -> String {
        self.paint("36", text)
    }

    pub(crate) fn other(self, text: &str) -> String {
        self.paint("1;35", text)
    }

    /// Somebody's own colour: the same wherever they appear.
    pub(crate) fn person(self, identity: &[u8], text: &str) -> String {
        // Neither the colour of one's own name nor those of warnings and marks.
        let colors = ["1;35", "1;34", "1;95", "1;94", "1;96", "1;32", "1;92", "1;36"];
        self.paint(colors.get(Self::shade(identity)).unwrap_or(&"1;35"), text)
    }

    /// Which of eight colours is somebody's own.
    pub(crate) fn shade(identity: &[u8]) -> usize {
        let add = |sum: usize, byte: &u8| sum.wrapping_mul(31).wrapping_add(usize::from(*byte));
        identity.iter().fold(0, add) % 8
    }

    pub(crate) fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    pub(crate) fn warning(self, text: &str) -> String {
        self.paint("1;33", text)
    }

    pub(crate) fn bad(self, text: &str) -> String {
        self.paint("31", text)
    }
}
