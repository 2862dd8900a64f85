//! `wheesht debug-bundle`: a text for a report of something that went wrong, which says nothing about anybody.

use std::{path::PathBuf, time::Duration};

use wheesht_core::api::{Phase, Response};

use crate::{args::Global, exit::Result, output::Output, session::Session};

/// Most faults are of connections: they are given a moment to show themselves.
const WATCH: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_millis(50);

pub(crate) async fn run(global: &Global, out: Output, to: Option<PathBuf>) -> Result<()> {
    let session = Session::open(global, out).await?;
    let connected = async {
        while session.status().await.is_ok_and(|status| status.phase == Phase::Active && !status.online) {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let _ = tokio::time::timeout(WATCH, connected).await;
    let text = session.client.debug_bundle().await?;
    match to {
        None => {
            let object = Response::DebugBundle { text: text.clone() };
            out.result(&object, |_| text.trim_end().to_owned())?;
        }
        Some(path) => {
            std::fs::write(&path, text)?;
            let said = format!("Written to {}. Read it before you give it away.", path.display());
            out.result(&Response::Done, |_| said)?;
        }
    }
    session.client.close().await;
    Ok(())
}
