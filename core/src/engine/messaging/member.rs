//! Who somebody is in a conversation: oneself, a member of a group, and what they may do there.

use std::rc::Rc;

use wheesht_proto::{
    content::{Content, content::Body},
    ids::{AccountId, GroupId},
};

use super::super::{
    Ctx, EngineError, account,
    error::Failure,
    groups::{self, Group},
    people, profiles,
};
use crate::{
    api::{ConversationId, Error, ErrorCode},
    protocol::group::Role,
};

/// The own account, also on a device that is no longer one of its.
pub(super) fn own(ctx: &mut Ctx<'_, '_>) -> Result<Option<AccountId>, EngineError> {
    Ok(account::own_name(ctx)?.map(|(own, _)| own))
}

/// Whether this is the own account.
pub(super) fn is_own(ctx: &mut Ctx<'_, '_>, account: &AccountId) -> Result<bool, EngineError> {
    Ok(own(ctx)?.is_some_and(|own| own == *account))
}

/// A group that this account belongs to.
pub(super) fn group(ctx: &mut Ctx<'_, '_>, id: &GroupId) -> Result<Option<Rc<Group>>, EngineError> {
    Ok(groups::load(ctx, id)?.filter(|group| group.belongs()))
}

/// What somebody may do in a group. Nobody belongs to one that this device isn't in.
pub(super) fn role(
    ctx: &mut Ctx<'_, '_>,
    id: &GroupId,
    account: &AccountId,
) -> Result<Option<Role>, EngineError> {
    Ok(group(ctx, id)?.and_then(|group| group.state().role(account)))
}

/// Whether somebody may change a group's title, and so pin messages.
// CON-29
pub(super) fn may_describe(
    ctx: &mut Ctx<'_, '_>,
    id: &GroupId,
    account: &AccountId,
) -> Result<bool, EngineError> {
    let Some(group) = group(ctx, id)? else { return Ok(false) };
    Ok(group.state().role(account) >= Some(group.state().policy().describe))
}

/// The group, if this account may write there; else why not.
pub(super) fn writes(ctx: &mut Ctx<'_, '_>, id: &GroupId) -> Result<Rc<Group>, Failure> {
    let missing = || Error::new(ErrorCode::NotFound, format!("You are in no group {id}."));
    let group = group(ctx, id)?.ok_or_else(missing)?;
    let own = own(ctx)?.ok_or_else(missing)?;
    if groups::may_write(&group, &own) {
        return Ok(group);
    }
    Err(Error::new(ErrorCode::NotPermitted, "In this group only admins write.").into())
}

/// Has a content go to everybody in a group.
pub(super) fn tell_group(
    ctx: &mut Ctx<'_, '_>,
    id: &GroupId,
    mut content: Content,
    visible: bool,
) -> Result<(), EngineError> {
    // PRO-5
    if matches!(content.body, Some(Body::Text(_))) {
        content.profile = profiles::for_members(ctx)?;
    }
    groups::queue(ctx, id, content, visible)
}

/// What somebody is called in a conversation. The other's name there is that of whom it is with now; a member who is no contact is
/// called as the group knows it.
pub(super) fn name(
    ctx: &mut Ctx<'_, '_>,
    id: &ConversationId,
    account: &AccountId,
    own: bool,
) -> Result<String, EngineError> {
    let account = match id {
        _ if own => return Ok(account::own_name(ctx)?.map_or_else(String::new, |(_, name)| name)),
        ConversationId::Direct(with) => with,
        ConversationId::Group(_) => account,
    };
    if let Some(contact) = people::by_id(ctx, account)? {
        return Ok(match contact.extra.nickname.as_str() {
            "" => contact.address.name().to_string(),
            nickname => nickname.to_owned(),
        });
    }
    if let ConversationId::Group(group) = id
        && let Some(group) = groups::load(ctx, group)?
        && let Some(member) = group.state().member(account)
    {
        return Ok(member.address.name().to_string());
    }
    Ok(account.to_string())
}
