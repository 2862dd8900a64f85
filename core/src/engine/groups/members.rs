//! Whose devices the members' are: the manifests of members who are no contacts.
//!
//! People keeps them like a contact's ([`people::fellow_manifest`]); this part says of whom one is needed. They come with the
//! leaves, from other members; what nobody showed is looked up, unauthenticated, a few at a time. One that was not confirmed for a
//! day is asked for before something is sent, and the send waits for that once, not for long.

use wheesht_proto::{
    ids::{AccountId, GroupId},
    limits::DAY_MS,
};

use super::{
    super::{Ctx, EngineError, account, people, timers::Timer},
    ask,
    fanout::Audience,
    group::{self, Group},
    roster,
};
use crate::{
    protocol::group::{Leaf, Role},
    signed::{ManifestHead, UnverifiedManifest},
    time::Timestamp,
};

/// Look-ups that one group starts at once.
const AT_ONCE: usize = 32;

/// What could not be looked up is tried again after this long (milliseconds).
const RETRY_MS: u64 = 60_000;

/// A send waits for look-ups at most this long (milliseconds).
const PATIENCE_MS: u64 = 8_000;

/// A message waits this long (milliseconds) for the devices of a member of whom none is known.
const UNREACHED_MS: u64 = 5 * 60_000;

/// Heads not confirmed for so long (milliseconds) are looked up before something is sent.
const CONFIRMED_MS: u64 = DAY_MS;

/// Whether the newest manifest known lists the leaf's certificate; `Some(false)`: none is known yet, or a newer one is on its way;
/// `None`: it does not, and the leaf is worth nothing.
// GRO-8
pub(super) fn lists(ctx: &mut Ctx<'_, '_>, leaf: &Leaf) -> Result<Option<bool>, EngineError> {
    let Some(me) = account::me(ctx)? else { return Ok(Some(false)) };
    let account = leaf.identity();
    let (listed, known) = if account == me.account {
        (me.manifest.device_by_encoding(leaf.certificate()).is_some(), me.manifest.version())
    } else {
        let Some(contact) = people::by_id(ctx, &account)? else { return Ok(Some(false)) };
        (contact.manifest.device_by_encoding(leaf.certificate()).is_some(), contact.manifest.version())
    };
    if listed {
        observe(ctx, &account, leaf.head())?;
        return Ok(Some(true));
    }
    if leaf.head().version <= known {
        return Ok(None);
    }
    observe(ctx, &account, leaf.head())?;
    Ok(Some(false))
}

/// Somebody of an account says how far its manifest has come.
pub(super) fn observe(
    ctx: &mut Ctx<'_, '_>,
    account: &AccountId,
    head: ManifestHead,
) -> Result<(), EngineError> {
    match account::me(ctx)? {
        Some(me) if me.account == *account => account::observe_own_head(ctx, head),
        _ => people::observe_head(ctx, account, head),
    }
}

/// Takes manifests of members that somebody showed.
pub(super) fn learn(ctx: &mut Ctx<'_, '_>, id: &GroupId, manifests: &[Vec<u8>]) -> Result<(), EngineError> {
    let (Some(group), Some(me)) = (group::load(ctx, id)?, account::me(ctx)?) else { return Ok(()) };
    for encoded in manifests {
        let Ok(shown) = UnverifiedManifest::decode(encoded) else { continue };
        let Some(member) = group.state().member(&shown.identity()) else { continue };
        if member.account == me.account {
            let head = ManifestHead { version: shown.version(), hash: shown.hash() };
            account::observe_own_head(ctx, head)?;
        } else {
            people::fellow_manifest(ctx, &member.account, &member.address, encoded)?;
        }
    }
    Ok(())
}

/// The manifests of these accounts, as far as known.
pub(super) fn manifests(
    ctx: &mut Ctx<'_, '_>,
    accounts: impl IntoIterator<Item = AccountId>,
) -> Result<Vec<Vec<u8>>, EngineError> {
    let Some(me) = account::me(ctx)? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for account in accounts {
        if account == me.account {
            found.push(me.manifest.encoded().to_vec());
        } else if let Some(contact) = people::by_id(ctx, &account)? {
            found.push(contact.manifest.encoded().to_vec());
        }
    }
    Ok(found)
}

/// Has members of whom nothing is known looked up, some at a time.
pub(super) fn meet(ctx: &mut Ctx<'_, '_>, group: &Group) -> Result<(), EngineError> {
    let Some(me) = account::me(ctx)? else { return Ok(()) };
    let mut asked = 0;
    for member in group.state().members() {
        if member.account == me.account || people::by_id(ctx, &member.account)?.is_some() {
            continue;
        }
        people::meet_fellow(ctx, &member.account, &member.address)?;
        asked += 1;
        if asked >= AT_ONCE {
            break;
        }
    }
    if asked > 0 {
        let at = ctx.now.plus_millis(RETRY_MS);
        ctx.passing.groups.meetings.entry(group.id).or_insert(at);
        ctx.passing.timers.set_by(Timer::Groups, at);
    }
    Ok(())
}

/// Looks again for those who were not found.
pub(super) fn due(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    let now = ctx.now;
    let due: Vec<_> =
        ctx.passing.groups.meetings.iter().filter(|(_, at)| **at <= now).map(|(id, _)| *id).collect();
    for id in due {
        ctx.passing.groups.meetings.remove(&id);
        if let Some(group) = group::load(ctx, &id)?.filter(|group| group.belongs()) {
            meet(ctx, &group)?;
        }
    }
    let waits = ctx.passing.groups.confirming.values().map(|confirming| confirming.until);
    let next = ctx.passing.groups.meetings.values().copied().chain(waits).filter(|at| *at > now).min();
    if let Some(next) = next {
        ctx.passing.timers.set_by(Timer::Groups, next);
    }
    Ok(())
}

/// A round of look-ups that a send waits for.
pub(super) struct Confirming {
    /// When it waits no longer.
    until: Timestamp,
}

/// Whether a message may be encrypted now: every member's manifest was confirmed within a day, or asking took too long.
// GRO-11
pub(crate) fn confirmed(ctx: &mut Ctx<'_, '_>, group: &Group) -> Result<bool, EngineError> {
    let Some(me) = account::me(ctx)? else { return Ok(false) };
    let now = ctx.now;
    if let Some(confirming) = ctx.passing.groups.confirming.get(&group.id)
        && confirming.until <= now
    {
        // Asked once, long enough ago: what is known goes. Asked again after a while.
        if now.millis_since(confirming.until) < CONFIRMED_MS / 24 {
            return Ok(true);
        }
        ctx.passing.groups.confirming.remove(&group.id);
    }
    let mut asked = 0;
    for member in group.state().members().iter().filter(|member| member.account != me.account) {
        let confirmed = match people::by_id(ctx, &member.account)? {
            Some(contact) => people::check_fellow(ctx, &contact)?,
            None => people::meet_fellow(ctx, &member.account, &member.address)?,
        };
        if !confirmed {
            asked += 1;
        }
        if asked >= AT_ONCE {
            break;
        }
    }
    if asked == 0 {
        ctx.passing.groups.confirming.remove(&group.id);
        return Ok(true);
    }
    let until = now.plus_millis(PATIENCE_MS);
    ctx.passing.groups.confirming.entry(group.id).or_insert(Confirming { until });
    ctx.passing.timers.set_by(Timer::Groups, until);
    Ok(false)
}

/// Whether a message reaches every member, or it waited long enough for those of whom no device is known yet. Somebody who has just
/// come is in the state before everybody has heard how they are reached; what is said meanwhile is said to them too.
// GRM-24
pub(crate) fn reached(ctx: &mut Ctx<'_, '_>, group: &Group, there: &Audience) -> Result<bool, EngineError> {
    let Some(me) = account::me(ctx)? else { return Ok(false) };
    let mut unreached = there.unreached(&group.state);
    // Every device of this account belongs, though one that is new may not have said so yet.
    if me.manifest.devices().iter().any(|device| there.account_of(&device.device_id()).is_none()) {
        unreached.insert(me.account);
    }
    let waiting = ctx.passing.groups.unreached.entry(group.id).or_default();
    waiting.retain(|account, _| unreached.contains(account));
    let now = ctx.now;
    let mut given_up = Vec::new();
    for account in unreached {
        let until = *waiting.entry(account).or_insert(now.plus_millis(UNREACHED_MS));
        if until <= now || group.unreached.contains(&account) {
            given_up.push(account);
        }
    }
    let missing = waiting.len() > given_up.len();
    if given_up != group.unreached {
        group::save(ctx, Group { unreached: given_up, ..group.clone() })?;
    }
    if missing {
        ask::ask(ctx, &group.id, ask::What::Roster, None);
    }
    Ok(!missing)
}

/// The owners and admins but this account, those first whose devices are known.
pub(super) fn admins(ctx: &mut Ctx<'_, '_>, group: &Group) -> Result<Vec<AccountId>, EngineError> {
    let Some(me) = account::me(ctx)? else { return Ok(Vec::new()) };
    let reached = roster::reached(ctx, &group.id)?;
    let admins = group.state().members().iter().filter(|member| member.role >= Role::Admin);
    let mut admins: Vec<_> = admins.map(|member| member.account).filter(|id| *id != me.account).collect();
    admins.sort_by_key(|admin| !reached.contains(admin));
    Ok(admins)
}
