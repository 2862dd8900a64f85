//! Who is meant by `@name` in a text: whoever is in the conversation.

use wheesht_core::api::{ConversationId, Mention, Request, Response, text};

use crate::{exit::Result, session::Session};

/// The people whom a text names.
pub(crate) async fn find(
    session: &Session,
    conversation: ConversationId,
    words: &str,
) -> Result<Vec<Mention>> {
    if !words.contains('@') {
        return Ok(Vec::new());
    }
    let people: Vec<_> = match conversation {
        ConversationId::Group(group) => match session.client.call(Request::Group { group }).await? {
            Response::GroupDetails { details } => {
                let members = details.members.into_iter();
                members.map(|member| (member.address.name().to_string(), member.account)).collect()
            }
            _ => Vec::new(),
        },
        ConversationId::Direct(account) => {
            let contacts = session.client.contacts().await?;
            let other = contacts.into_iter().filter(|contact| contact.id == account);
            let own = session.own.as_ref().zip(session.status().await?.account);
            let own = own.map(|(own, account)| (own.name().to_string(), account));
            other.map(|contact| (contact.address.name().to_string(), contact.id)).chain(own).collect()
        }
        _ => Vec::new(),
    };
    let people: Vec<_> = people.iter().map(|(name, account)| (name.as_str(), *account)).collect();
    Ok(text::mentions(words, &people))
}
