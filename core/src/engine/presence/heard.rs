//! What contacts' devices say of themselves: verified, put in order, and merged into how each contact is.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use wheesht_proto::{
    ids::{AccountId, DepositAddress, DeviceId},
    limits::{MAX_DEVICES, MAX_EPHEMERAL, MAX_PRESENCE_MS},
    relay::Deliver,
    stored::{PresencePeer, PresenceSession},
};

use super::{
    super::{
        Ctx, EngineError, groups,
        people::{self, Contact},
        tables::PRESENCE_PEERS,
    },
    look, own, telling, typing, wake_by,
};
use crate::{
    api::{Availability, EventKind, Presence},
    protocol::presence::{self, EphemeralKey, PresenceStatement, Status, UnverifiedPresence},
    time::Timestamp,
};

/// A contact, and what its devices have said.
pub(super) struct Peer {
    contact: Rc<Contact>,
    key: EphemeralKey,
    devices: BTreeMap<DeviceId, Heard>,
    shown: Presence,
}

/// The newest that a device has said.
#[derive(Default)]
struct Heard {
    session: u64,
    counter: u64,
    said: Option<Said>,
}

struct Said {
    status: Status,
    text: String,
    /// None: until a newer session says something else.
    until: Option<Timestamp>,
}

impl Peer {
    pub(super) fn contact(&self) -> &Contact {
        &self.contact
    }

    pub(super) fn shown(&self) -> &Presence {
        &self.shown
    }

    /// Of several devices the most available one; of two alike the one that says more.
    // PRE-7
    fn merged(&self) -> (Availability, String) {
        let said = self.devices.values().filter_map(|heard| heard.said.as_ref());
        let best = said.max_by_key(|said| (said.status, said.text.len()));
        best.map_or_else(Default::default, |said| (availability(said.status), said.text.clone()))
    }
}

/// Gets contacts ready to be heard.
pub(super) fn load(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    if ctx.passing.presence.peers.is_some() {
        return Ok(());
    }
    ctx.passing.presence.peers = Some(BTreeMap::new());
    for id in people::accepted(ctx)? {
        if let Some(contact) = people::by_id(ctx, &id)? {
            contact_changed(ctx, &contact)?;
        }
    }
    Ok(())
}

/// What is known of a contact has changed.
pub(super) fn contact_changed(ctx: &mut Ctx<'_, '_>, contact: &Rc<Contact>) -> Result<(), EngineError> {
    if ctx.passing.presence.peers.is_none() {
        return Ok(());
    }
    let Some(profile_key) = contact.profile_key().filter(|_| contact.talks()).copied() else {
        contact_removed(ctx, &contact.id);
        return Ok(());
    };
    look(ctx);
    let peers = ctx.passing.presence.peers.get_or_insert_default();
    if let Some(peer) = peers.get_mut(&contact.id) {
        if peer.contact.profile_key() != Some(&profile_key) {
            peer.key = EphemeralKey::of_profile(&profile_key);
        }
        peer.contact = Rc::clone(contact);
        // PRE-4: what a device said that is gone no longer counts.
        peer.devices.retain(|device, _| contact.manifest.device(device).is_some());
        return show(ctx, &contact.id);
    }
    let stored: PresencePeer = ctx.load(PRESENCE_PEERS, contact.id.as_ref(), 0)?.unwrap_or_default();
    let devices = stored.devices.iter().filter_map(|row| {
        let device = DeviceId::try_from(row.device_id.as_slice()).ok()?;
        contact.manifest.device(&device)?;
        let said = row.over.then(|| Said { status: Status::Offline, text: String::new(), until: None });
        let counter = if row.over { u64::MAX } else { 0 };
        Some((device, Heard { session: row.session, counter, said }))
    });
    let mut peer = Peer {
        contact: Rc::clone(contact),
        key: EphemeralKey::of_profile(&profile_key),
        devices: devices.collect(),
        shown: Presence::default(),
    };
    peer.shown.availability = peer.merged().0;
    ctx.passing.presence.peers.get_or_insert_default().insert(contact.id, peer);
    Ok(())
}

/// Somebody is no contact any more, or blocked.
pub(super) fn contact_removed(ctx: &mut Ctx<'_, '_>, account: &AccountId) {
    if ctx.passing.presence.peers.as_mut().and_then(|peers| peers.remove(account)).is_some() {
        look(ctx);
    }
}

/// An envelope that was not stored: presence or typing, by its form and by the address that it came through.
// PRE-1, PRE-14, PRE-15
pub(super) fn deliver(ctx: &mut Ctx<'_, '_>, deliver: &Deliver) -> Result<(), EngineError> {
    let Ok(address) = DepositAddress::try_from(deliver.address.as_slice()) else { return Ok(()) };
    let envelope = &deliver.envelope;
    if envelope.len() > MAX_EPHEMERAL {
        return Ok(());
    }
    let group = groups::by_address(ctx, &address);
    match (group, presence::is_ephemeral(envelope)) {
        (Some(group), true) => typing::in_group(ctx, &group, envelope),
        (None, true) => from_contact(ctx, envelope),
        (None, false) => typing::to_me(ctx, envelope),
        _ => Ok(()),
    }
}

/// Nothing can be heard, or nothing is to be: what was said may not hold any more.
pub(super) fn deaf(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    for peer in ctx.passing.presence.peers.iter_mut().flat_map(BTreeMap::values_mut) {
        for heard in peer.devices.values_mut() {
            heard.said = heard.said.take().filter(|said| said.until.is_none());
        }
    }
    show_all(ctx)
}

/// What has expired is no longer known.
// PRE-5
pub(super) fn expire(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    let now = ctx.now;
    let mut next: Option<Timestamp> = None;
    for peer in ctx.passing.presence.peers.iter_mut().flat_map(BTreeMap::values_mut) {
        for heard in peer.devices.values_mut() {
            let until = heard.said.as_ref().and_then(|said| said.until);
            match until {
                Some(until) if until <= now => heard.said = None,
                Some(until) => next = Some(next.map_or(until, |next| next.min(until))),
                None => {}
            }
        }
    }
    if let Some(next) = next {
        wake_by(ctx, next);
    }
    show_all(ctx)
}

fn from_contact(ctx: &mut Ctx<'_, '_>, envelope: &[u8]) -> Result<(), EngineError> {
    load(ctx)?;
    let mut peers = ctx.passing.presence.peers.iter().flatten();
    let Some((id, peer)) = peers.find(|(_, peer)| presence::belongs(&peer.key, envelope)) else {
        return Ok(());
    };
    let (id, contact) = (*id, Rc::clone(&peer.contact));
    let Ok(opened) = presence::open(&peer.key, envelope) else { return Ok(()) };
    let Ok(said) = UnverifiedPresence::decode(&opened) else { return Ok(()) };
    // PRE-4: whoever holds the key can seal; only a device of the account can say how it is.
    let Some(device) = contact.manifest.device(&said.device()) else { return Ok(()) };
    let Ok(said) = said.verify(device) else { return Ok(()) };
    take(ctx, &id, &contact, said)
}

/// Takes what a device has said, if it is newer than what it said before.
// PRE-5, PRE-6
fn take(
    ctx: &mut Ctx<'_, '_>,
    id: &AccountId,
    contact: &Contact,
    said: PresenceStatement,
) -> Result<(), EngineError> {
    let now = ctx.now;
    let until = match said.expires {
        Some(until) if until <= now => return Ok(()),
        // Its clock may be ahead; nobody's word holds for longer than this.
        Some(until) => Some(until.min(now.plus_millis(MAX_PRESENCE_MS))),
        None if said.status == Status::Offline => None,
        None => return Ok(()),
    };
    let Some(peer) = peer(ctx, id) else { return Ok(()) };
    if !peer.devices.contains_key(&said.device) && peer.devices.len() >= MAX_DEVICES {
        return Ok(());
    }
    let heard = peer.devices.entry(said.device).or_default();
    if (said.session, said.counter) <= (heard.session, heard.counter) {
        return Ok(());
    }
    let began = said.session > heard.session;
    let over = until.is_none();
    (heard.session, heard.counter) = (said.session, said.counter);
    heard.said = Some(Said { status: said.status, text: own::line(&said.text), until });
    if began || over {
        remember(ctx, id);
    }
    if let Some(until) = until {
        wake_by(ctx, until);
    }
    // PRE-10
    if began && said.asks {
        telling::asked(ctx, contact.relay(), id);
    }
    show(ctx, id)
}

/// Keeps which sessions were heard, so that an old one stays old.
fn remember(ctx: &mut Ctx<'_, '_>, id: &AccountId) {
    let Some(peer) = peer(ctx, id) else { return };
    let row = |(device, heard): (&DeviceId, &Heard)| PresenceSession {
        device_id: device.to_vec(),
        session: heard.session,
        over: heard.said.as_ref().is_some_and(|said| said.until.is_none()),
    };
    let row = PresencePeer { devices: peer.devices.iter().map(row).collect() };
    ctx.save(PRESENCE_PEERS, id.as_ref(), 0, &row);
}

fn peer<'p>(ctx: &'p mut Ctx<'_, '_>, id: &AccountId) -> Option<&'p mut Peer> {
    ctx.passing.presence.peers.as_mut()?.get_mut(id)
}

fn show_all(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    let all: BTreeSet<_> = ctx.passing.presence.peers.iter().flat_map(BTreeMap::keys).copied().collect();
    all.iter().try_for_each(|id| show(ctx, id))
}

/// Tells the app how a contact is, if that has changed.
fn show(ctx: &mut Ctx<'_, '_>, id: &AccountId) -> Result<(), EngineError> {
    let now = ctx.now;
    let Some(peer) = peer(ctx, id) else { return Ok(()) };
    let (availability, text) = peer.merged();
    if (availability, &text) == (peer.shown.availability, &peer.shown.text) {
        return Ok(());
    }
    let since = if availability == peer.shown.availability { peer.shown.since } else { Some(now) };
    peer.shown = Presence { availability, text, since };
    let presence = peer.shown.clone();
    ctx.passing_event(EventKind::Presence { contact: *id, presence });
    Ok(())
}

const fn availability(status: Status) -> Availability {
    match status {
        Status::Offline => Availability::Offline,
        Status::Away => Availability::Away,
        Status::Busy => Availability::Busy,
        Status::Online => Availability::Online,
    }
}
