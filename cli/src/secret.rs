//! Passwords on their way in: from the terminal without echo, from a file descriptor, or from a file. Never from arguments.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, IsTerminal as _, Read as _},
    path::Path,
};

use wheesht_core::api::Password;

use crate::{
    args::PasswordSource,
    exit::{Failure, Result},
};

/// More than any password has; a wrong file is noticed before it is read whole.
const LONGEST: u64 = 4 * 1024;

impl PasswordSource {
    /// The password that was pointed to; none if it has to be asked for.
    pub(crate) fn read(&self) -> Result<Option<Password>> {
        match (self.password_fd, &self.password_file) {
            // The portable way to a descriptor that was passed on, without unsafe code.
            (Some(number), _) => first_line(Path::new(&format!("/dev/fd/{number}"))).map(Some),
            (None, Some(path)) => first_line(path).map(Some),
            (None, None) => Ok(None),
        }
    }
}

/// The first line of a file.
pub(crate) fn first_line(path: &Path) -> Result<Password> {
    let unreadable = |error: io::Error| Failure::usage(format!("{} can't be read: {error}.", path.display()));
    let mut line = String::new();
    BufReader::new(File::open(path).map_err(unreadable)?.take(LONGEST))
        .read_line(&mut line)
        .map_err(unreadable)?;
    let password = Password::new(line.trim_end_matches(['\r', '\n']));
    match password.expose().is_empty() {
        true => Err(Failure::usage(format!("{} holds no password in its first line.", path.display()))),
        false => Ok(password),
    }
}

/// Asks without echo.
pub(crate) fn ask(prompt: &str) -> Result<Password> {
    if !io::stdin().is_terminal() {
        return Err(Failure::usage("There is no terminal to ask for the password on.")
            .next("Use --password-file, or --password-fd."));
    }
    Ok(Password::new(rpassword::prompt_password(prompt)?))
}

/// Asks for a new one, twice. An empty first answer is the caller's to interpret.
pub(crate) fn ask_new(prompt: &str) -> Result<Password> {
    loop {
        let first = ask(prompt)?;
        if first.expose().is_empty() || ask("Once more: ")? == first {
            return Ok(first);
        }
        // Said where it was asked.
        use io::Write as _;
        let _ = writeln!(io::stderr(), "The two differ. Again:");
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn the_first_line_counts() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"correct horse\r\nsecond\n").unwrap();
        assert_eq!(first_line(file.path()).unwrap().expose(), "correct horse");
    }

    #[test]
    fn an_empty_file_is_no_password() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(first_line(file.path()).is_err());
    }
}
