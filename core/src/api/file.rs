//! Files in conversations, and how far they are on their way.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wheesht_proto::ids::MessageId;

use super::{error::Error, group::Picture, who::ConversationId};

/// A file that a message carries. Its words are somebody's claim until it is saved; the name is safe to show and to write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct File {
    /// Without directories, control characters and what file systems refuse.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// `image/jpeg`, say; of a saved file what its content shows.
    pub media_type: String,
    /// A small JPEG of a picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<Picture>,
    /// Width and height of a picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dimensions: Option<(u32, u32)>,
    /// It is a voice note.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub voice: bool,
    /// How long it plays (milliseconds).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// How far it is.
    pub state: FileState,
}

/// How far a file is on this device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum FileState {
    /// On its relay: [`super::Request::SaveFile`] fetches it.
    Remote,
    /// Up or down, it goes on by itself as soon as it can.
    Waiting {
        /// What it waits for, if it was tried.
        error: Option<Error>,
    },
    /// On its way; [`Transfer`]s tell how far.
    Moving,
    /// A person has paused it.
    Paused,
    /// It does not go on by itself: [`super::Request::ResumeTransfer`] tries again, [`super::Request::CancelTransfer`] gives up.
    Stopped {
        /// Why.
        error: Error,
    },
    /// Here.
    Saved {
        /// Where, on this machine.
        path: String,
    },
}

/// How far a file is on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Transfer {
    /// Where.
    pub conversation: ConversationId,
    /// Of which message.
    pub message: MessageId,
    /// To the relay; else from it.
    pub upload: bool,
    /// Bytes of the file that have passed.
    pub done: u64,
    /// Bytes of the file.
    pub size: u64,
    /// How far.
    pub state: FileState,
}

/// A voice note, and how long it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Voice {
    /// Milliseconds.
    pub duration_ms: u64,
}

/// What [`super::Request::SendFile`] sends, besides to whom.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Outgoing {
    /// On this machine. It is read when it is uploaded, and again if that breaks off: it has to stay there until it is sent.
    pub path: String,
    /// A text to go with it.
    #[serde(default)]
    pub caption: String,
    /// The message of that conversation that it answers.
    #[serde(default)]
    pub reply_to: Option<MessageId>,
    /// It is a voice note.
    #[serde(default)]
    pub voice: Option<Voice>,
    /// Send a picture as it is: with the place and time where it was taken, and the camera. Otherwise that is taken out.
    #[serde(default)]
    pub keep_metadata: bool,
}

impl Outgoing {
    /// A file without anything.
    pub fn new(path: impl Into<String>) -> Self {
        Self { path: path.into(), caption: String::new(), reply_to: None, voice: None, keep_metadata: false }
    }
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path: _, caption: _, reply_to: _, voice, keep_metadata } = self;
        f.debug_struct("Outgoing")
            .field("voice", voice)
            .field("keep_metadata", keep_metadata)
            .finish_non_exhaustive()
    }
}
