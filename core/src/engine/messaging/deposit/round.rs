//! One look at a lane: what each of its items still needs goes into a deposit per relay.

use std::collections::{BTreeMap, BTreeSet};

use wheesht_proto::{
    ids::{AccountId, DeviceId},
    limits::{ENVELOPE_LIFETIME_MS, MAX_DEPOSIT_ENTRIES},
    relay::{Deposit, DepositEntry, client_frame},
    stored::{OutboxItem, Parcel},
};
use zeroize::Zeroizing;

use super::{
    super::super::{
        Ctx, EngineError,
        account::{self, Me},
        io::LinkId,
        people::Destination,
    },
    super::{
        Pending, outbox,
        sessions::{self, Standing},
    },
    Sent,
    parcel::{Unsealed, close, compose, outcome, seal},
    pauses::wake_by,
    ways::{Way, Ways, way_of},
};

/// Bytes of envelopes in one deposit: a few frames of this size may be under way on a slow connection without holding up others.
const MAX_BYTES: usize = 256 * 1024;

/// One look at a lane.
pub(super) struct Round<'a> {
    to: AccountId,
    me: &'a Me,
    ways: &'a Ways,
    /// Devices that take nothing more in this round.
    stopped: BTreeSet<DeviceId>,
    standings: BTreeMap<DeviceId, Standing>,
    batches: BTreeMap<LinkId, Batch>,
    /// Items left the lane, so that others have come into the window.
    finished: bool,
}

#[derive(Default)]
struct Batch {
    entries: Vec<DepositEntry>,
    what: Vec<(u64, DeviceId)>,
    bytes: usize,
}

impl<'a> Round<'a> {
    pub(super) fn new(to: &AccountId, me: &'a Me, ways: &'a Ways, stopped: BTreeSet<DeviceId>) -> Self {
        let (standings, batches) = (BTreeMap::new(), BTreeMap::new());
        Self { to: *to, me, ways, stopped, standings, batches, finished: false }
    }

    pub(super) fn run(
        mut self,
        ctx: &mut Ctx<'_, '_>,
        items: Vec<(u64, OutboxItem)>,
    ) -> Result<(), EngineError> {
        for (n, item) in items {
            // What has no way yet waits.
            if let Some(way) = self.ways.get(&way_of(&item)?) {
                self.item(ctx, way, n, item)?;
            }
        }
        for standing in std::mem::take(&mut self.standings).into_values() {
            match standing {
                Standing::Ready { session, changed: true } => sessions::save(ctx, &session),
                Standing::Later(until) => wake_by(ctx, &self.to, until),
                Standing::Ready { .. } | Standing::Fetching | Standing::Away => {}
            }
        }
        if self.finished && self.batches.is_empty() {
            outbox::look(ctx, &self.to);
        }
        for (link, batch) in std::mem::take(&mut self.batches) {
            if let Some(running) = ctx.passing.messaging.lanes.get_mut(&self.to) {
                running.under_way += 1;
            }
            let pending = Pending::Deposit(Sent { to: self.to, entries: batch.what });
            ctx.ask(&link, pending, client_frame::Body::Deposit(Deposit { entries: batch.entries }));
        }
        outbox::arm(ctx);
        Ok(())
    }

    /// Adds what an item still needs to the batches, or finishes it.
    // CON-14
    fn item(
        &mut self,
        ctx: &mut Ctx<'_, '_>,
        way: &Way,
        n: u64,
        mut item: OutboxItem,
    ) -> Result<(), EngineError> {
        let mut content = None;
        let (mut open, mut away, mut changed) = (false, false, false);
        let only = item.only_device.clone();
        for destination in &way.destinations {
            let device = destination.certificate.device_id();
            if !only.is_empty() && only != device.as_ref() {
                continue;
            }
            match item.parcels.iter().position(|parcel| parcel.device_id == device.as_ref()) {
                Some(parcel) => {
                    let Some(parcel) = item.parcels.get_mut(parcel) else { continue };
                    if parcel.envelope.is_empty() {
                        continue;
                    }
                    if ctx.now.as_millis().saturating_sub(parcel.encrypted_ms) > ENVELOPE_LIFETIME_MS {
                        // Its mailbox has been full for longer than anything stays in one: nobody empties it.
                        close(parcel, true);
                        changed = true;
                        continue;
                    }
                    open = true;
                    let envelope = parcel.envelope.clone();
                    self.add(ctx, n, destination, envelope);
                }
                None if self.stopped.contains(&device) || !self.has_room(ctx, destination) => {
                    self.stopped.insert(device);
                    open = true;
                }
                None => match self.encrypt(ctx, way, destination, &item, &mut content)? {
                    Encrypted::Parcel(parcel) => {
                        open |= !parcel.envelope.is_empty();
                        changed = true;
                        let envelope = parcel.envelope.clone();
                        item.parcels.push(parcel);
                        if !envelope.is_empty() {
                            self.add(ctx, n, destination, envelope);
                        }
                    }
                    Encrypted::Later => {
                        self.stopped.insert(device);
                        open = true;
                    }
                    Encrypted::Away => away = true,
                },
            }
        }
        if open {
            if changed {
                outbox::save_item(ctx, &self.to, n, &item);
            }
            return Ok(());
        }
        self.finished = true;
        let outcome = outcome(&item, away, ctx.now);
        outbox::finish(ctx, &self.to, n, item, outcome)
    }

    fn encrypt(
        &mut self,
        ctx: &mut Ctx<'_, '_>,
        way: &Way,
        destination: &Destination,
        item: &OutboxItem,
        content: &mut Option<Zeroizing<Vec<u8>>>,
    ) -> Result<Encrypted, EngineError> {
        let device = destination.certificate.device_id();
        if !self.standings.contains_key(&device) {
            let standing = sessions::standing(ctx, self.me, &self.to, destination)?;
            self.standings.insert(device, standing);
        }
        let session = match self.standings.get_mut(&device) {
            Some(Standing::Ready { session, changed }) => {
                *changed = true;
                session
            }
            Some(Standing::Away) => return Ok(Encrypted::Away),
            Some(Standing::Fetching | Standing::Later(_)) | None => return Ok(Encrypted::Later),
        };
        let content = match content {
            Some(content) => content,
            None => content.insert(compose(ctx, self.me, &self.to, item, destination.request)?),
        };
        match seal(ctx, self.me, way, destination, session, content, item.tries) {
            Ok(parcel) => Ok(Encrypted::Parcel(parcel)),
            Err(Unsealed::TooLarge) => {
                let refused = Parcel { device_id: device.to_vec(), refused: true, ..Default::default() };
                Ok(Encrypted::Parcel(refused))
            }
            Err(Unsealed::UsedUp) => {
                sessions::renew(ctx, &self.to, &device)?;
                outbox::look(ctx, &self.to);
                Ok(Encrypted::Later)
            }
            Err(Unsealed::Unusable) => {
                sessions::away(ctx, &self.to, &device);
                Ok(Encrypted::Away)
            }
        }
    }

    fn has_room(&self, ctx: &Ctx<'_, '_>, destination: &Destination) -> bool {
        let link = account::anonymous_link(&destination.relay);
        let single = ctx.passing.messaging.lanes.get(&self.to).is_some_and(|running| running.single);
        let said = ctx.passing.links.greeting(&link).and_then(|greeting| greeting.limits.as_ref());
        let most = said.map_or(MAX_DEPOSIT_ENTRIES, |limits| limits.max_deposit_entries as usize);
        let most = if single { 1 } else { most.clamp(1, MAX_DEPOSIT_ENTRIES) };
        self.batches.get(&link).is_none_or(|batch| batch.entries.len() < most && batch.bytes < MAX_BYTES)
    }

    fn add(&mut self, ctx: &mut Ctx<'_, '_>, n: u64, destination: &Destination, envelope: Vec<u8>) {
        let device = destination.certificate.device_id();
        if let Some(until) = sessions::later(ctx, &self.to, &device) {
            wake_by(ctx, &self.to, until);
            self.stopped.insert(device);
        }
        if self.stopped.contains(&device) || !self.has_room(ctx, destination) {
            self.stopped.insert(device);
            return;
        }
        let batch = self.batches.entry(account::anonymous_link(&destination.relay)).or_default();
        batch.bytes += envelope.len();
        batch.what.push((n, device));
        batch.entries.push(DepositEntry {
            envelope: envelope.into(),
            addresses: vec![destination.address.to_vec()],
            device_id: if destination.request { device.to_vec() } else { Vec::new() },
            ephemeral_ms: 0,
        });
    }
}

enum Encrypted {
    /// For the device; without an envelope if it can't be.
    Parcel(Parcel),
    /// Something has to be learnt first.
    Later,
    /// The device's keys have expired.
    Away,
}
