//! Where a contact's devices are reached: the address book, a record on their relay under their profile key.

use wheesht_proto::{
    account::AddressBook,
    ids::{AccountId, DepositAddress, DeviceId},
    relay::{self, client_frame, relay_frame},
};

use super::{
    super::{Ctx, EngineError, account, io::RequestError, messaging, profiles},
    Pending, answered, check_at,
    contact::{self, Contact},
    manifests, retry_later,
};
use crate::signed::{manifest::ManifestHead, record::UnverifiedRecord};

/// Before an incomplete book is read again; doubles up to the longest (milliseconds).
const FIRST_PAUSE_MS: u64 = 2_000;
const LONGEST_PAUSE_MS: u64 = 15 * 60_000;

/// Readings that messages wait for: 14 seconds.
const PATIENCE: u32 = 3;

/// Reads a contact's address book, if one may.
pub(super) fn read(ctx: &mut Ctx<'_, '_>, contact: &Contact) -> Result<(), EngineError> {
    let Some(record) = contact.address_record.filter(|_| contact.profile_key.is_some()) else {
        return Ok(());
    };
    if ctx.passing.people.reading.insert(contact.id) {
        let link = account::anonymous_link(contact.relay());
        let ask = relay::GetRecord { id: record.to_vec() };
        ctx.ask(&link, Pending::Book(contact.id), client_frame::Body::GetRecord(ask));
    }
    Ok(())
}

/// The relay's answer.
pub(super) fn reply(
    ctx: &mut Ctx<'_, '_>,
    id: &AccountId,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<(), EngineError> {
    ctx.passing.people.reading.remove(id);
    let Some(contact) = contact::by_id(ctx, id)? else { return Ok(()) };
    let Some((version, book)) = result.ok().and_then(|body| open(&contact, body)) else {
        retry_later(ctx, id);
        // What waited for a better book takes the one that there is.
        return if contact.addresses.is_empty() { Ok(()) } else { messaging::route_ready(ctx, id) };
    };
    answered(ctx, id);
    let mut contact = (*contact).clone();
    contact.address_version = version;
    contact.addresses = addresses(&book);
    let contact = contact::save(ctx, contact)?;
    if let Some(head) = book.manifest.and_then(|head| ManifestHead::try_from(head).ok()) {
        manifests::observe_head(ctx, id, head)?;
    }
    if let Some(shown) = &book.profile {
        profiles::learn(ctx, id, shown)?;
    }
    if is_complete(&contact) {
        ctx.passing.people.incomplete.remove(id);
    } else {
        let times = ctx.passing.people.incomplete.entry(*id).or_default();
        let pause = FIRST_PAUSE_MS.saturating_mul(1 << (*times).min(16)).min(LONGEST_PAUSE_MS);
        *times += 1;
        let at = ctx.now.plus_millis(pause);
        check_at(ctx, id, at);
    }
    messaging::route_ready(ctx, id)
}

/// Whether every device of the contact's has its address in the book.
pub(super) fn is_complete(contact: &Contact) -> bool {
    let listed = |device: DeviceId| contact.addresses.iter().any(|(listed, _)| *listed == device);
    contact.manifest.devices().iter().all(|device| listed(device.device_id()))
}

/// Whether an address that the book lacks may be there any moment: a device writes it right after it has joined. What is sent
/// meanwhile would never reach that device. One that never writes it doesn't hold the others' messages up for long.
pub(super) fn soon_complete(ctx: &Ctx<'_, '_>, contact: &Contact) -> bool {
    let people = &ctx.passing.people;
    let waited = people.incomplete.get(&contact.id).copied();
    !is_complete(contact)
        && (people.reading.contains(&contact.id) || waited.is_some_and(|times| times <= PATIENCE))
}

/// The book, if the record is genuine and no older than the one known.
fn open(contact: &Contact, body: relay_frame::Body) -> Option<(u64, AddressBook)> {
    let relay_frame::Body::RecordOk(relay::RecordOk { record: Some(record) }) = body else { return None };
    let record = UnverifiedRecord::read(record).ok()?.verify(&contact.address_record?).ok()?;
    if record.version() < contact.address_version {
        return None;
    }
    let book = account::address_book::open(contact.profile_key.as_ref()?, &record)?;
    Some((record.version(), book))
}

fn addresses(book: &AddressBook) -> Vec<(DeviceId, DepositAddress)> {
    let parse = |device: &wheesht_proto::account::DeviceAddress| {
        Some((device.device_id.as_slice().try_into().ok()?, device.address.as_slice().try_into().ok()?))
    };
    book.devices.iter().take(wheesht_proto::limits::MAX_DEVICES).filter_map(parse).collect()
}
