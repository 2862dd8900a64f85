use serde::{Deserialize, Serialize};
use wheesht_core::{
    crypto::sign::{SigningKey, VerifyingKey},
    proto::{account, ids::DeviceId, prost::Message},
    signed::{StatementError, UnverifiedStatement},
};

use super::{
    check,
    forge::{NOW_MS, STATEMENT, device, device_id, public},
    hex, unhex, unhex_array,
};

#[derive(Serialize, Deserialize)]
struct Case {
    name: String,
    rule: String,
    /// Encoded `SignedStatement`.
    statement: String,
    signing_key: String,
    device_id: String,
    expect: String,
    /// If `ok`.
    commit_counter: Option<u64>,
}

#[test]
fn statements_end_as_their_file_says() {
    let about = "Devices' statements of their commit counter, each to be verified for the device with `signing_key` and `device_id`.";
    check("statements.json", about, "account.md", cases(), run);
}

fn run(case: &Case) {
    let key = VerifyingKey::from_bytes(&unhex_array(&case.signing_key)).unwrap();
    let id = DeviceId::try_from(&*unhex(&case.device_id)).unwrap();
    let verified =
        UnverifiedStatement::decode(&unhex(&case.statement)).and_then(|read| read.verify(&key, &id));
    let outcome = match &verified {
        Ok(_) => "ok",
        Err(StatementError::Malformed) => "malformed",
        Err(StatementError::OtherDevice) => "other-device",
        Err(StatementError::BadSignature) => "bad-signature",
    };
    assert_eq!(outcome, case.expect, "{}", case.name);
    assert_eq!(
        verified.ok().map(|statement| statement.commit_counter()),
        case.commit_counter,
        "{}",
        case.name
    );
}

fn message(counter: u64) -> account::Statement {
    account::Statement { device_id: device_id(&device(1)), commit_counter: counter, at_ms: NOW_MS }
}

fn sign(key: &SigningKey, message: &account::Statement) -> Vec<u8> {
    let statement = message.encode_to_vec();
    let signature = key.sign(&STATEMENT, &[&statement]).to_vec();
    account::SignedStatement { statement, signature }.encode_to_vec()
}

fn cases() -> Vec<Case> {
    let case = |name: &str, rule: &str, statement: &[u8], expect: &str, commit_counter| Case {
        name: name.into(),
        rule: rule.into(),
        statement: hex(statement),
        signing_key: hex(&public(&device(1))),
        device_id: hex(&device_id(&device(1))),
        expect: expect.into(),
        commit_counter,
    };
    let good = sign(&device(1), &message(42));
    let mut flipped = good.clone();
    flipped[21] ^= 1;
    let mut foreign = message(42);
    foreign.device_id = device_id(&device(2));
    let mut trailing = good.clone();
    trailing.extend([0x7a, 1, 0]);
    vec![
        case("as it should be", "ACC-30", &good, "ok", Some(42)),
        case(
            "the highest counter there is",
            "ACC-30",
            &sign(&device(1), &message(u64::MAX)),
            "ok",
            Some(u64::MAX),
        ),
        case("another device's", "ACC-30", &sign(&device(2), &foreign), "other-device", None),
        case("signed by another device", "ACC-30", &sign(&device(2), &message(42)), "bad-signature", None),
        case("the counter changed", "ACC-1", &flipped, "bad-signature", None),
        case("an unknown field outside the signature", "ACC-3", &trailing, "malformed", None),
    ]
}
