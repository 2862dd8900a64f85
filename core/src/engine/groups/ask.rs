//! What a device lacks it asks for, and gives to those who may have it.
//!
//! ```text
//!   lack ─▶ wanted, a moment's pause ─▶ Ask: first who showed that there is more, then admins, then anybody ─▶ Answer
//!              ▲                                       │ nothing came: later each time, somebody else
//!              └───────────────────────────────────────┘
//! ```
//!
//! What is wanted is passing: whoever lacks something meets it again with the next message. Answers go only to devices that belong
//! to the group now, no oftener than a few times a minute each, in parts that are bounded.

use std::collections::{BTreeMap, BTreeSet};

use wheesht_proto::{
    group::{Answer, Ask, EpochKey, group_control::What as Control},
    ids::{AccountId, ChainId, DeviceId, GroupId},
};

use super::{
    super::{Ctx, EngineError, account, messaging, timers::Timer},
    admin_keys, chains, concord, control, epochs, group,
    held::{self, Lack},
    learn, members, parts, roster,
};
use crate::{crypto::secret::Secret as _, time::Timestamp};

/// What one device asks for together waits this long (milliseconds), so that one question serves for all.
const GATHER_MS: u64 = 300;

/// Before the next is asked; doubles up to the longest (milliseconds).
const FIRST_PAUSE_MS: u64 = 3_000;
const LONGEST_PAUSE_MS: u64 = 60 * 60_000;

/// Questions about one lack before it is given up; the next message that shows it begins anew.
const MAX_TRIES: u32 = 12;

/// Answers to one device in so long (milliseconds).
const ANSWERS: u32 = 20;
const ANSWERS_MS: u64 = 60_000;

/// Room for a state and its changes in one content (bytes).
pub(super) const CHECKPOINT: usize = 200 * 1024;

/// A difference of rosters is asked about at most this often (milliseconds): while leaves are under way it heals by itself.
const ROSTER_MS: u64 = 30_000;

/// What a device lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum What {
    /// Changes of the state.
    State,
    /// The outer key of the state's epoch.
    Epoch,
    /// Leaves.
    Roster,
    /// The key that writes the group's record.
    WriteKey,
    /// A chain of this device.
    Chain(DeviceId, ChainId),
}

/// What is wanted of a group.
#[derive(Default)]
pub(super) struct Wants {
    what: BTreeSet<What>,
    /// Who showed that there is more.
    sources: Vec<(AccountId, DeviceId)>,
    tries: u32,
    at: Timestamp,
}

/// Questions and answers under way.
#[derive(Default)]
pub(super) struct Asks {
    wants: BTreeMap<GroupId, Wants>,
    /// How many answers a device was given, since when.
    answered: BTreeMap<(GroupId, DeviceId), (Timestamp, u32)>,
    /// When a difference of rosters was last asked about.
    rosters: BTreeMap<GroupId, Timestamp>,
}

/// This device lacks something; `whom` showed it, and is asked first.
// GRO-20
pub(crate) fn ask(ctx: &mut Ctx<'_, '_>, id: &GroupId, what: What, whom: Option<(AccountId, DeviceId)>) {
    let mut at = ctx.now.plus_millis(GATHER_MS);
    if what == What::Roster
        && let Some(last) = ctx.passing.groups.asks.rosters.get(id)
    {
        at = at.max(last.plus_millis(ROSTER_MS));
    }
    let wants =
        ctx.passing.groups.asks.wants.entry(*id).or_insert_with(|| Wants { at, ..Default::default() });
    if wants.what.insert(what) {
        wants.tries = 0;
        wants.at = wants.at.min(at);
    }
    if let Some(whom) = whom.filter(|whom| !wants.sources.contains(whom)) {
        wants.sources.push(whom);
    }
    let at = wants.at;
    ctx.passing.timers.set_by(Timer::Groups, at);
}

/// An envelope can't be opened yet.
pub(super) fn lacks(ctx: &mut Ctx<'_, '_>, id: &GroupId, lack: Lack) -> Result<(), EngineError> {
    match lack {
        Lack::Epoch => epoch(ctx, id),
        Lack::Device(_) => {
            ask(ctx, id, What::Roster, None);
            Ok(())
        }
        Lack::Chain(device, chain) => {
            ask(ctx, id, What::Chain(device, chain), None);
            Ok(())
        }
    }
}

/// The outer key of the state's epoch is missing, or a state that has a newer one.
pub(super) fn epoch(ctx: &mut Ctx<'_, '_>, id: &GroupId) -> Result<(), EngineError> {
    ask(ctx, id, What::Epoch, None);
    Ok(())
}

/// This account may write the group's record, and lacks the key.
pub(super) fn write_key(ctx: &mut Ctx<'_, '_>, id: &GroupId) -> Result<(), EngineError> {
    ask(ctx, id, What::WriteKey, None);
    Ok(())
}

/// What a member's device says of state and roster, beside what this device knows: the difference is asked for.
// GRO-19
pub(super) fn compare(
    ctx: &mut Ctx<'_, '_>,
    id: &GroupId,
    device: &DeviceId,
    version: u64,
    roster_hash: [u8; 32],
) -> Result<(), EngineError> {
    let (Some(group), Some(whose)) = (super::belonging(ctx, id)?, roster::device(ctx, id, device)?) else {
        return Ok(());
    };
    let whom = Some((whose.account, *device));
    if version > group.state.version() {
        ask(ctx, id, What::State, whom);
    }
    if version == group.state.version() {
        if roster::hash(ctx, id)? == roster_hash {
            concord::agreed(ctx, id);
        } else {
            ask(ctx, id, What::Roster, whom);
        }
    }
    Ok(())
}

/// Something came: it is wanted no longer.
pub(crate) fn satisfied(ctx: &mut Ctx<'_, '_>, id: &GroupId, what: What) {
    let asks = &mut ctx.passing.groups.asks;
    if let Some(wants) = asks.wants.get_mut(id) {
        wants.what.remove(&what);
        if wants.what.is_empty() {
            asks.wants.remove(id);
        }
    }
}

/// Asks what is due.
pub(super) fn due(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    let now = ctx.now;
    let wants = &ctx.passing.groups.asks.wants;
    let due: Vec<_> = wants.iter().filter(|(_, wants)| wants.at <= now).map(|(id, _)| *id).collect();
    for id in due {
        question(ctx, &id)?;
    }
    ctx.passing.groups.asks.answered.retain(|_, (since, _)| now.millis_since(*since) < ANSWERS_MS);
    if let Some(next) = ctx.passing.groups.asks.wants.values().map(|wants| wants.at).min() {
        ctx.passing.timers.set_by(Timer::Groups, next);
    }
    Ok(())
}

/// Asks a device whether it has the same state and roster as this one.
// GRO-23
pub(super) fn whether_agreed(
    ctx: &mut Ctx<'_, '_>,
    id: &GroupId,
    whom: &roster::MemberDevice,
) -> Result<(), EngineError> {
    let Some(group) = super::belonging(ctx, id)? else { return Ok(()) };
    let ask = Ask {
        state_version: group.state().version(),
        epoch: epochs::newest(ctx, id)?.map_or(0, |(epoch, _)| epoch),
        roster_hash: roster::hash(ctx, id)?.to_vec(),
        leaf: roster::shown_leaf(ctx, id)?.unwrap_or_default(),
        ..Default::default()
    };
    messaging::queue_control(ctx, id, &whom.account, Some(&whom.device), Control::Ask(ask))
}

/// A member's device asks.
// GRO-21
pub(super) fn asked(
    ctx: &mut Ctx<'_, '_>,
    account: &AccountId,
    device: &DeviceId,
    id: &GroupId,
    ask: Ask,
) -> Result<(), EngineError> {
    if !super::is_member(ctx, id, account)? || !may_answer(ctx, id, device) {
        return Ok(());
    }
    let mut answer = Answer::default();
    if !ask.leaf.is_empty() {
        roster::learn(ctx, id, &[ask.leaf])?;
    }
    let Some(group) = super::belonging(ctx, id)? else { return Ok(()) };
    // GRO-23
    if let Ok(theirs) = <[u8; 32]>::try_from(ask.roster_hash.as_slice()) {
        compare(ctx, id, device, ask.state_version, theirs)?;
        let (version, own) = (group.state().version(), roster::hash(ctx, id)?);
        if (version, own) != (ask.state_version, theirs) {
            (answer.state_version, answer.roster_hash) = (version, own.to_vec());
        }
    }
    if ask.state_version < group.state().version() {
        let checkpoint = group::checkpoint(ctx, &group, ask.state_version)?;
        answer.checkpoint = Some(checkpoint.to_wire(CHECKPOINT));
    }
    let (epoch, key) = match epochs::newest(ctx, id)? {
        Some((epoch, key)) => (epoch, Some(key)),
        None => (0, None),
    };
    if let Some(key) = key.filter(|_| ask.epoch < epoch) {
        answer.epoch = Some(EpochKey { epoch, outer_key: key.expose().to_vec() });
    }
    let mut parts = Vec::new();
    if ask.wants_roster || !ask.leaf_prefixes.is_empty() {
        let known = roster::load(ctx, id)?;
        let lacking: Vec<_> = known.roster().lacking(&ask.leaf_prefixes).collect();
        if !lacking.is_empty() {
            parts = parts::parts(ctx, lacking.into_iter())?;
        }
    }
    if !ask.chain_ids.is_empty() {
        chains::give(ctx, id, account, device)?;
    }
    if ask.wants_write_key {
        admin_keys::give(ctx, &group, account)?;
    }
    let silent = answer.checkpoint.is_none() && answer.epoch.is_none() && answer.roster_hash.is_empty();
    // Who lacks leaves hears that there are none here, and asks somebody else.
    if parts.is_empty() && silent && !ask.wants_roster {
        return Ok(());
    }
    let count = u32::try_from(parts.len().max(1)).unwrap_or(u32::MAX);
    let mut parts = parts.into_iter();
    let (leaves, manifests) = parts.next().unwrap_or_default();
    let first = Answer { leaves, manifests, part: 0, parts: count, ..answer };
    messaging::queue_control(ctx, id, account, Some(device), Control::Answer(first))?;
    for (part, (leaves, manifests)) in (1..).zip(parts) {
        let answer = Answer { leaves, manifests, part, parts: count, ..Default::default() };
        messaging::queue_control(ctx, id, account, Some(device), Control::Answer(answer))?;
    }
    Ok(())
}

/// A member's device answers.
pub(super) fn answered(
    ctx: &mut Ctx<'_, '_>,
    (account, device): (&AccountId, &DeviceId),
    id: &GroupId,
    answer: Answer,
) -> Result<(), EngineError> {
    if let Some(checkpoint) = &answer.checkpoint {
        learn::checkpoint(ctx, id, checkpoint, learn::Source::Told)?;
    }
    if let Some(epoch) = &answer.epoch {
        control::new_epoch(ctx, id, account, epoch)?;
    }
    members::learn(ctx, id, &answer.manifests)?;
    let changed = roster::learn(ctx, id, &answer.leaves)?;
    if changed && answer.leaves.len() == 1 && super::is_own(ctx, account)? {
        // A new device of this account: others don't know it yet, but this one.
        roster::announce(ctx, id, answer.leaves, answer.manifests)?;
    }
    if answer.part.saturating_add(1) >= answer.parts && !held::lacks_devices(ctx, id) {
        satisfied(ctx, id, What::Roster);
    }
    // What the answer itself told is known by now.
    match answer.roster_hash.as_slice().try_into() {
        Ok(theirs) => compare(ctx, id, device, answer.state_version, theirs),
        Err(_) => Ok(()),
    }
}

fn question(ctx: &mut Ctx<'_, '_>, id: &GroupId) -> Result<(), EngineError> {
    let (Some(group), Some(me)) = (super::belonging(ctx, id)?, account::me(ctx)?) else {
        ctx.passing.groups.asks.wants.remove(id);
        return Ok(());
    };
    let epoch = epochs::newest(ctx, id)?.map_or(0, |(epoch, _)| epoch);
    if epoch >= group.state().epoch().number {
        satisfied(ctx, id, What::Epoch);
    }
    if !super::is_admin(ctx, &group)? {
        satisfied(ctx, id, What::WriteKey);
    }
    let Some(wants) = ctx.passing.groups.asks.wants.get_mut(id) else { return Ok(()) };
    if wants.tries >= MAX_TRIES {
        ctx.passing.groups.asks.wants.remove(id);
        return Ok(());
    }
    let tries = wants.tries;
    wants.tries += 1;
    let pause = FIRST_PAUSE_MS.saturating_mul(1 << tries.min(16)).min(LONGEST_PAUSE_MS);
    wants.at = ctx.now.plus_millis(pause);
    let what = wants.what.clone();
    let sources = wants.sources.clone();
    let ask = Ask {
        state_version: group.state().version(),
        epoch,
        leaf_prefixes: Vec::new(),
        chain_ids: Vec::new(),
        wants_roster: false,
        wants_write_key: what.contains(&What::WriteKey),
        ..Default::default()
    };
    // Chains are their device's own: nobody else can give them.
    let mut chains: BTreeMap<DeviceId, Vec<Vec<u8>>> = BTreeMap::new();
    for what in &what {
        if let What::Chain(device, chain) = what {
            chains.entry(*device).or_default().push(chain.to_vec());
        }
    }
    for (device, chain_ids) in chains {
        if let Some(whose) = roster::device(ctx, id, &device)? {
            let ask = Ask { chain_ids, ..ask.clone() };
            messaging::queue_control(ctx, id, &whose.account, Some(&device), Control::Ask(ask))?;
        }
    }
    if what.iter().all(|what| matches!(what, What::Chain(..))) {
        return Ok(());
    }
    let Some((account, device)) = whom(ctx, &group, &sources, tries, &me)? else { return Ok(()) };
    let mut ask = ask;
    if what.contains(&What::Roster) {
        ask.wants_roster = true;
        ask.leaf_prefixes = roster::load(ctx, id)?.roster().prefixes();
        ask.leaf = roster::shown_leaf(ctx, id)?.unwrap_or_default();
        let now = ctx.now;
        ctx.passing.groups.asks.rosters.insert(*id, now);
    }
    messaging::queue_control(ctx, id, &account, device.as_ref(), Control::Ask(ask))
}

/// Who is asked: first those who showed it, then own devices and admins, then anybody.
fn whom(
    ctx: &mut Ctx<'_, '_>,
    group: &group::Group,
    sources: &[(AccountId, DeviceId)],
    tries: u32,
    me: &account::Me,
) -> Result<Option<(AccountId, Option<DeviceId>)>, EngineError> {
    let tries = tries as usize;
    if let Some((account, device)) = sources.get(tries) {
        return Ok(Some((*account, Some(*device))));
    }
    let mut others = members::admins(ctx, group)?;
    if me.manifest.devices().len() > 1 {
        others.insert(0, me.account);
    }
    let reached = roster::reached(ctx, &group.id)?;
    others.extend(reached.into_iter().filter(|account| *account != me.account));
    let index = tries - sources.len().min(tries);
    let count = others.len().max(1);
    Ok(others.get(index % count).map(|account| (*account, None)))
}

fn may_answer(ctx: &mut Ctx<'_, '_>, id: &GroupId, device: &DeviceId) -> bool {
    let now = ctx.now;
    let (since, count) = ctx.passing.groups.asks.answered.entry((*id, *device)).or_insert((now, 0));
    if now.millis_since(*since) >= ANSWERS_MS {
        (*since, *count) = (now, 0);
    }
    *count += 1;
    *count <= ANSWERS
}
