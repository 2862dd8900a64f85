//! `wheesht link`: a code that a new device joins by, shown until it has, or until the code has run out.

use std::time::Duration;

use wheesht_core::api::{Device, DeviceLink, ErrorCode, EventKind, Response, Trouble};

use super::devices;
use crate::{
    args::Global,
    exit::{Exit, Failure, Result},
    output::{Output, Style},
    render,
    session::Session,
};

/// The relay's answer may still be on its way when the code runs out.
const GRACE: Duration = Duration::from_secs(5);

pub(crate) async fn run(global: &Global, out: Output, no_wait: bool, history: bool) -> Result<()> {
    let session = Session::with_account(global, out).await?;
    let link = session.client.make_device_link().await?;
    out.result(&Response::DeviceLink { link: link.clone() }, |style| shown(&link, style))?;
    if !no_wait {
        let device = wait(&session, &link).await?;
        if history {
            devices::hand_over(&session, &device, true).await?;
        }
    }
    session.client.close().await;
    Ok(())
}

/// Until a device has joined. Leaves the events to whoever listens next.
async fn wait(session: &Session, link: &DeviceLink) -> Result<Device> {
    session.out.aside("Waiting for the new device. (Ctrl-C leaves; it is confirmed when Wheesht runs next.)");
    let (known, _) = session.client.devices().await?;
    let mut events = session.client.events();
    let now = u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or_default();
    let left = Duration::from_millis(link.expires.as_millis().saturating_sub(now)) + GRACE;
    let joined = async {
        loop {
            let (devices, _) = session.client.devices().await?;
            let new = devices.iter().find(|device| known.iter().all(|one| one.id != device.id));
            if let Some(new) = new {
                return Ok(new.clone());
            }
            loop {
                match events.next().await {
                    Some(event) => match event.kind {
                        EventKind::Devices { .. } | EventKind::DeviceProposal { .. } => break,
                        EventKind::Trouble { trouble: trouble @ Trouble::DeviceLinkUsedTwice } => {
                            session.out.aside(render::trouble(&trouble));
                        }
                        _ => {}
                    },
                    None => return Err(Failure::interrupted()),
                }
            }
        }
    };
    match tokio::time::timeout(left, joined).await {
        Ok(device) => {
            let device = device?;
            let object = Response::Devices { devices: vec![device.clone()], proposal: None };
            session.out.result(&object, |style| {
                let shown = render::device(&device, style);
                format!("{}\n{shown}", style.good("The new device belongs to your account."))
            })?;
            Ok(device)
        }
        Err(_) => {
            session.client.revoke_device_link().await?;
            Err(Failure::new(
                Exit::Timeout,
                ErrorCode::NotFound,
                "No device has used the link in its ten minutes.",
            )
            .next("Make another when the new device is at hand."))
        }
    }
}

fn shown(link: &DeviceLink, style: Style) -> String {
    let text = link.code.expose();
    format!(
        "{}{}\n\nOn the new device: wheesht login --link LINK, and your password. Good until {}, once; show it to nobody else.",
        render::qr(text),
        style.bold(text),
        render::time(link.expires),
    )
}
