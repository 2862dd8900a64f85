//! Sessions with devices: stored, chosen, set up when they are missing, and what decrypts.
//!
//! One row per account lists the sessions with each of its devices, the one to send on first; each session has a row of its
//! own, and each skipped key. A session that decrypts is written in the transaction that acts on the message; one that does not
//! is not touched.

use std::ops::RangeInclusive;

use wheesht_proto::{
    ids::{AccountId, DeviceId},
    limits::DAY_MS,
    relay::{ErrorCode as Refusal, FetchBundle, client_frame, relay_frame},
    stored::{PeerDevice, PeerSession, Peers},
};
use zeroize::Zeroizing;

use super::{
    super::{
        Ctx, EngineError,
        account::{self, Me, prekeys},
        io::RequestError,
        people::Destination,
        tables::{BASE_KEY_LIST, BASE_KEYS, PEERS, SESSIONS, SKIPPED},
    },
    Pending, deposit, outbox, repair, trouble,
};
use crate::{
    crypto::secret::Secret as _,
    protocol::{
        LocalDevice, MessageKey, Session, SkippedDelta, SkippedId, SkippedKeys,
        prekeys::{BundleError, PrivatePrekey, UnverifiedBundle},
        session::{
            DecryptError, InitiateError, PrekeyNeeds, PrekeyRows, RespondError, SessionId,
            UnverifiedSessionMessage, next_generation, surplus,
        },
    },
    signed::{DeviceCertificate, PrekeyError, PrekeyKind},
    store::{Direction, StoreError, Tx},
    time::Timestamp,
};

/// A device whose keys have expired is asked for new ones this often (milliseconds), while there is something for it.
const AWAY_MS: u64 = DAY_MS;

/// First pause after a failed request for a device, and the longest (milliseconds).
const PAUSES: (u64, u64) = (2_000, 15 * 60_000);

/// Devices of one account that sessions are kept with: those in its manifest, and some that left it and may come back.
const MAX_DEVICES: usize = 2 * wheesht_proto::limits::MAX_DEVICES;

/// How it stands with sending to a device.
pub(super) enum Standing {
    /// With this session.
    Ready {
        session: Box<Session>,
        /// It has encrypted, and must be written.
        changed: bool,
    },
    /// Its prekeys are being fetched.
    Fetching,
    /// Not before this time.
    Later(Timestamp),
    /// Its prekeys have expired: it has not been there for long.
    Away,
}

/// What came out of a message.
pub(super) enum Opened {
    /// Its content. Session, keys and prekeys have moved on in the transaction.
    Content(Zeroizing<Vec<u8>>),
    /// Nothing to act on: a replay, or a device that one has no session with.
    Nothing,
    /// It can't be read.
    Unreadable,
}

/// A device that something failed for.
#[derive(Default)]
pub(crate) struct Delay {
    failures: u32,
    later: Option<Timestamp>,
    away: Option<Timestamp>,
    fetching: bool,
}

// ---- Sending -------------------------------------------------------------------------------------------------

/// How it stands with sending to a device; fetches its prekeys if there is no session.
pub(super) fn standing(
    ctx: &mut Ctx<'_, '_>,
    me: &Me,
    to: &AccountId,
    destination: &Destination,
) -> Result<Standing, EngineError> {
    let device = destination.certificate.device_id();
    if let Some(delay) = ctx.passing.messaging.delays.get(&(*to, device)) {
        if delay.fetching {
            return Ok(Standing::Fetching);
        }
        if delay.away.is_some_and(|until| until > ctx.now) {
            return Ok(Standing::Away);
        }
    }
    if let Some(until) = later(ctx, to, &device) {
        return Ok(Standing::Later(until));
    }
    if let Some(session) = best(ctx, to, &device)? {
        return Ok(Standing::Ready { session: Box::new(session), changed: false });
    }
    debug_assert!(me.device != device, "people never routes to the device itself");
    ctx.passing.messaging.delays.entry((*to, device)).or_default().fetching = true;
    let link = account::anonymous_link(&destination.relay);
    let fetch = FetchBundle { address: destination.address.to_vec(), device_id: device.to_vec() };
    let pending = Pending::Bundle(Box::new((*to, destination.certificate.clone())));
    ctx.ask(&link, pending, client_frame::Body::FetchBundle(fetch));
    Ok(Standing::Fetching)
}

/// The session to send on, unless one has to be set up first.
fn best(ctx: &Ctx<'_, '_>, to: &AccountId, device: &DeviceId) -> Result<Option<Session>, EngineError> {
    let peers = peers(ctx, to)?;
    let Some(peer) = peers.devices.iter().find(|peer| peer.device_id == device.as_ref()) else {
        return Ok(None);
    };
    if peer.renew {
        return Ok(None);
    }
    let Some(best) = peer.sessions.iter().find(|session| !session.retired) else { return Ok(None) };
    let session = load(ctx, to, device, &best.session_id)?;
    Ok(session.filter(|session| !session.is_stale(ctx.now)))
}

/// A relay's answer about a device's prekeys.
pub(super) fn bundle(
    ctx: &mut Ctx<'_, '_>,
    to: &AccountId,
    certificate: &DeviceCertificate,
    result: Result<relay_frame::Body, RequestError>,
) -> Result<(), EngineError> {
    let device = certificate.device_id();
    ctx.passing.messaging.delays.entry((*to, device)).or_default().fetching = false;
    outbox::look(ctx, to);
    let bundle = match result {
        Ok(relay_frame::Body::Bundle(bundle)) => bundle,
        Err(RequestError::Refused(error)) => {
            put_off(ctx, to, &device, error.retry_after_ms);
            return match error.code() {
                Refusal::NotFound => deposit::unreachable(ctx, to),
                _ => Ok(()),
            };
        }
        Ok(_) | Err(RequestError::Lost) => {
            put_off(ctx, to, &device, 0);
            return Ok(());
        }
    };
    let Some(me) = account::me(ctx)? else { return Ok(()) };
    // SES-5: nothing is encrypted to keys that the device did not sign, or that have expired.
    let verified = UnverifiedBundle::decode(&bundle).and_then(|bundle| bundle.verify(certificate, ctx.now));
    let bundle = match verified {
        Ok(bundle) => bundle,
        Err(error) if expired(&error) => {
            away(ctx, to, &device);
            return Ok(());
        }
        Err(_) => {
            put_off(ctx, to, &device, 0);
            return trouble(ctx, "it gave out keys that are not genuine");
        }
    };
    let sessions = all(ctx, to, &device)?;
    let local = LocalDevice { certificate: &me.certificate, dh: &me.dh };
    let generation = next_generation(&sessions);
    match Session::initiate(&local, certificate, &bundle, generation, ctx.now, ctx.rng) {
        Ok(session) => {
            on_time(ctx, to, &device);
            let renewed = keep(ctx, to, &device, session, sessions, true)?;
            if renewed { repair::renewed(ctx, to) } else { Ok(()) }
        }
        Err(InitiateError::Expired | InitiateError::OwnDevice | InitiateError::NothingInCommon) => {
            away(ctx, to, &device);
            Ok(())
        }
        Err(InitiateError::OtherDevice | InitiateError::UnusableKey) => {
            put_off(ctx, to, &device, 0);
            Ok(())
        }
    }
}

/// Until when nothing is tried for a device.
pub(super) fn later(ctx: &Ctx<'_, '_>, to: &AccountId, device: &DeviceId) -> Option<Timestamp> {
    let delay = ctx.passing.messaging.delays.get(&(*to, *device))?;
    delay.later.filter(|until| *until > ctx.now)
}

/// Something failed for a device: it is passed over for a while, longer each time.
pub(super) fn put_off(ctx: &mut Ctx<'_, '_>, to: &AccountId, device: &DeviceId, at_least_ms: u32) {
    let failures = ctx.passing.messaging.delays.entry((*to, *device)).or_default().failures;
    let until = deposit::pause_after(ctx, failures, at_least_ms, PAUSES);
    let delay = ctx.passing.messaging.delays.entry((*to, *device)).or_default();
    delay.failures = failures.saturating_add(1);
    delay.later = Some(until);
}

/// A device's keys have expired.
pub(super) fn away(ctx: &mut Ctx<'_, '_>, to: &AccountId, device: &DeviceId) {
    let until = ctx.now.plus_millis(AWAY_MS);
    ctx.passing.messaging.delays.entry((*to, *device)).or_default().away = Some(until);
}

/// A device was served.
pub(super) fn on_time(ctx: &mut Ctx<'_, '_>, to: &AccountId, device: &DeviceId) {
    ctx.passing.messaging.delays.remove(&(*to, *device));
}

/// A new session is set up before anything else is sent to the device.
pub(super) fn renew(ctx: &mut Ctx<'_, '_>, to: &AccountId, device: &DeviceId) -> Result<(), EngineError> {
    change(ctx, to, device, |peer| peer.renew = true)
}

/// The device can't read this session: nothing more is sent on it.
pub(super) fn retire(
    ctx: &mut Ctx<'_, '_>,
    to: &AccountId,
    device: &DeviceId,
    session: &[u8],
) -> Result<(), EngineError> {
    change(ctx, to, device, |peer| {
        peer.sessions
            .iter_mut()
            .filter(|known| known.session_id == session)
            .for_each(|known| known.retired = true);
    })
}

/// The session that is sent on, if there is one.
pub(super) fn current(
    ctx: &Ctx<'_, '_>,
    to: &AccountId,
    device: &DeviceId,
) -> Result<Option<Vec<u8>>, EngineError> {
    let peers = peers(ctx, to)?;
    let peer = peers.devices.iter().find(|peer| peer.device_id == device.as_ref());
    let peer = peer.filter(|peer| !peer.renew);
    Ok(peer
        .and_then(|peer| peer.sessions.iter().find(|known| !known.retired))
        .map(|known| known.session_id.clone()))
}

// ---- Receiving -----------------------------------------------------------------------------------------------

/// Decrypts a message of a device. Nothing has changed unless it gives a content.
// CON-3
pub(super) fn open(
    ctx: &mut Ctx<'_, '_>,
    me: &Me,
    sender: &DeviceCertificate,
    message: &UnverifiedSessionMessage,
) -> Result<Opened, EngineError> {
    let (account, device) = (sender.identity(), sender.device_id());
    if let Some(session) = load(ctx, &account, &device, message.session_id().as_bytes())? {
        let keys = Keys { tx: ctx.tx, prefix: key(&account, device, message.session_id().as_bytes()) };
        return match session.decrypt(sender, message, &[], &keys, ctx.now) {
            Ok(decrypted) => {
                save(ctx, &decrypted.session);
                apply(ctx, &account, &device, &decrypted.session.id(), decrypted.skipped);
                Ok(Opened::Content(decrypted.content))
            }
            Err(DecryptError::Store(error)) => Err(error.into()),
            Err(DecryptError::OtherSender | DecryptError::OtherSession) => Ok(Opened::Nothing),
            Err(_) => Ok(Opened::Unreadable),
        };
    }
    let Some(needs) = message.prekeys() else { return Ok(Opened::Unreadable) };
    let rows = prekey_rows(ctx, &needs)?;
    let local = LocalDevice { certificate: &me.certificate, dh: &me.dh };
    let accepted = match Session::respond(&local, sender, &rows, message, &[], ctx.now) {
        Ok(accepted) => accepted,
        Err(RespondError::Replay | RespondError::UnfitPeer | RespondError::NoSetup) => {
            return Ok(Opened::Nothing);
        }
        Err(_) => return Ok(Opened::Unreadable),
    };
    for id in accepted.spent {
        // One counter numbers prekeys of all kinds.
        prekeys::consume(ctx, PrekeyKind::OneTimeX25519, id);
        prekeys::consume(ctx, PrekeyKind::OneTimeKem, id);
    }
    if let Some(mark) = accepted.remember {
        let until = mark.until.as_millis().to_be_bytes();
        ctx.tx.put(BASE_KEYS, mark.base_key.as_bytes(), 0, until.to_vec());
        let row = [until.as_slice(), mark.base_key.as_bytes()].concat();
        ctx.tx.append(BASE_KEY_LIST, b"", row)?;
    }
    apply(ctx, &account, &device, &accepted.session.id(), accepted.skipped);
    let sessions = all(ctx, &account, &device)?;
    keep(ctx, &account, &device, accepted.session, sessions, false)?;
    Ok(Opened::Content(accepted.content))
}

fn prekey_rows(ctx: &Ctx<'_, '_>, needs: &PrekeyNeeds) -> Result<PrekeyRows, EngineError> {
    let kem = match prekey(ctx, PrekeyKind::OneTimeKem, needs.kem)? {
        Some(kem) => Some(kem),
        None => prekey(ctx, PrekeyKind::LastResortKem, needs.kem)?,
    };
    let one_time = match needs.one_time {
        Some(id) => prekey(ctx, PrekeyKind::OneTimeX25519, id)?,
        None => None,
    };
    Ok(PrekeyRows {
        signed: prekey(ctx, PrekeyKind::SignedX25519, needs.signed)?,
        one_time,
        kem,
        base_key_seen: ctx.tx.contains(BASE_KEYS, needs.base_key.as_bytes(), 0)?,
    })
}

fn prekey(ctx: &Ctx<'_, '_>, kind: PrekeyKind, id: u32) -> Result<Option<PrivatePrekey>, EngineError> {
    let Some(row) = prekeys::private(ctx, kind, id)? else { return Ok(None) };
    PrivatePrekey::decode(&row).map(Some).map_err(|_| EngineError::Row { what: "prekey" })
}

/// Forgets base keys whose time is over, a bounded number at once.
pub(super) fn forget_base_keys(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    const AT_ONCE: usize = 1_000;
    for (n, row) in ctx.tx.scan(BASE_KEY_LIST, b"", .., Direction::Forward, AT_ONCE)? {
        let (until, base_key) = row.split_first_chunk().ok_or(unreadable())?;
        if u64::from_be_bytes(*until) <= ctx.now.as_millis() {
            ctx.tx.delete(BASE_KEYS, base_key, 0);
            ctx.tx.delete(BASE_KEY_LIST, b"", n);
        }
    }
    Ok(())
}

// ---- Rows ----------------------------------------------------------------------------------------------------

/// Writes a session that has moved on.
pub(super) fn save(ctx: &mut Ctx<'_, '_>, session: &Session) {
    let key = key(&session.account(), session.device(), session.id().as_bytes());
    ctx.tx.put(SESSIONS, &key, 0, session.encode());
}

/// Forgets every session with an account, or those with devices that it no longer has.
pub(super) fn forget(
    ctx: &mut Ctx<'_, '_>,
    account: &AccountId,
    stays: impl Fn(&DeviceId) -> bool,
) -> Result<(), EngineError> {
    let mut peers = peers(ctx, account)?;
    let (staying, going): (Vec<_>, Vec<_>) = std::mem::take(&mut peers.devices)
        .into_iter()
        .partition(|peer| DeviceId::try_from(peer.device_id.as_slice()).is_ok_and(|device| stays(&device)));
    if going.is_empty() {
        return Ok(());
    }
    for peer in going {
        for session in &peer.sessions {
            erase(ctx, account, &peer.device_id, &session.session_id)?;
        }
    }
    if staying.is_empty() {
        ctx.tx.delete(PEERS, account.as_ref(), 0);
    } else {
        ctx.save(PEERS, account.as_ref(), 0, &Peers { devices: staying });
    }
    ctx.passing.messaging.delays.retain(|(owner, device), _| owner != account || stays(device));
    Ok(())
}

/// Adds a session to those with its device. Gives whether it was to be set up anew.
// SES-13, SES-14
fn keep(
    ctx: &mut Ctx<'_, '_>,
    account: &AccountId,
    device: &DeviceId,
    session: Session,
    mut sessions: Vec<Session>,
    ours: bool,
) -> Result<bool, EngineError> {
    // Whoever has sessions has a lane: by the list of lanes, all sessions are found.
    outbox::lane_or_new(ctx, account)?;
    save(ctx, &session);
    let added = session.id().as_bytes().to_vec();
    sessions.push(session);
    for id in surplus(&sessions) {
        erase(ctx, account, device.as_ref(), id.as_bytes())?;
        sessions.retain(|session| session.id() != id);
    }
    sessions.sort_by_key(|session| std::cmp::Reverse(session.rank()));
    let mut renewed = false;
    change(ctx, account, device, |peer| {
        let retired = |id: &[u8]| peer.sessions.iter().any(|known| known.retired && known.session_id == id);
        let order = sessions.iter().map(|session| session.id().as_bytes().to_vec());
        let order = order.map(|id| PeerSession { retired: retired(&id), session_id: id }).collect();
        peer.sessions = order;
        renewed = ours && peer.renew;
        // If the other side has begun anew as well, one of the two will do.
        peer.renew &= !ours && peer.sessions.first().is_none_or(|best| best.session_id != added);
    })?;
    Ok(renewed)
}

fn change(
    ctx: &mut Ctx<'_, '_>,
    account: &AccountId,
    device: &DeviceId,
    change: impl FnOnce(&mut PeerDevice),
) -> Result<(), EngineError> {
    let mut peers = peers(ctx, account)?;
    match peers.devices.iter_mut().find(|peer| peer.device_id == device.as_ref()) {
        Some(peer) => change(peer),
        None => {
            let mut peer = PeerDevice { device_id: device.to_vec(), ..Default::default() };
            change(&mut peer);
            peers.devices.push(peer);
        }
    }
    if peers.devices.len() > MAX_DEVICES {
        let oldest = peers.devices.remove(0);
        for session in &oldest.sessions {
            erase(ctx, account, &oldest.device_id, &session.session_id)?;
        }
    }
    ctx.save(PEERS, account.as_ref(), 0, &peers);
    Ok(())
}

fn peers(ctx: &Ctx<'_, '_>, account: &AccountId) -> Result<Peers, EngineError> {
    Ok(ctx.load(PEERS, account.as_ref(), 0)?.unwrap_or_default())
}

fn all(ctx: &Ctx<'_, '_>, account: &AccountId, device: &DeviceId) -> Result<Vec<Session>, EngineError> {
    let peers = peers(ctx, account)?;
    let Some(peer) = peers.devices.iter().find(|peer| peer.device_id == device.as_ref()) else {
        return Ok(Vec::new());
    };
    let mut sessions = Vec::with_capacity(peer.sessions.len());
    for known in &peer.sessions {
        sessions.extend(load(ctx, account, device, &known.session_id)?);
    }
    Ok(sessions)
}

fn load(
    ctx: &Ctx<'_, '_>,
    account: &AccountId,
    device: &DeviceId,
    session: &[u8],
) -> Result<Option<Session>, EngineError> {
    let Some(row) = ctx.tx.get(SESSIONS, &key(account, device, session), 0)? else { return Ok(None) };
    Session::decode(&row).map(Some).map_err(|_| unreadable())
}

fn erase(
    ctx: &mut Ctx<'_, '_>,
    account: &AccountId,
    device: impl AsRef<[u8]>,
    session: &[u8],
) -> Result<(), EngineError> {
    let key = key(account, device, session);
    ctx.tx.delete(SESSIONS, &key, 0);
    ctx.tx.delete_all(SKIPPED, &key)?;
    Ok(())
}

fn apply(
    ctx: &mut Ctx<'_, '_>,
    account: &AccountId,
    device: &DeviceId,
    session: &SessionId,
    delta: SkippedDelta,
) {
    let key = key(account, device, session.as_bytes());
    for (id, message_key) in &delta.insert {
        ctx.tx.put(SKIPPED, &key, id.seq(), message_key.expose().to_vec());
    }
    for id in delta.used.iter().chain(&delta.evicted) {
        ctx.tx.delete(SKIPPED, &key, id.seq());
    }
}

/// The identity stands in the key because another account could certify the same device key.
fn key(account: &AccountId, device: impl AsRef<[u8]>, session: &[u8]) -> Vec<u8> {
    [account.as_ref(), device.as_ref(), session].concat()
}

fn expired(error: &BundleError) -> bool {
    let (BundleError::Signed(error) | BundleError::OneTime(error) | BundleError::Kem(error)) = error;
    *error == PrekeyError::Expired
}

const fn unreadable() -> EngineError {
    EngineError::Row { what: SESSIONS.name() }
}

/// The skipped keys of one session, as the store has them.
struct Keys<'a, 's> {
    tx: &'a Tx<'s>,
    prefix: Vec<u8>,
}

impl SkippedKeys for Keys<'_, '_> {
    type Error = StoreError;

    fn get(&self, id: &SkippedId) -> Result<Option<MessageKey>, StoreError> {
        let Some(row) = self.tx.get(SKIPPED, &self.prefix, id.seq())? else { return Ok(None) };
        let row = row.as_slice().try_into().map_err(|_| StoreError::Corrupt { table: SKIPPED.name() })?;
        Ok(Some(MessageKey::restore(row)))
    }

    fn oldest(
        &self,
        session: SessionId,
        chains: RangeInclusive<u32>,
        limit: usize,
    ) -> Result<Vec<SkippedId>, StoreError> {
        let first = SkippedId { session, chain: *chains.start(), count: 0 }.seq();
        let last = SkippedId { session, chain: *chains.end(), count: u32::MAX }.seq();
        let rows = self.tx.scan(SKIPPED, &self.prefix, first..=last, Direction::Forward, limit)?;
        Ok(rows.into_iter().map(|(seq, _)| SkippedId::from_seq(session, seq)).collect())
    }
}
