//! Every table of the engine, so that no two share a name, with the class of key that its rows are sealed under.

use crate::store::{KeyClass, Table};

const fn lasting(name: &'static str) -> Table {
    Table::new(name, KeyClass::Lasting)
}

/// Rows whose deletion must mean something: sealed under the key that is replaced daily.
const fn daily(name: &'static str) -> Table {
    Table::new(name, KeyClass::Daily)
}

/// One row: the account and this device. `("", 0)`
pub(crate) const ACCOUNT: Table = lasting("account");
/// Events not yet acknowledged. `("", event id)`
pub(crate) const EVENTS: Table = lasting("events");
/// Counts of events. `("", 0)`
pub(crate) const EVENT_COUNTS: Table = lasting("event counts");

/// Own manifests, every version. `("", version)`
pub(crate) const OWN_MANIFESTS: Table = lasting("own manifests");
/// Private prekeys. `(kind, prekey id)`
pub(crate) const PREKEYS: Table = daily("prekeys");
/// When each kind of prekey was last replaced. `("", 0)`
pub(crate) const PREKEY_STATE: Table = lasting("prekey state");
/// Vault entries. `(group, number)`
pub(crate) const VAULT: Table = lasting("vault");
/// Entry key to its number in its group. `(entry key, 0)`
pub(crate) const VAULT_NUMBERS: Table = lasting("vault numbers");
/// The vault's clock. `("", 0)`
pub(crate) const VAULT_STATE: Table = lasting("vault state");
/// The other devices of the account: where they are reached. `("", 0)`
pub(crate) const OWN_BOOK: Table = lasting("own address book");
/// A device that asks to join. `("", 0)`
pub(crate) const PROPOSAL: Table = lasting("proposal");

/// The link that another device may join by. `("", 0)`
pub(crate) const DEVICE_LINK: Table = daily("device link");

/// A device's removal that was proposed. `("", 0)`
pub(crate) const REMOVAL: Table = daily("removal");
/// Records that a removed device could still write. `("", n)`
pub(crate) const CLOSING: Table = daily("closing");
/// Addresses for contacts that were replaced. `("", n)`
pub(crate) const OLD_ADDRESSES: Table = lasting("old addresses");
/// The account is being deleted. `("", 0)`
pub(crate) const ENDING: Table = lasting("ending");

/// Contacts. `("", contact number)`
pub(crate) const CONTACTS: Table = lasting("contacts");
/// Identity to contact number. `(identity, 0)`
pub(crate) const CONTACT_NUMBERS: Table = lasting("contact numbers");
/// Canonical address to contact number. `(address, 0)`
pub(crate) const CONTACT_ADDRESSES: Table = lasting("contact addresses");

/// The sessions with an account's devices, and their order. `(identity, 0)`
pub(crate) const PEERS: Table = lasting("peers");
/// Sessions. `(identity ‖ device id ‖ session id, 0)`
pub(crate) const SESSIONS: Table = daily("sessions");
/// Skipped message keys. `(identity ‖ device id ‖ session id, chain and count)`
pub(crate) const SKIPPED: Table = daily("skipped");
/// Base keys seen with a last-resort key, until when. `(base key, 0)`
pub(crate) const BASE_KEYS: Table = lasting("base keys");
/// The same in the order they came, to forget them. `("", n)`
pub(crate) const BASE_KEY_LIST: Table = lasting("base key list");

/// Conversations: unread count, position of the newest entry. `(identity, 0)`
pub(crate) const CONVERSATIONS: Table = lasting("conversations");
/// All conversations: whose. `("", conversation number)`
pub(crate) const CONVERSATION_LIST: Table = lasting("conversation list");
/// Entries. `(conversation number, position)`
pub(crate) const HISTORY: Table = lasting("history");
/// Message id to position. `(conversation number ‖ direction ‖ message id, 0)`
pub(crate) const MESSAGE_INDEX: Table = lasting("message index");
/// Entries that disappear: their rows in [`HISTORY`] are places only. Daily, so that what has disappeared can't be read a day later.
/// `(conversation number, position)`
pub(crate) const TIMED_HISTORY: Table = daily("timed history");
/// When messages disappear. `("", n)`
pub(crate) const EXPIRIES: Table = lasting("expiries");
/// Changes that came before the message that they are about. `("", n)`
pub(crate) const EARLY: Table = daily("early changes");
/// What is being written. `(conversation, 0)`
pub(crate) const DRAFTS: Table = daily("drafts");
/// How far one's own messages in groups are. `(conversation number ‖ position, first half of the identity)`
pub(crate) const DELIVERIES: Table = lasting("deliveries");
/// Every message with a file: where it stands. `("", n)`
pub(crate) const FILES: Table = lasting("files");
/// Files on their way, up or down. `("", n)`
pub(crate) const TRANSFERS: Table = lasting("transfers");
/// Blobs to delete. `("", n)`
pub(crate) const BLOB_DELETIONS: Table = lasting("blob deletions");
/// History being handed to other own devices. `("", n)`
pub(crate) const HANDINGS: Table = lasting("handings");
/// Parts of another own device's history that are to be taken in. `("", n)`
pub(crate) const HANDED: Table = daily("handed");
/// Where the next message taken in goes. `("", 0)`
pub(crate) const HANDED_SPOT: Table = lasting("handed spot");
/// Receipts to send. `("", conversation number)`
pub(crate) const RECEIPTS: Table = lasting("receipts");

/// Lanes: what waits for an account, and what went there. `(identity, 0)`
pub(crate) const LANES: Table = lasting("lanes");
/// All lanes: whose. `("", lane number)`
pub(crate) const LANE_LIST: Table = lasting("lane list");
/// Lanes that hold something: whose. `("", lane number)`
pub(crate) const WAITING_LANES: Table = lasting("waiting lanes");
/// What is to be deposited. `(identity, n)`
pub(crate) const OUTBOX: Table = daily("outbox");
/// What was deposited lately, to send it again if a device can't read it. `(identity, n)`
pub(crate) const SENT_LOG: Table = daily("sent log");
/// Repair under way with an account's devices. `("", lane number)`
pub(crate) const REPAIRS: Table = lasting("repairs");

/// Envelopes dealt with, by the month in which they came. `(month, first half of the envelope id)`
pub(crate) const SEEN: Table = lasting("seen");
/// Envelopes kept until their sender is known. `("", n)`
pub(crate) const HELD: Table = lasting("held");
/// Settings of this installation. `("", 0)`
pub(crate) const SETTINGS: Table = lasting("settings");

/// What calls for attention on this device. `("", 0)`
pub(crate) const NOTIFICATIONS: Table = lasting("notifications");
/// How far the search index has come. `("", 0)`
pub(crate) const SEARCH_STATE: Table = lasting("search state");
/// What the search index has still to learn. `("", n)`
pub(crate) const SEARCH_WAITING: Table = daily("search waiting");
/// Where a term stands. `(term, 0: head, else: block)`
pub(crate) const SEARCH_LISTS: Table = lasting("search lists");
/// Words in the index, by their first characters. `(characters, n)`
pub(crate) const SEARCH_WORDS: Table = lasting("search words");
/// Where the messages of the index are, by spans of their numbers. `(span, 0)`
pub(crate) const SEARCH_MESSAGES: Table = lasting("search messages");
/// The same three for messages that disappear.
pub(crate) const TIMED_SEARCH_LISTS: Table = daily("timed search lists");
/// See above.
pub(crate) const TIMED_SEARCH_WORDS: Table = daily("timed search words");
/// See above.
pub(crate) const TIMED_SEARCH_MESSAGES: Table = daily("timed search messages");

/// Groups that this account belongs to, or belonged to. `("", group number)`
pub(crate) const GROUPS: Table = lasting("groups");
/// Group to group number. `(group, 0)`
pub(crate) const GROUP_NUMBERS: Table = lasting("group numbers");
/// A group's newest state. `(group, 0)`
pub(crate) const GROUP_STATES: Table = lasting("group states");
/// The changes that led there, the last few. `(group, version)`
pub(crate) const GROUP_CHANGES: Table = lasting("group changes");
/// A group's outer keys. `(group, epoch)`
pub(crate) const GROUP_EPOCHS: Table = daily("group epochs");
/// The write key of a group's record. `(group, 0)`
pub(crate) const GROUP_WRITE_KEYS: Table = daily("group write keys");
/// What this device wants to change in a group. `(group, n)`
pub(crate) const GROUP_PROPOSALS: Table = daily("group proposals");
/// Who asked to go from a group, and still belongs to it by its state. `(group, n)`
pub(crate) const GROUP_LEAVES_ASKED: Table = lasting("group leaves asked");
/// Where this device is reached in each group. `("", n)`
pub(crate) const GROUP_ADDRESSES: Table = lasting("group addresses");
/// Where a group's devices are reached. `(group, n)`
pub(crate) const GROUP_LEAVES: Table = lasting("group leaves");
/// Groups that this account was invited to, or asks to join. `("", n)`
pub(crate) const GROUP_JOININGS: Table = lasting("group joinings");
/// Contacts invited. `("", n)`
pub(crate) const GROUP_OFFERS: Table = lasting("group offers");
/// Others who ask to join. `("", n)`
pub(crate) const GROUP_REQUESTS: Table = lasting("group requests");
/// This device's sender chain in a group. `(group, 0)`
pub(crate) const GROUP_CHAIN: Table = daily("group chain");
/// Whom it was given to. `(group, 0)`
pub(crate) const GROUP_GIVEN: Table = lasting("group given");
/// The devices whose chains this one has or had. `(group, n)`
pub(crate) const GROUP_SPEAKERS: Table = lasting("group speakers");
/// The chains of one device, the newest last. `(group ‖ identity ‖ device id, 0)`
pub(crate) const GROUP_SPEAKER: Table = lasting("group speaker");
/// Chains of other devices. `(group ‖ identity ‖ device id ‖ chain id, 0)`
pub(crate) const GROUP_CHAINS: Table = daily("group chains");
/// Devices of members who have gone. `(group ‖ device id, 0)`
pub(crate) const GROUP_GONE: Table = lasting("group gone");
/// Keys of messages passed over. `(group ‖ identity ‖ device id ‖ chain id, count)`
pub(crate) const GROUP_SKIPPED: Table = daily("group skipped");
/// What waits for a group. `(group, 0)`
pub(crate) const GROUP_LANES: Table = lasting("group lanes");
/// Groups that something waits for. `("", lane number)`
pub(crate) const GROUP_WAITING: Table = lasting("group waiting");
/// What is to be deposited for a group. `(group, n)`
pub(crate) const GROUP_OUTBOX: Table = daily("group outbox");
/// Envelopes of a group that can't be opened yet. `(group, n)`
pub(crate) const GROUP_HELD: Table = lasting("group held");
/// Groups with such envelopes. `("", n)`
pub(crate) const GROUP_HOLDING: Table = lasting("group holding");

/// The highest session of this device. `("", 0)`
pub(crate) const PRESENCE: Table = lasting("presence");
/// The sessions heard of a contact's devices. `(identity, 0)`
pub(crate) const PRESENCE_PEERS: Table = lasting("presence peers");

/// What people show of themselves, without the picture. `(identity, 0)`
pub(crate) const PROFILES: Table = lasting("profiles");
/// Their pictures. `(identity, 0)`
pub(crate) const PROFILE_PICTURES: Table = lasting("profile pictures");
/// What the own profile is to be, until its record says so. `("", 0)`
pub(crate) const PROFILE_WISH: Table = lasting("profile wish");
