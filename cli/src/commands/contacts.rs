//! `wheesht contacts` and `wheesht requests`: whom one knows, and who would like to be known.

use wheesht_core::api::{Contact, ContactExtra, Response};

use super::{cards, history};

use crate::{
    args::{ContactAction, Global, RequestAction},
    exit::Result,
    output::Output,
    render,
    session::Session,
};

pub(crate) async fn run(global: &Global, out: Output, action: Option<ContactAction>) -> Result<()> {
    let session = Session::with_account(global, out).await?;
    let client = &session.client;
    match action.unwrap_or(ContactAction::List) {
        ContactAction::List => {
            list(&session, client.contacts().await?, "You know nobody yet. wheesht contacts add NAME")?;
            session.client.close().await;
            return Ok(());
        }
        ContactAction::Add { who } => changed(&session, client.add_contact(session.address(&who)?).await?)?,
        ContactAction::Accept { who } => changed(&session, client.accept_contact(session.who(&who)?).await?)?,
        ContactAction::Block { who } => changed(&session, client.block_contact(session.who(&who)?).await?)?,
        ContactAction::Unblock { who } => {
            changed(&session, client.unblock_contact(session.who(&who)?).await?)?
        }
        ContactAction::Trust { who } => changed(&session, client.accept_identity(session.who(&who)?).await?)?,
        ContactAction::Delete { who } => delete(&session, &who).await?,
        ContactAction::Nickname { who, name } => {
            changed(
                &session,
                cards::note(&session, &who, |extra| extra.nickname = name.unwrap_or_default()).await?,
            )?;
        }
        ContactAction::Note { who, text } => {
            changed(
                &session,
                cards::note(&session, &who, |extra| extra.note = text.unwrap_or_default()).await?,
            )?;
        }
        ContactAction::Put { who, lists } => {
            changed(&session, cards::note(&session, &who, |extra| extra.lists.extend(lists)).await?)?;
        }
        ContactAction::Take { who, lists } => {
            let off = |extra: &mut ContactExtra| extra.lists.retain(|list| !lists.contains(list));
            changed(&session, cards::note(&session, &who, off).await?)?;
        }
        ContactAction::Archive { who, off } => {
            let conversation = history::conversation(&session, &who).await?;
            client.archive(conversation, !off).await?;
            let said = if off { "Taken back." } else { "Put away." };
            session.out.result(&Response::Done, |_| said.to_owned())?;
        }
        ContactAction::Export { file, format } => {
            cards::export(&session, file.as_deref(), format).await?;
            session.client.close().await;
            return Ok(());
        }
        ContactAction::Import { file } => cards::import(&session, &file).await?,
    }
    session.finish().await
}

pub(crate) async fn requests(global: &Global, out: Output, action: Option<RequestAction>) -> Result<()> {
    let session = Session::with_account(global, out).await?;
    session.catch_up().await?;
    let client = &session.client;
    match action.unwrap_or(RequestAction::List) {
        RequestAction::List => {
            list(&session, session.requests().await?, "Nobody asks to talk to you.")?;
            session.client.close().await;
            return Ok(());
        }
        RequestAction::Accept { who } => changed(&session, client.accept_contact(session.who(&who)?).await?)?,
        RequestAction::Block { who } => changed(&session, client.block_contact(session.who(&who)?).await?)?,
        RequestAction::Delete { who } => delete(&session, &who).await?,
    }
    session.finish().await
}

fn list(session: &Session, contacts: Vec<Contact>, none: &str) -> Result<()> {
    let object = Response::Contacts { contacts: contacts.clone() };
    session.out.result(&object, |style| {
        let lines: Vec<_> =
            contacts.iter().map(|contact| render::contact(contact, session.own.as_ref(), style)).collect();
        if lines.is_empty() { none.to_owned() } else { lines.join("\n") }
    })
}

fn changed(session: &Session, contact: Contact) -> Result<()> {
    let object = Response::Contact { contact: contact.clone() };
    session.out.result(&object, |style| render::contact(&contact, session.own.as_ref(), style))
}

async fn delete(session: &Session, who: &str) -> Result<()> {
    session.client.delete_contact(session.who(who)?).await?;
    session.out.result(&Response::Done, |_| "Forgotten.".to_owned())
}
