//! Paging, searching, and what one notes down about contacts, as methods.

use super::Client;
use crate::api::{
    Contact, ContactExtra, ConversationId, Error, ErrorCode, Found, Page, PageAt, Request, Response, Search,
    Who,
};

fn other() -> Error {
    Error::new(ErrorCode::Internal, "The engine gave an answer of another kind.")
}

impl Client {
    /// A part of a conversation, wherever it is: around a day, a message, what was not read.
    pub async fn page(&self, conversation: ConversationId, at: PageAt, limit: u32) -> Result<Page, Error> {
        match self.call(Request::Page { conversation, at, limit }).await? {
            Response::Page { page } => Ok(page),
            _ => Err(other()),
        }
    }

    /// Finds messages by their words.
    pub async fn search(&self, search: Search) -> Result<Found, Error> {
        match self.call(Request::Search { search }).await? {
            Response::Found { found } => Ok(found),
            _ => Err(other()),
        }
    }

    /// Notes something about a contact, on one's own devices alone.
    pub async fn edit_contact(&self, who: Who, extra: ContactExtra) -> Result<Contact, Error> {
        let ContactExtra { nickname, note, lists } = extra;
        let request =
            Request::EditContact { who, nickname: Some(nickname), note: Some(note), lists: Some(lists) };
        match self.call(request).await? {
            Response::Contact { contact } => Ok(contact),
            _ => Err(other()),
        }
    }

    /// Puts a conversation away, or takes it back.
    pub async fn archive(&self, conversation: ConversationId, archived: bool) -> Result<(), Error> {
        match self.call(Request::Archive { conversation, archived }).await? {
            Response::Done => Ok(()),
            _ => Err(other()),
        }
    }
}
