//! Between one's own devices: messages sent, messages read, changes to what they know together. Refused from anyone else.
//!
//! A message reaches the other devices when the relay has it for everyone it is for: what they show as sent was sent.

use wheesht_proto::{
    content::{Content, ReadMarks, SentMessage, Sync, Text, VaultChanged, content::Body, sync::What},
    ids::{AccountId, DeviceId},
    limits::MAX_RECEIPT_IDS,
    prost::Message as _,
};

use super::{
    super::{Ctx, EngineError, account},
    conversations, handover,
    life::{self, Scene, commands, drafts},
    outbox, receipts,
    texts::{self, Said},
};
use crate::api::ConversationId;

/// A message of this device was sent.
pub(super) fn sent(ctx: &mut Ctx<'_, '_>, to: &AccountId, content: &Content) -> Result<(), EngineError> {
    let Some(own) = siblings(ctx)?.filter(|own| own != to) else { return Ok(()) };
    let Some(Body::Text(text)) = &content.body else { return Ok(()) };
    let what = sent_message(to, &content.message_id, content.sent_ms, text.clone());
    tell(ctx, &own, What::Sent(what))
}

/// A message as the other devices are told of it.
pub(super) fn sent_message(to: &AccountId, message_id: &[u8], sent_ms: u64, text: Text) -> SentMessage {
    SentMessage {
        conversation: to.to_vec(),
        message_id: message_id.to_vec(),
        sent_ms,
        text: Some(text),
        content: Vec::new(),
    }
}

/// Messages were read on this device.
pub(super) fn read(
    ctx: &mut Ctx<'_, '_>,
    id: &ConversationId,
    message_ids: Vec<Vec<u8>>,
) -> Result<(), EngineError> {
    let Some(own) = siblings(ctx)? else { return Ok(()) };
    for message_ids in message_ids.chunks(MAX_RECEIPT_IDS) {
        let marks = ReadMarks { conversation: conversations::key(id), message_ids: message_ids.to_vec() };
        tell(ctx, &own, What::Read(marks))?;
    }
    Ok(())
}

/// Something that was said was changed on this device.
pub(super) fn changed(ctx: &mut Ctx<'_, '_>, to: &AccountId, content: &Content) -> Result<(), EngineError> {
    let Some(own) = siblings(ctx)? else { return Ok(()) };
    let what = SentMessage {
        conversation: to.to_vec(),
        message_id: content.message_id.clone(),
        sent_ms: content.sent_ms,
        text: None,
        content: content.encode_to_vec(),
    };
    tell(ctx, &own, What::Sent(what))
}

/// Anything else that the other devices should know.
pub(super) fn say(ctx: &mut Ctx<'_, '_>, what: What) -> Result<(), EngineError> {
    match siblings(ctx)? {
        Some(own) => tell(ctx, &own, what),
        None => Ok(()),
    }
}

/// The vault was changed on this device.
pub(super) fn vault_changed(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    match siblings(ctx)? {
        Some(own) => tell(ctx, &own, What::VaultChanged(VaultChanged {})),
        None => Ok(()),
    }
}

/// Another own device tells.
// CON-5
pub(super) fn receive(ctx: &mut Ctx<'_, '_>, from: &DeviceId, sync: Sync) -> Result<(), EngineError> {
    match sync.what {
        Some(What::Sent(message)) => receive_sent(ctx, message),
        Some(What::Read(marks)) => match conversations::from_key(&marks.conversation) {
            Some(id) => receipts::read_elsewhere(ctx, &id, &marks.message_ids),
            None => Ok(()),
        },
        Some(What::VaultChanged(_)) => account::refresh(ctx),
        Some(What::Draft(draft)) => drafts::receive(ctx, draft),
        Some(What::Hidden(hidden)) => commands::hidden_elsewhere(ctx, &hidden),
        Some(What::HistoryPart(part)) => handover::receive(ctx, from, part),
        Some(What::StateKey(given)) => account::state_key_given(ctx, given),
        Some(What::StateKeyWanted(_)) => account::state_key_wanted(ctx),
        // Each device receives requests itself; what was decided stands in the vault.
        Some(What::Request(_)) | None => Ok(()),
    }
}

// CON-6, CON-9
fn receive_sent(ctx: &mut Ctx<'_, '_>, message: SentMessage) -> Result<(), EngineError> {
    if !message.content.is_empty() {
        return receive_changed(ctx, &message);
    }
    let (Ok(with), Some(text), Some(me)) =
        (AccountId::try_from(message.conversation.as_slice()), message.text, account::me(ctx)?)
    else {
        return Ok(());
    };
    let id = ConversationId::Direct(with);
    let SentMessage { message_id, sent_ms, .. } = message;
    let said = Said { id: &id, sender: &me.account, own: true, message_id, sent_ms, text, unanswered: false };
    texts::incoming(ctx, said)?;
    Ok(())
}

/// What another own device says of a message between two people; in a group it comes as everybody's does.
fn receive_changed(ctx: &mut Ctx<'_, '_>, message: &SentMessage) -> Result<(), EngineError> {
    let (Ok(with), Ok(content), Some(me)) = (
        AccountId::try_from(message.conversation.as_slice()),
        Content::decode(message.content.as_slice()),
        account::me(ctx)?,
    ) else {
        return Ok(());
    };
    if !content.body.as_ref().is_some_and(life::is_change) {
        return Ok(());
    }
    let id = ConversationId::Direct(with);
    life::apply(ctx, Scene { id: &id, sender: &me.account, own: true }, &content)
}

/// The own account, if it has other devices.
fn siblings(ctx: &mut Ctx<'_, '_>) -> Result<Option<AccountId>, EngineError> {
    let me = account::me(ctx)?;
    Ok(me.filter(|me| me.manifest.devices().len() > 1).map(|me| me.account))
}

fn tell(ctx: &mut Ctx<'_, '_>, own: &AccountId, what: What) -> Result<(), EngineError> {
    outbox::push_hidden(ctx, own, Body::Sync(Sync { what: Some(what) }), None)
}
