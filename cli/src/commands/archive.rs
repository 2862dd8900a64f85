//! `wheesht export`, `wheesht import` and `wheesht backup`: what was said, in files.

use std::path::Path;

use serde_json::json;
use wheesht_core::{
    api::{Password, Response},
    client::archive::{Export, ImportReport},
};

use super::history;
use crate::{
    args::{BackupAction, ExportArgs, Global},
    exit::Result,
    output::Output,
    secret,
    session::Session,
};

pub(crate) async fn export(global: &Global, out: Output, args: ExportArgs) -> Result<()> {
    let session = Session::with_account(global, out).await?;
    let conversation = match &args.with {
        Some(with) => Some(history::conversation(&session, with).await?),
        None => None,
    };
    let format = args.format.into();
    let done = session.client.export(&args.to, &Export { format, conversation }).await?;
    let object = json!({
        "type": "exported", "conversations": done.conversations, "messages": done.messages, "files": done.files,
        "missing": done.missing,
    });
    out.result(&object, |_| {
        let missing = match done.missing {
            0 => String::new(),
            1 => " 1 file is not on this device: wheesht save fetches it.".to_owned(),
            n => format!(" {n} files are not on this device: wheesht save fetches them."),
        };
        format!(
            "{} of {} written to {}. What disappears is left out.{missing}",
            count(done.messages, "message"),
            count(done.conversations, "conversation"),
            args.to.display()
        )
    })?;
    session.client.close().await;
    Ok(())
}

pub(crate) async fn import(global: &Global, out: Output, file: &Path) -> Result<()> {
    let session = Session::with_account(global, out).await?;
    let report = session.client.import(file).await?;
    told(out, &report)?;
    session.finish().await
}

pub(crate) async fn backup(global: &Global, out: Output, action: BackupAction) -> Result<()> {
    let session = Session::with_account(global, out).await?;
    match action {
        BackupAction::Create { file, passphrase, generate } => {
            let passphrase = match (passphrase.read()?, generate) {
                (Some(passphrase), _) => passphrase,
                (None, true) => made_up(&session, out).await?,
                (None, false) => secret::ask_new("A passphrase for the backup: ")?,
            };
            let done = session.client.create_backup(&file, &passphrase).await?;
            let object = json!({ "type": "backup", "conversations": done.conversations, "messages": done.messages, "file": file });
            out.result(&object, |_| {
                format!(
                    "{} of {} are in {}. Without the passphrase nobody opens it, you neither.",
                    count(done.messages, "message"),
                    count(done.conversations, "conversation"),
                    file.display()
                )
            })?;
            session.client.close().await;
            Ok(())
        }
        BackupAction::Restore { file, passphrase } => {
            let passphrase = match passphrase.read()? {
                Some(passphrase) => passphrase,
                None => secret::ask("The backup's passphrase: ")?,
            };
            let report = session.client.restore_backup(&file, &passphrase).await?;
            told(out, &report)?;
            session.finish().await
        }
    }
}

async fn made_up(session: &Session, out: Output) -> Result<Password> {
    let passphrase = session.client.suggest_passphrase().await?;
    out.result(&Response::Passphrase { passphrase: passphrase.clone() }, |style| {
        format!(
            "The backup's passphrase, shown this once. Write it down:\n\n    {}\n",
            style.bold(passphrase.expose())
        )
    })?;
    Ok(passphrase)
}

fn told(out: Output, report: &ImportReport) -> Result<()> {
    let object = json!({
        "type": "imported", "added": report.added, "known": report.known, "passed_over": report.passed_over,
        "contacts": report.contacts,
    });
    out.result(&object, |_| {
        let mut line =
            format!("{} taken in; {} were here already.", count(report.added, "message"), report.known);
        if report.passed_over > 0 {
            line.push_str(&format!(" {} passed over.", report.passed_over));
        }
        if report.contacts > 0 {
            line.push_str(&format!(" Notes on {}.", count(report.contacts, "contact")));
        }
        line
    })
}

pub(crate) fn count(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
