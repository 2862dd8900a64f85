//! `wheesht settings`: what holds on all devices of the account.

use wheesht_core::api::{Request, Response};

use super::message;
use crate::{
    args::{Global, SettingsArgs, Switch},
    exit::Result,
    output::Output,
    render,
    session::Session,
};

pub(crate) async fn run(global: &Global, out: Output, changes: &SettingsArgs) -> Result<()> {
    let session = Session::with_account(global, out).await?;
    if *changes == SettingsArgs::default() {
        // Another device may have changed them.
        session.catch_up().await?;
    }
    let settings = change(&session, changes).await?;
    let Settings { read_receipts, auto_download } = settings;
    out.result(&Response::Settings { read_receipts, auto_download }, |_| words(&settings))?;
    session.finish().await
}

/// What holds.
pub(crate) struct Settings {
    read_receipts: bool,
    auto_download: u64,
}

/// Changes what is named, and gives what holds now.
pub(crate) async fn change(session: &Session, changes: &SettingsArgs) -> Result<Settings> {
    let SettingsArgs { read_receipts, auto_download } = changes;
    if let Some(switch) = read_receipts {
        session.client.set_read_receipts(*switch == Switch::On).await?;
    }
    if let Some(size) = auto_download {
        session.client.set_auto_download(size.0).await?;
    }
    match session.client.call(Request::Settings).await? {
        Response::Settings { read_receipts, auto_download } => Ok(Settings { read_receipts, auto_download }),
        _ => Err(message::strange()),
    }
}

/// What holds, for a person.
pub(crate) fn words(settings: &Settings) -> String {
    let Settings { read_receipts, auto_download } = settings;
    let receipts = if *read_receipts { "sent and shown" } else { "neither sent nor shown" };
    let files = match auto_download {
        0 => "fetched when you ask for them".to_owned(),
        most => format!("of contacts fetched by themselves up to {}", render::amount(*most)),
    };
    format!("Read receipts: {receipts}\nFiles:         {files}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_told_in_words() {
        let told = words(&Settings { read_receipts: true, auto_download: 8 << 20 });
        assert_eq!(
            told,
            "Read receipts: sent and shown\nFiles:         of contacts fetched by themselves up to 8.0 MiB"
        );
        let told = words(&Settings { read_receipts: false, auto_download: 0 });
        assert_eq!(
            told,
            "Read receipts: neither sent nor shown\nFiles:         fetched when you ask for them"
        );
    }
}
