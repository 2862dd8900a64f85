//! `wheesht login`: an existing account on this machine, confirmed by another device of it, or evicting all of them.

use std::path::Path;

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

/// How this installation is to join.
pub(crate) enum Way {
    /// Confirmed by comparing a code, or in the place of all others.
    Address { address: Address, evict: bool },
    /// By what another device shows.
    Link(Password),
}

impl Way {
    /// What was typed.
    pub(crate) fn of(address: Option<Address>, link: Option<String>, evict: bool) -> Result<Self> {
        match (address, link) {
            (_, Some(link)) if link == "-" => Ok(Self::Link(secret::first_line(Path::new("/dev/stdin"))?)),
            (_, Some(link)) => Ok(Self::Link(Password::new(link))),
            (Some(address), None) => Ok(Self::Address { address, evict }),
            (None, None) => Err(Failure::usage("There is neither an address nor a link.")),
        }
    }
}

pub(crate) async fn run(
    global: &Global,
    out: Output,
    way: Way,
    source: &PasswordSource,
    device: Option<String>,
    no_wait: bool,
) -> Result<()> {
    let session = Session::open(global, out).await?;
    let password = match source.read()? {
        Some(password) => password,
        None => ask().await?,
    };
    let linked = matches!(way, Way::Link(_));
    let phase = log_in(&session, way, password, device).await?;
    if linked && matches!(phase, Phase::Pending { .. }) {
        out.aside("The device that showed the link confirms this one by itself, as soon as it is connected.");
    }
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
    way: Way,
    password: Password,
    device: Option<String>,
) -> Result<Phase> {
    session.out.aside("Logging in …");
    let device = device.unwrap_or_else(device_name);
    let status = match way {
        Way::Address { address, evict } => session.client.log_in(address, password, device, evict).await?,
        Way::Link(link) => session.client.log_in_by_link(link, password, device).await?,
    };
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
                )
                .next("A link lets one device in, once: make another, or log in without one.");
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
