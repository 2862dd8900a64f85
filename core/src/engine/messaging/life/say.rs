//! Saying something that changes what was said: done here first, then told to everybody.

use wheesht_proto::{content::content::Body, ids::AccountId, prost::Message as _, stored::OutboxItem};

use super::{
    super::{
        super::{Ctx, account, error::Failure, people},
        member, outbox, sync,
    },
    Scene, apply,
};
use crate::api::{ContactState, ConversationId, Error, ErrorCode};

/// Says it. Nothing is done where one may not speak.
pub(super) fn say(ctx: &mut Ctx<'_, '_>, id: &ConversationId, body: Body) -> Result<(), Failure> {
    let Some(me) = account::me(ctx)? else { return Err(account::not_active(ctx)?.into()) };
    if let ConversationId::Direct(with) = id
        && *with != me.account
    {
        talks(ctx, with)?;
    }
    if let ConversationId::Group(group) = id {
        member::writes(ctx, group)?;
    }
    let content = outbox::content(ctx, body);
    apply(ctx, Scene { id, sender: &me.account, own: true }, &content)?;
    match id {
        ConversationId::Direct(with) => {
            sync::changed(ctx, with, &content)?;
            if *with != me.account {
                let item = OutboxItem { content: content.encode_to_vec(), ..Default::default() };
                outbox::push(ctx, with, item)?;
            }
        }
        ConversationId::Group(group) => member::tell_group(ctx, group, content, false)?,
    }
    Ok(())
}

fn talks(ctx: &mut Ctx<'_, '_>, with: &AccountId) -> Result<(), Failure> {
    let contact = people::by_id(ctx, with)?;
    let missing = || Error::new(ErrorCode::NotFound, format!("You have no contact {with}."));
    let contact = contact.ok_or_else(missing)?;
    people::may_send(&contact, "")?;
    match contact.state {
        ContactState::Accepted | ContactState::RequestSent => Ok(()),
        _ => {
            let error = Error::new(ErrorCode::Invalid, "Nothing was said to this contact yet.");
            Err(error.next("Send a message first.").into())
        }
    }
}
