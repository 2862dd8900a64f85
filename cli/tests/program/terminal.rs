//! A terminal with a person before it: what is typed goes to the program through a pseudo-terminal, and what it prints is drawn
//! on a screen that obeys every escape sequence, as a real one would.

use std::{
    io::{Read as _, Write as _},
    num::NonZeroU16,
    path::Path,
    process::Child,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use pty_process::{Size, blocking};

const PATIENCE: Duration = Duration::from_secs(60);

/// What the program did besides drawing.
#[derive(Default)]
struct Heard {
    bells: usize,
    titles: Vec<String>,
    clipboard: bool,
    others: Vec<String>,
}

impl vt100::Callbacks for Heard {
    fn audible_bell(&mut self, _: &mut vt100::Screen) {
        self.bells += 1;
    }

    fn set_window_title(&mut self, _: &mut vt100::Screen, title: &[u8]) {
        self.titles.push(String::from_utf8_lossy(title).into_owned());
    }

    fn copy_to_clipboard(&mut self, _: &mut vt100::Screen, _: &[u8], _: &[u8]) {
        self.clipboard = true;
    }

    fn unhandled_osc(&mut self, _: &mut vt100::Screen, params: &[&[u8]]) {
        let words: Vec<_> = params.iter().map(|word| String::from_utf8_lossy(word)).collect();
        self.others.push(words.join(";"));
    }
}

pub(crate) struct Terminal {
    child: Child,
    pty: Arc<blocking::Pty>,
    screen: Arc<Mutex<vt100::Parser<Heard>>>,
}

impl Terminal {
    /// Starts `wheesht` in a terminal of this size.
    pub(crate) fn start(data: &Path, arguments: &[&str], rows: u16, columns: u16) -> Self {
        let (pty, pts) = blocking::open().unwrap();
        pty.resize(Size::new(rows, columns)).unwrap();
        let child = blocking::Command::new(env!("CARGO_BIN_EXE_wheesht"))
            .args(["--data", data.to_str().unwrap()])
            .args(arguments)
            .env("TERM", "xterm-256color")
            .env("TZ", "UTC")
            .env_remove("NO_COLOR")
            // Nobody's desktop is to hear of a test.
            .env_remove("DBUS_SESSION_BUS_ADDRESS")
            .spawn(pts)
            .unwrap();
        let pty = Arc::new(pty);
        let size = |cells| NonZeroU16::new(cells).unwrap();
        let parser = vt100::Parser::new_with_callbacks(size(rows), size(columns), 1_000, Heard::default());
        let screen = Arc::new(Mutex::new(parser));
        let (from, drawn) = (pty.clone(), screen.clone());
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = (&*from).read(&mut bytes) {
                drawn.lock().unwrap().process(&bytes[..count]);
            }
        });
        Self { child, pty, screen }
    }

    /// Presses keys.
    pub(crate) fn keys(&self, keys: &str) {
        (&*self.pty).write_all(keys.as_bytes()).unwrap();
    }

    /// Types a line, and Enter.
    pub(crate) fn line(&self, line: &str) {
        self.keys(line);
        self.keys("\r");
    }

    /// What is on the screen.
    pub(crate) fn screen(&self) -> String {
        self.screen.lock().unwrap().screen().contents()
    }

    /// Waits until this is to be seen, in one line or broken behind a bar.
    pub(crate) fn wait(&self, words: &str) -> String {
        let whole = |screen: &str| screen.replace("\n      │ ", " ");
        self.wait_until(words, |screen| screen.contains(words) || whole(screen).contains(words))
    }

    /// Waits until the screen is as wanted.
    pub(crate) fn wait_until(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let begun = Instant::now();
        loop {
            let screen = self.screen();
            if wanted(&screen) {
                return screen;
            }
            assert!(begun.elapsed() < PATIENCE, "{what:?} does not come:\n{screen}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whether the program has the whole screen.
    pub(crate) fn is_full(&self) -> bool {
        self.screen.lock().unwrap().screen().alternate_screen()
    }

    /// What the program has asked the terminal for: the mouse, pastes in brackets, a cursor that isn't seen.
    pub(crate) fn asked_for(&self) -> (bool, bool, bool) {
        let terminal = self.screen.lock().unwrap();
        let screen = terminal.screen();
        let mouse = screen.mouse_protocol_mode() != vt100::MouseProtocolMode::None;
        (mouse, screen.bracketed_paste(), screen.hide_cursor())
    }

    /// How often the bell rang.
    pub(crate) fn bells(&self) -> usize {
        self.screen.lock().unwrap().callbacks().bells
    }

    /// Titles that were set, the last one last.
    pub(crate) fn titles(&self) -> Vec<String> {
        self.screen.lock().unwrap().callbacks().titles.clone()
    }

    /// Operating system commands that the screen itself does not know.
    pub(crate) fn commands(&self) -> Vec<String> {
        self.screen.lock().unwrap().callbacks().others.clone()
    }

    /// Whether the clipboard was written.
    pub(crate) fn clipboard(&self) -> bool {
        self.screen.lock().unwrap().callbacks().clipboard
    }

    /// The window gets another size.
    pub(crate) fn resize(&self, rows: u16, columns: u16) {
        let size = |cells| NonZeroU16::new(cells).unwrap();
        self.screen.lock().unwrap().screen_mut().set_size(size(rows), size(columns));
        self.pty.resize(Size::new(rows, columns)).unwrap();
    }

    /// Asks the program to end, as a system does that shuts down.
    pub(crate) fn terminate(&self) {
        let id = self.child.id().to_string();
        assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    }

    /// Waits until the program has ended, and gives its exit code.
    pub(crate) fn end(mut self) -> i32 {
        self.ended()
    }

    /// The same, to look at the terminal afterwards.
    pub(crate) fn ended(&mut self) -> i32 {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap();
            }
            assert!(begun.elapsed() < PATIENCE, "it does not end:\n{}", self.screen());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
