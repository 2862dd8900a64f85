//! What a relay says to a deposit.

use std::collections::BTreeSet;

use wheesht_proto::{
    ids::{AccountId, DeviceId},
    relay::{DepositResult, ErrorCode as Refusal},
};

use super::{
    super::super::{Ctx, EngineError, account, people},
    super::{outbox, sessions, trouble},
    parcel::close,
};

/// The relay has answered for each envelope.
pub(super) fn taken(
    ctx: &mut Ctx<'_, '_>,
    to: &AccountId,
    entries: &[(u64, DeviceId)],
    results: &[DepositResult],
) -> Result<(), EngineError> {
    // After a refusal the relay refuses everything further to that address alike: only the first says why.
    let mut stopped = BTreeSet::new();
    for ((n, device), result) in entries.iter().zip(results) {
        if stopped.contains(device) {
            continue;
        }
        let (code, retry_after) = match result.addresses.first() {
            Some(answer) => (answer.code(), answer.retry_after_ms),
            None => (Refusal::Internal, 0),
        };
        match code {
            Refusal::Unspecified => {
                sessions::on_time(ctx, to, device);
                settle(ctx, to, *n, device, false)?;
                continue;
            }
            Refusal::TooLarge | Refusal::Malformed => settle(ctx, to, *n, device, true)?,
            Refusal::NotFound => {
                sessions::put_off(ctx, to, device, retry_after);
                unreachable(ctx, to)?;
            }
            _ => sessions::put_off(ctx, to, device, retry_after),
        }
        stopped.insert(*device);
    }
    Ok(())
}

/// The relay refused a deposit as a whole.
pub(super) fn refused(
    ctx: &mut Ctx<'_, '_>,
    to: &AccountId,
    entries: &[(u64, DeviceId)],
) -> Result<(), EngineError> {
    match entries {
        [(n, device)] => {
            trouble(ctx, "it doesn't take one of the messages")?;
            settle(ctx, to, *n, device, true)
        }
        _ => {
            if let Some(running) = ctx.passing.messaging.lanes.get_mut(to) {
                running.single = true;
            }
            Ok(())
        }
    }
}

/// The relay has this item for this device, or never will.
fn settle(
    ctx: &mut Ctx<'_, '_>,
    to: &AccountId,
    n: u64,
    device: &DeviceId,
    refused: bool,
) -> Result<(), EngineError> {
    let Some(mut item) = outbox::item(ctx, to, n)? else { return Ok(()) };
    if let Some(parcel) = item.parcels.iter_mut().find(|parcel| parcel.device_id == device.as_ref()) {
        close(parcel, refused);
        outbox::save_item(ctx, to, n, &item);
    }
    Ok(())
}

/// An address leads nowhere: the account's devices are looked up again.
pub(in crate::engine::messaging) fn unreachable(
    ctx: &mut Ctx<'_, '_>,
    to: &AccountId,
) -> Result<(), EngineError> {
    match account::me(ctx)? {
        Some(me) if me.account == *to => {
            account::check_book(ctx)?;
            account::look_for_manifest(ctx).map(drop)
        }
        _ => people::unreachable(ctx, to),
    }
}
