//! One look at what waits for a group: what has not been encrypted is, and each relay is given what it lacks.

use std::{collections::BTreeSet, rc::Rc};

use wheesht_proto::{
    content::{Content, Head, content::Body},
    ids::{DeviceId, GroupId},
    limits::{ENVELOPE_LIFETIME_MS, MAX_DEPOSIT_ENTRIES},
    prost::Message as _,
    relay::{Deposit, DepositEntry, client_frame},
    stored::GroupOutboxItem,
};
use zeroize::Zeroizing;

use super::{
    super::{
        super::{
            Ctx, EngineError,
            account::{self, Me},
            links, messaging,
            tables::GROUP_OUTBOX,
        },
        Pending, chains, epochs, group, members,
    },
    Audience, Sent, WINDOW,
    answers::{Entry, Whom, is_finished, outcome},
    at_relay,
    audience::{Listed, audience},
    fail_all, finish, items, link, save_item, wake_by,
};
use crate::{
    api::FailReason,
    protocol::group::{CantEncrypt, Inside, MessageContext, outer},
};

/// Bytes of envelopes and addresses in one deposit.
const MAX_BYTES: usize = 256 * 1024;

/// A connection that doesn't come up is asked for again this often (milliseconds), so that it isn't closed as idle.
const REACH_MS: u64 = 30_000;

/// Something that has to be learnt before anything is encrypted is looked for again after this long (milliseconds), if nothing
/// else leads here before.
const LEARN_MS: u64 = 5_000;

/// That every member's manifest was confirmed lately is not looked at again for this long (milliseconds).
const CONFIRMED_MS: u64 = 60 * 60_000;

/// Sends what may go to a group.
pub(in crate::engine::groups) fn pump(ctx: &mut Ctx<'_, '_>, id: &GroupId) -> Result<(), EngineError> {
    if !messaging::is_open(ctx) {
        return Ok(());
    }
    let Some(running) = ctx.passing.groups.talk.lanes.get_mut(id) else { return Ok(()) };
    running.wake = None;
    let Some(me) = account::me(ctx)? else { return Ok(()) };
    let Some(audience) = audience(ctx, id)? else { return fail_all(ctx, id, FailReason::Withdrawn) };
    if !reach(ctx, id, &audience) {
        return Ok(());
    }
    let mut waiting = Vec::with_capacity(WINDOW);
    let mut held_up = false;
    for (n, item) in items(ctx, id, WINDOW)? {
        if !item.envelope.is_empty() {
            waiting.push((n, item));
            continue;
        }
        match encrypt(ctx, &me, id, &audience, item, held_up)? {
            Encrypted::Item(item) => {
                save_item(ctx, id, n, &item);
                waiting.push((n, item));
            }
            // An update may go before it: who waits for a device would else keep others waiting for theirs.
            Encrypted::Later { update: false } => held_up = true,
            Encrypted::Later { update: true } => break,
            Encrypted::HeldUp => {}
            Encrypted::Never(item) => finish(ctx, id, n, &item, Err(FailReason::TooLarge))?,
        }
    }
    for at in 0..audience.relays.len() {
        deposit(ctx, id, &audience, at, &waiting);
    }
    let now = ctx.now;
    for (n, item) in waiting {
        // Nobody is left who lacks it: those who did have gone.
        if is_finished(&item, &audience) {
            finish(ctx, id, n, &item, outcome(&item))?;
        } else if now.as_millis().saturating_sub(item.encrypted_ms) > ENVELOPE_LIFETIME_MS {
            finish(ctx, id, n, &item, Err(FailReason::AwayTooLong))?;
        }
    }
    Ok(())
}

/// Opens the connections that the group needs. Gives whether any is up.
fn reach(ctx: &mut Ctx<'_, '_>, id: &GroupId, audience: &Audience) -> bool {
    let mut up = audience.relays.is_empty();
    for listed in &audience.relays {
        let link = link(&listed.relay);
        if ctx.passing.links.greeted(&link) {
            up = true;
            continue;
        }
        links::want(ctx, &link);
        if let Some(running) = ctx.passing.groups.talk.lanes.get_mut(id) {
            running.wants.insert(link);
        }
        let at = ctx.now.plus_millis(REACH_MS);
        wake_by(ctx, id, at);
    }
    up
}

enum Encrypted {
    Item(GroupOutboxItem),
    /// Something has to be learnt first.
    Later {
        update: bool,
    },
    /// Another before it has to go first.
    HeldUp,
    Never(GroupOutboxItem),
}

/// Encrypts an item, once for everyone. The chain moves on in the transaction that stores the envelope.
fn encrypt(
    ctx: &mut Ctx<'_, '_>,
    me: &Me,
    id: &GroupId,
    audience: &Audience,
    mut item: GroupOutboxItem,
    held_up: bool,
) -> Result<Encrypted, EngineError> {
    let mut content = Content::decode(item.content.as_slice())
        .map_err(|_| EngineError::Row { what: GROUP_OUTBOX.name() })?;
    // How members are reached is told without waiting for those who aren't.
    let update = matches!(content.body, Some(Body::GroupUpdate(_)));
    if held_up && !update {
        return Ok(Encrypted::HeldUp);
    }
    let Some((epoch, key)) = key(ctx, id, audience, !update)? else {
        let at = ctx.now.plus_millis(LEARN_MS);
        wake_by(ctx, id, at);
        return Ok(Encrypted::Later { update });
    };
    let head = me.manifest.head();
    content.sender_head = Some(Head { version: head.version, hash: head.hash.to_vec() });
    let content = Zeroizing::new(content.encode_to_vec());
    let mut chain = chains::ready(ctx, id, audience)?;
    let context = MessageContext {
        group: *id,
        epoch,
        state_version: audience.state_version,
        state_hash: audience.state_hash,
        roster_hash: audience.roster_hash,
        device: me.device,
        additional: &[],
    };
    let message = match chain.encrypt(&context, &content) {
        Ok(message) => message,
        Err(CantEncrypt::TooLarge) => return Ok(Encrypted::Never(item)),
        Err(CantEncrypt::UsedUp) => return Ok(Encrypted::Later { update: true }),
    };
    chains::save_own(ctx, id, &chain);
    let Ok(envelope) = outer::seal(&key, &Inside::Message(message), ctx.rng) else {
        return Ok(Encrypted::Never(item));
    };
    item.envelope = envelope;
    item.content = Vec::new();
    item.encrypted_ms = ctx.now.as_millis();
    Ok(Encrypted::Item(item))
}

/// The outer key to seal under: that of the epoch which the state names. With it, that the members' manifests are fresh.
fn key(
    ctx: &mut Ctx<'_, '_>,
    id: &GroupId,
    audience: &Audience,
    waits: bool,
) -> Result<Option<(u64, crate::protocol::group::OuterKey)>, EngineError> {
    let Some(group) = group::load(ctx, id)? else { return Ok(None) };
    let confirmed = ctx.passing.groups.talk.confirmed.get(id).copied();
    let fresh = confirmed.is_some_and(|(number, until)| number == audience.number() && until > ctx.now);
    if !fresh {
        if waits && !members::reached(ctx, &group, audience)? {
            return Ok(None);
        }
        if !members::confirmed(ctx, &group)? {
            return Ok(None);
        }
        if waits {
            let until = ctx.now.plus_millis(CONFIRMED_MS);
            ctx.passing.groups.talk.confirmed.insert(*id, (audience.number(), until));
        }
    }
    let epoch = group.state().epoch().number;
    Ok(epochs::key(ctx, id, epoch)?.map(|key| (epoch, key)))
}

/// Gives one relay what it lacks, in order.
// GRM-17
fn deposit(
    ctx: &mut Ctx<'_, '_>,
    id: &GroupId,
    audience: &Rc<Audience>,
    index: usize,
    waiting: &[(u64, GroupOutboxItem)],
) {
    let Some(listed) = audience.relays.get(index) else { return };
    let link = link(&listed.relay);
    if !ctx.passing.links.greeted(&link) {
        return;
    }
    let said = ctx.passing.links.greeting(&link).and_then(|greeting| greeting.limits.as_ref());
    let most = said.map_or(MAX_DEPOSIT_ENTRIES, |limits| limits.max_deposit_entries as usize);
    let now = ctx.now;
    let Some(at) = at_relay(ctx, id, &listed.relay) else { return };
    if at.under_way {
        return;
    }
    if let Some(until) = at.pause.filter(|until| *until > now) {
        return wake_by(ctx, id, until);
    }
    let most = if at.single { 1 } else { most.clamp(1, MAX_DEPOSIT_ENTRIES) };
    let slow: BTreeSet<Vec<u8>> =
        at.slow.iter().filter(|(_, (_, until))| *until > now).map(|(address, _)| address.clone()).collect();
    let wake = at.slow.values().map(|(_, until)| *until).filter(|until| *until > now).min();
    let (mut entries, mut what, mut bytes) = (Vec::new(), Vec::new(), 0);
    for (n, item) in waiting {
        let Some(entry) = entry(*n, item, audience, index, listed, &slow) else { continue };
        let addresses = entry.whom.addresses();
        let size = item.envelope.len() + addresses.len() * 18;
        if entries.len() >= most || !entries.is_empty() && bytes + size > MAX_BYTES {
            break;
        }
        bytes += size;
        entries.push(DepositEntry {
            envelope: item.envelope.clone().into(),
            addresses,
            device_id: Vec::new(),
            ephemeral_ms: 0,
        });
        what.push(entry);
    }
    if let Some(wake) = wake {
        wake_by(ctx, id, wake);
    }
    if entries.is_empty() {
        return;
    }
    if let Some(at) = at_relay(ctx, id, &listed.relay) {
        at.under_way = true;
    }
    let sent = Sent { group: *id, relay: listed.relay.clone(), entries: what };
    ctx.ask(&link, Pending::Deposit(Box::new(sent)), client_frame::Body::Deposit(Deposit { entries }));
}

/// Whom an item is for at a relay now; `None`: nobody.
fn entry(
    n: u64,
    item: &GroupOutboxItem,
    audience: &Rc<Audience>,
    index: usize,
    listed: &Listed,
    slow: &BTreeSet<Vec<u8>>,
) -> Option<Entry> {
    let progress = item.relays.iter().find(|progress| progress.relay == listed.relay.to_string());
    if progress.is_some_and(|progress| progress.done) {
        return None;
    }
    let left = progress.map(|progress| progress.left.as_slice()).unwrap_or_default();
    if left.is_empty() && slow.is_empty() {
        return Some(Entry { n, whom: Whom::All(Rc::clone(audience), index), withheld: Vec::new() });
    }
    let lacks = |device: &DeviceId| left.is_empty() || left.iter().any(|left| left == device.as_ref());
    let places = listed.devices.iter().zip(&listed.addresses).filter(|(device, _)| lacks(device));
    let (withheld, going): (Vec<_>, Vec<_>) = places.partition(|(_, address)| slow.contains(*address));
    if going.is_empty() {
        return None;
    }
    let whom = Whom::Some(going.into_iter().map(|(device, address)| (*device, address.clone())).collect());
    Some(Entry { n, whom, withheld: withheld.into_iter().map(|(device, _)| *device).collect() })
}
