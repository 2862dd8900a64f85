//! Telling: a session at each relay where contacts are.
//!
//! ```text
//!            connection up                    change, refresh, newcomers, questions
//!  (silent) ───────────────▶ will left, told ───────────────────────────────────────▶ told again, counter + 1
//!      ▲                                    │
//!      ├── the connection died ◀────────────┤   the relay passes the will on
//!      └── invisible, hidden, off ◀─────────┘   the will is deposited by the device itself, and taken back
//! ```
//!
//! The last will is the session's last word, whoever speaks it: its counter is the highest, so nothing of the session is believed
//! after it. Whoever is to see nothing more gets it; the others go on.

use std::collections::BTreeSet;

use wheesht_proto::{
    address::RelayAddress,
    ids::{AccountId, DepositAddress},
    limits::{MAX_EPHEMERAL_MS, MAX_PRESENCE_MS},
    relay::{Deposit, DepositEntry, LastWillEntry, PutLastWill, client_frame},
    stored::PresenceState,
};

use super::{
    super::{
        Ctx, EngineError,
        account::{self, Me},
        links, messaging,
        tables::PRESENCE,
    },
    Pending,
    audience::{self, Audience},
    look, own, wake_by,
};
use crate::{
    protocol::presence::{self, EphemeralKey, PresenceStatement, Status},
    time::Timestamp,
};

/// It is told again this long after it was told (milliseconds), give or take a minute: well before it expires, and not in step with
/// everybody else.
const REFRESH_MS: u64 = MAX_PRESENCE_MS / 2;
const JITTER_MS: u64 = 60_000;

/// Between two envelopes for everyone (milliseconds): of changes in between the last one counts.
const GAP_MS: u64 = 1_000;

/// Questions are gathered for this long, and a bit more at random, before they are answered (milliseconds).
const ANSWER_MS: u64 = 200;

/// What the relay refused is tried again after this long (milliseconds), or later if it says so.
const REFUSED_MS: u64 = 5_000;

/// How it stands at one relay.
#[derive(Default)]
pub(super) struct AtRelay {
    session: Option<Session>,
    /// Nothing is told to everyone before.
    pause: Option<Timestamp>,
    /// Who asked how this account is, and when they are answered.
    asked: BTreeSet<AccountId>,
    answer: Option<Timestamp>,
}

struct Session {
    number: u64,
    counter: u64,
    /// The profile key that the session's key follows from.
    profile_key: zeroize::Zeroizing<[u8; 32]>,
    key: EphemeralKey,
    said: (Status, String),
    audience: Audience,
    /// Who has got the last word: they believe nothing more of this session.
    over: BTreeSet<AccountId>,
    refresh: Timestamp,
    /// The last will as it lies, or should lie, at the relay.
    will: Vec<u8>,
    /// What the relay refused: when it is left again.
    leave_again: Option<Timestamp>,
}

/// Brings what is told in line with what should be.
pub(super) fn settle(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    let me = account::me(ctx)?;
    let ready = ctx.passing.presence.online && messaging::is_open(ctx);
    let wanted = own::wanted(ctx).filter(|_| ready);
    let mut audiences = match (&me, &wanted) {
        (Some(me), Some(_)) => audience::find(ctx, me),
        _ => Default::default(),
    };
    let known: BTreeSet<RelayAddress> =
        ctx.passing.presence.relays.keys().chain(audiences.keys()).cloned().collect();
    for relay in known {
        match (&me, &wanted, audiences.remove(&relay)) {
            (Some(me), Some(wanted), Some(audience)) => tell(ctx, me, &relay, wanted, audience)?,
            _ => end(ctx, &relay),
        }
    }
    Ok(())
}

/// A contact whose session has begun asks.
// PRE-10
pub(super) fn asked(ctx: &mut Ctx<'_, '_>, relay: &RelayAddress, by: &AccountId) {
    let at = ctx.now.plus_millis(ANSWER_MS + u64::from(ctx.rng.next_u32()) % ANSWER_MS);
    let Some(there) = ctx.passing.presence.relays.get_mut(relay) else { return };
    there.asked.insert(*by);
    let at = *there.answer.get_or_insert(at);
    wake_by(ctx, at);
}

/// The connection to a relay has ended.
// PRE-9
pub(super) fn ended(ctx: &mut Ctx<'_, '_>, relay: &RelayAddress) {
    if let Some(there) = ctx.passing.presence.relays.get_mut(relay) {
        there.session = None;
        look(ctx);
    }
}

/// Ends every session.
pub(super) fn fall_silent(ctx: &mut Ctx<'_, '_>) {
    let relays: Vec<_> = ctx.passing.presence.relays.keys().cloned().collect();
    relays.iter().for_each(|relay| end(ctx, relay));
}

/// The relay refused something.
pub(super) fn refused(ctx: &mut Ctx<'_, '_>, relay: &RelayAddress, pending: &Pending, retry_after_ms: u32) {
    let at = ctx.now.plus_millis(u64::from(retry_after_ms).max(REFUSED_MS));
    let there = ctx.passing.presence.relays.get_mut(relay);
    let Some(session) = there.and_then(|there| there.session.as_mut()) else { return };
    match pending {
        Pending::Told => session.refresh = session.refresh.min(at),
        Pending::Will => session.leave_again = Some(at),
        Pending::Nothing => return,
    }
    wake_by(ctx, at);
}

fn tell(
    ctx: &mut Ctx<'_, '_>,
    me: &Me,
    relay: &RelayAddress,
    wanted: &(Status, String),
    audience: Audience,
) -> Result<(), EngineError> {
    let link = account::anonymous_link(relay);
    // PRE-9: the will hangs on this connection.
    links::keep(ctx, &link, true);
    let mut there = ctx.passing.presence.relays.remove(relay).unwrap_or_default();
    if ctx.passing.links.greeted(&link) {
        continue_telling(ctx, me, relay, &mut there, wanted, audience)?;
        let session = there.session.as_ref();
        let times = [there.pause, there.answer, session.map(|session| session.refresh)];
        let left = session.and_then(|session| session.leave_again);
        let now = ctx.now;
        if let Some(at) = times.into_iter().chain([left]).flatten().filter(|at| *at > now).min() {
            wake_by(ctx, at);
        }
    }
    ctx.passing.presence.relays.insert(relay.clone(), there);
    Ok(())
}

fn continue_telling(
    ctx: &mut Ctx<'_, '_>,
    me: &Me,
    relay: &RelayAddress,
    there: &mut AtRelay,
    wanted: &(Status, String),
    audience: Audience,
) -> Result<(), EngineError> {
    let now = ctx.now;
    there.pause = there.pause.filter(|until| *until > now);
    if let Some(session) = &mut there.session {
        let stays: BTreeSet<_> = audience.values().collect();
        let gone: Vec<_> =
            session.audience.iter().filter(|(_, who)| !stays.contains(who)).map(|(to, _)| *to).collect();
        // PRE-11
        session.over.extend(session.audience.values().filter(|who| !stays.contains(who)));
        pass(ctx, relay, Pending::Nothing, session.will.clone(), gone);
        session.audience.retain(|_, who| stays.contains(who));
    }
    // PRE-2
    let renewed = there.session.as_ref().is_some_and(|session| {
        let returns = audience.values().any(|who| session.over.contains(who));
        session.profile_key != me.profile_key || returns
    });
    if there.session.is_none() || renewed {
        if there.pause.is_some() {
            return Ok(());
        }
        let session = begin(ctx, me, wanted, audience)?;
        leave(ctx, relay, &session);
        let session = there.session.insert(session);
        let everyone = session.audience.keys().copied().collect();
        say(ctx, me, relay, session, !renewed, everyone);
        there.pause = Some(now.plus_millis(GAP_MS));
        (there.asked, there.answer) = Default::default();
        return Ok(());
    }
    let Some(session) = &mut there.session else { return Ok(()) };
    let newcomers: Vec<_> =
        audience.keys().filter(|to| !session.audience.contains_key(to)).copied().collect();
    let moved = session.audience != audience;
    session.audience = audience;
    if moved || session.leave_again.is_some_and(|at| at <= now) {
        session.leave_again = None;
        leave(ctx, relay, session);
    }
    if (session.said != *wanted || session.refresh <= now) && there.pause.is_none() {
        session.said = wanted.clone();
        let everyone = session.audience.keys().copied().collect();
        say(ctx, me, relay, session, false, everyone);
        session.refresh = refresh(ctx);
        there.pause = Some(now.plus_millis(GAP_MS));
        (there.asked, there.answer) = Default::default();
    } else if there.answer.is_some_and(|at| at <= now) {
        let asked = std::mem::take(&mut there.asked);
        there.answer = None;
        let whom = session.audience.iter().filter(|(_, who)| asked.contains(who)).map(|(to, _)| *to);
        let whom = whom.collect();
        say(ctx, me, relay, session, false, whom);
    }
    if !newcomers.is_empty() {
        say(ctx, me, relay, session, true, newcomers);
    }
    Ok(())
}

/// A new session. Its number is durable before anything of it leaves, and is never used again.
// PRE-6
fn begin(
    ctx: &mut Ctx<'_, '_>,
    me: &Me,
    wanted: &(Status, String),
    audience: Audience,
) -> Result<Session, EngineError> {
    let mut state: PresenceState = ctx.load(PRESENCE, b"", 0)?.unwrap_or_default();
    state.session = state.session.saturating_add(1);
    ctx.save(PRESENCE, b"", 0, &state);
    let key = EphemeralKey::of_profile(&me.profile_key);
    let will = PresenceStatement::last_will(me.account, me.device, state.session).sign(&me.signing);
    Ok(Session {
        number: state.session,
        counter: 0,
        profile_key: me.profile_key.clone(),
        will: presence::seal(&key, &will, ctx.rng),
        key,
        said: wanted.clone(),
        audience,
        over: BTreeSet::new(),
        refresh: refresh(ctx),
        leave_again: None,
    })
}

/// Leaves the last will with the connection, in place of the one before.
fn leave(ctx: &mut Ctx<'_, '_>, relay: &RelayAddress, session: &Session) {
    let addresses = session.audience.keys().map(|to| to.to_vec()).collect();
    let entry = LastWillEntry { envelope: session.will.clone().into(), addresses };
    let will = PutLastWill { entries: vec![entry] };
    ctx.ask(&account::anonymous_link(relay), Pending::Will, client_frame::Body::PutLastWill(will));
}

/// One envelope, the same for all of them.
// PRE-6, PRE-8
fn say(
    ctx: &mut Ctx<'_, '_>,
    me: &Me,
    relay: &RelayAddress,
    session: &mut Session,
    asks: bool,
    whom: Vec<DepositAddress>,
) {
    session.counter = session.counter.saturating_add(1);
    let (status, text) = session.said.clone();
    let statement = PresenceStatement {
        account: me.account,
        device: me.device,
        session: session.number,
        counter: session.counter,
        expires: Some(ctx.now.plus_millis(MAX_PRESENCE_MS)),
        status,
        text,
        asks,
    };
    let envelope = presence::seal(&session.key, &statement.sign(&me.signing), ctx.rng);
    pass(ctx, relay, Pending::Told, envelope, whom);
}

/// Says the session's last word to all, and takes it back from the relay.
fn end(ctx: &mut Ctx<'_, '_>, relay: &RelayAddress) {
    let Some(there) = ctx.passing.presence.relays.remove(relay) else { return };
    let link = account::anonymous_link(relay);
    if let Some(session) = there.session.filter(|_| ctx.passing.links.greeted(&link)) {
        let everyone = session.audience.into_keys().collect();
        pass(ctx, relay, Pending::Nothing, session.will, everyone);
        let nothing = PutLastWill { entries: Vec::new() };
        ctx.ask(&link, Pending::Nothing, client_frame::Body::PutLastWill(nothing));
    }
    links::keep(ctx, &link, false);
}

/// Has the relay pass an envelope on.
fn pass(
    ctx: &mut Ctx<'_, '_>,
    relay: &RelayAddress,
    pending: Pending,
    envelope: Vec<u8>,
    whom: Vec<DepositAddress>,
) {
    if whom.is_empty() {
        return;
    }
    let entry = DepositEntry {
        envelope: envelope.into(),
        addresses: whom.iter().map(|to| to.to_vec()).collect(),
        device_id: Vec::new(),
        ephemeral_ms: MAX_EPHEMERAL_MS,
    };
    let deposit = Deposit { entries: vec![entry] };
    ctx.ask(&account::anonymous_link(relay), pending, client_frame::Body::Deposit(deposit));
}

fn refresh(ctx: &mut Ctx<'_, '_>) -> Timestamp {
    ctx.now.plus_millis(REFRESH_MS + u64::from(ctx.rng.next_u32()) % (2 * JITTER_MS) - JITTER_MS)
}
