//! What a content does, by who says it.
//!
//! | from                       | taken                                                        |
//! |----------------------------|--------------------------------------------------------------|
//! | another own device         | sync, announcements, repair                                  |
//! | a contact                  | texts, receipts, requests, acceptance, announcements, repair |
//! | anyone, by request address | a contact request                                            |
//!
//! The conversation follows from the authenticated sender, never from a field.

use wheesht_proto::{
    content::{Content, Head, Text, content::Body},
    group::group_control,
    ids::{AccountId, GroupId},
};

use super::{
    super::{Ctx, EngineError, account, groups, people, profiles},
    life::{self, Scene},
    receipts, repair, sync,
    texts::{self, Said},
};
use crate::{
    api::{ContactState, ConversationId},
    signed::{DeviceCertificate, ManifestHead},
};

/// Who says it.
pub(super) enum From {
    /// Another device of one's own.
    Own(DeviceCertificate),
    /// A contact's device, and how one stands with them.
    Contact { device: DeviceCertificate, state: ContactState },
    /// Somebody one doesn't know.
    Stranger(DeviceCertificate),
}

impl From {
    /// The device.
    pub(super) fn device(&self) -> &DeviceCertificate {
        match self {
            Self::Own(device) | Self::Contact { device, .. } | Self::Stranger(device) => device,
        }
    }

    /// The account.
    pub(super) fn account(&self) -> AccountId {
        self.device().identity()
    }
}

/// Acts on an authentic content. Gives whether it was wanted: what was not leaves nothing behind.
pub(super) fn receive(
    ctx: &mut Ctx<'_, '_>,
    from: &From,
    asking: bool,
    content: Content,
) -> Result<bool, EngineError> {
    if content.message_id.len() != wheesht_proto::ids::MessageId::LEN {
        return Ok(!matches!(from, From::Stranger(_)));
    }
    let account = from.account();
    if let From::Contact { .. } = from
        && !asking
        && content.body.as_ref().is_some_and(life::is_change)
    {
        let id = ConversationId::Direct(account);
        observe(ctx, from, content.sender_head.clone(), content.recipient_head.clone())?;
        life::apply(ctx, Scene { id: &id, sender: &account, own: false }, &content)?;
        return Ok(true);
    }
    let Content { message_id, sent_ms, sender_head, recipient_head, profile, body } = content;
    if !asking {
        observe(ctx, from, sender_head, recipient_head)?;
        // PRO-5
        if let (From::Contact { state: ContactState::Accepted, .. }, Some(shown)) = (from, &profile) {
            profiles::learn(ctx, &account, shown)?;
        }
    }
    match (from, body) {
        // CON-4
        // A contact's comes through the contact address too, if it was under way when both had accepted.
        (From::Contact { .. } | From::Stranger(_), Some(Body::ContactRequest(request)))
            if asking || matches!(from, From::Contact { .. }) =>
        {
            let Some(contact) = people::received_request(ctx, from.device(), &request)? else {
                return Ok(!matches!(from, From::Stranger(_)));
            };
            let text = Text { body: request.text, ..Default::default() };
            show(ctx, &contact.id, contact.state, message_id, sent_ms, text)?;
        }
        // GRO-15: who holds a link asks where strangers do.
        (from, Some(Body::Group(control)))
            if !asking || matches!(control.what, Some(group_control::What::Join(_))) =>
        {
            return groups::control(ctx, from.device(), None, control);
        }
        (From::Stranger(_), _) => return Ok(false),
        // Through the request address nothing but a request is taken, from anyone.
        _ if asking => return Ok(false),
        // CON-5
        (From::Own(device), Some(Body::Sync(what))) => sync::receive(ctx, &device.device_id(), what)?,
        (From::Own(_), Some(Body::AccountDeleted(deletion))) => {
            account::account_deleted(ctx, &deletion)?;
        }
        (From::Contact { .. }, Some(Body::AccountDeleted(deletion))) => {
            people::account_deleted(ctx, &account, &deletion)?;
        }
        (From::Own(device), Some(Body::RetryRequest(request))) => {
            repair::asked(ctx, &account, &device.device_id(), &request)?;
        }
        (From::Contact { state, .. }, Some(Body::Text(text))) => {
            show(ctx, &account, *state, message_id, sent_ms, text)?;
        }
        (From::Contact { .. }, Some(Body::Receipt(receipt))) => {
            let id = match receipt.group_id.as_slice() {
                [] => Some(ConversationId::Direct(account)),
                group => GroupId::try_from(group).ok().map(ConversationId::Group),
            };
            if let Some(id) = id {
                receipts::receive(ctx, &id, &account, &receipt)?;
            }
        }
        (From::Contact { .. }, Some(Body::ContactAccept(accept))) => {
            people::received_accept(ctx, &account, &accept)?;
        }
        (From::Contact { device, .. }, Some(Body::RetryRequest(request))) => {
            repair::asked(ctx, &account, &device.device_id(), &request)?;
        }
        // An announcement's heads have been looked at; sync is refused from anyone but an own device; what a newer version
        // says is passed over.
        _ => {}
    }
    Ok(true)
}

/// Shows what a contact says.
fn show(
    ctx: &mut Ctx<'_, '_>,
    with: &AccountId,
    state: ContactState,
    message_id: Vec<u8>,
    sent_ms: u64,
    text: Text,
) -> Result<(), EngineError> {
    let id = ConversationId::Direct(*with);
    let talks = state == ContactState::Accepted;
    let named = message_id.clone();
    let said = Said { id: &id, sender: with, own: false, message_id, sent_ms, text, unanswered: !talks };
    // CON-10
    if texts::incoming(ctx, said)? && talks {
        receipts::delivered(ctx, &id, with, named)?;
    }
    Ok(())
}

/// What a member says in a group, authentic: everything but changes of the group itself.
// CON-6
pub(super) fn in_group(
    ctx: &mut Ctx<'_, '_>,
    group: &GroupId,
    sender: &AccountId,
    own: bool,
    content: Content,
) -> Result<(), EngineError> {
    let id = ConversationId::Group(*group);
    if content.body.as_ref().is_some_and(life::is_change) {
        return life::apply(ctx, Scene { id: &id, sender, own }, &content);
    }
    let Content { message_id, sent_ms, body, .. } = content;
    // Everything else is said between two devices, or by a newer version.
    let Some(Body::Text(text)) = body else { return Ok(()) };
    let named = message_id.clone();
    let said = Said { id: &id, sender, own, message_id, sent_ms, text, unanswered: false };
    if texts::incoming(ctx, said)? && !own {
        receipts::delivered(ctx, &id, sender, named)?;
    }
    Ok(())
}

/// Heads of manifests, as the sender sees them: a relay that withholds one is caught.
// CON-8
fn observe(
    ctx: &mut Ctx<'_, '_>,
    from: &From,
    sender: Option<Head>,
    recipient: Option<Head>,
) -> Result<(), EngineError> {
    if let Some(head) = recipient.and_then(head) {
        account::observe_own_head(ctx, head)?;
    }
    let Some(head) = sender.and_then(head) else { return Ok(()) };
    match from {
        From::Own(_) => account::observe_own_head(ctx, head),
        From::Contact { .. } => people::observe_head(ctx, &from.account(), head),
        From::Stranger(_) => Ok(()),
    }
}

fn head(head: Head) -> Option<ManifestHead> {
    Some(ManifestHead { version: head.version, hash: head.hash.as_slice().try_into().ok()? })
}
