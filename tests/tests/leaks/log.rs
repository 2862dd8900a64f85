//! Everything that clients, relay and the libraries under them log, at the most talkative level.
//!
//! Wheesht speaks through `tracing`, and so does some of what it uses; other libraries speak through `log`. The two are kept apart:
//! at `trace`, the WebSocket library tells `log` of every frame with its bytes, which hold names (and nothing that the relay doesn't
//! see). Wheesht's own programs don't listen to `log`.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use tracing::{Level, Metadata, level_filters::LevelFilter};
use tracing_subscriber::fmt::MakeWriter;

/// The lines so far.
#[derive(Clone, Default)]
pub(crate) struct Logs {
    info: Lines,
    tracing: Lines,
    log: Lines,
}

#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<u8>>>);

/// Begins to listen, in the whole process.
pub(crate) fn capture() -> Logs {
    let logs = Logs::default();
    tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_ansi(false)
        .with_writer(logs.clone())
        .init();
    logs
}

impl Logs {
    /// What was told to `tracing`.
    pub(crate) fn tracing(&self) -> Vec<u8> {
        self.tracing.0.lock().unwrap().clone()
    }

    /// What clients told of it at `info` or above: what an installation's log holds unless somebody asks for more.
    pub(crate) fn info(&self) -> Vec<u8> {
        self.info.0.lock().unwrap().clone()
    }

    /// What was told to `log`.
    pub(crate) fn log(&self) -> Vec<u8> {
        self.log.0.lock().unwrap().clone()
    }
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A line for one or two of the files.
pub(crate) struct Tee(Lines, Option<Lines>);

impl Write for Tee {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Some(other) = &mut self.1 {
            other.write_all(line)?;
        }
        self.0.write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Logs {
    type Writer = Tee;

    fn make_writer(&self) -> Tee {
        Tee(self.tracing.clone(), None)
    }

    fn make_writer_for(&self, of: &Metadata<'_>) -> Tee {
        // What comes by way of `log` has this target.
        if of.target() == "log" {
            return Tee(self.log.clone(), None);
        }
        let client = of.target().starts_with("wheesht_core") && *of.level() <= Level::INFO;
        Tee(self.tracing.clone(), client.then(|| self.info.clone()))
    }
}
