//! First contact: what a stranger may send, and how two people come to talk.
//!
//! A request carries the sender's manifest and where to answer; nothing is fetched because of it, and nothing answers it until
//! the person accepts. Accepting sends one's profile key and address record to the addresses that the request named; the other
//! side answers with its own; from then on each writes to the other's address book only.

use std::rc::Rc;

use wheesht_proto::{
    address::{Address, RelayAddress},
    content::{ContactAccept, ContactRequest, ReplyAddress, content},
    ids::{AccountId, DepositAddress, DeviceId},
    limits::{MAX_DEVICES, MAX_REQUEST_TEXT},
};
use zeroize::Zeroizing;

use super::{
    super::{Ctx, EngineError, account, error::Failure, messaging},
    books,
    contact::{self, Contact},
    manifests, vault,
};
use crate::{
    api::{ContactState, Error, ErrorCode, EventKind, Notice},
    signed::{
        certificate::DeviceCertificate,
        manifest::{Manifest, UnverifiedManifest},
    },
};

/// Requests that may wait for the person at once; more are dropped, as an unread pile of a thousand says that they are spam.
const MAX_REQUESTS: usize = 1_000;

/// Whether a text may be sent to this contact now, and if not, why.
pub(crate) fn may_send(contact: &Contact, text: &str) -> Result<(), Error> {
    let address = contact.address.canonical();
    if contact.changed.is_some() {
        return Err(Error::new(
            ErrorCode::IdentityChanged,
            format!("{address} belongs to another identity now."),
        )
        .next("Ask the person by other means; then accept the new identity, or don't write."));
    }
    if contact.deleted {
        return Err(Error::new(
            ErrorCode::NotFound,
            format!("The account {address} was deleted by its owner."),
        )
        .next("Ask the person by other means for a new address."));
    }
    match contact.state {
        ContactState::Blocked => Err(Error::new(ErrorCode::Blocked, format!("{address} is blocked."))
            .next("Unblock the contact first.")),
        ContactState::RequestReceived => {
            Err(Error::new(ErrorCode::Invalid, format!("{address} waits for your answer to a request."))
                .next("Accept the request first."))
        }
        ContactState::Known | ContactState::RequestSent if text.len() > MAX_REQUEST_TEXT => Err(Error::new(
            ErrorCode::TooLarge,
            format!("{address} has not accepted yet: a first message is at most 2 KB."),
        )
        .next("Send a short text first.")),
        _ => Ok(()),
    }
}

/// What a first message carries.
pub(crate) fn request_for(ctx: &mut Ctx<'_, '_>, text: &str) -> Result<Option<ContactRequest>, EngineError> {
    let Some(me) = account::me(ctx)? else { return Ok(None) };
    let own = ReplyAddress { device_id: me.device.to_vec(), address: me.contact_address.to_vec() };
    let others = account::own_destinations(ctx)?;
    let others = others.iter().map(|(certificate, address)| ReplyAddress {
        device_id: certificate.device_id().to_vec(),
        address: address.to_vec(),
    });
    Ok(Some(ContactRequest {
        text: text.to_owned(),
        manifest: me.manifest.encoded().to_vec(),
        reply: std::iter::once(own).chain(others).collect(),
        relay_endpoint: me.relay.to_string(),
    }))
}

/// The first message is on its way: from now on one waits for the other's answer.
pub(crate) fn sent_request(ctx: &mut Ctx<'_, '_>, id: &AccountId) -> Result<(), EngineError> {
    match contact::by_id(ctx, id)? {
        Some(contact) if contact.state == ContactState::Known => {
            set_state(ctx, &contact, ContactState::RequestSent).map(drop)
        }
        _ => Ok(()),
    }
}

/// The first message didn't go: the next one is the first.
pub(crate) fn request_failed(ctx: &mut Ctx<'_, '_>, id: &AccountId) -> Result<(), EngineError> {
    match contact::by_id(ctx, id)? {
        Some(contact) if contact.state == ContactState::RequestSent => {
            set_state(ctx, &contact, ContactState::Known).map(drop)
        }
        _ => Ok(()),
    }
}

/// Somebody asks to talk. Gives the contact in whose conversation the text is shown; `None` if it isn't.
pub(crate) fn received_request(
    ctx: &mut Ctx<'_, '_>,
    sender: &DeviceCertificate,
    request: &ContactRequest,
) -> Result<Option<Rc<Contact>>, EngineError> {
    let Some((manifest, address)) = request_sender(sender, request) else { return Ok(None) };
    let reply = reply_addresses(request);
    if request.text.len() > MAX_REQUEST_TEXT || reply.is_empty() {
        return Ok(None);
    }
    if let Some(known) = contact::by_id(ctx, &sender.identity())? {
        return known_asks(ctx, &known, manifest, reply);
    }
    if contact::by_address(ctx, &address)?.is_some() {
        // CON-4, CON-33: somebody else claims a contact's address. Whether it is theirs now, its relay says when it is asked next.
        return Ok(None);
    }
    let waiting =
        contact::all(ctx)?.iter().filter(|contact| contact.state == ContactState::RequestReceived).count();
    if waiting >= MAX_REQUESTS {
        return Ok(None);
    }
    let mut contact = Contact::new(manifest, address, ContactState::RequestReceived, ctx.now);
    contact.reply = reply;
    let contact = contact::save(ctx, contact)?;
    ctx.event(EventKind::Contact { contact: contact.to_api(ctx) })?;
    Ok(Some(contact))
}

/// The other side has accepted, or answers one's own acceptance.
pub(crate) fn received_accept(
    ctx: &mut Ctx<'_, '_>,
    id: &AccountId,
    accept: &ContactAccept,
) -> Result<(), EngineError> {
    let Some(known) = contact::by_id(ctx, id)? else { return Ok(()) };
    let asked = matches!(known.state, ContactState::RequestSent);
    if !asked && known.state != ContactState::Accepted {
        return Ok(());
    }
    let (Ok(profile_key), Ok(record)) =
        (accept.profile_key.as_slice().try_into(), accept.address_record.as_slice().try_into())
    else {
        return Ok(());
    };
    let mut contact = (*known).clone();
    contact.state = ContactState::Accepted;
    if contact.address_record != Some(record) {
        contact.address_version = 0;
        contact.addresses.clear();
    }
    contact.profile_key = Some(Zeroizing::new(profile_key));
    contact.address_record = Some(record);
    if let Some(relay) = same_relay(contact.relay(), &accept.relay_endpoint) {
        contact.address = Address::new(contact.address.name().clone(), relay);
    }
    let contact = contact::save(ctx, contact)?;
    vault::store(ctx, &contact)?;
    books::read(ctx, &contact)?;
    if asked {
        messaging::notice(ctx, id, Notice::Accepted)?;
        ctx.event(EventKind::Contact { contact: contact.to_api(ctx) })?;
    }
    if accept.answer {
        // DEV-17
        account::known_by(ctx, id)?;
    } else {
        send_accept(ctx, id, true)?;
    }
    messaging::accepted(ctx, id)
}

/// Accepts a request that was received.
pub(super) fn accept(ctx: &mut Ctx<'_, '_>, contact: &Contact) -> Result<Rc<Contact>, Failure> {
    let contact = set_state(ctx, contact, ContactState::Accepted)?;
    send_accept(ctx, &contact.id, false)?;
    messaging::accepted(ctx, &contact.id)?;
    // The address in a request is the sender's word: now that it matters, its relay is asked.
    manifests::check(ctx, &contact)?;
    Ok(contact)
}

/// Changes how one stands with somebody, here and on the other devices.
pub(super) fn set_state(
    ctx: &mut Ctx<'_, '_>,
    contact: &Contact,
    state: ContactState,
) -> Result<Rc<Contact>, EngineError> {
    let mut contact = contact.clone();
    contact.state = state;
    contact.fellow = false;
    let contact = contact::save(ctx, contact)?;
    vault::store(ctx, &contact)?;
    ctx.event(EventKind::Contact { contact: contact.to_api(ctx) })?;
    Ok(contact)
}

/// Gives an accepted contact the present keys, and asks for nothing.
pub(super) fn reintroduce(ctx: &mut Ctx<'_, '_>, id: &AccountId) -> Result<(), EngineError> {
    send_accept(ctx, id, true)
}

/// Gives an accepted contact the present keys, and asks for theirs: the answer says that they came.
pub(super) fn tell_keys(ctx: &mut Ctx<'_, '_>, id: &AccountId) -> Result<(), EngineError> {
    send_accept(ctx, id, false)
}

fn send_accept(ctx: &mut Ctx<'_, '_>, id: &AccountId, answer: bool) -> Result<(), EngineError> {
    let Some(me) = account::me(ctx)? else { return Ok(()) };
    let accept = ContactAccept {
        profile_key: me.profile_key.to_vec(),
        address_record: me.address_record.to_vec(),
        relay_endpoint: me.relay.to_string(),
        answer,
    };
    messaging::queue(ctx, id, content::Body::ContactAccept(accept))
}

/// Somebody known asks: they have not heard that they are accepted, or both asked each other at once.
fn known_asks(
    ctx: &mut Ctx<'_, '_>,
    known: &Contact,
    manifest: Manifest,
    reply: Vec<(DeviceId, DepositAddress)>,
) -> Result<Option<Rc<Contact>>, EngineError> {
    if known.state == ContactState::Blocked {
        return Ok(None);
    }
    let mut contact = known.clone();
    contact.reply = reply;
    if manifest.version() == contact.manifest.version() + 1 {
        // One step further than known: its chain can be checked without asking anybody.
        if let Ok(next) =
            UnverifiedManifest::decode(manifest.encoded()).and_then(|next| next.verify_next(&known.manifest))
        {
            contact.manifest = next;
        }
    }
    let asked = matches!(contact.state, ContactState::Known | ContactState::RequestSent);
    let contact = contact::save(ctx, contact)?;
    if contact.manifest.version() < manifest.version() {
        manifests::check(ctx, &contact)?;
    }
    match contact.state {
        // One has asked them: that was consent.
        ContactState::RequestSent if asked => match accept(ctx, &contact) {
            Ok(contact) => Ok(Some(contact)),
            Err(Failure::Engine(error)) => Err(error),
            Err(Failure::Answer(_)) => Ok(Some(contact)),
        },
        ContactState::Known => set_state(ctx, &contact, ContactState::RequestReceived).map(Some),
        ContactState::Accepted => {
            send_accept(ctx, &contact.id, false)?;
            Ok(Some(contact))
        }
        _ => Ok(Some(contact)),
    }
}

/// The manifest in a request, if it holds by itself and lists the device that sealed it, and the address it claims.
fn request_sender(sender: &DeviceCertificate, request: &ContactRequest) -> Option<(Manifest, Address)> {
    let manifest = UnverifiedManifest::decode(&request.manifest)
        .ok()?
        .verify_alone(Some(&sender.identity()), None)
        .ok()?;
    manifest.device_by_encoding(sender.encoded())?;
    let claimed: Address = manifest.address().parse().ok()?;
    let relay =
        same_relay(claimed.relay(), &request.relay_endpoint).unwrap_or_else(|| claimed.relay().clone());
    let address = Address::new(claimed.name().clone(), relay);
    Some((manifest, address))
}

fn reply_addresses(request: &ContactRequest) -> Vec<(DeviceId, DepositAddress)> {
    let parse = |reply: &ReplyAddress| {
        Some((reply.device_id.as_slice().try_into().ok()?, reply.address.as_slice().try_into().ok()?))
    };
    request.reply.iter().take(MAX_DEVICES).filter_map(parse).collect()
}

/// How a relay is reached and known, as its user says, if it is the relay that their address names.
fn same_relay(named: &RelayAddress, endpoint: &str) -> Option<RelayAddress> {
    // A fingerprint that one already goes by isn't changed by a message.
    let endpoint: RelayAddress = endpoint.parse().ok()?;
    (endpoint.authority() == named.authority() && named.fingerprint().is_none()).then_some(endpoint)
}
