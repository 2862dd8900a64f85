//! Others' profiles: where they are, read when there is something new, and once a day.

use wheesht_proto::{
    ids::{AccountId, RecordId},
    limits::{DAY_MS, PROFILE_CHECK_MS},
    profile::{Profile, ProfileRef},
    relay::{self, client_frame, relay_frame},
    stored::ProfileRow,
};

use super::{
    super::{Ctx, EngineError, account, io::LinkId, io::RequestError, people, tables::PROFILES},
    Pending, keep,
    own::is_own,
    stored, wake_by,
};
use crate::{
    api::ContactState,
    protocol::profile::UnverifiedProfile,
    signed::{Manifest, UnverifiedRecord},
};

/// Profiles read at once.
const AT_ONCE: usize = 8;

/// What could not be read is tried again after this long (milliseconds), later each time, and then left for the day's check.
const FIRST_PAUSE_MS: u64 = 5_000;
const MAX_TRIES: u32 = 8;

/// Takes a reference that its owner, or their address book, has given.
// PRO-5
pub(super) fn learn(
    ctx: &mut Ctx<'_, '_>,
    account: &AccountId,
    shown: &ProfileRef,
) -> Result<(), EngineError> {
    let sound = RecordId::try_from(shown.record.as_slice()).is_ok() && shown.key.len() == 32;
    // A clock far ahead must not make a reference that nobody can replace.
    if !sound || shown.epoch == 0 || shown.epoch > ctx.now.as_millis().saturating_add(DAY_MS) {
        return Ok(());
    }
    if holder(ctx, account)?.is_none() {
        return Ok(());
    }
    let mut row: ProfileRow = ctx.load(PROFILES, account.as_ref(), 0)?.unwrap_or_default();
    let known = row.r#ref.clone().unwrap_or_default();
    let read = row.profile.as_ref().map_or(0, |profile| profile.revision);
    let newer = shown.epoch > known.epoch;
    // PRO-7
    if shown.epoch < known.epoch || (!newer && (shown.revision <= read || shown.record != known.record)) {
        return Ok(());
    }
    row.r#ref = Some(shown.clone());
    ctx.save(PROFILES, account.as_ref(), 0, &row);
    ctx.passing.profiles.retry.remove(account);
    ctx.passing.profiles.due.insert(*account);
    Ok(())
}

/// Looks for those not read for a day.
// PRO-5
pub(super) fn check_all(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    for account in people::accepted(ctx)? {
        let Some(row) = ctx.load::<ProfileRow>(PROFILES, account.as_ref(), 0)? else { continue };
        if ctx.now.as_millis().saturating_sub(row.read_ms) >= PROFILE_CHECK_MS {
            ctx.passing.profiles.due.insert(account);
        }
    }
    Ok(())
}

/// Reads what is due, some at a time. Gives whether there was anything.
pub(super) fn pump(ctx: &mut Ctx<'_, '_>) -> Result<bool, EngineError> {
    let mut any = false;
    while ctx.passing.profiles.online && ctx.passing.profiles.reading.len() < AT_ONCE {
        let Some(account) = ctx.passing.profiles.due.pop_first() else { break };
        any = true;
        let row: ProfileRow = ctx.load(PROFILES, account.as_ref(), 0)?.unwrap_or_default();
        let (Some((link, _)), Some(shown)) = (holder(ctx, &account)?, row.r#ref) else { continue };
        if ctx.passing.profiles.reading.insert(account) {
            let ask = relay::GetRecord { id: shown.record };
            ctx.ask(&link, Pending::Read(account), client_frame::Body::GetRecord(ask));
        }
    }
    Ok(any)
}

/// The relay's answer.
pub(super) fn read(
    ctx: &mut Ctx<'_, '_>,
    account: &AccountId,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<(), EngineError> {
    ctx.passing.profiles.reading.remove(account);
    let Some((_, manifest)) = holder(ctx, account)? else { return Ok(()) };
    let Some((row, known)) = stored(ctx, account)? else { return Ok(()) };
    let shown = row.r#ref.unwrap_or_default();
    let opened = result.ok().and_then(|body| open(&shown, &manifest, body));
    // PRO-7: a relay that shows an older one, or one that says less than its owner has announced, is asked again later.
    let Some(profile) = opened.filter(|new| new.revision >= known.revision.max(shown.revision)) else {
        retry(ctx, *account);
        return Ok(());
    };
    ctx.passing.profiles.retry.remove(account);
    keep(ctx, account, ProfileRef { revision: profile.revision, ..shown }, profile)
}

/// Tries again what could not be read.
pub(super) fn due(ctx: &mut Ctx<'_, '_>) {
    let now = ctx.now;
    let passing = &mut ctx.passing.profiles;
    let due = passing.retry.iter().filter(|(_, (_, at))| *at <= now).map(|(account, _)| *account);
    let due: Vec<_> = due.filter(|account| !passing.reading.contains(account)).collect();
    passing.due.extend(due);
    let next = passing.retry.values().map(|(_, at)| *at).filter(|at| *at > now).min();
    if let Some(next) = next {
        wake_by(ctx, next);
    }
}

fn retry(ctx: &mut Ctx<'_, '_>, account: AccountId) {
    let now = ctx.now;
    let (tries, at) = ctx.passing.profiles.retry.entry(account).or_insert((0, now));
    if *tries >= MAX_TRIES {
        ctx.passing.profiles.retry.remove(&account);
        return;
    }
    *at = now.plus_millis(FIRST_PAUSE_MS << *tries);
    *tries += 1;
    let at = *at;
    wake_by(ctx, at);
}

// PRO-1, PRO-2
fn open(shown: &ProfileRef, manifest: &Manifest, body: relay_frame::Body) -> Option<Profile> {
    let relay_frame::Body::RecordOk(relay::RecordOk { record: Some(record) }) = body else { return None };
    let id = RecordId::try_from(shown.record.as_slice()).ok()?;
    let key = shown.key.as_slice().try_into().ok()?;
    let record = UnverifiedRecord::read(record).ok()?.verify(&id).ok()?;
    let opened = UnverifiedProfile::open(key, &record)?;
    let device = manifest.device(&opened.device())?;
    opened.verify(device).ok()
}

/// Where an account's record is asked for, and its devices. Nothing of somebody blocked or not accepted is read, unless they are
/// a member of a group.
// PRO-8
fn holder(ctx: &mut Ctx<'_, '_>, account: &AccountId) -> Result<Option<(LinkId, Manifest)>, EngineError> {
    let Some(me) = account::me(ctx)? else { return Ok(None) };
    if is_own(ctx, account)? {
        let link = account::own_link(ctx)?;
        return Ok(link.map(|link| (link, me.manifest.clone())));
    }
    let Some(contact) = people::by_id(ctx, account)? else { return Ok(None) };
    if contact.state == ContactState::Blocked {
        return Ok(None);
    }
    Ok(Some((account::anonymous_link(contact.relay()), contact.manifest.clone())))
}
