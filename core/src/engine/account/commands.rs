//! Commands that only look, and `SetRelay`.

use wheesht_proto::{
    address::{Address, RelayAddress},
    ids::DeviceId,
    stored::{AccountPhase, AccountStop},
};

use super::{
    super::{Ctx, EngineError, error::Answer, links, messaging, people},
    me::{self, Row, anonymous_link, identified},
    proposal, vault,
};
use crate::{
    api::{Device, Error, ErrorCode, Phase, Response, Status, StopReason},
    signed::UnverifiedManifest,
    time::Timestamp,
};

/// `Status`.
pub(in super::super) fn status(ctx: &mut Ctx<'_, '_>) -> Result<Status, EngineError> {
    let row = me::row(ctx)?;
    let shown = row.as_ref().filter(|row| row.phase() != AccountPhase::Registering);
    Ok(Status {
        phase: phase(row.as_ref())?,
        address: shown.map(me::address).transpose()?,
        account: shown.map(me::account_id).transpose()?,
        device: match shown {
            Some(row) if !row.signing_secret.is_empty() => Some(me::signing_key(row)?.device_id()),
            _ => None,
        },
        online: ctx.passing.account.connection.online,
        outbox: messaging::waiting(ctx)?,
    })
}

/// The phase as the app knows it.
pub(super) fn phase(row: Option<&Row>) -> Result<Phase, EngineError> {
    let Some(row) = row else { return Ok(Phase::Empty) };
    Ok(match row.phase() {
        // Nothing to show until the relay has taken it.
        AccountPhase::Unspecified | AccountPhase::Registering => Phase::Empty,
        // Joining is pending still: confirmed, and waiting for what the other devices know.
        AccountPhase::Pending | AccountPhase::Joining => {
            let draft = UnverifiedManifest::decode(&row.draft).map_err(|_| me::unreadable())?;
            Phase::Pending {
                code: proposal::code(&draft.hash()),
                effective_at: effective_at(row.effective_at_ms),
            }
        }
        AccountPhase::Active => Phase::Active,
        AccountPhase::Stopped => Phase::Stopped {
            reason: match row.stop() {
                AccountStop::RolledBack => StopReason::RolledBack,
                AccountStop::Rejected => StopReason::Rejected,
                AccountStop::Deleted => StopReason::Deleted,
                AccountStop::Removed | AccountStop::Unspecified => StopReason::Removed,
            },
        },
    })
}

pub(super) fn effective_at(millis: u64) -> Option<Timestamp> {
    (millis > 0).then(|| Timestamp::from_millis(millis))
}

/// `Devices`.
pub(super) fn devices(ctx: &mut Ctx<'_, '_>) -> Answer {
    let Some(me) = me::me(ctx)? else { return Err(me::not_active(ctx)?.into()) };
    let mut devices = Vec::new();
    for certificate in me.manifest.devices() {
        let id: DeviceId = certificate.device_id();
        let label = vault::get(ctx, &vault::label_key(&id))?;
        devices.push(Device {
            id,
            created: certificate.created(),
            this: id == me.device,
            label: label.and_then(|label| String::from_utf8(label.to_vec()).ok()),
        });
    }
    Ok(Some(Response::Devices { devices, proposal: proposal::standing(ctx, &me)? }))
}

/// `RenameDevice`.
pub(super) fn rename(ctx: &mut Ctx<'_, '_>, device: &DeviceId, label: String) -> Answer {
    super::check_label(&label)?;
    let Some(me) = me::me(ctx)? else { return Err(me::not_active(ctx)?.into()) };
    if me.manifest.device(device).is_none() {
        return Err(Error::new(ErrorCode::NotFound, "The account has no such device.")
            .next("Look at the list of devices.")
            .into());
    }
    vault::put(ctx, &vault::label_key(device), label.into_bytes())?;
    Ok(Some(Response::Done))
}

/// `SetRelay`: host and port stay, since every manifest signs them; how the relay is known may change.
pub(super) fn set_relay(ctx: &mut Ctx<'_, '_>, relay: &RelayAddress) -> Answer {
    let mut known = people::relay_changed(ctx, relay)?;
    if let Some(mut row) = me::row(ctx)? {
        let address = me::address(&row)?;
        if address.relay().authority() == relay.authority() {
            known = true;
            row.address = Address::new(address.name().clone(), relay.clone()).to_string();
            me::save_row(ctx, &row);
            if address.relay() != relay {
                links::close(ctx, &identified(address.relay()));
                links::close(ctx, &anonymous_link(address.relay()));
                ctx.passing.account.connection.online = false;
            }
            if row.phase() != AccountPhase::Stopped {
                links::open(ctx, &identified(relay));
            }
        }
    }
    if known {
        return Ok(Some(Response::Done));
    }
    let message = format!("Neither this account nor any contact is on {}.", relay.authority());
    Err(Error::new(ErrorCode::NotFound, message).next("Check host and port.").into())
}
