//! Finding somebody by address: the relay's look-up, checked, becomes a contact.

use wheesht_proto::{
    address::{Address, RelayAddress},
    relay::{self, ErrorCode as Refusal, client_frame, relay_frame},
};
use zeroize::Zeroizing;

use super::{
    super::{
        Ctx, EngineError, account,
        error::{Answer, Failure},
        io::RequestError,
        messaging,
    },
    Pending,
    contact::{self, Contact},
    fellows, manifests, vault,
};
use crate::{
    api::{ContactState, Error, ErrorCode, EventKind, Response},
    signed::manifest::UnverifiedManifest,
};

/// What a look-up is for.
pub(crate) enum Then {
    /// To keep the contact.
    Add,
    /// To send them this.
    Send(Zeroizing<String>),
}

/// A look-up under way.
pub(crate) struct Find {
    command: u64,
    address: Address,
    then: Then,
}

/// Looks an address up, and goes on with the command when the answer is there.
pub(crate) fn find(ctx: &mut Ctx<'_, '_>, command: u64, address: Address, then: Then) -> Answer {
    let Some(me) = account::me(ctx)? else { return Err(account::not_active(ctx)?.into()) };
    if me.address.canonical() == address.canonical() {
        return Err(Error::new(ErrorCode::Invalid, "That is your own address.").into());
    }
    if let Some(known) = contact::by_address(ctx, &address)? {
        return proceed(ctx, command, &known, then);
    }
    let relay = known_relay(ctx, address.relay())?;
    let address = Address::new(address.name().clone(), relay);
    let link = account::anonymous_link(address.relay());
    let lookup = relay::Lookup { name: address.name().to_string() };
    ctx.ask(&link, Pending::Find(Find { command, address, then }), client_frame::Body::Lookup(lookup));
    Ok(None)
}

/// The relay's answer.
pub(super) fn reply(
    ctx: &mut Ctx<'_, '_>,
    find: Find,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<(), EngineError> {
    let Find { command, address, then } = find;
    let answer = match found(ctx, &address, result) {
        Ok(contact) => proceed(ctx, command, &contact, then),
        Err(failure) => Err(failure),
    };
    match answer {
        Ok(Some(response)) => {
            ctx.respond(command, Ok(response));
            Ok(())
        }
        Ok(None) => Ok(()),
        Err(failure) => ctx.refuse(command, failure),
    }
}

/// How a relay is reached and known, if it was named without its fingerprint but is one's own or a contact's.
pub(super) fn known_relay(ctx: &mut Ctx<'_, '_>, named: &RelayAddress) -> Result<RelayAddress, EngineError> {
    if named.fingerprint().is_some() {
        return Ok(named.clone());
    }
    if let Some(me) = account::me(ctx)?.filter(|me| me.relay.authority() == named.authority()) {
        return Ok(me.relay.clone());
    }
    let known = contact::all(ctx)?;
    let known = known.iter().map(Contact::relay).find(|known| known.authority() == named.authority());
    Ok(known.unwrap_or(named).clone())
}

fn proceed(ctx: &mut Ctx<'_, '_>, command: u64, contact: &Contact, then: Then) -> Answer {
    match then {
        Then::Add => Ok(Some(Response::Contact { contact: contact.to_api(ctx) })),
        Then::Send(text) => messaging::send_to(ctx, command, &contact.id, &text),
    }
}

fn found(
    ctx: &mut Ctx<'_, '_>,
    address: &Address,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<std::rc::Rc<Contact>, Failure> {
    let found = match result {
        Ok(relay_frame::Body::LookupOk(found)) => found,
        Ok(_) => return Err(misbehaved(address).into()),
        Err(RequestError::Lost) => {
            let message = format!("{} could not be reached.", address.relay().authority());
            return Err(Error::new(ErrorCode::Network, message)
                .next("Check the address and try again.")
                .into());
        }
        Err(RequestError::Refused(error)) if error.code() == Refusal::NotFound => {
            let message = format!("There is no {} on {}.", address.name(), address.relay().authority());
            return Err(Error::new(ErrorCode::NotFound, message).next("Ask them for their address.").into());
        }
        Err(RequestError::Refused(error)) => {
            let code =
                if error.code() == Refusal::RateLimited { ErrorCode::RateLimited } else { ErrorCode::Relay };
            let message = format!("{} refused: {}.", address.relay().authority(), error.detail);
            return Err(Error::new(code, message).retry_after(error.retry_after_ms).into());
        }
    };
    let manifest = UnverifiedManifest::decode(&found.manifest)
        .and_then(|manifest| manifest.verify_alone(None, Some(address)));
    let Ok(manifest) = manifest else { return Err(misbehaved(address).into()) };
    let request_address = found.request_address.as_slice().try_into().ok();
    // Two commands may have asked for the same person at once.
    if let Some(known) = contact::by_id(ctx, &manifest.identity())? {
        manifests::meet(ctx, &known, &found.manifest, request_address)?;
        let known = contact::by_id(ctx, &manifest.identity())?.unwrap_or(known);
        return Ok(fellows::acquaint(ctx, known)?);
    }
    let mut contact = Contact::new(manifest, address.clone(), ContactState::Known, ctx.now);
    contact.request_address = request_address;
    let contact = contact::save(ctx, contact)?;
    vault::store(ctx, &contact)?;
    ctx.event(EventKind::Contact { contact: contact.to_api(ctx) })?;
    Ok(contact)
}

fn misbehaved(address: &Address) -> Error {
    let message = format!(
        "{} gave an answer about {} that is not genuine.",
        address.relay().authority(),
        address.name()
    );
    Error::new(ErrorCode::UntrustedRelay, message)
        .next("Ask the person for the relay's full address with its fingerprint.")
}

/// A relay is reached or known in another way from now on. Gives whether any contact is there.
pub(crate) fn relay_changed(ctx: &mut Ctx<'_, '_>, relay: &RelayAddress) -> Result<bool, EngineError> {
    let mut any = false;
    for mut contact in contact::all(ctx)? {
        if contact.relay().authority() == relay.authority() {
            any = true;
            contact.address = Address::new(contact.address.name().clone(), relay.clone());
            let contact = contact::save(ctx, contact)?;
            vault::store(ctx, &contact)?;
        }
    }
    Ok(any)
}
