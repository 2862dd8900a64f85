//! Others get into a group: whom this account has invited, and who asks to be let in.
//!
//! ```text
//!   join request ─▶ consent, manifest, leaves hold? ─▶ invited here, or by a link? ─▶ admin: propose the addition ─▶ applied
//!                        │ no: dropped                    │ no: refused                 │ else: given to the admins      │
//!                                                                                                          welcome ◀───────┘
//! ```
//!
//! An admin's client signs additions that are due by themselves: of those whom a member invited who may, and by link if the group
//! is open. Otherwise a person decides. The welcome comes from the account that invited, since it is the one whom the newcomer
//! knows; whoever signed the addition tells the group of the newcomer's leaves.

use wheesht_proto::{
    address::Address,
    group::{EpochKey, InviteToGroup, JoinRequest, Refusal, Welcome, group_control::What, refusal::Reason},
    ids::{AccountId, GroupId},
    limits::{DAY_MS, MAX_GROUP_MEMBERS},
    prost::Message as _,
    stored::{GroupOffer, GroupRequest},
};

use super::{
    super::{
        Ctx, EngineError, account,
        error::Answer,
        messaging, people,
        tables::{GROUP_OFFERS, GROUP_REQUESTS},
    },
    apply, ask, epochs,
    group::{self, Group},
    members, parts, propose, roster,
};
use crate::{
    api::{self, ContactState, Error, ErrorCode, EventKind, Response, Who},
    crypto::secret::Secret as _,
    protocol::group::{Action, Consent, Joining, Leaf, UnverifiedConsent, UnverifiedLeaf},
    signed::UnverifiedManifest,
    store::Direction,
    time::Timestamp,
};

/// Invitations and requests of all groups that are kept at once.
const MAX_ROWS: usize = 2_000;

/// An invitation that nobody accepted, and a request that nobody answered, are forgotten after this long (milliseconds).
const OFFER_MS: u64 = 30 * DAY_MS;

/// Admins that a request is given to.
const ADMINS: usize = 5;

// ---- What a person does --------------------------------------------------------------------------------------

/// Invites a contact.
pub(super) fn invite(ctx: &mut Ctx<'_, '_>, id: &GroupId, who: &Who) -> Answer {
    let group = super::acting(ctx, id)?;
    let Some(me) = account::me(ctx)? else { return Err(account::not_active(ctx)?.into()) };
    let contact = people::resolve(ctx, who)?.filter(|contact| contact.state == ContactState::Accepted);
    let Some(contact) = contact else {
        return Err(Error::new(
            ErrorCode::NotFound,
            format!("{who} is no contact who has accepted to talk."),
        )
        .next("Make a link into the group and send them that, or add the contact first.")
        .into());
    };
    let name = contact.address.canonical();
    let role = group.state().role(&me.account);
    if role.is_none_or(|role| role < group.state().policy().invite) {
        return Err(Error::new(ErrorCode::NotPermitted, "Only admins invite into this group.").into());
    }
    if group.state().member(&contact.id).is_some() {
        return Err(Error::new(ErrorCode::Invalid, format!("{name} belongs to the group already.")).into());
    }
    if group.state().banned().contains(&contact.id) {
        return Err(Error::new(ErrorCode::Invalid, format!("{name} was banned from this group."))
            .next("An admin can lift the ban.")
            .into());
    }
    if group.state().members().len() >= MAX_GROUP_MEMBERS {
        return Err(full().into());
    }
    let mut offer_id = ctx.random::<16>().to_vec();
    let known = offers(ctx)?;
    if known.len() >= MAX_ROWS {
        return Err(Error::new(ErrorCode::TooLarge, "Too many invitations are open.").into());
    }
    for (n, offer) in known {
        if offer.group_id == id.as_ref() && offer.identity == contact.id.as_ref() {
            ctx.tx.delete(GROUP_OFFERS, b"", n);
            // Asked twice is asked: an acceptance of the first may be on its way.
            offer_id = offer.offer_id;
        }
    }
    let offer = GroupOffer {
        group_id: id.to_vec(),
        identity: contact.id.to_vec(),
        offer_id: offer_id.clone(),
        made_ms: ctx.now.as_millis(),
    };
    ctx.tx.append(GROUP_OFFERS, b"", offer.encode_to_vec())?;
    let invite = InviteToGroup {
        title: group.state().description().title.clone(),
        members: u32::try_from(group.state().members().len()).unwrap_or(u32::MAX),
        offer_id,
    };
    messaging::queue_control(ctx, id, &contact.id, None, What::Invite(invite))?;
    Ok(Some(Response::Done))
}

/// Answers somebody who asks to join.
pub(super) fn answer(ctx: &mut Ctx<'_, '_>, id: &GroupId, account: &AccountId, accept: bool) -> Answer {
    let group = super::acting(ctx, id)?;
    let Some((n, row)) = find(ctx, id, account)?.filter(|(_, row)| row.waits) else {
        return Err(Error::new(ErrorCode::NotFound, "Nobody of that account asks to join.").into());
    };
    if !super::is_admin(ctx, &group)? {
        return Err(Error::new(ErrorCode::NotPermitted, "Only admins let others in.").into());
    }
    let Some(request) = read(&row) else { return Err(full().into()) };
    // Kept a while: it says where the answer goes.
    ctx.save(GROUP_REQUESTS, b"", n, &GroupRequest { waits: false, ..row });
    if accept {
        propose::propose(ctx, id, vec![Action::Add(Box::new(request.consent))])?;
    } else {
        refuse(ctx, id, account, Reason::Declined)?;
    }
    apply::answer(ctx, id)
}

/// Who asks to join and waits for a person.
pub(super) fn shown(ctx: &Ctx<'_, '_>, id: &GroupId) -> Result<Vec<api::JoinRequest>, EngineError> {
    let rows = rows(ctx)?.into_iter().filter(|(_, row)| row.waits && row.group_id == id.as_ref());
    Ok(rows.filter_map(|(_, row)| show(*id, &row)).collect())
}

// ---- What others do ------------------------------------------------------------------------------------------

/// Somebody asks to be let in, or a member gives on that somebody does. Gives whether it was wanted.
// GRO-15, GRO-16
pub(super) fn asked(
    ctx: &mut Ctx<'_, '_>,
    from: &AccountId,
    id: &GroupId,
    request: JoinRequest,
) -> Result<bool, EngineError> {
    let (Some(group), Some(me)) = (super::belonging(ctx, id)?, account::me(ctx)?) else { return Ok(false) };
    let Some(asking) = Asking::verify(id, &request) else { return Ok(false) };
    let joiner = asking.consent.identity();
    let inviter = asking.consent.inviter();
    let direct = *from == joiner;
    if !direct && group.state().member(from).is_none() {
        return Ok(false);
    }
    if group.state().member(&joiner).is_some() {
        // Its welcome got lost.
        if direct && inviter == me.account {
            keep(ctx, id, &joiner, &request)?;
            newcomers(ctx, id)?;
        }
        return Ok(true);
    }
    let refusal = match asking.consent.invite_key() {
        Some(_) if group.state().policy().joining == Joining::Closed => Some(Reason::Closed),
        Some(key) => {
            let invite = group.state().invites().iter().find(|invite| invite.key == *key);
            let good = invite.is_some_and(|invite| {
                invite.expires.is_none_or(|expires| expires > ctx.now) && invite.uses_left != Some(0)
            });
            (!good).then_some(Reason::Expired)
        }
        None if direct => {
            let offered = inviter == me.account && offered(ctx, id, &joiner, &request.offer_id)?;
            // An invitation is known to the own device that made it, and the request reaches them all: whoever doesn't know of it
            // leaves the answer to the one that does.
            let siblings = inviter == me.account && me.manifest.devices().len() > 1;
            if !offered && siblings && !invited(ctx, id, &joiner)? {
                return Ok(true);
            }
            (!offered).then_some(Reason::Expired)
        }
        // A member gives on whom it has invited itself.
        None => {
            let may = inviter == *from
                && group.state().role(from).is_some_and(|role| role >= group.state().policy().invite);
            (!may).then_some(Reason::Declined)
        }
    };
    let refusal = refusal
        .or_else(|| group.state().banned().contains(&joiner).then_some(Reason::Banned))
        .or_else(|| (group.state().members().len() >= MAX_GROUP_MEMBERS).then_some(Reason::Full));
    if let Some(reason) = refusal {
        if direct {
            keep(ctx, id, &joiner, &request)?;
            refuse(ctx, id, &joiner, reason)?;
        }
        return Ok(direct);
    }
    let Some(n) = keep(ctx, id, &joiner, &request)? else { return Ok(false) };
    people::fellow_manifest(ctx, &joiner, asking.consent.address(), &request.manifest)?;
    let by_link = asking.consent.invite_key().is_some();
    if !super::is_admin(ctx, &group)? {
        forward(ctx, &group, n, request)?;
    } else if by_link && group.state().policy().joining == Joining::Approval {
        let Some(mut row) = ctx.load::<GroupRequest>(GROUP_REQUESTS, b"", n)? else { return Ok(true) };
        let told = std::mem::replace(&mut row.waits, true);
        ctx.save(GROUP_REQUESTS, b"", n, &row);
        if let Some(request) = show(*id, &row).filter(|_| !told) {
            ctx.event(EventKind::JoinRequest { request })?;
        }
    } else {
        propose::by_itself(ctx, id, vec![Action::Add(Box::new(asking.consent))])?;
    }
    Ok(true)
}

/// Whom this account invited declines. Gives whether it had invited them.
pub(super) fn declined(ctx: &mut Ctx<'_, '_>, id: &GroupId, from: &AccountId) -> Result<bool, EngineError> {
    let mut any = false;
    for (n, offer) in offers(ctx)? {
        if offer.group_id == id.as_ref() && offer.identity == from.as_ref() {
            ctx.tx.delete(GROUP_OFFERS, b"", n);
            any = true;
        }
    }
    Ok(any)
}

/// The state has changed: whoever asked and belongs now is welcomed by who invited, and made known by who has its leaves.
// GRO-17
pub(super) fn newcomers(ctx: &mut Ctx<'_, '_>, id: &GroupId) -> Result<(), EngineError> {
    let (Some(group), Some(me)) = (super::belonging(ctx, id)?, account::me(ctx)?) else { return Ok(()) };
    let (mut leaves, mut manifests) = (Vec::new(), Vec::new());
    for (n, row) in rows(ctx)? {
        if row.group_id != id.as_ref() {
            continue;
        }
        let Some(request) = read(&row) else { continue };
        let account = request.consent.identity();
        if group.state().member(&account).is_none() {
            if group.state().banned().contains(&account) {
                ctx.tx.delete(GROUP_REQUESTS, b"", n);
            }
            continue;
        }
        ctx.tx.delete(GROUP_REQUESTS, b"", n);
        declined(ctx, id, &account)?;
        let shown: Vec<_> = request.leaves.iter().map(|leaf| leaf.encoded().to_vec()).collect();
        people::fellow_manifest(ctx, &account, request.consent.address(), &request.manifest)?;
        roster::learn(ctx, id, &shown)?;
        if request.consent.inviter() == me.account {
            welcome(ctx, &group, &account)?;
        }
        leaves.extend(shown);
        manifests.push(request.manifest);
    }
    if leaves.is_empty() { Ok(()) } else { roster::announce(ctx, id, leaves, manifests) }
}

/// The leaves of somebody who asks to join: where the answer goes.
pub(super) fn leaves_of(
    ctx: &Ctx<'_, '_>,
    id: &GroupId,
    account: &AccountId,
) -> Result<Option<Vec<Leaf>>, EngineError> {
    let found = find(ctx, id, account)?;
    Ok(found.and_then(|(_, row)| read(&row)).map(|request| request.leaves))
}

/// Forgets what nobody answered, and everything of groups that are left.
pub(super) fn forget_old(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    let now = ctx.now;
    let old = |since: u64| now.as_millis().saturating_sub(since) >= OFFER_MS;
    for (n, offer) in offers(ctx)? {
        if old(offer.made_ms) || !current(ctx, &offer.group_id)? {
            ctx.tx.delete(GROUP_OFFERS, b"", n);
        }
    }
    for (n, row) in rows(ctx)? {
        if old(row.asked_ms) || !current(ctx, &row.group_id)? {
            ctx.tx.delete(GROUP_REQUESTS, b"", n);
        }
    }
    Ok(())
}

/// Forgets what is about one group.
pub(super) fn erase(ctx: &mut Ctx<'_, '_>, id: &GroupId) -> Result<(), EngineError> {
    for (n, offer) in offers(ctx)? {
        if offer.group_id == id.as_ref() {
            ctx.tx.delete(GROUP_OFFERS, b"", n);
        }
    }
    for (n, row) in rows(ctx)? {
        if row.group_id == id.as_ref() {
            ctx.tx.delete(GROUP_REQUESTS, b"", n);
        }
    }
    Ok(())
}

/// Forgets everything.
pub(super) fn stopped(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    ctx.tx.delete_all(GROUP_OFFERS, b"")?;
    ctx.tx.delete_all(GROUP_REQUESTS, b"")?;
    Ok(())
}

// ---- The parts -----------------------------------------------------------------------------------------------

/// A request whose every statement holds.
struct Asking {
    consent: Consent,
    leaves: Vec<Leaf>,
    manifest: Vec<u8>,
}

impl Asking {
    // GRO-15
    fn verify(id: &GroupId, request: &JoinRequest) -> Option<Self> {
        let consent = UnverifiedConsent::decode(&request.consent).ok()?.verify().ok()?;
        let account = consent.identity();
        let address: &Address = consent.address();
        let manifest = UnverifiedManifest::decode(&request.manifest).ok()?;
        let manifest = manifest.verify_alone(Some(&account), Some(address)).ok()?;
        manifest.device_by_encoding(consent.certificate().encoded())?;
        let mut leaves = Vec::new();
        for encoded in request.leaves.iter().take(wheesht_proto::limits::MAX_DEVICES) {
            let leaf = UnverifiedLeaf::decode(encoded).ok()?.verify().ok()?;
            manifest.device_by_encoding(leaf.certificate())?;
            if leaf.group() != *id || leaf.identity() != account {
                return None;
            }
            leaves.push(leaf);
        }
        let whole = consent.group() == *id && !leaves.is_empty();
        whole.then_some(Self { consent, leaves, manifest: request.manifest.clone() })
    }
}

/// The welcome, in as many parts as the roster needs.
fn welcome(ctx: &mut Ctx<'_, '_>, group: &Group, account: &AccountId) -> Result<(), EngineError> {
    let checkpoint = group::checkpoint(ctx, group, group.state.version())?.to_wire(ask::CHECKPOINT);
    let Some((epoch, key)) = epochs::newest(ctx, &group.id)? else { return Ok(()) };
    let epoch = EpochKey { epoch, outer_key: key.expose().to_vec() };
    let known = roster::load(ctx, &group.id)?;
    let parts = parts::parts(ctx, known.roster().leaves())?;
    let count = u32::try_from(parts.len()).unwrap_or(u32::MAX);
    for (part, (leaves, manifests)) in (0..).zip(parts) {
        let first = part == 0;
        let welcome = Welcome {
            checkpoint: first.then(|| checkpoint.clone()),
            epoch: first.then(|| epoch.clone()),
            leaves,
            part,
            parts: count,
            manifests,
        };
        messaging::queue_control(ctx, &group.id, account, None, What::Welcome(welcome))?;
    }
    Ok(())
}

fn forward(ctx: &mut Ctx<'_, '_>, group: &Group, n: u64, request: JoinRequest) -> Result<(), EngineError> {
    for admin in members::admins(ctx, group)?.into_iter().take(ADMINS) {
        messaging::queue_control(ctx, &group.id, &admin, None, What::Join(request.clone()))?;
    }
    if let Some(row) = ctx.load::<GroupRequest>(GROUP_REQUESTS, b"", n)? {
        ctx.save(GROUP_REQUESTS, b"", n, &GroupRequest { forwarded: true, ..row });
    }
    Ok(())
}

fn refuse(
    ctx: &mut Ctx<'_, '_>,
    id: &GroupId,
    account: &AccountId,
    reason: Reason,
) -> Result<(), EngineError> {
    let refusal = Refusal { reason: reason as i32, offer_id: Vec::new() };
    messaging::queue_control(ctx, id, account, None, What::Refused(refusal))
}

/// Keeps a request, in place of an earlier one of the same account.
fn keep(
    ctx: &mut Ctx<'_, '_>,
    id: &GroupId,
    account: &AccountId,
    request: &JoinRequest,
) -> Result<Option<u64>, EngineError> {
    let row = GroupRequest {
        group_id: id.to_vec(),
        identity: account.to_vec(),
        request: request.encode_to_vec(),
        asked_ms: ctx.now.as_millis(),
        ..Default::default()
    };
    if let Some((n, known)) = find(ctx, id, account)? {
        ctx.save(GROUP_REQUESTS, b"", n, &GroupRequest { waits: known.waits, ..row });
        return Ok(Some(n));
    }
    if rows(ctx)?.len() >= MAX_ROWS {
        return Ok(None);
    }
    Ok(Some(ctx.tx.append(GROUP_REQUESTS, b"", row.encode_to_vec())?))
}

fn offered(
    ctx: &Ctx<'_, '_>,
    id: &GroupId,
    account: &AccountId,
    offer_id: &[u8],
) -> Result<bool, EngineError> {
    let now = ctx.now.as_millis();
    Ok(offers(ctx)?.iter().any(|(_, offer)| {
        offer.group_id == id.as_ref()
            && offer.identity == account.as_ref()
            && offer.offer_id == offer_id
            && now.saturating_sub(offer.made_ms) < OFFER_MS
    }))
}

/// Whether this device has invited them, lately or not.
fn invited(ctx: &Ctx<'_, '_>, id: &GroupId, account: &AccountId) -> Result<bool, EngineError> {
    let theirs = |offer: &GroupOffer| offer.group_id == id.as_ref() && offer.identity == account.as_ref();
    Ok(offers(ctx)?.iter().any(|(_, offer)| theirs(offer)))
}

fn current(ctx: &mut Ctx<'_, '_>, id: &[u8]) -> Result<bool, EngineError> {
    let Ok(id) = GroupId::try_from(id) else { return Ok(false) };
    Ok(super::belonging(ctx, &id)?.is_some())
}

fn find(
    ctx: &Ctx<'_, '_>,
    id: &GroupId,
    account: &AccountId,
) -> Result<Option<(u64, GroupRequest)>, EngineError> {
    let mut rows = rows(ctx)?.into_iter();
    Ok(rows.find(|(_, row)| row.group_id == id.as_ref() && row.identity == account.as_ref()))
}

fn read(row: &GroupRequest) -> Option<Asking> {
    let request = JoinRequest::decode(row.request.as_slice()).ok()?;
    // Verified before it was kept.
    let consent = UnverifiedConsent::decode(&request.consent).ok()?.assume_verified();
    let leaves = request.leaves.iter().filter_map(|leaf| Leaf::restore(leaf).ok()).collect();
    Some(Asking { consent, leaves, manifest: request.manifest })
}

fn show(group: GroupId, row: &GroupRequest) -> Option<api::JoinRequest> {
    let request = read(row)?;
    Some(api::JoinRequest {
        group,
        account: request.consent.identity(),
        address: request.consent.address().clone(),
        at: Timestamp::from_millis(row.asked_ms),
    })
}

fn rows(ctx: &Ctx<'_, '_>) -> Result<Vec<(u64, GroupRequest)>, EngineError> {
    let rows = ctx.tx.scan(GROUP_REQUESTS, b"", .., Direction::Forward, usize::MAX)?;
    let decode = |(n, row): (u64, zeroize::Zeroizing<Vec<u8>>)| {
        let row = GroupRequest::decode(row.as_slice());
        row.map(|row| (n, row)).map_err(|_| EngineError::Row { what: GROUP_REQUESTS.name() })
    };
    rows.into_iter().map(decode).collect()
}

fn offers(ctx: &Ctx<'_, '_>) -> Result<Vec<(u64, GroupOffer)>, EngineError> {
    let rows = ctx.tx.scan(GROUP_OFFERS, b"", .., Direction::Forward, usize::MAX)?;
    let decode = |(n, row): (u64, zeroize::Zeroizing<Vec<u8>>)| {
        let row = GroupOffer::decode(row.as_slice());
        row.map(|row| (n, row)).map_err(|_| EngineError::Row { what: GROUP_OFFERS.name() })
    };
    rows.into_iter().map(decode).collect()
}

fn full() -> Error {
    Error::new(ErrorCode::TooLarge, format!("A group has at most {MAX_GROUP_MEMBERS} members."))
}
