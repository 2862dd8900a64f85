//! A device for the cryptographic targets: keys, prekeys, sessions and skipped keys in plain maps, applying what the protocol
//! returns the way an engine does.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    ops::RangeInclusive,
};

use chacha20::ChaCha20Rng;
use prost::Message as _;
use rand_core::SeedableRng;
use wheesht_core::{
    crypto::dh::DhSecret,
    protocol::{
        LocalDevice, MessageKey, Session, SkippedDelta, SkippedId, SkippedKeys,
        envelope::{self, OpenError},
        prekeys::{PrekeyBatch, PrivatePrekey, UnverifiedBundle},
        session::{
            DecryptError, PrekeyRows, RespondError, SessionId, UnverifiedSessionMessage, choose,
            next_generation, surplus,
        },
    },
    signed::{DeviceCertificate, DeviceSigningKey, IdentityKey, PrekeyKind},
    time::Timestamp,
};
use wheesht_proto::{ids::DeviceId, relay};

pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);
pub(crate) const AAD: &[u8] = b"aad";

/// Skipped keys.
#[derive(Default, Clone)]
pub(crate) struct Keys(BTreeMap<(SessionId, u64), MessageKey>);

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
    fn apply(&mut self, delta: SkippedDelta) {
        for (id, key) in delta.insert {
            assert!(self.0.insert((id.session, id.seq()), key).is_none(), "{id:?} was there");
        }
        for id in delta.used.into_iter().chain(delta.evicted) {
            assert!(self.0.remove(&(id.session, id.seq())).is_some(), "{id:?} was not there");
        }
    }
}

/// Why something that arrived was refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Open(OpenError),
    Certificate,
    Respond(RespondError),
    Decrypt(DecryptError<Infallible>),
}

/// Everything that a refused message must not have changed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct State {
    sessions: Vec<Vec<u8>>,
    skipped: Vec<(SessionId, u64)>,
    prekeys: Vec<u32>,
    base_keys: usize,
}

/// A device, and what its relay hands out for it.
#[derive(Clone)]
pub(crate) struct Device {
    pub(crate) certificate: DeviceCertificate,
    pub(crate) published: BTreeMap<i32, Vec<Vec<u8>>>,
    pub(crate) sessions: BTreeMap<DeviceId, Vec<Session>>,
    dh: DhSecret,
    prekeys: BTreeMap<u32, PrivatePrekey>,
    keys: Keys,
    base_keys: BTreeSet<[u8; 32]>,
    seed: u64,
    draws: u64,
}

impl Device {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let signing = DeviceSigningKey::generate(&mut rng);
        let dh = DhSecret::generate(&mut rng);
        let certificate = DeviceCertificate::issue(
            &IdentityKey::generate(&mut rng),
            &signing.verifying_key(),
            *dh.public().as_bytes(),
            NOW,
        );
        let (mut prekeys, mut published) = (BTreeMap::new(), BTreeMap::<_, Vec<_>>::new());
        for (kind, count) in [
            (PrekeyKind::SignedX25519, 1),
            (PrekeyKind::LastResortKem, 1),
            (PrekeyKind::OneTimeX25519, 3),
            (PrekeyKind::OneTimeKem, 3),
        ] {
            let first = u32::try_from(prekeys.len()).unwrap() + 1;
            let batch = PrekeyBatch::generate(&signing, kind, first, count, NOW, &mut rng).unwrap();
            prekeys.extend(batch.private.into_iter().map(|row| (row.id(), row)));
            let public = batch.public.into_iter().map(|prekey| prekey.encoded().to_vec());
            published.insert(kind.into(), public.collect());
        }
        Self {
            certificate,
            published,
            sessions: BTreeMap::new(),
            dh,
            prekeys,
            keys: Keys::default(),
            base_keys: BTreeSet::new(),
            seed,
            draws: 0,
        }
    }

    /// Randomness that a clone draws alike.
    fn rng(&mut self) -> ChaCha20Rng {
        self.draws += 1;
        ChaCha20Rng::seed_from_u64(self.seed << 32 | self.draws)
    }

    pub(crate) fn local(&self) -> LocalDevice<'_> {
        LocalDevice { certificate: &self.certificate, dh: &self.dh }
    }

    pub(crate) fn private_prekeys(&self) -> impl Iterator<Item = &PrivatePrekey> {
        self.prekeys.values()
    }

    pub(crate) fn sessions_with(&self, other: &Self) -> &[Session] {
        self.sessions.get(&other.certificate.device_id()).map_or(&[], Vec::as_slice)
    }

    /// What the relay hands out: one-time keys once.
    pub(crate) fn bundle(&mut self) -> relay::Bundle {
        let last = |kind: PrekeyKind| self.published[&kind.into()].last().cloned().unwrap_or_default();
        let (signed_prekey, last_resort) = (last(PrekeyKind::SignedX25519), last(PrekeyKind::LastResortKem));
        let mut pop = |kind: PrekeyKind| self.published.get_mut(&kind.into()).and_then(Vec::pop);
        relay::Bundle {
            signed_prekey,
            one_time: pop(PrekeyKind::OneTimeX25519).unwrap_or_default(),
            kem: pop(PrekeyKind::OneTimeKem).unwrap_or(last_resort),
        }
    }

    /// Begins a session, whatever sessions there are.
    pub(crate) fn begin(&mut self, other: &mut Self) {
        let bundle = UnverifiedBundle::decode(&other.bundle()).unwrap();
        let bundle = bundle.verify(&other.certificate, NOW).unwrap();
        let generation = next_generation(self.sessions_with(other));
        let mut rng = self.rng();
        let session =
            Session::initiate(&self.local(), &other.certificate, &bundle, generation, NOW, &mut rng).unwrap();
        self.keep(other.certificate.device_id(), session);
    }

    /// Encrypts on the session of choice.
    pub(crate) fn encrypt(&mut self, other: &mut Self, content: &[u8]) -> Vec<u8> {
        if self.sessions_with(other).is_empty() {
            self.begin(other);
        }
        let mut session = choose(self.sessions_with(other)).unwrap().clone();
        let message = session.encrypt(content, AAD, NOW, &mut self.rng()).unwrap();
        self.keep(other.certificate.device_id(), session);
        message
    }

    pub(crate) fn seal(
        &mut self,
        to: &DeviceCertificate,
        as_: &DeviceCertificate,
        message: &[u8],
    ) -> Vec<u8> {
        envelope::seal(to, as_, message, &mut self.rng()).unwrap()
    }

    /// Encrypts and seals.
    pub(crate) fn send(&mut self, other: &mut Self, content: &[u8]) -> Vec<u8> {
        let message = self.encrypt(other, content);
        let own = self.certificate.clone();
        self.seal(&other.certificate, &own, &message)
    }

    /// Opens an envelope and what is in it. On an error nothing has changed.
    pub(crate) fn receive(&mut self, envelope: &[u8]) -> Result<Vec<u8>, Refused> {
        let before = self.state();
        let result = self.try_receive(envelope);
        assert!(result.is_ok() || self.state() == before, "{result:?} has changed something");
        result
    }

    fn try_receive(&mut self, envelope: &[u8]) -> Result<Vec<u8>, Refused> {
        let opened = envelope::open(&self.local(), envelope).map_err(Refused::Open)?;
        let sender = opened.certificate.verify().map_err(|_| Refused::Certificate)?;
        self.accept(&sender, &opened.message)
    }

    /// Takes a message of a verified sender.
    pub(crate) fn accept(
        &mut self,
        sender: &DeviceCertificate,
        message: &UnverifiedSessionMessage,
    ) -> Result<Vec<u8>, Refused> {
        let held = self.sessions.get(&sender.device_id()).map_or(&[][..], Vec::as_slice);
        if let Some(session) = held.iter().find(|session| session.id() == message.session_id()) {
            let decrypted =
                session.decrypt(sender, message, AAD, &self.keys, NOW).map_err(Refused::Decrypt)?;
            self.keys.apply(decrypted.skipped);
            self.keep(sender.device_id(), decrypted.session);
            return Ok(decrypted.content.to_vec());
        }
        let row = |id: u32| self.prekeys.get(&id).cloned();
        let rows = message.prekeys().map_or(
            PrekeyRows { signed: None, one_time: None, kem: None, base_key_seen: false },
            |needs| PrekeyRows {
                signed: row(needs.signed),
                one_time: needs.one_time.and_then(row),
                kem: row(needs.kem),
                base_key_seen: self.base_keys.contains(needs.base_key.as_bytes()),
            },
        );
        let accepted =
            Session::respond(&self.local(), sender, &rows, message, AAD, NOW).map_err(Refused::Respond)?;
        accepted.spent.iter().for_each(|id| assert!(self.prekeys.remove(id).is_some(), "{id} spent twice"));
        self.base_keys.extend(accepted.remember.map(|mark| *mark.base_key.as_bytes()));
        self.keys.apply(accepted.skipped);
        self.keep(sender.device_id(), accepted.session);
        Ok(accepted.content.to_vec())
    }

    pub(crate) fn state(&self) -> State {
        State {
            sessions: self.sessions.values().flatten().map(|session| session.encode().to_vec()).collect(),
            skipped: self.keys.0.keys().copied().collect(),
            prekeys: self.prekeys.keys().copied().collect(),
            base_keys: self.base_keys.len(),
        }
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

/// An encoded bundle, as a frame carries it.
pub(crate) fn encoded(bundle: &relay::Bundle) -> Vec<u8> {
    bundle.encode_to_vec()
}
