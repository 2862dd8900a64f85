//! Registration.
//!
//! ```text
//!  command ─▶ Start ──RegisterStartOk──▶ Work ──Argon2id──▶ row Registering ──Ok──▶ DeviceLogin ──▶ Active ──▶ reachable: Done
//!                                                            │   ▲
//!                                                  connection│   │next connection: the same RegisterFinish again
//!                                                       lost └───┘
//! ```
//!
//! Keys and manifest are durable before RegisterFinish is sent, and the relay takes the very same RegisterFinish twice: so a
//! crash or a lost connection at any point leaves either nothing, or an account that goes on by itself.

use wheesht_proto::{
    account::VaultOwn,
    address::Address,
    limits::MAX_ROOT_VAULT,
    prost::Message as _,
    relay::{self, client_frame, relay_frame},
    stored::{self, AccountPhase, AccountStop},
};
use zeroize::Zeroizing;

use super::{
    super::{Ctx, EngineError, error::Answer, io::RequestError, links, tables::OWN_MANIFESTS},
    Flow, Pending, PendingWork, Step, book,
    jobs::Job,
    me::{self, Row, identified},
    session, stop, strength, vault, words,
};
use crate::{
    api::{Error, ErrorCode, EventKind, Password, Trouble},
    crypto::{dh::DhSecret, secret::Secret as _, sign::SigningKey},
    opaque::{OpaqueError, Registered, RegistrationFlow},
    signed::{DeviceCertificate, DeviceSigningKey, IdentityKey, Manifest, record::record_id},
    vault::{RootSecrets, StateKey, seal_root},
};

/// `Register`.
pub(super) fn command(
    ctx: &mut Ctx<'_, '_>,
    id: u64,
    address: Address,
    password: &Password,
    label: String,
) -> Answer {
    super::check_free(ctx)?;
    super::check_label(&label)?;
    if let Some(row) = me::row(ctx)? {
        match row.phase() {
            AccountPhase::Registering if me::address(&row)?.canonical() == address.canonical() => {
                return resume(ctx, id, row, address, label);
            }
            AccountPhase::Registering => stop::forget(ctx)?,
            AccountPhase::Stopped if never_joined(&row) => stop::forget(ctx)?,
            _ => return Err(exists(&row).into()),
        }
    }
    strength::check(password, &address)?;
    let (flow, request) = RegistrationFlow::start(password.expose(), &mut *ctx.rng).map_err(broken)?;
    let name = address.name().as_str().to_owned();
    let link = identified(address.relay());
    let serial = super::begin(ctx, id, address, label, Step::Register(Some(Box::new(flow))));
    let body = relay::RegisterStart { name, request };
    ctx.ask(&link, Pending::RegisterStart(serial), client_frame::Body::RegisterStart(body));
    Ok(None)
}

/// An attempt of before has not had its answer: it goes on, and only then it is known what to answer.
fn resume(ctx: &mut Ctx<'_, '_>, id: u64, row: Row, address: Address, label: String) -> Answer {
    let link = identified(me::address(&row)?.relay());
    super::begin(ctx, id, address, label, Step::Resumed);
    links::open(ctx, &link);
    if ctx.passing.links.greeting(&link).is_some() {
        finish(ctx, &row)?;
    }
    Ok(None)
}

pub(super) fn started(
    ctx: &mut Ctx<'_, '_>,
    serial: u64,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<(), EngineError> {
    let Some(flow) = super::flow(ctx, serial) else { return Ok(()) };
    let Step::Register(state) = &mut flow.step else { return Ok(()) };
    let Some(state) = state.take() else { return Ok(()) };
    let address = flow.address.clone();
    match result {
        Ok(relay_frame::Body::RegisterStartOk(started)) => {
            if let Err(error) = session::check_domain(ctx, &address) {
                return super::fail(ctx, error);
            }
            ctx.work(PendingWork(serial), Job::register(state, address, started.response));
        }
        // Why is known when the link says that it is down.
        Err(RequestError::Lost) => {}
        other => return super::fail(ctx, words::failed(other)),
    }
    Ok(())
}

/// The password is stretched: now the account is made, here.
pub(super) fn worked(
    ctx: &mut Ctx<'_, '_>,
    result: Result<Registered, OpaqueError>,
) -> Result<(), EngineError> {
    let Some(flow) = &ctx.passing.account.flow else { return Ok(()) };
    let (address, label) = (flow.address.clone(), flow.label.clone());
    let registered = match result {
        Ok(registered) => registered,
        Err(error) => {
            return super::fail(ctx, broken(error));
        }
    };
    match make(ctx, address, label, registered)? {
        Ok(row) => finish(ctx, &row),
        Err(error) => super::fail(ctx, error),
    }
}

/// Makes keys, manifest and vault, durable before the relay hears of them.
fn make(
    ctx: &mut Ctx<'_, '_>,
    address: Address,
    label: String,
    registered: Registered,
) -> Result<Result<Row, Error>, EngineError> {
    let root = RootSecrets {
        identity: IdentityKey::generate(&mut *ctx.rng),
        state_key: StateKey::generate(&mut *ctx.rng),
        state_key_epoch: 1,
    };
    let keys = Keys::generate(ctx, &root.identity);
    let Ok(manifest) = Manifest::first(&root.identity, &address, keys.certificate.clone(), ctx.now) else {
        return Ok(Err(words::nonsense()));
    };
    let root_vault = seal_root(&registered.export_key, &address, &root, &mut *ctx.rng);
    debug_assert!(root_vault.len() <= MAX_ROOT_VAULT);
    let request_address = ctx.random::<16>().to_vec();
    let finish = relay::RegisterFinish {
        name: address.name().as_str().to_owned(),
        record: registered.upload,
        root_vault,
        manifest: manifest.encoded().to_vec(),
        request_address: request_address.clone(),
    };
    let mut row = Row::new(stored::Account {
        address: address.to_string(),
        label,
        identity: root.identity.account_id().to_vec(),
        state_key: root.state_key.expose().to_vec(),
        state_key_epoch: root.state_key_epoch,
        manifest_version: manifest.version(),
        register_finish: finish.encode_to_vec(),
        ..Default::default()
    });
    row.set_phase(AccountPhase::Registering);
    keys.store(ctx, &mut row);
    // DEV-1
    me::save_row(ctx, &row);
    ctx.tx.put(OWN_MANIFESTS, b"", manifest.version(), manifest.encoded().to_vec());
    let own = new_own(ctx, request_address, root.state_key_epoch);
    vault::put(ctx, vault::OWN, own.encode_to_vec())?;
    vault::put(ctx, &vault::label_key(&keys.signing.device_id()), row.label.clone().into_bytes())?;
    Ok(Ok(row))
}

/// Fresh keys to be reached with.
pub(super) fn new_own(ctx: &mut Ctx<'_, '_>, request_address: Vec<u8>, state_key_epoch: u64) -> VaultOwn {
    let write_key = SigningKey::generate(&mut *ctx.rng);
    VaultOwn {
        profile_key: ctx.random::<32>().to_vec(),
        address_write_key: write_key.to_secret_bytes().to_vec(),
        address_record: record_id(&write_key.verifying_key(), &book::NO_SALT).to_vec(),
        request_address,
        state_key_epoch,
    }
}

/// A new device's own keys.
pub(super) struct Keys {
    pub(super) signing: DeviceSigningKey,
    dh: DhSecret,
    pub(super) certificate: DeviceCertificate,
}

impl Keys {
    pub(super) fn generate(ctx: &mut Ctx<'_, '_>, identity: &IdentityKey) -> Self {
        let signing = DeviceSigningKey::generate(&mut *ctx.rng);
        let dh = DhSecret::generate(&mut *ctx.rng);
        let certificate =
            DeviceCertificate::issue(identity, &signing.verifying_key(), *dh.public().as_bytes(), ctx.now);
        Self { signing, dh, certificate }
    }

    pub(super) fn store(&self, ctx: &mut Ctx<'_, '_>, row: &mut Row) {
        let Self { signing, dh, certificate } = self;
        row.signing_secret = signing.to_secret_bytes().to_vec();
        row.dh_secret = dh.store().to_vec();
        row.certificate = certificate.encoded().to_vec();
        row.contact_address = ctx.random::<16>().to_vec();
    }
}

/// Sends RegisterFinish, for the first time or again.
pub(super) fn finish(ctx: &mut Ctx<'_, '_>, row: &Row) -> Result<(), EngineError> {
    let link = identified(me::address(row)?.relay());
    let encoded = Zeroizing::new(row.register_finish.clone());
    let finish = relay::RegisterFinish::decode(encoded.as_slice()).map_err(|_| me::unreadable())?;
    ctx.ask(&link, Pending::RegisterFinish, client_frame::Body::RegisterFinish(finish));
    Ok(())
}

pub(super) fn finished(
    ctx: &mut Ctx<'_, '_>,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<(), EngineError> {
    let Some(row) = me::row(ctx)?.filter(|row| row.phase() == AccountPhase::Registering) else {
        return Ok(());
    };
    match result {
        Ok(relay_frame::Body::Ok(_)) => session::log_in(ctx, &row),
        // The row stays: the next connection goes on.
        Err(RequestError::Lost) => Ok(()),
        other => {
            let error = words::failed(other);
            stop::forget(ctx)?;
            if ctx.passing.account.flow.is_some() {
                return super::fail(ctx, error);
            }
            let detail = format!("The registration of {} did not go through. {error}", row.address);
            ctx.event(EventKind::Trouble { trouble: Trouble::RelayRefused { detail } })
        }
    }
}

/// Whether nothing of an account was ever here: a request to join was refused, and that was all.
pub(super) fn never_joined(row: &Row) -> bool {
    row.stop() == AccountStop::Rejected && row.stop_before() == AccountStop::Unspecified
}

fn exists(row: &Row) -> Error {
    Error::new(ErrorCode::AccountExists, format!("This installation belongs to {} already.", row.address))
        .next("For another account, use another directory.")
}

pub(super) fn broken(error: OpaqueError) -> Error {
    match error {
        OpaqueError::BadCredentials => Error::new(ErrorCode::BadCredentials, "Wrong name or password.")
            .next("Check both; upper and lower case count in a password."),
        OpaqueError::Stretching => {
            Error::new(ErrorCode::Internal, "There is not enough memory to stretch the password.")
                .next("Close other programs; 64 MiB are needed.")
        }
        OpaqueError::Malformed => words::nonsense(),
    }
}

/// What the flow's command is answered once the account is in use and can be reached.
pub(super) fn answer(flow: &Flow) -> Result<crate::api::Response, Error> {
    match flow.step {
        // Which password it was registered with is known to nobody here: the person is told rather than misled.
        Step::Resumed => Err(Error::new(
            ErrorCode::AccountExists,
            format!(
                "{} is registered: the attempt before went through, with the password given then.",
                flow.address
            ),
        )
        .next("Nothing needs to be done; this installation is ready.")),
        _ => Ok(crate::api::Response::Done),
    }
}
