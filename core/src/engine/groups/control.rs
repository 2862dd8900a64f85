//! What two devices say to each other about a group: who may say what, and whose it is to act on.
//!
//! | what                  | from                                                        |
//! |-----------------------|-------------------------------------------------------------|
//! | chain, epoch          | a member's device, through the group's address              |
//! | ask, answer           | a member's device; another own device                       |
//! | write key, leave      | a member                                                    |
//! | invitation            | a contact who has accepted to talk                          |
//! | request to be let in  | anyone, through the request address; a member who gives it on |
//! | welcome, refusal      | who invited this account                                    |

use wheesht_proto::{
    group::{GroupControl, GroupUpdate, group_control::What},
    ids::{AccountId, DeviceId, GroupId},
    prost::Message as _,
};

use super::{
    super::{Ctx, EngineError},
    admin_keys, ask, chains, epochs, joining, learn, leaving, members, propose, requests, roster,
};
use crate::signed::DeviceCertificate;

/// Acts on an authentic content about a group. `through`: the group's address that it came by. Gives whether it was wanted: what a
/// stranger says that was not leaves nothing behind.
// GRO-22
pub(crate) fn control(
    ctx: &mut Ctx<'_, '_>,
    from: &DeviceCertificate,
    through: Option<GroupId>,
    control: GroupControl,
) -> Result<bool, EngineError> {
    let Ok(id) = GroupId::try_from(&*control.group_id) else { return Ok(false) };
    let Some(what) = control.what else { return Ok(false) };
    if through.is_some_and(|through| through != id) {
        return Ok(false);
    }
    let (account, device) = (from.identity(), from.device_id());
    match what {
        What::Invite(invite) => return joining::invited(ctx, &account, &id, invite),
        // GRM-26: through a group's address only a member gives somebody's request on.
        What::Join(_) if through.is_some() && !super::is_member(ctx, &id, &account)? => return Ok(false),
        What::Join(request) => return requests::asked(ctx, &account, &id, request),
        What::Removed(_) if !super::has_member(ctx, &id, &account)? => return Ok(false),
        What::Removed(change) => learn::removed(ctx, &id, &change)?,
        What::Welcome(welcome) => return joining::welcomed(ctx, &account, &id, welcome),
        What::Refused(refusal) => return joining::refused(ctx, &account, &id, &refusal),
        // The rest is among members; what comes from outside by another way isn't.
        _ if through.is_none() && !super::is_own(ctx, &account)? => return Ok(false),
        _ if !super::is_member(ctx, &id, &account)? => return Ok(false),
        What::Chain(chain) => chains::received(ctx, &id, &account, &device, &chain)?,
        What::Epoch(epoch) => new_epoch(ctx, &id, &account, &epoch)?,
        What::Ask(question) => ask::asked(ctx, &account, &device, &id, question)?,
        What::AdminKey(key) => admin_keys::received(ctx, &id, &account, &key)?,
        What::Proposed(change) => propose::forwarded(ctx, &id, &account, &change)?,
        What::Leave(leave) => leaving::received(ctx, &id, &account, &leave.encode_to_vec())?,
        What::Answer(answer) => ask::answered(ctx, (&account, &device), &id, answer)?,
    }
    Ok(true)
}

/// A member tells all that the group has changed.
pub(super) fn update(
    ctx: &mut Ctx<'_, '_>,
    id: &GroupId,
    from: (AccountId, DeviceId),
    update: GroupUpdate,
) -> Result<(), EngineError> {
    learn::learn(ctx, id, &update.changes, learn::Source::Told)?;
    if !update.leave.is_empty() {
        leaving::received(ctx, id, &from.0, &update.leave)?;
    }
    members::learn(ctx, id, &update.manifests)?;
    roster::learn(ctx, id, &update.leaves)?;
    Ok(())
}

/// An outer key has come: what waited for it is tried again.
pub(super) fn new_epoch(
    ctx: &mut Ctx<'_, '_>,
    id: &GroupId,
    from: &AccountId,
    epoch: &wheesht_proto::group::EpochKey,
) -> Result<(), EngineError> {
    if epochs::received(ctx, id, from, epoch)? {
        super::epoch_opened(ctx, id);
    }
    Ok(())
}
