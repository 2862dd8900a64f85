//! What one notes down about contacts, and contacts in files: `wheesht contacts nickname`, `note`, `put`, `take`, `export`, `import`.

use std::{io::Write as _, path::Path};

use serde_json::json;
use wheesht_core::api::{Contact, ContactExtra, Who};

use crate::{
    args::CardFormat,
    exit::{Failure, Result},
    session::Session,
};

/// Changes what is noted about a contact.
pub(crate) async fn note(
    session: &Session,
    who: &str,
    change: impl FnOnce(&mut ContactExtra),
) -> Result<Contact> {
    let contact = session.contact(who).await?;
    let mut extra = contact.extra;
    change(&mut extra);
    Ok(session.client.edit_contact(Who::Id(contact.id), extra).await?)
}

/// Writes all contacts.
pub(crate) async fn export(session: &Session, file: Option<&Path>, format: CardFormat) -> Result<()> {
    let text = match format {
        CardFormat::Vcard => session.client.contacts_as_vcard().await?,
        CardFormat::Json => session.client.contacts_as_json().await?,
    };
    let Some(path) = file else {
        return Ok(std::io::stdout().write_all(text.as_bytes())?);
    };
    let unwritable =
        |error: std::io::Error| Failure::usage(format!("{} can't be written: {error}.", path.display()));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).and_then(|mut file| file.write_all(text.as_bytes())).map_err(unwritable)?;
    let object = json!({ "type": "exported", "file": path });
    session.out.result(&object, |_| format!("Contacts written to {}.", path.display()))
}

/// Takes contacts in.
pub(crate) async fn import(session: &Session, file: &Path) -> Result<()> {
    let unreadable =
        |error: std::io::Error| Failure::usage(format!("{} can't be read: {error}.", file.display()));
    let text = std::fs::read_to_string(file).map_err(unreadable)?;
    let (taken, errors) = session.client.import_contacts(&text).await?;
    let failed: Vec<_> =
        errors.iter().map(|error| json!({ "who": error.who, "error": error.error })).collect();
    let object = json!({ "type": "contacts_imported", "contacts": taken, "failed": failed });
    session.out.result(&object, |_| {
        let mut lines = vec![format!("{taken} taken in.")];
        lines.extend(
            errors.iter().map(|error| crate::text::one_line(&format!("{}: {}", error.who, error.error))),
        );
        lines.join("\n")
    })
}
