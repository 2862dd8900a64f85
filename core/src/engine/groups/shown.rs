//! A group as an app sees it.

use wheesht_proto::ids::GroupId;

use super::{
    super::{Ctx, EngineError, account, people, profiles},
    group::{self, Group, Phase},
    links, propose, requests, roster, words,
};
use crate::{
    api::{self, GroupPhase, Picture},
    protocol::group::Invite,
};

/// As in the list.
pub(super) fn group(ctx: &mut Ctx<'_, '_>, group: &Group) -> Result<api::Group, EngineError> {
    let state = &group.state;
    let role = account::own_name(ctx)?.and_then(|(own, _)| state.role(&own)).filter(|_| group.belongs());
    let waiting = propose::waiting(ctx, &group.id)?;
    let picture = &state.description().picture;
    Ok(api::Group {
        id: group.id,
        title: state.description().title.clone(),
        about: state.description().about.clone(),
        picture: (!picture.is_empty()).then(|| Picture::new(picture.clone())),
        phase: match group.phase {
            Phase::Member => GroupPhase::Member,
            Phase::Leaving => GroupPhase::Leaving,
            Phase::Left => GroupPhase::Left,
            Phase::Removed => GroupPhase::Removed,
        },
        role,
        policy: Some(*state.policy()),
        members: u32::try_from(state.members().len()).unwrap_or(u32::MAX),
        inviter: None,
        refusal: None,
        version: state.version(),
        founded: Some(state.founded()),
        relay: Some(state.record().relay.clone()),
        pending: waiting.iter().flat_map(|actions| words::changes(state, actions)).collect(),
    })
}

/// All groups whose state is known.
pub(super) fn groups(ctx: &mut Ctx<'_, '_>) -> Result<Vec<api::Group>, EngineError> {
    let mut groups = Vec::new();
    for id in group::ids(ctx)? {
        if let Some(group) = group::load(ctx, &id)? {
            groups.push(self::group(ctx, &group)?);
        }
    }
    Ok(groups)
}

/// Who belongs: owners first, then admins, then by address.
pub(super) fn members(ctx: &mut Ctx<'_, '_>, group: &Group) -> Result<Vec<api::GroupMember>, EngineError> {
    let own = account::own_name(ctx)?.map(|(own, _)| own);
    let known = roster::load(ctx, &group.id)?;
    let mut members = Vec::new();
    for member in group.state.members() {
        let devices = known.roster().of(&member.account).count();
        members.push(api::GroupMember {
            account: member.account,
            address: member.address.clone(),
            profile_name: profiles::name(ctx, &member.account),
            role: member.role,
            added_by: member.added_by,
            since: member.since.min(ctx.now),
            devices: u32::try_from(devices).unwrap_or(u32::MAX),
            own: own == Some(member.account),
            verified: people::by_id(ctx, &member.account)?.is_some_and(|contact| contact.verified),
        });
    }
    members.sort_by(|a, b| b.role.cmp(&a.role).then_with(|| a.address.cmp(&b.address)));
    Ok(members)
}

/// Links that are good. `written`: what a link says, where this account's devices know it.
pub(super) fn link(invite: &Invite, written: Option<String>) -> api::GroupLink {
    api::GroupLink {
        id: words::invite_id(&invite.key),
        link: written,
        maker: invite.maker,
        expires: invite.expires,
        uses_left: invite.uses_left,
    }
}

/// Everything about a group.
pub(super) fn details(ctx: &mut Ctx<'_, '_>, id: &GroupId) -> Result<Option<api::GroupDetails>, EngineError> {
    let Some(group) = group::load(ctx, id)? else { return Ok(None) };
    Ok(Some(api::GroupDetails {
        group: self::group(ctx, &group)?,
        members: members(ctx, &group)?,
        banned: group.state.banned().to_vec(),
        requests: requests::shown(ctx, id)?,
        links: links::list(ctx, &group)?,
    }))
}
