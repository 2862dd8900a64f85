//! `wheesht doctor`: what could be wrong, and what to do about it.

use std::{io::IsTerminal as _, path::Path, time::Duration};

use serde::Serialize;
use wheesht_core::{
    api::{EventKind, LinkState, Phase},
    time::Timestamp,
};

use crate::{
    args::{Global, StoreKey},
    config,
    exit::{Exit, Failure, Result},
    output::Output,
    session::{self, Session},
    text,
};

/// How long the relay is given.
const RELAY_WITHIN: Duration = Duration::from_secs(8);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Health {
    Good,
    /// It works, but one may want to know.
    Note,
    Bad,
}

#[derive(Debug, Serialize)]
struct Finding {
    #[serde(rename = "type")]
    kind: &'static str,
    what: &'static str,
    health: Health,
    /// What was found.
    words: String,
    /// What to do.
    next: Option<String>,
}

fn finding(what: &'static str, health: Health, words: impl Into<String>) -> Finding {
    Finding { kind: "finding", what, health, words: words.into(), next: None }
}

fn good(what: &'static str, words: impl Into<String>) -> Finding {
    finding(what, Health::Good, words)
}

fn note(what: &'static str, words: impl Into<String>, next: impl Into<String>) -> Finding {
    Finding { next: Some(next.into()), ..finding(what, Health::Note, words) }
}

fn bad(what: &'static str, words: impl Into<String>, next: impl Into<String>) -> Finding {
    Finding { next: Some(next.into()), ..finding(what, Health::Bad, words) }
}

/// Tells what it finds, and remembers the worst.
struct Report {
    out: Output,
    worst: Option<Exit>,
}

impl Report {
    fn tell(&mut self, found: Finding, exit: Exit) -> Result<()> {
        if found.health == Health::Bad {
            self.worst = self.worst.or(Some(exit));
        }
        self.out.result(&found, |style| {
            let mark = match found.health {
                Health::Good => style.good("good"),
                Health::Note => style.warning("note"),
                Health::Bad => style.bad("bad "),
            };
            let next =
                found.next.as_ref().map(|next| format!("\n                   → {next}")).unwrap_or_default();
            format!("{mark}  {:<13}{}{next}", found.what, text::one_line(&found.words))
        })
    }
}

pub(crate) async fn run(global: &Global, out: Output) -> Result<()> {
    let mut report = Report { out, worst: None };
    let path = config::path(global)?;
    report.tell(
        match path.exists() {
            true => good("settings", path.display().to_string()),
            false => good("settings", "none; everything is as built in (wheesht config edit)"),
        },
        Exit::Usage,
    )?;
    report.tell(terminal(), Exit::Usage)?;
    let directory = session::data_dir(global)?;
    report.tell(files(&directory), Exit::Store)?;
    report.tell(key(global), Exit::Store)?;
    report.tell(notifications(global), Exit::Other)?;
    match Session::open(global, out).await {
        Ok(session) => {
            report.tell(good("store", "opens"), Exit::Store)?;
            let checked = account(&session, &mut report).await;
            session.client.close().await;
            checked?;
        }
        Err(failure) => {
            let words = failure.error.as_ref().map(ToString::to_string).unwrap_or_default();
            let next = "If a chat or wheesht rpc is running, end it, or ask it instead.";
            report.tell(bad("store", words, next), failure.exit)?;
        }
    }
    match report.worst {
        None => out.line("All is well."),
        Some(exit) => Err(Failure { exit, error: None }),
    }
}

fn terminal() -> Finding {
    let utf8 = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
        .is_none_or(|locale| locale.to_ascii_lowercase().replace('-', "").contains("utf8"));
    match (std::io::stdout().is_terminal(), utf8) {
        (false, _) => good("terminal", "none; plain lines are written"),
        (true, true) => good("terminal", std::env::var("TERM").unwrap_or_else(|_| "of no name".to_owned())),
        (true, false) => note(
            "terminal",
            "its locale is not UTF-8, so marks and names may look wrong",
            "Set LANG to one that ends in UTF-8.",
        ),
    }
}

fn files(directory: &Path) -> Finding {
    let shown = directory.display();
    match std::fs::metadata(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            good("files", format!("none yet; {shown} is made when needed"))
        }
        Err(error) => bad("files", format!("{shown}: {error}"), "Make it readable to you."),
        Ok(there) if !there.is_dir() => {
            bad("files", format!("{shown} is no directory"), "Move it away, or use --data.")
        }
        #[cfg(unix)]
        Ok(there) if std::os::unix::fs::PermissionsExt::mode(&there.permissions()) & 0o077 != 0 => note(
            "files",
            format!("{shown} can be entered by others; what lies in it is encrypted all the same"),
            format!("chmod 700 {shown}"),
        ),
        Ok(_) => good("files", format!("{shown}, for you alone")),
    }
}

fn key(global: &Global) -> Finding {
    match global.key() {
        StoreKey::File => note(
            "key",
            "lies in a file beside the messages: whoever copies both can read them",
            "For an account that you have yet to make: --store-key passphrase, or keyring.",
        ),
        StoreKey::Passphrase => good("key", "comes from a passphrase"),
        StoreKey::Keyring => good("key", "lies in the desktop's keyring"),
    }
}

fn notifications(global: &Global) -> Finding {
    let bus = cfg!(not(target_os = "linux")) || std::env::var_os("DBUS_SESSION_BUS_ADDRESS").is_some();
    match (global.config.notify.desktop, bus) {
        (false, _) => good("notices", "by the desktop: turned off"),
        (true, true) => good("notices", "by the desktop"),
        (true, false) => note(
            "notices",
            "there is no desktop here that could show any",
            "The bell and the window's title work without; see wheesht config edit.",
        ),
    }
}

async fn account(session: &Session, report: &mut Report) -> Result<()> {
    let status = session.status().await?;
    if status.phase != Phase::Active {
        let words = crate::render::phase(&status.phase, crate::output::Style { color: false });
        let found = match status.phase {
            Phase::Empty => note("account", "there is none yet", "wheesht asks three things and makes one."),
            _ => bad("account", words, "wheesht status tells more."),
        };
        return report.tell(found, Exit::Account);
    }
    let address = status.address.as_ref().map(ToString::to_string).unwrap_or_default();
    report.tell(good("account", address), Exit::Account)?;
    let (devices, _) = session.client.devices().await?;
    let newest = devices.iter().map(|device| device.created).max().unwrap_or_default();
    report.tell(clock(newest), Exit::Other)?;
    report.tell(relay(session).await?, Exit::Relay)?;
    let found = match status.outbox {
        0 => good("outbox", "empty"),
        count => {
            note("outbox", format!("{count} to go out"), "They go as soon as the relays can be reached.")
        }
    };
    report.tell(found, Exit::Other)
}

/// Time can't be earlier than what has happened already.
fn clock(newest: Timestamp) -> Finding {
    let now = u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or_default();
    match now < newest.as_millis() {
        false => good("clock", jiff::Zoned::now().strftime("%Y-%m-%d %H:%M %Z").to_string()),
        true => bad(
            "clock",
            "runs behind: by it, your own device has not been made yet",
            "Set it right; most systems do so by themselves (timedatectl set-ntp true).",
        ),
    }
}

async fn relay(session: &Session) -> Result<Finding> {
    let mut events = session.client.events();
    let mut why = "it does not answer".to_owned();
    let connected = async {
        loop {
            if session.status().await?.online {
                return Ok::<_, Failure>(());
            }
            let within = Duration::from_millis(100);
            if let Ok(Some(event)) = tokio::time::timeout(within, events.next()).await
                && let EventKind::Link { state: LinkState::Offline { reason } } = event.kind
            {
                why = reason;
            }
        }
    };
    Ok(match tokio::time::timeout(RELAY_WITHIN, connected).await {
        Ok(done) => {
            done?;
            good("relay", "is connected, and has the key that it is known by")
        }
        Err(_) => bad(
            "relay",
            why,
            "Check the network. If your relay has moved or has a new key: wheesht set-relay with what it prints.",
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_runs_behind_is_noticed() {
        assert_eq!(clock(Timestamp::default()).health, Health::Good);
        assert_eq!(clock(Timestamp::from_millis(u64::MAX)).health, Health::Bad);
    }

    #[cfg(unix)]
    #[test]
    fn files_that_others_can_enter_are_noticed() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(files(directory.path()).health, Health::Note);
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(files(directory.path()).health, Health::Good);
        assert_eq!(files(&directory.path().join("none")).health, Health::Good);
    }
}
