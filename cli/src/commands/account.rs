//! `wheesht password` and `wheesht account delete`: what takes the account's password.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use wheesht_core::{
    api::{Password, Response},
    client::Client,
};

use super::{login, register};
use crate::{
    args::{AccountAction, Global, NewPassword, PasswordSource},
    exit::{Failure, Result},
    output::Output,
    session::{Session, data_dir},
};

/// The account's password, from where it was pointed to, or asked for.
pub(crate) async fn present(source: &PasswordSource) -> Result<Password> {
    match source.read()? {
        Some(password) => Ok(password),
        None => login::ask().await,
    }
}

pub(crate) async fn change_password(
    global: &Global,
    out: Output,
    old: &PasswordSource,
    new: &NewPassword,
) -> Result<()> {
    let session = Session::with_account(global, out).await?;
    let old = present(old).await?;
    let new = match (new.source().read()?, new.generate) {
        (Some(password), _) => password,
        (None, true) => {
            let passphrase = session.client.suggest_passphrase().await?;
            let object = Response::Passphrase { passphrase: passphrase.clone() };
            out.result(&object, |style| {
                let shown = style.bold(passphrase.expose());
                format!("Your new passphrase, shown this once. Write it down:\n\n    {shown}\n")
            })?;
            passphrase
        }
        (None, false) => register::choose(&session).await?,
    };
    session.client.change_password(old, new).await?;
    out.result(&Response::Done, |_| {
        "The password is changed. Your devices stay logged in; a new one takes the new password.".to_owned()
    })?;
    session.client.close().await;
    Ok(())
}

pub(crate) async fn run(global: &Global, out: Output, action: AccountAction) -> Result<()> {
    let AccountAction::Delete { password, yes, keep_history } = action;
    let session = Session::with_account(global, out).await?;
    let address = session.status().await?.address.map(|address| address.to_string()).unwrap_or_default();
    if !yes {
        agreed(&address).await?;
    }
    let password = present(&password).await?;
    out.aside("Telling your contacts, then the relay …");
    session.client.delete_account(password).await?;
    session.client.close().await;
    if !keep_history {
        Client::erase(data_dir(global)?).await?;
    }
    out.result(&Response::Done, |_| format!("{address} is deleted."))
}

/// Has the person type the address: nothing brings the account back.
async fn agreed(address: &str) -> Result<()> {
    if !io::stdin().is_terminal() {
        return Err(Failure::usage("There is no terminal to ask on whether the account is to go.")
            .next("Say so with --yes."));
    }
    let _ = write!(io::stderr(), "This deletes {address} for good. Type the address to go on: ");
    let typed = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line).map(|_| line)
    });
    let typed = typed.await.map_err(|_| Failure::interrupted())??;
    if typed.trim() == address {
        return Ok(());
    }
    Err(Failure::usage("That is another address; nothing was deleted."))
}
