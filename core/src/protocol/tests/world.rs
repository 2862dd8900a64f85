//! Devices for tests: each with keys, prekeys, sessions and skipped keys in plain maps, applying what the protocol returns the
//! way an engine does.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    convert::Infallible,
    ops::RangeInclusive,
};

use chacha20::{ChaCha20Rng, rand_core::SeedableRng};
use zeroize::Zeroizing;

use crate::{
    crypto::dh::{DhPublic, DhSecret},
    proto::{ids::DeviceId, relay},
    protocol::{
        LocalDevice, MessageKey, Session, SkippedDelta, SkippedId, SkippedKeys,
        envelope::{self, OpenError},
        prekeys::{Bundle, PrekeyBatch, PrivatePrekey, UnverifiedBundle},
        session::{
            DecryptError, PrekeyRows, RespondError, SessionId, UnverifiedSessionMessage, choose,
            next_generation, surplus,
        },
    },
    signed::{DeviceCertificate, DeviceSigningKey, IdentityKey, PrekeyKind},
    time::Timestamp,
};

pub(super) const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

#[derive(Default, Clone)]
pub(super) struct Keys(pub(super) BTreeMap<(SessionId, u64), MessageKey>);

impl SkippedKeys for Keys {
    type Error = Infallible;

    fn get(&self, id: &SkippedId) -> Result<Option<MessageKey>, Infallible> {
        Ok(self.0.get(&(id.session, id.seq())).cloned())
    }

    fn oldest(
        &self,
        session: SessionId,
        chains: RangeInclusive<u32>,
        limit: usize,
    ) -> Result<Vec<SkippedId>, Infallible> {
        let first = u64::from(*chains.start()) << 32;
        let last = u64::from(*chains.end()) << 32 | u64::from(u32::MAX);
        let range = self.0.range((session, first)..=(session, last));
        Ok(range.take(limit).map(|((session, seq), _)| SkippedId::from_seq(*session, *seq)).collect())
    }
}

impl Keys {
    pub(super) fn apply(&mut self, delta: SkippedDelta) {
        for (id, key) in delta.insert {
            assert!(self.0.insert((id.session, id.seq()), key).is_none(), "{id:?} was there");
        }
        for id in delta.used.into_iter().chain(delta.evicted) {
            assert!(self.0.remove(&(id.session, id.seq())).is_some(), "{id:?} was not there");
        }
    }
}

/// What arrives with [`Device::receive`] and is refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Open(OpenError),
    Respond(RespondError),
    Decrypt(DecryptError<Infallible>),
}

/// Stored sessions, skipped keys, prekeys, base keys remembered.
pub(super) type State = (Vec<Vec<u8>>, Vec<(SessionId, u64)>, Vec<u32>, usize);

pub(super) struct Device {
    pub(super) signing: DeviceSigningKey,
    pub(super) certificate: DeviceCertificate,
    pub(super) dh: DhSecret,
    pub(super) prekeys: BTreeMap<u32, PrivatePrekey>,
    pub(super) published: HashMap<i32, Vec<Vec<u8>>>,
    pub(super) sessions: HashMap<DeviceId, Vec<Session>>,
    pub(super) keys: Keys,
    pub(super) seen: HashSet<DhPublic>,
    pub(super) rng: ChaCha20Rng,
    pub(super) now: Timestamp,
}

impl Device {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let identity = IdentityKey::generate(&mut rng);
        Self::of(&identity, rng)
    }

    pub(super) fn of(identity: &IdentityKey, mut rng: ChaCha20Rng) -> Self {
        let signing = DeviceSigningKey::generate(&mut rng);
        let dh = DhSecret::generate(&mut rng);
        let certificate =
            DeviceCertificate::issue(identity, &signing.verifying_key(), *dh.public().as_bytes(), NOW);
        let mut device = Self {
            signing,
            certificate,
            dh,
            prekeys: BTreeMap::new(),
            published: HashMap::new(),
            sessions: HashMap::new(),
            keys: Keys::default(),
            seen: HashSet::new(),
            rng,
            now: NOW,
        };
        device.publish(PrekeyKind::SignedX25519, 1);
        device.publish(PrekeyKind::LastResortKem, 1);
        device.publish(PrekeyKind::OneTimeX25519, 3);
        device.publish(PrekeyKind::OneTimeKem, 3);
        device
    }

    pub(super) fn local(&self) -> LocalDevice<'_> {
        LocalDevice { certificate: &self.certificate, dh: &self.dh }
    }

    pub(super) fn publish(&mut self, kind: PrekeyKind, count: usize) {
        let first = self.prekeys.keys().last().map_or(1, |last| last + 1);
        let batch =
            PrekeyBatch::generate(&self.signing, kind, first, count, self.now, &mut self.rng).unwrap();
        self.prekeys.extend(batch.private.into_iter().map(|row| (row.id(), row)));
        let published = self.published.entry(kind.into()).or_default();
        published.extend(batch.public.into_iter().map(|prekey| prekey.encoded().to_vec()));
    }

    /// What the relay hands out: one-time keys once.
    pub(super) fn raw_bundle(&mut self) -> relay::Bundle {
        let last = |kind: PrekeyKind| self.published[&kind.into()].last().cloned().unwrap_or_default();
        let (signed_prekey, last_resort) = (last(PrekeyKind::SignedX25519), last(PrekeyKind::LastResortKem));
        let mut pop = |kind: PrekeyKind| self.published.get_mut(&kind.into()).and_then(Vec::pop);
        relay::Bundle {
            signed_prekey,
            one_time: pop(PrekeyKind::OneTimeX25519).unwrap_or_default(),
            kem: pop(PrekeyKind::OneTimeKem).unwrap_or(last_resort),
        }
    }

    pub(super) fn bundle(&mut self) -> Bundle {
        let raw = self.raw_bundle();
        UnverifiedBundle::decode(&raw).unwrap().verify(&self.certificate, self.now).unwrap()
    }

    pub(super) fn sessions_with(&self, other: &Self) -> &[Session] {
        self.sessions.get(&other.certificate.device_id()).map_or(&[], Vec::as_slice)
    }

    /// Begins a session, whatever sessions there are.
    pub(super) fn begin(&mut self, other: &mut Self) -> SessionId {
        let bundle = other.bundle();
        let generation = next_generation(self.sessions_with(other));
        let local = LocalDevice { certificate: &self.certificate, dh: &self.dh };
        let session =
            Session::initiate(&local, &other.certificate, &bundle, generation, self.now, &mut self.rng)
                .unwrap();
        let id = session.id();
        self.keep(other.certificate.device_id(), session);
        id
    }

    /// Encrypts on the session of choice and seals.
    pub(super) fn send(&mut self, other: &mut Self, content: &[u8]) -> Vec<u8> {
        let message = self.encrypt(other, content);
        envelope::seal(&other.certificate, &self.certificate, &message, &mut self.rng).unwrap()
    }

    pub(super) fn encrypt(&mut self, other: &mut Self, content: &[u8]) -> Vec<u8> {
        let now = self.now;
        if choose(self.sessions_with(other)).is_none_or(|session| session.is_stale(now)) {
            self.begin(other);
        }
        let mut session = choose(self.sessions_with(other)).unwrap().clone();
        let message = session.encrypt(content, b"aad", now, &mut self.rng).unwrap();
        self.keep(other.certificate.device_id(), session);
        message
    }

    pub(super) fn receive(&mut self, envelope: &[u8]) -> Result<Zeroizing<Vec<u8>>, Refused> {
        let opened = envelope::open(&self.local(), envelope).map_err(Refused::Open)?;
        let sender = opened.certificate.verify().unwrap();
        self.accept(&sender, &opened.message)
    }

    pub(super) fn accept(
        &mut self,
        sender: &DeviceCertificate,
        message: &UnverifiedSessionMessage,
    ) -> Result<Zeroizing<Vec<u8>>, Refused> {
        let held = self.sessions.get(&sender.device_id()).map_or(&[][..], Vec::as_slice);
        if let Some(session) = held.iter().find(|session| session.id() == message.session_id()) {
            let decrypted =
                session.decrypt(sender, message, b"aad", &self.keys, self.now).map_err(Refused::Decrypt)?;
            self.keys.apply(decrypted.skipped);
            self.keep(sender.device_id(), decrypted.session);
            return Ok(decrypted.content);
        }
        let row = |id: u32| self.prekeys.get(&id).cloned();
        let rows = message.prekeys().map_or(
            PrekeyRows { signed: None, one_time: None, kem: None, base_key_seen: false },
            |needs| PrekeyRows {
                signed: row(needs.signed),
                one_time: needs.one_time.and_then(row),
                kem: row(needs.kem),
                base_key_seen: self.seen.contains(&needs.base_key),
            },
        );
        let accepted = Session::respond(&self.local(), sender, &rows, message, b"aad", self.now)
            .map_err(Refused::Respond)?;
        accepted.spent.iter().for_each(|id| assert!(self.prekeys.remove(id).is_some()));
        self.seen.extend(accepted.remember.map(|mark| mark.base_key));
        self.keys.apply(accepted.skipped);
        self.keep(sender.device_id(), accepted.session);
        Ok(accepted.content)
    }

    /// Everything that a message must not have changed when it was refused.
    pub(super) fn state(&self) -> State {
        let mut sessions: Vec<_> =
            self.sessions.values().flatten().map(|session| session.encode().to_vec()).collect();
        sessions.sort_unstable();
        let keys = self.keys.0.keys().copied().collect();
        (sessions, keys, self.prekeys.keys().copied().collect(), self.seen.len())
    }

    /// Stores a session, by way of its stored form.
    fn keep(&mut self, device: DeviceId, session: Session) {
        let session = Session::decode(&session.encode()).unwrap();
        let held = self.sessions.entry(device).or_default();
        held.retain(|other| other.id() != session.id());
        held.push(session);
        for id in surplus(held) {
            held.retain(|session| session.id() != id);
            self.keys.0.retain(|(session, _), _| *session != id);
        }
    }
}
