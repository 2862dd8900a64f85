//! Links into a group: made, listed, revoked. The state authorises an invitation by its public key; the secret is in the link, and
//! in the vault, so that every device of the account that made it can show it again.

use wheesht_proto::{
    account::VaultInvite,
    ids::{AccountId, GroupId},
    prost::Message as _,
};
use zeroize::Zeroizing;

use super::{
    super::{Ctx, EngineError, account, error::Answer},
    apply,
    group::Group,
    propose, shown, words,
};
use crate::{
    api::{Error, ErrorCode, GroupLink, Response},
    crypto::sign::VerifyingKey,
    protocol::group::{Action, Invitation, Invite, InviteSecret, Joining},
};

/// Makes a link.
pub(super) fn make(
    ctx: &mut Ctx<'_, '_>,
    id: &GroupId,
    lifetime_ms: Option<u64>,
    uses: Option<u32>,
) -> Answer {
    let group = super::acting(ctx, id)?;
    let Some(me) = account::me(ctx)? else { return Err(account::not_active(ctx)?.into()) };
    if group.state().policy().joining == Joining::Closed {
        return Err(Error::new(ErrorCode::Invalid, "Nobody joins this group by link.")
            .next("An owner can change how the group is run.")
            .into());
    }
    if lifetime_ms == Some(0) || uses == Some(0) {
        return Err(Error::new(ErrorCode::Invalid, "Such a link could never be used.").into());
    }
    let secret = InviteSecret::generate(&mut *ctx.rng);
    let expires = lifetime_ms.map(|lifetime| ctx.now.plus_millis(lifetime));
    let invite = Invite { key: secret.key(), expires, uses_left: uses, maker: me.account };
    let entry = VaultInvite {
        secret: secret.to_bytes().to_vec(),
        expires_ms: expires.map_or(0, |expires| expires.as_millis()),
    };
    let link = shown::link(&invite, link(ctx, &group, &me.account, &secret, &invite)?);
    propose::propose(ctx, id, vec![Action::AddInvite(invite)])?;
    account::vault::put(ctx, &key(id, &secret.key()), entry.encode_to_vec())?;
    Ok(Some(Response::GroupLink { link }))
}

/// Makes a link void.
pub(super) fn revoke(ctx: &mut Ctx<'_, '_>, id: &GroupId, link: &str) -> Answer {
    let group = super::acting(ctx, id)?;
    let invite = group.state().invites().iter().find(|invite| words::invite_id(&invite.key) == link);
    let Some(invite) = invite else {
        return Err(Error::new(ErrorCode::NotFound, "The group has no such link.").into());
    };
    let public = invite.key;
    propose::propose(ctx, id, vec![Action::RevokeInvite(public)])?;
    account::vault::delete(ctx, &key(id, &public))?;
    apply::shown(ctx, id)?;
    apply::answer(ctx, id)
}

/// The links that are good.
pub(super) fn list(ctx: &mut Ctx<'_, '_>, group: &Group) -> Result<Vec<GroupLink>, EngineError> {
    let Some(me) = account::me(ctx)? else { return Ok(Vec::new()) };
    let mut links = Vec::new();
    for invite in group.state().invites() {
        if invite.expires.is_some_and(|expires| expires <= ctx.now) || invite.uses_left == Some(0) {
            continue;
        }
        let known = account::vault::get(ctx, &key(&group.id, &invite.key))?;
        let secret = known.and_then(|entry| {
            let entry = VaultInvite::decode(entry.as_slice()).ok()?;
            let secret = Zeroizing::new(entry.secret);
            Some(InviteSecret::from_bytes(secret.as_slice().try_into().ok()?))
        });
        let text = match secret {
            Some(secret) if invite.maker == me.account => link(ctx, group, &me.account, &secret, invite)?,
            _ => None,
        };
        links.push(shown::link(invite, text));
    }
    Ok(links)
}

/// Forgets the secrets of a group's links.
pub(super) fn erase(ctx: &mut Ctx<'_, '_>, id: &GroupId) -> Result<(), EngineError> {
    for (key, _) in account::vault::list(ctx, &format!("group/{id}/link/"))? {
        account::vault::delete(ctx, &key)?;
    }
    Ok(())
}

fn link(
    ctx: &mut Ctx<'_, '_>,
    group: &Group,
    maker: &AccountId,
    secret: &InviteSecret,
    invite: &Invite,
) -> Result<Option<String>, EngineError> {
    let Some(me) = account::me(ctx)? else { return Ok(None) };
    let invitation = Invitation {
        group: group.id,
        secret: InviteSecret::from_bytes(&secret.to_bytes()),
        address: me.address.clone(),
        identity: *maker,
        expires: invite.expires,
        title: group.state().description().title.clone(),
    };
    Ok(Some(invitation.to_link().to_string()))
}

fn key(id: &GroupId, invite: &VerifyingKey) -> String {
    format!("group/{id}/link/{}", words::invite_id(invite))
}
