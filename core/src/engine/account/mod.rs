//! Who I am: registration and login, devices, prekeys, vaults.
//!
//! ```text
//!   (nothing) ── register ─▶ Registering ─────────────────────────────▶ Active ── removed, rolled back ──▶ Stopped
//!       └─────── log in ───▶ Pending ── confirmed, or grace over ─▶ Joining ──┘                              │
//!                              │  ▲                                                                          │
//!                     refused  ▼  └──────────────────────────────── log in ──────────────────────────────────┘
//!                           Stopped
//! ```
//!
//! The phase is a row ([`me`]); everything that holds for one connection only is in [`Connection`] and is looked through anew at
//! every login ([`session`]). One registration or login is under way at a time: its [`Flow`] holds what must not be stored.

pub(crate) mod address_book;
mod addresses;
mod book;
mod closing;
mod commands;
mod ending;
mod jobs;
mod joining;
mod link;
mod login;
mod manifests;
mod me;
mod own_lookup;
mod owner;
mod pending;
pub(crate) mod prekeys;
mod profile_key;
mod proposal;
mod register;
mod removal;
mod session;
mod statement;
mod stop;
mod strength;
pub(crate) mod vault;
mod vault_sync;
mod words;

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use wheesht_proto::{
    address::Address,
    relay::{DeviceSession, Proposal, ProposalDecided, relay_frame},
    stored::AccountPhase,
};

pub(crate) use addresses::known_by;
pub(crate) use book::{own_destinations, read as check_book, soon_complete};
pub(super) use commands::status;
pub(crate) use ending::shown as account_deleted;
pub use jobs::{Job, JobOutput};
pub(crate) use manifests::{look_for_manifest, observe_own_head};
#[cfg(test)]
pub(crate) use me::pose;
pub(crate) use me::{Me, anonymous_link, me, not_active, own_link, own_name};
pub(crate) use profile_key::rotate as replace_keys;
pub(crate) use removal::{state_key_given, state_key_wanted};
pub(crate) use vault_sync::refresh;

use super::{
    Ctx, EngineError,
    ctx::Pending as Continuation,
    error::Answer,
    io::{LinkId, RequestError},
    links,
    timers::Timer,
};
use crate::{
    api::{Error, ErrorCode, Request, Response},
    opaque::{LoginFlow, RegistrationFlow},
    signed::{Manifest, Record},
    time::Timestamp,
};
use jobs::Output;

/// Longest label of a device in characters.
const MAX_LABEL: usize = 64;

/// What may vanish at any moment.
#[derive(Default)]
pub(crate) struct Passing {
    me: Option<Rc<Me>>,
    flow: Option<Flow>,
    errand: Option<owner::Errand>,
    /// The command that waits for the end of the account.
    ending: Option<u64>,
    serial: u64,
    /// Troubles that the person was told of, and when.
    told: BTreeMap<String, Timestamp>,
    /// When the relay last claimed that this store is an old copy.
    doubted: Option<Timestamp>,
    connection: Connection,
}

/// What holds for one connection to the own relay.
#[derive(Default)]
struct Connection {
    online: bool,
    session: Option<DeviceSession>,
    /// The relay did not take the device's login: the chain says why.
    login_refused: bool,
    setup: Setup,
    /// Groups of the vault that are still to be read before this device is in use.
    joining: BTreeSet<u64>,
    chain: manifests::Chain,
    vault: vault_sync::VaultSync,
    book: book::Book,
    prekeys: prekeys::Uploads,
    /// A record of before is being closed.
    closing: bool,
    /// The relay is being told that the account ends.
    ending: bool,
    /// The commit counter last stated.
    stated: u64,
}

/// What others need to reach this device, as far as the relay has it.
#[derive(Default)]
struct Setup {
    address: bool,
    prekeys: bool,
    book: bool,
    vault: bool,
}

impl Setup {
    fn done(&self) -> bool {
        let Self { address, prekeys, book, vault } = *self;
        address && prekeys && book && vault
    }
}

/// A registration or login under way, for a command that waits.
struct Flow {
    serial: u64,
    command: u64,
    address: Address,
    label: String,
    step: Step,
}

enum Step {
    Register(Option<Box<RegistrationFlow>>),
    /// A registration of before goes on.
    Resumed,
    LogIn {
        way: login::Way,
        flow: Option<Box<LoginFlow>>,
    },
    Session(login::LogIn),
    Proposed,
}

/// What to do with a reply. A number is the flow's serial, a group's number, a command's id, or a row's; a second one says under which of
/// the keys that this connection has seen.
pub(crate) enum Pending {
    RegisterStart(u64),
    RegisterFinish,
    LoginStart(u64),
    LoginFinish(u64),
    Propose,
    DeviceLogin,
    JoinChain,
    JoinGroup(u64),
    JoinAddress,
    Chain,
    PutAddress,
    UploadPrekeys,
    VaultRead(u64, u64),
    VaultWrite(u64, u64),
    BookRead(u64),
    BookWrite(u64),
    Statement,
    OwnLookup,
    /// A command, or none: a link was shown.
    Confirm(Option<u64>, Box<Manifest>),
    Reject(Option<u64>),
    OwnerStart(u64),
    OwnerFinish(u64),
    OwnerChain(u64),
    OwnerRemove(u64, Box<Manifest>),
    OwnerRegister(u64),
    OwnerPassword(u64),
    CloseRead(u64),
    CloseWrite(u64),
    CloseOld(u64),
    EndBook,
    /// With the last versions of the records that go before it.
    EndProfile(Vec<Record>),
    EndAccount,
}

impl From<Pending> for Continuation {
    fn from(pending: Pending) -> Self {
        Self::Account(pending)
    }
}

/// Slow work under way, for the flow of this serial.
pub(crate) struct PendingWork(u64);

pub(super) fn start(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    session::start(ctx)
}

pub(super) fn command(ctx: &mut Ctx<'_, '_>, id: u64, request: Request) -> Answer {
    match request {
        Request::Status => Ok(Some(Response::Status { status: commands::status(ctx)? })),
        Request::SuggestPassphrase => Ok(Some(Response::Passphrase { passphrase: strength::suggest(ctx) })),
        Request::Register { address, password, device } => {
            register::command(ctx, id, address, &password, device)
        }
        Request::LogIn { address, password, device, evict } => {
            let way = if evict { login::Way::Evicting } else { login::Way::Beside };
            login::command(ctx, id, address, &password, device, way)
        }
        Request::LogInByLink { link, password, device } => link::log_in(ctx, id, &link, &password, device),
        Request::MakeDeviceLink => link::make(ctx),
        Request::RevokeDeviceLink => Ok(Some(link::revoke(ctx))),
        Request::Devices => commands::devices(ctx),
        Request::ConfirmDevice { proposal } => proposal::confirm(ctx, id, &proposal),
        Request::RejectDevice { proposal } => proposal::reject(ctx, id, &proposal),
        Request::RemoveDevice { device, password } => {
            owner::command(ctx, id, &password, owner::What::Remove(device))
        }
        Request::RenameDevice { device, label } => commands::rename(ctx, &device, label),
        Request::ChangePassword { old, new } => {
            owner::command(ctx, id, &old, owner::What::ChangePassword(new))
        }
        Request::DeleteAccount { password } => owner::command(ctx, id, &password, owner::What::Delete),
        Request::SetRelay { relay } => commands::set_relay(ctx, &relay),
        _ => Err(Error::new(ErrorCode::Internal, "This request is not the account's.").into()),
    }
}

pub(super) fn greeted(ctx: &mut Ctx<'_, '_>, link: &LinkId) -> Result<(), EngineError> {
    session::greeted(ctx, link)
}

pub(super) fn link_down(
    ctx: &mut Ctx<'_, '_>,
    link: &LinkId,
    reason: &str,
    untrusted: bool,
) -> Result<(), EngineError> {
    session::link_down(ctx, link, reason, untrusted)
}

pub(super) fn reply(
    ctx: &mut Ctx<'_, '_>,
    link: &LinkId,
    pending: Pending,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<(), EngineError> {
    match pending {
        Pending::RegisterStart(serial) => register::started(ctx, serial, result),
        Pending::RegisterFinish => register::finished(ctx, result),
        Pending::LoginStart(serial) => login::started(ctx, serial, result),
        Pending::LoginFinish(serial) => login::session(ctx, serial, result),
        Pending::Propose => pending::proposed(ctx, result),
        Pending::DeviceLogin => session::logged_in(ctx, link, result),
        Pending::JoinChain => joining::chain(ctx, result),
        Pending::JoinGroup(group) => joining::group(ctx, group, result),
        Pending::JoinAddress => joining::address(ctx, result),
        Pending::Chain => manifests::read_done(ctx, result),
        Pending::PutAddress => session::address_opened(ctx, result),
        Pending::UploadPrekeys => prekeys::uploaded(ctx, result),
        Pending::VaultRead(group, keys) => vault_sync::read_done(ctx, group, keys, result),
        Pending::VaultWrite(group, keys) => vault_sync::written(ctx, group, keys, result),
        Pending::BookRead(keys) => book::read_done(ctx, keys, result),
        Pending::BookWrite(keys) => book::written(ctx, keys, result),
        Pending::Statement => statement::put(ctx, result),
        Pending::OwnLookup => own_lookup::answered(ctx, result),
        Pending::Confirm(id, manifest) => proposal::confirmed(ctx, id, *manifest, result),
        Pending::Reject(id) => proposal::rejected(ctx, id, result),
        Pending::OwnerStart(serial) => owner::started(ctx, serial, result),
        Pending::OwnerFinish(serial) => owner::session(ctx, serial, result),
        Pending::OwnerChain(serial) => owner::chain(ctx, serial, result),
        Pending::OwnerRemove(serial, manifest) => owner::removed(ctx, serial, *manifest, result),
        Pending::OwnerRegister(serial) => owner::registering(ctx, serial, result),
        Pending::OwnerPassword(serial) => owner::password_changed(ctx, serial, result),
        Pending::CloseRead(n) => closing::read_done(ctx, n, result),
        Pending::CloseWrite(n) => closing::written(ctx, n, result),
        Pending::CloseOld(n) => {
            addresses::closed(ctx, n, result);
            Ok(())
        }
        Pending::EndBook => ending::book(ctx, result),
        Pending::EndProfile(records) => ending::profile(ctx, records, result),
        Pending::EndAccount => ending::ended(ctx, result),
    }
}

pub(super) fn proposal(ctx: &mut Ctx<'_, '_>, link: &LinkId, proposal: Proposal) -> Result<(), EngineError> {
    if own_link(ctx)?.as_ref() == Some(link) { proposal::pushed(ctx, proposal) } else { Ok(()) }
}

pub(super) fn proposal_decided(
    ctx: &mut Ctx<'_, '_>,
    link: &LinkId,
    decision: ProposalDecided,
) -> Result<(), EngineError> {
    if own_link(ctx)?.as_ref() != Some(link) {
        return Ok(());
    }
    pending::decided(ctx, &decision.proposal_id, decision.accepted)
}

pub(super) fn work_done(
    ctx: &mut Ctx<'_, '_>,
    pending: PendingWork,
    output: JobOutput,
) -> Result<(), EngineError> {
    let PendingWork(serial) = pending;
    if owner::owns(ctx, serial) {
        return match output.0 {
            Output::Registered(result) => owner::registered(ctx, result),
            Output::LoggedIn(result) => owner::logged_in(ctx, result),
        };
    }
    if flow(ctx, serial).is_none() {
        return Ok(());
    }
    match output.0 {
        Output::Registered(result) => register::worked(ctx, result),
        Output::LoggedIn(result) => login::worked(ctx, result),
    }
}

pub(super) fn due(ctx: &mut Ctx<'_, '_>, timer: Timer) -> Result<(), EngineError> {
    match timer {
        Timer::Prekeys => prekeys::due(ctx),
        Timer::OwnLookup => own_lookup::due(ctx),
        Timer::Statement => statement::due(ctx),
        Timer::Vault => vault_sync::due(ctx),
        Timer::Grace => session::retry(ctx),
        Timer::Devices => {
            addresses::due(ctx)?;
            closing::step(ctx)?;
            ending::step(ctx)
        }
        _ => Ok(()),
    }
}

/// One registration or login at a time.
fn check_free(ctx: &Ctx<'_, '_>) -> Result<(), Error> {
    let account = &ctx.passing.account;
    if account.flow.is_none() && account.errand.is_none() && account.ending.is_none() {
        return Ok(());
    }
    Err(Error::new(ErrorCode::Invalid, "Something that the password was typed for is under way already.")
        .next("Wait until it has ended."))
}

fn check_label(label: &str) -> Result<(), Error> {
    if label.chars().count() <= MAX_LABEL && !label.chars().any(char::is_control) {
        return Ok(());
    }
    Err(Error::new(
        ErrorCode::Invalid,
        format!("A device's name has at most {MAX_LABEL} characters, on one line."),
    )
    .next("Choose a shorter one."))
}

fn begin(ctx: &mut Ctx<'_, '_>, command: u64, address: Address, label: String, step: Step) -> u64 {
    let account = &mut ctx.passing.account;
    account.serial += 1;
    let serial = account.serial;
    account.flow = Some(Flow { serial, command, address, label, step });
    serial
}

/// The flow, if it is still this one.
fn flow<'c>(ctx: &'c mut Ctx<'_, '_>, serial: u64) -> Option<&'c mut Flow> {
    ctx.passing.account.flow.as_mut().filter(|flow| flow.serial == serial)
}

/// Ends the flow with an error; its link is closed unless an account needs it.
fn fail(ctx: &mut Ctx<'_, '_>, error: Error) -> Result<(), EngineError> {
    let Some(flow) = ctx.passing.account.flow.take() else { return Ok(()) };
    ctx.respond(flow.command, Err(error));
    let link = me::identified(flow.address.relay());
    let row = me::row(ctx)?.filter(|row| row.phase() != AccountPhase::Stopped);
    let needed = row.as_ref().map(me::address).transpose()?;
    if needed.is_none_or(|address| me::identified(address.relay()) != link) {
        links::close(ctx, &link);
    }
    Ok(())
}
