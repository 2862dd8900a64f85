//! Who may read what this device says, and what it may read of others.
//!
//! ```text
//!  own chain    [ready] worn, or given to somebody who is no longer there? ─yes─▶ a new one
//!                  └──▶ to each device that doesn't have it yet: pairwise, durable, never waited for
//!  others'      [received] ─▶ Chain ─ a message of its successor opens ─▶ Ended ─ 7 days ─▶ gone
//! ```
//!
//! Confidentiality rests on this: a chain that was ever given to a device outside the present ones encrypts nothing more. That is
//! decided when something is sent, by who sends, so it needs no admin and costs a removed member's group nothing until somebody
//! speaks. Chains of others are kept by account and device: another account may certify the same device key.

use std::collections::BTreeSet;

use wheesht_proto::{
    group::{ChainKey, group_control::What},
    ids::{AccountId, ChainId, DeviceId, GroupId},
    prost::Message as _,
    stored::{GroupGiven, GroupSpeaker, GroupSpeakerRef},
};

use super::{
    super::{
        Ctx, EngineError, messaging,
        tables::{
            GROUP_CHAIN, GROUP_CHAINS, GROUP_GIVEN, GROUP_GONE, GROUP_SKIPPED, GROUP_SPEAKER, GROUP_SPEAKERS,
        },
    },
    ask,
    fanout::{self, Audience},
    group,
    held::{self, News},
};
use crate::{
    crypto::secret::Secret as _,
    protocol::{
        MessageKey,
        group::{
            ChainVerifier, GroupSkippedDelta, GroupSkippedKeys, OpenedGroupMessage, OtherChain,
            ReceiverChain, RefusedMessage, SenderChain, UnverifiedGroupMessage,
        },
    },
    store::{Direction, StoreError, Tx},
};

/// Chains kept of one device: the present one, and those before it whose messages may still be on their way. It takes a new one
/// for each change of the group's devices, if it speaks in between.
const MAX_CHAINS: usize = 8;

/// Public keys kept at hand.
const VERIFIERS: usize = 4_096;

// ---- This device's -------------------------------------------------------------------------------------------

/// The chain to send the next message with. Whoever may read it has it, or will be given it.
pub(super) fn ready(
    ctx: &mut Ctx<'_, '_>,
    id: &GroupId,
    audience: &Audience,
) -> Result<SenderChain, EngineError> {
    let present = own(ctx, id)?;
    if let Some(chain) = &present
        && ctx.passing.groups.talk.served.get(id) == Some(&(audience.number(), chain.id()))
        && !chain.is_worn(ctx.now)
    {
        return Ok(chain.clone());
    }
    let devices: BTreeSet<_> = audience.others().map(|(device, _)| *device).collect();
    let mut given = given(ctx, id)?;
    // GRM-11, GRM-15
    let chain = match present {
        Some(chain) if !chain.is_worn(ctx.now) && given.is_subset(&devices) => chain,
        before => {
            given.clear();
            let chain = SenderChain::begin(before.as_ref(), ctx.now, ctx.rng);
            save_own(ctx, id, &chain);
            chain
        }
    };
    // GRM-16
    for (device, account) in audience.others().filter(|(device, _)| !given.contains(device)) {
        messaging::queue_control(ctx, id, account, Some(device), What::Chain(chain.key_now()))?;
    }
    let row = GroupGiven {
        chain_id: chain.id().to_vec(),
        devices: devices.iter().flat_map(|device| device.to_vec()).collect(),
    };
    ctx.save(GROUP_GIVEN, id.as_ref(), 0, &row);
    ctx.passing.groups.talk.served.insert(*id, (audience.number(), chain.id()));
    Ok(chain)
}

/// The chain has encrypted.
pub(super) fn save_own(ctx: &mut Ctx<'_, '_>, id: &GroupId, chain: &SenderChain) {
    ctx.tx.put(GROUP_CHAIN, id.as_ref(), 0, chain.encode());
    ctx.passing.groups.talk.signers.insert(*id, chain.signer());
}

/// A member's device lacks this device's chain: it is given the present one, if the device belongs.
// GRM-16
pub(super) fn give(
    ctx: &mut Ctx<'_, '_>,
    id: &GroupId,
    account: &AccountId,
    device: &DeviceId,
) -> Result<(), EngineError> {
    let (Some(audience), Some(chain)) = (fanout::audience(ctx, id)?, own(ctx, id)?) else { return Ok(()) };
    if audience.account_of(device) != Some(account) || !given(ctx, id)?.contains(device) {
        // It gets it with the next message, or the next message has another chain.
        return Ok(());
    }
    messaging::queue_control(ctx, id, account, Some(device), What::Chain(chain.key_now()))
}

fn own(ctx: &Ctx<'_, '_>, id: &GroupId) -> Result<Option<SenderChain>, EngineError> {
    let Some(row) = ctx.tx.get(GROUP_CHAIN, id.as_ref(), 0)? else { return Ok(None) };
    let chain = match ctx.passing.groups.talk.signers.get(id) {
        Some(signer) => SenderChain::decode_with(&row, signer),
        None => SenderChain::decode(&row),
    };
    chain.map(Some).map_err(|_| EngineError::Row { what: GROUP_CHAIN.name() })
}

fn given(ctx: &Ctx<'_, '_>, id: &GroupId) -> Result<BTreeSet<DeviceId>, EngineError> {
    let row: GroupGiven = ctx.load(GROUP_GIVEN, id.as_ref(), 0)?.unwrap_or_default();
    let (devices, _) = row.devices.as_chunks::<{ DeviceId::LEN }>();
    Ok(devices.iter().map(|device| DeviceId::new(*device)).collect())
}

// ---- Other devices' ------------------------------------------------------------------------------------------

/// A device gives its chain, in a session of its own.
// GRM-12, GRM-13, GRM-23
pub(super) fn received(
    ctx: &mut Ctx<'_, '_>,
    id: &GroupId,
    account: &AccountId,
    device: &DeviceId,
    given: &ChainKey,
) -> Result<(), EngineError> {
    // GRM-19
    if group::load(ctx, id)?.is_none_or(|group| group.state().member(account).is_none()) {
        return Ok(());
    }
    let Ok(chain) = ReceiverChain::from_key(given) else { return Ok(()) };
    let key = key(id, account, device, &chain.id());
    if let Some(known) = load(ctx, &key)? {
        return given_again(ctx, id, device, &key, &known, chain);
    }
    let speaker = speaker_key(id, account, device);
    let mut row = match ctx.load::<GroupSpeaker>(GROUP_SPEAKER, &speaker, 0)? {
        Some(row) => row,
        None => {
            let listed =
                GroupSpeakerRef { identity: account.to_vec(), device_id: device.to_vec(), gone: false };
            let number = ctx.tx.append(GROUP_SPEAKERS, id.as_ref(), listed.encode_to_vec())?;
            GroupSpeaker { number, ..Default::default() }
        }
    };
    row.chain_ids.push(chain.id().to_vec());
    while row.chain_ids.len() > MAX_CHAINS {
        let oldest = row.chain_ids.remove(0);
        forget(ctx, &[speaker.as_slice(), &oldest].concat())?;
    }
    ctx.save(GROUP_SPEAKER, &speaker, 0, &row);
    ctx.tx.put(GROUP_CHAINS, &key, 0, chain.encode());
    ask::satisfied(ctx, id, ask::What::Chain(*device, chain.id()));
    held::news(ctx, id, News::Chain(*device));
    Ok(())
}

/// A chain that is known already was given once more: to a device that asked, while the first answer was still on its way. Whichever
/// comes first, what was said since the earlier of the two can be read.
// GRM-13
fn given_again(
    ctx: &mut Ctx<'_, '_>,
    id: &GroupId,
    device: &DeviceId,
    key: &[u8],
    known: &ReceiverChain,
    given: ReceiverChain,
) -> Result<(), EngineError> {
    let chain = known.id();
    match known.from_earlier(given) {
        Ok(Some((longer, skipped))) if !known.is_dead(ctx.now) => {
            ctx.tx.put(GROUP_CHAINS, key, 0, longer.encode());
            apply(ctx, key, skipped);
            held::news(ctx, id, News::Chain(*device));
        }
        Ok(_) => {}
        Err(OtherChain) => {
            tracing::warn!("a member's device gave one chain with two keys: the second is refused");
            return Ok(());
        }
    }
    ask::satisfied(ctx, id, ask::What::Chain(*device, chain));
    Ok(())
}

/// What became of a message.
pub(super) enum Read {
    /// It opened; the chain has moved on.
    Content(zeroize::Zeroizing<Vec<u8>>),
    /// The chain is not known, or only from a later message on.
    NoChain,
    /// It is not genuine, was opened before, or comes too late.
    Refused,
}

/// Opens a message of a member's device.
pub(super) fn open(
    ctx: &mut Ctx<'_, '_>,
    id: &GroupId,
    epoch: u64,
    account: &AccountId,
    message: &UnverifiedGroupMessage,
) -> Result<Read, EngineError> {
    let key = key(id, account, &message.device(), &message.chain());
    let Some(chain) = load(ctx, &key)? else { return Ok(Read::NoChain) };
    let kept = Kept { tx: ctx.tx, key: &key };
    let OpenedGroupMessage { content, next, skipped, before } =
        match chain.open(message, *id, epoch, &[], &kept, ctx.now) {
            Ok(opened) => opened,
            Err(RefusedMessage::Store(error)) => return Err(error.into()),
            // GRM-20
            Err(RefusedMessage::BeforeGiven) => return Ok(Read::NoChain),
            Err(_) => return Ok(Read::Refused),
        };
    // GRM-10
    ctx.tx.put(GROUP_CHAINS, &key, 0, next.encode());
    apply(ctx, &key, skipped);
    remember(ctx, &next);
    if let Some((before, count)) = before {
        end(ctx, id, account, &message.device(), &before, count)?;
    }
    Ok(Read::Content(content))
}

/// The device's chain after this one says how many messages it had.
// GRM-14
fn end(
    ctx: &mut Ctx<'_, '_>,
    id: &GroupId,
    account: &AccountId,
    device: &DeviceId,
    chain: &ChainId,
    count: u32,
) -> Result<(), EngineError> {
    let key = key(id, account, device, chain);
    let Some(chain) = load(ctx, &key)?.filter(|chain| chain.dies().is_none()) else { return Ok(()) };
    ctx.tx.put(GROUP_CHAINS, &key, 0, chain.end(count, ctx.now).encode());
    Ok(())
}

/// The group's devices, or who belongs, have changed: chains of those who are gone go, what waits for a device is tried again.
pub(super) fn roster_changed(ctx: &mut Ctx<'_, '_>, id: &GroupId) -> Result<(), EngineError> {
    fanout::audience_changed(ctx, id);
    held::news(ctx, id, News::Devices);
    let Some(group) = group::load(ctx, id)? else { return Ok(()) };
    for (n, account, device) in speakers(ctx, id)? {
        if group.state().member(&account).is_none() {
            forget_speaker(ctx, id, &account, &device)?;
            let gone = GroupSpeakerRef { identity: account.to_vec(), device_id: device.to_vec(), gone: true };
            ctx.save(GROUP_SPEAKERS, id.as_ref(), n, &gone);
            ctx.tx.put(GROUP_GONE, &gone_key(id, &device), 0, Vec::new());
        }
    }
    Ok(())
}

/// Whether the device was a member's who has gone: nothing from it is kept, unless it is let in again.
// GRM-19
pub(super) fn has_gone(ctx: &Ctx<'_, '_>, id: &GroupId, device: &DeviceId) -> Result<bool, EngineError> {
    Ok(ctx.tx.contains(GROUP_GONE, &gone_key(id, device), 0)?)
}

/// Chains that have died go.
// GRM-14
pub(super) fn forget_dead(ctx: &mut Ctx<'_, '_>, id: &GroupId) -> Result<(), EngineError> {
    for (_, account, device) in speakers(ctx, id)? {
        let speaker = speaker_key(id, &account, &device);
        let Some(mut row) = ctx.load::<GroupSpeaker>(GROUP_SPEAKER, &speaker, 0)? else { continue };
        let mut living = Vec::with_capacity(row.chain_ids.len());
        for chain in std::mem::take(&mut row.chain_ids) {
            let key = [speaker.as_slice(), &chain].concat();
            if load(ctx, &key)?.is_some_and(|chain| chain.is_dead(ctx.now)) {
                forget(ctx, &key)?;
            } else {
                living.push(chain);
            }
        }
        row.chain_ids = living;
        ctx.save(GROUP_SPEAKER, &speaker, 0, &row);
    }
    Ok(())
}

/// Every chain of the group goes.
pub(super) fn erase(ctx: &mut Ctx<'_, '_>, id: &GroupId) -> Result<(), EngineError> {
    for (n, account, device) in speakers(ctx, id)? {
        forget_speaker(ctx, id, &account, &device)?;
        ctx.tx.delete(GROUP_SPEAKERS, id.as_ref(), n);
        ctx.tx.delete(GROUP_GONE, &gone_key(id, &device), 0);
    }
    ctx.tx.delete(GROUP_CHAIN, id.as_ref(), 0);
    ctx.tx.delete(GROUP_GIVEN, id.as_ref(), 0);
    ctx.passing.groups.talk.signers.remove(id);
    ctx.passing.groups.talk.served.remove(id);
    Ok(())
}

fn speakers(ctx: &Ctx<'_, '_>, id: &GroupId) -> Result<Vec<(u64, AccountId, DeviceId)>, EngineError> {
    let unreadable = || EngineError::Row { what: GROUP_SPEAKERS.name() };
    let rows = ctx.tx.scan(GROUP_SPEAKERS, id.as_ref(), .., Direction::Forward, usize::MAX)?;
    let read = |(n, row): (u64, zeroize::Zeroizing<Vec<u8>>)| {
        let row = GroupSpeakerRef::decode(row.as_slice()).map_err(|_| unreadable())?;
        let account = AccountId::try_from(row.identity.as_slice()).map_err(|_| unreadable())?;
        let device = DeviceId::try_from(row.device_id.as_slice()).map_err(|_| unreadable())?;
        Ok((n, account, device))
    };
    rows.into_iter().map(read).collect()
}

fn forget_speaker(
    ctx: &mut Ctx<'_, '_>,
    id: &GroupId,
    account: &AccountId,
    device: &DeviceId,
) -> Result<(), EngineError> {
    let speaker = speaker_key(id, account, device);
    let row: GroupSpeaker = ctx.load(GROUP_SPEAKER, &speaker, 0)?.unwrap_or_default();
    for chain in row.chain_ids {
        forget(ctx, &[speaker.as_slice(), &chain].concat())?;
    }
    ctx.tx.delete(GROUP_SPEAKER, &speaker, 0);
    Ok(())
}

fn forget(ctx: &mut Ctx<'_, '_>, key: &[u8]) -> Result<(), EngineError> {
    ctx.tx.delete(GROUP_CHAINS, key, 0);
    ctx.tx.delete_all(GROUP_SKIPPED, key)?;
    Ok(())
}

fn load(ctx: &Ctx<'_, '_>, key: &[u8]) -> Result<Option<ReceiverChain>, EngineError> {
    let Some(row) = ctx.tx.get(GROUP_CHAINS, key, 0)? else { return Ok(None) };
    let id = key.last_chunk::<{ ChainId::LEN }>().map(|id| ChainId::new(*id));
    let chain = match id.and_then(|id| ctx.passing.groups.talk.verifiers.get(&id)) {
        Some(verifier) => ReceiverChain::decode_with(&row, verifier),
        None => ReceiverChain::decode(&row),
    };
    chain.map(Some).map_err(|_| EngineError::Row { what: GROUP_CHAINS.name() })
}

/// Two devices may name their chains alike: a public key at hand is used only if it is the chain's, so it costs one of them time.
fn remember(ctx: &mut Ctx<'_, '_>, chain: &ReceiverChain) {
    let verifiers: &mut std::collections::BTreeMap<ChainId, ChainVerifier> =
        &mut ctx.passing.groups.talk.verifiers;
    if verifiers.len() >= VERIFIERS {
        verifiers.clear();
    }
    verifiers.entry(chain.id()).or_insert_with(|| chain.verifier());
}

fn apply(ctx: &mut Ctx<'_, '_>, key: &[u8], delta: GroupSkippedDelta) {
    for (count, message_key) in &delta.insert {
        ctx.tx.put(GROUP_SKIPPED, key, u64::from(*count), message_key.expose().to_vec());
    }
    if let Some(used) = delta.used {
        ctx.tx.delete(GROUP_SKIPPED, key, u64::from(used));
    }
}

fn gone_key(id: &GroupId, device: &DeviceId) -> Vec<u8> {
    [id.as_ref(), device.as_ref()].concat()
}

fn speaker_key(id: &GroupId, account: &AccountId, device: &DeviceId) -> Vec<u8> {
    [id.as_ref(), account.as_ref(), device.as_ref()].concat()
}

fn key(id: &GroupId, account: &AccountId, device: &DeviceId, chain: &ChainId) -> Vec<u8> {
    [id.as_ref(), account.as_ref(), device.as_ref(), chain.as_ref()].concat()
}

/// The keys of one chain's messages that were passed over, as the store has them.
struct Kept<'a, 's> {
    tx: &'a Tx<'s>,
    key: &'a [u8],
}

impl GroupSkippedKeys for Kept<'_, '_> {
    type Error = StoreError;

    fn get(&self, count: u32) -> Result<Option<MessageKey>, StoreError> {
        let Some(row) = self.tx.get(GROUP_SKIPPED, self.key, u64::from(count))? else { return Ok(None) };
        let row =
            row.as_slice().try_into().map_err(|_| StoreError::Corrupt { table: GROUP_SKIPPED.name() })?;
        Ok(Some(MessageKey::restore(row)))
    }
}
