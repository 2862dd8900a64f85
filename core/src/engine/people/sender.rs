//! Who sealed an envelope, before anything of it is believed.

use std::rc::Rc;

use super::{
    super::{Ctx, EngineError, account},
    check_at,
    contact::{self, Contact},
};
use crate::{
    api::ContactState,
    signed::certificate::{DeviceCertificate, UnverifiedCertificate},
};

/// A contact's relay is asked about a device that it doesn't list at most this often (milliseconds).
pub(super) const FRESH_MS: u64 = 60_000;

/// Who sealed an envelope.
pub(crate) enum Sender {
    /// Another device of one's own.
    Own(DeviceCertificate),
    /// A contact's device, as its newest manifest has it.
    Contact(Rc<Contact>, DeviceCertificate),
    /// A device that no manifest known lists. It is being asked for; `messaging::manifest_changed` says when to look again.
    Unknown,
    /// Somebody one doesn't know. The certificate holds; only a contact request may follow.
    Stranger(DeviceCertificate),
    /// Somebody blocked, a device that was removed, or a certificate that doesn't hold.
    Refused,
}

/// Who the certificate in an envelope belongs to.
pub(crate) fn sender(ctx: &mut Ctx<'_, '_>, shown: UnverifiedCertificate) -> Result<Sender, EngineError> {
    let Some(me) = account::me(ctx)? else { return Ok(Sender::Refused) };
    // Byte-equal to one already verified counts as verified.
    if shown.identity() == me.account {
        if let Some(device) = me.manifest.device_by_encoding(shown.encoded()) {
            return Ok(if device.device_id() == me.device {
                Sender::Refused
            } else {
                Sender::Own(device.clone())
            });
        }
        return Ok(match shown.verify() {
            Ok(_) if account::look_for_manifest(ctx)? => Sender::Unknown,
            _ => Sender::Refused,
        });
    }
    let Some(contact) = contact::by_id(ctx, &shown.identity())? else {
        return Ok(shown.verify().map_or(Sender::Refused, Sender::Stranger));
    };
    if contact.state == ContactState::Blocked {
        return Ok(Sender::Refused);
    }
    if let Some(device) = contact.manifest.device_by_encoding(shown.encoded()) {
        let device = device.clone();
        return Ok(Sender::Contact(contact, device));
    }
    let Ok(device) = shown.verify() else { return Ok(Sender::Refused) };
    let fresh = contact.checked.plus_millis(FRESH_MS);
    if ctx.now < fresh && device.created() <= contact.manifest.created() {
        // The newest list was made after this device, and doesn't have it: it was removed, or never confirmed.
        return Ok(Sender::Refused);
    }
    // CON-33: anybody may show a certificate, and this device would look its owner up.
    let at = ctx.unobserved().max(fresh);
    check_at(ctx, &contact.id, at);
    Ok(Sender::Unknown)
}
