//! What comes through a group's address.
//!
//! ```text
//!  envelope ─┬ sealed for this device ─▶ session ─▶ content about the group   (who has no outer key yet, or gives it)
//!            └ a group's ─▶ which epoch? ─┬ pairwise ─▶ session with a member's device ─▶ content about the group
//!                 │                      └ message ─▶ the device's chain ─▶ content ─┬ the group itself has changed
//!                 └ lacks something: [held], and asked for                           └ [messaging]
//! ```
//!
//! A message is believed if a chain of the device opens it, and that device stands for a present member. Nothing else says who
//! sent it: whoever holds the outer key can seal, and a relay can put anything anywhere.

use wheesht_proto::{
    content::{Content, Head, content::Body},
    ids::{AccountId, DeviceId, GroupId},
    prost::Message as _,
};

use super::{
    super::{
        Ctx, EngineError,
        account::{self, Me},
        messaging,
        people::{self, Sender},
        profiles,
    },
    ask, chains, control, epochs,
    group::{self, Group},
    held::{self, Lack},
    joining, members, roster, update,
};
use crate::{
    protocol::{
        LocalDevice, envelope,
        group::{Inside, Role, UnverifiedGroupMessage, outer},
        session::UnverifiedSessionMessage,
    },
    signed::ManifestHead,
};

/// What becomes of an envelope.
pub(super) enum Fate {
    /// It has taken effect, or never will.
    Done,
    /// Nothing has changed: it can't be opened yet.
    Lacks(Lack),
    /// It is nothing about this group. If the relay swapped addresses, it may still come through its own.
    Elsewhere,
}

/// Takes what came through the group's address, or keeps it until it can be opened. Gives whether it is dealt with.
pub(crate) fn deliver(ctx: &mut Ctx<'_, '_>, id: &GroupId, envelope: &[u8]) -> Result<bool, EngineError> {
    match take(ctx, id, envelope)? {
        Fate::Done => Ok(true),
        Fate::Elsewhere => Ok(false),
        Fate::Lacks(lack) => {
            held::hold(ctx, id, envelope, lack)?;
            lacks(ctx, id, envelope, lack)?;
            Ok(true)
        }
    }
}

/// Asks for what an envelope lacks, if it came under the group's key: anybody could have sealed it otherwise.
// CON-33
pub(super) fn lacks(
    ctx: &mut Ctx<'_, '_>,
    id: &GroupId,
    envelope: &[u8],
    lack: Lack,
) -> Result<(), EngineError> {
    if outer::is_group_envelope(envelope) { ask::lacks(ctx, id, lack) } else { Ok(()) }
}

/// Opens an envelope and acts on it.
pub(super) fn take(ctx: &mut Ctx<'_, '_>, id: &GroupId, envelope: &[u8]) -> Result<Fate, EngineError> {
    let Some(me) = account::me(ctx)? else { return Ok(Fate::Done) };
    if !outer::is_group_envelope(envelope) {
        return sealed(ctx, &me, id, envelope);
    }
    let group = match group::load(ctx, id)? {
        Some(group) if group.belongs() => group,
        // It was left, or this account was removed.
        Some(_) => return Ok(Fate::Done),
        None => return Ok(Fate::Lacks(Lack::Epoch)),
    };
    let Some((epoch, key)) = epochs::of_envelope(ctx, id, envelope)? else {
        return Ok(if is_another_s(ctx, id, envelope)? { Fate::Elsewhere } else { Fate::Lacks(Lack::Epoch) });
    };
    match outer::open(&key, envelope) {
        Ok(Inside::Message(message)) => spoken(ctx, &me, &group, epoch, &message),
        Ok(Inside::Pairwise { sender, recipient, message }) if recipient == me.device => {
            pairwise(ctx, &group, &sender, &message)
        }
        // Between others, or nobody's.
        Ok(Inside::Pairwise { .. }) | Err(_) => Ok(Fate::Done),
    }
}

/// Whether it is another group's: the relay has swapped addresses. Nothing but the tags is looked at.
// GRM-21
fn is_another_s(ctx: &mut Ctx<'_, '_>, id: &GroupId, envelope: &[u8]) -> Result<bool, EngineError> {
    for other in group::ids(ctx)?.iter().filter(|other| *other != id) {
        if super::belonging(ctx, other)?.is_some() && epochs::of_envelope(ctx, other, envelope)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A message for the whole group.
fn spoken(
    ctx: &mut Ctx<'_, '_>,
    me: &Me,
    group: &Group,
    epoch: u64,
    message: &UnverifiedGroupMessage,
) -> Result<Fate, EngineError> {
    let (id, device) = (&group.id, message.device());
    if device == me.device {
        // It lists its sender too.
        return Ok(Fate::Done);
    }
    // GRM-19
    let Some(account) = member(ctx, id, &device)? else {
        return unknown(ctx, id, &device);
    };
    let content = match chains::open(ctx, id, epoch, &account, message)? {
        chains::Read::Content(content) => content,
        chains::Read::NoChain => return Ok(Fate::Lacks(Lack::Chain(device, message.chain()))),
        chains::Read::Refused => return Ok(Fate::Done),
    };
    roster::saw_epoch(ctx, id, &device, epoch)?;
    if let Ok(content) = Content::decode(content.as_slice()) {
        said(ctx, me, group, &account, &device, content)?;
    }
    // What the message itself told is known by now.
    ask::compare(ctx, id, &device, message.state().0, message.roster_hash())?;
    Ok(Fate::Done)
}

/// Acts on what a member has said to all.
// GRM-22
fn said(
    ctx: &mut Ctx<'_, '_>,
    me: &Me,
    group: &Group,
    account: &AccountId,
    device: &DeviceId,
    mut content: Content,
) -> Result<(), EngineError> {
    if let Some(head) = content.sender_head.take().and_then(head) {
        members::observe(ctx, account, head)?;
    }
    let own = *account == me.account;
    // PRO-5
    if let Some(shown) = content.profile.take().filter(|_| !own) {
        profiles::learn(ctx, account, &shown)?;
    }
    match content.body {
        Some(Body::GroupUpdate(what)) => update(ctx, &group.id, (*account, *device), what),
        // Between two devices, or two people, and nothing else.
        None
        | Some(
            Body::Group(_)
            | Body::Sync(_)
            | Body::RetryRequest(_)
            | Body::ContactRequest(_)
            | Body::ContactAccept(_)
            | Body::Announce(_)
            | Body::Receipt(_)
            | Body::Disappear(_),
        ) => Ok(()),
        Some(_) if may_write(group, account) => {
            messaging::group_content(ctx, &group.id, account, own, content)
        }
        Some(_) => Ok(()),
    }
}

/// Whether the group lets this member write: where only admins do, what others send is not shown.
pub(crate) fn may_write(group: &Group, account: &AccountId) -> bool {
    group.state().role(account).is_some_and(|role| role >= group.state().policy().write.max(Role::Member))
}

/// A session message between two members' devices.
// GRM-18
fn pairwise(
    ctx: &mut Ctx<'_, '_>,
    group: &Group,
    sender: &DeviceId,
    message: &[u8],
) -> Result<Fate, EngineError> {
    let id = &group.id;
    let Some(known) = roster::device(ctx, id, sender)? else {
        return unknown(ctx, id, sender);
    };
    let (Some(certificate), Ok(message)) = (known.certificate(), UnverifiedSessionMessage::decode(message))
    else {
        return Ok(Fate::Done);
    };
    match messaging::open_in_group(ctx, id, &certificate, &message, true)?.and_then(|content| content.body) {
        Some(Body::Group(what)) if what.group_id == id.as_ref() => {
            control(ctx, &certificate, Some(*id), what)?;
        }
        Some(Body::Receipt(receipt)) if receipt.group_id == id.as_ref() => {
            messaging::group_receipt(ctx, id, &certificate.identity(), &receipt)?;
        }
        _ => {}
    }
    Ok(Fate::Done)
}

/// A session message sealed for this device alone: from somebody who has no outer key yet, or knows that this device has none.
// GRM-18
fn sealed(ctx: &mut Ctx<'_, '_>, me: &Me, id: &GroupId, sealed: &[u8]) -> Result<Fate, EngineError> {
    let local = LocalDevice { certificate: &me.certificate, dh: &me.dh };
    let Ok(opened) = envelope::open(&local, sealed) else { return Ok(Fate::Elsewhere) };
    // ENV-8: only a claim so far; the session proves it.
    let claimed = opened.certificate.device_id();
    let certificate = match people::sender(ctx, opened.certificate)? {
        Sender::Own(device) | Sender::Contact(_, device) | Sender::Stranger(device) => device,
        Sender::Unknown => return Ok(Fate::Lacks(Lack::Device(claimed))),
        Sender::Refused => return Ok(Fate::Elsewhere),
    };
    // GRM-26
    let account = certificate.identity();
    let expected = super::is_own(ctx, &account)?
        || super::is_member(ctx, id, &account)?
        || joining::asked(ctx, id, &account);
    let before = ctx.tx.savepoint();
    let wanted = match messaging::open_in_group(ctx, id, &certificate, &opened.message, expected)? {
        Some(Content { body: Some(Body::Group(what)), .. }) if what.group_id == id.as_ref() => {
            control(ctx, &certificate, Some(*id), what)?
        }
        Some(_) => false,
        None => expected,
    };
    if !wanted {
        // Who has no business here leaves nothing behind, not even a session.
        ctx.tx.rollback_to(before);
        // GRM-20: whom the welcome has not reached yet may be given chains by those whom the addition did.
        let early = group::load(ctx, id)?.is_none() && joining::is_under_way(ctx, id);
        return Ok(if early { Fate::Lacks(Lack::Epoch) } else { Fate::Elsewhere });
    }
    Ok(Fate::Done)
}

/// Whose device it is, if messages from it are believed.
fn member(ctx: &mut Ctx<'_, '_>, id: &GroupId, device: &DeviceId) -> Result<Option<AccountId>, EngineError> {
    let audience = super::fanout::audience(ctx, id)?;
    Ok(audience.and_then(|audience| audience.account_of(device).copied()))
}

/// From a device that no leaf speaks for: it may be new.
// GRM-19
fn unknown(ctx: &mut Ctx<'_, '_>, id: &GroupId, device: &DeviceId) -> Result<Fate, EngineError> {
    let gone = chains::has_gone(ctx, id, device)?;
    Ok(if gone { Fate::Done } else { Fate::Lacks(Lack::Device(*device)) })
}

fn head(head: Head) -> Option<ManifestHead> {
    Some(ManifestHead { version: head.version, hash: head.hash.as_slice().try_into().ok()? })
}
