//! What this account tells of itself: chosen once for all its devices, in the vault; and whether somebody is at this one.

use std::collections::BTreeSet;

use wheesht_proto::{
    ids::AccountId,
    limits::MAX_PRESENCE_TEXT,
    presence::{VaultPresence, vault_presence},
    prost::Message as _,
};

use super::{
    super::{
        Ctx, EngineError,
        account::vault,
        error::{Answer, Failure},
        people::{self, Contact},
    },
    heard, look,
};
use crate::{
    api::{Activity, Error, ErrorCode, EventKind, ListRules, OwnPresence, PresenceChoice, Response, Who},
    protocol::presence::Status,
};

/// The vault's entry, and what those begin with that name whom nothing is shown.
const ENTRY: &str = "presence";
const HIDDEN: &str = "presence/hidden/";
/// The entry about lists of contacts. Apart from the first: a version that does not know of it must not take it away.
const LISTS: &str = "presence/lists";

/// What the vault says, and this device's part.
#[derive(Default)]
pub(super) struct Own {
    choice: PresenceChoice,
    text: String,
    no_typing: bool,
    hidden: BTreeSet<AccountId>,
    lists: ListRules,
    activity: Activity,
}

const CHOICES: [(PresenceChoice, vault_presence::Choice); 5] = [
    (PresenceChoice::Online, vault_presence::Choice::Online),
    (PresenceChoice::Away, vault_presence::Choice::Away),
    (PresenceChoice::Busy, vault_presence::Choice::Busy),
    (PresenceChoice::Invisible, vault_presence::Choice::Invisible),
    (PresenceChoice::Off, vault_presence::Choice::Off),
];

/// Reads what the vault says.
pub(super) fn load(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    let entry = vault::get(ctx, ENTRY)?.and_then(|value| VaultPresence::decode(value.as_slice()).ok());
    let entry = entry.unwrap_or_default();
    let choice = CHOICES.iter().find(|(_, number)| *number == entry.choice());
    let hidden = vault::list(ctx, HIDDEN)?;
    let hidden = hidden.iter().filter_map(|(key, _)| key.strip_prefix(HIDDEN)?.parse().ok()).collect();
    let lists = people::load_rules(ctx, LISTS)?;
    let own = &mut ctx.passing.presence.own;
    own.choice = choice.map(|(choice, _)| *choice).unwrap_or_default();
    own.text = line(&entry.text);
    own.no_typing = entry.no_typing;
    own.hidden = hidden;
    own.lists = lists;
    Ok(())
}

/// As an app sees it.
pub(super) fn shown(ctx: &Ctx<'_, '_>) -> OwnPresence {
    let Own { choice, text, no_typing, hidden: _, lists, activity } = &ctx.passing.presence.own;
    let (text, lists) = (text.clone(), lists.clone());
    OwnPresence { choice: *choice, text, typing: !no_typing, activity: *activity, lists }
}

/// Chooses anew, for all devices.
pub(super) fn choose(
    ctx: &mut Ctx<'_, '_>,
    choice: PresenceChoice,
    text: Option<String>,
) -> Result<(), Failure> {
    if let Some(text) = text {
        // PRE-5
        if text.len() > MAX_PRESENCE_TEXT || text.chars().any(char::is_control) {
            let error =
                format!("The text beside a presence is one line of at most {MAX_PRESENCE_TEXT} bytes.");
            return Err(Error::new(ErrorCode::Invalid, error).next("Write a shorter one.").into());
        }
        ctx.passing.presence.own.text = text.trim().to_owned();
    }
    ctx.passing.presence.own.choice = choice;
    store(ctx)?;
    // PRE-12
    if choice == PresenceChoice::Off {
        heard::deaf(ctx)?;
    }
    Ok(())
}

/// Whether others are told and tell who is writing, on all devices.
pub(super) fn set_typing(ctx: &mut Ctx<'_, '_>, on: bool) -> Result<(), Failure> {
    ctx.passing.presence.own.no_typing = !on;
    store(ctx)?;
    Ok(())
}

/// Whether somebody is at this device.
pub(super) fn set_activity(ctx: &mut Ctx<'_, '_>, activity: Activity) {
    ctx.passing.presence.own.activity = activity;
    look(ctx);
}

/// Whether a contact sees anything of it, from now on.
pub(super) fn show_to(ctx: &mut Ctx<'_, '_>, who: &Who, visible: bool) -> Answer {
    let contact = people::resolve(ctx, who)?.filter(|contact| !contact.fellow);
    let missing = || Error::new(ErrorCode::NotFound, format!("You have no contact {who}."));
    let contact = contact.ok_or_else(missing)?;
    let key = format!("{HIDDEN}{}", contact.id);
    if visible {
        ctx.passing.presence.own.hidden.remove(&contact.id);
        vault::delete(ctx, &key)?;
    } else {
        ctx.passing.presence.own.hidden.insert(contact.id);
        vault::put(ctx, &key, vec![1])?;
    }
    look(ctx);
    let contact = contact.to_api(ctx);
    ctx.event(EventKind::Contact { contact: contact.clone() })?;
    Ok(Some(Response::Contact { contact }))
}

/// Which lists of contacts see anything of it, from now on.
// PRE-17
pub(super) fn show_to_lists(ctx: &mut Ctx<'_, '_>, lists: ListRules) -> Result<(), Failure> {
    let lists = people::sound_rules(lists)?;
    people::store_rules(ctx, LISTS, &lists)?;
    ctx.passing.presence.own.lists = lists;
    look(ctx);
    let presence = shown(ctx);
    ctx.passing_event(EventKind::OwnPresence { presence });
    Ok(())
}

/// Whether a contact is not to see the own presence.
// PRE-17
pub(super) fn is_hidden_from(ctx: &Ctx<'_, '_>, contact: &Contact) -> bool {
    let Own { hidden, lists, .. } = &ctx.passing.presence.own;
    hidden.contains(&contact.id) || !lists.allow(&contact.extra.lists)
}

/// A contact is gone: nothing is remembered of it.
pub(super) fn forget(ctx: &mut Ctx<'_, '_>, account: &AccountId) -> Result<(), EngineError> {
    if ctx.passing.presence.own.hidden.remove(account) {
        vault::delete(ctx, &format!("{HIDDEN}{account}"))?;
    }
    Ok(())
}

/// The vault is no longer there. Whether somebody is at this device is for the frontend to say.
pub(super) fn forget_all(ctx: &mut Ctx<'_, '_>) {
    let activity = ctx.passing.presence.own.activity;
    ctx.passing.presence.own = Own { activity, ..Own::default() };
}

/// What this device is to tell, if anything.
// PRE-12
pub(super) fn wanted(ctx: &Ctx<'_, '_>) -> Option<(Status, String)> {
    let Own { choice, text, activity, .. } = &ctx.passing.presence.own;
    let status = match (activity, choice) {
        (Activity::Background, _) | (_, PresenceChoice::Invisible | PresenceChoice::Off) => return None,
        (_, PresenceChoice::Busy) => Status::Busy,
        (_, PresenceChoice::Away) | (Activity::Idle, PresenceChoice::Online) => Status::Away,
        (Activity::Here, PresenceChoice::Online) => Status::Online,
    };
    Some((status, text.clone()))
}

/// Whether nothing is told and nothing shown.
pub(super) fn is_off(ctx: &Ctx<'_, '_>) -> bool {
    ctx.passing.presence.own.choice == PresenceChoice::Off
}

/// Whether it is shown who is writing.
pub(super) fn shows_typing(ctx: &Ctx<'_, '_>) -> bool {
    !ctx.passing.presence.own.no_typing && !is_off(ctx)
}

/// Whether it is told that one is writing: that says that one is there.
// PRE-12
pub(super) fn tells_typing(ctx: &Ctx<'_, '_>) -> bool {
    shows_typing(ctx) && ctx.passing.presence.own.choice != PresenceChoice::Invisible
}

/// A text as one bounded line.
// PRE-5
pub(super) fn line(text: &str) -> String {
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut line: String = clean.collect();
    while line.len() > MAX_PRESENCE_TEXT {
        line.pop();
    }
    line.trim().to_owned()
}

fn store(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    let own = &ctx.passing.presence.own;
    let mut entry = VaultPresence { text: own.text.clone(), no_typing: own.no_typing, ..Default::default() };
    if let Some((_, choice)) = CHOICES.iter().find(|(choice, _)| *choice == own.choice) {
        entry.set_choice(*choice);
    }
    vault::put(ctx, ENTRY, entry.encode_to_vec())?;
    look(ctx);
    let presence = shown(ctx);
    ctx.passing_event(EventKind::OwnPresence { presence });
    Ok(())
}
