//! The end of the account: contacts are told, groups left, then the relay forgets what it has.
//!
//! ```text
//!  identity key signs ─▶ row Ending ─▶ told to contacts, own devices ─▶ outbox empty, or the time is over ─▶ DeleteAccount ─▶ Stopped
//! ```
//!
//! The signed word is all that this takes, so from the moment that it is stored the account ends, however often this device is
//! killed, without the password. The other own devices and the contacts believe that word and nothing else: neither a relay nor a
//! device alone can end an account.

use wheesht_proto::{
    content::content,
    relay::{self, ErrorCode as RelayCode, client_frame, relay_frame},
    stored::{self, AccountStop},
};

use super::{
    super::{
        Ctx, EngineError, groups, io::RequestError, messaging, people, profiles, tables::ENDING,
        timers::Timer,
    },
    Me, Pending,
    me::{self, identified},
    session, stop, vault_sync, words,
};
use crate::{
    api::{Error, ErrorCode, Response},
    crypto::sign::SigningKey,
    signed::{Deletion, IdentityKey, Record, UnverifiedDeletion, UnverifiedRecord},
};

/// What waits to go out has this long (milliseconds).
const FAREWELL_MS: u64 = 60_000;

/// How often it is looked whether it has gone (milliseconds).
const LOOK_MS: u64 = 1_000;

/// What the relay refused is tried again after this long (milliseconds).
const RETRY_MS: u64 = 30_000;

/// Begins: from here on there is no way back.
// DEV-18
pub(super) fn begin(
    ctx: &mut Ctx<'_, '_>,
    me: &Me,
    identity: &IdentityKey,
    command: u64,
) -> Result<(), EngineError> {
    let deletion = Deletion::sign(identity, &me.address, ctx.now);
    let deadline_ms = ctx.now.plus_millis(FAREWELL_MS).as_millis();
    ctx.save(ENDING, b"", 0, &stored::Ending { deletion: deletion.encoded().to_vec(), deadline_ms });
    ctx.passing.account.ending = Some(command);
    let said = || content::Body::AccountDeleted(deletion.encoded().to_vec());
    for contact in people::accepted(ctx)? {
        messaging::queue(ctx, &contact, said())?;
    }
    if me.manifest.devices().len() > 1 {
        messaging::queue(ctx, &me.account, said())?;
    }
    groups::leave_all(ctx)?;
    look_later(ctx);
    Ok(())
}

fn look_later(ctx: &mut Ctx<'_, '_>) {
    let at = ctx.now.plus_millis(LOOK_MS);
    ctx.passing.timers.set_by(Timer::Devices, at);
}

fn row(ctx: &Ctx<'_, '_>) -> Result<Option<stored::Ending>, EngineError> {
    ctx.load(ENDING, b"", 0)
}

/// Goes on, if the account is ending.
pub(super) fn step(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    let Some(row) = row(ctx)? else { return Ok(()) };
    let Some(me) = me::me(ctx)?.filter(|_| ctx.passing.account.connection.online) else { return Ok(()) };
    if ctx.passing.account.connection.ending {
        return Ok(());
    }
    if ctx.now.as_millis() < row.deadline_ms && !(messaging::idle(ctx) && groups::waiting(ctx)? == 0) {
        look_later(ctx);
        return Ok(());
    }
    ctx.passing.account.connection.ending = true;
    let ask = client_frame::Body::GetRecord(relay::GetRecord { id: me.address_record.to_vec() });
    ctx.ask(&identified(&me.relay), Pending::EndBook, ask);
    Ok(())
}

/// The address book as it stands: now the relay is told, and which records go with the account.
pub(super) fn book(
    ctx: &mut Ctx<'_, '_>,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<(), EngineError> {
    let (Some(row), Some(me)) = (row(ctx)?, me::me(ctx)?) else { return Ok(()) };
    let mut records = vault_sync::last_versions(ctx)?;
    match result {
        Ok(relay_frame::Body::RecordOk(relay::RecordOk { record: Some(record) })) => {
            records.extend(last_book(&me, record));
        }
        Err(RequestError::Lost) => {
            ctx.passing.account.connection.ending = false;
            return Ok(());
        }
        _ => {}
    }
    match profiles::own_record(ctx)? {
        Some(id) => {
            let ask = client_frame::Body::GetRecord(relay::GetRecord { id: id.to_vec() });
            ctx.ask(&identified(&me.relay), Pending::EndProfile(records), ask);
            Ok(())
        }
        None => tell_relay(ctx, &me, row, &records),
    }
}

/// The profile as it stands: it goes with the account too.
pub(super) fn profile(
    ctx: &mut Ctx<'_, '_>,
    mut records: Vec<Record>,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<(), EngineError> {
    let (Some(row), Some(me)) = (row(ctx)?, me::me(ctx)?) else { return Ok(()) };
    match result {
        Ok(relay_frame::Body::RecordOk(relay::RecordOk { record: Some(record) })) => {
            records.extend(profiles::last_version(ctx, record)?);
        }
        Err(RequestError::Lost) => {
            ctx.passing.account.connection.ending = false;
            return Ok(());
        }
        _ => {}
    }
    tell_relay(ctx, &me, row, &records)
}

fn tell_relay(
    ctx: &mut Ctx<'_, '_>,
    me: &Me,
    row: stored::Ending,
    records: &[Record],
) -> Result<(), EngineError> {
    let records = records.iter().map(Record::to_message).collect();
    let body = relay::DeleteAccount { deletion: row.deletion, records };
    ctx.ask(&identified(&me.relay), Pending::EndAccount, client_frame::Body::DeleteAccount(body));
    Ok(())
}

fn last_book(me: &Me, record: relay::Record) -> Option<Record> {
    let key: &SigningKey = &me.address_write_key;
    let writer = key.verifying_key();
    let record = UnverifiedRecord::read(record).ok()?.verify_written_by(&me.address_record, &writer).ok()?;
    record.next(key, None, Vec::new()).ok()
}

pub(super) fn ended(
    ctx: &mut Ctx<'_, '_>,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<(), EngineError> {
    ctx.passing.account.connection.ending = false;
    match result {
        Ok(relay_frame::Body::Ok(_)) => over(ctx),
        Err(RequestError::Refused(error)) if error.code() == RelayCode::NotFound => over(ctx),
        // The next connection tries again.
        Err(RequestError::Lost) => Ok(()),
        other => {
            let at = ctx.now.plus_millis(RETRY_MS);
            ctx.passing.timers.set_by(Timer::Devices, at);
            session::trouble(ctx, words::failed(other))
        }
    }
}

/// Somebody shows the identity key's word that this account is no more: a relay, or another own device.
// ACC-32
pub(crate) fn shown(ctx: &mut Ctx<'_, '_>, deletion: &[u8]) -> Result<bool, EngineError> {
    let Some(row) = me::row(ctx)?.filter(|row| !row.identity.is_empty()) else { return Ok(false) };
    let (account, address) = (me::account_id(&row)?, me::address(&row)?);
    let holds = UnverifiedDeletion::decode(deletion)
        .and_then(|deletion| deletion.verify(&account, &address.canonical()))
        .is_some();
    if holds {
        over(ctx)?;
    }
    Ok(holds)
}

fn over(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    ctx.tx.delete(ENDING, b"", 0);
    if let Some(row) = me::row(ctx)?.filter(|row| row.phase() != stored::AccountPhase::Stopped) {
        stop::stop(ctx, row, AccountStop::Deleted, AccountStop::Unspecified)?;
    }
    if let Some(command) = ctx.passing.account.ending.take() {
        ctx.respond(command, Ok(Response::Done));
    }
    Ok(())
}

/// The connection went. The account ends all the same.
pub(super) fn lost(ctx: &mut Ctx<'_, '_>) {
    if let Some(command) = ctx.passing.account.ending.take() {
        let error = Error::new(
            ErrorCode::Network,
            "The connection went before the relay had answered. The account is deleted as soon as the relay is reachable.",
        );
        ctx.respond(command, Err(error.next("Start Wheesht again with a connection: it goes on by itself.")));
    }
}
