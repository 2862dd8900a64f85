//! What goes into the engine and what comes out: plain data, no sockets.

use wheesht_proto::{
    address::RelayAddress,
    relay::{Error as RelayError, client_frame, relay_frame},
};

use super::{
    account::{Job, JobOutput},
    blobs::{BlobOrder, BlobReport},
};
use crate::api;

/// How a connection presents itself to the relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// As an account or device: registration, login, mailbox.
    Identified,
    /// As nobody: look-ups, bundles, deposits. Never mixed with the other, so that the relay can't tell who deposits.
    Anonymous,
}

/// A connection: one per relay and role.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId {
    /// Which relay.
    pub relay: RelayAddress,
    /// As whom.
    pub role: Role,
}

/// What happened to a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkEvent {
    /// The WebSocket stands; nothing was said yet.
    Up,
    /// It is gone, or could not be made. The driver tries again by itself while the link is open.
    Down {
        /// For a person.
        reason: String,
        /// The relay showed another key than the one it is known by.
        untrusted: bool,
    },
}

/// Why a request to a relay has no proper reply.
#[derive(Debug, Clone, PartialEq)]
pub enum RequestError {
    /// The connection went before the reply came: the relay may or may not have done it.
    Lost,
    /// The relay refused.
    Refused(RelayError),
}

/// Something for the engine to deal with.
pub enum Input {
    /// After opening the store, and before anything else.
    Start,
    /// The app asks. `id` comes back with the answer.
    Command {
        /// The driver's number for it.
        id: u64,
        /// What is asked.
        request: api::Request,
    },
    /// The app has dealt with all events up to and including this one.
    AckEvents(api::EventId),
    /// The app wants the events that it has not acknowledged again: those after this one; all with the default.
    ReplayEvents {
        /// The newest that it has got.
        after: api::EventId,
    },
    /// Something happened to a connection.
    Link {
        /// Which.
        link: LinkId,
        /// What.
        event: LinkEvent,
    },
    /// The reply to [`Effect::Request`]. When a link goes down, every request under way on it gets [`RequestError::Lost`] first.
    Reply {
        /// The request's token.
        token: u64,
        /// The reply.
        result: Result<relay_frame::Body, RequestError>,
    },
    /// A relay says something unasked.
    Push {
        /// On which connection.
        link: LinkId,
        /// What.
        body: relay_frame::Body,
    },
    /// The output of [`Effect::Work`].
    WorkDone {
        /// The work's token.
        token: u64,
        /// What came out.
        output: JobOutput,
    },
    /// What became of [`Effect::Blob`], or how far it is.
    Blob {
        /// The order's token.
        token: u64,
        /// How far.
        report: BlobReport,
    },
    /// The time of [`super::Engine::next_wake`] has come.
    Tick,
}

impl Input {
    /// What kind of input it is, for logs: nothing of what it says.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Command { .. } => "command",
            Self::AckEvents(_) => "ack events",
            Self::ReplayEvents { .. } => "replay events",
            Self::Link { .. } => "link",
            Self::Reply { .. } => "reply",
            Self::Push { .. } => "push",
            Self::WorkDone { .. } => "work done",
            Self::Blob { .. } => "blob",
            Self::Tick => "tick",
        }
    }
}

/// Something for the driver to do, once the transaction has committed.
pub enum Effect {
    /// Keep this connection open, with reconnects.
    Open(LinkId),
    /// Close it and stop trying.
    Close(LinkId),
    /// Send a request; its reply comes back as [`Input::Reply`]. On a link that is down: [`RequestError::Lost`] at once.
    Request {
        /// On which connection.
        link: LinkId,
        /// Comes back with the reply. 0: no reply is expected.
        token: u64,
        /// The request.
        body: client_frame::Body,
    },
    /// Do slow work off the loop; the output comes back as [`Input::WorkDone`].
    Work {
        /// Comes back with the output.
        token: u64,
        /// What to do.
        job: Job,
    },
    /// Bring a blob to a relay or fetch it, on a connection that says nothing about this account; reports come back as
    /// [`Input::Blob`].
    Blob {
        /// Comes back with each report.
        token: u64,
        /// What to do.
        order: BlobOrder,
    },
    /// Stop that, and say nothing more about it.
    StopBlob {
        /// The order's token.
        token: u64,
    },
    /// Answer the app's command.
    Respond {
        /// The command's id.
        id: u64,
        /// The answer.
        result: Result<api::Response, api::Error>,
    },
    /// Tell the app.
    Event(api::Event),
}
