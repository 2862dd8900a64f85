//! The log, if it is wanted: to standard error, or into a file that its owner alone can read.

use std::{
    fs::{self, OpenOptions},
    path::Path,
    sync::Mutex,
};

use tracing_subscriber::EnvFilter;

use crate::{
    args::Global,
    exit::{Failure, Result},
};

/// A log beyond this is put aside when the next begins; the one before goes.
const LONGEST: u64 = 10 * 1024 * 1024;

pub(crate) fn start(global: &Global) -> Result<()> {
    if global.log_level().is_none() && global.log_file().is_none() {
        return Ok(());
    }
    let level = global.log_level().unwrap_or("info");
    // A bare level is for our own crates: others may log what they are handed.
    let filter = match level.contains(['=', ',']) {
        true => EnvFilter::try_new(level),
        false => {
            EnvFilter::try_new(format!("warn,wheesht={level},wheesht_core={level},wheesht_relay={level}"))
        }
    };
    let filter = filter.map_err(|error| Failure::usage(format!("--log-level: {error}.")))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_target(true);
    match global.log_file() {
        None => builder.with_writer(std::io::stderr).init(),
        Some(path) => {
            put_aside(path, LONGEST);
            let mut options = OpenOptions::new();
            options.create(true).append(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let file = options
                .open(path)
                .map_err(|error| Failure::usage(format!("{} can't be written: {error}.", path.display())))?;
            builder.with_ansi(false).with_writer(Mutex::new(file)).init();
        }
    }
    Ok(())
}

/// A log that has grown too long becomes `NAME.1`. If that fails, the log only goes on growing.
fn put_aside(path: &Path, longest: u64) {
    if fs::metadata(path).is_ok_and(|log| log.is_file() && log.len() > longest) {
        let mut aside = path.as_os_str().to_owned();
        aside.push(".1");
        let _ = fs::rename(path, aside);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_log_is_put_aside() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        fs::write(&log, "0123456789").unwrap();
        put_aside(&log, 10);
        assert!(log.exists());
        put_aside(&log, 9);
        assert!(!log.exists());
        assert_eq!(fs::read_to_string(directory.path().join("log.1")).unwrap(), "0123456789");
    }
}
