//! Contacts in the state vault, so that every device of the account knows the same people.

use wheesht_proto::{
    account::VaultContact,
    address::Address,
    ids::{AccountId, RecordId},
    prost::Message as _,
};
use zeroize::Zeroizing;

use super::{
    super::{Ctx, EngineError, account, messaging},
    books,
    contact::{self, Contact, state_from, state_number},
    extras,
};
use crate::{
    api::{ContactState, EventKind},
    signed::manifest::UnverifiedManifest,
    time::Timestamp,
};

/// Entries begin with this; the identity in hex follows.
pub(super) const PREFIX: &str = "contact/";

/// Writes what one knows of a contact. Strangers' requests stay out: each device has received them itself; and so do members of
/// groups, whom each device knows from the group.
pub(super) fn store(ctx: &mut Ctx<'_, '_>, contact: &Contact) -> Result<(), EngineError> {
    if contact.state == ContactState::RequestReceived || contact.fellow {
        return Ok(());
    }
    let entry = VaultContact {
        identity: contact.id.to_vec(),
        address: contact.address.canonical(),
        profile_key: contact.profile_key.as_ref().map(|key| key.to_vec()).unwrap_or_default(),
        state: state_number(contact.state) as u32,
        verified: contact.verified,
        manifest: contact.manifest.encoded().to_vec(),
        relay_endpoint: contact.relay().to_string(),
        address_record: contact.address_record.map(RecordId::to_vec).unwrap_or_default(),
        added_ms: contact.added.as_millis(),
    };
    account::vault::put(ctx, &key(&contact.id), entry.encode_to_vec())
}

/// Removes a contact on every device.
pub(super) fn erase(ctx: &mut Ctx<'_, '_>, id: &AccountId) -> Result<(), EngineError> {
    extras::erase(ctx, id)?;
    account::vault::delete(ctx, &key(id))
}

/// Another device has changed an entry: `None` if it removed the contact.
pub(crate) fn vault_entry(ctx: &mut Ctx<'_, '_>, key: &str, value: Option<&[u8]>) -> Result<(), EngineError> {
    if let Some(id) = extras::whose(key) {
        return extras::vault_entry(ctx, &id, value);
    }
    let Some(id) = key.strip_prefix(PREFIX).and_then(|id| id.parse::<AccountId>().ok()) else {
        return Ok(());
    };
    let known = contact::by_id(ctx, &id)?;
    let Some(value) = value else {
        if let Some(known) = known {
            contact::remove(ctx, &known);
            messaging::forget(ctx, &id)?;
            ctx.event(EventKind::ContactDeleted { account: id })?;
        }
        return Ok(());
    };
    let Some(theirs) = parse(&id, value) else { return Ok(()) };
    let merged = match known.as_deref() {
        None => Contact { extra: extras::known(ctx, &id)?, ..theirs },
        Some(known) if known.fellow => Contact { extra: extras::known(ctx, &id)?, ..merge(known, theirs) },
        Some(known) => merge(known, theirs),
    };
    let newly = merged.state == ContactState::Accepted
        && known
            .as_ref()
            .is_none_or(|known| known.state != ContactState::Accepted || known.profile_key.is_none());
    let shown = known.as_ref().filter(|known| !known.fellow).map(|known| known.to_api(ctx));
    let contact = contact::save(ctx, merged)?;
    if shown.as_ref() != Some(&contact.to_api(ctx)) {
        ctx.event(EventKind::Contact { contact: contact.to_api(ctx) })?;
    }
    if newly {
        books::read(ctx, &contact)?;
        messaging::accepted(ctx, &id)?;
    }
    messaging::manifest_changed(ctx, &id)
}

/// What another device says, over what this one knows: its word goes for what a person decides, the newer one for the rest.
fn merge(known: &Contact, theirs: Contact) -> Contact {
    let mut merged = known.clone();
    merged.state = theirs.state;
    merged.fellow = false;
    merged.verified = theirs.verified && known.changed.is_none();
    if theirs.manifest.version() > known.manifest.version() {
        merged.manifest = theirs.manifest;
    }
    if theirs.profile_key.is_some() {
        if theirs.address_record != known.address_record {
            merged.address_version = 0;
            merged.addresses.clear();
        }
        merged.profile_key = theirs.profile_key;
        merged.address_record = theirs.address_record;
    }
    if theirs.address.relay().fingerprint().is_some() {
        merged.address = theirs.address;
    }
    merged
}

fn parse(id: &AccountId, value: &[u8]) -> Option<Contact> {
    let entry = VaultContact::decode(value).ok()?;
    let manifest = UnverifiedManifest::decode(&entry.manifest).ok()?.verify_alone(Some(id), None).ok()?;
    let named: Address = entry.address.parse().ok()?;
    let relay = entry.relay_endpoint.parse().ok().unwrap_or_else(|| named.relay().clone());
    let address = Address::new(named.name().clone(), relay);
    if address.canonical() != manifest.address() {
        return None;
    }
    let state = state_from(i32::try_from(entry.state).ok()?)?;
    let mut contact = Contact::new(manifest, address, state, Timestamp::from_millis(entry.added_ms));
    // It was another device that checked, at a time unknown.
    contact.checked = Timestamp::default();
    contact.verified = entry.verified;
    contact.profile_key = entry.profile_key.as_slice().try_into().ok().map(Zeroizing::new);
    contact.address_record = entry.address_record.as_slice().try_into().ok();
    Some(contact)
}

fn key(id: &AccountId) -> String {
    format!("{PREFIX}{id}")
}
