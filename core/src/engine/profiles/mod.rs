//! What people show of themselves: a name, a text, a picture, fields of their own.
//!
//! ```text
//!  SetProfile ─▶ [own] wish ─▶ GetRecord, PutRecord on the own relay ─▶ told: contacts, groups, the address book
//!                                                                              │ a reference: record, key, epoch, revision
//!  Profile event ◀─ [others] ◀─ RecordOk ◀─ GetRecord on their relay ◀─────────┘
//! ```
//!
//! A profile is a record under a key of its own, signed by a device of its owner. Who is given the reference may read it; the key is
//! replaced when somebody is not to read on. A reference comes in an address book, or from the owner, in a message; nothing else
//! leads to a profile. Rules: `proto/spec/profiles.md`.

mod others;
mod own;

use std::collections::{BTreeMap, BTreeSet};

use wheesht_proto::{
    account::AddressBook,
    ids::{AccountId, RecordId},
    profile::{Profile, ProfileRef},
    relay::relay_frame,
    stored::ProfileRow,
};

use super::{
    Ctx, EngineError, account,
    ctx::Pending as Continuation,
    error::Answer,
    io::{LinkId, RequestError},
    people,
    tables::{PROFILE_PICTURES, PROFILES},
    timers::Timer,
};
use crate::{
    api::{self, Error, ErrorCode, EventKind, Picture, ProfileField, Request, Response, Who},
    time::Timestamp,
};

pub(crate) use own::{for_contacts, for_members, last_version, own_record};

/// What may vanish at any moment.
#[derive(Default)]
pub(crate) struct Passing {
    /// This device is logged in at its relay.
    online: bool,
    /// The own record is being read or written.
    busy: bool,
    /// The own profile may have to be written.
    look: bool,
    /// Writing failed: not before.
    pause: Option<Timestamp>,
    failures: u32,
    /// Whose profile is to be read, and whose is being read.
    due: BTreeSet<AccountId>,
    reading: BTreeSet<AccountId>,
    /// What could not be read: how often, and when it is tried again.
    retry: BTreeMap<AccountId, (u32, Timestamp)>,
}

/// What to do with a reply.
pub(crate) enum Pending {
    /// The own record, before it is written.
    Base,
    /// The own record, written: with this in it.
    Written(Box<(RecordId, Profile)>),
    /// Somebody's.
    Read(AccountId),
}

impl From<Pending> for Continuation {
    fn from(pending: Pending) -> Self {
        Self::Profiles(pending)
    }
}

// ---- Called by the frame -------------------------------------------------------------------------------------

/// A person's request.
pub(super) fn command(ctx: &mut Ctx<'_, '_>, request: Request) -> Answer {
    match request {
        Request::Profile { who } => look_up(ctx, who.as_ref()),
        Request::SetProfile { name, about, picture, fields, visibility } => {
            let change = own::Change { name, about, picture, fields, visibility };
            own::set(ctx, change)
        }
        _ => Err(Error::new(ErrorCode::Internal, "This request is not about profiles.").into()),
    }
}

pub(super) fn reply(
    ctx: &mut Ctx<'_, '_>,
    _link: &LinkId,
    pending: Pending,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<(), EngineError> {
    match pending {
        Pending::Base => own::base(ctx, result),
        Pending::Written(what) => own::written(ctx, what.0, what.1, result),
        Pending::Read(account) => others::read(ctx, &account, result),
    }
}

/// What failed is tried again.
pub(super) fn due(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    ctx.passing.profiles.look = true;
    others::due(ctx);
    Ok(())
}

/// Does what the input has left to be done. Gives whether there was anything to look at.
pub(super) fn settle(ctx: &mut Ctx<'_, '_>) -> Result<bool, EngineError> {
    let look = std::mem::take(&mut ctx.passing.profiles.look);
    if look {
        own::drive(ctx)?;
    }
    Ok(others::pump(ctx)? || look)
}

// ---- Offered to account, people, messaging and groups --------------------------------------------------------

/// This device is logged in on its relay.
pub(crate) fn online(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    let passing = &mut ctx.passing.profiles;
    (passing.online, passing.busy, passing.pause, passing.look) = (true, false, None, true);
    passing.reading.clear();
    own::learn(ctx)?;
    others::check_all(ctx)
}

/// The own relay's connection has ended.
pub(crate) fn offline(ctx: &mut Ctx<'_, '_>) {
    ctx.passing.profiles.online = false;
}

/// This device is no longer one of the account's.
pub(crate) fn stopped(ctx: &mut Ctx<'_, '_>) {
    own::forget(ctx);
    ctx.passing.profiles = Passing::default();
}

/// An entry of the vault has changed that the own profile follows from.
pub(crate) fn vault_entry(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    ctx.passing.profiles.look = true;
    own::learn(ctx)
}

/// The account's own keys may be others: so must those of the profile be.
pub(crate) fn keys_replaced(ctx: &mut Ctx<'_, '_>) {
    ctx.passing.profiles.look = true;
}

/// Somebody says where their profile is.
// PRO-5
pub(crate) fn learn(
    ctx: &mut Ctx<'_, '_>,
    account: &AccountId,
    shown: &ProfileRef,
) -> Result<(), EngineError> {
    others::learn(ctx, account, shown)
}

/// What the own address book should say of the profile. Of two references the newer goes: another device may have made it.
// PRO-4
pub(crate) fn in_book(
    ctx: &mut Ctx<'_, '_>,
    stands: &AddressBook,
) -> Result<Option<ProfileRef>, EngineError> {
    let own = for_contacts(ctx)?.map(|own| ProfileRef { revision: 0, ..own });
    let newer =
        stands.profile.as_ref().filter(|stands| own.as_ref().is_some_and(|own| stands.epoch > own.epoch));
    Ok(newer.cloned().or(own))
}

/// What somebody calls themselves.
pub(crate) fn name(ctx: &Ctx<'_, '_>, account: &AccountId) -> Option<String> {
    // A profile that can't be read is as good as none.
    let row: ProfileRow = ctx.load(PROFILES, account.as_ref(), 0).ok().flatten()?;
    row.profile.map(|profile| profile.name).filter(|name| !name.is_empty())
}

/// Somebody is gone, and their profile with them.
pub(crate) fn remove(ctx: &mut Ctx<'_, '_>, account: &AccountId) {
    ctx.tx.delete(PROFILES, account.as_ref(), 0);
    ctx.tx.delete(PROFILE_PICTURES, account.as_ref(), 0);
    let passing = &mut ctx.passing.profiles;
    passing.due.remove(account);
    passing.retry.remove(account);
}

// ---- For the parts -------------------------------------------------------------------------------------------

/// A profile as it was last read, whole.
fn stored(ctx: &Ctx<'_, '_>, account: &AccountId) -> Result<Option<(ProfileRow, Profile)>, EngineError> {
    let Some(row) = ctx.load::<ProfileRow>(PROFILES, account.as_ref(), 0)? else { return Ok(None) };
    let mut profile = row.profile.clone().unwrap_or_default();
    if row.picture {
        let picture = ctx.tx.get(PROFILE_PICTURES, account.as_ref(), 0)?;
        profile.picture = picture.map(|picture| picture.to_vec()).unwrap_or_default();
    }
    Ok(Some((row, profile)))
}

/// Keeps a profile that was read or written, and tells the app.
fn keep(
    ctx: &mut Ctx<'_, '_>,
    account: &AccountId,
    shown: ProfileRef,
    mut profile: Profile,
) -> Result<(), EngineError> {
    let before = stored(ctx, account)?.map(|(_, profile)| profile);
    let changed = before.as_ref() != Some(&profile);
    let picture = std::mem::take(&mut profile.picture);
    let row = ProfileRow {
        r#ref: Some(shown),
        picture: !picture.is_empty(),
        profile: Some(profile),
        read_ms: ctx.now.as_millis(),
    };
    ctx.save(PROFILES, account.as_ref(), 0, &row);
    if picture.is_empty() {
        ctx.tx.delete(PROFILE_PICTURES, account.as_ref(), 0);
    } else if before.is_none_or(|before| before.picture != picture) {
        ctx.tx.put(PROFILE_PICTURES, account.as_ref(), 0, picture);
    }
    if changed {
        let profile = shown_to_app(ctx, account)?;
        ctx.passing_event(EventKind::Profile { account: *account, profile });
    }
    Ok(())
}

/// As an app sees it.
fn shown_to_app(ctx: &mut Ctx<'_, '_>, account: &AccountId) -> Result<api::Profile, EngineError> {
    let profile = stored(ctx, account)?.map(|(_, profile)| profile).unwrap_or_default();
    to_api(ctx, account, profile)
}

fn to_api(ctx: &mut Ctx<'_, '_>, account: &AccountId, profile: Profile) -> Result<api::Profile, EngineError> {
    let own = account::own_name(ctx)?.is_some_and(|(own, _)| own == *account);
    let visibility = if own { Some(own::visibility(ctx)?) } else { None };
    let Profile { account: _, device_id: _, revision, name, about, picture, fields } = profile;
    let fields = fields.into_iter().map(|field| ProfileField { name: field.name, value: field.value });
    Ok(api::Profile {
        account: *account,
        name,
        about,
        fields: fields.collect(),
        picture: (!picture.is_empty()).then(|| Picture::new(picture)),
        updated: (revision > 0).then(|| Timestamp::from_millis(revision).min(ctx.now)),
        visibility,
    })
}

fn look_up(ctx: &mut Ctx<'_, '_>, who: Option<&Who>) -> Answer {
    let Some((own, _)) = account::own_name(ctx)? else { return Err(account::not_active(ctx)?.into()) };
    let account = match who {
        None => own,
        Some(who) => match people::resolve(ctx, who)? {
            Some(contact) => contact.id,
            None if *who == Who::Id(own) => own,
            None => {
                return Err(Error::new(ErrorCode::NotFound, format!("You know nobody called {who}.")).into());
            }
        },
    };
    let profile = if account == own { own::current(ctx)? } else { None };
    let profile = match profile {
        Some(wish) => to_api(ctx, &account, wish)?,
        None => shown_to_app(ctx, &account)?,
    };
    Ok(Some(Response::Profile { profile }))
}

/// Has [`due`] called by then.
fn wake_by(ctx: &mut Ctx<'_, '_>, at: Timestamp) {
    ctx.passing.timers.set_by(Timer::Profiles, at);
}
