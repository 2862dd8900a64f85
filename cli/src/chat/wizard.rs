//! The first run: three questions, and one is somebody.

use std::{
    borrow::Cow,
    io::{self, BufRead as _, IsTerminal as _, Write as _},
};

use wheesht_core::{
    api::ErrorCode,
    proto::address::{Address, InvalidAddress, Name, RelayAddress},
};

use crate::{
    commands::{login, register},
    exit::{Exit, Failure, Result, sentence},
    session::Session,
};

const NAME: &str = "Your name (a-z, 0-9; or login, if you have an account already): ";
const KNOWN_NAME: &str = "The name of your account: ";
const RELAY: &str = "Your relay (host, or host:port#fingerprint as it prints it): ";

/// Makes an account, or logs in to one.
pub(crate) async fn first_run(session: &Session) -> Result<()> {
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Err(Failure::new(Exit::Account, ErrorCode::NoAccount, "There is no account here yet.")
            .next("Make one: wheesht register NAME@RELAY."));
    }
    session.out.aside(format!(
        "{}\nThis takes three answers. (No relay at hand? wheesht relay runs one; wheesht demo shows everything.)\n",
        session.out.style.bold("Welcome to Wheesht: private messages through a relay that cannot read them.")
    ));
    match ask(NAME, First::of).await? {
        First::New(name, relay) => new(session, name, relay).await,
        First::Login => existing(session, None).await,
    }
}

/// What was answered to the first question.
enum First {
    New(Name, Option<RelayAddress>),
    Login,
}

impl First {
    fn of(answer: &str) -> std::result::Result<Self, String> {
        match answer.trim_start_matches('/') {
            "login" => Ok(Self::Login),
            _ => known(answer).map(|(name, relay)| Self::New(name, relay)),
        }
    }
}

/// A name, or a whole address.
fn known(answer: &str) -> std::result::Result<(Name, Option<RelayAddress>), String> {
    if !answer.contains('@') {
        return answer.parse().map(|name| (name, None)).map_err(|error: InvalidAddress| error.to_string());
    }
    let address: Address = answer.parse().map_err(|error: InvalidAddress| error.to_string())?;
    Ok((address.name().clone(), Some(address.relay().clone())))
}

/// A new account. What was typed stays until it is one: only what was wrong is asked again.
async fn new(session: &Session, mut name: Name, relay: Option<RelayAddress>) -> Result<()> {
    let mut relay = match relay {
        Some(relay) => relay,
        None => ask_relay(None).await?,
    };
    let mut password = register::choose(session).await?;
    loop {
        let address = Address::new(name.clone(), relay.clone());
        let Err(failure) = register::register(session, address, password.clone(), None).await else {
            return Ok(());
        };
        let code = failure.error.as_ref().map(|error| error.code);
        match code {
            Some(ErrorCode::NameTaken) => {
                session.out.failure(&failure);
                match ask(NAME, First::of).await? {
                    First::New(other, None) => name = other,
                    First::New(other, Some(other_relay)) => (name, relay) = (other, other_relay),
                    First::Login => return existing(session, Some(relay)).await,
                }
            }
            Some(ErrorCode::WeakPassword) => {
                session.out.failure(&failure);
                password = register::choose(session).await?;
            }
            code if is_of_the_relay(code) => {
                session.out.failure(&failure);
                relay = ask_relay(Some(relay)).await?;
            }
            _ => return Err(failure),
        }
    }
}

/// An account that is known elsewhere.
async fn existing(session: &Session, relay: Option<RelayAddress>) -> Result<()> {
    let (mut name, written) = ask(KNOWN_NAME, known).await?;
    let mut relay = match written.or(relay) {
        Some(relay) => relay,
        None => ask_relay(None).await?,
    };
    let evict = ask("Are all your other devices lost? [y/N] ", |answer| match answer {
        "" | "n" | "N" | "no" => Ok(false),
        "y" | "Y" | "yes" => Ok(true),
        _ => Err("y or n, please.".to_owned()),
    })
    .await?;
    let mut password = login::ask().await?;
    loop {
        let way = login::Way::Address { address: Address::new(name.clone(), relay.clone()), evict };
        let Err(failure) = login::log_in(session, way, password.clone(), None).await else { return Ok(()) };
        let code = failure.error.as_ref().map(|error| error.code);
        if code == Some(ErrorCode::BadCredentials) {
            session.out.failure(&failure);
            let question = format!("The name of your account (Enter: {name}): ");
            let kept = name.clone();
            let understand = move |answer: &str| match answer {
                "" => Ok((kept.clone(), None)),
                answer => known(answer),
            };
            let (again, elsewhere) = ask(question, understand).await?;
            name = again;
            relay = elsewhere.unwrap_or(relay);
            password = login::ask().await?;
        } else if is_of_the_relay(code) {
            session.out.failure(&failure);
            relay = ask_relay(Some(relay)).await?;
        } else {
            return Err(failure);
        }
    }
}

/// Whether another relay's address, or some patience, may help.
fn is_of_the_relay(code: Option<ErrorCode>) -> bool {
    matches!(
        code,
        Some(ErrorCode::Network | ErrorCode::UntrustedRelay | ErrorCode::Relay | ErrorCode::RateLimited)
    )
}

/// Asks for a relay's address; the one before is a key away.
async fn ask_relay(before: Option<RelayAddress>) -> Result<RelayAddress> {
    let question = match &before {
        None => Cow::Borrowed(RELAY),
        Some(before) => Cow::Owned(format!("Your relay (Enter: once more {before}): ")),
    };
    ask(question, move |answer| match (answer, &before) {
        ("", Some(before)) => Ok(before.clone()),
        // Somebody's address names a relay, too.
        (answer, _) => {
            let relay = answer.rsplit_once('@').map_or(answer, |(_, relay)| relay);
            relay.parse().map_err(|error: InvalidAddress| error.to_string())
        }
    })
    .await
}

/// Asks until the answer will do.
async fn ask<T: Send + 'static>(
    question: impl Into<Cow<'static, str>>,
    understand: impl Fn(&str) -> std::result::Result<T, String> + Send + 'static,
) -> Result<T> {
    let question = question.into();
    let asking = tokio::task::spawn_blocking(move || {
        loop {
            let mut err = io::stderr();
            write!(err, "{question}")?;
            err.flush()?;
            let mut line = String::new();
            if io::stdin().lock().read_line(&mut line)? == 0 {
                return Err(Failure::interrupted());
            }
            match understand(line.trim()) {
                Ok(answer) => return Ok(answer),
                Err(words) => writeln!(err, "{}", sentence(&words))?,
            }
        }
    });
    asking.await.map_err(|_| Failure::interrupted())?
}
