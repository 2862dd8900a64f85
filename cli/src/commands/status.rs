//! `wheesht status` and `wheesht set-relay`.

use std::time::Duration;

use wheesht_core::{
    api::{Phase, Response},
    proto::address::RelayAddress,
};

use crate::{args::Global, exit::Result, output::Output, render, session::Session};

/// A connection takes a moment; a status that says "offline" because it did not wait would mislead.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_millis(50);

pub(crate) async fn run(global: &Global, out: Output) -> Result<()> {
    let session = Session::open(global, out).await?;
    let mut status = session.status().await?;
    let connected = async {
        while status.phase == Phase::Active && !status.online {
            tokio::time::sleep(LOOK_EVERY).await;
            status = session.status().await?;
        }
        Ok(())
    };
    tokio::time::timeout(CONNECT_WITHIN, connected).await.unwrap_or(Ok::<_, crate::exit::Failure>(()))?;
    let object = Response::Status { status: status.clone() };
    out.result(&object, |style| render::status(&status, style))?;
    session.client.close().await;
    Ok(())
}

pub(crate) async fn set_relay(global: &Global, out: Output, relay: RelayAddress) -> Result<()> {
    let session = Session::with_account(global, out).await?;
    session.client.set_relay(relay).await?;
    out.result(&Response::Done, |_| "Noted.".to_owned())?;
    session.client.close().await;
    Ok(())
}
