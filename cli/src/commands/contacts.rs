//! `wheesht contacts` and `wheesht requests`: whom one knows, and who would like to be known.

use wheesht_core::api::{Contact, ContactExtra, Response};

use super::{cards, history};

use crate::{
    args::{ContactAction, Global, RequestAction},
    exit::{Failure, Result},
    output::{Output, Style},
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
        ContactAction::Export { file, format } => {
            cards::export(&session, file.as_deref(), format).await?;
            session.client.close().await;
            return Ok(());
        }
        ContactAction::Import { file } => cards::import(&session, &file).await?,
        ContactAction::Delete { who } => delete(&session, &who).await?,
        action => match change(&session, action).await? {
            Changed::Contact(contact) => changed(&session, *contact)?,
            Changed::Conversation { away } => {
                session.out.result(&Response::Done, |_| put(away).to_owned())?
            }
        },
    }
    session.finish().await
}

/// The same in the chat: what there is to say of it.
pub(crate) async fn in_chat(
    session: &Session,
    action: Option<ContactAction>,
    style: Style,
) -> Result<String> {
    let own = session.own.as_ref();
    match action.unwrap_or(ContactAction::List) {
        ContactAction::List => {
            let contacts = session.client.contacts().await?;
            let lines: Vec<_> = contacts.iter().map(|contact| render::contact(contact, own, style)).collect();
            Ok(if lines.is_empty() { "You know nobody yet. /add NAME".to_owned() } else { lines.join("\n") })
        }
        ContactAction::Export { .. } | ContactAction::Import { .. } => {
            Err(Failure::usage("Contacts come from files, and go there, outside of the chat.")
                .next("wheesht contacts export FILE, wheesht contacts import FILE."))
        }
        ContactAction::Delete { who } => Err(Failure::usage(format!("/remove {who} forgets somebody."))),
        action => Ok(match change(session, action).await? {
            Changed::Contact(contact) => render::contact(&contact, own, style),
            Changed::Conversation { away } => put(away).to_owned(),
        }),
    }
}

/// What has changed.
enum Changed {
    Contact(Box<Contact>),
    Conversation { away: bool },
}

fn put(away: bool) -> &'static str {
    if away { "Put away." } else { "Taken back." }
}

/// Does what changes one contact.
async fn change(session: &Session, action: ContactAction) -> Result<Changed> {
    let client = &session.client;
    let contact = match action {
        ContactAction::Add { who } => client.add_contact(session.address(&who)?).await?,
        ContactAction::Accept { who } => client.accept_contact(session.who(&who)?).await?,
        ContactAction::Block { who } => client.block_contact(session.who(&who)?).await?,
        ContactAction::Unblock { who } => client.unblock_contact(session.who(&who)?).await?,
        ContactAction::Trust { who } => client.accept_identity(session.who(&who)?).await?,
        ContactAction::Nickname { who, name } => {
            cards::note(session, &who, |extra| extra.nickname = name.unwrap_or_default()).await?
        }
        ContactAction::Note { who, text } => {
            cards::note(session, &who, |extra| extra.note = text.unwrap_or_default()).await?
        }
        ContactAction::Put { who, lists } => {
            cards::note(session, &who, |extra| extra.lists.extend(lists)).await?
        }
        ContactAction::Take { who, lists } => {
            let off = |extra: &mut ContactExtra| extra.lists.retain(|list| !lists.contains(list));
            cards::note(session, &who, off).await?
        }
        ContactAction::Archive { who, off } => {
            let conversation = history::conversation(session, &who).await?;
            client.archive(conversation, !off).await?;
            return Ok(Changed::Conversation { away: !off });
        }
        ContactAction::List
        | ContactAction::Delete { .. }
        | ContactAction::Export { .. }
        | ContactAction::Import { .. } => return Err(Failure::usage("That changes no contact.")),
    };
    Ok(Changed::Contact(Box::new(contact)))
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
