//! The requests as methods, each with the type of its answer.

use super::Client;
use crate::{
    api::{
        Activity, Contact, Conversation, ConversationId, Delivery, Device, DeviceLink, DeviceProposal, Error,
        ErrorCode, ListRules, Message, NotificationSettings, OwnPresence, Password, PresenceChoice, Profile,
        Request, Response, SafetyNumber, Status, To, Who,
    },
    proto::{
        address::{Address, RelayAddress},
        ids::{DeviceId, MessageId},
    },
};

/// Calls, and takes the answer apart.
macro_rules! call {
    ($client:expr, $request:expr, $pattern:pat => $value:expr) => {
        match $client.call($request).await? {
            $pattern => Ok($value),
            _ => Err(Error::new(ErrorCode::Internal, "The engine gave an answer of another kind.")),
        }
    };
}

pub(super) use call;

impl Client {
    /// How far this installation is.
    pub async fn status(&self) -> Result<Status, Error> {
        call!(self, Request::Status, Response::Status { status } => status)
    }

    /// A new six-word passphrase, not stored anywhere.
    pub async fn suggest_passphrase(&self) -> Result<Password, Error> {
        call!(self, Request::SuggestPassphrase, Response::Passphrase { passphrase } => passphrase)
    }

    /// Makes an account, with this installation as its first device. `device` is what the owner calls it.
    pub async fn register(
        &self,
        address: Address,
        password: Password,
        device: impl Into<String>,
    ) -> Result<(), Error> {
        let request = Request::Register { address, password, device: device.into() };
        call!(self, request, Response::Done => ())
    }

    /// Makes this installation a device of an existing account. See [`Request::LogIn`].
    pub async fn log_in(
        &self,
        address: Address,
        password: Password,
        device: impl Into<String>,
        evict: bool,
    ) -> Result<Status, Error> {
        let request = Request::LogIn { address, password, device: device.into(), evict };
        call!(self, request, Response::Status { status } => status)
    }

    /// The same by a link that another device shows. See [`Request::LogInByLink`].
    pub async fn log_in_by_link(
        &self,
        link: Password,
        password: Password,
        device: impl Into<String>,
    ) -> Result<Status, Error> {
        let request = Request::LogInByLink { link, password, device: device.into() };
        call!(self, request, Response::Status { status } => status)
    }

    /// Makes a link by which one new device joins. See [`Request::MakeDeviceLink`].
    pub async fn make_device_link(&self) -> Result<DeviceLink, Error> {
        call!(self, Request::MakeDeviceLink, Response::DeviceLink { link } => link)
    }

    /// Makes that link void.
    pub async fn revoke_device_link(&self) -> Result<(), Error> {
        call!(self, Request::RevokeDeviceLink, Response::Done => ())
    }

    /// The account's devices, and one that asks to join.
    pub async fn devices(&self) -> Result<(Vec<Device>, Option<DeviceProposal>), Error> {
        call!(self, Request::Devices, Response::Devices { devices, proposal } => (devices, proposal))
    }

    /// Lets a device join, by [`DeviceProposal::id`].
    pub async fn confirm_device(&self, proposal: impl Into<String>) -> Result<(), Error> {
        call!(self, Request::ConfirmDevice { proposal: proposal.into() }, Response::Done => ())
    }

    /// Refuses a device, or stops an eviction, by [`DeviceProposal::id`].
    pub async fn reject_device(&self, proposal: impl Into<String>) -> Result<(), Error> {
        call!(self, Request::RejectDevice { proposal: proposal.into() }, Response::Done => ())
    }

    /// Removes another device of the account. See [`Request::RemoveDevice`].
    pub async fn remove_device(&self, device: DeviceId, password: Password) -> Result<(), Error> {
        call!(self, Request::RemoveDevice { device, password }, Response::Done => ())
    }

    /// Hands what was said here over to another device of the account. See [`Request::SendHistory`].
    pub async fn send_history(&self, device: DeviceId) -> Result<(), Error> {
        call!(self, Request::SendHistory { device }, Response::Done => ())
    }

    /// Hands no more of it over.
    pub async fn cancel_history(&self, device: DeviceId) -> Result<(), Error> {
        call!(self, Request::CancelHistory { device }, Response::Done => ())
    }

    /// Gives a device of the account another name.
    pub async fn rename_device(&self, device: DeviceId, label: impl Into<String>) -> Result<(), Error> {
        call!(self, Request::RenameDevice { device, label: label.into() }, Response::Done => ())
    }

    /// Changes the account's password. See [`Request::ChangePassword`].
    pub async fn change_password(&self, old: Password, new: Password) -> Result<(), Error> {
        call!(self, Request::ChangePassword { old, new }, Response::Done => ())
    }

    /// Deletes the account. See [`Request::DeleteAccount`]; what is stored here goes with [`Client::erase`].
    pub async fn delete_account(&self, password: Password) -> Result<(), Error> {
        call!(self, Request::DeleteAccount { password }, Response::Done => ())
    }

    /// Everyone one knows, requests included.
    pub async fn contacts(&self) -> Result<Vec<Contact>, Error> {
        call!(self, Request::Contacts, Response::Contacts { contacts } => contacts)
    }

    /// Looks an address up and keeps it as a contact.
    pub async fn add_contact(&self, address: Address) -> Result<Contact, Error> {
        call!(self, Request::AddContact { address }, Response::Contact { contact } => contact)
    }

    /// Accepts a stranger's request.
    pub async fn accept_contact(&self, who: Who) -> Result<Contact, Error> {
        call!(self, Request::AcceptContact { who }, Response::Contact { contact } => contact)
    }

    /// Blocks: they can't write any more, and are not told.
    pub async fn block_contact(&self, who: Who) -> Result<Contact, Error> {
        call!(self, Request::BlockContact { who }, Response::Contact { contact } => contact)
    }

    /// Lets a blocked contact write again.
    pub async fn unblock_contact(&self, who: Who) -> Result<Contact, Error> {
        call!(self, Request::UnblockContact { who }, Response::Contact { contact } => contact)
    }

    /// Forgets a contact or request, with its conversation.
    pub async fn delete_contact(&self, who: Who) -> Result<(), Error> {
        call!(self, Request::DeleteContact { who }, Response::Done => ())
    }

    /// Accepts that an address belongs to another identity now.
    pub async fn accept_identity(&self, who: Who) -> Result<Contact, Error> {
        call!(self, Request::AcceptIdentity { who }, Response::Contact { contact } => contact)
    }

    /// The number to compare with a contact.
    pub async fn safety_number(&self, who: Who) -> Result<SafetyNumber, Error> {
        call!(self, Request::SafetyNumber { who }, Response::SafetyNumber { safety_number } => safety_number)
    }

    /// Says that the safety number was compared, or takes that back.
    pub async fn mark_verified(&self, who: Who, verified: bool) -> Result<Contact, Error> {
        call!(self, Request::MarkVerified { who, verified }, Response::Contact { contact } => contact)
    }

    /// All conversations, the most recent first.
    pub async fn conversations(&self) -> Result<Vec<Conversation>, Error> {
        call!(self, Request::Conversations, Response::Conversations { conversations } => conversations)
    }

    /// Sends a text. On return it is durable here, and will go out; how far it is comes as events.
    pub async fn send(
        &self,
        to: impl Into<To>,
        text: impl Into<String>,
    ) -> Result<(ConversationId, MessageId), Error> {
        let request = Request::send(to, text);
        call!(self, request, Response::Queued { conversation, message } => (conversation, message))
    }

    /// A page of a conversation, oldest first, ending before position `before` (none: the newest), and whether there is more
    /// before it. At most 1,000 entries.
    pub async fn history(
        &self,
        conversation: ConversationId,
        before: Option<u64>,
        limit: u32,
    ) -> Result<(Vec<Message>, bool), Error> {
        let request = Request::History { conversation, before, limit };
        call!(self, request, Response::History { messages, more } => (messages, more))
    }

    /// One message of a conversation.
    pub async fn message(&self, conversation: ConversationId, message: MessageId) -> Result<Message, Error> {
        let missing = || Error::new(ErrorCode::NotFound, "There is no such message.");
        let request = Request::Message { conversation, message };
        let messages = call!(self, request, Response::History { messages, .. } => messages);
        messages?.into_iter().next().ok_or_else(missing)
    }

    /// Marks incoming messages as read up to and including this position.
    pub async fn mark_read(&self, conversation: ConversationId, up_to: u64) -> Result<(), Error> {
        call!(self, Request::MarkRead { conversation, up_to }, Response::Done => ())
    }

    /// Reacts to a message with an emoji, or takes that back.
    pub async fn react(
        &self,
        conversation: ConversationId,
        message: MessageId,
        emoji: impl Into<String>,
        remove: bool,
    ) -> Result<(), Error> {
        let request = Request::React { conversation, message, emoji: emoji.into(), remove };
        call!(self, request, Response::Done => ())
    }

    /// Gives a message of one's own another text.
    pub async fn edit(
        &self,
        conversation: ConversationId,
        message: MessageId,
        text: impl Into<String>,
    ) -> Result<(), Error> {
        let request = Request::Edit { conversation, message, text: text.into(), mentions: Vec::new() };
        call!(self, request, Response::Done => ())
    }

    /// Deletes a message, for oneself or for everybody.
    pub async fn delete_message(
        &self,
        conversation: ConversationId,
        message: MessageId,
        for_all: bool,
    ) -> Result<(), Error> {
        call!(self, Request::Delete { conversation, message, for_all }, Response::Done => ())
    }

    /// Pins a message for everybody, or no longer.
    pub async fn pin(
        &self,
        conversation: ConversationId,
        message: MessageId,
        pinned: bool,
    ) -> Result<(), Error> {
        call!(self, Request::Pin { conversation, message, pinned }, Response::Done => ())
    }

    /// How far a message of one's own is with each who gets it, as far as they say.
    pub async fn deliveries(
        &self,
        conversation: ConversationId,
        message: MessageId,
    ) -> Result<Vec<Delivery>, Error> {
        let request = Request::Deliveries { conversation, message };
        call!(self, request, Response::Deliveries { members } => members)
    }

    /// What this account tells its contacts of itself.
    pub async fn presence(&self) -> Result<OwnPresence, Error> {
        call!(self, Request::Presence, Response::OwnPresence { presence } => presence)
    }

    /// Chooses what this account's devices tell its contacts, with a line of text (none: as before).
    pub async fn set_presence(
        &self,
        choice: PresenceChoice,
        text: Option<String>,
    ) -> Result<OwnPresence, Error> {
        let request = Request::SetPresence { choice, text };
        call!(self, request, Response::OwnPresence { presence } => presence)
    }

    /// Says whether somebody is at this device. Until a frontend does, nobody is told that the device is on.
    pub async fn set_activity(&self, activity: Activity) -> Result<OwnPresence, Error> {
        call!(self, Request::SetActivity { activity }, Response::OwnPresence { presence } => presence)
    }

    /// Shows a contact one's presence, or nothing.
    pub async fn show_presence(&self, who: Who, visible: bool) -> Result<Contact, Error> {
        call!(self, Request::ShowPresence { who, visible }, Response::Contact { contact } => contact)
    }

    /// Says which lists of contacts see one's presence, in place of what was said before.
    pub async fn show_presence_to_lists(&self, lists: ListRules) -> Result<OwnPresence, Error> {
        let request = Request::ShowPresenceToLists { lists };
        call!(self, request, Response::OwnPresence { presence } => presence)
    }

    /// Tells who is in a conversation that one is writing there, or has stopped. Call it at each key: what goes out is throttled.
    pub async fn typing(&self, conversation: ConversationId, stopped: bool) -> Result<(), Error> {
        call!(self, Request::Typing { conversation, stopped }, Response::Done => ())
    }

    /// Turns telling and showing who is writing on or off.
    pub async fn set_typing(&self, on: bool) -> Result<OwnPresence, Error> {
        call!(self, Request::SetTyping { on }, Response::OwnPresence { presence } => presence)
    }

    /// Says at which conversation somebody looks, if at any: see [`Request::SetFocus`].
    pub async fn set_focus(&self, conversation: Option<ConversationId>) -> Result<(), Error> {
        call!(self, Request::SetFocus { conversation }, Response::Done => ())
    }

    /// What calls for attention on this device.
    pub async fn notification_settings(&self) -> Result<NotificationSettings, Error> {
        let request = Request::NotificationSettings;
        call!(self, request, Response::NotificationSettings { settings } => settings)
    }

    /// Changes what calls for attention on this device.
    pub async fn set_notifications(&self, settings: NotificationSettings) -> Result<(), Error> {
        call!(self, Request::SetNotifications { settings }, Response::Done => ())
    }

    /// What somebody shows of themselves; none: the own profile.
    pub async fn profile(&self, who: Option<Who>) -> Result<Profile, Error> {
        call!(self, Request::Profile { who }, Response::Profile { profile } => profile)
    }

    /// Changes the own profile: [`Request::SetProfile`] says what.
    ///
    /// # Errors
    /// Also if the request is another.
    pub async fn set_profile(&self, request: Request) -> Result<Profile, Error> {
        call!(self, request, Response::Profile { profile } => profile)
    }

    /// Where a relay is reached and known by, if that changed.
    pub async fn set_relay(&self, relay: RelayAddress) -> Result<(), Error> {
        call!(self, Request::SetRelay { relay }, Response::Done => ())
    }

    /// A text to attach to a report of something that went wrong, without names, addresses, texts, keys or ids.
    pub async fn debug_bundle(&self) -> Result<String, Error> {
        call!(self, Request::DebugBundle, Response::DebugBundle { text } => text)
    }

    /// Turns read receipts on or off, both ways.
    pub async fn set_read_receipts(&self, on: bool) -> Result<(), Error> {
        call!(self, Request::SetReadReceipts { on }, Response::Done => ())
    }
}
