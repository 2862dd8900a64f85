//! Fellows: members of a group who are no contacts.
//!
//! What is known of one is a manifest and an address, kept like a contact's and watched like a contact's; but a fellow is never
//! listed, announced, or written to the vault, and becomes a contact only when the person says so or they ask to talk. The
//! identity comes from the group's signed state: a manifest that isn't that identity's is nobody's.

use std::rc::Rc;

use wheesht_proto::{
    address::Address,
    ids::AccountId,
    relay::{self, client_frame, relay_frame},
};

use super::{
    super::{Ctx, EngineError, account, io::RequestError, messaging},
    CHECK_MS, Pending,
    contact::{self, Contact},
    find, manifests, vault,
};
use crate::{
    api::{ContactState, EventKind},
    signed::manifest::UnverifiedManifest,
    time::Timestamp,
};

/// A member of a group showed this manifest of an account: taken if it is the account's, and newer than what is known. Gives
/// whether some manifest of the account is known now.
pub(crate) fn fellow_manifest(
    ctx: &mut Ctx<'_, '_>,
    id: &AccountId,
    address: &Address,
    encoded: &[u8],
) -> Result<bool, EngineError> {
    let Ok(shown) = UnverifiedManifest::decode(encoded) else { return Ok(false) };
    if shown.identity() != *id {
        return Ok(false);
    }
    if let Some(known) = contact::by_id(ctx, id)? {
        if shown.version() > known.manifest.version() {
            manifests::hearsay(ctx, &known, encoded)?;
        }
        return Ok(true);
    }
    // GRO-12: it may be an old one: it counts as never confirmed.
    let Ok(manifest) = shown.verify_alone(Some(id), Some(address)) else { return Ok(false) };
    let relay = find::known_relay(ctx, address.relay())?;
    let address = Address::new(address.name().clone(), relay);
    let mut fellow = Contact::new(manifest, address, ContactState::Known, ctx.now);
    fellow.checked = Timestamp::default();
    fellow.fellow = true;
    contact::save(ctx, fellow)?;
    messaging::manifest_changed(ctx, id)?;
    Ok(true)
}

/// Asks the relay of an account of whom nothing is known yet. Gives whether something is known already.
pub(crate) fn meet_fellow(
    ctx: &mut Ctx<'_, '_>,
    id: &AccountId,
    address: &Address,
) -> Result<bool, EngineError> {
    if contact::by_id(ctx, id)?.is_some() {
        return Ok(true);
    }
    if ctx.passing.people.checking.insert(*id) {
        let relay = find::known_relay(ctx, address.relay())?;
        let address = Address::new(address.name().clone(), relay);
        let link = account::anonymous_link(address.relay());
        let lookup = relay::Lookup { name: address.name().to_string() };
        ctx.ask(&link, Pending::Fellow(Box::new((*id, address))), client_frame::Body::Lookup(lookup));
    }
    Ok(false)
}

/// The answer to [`meet_fellow`]. One that says nothing useful is asked for again by whoever needs it.
pub(super) fn reply(
    ctx: &mut Ctx<'_, '_>,
    id: &AccountId,
    address: &Address,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<(), EngineError> {
    ctx.passing.people.checking.remove(id);
    let Ok(relay_frame::Body::LookupOk(found)) = result else { return messaging::manifest_changed(ctx, id) };
    if !fellow_manifest(ctx, id, address, &found.manifest)? {
        return messaging::manifest_changed(ctx, id);
    }
    if let Some(known) = contact::by_id(ctx, id)? {
        manifests::meet(ctx, &known, &found.manifest, found.request_address.as_slice().try_into().ok())?;
    }
    Ok(())
}

/// Has an account's relay asked for its newest manifest, unless that was done within a day. Gives whether it was.
pub(crate) fn check_fellow(ctx: &mut Ctx<'_, '_>, contact: &Contact) -> Result<bool, EngineError> {
    if ctx.now.millis_since(contact.checked) < CHECK_MS {
        return Ok(true);
    }
    manifests::check(ctx, contact)?;
    Ok(false)
}

/// The person turns to a fellow: from now on it is a contact.
pub(super) fn acquaint(ctx: &mut Ctx<'_, '_>, known: Rc<Contact>) -> Result<Rc<Contact>, EngineError> {
    if !known.fellow {
        return Ok(known);
    }
    let mut contact = (*known).clone();
    contact.fellow = false;
    contact.added = ctx.now;
    let contact = contact::save(ctx, contact)?;
    vault::store(ctx, &contact)?;
    ctx.event(EventKind::Contact { contact: contact.to_api(ctx) })?;
    Ok(contact)
}
