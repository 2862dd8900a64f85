//! Where the corpora begin: what the people of the targets' worlds really said, and the usual ways to spoil it.

use prost::Message as _;
use wheesht_proto::{
    account,
    limits::PROTOCOL_VERSION,
    relay::{self, ClientFrame, RelayFrame, client_frame::Body as Ask, relay_frame::Body as Say},
};

use crate::{
    attachment,
    chunks::join,
    device::{Device, encoded},
    group::{TALK, inside},
    group_state,
    messages::WORLD,
    signed::{ACCOUNT, RECORDS},
    stored::{DISK, raw_rows},
};

/// One file of a corpus.
pub struct Seed {
    /// The target it is for.
    pub target: &'static str,
    /// What it is.
    pub name: String,
    /// What the target gets.
    pub bytes: Vec<u8>,
}

/// All of them, the same each time.
pub fn all() -> Vec<Seed> {
    let mut seeds = Vec::new();
    let mut add = |target: &'static str, name: &str, bytes: Vec<u8>| {
        seeds.push(Seed { target, name: name.to_owned(), bytes });
    };
    let world = &*WORLD;

    for (name, place, bytes) in [
        ("genuine", 0, world.envelope.clone()),
        ("inside-message", 1, world.said[0].0.clone()),
        ("inside-certificate", 2, world.alice.certificate.encoded().to_vec()),
        ("inside-other-certificate", 2, world.bob.certificate.encoded().to_vec()),
    ] {
        spoiled(&bytes, |how, bytes| add("envelope", &format!("{name}{how}"), [&[place], bytes].concat()));
    }
    for (number, (message, _)) in world.said.iter().enumerate() {
        spoiled(message, |how, bytes| add("ratchet_message", &format!("{number}{how}"), bytes.to_vec()));
    }

    let mut bob = Device::new(2);
    for name in ["first", "second", "third", "last-resort"] {
        let bundle = bob.bundle();
        add("bundle", name, encoded(&bundle));
        add("bundle", &format!("{name}-swapped"), encoded(&swapped(bundle)));
    }
    spoiled(&encoded(&Device::new(2).bundle()), |how, bytes| {
        add("bundle", &format!("first{how}"), bytes.to_vec())
    });
    add("bundle", "another-device", encoded(&Device::new(1).bundle()));

    for (name, bytes) in group_state::seeds() {
        spoiled(&bytes, |how, bytes| add("group_state", &format!("{name}{how}"), bytes.to_vec()));
    }
    for (name, bytes) in attachment::seeds() {
        add("attachment", name, bytes);
    }

    let account = &*ACCOUNT;
    let history: Vec<&[u8]> = account.history.iter().map(|manifest| manifest.encoded()).collect();
    let parts = |parts: &[&[u8]]| join(parts.iter().map(|part| (0, *part)));
    add("manifest", "history", parts(&history));
    add("manifest", "reversed", parts(&[history[2], history[1], history[0]]));
    add("manifest", "gap", parts(&[history[0], history[2]]));
    add("manifest", "draft", parts(&[history[0], &account.draft]));
    spoiled(history[1], |how, bytes| add("manifest", &format!("second{how}"), parts(&[history[0], bytes])));
    let mut borrowed = account::SignedManifest::decode(history[1]).expect("it is one");
    borrowed.countersignature.clone_from(&borrowed.identity_signature);
    add("manifest", "borrowed-signature", parts(&[history[0], &borrowed.encode_to_vec()]));

    for (name, record) in [("first", &RECORDS[0]), ("second", &RECORDS[1])] {
        let bytes = record.to_message().encode_to_vec();
        spoiled(&bytes, |how, bytes| add("record", &format!("{name}{how}"), bytes.to_vec()));
    }

    let (answered, begun) = (world.bob.sessions_with(&world.alice), world.alice.clone());
    let mut begun = begun;
    begun.begin(&mut Device::new(6));
    let sessions = answered.iter().chain(begun.sessions.values().flatten());
    for (number, session) in sessions.enumerate() {
        spoiled(&session.encode(), |how, bytes| {
            add("stored_session", &format!("session-{number}{how}"), [&[0], bytes].concat());
        });
    }
    for prekey in Device::new(2).private_prekeys().take(4) {
        add(
            "stored_session",
            &format!("prekey-{}", prekey.id()),
            [&[1], prekey.encode().as_slice()].concat(),
        );
    }

    let rows = raw_rows(&DISK);
    for (place, (_, row)) in rows.iter().enumerate() {
        let place = u8::try_from(place).expect("a few rows");
        spoiled(row, |how, bytes| add("stored_row", &format!("{place}{how}"), [&[place], bytes].concat()));
        add("stored_row", &format!("{place}-moved"), [&[place], rows[1].1.as_slice()].concat());
    }
    add("stored_row", "slot-empty", vec![255]);
    add("stored_row", "slot-newer", [&[255], b"wheesht store\xff\xff".as_slice()].concat());

    for (name, acts) in [
        ("talk", &[0, 2, 2, 0, 2, 0, 0, 0x81, 2, 0, 2, 0][..]),
        ("both-begin", &[1, 0, 1, 0x80, 0, 0, 0, 0x80, 2, 0, 2, 0, 0, 1, 2, 1, 2, 0]),
        ("reordered", &[0, 5, 7, 0, 2, 5, 2, 3, 2, 1, 0, 0x80, 2, 9, 2, 0, 0, 3, 2, 2]),
        ("repeated", &[0, 1, 4, 0, 4, 0, 2, 0, 4, 0, 2, 0]),
        ("damaged", &[0, 1, 6, 0, 3, 0, 6, 1, 200, 0, 2, 0, 2, 0]),
        ("lost", &[0, 3, 5, 0, 5, 0, 2, 0, 0, 0x83, 5, 1, 2, 0]),
        ("crowded", &[1, 0, 1, 0, 1, 0x80, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0x80, 0, 0x80, 2, 0, 2, 0, 2, 0]),
    ] {
        add("two_peers", name, acts.to_vec());
    }

    let talk = &*TALK;
    for (number, (_, envelope)) in talk.said.iter().enumerate() {
        spoiled(envelope, |how, bytes| {
            add("group_envelope", &format!("said-{number}{how}"), [&[0], bytes].concat());
        });
    }
    add("group_envelope", "pairwise", [&[0], talk.pairwise.as_slice()].concat());
    for (number, inside) in inside().iter().enumerate() {
        spoiled(inside, |how, bytes| {
            add("group_envelope", &format!("inside-{number}{how}"), [&[1], bytes].concat());
        });
    }
    spoiled(&talk.given.encode_to_vec(), |how, bytes| {
        add("group_envelope", &format!("given{how}"), [&[2], bytes].concat());
    });
    for (number, stored) in talk.stored.iter().enumerate() {
        spoiled(stored, |how, bytes| {
            add("group_envelope", &format!("stored-{number}{how}"), [&[3], bytes].concat());
        });
    }
    for (name, acts) in [
        ("in-order", &[0, 1, 2, 3][..]),
        ("reversed", &[3, 2, 1, 0]),
        ("repeated", &[1, 1, 0, 3, 1, 0, 2, 2]),
        ("damaged", &[4, 13, 0, 22, 31, 1, 0xff, 2, 0x7f, 3]),
    ] {
        add("group_network", name, acts.to_vec());
    }

    frames(&mut add);
    seeds
}

/// Requests to the relay, pushes and replies: with the right fields, wrong ones, and none.
fn frames(add: &mut impl FnMut(&'static str, &str, Vec<u8>)) {
    let bytes = |length: usize| vec![7; length];
    let asks = [
        ("hello", Ask::Hello(relay::Hello { min_version: PROTOCOL_VERSION, max_version: PROTOCOL_VERSION })),
        ("ping", Ask::Ping(relay::Ping {})),
        (
            "register",
            Ask::RegisterStart(relay::RegisterStart { name: "dave".to_owned(), request: bytes(32) }),
        ),
        (
            "register-finish",
            Ask::RegisterFinish(relay::RegisterFinish {
                name: "dave".to_owned(),
                record: bytes(192),
                root_vault: bytes(160),
                manifest: ACCOUNT.history[0].encoded().to_vec(),
                request_address: bytes(16),
            }),
        ),
        ("login", Ask::LoginStart(relay::LoginStart { name: "alice".to_owned(), request: bytes(96) })),
        ("login-finish", Ask::LoginFinish(relay::LoginFinish { finalization: bytes(64) })),
        (
            "propose",
            Ask::ProposeManifest(relay::ProposeManifest {
                manifest: bytes(300),
                root_vault: bytes(160),
                proof: bytes(32),
            }),
        ),
        ("withdraw", Ask::WithdrawProposal(relay::WithdrawProposal { proposal_id: bytes(32) })),
        (
            "device-login",
            Ask::DeviceLogin(relay::DeviceLogin {
                name: "alice".to_owned(),
                device_id: bytes(16),
                signature: bytes(64),
            }),
        ),
        ("confirm", Ask::ConfirmProposal(relay::ConfirmProposal { manifest: bytes(300) })),
        ("reject", Ask::RejectProposal(relay::RejectProposal { proposal_id: bytes(32) })),
        ("put-address", Ask::PutAddress(relay::PutAddress { address: bytes(16), kind: 1 })),
        ("close-address", Ask::CloseAddress(relay::CloseAddress { address: bytes(16) })),
        (
            "prekeys",
            Ask::UploadPrekeys(relay::UploadPrekeys {
                signed_prekey: bytes(150),
                last_resort_kem: bytes(1_300),
                one_time: vec![bytes(150)],
                one_time_kem: Vec::new(),
            }),
        ),
        ("subscribe", Ask::Subscribe(relay::Subscribe { credit: u32::MAX })),
        ("credit", Ask::Credit(relay::Credit { envelopes: u32::MAX })),
        ("ack", Ask::Ack(relay::Ack { envelope_ids: vec![bytes(16), bytes(15), Vec::new()] })),
        ("statement", Ask::PutStatement(relay::PutStatement { statement: bytes(100) })),
        (
            "put-record",
            Ask::PutRecord(relay::PutRecord { record: Some(RECORDS[0].to_message()), ..Default::default() }),
        ),
        ("put-no-record", Ask::PutRecord(relay::PutRecord::default())),
        ("lookup", Ask::Lookup(relay::Lookup { name: "bob".to_owned() })),
        (
            "manifests",
            Ask::GetManifests(relay::GetManifests { name: "bob".to_owned(), from_version: u64::MAX }),
        ),
        ("bundle", Ask::FetchBundle(relay::FetchBundle { address: bytes(16), device_id: bytes(16) })),
        ("get-record", Ask::GetRecord(relay::GetRecord { id: RECORDS[0].id().to_vec() })),
        ("deposit", deposit(vec![bytes(16)], bytes(200))),
        ("deposit-unsorted", deposit(vec![vec![9; 16], bytes(16), bytes(16)], bytes(200))),
        ("deposit-nothing", Ask::Deposit(relay::Deposit { entries: Vec::new() })),
    ];
    let mut all = Vec::new();
    for (name, ask) in asks {
        let frame = ClientFrame { id: 1 << 40, body: Some(ask) }.encode_to_vec();
        all.push((0, frame.clone()));
        add("frame", &format!("ask-{name}"), join([(0, &frame), (1, &frame), (1, &frame)]));
    }
    add("frame", "ask-nothing", join([(0, [8, 1]), (1, [8, 1])]));
    add("frame", "ask-all", join(all.into_iter().take(16)));

    let error = |code| Say::Error(relay::Error { code, detail: "no".to_owned(), retry_after_ms: u32::MAX });
    let result = |code| relay::AddressResult { code, retry_after_ms: u32::MAX };
    let results = |results| Say::DepositResults(relay::DepositResults { results });
    let manifest = ACCOUNT.history[0].encoded().to_vec();
    let says = [
        ("ok", Say::Ok(relay::Ok {})),
        ("error", error(1)),
        ("not-found", error(6)),
        ("rate-limited", error(9)),
        ("unknown-error", error(99)),
        ("unavailable", error(13)),
        ("hello", Say::HelloOk(relay::HelloOk { version: 9, ..Default::default() })),
        ("session", Say::DeviceSession(relay::DeviceSession::default())),
        ("counts", Say::PrekeyCounts(relay::PrekeyCounts::default())),
        (
            "stranger",
            Say::LookupOk(relay::LookupOk {
                manifest: manifest.clone(),
                request_address: bytes(16),
                directory_proof: Vec::new(),
            }),
        ),
        ("lookup-nothing", Say::LookupOk(relay::LookupOk::default())),
        ("manifests", Say::Manifests(relay::Manifests { manifests: vec![manifest.clone()] })),
        ("bundle", Say::Bundle(Device::new(2).bundle())),
        ("no-results", results(Vec::new())),
        ("too-many-results", results(vec![relay::DepositResult { addresses: vec![result(0); 3] }; 3])),
        ("no-such-address", results(vec![relay::DepositResult { addresses: vec![result(6)] }])),
        ("full", results(vec![relay::DepositResult { addresses: vec![result(10)] }])),
        ("record", Say::RecordOk(relay::RecordOk { record: Some(RECORDS[1].to_message()) })),
        (
            "deliver",
            Say::Deliver(relay::Deliver {
                envelope_id: bytes(16),
                address: bytes(16),
                received_ms: u64::MAX,
                envelope: WORLD.envelope.clone().into(),
                ephemeral: false,
                expires_ms: 0,
            }),
        ),
        ("deliver-nothing", Say::Deliver(relay::Deliver::default())),
        (
            "proposal",
            Say::Proposal(relay::Proposal {
                proposal_id: bytes(32),
                manifest,
                effective_at_ms: 1,
                proof: bytes(32),
            }),
        ),
        ("no-proposal", Say::Proposal(relay::Proposal::default())),
        ("decided", Say::ProposalDecided(relay::ProposalDecided { proposal_id: bytes(32), accepted: true })),
        ("goodbye", Say::Goodbye(relay::Goodbye { reconnect_after_ms: u32::MAX })),
    ];
    for (name, say) in says {
        let frame = RelayFrame { id: 0, body: Some(say) }.encode_to_vec();
        add("frame", &format!("say-{name}"), join([(2, &frame), (3, &frame), (4, &frame)]));
    }
}

fn deposit(addresses: Vec<Vec<u8>>, envelope: Vec<u8>) -> Ask {
    Ask::Deposit(relay::Deposit {
        entries: vec![relay::DepositEntry { envelope: envelope.into(), addresses, ..Default::default() }],
    })
}

/// One kind of prekey in another's place.
fn swapped(bundle: relay::Bundle) -> relay::Bundle {
    relay::Bundle { signed_prekey: bundle.one_time, one_time: bundle.signed_prekey, kem: bundle.kem }
}

/// As it is, cut short, too long, with a bit flipped near the beginning and near the end, and of another version.
fn spoiled(bytes: &[u8], mut add: impl FnMut(&str, &[u8])) {
    add("", bytes);
    add("-cut", &bytes[..bytes.len() / 2]);
    add("-long", &[bytes, &[0]].concat());
    let flip = |at: usize| {
        let mut flipped = bytes.to_vec();
        flipped[at] ^= 0x10;
        flipped
    };
    add("-flipped-early", &flip(bytes.len() / 8));
    add("-flipped-late", &flip(bytes.len() - 2));
    add("-version", &flip(0));
}
