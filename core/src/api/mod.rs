//! What an app may ask, what it is answered, and what it is told: once, for every frontend.
//!
//! The typed client, the command line's `--json`, JSON-RPC and the C ABI are all views of these types. They serialise with
//! serde (`snake_case`, tagged by `type`) and derive their JSON schema. [`Request`] goes in, [`Response`] or [`Error`] comes back;
//! [`Event`]s come unasked, each with an id, again after every restart until the app has acknowledged them.

mod archive;
mod contact_extra;
mod error;
mod event;
mod failure;
mod file;
mod group;
mod list_rules;
mod message;
mod notify;
mod presence;
mod profile;
mod request;
mod response;
mod search;
pub mod text;
mod types;
mod who;
mod words;

pub use archive::{EXPORT_VERSION, ExportLine, HistoryTransfer, HistoryTransferState, Imported};
pub use contact_extra::ContactExtra;
pub use error::{Error, ErrorCode};
pub use event::{Event, EventId, EventKind, LinkState, Trouble};
pub use file::{File, FileState, Outgoing, Transfer, Voice};
pub use group::{
    Group, GroupChange, GroupDetails, GroupLink, GroupMember, GroupPhase, GroupRefusal, JoinRequest, Joining,
    Picture, Policy, Role,
};
pub use list_rules::ListRules;
pub use message::{Delivery, Draft, EarlierText, Mention, MessageLink, Quote, Reaction, Receipts};
pub use notify::{GroupsCall, Notification, NotificationReason, NotificationSettings, QuietHours, Shows};
pub use presence::{Activity, Availability, OwnPresence, Presence, PresenceChoice};
pub use profile::{Profile, ProfileField, ProfileVisibility};
pub use request::Request;
pub use response::{Response, Status};
pub use search::{Found, Hit, Mark, MessageKind, Page, PageAt, Search, SearchOrder};
pub use types::{
    Body, Contact, ContactState, Conversation, Device, DeviceLink, DeviceProposal, FailReason, Message,
    MessageState, Notice, Password, Phase, SafetyNumber, StopReason,
};
pub use who::{ConversationId, To, Who};
pub use words::span;
