//! The first run: three questions, and one is somebody.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use wheesht_core::proto::address::{Address, Name, RelayAddress};

use crate::{
    commands::{login, register},
    exit::{Failure, Result},
    session::Session,
};

/// Makes an account, or logs in to one.
pub(crate) async fn first_run(session: &Session) -> Result<()> {
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Err(Failure::new(
            crate::exit::Exit::Account,
            wheesht_core::api::ErrorCode::NoAccount,
            "There is no account here yet.",
        )
        .next("Make one: wheesht register NAME@RELAY."));
    }
    session.out.aside(format!(
        "{}\nThis takes three answers. (No relay at hand? wheesht relay runs one; wheesht demo shows everything.)\n",
        session.out.style.bold("Welcome to Wheesht: private messages through a relay that cannot read them.")
    ));
    let existing =
        ask("Do you have an account already? [y/N] ", |answer| match answer.to_ascii_lowercase().as_str() {
            "" | "n" | "no" => Ok(false),
            "y" | "yes" => Ok(true),
            _ => Err("y or n, please.".to_owned()),
        })
        .await?;
    let name =
        ask("Your name (a-z, 0-9): ", |answer| answer.parse::<Name>().map_err(|e| e.to_string())).await?;
    let relay = ask("Your relay (host, or host:port#fingerprint as it prints it): ", |answer| {
        answer.parse::<RelayAddress>().map_err(|e| e.to_string())
    })
    .await?;
    let address = Address::new(name, relay);
    if existing {
        let evict = ask("Are all your other devices lost? [y/N] ", |answer| match answer {
            "" | "n" | "N" | "no" => Ok(false),
            "y" | "Y" | "yes" => Ok(true),
            _ => Err("y or n, please.".to_owned()),
        })
        .await?;
        login::log_in(session, login::Way::Address { address, evict }, login::ask().await?, None).await?;
        return Ok(());
    }
    let password = register::choose(session).await?;
    register::register(session, address, password, None).await
}

/// Asks until the answer will do.
async fn ask<T: Send + 'static>(
    question: &'static str,
    understand: impl Fn(&str) -> std::result::Result<T, String> + Send + 'static,
) -> Result<T> {
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
                Err(words) => writeln!(err, "{}", crate::exit::sentence(&words))?,
            }
        }
    });
    asking.await.map_err(|_| Failure::interrupted())?
}
