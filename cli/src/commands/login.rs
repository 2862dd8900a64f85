//! `wheesht login`: an existing account on this machine, confirmed by another device of it, or evicting all of them.

use wheesht_core::{
    api::{EventKind, Password, Phase, Response, StopReason},
    proto::address::Address,
};

use crate::{
    args::{Global, PasswordSource},
    exit::{Exit, Failure, Result},
    output::Output,
    render, secret,
    session::{Session, device_name},
};

pub(crate) async fn run(
    global: &Global,
    out: Output,
    address: Address,
    source: &PasswordSource,
    device: Option<String>,
    evict: bool,
    no_wait: bool,
) -> Result<()> {
    let session = Session::open(global, out).await?;
    let password = match source.read()? {
        Some(password) => password,
        None => ask().await?,
    };
    let phase = log_in(&session, address, password, device, evict).await?;
    if matches!(phase, Phase::Pending { .. }) && !no_wait {
        wait(&session).await?;
    }
    session.client.close().await;
    Ok(())
}

/// Asks for the account's password.
pub(crate) async fn ask() -> Result<Password> {
    let typed = tokio::task::spawn_blocking(|| secret::ask("Password: "));
    typed.await.map_err(|_| Failure::interrupted())?
}

/// Begins, and says how far that leads.
pub(crate) async fn log_in(
    session: &Session,
    address: Address,
    password: Password,
    device: Option<String>,
    evict: bool,
) -> Result<Phase> {
    session.out.aside("Logging in …");
    let status = session.client.log_in(address, password, device.unwrap_or_else(device_name), evict).await?;
    let phase = status.phase.clone();
    session.out.result(&Response::Status { status }, |style| render::phase(&phase, style))?;
    Ok(phase)
}

/// Waits until the other devices, or the end of the grace, have decided. Leaves the events to whoever listens next.
pub(crate) async fn wait(session: &Session) -> Result<()> {
    session.out.aside("Waiting. (Ctrl-C leaves; it goes on when Wheesht runs next.)");
    let mut events = session.client.events();
    loop {
        match session.status().await?.phase {
            Phase::Pending { .. } => {}
            Phase::Stopped { reason: StopReason::Rejected } => {
                let failure = Failure::new(
                    Exit::Refused,
                    wheesht_core::api::ErrorCode::NotActive,
                    "Another device refused this one.",
                );
                return Err(failure);
            }
            _ => break,
        }
        loop {
            match events.next().await {
                Some(event) if matches!(event.kind, EventKind::Phase { .. }) => break,
                Some(_) => {}
                None => return Err(Failure::interrupted()),
            }
        }
    }
    let status = session.status().await?;
    let phase = status.phase.clone();
    session.out.result(&Response::Status { status }, |style| render::phase(&phase, style))
}
