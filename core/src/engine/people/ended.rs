//! A contact's account was deleted: shown in the conversation, once, and only if the contact's own identity key says so.

use wheesht_proto::ids::AccountId;

use super::{
    super::{Ctx, EngineError, messaging},
    answered, contact,
};
use crate::{
    api::{EventKind, Notice},
    signed::UnverifiedDeletion,
};

/// Somebody shows the word that this contact's account is no more. Gives whether it holds.
// ACC-32
pub(crate) fn account_deleted(
    ctx: &mut Ctx<'_, '_>,
    id: &AccountId,
    deletion: &[u8],
) -> Result<bool, EngineError> {
    let Some(known) = contact::by_id(ctx, id)? else { return Ok(false) };
    let address = known.address.canonical();
    let Some(_) = UnverifiedDeletion::decode(deletion).and_then(|deletion| deletion.verify(id, &address))
    else {
        return Ok(false);
    };
    answered(ctx, id);
    ctx.passing.people.gone.insert(*id, ctx.now);
    if !known.deleted {
        let mut contact = (*known).clone();
        contact.deleted = true;
        let contact = contact::save(ctx, contact)?;
        if !contact.fellow {
            messaging::notice(ctx, id, Notice::AccountDeleted)?;
            let contact = contact.to_api(ctx);
            ctx.event(EventKind::Contact { contact })?;
        }
    }
    messaging::manifest_changed(ctx, id)?;
    Ok(true)
}
