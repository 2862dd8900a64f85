//! The requests about files as methods.

use std::path::Path;

use super::{Client, calls::call};
use crate::{
    api::{ConversationId, Error, ErrorCode, Message, Outgoing, Request, Response, To},
    proto::ids::MessageId,
};

impl Client {
    /// Sends a file. On return the message stands in the conversation; it goes when the file is uploaded, which events tell of.
    pub async fn send_file(
        &self,
        to: impl Into<To>,
        file: Outgoing,
    ) -> Result<(ConversationId, MessageId), Error> {
        let request = Request::SendFile { to: to.into(), file };
        call!(self, request, Response::Queued { conversation, message } => (conversation, message))
    }

    /// Fetches the file of a message into a directory, or into [`Config::downloads`](super::Config::downloads). On return it is on its
    /// way; events tell how far.
    pub async fn save_file(
        &self,
        conversation: ConversationId,
        message: MessageId,
        directory: Option<&Path>,
    ) -> Result<(), Error> {
        let directory = match directory.map(std::path::absolute) {
            None => None,
            Some(Ok(path)) => Some(path.into_os_string().into_string().map_err(|_| not_utf_8())?),
            Some(Err(_)) => return Err(Error::new(ErrorCode::Invalid, "There is no such directory.")),
        };
        let request = Request::SaveFile { conversation, message, directory };
        call!(self, request, Response::Done => ())
    }

    /// Calls a file back that is not sent yet, or stops fetching one.
    pub async fn cancel_transfer(
        &self,
        conversation: ConversationId,
        message: MessageId,
    ) -> Result<(), Error> {
        call!(self, Request::CancelTransfer { conversation, message }, Response::Done => ())
    }

    /// Lets a transfer wait.
    pub async fn pause_transfer(
        &self,
        conversation: ConversationId,
        message: MessageId,
    ) -> Result<(), Error> {
        call!(self, Request::PauseTransfer { conversation, message }, Response::Done => ())
    }

    /// Lets a transfer go on that was paused or has stopped.
    pub async fn resume_transfer(
        &self,
        conversation: ConversationId,
        message: MessageId,
    ) -> Result<(), Error> {
        call!(self, Request::ResumeTransfer { conversation, message }, Response::Done => ())
    }

    /// Messages with files, the newest first, and where the next page begins.
    pub async fn files(
        &self,
        conversation: Option<ConversationId>,
        before: Option<u64>,
        limit: u32,
    ) -> Result<(Vec<Message>, Option<u64>), Error> {
        let request = Request::Files { conversation, before, limit };
        call!(self, request, Response::Files { messages, next } => (messages, next))
    }

    /// Fetches files of contacts by itself up to this size; 0: none.
    pub async fn set_auto_download(&self, bytes: u64) -> Result<(), Error> {
        call!(self, Request::SetAutoDownload { bytes }, Response::Done => ())
    }
}

fn not_utf_8() -> Error {
    Error::new(ErrorCode::Invalid, "The path is not written in UTF-8.").next("Use another directory.")
}
