//! One person: the row, parsed. Everything the engine knows of a contact stands in one row, read once and kept while the
//! engine lives.

use std::rc::Rc;

use wheesht_proto::{
    address::{Address, RelayAddress},
    ids::{AccountId, DepositAddress, DeviceId, RecordId},
    prost::Message as _,
    stored,
};

use super::{
    super::{
        Ctx, EngineError, presence, profiles,
        tables::{CONTACT_ADDRESSES, CONTACT_NUMBERS, CONTACTS},
    },
    extras,
};
use crate::{
    api::{self, ContactExtra, ContactState, Who},
    signed::{
        DeviceCertificate,
        manifest::{Manifest, UnverifiedManifest},
    },
    store::Direction,
    time::Timestamp,
};

/// Most contacts kept parsed; more are read again.
const CACHED: usize = 1_024;

/// Most contacts of an account; requests of strangers count.
pub(super) const MAX_CONTACTS: u64 = 100_000;

/// Somebody one knows.
#[derive(Clone)]
pub(crate) struct Contact {
    pub(super) number: u64,
    pub(crate) id: AccountId,
    pub(crate) address: Address,
    pub(crate) state: ContactState,
    pub(crate) verified: bool,
    pub(crate) added: Timestamp,
    pub(crate) manifest: Manifest,
    pub(super) checked: Timestamp,
    pub(super) request_address: Option<DepositAddress>,
    pub(super) reply: Vec<(DeviceId, DepositAddress)>,
    pub(super) profile_key: Option<zeroize::Zeroizing<[u8; 32]>>,
    pub(super) address_record: Option<RecordId>,
    pub(super) address_version: u64,
    pub(super) addresses: Vec<(DeviceId, DepositAddress)>,
    pub(super) changed: Option<(Manifest, Option<DepositAddress>)>,
    /// Known only as a member of a group: no contact, and never shown as one.
    pub(crate) fellow: bool,
    /// What one notes down about them.
    pub(crate) extra: ContactExtra,
    /// Its identity key has said that the account is no more.
    pub(crate) deleted: bool,
}

impl Contact {
    /// A contact of whom only the manifest is known yet.
    pub(super) fn new(manifest: Manifest, address: Address, state: ContactState, now: Timestamp) -> Self {
        Self {
            number: 0,
            id: manifest.identity(),
            address,
            state,
            verified: false,
            added: now,
            manifest,
            checked: now,
            request_address: None,
            reply: Vec::new(),
            profile_key: None,
            address_record: None,
            address_version: 0,
            addresses: Vec::new(),
            changed: None,
            fellow: false,
            extra: ContactExtra::default(),
            deleted: false,
        }
    }

    /// As the app sees it.
    pub(crate) fn to_api(&self, ctx: &Ctx<'_, '_>) -> api::Contact {
        api::Contact {
            id: self.id,
            address: self.address.clone(),
            state: self.state,
            verified: self.verified,
            identity_changed: self.changed.is_some(),
            added: self.added,
            presence: presence::of(ctx, &self.id),
            profile_name: profiles::name(ctx, &self.id),
            presence_hidden: presence::is_hidden_from(ctx, self),
            extra: self.extra.clone(),
        }
    }

    /// Whether both sides have accepted to talk, and nothing stands in between.
    pub(crate) fn talks(&self) -> bool {
        self.state == ContactState::Accepted && !self.fellow && self.changed.is_none()
    }

    /// What it has given this account to read its address book with.
    pub(crate) fn profile_key(&self) -> Option<&[u8; 32]> {
        self.profile_key.as_deref()
    }

    /// Its devices and where they are reached, as its address book says: for what is not worth waiting for a better one.
    pub(crate) fn reached(&self) -> impl Iterator<Item = (&DeviceCertificate, DepositAddress)> {
        let listed = |(device, address): &(DeviceId, DepositAddress)| {
            self.manifest.device(device).map(|device| (device, *address))
        };
        self.addresses.iter().filter_map(listed)
    }

    /// Its relay.
    pub(crate) fn relay(&self) -> &RelayAddress {
        self.address.relay()
    }
}

/// A contact by identity.
pub(crate) fn by_id(ctx: &mut Ctx<'_, '_>, id: &AccountId) -> Result<Option<Rc<Contact>>, EngineError> {
    if let Some(contact) = ctx.passing.people.cache.get(id) {
        return Ok(Some(Rc::clone(contact)));
    }
    let Some(number) = number(ctx, CONTACT_NUMBERS, id.as_ref())? else { return Ok(None) };
    let Some(row) = ctx.load(CONTACTS, b"", number)? else { return Ok(None) };
    let contact = Rc::new(parse(number, row)?);
    remember(ctx, &contact);
    Ok(Some(contact))
}

/// A contact by address.
pub(crate) fn by_address(
    ctx: &mut Ctx<'_, '_>,
    address: &Address,
) -> Result<Option<Rc<Contact>>, EngineError> {
    let Some(number) = number(ctx, CONTACT_ADDRESSES, address.canonical().as_bytes())? else {
        return Ok(None);
    };
    let Some(row) = ctx.load::<stored::Contact>(CONTACTS, b"", number)? else { return Ok(None) };
    parse(number, row).map(|contact| Some(Rc::new(contact)))
}

/// A contact however it is named.
pub(crate) fn resolve(ctx: &mut Ctx<'_, '_>, who: &Who) -> Result<Option<Rc<Contact>>, EngineError> {
    match who {
        Who::Id(id) => by_id(ctx, id),
        Who::Address(address) => by_address(ctx, address),
    }
}

/// Every contact, in the order in which they were added.
pub(super) fn all(ctx: &Ctx<'_, '_>) -> Result<Vec<Contact>, EngineError> {
    let rows = ctx.tx.scan(CONTACTS, b"", .., Direction::Forward, MAX_CONTACTS as usize)?;
    let parsed = rows.iter().map(|(number, row)| {
        let row = stored::Contact::decode(row.as_slice()).map_err(|_| unreadable())?;
        parse(*number, row)
    });
    parsed.collect()
}

/// Writes a contact; a new one gets its number.
pub(super) fn save(ctx: &mut Ctx<'_, '_>, mut contact: Contact) -> Result<Rc<Contact>, EngineError> {
    if contact.number == 0 {
        contact.number = ctx.tx.next_sequence(CONTACTS, b"")?;
        let number = contact.number.to_be_bytes().to_vec();
        ctx.tx.put(CONTACT_NUMBERS, contact.id.as_ref(), 0, number);
    }
    // Whom a group calls by an address is hearsay: only the address's relay says who is found by it.
    let canonical = contact.address.canonical();
    if !contact.fellow && !ctx.tx.contains(CONTACT_ADDRESSES, canonical.as_bytes(), 0)? {
        ctx.tx.put(CONTACT_ADDRESSES, canonical.as_bytes(), 0, contact.number.to_be_bytes().to_vec());
    }
    ctx.save(CONTACTS, b"", contact.number, &to_row(&contact));
    let contact = Rc::new(contact);
    remember(ctx, &contact);
    presence::contact_changed(ctx, &contact)?;
    Ok(contact)
}

/// Removes a contact.
pub(super) fn remove(ctx: &mut Ctx<'_, '_>, contact: &Contact) {
    ctx.tx.delete(CONTACTS, b"", contact.number);
    ctx.tx.delete(CONTACT_NUMBERS, contact.id.as_ref(), 0);
    if !contact.fellow {
        ctx.tx.delete(CONTACT_ADDRESSES, contact.address.canonical().as_bytes(), 0);
    }
    ctx.passing.people.cache.remove(&contact.id);
    presence::contact_removed(ctx, &contact.id);
    profiles::remove(ctx, &contact.id);
}

fn remember(ctx: &mut Ctx<'_, '_>, contact: &Rc<Contact>) {
    let cache = &mut ctx.passing.people.cache;
    if cache.len() >= CACHED {
        cache.clear();
    }
    cache.insert(contact.id, Rc::clone(contact));
}

fn number(ctx: &Ctx<'_, '_>, table: crate::store::Table, key: &[u8]) -> Result<Option<u64>, EngineError> {
    let Some(row) = ctx.tx.get(table, key, 0)? else { return Ok(None) };
    row.as_slice().try_into().map(|bytes| Some(u64::from_be_bytes(bytes))).map_err(|_| unreadable())
}

const fn unreadable() -> EngineError {
    EngineError::Row { what: "contact" }
}

const STATES: [(ContactState, stored::contact::State); 5] = [
    (ContactState::Known, stored::contact::State::Known),
    (ContactState::RequestSent, stored::contact::State::RequestSent),
    (ContactState::RequestReceived, stored::contact::State::RequestReceived),
    (ContactState::Accepted, stored::contact::State::Accepted),
    (ContactState::Blocked, stored::contact::State::Blocked),
];

/// The stored form of a state.
pub(super) fn state_number(state: ContactState) -> i32 {
    let found = STATES.iter().find(|(known, _)| *known == state);
    found.map_or(stored::contact::State::Unspecified, |(_, number)| *number) as i32
}

/// A state from its stored form.
pub(super) fn state_from(number: i32) -> Option<ContactState> {
    STATES.iter().find(|(_, known)| *known as i32 == number).map(|(state, _)| *state)
}

fn parse(number: u64, row: stored::Contact) -> Result<Contact, EngineError> {
    // What stands in the store was verified before it was written, and the store authenticates its rows.
    let manifest = |bytes: &[u8]| {
        UnverifiedManifest::decode(bytes).map(UnverifiedManifest::assume_verified).map_err(|_| unreadable())
    };
    let changed = match row.changed_manifest.as_slice() {
        [] => None,
        bytes => Some((manifest(bytes)?, row.changed_request_address.as_slice().try_into().ok())),
    };
    Ok(Contact {
        number,
        id: row.identity.as_slice().try_into().map_err(|_| unreadable())?,
        address: row.address.parse().map_err(|_| unreadable())?,
        state: state_from(row.state).ok_or_else(unreadable)?,
        verified: row.verified,
        added: Timestamp::from_millis(row.added_ms),
        manifest: manifest(&row.manifest)?,
        checked: Timestamp::from_millis(row.checked_ms),
        request_address: row.request_address.as_slice().try_into().ok(),
        reply: addresses_from(&row.reply),
        profile_key: row.profile_key.as_slice().try_into().ok().map(zeroize::Zeroizing::new),
        address_record: row.address_record.as_slice().try_into().ok(),
        address_version: row.address_version,
        addresses: addresses_from(&row.addresses),
        changed,
        fellow: row.fellow,
        extra: row.extra.map(extras::from_row).unwrap_or_default(),
        deleted: row.deleted,
    })
}

fn to_row(contact: &Contact) -> stored::Contact {
    let (changed_manifest, changed_request_address) = match &contact.changed {
        None => Default::default(),
        Some((manifest, address)) => (manifest.encoded().to_vec(), optional(*address)),
    };
    stored::Contact {
        identity: contact.id.to_vec(),
        address: contact.address.to_string(),
        state: state_number(contact.state),
        verified: contact.verified,
        added_ms: contact.added.as_millis(),
        manifest: contact.manifest.encoded().to_vec(),
        checked_ms: contact.checked.as_millis(),
        request_address: optional(contact.request_address),
        reply: addresses_to(&contact.reply),
        profile_key: contact.profile_key.as_ref().map(|key| key.to_vec()).unwrap_or_default(),
        address_record: contact.address_record.map(RecordId::to_vec).unwrap_or_default(),
        address_version: contact.address_version,
        addresses: addresses_to(&contact.addresses),
        changed_manifest,
        changed_request_address,
        fellow: contact.fellow,
        extra: (!contact.extra.is_empty()).then(|| extras::to_row(&contact.extra)),
        deleted: contact.deleted,
    }
}

fn optional(address: Option<DepositAddress>) -> Vec<u8> {
    address.map(DepositAddress::to_vec).unwrap_or_default()
}

fn addresses_from(rows: &[stored::ContactAddress]) -> Vec<(DeviceId, DepositAddress)> {
    let parse = |row: &stored::ContactAddress| {
        Some((row.device_id.as_slice().try_into().ok()?, row.address.as_slice().try_into().ok()?))
    };
    rows.iter().filter_map(parse).collect()
}

fn addresses_to(addresses: &[(DeviceId, DepositAddress)]) -> Vec<stored::ContactAddress> {
    let row = |(device, address): &(DeviceId, DepositAddress)| stored::ContactAddress {
        device_id: device.to_vec(),
        address: address.to_vec(),
    };
    addresses.iter().map(row).collect()
}
