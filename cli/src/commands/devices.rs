//! `wheesht devices`: the account's devices, and one that asks to join.

use wheesht_core::api::{Device, DeviceProposal, ErrorCode, EventKind, HistoryTransferState, Response};

use super::account;
use crate::{
    args::{DeviceAction, Global},
    exit::{Exit, Failure, Result},
    output::Output,
    render,
    session::Session,
};

pub(crate) async fn run(global: &Global, out: Output, action: Option<DeviceAction>) -> Result<()> {
    let session = Session::with_account(global, out).await?;
    match action.unwrap_or(DeviceAction::List) {
        DeviceAction::List => {
            let (devices, proposal) = session.client.devices().await?;
            let object = Response::Devices { devices: devices.clone(), proposal: proposal.clone() };
            out.result(&object, |style| {
                let mut lines: Vec<_> = devices.iter().map(|device| render::device(device, style)).collect();
                lines.extend(proposal.iter().map(|proposal| render::proposal(proposal, style)));
                lines.join("\n")
            })?;
        }
        DeviceAction::Confirm { code } => {
            let proposal = asking(&session, Some(&code)).await?;
            session.client.confirm_device(proposal.id).await?;
            out.result(&Response::Done, |_| "Confirmed: the new device belongs to your account.".to_owned())?;
        }
        DeviceAction::Reject { code } => {
            let proposal = asking(&session, code.as_deref()).await?;
            session.client.reject_device(proposal.id).await?;
            out.result(&Response::Done, |_| {
                "Refused. Somebody knows your password: change it if that was not you.".to_owned()
            })?;
        }
        DeviceAction::Remove { device, password } => {
            let device = named(&session, &device).await?;
            let password = account::present(&password).await?;
            session.client.remove_device(device.id, password).await?;
            out.result(&Response::Done, |_| {
                "Removed. Your other devices and your contacts are given new keys.".to_owned()
            })?;
        }
        DeviceAction::SendHistory { device, cancel: true, .. } => {
            let device = named(&session, &device).await?;
            session.client.cancel_history(device.id).await?;
            out.result(&Response::Done, |_| "No more of it is handed over.".to_owned())?;
        }
        DeviceAction::SendHistory { device, no_wait, cancel: false } => {
            let device = named(&session, &device).await?;
            hand_over(&session, &device, !no_wait).await?;
        }
        DeviceAction::Rename { device, name } => {
            let device = named(&session, &device).await?;
            session.client.rename_device(device.id, name).await?;
            out.result(&Response::Done, |_| "Renamed.".to_owned())?;
        }
    }
    session.client.close().await;
    Ok(())
}

/// Hands what was said here over to a device. `wait`: until all of it is on its way; leaves other events to whoever listens next.
pub(crate) async fn hand_over(session: &Session, device: &Device, wait: bool) -> Result<()> {
    let mut events = session.client.events();
    session.client.send_history(device.id).await?;
    if !wait {
        let words = "It is handed over by and by, while Wheesht runs.";
        return session.out.result(&Response::Done, |_| words.to_owned());
    }
    session.out.aside("Handing the history over. (Ctrl-C leaves; it goes on when Wheesht runs next.)");
    while let Some(event) = events.next().await {
        let EventKind::HistoryTransfer { transfer } = event.kind else { continue };
        if transfer.device != device.id || !transfer.sending {
            continue;
        }
        let shown = render::history_transfer(&transfer);
        match &transfer.state {
            HistoryTransferState::Done => {
                let object = EventKind::HistoryTransfer { transfer };
                return session.out.result(&object, |style| style.good(&shown));
            }
            HistoryTransferState::Failed { error } => return Err(error.clone().into()),
            _ => session.out.aside(shown),
        }
    }
    Err(Failure::interrupted())
}

/// The device of this name, or whose id begins so.
async fn named(session: &Session, name: &str) -> Result<Device> {
    let (devices, _) = session.client.devices().await?;
    let hex = name.to_ascii_lowercase();
    let fits = |device: &&Device| {
        device.label.as_deref() == Some(name) || (hex.len() >= 4 && device.id.to_string().starts_with(&hex))
    };
    let mut found = devices.iter().filter(fits);
    let message = match (found.next(), found.next()) {
        (Some(device), None) => return Ok(device.clone()),
        (Some(_), Some(_)) => format!("Several devices are called {name}."),
        (None, _) => format!("No device is called {name}."),
    };
    Err(Failure::new(Exit::NotFound, ErrorCode::NotFound, message)
        .next("See them with: wheesht devices; give more of the id."))
}

/// The device that asks to join; with a code only if it is the one with this code. A code is compared without its gaps.
pub(crate) async fn asking(session: &Session, code: Option<&str>) -> Result<DeviceProposal> {
    let bare = |code: &str| code.chars().filter(|c| !c.is_whitespace() && *c != '-').collect::<String>();
    let (_, proposal) = session.client.devices().await?;
    let proposal = proposal
        .ok_or_else(|| Failure::new(Exit::NotFound, ErrorCode::NotFound, "No device asks to join."))?;
    match code {
        Some(code) if bare(code) != bare(&proposal.code) => Err(Failure::new(
            Exit::NotFound,
            ErrorCode::NotFound,
            "The device that asks shows another code.",
        )
        .next("If this is not the code on your new device's screen, somebody else is asking: reject it.")),
        _ => Ok(proposal),
    }
}
