//! What we do together: groups, their state, who belongs to them, and how their members' devices reach each other.
//!
//! ```text
//!             ┌ group     the row of a group: state, phase, roster
//!   state ────┤ propose   a change: drafted, ordered by the record's compare-and-swap, applied, told
//!             └ epochs    the outer keys
//!             ┌ addresses where this device is reached, one address per group
//!   roster ───┤ roster    where everyone's devices are reached: a self-signed leaf each
//!             └ members   the manifests of members who are no contacts
//!             ┌ joining   invitation, consent, request, welcome
//!   joining ──┤ links     invitations that anyone may hold
//!             ├ vault     the groups of the account's other devices
//!             ├ ask       what a device lacks it asks for, and gives to those who may have it
//!             └ concord   whether members still agree, when nobody speaks
//!             ┌ chains    who may read what this device says
//!   talk ─────┤ fanout    once encrypted, for everyone
//!             └ inbox     what comes through a group's address
//! ```
//!
//! Everything that must not be lost is in the transaction; [`Passing`] says what is under way, and [`start`] finds the rest
//! again. There is one timer, [`Timer::Groups`]: [`due`] has each part look at what it has due, and each arms the timer again by
//! `set_by` for what is left.

mod addresses;
mod admin_keys;
mod apply;
mod ask;
mod chains;
mod commands;
mod concord;
mod control;
mod draft;
mod epochs;
mod fanout;
mod group;
mod held;
mod inbox;
mod joining;
mod learn;
mod leaving;
mod links;
mod members;
mod parts;
mod propose;
mod record;
mod requests;
mod roster;
mod shown;
mod talk;
#[cfg(test)]
mod talk_tests;
mod vault;
mod words;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    rc::Rc,
};

use wheesht_proto::{
    account::VaultMembership,
    address::RelayAddress,
    content::{Announce, Content, content::Body},
    ids::{AccountId, DepositAddress, DeviceId, GroupId, MessageId},
    profile::ProfileRef,
    relay::{DeviceSession, relay_frame},
};

use super::{
    Ctx, EngineError, account,
    ctx::Pending as Continuation,
    error::{Answer, Failure},
    io::{LinkId, RequestError},
    messaging,
};
use crate::{
    api::{self, Error, ErrorCode, FailReason, GroupChange, Notice, Request, Response},
    protocol::group::{OuterKey, Role, State},
    signed::DeviceCertificate,
    time::Timestamp,
};

use control::update;

pub(crate) use addresses::by_address;
pub(crate) use control::control;
pub(crate) use fanout::{queue, waiting};
pub(crate) use group::{Group, load};
pub(crate) use inbox::{deliver, may_write};
pub(crate) use roster::destinations;

/// What may vanish at any moment.
#[derive(Default)]
pub(crate) struct Passing {
    /// Groups at hand.
    cache: HashMap<GroupId, Rc<group::Group>>,
    /// Their outer keys, the newest first.
    epochs: HashMap<GroupId, Rc<[(u64, OuterKey)]>>,
    addresses: addresses::Addresses,
    rosters: BTreeMap<GroupId, Rc<roster::Known>>,
    /// Numbers of this device's leaves that others showed, where they are higher than its own.
    leaf_numbers: BTreeMap<GroupId, u64>,
    /// When members who were not found are looked up again.
    meetings: BTreeMap<GroupId, Timestamp>,
    /// Sends that wait for look-ups.
    confirming: BTreeMap<GroupId, members::Confirming>,
    /// Until when messages wait for members of whom no device is known.
    unreached: BTreeMap<GroupId, BTreeMap<AccountId, Timestamp>>,
    talk: talk::Talk,
    ordering: propose::Ordering,
    leaving: leaving::Leaving,
    asks: ask::Asks,
    concord: concord::Concord,
    joinings: joining::Joinings,
    /// Groups whose state has changed: those who asked to be let in may belong now.
    newcomers: BTreeSet<GroupId>,
}

/// What to do with a reply.
pub(crate) enum Pending {
    /// An address opened.
    PutAddress(GroupId),
    /// An address closed.
    CloseAddress(GroupId),
    /// An address closed that another took the place of: its row.
    CloseOld(u64),
    /// The record of a group that another own device has joined.
    Adopt(Box<(GroupId, VaultMembership)>),
    /// A deposit for a group: what it held.
    Deposit(Box<fanout::Sent>),
    /// A group's record, read or written.
    Order(propose::Pending),
}

impl From<Pending> for Continuation {
    fn from(pending: Pending) -> Self {
        Self::Groups(pending)
    }
}

// ---- Called by the frame -------------------------------------------------------------------------------------

/// After opening the store.
pub(super) fn start(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    addresses::start(ctx)?;
    joining::start(ctx)?;
    held::start(ctx)?;
    propose::start(ctx)?;
    leaving::start(ctx)?;
    fanout::start(ctx)
}

/// A person's request about groups.
pub(super) fn command(ctx: &mut Ctx<'_, '_>, _id: u64, request: Request) -> Answer {
    match request {
        Request::Groups => commands::list(ctx),
        Request::Group { group } => match shown::details(ctx, &group)? {
            Some(details) => Ok(Some(Response::GroupDetails { details })),
            None => Err(words::no_group(&group).into()),
        },
        Request::CreateGroup { title, about, picture, policy } => {
            commands::create(ctx, title, about, picture, policy.unwrap_or_default())
        }
        Request::EditGroup { group, title, about, picture } => {
            commands::edit(ctx, &group, title, about, picture)
        }
        Request::SetGroupPolicy { group, policy } => commands::set_policy(ctx, &group, policy),
        Request::InviteToGroup { group, who } => requests::invite(ctx, &group, &who),
        Request::AnswerJoin { group, account, accept } => requests::answer(ctx, &group, &account, accept),
        Request::MakeGroupLink { group, lifetime_ms, uses } => links::make(ctx, &group, lifetime_ms, uses),
        Request::RevokeGroupLink { group, link } => links::revoke(ctx, &group, &link),
        Request::JoinGroup { link } => joining::by_link(ctx, &link),
        Request::AcceptInvitation { group } => joining::accept(ctx, &group),
        Request::DeclineInvitation { group } => joining::decline(ctx, &group),
        Request::LeaveGroup { group } => leaving::leave(ctx, &group),
        Request::DeleteGroup { group } => commands::delete(ctx, &group),
        Request::RemoveMember { group, who, ban } => commands::remove(ctx, &group, &who, ban),
        Request::Unban { group, account } => commands::unban(ctx, &group, account),
        Request::SetRole { group, who, role } => commands::set_role(ctx, &group, &who, role),
        Request::MoveGroup { group, relay } => commands::move_record(ctx, &group, &relay),
        _ => Err(Error::new(ErrorCode::Internal, "This request is not about groups.").into()),
    }
}

pub(super) fn reply(
    ctx: &mut Ctx<'_, '_>,
    _link: &LinkId,
    pending: Pending,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<(), EngineError> {
    match pending {
        Pending::PutAddress(group) => addresses::put(ctx, &group, result),
        Pending::CloseOld(n) => {
            addresses::old_closed(ctx, n, result);
            Ok(())
        }
        Pending::CloseAddress(group) => {
            addresses::closed(ctx, &group, result);
            Ok(())
        }
        Pending::Adopt(what) => vault::read(ctx, &what.0, &what.1, result),
        Pending::Deposit(sent) => fanout::reply(ctx, &sent, result),
        Pending::Order(pending) => propose::reply(ctx, pending, result),
    }
}

/// Something of a group is due.
pub(super) fn due(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    addresses::due(ctx)?;
    members::due(ctx)?;
    joining::due(ctx)?;
    ask::due(ctx)?;
    concord::due(ctx)?;
    fanout::due(ctx);
    leaving::due(ctx)?;
    propose::due(ctx)
}

/// An anonymous link is up: what waits for it can go.
pub(super) fn greeted(ctx: &mut Ctx<'_, '_>, link: &LinkId) -> Result<(), EngineError> {
    fanout::greeted(ctx, link);
    Ok(())
}

/// Sends what the input has left to be sent. Gives whether there was anything to look at.
pub(super) fn settle(ctx: &mut Ctx<'_, '_>) -> Result<bool, EngineError> {
    for id in std::mem::take(&mut ctx.passing.groups.newcomers) {
        requests::newcomers(ctx, &id)?;
    }
    let tried = held::settle(ctx)?;
    let ordered = propose::settle(ctx)?;
    Ok(fanout::settle(ctx)? || tried || ordered)
}

// ---- Offered to account and people ---------------------------------------------------------------------------

/// This device has become one of the account's.
pub(crate) fn activated(_ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    Ok(())
}

/// This device is logged in on its relay, and not behind its own statement.
pub(crate) fn online(
    ctx: &mut Ctx<'_, '_>,
    _link: &LinkId,
    session: &DeviceSession,
) -> Result<(), EngineError> {
    fanout::resume(ctx);
    propose::online(ctx)?;
    concord::online(ctx)?;
    addresses::online(ctx, session)?;
    vault::online(ctx)
}

/// The own manifest has changed.
pub(crate) fn own_manifest_changed(
    ctx: &mut Ctx<'_, '_>,
    _added: &[DeviceId],
    _removed: &[DeviceId],
) -> Result<(), EngineError> {
    let Some(me) = account::me(ctx)? else { return Ok(()) };
    roster::manifest_changed(ctx, &me.account)?;
    group::ids(ctx)?.iter().try_for_each(|id| roster::publish(ctx, id))
}

/// A device of the account was removed, and knows where this one is reached: it gets another address in each group.
pub(crate) fn device_removed(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    addresses::replace_all(ctx)
}

/// The account ends: every group is left that can be.
pub(crate) fn leave_all(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    for id in group::ids(ctx)? {
        match leaving::leave(ctx, &id) {
            // One that lost its last owner goes on without.
            Ok(_) | Err(Failure::Answer(_)) => {}
            Err(Failure::Engine(error)) => return Err(error),
        }
    }
    Ok(())
}

/// Somebody else's manifest was looked at again, and may have changed.
pub(crate) fn manifest_changed(ctx: &mut Ctx<'_, '_>, account: &AccountId) -> Result<(), EngineError> {
    roster::manifest_changed(ctx, account)?;
    joining::manifest_changed(ctx, account)
}

/// Another own device has written or deleted a group's entry of the vault.
pub(crate) fn vault_entry(ctx: &mut Ctx<'_, '_>, key: &str, value: Option<&[u8]>) -> Result<(), EngineError> {
    vault::entry(ctx, key, value)
}

/// This device is no longer one of the account's: every key of a group goes.
pub(crate) fn stopped(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    for id in group::ids(ctx)? {
        fanout::fail_all(ctx, &id, FailReason::DeviceStopped)?;
        apply::forget_keys(ctx, &id)?;
    }
    joining::stopped(ctx)?;
    requests::stopped(ctx)?;
    addresses::stopped(ctx)
}

// ---- Offered to messaging ------------------------------------------------------------------------------------

/// Once an hour: chains that have died go, and what has been held for too long.
pub(crate) fn tidy(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    for id in group::ids(ctx)? {
        chains::forget_dead(ctx, &id)?;
    }
    requests::forget_old(ctx)?;
    held::expire(ctx)
}

// ---- For the parts -------------------------------------------------------------------------------------------

/// A group that this account belongs to.
fn belonging(ctx: &mut Ctx<'_, '_>, id: &GroupId) -> Result<Option<Rc<group::Group>>, EngineError> {
    Ok(group::load(ctx, id)?.filter(|group| group.belongs()))
}

/// Whether an account belongs to a group that this one belongs to.
fn is_member(ctx: &mut Ctx<'_, '_>, id: &GroupId, account: &AccountId) -> Result<bool, EngineError> {
    Ok(belonging(ctx, id)?.is_some_and(|group| group.state.member(account).is_some()))
}

/// The relay has this device's address in a group.
fn address_opened(ctx: &mut Ctx<'_, '_>, id: &GroupId) -> Result<(), EngineError> {
    joining::proceed(ctx, id)?;
    roster::publish(ctx, id)
}

/// This device belongs to a group from now on.
fn entered(ctx: &mut Ctx<'_, '_>, id: &GroupId) -> Result<(), EngineError> {
    addresses::obtain(ctx, id)?;
    roster::members_changed(ctx, id)?;
    roster::publish(ctx, id)?;
    epoch_opened(ctx, id);
    vault::store(ctx, id)?;
    devices_changed(ctx, id)
}

/// A group that this account belongs to and does not leave, for a person's request.
fn acting(ctx: &mut Ctx<'_, '_>, id: &GroupId) -> Result<Rc<group::Group>, Failure> {
    if account::me(ctx)?.is_none() {
        return Err(account::not_active(ctx)?.into());
    }
    let Some(group) = group::load(ctx, id)? else { return Err(joining::not_in(ctx, id).into()) };
    match group.phase {
        group::Phase::Member => Ok(group),
        _ => Err(words::not_a_member().into()),
    }
}

/// Whether this account is an owner or admin.
fn is_admin(ctx: &mut Ctx<'_, '_>, group: &group::Group) -> Result<bool, EngineError> {
    Ok(group::own_role(ctx, group)?.is_some_and(|role| role >= Role::Admin))
}

/// An epoch can be opened that could not before.
fn epoch_opened(ctx: &mut Ctx<'_, '_>, id: &GroupId) {
    ask::satisfied(ctx, id, ask::What::Epoch);
    held::news(ctx, id, held::News::Epoch);
    fanout::look(ctx, id);
    propose::hurry(ctx, id);
}

/// Which devices messages of a group go to has changed.
fn devices_changed(ctx: &mut Ctx<'_, '_>, id: &GroupId) -> Result<(), EngineError> {
    chains::roster_changed(ctx, id)
}

/// Nothing more is said in the group or heard of it: its chains, what waits for it, and what is held go.
fn silence(ctx: &mut Ctx<'_, '_>, id: &GroupId) -> Result<(), EngineError> {
    concord::forget(ctx, id);
    fanout::erase(ctx, id)?;
    held::erase(ctx, id)?;
    chains::erase(ctx, id)
}

/// Whether an account belongs to the group by its newest state.
pub(crate) fn has_member(
    ctx: &mut Ctx<'_, '_>,
    id: &GroupId,
    account: &AccountId,
) -> Result<bool, EngineError> {
    Ok(group::load(ctx, id)?.is_some_and(|group| group.state().member(account).is_some()))
}

/// Tells every group that this account writes in where its profile is, since it has changed.
pub(crate) fn announce_profile(ctx: &mut Ctx<'_, '_>, shown: &ProfileRef) -> Result<(), EngineError> {
    let Some(me) = account::me(ctx)? else { return Ok(()) };
    for id in group::ids(ctx)? {
        let Some(group) = group::load(ctx, &id)?.filter(|group| group.phase == group::Phase::Member) else {
            continue;
        };
        if may_write(&group, &me.account) {
            let message_id = ctx.random::<{ MessageId::LEN }>().to_vec();
            let content = Content {
                message_id,
                sent_ms: ctx.now.as_millis(),
                profile: Some(shown.clone()),
                body: Some(Body::Announce(Announce {})),
                ..Default::default()
            };
            fanout::queue(ctx, &id, content, false)?;
        }
    }
    Ok(())
}

/// The outer key of the group's present epoch, and its number, if this device has it.
pub(crate) fn newest_key(
    ctx: &mut Ctx<'_, '_>,
    id: &GroupId,
) -> Result<Option<(u64, OuterKey)>, EngineError> {
    epochs::newest(ctx, id)
}

/// The certificate of a device whose messages in the group are believed.
pub(crate) fn certificate(
    ctx: &mut Ctx<'_, '_>,
    id: &GroupId,
    device: &DeviceId,
) -> Result<Option<DeviceCertificate>, EngineError> {
    Ok(roster::device(ctx, id, device)?.and_then(|device| device.certificate()))
}

/// Addresses at each relay, sorted.
pub(crate) type Reached = BTreeMap<RelayAddress, BTreeSet<DepositAddress>>;

/// The key that all of a group have, and where their devices are reached, sorted: for what is worth no second try.
pub(crate) fn reached_now(
    ctx: &mut Ctx<'_, '_>,
    id: &GroupId,
) -> Result<Option<(OuterKey, Reached)>, EngineError> {
    let Some((_, key)) = epochs::newest(ctx, id)? else { return Ok(None) };
    let mut relays: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for device in roster::devices(ctx, id)? {
        relays.entry(device.relay).or_default().insert(device.address);
    }
    Ok(Some((key, relays)))
}

/// Whether it is one's own account.
fn is_own(ctx: &mut Ctx<'_, '_>, account: &AccountId) -> Result<bool, EngineError> {
    Ok(account::me(ctx)?.is_some_and(|me| me.account == *account))
}

/// The outer key of the present epoch is not here.
fn lacks_epoch(ctx: &mut Ctx<'_, '_>, id: &GroupId) -> Result<(), EngineError> {
    ask::epoch(ctx, id)
}

/// The key that writes the record is not here, and this account may have it.
fn lacks_write_key(ctx: &mut Ctx<'_, '_>, id: &GroupId) -> Result<(), EngineError> {
    ask::write_key(ctx, id)
}

/// The state has changed, and this account belongs.
fn state_changed(ctx: &mut Ctx<'_, '_>, group: &group::Group) -> Result<(), EngineError> {
    ask::satisfied(ctx, &group.id, ask::What::State);
    concord::unsettled(ctx, &group.id);
    ctx.passing.groups.newcomers.insert(group.id);
    vault::store(ctx, &group.id)
}

/// This account no longer belongs.
fn left(ctx: &mut Ctx<'_, '_>, id: &GroupId) -> Result<(), EngineError> {
    requests::erase(ctx, id)?;
    links::erase(ctx, id)?;
    vault::erase(ctx, id)
}

/// Groups that this account does not belong to yet.
fn before_joining(ctx: &mut Ctx<'_, '_>) -> Result<Vec<api::Group>, EngineError> {
    let mut groups = joining::shown(ctx);
    let known = group::ids(ctx)?;
    groups.retain(|group| !known.contains(&group.id));
    Ok(groups)
}

/// Somebody has done this: it stands in the conversation.
fn told(
    ctx: &mut Ctx<'_, '_>,
    group: &group::Group,
    actor: AccountId,
    changes: Vec<GroupChange>,
    before: &State,
) -> Result<(), EngineError> {
    // Who has just gone is called as before.
    let actor_name = match before.member(&actor) {
        Some(member) => member.address.name().to_string(),
        None => messaging::group_name(ctx, &group.id, &actor)?,
    };
    for change in changes {
        let notice = Notice::Group { actor, actor_name: actor_name.clone(), change };
        messaging::group_notice(ctx, &group.id, &actor, notice)?;
    }
    Ok(())
}
