//! What we say: conversations, outbox, inbox, receipts, repair.
//!
//! ```text
//!  Send ─▶ [send] ─▶ [history] Pending        [history] ◀─ Message event ◀─ [content] ◀─ [inbox] ◀─ Deliver
//!             └────▶ [outbox] ─▶ [deposit] ─▶ Deposit                          │  │  └─▶ Ack
//!                                  │ [sessions] encrypt      [sessions] decrypt ┘  └─▶ [receipts], [sync], [repair] ─▶ [outbox]
//! ```
//!
//! Everything that must not be lost is in the transaction; [`Passing`] only says what is under way, and [`start`] finds the rest
//! again. Lanes are looked at once per input, after everything else ([`settle`]), so that what one input queues for somebody
//! goes out together.

mod content;
mod conversations;
mod deliveries;
mod deposit;
mod files;
mod handover;
mod history;
mod housekeeping;
mod import;
mod inbox;
mod life;
mod member;
mod outbox;
mod pages;
mod receipts;
mod repair;
mod send;
mod sessions;
mod settings;
mod show;
mod states;
mod sync;
#[cfg(test)]
mod tests;
mod texts;

use std::collections::{BTreeMap, BTreeSet};

use wheesht_proto::{
    content::{Announce, Content, Head, Receipt, content::Body},
    group::{GroupControl, group_control},
    ids::{AccountId, DeviceId, EnvelopeId, GroupId, MessageId},
    profile::ProfileRef,
    prost::Message as _,
    relay::{Deliver, DeviceSession, relay_frame},
};

use self::life::commands;
use super::{
    Ctx, EngineError,
    account::{self, Me},
    blobs::BlobReport,
    ctx::Pending as Continuation,
    error::Answer,
    groups,
    io::{LinkId, RequestError},
    people,
    timers::Timer,
};
pub(crate) use deposit::pause_after;
pub(crate) use files::Pending as FilePending;
pub(crate) use handover::Pending as HandoverPending;

use crate::{
    api::{
        ConversationId, Error, ErrorCode, EventKind, FailReason, Message, MessageState, Notice, Request,
        Trouble,
    },
    protocol::session::UnverifiedSessionMessage,
    signed::{DeviceCertificate, ManifestHead},
    store::Table,
    time::Timestamp,
};

/// Trouble with a relay is told at most this often (milliseconds).
const TROUBLE_MS: u64 = wheesht_proto::limits::DAY_MS / 24;

#[derive(Default)]
pub(crate) struct Passing {
    /// This device has been found not to be behind its own statement: the outbox may open.
    open: bool,
    /// Lanes that hold something.
    lanes: BTreeMap<AccountId, deposit::Running>,
    /// Lanes to look at when the input has been dealt with.
    look: BTreeSet<AccountId>,
    /// Messages that a person sees, in all lanes.
    visible: u64,
    /// Devices that something failed for.
    delays: BTreeMap<(AccountId, DeviceId), sessions::Delay>,
    /// Envelopes to acknowledge, and how many were taken since the last credit.
    acks: Vec<EnvelopeId>,
    uncredited: u32,
    /// When to ask again for what lies in the mailbox.
    resubscribe: Option<Timestamp>,
    /// Envelopes held, by sender.
    held: BTreeMap<AccountId, Vec<u64>>,
    /// Changes that came before what they are about.
    early: life::early::Kept,
    /// When messages disappear.
    expiries: life::disappear::Due,
    /// Conversations whose draft the own devices have not heard of.
    drafts: BTreeSet<Vec<u8>>,
    /// When gathered receipts are due, by conversation number.
    receipts: BTreeMap<u64, Timestamp>,
    /// When resets held back are due, by lane number.
    repairs: BTreeMap<u64, Timestamp>,
    /// The lane whose log is looked through next.
    pruned: u64,
    /// Files on their way.
    files: files::Passing,
    /// History on its way between own devices.
    handover: handover::Passing,
    /// When trouble with a relay was told.
    trouble: Option<Timestamp>,
}

/// What to do with a reply.
pub(crate) enum Pending {
    /// A deposit: what it held.
    Deposit(deposit::Sent),
    /// The prekeys of a device of an account.
    Bundle(Box<(AccountId, DeviceCertificate)>),
    /// The subscription to the mailbox.
    Subscribe,
    /// An ack of these.
    Ack(Vec<EnvelopeId>),
}

impl From<Pending> for Continuation {
    fn from(pending: Pending) -> Self {
        Self::Messaging(pending)
    }
}

// ---- Called by the frame -------------------------------------------------------------------------------------

/// After opening the store.
pub(super) fn start(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    outbox::start(ctx)?;
    receipts::start(ctx)?;
    repair::start(ctx)?;
    inbox::start(ctx)?;
    life::early::start(ctx)?;
    life::disappear::start(ctx)?;
    housekeeping::start(ctx);
    files::start(ctx)
}

pub(super) fn command(ctx: &mut Ctx<'_, '_>, id: u64, request: Request) -> Answer {
    match request {
        Request::Conversations => conversations::list(ctx),
        Request::Send { to, text, reply_to, mentions } => send::send(ctx, id, to, text, reply_to, &mentions),
        Request::History { conversation, before, limit } => history::page(ctx, &conversation, before, limit),
        Request::Page { conversation, at, limit } => pages::page(ctx, &conversation, at, limit),
        Request::Message { conversation, message } => history::one(ctx, &conversation, &message),
        Request::MarkRead { conversation, up_to } => receipts::mark_read(ctx, &conversation, up_to),
        Request::React { conversation, message, emoji, remove } => {
            commands::react(ctx, &conversation, &message, emoji, remove)
        }
        Request::Edit { conversation, message, text, mentions } => {
            commands::edit(ctx, &conversation, &message, text, &mentions)
        }
        Request::Edits { conversation, message } => commands::edits(ctx, &conversation, &message),
        Request::Delete { conversation, message, for_all } => {
            commands::delete(ctx, &conversation, &message, for_all)
        }
        Request::Forward { conversation, message, to } => {
            commands::forward(ctx, id, &conversation, &message, to)
        }
        Request::Pin { conversation, message, pinned } => commands::pin(ctx, &conversation, &message, pinned),
        Request::Pins { conversation } => life::pins::list(ctx, &conversation),
        Request::Deliveries { conversation, message } => deliveries::list(ctx, &conversation, &message),
        Request::SetDraft { conversation, text, reply_to } => {
            life::drafts::set(ctx, &conversation, text, reply_to.as_ref())
        }
        Request::SetDisappearing { conversation, after_ms } => {
            commands::set_disappearing(ctx, &conversation, after_ms)
        }
        Request::Mute { conversation, until } => settings::mute(ctx, &conversation, until),
        Request::Import { conversation, cursor, remaining, messages } => {
            import::import(ctx, &conversation, cursor, remaining, messages)
        }
        Request::Archive { conversation, archived } => settings::archive(ctx, &conversation, archived),
        Request::SendFile { .. }
        | Request::SaveFile { .. }
        | Request::CancelTransfer { .. }
        | Request::PauseTransfer { .. }
        | Request::ResumeTransfer { .. }
        | Request::Files { .. }
        | Request::SetAutoDownload { .. } => files::command(ctx, id, request),
        Request::SendHistory { device } => handover::request(ctx, &device),
        Request::CancelHistory { device } => handover::cancel(ctx, &device),
        Request::Settings => settings::list(ctx),
        Request::SetReadReceipts { on } => settings::set_read_receipts(ctx, on),
        _ => Err(Error::new(ErrorCode::Internal, "This request is not about messages.").into()),
    }
}

pub(super) fn deliver(ctx: &mut Ctx<'_, '_>, link: &LinkId, deliver: Deliver) -> Result<(), EngineError> {
    inbox::deliver(ctx, link, deliver)
}

pub(super) fn reply(
    ctx: &mut Ctx<'_, '_>,
    _link: &LinkId,
    pending: Pending,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<(), EngineError> {
    match pending {
        Pending::Deposit(sent) => deposit::reply(ctx, sent, result),
        Pending::Bundle(whose) => sessions::bundle(ctx, &whose.0, &whose.1, result),
        Pending::Subscribe => {
            inbox::subscribed(ctx, result);
            Ok(())
        }
        Pending::Ack(ids) => {
            inbox::acknowledged(ctx, ids, result);
            Ok(())
        }
    }
}

pub(super) fn due(ctx: &mut Ctx<'_, '_>, timer: Timer) -> Result<(), EngineError> {
    match timer {
        Timer::Outbox => {
            outbox::wake(ctx);
            Ok(())
        }
        Timer::Acks => inbox::acknowledge(ctx),
        Timer::Receipts => receipts::due(ctx),
        Timer::Disappear => life::disappear::due(ctx),
        Timer::Drafts => life::drafts::due(ctx),
        Timer::Repair => repair::due(ctx),
        Timer::Files => files::due(ctx),
        Timer::Handover => handover::due(ctx),
        Timer::Housekeeping => housekeeping::due(ctx),
        _ => Ok(()),
    }
}

/// An anonymous link is up: what waits for it can be encrypted and deposited.
pub(super) fn greeted(ctx: &mut Ctx<'_, '_>, link: &LinkId) {
    deposit::greeted(ctx, link);
}

/// Sends what the input has left to be sent. Gives whether there was anything to look at.
pub(super) fn settle(ctx: &mut Ctx<'_, '_>) -> Result<bool, EngineError> {
    let look = std::mem::take(&mut ctx.passing.messaging.look);
    for to in &look {
        deposit::pump(ctx, to)?;
    }
    Ok(!look.is_empty())
}

// ---- Offered to account and people ---------------------------------------------------------------------------

/// This device has become one of the account's.
pub(crate) fn activated(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    housekeeping::start(ctx);
    Ok(())
}

/// This device is logged in on its relay, and not behind its own statement.
pub(crate) fn online(
    ctx: &mut Ctx<'_, '_>,
    link: &LinkId,
    _session: &DeviceSession,
) -> Result<(), EngineError> {
    ctx.passing.messaging.open = true;
    inbox::subscribe(ctx, link);
    deposit::resume(ctx);
    handover::online(ctx)?;
    files::online(ctx)
}

/// This device is no longer one of the account's: what waits to go out fails, sessions go, history stays.
pub(crate) fn stopped(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    ctx.passing.messaging.open = false;
    files::stopped(ctx)?;
    handover::stopped(ctx)?;
    for (_, account) in outbox::lanes_from(ctx, 0, usize::MAX)? {
        outbox::fail_all(ctx, &account, FailReason::DeviceStopped)?;
        leave(ctx, &account)?;
    }
    inbox::drop_all_held(ctx);
    receipts::drop_all(ctx)
}

/// Whether envelopes of an account wait until the device that sent them is known.
pub(crate) fn holds(ctx: &Ctx<'_, '_>, account: &AccountId) -> bool {
    ctx.passing.messaging.held.contains_key(account)
}

/// What a conversation is called.
pub(crate) fn title(ctx: &mut Ctx<'_, '_>, id: &ConversationId) -> Result<String, EngineError> {
    conversations::title(ctx, id)
}

/// How many messages are unread there.
pub(crate) fn unread(ctx: &Ctx<'_, '_>, id: &ConversationId) -> Result<u64, EngineError> {
    Ok(conversations::find(ctx, id)?.map_or(0, |conversation| conversation.unread))
}

/// Whether the person does not want to hear of it.
pub(crate) fn is_muted(ctx: &Ctx<'_, '_>, id: &ConversationId) -> Result<bool, EngineError> {
    Ok(settings::muted_until(ctx, id)?.is_some())
}

/// Goes on with `Send` once its recipient was found.
pub(crate) fn send_to(ctx: &mut Ctx<'_, '_>, _command: u64, to: &AccountId, text: &str) -> Answer {
    send::send_to(ctx, to, text)
}

/// Queues content that no person sees, for every device of an account; one's own: for the other devices.
pub(crate) fn queue(ctx: &mut Ctx<'_, '_>, to: &AccountId, body: Body) -> Result<(), EngineError> {
    outbox::push_hidden(ctx, to, body, None)
}

/// Tells a contact where the own profile is, since it has changed.
pub(crate) fn announce_profile(
    ctx: &mut Ctx<'_, '_>,
    to: &AccountId,
    shown: ProfileRef,
) -> Result<(), EngineError> {
    outbox::push_profile(ctx, to, shown)
}

/// Puts a notice into the conversation with an account.
pub(crate) fn notice(ctx: &mut Ctx<'_, '_>, with: &AccountId, notice: Notice) -> Result<(), EngineError> {
    history::append_notice(ctx, &ConversationId::Direct(*with), with.as_ref(), notice)
}

/// Where an account is reached may have changed: look at its lane again.
pub(crate) fn route_ready(ctx: &mut Ctx<'_, '_>, account: &AccountId) -> Result<(), EngineError> {
    outbox::look(ctx, account);
    Ok(())
}

/// An account's manifest was looked at again: devices that are gone lose their sessions, envelopes held are tried again.
pub(crate) fn manifest_changed(ctx: &mut Ctx<'_, '_>, account: &AccountId) -> Result<(), EngineError> {
    if let Some(contact) = people::by_id(ctx, account)? {
        sessions::forget(ctx, account, |device| contact.manifest.device(device).is_some())?;
    }
    inbox::retry_held(ctx, account)?;
    outbox::look(ctx, account);
    groups::manifest_changed(ctx, account)
}

/// The own manifest has changed: contacts are told.
pub(crate) fn own_manifest_changed(
    ctx: &mut Ctx<'_, '_>,
    added: &[DeviceId],
    removed: &[DeviceId],
) -> Result<(), EngineError> {
    let Some(me) = account::me(ctx)? else { return Ok(()) };
    sessions::forget(ctx, &me.account, |device| me.manifest.device(device).is_some())?;
    inbox::retry_held(ctx, &me.account)?;
    outbox::look(ctx, &me.account);
    handover::removed(ctx, removed)?;
    if !added.is_empty() {
        life::drafts::tell_all(ctx)?;
    }
    if added.is_empty() && removed.is_empty() {
        return Ok(());
    }
    for contact in people::accepted(ctx)? {
        outbox::push_hidden(ctx, &contact, Body::Announce(Announce {}), None)?;
    }
    Ok(())
}

/// Both sides of a conversation have accepted to talk.
pub(crate) fn accepted(ctx: &mut Ctx<'_, '_>, account: &AccountId) -> Result<(), EngineError> {
    receipts::catch_up(ctx, account)?;
    inbox::retry_held(ctx, account)?;
    outbox::look(ctx, account);
    Ok(())
}

/// A contact is forgotten: its conversation, sessions, and what waits to go out.
pub(crate) fn forget(ctx: &mut Ctx<'_, '_>, account: &AccountId) -> Result<(), EngineError> {
    leave(ctx, account)?;
    conversations::erase(ctx, &ConversationId::Direct(*account))
}

/// A contact has accepted identity `new` in place of `old`: the conversation goes on with it.
pub(crate) fn moved(ctx: &mut Ctx<'_, '_>, old: &AccountId, new: &AccountId) -> Result<(), EngineError> {
    outbox::fail_all(ctx, old, FailReason::IdentityChanged)?;
    leave(ctx, old)?;
    conversations::rename(ctx, old, new)
}

/// Another own device has changed a setting: its vault entry.
pub(crate) fn setting(ctx: &mut Ctx<'_, '_>, key: &str, value: Option<&[u8]>) -> Result<(), EngineError> {
    settings::changed(ctx, key, value)
}

/// This device has changed what the account's devices know together: they are told to fetch it.
pub(crate) fn vault_changed(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    sync::vault_changed(ctx)
}

/// Whether read receipts are sent and shown.
pub(crate) fn read_receipts(ctx: &Ctx<'_, '_>) -> Result<bool, EngineError> {
    settings::read_receipts(ctx)
}

/// Whether nothing waits to go out to anybody.
pub(crate) fn idle(ctx: &Ctx<'_, '_>) -> bool {
    ctx.passing.messaging.lanes.is_empty()
}

/// Messages that still have to go out.
pub(crate) fn waiting(ctx: &mut Ctx<'_, '_>) -> Result<u64, EngineError> {
    Ok(ctx.passing.messaging.visible + files::waiting(ctx)? + groups::waiting(ctx)?)
}

// ---- Offered to blobs ----------------------------------------------------------------------------------------

/// The driver's last word on the blob of a file.
pub(crate) fn file_report(
    ctx: &mut Ctx<'_, '_>,
    pending: FilePending,
    report: BlobReport,
) -> Result<(), EngineError> {
    files::report(ctx, pending, report)
}

/// How far it is with the blob of a file.
pub(crate) fn file_progress(
    ctx: &mut Ctx<'_, '_>,
    pending: &FilePending,
    done: u64,
) -> Result<(), EngineError> {
    files::progress(ctx, pending, done)
}

/// A ticket for the blob of a file, or why there is none.
pub(crate) fn file_ticket(
    ctx: &mut Ctx<'_, '_>,
    pending: FilePending,
    ticket: Result<[u8; 32], Option<Error>>,
) -> Result<(), EngineError> {
    files::ticket(ctx, pending, ticket)
}

/// The driver's last word on a part of the history.
pub(crate) fn handover_report(
    ctx: &mut Ctx<'_, '_>,
    pending: HandoverPending,
    report: BlobReport,
) -> Result<(), EngineError> {
    handover::report(ctx, pending, report)
}

/// A ticket for a part of the history, or why there is none.
pub(crate) fn handover_ticket(
    ctx: &mut Ctx<'_, '_>,
    pending: HandoverPending,
    ticket: Result<[u8; 32], Option<Error>>,
) -> Result<(), EngineError> {
    handover::ticket(ctx, pending, ticket)
}

// ---- Offered to search ---------------------------------------------------------------------------------------

/// The conversation after this one, by number.
pub(crate) fn next_conversation(ctx: &Ctx<'_, '_>, after: u64) -> Result<Option<u64>, EngineError> {
    pages::next_conversation(ctx, after)
}

/// Takes entries behind a position into the index that are not in it. Gives the last one looked at.
pub(crate) fn index_entries(
    ctx: &mut Ctx<'_, '_>,
    conversation: u64,
    after: u64,
    limit: usize,
) -> Result<Option<u64>, EngineError> {
    pages::index_entries(ctx, conversation, after, limit)
}

/// A message that the index knows, with its text, if it is still there under this number of the index.
pub(crate) fn found(
    ctx: &mut Ctx<'_, '_>,
    conversation: u64,
    position: u64,
    search: u64,
) -> Result<Option<(Message, String)>, EngineError> {
    pages::found(ctx, conversation, position, search)
}

/// Conversations that are called so, by number.
pub(crate) fn conversations_called(ctx: &mut Ctx<'_, '_>, name: &str) -> Result<Vec<u64>, EngineError> {
    pages::called(ctx, name)
}

/// The text of an entry, empty if it has none.
#[cfg(test)]
pub(crate) fn text_of(entry: &wheesht_proto::stored::HistoryEntry) -> &str {
    texts::body(entry).unwrap_or_default()
}

/// A conversation's number.
pub(crate) fn conversation_number(
    ctx: &Ctx<'_, '_>,
    id: &ConversationId,
) -> Result<Option<u64>, EngineError> {
    Ok(conversations::find(ctx, id)?.map(|conversation| conversation.number))
}

// ---- Offered to groups ---------------------------------------------------------------------------------------

/// Says something about a group to the devices of an account, or to one of them: kept until its relay has it. It goes to the
/// account's addresses in the group, whether it is a contact or not.
pub(crate) fn queue_control(
    ctx: &mut Ctx<'_, '_>,
    group: &GroupId,
    to: &AccountId,
    only: Option<&DeviceId>,
    what: group_control::What,
) -> Result<(), EngineError> {
    use group_control::What::{AdminKey, Answer, Chain, Epoch};
    // GRM-15
    let members_only = matches!(what, Chain(_) | Epoch(_) | AdminKey(_) | Answer(_));
    let control = GroupControl { group_id: group.to_vec(), what: Some(what) };
    outbox::push_in_group(ctx, group, to, Body::Group(control), only, members_only)
}

/// Opens a session message of a device, come through the address of a group that it is about; and answers, if that is all it asks,
/// what the device can't read, if it is one from which something is expected there. Gives anything else it says.
// CON-3, GRM-26
pub(crate) fn open_in_group(
    ctx: &mut Ctx<'_, '_>,
    group: &GroupId,
    sender: &DeviceCertificate,
    message: &UnverifiedSessionMessage,
    expected: bool,
) -> Result<Option<Content>, EngineError> {
    let Some(me) = account::me(ctx)? else { return Ok(None) };
    let (account, device) = (sender.identity(), sender.device_id());
    match sessions::open(ctx, &me, sender, message)? {
        sessions::Opened::Content(bytes) => {
            let Ok(content) = Content::decode(bytes.as_slice()) else { return Ok(None) };
            if let Some(Body::RetryRequest(request)) = &content.body
                && expected
            {
                repair::asked(ctx, &account, &device, request)?;
                return Ok(None);
            }
            Ok(Some(content))
        }
        sessions::Opened::Unreadable if expected => {
            repair::unreadable(ctx, &account, &device, Some(group), message)?;
            Ok(None)
        }
        sessions::Opened::Nothing | sessions::Opened::Unreadable => Ok(None),
    }
}

/// Whether this device has been found not to be behind its own statement: only then is anything encrypted.
pub(crate) fn is_open(ctx: &Ctx<'_, '_>) -> bool {
    ctx.passing.messaging.open
}

/// What a member, or another own device, says in a group: authentic, everything but changes of the group itself.
pub(crate) fn group_content(
    ctx: &mut Ctx<'_, '_>,
    group: &GroupId,
    sender: &AccountId,
    own: bool,
    content: Content,
) -> Result<(), EngineError> {
    content::in_group(ctx, group, sender, own, content)
}

/// Puts a notice into a group's conversation. `about`: whom it is about.
pub(crate) fn group_notice(
    ctx: &mut Ctx<'_, '_>,
    group: &GroupId,
    about: &AccountId,
    notice: Notice,
) -> Result<(), EngineError> {
    history::append_notice(ctx, &ConversationId::Group(*group), about.as_ref(), notice)
}

/// One's own message in a group has come further.
pub(crate) fn group_state(
    ctx: &mut Ctx<'_, '_>,
    group: &GroupId,
    message: &MessageId,
    state: MessageState,
) -> Result<(), EngineError> {
    history::advance(ctx, &ConversationId::Group(*group), message.as_ref(), state)
}

/// A member says how far one's messages have come.
pub(crate) fn group_receipt(
    ctx: &mut Ctx<'_, '_>,
    group: &GroupId,
    from: &AccountId,
    receipt: &Receipt,
) -> Result<(), EngineError> {
    receipts::receive(ctx, &ConversationId::Group(*group), from, receipt)
}

/// A group is forgotten: its conversation goes.
pub(crate) fn erase_group(ctx: &mut Ctx<'_, '_>, group: &GroupId) -> Result<(), EngineError> {
    conversations::erase(ctx, &ConversationId::Group(*group))
}

/// What somebody is called in a group.
pub(crate) fn group_name(
    ctx: &mut Ctx<'_, '_>,
    group: &GroupId,
    account: &AccountId,
) -> Result<String, EngineError> {
    let own = member::is_own(ctx, account)?;
    member::name(ctx, &ConversationId::Group(*group), account, own)
}

// ---- For the parts -------------------------------------------------------------------------------------------

/// Forgets everything that was under way with an account.
fn leave(ctx: &mut Ctx<'_, '_>, account: &AccountId) -> Result<(), EngineError> {
    repair::forget(ctx, account)?;
    outbox::erase(ctx, account)?;
    sessions::forget(ctx, account, |_| false)?;
    inbox::drop_held(ctx, account);
    Ok(())
}

/// The heads that stand in every content to an account.
fn heads(
    ctx: &mut Ctx<'_, '_>,
    me: &Me,
    to: &AccountId,
) -> Result<(Option<Head>, Option<Head>), EngineError> {
    let own = me.manifest.head();
    let theirs = if *to == me.account { Some(own) } else { people::known_head(ctx, to)? };
    let head = |head: ManifestHead| Head { version: head.version, hash: head.hash.to_vec() };
    Ok((Some(head(own)), theirs.map(head)))
}

/// A relay misbehaves: the person hears of it, not too often.
pub(crate) fn trouble(ctx: &mut Ctx<'_, '_>, what: &str) -> Result<(), EngineError> {
    if ctx.passing.messaging.trouble.is_some_and(|told| ctx.now.millis_since(told) < TROUBLE_MS) {
        return Ok(());
    }
    ctx.passing.messaging.trouble = Some(ctx.now);
    ctx.event(EventKind::Trouble { trouble: Trouble::RelayRefused { detail: what.to_owned() } })
}

/// An identifier in a row.
fn row_id<I: for<'b> TryFrom<&'b [u8]>>(bytes: &[u8], table: Table) -> Result<I, EngineError> {
    I::try_from(bytes).map_err(|_| EngineError::Row { what: table.name() })
}
