use serde::{Deserialize, Serialize};
use wheesht_core::{
    crypto::sign::{SigningKey, VerifyingKey},
    proto::{account, ids::DeviceId, limits::PREKEY_LIFETIME_MS, prost::Message},
    signed::{PrekeyError, PrekeyKind, UnverifiedPrekey},
    time::Timestamp,
};

use super::{
    check,
    forge::{NOW_MS, PREKEY, STATEMENT, device, device_id, public},
    hex, unhex, unhex_array,
};

#[derive(Serialize, Deserialize)]
struct Case {
    name: String,
    rule: String,
    /// Encoded `SignedPrekey`.
    prekey: String,
    signing_key: String,
    device_id: String,
    /// The kind that is expected, as numbered in `PrekeyKind`.
    kind: i32,
    now_ms: u64,
    expect: String,
}

#[test]
fn prekeys_end_as_their_file_says() {
    let about = "Signed prekeys, each to be verified as one of `kind` of the device with `signing_key` and `device_id` at the time `now_ms`.";
    check("prekeys.json", about, "account.md", cases(), run);
}

fn run(case: &Case) {
    let key = VerifyingKey::from_bytes(&unhex_array(&case.signing_key)).unwrap();
    let id = DeviceId::try_from(&*unhex(&case.device_id)).unwrap();
    let kind = PrekeyKind::try_from(case.kind).unwrap();
    let now = Timestamp::from_millis(case.now_ms);
    let verified =
        UnverifiedPrekey::decode(&unhex(&case.prekey)).and_then(|read| read.verify(&key, &id, kind, now));
    let outcome = match verified {
        Ok(_) => "ok",
        Err(PrekeyError::Malformed) => "malformed",
        Err(PrekeyError::OtherKind) => "other-kind",
        Err(PrekeyError::OtherDevice) => "other-device",
        Err(PrekeyError::BadSignature) => "bad-signature",
        Err(PrekeyError::Expired) => "expired",
    };
    assert_eq!(outcome, case.expect, "{}", case.name);
}

fn message(kind: PrekeyKind) -> account::Prekey {
    let length = if matches!(kind, PrekeyKind::OneTimeKem | PrekeyKind::LastResortKem) { 1184 } else { 32 };
    account::Prekey {
        kind: kind.into(),
        id: 7,
        device_id: device_id(&device(1)),
        key: vec![0x55; length],
        created_ms: NOW_MS,
        expires_ms: NOW_MS + PREKEY_LIFETIME_MS,
    }
}

fn sign(key: &SigningKey, message: &account::Prekey) -> Vec<u8> {
    let prekey = message.encode_to_vec();
    let signature = key.sign(&PREKEY, &[&prekey]).to_vec();
    account::SignedPrekey { prekey, signature }.encode_to_vec()
}

fn cases() -> Vec<Case> {
    use PrekeyKind::{LastResortKem, OneTimeKem, OneTimeX25519, SignedX25519};
    let case = |name: &str, rule: &str, kind: PrekeyKind, prekey: &[u8], expect: &str| Case {
        name: name.into(),
        rule: rule.into(),
        prekey: hex(prekey),
        signing_key: hex(&public(&device(1))),
        device_id: hex(&device_id(&device(1))),
        kind: kind.into(),
        now_ms: NOW_MS,
        expect: expect.into(),
    };
    let good = |kind| sign(&device(1), &message(kind));
    let changed = |change: &dyn Fn(&mut account::Prekey)| {
        let mut message = message(SignedX25519);
        change(&mut message);
        sign(&device(1), &message)
    };
    let at = |now_ms, case: Case| Case { now_ms, ..case };
    let end = NOW_MS + PREKEY_LIFETIME_MS;
    let mut flipped = good(SignedX25519);
    flipped[30] ^= 1;
    let other_label = {
        let prekey = message(SignedX25519).encode_to_vec();
        let signature = device(1).sign(&STATEMENT, &[&prekey]).to_vec();
        account::SignedPrekey { prekey, signature }.encode_to_vec()
    };
    vec![
        case("signed X25519", "ACC-20", SignedX25519, &good(SignedX25519), "ok"),
        case("one-time X25519", "ACC-20", OneTimeX25519, &good(OneTimeX25519), "ok"),
        case("one-time KEM", "ACC-20", OneTimeKem, &good(OneTimeKem), "ok"),
        case("last-resort KEM", "ACC-20", LastResortKem, &good(LastResortKem), "ok"),
        at(end - 1, case("in its last millisecond", "ACC-23", SignedX25519, &good(SignedX25519), "ok")),
        at(end, case("expired", "ACC-23", SignedX25519, &good(SignedX25519), "expired")),
        case("of another kind", "ACC-22", SignedX25519, &good(OneTimeX25519), "other-kind"),
        case("the last resort as a one-time key", "ACC-22", OneTimeKem, &good(LastResortKem), "other-kind"),
        case(
            "another device's",
            "ACC-20",
            SignedX25519,
            &changed(&|m| m.device_id = device_id(&device(2))),
            "other-device",
        ),
        case(
            "signed by another device",
            "ACC-20",
            SignedX25519,
            &sign(&device(2), &message(SignedX25519)),
            "bad-signature",
        ),
        case("signed under another label", "ACC-1", SignedX25519, &other_label, "bad-signature"),
        case("a bit of the key flipped", "ACC-1", SignedX25519, &flipped, "bad-signature"),
        case("id 0", "ACC-21", SignedX25519, &changed(&|m| m.id = 0), "malformed"),
        case("a key of 33 bytes", "ACC-21", SignedX25519, &changed(&|m| m.key.push(0)), "malformed"),
        case(
            "an X25519 key as a KEM key",
            "ACC-21",
            OneTimeKem,
            &changed(&|m| m.kind = OneTimeKem.into()),
            "malformed",
        ),
        case("of an unknown kind", "ACC-21", SignedX25519, &changed(&|m| m.kind = 9), "malformed"),
        case("a life of over 90 days", "ACC-21", SignedX25519, &changed(&|m| m.expires_ms += 1), "malformed"),
        case(
            "expires when it is made",
            "ACC-21",
            SignedX25519,
            &changed(&|m| m.expires_ms = NOW_MS),
            "malformed",
        ),
    ]
}
