//! What an app may ask.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wheesht_proto::{
    address::{Address, RelayAddress},
    ids::{AccountId, DeviceId, GroupId, MessageId},
};

use super::{
    file::Outgoing,
    group::{Picture, Policy, Role},
    list_rules::ListRules,
    message::Mention,
    notify::NotificationSettings,
    presence::{Activity, PresenceChoice},
    profile::{ProfileField, ProfileVisibility},
    search::{PageAt, Search},
    types::{Message, Password},
    who::{ConversationId, To, Who},
};
use crate::time::Timestamp;

/// A request. The answer's variant of [`super::Response`] stands with each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Request {
    /// How far this installation is. → `Status`
    Status,
    /// A new six-word passphrase, not stored anywhere. → `Passphrase`
    SuggestPassphrase,
    /// Makes an account on the address's relay, with this installation as its first device. → `Done`
    Register {
        /// The account's address; with a fingerprint if the relay has no certificate from the web's authorities.
        address: Address,
        /// Refused if it is guessable.
        password: Password,
        /// What the owner calls this device.
        device: String,
    },
    /// Makes this installation a device of an existing account: pending until a device of it confirms, or, with `evict`, until
    /// the relay's grace is over. → `Status`
    LogIn {
        /// The account's address.
        address: Address,
        /// Its password.
        password: Password,
        /// What the owner calls this device.
        device: String,
        /// Remove every other device of the account, for instance because all are lost.
        evict: bool,
    },
    /// The same by a link that a device of the account shows: that device, as soon as it runs, confirms without anybody comparing a
    /// code. → `Status`
    LogInByLink {
        /// [`super::DeviceLink::code`].
        link: Password,
        /// The account's password.
        password: Password,
        /// What the owner calls this device.
        device: String,
    },
    /// Makes a link by which one new device joins within ten minutes, confirmed by this one; the one made before is void. → `DeviceLink`
    MakeDeviceLink,
    /// Makes that link void. → `Done`
    RevokeDeviceLink,
    /// The account's devices, and those that ask to join. → `Devices`
    Devices,
    /// Lets a device join. → `Done`
    ConfirmDevice {
        /// [`super::DeviceProposal::id`].
        proposal: String,
    },
    /// Refuses a device, or stops an eviction. → `Done`
    RejectDevice {
        /// [`super::DeviceProposal::id`].
        proposal: String,
    },

    /// Removes another device of the account. Its sessions end, and every key that it shared is replaced. → `Done`
    RemoveDevice {
        /// Which.
        device: DeviceId,
        /// The account's password: a device alone can't do this.
        password: Password,
    },
    /// Hands what was said here over to another device of the account: as history to read, without what disappears. It goes on by itself,
    /// over restarts of either; events tell how far it is. → `Done`
    SendHistory {
        /// Which.
        device: DeviceId,
    },
    /// Hands no more of it over; what has arrived there stays. → `Done`
    CancelHistory {
        /// Which.
        device: DeviceId,
    },
    /// Gives a device of the account another name, known to the account's own devices only. → `Done`
    RenameDevice {
        /// Which.
        device: DeviceId,
        /// At most 64 characters, on one line.
        label: String,
    },
    /// Changes the account's password. Devices stay logged in. Given again with the same passwords it says that it is done. → `Done`
    ChangePassword {
        /// The present one.
        old: Password,
        /// Refused if it is guessable.
        new: Password,
    },
    /// Deletes the account: contacts are told, groups left where that is possible, and the relay forgets it. The name is not given
    /// out again. → `Done`
    DeleteAccount {
        /// Its password.
        password: Password,
    },

    /// Everyone one knows, requests included. → `Contacts`
    Contacts,
    /// Looks an address up and keeps it as a contact; nothing is sent to it yet. → `Contact`
    AddContact {
        /// Whom.
        address: Address,
    },
    /// Accepts a stranger's request. → `Contact`
    AcceptContact {
        /// Whose.
        who: Who,
    },
    /// Blocks: they can't write any more, and are not told. → `Contact`
    BlockContact {
        /// Whom.
        who: Who,
    },
    /// Lets a blocked contact write again. → `Contact`
    UnblockContact {
        /// Whom.
        who: Who,
    },
    /// Forgets a contact or request, with its conversation. → `Done`
    DeleteContact {
        /// Whom.
        who: Who,
    },
    /// Accepts that an address belongs to another identity now. → `Contact`
    AcceptIdentity {
        /// Whose.
        who: Who,
    },
    /// Notes something about a contact, on one's own devices alone: what is present changes. → `Contact`
    EditContact {
        /// About whom.
        who: Who,
        /// What one calls them; empty: by their own name.
        #[serde(default)]
        nickname: Option<String>,
        /// A text; empty: none.
        #[serde(default)]
        note: Option<String>,
        /// All lists that they are on.
        #[serde(default)]
        lists: Option<Vec<String>>,
    },
    /// The number to compare with a contact. → `SafetyNumber`
    SafetyNumber {
        /// With whom.
        who: Who,
    },
    /// Says that the safety number was compared, or takes that back. → `Contact`
    MarkVerified {
        /// Whose.
        who: Who,
        /// Whether it matched.
        verified: bool,
    },

    /// All conversations, the most recent first. → `Conversations`
    Conversations,
    /// Sends a text: to a contact, to somebody new (as a request), to a group, or to oneself as a note. → `Queued`
    Send {
        /// To whom.
        to: To,
        /// At most 64 KiB; 2 KiB if the recipient has not accepted yet.
        text: String,
        /// The message of that conversation that this one answers.
        #[serde(default)]
        reply_to: Option<MessageId>,
        /// Who is mentioned in the text: [`super::text::mentions`] finds them by name.
        #[serde(default)]
        mentions: Vec<Mention>,
    },
    /// A page of a conversation, oldest first, ending before `before`. → `History`
    History {
        /// Which.
        conversation: ConversationId,
        /// Position to end before; absent: the newest.
        before: Option<u64>,
        /// At most 1,000.
        limit: u32,
    },
    /// A part of a conversation, wherever it is. → `Page`
    Page {
        /// Which.
        conversation: ConversationId,
        /// Which part.
        at: PageAt,
        /// At most 1,000.
        limit: u32,
    },
    /// Finds messages by their words. → `Found`
    Search {
        /// Which.
        search: Search,
    },
    /// One message of a conversation by its id. → `History`
    Message {
        /// Which.
        conversation: ConversationId,
        /// Its id.
        message: MessageId,
    },
    /// Marks incoming messages as read up to and including this position. → `Done`
    MarkRead {
        /// Where.
        conversation: ConversationId,
        /// Position of the last message seen.
        up_to: u64,
    },

    /// All groups: those one belongs to, invitations, and those one has left. → `Groups`
    Groups,
    /// One group with its members, links and requests to join. → `GroupDetails`
    Group {
        /// Which.
        group: GroupId,
    },
    /// Founds a group; its founder is its owner. → `Group`
    CreateGroup {
        /// 1 to 200 bytes.
        title: String,
        /// What it is about: at most 4 KiB.
        #[serde(default)]
        about: String,
        /// Its picture.
        #[serde(default)]
        picture: Option<Picture>,
        /// How it is run; absent: the default.
        #[serde(default)]
        policy: Option<Policy>,
    },
    /// Changes title, text or picture: what is present. → `Group`
    EditGroup {
        /// Which.
        group: GroupId,
        /// The new title.
        #[serde(default)]
        title: Option<String>,
        /// The new text.
        #[serde(default)]
        about: Option<String>,
        /// The new picture; an empty one takes it away.
        #[serde(default)]
        picture: Option<Picture>,
    },
    /// Changes how a group is run. → `Group`
    SetGroupPolicy {
        /// Which.
        group: GroupId,
        /// From now on.
        policy: Policy,
    },
    /// Invites a contact. Nobody is added who has not agreed. → `Done`
    InviteToGroup {
        /// Where to.
        group: GroupId,
        /// Whom.
        who: Who,
    },
    /// Makes a link into a group. It is good once the change is ordered. → `GroupLink`
    MakeGroupLink {
        /// Where to.
        group: GroupId,
        /// For how long (milliseconds); absent: until it is revoked.
        #[serde(default)]
        lifetime_ms: Option<u64>,
        /// How often it can be used; absent: any number.
        #[serde(default)]
        uses: Option<u32>,
    },
    /// Makes a link void. → `Group`
    RevokeGroupLink {
        /// Where.
        group: GroupId,
        /// [`super::GroupLink::id`].
        link: String,
    },
    /// Asks to join by a link. → `Group`
    JoinGroup {
        /// `wheesht:group/…`.
        link: String,
    },
    /// Accepts an invitation. → `Group`
    AcceptInvitation {
        /// To which group.
        group: GroupId,
    },
    /// Declines an invitation, and forgets it. → `Done`
    DeclineInvitation {
        /// To which group.
        group: GroupId,
    },
    /// Answers somebody who asks to join. → `Group`
    AnswerJoin {
        /// Which group.
        group: GroupId,
        /// Who asked.
        account: AccountId,
        /// Whether they may.
        accept: bool,
    },
    /// Leaves a group. → `Group`
    LeaveGroup {
        /// Which.
        group: GroupId,
    },
    /// Forgets a group that one does not belong to, with its conversation. → `Done`
    DeleteGroup {
        /// Which.
        group: GroupId,
    },
    /// Removes a member. → `Group`
    RemoveMember {
        /// From where.
        group: GroupId,
        /// Whom.
        who: Who,
        /// They must not come back.
        #[serde(default)]
        ban: bool,
    },
    /// Lets somebody who was banned come back. → `Group`
    Unban {
        /// Where to.
        group: GroupId,
        /// Whom.
        account: AccountId,
    },
    /// Gives a member another role. → `Group`
    SetRole {
        /// Where.
        group: GroupId,
        /// Whom.
        who: Who,
        /// From now on.
        role: Role,
    },
    /// Moves the record that orders a group's changes to another relay, for instance because its relay is lost. → `Group`
    MoveGroup {
        /// Which.
        group: GroupId,
        /// Where to.
        relay: RelayAddress,
    },

    /// Reacts to a message, or takes that back. → `Done`
    React {
        /// Where.
        conversation: ConversationId,
        /// To which.
        message: MessageId,
        /// An emoji; [`super::text::emoji`] knows them by their names.
        emoji: String,
        /// Take it back.
        #[serde(default)]
        remove: bool,
    },
    /// Gives a message of one's own another text; that it was edited is shown to everybody. → `Done`
    Edit {
        /// Where.
        conversation: ConversationId,
        /// Which.
        message: MessageId,
        /// The whole new text.
        text: String,
        /// Who is mentioned in it.
        #[serde(default)]
        mentions: Vec<Mention>,
    },
    /// The earlier texts of an edited message, as far as they are kept. → `Edits`
    Edits {
        /// Where.
        conversation: ConversationId,
        /// Which.
        message: MessageId,
    },
    /// Deletes a message: for oneself, on every own device; or for everybody, if it is one's own, or one is an admin of the group.
    /// → `Done`
    Delete {
        /// Where.
        conversation: ConversationId,
        /// Which.
        message: MessageId,
        /// For everybody.
        for_all: bool,
    },
    /// Sends a message's text on, marked as forwarded. → `Queued`
    Forward {
        /// Where it stands.
        conversation: ConversationId,
        /// Which.
        message: MessageId,
        /// Where it goes.
        to: To,
    },
    /// Pins a message for everybody in the conversation, or no longer does. → `Done`
    Pin {
        /// Where.
        conversation: ConversationId,
        /// Which.
        message: MessageId,
        /// Whether it is pinned from now on.
        pinned: bool,
    },
    /// The pinned messages of a conversation. → `History`
    Pins {
        /// Which.
        conversation: ConversationId,
    },
    /// How far a message of one's own is with each who gets it, as far as they say. → `Deliveries`
    Deliveries {
        /// Where.
        conversation: ConversationId,
        /// Which.
        message: MessageId,
    },
    /// Keeps what is being written, on every own device; sending clears it. → `Done`
    SetDraft {
        /// Where.
        conversation: ConversationId,
        /// At most 64 KiB; empty: no draft any more.
        text: String,
        /// The message that it will answer.
        #[serde(default)]
        reply_to: Option<MessageId>,
    },
    /// Has messages between two people disappear, for both, this long after they were sent or read. A group's time stands in its
    /// policy. → `Done`
    SetDisappearing {
        /// Where.
        conversation: ConversationId,
        /// Milliseconds, at most a year; 0: they stay.
        after_ms: u64,
    },
    /// Asks frontends not to call for attention because of a conversation, on every own device. → `Done`
    Mute {
        /// Which.
        conversation: ConversationId,
        /// Until then; absent: no longer.
        until: Option<Timestamp>,
    },

    /// What this account tells its contacts of itself. → `OwnPresence`
    Presence,
    /// Chooses what this account's devices tell its contacts. → `OwnPresence`
    SetPresence {
        /// How available.
        choice: PresenceChoice,
        /// One line of at most 280 bytes; absent: as before.
        #[serde(default)]
        text: Option<String>,
    },
    /// Says whether somebody is at this device; holds until the program ends. → `OwnPresence`
    SetActivity {
        /// From now on.
        activity: Activity,
    },
    /// Shows a contact one's presence, and that one is writing, or no longer. → `Contact`
    ShowPresence {
        /// To whom.
        who: Who,
        /// Whether they see it.
        visible: bool,
    },
    /// Says which lists of contacts see one's presence, and that one is writing, in place of what was said before. Who is hidden from as a
    /// contact stays so. → `OwnPresence`
    ShowPresenceToLists {
        /// The lists.
        lists: ListRules,
    },
    /// Tells who is in a conversation that one is writing there. Say so at each key: what goes out is throttled. → `Done`
    Typing {
        /// Where.
        conversation: ConversationId,
        /// One has stopped without sending.
        #[serde(default)]
        stopped: bool,
    },
    /// Turns that on or off, both ways. → `OwnPresence`
    SetTyping {
        /// Whether it is told and shown who is writing.
        on: bool,
    },
    /// Says at which conversation somebody looks; what comes there then calls for no attention. It counts for ten minutes, and of
    /// several frontends the last word does. → `Done`
    SetFocus {
        /// Which; absent: at none.
        conversation: Option<ConversationId>,
    },
    /// What calls for attention on this device. → `NotificationSettings`
    NotificationSettings,
    /// Changes that. → `Done`
    SetNotifications {
        /// From now on.
        settings: NotificationSettings,
    },
    /// Puts a conversation away, or takes it back, on every own device. → `Done`
    Archive {
        /// Which.
        conversation: ConversationId,
        /// Whether it is put away.
        archived: bool,
    },

    /// Takes in messages of an export, the oldest first, as history that was read. Those that are here already stay as they are.
    /// → `Imported`
    Import {
        /// Where they were said.
        conversation: ConversationId,
        /// [`super::Imported::cursor`] of those before; absent with the first.
        #[serde(default)]
        cursor: Option<u64>,
        /// How many of this conversation are still to come, these included: room is made for them before what was said here.
        remaining: u64,
        /// At most 500.
        messages: Vec<Message>,
    },
    /// Sends a file: to a contact who has accepted, into a group, or to oneself. The message stands in the conversation at once and
    /// goes when the file is uploaded, after however many breaks. → `Queued`
    SendFile {
        /// To whom.
        to: To,
        /// What.
        #[serde(flatten)]
        file: Outgoing,
    },
    /// Fetches the file of a message; events tell how far it is, and the message where it was saved. → `Done`
    SaveFile {
        /// Where it was sent.
        conversation: ConversationId,
        /// With which message.
        message: MessageId,
        /// The directory to save it in; absent: the client's own. Nothing there is overwritten.
        #[serde(default)]
        directory: Option<String>,
    },
    /// Gives a transfer up: what was to be sent has `failed`, what was to be saved can be fetched again. → `Done`
    CancelTransfer {
        /// Where it was sent.
        conversation: ConversationId,
        /// With which message.
        message: MessageId,
    },
    /// Lets a transfer wait. → `Done`
    PauseTransfer {
        /// Where it was sent.
        conversation: ConversationId,
        /// With which message.
        message: MessageId,
    },
    /// Lets a transfer go on that was paused or has stopped. → `Done`
    ResumeTransfer {
        /// Where it was sent.
        conversation: ConversationId,
        /// With which message.
        message: MessageId,
    },
    /// Messages with files, the newest first. → `Files`
    Files {
        /// Of this conversation; absent: of all.
        #[serde(default)]
        conversation: Option<ConversationId>,
        /// `next` of the page before.
        #[serde(default)]
        before: Option<u64>,
        /// At most 1,000.
        limit: u32,
    },
    /// Fetches files of contacts by itself up to this size, on every own device. → `Done`
    SetAutoDownload {
        /// Bytes; 0: none.
        bytes: u64,
    },

    /// What somebody shows of themselves, as far as this device has read it. → `Profile`
    Profile {
        /// Who; absent: the own one.
        #[serde(default)]
        who: Option<Who>,
    },
    /// Changes the own profile: what is present. Who may see it is told. → `Profile`
    SetProfile {
        /// What one is called: at most 128 bytes, on one line.
        #[serde(default)]
        name: Option<String>,
        /// At most 2 KiB.
        #[serde(default)]
        about: Option<String>,
        /// At most 32 KiB; an empty one takes it away. What stands in the file besides the picture (where it was taken …) goes with it.
        #[serde(default)]
        picture: Option<Picture>,
        /// All of one's own fields, at most 16.
        #[serde(default)]
        fields: Option<Vec<ProfileField>>,
        /// Who sees it. Who no longer does can't read later changes; what was seen was seen.
        #[serde(default)]
        visibility: Option<ProfileVisibility>,
    },

    /// Where a relay is reached and known by, if that changed. → `Done`
    SetRelay {
        /// The new way to the own relay, or to a contact's of the same host and port.
        relay: RelayAddress,
    },
    /// A text to attach to a report of something that went wrong: versions, phases, counts and what happened lately, without names,
    /// addresses, texts, keys or ids. → `DebugBundle`
    DebugBundle,
    /// Settings of the account. → `Settings`
    Settings,
    /// Turns read receipts on or off, both ways. → `Done`
    SetReadReceipts {
        /// Whether they are sent and shown.
        on: bool,
    },
}

impl Request {
    /// A plain text.
    pub fn send(to: impl Into<To>, text: impl Into<String>) -> Self {
        Self::Send { to: to.into(), text: text.into(), reply_to: None, mentions: Vec::new() }
    }
}
