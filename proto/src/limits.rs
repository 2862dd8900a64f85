//! Every limit of the protocol, with its reason. What an operator may set is a default here; the rest is fixed.

/// Protocol version spoken.
pub const PROTOCOL_VERSION: u32 = 1;

/// The one cipher suite so far: X25519 + ML-KEM-768, Ed25519, ChaCha20-Poly1305, SHA-256.
pub const SUITE_1: u32 = 1;

/// Largest content of one message in bytes, before padding: padded, encrypted and with a first message's KEM ciphertext and a
/// certificate around it, it still fits an envelope.
pub const MAX_CONTENT: usize = 224 * 1024;

/// Largest frame in bytes, either way: room for a full upload of prekeys (100 ML-KEM keys of 1,184 B, each signed) or a
/// deposit batch, while a connection's buffers stay small enough for thousands of them.
pub const MAX_FRAME: usize = 1 << 20;

/// Largest envelope in bytes. A message is a text or a reference to a blob; anything larger belongs in a blob.
pub const MAX_ENVELOPE: usize = 256 * 1024;

/// Most entries in one deposit; with `MAX_FRAME` it bounds the work one frame can ask for.
pub const MAX_DEPOSIT_ENTRIES: usize = 64;

/// Most addresses in one deposit entry: a group's 1,000 members with 10 devices each.
pub const MAX_DEPOSIT_ADDRESSES: usize = 10_000;

/// Largest ephemeral envelope in bytes: presence with a line of text, or that someone types.
pub const MAX_EPHEMERAL: usize = 4 * 1024;
/// Longest time that an ephemeral envelope is worth delivering (milliseconds): presence is said anew before that.
pub const MAX_EPHEMERAL_MS: u32 = 10 * 60 * 1000;
/// Most entries in a last will: one per presence key that is in use, and some that are being replaced.
pub const MAX_WILL_ENTRIES: usize = 16;
/// Largest last will in bytes, each address counted as 16: ten thousand contacts' devices.
pub const MAX_WILL: usize = 256 * 1024;

/// Tickets got at once.
pub const MAX_TICKETS: usize = 16;
/// How long a ticket can be used (milliseconds): long enough to be got well before, which hides what it is for.
pub const TICKET_LIFETIME_MS: u64 = DAY_MS;
/// Largest blob in bytes.
pub const MAX_BLOB: u64 = 2 << 30;
/// How long a blob is kept (milliseconds); operators may change it.
pub const BLOB_LIFETIME_MS: u64 = 30 * DAY_MS;

/// Longest name of a file in bytes: what file systems take, with room for a number and an ending.
pub const MAX_FILE_NAME: usize = 200;
/// Longest media type in bytes.
pub const MAX_MEDIA_TYPE: usize = 100;
/// Largest preview of a picture in bytes: it stands in the message.
pub const MAX_PREVIEW: usize = 12 * 1024;

/// Longest recording that a message may claim (milliseconds): a number to be shown, and no clock to be counted down for years.
pub const MAX_CAPTURED: u64 = DAY_MS;

/// Largest record value in bytes.
pub const MAX_RECORD: usize = 256 * 1024;

/// Largest root vault in bytes; it holds two keys.
pub const MAX_ROOT_VAULT: usize = 4 * 1024;

/// Longest proof beside a proposal in bytes: a tag has 32, and one of another kind may be twice as long.
pub const MAX_PROPOSAL_PROOF: usize = 64;

/// Requests that may be under way at once on one connection.
pub const MAX_IN_FLIGHT: usize = 64;

/// Most envelope ids in one ack: what a client commits at once.
pub const MAX_ACK_IDS: usize = 1_000;

/// Devices of one account. The bound on a group's fan-out rests on it.
pub const MAX_DEVICES: usize = 10;

/// Largest encoded manifest in bytes: ten certificates of under 300 B each, with slack.
pub const MAX_MANIFEST: usize = 8 * 1024;

/// Manifests returned in one reply. An account with more changes is read in several steps.
pub const MAX_MANIFESTS: usize = 64;

/// One-time prekeys of each kind that a device keeps on its relay, and the count below which it refills.
pub const ONE_TIME_PREKEYS: usize = 100;
/// See [`ONE_TIME_PREKEYS`].
pub const ONE_TIME_REFILL_BELOW: usize = 25;

/// A signed prekey is replaced when older than this (milliseconds), while its device is online.
pub const SIGNED_PREKEY_ROTATION_MS: u64 = 7 * DAY_MS;
/// A prekey is not used for encryption after creation + this (milliseconds).
pub const PREKEY_LIFETIME_MS: u64 = 90 * DAY_MS;

/// Longest time an envelope waits in a mailbox (milliseconds); operators may lower it.
pub const ENVELOPE_LIFETIME_MS: u64 = 30 * DAY_MS;

/// Envelopes and bytes one mailbox holds at most.
pub const MAILBOX_ENVELOPES: usize = 100_000;
/// See [`MAILBOX_ENVELOPES`].
pub const MAILBOX_BYTES: u64 = 256 << 20;
/// Envelopes that strangers may leave through a request address before the device has fetched them.
pub const REQUEST_ENVELOPES: usize = 100;

/// Live deposit addresses of one device: one for contacts, one per group, and those being replaced.
pub const MAX_ADDRESSES: usize = 4_096;

/// Skipped message keys kept per receiving chain: how far one sender's messages may run ahead of a lost one.
pub const MAX_SKIPPED_PER_CHAIN: u32 = 1_000;
/// Skipped message keys kept per session, oldest evicted first.
pub const MAX_SKIPPED_PER_SESSION: usize = 2_000;
/// Messages of one sender chain in a group; after that, or after [`SENDER_CHAIN_LIFETIME_MS`], the device makes a new one. It bounds
/// what a stolen chain reads.
pub const MAX_CHAIN_MESSAGES: u32 = 1_000;
/// See [`MAX_CHAIN_MESSAGES`]. As long does a receiver keep a chain after its successor.
pub const SENDER_CHAIN_LIFETIME_MS: u64 = 7 * DAY_MS;
/// Group messages that a device keeps sealed because it lacks what opens them, per group and for how long (milliseconds).
pub const MAX_HELD_PER_GROUP: usize = 1_000;
/// See [`MAX_HELD_PER_GROUP`].
pub const HELD_LIFETIME_MS: u64 = 7 * DAY_MS;

/// Sessions kept per pair of devices.
pub const MAX_SESSIONS: usize = 5;
/// A session without a DH step for this long (milliseconds) is set up anew.
pub const SESSION_STALE_MS: u64 = 30 * DAY_MS;

/// Smallest padded plaintext in bytes: short texts, receipts and announcements look alike.
pub const PADDING_FLOOR: usize = 160;

/// Longest text of a contact request in bytes.
pub const MAX_REQUEST_TEXT: usize = 2 * 1024;
/// Longest text of a message in bytes; more than that is a file.
pub const MAX_TEXT: usize = 64 * 1024;
/// Longest quote of the message that a text answers, in bytes: enough to know it again.
pub const MAX_QUOTE: usize = 256;
/// Mentions in one text: more is no longer addressing anybody.
pub const MAX_MENTIONS: usize = 64;

/// Reactions of one person to one message, and the longest in bytes: the longest emoji sequences of Unicode have under 40.
pub const MAX_REACTIONS: usize = 8;
/// See [`MAX_REACTIONS`].
pub const MAX_REACTION: usize = 48;
/// People whose reactions to one message are kept: as many as a group has members.
pub const MAX_REACTING: usize = 1_000;
/// Earlier texts of an edited message that are kept, and their bytes in all: enough to see what was changed, in a row that stays
/// small enough to write again.
pub const MAX_EARLIER_TEXTS: usize = 10;
/// See [`MAX_EARLIER_TEXTS`].
pub const MAX_EARLIER_BYTES: usize = 2 * MAX_TEXT;
/// Pinned messages of one conversation: what a person can still survey.
pub const MAX_PINS: usize = 50;
/// Longest time after which messages disappear (milliseconds).
pub const MAX_DISAPPEAR_MS: u64 = 365 * DAY_MS;
/// Changes kept that arrived before the message they are about: of one person, in all, and for how long (milliseconds). A message
/// overtaken by more than a week is as good as lost.
pub const MAX_EARLY_PER_PERSON: usize = 100;
/// See [`MAX_EARLY_PER_PERSON`].
pub const MAX_EARLY: usize = 1_000;
/// See [`MAX_EARLY_PER_PERSON`].
pub const EARLY_MS: u64 = 7 * DAY_MS;
/// How far ahead of the receiver's clock an order may claim to be (milliseconds): one from a clock that is far ahead could not be
/// followed by any other.
pub const MAX_ORDER_AHEAD_MS: u64 = DAY_MS;

/// Message ids in one receipt.
pub const MAX_RECEIPT_IDS: usize = 256;

/// Length of an account's name in characters.
pub const NAME_LEN: std::ops::RangeInclusive<usize> = 2..=32;

/// A day in milliseconds.
pub const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Members of a group: with `MAX_DEVICES` each, one deposit entry still names all their addresses.
pub const MAX_GROUP_MEMBERS: usize = 1_000;
/// Longest title of a group in bytes; it stands in one line.
pub const MAX_GROUP_TITLE: usize = 200;
/// Longest text about a group in bytes: a page.
pub const MAX_GROUP_ABOUT: usize = 4 * 1024;
/// Largest picture of a group in bytes. It travels with the state itself, so that it needs no blob.
pub const MAX_GROUP_PICTURE: usize = 32 * 1024;
/// Accounts that a group keeps out by name.
pub const MAX_GROUP_BANNED: usize = 1_000;
/// Links of a group that are good at once.
pub const MAX_GROUP_INVITES: usize = 64;
/// Actions in one change. `MAX_GROUP_CHANGE` is what bounds large ones.
pub const MAX_GROUP_ACTIONS: usize = 64;
/// Largest signed change in bytes: a picture and a text, or forty additions with their consents.
pub const MAX_GROUP_CHANGE: usize = 60 * 1024;
/// Largest encoded state in bytes. With the change that led to it, it fits one content (a welcome) and one record.
pub const MAX_GROUP_STATE: usize = 156 * 1024;
/// Changes that a group's record keeps besides the newest: a member who missed no more checks each of them.
pub const MAX_RECORD_CHANGES: usize = 256;
/// A consent is used within this time (milliseconds): one that lay about longer no longer says what somebody wants.
pub const CONSENT_LIFETIME_MS: u64 = 30 * DAY_MS;

/// Longest line of text beside a presence in bytes: it is read in passing, and stays within [`MAX_EPHEMERAL`].
pub const MAX_PRESENCE_TEXT: usize = 280;
/// Longest time for which a presence holds (milliseconds).
pub const MAX_PRESENCE_MS: u64 = MAX_EPHEMERAL_MS as u64;
/// Members up to which a group is told who is writing: beyond, it is many envelopes for news that nobody can follow.
pub const MAX_TYPING_MEMBERS: usize = 100;
/// That somebody is writing is shown for this long after it was last heard (milliseconds).
pub const TYPING_SHOWN_MS: u64 = 6_000;
/// How old a statement that somebody is writing may be, by the receiver's clock, and how far ahead of it (milliseconds): clocks differ.
pub const TYPING_TOLERANCE_MS: u64 = 60_000;

/// Longest name in a profile in bytes: one line beside a message.
pub const MAX_PROFILE_NAME: usize = 128;
/// Longest text about oneself in bytes.
pub const MAX_PROFILE_ABOUT: usize = 2 * 1024;
/// Largest picture of a profile in bytes. It lies in the profile's record, so that it needs no blob.
pub const MAX_PROFILE_PICTURE: usize = 32 * 1024;
/// Fields of one's own in a profile, and the longest name and value of one in bytes.
pub const MAX_PROFILE_FIELDS: usize = 16;
/// See [`MAX_PROFILE_FIELDS`].
pub const MAX_FIELD_NAME: usize = 64;
/// See [`MAX_PROFILE_FIELDS`].
pub const MAX_FIELD_VALUE: usize = 512;
/// A profile is read again after this long (milliseconds), whoever says that it hasn't changed.
pub const PROFILE_CHECK_MS: u64 = DAY_MS;
