#![cfg(all(feature = "opaque", feature = "protocol"))]

use chacha20::{ChaCha20Rng, rand_core::SeedableRng};
use serde::{Deserialize, Serialize};
use wheesht_core::{
    crypto::secret::Secret,
    opaque::ExportKey,
    proto::{account, prost::Message, relay},
    signed::IdentityKey,
    vault::{RootSecrets, StateKey, VaultError, VaultKeys, open_root, seal_root},
};

use super::{check, forge::ADDRESS, hex, unhex, unhex_array};

fn name(error: VaultError) -> &'static str {
    match error {
        VaultError::NotAuthentic => "not-authentic",
        VaultError::Format(_) => "unknown-format",
        VaultError::Malformed => "malformed",
        VaultError::Record(_) => "record-refused",
    }
}

#[derive(Clone, Serialize, Deserialize)]
struct RootCase {
    name: String,
    rule: String,
    export_key: String,
    address: String,
    sealed: String,
    expect: String,
    /// What is in it; if `ok`.
    identity_secret: Option<String>,
    state_key: Option<String>,
    state_key_epoch: Option<u64>,
}

#[test]
fn root_vaults_end_as_their_file_says() {
    let about = "Root vaults: `sealed` is to be opened with `export_key` for the account at `address`.";
    check("root_vaults.json", about, "account.md", root_cases(), |case: &RootCase| {
        let export_key = ExportKey::from_bytes(unhex_array(&case.export_key));
        let opened = open_root(&export_key, &case.address.parse().unwrap(), &unhex(&case.sealed));
        let outcome = opened.as_ref().map_or_else(|error| name(*error), |_| "ok");
        assert_eq!(outcome, case.expect, "{}", case.name);
        let opened = opened.ok();
        let secret = opened.as_ref().map(|root| hex(&*root.identity.to_secret_bytes()));
        assert_eq!(secret, case.identity_secret, "{}", case.name);
        assert_eq!(opened.as_ref().map(|root| hex(root.state_key.expose())), case.state_key, "{}", case.name);
        assert_eq!(opened.map(|root| root.state_key_epoch), case.state_key_epoch, "{}", case.name);
    });
}

fn root_cases() -> Vec<RootCase> {
    let root = RootSecrets {
        identity: IdentityKey::from_secret_bytes(&[0x11; 32]),
        state_key: StateKey::restore(&[0x12; 32]),
        state_key_epoch: 3,
    };
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let sealed = seal_root(&ExportKey::from_bytes([0x13; 64]), &ADDRESS.parse().unwrap(), &root, &mut rng);
    let good = RootCase {
        name: "as it should be".into(),
        rule: "VLT-1".into(),
        export_key: hex(&[0x13; 64]),
        address: ADDRESS.into(),
        sealed: hex(&sealed),
        expect: "ok".into(),
        identity_secret: Some(hex(&[0x11; 32])),
        state_key: Some(hex(&[0x12; 32])),
        state_key_epoch: Some(3),
    };
    let refused = |name: &str, rule: &str, expect: &str, change: &dyn Fn(&mut RootCase)| {
        let mut case = RootCase {
            name: name.into(),
            rule: rule.into(),
            expect: expect.into(),
            identity_secret: None,
            state_key: None,
            state_key_epoch: None,
            ..good.clone()
        };
        change(&mut case);
        case
    };
    let flipped = |at: usize| {
        let mut sealed = sealed.clone();
        sealed[at] ^= 1;
        hex(&sealed)
    };
    vec![
        good.clone(),
        refused("another password", "VLT-1", "not-authentic", &|case| case.export_key = hex(&[0x14; 64])),
        refused("another account", "VLT-2", "not-authentic", &|case| {
            case.address = "bob@relay.example.org".into()
        }),
        refused("of an unknown format", "VLT-6", "unknown-format", &|case| case.sealed = flipped(0)),
        refused("the salt changed", "VLT-2", "not-authentic", &|case| case.sealed = flipped(1)),
        refused("the commitment changed", "VLT-2", "not-authentic", &|case| case.sealed = flipped(33)),
        refused("the ciphertext changed", "VLT-2", "not-authentic", &|case| case.sealed = flipped(65)),
        refused("cut short", "VLT-2", "not-authentic", &|case| case.sealed.truncate(200)),
        refused("empty", "VLT-2", "not-authentic", &|case| case.sealed.clear()),
    ]
}

#[derive(Clone, Serialize, Deserialize)]
struct StateCase {
    name: String,
    rule: String,
    state_key: String,
    group: String,
    record_id: String,
    /// Encoded `wheesht.relay.v1.Record`.
    record: String,
    expect: String,
    /// Encoded `VaultGroup`; if `ok`.
    content: Option<String>,
}

#[test]
fn state_vaults_end_as_their_file_says() {
    let about = "Groups of the state vault: `record` is to be verified and opened with `state_key` as the group named `group`, which lies at `record_id`.";
    check("state_vaults.json", about, "account.md", state_cases(), |case: &StateCase| {
        let keys = VaultKeys::derive(&StateKey::restore(&unhex_array(&case.state_key)), &case.group);
        assert_eq!(keys.record_id().to_string(), case.record_id, "{}", case.name);
        let message = relay::Record::decode(&*unhex(&case.record)).unwrap();
        let opened = keys.verify(message).and_then(|record| keys.open(&record));
        let outcome = opened.as_ref().map_or_else(|error| name(*error), |_| "ok");
        assert_eq!(outcome, case.expect, "{}", case.name);
        assert_eq!(opened.ok().map(|group| hex(&group.encode_to_vec())), case.content, "{}", case.name);
    });
}

fn state_cases() -> Vec<StateCase> {
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    let state_key = StateKey::restore(&[0x12; 32]);
    let keys = VaultKeys::derive(&state_key, "contacts");
    let entry = account::VaultEntry {
        key: "contact/alice".into(),
        clock: 5,
        device_id: vec![0x21; 16],
        value: Some(b"hush".to_vec()),
        changed_ms: super::forge::NOW_MS,
    };
    let group = account::VaultGroup { entries: vec![entry] };
    let first = keys.first(&group, &mut rng).unwrap();
    let second = keys.next(&first, &account::VaultGroup::default(), &mut rng).unwrap();
    let case =
        |name: &str, rule: &str, record: relay::Record, content: Option<&account::VaultGroup>| StateCase {
            name: name.into(),
            rule: rule.into(),
            state_key: hex(state_key.expose()),
            group: "contacts".into(),
            record_id: keys.record_id().to_string(),
            record: hex(&record.encode_to_vec()),
            expect: if content.is_some() { "ok" } else { "not-authentic" }.into(),
            content: content.map(|group| hex(&group.encode_to_vec())),
        };
    let other = VaultKeys::derive(&state_key, "own");
    let elsewhere = StateCase {
        group: "own".into(),
        record_id: other.record_id().to_string(),
        expect: "record-refused".into(),
        ..case("read as another group", "VLT-3", first.to_message(), None)
    };
    vec![
        case("a first version", "VLT-4", first.to_message(), Some(&group)),
        case("a second version, empty", "VLT-4", second.to_message(), Some(&account::VaultGroup::default())),
        elsewhere,
        StateCase {
            expect: "record-refused".into(),
            ..case("unsigned", "REC-2", unsigned(first.to_message()), None)
        },
    ]
}

fn unsigned(mut record: relay::Record) -> relay::Record {
    record.signature = vec![0; 64];
    record
}
