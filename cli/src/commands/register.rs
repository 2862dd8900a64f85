//! `wheesht register`: an account on a relay.

use wheesht_core::{
    api::{Password, Response},
    proto::address::Address,
};

use crate::{
    args::{Global, PasswordSource},
    exit::{Failure, Result},
    output::Output,
    secret,
    session::{Session, device_name},
};

pub(crate) async fn run(
    global: &Global,
    out: Output,
    address: Address,
    source: &PasswordSource,
    generate: bool,
    device: Option<String>,
) -> Result<()> {
    let session = Session::open(global, out).await?;
    let given = source.read()?;
    let password = match (given, generate) {
        (Some(password), _) => password,
        (None, true) => {
            let passphrase = session.client.suggest_passphrase().await?;
            let object = Response::Passphrase { passphrase: passphrase.clone() };
            out.result(&object, |style| {
                format!(
                    "Your passphrase, shown this once. Write it down:\n\n    {}\n",
                    style.bold(passphrase.expose())
                )
            })?;
            passphrase
        }
        (None, false) => choose(&session).await?,
    };
    register(&session, address, password, device).await?;
    out.aside("Go on with: wheesht");
    session.client.close().await;
    Ok(())
}

/// Asks for a password, and offers one.
pub(crate) async fn choose(session: &Session) -> Result<Password> {
    let suggested = session.client.suggest_passphrase().await?;
    session.out.aside(format!(
        "The password is needed again on every new device, and nobody can reset it. Here is a good one:\n\n    {}\n",
        session.out.style.bold(suggested.expose())
    ));
    let typed = tokio::task::spawn_blocking(|| {
        secret::ask_new("Password (Enter: the one above, once you have written it down): ")
    });
    let typed = typed.await.map_err(|_| Failure::interrupted())??;
    Ok(if typed.expose().is_empty() { suggested } else { typed })
}

/// Makes the account, and says how others reach it.
pub(crate) async fn register(
    session: &Session,
    address: Address,
    password: Password,
    device: Option<String>,
) -> Result<()> {
    session.out.aside("Making the account …");
    session.client.register(address, password, device.unwrap_or_else(device_name)).await?;
    let status = session.status().await?;
    let address = status.address.as_ref().map(ToString::to_string).unwrap_or_default();
    session.out.result(&Response::Status { status }, |style| {
        format!("{} Others reach you as:\n\n    {address}\n", style.good("You have an account."),)
    })
}
