//! The own profile: what it is to be, and its record on the relay.
//!
//! What the person wants stands in a row, the *wish*, until the record says it. Keys and visibility are an entry of the vault, so
//! that every device can write and none writes past another: the record's compare-and-swap decides, and the last wish counts.

use wheesht_proto::{
    ids::{AccountId, RecordId},
    profile::{Field, Profile, ProfileRef, VaultProfile, vault_profile},
    prost::Message as _,
    relay::{self, ErrorCode as Refusal, client_frame, relay_frame},
    stored::ProfileWish,
};
use zeroize::Zeroize as _;

use super::{
    super::{
        Ctx, EngineError,
        account::{self, Me, vault},
        error::{Answer, Failure},
        groups,
        io::RequestError,
        messaging, people,
        tables::PROFILE_WISH,
    },
    Pending, keep, others, stored, to_api, wake_by,
};
use crate::{
    api::{Error, ErrorCode, Picture, ProfileField, ProfileVisibility, Response},
    crypto::sign::SigningKey,
    protocol::profile,
    signed::{Record, UnverifiedRecord, record::SALT_LEN, record_id},
};

/// The vault's entry.
const ENTRY: &str = "profile";

/// Makes the record's id with its first write key. That one is random, so a salt adds nothing.
const NO_SALT: [u8; SALT_LEN] = [0; SALT_LEN];

/// What failed is tried again after this long (milliseconds), later each time.
const PAUSES: (u64, u64) = (2_000, 15 * 60_000);

const VISIBILITIES: [(ProfileVisibility, vault_profile::Visibility); 3] = [
    (ProfileVisibility::Nobody, vault_profile::Visibility::Nobody),
    (ProfileVisibility::Contacts, vault_profile::Visibility::Contacts),
    (ProfileVisibility::Members, vault_profile::Visibility::Members),
];

/// What a person changes.
pub(super) struct Change {
    pub(super) name: Option<String>,
    pub(super) about: Option<String>,
    pub(super) picture: Option<Picture>,
    pub(super) fields: Option<Vec<ProfileField>>,
    pub(super) visibility: Option<ProfileVisibility>,
}

/// Takes what is present; the rest stays.
pub(super) fn set(ctx: &mut Ctx<'_, '_>, change: Change) -> Answer {
    let Some(me) = account::me(ctx)? else { return Err(account::not_active(ctx)?.into()) };
    let before = current(ctx)?.unwrap_or_default();
    let wanted = changed(before.clone(), &change)?;
    let seen = visibility(ctx)?;
    let sees = change.visibility.unwrap_or(seen);
    if sees != seen || entry(ctx)?.is_none() {
        let mut keys = keys(ctx, &me)?;
        if let Some((_, number)) = VISIBILITIES.iter().find(|(known, _)| *known == sees) {
            keys.set_visibility(*number);
        }
        // PRO-6: who no longer sees it must not read on.
        if sees < seen {
            renew(ctx, &mut keys);
        }
        put(ctx, keys)?;
        account::check_book(ctx)?;
    }
    if wanted != before || sees != seen {
        wish(ctx, &wanted);
    }
    let profile = to_api(ctx, &me.account, wanted)?;
    Ok(Some(Response::Profile { profile }))
}

/// The own profile: what it is to be, or what its record was last seen to say.
pub(super) fn current(ctx: &mut Ctx<'_, '_>) -> Result<Option<Profile>, EngineError> {
    if let Some(wish) = ctx.load::<ProfileWish>(PROFILE_WISH, b"", 0)? {
        return Ok(wish.profile);
    }
    let Some((own, _)) = account::own_name(ctx)? else { return Ok(None) };
    Ok(stored(ctx, &own)?.map(|(_, profile)| profile))
}

/// Who may see it.
pub(super) fn visibility(ctx: &Ctx<'_, '_>) -> Result<ProfileVisibility, EngineError> {
    let number = entry(ctx)?.map(|entry| entry.visibility());
    let known = VISIBILITIES.iter().find(|(_, known)| Some(*known) == number);
    Ok(known.map(|(visibility, _)| *visibility).unwrap_or_default())
}

/// What contacts are told of where it is.
// PRO-4
pub(crate) fn for_contacts(ctx: &Ctx<'_, '_>) -> Result<Option<ProfileRef>, EngineError> {
    let seen = visibility(ctx)? >= ProfileVisibility::Contacts;
    Ok(if seen { written_ref(ctx)? } else { None })
}

/// What members of one's groups are told.
// PRO-4
pub(crate) fn for_members(ctx: &Ctx<'_, '_>) -> Result<Option<ProfileRef>, EngineError> {
    let seen = visibility(ctx)? >= ProfileVisibility::Members;
    Ok(if seen { written_ref(ctx)? } else { None })
}

/// Reads what another device has written.
pub(super) fn learn(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    let Some(me) = account::me(ctx)? else { return Ok(()) };
    match written_ref(ctx)? {
        Some(own) => others::learn(ctx, &me.account, &own),
        None => Ok(()),
    }
}

/// Forgets what was to be written.
pub(super) fn forget(ctx: &mut Ctx<'_, '_>) {
    ctx.tx.delete(PROFILE_WISH, b"", 0);
}

/// The record that it stands in, if it was ever written.
pub(crate) fn own_record(ctx: &Ctx<'_, '_>) -> Result<Option<RecordId>, EngineError> {
    let keys = entry(ctx)?.as_ref().and_then(Keys::read);
    Ok(keys.filter(|keys| keys.revision > 0).map(|keys| keys.record))
}

/// The version that ends the record, after the one that stands: the account goes.
// DEV-18
pub(crate) fn last_version(ctx: &Ctx<'_, '_>, stands: relay::Record) -> Result<Option<Record>, EngineError> {
    let Some(keys) = entry(ctx)?.as_ref().and_then(Keys::read) else { return Ok(None) };
    let writer = keys.write.verifying_key();
    let stands = UnverifiedRecord::read(stands).and_then(|it| it.verify_written_by(&keys.record, &writer));
    Ok(stands.ok().and_then(|record| record.next(&keys.write, None, Vec::new()).ok()))
}

/// Brings the record in line with what is wanted.
pub(super) fn drive(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    let Some(me) = account::me(ctx)?.filter(|_| ctx.passing.profiles.online) else { return Ok(()) };
    renew_with_book(ctx, &me)?;
    if ctx.passing.profiles.busy || ctx.load::<ProfileWish>(PROFILE_WISH, b"", 0)?.is_none() {
        return Ok(());
    }
    if let Some(until) = ctx.passing.profiles.pause.filter(|until| *until > ctx.now) {
        wake_by(ctx, until);
        return Ok(());
    }
    let Some(link) = account::own_link(ctx)? else { return Ok(()) };
    let keys = keys(ctx, &me)?;
    ctx.passing.profiles.busy = true;
    let id = keys.r#ref.unwrap_or_default().record;
    ctx.ask(&link, Pending::Base, client_frame::Body::GetRecord(relay::GetRecord { id }));
    Ok(())
}

/// What stands at the relay, to be written over.
pub(super) fn base(
    ctx: &mut Ctx<'_, '_>,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<(), EngineError> {
    ctx.passing.profiles.busy = false;
    let Some(me) = account::me(ctx)? else { return Ok(()) };
    let Some(ProfileWish { profile: Some(mut wanted) }) = ctx.load(PROFILE_WISH, b"", 0)? else {
        return Ok(());
    };
    let keys = Keys::read(&keys(ctx, &me)?);
    let Some(keys) = keys else { return Ok(()) };
    let base = match result {
        Ok(relay_frame::Body::RecordOk(relay::RecordOk { record: Some(record) })) => {
            let writer = keys.write.verifying_key();
            let read =
                UnverifiedRecord::read(record).and_then(|it| it.verify_written_by(&keys.record, &writer));
            match read {
                Ok(record) => Some(record),
                Err(_) => return put_off(ctx, 0),
            }
        }
        Err(RequestError::Refused(error)) if error.code() == Refusal::NotFound => None,
        Err(RequestError::Refused(error)) => return put_off(ctx, error.retry_after_ms),
        _ => return put_off(ctx, 0),
    };
    let known = stored(ctx, &me.account)?.map_or(0, |(_, known)| known.revision);
    // PRO-7
    wanted.revision = ctx.now.as_millis().max(known.saturating_add(1)).max(keys.revision.saturating_add(1));
    (wanted.account, wanted.device_id) = (me.account.to_vec(), me.device.to_vec());
    let version = base.as_ref().map_or(1, |base| base.version() + 1);
    let value = profile::seal(&keys.view, (&keys.record, version), &wanted, &me.signing, ctx.rng);
    let record = match &base {
        Some(base) => base.next(&keys.write, None, value),
        None => Record::create(&keys.write, NO_SALT, None, value),
    };
    let (Ok(record), Some(link)) = (record, account::own_link(ctx)?) else { return put_off(ctx, 0) };
    ctx.passing.profiles.busy = true;
    let put = relay::PutRecord { record: Some(record.to_message()), ticket: Vec::new() };
    let pending = Pending::Written(Box::new((keys.record, wanted)));
    ctx.ask(&link, pending, client_frame::Body::PutRecord(put));
    Ok(())
}

/// The relay's answer to that.
pub(super) fn written(
    ctx: &mut Ctx<'_, '_>,
    record: RecordId,
    profile: Profile,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<(), EngineError> {
    ctx.passing.profiles.busy = false;
    match result {
        Ok(relay_frame::Body::Ok(_)) => {}
        Err(RequestError::Refused(error)) => return put_off(ctx, error.retry_after_ms),
        _ => return put_off(ctx, 0),
    }
    ctx.passing.profiles.failures = 0;
    ctx.passing.profiles.look = true;
    let Some(me) = account::me(ctx)? else { return Ok(()) };
    let Some(mut keys) = entry(ctx)? else { return Ok(()) };
    let mut own = keys.r#ref.clone().unwrap_or_default();
    if own.record != record.as_ref() {
        // The keys were replaced meanwhile: it is written again.
        return Ok(());
    }
    if let Some(ProfileWish { profile: Some(wanted) }) = ctx.load(PROFILE_WISH, b"", 0)?
        && same(&wanted, &profile)
    {
        forget(ctx);
    }
    let first = own.revision == 0;
    own.revision = profile.revision;
    keys.r#ref = Some(own.clone());
    put(ctx, keys)?;
    keep(ctx, &me.account, own, profile)?;
    if first {
        account::check_book(ctx)?;
    }
    tell(ctx)
}

/// Contacts and groups hear that it has changed, as far as they may see it.
// PRO-5
fn tell(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    if let Some(shown) = for_contacts(ctx)? {
        for contact in people::accepted(ctx)? {
            messaging::announce_profile(ctx, &contact, shown.clone())?;
        }
    }
    if let Some(shown) = for_members(ctx)? {
        groups::announce_profile(ctx, &shown)?;
    }
    Ok(())
}

/// The address book was replaced, since somebody who could read it must not any more: the same holds for the profile.
// PRO-6
fn renew_with_book(ctx: &mut Ctx<'_, '_>, me: &Me) -> Result<(), EngineError> {
    let Some(mut keys) = entry(ctx)? else { return Ok(()) };
    if keys.address_record == me.address_record.as_ref() {
        return Ok(());
    }
    let now = ctx.now;
    let current = current(ctx)?;
    let fresh = made(ctx, me);
    let epoch = keys.r#ref.as_ref().map_or(0, |before| before.epoch);
    keys.write_key = fresh.write_key.clone();
    keys.address_record = fresh.address_record.clone();
    keys.r#ref = fresh.r#ref.clone();
    if let Some(shown) = &mut keys.r#ref {
        shown.epoch = now.as_millis().max(epoch.saturating_add(1));
    }
    put(ctx, keys)?;
    if let Some(current) = current {
        wish(ctx, &current);
    }
    Ok(())
}

/// Another key for the same record.
// PRO-6
fn renew(ctx: &mut Ctx<'_, '_>, keys: &mut VaultProfile) {
    let key: [u8; 32] = ctx.random();
    let now = ctx.now.as_millis();
    if let Some(shown) = &mut keys.r#ref {
        shown.key = key.to_vec();
        shown.epoch = now.max(shown.epoch.saturating_add(1));
    }
}

/// The vault's entry; made if there is none.
fn keys(ctx: &mut Ctx<'_, '_>, me: &Me) -> Result<VaultProfile, EngineError> {
    if let Some(keys) = entry(ctx)? {
        return Ok(keys);
    }
    let keys = made(ctx, me);
    put(ctx, keys.clone())?;
    Ok(keys)
}

fn made(ctx: &mut Ctx<'_, '_>, me: &Me) -> VaultProfile {
    let write = SigningKey::generate(ctx.rng);
    let record = record_id(&write.verifying_key(), &NO_SALT);
    let key: [u8; 32] = ctx.random();
    let epoch = ctx.now.as_millis();
    let mut keys = VaultProfile {
        r#ref: Some(ProfileRef { record: record.to_vec(), key: key.to_vec(), epoch, revision: 0 }),
        write_key: write.to_secret_bytes().to_vec(),
        address_record: me.address_record.to_vec(),
        ..Default::default()
    };
    keys.set_visibility(vault_profile::Visibility::Members);
    keys
}

struct Keys {
    write: SigningKey,
    record: RecordId,
    view: zeroize::Zeroizing<[u8; 32]>,
    revision: u64,
}

impl Keys {
    fn read(entry: &VaultProfile) -> Option<Self> {
        let shown = entry.r#ref.as_ref()?;
        Some(Self {
            write: SigningKey::from_secret_bytes(entry.write_key.as_slice().try_into().ok()?),
            record: shown.record.as_slice().try_into().ok()?,
            view: zeroize::Zeroizing::new(shown.key.as_slice().try_into().ok()?),
            revision: shown.revision,
        })
    }
}

fn entry(ctx: &Ctx<'_, '_>) -> Result<Option<VaultProfile>, EngineError> {
    let Some(value) = vault::get(ctx, ENTRY)? else { return Ok(None) };
    // One that can't be read is made anew.
    Ok(VaultProfile::decode(value.as_slice()).ok().filter(|entry| Keys::read(entry).is_some()))
}

fn put(ctx: &mut Ctx<'_, '_>, mut keys: VaultProfile) -> Result<(), EngineError> {
    let value = keys.encode_to_vec();
    keys.write_key.zeroize();
    vault::put(ctx, ENTRY, value)
}

/// Where the profile is, if it was written.
fn written_ref(ctx: &Ctx<'_, '_>) -> Result<Option<ProfileRef>, EngineError> {
    Ok(entry(ctx)?.and_then(|entry| entry.r#ref).filter(|shown| shown.revision > 0))
}

fn wish(ctx: &mut Ctx<'_, '_>, profile: &Profile) {
    ctx.save(PROFILE_WISH, b"", 0, &ProfileWish { profile: Some(profile.clone()) });
    ctx.passing.profiles.look = true;
}

fn changed(mut profile: Profile, change: &Change) -> Result<Profile, Failure> {
    let Change { name, about, picture, fields, visibility: _ } = change;
    if let Some(name) = name {
        name.trim().clone_into(&mut profile.name);
    }
    if let Some(about) = about {
        about.trim().clone_into(&mut profile.about);
    }
    if let Some(picture) = picture {
        if !picture.bytes().is_empty() && !profile::is_picture(picture.bytes()) {
            return Err(Error::new(
                ErrorCode::Invalid,
                "A profile's picture is a PNG, JPEG or WebP file of at most 32 KiB.",
            )
            .next("Make it smaller: 256 by 256 points are enough.")
            .into());
        }
        profile.picture = picture.bytes().to_vec();
    }
    if let Some(fields) = fields {
        let field = |field: &ProfileField| Field {
            name: field.name.trim().to_owned(),
            value: field.value.trim().to_owned(),
        };
        profile.fields = fields.iter().map(field).collect();
    }
    if profile::is_sound(&profile) {
        return Ok(profile);
    }
    Err(Error::new(
        ErrorCode::Invalid,
        "A profile has a name of at most 128 bytes, a text of at most 2 KiB, and at most 16 fields, each with a name of at most 64 bytes and a line of at most 512.",
    )
    .next("Shorten it.")
    .into())
}

/// Whether two profiles say the same, whoever wrote them when.
fn same(one: &Profile, other: &Profile) -> bool {
    let bare = |profile: &Profile| Profile {
        account: Vec::new(),
        device_id: Vec::new(),
        revision: 0,
        ..profile.clone()
    };
    bare(one) == bare(other)
}

fn put_off(ctx: &mut Ctx<'_, '_>, at_least_ms: u32) -> Result<(), EngineError> {
    let passing = &mut ctx.passing.profiles;
    let pause = PAUSES.0.saturating_mul(1 << passing.failures.min(16)).min(PAUSES.1);
    passing.failures = passing.failures.saturating_add(1);
    let at = ctx.now.plus_millis(pause.max(u64::from(at_least_ms)));
    ctx.passing.profiles.pause = Some(at);
    wake_by(ctx, at);
    Ok(())
}

/// The account that is this one.
pub(super) fn is_own(ctx: &mut Ctx<'_, '_>, account: &AccountId) -> Result<bool, EngineError> {
    Ok(account::own_name(ctx)?.is_some_and(|(own, _)| own == *account))
}
