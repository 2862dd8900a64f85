//! Who is writing: said while somebody types, shown for a few seconds, between contacts and in small groups.
//!
//! To one person it goes in an envelope for each of their devices, since there is no key that only two accounts hold and that would
//! not move on with what gets lost. In a group it goes to all at once, under a key of the epoch. Either way the device signs it.

use std::collections::BTreeMap;

use wheesht_proto::{
    ids::{AccountId, DeviceId, GroupId},
    limits::{MAX_TYPING_MEMBERS, TYPING_SHOWN_MS, TYPING_TOLERANCE_MS},
    relay::{Deposit, DepositEntry, client_frame},
};

use super::{
    super::{
        Ctx, EngineError,
        account::{self, Me},
        error::Answer,
        groups, links, people,
    },
    Pending, own, wake_by,
};
use crate::{
    api::{ContactState, ConversationId, EventKind, Response},
    protocol::{
        LocalDevice, envelope,
        presence::{self, EphemeralKey, TypingIn, TypingStatement, UnverifiedTyping},
    },
    signed::DeviceCertificate,
    time::Timestamp,
};

/// It is said no oftener than this (milliseconds) in one conversation: well before it is no longer shown.
const SAY_MS: u64 = TYPING_SHOWN_MS / 2;

/// A statement worth delivering is so for this long (milliseconds).
const WORTH_MS: u32 = 5_000;

/// Statements remembered, so that none is shown twice; what is forgotten is too old to be shown.
const MAX_REMEMBERED: usize = 4_096;

/// Who is writing, and where this device's person is.
#[derive(Default)]
pub(super) struct Typing {
    /// When it was last said in each conversation.
    told: BTreeMap<ConversationId, Timestamp>,
    order: u64,
    /// The newest statement of each device.
    orders: BTreeMap<(ConversationId, AccountId, DeviceId), u64>,
    /// Until when it is shown.
    shown: BTreeMap<(ConversationId, AccountId), Timestamp>,
}

// ---- Telling -------------------------------------------------------------------------------------------------

/// The person writes in a conversation, or has stopped.
// PRE-16
pub(super) fn say(ctx: &mut Ctx<'_, '_>, conversation: &ConversationId, stopped: bool) -> Answer {
    let Some(me) = account::me(ctx)? else { return Err(account::not_active(ctx)?.into()) };
    if !own::tells_typing(ctx) || !ctx.passing.presence.online {
        return Ok(Some(Response::Done));
    }
    let now = ctx.now;
    let told = &mut ctx.passing.presence.typing.told;
    told.retain(|_, at| now.millis_since(*at) < TYPING_SHOWN_MS);
    let recently = told.get(conversation).copied();
    let due = match (stopped, recently) {
        (true, recently) => recently.is_some(),
        (false, Some(at)) => now.millis_since(at) >= SAY_MS,
        (false, None) => true,
    };
    if due {
        if stopped {
            told.remove(conversation);
        } else {
            told.insert(*conversation, now);
        }
        match conversation {
            ConversationId::Direct(with) => direct(ctx, &me, with, stopped)?,
            ConversationId::Group(group) => everyone(ctx, &me, group, stopped)?,
        }
    }
    Ok(Some(Response::Done))
}

/// To a contact, and to nobody else.
// PRE-14
fn direct(ctx: &mut Ctx<'_, '_>, me: &Me, with: &AccountId, stopped: bool) -> Result<(), EngineError> {
    let Some(contact) = people::by_id(ctx, with)? else { return Ok(()) };
    if !contact.talks() || own::is_hidden_from(ctx, &contact) {
        return Ok(());
    }
    let statement = statement(ctx, me, TypingIn::Direct(*with), stopped);
    let mut entries = Vec::new();
    for (device, address) in contact.reached() {
        let sealed = envelope::seal_ephemeral(device, &me.certificate, &statement, ctx.rng);
        entries.extend(sealed.ok().map(|envelope| entry(envelope, vec![address.to_vec()])));
    }
    pass(ctx, contact.relay(), entries);
    Ok(())
}

/// To all of a group that is not too large.
// PRE-15
fn everyone(ctx: &mut Ctx<'_, '_>, me: &Me, id: &GroupId, stopped: bool) -> Result<(), EngineError> {
    let Some(group) = groups::load(ctx, id)?.filter(|group| group.belongs()) else { return Ok(()) };
    if group.state().members().len() > MAX_TYPING_MEMBERS || !groups::may_write(&group, &me.account) {
        return Ok(());
    }
    let Some((key, relays)) = groups::reached_now(ctx, id)? else { return Ok(()) };
    let statement = statement(ctx, me, TypingIn::Group(*id), stopped);
    let envelope = presence::seal(&EphemeralKey::of_epoch(&key), &statement, ctx.rng);
    for (relay, addresses) in relays {
        let addresses = addresses.into_iter().map(|address| address.to_vec()).collect();
        pass(ctx, &relay, vec![entry(envelope.clone(), addresses)]);
    }
    Ok(())
}

fn statement(ctx: &mut Ctx<'_, '_>, me: &Me, conversation: TypingIn, stopped: bool) -> Vec<u8> {
    let typing = &mut ctx.passing.presence.typing;
    typing.order = ctx.now.as_millis().max(typing.order.saturating_add(1));
    let order = typing.order;
    TypingStatement { account: me.account, device: me.device, conversation, order, stopped }.sign(&me.signing)
}

fn entry(envelope: Vec<u8>, addresses: Vec<Vec<u8>>) -> DepositEntry {
    DepositEntry { envelope: envelope.into(), addresses, device_id: Vec::new(), ephemeral_ms: WORTH_MS }
}

/// Has it passed on if the relay is at hand; when a connection is there that has to be made first, it is no longer news.
fn pass(ctx: &mut Ctx<'_, '_>, relay: &wheesht_proto::address::RelayAddress, entries: Vec<DepositEntry>) {
    let link = account::anonymous_link(relay);
    if entries.is_empty() {
    } else if ctx.passing.links.greeted(&link) {
        ctx.ask(&link, Pending::Nothing, client_frame::Body::Deposit(Deposit { entries }));
    } else {
        links::want(ctx, &link);
    }
}

// ---- Hearing -------------------------------------------------------------------------------------------------

/// Somebody writes to this account.
// PRE-13, PRE-14
pub(super) fn to_me(ctx: &mut Ctx<'_, '_>, sealed: &[u8]) -> Result<(), EngineError> {
    let Some(me) = account::me(ctx)?.filter(|_| own::shows_typing(ctx)) else { return Ok(()) };
    let local = LocalDevice { certificate: &me.certificate, dh: &me.dh };
    let Ok((certificate, statement)) = envelope::open_ephemeral(&local, sealed) else { return Ok(()) };
    let Some(contact) = people::by_id(ctx, &certificate.identity())? else { return Ok(()) };
    if !contact.talks() {
        return Ok(());
    }
    let Some(device) = contact.manifest.device_by_encoding(certificate.encoded()) else { return Ok(()) };
    take(ctx, ConversationId::Direct(contact.id), &TypingIn::Direct(me.account), device, &statement);
    Ok(())
}

/// Somebody writes in a group.
// PRE-13, PRE-15
pub(super) fn in_group(ctx: &mut Ctx<'_, '_>, id: &GroupId, sealed: &[u8]) -> Result<(), EngineError> {
    let Some(me) = account::me(ctx)?.filter(|_| own::shows_typing(ctx)) else { return Ok(()) };
    let Some(group) = groups::load(ctx, id)?.filter(|group| group.belongs()) else { return Ok(()) };
    let Some((_, key)) = groups::newest_key(ctx, id)? else { return Ok(()) };
    let Ok(statement) = presence::open(&EphemeralKey::of_epoch(&key), sealed) else { return Ok(()) };
    let Ok(read) = UnverifiedTyping::decode(&statement) else { return Ok(()) };
    let Some(certificate) = groups::certificate(ctx, id, &read.device())? else { return Ok(()) };
    let who = certificate.identity();
    let blocked = people::by_id(ctx, &who)?.is_some_and(|contact| contact.state == ContactState::Blocked);
    if who == me.account || blocked || !groups::may_write(&group, &who) {
        return Ok(());
    }
    take(ctx, ConversationId::Group(*id), &TypingIn::Group(*id), &certificate, &statement);
    Ok(())
}

/// Shows what a device has signed, if it is new and about this conversation.
// PRE-13
fn take(
    ctx: &mut Ctx<'_, '_>,
    conversation: ConversationId,
    about: &TypingIn,
    device: &DeviceCertificate,
    statement: &[u8],
) {
    let read = UnverifiedTyping::decode(statement).ok().and_then(|read| read.verify(device).ok());
    let Some(read) = read.filter(|read| read.conversation == *about) else { return };
    let now = ctx.now.as_millis();
    if read.order.abs_diff(now) > TYPING_TOLERANCE_MS {
        return;
    }
    let orders = &mut ctx.passing.presence.typing.orders;
    orders.retain(|_, order| order.abs_diff(now) <= TYPING_TOLERANCE_MS);
    let key = (conversation, read.account, read.device);
    let newer = orders.get(&key).map_or(orders.len() < MAX_REMEMBERED, |known| *known < read.order);
    if !newer {
        return;
    }
    orders.insert(key, read.order);
    if read.stopped {
        said(ctx, &conversation, &read.account);
    } else {
        let until = ctx.now.plus_millis(TYPING_SHOWN_MS);
        ctx.passing.presence.typing.shown.insert((conversation, read.account), until);
        wake_by(ctx, until);
        ctx.passing_event(EventKind::Typing { conversation, who: read.account, until });
    }
}

/// They have said it, or stopped.
pub(super) fn said(ctx: &mut Ctx<'_, '_>, conversation: &ConversationId, who: &AccountId) {
    if ctx.passing.presence.typing.shown.remove(&(*conversation, *who)).is_some() {
        let until = ctx.now;
        ctx.passing_event(EventKind::Typing { conversation: *conversation, who: *who, until });
    }
}

/// Drops what is no longer shown.
pub(super) fn forget(ctx: &mut Ctx<'_, '_>) {
    let now = ctx.now;
    ctx.passing.presence.typing.shown.retain(|_, until| *until > now);
    if let Some(next) = ctx.passing.presence.typing.shown.values().min().copied() {
        wake_by(ctx, next);
    }
}
