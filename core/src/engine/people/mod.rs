//! Whom I know: look-ups, requests, contacts, and where their devices are reached.
//!
//! ```text
//!                look-up                 first text                accepted by them
//!   (nobody) ──────────────▶ Known ───────────────▶ RequestSent ──────────────────────┐
//!      │                                                                              ▼
//!      └──────────── a stranger's request ────────▶ RequestReceived ── accept ──▶ Accepted
//!                                                          └───────── block ────▶ Blocked
//! ```
//!
//! A contact is an identity key; the address is where it was found. What a relay says of either is checked against the manifest
//! already known: an older or forked one is refused and shown, another identity blocks sending until the person accepts it.
//! Everything is asked on anonymous links, so that a relay doesn't learn who asks about whom.

mod books;
mod commands;
mod contact;
mod ended;
mod extras;
mod fellows;
mod find;
mod lists;
mod manifests;
mod requests;
mod route;
mod sender;
mod vault;

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use wheesht_proto::{address::Address, ids::AccountId, relay::relay_frame};

use super::{
    Ctx, EngineError,
    ctx::Pending as Continuation,
    io::{LinkId, RequestError},
    messaging,
    timers::Timer,
};
use crate::{api::ContactState, signed::ManifestHead, time::Timestamp};

pub(super) use commands::command;
pub(crate) use contact::{Contact, by_id, resolve};
pub(crate) use ended::account_deleted;
pub(crate) use extras::{account, called};
pub(crate) use fellows::{check_fellow, fellow_manifest, meet_fellow};
pub(crate) use find::{Then, find, relay_changed};
pub(crate) use lists::{load_rules, sound_rules, store_rules};
pub(crate) use manifests::{known_head, observe_head, unreachable};
pub(crate) use requests::{
    may_send, received_accept, received_request, request_failed, request_for, sent_request,
};
pub(crate) use route::{Destination, Route, route};
pub(crate) use sender::{Sender, sender};
pub(crate) use vault::vault_entry;

/// A contact's manifest is asked for again after this long (milliseconds) without a check.
const CHECK_MS: u64 = wheesht_proto::limits::DAY_MS;

#[derive(Default)]
pub(crate) struct Passing {
    cache: BTreeMap<AccountId, Rc<Contact>>,
    /// Questions under way: nobody is asked twice at once.
    checking: BTreeSet<AccountId>,
    reading: BTreeSet<AccountId>,
    /// Accounts that their relay says it doesn't have, and since when.
    gone: BTreeMap<AccountId, Timestamp>,
    /// Questions that failed, and when to ask again.
    retry: BTreeMap<AccountId, Retry>,
    /// The newest manifests that contacts' own messages speak of, until they are known.
    claimed: BTreeMap<AccountId, ManifestHead>,
    /// Whose relay shows a list that doesn't hold: the person was told.
    withheld: BTreeSet<AccountId>,
    /// How often in a row an address book lacked a device that the manifest lists.
    incomplete: BTreeMap<AccountId, u32>,
}

struct Retry {
    attempts: u32,
    at: Timestamp,
}

/// What to do with a reply.
pub(crate) enum Pending {
    /// A look-up of somebody for a command.
    Find(find::Find),
    /// A look-up of a contact, for a newer manifest.
    Check(AccountId),
    /// The manifests between the one known and the newest.
    Chain(AccountId),
    /// A contact's address book.
    Book(AccountId),
    /// A look-up of a member of a group, of whom nothing is known yet.
    Fellow(Box<(AccountId, Address)>),
}

impl From<Pending> for Continuation {
    fn from(pending: Pending) -> Self {
        Self::People(pending)
    }
}

pub(super) fn start(_ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    Ok(())
}

/// This device has become one of the account's: what is known of people is in the vault, and arrives entry by entry.
pub(crate) fn activated(_ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    Ok(())
}

/// The account has new keys to be reached with, since all its devices of before were removed: contacts are given them.
pub(crate) fn keys_replaced(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    for contact in accepted(ctx)? {
        requests::reintroduce(ctx, &contact)?;
    }
    Ok(())
}

/// The account has replaced its keys, and its devices stay: contacts are given the new ones, and asked to say that they have them.
pub(crate) fn keys_rotated(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    for contact in accepted(ctx)? {
        requests::tell_keys(ctx, &contact)?;
    }
    Ok(())
}

/// The own relay is connected: look after what has become stale.
pub(crate) fn online(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    for contact in contact::all(ctx)? {
        // What was to be asked because of it is known in memory only, and this may be another run.
        if messaging::holds(ctx, &contact.id) {
            let at = contact.checked.plus_millis(sender::FRESH_MS);
            check_at(ctx, &contact.id, at);
        }
        if !matches!(contact.state, ContactState::Accepted | ContactState::RequestSent) {
            continue;
        }
        if ctx.now.millis_since(contact.checked) >= CHECK_MS {
            manifests::check(ctx, &contact)?;
        }
        if contact.profile_key.is_some() && !books::is_complete(&contact) {
            books::read(ctx, &contact)?;
        }
    }
    Ok(())
}

/// How many people one stands with in each way.
pub(super) fn count(ctx: &Ctx<'_, '_>) -> Result<BTreeMap<&'static str, usize>, EngineError> {
    let mut counts = BTreeMap::new();
    for contact in contact::all(ctx)? {
        let state = match contact.state {
            _ if contact.fellow => "known from groups alone",
            ContactState::Known => "looked up",
            ContactState::RequestSent => "asked",
            ContactState::RequestReceived => "asking",
            ContactState::Accepted => "accepted",
            ContactState::Blocked => "blocked",
        };
        *counts.entry(state).or_default() += 1;
    }
    Ok(counts)
}

/// Everyone with whom both sides have accepted to talk.
pub(crate) fn accepted(ctx: &Ctx<'_, '_>) -> Result<Vec<AccountId>, EngineError> {
    let contacts = contact::all(ctx)?;
    let accepted = contacts.iter().filter(|contact| contact.state == ContactState::Accepted);
    Ok(accepted.map(|contact| contact.id).collect())
}

pub(super) fn reply(
    ctx: &mut Ctx<'_, '_>,
    _link: &LinkId,
    pending: Pending,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<(), EngineError> {
    match pending {
        Pending::Find(find) => find::reply(ctx, find, result),
        Pending::Check(account) => manifests::check_reply(ctx, &account, result),
        Pending::Chain(account) => manifests::chain_reply(ctx, &account, result),
        Pending::Book(account) => books::reply(ctx, &account, result),
        Pending::Fellow(whom) => fellows::reply(ctx, &whom.0, &whom.1, result),
    }
}

/// Asks again what failed.
pub(super) fn due(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    let now = ctx.now;
    let due: Vec<_> =
        ctx.passing.people.retry.iter().filter(|(_, retry)| retry.at <= now).map(|(id, _)| *id).collect();
    for id in due {
        if let Some(contact) = by_id(ctx, &id)? {
            manifests::check(ctx, &contact)?;
            if contact.profile_key.is_some() {
                books::read(ctx, &contact)?;
            }
        }
        // Until an answer clears it, the next try is set already: nothing is lost if none comes.
        retry_later(ctx, &id);
    }
    arm(ctx);
    Ok(())
}

/// A question about this contact failed: ask again, later each time.
fn retry_later(ctx: &mut Ctx<'_, '_>, id: &AccountId) {
    /// First pause, and the longest (milliseconds).
    const PAUSES: (u64, u64) = (2_000, 15 * 60_000);
    let now = ctx.now;
    let retry = ctx.passing.people.retry.entry(*id).or_insert(Retry { attempts: 0, at: now });
    let pause = PAUSES.0.saturating_mul(1 << retry.attempts.min(16)).min(PAUSES.1);
    retry.attempts += 1;
    retry.at = now.plus_millis(pause);
    arm(ctx);
}

/// Asks about this contact at that time.
fn check_at(ctx: &mut Ctx<'_, '_>, id: &AccountId, at: Timestamp) {
    let retry = ctx.passing.people.retry.entry(*id).or_insert(Retry { attempts: 0, at });
    retry.at = retry.at.min(at);
    arm(ctx);
}

/// The contact's relay has answered.
fn answered(ctx: &mut Ctx<'_, '_>, id: &AccountId) {
    ctx.passing.people.retry.remove(id);
}

fn arm(ctx: &mut Ctx<'_, '_>) {
    if let Some(at) = ctx.passing.people.retry.values().map(|retry| retry.at).min() {
        ctx.passing.timers.set(Timer::People, at);
    }
}
