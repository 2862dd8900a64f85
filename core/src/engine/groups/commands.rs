//! What a person asks of a group's state: found it, change it, remove somebody, leave, look at it.

use wheesht_proto::{
    ids::{AccountId, GroupId},
    limits::MAX_GROUP_PICTURE,
};

use super::{
    super::{
        Ctx, account,
        error::{Answer, Failure},
        people,
    },
    addresses, admin_keys, apply, epochs,
    group::{self, Group, Phase},
    joining, propose, record, shown, words,
};
use crate::{
    api::{Error, ErrorCode, EventKind, Picture, Policy, Response, Role, Who},
    crypto::{secret::Secret as _, sign::SigningKey},
    protocol::group::{Action, ChangeError, Description, Epoch, OuterKey, RecordPlace, found},
    signed::{Record, record_id},
};

/// Groups of one account: each has an address at the relay, of which there are some thousands.
const MAX_GROUPS: usize = 2_000;

/// Founds a group. Its founder needs nobody's leave, so it is there at once; the record is made as soon as the relay is reached.
pub(super) fn create(
    ctx: &mut Ctx<'_, '_>,
    title: String,
    about: String,
    picture: Option<Picture>,
    policy: Policy,
) -> Answer {
    let Some(me) = account::me(ctx)? else { return Err(account::not_active(ctx)?.into()) };
    if group::ids(ctx)?.len() >= MAX_GROUPS {
        let error = Error::new(ErrorCode::TooLarge, format!("You have {MAX_GROUPS} groups already."));
        return Err(error.next("Delete some that you have left.").into());
    }
    let picture = checked(picture)?.unwrap_or_default();
    let description = Description { title, about, picture };
    let (key, write_key) = (OuterKey::generate(ctx.rng), SigningKey::generate(ctx.rng));
    let (salt, record_salt) = (ctx.random(), ctx.random());
    let epoch = Epoch { number: 1, key_commitment: key.commitment(1) };
    let place =
        RecordPlace { id: record_id(&write_key.verifying_key(), &record_salt), relay: me.relay.clone() };
    let founded =
        found(&me.signing, &me.certificate, salt, &me.address, &description, policy, epoch, &place, ctx.now);
    let (change, state) = founded.map_err(words::change_error)?;
    let id = state.group();
    let value = record::value(ctx, &place, &state, &change, Vec::new(), &key, &[])?;
    let record = Record::create(&write_key, record_salt, None, value);
    let record = record.map_err(|_| words::change_error(ChangeError::TooLarge))?;
    let group = group::save_state(ctx, Group::new(state.clone(), &change))?;
    epochs::begin(ctx, &id, 1, &key);
    admin_keys::begin(ctx, &id, &place.id, write_key.to_secret_bytes().as_slice(), 1);
    propose::found(ctx, &id, change.encoded(), &record)?;
    addresses::obtain(ctx, &id)?;
    let title = description.title;
    super::told(ctx, &group, me.account, vec![crate::api::GroupChange::Founded { title }], &state)?;
    super::state_changed(ctx, &group)?;
    apply::shown(ctx, &id)?;
    apply::answer(ctx, &id)
}

/// Changes title, text, picture.
pub(super) fn edit(
    ctx: &mut Ctx<'_, '_>,
    id: &GroupId,
    title: Option<String>,
    about: Option<String>,
    picture: Option<Picture>,
) -> Answer {
    let picture = checked(picture)?;
    let Some(group) = group::load(ctx, id)? else { return Err(joining::not_in(ctx, id).into()) };
    // What is as it was needs no change.
    let description = group.state.description();
    let title = title.filter(|title| *title != description.title);
    let about = about.filter(|about| *about != description.about);
    let picture = picture.filter(|picture| *picture != description.picture);
    if title.is_none() && about.is_none() && picture.is_none() {
        return apply::answer(ctx, id);
    }
    act(ctx, id, Action::Describe { title, about, picture })
}

/// Changes how the group is run.
pub(super) fn set_policy(ctx: &mut Ctx<'_, '_>, id: &GroupId, policy: Policy) -> Answer {
    act(ctx, id, Action::SetPolicy(policy))
}

/// Removes a member, or keeps somebody out.
pub(super) fn remove(ctx: &mut Ctx<'_, '_>, id: &GroupId, who: &Who, ban: bool) -> Answer {
    let account = member(ctx, id, who)?;
    if account::me(ctx)?.is_some_and(|me| me.account == account) {
        let error = Error::new(ErrorCode::Invalid, "You can't remove yourself.");
        return Err(error.next("Leave the group instead.").into());
    }
    act(ctx, id, Action::Remove { account, ban, leave: None })
}

/// Lets somebody come back.
pub(super) fn unban(ctx: &mut Ctx<'_, '_>, id: &GroupId, account: AccountId) -> Answer {
    act(ctx, id, Action::Unban(account))
}

/// Gives a member another role.
pub(super) fn set_role(ctx: &mut Ctx<'_, '_>, id: &GroupId, who: &Who, role: Role) -> Answer {
    let account = member(ctx, id, who)?;
    act(ctx, id, Action::SetRole { account, role })
}

/// Moves the record to this account's relay: the only one where it can make one.
pub(super) fn move_record(
    ctx: &mut Ctx<'_, '_>,
    id: &GroupId,
    relay: &wheesht_proto::address::RelayAddress,
) -> Answer {
    let Some(me) = account::me(ctx)? else { return Err(account::not_active(ctx)?.into()) };
    if relay.authority() != me.relay.authority() {
        let error =
            Error::new(ErrorCode::Invalid, "A group's record moves to the relay of the owner who moves it.");
        return Err(error.next("Name your own relay, or ask an owner whose account is on that one.").into());
    }
    // The record's id follows from a key that is drawn when the change is drafted.
    let place = RecordPlace { id: wheesht_proto::ids::RecordId::new(ctx.random()), relay: me.relay.clone() };
    act(ctx, id, Action::MoveRecord(place))
}

/// Forgets a group that one does not belong to.
pub(super) fn delete(ctx: &mut Ctx<'_, '_>, id: &GroupId) -> Answer {
    let Some(group) = group::load(ctx, id)? else { return Err(joining::not_in(ctx, id).into()) };
    if matches!(group.phase, Phase::Member | Phase::Leaving) {
        let error = Error::new(ErrorCode::Invalid, "You belong to this group.");
        return Err(error.next("Leave it first.").into());
    }
    apply::forget_keys(ctx, id)?;
    group::erase(ctx, &group)?;
    super::super::messaging::erase_group(ctx, id)?;
    ctx.event(EventKind::GroupDeleted { group: *id })?;
    Ok(Some(Response::Done))
}

/// Proposes one thing, and shows the group with it.
pub(super) fn act(ctx: &mut Ctx<'_, '_>, id: &GroupId, action: Action) -> Answer {
    propose::propose(ctx, id, vec![action])?;
    apply::shown(ctx, id)?;
    apply::answer(ctx, id)
}

/// All groups.
pub(super) fn list(ctx: &mut Ctx<'_, '_>) -> Answer {
    let mut groups = shown::groups(ctx)?;
    groups.extend(super::before_joining(ctx)?);
    groups.sort_by(|a, b| a.title.cmp(&b.title).then_with(|| a.id.cmp(&b.id)));
    Ok(Some(Response::Groups { groups }))
}

/// Whom a request means: a member by id or address, or anybody by id.
fn member(ctx: &mut Ctx<'_, '_>, id: &GroupId, who: &Who) -> Result<AccountId, Failure> {
    let Some(group) = group::load(ctx, id)? else { return Err(joining::not_in(ctx, id).into()) };
    let found = match who {
        Who::Id(account) => Some(*account),
        Who::Address(address) => {
            let canonical = address.canonical();
            let mut members = group.state.members().iter();
            let member = members.find(|member| member.address.canonical() == canonical);
            match member {
                Some(member) => Some(member.account),
                None => people::resolve(ctx, who)?.map(|contact| contact.id),
            }
        }
    };
    found.ok_or_else(|| {
        Error::new(ErrorCode::NotFound, format!("{who} does not belong to this group.")).into()
    })
}

/// Only what is a picture, by its first bytes, and small enough.
fn checked(picture: Option<Picture>) -> Result<Option<Vec<u8>>, Error> {
    let Some(picture) = picture else { return Ok(None) };
    let bytes = picture.bytes();
    let known = bytes.is_empty()
        || bytes.starts_with(b"\x89PNG\r\n\x1a\n")
        || bytes.starts_with(b"\xff\xd8\xff")
        || (bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP"));
    if !known {
        return Err(Error::new(ErrorCode::Invalid, "A group's picture is a PNG, JPEG or WebP file."));
    }
    if bytes.len() > MAX_GROUP_PICTURE {
        let error = Error::new(ErrorCode::TooLarge, "A group's picture has at most 32 KiB.");
        return Err(error.next("Make it smaller: 128 by 128 pixels are enough."));
    }
    Ok(Some(bytes.to_vec()))
}
