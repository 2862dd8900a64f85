//! The line editor, in a thread of its own: it waits for keys while messages are printed above its prompt.
//!
//! Lines that were typed are remembered for the arrow keys until the program ends, and no longer. Nothing of them is written to a file:
//! they hold what was said and to whom, and the store beside is encrypted.

use std::{
    borrow::Cow,
    io::{self, BufRead as _, IsTerminal as _, Write as _},
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc as sync_mpsc},
};

use rustyline::{
    CompletionType, Config, Context, Editor, ExternalPrinter, Helper,
    completion::{Completer, Pair},
    error::ReadlineError,
    highlight::Highlighter,
    hint::Hinter,
    history::MemHistory,
    validate::{ValidationContext, ValidationResult, Validator},
};
use tokio::sync::mpsc;

use super::{
    attention::Keys,
    command::COMMANDS,
    complete::{Candidate, candidates},
};
use crate::{exit::Result, output::Style, wrap};

/// What came from the keyboard.
pub(crate) enum Typed {
    Line(String),
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-D, or the end of the input.
    End,
}

/// Names for completion; the chat keeps them current.
pub(crate) type Names = Arc<Mutex<Vec<String>>>;

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Whoever panicked while holding it has ended the program's work; the data are still the last word.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The keyboard's end.
pub(crate) struct Keyboard {
    pub(crate) typed: mpsc::Receiver<Typed>,
    prompts: sync_mpsc::Sender<String>,
}

impl Keyboard {
    /// Lets the next line be typed.
    pub(crate) fn prompt(&self, prompt: String) {
        // If the thread is gone, `typed` says so.
        let _ = self.prompts.send(prompt);
    }
}

/// The screen's end: prints above the prompt.
#[derive(Clone)]
pub(crate) struct Screen {
    printer: Arc<Mutex<Option<Box<dyn ExternalPrinter + Send>>>>,
}

impl Screen {
    /// Prints lines.
    pub(crate) fn print(&self, text: &str) -> io::Result<()> {
        let text = format!("{}\n", wrap::for_output(text));
        match lock(&self.printer).as_mut() {
            Some(printer) => printer.print(text).map_err(io::Error::other),
            None => {
                let mut out = io::stdout().lock();
                out.write_all(text.as_bytes())?;
                out.flush()
            }
        }
    }
}

/// Starts the thread. Without a terminal, lines are read and printed plainly.
pub(crate) fn start(names: Names, style: Style, keys: Arc<Keys>) -> Result<(Keyboard, Screen)> {
    let (lines, typed) = mpsc::channel(1);
    let (prompts, asked) = sync_mpsc::channel();
    let printer = match at_a_terminal() {
        true => {
            let config =
                Config::builder().completion_type(CompletionType::List).auto_add_history(true).build();
            let mut editor = Editor::<Assistant, MemHistory>::with_history(config, MemHistory::new())
                .map_err(io::Error::other)?;
            editor.set_helper(Some(Assistant { names, style, keys }));
            let printer = editor.create_external_printer().map_err(io::Error::other)?;
            spawn(move || edit(editor, &asked, &lines))?;
            Some(Box::new(printer) as Box<dyn ExternalPrinter + Send>)
        }
        false => {
            spawn(move || read(&asked, &lines))?;
            None
        }
    };
    Ok((Keyboard { typed, prompts }, Screen { printer: Arc::new(Mutex::new(printer)) }))
}

/// Whether a person sits there.
pub(crate) fn at_a_terminal() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

fn spawn(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().name("keyboard".to_owned()).spawn(work).map(drop)
}

fn edit(
    mut editor: Editor<Assistant, MemHistory>,
    asked: &sync_mpsc::Receiver<String>,
    lines: &mpsc::Sender<Typed>,
) {
    while let Ok(prompt) = asked.recv() {
        let typed = match editor.readline(&prompt) {
            Ok(line) => Typed::Line(line),
            Err(ReadlineError::Interrupted) => Typed::Interrupt,
            Err(_) => Typed::End,
        };
        if lines.blocking_send(typed).is_err() {
            return;
        }
    }
}

fn read(asked: &sync_mpsc::Receiver<String>, lines: &mpsc::Sender<Typed>) {
    let mut input = io::stdin().lock().lines();
    while asked.recv().is_ok() {
        let typed = match input.next() {
            Some(Ok(line)) => Typed::Line(line),
            _ => Typed::End,
        };
        if lines.blocking_send(typed).is_err() {
            return;
        }
    }
}

/// Completes and hints.
struct Assistant {
    names: Names,
    style: Style,
    keys: Arc<Keys>,
}

impl Helper for Assistant {}

impl Validator for Assistant {
    /// A line that ends in a backslash goes on in the next.
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        Ok(match context.input().ends_with('\\') {
            true => ValidationResult::Incomplete,
            false => ValidationResult::Valid(None),
        })
    }
}

/// What would complete the line, shown behind the cursor.
fn hint(line: &str) -> Option<String> {
    if line.is_empty() || !line.starts_with('/') {
        return None;
    }
    match line.split_once(' ') {
        None => {
            let mut fitting = COMMANDS.iter().filter(|usage| usage.name.starts_with(line));
            let usage = fitting.next()?;
            let rest = usage.name.get(line.len()..)?;
            Some(format!("{rest} {}", usage.arguments).trim_end().to_owned()).filter(|hint| !hint.is_empty())
        }
        Some((command, "")) => {
            COMMANDS.iter().find(|usage| usage.name == command).map(|usage| usage.arguments.to_owned())
        }
        Some(_) => None,
    }
}

impl Completer for Assistant {
    type Candidate = Pair;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let before = line.get(..pos).unwrap_or(line);
        let (start, words) = candidates(before, &lock(&self.names));
        let pair = |candidate: Candidate| Pair { display: candidate.shown, replacement: candidate.word };
        Ok((start, words.into_iter().map(pair).collect()))
    }
}

impl Hinter for Assistant {
    type Hint = String;

    fn hint(&self, line: &str, pos: usize, _: &Context<'_>) -> Option<String> {
        // This is asked at every key.
        self.keys.press(!line.is_empty() && !line.starts_with('/'));
        if pos == line.len() { hint(line) } else { None }
    }
}

impl Highlighter for Assistant {
    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _: bool) -> Cow<'b, str> {
        self.style.bold(prompt).into()
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        self.style.dim(hint).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_lead_on() {
        assert_eq!(hint("/ms").as_deref(), Some("g NAME TEXT"));
        assert_eq!(hint("/msg ").as_deref(), Some("NAME TEXT"));
        assert_eq!(hint("/msg bob"), None);
        assert_eq!(hint("/statu").as_deref(), Some("s [WHAT [TEXT]]"));
        assert_eq!(hint("hello"), None);
    }
}
