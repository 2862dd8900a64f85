//! What one notes down about a contact: a name, a text, lists. It lies beside the contact's own entry in the vault, so that every own
//! device has it, and is nobody else's business.
// STO-16

use wheesht_proto::{
    ids::AccountId,
    prost::Message as _,
    stored::{self, ContactExtra as Row},
};

use super::{
    super::{Ctx, EngineError, account, error::Answer},
    contact::{self, Contact},
};
use crate::{
    api::{ContactExtra, Error, ErrorCode, EventKind, Response, Who},
    engine::search,
};

/// Bounds (bytes, and how many lists).
const MAX_NICKNAME: usize = 128;
const MAX_NOTE: usize = 1_000;
const MAX_LIST: usize = 64;
const MAX_LISTS: usize = 16;

/// What the vault entry's key ends with.
const SUFFIX: &str = "/extra";

/// `EditContact`: what is present changes.
pub(super) fn edit(
    ctx: &mut Ctx<'_, '_>,
    contact: &Contact,
    nickname: Option<String>,
    note: Option<String>,
    lists: Option<Vec<String>>,
) -> Answer {
    let mut extra = contact.extra.clone();
    if let Some(nickname) = nickname {
        nickname.trim().clone_into(&mut extra.nickname);
    }
    if let Some(note) = note {
        note.trim().clone_into(&mut extra.note);
    }
    if let Some(lists) = lists {
        extra.lists = lists;
    }
    let extra = sound(extra)?;
    let contact = put(ctx, contact, extra)?;
    Ok(Some(Response::Contact { contact: contact.to_api(ctx) }))
}

/// Notes something about a contact, on every own device.
pub(super) fn put(
    ctx: &mut Ctx<'_, '_>,
    contact: &Contact,
    extra: ContactExtra,
) -> Result<std::rc::Rc<Contact>, EngineError> {
    let key = key(&contact.id);
    if extra.is_empty() {
        account::vault::delete(ctx, &key)?;
    } else {
        account::vault::put(ctx, &key, to_row(&extra).encode_to_vec())?;
    }
    let contact = contact::save(ctx, Contact { extra, ..contact.clone() })?;
    ctx.event(EventKind::Contact { contact: contact.to_api(ctx) })?;
    Ok(contact)
}

/// What is noted about somebody is forgotten, on every own device.
pub(super) fn erase(ctx: &mut Ctx<'_, '_>, id: &AccountId) -> Result<(), EngineError> {
    account::vault::delete(ctx, &key(id))
}

/// What the vault has about somebody who is new here.
pub(super) fn known(ctx: &Ctx<'_, '_>, id: &AccountId) -> Result<ContactExtra, EngineError> {
    let value = account::vault::get(ctx, &key(id))?;
    Ok(value.map(|value| parse(&value)).unwrap_or_default())
}

/// Whose notes an entry of the vault holds.
pub(super) fn whose(key: &str) -> Option<AccountId> {
    key.strip_prefix(super::vault::PREFIX)?.strip_suffix(SUFFIX)?.parse().ok()
}

/// Another device has noted something.
pub(super) fn vault_entry(
    ctx: &mut Ctx<'_, '_>,
    id: &AccountId,
    value: Option<&[u8]>,
) -> Result<(), EngineError> {
    let Some(known) = contact::by_id(ctx, id)?.filter(|known| !known.fellow) else { return Ok(()) };
    let extra = value.map(parse).unwrap_or_default();
    if extra == known.extra {
        return Ok(());
    }
    let contact = contact::save(ctx, Contact { extra, ..(*known).clone() })?;
    ctx.event(EventKind::Contact { contact: contact.to_api(ctx) })
}

/// Everybody who is called so: by nickname, name or address. Members of groups count.
pub(crate) fn called(ctx: &Ctx<'_, '_>, name: &str) -> Result<Vec<AccountId>, EngineError> {
    let wanted = search::fold(name);
    let fits = |contact: &Contact| {
        let canonical = search::fold(&contact.address.canonical());
        let local = canonical.split('@').next().unwrap_or_default();
        local == wanted
            || canonical == wanted
            || search::fold(&contact.extra.nickname) == wanted
            || contact.id.to_string() == name
    };
    Ok(contact::all(ctx)?.iter().filter(|contact| fits(contact)).map(|contact| contact.id).collect())
}

/// The account that is meant.
pub(crate) fn account(ctx: &mut Ctx<'_, '_>, who: &Who) -> Result<Option<AccountId>, EngineError> {
    match who {
        Who::Id(id) => Ok(Some(*id)),
        Who::Address(_) => Ok(contact::resolve(ctx, who)?.map(|contact| contact.id)),
    }
}

/// Notes as they may be kept, or what is wrong with them.
pub(super) fn sound(mut extra: ContactExtra) -> Result<ContactExtra, Error> {
    extra.lists = sound_lists(extra.lists)?;
    if extra.nickname.len() > MAX_NICKNAME {
        return Err(too_long("A nickname", MAX_NICKNAME));
    }
    if extra.note.len() > MAX_NOTE {
        return Err(too_long("A note", MAX_NOTE));
    }
    if extra.lists.len() > MAX_LISTS {
        let error = Error::new(ErrorCode::TooLarge, "A contact is on at most 16 lists.");
        return Err(error.next("Take them off one first."));
    }
    one_line(&extra.nickname)?;
    Ok(extra)
}

/// Names of lists as they may be kept, each once, or what is wrong with them.
pub(super) fn sound_lists(mut lists: Vec<String>) -> Result<Vec<String>, Error> {
    lists.iter_mut().for_each(|list| *list = list.trim().to_owned());
    lists.retain(|list| !list.is_empty());
    lists.sort_unstable();
    lists.dedup();
    if lists.iter().any(|list| list.len() > MAX_LIST) {
        return Err(too_long("A list's name", MAX_LIST));
    }
    lists.iter().try_for_each(|list| one_line(list))?;
    Ok(lists)
}

fn one_line(name: &str) -> Result<(), Error> {
    if name.chars().any(char::is_control) {
        return Err(Error::new(ErrorCode::Invalid, "A name is one line of plain text."));
    }
    Ok(())
}

fn too_long(what: &str, most: usize) -> Error {
    let error = Error::new(ErrorCode::TooLarge, format!("{what} has at most {most} bytes."));
    error.next("Write less.")
}

pub(super) fn to_row(extra: &ContactExtra) -> Row {
    Row { nickname: extra.nickname.clone(), note: extra.note.clone(), lists: extra.lists.clone() }
}

pub(super) fn from_row(row: stored::ContactExtra) -> ContactExtra {
    ContactExtra { nickname: row.nickname, note: row.note, lists: row.lists }
}

/// What does not make sense is nothing: a newer version wrote it.
fn parse(value: &[u8]) -> ContactExtra {
    Row::decode(value).ok().map(from_row).and_then(|extra| sound(extra).ok()).unwrap_or_default()
}

fn key(id: &AccountId) -> String {
    format!("{}{id}{SUFFIX}", super::vault::PREFIX)
}
