//! Which devices an account's messages go to, and through which addresses.

use wheesht_proto::{
    address::RelayAddress,
    ids::{AccountId, DepositAddress, DeviceId},
};

use super::{
    super::{Ctx, EngineError, account},
    books,
    contact::{self, Contact},
    manifests,
};
use crate::{
    api::{ContactState, FailReason},
    signed::certificate::DeviceCertificate,
};

/// A relay's word that an account is gone holds for this long (milliseconds).
const GONE_MS: u64 = 60_000;

/// One device and how it is reached.
#[derive(Clone)]
pub(crate) struct Destination {
    /// Its certificate, from the newest manifest known.
    pub(crate) certificate: DeviceCertificate,
    /// Where to deposit; also the capability for its bundle.
    pub(crate) address: DepositAddress,
    /// On which relay.
    pub(crate) relay: RelayAddress,
    /// It is the account's request address: the deposit names the device.
    pub(crate) request: bool,
}

/// Where an account's messages go.
pub(crate) enum Route {
    /// To these devices.
    Ready(Vec<Destination>),
    /// Something has to be learnt first; `messaging::route_ready` or `messaging::manifest_changed` says when.
    Wait,
    /// Nowhere.
    Fail(FailReason),
}

/// Where an account's messages go; one's own: to the other devices.
pub(crate) fn route(ctx: &mut Ctx<'_, '_>, id: &AccountId) -> Result<Route, EngineError> {
    let Some(me) = account::me(ctx)? else { return Ok(Route::Wait) };
    if me.account == *id {
        let others = account::own_destinations(ctx)?;
        if account::soon_complete(ctx)? {
            return Ok(Route::Wait);
        }
        let destination = |(certificate, address)| Destination {
            certificate,
            address,
            relay: me.relay.clone(),
            request: false,
        };
        return Ok(Route::Ready(others.into_iter().map(destination).collect()));
    }
    let Some(contact) = contact::by_id(ctx, id)? else { return Ok(Route::Fail(FailReason::Withdrawn)) };
    if contact.changed.is_some() {
        return Ok(Route::Fail(FailReason::IdentityChanged));
    }
    if let Some(since) = ctx.passing.people.gone.get(id).copied() {
        if ctx.now.millis_since(since) < GONE_MS {
            return Ok(Route::Fail(FailReason::AccountGone));
        }
        // What its relay said before may not hold any more.
        manifests::check(ctx, &contact)?;
        return Ok(Route::Wait);
    }
    match contact.state {
        ContactState::Blocked => Ok(Route::Fail(FailReason::Withdrawn)),
        ContactState::Known | ContactState::RequestSent => match contact.request_address {
            Some(address) => Ok(Route::Ready(all_devices(&contact, address))),
            None => {
                manifests::check(ctx, &contact)?;
                Ok(Route::Wait)
            }
        },
        ContactState::RequestReceived => Ok(Route::Wait),
        ContactState::Accepted => accepted(ctx, &contact),
    }
}

/// An accepted contact is reached through its address book, and until that is there through the addresses it asked to be
/// answered at. In no other way.
fn accepted(ctx: &mut Ctx<'_, '_>, contact: &Contact) -> Result<Route, EngineError> {
    let listed = destinations(contact, &contact.addresses);
    if !listed.is_empty() {
        if books::soon_complete(ctx, contact) {
            return Ok(Route::Wait);
        }
        return Ok(Route::Ready(listed));
    }
    books::read(ctx, contact)?;
    let reply = destinations(contact, &contact.reply);
    if contact.profile_key.is_none() && !reply.is_empty() { Ok(Route::Ready(reply)) } else { Ok(Route::Wait) }
}

fn destinations(contact: &Contact, addresses: &[(DeviceId, DepositAddress)]) -> Vec<Destination> {
    let destination = |(device, address): &(DeviceId, DepositAddress)| {
        Some(Destination {
            certificate: contact.manifest.device(device)?.clone(),
            address: *address,
            relay: contact.relay().clone(),
            request: false,
        })
    };
    addresses.iter().filter_map(destination).collect()
}

fn all_devices(contact: &Contact, address: DepositAddress) -> Vec<Destination> {
    let destination = |certificate: &DeviceCertificate| Destination {
        certificate: certificate.clone(),
        address,
        relay: contact.relay().clone(),
        request: true,
    };
    contact.manifest.devices().iter().map(destination).collect()
}
