//! What a person asks about people.

use std::rc::Rc;

use super::{
    super::{
        Ctx, account,
        error::{Answer, Failure},
        messaging, presence,
    },
    Then, answered,
    contact::{self, Contact},
    extras, find, manifests, requests, vault,
};
use crate::{
    api::{
        Contact as ApiContact, ContactState, Error, ErrorCode, EventKind, Notice, Request, Response,
        SafetyNumber, Who,
    },
    protocol::safety_number,
};

/// Deals with one request.
pub(in super::super) fn command(ctx: &mut Ctx<'_, '_>, id: u64, request: Request) -> Answer {
    match request {
        Request::Contacts => contacts(ctx),
        Request::AddContact { address } => find(ctx, id, address, Then::Add),
        Request::AcceptContact { who } => accept(ctx, &who),
        Request::BlockContact { who } => block(ctx, &who),
        Request::UnblockContact { who } => unblock(ctx, &who),
        Request::DeleteContact { who } => delete(ctx, &who),
        Request::AcceptIdentity { who } => accept_identity(ctx, &who),
        Request::EditContact { who, nickname, note, lists } => {
            let contact = active(ctx, &who)?;
            extras::edit(ctx, &contact, nickname, note, lists)
        }
        Request::SafetyNumber { who } => compare(ctx, &who),
        Request::MarkVerified { who, verified } => mark_verified(ctx, &who, verified),
        _ => Err(Error::new(ErrorCode::Internal, "This request is not about people.").into()),
    }
}

fn contacts(ctx: &mut Ctx<'_, '_>) -> Answer {
    let mut contacts: Vec<ApiContact> = contact::all(ctx)?
        .iter()
        .filter(|contact| !contact.fellow)
        .map(|contact| contact.to_api(ctx))
        .collect();
    contacts.sort_by(|a, b| a.address.cmp(&b.address));
    Ok(Some(Response::Contacts { contacts }))
}

fn accept(ctx: &mut Ctx<'_, '_>, who: &Who) -> Answer {
    let contact = active(ctx, who)?;
    match contact.state {
        ContactState::RequestReceived => {
            let contact = requests::accept(ctx, &contact)?;
            shown(ctx, &contact)
        }
        ContactState::Accepted => shown(ctx, &contact),
        _ => Err(Error::new(
            ErrorCode::Invalid,
            format!("{} has not asked to talk.", contact.address.canonical()),
        )
        .into()),
    }
}

fn block(ctx: &mut Ctx<'_, '_>, who: &Who) -> Answer {
    let known = active(ctx, who)?;
    let contact = requests::set_state(ctx, &known, ContactState::Blocked)?;
    // What waits for them in the outbox won't go.
    messaging::route_ready(ctx, &contact.id)?;
    // DEV-19
    if known.state == ContactState::Accepted {
        account::replace_keys(ctx)?;
    }
    shown(ctx, &contact)
}

fn unblock(ctx: &mut Ctx<'_, '_>, who: &Who) -> Answer {
    let contact = active(ctx, who)?;
    if contact.state != ContactState::Blocked {
        return shown(ctx, &contact);
    }
    let state = match (&contact.profile_key, contact.reply.is_empty()) {
        (Some(_), _) => ContactState::Accepted,
        (None, false) => ContactState::RequestReceived,
        (None, true) => ContactState::Known,
    };
    let contact = requests::set_state(ctx, &contact, state)?;
    if state == ContactState::Accepted {
        // The keys that they have are those of before.
        requests::tell_keys(ctx, &contact.id)?;
    }
    shown(ctx, &contact)
}

fn delete(ctx: &mut Ctx<'_, '_>, who: &Who) -> Answer {
    let contact = active(ctx, who)?;
    contact::remove(ctx, &contact);
    answered(ctx, &contact.id);
    vault::erase(ctx, &contact.id)?;
    messaging::forget(ctx, &contact.id)?;
    presence::forget(ctx, &contact.id)?;
    ctx.event(EventKind::ContactDeleted { account: contact.id })?;
    Ok(Some(Response::Done))
}

/// The new identity is another account: it becomes a contact of its own at the old one's address, and begins with a request.
fn accept_identity(ctx: &mut Ctx<'_, '_>, who: &Who) -> Answer {
    let old = active(ctx, who)?;
    let Some((manifest, request_address)) = old.changed.clone() else { return shown(ctx, &old) };
    contact::remove(ctx, &old);
    vault::erase(ctx, &old.id)?;
    let mut contact = Contact::new(manifest, old.address.clone(), ContactState::Known, ctx.now);
    contact.request_address = request_address;
    let contact = contact::save(ctx, contact)?;
    let contact = extras::put(ctx, &contact, old.extra.clone())?;
    vault::store(ctx, &contact)?;
    messaging::moved(ctx, &old.id, &contact.id)?;
    messaging::notice(ctx, &contact.id, Notice::IdentityAccepted)?;
    ctx.event(EventKind::ContactDeleted { account: old.id })?;
    ctx.event(EventKind::Contact { contact: contact.to_api(ctx) })?;
    manifests::check(ctx, &contact)?;
    shown(ctx, &contact)
}

fn compare(ctx: &mut Ctx<'_, '_>, who: &Who) -> Answer {
    let contact = active(ctx, who)?;
    let Some(me) = account::me(ctx)? else { return Err(account::not_active(ctx)?.into()) };
    let digits = safety_number::SafetyNumber::between(&me.account, &contact.id).to_string();
    let qr = safety_number::qr(&me.account, &contact.id).iter().map(|byte| format!("{byte:02x}")).collect();
    let safety_number = SafetyNumber { digits, qr };
    Ok(Some(Response::SafetyNumber { safety_number }))
}

fn mark_verified(ctx: &mut Ctx<'_, '_>, who: &Who, verified: bool) -> Answer {
    let mut contact = (*active(ctx, who)?).clone();
    contact.verified = verified && contact.changed.is_none();
    let contact = contact::save(ctx, contact)?;
    vault::store(ctx, &contact)?;
    ctx.event(EventKind::Contact { contact: contact.to_api(ctx) })?;
    shown(ctx, &contact)
}

/// The contact asked about, while this device may act for the account.
fn active(ctx: &mut Ctx<'_, '_>, who: &Who) -> Result<Rc<Contact>, Failure> {
    if account::me(ctx)?.is_none() {
        return Err(account::not_active(ctx)?.into());
    }
    let contact = contact::resolve(ctx, who)?.filter(|contact| !contact.fellow);
    contact.ok_or_else(|| Error::new(ErrorCode::NotFound, format!("You have no contact {who}.")).into())
}

fn shown(ctx: &Ctx<'_, '_>, contact: &Contact) -> Answer {
    Ok(Some(Response::Contact { contact: contact.to_api(ctx) }))
}
