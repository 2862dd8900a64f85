//! An item as it is encrypted for one device, and what became of it.

use wheesht_proto::{
    content::{Content, content},
    ids::AccountId,
    limits::ENVELOPE_LIFETIME_MS,
    prost::Message as _,
    stored::{OutboxItem, Parcel},
};
use zeroize::Zeroizing;

use super::{
    super::super::{
        Ctx, EngineError,
        account::Me,
        people::{self, Destination},
        tables::OUTBOX,
    },
    super::{heads, repair},
    ways::Way,
};
use crate::{
    api::FailReason,
    protocol::{
        Session,
        envelope::{self, SealError},
        group::{Inside, outer},
        session::EncryptError,
    },
    time::Timestamp,
};

/// Why an item was not encrypted for a device.
pub(super) enum Unsealed {
    TooLarge,
    UsedUp,
    Unusable,
}

/// What is encrypted: the item's content with the heads as they are now.
pub(super) fn compose(
    ctx: &mut Ctx<'_, '_>,
    me: &Me,
    to: &AccountId,
    item: &OutboxItem,
    asking: bool,
) -> Result<Zeroizing<Vec<u8>>, EngineError> {
    let mut content =
        Content::decode(item.content.as_slice()).map_err(|_| EngineError::Row { what: OUTBOX.name() })?;
    if let (true, Some(content::Body::Text(text))) = (asking, &content.body) {
        let request = people::request_for(ctx, &text.body)?;
        content.body = request.map(content::Body::ContactRequest).or(content.body);
    }
    (content.sender_head, content.recipient_head) = heads(ctx, me, to)?;
    Ok(Zeroizing::new(content.encode_to_vec()))
}

pub(super) fn seal(
    ctx: &mut Ctx<'_, '_>,
    me: &Me,
    way: &Way,
    destination: &Destination,
    session: &mut Session,
    content: &[u8],
    tries: u32,
) -> Result<Parcel, Unsealed> {
    let message = session.encrypt(content, &[], ctx.now, ctx.rng).map_err(|error| match error {
        EncryptError::TooLarge => Unsealed::TooLarge,
        EncryptError::UsedUp => Unsealed::UsedUp,
    })?;
    let (ratchet_key, count) = repair::place(&message).ok_or(Unsealed::UsedUp)?;
    let recipient = destination.certificate.device_id();
    let envelope =
        match &way.outer {
            // GRM-18
            Some(key) => {
                let inside = Inside::Pairwise { sender: me.device, recipient, message };
                outer::seal(key, &inside, ctx.rng).map_err(|outer::TooLarge| Unsealed::TooLarge)?
            }
            None => envelope::seal(&destination.certificate, &me.certificate, &message, ctx.rng).map_err(
                |error| match error {
                    SealError::TooLarge => Unsealed::TooLarge,
                    SealError::UnusableKey => Unsealed::Unusable,
                },
            )?,
        };
    Ok(Parcel {
        device_id: recipient.to_vec(),
        envelope,
        session_id: session.id().as_bytes().to_vec(),
        ratchet_key,
        count,
        encrypted_ms: ctx.now.as_millis(),
        tries,
        refused: false,
    })
}

/// What became of an item that nothing more can be done for.
// CON-19
pub(super) fn outcome(item: &OutboxItem, away: bool, now: Timestamp) -> Result<(), FailReason> {
    if item.parcels.iter().any(|parcel| !parcel.refused) {
        return Ok(());
    }
    match item.parcels.is_empty() {
        // Nobody is there to have it: the account's only device sends a note to itself.
        true if !away => Ok(()),
        true => Err(FailReason::AwayTooLong),
        false if now.as_millis().saturating_sub(item.queued_ms) > ENVELOPE_LIFETIME_MS => {
            Err(FailReason::AwayTooLong)
        }
        false => Err(FailReason::TooLarge),
    }
}

pub(super) fn close(parcel: &mut Parcel, refused: bool) {
    parcel.envelope = Vec::new();
    parcel.refused = refused;
}
