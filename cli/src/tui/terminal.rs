//! The terminal as the full screen needs it, and as it was before: given back on every way out, a panic included.

use std::{
    io::{self, stdout},
    sync::atomic::{AtomicBool, Ordering},
};

use ratatui::{
    Terminal,
    backend::CrosstermBackend,
    crossterm::{
        cursor::Show,
        event::{
            DisableBracketedPaste, DisableFocusChange, DisableMouseCapture, EnableBracketedPaste,
            EnableFocusChange, EnableMouseCapture, Event, read,
        },
        execute,
        terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
    },
};
use tokio::sync::mpsc;

static TAKEN: AtomicBool = AtomicBool::new(false);

/// Dropped, it gives the terminal back.
pub(super) struct Screen {
    pub(super) terminal: Terminal<CrosstermBackend<io::Stdout>>,
}

impl Screen {
    /// Takes the terminal.
    pub(super) fn take() -> io::Result<Self> {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            give_back();
            before(panic);
        }));
        TAKEN.store(true, Ordering::SeqCst);
        let taken = Self::prepare();
        if taken.is_err() {
            give_back();
        }
        taken
    }

    fn prepare() -> io::Result<Self> {
        enable_raw_mode()?;
        execute!(
            stdout(),
            EnterAlternateScreen,
            EnableMouseCapture,
            EnableBracketedPaste,
            EnableFocusChange
        )?;
        Ok(Self { terminal: Terminal::new(CrosstermBackend::new(stdout()))? })
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

/// As it was, once.
fn give_back() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        let _ = execute!(
            stdout(),
            DisableFocusChange,
            DisableBracketedPaste,
            DisableMouseCapture,
            LeaveAlternateScreen,
            Show
        );
        let _ = disable_raw_mode();
    }
}

/// Keys, clicks and the like, as they come. The thread ends with the program: nothing wakes it from its waiting.
pub(super) fn inputs() -> io::Result<mpsc::Receiver<Event>> {
    let (sender, inputs) = mpsc::channel(256);
    let work = move || {
        while let Ok(event) = read() {
            if sender.blocking_send(event).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new().name("keyboard".to_owned()).spawn(work)?;
    Ok(inputs)
}

#[cfg(all(test, unix))]
mod tests {
    use std::io::Read as _;

    use pty_process::blocking;

    use super::*;

    /// Run by the test below, in a terminal of its own.
    #[test]
    #[ignore = "it takes the terminal, and panics"]
    fn a_program_that_panics() {
        let _screen = Screen::take().unwrap();
        panic!("as it should");
    }

    #[test]
    fn a_panic_gives_the_terminal_back_before_it_speaks() {
        let (mut pty, pts) = blocking::open().unwrap();
        pty.resize(pty_process::Size::new(24, 80)).unwrap();
        let program = std::env::current_exe().unwrap();
        let name = "tui::terminal::tests::a_program_that_panics";
        let mut child = blocking::Command::new(program)
            .args([name, "--exact", "--ignored", "--nocapture"])
            .spawn(pts)
            .unwrap();
        let mut printed = Vec::new();
        let mut bytes = [0; 4096];
        // Its end shows as an error here.
        while let Ok(count @ 1..) = pty.read(&mut bytes) {
            printed.extend_from_slice(&bytes[..count]);
        }
        child.wait().unwrap();
        let printed = String::from_utf8_lossy(&printed);
        let at = |what: &str| printed.find(what).unwrap_or_else(|| panic!("{what:?} is not in {printed:?}"));
        let (taken, given, spoke) = (at("\x1b[?1049h"), at("\x1b[?1049l"), at("as it should"));
        assert!(taken < given && given < spoke, "{printed:?}");
        for asked_for in ["1000", "1004", "2004"] {
            assert!(at(&format!("\x1b[?{asked_for}h")) < at(&format!("\x1b[?{asked_for}l")));
        }
    }
}
