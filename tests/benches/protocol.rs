//! The protocol layer against vodozemac, in one run: `cargo bench -p wheesht-tests --bench protocol`.
//!
//! Storage is left out on both sides. Ours pads 64 bytes to 160, checks a key commitment, and begins its sessions with ML-KEM
//! and signed prekeys; vodozemac's Olm does none of these. The table at the end has the medians, their ratio, and the figure
//! to reach.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark that fails should stop, and it prints its result"
)]

#[path = "protocol/group.rs"]
mod group;
#[path = "protocol/stored.rs"]
mod stored;

use std::{
    cell::RefCell, collections::BTreeMap, convert::Infallible, hint::black_box, ops::RangeInclusive,
    path::PathBuf,
};

use chacha20::ChaCha20Rng;
use criterion::{BatchSize, BenchmarkGroup, Criterion, measurement::WallTime};
use rand_core::SeedableRng;
use vodozemac::olm;
use wheesht_core::{
    crypto::dh::DhSecret,
    proto::relay,
    protocol::{
        LocalDevice, MessageKey, Session, SkippedDelta, SkippedId, SkippedKeys, envelope,
        prekeys::{PrekeyBatch, PrivatePrekey, UnverifiedBundle},
        session::{PrekeyRows, SessionId, UnverifiedSessionMessage},
    },
    signed::{DeviceCertificate, DeviceSigningKey, IdentityKey, PrekeyKind},
    time::Timestamp,
};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const CONTENT: [u8; 64] = [0x61; 64];
const OURS: &str = "wheesht";
const THEIRS: &str = "vodozemac";

/// Group, and the most microseconds it may take.
const TARGETS: [(&str, f64); 16] = [
    ("initiator", 415.0),
    ("responder", 320.0),
    ("encrypt", 3.0),
    ("decrypt", 3.0),
    ("ping-pong", 130.0),
    ("skipped-1000", 500.0),
    ("seal", 75.0),
    ("open", 60.0),
    ("group-encrypt", 22.0),
    ("group-decrypt", 40.0),
    ("group-send-1000", 50.0),
    ("group-remove-one-of-1000", 10_000.0),
    ("group-open-10", 10_000.0),
    ("group-open-100", 10_000.0),
    ("group-open-1000", 10_000.0),
    ("group-open-1000x2", 10_000.0),
];

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    initiator(&mut criterion.benchmark_group("initiator"));
    responder(&mut criterion.benchmark_group("responder"));
    encrypt(&mut criterion.benchmark_group("encrypt"));
    decrypt(&mut criterion.benchmark_group("decrypt"));
    ping_pong(&mut criterion.benchmark_group("ping-pong"));
    skipped(&mut criterion.benchmark_group("skipped-1000"));
    seal(&mut criterion.benchmark_group("seal"));
    open(&mut criterion.benchmark_group("open"));
    group::encrypt(&mut criterion.benchmark_group("group-encrypt"));
    group::decrypt(&mut criterion.benchmark_group("group-decrypt"));
    group::send_to_a_thousand(&mut criterion.benchmark_group("group-send-1000"));
    group::remove_one_of_a_thousand(&mut criterion.benchmark_group("group-remove-one-of-1000"));
    for (name, members, devices) in [("10", 10, 1), ("100", 100, 1), ("1000", 1_000, 1), ("1000x2", 1_000, 2)]
    {
        stored::open(&mut criterion.benchmark_group(format!("group-open-{name}")), members, devices);
    }
    criterion.final_summary();
    table();
}

// ---- Devices -------------------------------------------------------------------------------------------------

#[derive(Default)]
struct Keys(BTreeMap<(SessionId, u64), MessageKey>);

impl SkippedKeys for Keys {
    type Error = Infallible;

    fn get(&self, id: &SkippedId) -> Result<Option<MessageKey>, Infallible> {
        Ok(self.0.get(&(id.session, id.seq())).cloned())
    }

    fn oldest(&self, _: SessionId, _: RangeInclusive<u32>, _: usize) -> Result<Vec<SkippedId>, Infallible> {
        Ok(Vec::new())
    }
}

struct Device {
    signing: DeviceSigningKey,
    certificate: DeviceCertificate,
    dh: DhSecret,
    rng: ChaCha20Rng,
}

struct Published {
    bundle: relay::Bundle,
    rows: BTreeMap<u32, PrivatePrekey>,
}

impl Device {
    fn new(seed: u64) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let signing = DeviceSigningKey::generate(&mut rng);
        let dh = DhSecret::generate(&mut rng);
        let certificate = DeviceCertificate::issue(
            &IdentityKey::generate(&mut rng),
            &signing.verifying_key(),
            *dh.public().as_bytes(),
            NOW,
        );
        Self { signing, certificate, dh, rng }
    }

    fn local(&self) -> LocalDevice<'_> {
        LocalDevice { certificate: &self.certificate, dh: &self.dh }
    }

    fn publish(&mut self) -> Published {
        let mut rows = BTreeMap::new();
        let mut make = |kind, id| {
            let batch = PrekeyBatch::generate(&self.signing, kind, id, 1, NOW, &mut self.rng).unwrap();
            rows.extend(batch.private.into_iter().map(|row| (row.id(), row)));
            batch.public[0].encoded().to_vec()
        };
        let bundle = relay::Bundle {
            signed_prekey: make(PrekeyKind::SignedX25519, 1),
            one_time: make(PrekeyKind::OneTimeX25519, 2),
            kem: make(PrekeyKind::OneTimeKem, 3),
        };
        Published { bundle, rows }
    }

    fn initiate(&mut self, peer: &DeviceCertificate, bundle: &relay::Bundle) -> Session {
        let bundle = UnverifiedBundle::decode(bundle).unwrap().verify(peer, NOW).unwrap();
        let local = LocalDevice { certificate: &self.certificate, dh: &self.dh };
        Session::initiate(&local, peer, &bundle, 0, NOW, &mut self.rng).unwrap()
    }

    fn respond(&self, peer: &DeviceCertificate, published: &Published, message: &[u8]) -> Session {
        let row = |id| published.rows.get(&id).cloned();
        let rows = PrekeyRows { signed: row(1), one_time: row(2), kem: row(3), base_key_seen: false };
        let message = UnverifiedSessionMessage::decode(message).unwrap();
        Session::respond(&self.local(), peer, &rows, &message, &[], NOW).unwrap().session
    }
}

/// One side of an established session.
struct Side {
    device: Device,
    peer: DeviceCertificate,
    session: Session,
}

impl Side {
    fn encrypt(&mut self) -> Vec<u8> {
        self.session.encrypt(&CONTENT, &[], NOW, &mut self.device.rng).unwrap()
    }

    fn decrypt(&mut self, message: &UnverifiedSessionMessage) -> SkippedDelta {
        let decrypted = self.session.decrypt(&self.peer, message, &[], &Keys::default(), NOW).unwrap();
        self.session = decrypted.session;
        decrypted.skipped
    }
}

fn parse(message: &[u8]) -> UnverifiedSessionMessage {
    UnverifiedSessionMessage::decode(message).unwrap()
}

fn established() -> (Side, Side) {
    let (mut alice, mut bob) = (Device::new(1), Device::new(2));
    let published = bob.publish();
    let mut session = alice.initiate(&bob.certificate, &published.bundle);
    let first = session.encrypt(&CONTENT, &[], NOW, &mut alice.rng).unwrap();
    let answer = bob.respond(&alice.certificate, &published, &first);
    let (alice_certificate, bob_certificate) = (alice.certificate.clone(), bob.certificate.clone());
    let mut alice = Side { device: alice, peer: bob_certificate, session };
    let mut bob = Side { device: bob, peer: alice_certificate, session: answer };
    let message = bob.encrypt();
    alice.decrypt(&parse(&message));
    // A chain begun: what follows takes no DH step.
    let message = alice.encrypt();
    bob.decrypt(&parse(&message));
    (alice, bob)
}

/// vodozemac's, in the same state.
fn olm_established() -> (olm::Session, olm::Session) {
    let (alice, mut bob) = (olm::Account::new(), olm::Account::new());
    let (mut session, first) = olm_outbound(&alice, &mut bob);
    let olm::OlmMessage::PreKey(first) = first else { unreachable!("the first message") };
    let inbound =
        bob.create_inbound_session(olm::SessionConfig::version_1(), alice.curve25519_key(), &first).unwrap();
    let mut answer = inbound.session;
    let message = answer.encrypt(CONTENT).unwrap();
    session.decrypt(&message).unwrap();
    let message = session.encrypt(CONTENT).unwrap();
    answer.decrypt(&message).unwrap();
    (session, answer)
}

fn olm_one_time_key(account: &mut olm::Account) -> vodozemac::Curve25519PublicKey {
    account.generate_one_time_keys(1);
    let key = *account.one_time_keys().values().next().unwrap();
    account.mark_keys_as_published();
    key
}

fn olm_outbound(alice: &olm::Account, bob: &mut olm::Account) -> (olm::Session, olm::OlmMessage) {
    let key = olm_one_time_key(bob);
    let mut session =
        alice.create_outbound_session(olm::SessionConfig::version_1(), bob.curve25519_key(), key).unwrap();
    let first = session.encrypt(CONTENT).unwrap();
    (session, first)
}

// ---- Benchmarks ----------------------------------------------------------------------------------------------

type Group<'a> = BenchmarkGroup<'a, WallTime>;

/// Three prekey signatures checked, four agreements, one encapsulation. The certificate is verified already.
fn initiator(group: &mut Group<'_>) {
    let (mut alice, mut bob) = (Device::new(1), Device::new(2));
    let published = bob.publish();
    group.bench_function(OURS, |b| b.iter(|| black_box(alice.initiate(&bob.certificate, &published.bundle))));
    let (alice, mut bob) = (olm::Account::new(), olm::Account::new());
    let (identity, key) = (bob.curve25519_key(), olm_one_time_key(&mut bob));
    group.bench_function(THEIRS, |b| {
        b.iter(|| {
            black_box(alice.create_outbound_session(olm::SessionConfig::version_1(), identity, key).unwrap())
        });
    });
}

/// The session set up and its first message decrypted.
fn responder(group: &mut Group<'_>) {
    let (mut alice, mut bob) = (Device::new(1), Device::new(2));
    let published = bob.publish();
    let mut session = alice.initiate(&bob.certificate, &published.bundle);
    let first = session.encrypt(&CONTENT, &[], NOW, &mut alice.rng).unwrap();
    group.bench_function(OURS, |b| b.iter(|| black_box(bob.respond(&alice.certificate, &published, &first))));
    let alice = olm::Account::new();
    let bob = RefCell::new(olm::Account::new());
    group.bench_function(THEIRS, |b| {
        b.iter_batched(
            || match olm_outbound(&alice, &mut bob.borrow_mut()).1 {
                olm::OlmMessage::PreKey(message) => message,
                olm::OlmMessage::Normal(_) => unreachable!("the first message"),
            },
            |message| {
                let config = olm::SessionConfig::version_1();
                bob.borrow_mut().create_inbound_session(config, alice.curve25519_key(), &message).unwrap()
            },
            // An account keeps 50 one-time keys and more; a batch must not outrun it.
            BatchSize::NumIterations(20),
        );
    });
}

fn encrypt(group: &mut Group<'_>) {
    let (mut alice, _) = established();
    group.bench_function(OURS, |b| b.iter(|| black_box(alice.encrypt())));
    let (mut alice, _) = olm_established();
    group.bench_function(THEIRS, |b| b.iter(|| black_box(alice.encrypt(CONTENT).unwrap())));
}

fn decrypt(group: &mut Group<'_>) {
    let (mut alice, mut bob) = established();
    group.bench_function(OURS, |b| {
        b.iter_batched_ref(|| parse(&alice.encrypt()), |message| bob.decrypt(message), BatchSize::SmallInput);
    });
    let (mut alice, mut bob) = olm_established();
    group.bench_function(THEIRS, |b| {
        b.iter_batched_ref(
            || alice.encrypt(CONTENT).unwrap(),
            |message| bob.decrypt(message).unwrap(),
            BatchSize::SmallInput,
        );
    });
}

/// One message, encrypted with a new ratchet key and decrypted; the sides take turns.
fn ping_pong(group: &mut Group<'_>) {
    let (mut alice, mut bob) = established();
    group.bench_function(OURS, |b| {
        b.iter(|| {
            let message = bob.encrypt();
            alice.decrypt(&parse(&message));
            std::mem::swap(&mut alice, &mut bob);
        });
    });
    let (mut alice, mut bob) = olm_established();
    group.bench_function(THEIRS, |b| {
        b.iter(|| {
            let message = bob.encrypt(CONTENT).unwrap();
            alice.decrypt(&message).unwrap();
            std::mem::swap(&mut alice, &mut bob);
        });
    });
}

/// A message with a thousand missing before it. Ours keeps all their keys, vodozemac the last forty.
fn skipped(group: &mut Group<'_>) {
    let (mut alice, bob) = established();
    (0..1_000).for_each(|_| drop(alice.encrypt()));
    let message = parse(&alice.encrypt());
    group.bench_function(OURS, |b| {
        b.iter(|| {
            let decrypted = bob.session.decrypt(&bob.peer, &message, &[], &Keys::default(), NOW).unwrap();
            assert_eq!(decrypted.skipped.insert.len(), 1_000);
            decrypted
        });
    });
    let (mut alice, bob) = olm_established();
    (0..1_000).for_each(|_| drop(alice.encrypt(CONTENT).unwrap()));
    let message = alice.encrypt(CONTENT).unwrap();
    group.bench_function(THEIRS, |b| {
        b.iter_batched_ref(
            || olm::Session::from_pickle(bob.pickle()),
            |bob| bob.decrypt(&message).unwrap(),
            BatchSize::SmallInput,
        );
    });
}

fn seal(group: &mut Group<'_>) {
    let (mut alice, _) = established();
    let message = alice.encrypt();
    let Side { device, peer, .. } = &mut alice;
    group.bench_function(OURS, |b| {
        b.iter(|| envelope::seal(peer, &device.certificate, &message, &mut device.rng).unwrap());
    });
}

fn open(group: &mut Group<'_>) {
    let (mut alice, bob) = established();
    let message = alice.encrypt();
    let envelope =
        envelope::seal(&alice.peer, &alice.device.certificate, &message, &mut alice.device.rng).unwrap();
    println!("64 B: {} B in a session message, {} B sealed", message.len(), envelope.len());
    group.bench_function(OURS, |b| b.iter(|| envelope::open(&bob.device.local(), &envelope).unwrap()));
}

// ---- The table -----------------------------------------------------------------------------------------------

/// What criterion measured, side by side.
fn table() {
    println!("\n{:<24} {:>12} {:>12} {:>8} {:>10}", "median, µs", OURS, THEIRS, "ratio", "to reach");
    for (group, target) in TARGETS {
        let Some(ours) = median(group, OURS) else { continue };
        let theirs = median(group, THEIRS);
        let dash = || "–".to_owned();
        let missed = if ours > target { "  missed" } else { "" };
        println!(
            "{group:<24} {ours:>12.2} {:>12} {:>8} {target:>10}{missed}",
            theirs.map_or_else(dash, |theirs| format!("{theirs:.2}")),
            theirs.map_or_else(dash, |theirs| format!("{:.2}", ours / theirs)),
        );
    }
}

fn median(group: &str, function: &str) -> Option<f64> {
    let root = std::env::var_os("CRITERION_HOME").map_or_else(
        || {
            let target =
                std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "../target".into(), PathBuf::from);
            target.join("criterion")
        },
        PathBuf::from,
    );
    let file = std::fs::read(root.join(group).join(function).join("new/estimates.json")).ok()?;
    let estimates: serde_json::Value = serde_json::from_slice(&file).ok()?;
    estimates["median"]["point_estimate"].as_f64().map(|nanoseconds| nanoseconds / 1_000.0)
}
