//! The own address book: kept right on the relay, and read for the other own devices' addresses.
//!
//! Every device of the account writes its own address in, keeps those of the others that the manifest lists, and drops the rest.

use std::{collections::BTreeMap, rc::Rc};

use wheesht_proto::{
    account::{AddressBook, DeviceAddress},
    ids::{DepositAddress, DeviceId},
    relay::{self, ErrorCode as RelayCode, client_frame, relay_frame},
    stored,
};

use super::{
    super::{Ctx, EngineError, io::RequestError, messaging, profiles, tables::OWN_BOOK, timers::Timer},
    Me, Pending, address_book,
    me::{self, identified},
    session, vault_sync, words,
};
use crate::{
    api::{Error, ErrorCode},
    signed::{DeviceCertificate, Record, UnverifiedRecord, record::SALT_LEN},
    time::Timestamp,
};

/// Makes the record's id with its first write key. That one is random, so a salt adds nothing.
pub(super) const NO_SALT: [u8; SALT_LEN] = [0; SALT_LEN];

/// While an own device has no address yet, the book is read no oftener than this (milliseconds).
const MISSING_MS: u64 = 30_000;

/// Readings that messages to the own devices wait for, and the pause after the first (milliseconds): a device writes its address
/// right after it has joined, and what is sent meanwhile would never reach it.
const PATIENCE: u32 = 3;
const FIRST_PAUSE_MS: u64 = 2_000;

/// What is known of the record on this connection.
#[derive(Default)]
pub(super) struct Book {
    busy: bool,
    /// How many books before this one there were questions about on this connection.
    keys: u64,
    /// To be read again once the present request is done.
    again: bool,
    /// To be read again when the time has come.
    due: bool,
    read_at: Timestamp,
    /// Writes that others' came before, in a row.
    conflicts: u32,
    /// How often in a row it lacked an own device that the manifest lists.
    lacking: u32,
}

type Addresses = BTreeMap<DeviceId, DepositAddress>;

/// The other devices of this account and where they are reached, as far as that is known.
pub(crate) fn own_destinations(
    ctx: &mut Ctx<'_, '_>,
) -> Result<Vec<(DeviceCertificate, DepositAddress)>, EngineError> {
    let Some(me) = me::me(ctx)? else { return Ok(Vec::new()) };
    let known = stored_addresses(ctx)?;
    let others = || me.manifest.devices().iter().filter(|device| device.device_id() != me.device);
    let reached: Vec<_> = others()
        .filter_map(|device| known.get(&device.device_id()).map(|address| (device.clone(), *address)))
        .collect();
    let stale = ctx.now.millis_since(ctx.passing.account.connection.book.read_at) >= MISSING_MS;
    if reached.len() < others().count() && stale {
        read(ctx)?;
    }
    Ok(reached)
}

/// Whether the address of an own device that is not known yet may be there any moment.
pub(crate) fn soon_complete(ctx: &mut Ctx<'_, '_>) -> Result<bool, EngineError> {
    let Some(me) = me::me(ctx)? else { return Ok(false) };
    let waits = ctx.passing.account.connection.book.lacking <= PATIENCE;
    Ok(waits && lacks(&me, &stored_addresses(ctx)?))
}

fn lacks(me: &Me, known: &Addresses) -> bool {
    let missing = |device: DeviceId| device != me.device && !known.contains_key(&device);
    me.manifest.devices().iter().any(|device| missing(device.device_id()))
}

/// The own keys were replaced, here or on another device: the book is another record now.
pub(super) fn replaced(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    let book = &mut ctx.passing.account.connection.book;
    *book = Book { keys: book.keys + 1, ..Book::default() };
    read(ctx)
}

/// Reads the book, and then writes it if it isn't as it should be.
pub(crate) fn read(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    let Some(me) = me::me(ctx)?.filter(|_| ctx.passing.account.connection.online) else { return Ok(()) };
    let now = ctx.now;
    let book = &mut ctx.passing.account.connection.book;
    if book.busy {
        book.again = true;
        return Ok(());
    }
    book.busy = true;
    book.read_at = now;
    let ask = relay::GetRecord { id: me.address_record.to_vec() };
    let pending = Pending::BookRead(book.keys);
    ctx.ask(&identified(&me.relay), pending, client_frame::Body::GetRecord(ask));
    Ok(())
}

pub(super) fn read_done(
    ctx: &mut Ctx<'_, '_>,
    keys: u64,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<(), EngineError> {
    if ctx.passing.account.connection.book.keys != keys {
        return Ok(());
    }
    ctx.passing.account.connection.book.busy = false;
    let Some(me) = me::me(ctx)? else { return Ok(()) };
    let found = match result {
        Ok(relay_frame::Body::RecordOk(relay::RecordOk { record: Some(record) })) => {
            match open(&me, record) {
                Some(found) => Some(found),
                None => return unread(ctx, &me, not_ours()),
            }
        }
        Err(RequestError::Refused(error)) if error.code() == RelayCode::NotFound => None,
        Err(RequestError::Lost) => return Ok(()),
        other => return unread(ctx, &me, words::failed(other)),
    };
    let (base, book) = found.map_or((None, AddressBook::default()), |(record, book)| (Some(record), book));
    // Where none stands yet, after the keys were replaced, what is known of the others goes into the first.
    let stands = if base.is_some() { addresses(&book) } else { stored_addresses(ctx)? };
    remember(ctx, &me, &stands)?;
    look_again(ctx, &me, &stands)?;
    let mut wanted = wanted(&me, &stands);
    wanted.profile = profiles::in_book(ctx, &book)?;
    if base.is_some() && book == wanted {
        return settled(ctx);
    }
    write(ctx, &me, base, &wanted)
}

fn unread(ctx: &mut Ctx<'_, '_>, me: &Me, error: Error) -> Result<(), EngineError> {
    let known = stored_addresses(ctx)?;
    look_again(ctx, me, &known)?;
    session::trouble(ctx, error)
}

fn write(
    ctx: &mut Ctx<'_, '_>,
    me: &Rc<Me>,
    base: Option<Record>,
    book: &AddressBook,
) -> Result<(), EngineError> {
    let version = base.as_ref().map_or(1, |base| base.version() + 1);
    let value = address_book::seal(&me.profile_key, &me.address_record, version, book, &mut *ctx.rng);
    let record = match &base {
        Some(base) => base.next(&me.address_write_key, None, value),
        None => Record::create(&me.address_write_key, NO_SALT, None, value),
    };
    let Ok(record) = record else { return session::trouble(ctx, not_ours()) };
    let body = relay::PutRecord { record: Some(record.to_message()), ticket: Vec::new() };
    let book = &mut ctx.passing.account.connection.book;
    book.busy = true;
    let pending = Pending::BookWrite(book.keys);
    ctx.ask(&identified(&me.relay), pending, client_frame::Body::PutRecord(body));
    Ok(())
}

pub(super) fn written(
    ctx: &mut Ctx<'_, '_>,
    keys: u64,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<(), EngineError> {
    if ctx.passing.account.connection.book.keys != keys {
        return Ok(());
    }
    ctx.passing.account.connection.book.busy = false;
    match result {
        Ok(relay_frame::Body::Ok(_)) => {
            ctx.passing.account.connection.book.conflicts = 0;
            settled(ctx)
        }
        Err(RequestError::Refused(error)) if error.code() == RelayCode::Conflict => {
            let book = &mut ctx.passing.account.connection.book;
            book.conflicts = book.conflicts.saturating_add(1);
            let Some(pause) = vault_sync::pause_after(book.conflicts) else { return read(ctx) };
            book.due = true;
            let at = ctx.now.plus_millis(pause);
            ctx.passing.timers.set_by(Timer::Vault, at);
            Ok(())
        }
        Err(RequestError::Lost) => Ok(()),
        other => session::trouble(ctx, words::failed(other)),
    }
}

/// Reads again what was put off.
pub(super) fn retry(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    let book = &mut ctx.passing.account.connection.book;
    if std::mem::take(&mut book.due) { read(ctx) } else { Ok(()) }
}

fn settled(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    ctx.passing.account.connection.setup.book = true;
    if std::mem::take(&mut ctx.passing.account.connection.book.again) {
        read(ctx)?;
    }
    session::set_up(ctx)
}

/// The book, if a device of this account wrote it.
fn open(me: &Me, record: relay::Record) -> Option<(Record, AddressBook)> {
    let writer = me.address_write_key.verifying_key();
    let record = UnverifiedRecord::read(record).ok()?.verify_written_by(&me.address_record, &writer).ok()?;
    let book = address_book::open(&me.profile_key, &record)?;
    Some((record, book))
}

/// The book as it should be: this device, and the others that the manifest lists.
fn wanted(me: &Me, stands: &Addresses) -> AddressBook {
    let address = |device: DeviceId| {
        let address = if device == me.device { Some(&me.contact_address) } else { stands.get(&device) };
        address.map(|address| DeviceAddress {
            device_id: device.to_vec(),
            address: address.to_vec(),
            relay: me.relay.authority(),
        })
    };
    AddressBook {
        manifest: Some(me.manifest.head().into()),
        devices: me.manifest.devices().iter().filter_map(|device| address(device.device_id())).collect(),
        profile: None,
    }
}

fn addresses(book: &AddressBook) -> Addresses {
    let parse = |device: &DeviceAddress| {
        Some((device.device_id.as_slice().try_into().ok()?, device.address.as_slice().try_into().ok()?))
    };
    book.devices.iter().filter_map(parse).collect()
}

/// Keeps the addresses; messages that waited for one go out.
fn remember(ctx: &mut Ctx<'_, '_>, me: &Rc<Me>, stands: &Addresses) -> Result<(), EngineError> {
    if *stands == stored_addresses(ctx)? {
        return Ok(());
    }
    let devices = stands
        .iter()
        .map(|(device, address)| stored::OwnAddress { device_id: device.to_vec(), address: address.to_vec() })
        .collect();
    ctx.save(OWN_BOOK, b"", 0, &stored::OwnBook { devices });
    messaging::route_ready(ctx, &me.account)
}

/// An own device's address is still to come: the book is read again soon, a few times.
fn look_again(ctx: &mut Ctx<'_, '_>, me: &Me, stands: &Addresses) -> Result<(), EngineError> {
    let book = &mut ctx.passing.account.connection.book;
    if !lacks(me, stands) {
        book.lacking = 0;
        return Ok(());
    }
    book.lacking = book.lacking.saturating_add(1);
    if book.lacking > PATIENCE {
        // What waited goes to those that are known.
        return messaging::route_ready(ctx, &me.account);
    }
    let pause = FIRST_PAUSE_MS << book.lacking;
    book.due = true;
    let at = ctx.now.plus_millis(pause);
    ctx.passing.timers.set_by(Timer::Vault, at);
    Ok(())
}

fn stored_addresses(ctx: &Ctx<'_, '_>) -> Result<Addresses, EngineError> {
    let book: stored::OwnBook = ctx.load(OWN_BOOK, b"", 0)?.unwrap_or_default();
    let parse = |device: &stored::OwnAddress| {
        Some((device.device_id.as_slice().try_into().ok()?, device.address.as_slice().try_into().ok()?))
    };
    Ok(book.devices.iter().filter_map(parse).collect())
}

fn not_ours() -> Error {
    Error::new(ErrorCode::Relay, "The relay gives out an address book that no device of this account wrote.")
        .next("New contacts may not reach you; ask the relay's operator.")
}
