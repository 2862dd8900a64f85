//! From a wish to a change that everyone has.
//!
//! ```text
//!  wish ─▶ row ─▶ read record ─▶ learn what others did ─▶ draft on top ─▶ row ─▶ write record ─▶ Ok ─▶ [apply]: state, members told
//!                    ▲                                                              │
//!                    └──────────── Conflict: another was first ─────────────────────┘
//! ```
//!
//! Nothing is applied before the record has taken it, so two admins who act at once never sign two histories. What a crash leaves
//! is a row: the record is read again, and either holds the change already (then it is done) or not (then it is drafted anew). A
//! wish that is no longer needed goes in silence, one that is no longer permitted with a word to the person. If the record can't be
//! reached, wishes wait.
//!
//! The same reading, without a wish, is how a device that was away catches up.

use std::collections::{BTreeMap, BTreeSet};

use wheesht_proto::{
    group::group_control::What,
    ids::{AccountId, GroupId},
    limits::MAX_GROUP_ACTIONS,
    prost::Message as _,
    relay::{
        ErrorCode as Refusal, GetTickets, PutRecord, Record as RecordFrame, TicketKind, client_frame,
        relay_frame,
    },
    stored::GroupProposal,
};

use super::{
    super::{
        Ctx, EngineError, account, error::Failure, io::RequestError, messaging, tables::GROUP_PROPOSALS,
        timers::Timer,
    },
    Pending as GroupsPending, admin_keys, apply, draft,
    group::{self, Group},
    learn,
    record::{self, Reading},
    roster, words,
};
use crate::{
    api::{EventKind, Trouble},
    protocol::group::{Action, ChangeError, Draft, Role, UnverifiedChange},
    signed::Record,
    store::Direction,
    time::Timestamp,
};

/// First pause after a failure, and the longest (milliseconds).
const PAUSES: (u64, u64) = (2_000, 15 * 60_000);

/// After so many failures the person hears that the record can't be reached; a move then no longer waits for the old one.
const PATIENCE: u32 = 3;

/// After so many readings of a record that this device can't write, the person hears of that. The key may only be late.
const KEY_PATIENCE: u32 = 8;

/// So many admins may come first in a row before the next try waits.
const MAX_RACES: u32 = 16;

/// A group's record is looked at about this often (milliseconds), whatever happens: what nobody tells this device it finds there.
const LOOK_MS: u64 = 4 * HOUR_MS;

/// At each login too, if it was not within this long (milliseconds).
const LOGIN_MS: u64 = HOUR_MS;
const HOUR_MS: u64 = 60 * 60_000;

/// Records looked at because of a login: one in so long, on average (milliseconds).
const SPREAD_MS: u64 = 200;

/// Wishes that may wait in one group.
const MAX_WAITING: usize = 256;

/// Changes of other members that wait to be written for them.
const MAX_FORWARDED: usize = 32;

/// What is under way; all of it is found again at the next start.
#[derive(Default)]
pub(super) struct Ordering {
    /// Groups whose record is being read or written.
    busy: BTreeSet<GroupId>,
    /// Groups to look at when the input has been dealt with.
    look: BTreeSet<GroupId>,
    /// Groups whose record is to be read, wish or not.
    read: BTreeSet<GroupId>,
    retry: BTreeMap<GroupId, Retry>,
    /// How often in a row somebody else's write came first.
    conflicts: BTreeMap<GroupId, u32>,
    /// When each group's record was last read.
    seen: BTreeMap<GroupId, Timestamp>,
    /// When it is looked at again by itself.
    next: BTreeMap<GroupId, Timestamp>,
    /// Groups of whose record's age the person was told.
    old: BTreeSet<GroupId>,
}

struct Retry {
    attempts: u32,
    at: Timestamp,
}

/// What to do with a reply.
pub(crate) enum Pending {
    /// The record, read.
    Read(GroupId),
    /// The record with this wish's change, written.
    Write(GroupId, u64),
    /// A ticket to make a record with.
    Ticket(GroupId, u64),
    /// The record, made.
    Make(GroupId, u64),
}

// ---- Wishes --------------------------------------------------------------------------------------------------

/// A person wants this. It is refused at once if this account may not, or nothing would change.
pub(super) fn propose(ctx: &mut Ctx<'_, '_>, id: &GroupId, actions: Vec<Action>) -> Result<(), Failure> {
    let Some(me) = account::me(ctx)? else { return Err(account::not_active(ctx)?.into()) };
    let Some(group) = group::load(ctx, id)? else { return Err(words::no_group(id).into()) };
    let whole = match group::own_role(ctx, &group)? {
        None => return Err(words::not_a_member().into()),
        Some(Role::Member) => actions.clone(),
        Some(_) => draft::complete(&group, &actions, ctx.rng).0,
    };
    let tried = Draft::new(&group.state, whole, ctx.now).sign(&me.signing, &me.certificate);
    tried.map_err(words::change_error)?;
    if rows(ctx, id)?.len() >= MAX_WAITING {
        return Err(words::too_many().into());
    }
    insert(ctx, id, actions, false)?;
    Ok(())
}

/// Something follows by itself from what others said. If it can't be, nothing happens.
pub(super) fn by_itself(
    ctx: &mut Ctx<'_, '_>,
    id: &GroupId,
    actions: Vec<Action>,
) -> Result<(), EngineError> {
    let Some(group) = group::load(ctx, id)? else { return Ok(()) };
    let acting = group::own_role(ctx, &group)?.is_some_and(|role| role >= Role::Admin);
    let there = rows(ctx, id)?;
    let same: Vec<Vec<u8>> = actions.iter().map(|action| action.encoded()).collect();
    if acting && there.len() < MAX_WAITING && !there.iter().any(|(_, row)| row.actions == same) {
        insert(ctx, id, actions, true)?;
    }
    Ok(())
}

fn insert(
    ctx: &mut Ctx<'_, '_>,
    id: &GroupId,
    actions: Vec<Action>,
    unasked: bool,
) -> Result<(), EngineError> {
    for some in actions.chunks(MAX_GROUP_ACTIONS / 2) {
        let row = GroupProposal {
            actions: some.iter().map(Action::encoded).collect(),
            made_ms: ctx.now.as_millis(),
            unasked,
            ..Default::default()
        };
        ctx.tx.append(GROUP_PROPOSALS, id.as_ref(), row.encode_to_vec())?;
    }
    ctx.passing.groups.ordering.retry.remove(id);
    look(ctx, id);
    Ok(())
}

/// A founded group's record is still to be made.
pub(super) fn found(
    ctx: &mut Ctx<'_, '_>,
    id: &GroupId,
    change: &[u8],
    record: &Record,
) -> Result<(), EngineError> {
    let row = GroupProposal {
        change: change.to_vec(),
        record: record.to_message().encode_to_vec(),
        made_ms: ctx.now.as_millis(),
        founding: true,
        making: true,
        ..Default::default()
    };
    ctx.tx.append(GROUP_PROPOSALS, id.as_ref(), row.encode_to_vec())?;
    look(ctx, id);
    Ok(())
}

/// What this device wants to change, the oldest first, as far as a person asked for it.
pub(super) fn waiting(ctx: &Ctx<'_, '_>, id: &GroupId) -> Result<Vec<Vec<Action>>, EngineError> {
    let asked = rows(ctx, id)?.into_iter().filter(|(_, row)| !row.unasked && !row.founding);
    Ok(asked.map(|(_, row)| actions(&row)).collect())
}

/// Takes the wish that this change, which is now part of the history, fulfils.
pub(super) fn take(
    ctx: &mut Ctx<'_, '_>,
    id: &GroupId,
    change: &[u8],
) -> Result<Option<GroupProposal>, EngineError> {
    let found = rows(ctx, id)?.into_iter().find(|(_, row)| row.change == change);
    Ok(found.map(|(n, row)| {
        ctx.tx.delete(GROUP_PROPOSALS, id.as_ref(), n);
        row
    }))
}

/// Gives up every wish: this account no longer belongs.
pub(super) fn erase(ctx: &mut Ctx<'_, '_>, id: &GroupId) -> Result<(), EngineError> {
    ctx.passing.groups.ordering.forget(id);
    Ok(ctx.tx.delete_all(GROUP_PROPOSALS, id.as_ref())?)
}

// ---- Called by the frame -------------------------------------------------------------------------------------

/// Finds what waits, and looks whether others have done something meanwhile.
pub(super) fn start(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    for id in group::ids(ctx)? {
        if group::load(ctx, &id)?.is_some_and(|group| group.belongs()) {
            ctx.passing.groups.ordering.look.insert(id);
        }
    }
    Ok(())
}

/// This device is online: what waits is tried now, and records not seen for long are read.
pub(super) fn online(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    ctx.passing.groups.ordering.retry.clear();
    let ids = group::ids(ctx)?;
    let spread = (ids.len() as u64).saturating_mul(SPREAD_MS);
    for id in ids {
        if group::load(ctx, &id)?.is_some_and(|group| group.belongs()) {
            let seen = ctx.passing.groups.ordering.seen.get(&id);
            if seen.is_none_or(|seen| ctx.now.millis_since(*seen) >= LOGIN_MS) {
                let wait = u64::from_be_bytes(ctx.random()) % spread.max(1);
                let at = ctx.now.plus_millis(wait);
                ctx.passing.groups.ordering.next.insert(id, at);
            }
            look(ctx, &id);
        }
    }
    arm(ctx);
    Ok(())
}

/// What failed is tried again; records not seen for long are read.
pub(super) fn due(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    let now = ctx.now;
    let ordering = &mut ctx.passing.groups.ordering;
    let due: Vec<_> = ordering.retry.iter().filter(|(_, retry)| retry.at <= now).map(|(id, _)| *id).collect();
    ordering.look.extend(due);
    let next: Vec<_> = ordering.next.iter().filter(|(_, at)| **at <= now).map(|(id, _)| *id).collect();
    for id in next {
        ctx.passing.groups.ordering.read.insert(id);
        look(ctx, &id);
        look_again(ctx, &id);
    }
    arm(ctx);
    Ok(())
}

/// Looks at the groups that the input has changed. Gives whether there were any.
pub(super) fn settle(ctx: &mut Ctx<'_, '_>) -> Result<bool, EngineError> {
    let look = std::mem::take(&mut ctx.passing.groups.ordering.look);
    for id in &look {
        pump(ctx, id)?;
    }
    Ok(!look.is_empty())
}

/// Looks at a group when the input has been dealt with.
pub(super) fn look(ctx: &mut Ctx<'_, '_>, id: &GroupId) {
    ctx.passing.groups.ordering.look.insert(*id);
}

/// Something was heard that this device should know already: the record may hold it.
pub(super) fn catch_up(ctx: &mut Ctx<'_, '_>, id: &GroupId) {
    ctx.passing.groups.ordering.read.insert(*id);
    look(ctx, id);
}

pub(super) fn reply(
    ctx: &mut Ctx<'_, '_>,
    pending: Pending,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<(), EngineError> {
    let (Pending::Read(id) | Pending::Write(id, _) | Pending::Ticket(id, _) | Pending::Make(id, _)) = pending;
    ctx.passing.groups.ordering.busy.remove(&id);
    let Some(group) = group::load(ctx, &id)?.filter(|group| group.belongs()) else { return Ok(()) };
    match pending {
        Pending::Read(_) => was_read(ctx, &group, result),
        Pending::Write(_, n) => written(ctx, &group, n, result),
        Pending::Ticket(_, n) => ticket(ctx, &group, n, result),
        Pending::Make(_, n) => made(ctx, &group, n, result),
    }
}

// ---- Steps ---------------------------------------------------------------------------------------------------

/// Begins whatever is next for a group.
fn pump(ctx: &mut Ctx<'_, '_>, id: &GroupId) -> Result<(), EngineError> {
    let Some(group) = group::load(ctx, id)?.filter(|group| group.belongs()) else { return Ok(()) };
    let now = ctx.now;
    let ordering = &ctx.passing.groups.ordering;
    if ordering.busy.contains(id) || ordering.retry.get(id).is_some_and(|retry| retry.at > now) {
        return Ok(());
    }
    match next(ctx, id)? {
        Some((n, row)) if row.making => make(ctx, &group, n),
        Some((n, row)) if group::own_role(ctx, &group)? == Some(Role::Member) => {
            forward(ctx, &group, n, row)?;
        }
        Some(_) => read(ctx, &group),
        None if ctx.passing.groups.ordering.read.contains(id) => read(ctx, &group),
        None => {}
    }
    Ok(())
}

/// A member may do this, but holds no write key: an owner's or admin's client writes it. Another one each time, until it is done.
// GRP-30
fn forward(ctx: &mut Ctx<'_, '_>, group: &Group, n: u64, mut row: GroupProposal) -> Result<(), EngineError> {
    let id = group.id;
    let Some(me) = account::me(ctx)? else { return Ok(()) };
    let signed = Draft::new(&group.state, actions(&row), ctx.now).sign(&me.signing, &me.certificate);
    let (change, _) = match signed {
        Ok(signed) => signed,
        Err(error) => return give_up(ctx, group, n, &row, error),
    };
    let acting = group.state.members().iter().filter(|member| member.role >= Role::Admin);
    let acting: Vec<_> = acting.map(|member| member.account).collect();
    let attempts = ctx.passing.groups.ordering.retry.get(&id).map_or(0, |retry| retry.attempts);
    let turn = usize::try_from(attempts).unwrap_or_default() % acting.len().max(1);
    if let Some(to) = acting.get(turn) {
        messaging::queue_control(ctx, &id, to, None, What::Proposed(change.encoded().to_vec()))?;
    }
    row.change = change.encoded().to_vec();
    ctx.save(GROUP_PROPOSALS, id.as_ref(), n, &row);
    later(ctx, &id);
    Ok(())
}

/// A member asks to have its change written.
// GRP-30
pub(super) fn forwarded(
    ctx: &mut Ctx<'_, '_>,
    id: &GroupId,
    from: &AccountId,
    change: &[u8],
) -> Result<(), EngineError> {
    let Some(group) = group::load(ctx, id)?.filter(|group| group.belongs()) else { return Ok(()) };
    let acting = group::own_role(ctx, &group)?.is_some_and(|role| role >= Role::Admin);
    let there = rows(ctx, id)?;
    let theirs = there.iter().filter(|(_, row)| row.foreign).count();
    if !acting || theirs >= MAX_FORWARDED || there.iter().any(|(_, row)| row.change == change) {
        return Ok(());
    }
    let Ok(read) = UnverifiedChange::decode(change).and_then(UnverifiedChange::verify) else { return Ok(()) };
    if read.actor() != *from || group.state.apply(&read).is_err() {
        // Behind, or not permitted: what was decided meanwhile reaches it, and it asks anew.
        return Ok(());
    }
    let row = GroupProposal {
        change: change.to_vec(),
        made_ms: ctx.now.as_millis(),
        unasked: true,
        foreign: true,
        ..Default::default()
    };
    ctx.tx.append(GROUP_PROPOSALS, id.as_ref(), row.encode_to_vec())?;
    look(ctx, id);
    Ok(())
}

fn read(ctx: &mut Ctx<'_, '_>, group: &Group) {
    ctx.passing.groups.ordering.busy.insert(group.id);
    record::read(ctx, group);
}

fn was_read(
    ctx: &mut Ctx<'_, '_>,
    group: &Group,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<(), EngineError> {
    let id = group.id;
    let given = match result {
        Ok(relay_frame::Body::RecordOk(found)) => found.record,
        _ => None,
    };
    let reading = match given {
        Some(given) => record::open(ctx, group, given)?,
        None => Reading::Bad,
    };
    match reading {
        Reading::Bad => unreachable_record(ctx, group),
        Reading::Closed { epoch, began } => {
            if let Some(change) = began {
                learn::learn(ctx, &id, &[change], learn::Source::Record)?;
            }
            // Of an older epoch than this device knows: the relay went back.
            if epoch < group.state.epoch().number {
                return unreachable_record(ctx, group);
            }
            if group::load(ctx, &id)?.is_some_and(|group| group.belongs()) {
                super::lacks_epoch(ctx, &id)?;
                later(ctx, &id);
            }
            Ok(())
        }
        Reading::Open { record, content, farewell } => {
            seen(ctx, group, &record)?;
            if let Some(checkpoint) = &content.checkpoint {
                learn::checkpoint(ctx, &id, checkpoint, learn::Source::Record)?;
            }
            roster::learn(ctx, &id, &content.leaves)?;
            let Some(group) = group::load(ctx, &id)?.filter(|group| group.belongs()) else { return Ok(()) };
            ctx.passing.groups.ordering.read.remove(&id);
            match next(ctx, &id)? {
                Some((n, row)) if !row.making => write(ctx, &group, n, row, &record, &farewell),
                Some(_) => {
                    hurry(ctx, &id);
                    Ok(())
                }
                None => {
                    ctx.passing.groups.ordering.retry.remove(&id);
                    Ok(())
                }
            }
        }
    }
}

/// Drafts a wish on top of what stands, and writes it.
fn write(
    ctx: &mut Ctx<'_, '_>,
    group: &Group,
    n: u64,
    row: GroupProposal,
    stands: &Record,
    farewell: &[u8],
) -> Result<(), EngineError> {
    let id = group.id;
    let Some(me) = account::me(ctx)? else { return Ok(()) };
    let Some(write_key) = admin_keys::write_key(ctx, group, stands.next_writer())? else {
        // Given to whoever became an admin, or replaced a moment ago: it is on its way, or can be asked for. Or an admin has
        // written the record so that nobody else can.
        admin_keys::doubt(ctx, &id)?;
        super::lacks_write_key(ctx, &id)?;
        return stuck(ctx, group, KEY_PATIENCE);
    };
    ctx.passing.groups.ordering.retry.remove(&id);
    let drafted = match draft::draft(ctx, &me, group, &row, farewell)? {
        Ok(drafted) => drafted,
        Err(draft::NotDrafted::NoKey) => {
            super::lacks_epoch(ctx, &id)?;
            later(ctx, &id);
            return Ok(());
        }
        Err(draft::NotDrafted::Refused(error)) => return give_up(ctx, group, n, &row, error),
    };
    let next = drafted.next_write_key.as_ref().map(|key| key.verifying_key());
    let Ok(record) = stands.next(&write_key, next.as_ref(), drafted.value) else {
        return give_up(ctx, group, n, &row, ChangeError::TooLarge);
    };
    let frame = record.to_message();
    let row = GroupProposal { record: frame.encode_to_vec(), ..drafted.row };
    ctx.save(GROUP_PROPOSALS, id.as_ref(), n, &row);
    put(ctx, group, Pending::Write(id, n), frame, Vec::new());
    Ok(())
}

fn written(
    ctx: &mut Ctx<'_, '_>,
    group: &Group,
    n: u64,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<(), EngineError> {
    let id = group.id;
    match result {
        Ok(relay_frame::Body::Ok(_)) => ordered(ctx, group, n),
        Err(RequestError::Refused(error)) if error.code() == Refusal::Conflict => {
            conflict(ctx, &id);
            Ok(())
        }
        _ => {
            later(ctx, &id);
            Ok(())
        }
    }
}

/// Somebody else's write came first: again at once. A relay that says so without end is asked less and less often.
fn conflict(ctx: &mut Ctx<'_, '_>, id: &GroupId) {
    let conflicts = ctx.passing.groups.ordering.conflicts.entry(*id).or_default();
    *conflicts = conflicts.saturating_add(1);
    match conflicts.checked_sub(MAX_RACES) {
        None => look(ctx, id),
        Some(attempts) => {
            let at = ctx.now;
            ctx.passing.groups.ordering.retry.insert(*id, Retry { attempts, at });
            later(ctx, id);
        }
    }
}

/// The record has taken the change.
fn ordered(ctx: &mut Ctx<'_, '_>, group: &Group, n: u64) -> Result<(), EngineError> {
    let id = group.id;
    ctx.passing.groups.ordering.conflicts.remove(&id);
    let Some(mut row) = ctx.load::<GroupProposal>(GROUP_PROPOSALS, id.as_ref(), n)? else { return Ok(()) };
    if let Some(record) = draft::record_of(&row) {
        seen(ctx, group, &record)?;
    }
    if !row.moved_write_key.is_empty() && !row.making {
        row.making = true;
        row.record.clear();
        ctx.save(GROUP_PROPOSALS, id.as_ref(), n, &row);
        look(ctx, &id);
        return Ok(());
    }
    finish(ctx, group, n, &row)
}

fn finish(ctx: &mut Ctx<'_, '_>, group: &Group, n: u64, row: &GroupProposal) -> Result<(), EngineError> {
    ctx.passing.groups.ordering.retry.remove(&group.id);
    look(ctx, &group.id);
    if row.founding {
        ctx.tx.delete(GROUP_PROPOSALS, group.id.as_ref(), n);
        return apply::shown(ctx, &group.id);
    }
    let change = UnverifiedChange::decode(&row.change).and_then(UnverifiedChange::assume_verified);
    let applied = change.and_then(|change| Ok((group.state.apply(&change)?, change)));
    match applied {
        Ok((state, change)) => apply::install(ctx, group, &change, state),
        // The state has moved under it: the record is read again, and says what happened.
        Err(_) => {
            catch_up(ctx, &group.id);
            Ok(())
        }
    }
}

/// Makes a record: of a new group, or one that moved. Whoever makes one shows a ticket, not who they are.
fn make(ctx: &mut Ctx<'_, '_>, group: &Group, n: u64) {
    let Ok(Some(link)) = account::own_link(ctx) else { return };
    ctx.passing.groups.ordering.busy.insert(group.id);
    let body = GetTickets { kind: TicketKind::Record.into(), count: 1, max_bytes: 0 };
    let pending = GroupsPending::Order(Pending::Ticket(group.id, n));
    ctx.ask(&link, pending, client_frame::Body::GetTickets(body));
}

fn ticket(
    ctx: &mut Ctx<'_, '_>,
    group: &Group,
    n: u64,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<(), EngineError> {
    let id = group.id;
    let ticket = match result {
        Ok(relay_frame::Body::Tickets(given)) => given.tickets.into_iter().next(),
        _ => None,
    };
    let row = ctx.load::<GroupProposal>(GROUP_PROPOSALS, id.as_ref(), n)?;
    let (Some(ticket), Some(mut row)) = (ticket, row) else {
        later(ctx, &id);
        return Ok(());
    };
    if row.record.is_empty() {
        match draft::moved(ctx, group, &row)? {
            Some(record) => row.record = record.to_message().encode_to_vec(),
            None => {
                // Another change came first, or the key is lacking: begin again.
                row.making = false;
                ctx.save(GROUP_PROPOSALS, id.as_ref(), n, &row);
                later(ctx, &id);
                return Ok(());
            }
        }
        ctx.save(GROUP_PROPOSALS, id.as_ref(), n, &row);
    }
    let Ok(frame) = RecordFrame::decode(row.record.as_slice()) else { return Ok(()) };
    put(ctx, group, Pending::Make(id, n), frame, ticket);
    Ok(())
}

fn made(
    ctx: &mut Ctx<'_, '_>,
    group: &Group,
    n: u64,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<(), EngineError> {
    let id = group.id;
    let done = match &result {
        Ok(relay_frame::Body::Ok(_)) => true,
        // It stands, and has been written to since: only what this device made can be continued.
        Err(RequestError::Refused(error)) => error.code() == Refusal::Conflict,
        _ => false,
    };
    match ctx.load::<GroupProposal>(GROUP_PROPOSALS, id.as_ref(), n)? {
        Some(row) if done => finish(ctx, group, n, &row),
        _ => {
            later(ctx, &id);
            Ok(())
        }
    }
}

fn put(ctx: &mut Ctx<'_, '_>, group: &Group, pending: Pending, record: RecordFrame, ticket: Vec<u8>) {
    let relay = match &pending {
        // A new record is made on this account's own relay.
        Pending::Make(..) => account::own_link(ctx).ok().flatten().map(|link| link.relay),
        _ => None,
    };
    let relay = relay.unwrap_or_else(|| group.state.record().relay.clone());
    ctx.passing.groups.ordering.busy.insert(group.id);
    let body = client_frame::Body::PutRecord(PutRecord { record: Some(record), ticket });
    ctx.ask(&account::anonymous_link(&relay), GroupsPending::Order(pending), body);
}

// ---- What goes wrong -----------------------------------------------------------------------------------------

/// The record can't be read.
fn unreachable_record(ctx: &mut Ctx<'_, '_>, group: &Group) -> Result<(), EngineError> {
    stuck(ctx, group, PATIENCE)
}

/// The record can't be read, or not be written: what is wished waits, or, if an owner moves it, it is done without. After
/// `patience` failures the person is told.
// GRP-20
fn stuck(ctx: &mut Ctx<'_, '_>, group: &Group, patience: u32) -> Result<(), EngineError> {
    let id = group.id;
    later(ctx, &id);
    let attempts = ctx.passing.groups.ordering.retry.get(&id).map_or(0, |retry| retry.attempts);
    if attempts < PATIENCE {
        return Ok(());
    }
    let moving = rows(ctx, &id)?.into_iter().find(|(_, row)| draft::moves(row));
    if let (Some((n, row)), Some(me)) = (moving, account::me(ctx)?) {
        match draft::draft(ctx, &me, group, &row, &[])? {
            Ok(drafted) => {
                let row = GroupProposal { making: true, record: Vec::new(), ..drafted.row };
                ctx.save(GROUP_PROPOSALS, id.as_ref(), n, &row);
                ctx.passing.groups.ordering.retry.remove(&id);
                look(ctx, &id);
            }
            Err(draft::NotDrafted::NoKey) => super::lacks_epoch(ctx, &id)?,
            Err(draft::NotDrafted::Refused(error)) => return give_up(ctx, group, n, &row, error),
        }
        return Ok(());
    }
    if attempts == patience {
        let relay = group.state.record().relay.clone();
        ctx.event(EventKind::Trouble { trouble: Trouble::GroupRecordUnreachable { group: id, relay } })?;
    }
    Ok(())
}

/// A wish that can't be fulfilled any more.
fn give_up(
    ctx: &mut Ctx<'_, '_>,
    group: &Group,
    n: u64,
    row: &GroupProposal,
    error: ChangeError,
) -> Result<(), EngineError> {
    let id = group.id;
    ctx.tx.delete(GROUP_PROPOSALS, id.as_ref(), n);
    look(ctx, &id);
    if row.unasked || error == ChangeError::NothingToDo {
        return apply::shown(ctx, &id);
    }
    for change in words::changes(&group.state, &actions(row)) {
        let trouble = Trouble::GroupChangeRefused { group: id, change, error: words::change_error(error) };
        ctx.event(EventKind::Trouble { trouble })?;
    }
    apply::shown(ctx, &id)
}

/// A version of the record was seen. One that is older than another seen before is the relay's doing.
fn seen(ctx: &mut Ctx<'_, '_>, group: &Group, record: &Record) -> Result<(), EngineError> {
    let (id, now) = (group.id, ctx.now);
    ctx.passing.groups.ordering.seen.insert(id, now);
    look_again(ctx, &id);
    if record.id() != group.state.record().id || record.version() == group.record_version {
        return Ok(());
    }
    if record.version() < group.record_version {
        // GRP-26
        if ctx.passing.groups.ordering.old.insert(id) {
            ctx.event(EventKind::Trouble { trouble: Trouble::GroupRecordOld { group: id } })?;
        }
        return Ok(());
    }
    let Some(group) = group::load(ctx, &id)? else { return Ok(()) };
    group::save(ctx, Group { record_version: record.version(), ..(*group).clone() })?;
    Ok(())
}

fn later(ctx: &mut Ctx<'_, '_>, id: &GroupId) {
    let now = ctx.now;
    let retry = ctx.passing.groups.ordering.retry.entry(*id).or_insert(Retry { attempts: 0, at: now });
    let pause = PAUSES.0.saturating_mul(1 << retry.attempts.min(16)).min(PAUSES.1);
    retry.attempts = retry.attempts.saturating_add(1);
    retry.at = now.plus_millis(pause);
    arm(ctx);
}

/// What was lacking has come: no reason to wait any longer.
pub(super) fn hurry(ctx: &mut Ctx<'_, '_>, id: &GroupId) {
    ctx.passing.groups.ordering.retry.remove(id);
    look(ctx, id);
}

/// The record is looked at again after some hours, each group and device at another time.
// GRP-31
fn look_again(ctx: &mut Ctx<'_, '_>, id: &GroupId) {
    let wait = LOOK_MS / 2 + u64::from_be_bytes(ctx.random()) % LOOK_MS;
    let at = ctx.now.plus_millis(wait);
    ctx.passing.groups.ordering.next.insert(*id, at);
}

fn arm(ctx: &mut Ctx<'_, '_>) {
    let ordering = &ctx.passing.groups.ordering;
    let retry = ordering.retry.values().map(|retry| retry.at).filter(|at| *at > ctx.now).min();
    let look = ordering.next.values().copied().min();
    if let Some(at) = retry.into_iter().chain(look).min() {
        ctx.passing.timers.set_by(Timer::Groups, at);
    }
}

impl Ordering {
    fn forget(&mut self, id: &GroupId) {
        self.look.remove(id);
        self.read.remove(id);
        self.retry.remove(id);
        self.conflicts.remove(id);
        self.seen.remove(id);
        self.next.remove(id);
        self.old.remove(id);
    }
}

// ---- Rows ----------------------------------------------------------------------------------------------------

/// The wish that is next: one whose record is being made, or else the oldest.
fn next(ctx: &Ctx<'_, '_>, id: &GroupId) -> Result<Option<(u64, GroupProposal)>, EngineError> {
    let mut rows = rows(ctx, id)?;
    let at = rows.iter().position(|(_, row)| row.making).unwrap_or_default();
    Ok((at < rows.len()).then(|| rows.swap_remove(at)))
}

fn rows(ctx: &Ctx<'_, '_>, id: &GroupId) -> Result<Vec<(u64, GroupProposal)>, EngineError> {
    let rows = ctx.tx.scan(GROUP_PROPOSALS, id.as_ref(), .., Direction::Forward, usize::MAX)?;
    let decode = |(n, row): (u64, crate::store::Value)| {
        let row = GroupProposal::decode(row.as_slice());
        row.map(|row| (n, row)).map_err(|_| EngineError::Row { what: GROUP_PROPOSALS.name() })
    };
    rows.into_iter().map(decode).collect()
}

/// What a wish says.
pub(super) fn actions(row: &GroupProposal) -> Vec<Action> {
    row.actions.iter().filter_map(|action| Action::restore(action)).collect()
}
