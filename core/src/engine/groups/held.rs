//! Envelopes of a group that can't be opened yet: kept as they came, and tried again when what they lack has come.
//!
//! ```text
//!  deliver ─▶ lacks the outer key, the device's leaf, or its chain ─▶ row, and somebody is asked ([`ask`](super::ask))
//!                       news of that kind ─▶ after the input: tried again, in the order in which they came ─▶ done, or lacks another
//!                                                                             7 days ─▶ the person hears of it
//! ```
//!
//! Whoever has an address can put anything there, so what is kept is bounded per group: 1,000, the oldest go first.

use std::collections::{BTreeMap, BTreeSet};

use wheesht_proto::{
    ids::{ChainId, DeviceId, GroupId},
    limits::{HELD_LIFETIME_MS, MAX_HELD_PER_GROUP},
    prost::Message as _,
    stored::HeldGroupEnvelope,
};

use super::{
    super::{
        Ctx, EngineError, account, messaging,
        tables::{GROUP_HELD, GROUP_HOLDING},
    },
    inbox::{self, Fate},
};
use crate::{api::Notice, store::Direction};

/// What an envelope lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lack {
    /// The outer key.
    Epoch,
    /// The leaf of the device that sent it.
    Device(DeviceId),
    /// A chain of that device.
    Chain(DeviceId, ChainId),
}

/// What has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum News {
    /// An outer key.
    Epoch,
    /// Leaves, manifests, or members.
    Devices,
    /// A chain of this device.
    Chain(DeviceId),
}

impl Lack {
    fn may_be_met_by(self, news: News) -> bool {
        match (self, news) {
            (Self::Epoch, News::Epoch) | (Self::Device(_) | Self::Chain(..), News::Devices) => true,
            (Self::Chain(device, _), News::Chain(given)) => device == given,
            _ => false,
        }
    }
}

/// Keeps an envelope.
// GRM-20
pub(super) fn hold(
    ctx: &mut Ctx<'_, '_>,
    id: &GroupId,
    envelope: &[u8],
    lack: Lack,
) -> Result<(), EngineError> {
    if !ctx.passing.groups.talk.held.contains_key(id) {
        let n = ctx.tx.append(GROUP_HOLDING, b"", id.to_vec())?;
        ctx.passing.groups.talk.held.insert(*id, (n, Vec::new()));
    }
    let row = row(envelope.to_vec(), ctx.now.as_millis(), lack);
    let n = ctx.tx.append(GROUP_HELD, id.as_ref(), row.encode_to_vec())?;
    let Some((_, held)) = ctx.passing.groups.talk.held.get_mut(id) else { return Ok(()) };
    held.push((n, lack));
    if held.len() > MAX_HELD_PER_GROUP {
        let (oldest, _) = held.remove(0);
        ctx.tx.delete(GROUP_HELD, id.as_ref(), oldest);
    }
    Ok(())
}

/// Something has come that an envelope may have waited for: looked at when the input has been dealt with.
pub(super) fn news(ctx: &mut Ctx<'_, '_>, id: &GroupId, news: News) {
    if ctx.passing.groups.talk.held.contains_key(id) {
        ctx.passing.groups.talk.news.insert((*id, news));
    }
}

/// Tries again what may open now. Gives whether there was anything to try.
pub(super) fn settle(ctx: &mut Ctx<'_, '_>) -> Result<bool, EngineError> {
    let groups: BTreeSet<_> = ctx.passing.groups.talk.news.iter().map(|(id, _)| *id).collect();
    for id in &groups {
        retry(ctx, id)?;
    }
    Ok(!groups.is_empty())
}

/// In the order in which they came: what one of them brings may open one before it, which then goes before all others.
// GRM-20
fn retry(ctx: &mut Ctx<'_, '_>, id: &GroupId) -> Result<(), EngineError> {
    let mut due = due(ctx, id);
    while let Some((n, lack)) = due.pop_first() {
        let Some(kept) = ctx.load::<HeldGroupEnvelope>(GROUP_HELD, id.as_ref(), n)? else { continue };
        match inbox::take(ctx, id, &kept.envelope)? {
            Fate::Done | Fate::Elsewhere => drop_one(ctx, id, n),
            Fate::Lacks(now) if now == lack => {}
            Fate::Lacks(now) => {
                let envelope = kept.envelope;
                ctx.save(GROUP_HELD, id.as_ref(), n, &row(envelope.clone(), kept.received_ms, now));
                let held = ctx.passing.groups.talk.held.get_mut(id).map(|(_, held)| held);
                for (_, lack) in held.into_iter().flatten().filter(|(known, _)| *known == n) {
                    *lack = now;
                }
                inbox::lacks(ctx, id, &envelope, now)?;
            }
        }
        due.extend(self::due(ctx, id));
    }
    Ok(())
}

/// What may open by what has come since this was last asked.
fn due(ctx: &mut Ctx<'_, '_>, id: &GroupId) -> BTreeMap<u64, Lack> {
    let talk = &mut ctx.passing.groups.talk;
    let news: Vec<_> = talk.news.iter().filter(|(of, _)| of == id).map(|(_, news)| *news).collect();
    if news.is_empty() {
        return BTreeMap::new();
    }
    talk.news.retain(|(of, _)| of != id);
    let held = talk.held.get(id).map(|(_, held)| held.as_slice()).unwrap_or_default();
    held.iter().filter(|(_, lack)| news.iter().any(|news| lack.may_be_met_by(*news))).copied().collect()
}

/// Forgets what has waited for too long, and says so.
// GRM-20
pub(super) fn expire(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    for id in ctx.passing.groups.talk.held.keys().copied().collect::<Vec<_>>() {
        let mut genuine = false;
        for (n, kept) in rows(ctx, &id)? {
            if ctx.now.as_millis().saturating_sub(kept.received_ms) < HELD_LIFETIME_MS {
                break;
            }
            // What no key of the group opens may be anybody's.
            genuine |= !kept.device_id.is_empty();
            drop_one(ctx, &id, n);
        }
        if let (true, Some(me)) = (genuine, account::me(ctx)?) {
            messaging::group_notice(ctx, &id, &me.account, Notice::Unreadable)?;
        }
    }
    Ok(())
}

/// Finds held envelopes again, after a start.
pub(super) fn start(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    for (n, id) in ctx.tx.scan(GROUP_HOLDING, b"", .., Direction::Forward, usize::MAX)? {
        let id =
            GroupId::try_from(id.as_slice()).map_err(|_| EngineError::Row { what: GROUP_HOLDING.name() })?;
        let held = rows(ctx, &id)?.into_iter().map(|(n, kept)| Ok((n, lack_of(&kept)?)));
        let held = held.collect::<Result<Vec<_>, EngineError>>()?;
        ctx.passing.groups.talk.held.insert(id, (n, held));
    }
    Ok(())
}

/// Whether something is held of a device that nothing is known of.
pub(super) fn lacks_devices(ctx: &Ctx<'_, '_>, id: &GroupId) -> bool {
    let held = ctx.passing.groups.talk.held.get(id);
    held.is_some_and(|(_, held)| held.iter().any(|(_, lack)| matches!(lack, Lack::Device(_))))
}

/// Forgets all that is held for a group.
pub(super) fn erase(ctx: &mut Ctx<'_, '_>, id: &GroupId) -> Result<(), EngineError> {
    if let Some((n, _)) = ctx.passing.groups.talk.held.remove(id) {
        ctx.tx.delete(GROUP_HOLDING, b"", n);
    }
    ctx.tx.delete_all(GROUP_HELD, id.as_ref())?;
    Ok(())
}

fn drop_one(ctx: &mut Ctx<'_, '_>, id: &GroupId, n: u64) {
    ctx.tx.delete(GROUP_HELD, id.as_ref(), n);
    let Some((list, held)) = ctx.passing.groups.talk.held.get_mut(id) else { return };
    held.retain(|(known, _)| *known != n);
    if held.is_empty() {
        ctx.tx.delete(GROUP_HOLDING, b"", *list);
        ctx.passing.groups.talk.held.remove(id);
    }
}

fn rows(ctx: &Ctx<'_, '_>, id: &GroupId) -> Result<Vec<(u64, HeldGroupEnvelope)>, EngineError> {
    let rows = ctx.tx.scan(GROUP_HELD, id.as_ref(), .., Direction::Forward, usize::MAX)?;
    let read = |(n, row): (u64, zeroize::Zeroizing<Vec<u8>>)| {
        HeldGroupEnvelope::decode(row.as_slice()).map(|row| (n, row)).map_err(|_| unreadable())
    };
    rows.into_iter().map(read).collect()
}

fn row(envelope: Vec<u8>, received_ms: u64, lack: Lack) -> HeldGroupEnvelope {
    let (device_id, chain_id) = match lack {
        Lack::Epoch => (Vec::new(), Vec::new()),
        Lack::Device(device) => (device.to_vec(), Vec::new()),
        Lack::Chain(device, chain) => (device.to_vec(), chain.to_vec()),
    };
    HeldGroupEnvelope { envelope, received_ms, device_id, chain_id }
}

fn lack_of(row: &HeldGroupEnvelope) -> Result<Lack, EngineError> {
    if row.device_id.is_empty() {
        return Ok(Lack::Epoch);
    }
    let device = DeviceId::try_from(row.device_id.as_slice()).map_err(|_| unreadable())?;
    if row.chain_id.is_empty() {
        return Ok(Lack::Device(device));
    }
    let chain = ChainId::try_from(row.chain_id.as_slice()).map_err(|_| unreadable())?;
    Ok(Lack::Chain(device, chain))
}

const fn unreadable() -> EngineError {
    EngineError::Row { what: GROUP_HELD.name() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grm_20_only_what_may_help_is_tried_again() {
        let (one, other) = (DeviceId::new([1; 16]), DeviceId::new([2; 16]));
        let chain = Lack::Chain(one, ChainId::new([3; 16]));
        assert!(Lack::Epoch.may_be_met_by(News::Epoch) && !chain.may_be_met_by(News::Epoch));
        assert!(chain.may_be_met_by(News::Chain(one)) && !chain.may_be_met_by(News::Chain(other)));
        assert!(Lack::Device(one).may_be_met_by(News::Devices));
        assert!(!Lack::Device(one).may_be_met_by(News::Chain(one)));
        for lack in [Lack::Epoch, Lack::Device(one), chain] {
            assert_eq!(lack_of(&row(vec![1], 2, lack)).unwrap(), lack);
        }
    }
}
