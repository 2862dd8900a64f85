//! Which devices a contact has: the manifest known, and how a newer one replaces it.
//!
//! A message says how far its sender's manifest has come; whoever hears of a newer one fetches the chain in between and checks
//! each link. A relay can thus withhold an update only until the next message, add no device, and go back to no older list.

use std::rc::Rc;

use wheesht_proto::{
    ids::{AccountId, DepositAddress},
    relay::{self, ErrorCode as Refusal, client_frame, relay_frame},
};

use super::{
    super::{Ctx, EngineError, account, io::RequestError, messaging},
    Pending, answered, books,
    contact::{self, Contact},
    ended, retry_later, vault,
};
use crate::{
    api::{ContactState, EventKind, Notice, Trouble},
    signed::manifest::{Manifest, ManifestHead, UnverifiedManifest, verify_chain},
};

/// The newest manifest known of a contact.
pub(crate) fn known_head(ctx: &mut Ctx<'_, '_>, id: &AccountId) -> Result<Option<ManifestHead>, EngineError> {
    Ok(contact::by_id(ctx, id)?.map(|contact| contact.manifest.head()))
}

/// A contact's device has said, in a message that authenticated, how far its manifest has come.
pub(crate) fn observe_head(
    ctx: &mut Ctx<'_, '_>,
    id: &AccountId,
    head: ManifestHead,
) -> Result<(), EngineError> {
    let Some(contact) = contact::by_id(ctx, id)? else { return Ok(()) };
    let known = contact.manifest.head();
    if head.version > known.version {
        let claimed = ctx.passing.people.claimed.entry(*id).or_insert(head);
        if head.version > claimed.version {
            *claimed = head;
        }
        check(ctx, &contact)
    } else if head.version == known.version && head.hash != known.hash {
        // Two lists of one version: somebody shows different people different devices.
        ctx.event(EventKind::Trouble { trouble: Trouble::ManifestWithheld { account: *id } })
    } else {
        Ok(())
    }
}

/// A contact's address didn't take an envelope: look whether it has moved, or is gone.
pub(crate) fn unreachable(ctx: &mut Ctx<'_, '_>, id: &AccountId) -> Result<(), EngineError> {
    let Some(contact) = contact::by_id(ctx, id)? else { return Ok(()) };
    check(ctx, &contact)?;
    books::read(ctx, &contact)
}

/// Asks the contact's relay for the newest manifest.
pub(super) fn check(ctx: &mut Ctx<'_, '_>, contact: &Contact) -> Result<(), EngineError> {
    if ctx.passing.people.checking.insert(contact.id) {
        let link = account::anonymous_link(contact.relay());
        let lookup = relay::Lookup { name: contact.address.name().to_string() };
        ctx.ask(&link, Pending::Check(contact.id), client_frame::Body::Lookup(lookup));
    }
    Ok(())
}

/// The answer to [`check`].
pub(super) fn check_reply(
    ctx: &mut Ctx<'_, '_>,
    id: &AccountId,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<(), EngineError> {
    ctx.passing.people.checking.remove(id);
    let Some(contact) = contact::by_id(ctx, id)? else { return Ok(()) };
    match result {
        Ok(relay_frame::Body::LookupOk(found)) => {
            ctx.passing.people.gone.remove(id);
            meet(ctx, &contact, &found.manifest, found.request_address.as_slice().try_into().ok())
        }
        Ok(relay_frame::Body::Deleted(relay::Deleted { deletion }))
            if ended::account_deleted(ctx, id, &deletion)? =>
        {
            Ok(())
        }
        Err(RequestError::Refused(error)) if error.code() == Refusal::NotFound => {
            answered(ctx, id);
            ctx.passing.people.gone.insert(*id, ctx.now);
            messaging::manifest_changed(ctx, id)
        }
        Ok(_) | Err(_) => {
            retry_later(ctx, id);
            Ok(())
        }
    }
}

/// A relay shows this manifest for a contact's address.
pub(super) fn meet(
    ctx: &mut Ctx<'_, '_>,
    contact: &Contact,
    shown: &[u8],
    request_address: Option<DepositAddress>,
) -> Result<(), EngineError> {
    let contact = Contact { checked: ctx.now, ..contact.clone() };
    compare(ctx, contact, shown, request_address)
}

/// A member of a group shows this manifest of an account: nothing that its relay has confirmed.
// GRO-12
pub(super) fn hearsay(ctx: &mut Ctx<'_, '_>, contact: &Contact, shown: &[u8]) -> Result<(), EngineError> {
    let ours = UnverifiedManifest::decode(shown).ok().filter(|shown| shown.identity() == contact.id);
    let Some(ours) = ours else { return Ok(()) };
    match ours.verify_next(&contact.manifest) {
        Ok(next) => install(ctx, contact.clone(), next),
        // There may be others in between; its relay has them.
        Err(_) => check(ctx, contact),
    }
}

fn compare(
    ctx: &mut Ctx<'_, '_>,
    mut contact: Contact,
    shown: &[u8],
    request_address: Option<DepositAddress>,
) -> Result<(), EngineError> {
    let known = contact.manifest.head();
    let Ok(shown) = UnverifiedManifest::decode(shown) else { return withheld(ctx, contact) };
    if shown.identity() != contact.id {
        return match shown.verify_alone(None, Some(&contact.address)) {
            Ok(other) => identity_changed(ctx, contact, other, request_address),
            Err(_) => withheld(ctx, contact),
        };
    }
    contact.request_address = request_address.or(contact.request_address);
    if shown.version() < known.version || (shown.version() == known.version && shown.hash() != known.hash) {
        return withheld(ctx, contact);
    }
    let unchanged = shown.version() == known.version;
    let from_version = known.version + 1;
    let next = (shown.version() == from_version).then(|| shown.verify_next(&contact.manifest));
    match next {
        _ if unchanged => {
            if !genuine(ctx, &contact) {
                return withheld(ctx, contact);
            }
            let contact = shown_again(ctx, contact)?;
            messaging::manifest_changed(ctx, &contact.id)
        }
        Some(Ok(next)) => {
            let contact = (*shown_again(ctx, contact)?).clone();
            install(ctx, contact, next)
        }
        Some(Err(_)) => withheld(ctx, contact),
        None => {
            let contact = contact::save(ctx, contact)?;
            let link = account::anonymous_link(contact.relay());
            let ask = relay::GetManifests { name: contact.address.name().to_string(), from_version };
            ctx.ask(&link, Pending::Chain(contact.id), client_frame::Body::GetManifests(ask));
            Ok(())
        }
    }
}

/// The manifests between the one known and the newest.
pub(super) fn chain_reply(
    ctx: &mut Ctx<'_, '_>,
    id: &AccountId,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<(), EngineError> {
    let Some(contact) = contact::by_id(ctx, id)? else { return Ok(()) };
    let contact = (*contact).clone();
    match result {
        Ok(relay_frame::Body::Manifests(list)) if !list.manifests.is_empty() => {
            match verify_chain(&contact.manifest, &list.manifests) {
                Ok(mut chain) => {
                    let Some(newest) = chain.pop() else { return withheld(ctx, contact) };
                    let contact = (*shown_again(ctx, contact)?).clone();
                    install(ctx, contact, newest)?;
                    // The relay gives a bounded number at a time: look whether that was all.
                    match contact::by_id(ctx, id)? {
                        Some(contact) if list.manifests.len() >= wheesht_proto::limits::MAX_MANIFESTS => {
                            check(ctx, &contact)
                        }
                        _ => Ok(()),
                    }
                }
                Err(_) => withheld(ctx, contact),
            }
        }
        Ok(_) | Err(RequestError::Refused(_)) => withheld(ctx, contact),
        Err(RequestError::Lost) => {
            retry_later(ctx, id);
            Ok(())
        }
    }
}

/// Takes over a verified newer manifest.
pub(super) fn install(
    ctx: &mut Ctx<'_, '_>,
    mut contact: Contact,
    next: Manifest,
) -> Result<(), EngineError> {
    let added: Vec<_> = next.added_since(&contact.manifest).map(|device| device.device_id()).collect();
    let removed: Vec<_> = next.removed_since(&contact.manifest).map(|device| device.device_id()).collect();
    contact.manifest = next;
    contact.addresses.retain(|(device, _)| !removed.contains(device));
    contact.reply.retain(|(device, _)| !removed.contains(device));
    if !genuine(ctx, &contact) {
        retry_later(ctx, &contact.id);
    }
    let contact = contact::save(ctx, contact)?;
    vault::store(ctx, &contact)?;
    if matches!(contact.state, ContactState::Accepted | ContactState::RequestSent) {
        for device in added {
            messaging::notice(ctx, &contact.id, Notice::DeviceAdded { device })?;
        }
        for device in removed {
            messaging::notice(ctx, &contact.id, Notice::DeviceRemoved { device })?;
        }
        ctx.passing.people.incomplete.remove(&contact.id);
        books::read(ctx, &contact)?;
    }
    messaging::manifest_changed(ctx, &contact.id)
}

/// The address's relay shows a list that the contact's own identity key signed: whom it always showed. Nothing stands in the way of
/// writing to them. A list that doesn't verify never gets here.
// CON-34
fn shown_again(ctx: &mut Ctx<'_, '_>, mut contact: Contact) -> Result<Rc<Contact>, EngineError> {
    let lifted = contact.changed.take().is_some();
    let contact = contact::save(ctx, contact)?;
    if lifted {
        ctx.event(EventKind::Contact { contact: contact.to_api(ctx) })?;
    }
    Ok(contact)
}

fn identity_changed(
    ctx: &mut Ctx<'_, '_>,
    mut contact: Contact,
    other: Manifest,
    request_address: Option<DepositAddress>,
) -> Result<(), EngineError> {
    let known = contact.changed.as_ref().is_some_and(|(known, _)| known.identity() == other.identity());
    contact.changed = Some((other, request_address));
    contact.verified = false;
    let contact = contact::save(ctx, contact)?;
    // Of a member of a group the group's signed state says who it is, not the name's relay.
    if !known && !contact.fellow {
        messaging::notice(ctx, &contact.id, Notice::IdentityChanged)?;
        ctx.event(EventKind::Contact { contact: contact.to_api(ctx) })?;
    }
    // It may have been a lie of the relay's: look again.
    retry_later(ctx, &contact.id);
    messaging::manifest_changed(ctx, &contact.id)
}

/// What the relay shows holds. Whether it is all that there is: the contact's own word may speak of a newer one.
// CON-8
fn genuine(ctx: &mut Ctx<'_, '_>, contact: &Contact) -> bool {
    let claimed = ctx.passing.people.claimed.get(&contact.id);
    if claimed.is_some_and(|claimed| claimed.version > contact.manifest.version()) {
        return false;
    }
    answered(ctx, &contact.id);
    ctx.passing.people.claimed.remove(&contact.id);
    ctx.passing.people.withheld.remove(&contact.id);
    true
}

/// The relay shows an older, forked or forged list: it is refused, the person hears of it, once, and it is asked again.
fn withheld(ctx: &mut Ctx<'_, '_>, contact: Contact) -> Result<(), EngineError> {
    let contact = contact::save(ctx, contact)?;
    if ctx.passing.people.withheld.insert(contact.id) {
        ctx.event(EventKind::Trouble { trouble: Trouble::ManifestWithheld { account: contact.id } })?;
    }
    retry_later(ctx, &contact.id);
    messaging::manifest_changed(ctx, &contact.id)
}
