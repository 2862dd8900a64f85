//! This account gets into a group: it was invited, or holds a link.
//!
//! ```text
//!   invited by a contact ─▶ Invited ── accept ─┐
//!                              └─ decline ─▶ (forgotten)
//!   a link ────────────────────────────────────┴▶ Preparing ── address open, inviter reached ─▶ Asked ── welcome ─▶ member
//!                                                                                                 └── refused ─▶ Refused
//! ```
//!
//! What is asked for is said with this device's signed consent and leaf. The answer, a welcome, is taken from the account that
//! invited and from nobody else: a stranger who has seen the consent can't make up a group around it.

use std::collections::BTreeMap;

use wheesht_proto::{
    address::Address,
    group::{InviteToGroup, JoinRequest, Refusal, Welcome, group_control::What, refusal::Reason},
    ids::{AccountId, GroupId},
    limits::DAY_MS,
    prost::Message as _,
    stored::{GroupJoining as Row, group_joining::Phase},
};
use zeroize::Zeroize as _;

use super::{
    super::{
        Ctx, EngineError, account,
        error::{Answer, Failure},
        messaging, people,
        tables::GROUP_JOININGS,
        timers::Timer,
    },
    addresses, apply, epochs,
    group::{self, Group},
    members, requests, roster, words,
};
use crate::{
    api::{self, ContactState, Error, ErrorCode, EventKind, GroupChange, GroupPhase, GroupRefusal, Response},
    crypto::secret::Secret as _,
    protocol::group::{Checkpoint, Consent, Invitation, InviteSecret, OuterKey},
    store::Direction,
    time::Timestamp,
};

/// Invitations and requests kept at once: more are dropped, as so many say that they are spam.
const MAX_JOININGS: usize = 200;

/// Invitations of one contact that wait for an answer: one can't fill the list for all others.
const MAX_OF_ONE: usize = 20;

/// A request that nobody answers is asked again after this long (milliseconds), and given up after the last.
const ASK_AGAIN_MS: u64 = DAY_MS;
const GIVE_UP_MS: u64 = 14 * DAY_MS;

/// An inviter who could not be looked up is looked up again after this long (milliseconds).
const LOOK_AGAIN_MS: u64 = 60_000;

/// Groups one is about to join.
#[derive(Default)]
pub(super) struct Joinings {
    rows: BTreeMap<GroupId, (u64, Row)>,
    due: BTreeMap<GroupId, Timestamp>,
}

/// Finds them again.
pub(super) fn start(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    for (n, row) in ctx.tx.scan(GROUP_JOININGS, b"", .., Direction::Forward, usize::MAX)? {
        let row = Row::decode(row.as_slice()).map_err(|_| unreadable())?;
        let id = GroupId::try_from(&*row.group_id).map_err(|_| unreadable())?;
        if matches!(row.phase(), Phase::Preparing | Phase::Asked) {
            arm(ctx, &id, ctx.now);
        }
        ctx.passing.groups.joinings.rows.insert(id, (n, row));
    }
    Ok(())
}

/// Groups that this account does not belong to yet, as an app sees them.
pub(super) fn shown(ctx: &Ctx<'_, '_>) -> Vec<api::Group> {
    ctx.passing.groups.joinings.rows.iter().filter_map(|(id, (_, row))| show(*id, row)).collect()
}

/// One of them.
pub(super) fn shown_one(ctx: &Ctx<'_, '_>, id: &GroupId) -> Option<api::Group> {
    show(*id, row(ctx, id)?)
}

/// A contact invites this account.
// GRO-13
pub(super) fn invited(
    ctx: &mut Ctx<'_, '_>,
    from: &AccountId,
    id: &GroupId,
    invite: InviteToGroup,
) -> Result<bool, EngineError> {
    let contact = people::by_id(ctx, from)?.filter(|contact| contact.state == ContactState::Accepted);
    let Some(contact) = contact else { return Ok(false) };
    let busy = row(ctx, id).is_some_and(|row| matches!(row.phase(), Phase::Preparing | Phase::Asked));
    let rows = &ctx.passing.groups.joinings.rows;
    let theirs = rows
        .values()
        .filter(|(_, row)| row.phase() == Phase::Invited && row.inviter == from.as_ref())
        .count();
    let full = row(ctx, id).is_none() && (rows.len() >= MAX_JOININGS || theirs >= MAX_OF_ONE);
    if busy || full || super::belonging(ctx, id)?.is_some() || !wholesome(&invite.title) {
        return Ok(true);
    }
    let mut joining = Row {
        group_id: id.to_vec(),
        inviter: from.to_vec(),
        address: contact.address.to_string(),
        title: invite.title,
        members: invite.members,
        offer_id: invite.offer_id,
        since_ms: ctx.now.as_millis(),
        ..Default::default()
    };
    joining.set_phase(Phase::Invited);
    save(ctx, id, joining)?;
    tell(ctx, id)?;
    Ok(true)
}

/// Accepts an invitation.
pub(super) fn accept(ctx: &mut Ctx<'_, '_>, id: &GroupId) -> Answer {
    if account::me(ctx)?.is_none() {
        return Err(account::not_active(ctx)?.into());
    }
    let Some(mut joining) = row(ctx, id).cloned() else { return Err(no_invitation().into()) };
    if matches!(joining.phase(), Phase::Invited | Phase::Refused) {
        joining.set_phase(Phase::Preparing);
        joining.since_ms = ctx.now.as_millis();
        save(ctx, id, joining)?;
        addresses::obtain(ctx, id)?;
        proceed(ctx, id)?;
    }
    answer(ctx, id)
}

/// Declines an invitation, or takes a request back.
pub(super) fn decline(ctx: &mut Ctx<'_, '_>, id: &GroupId) -> Answer {
    let Some(joining) = row(ctx, id).cloned() else { return Err(no_invitation().into()) };
    if let Ok(inviter) = AccountId::try_from(&*joining.inviter)
        && joining.phase() == Phase::Invited
    {
        let reason = Reason::Declined as i32;
        let refusal = Refusal { reason, offer_id: joining.offer_id.clone() };
        messaging::queue_control(ctx, id, &inviter, None, What::Refused(refusal))?;
    }
    forget(ctx, id)?;
    addresses::close(ctx, id)?;
    ctx.event(EventKind::GroupDeleted { group: *id })?;
    Ok(Some(Response::Done))
}

/// Asks to join by a link.
pub(super) fn by_link(ctx: &mut Ctx<'_, '_>, link: &str) -> Answer {
    let Some(me) = account::me(ctx)? else { return Err(account::not_active(ctx)?.into()) };
    let invitation = Invitation::from_link(link).map_err(|error| {
        Error::new(ErrorCode::Invalid, format!("{error}.")).next("Ask for the link again.")
    })?;
    let id = invitation.group;
    // GRO-14
    if invitation.expires.is_some_and(|expires| expires <= ctx.now) {
        return Err(Error::new(ErrorCode::Invalid, "This link has expired.")
            .next("Ask for a new one.")
            .into());
    }
    if super::belonging(ctx, &id)?.is_some() {
        return Err(Error::new(ErrorCode::Invalid, "You belong to this group already.").into());
    }
    if invitation.identity == me.account {
        return Err(Error::new(ErrorCode::Invalid, "You made this link yourself.").into());
    }
    if row(ctx, &id).is_none() && ctx.passing.groups.joinings.rows.len() >= MAX_JOININGS {
        return Err(Error::new(ErrorCode::TooLarge, "Too many invitations and requests are open.")
            .next("Decline some first.")
            .into());
    }
    let mut joining = Row {
        group_id: id.to_vec(),
        inviter: invitation.identity.to_vec(),
        address: invitation.address.to_string(),
        title: invitation.title,
        invite_secret: invitation.secret.to_bytes().to_vec(),
        since_ms: ctx.now.as_millis(),
        ..Default::default()
    };
    joining.set_phase(Phase::Preparing);
    save(ctx, &id, joining)?;
    addresses::obtain(ctx, &id)?;
    proceed(ctx, &id)?;
    answer(ctx, &id)
}

/// Goes on with what waits for the address, or for the inviter to be found.
pub(super) fn proceed(ctx: &mut Ctx<'_, '_>, id: &GroupId) -> Result<(), EngineError> {
    let Some(joining) = row(ctx, id).filter(|row| row.phase() == Phase::Preparing).cloned() else {
        return Ok(());
    };
    if given_up(ctx, &joining) {
        return refuse(ctx, id, joining, Reason::Unspecified);
    }
    let (Ok(inviter), Ok(address)) =
        (AccountId::try_from(&*joining.inviter), joining.address.parse::<Address>())
    else {
        return Err(unreadable());
    };
    if !people::meet_fellow(ctx, &inviter, &address)? {
        arm(ctx, id, ctx.now.plus_millis(LOOK_AGAIN_MS));
        return Ok(());
    }
    // The leaf can only be signed once the relay has the address.
    if roster::own_leaf(ctx, id)?.is_some() { ask(ctx, id, &inviter, joining) } else { Ok(()) }
}

/// An account can be reached now: perhaps one that invited.
pub(super) fn manifest_changed(ctx: &mut Ctx<'_, '_>, account: &AccountId) -> Result<(), EngineError> {
    if people::by_id(ctx, account)?.is_none() {
        return Ok(());
    }
    let rows = &ctx.passing.groups.joinings.rows;
    let waiting = rows.iter().filter(|(_, (_, row))| row.inviter == account.as_ref());
    let waiting: Vec<_> = waiting.map(|(id, _)| *id).collect();
    waiting.iter().try_for_each(|id| proceed(ctx, id))
}

/// Asks again what nobody answers, and gives up in the end.
pub(super) fn due(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    let now = ctx.now;
    let due = &ctx.passing.groups.joinings.due;
    let due: Vec<_> = due.iter().filter(|(_, at)| **at <= now).map(|(id, _)| *id).collect();
    for id in due {
        ctx.passing.groups.joinings.due.remove(&id);
        let Some(mut joining) = row(ctx, &id).cloned() else { continue };
        if joining.phase() == Phase::Asked {
            if given_up(ctx, &joining) {
                refuse(ctx, &id, joining, Reason::Unspecified)?;
                continue;
            }
            joining.set_phase(Phase::Preparing);
            save(ctx, &id, joining)?;
        }
        proceed(ctx, &id)?;
    }
    if let Some(next) = ctx.passing.groups.joinings.due.values().min().copied() {
        ctx.passing.timers.set_by(Timer::Groups, next);
    }
    Ok(())
}

/// Whether this account waits for a welcome into this group from this one.
pub(super) fn asked(ctx: &Ctx<'_, '_>, id: &GroupId, of: &AccountId) -> bool {
    row(ctx, id).is_some_and(|row| row.phase() == Phase::Asked && row.inviter == of.as_ref())
}

/// Whether this account has asked to be let into this group, or is about to.
pub(super) fn is_under_way(ctx: &Ctx<'_, '_>, id: &GroupId) -> bool {
    row(ctx, id).is_some_and(|row| matches!(row.phase(), Phase::Preparing | Phase::Asked))
}

/// The inviter lets this account in. Gives whether anything was waiting for that.
// GRO-17
pub(super) fn welcomed(
    ctx: &mut Ctx<'_, '_>,
    from: &AccountId,
    id: &GroupId,
    welcome: Welcome,
) -> Result<bool, EngineError> {
    if !asked(ctx, id, from) {
        if !super::is_member(ctx, id, from)? {
            return Ok(false);
        }
        // A later part, or a device of theirs that says it too.
    } else if !enter(ctx, from, id, &welcome)? {
        return Ok(true);
    }
    members::learn(ctx, id, &welcome.manifests)?;
    roster::learn_newest(ctx, id, &welcome.leaves)?;
    Ok(true)
}

/// Takes the group's state and key over, if they are what was asked for.
fn enter(
    ctx: &mut Ctx<'_, '_>,
    from: &AccountId,
    id: &GroupId,
    welcome: &Welcome,
) -> Result<bool, EngineError> {
    let (Some(me), Some(checkpoint), Some(given)) = (account::me(ctx)?, &welcome.checkpoint, &welcome.epoch)
    else {
        return Ok(false);
    };
    let Ok(checkpoint) = Checkpoint::verify(checkpoint, id) else { return Ok(false) };
    let Ok(key) = <[u8; 32]>::try_from(given.outer_key.as_slice()).map(|key| OuterKey::restore(&key)) else {
        return Ok(false);
    };
    let state = checkpoint.state();
    let epoch = *state.epoch();
    let whole = state.member(&me.account).is_some()
        && state.member(from).is_some()
        && given.epoch == epoch.number
        && key.commitment(epoch.number) == epoch.key_commitment;
    if !whole {
        return Ok(false);
    }
    forget(ctx, id)?;
    let group = group::save_state(ctx, Group::new(state.clone(), checkpoint.head()))?;
    epochs::begin(ctx, id, epoch.number, &key);
    let added_by = state.member(&me.account).map_or(*from, |member| member.added_by);
    let added = GroupChange::Added { account: me.account, name: words::name(state, &me.account) };
    super::told(ctx, &group, added_by, vec![added], state)?;
    super::entered(ctx, id)?;
    apply::shown(ctx, id)?;
    Ok(true)
}

/// The inviter does not let this account in; or, to the one who invited: the other declines.
pub(super) fn refused(
    ctx: &mut Ctx<'_, '_>,
    from: &AccountId,
    id: &GroupId,
    refusal: &Refusal,
) -> Result<bool, EngineError> {
    match row(ctx, id).cloned() {
        Some(joining) if asked(ctx, id, from) => {
            // A reason of some later version is a reason, though not one that can be told.
            let reason = match refusal.reason() {
                Reason::Unspecified => Reason::Declined,
                reason => reason,
            };
            refuse(ctx, id, joining, reason).map(|()| true)
        }
        _ => requests::declined(ctx, id, from),
    }
}

/// Another own device has joined: what this one had under way is settled.
pub(super) fn settled(ctx: &mut Ctx<'_, '_>, id: &GroupId) -> Result<(), EngineError> {
    forget(ctx, id)
}

/// Forgets everything: this device is no longer one of the account's.
pub(super) fn stopped(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    ctx.tx.delete_all(GROUP_JOININGS, b"")?;
    ctx.passing.groups.joinings = Joinings::default();
    Ok(())
}

fn ask(
    ctx: &mut Ctx<'_, '_>,
    id: &GroupId,
    inviter: &AccountId,
    mut joining: Row,
) -> Result<(), EngineError> {
    let (Some(me), Some(leaf)) = (account::me(ctx)?, roster::own_leaf(ctx, id)?) else { return Ok(()) };
    let secret = joining.invite_secret.as_slice().try_into().ok().map(InviteSecret::from_bytes);
    let consent =
        Consent::give(&me.signing, &me.certificate, &me.address, *id, *inviter, secret.as_ref(), ctx.now);
    let request = JoinRequest {
        consent: consent.encoded().to_vec(),
        leaves: vec![leaf.encoded().to_vec()],
        manifest: me.manifest.encoded().to_vec(),
        offer_id: joining.offer_id.clone(),
    };
    joining.set_phase(Phase::Asked);
    save(ctx, id, joining)?;
    arm(ctx, id, ctx.now.plus_millis(ASK_AGAIN_MS));
    messaging::queue_control(ctx, id, inviter, None, What::Join(request))?;
    tell(ctx, id)
}

/// `Unspecified`: nobody has answered.
fn refuse(ctx: &mut Ctx<'_, '_>, id: &GroupId, mut joining: Row, reason: Reason) -> Result<(), EngineError> {
    joining.set_phase(Phase::Refused);
    joining.refusal = reason.into();
    joining.since_ms = ctx.now.as_millis();
    save(ctx, id, joining)?;
    ctx.passing.groups.joinings.due.remove(id);
    addresses::close(ctx, id)?;
    tell(ctx, id)
}

fn given_up(ctx: &Ctx<'_, '_>, joining: &Row) -> bool {
    ctx.now.as_millis().saturating_sub(joining.since_ms) >= GIVE_UP_MS
}

fn arm(ctx: &mut Ctx<'_, '_>, id: &GroupId, at: Timestamp) {
    ctx.passing.groups.joinings.due.insert(*id, at);
    ctx.passing.timers.set_by(Timer::Groups, at);
}

fn tell(ctx: &mut Ctx<'_, '_>, id: &GroupId) -> Result<(), EngineError> {
    match shown_one(ctx, id) {
        Some(group) => ctx.event(EventKind::Group { group }),
        None => Ok(()),
    }
}

/// Why nothing can be done in a group that one is not in: perhaps one only has not come in yet.
pub(super) fn not_in(ctx: &Ctx<'_, '_>, id: &GroupId) -> Error {
    match row(ctx, id).map(Row::phase) {
        Some(Phase::Invited) => words::only_invited(),
        Some(Phase::Preparing | Phase::Asked) => words::not_yet_in(),
        _ => words::no_group(id),
    }
}

fn answer(ctx: &Ctx<'_, '_>, id: &GroupId) -> Answer {
    let group = shown_one(ctx, id).ok_or_else(|| Failure::Answer(no_invitation()))?;
    Ok(Some(Response::Group { group }))
}

fn show(id: GroupId, row: &Row) -> Option<api::Group> {
    let phase = match row.phase() {
        Phase::Invited => GroupPhase::Invited,
        Phase::Preparing | Phase::Asked => GroupPhase::Joining,
        Phase::Refused => GroupPhase::Refused,
        Phase::Unspecified => return None,
    };
    Some(api::Group {
        id,
        title: row.title.clone(),
        about: String::new(),
        picture: None,
        phase,
        role: None,
        policy: None,
        members: row.members,
        inviter: AccountId::try_from(&*row.inviter).ok(),
        refusal: (phase == GroupPhase::Refused).then(|| refusal(row.refusal)),
        version: 0,
        founded: None,
        relay: None,
        pending: Vec::new(),
    })
}

/// Why it was refused, for a person.
fn refusal(reason: i32) -> GroupRefusal {
    match Reason::try_from(reason) {
        Ok(Reason::Closed) => GroupRefusal::Closed,
        Ok(Reason::Expired) => GroupRefusal::Expired,
        Ok(Reason::Banned) => GroupRefusal::Banned,
        Ok(Reason::Full) => GroupRefusal::Full,
        Ok(Reason::Declined) => GroupRefusal::Declined,
        Ok(Reason::Unspecified) | Err(_) => GroupRefusal::Unanswered,
    }
}

/// A title that can be shown on one line.
fn wholesome(title: &str) -> bool {
    (1..=wheesht_proto::limits::MAX_GROUP_TITLE).contains(&title.len())
        && !title.chars().any(char::is_control)
}

fn no_invitation() -> Error {
    Error::new(ErrorCode::NotFound, "There is no invitation to this group.")
}

fn row<'c>(ctx: &'c Ctx<'_, '_>, id: &GroupId) -> Option<&'c Row> {
    ctx.passing.groups.joinings.rows.get(id).map(|(_, row)| row)
}

fn save(ctx: &mut Ctx<'_, '_>, id: &GroupId, row: Row) -> Result<(), EngineError> {
    let known = ctx.passing.groups.joinings.rows.get(id).map(|(n, _)| *n);
    let n = match known {
        Some(n) => n,
        None => ctx.tx.next_sequence(GROUP_JOININGS, b"")?,
    };
    ctx.save(GROUP_JOININGS, b"", n, &row);
    ctx.passing.groups.joinings.rows.insert(*id, (n, row));
    Ok(())
}

fn forget(ctx: &mut Ctx<'_, '_>, id: &GroupId) -> Result<(), EngineError> {
    ctx.passing.groups.joinings.due.remove(id);
    if let Some((n, mut row)) = ctx.passing.groups.joinings.rows.remove(id) {
        ctx.tx.delete(GROUP_JOININGS, b"", n);
        row.invite_secret.zeroize();
    }
    Ok(())
}

const fn unreadable() -> EngineError {
    EngineError::Row { what: GROUP_JOININGS.name() }
}
