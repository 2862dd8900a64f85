//! Sending a file: looked at, put into the conversation, and, once it is a blob, told to whom it is for.

use wheesht_proto::{
    content::{FileRef, Sync, Text, content::Body, sync::What},
    limits::MAX_CAPTURED,
    prost::Message as _,
    stored::{FilePlace, FileRow, OutboxItem, Transfer, history_entry},
};

use super::{
    super::{
        super::{
            Ctx, EngineError, account,
            blobs::{self, BlobOrder, BlobReport, Looked, Source},
            error::{Answer, Failure},
            people,
            tables::TRANSFERS,
        },
        deliveries, history, member, outbox, send as texting, sync, texts,
    },
    Found, Look, Pending, find, name, queue, reference, upload, words,
};
use crate::{
    api::{
        ContactState, ConversationId, Error, ErrorCode, FailReason, MessageState, Outgoing, Response, To, Who,
    },
    protocol::attachment::Layout,
};

/// `SendFile`: the file is looked at first.
pub(super) fn send(ctx: &mut Ctx<'_, '_>, command: u64, to: To, file: Outgoing) -> Answer {
    destination(ctx, &to)?;
    if !file.caption.is_empty() {
        texting::check(&file.caption, &[])?;
    }
    queue::room(ctx)?;
    let source = Source::Path { path: file.path.clone(), keep_metadata: file.keep_metadata };
    let pending = blobs::Pending::File(Pending::Look(Box::new(Look { command, to, file })));
    blobs::ask(ctx, pending, BlobOrder::Look(source));
    Ok(None)
}

/// The file was looked at: from now on it is a message.
pub(super) fn looked(ctx: &mut Ctx<'_, '_>, look: Look, report: BlobReport) -> Result<(), EngineError> {
    let Look { command, to, file } = look;
    let answer = match report {
        BlobReport::Looked(looked) => queue_up(ctx, &to, file, *looked),
        BlobReport::Failed(failure) => Err(words::looking(failure).into()),
        _ => Err(Error::new(ErrorCode::Internal, "The file was not looked at.").into()),
    };
    match answer {
        Ok(response) => {
            ctx.respond(command, Ok(response));
            Ok(())
        }
        Err(failure) => ctx.refuse(command, failure),
    }
}

fn queue_up(ctx: &mut Ctx<'_, '_>, to: &To, file: Outgoing, looked: Looked) -> Result<Response, Failure> {
    let Outgoing { path: _, caption, reply_to, voice, keep_metadata } = file;
    let id = destination(ctx, to)?;
    let Some(me) = account::me(ctx)? else { return Err(account::not_active(ctx)?.into()) };
    if let Some(error) = too_large(ctx, looked.digest.size)? {
        return Err(error.into());
    }
    let (blob_id, key, secret) = upload::fresh(ctx);
    let path = looked.path.clone();
    let mut reference = FileRef {
        relay: me.relay.authority(),
        blob_id,
        key,
        name: name::clean(&looked.name),
        voice: voice.is_some(),
        duration_ms: voice.map_or(0, |voice| voice.duration_ms.min(MAX_CAPTURED)),
        ..Default::default()
    };
    upload::describe(&mut reference, looked);
    let text = texting::written(ctx, &id, caption, reply_to, &[])?;
    let text = texting::timed_in(ctx, &id, Text { file: Some(reference), ..text })?;
    let message_id = ctx.random::<16>().to_vec();
    let (conversation, position) =
        texting::write(ctx, &me, &id, &message_id, text, history_entry::State::Pending)?;
    let place = FilePlace { conversation: conversation.number, position };
    let row = Transfer {
        place: Some(place),
        upload: true,
        path: path.clone(),
        keep_metadata,
        ..Default::default()
    };
    let n = ctx.tx.append(TRANSFERS, b"", row.encode_to_vec())?;
    if let Some(mut found) = find(ctx, &place)? {
        if let Some(file) = found.entry.file.as_mut() {
            (file.transfer, file.path, file.delete_secret) = (n, path, secret);
        }
        found.save(ctx);
    }
    queue::pump(ctx)?;
    texting::queued(&id, &message_id)
}

/// The blob is there: the message goes.
// FIL-10
pub(super) fn go(ctx: &mut Ctx<'_, '_>, found: Found) -> Result<(), EngineError> {
    let Some(me) = account::me(ctx)? else { return Ok(()) };
    if let Err(failure) = may_write(ctx, &found.id) {
        return match failure {
            Failure::Engine(error) => Err(error),
            Failure::Answer(error) => {
                let changed = error.code == ErrorCode::IdentityChanged;
                let reason = if changed { FailReason::IdentityChanged } else { FailReason::Withdrawn };
                upload::in_vain(ctx, &found, reason)
            }
        };
    }
    let (id, message_id, sent_ms) = (found.id, found.entry.message_id.clone(), found.entry.sent_ms);
    let text = texts::said(&found.entry);
    let content = |ctx: &mut Ctx<'_, '_>, body: Body| wheesht_proto::content::Content {
        message_id: message_id.clone(),
        sent_ms,
        ..outbox::content(ctx, body)
    };
    match &id {
        ConversationId::Direct(with) if *with == me.account => {
            if me.manifest.devices().len() <= 1 {
                return history::advance(ctx, &id, &message_id, MessageState::Sent);
            }
            let sent = sync::sent_message(with, &message_id, sent_ms, text);
            let content = content(ctx, Body::Sync(Sync { what: Some(What::Sent(sent)) }));
            let item = OutboxItem { content: content.encode_to_vec(), visible: true, ..Default::default() };
            outbox::push(ctx, with, item)
        }
        ConversationId::Direct(with) => {
            let content = content(ctx, Body::Text(text));
            let item = OutboxItem { content: content.encode_to_vec(), visible: true, ..Default::default() };
            outbox::push(ctx, with, item)
        }
        ConversationId::Group(group) => {
            let others = match member::group(ctx, group)? {
                Some(known) => known.state().members().len().saturating_sub(1),
                None => 0,
            };
            let content = content(ctx, Body::Text(text));
            deliveries::expect(ctx, &id, &message_id, others)?;
            member::tell_group(ctx, group, content, true)
        }
    }
}

/// Sends a file on: the message refers to the same blob, if whoever it goes to may fetch it from where it lies.
// FIL-9
pub(in super::super) fn forward(ctx: &mut Ctx<'_, '_>, to: &To, caption: String, file: FileRow) -> Answer {
    let id = destination(ctx, to)?;
    let FileRow { reference, path, delete_secret, transfer, unasked: _ } = file;
    let Some(reference) = reference.filter(|_| transfer == 0 || delete_secret.is_empty()) else {
        let error = Error::new(ErrorCode::Invalid, "The file is not sent yet.");
        return Err(error.next("Wait until it is, then send it on.").into());
    };
    if !reference::may_refer(ctx, &id, &reference)? {
        let error = Error::new(
            ErrorCode::Invalid,
            "The file lies on a relay where it can't be fetched by everybody there.",
        );
        return Err(error.next("Save it, then send it as a file of your own.").into());
    }
    let Some(me) = account::me(ctx)? else { return Err(account::not_active(ctx)?.into()) };
    let text = Text { body: caption, forwarded: true, file: Some(reference), ..Default::default() };
    let text = texting::timed_in(ctx, &id, text)?;
    let message_id = ctx.random::<16>().to_vec();
    let (conversation, position) =
        texting::write(ctx, &me, &id, &message_id, text, history_entry::State::Pending)?;
    let Some(mut found) = find(ctx, &FilePlace { conversation: conversation.number, position })? else {
        return Err(Error::new(ErrorCode::Internal, "The message is gone.").into());
    };
    if let Some(file) = found.entry.file.as_mut() {
        (file.path, file.delete_secret) = (path, delete_secret);
    }
    found.save(ctx);
    go(ctx, found)?;
    texting::queued(&id, &message_id).map(Some)
}

/// Why a file of this size can't be sent.
pub(super) fn too_large(ctx: &mut Ctx<'_, '_>, size: u64) -> Result<Option<Error>, EngineError> {
    let most = blobs::largest(ctx)?;
    Ok(match (Layout::of(size), most) {
        (Err(_), _) => Some(words::too_large(None)),
        (Ok(layout), Some(most)) if layout.blob_len() > most => Some(words::too_large(Some(most))),
        _ => None,
    })
}

/// Where a file goes: only to those who have agreed to talk.
// FIL-11
fn destination(ctx: &mut Ctx<'_, '_>, to: &To) -> Result<ConversationId, Failure> {
    let Some(me) = account::me(ctx)? else { return Err(account::not_active(ctx)?.into()) };
    let id = match to {
        To::Conversation(id) => *id,
        To::Who(Who::Id(account)) => ConversationId::Direct(*account),
        To::Who(Who::Address(address)) if address.canonical() == me.address.canonical() => {
            ConversationId::Direct(me.account)
        }
        To::Who(who @ Who::Address(address)) => match people::resolve(ctx, who)? {
            Some(contact) => ConversationId::Direct(contact.id),
            None => {
                let error = format!("You have no contact {}.", address.canonical());
                return Err(Error::new(ErrorCode::NotFound, error).next("Send a text first.").into());
            }
        },
    };
    may_write(ctx, &id)?;
    Ok(id)
}

fn may_write(ctx: &mut Ctx<'_, '_>, id: &ConversationId) -> Result<(), Failure> {
    let Some(me) = account::me(ctx)? else { return Err(account::not_active(ctx)?.into()) };
    match id {
        ConversationId::Group(group) => member::writes(ctx, group).map(drop),
        ConversationId::Direct(with) if *with == me.account => Ok(()),
        ConversationId::Direct(with) => {
            let missing = || Error::new(ErrorCode::NotFound, format!("You have no contact {with}."));
            let contact = people::by_id(ctx, with)?.ok_or_else(missing)?;
            people::may_send(&contact, "")?;
            if contact.state != ContactState::Accepted {
                let error =
                    format!("{} has not accepted yet: files come after that.", contact.address.canonical());
                return Err(Error::new(ErrorCode::Invalid, error).next("Send a text first.").into());
            }
            texting::room(ctx, with)
        }
    }
}
