//! `pqxdh.json`: sessions begun with named randomness, accepted from the first message alone, or refused.

use prost::Message;
use serde_json::{Value, json};

use super::{NOW, Named, array, bytes, certificate, device, hex, hold, number};
use crate::{
    crypto::{
        dh::DhSecret,
        kem::{Kem, KemSeed, MlKem768},
    },
    proto::{limits::PREKEY_LIFETIME_MS, relay, session as wire},
    protocol::{
        LocalDevice, Session,
        prekeys::{PrekeySecret, PrivatePrekey, UnverifiedBundle},
        session::{PrekeyRows, RespondError, UnverifiedSessionMessage},
    },
    signed::{PrekeyKind, SignedPrekey},
    time::Timestamp,
};

const CONTENT: &[u8] = b"hush";

fn row(value: &Value, kind: PrekeyKind) -> Option<PrivatePrekey> {
    let secret = match kind {
        PrekeyKind::OneTimeKem | PrekeyKind::LastResortKem => {
            PrekeySecret::Kem(KemSeed::restore(&bytes(value.get("seed")?).try_into().unwrap()))
        }
        _ => PrekeySecret::Dh(DhSecret::from_secret_bytes(&array(value.get("secret")?))),
    };
    let expires = NOW.plus_millis(PREKEY_LIFETIME_MS);
    Some(PrivatePrekey::of(kind, number(&value["id"]), expires, secret))
}

fn kem_kind(case: &Value) -> PrekeyKind {
    if case["kem"]["last_resort"] == true { PrekeyKind::LastResortKem } else { PrekeyKind::OneTimeKem }
}

/// The first message of a session begun as the case says.
fn initiate(case: &Value) -> (Session, Vec<u8>) {
    let (initiator, responder) =
        (certificate(&case["initiator_certificate"]), certificate(&case["responder_certificate"]));
    let dh = DhSecret::from_secret_bytes(&array(&case["initiator_dh_secret"]));
    let signing = device(0x20).signing;
    let publish = |row: Option<PrivatePrekey>| {
        let Some(row) = row else { return Vec::new() };
        let public = row.public_key();
        let signed = SignedPrekey::sign(&signing, row.kind(), row.id(), &public, NOW, row.expires()).unwrap();
        signed.encoded().to_vec()
    };
    let bundle = relay::Bundle {
        signed_prekey: publish(row(&case["signed_prekey"], PrekeyKind::SignedX25519)),
        one_time: publish(row(&case["one_time"], PrekeyKind::OneTimeX25519)),
        kem: publish(row(&case["kem"], kem_kind(case))),
    };
    let bundle = UnverifiedBundle::decode(&bundle).unwrap().verify(&responder, NOW).unwrap();
    let local = LocalDevice { certificate: &initiator, dh: &dh };
    let named = ["base_secret", "kem_randomness", "ratchet_secret"].map(|name| bytes(&case[name])).concat();
    let mut rng = Named(named);
    let generation = number(&case["generation"]);
    let mut session = Session::initiate(&local, &responder, &bundle, generation, NOW, &mut rng).unwrap();
    let message = session.encrypt(CONTENT, b"", NOW, &mut rng).unwrap();
    (session, message)
}

fn respond(case: &Value) -> String {
    let message = match UnverifiedSessionMessage::decode(&bytes(&case["message"])) {
        Ok(message) => message,
        Err(_) => return "malformed".to_owned(),
    };
    let (initiator, responder) =
        (certificate(&case["initiator_certificate"]), certificate(&case["responder_certificate"]));
    let dh = DhSecret::from_secret_bytes(&array(&case["responder_dh_secret"]));
    let local = LocalDevice { certificate: &responder, dh: &dh };
    let rows = PrekeyRows {
        signed: row(&case["signed_prekey"], PrekeyKind::SignedX25519),
        one_time: row(&case["one_time"], PrekeyKind::OneTimeX25519),
        kem: row(&case["kem"], kem_kind(case)),
        base_key_seen: case["base_key_seen"] == true,
    };
    let now = Timestamp::from_millis(case["now_ms"].as_u64().unwrap());
    match Session::respond(&local, &initiator, &rows, &message, b"", now) {
        Ok(accepted) => {
            assert_eq!(hex(&*accepted.content), case["content"].as_str().unwrap());
            assert_eq!(hex(accepted.session.id().as_bytes()), case["session_id"].as_str().unwrap());
            "ok"
        }
        Err(RespondError::NoSetup) => "no_setup",
        Err(RespondError::UnfitPeer) => "unfit_peer",
        Err(RespondError::PrekeyGone) => "prekey_gone",
        Err(RespondError::OtherKind) => "other_kind",
        Err(RespondError::Replay) => "replay",
        Err(RespondError::NotFirst) => "not_first",
        Err(RespondError::NotAuthentic) => "not_authentic",
        Err(RespondError::Malformed) => "malformed_content",
    }
    .to_owned()
}

fn good(name: &str, one_time: bool, last_resort: bool) -> Value {
    let (alice, bob) = (device(0x10), device(0x20));
    let one_time = one_time.then(|| json!({ "id": 2, "secret": hex([0x52; 32]) }));
    let mut case = json!({
        "name": name,
        "initiator_certificate": hex(alice.certificate.encoded()),
        "initiator_dh_secret": hex([0x12; 32]),
        "responder_certificate": hex(bob.certificate.encoded()),
        "responder_dh_secret": hex([0x22; 32]),
        "signed_prekey": { "id": 1, "secret": hex([0x51; 32]) },
        "one_time": one_time,
        "kem": { "id": 3, "seed": hex([0x53; 64]), "last_resort": last_resort },
        "base_key_seen": false,
        "now_ms": NOW.as_millis(),
        "generation": 7,
        "base_secret": hex([0x61; 32]),
        "kem_randomness": hex([0x62; 32]),
        "ratchet_secret": hex([0x63; 32]),
        "content": hex(CONTENT),
    });
    let (session, message) = initiate(&case);
    case["session_id"] = hex(session.id().as_bytes()).into();
    case["message"] = hex(message).into();
    case
}

fn changed(name: &str, change: impl FnOnce(&mut wire::PrekeyMessage)) -> Value {
    let mut case = good(name, true, false);
    let mut message = wire::SessionMessage::decode(&*bytes(&case["message"])).unwrap();
    match message.kind.as_mut() {
        Some(wire::session_message::Kind::Prekey(prekey)) => change(prekey),
        _ => panic!("no prekey message"),
    }
    case["message"] = hex(message.encode_to_vec()).into();
    case
}

fn with(name: &str, last_resort: bool, change: impl FnOnce(&mut Value)) -> Value {
    let mut case = good(name, true, last_resort);
    change(&mut case);
    case
}

#[test]
fn ses_7_ses_8_pqxdh_vectors() {
    let too_late = NOW.plus_millis(PREKEY_LIFETIME_MS + crate::proto::limits::ENVELOPE_LIFETIME_MS);
    let carol = hex(device(0x30).certificate.encoded());
    let mut cases = vec![
        good("all one-time keys", true, false),
        good("no one-time X25519 key", false, false),
        good("last-resort KEM key", false, true),
        changed("base key of small order", |prekey| prekey.base_key = vec![0; 32]),
        changed("another base key", |prekey| prekey.base_key[0] ^= 1),
        changed("another KEM ciphertext", |prekey| prekey.kem_ciphertext[0] ^= 1),
        changed("a KEM ciphertext of another length", |prekey| prekey.kem_ciphertext.push(0)),
        changed("another generation", |prekey| prekey.generation = 8),
        changed("another suite", |prekey| prekey.suite = 2),
        changed("an id that names no prekey", |prekey| prekey.signed_prekey_id = 9),
        changed("a one-time KEM key called last resort", |prekey| prekey.kem_last_resort = true),
        changed("the one-time key left out", |prekey| prekey.one_time_id = 0),
        with("another initiator", false, |case| case["initiator_certificate"] = carol.clone().into()),
        with("another responder", false, |case| case["responder_certificate"] = carol.clone().into()),
        with("the responder itself", false, |case| {
            case["initiator_certificate"] = case["responder_certificate"].clone();
        }),
        with("a one-time key already used", false, |case| case["one_time"] = Value::Null),
        with("a last-resort key's base key again", true, |case| case["base_key_seen"] = true.into()),
        with("30 days after the prekeys' expiry", false, |case| case["now_ms"] = too_late.as_millis().into()),
    ];
    for case in &mut cases {
        case["outcome"] = respond(case).into();
    }
    assert!(cases[..3].iter().all(|case| case["outcome"] == "ok"));
    assert!(cases[3..].iter().all(|case| case["outcome"] != "ok"));
    let about = "A session begun with named randomness; its first message with an empty caller's additional data; \
        and what the responder makes of it. Prekeys expire 90 days after 1764000000000.";
    hold("pqxdh.json", &json!({ "about": about, "cases": cases }), |case| {
        assert_eq!(respond(case), case["outcome"].as_str().unwrap(), "{}", case["name"]);
        if case["outcome"] == "ok" {
            assert_eq!(hex(initiate(case).1), case["message"].as_str().unwrap());
            let seed = KemSeed::restore(&array(&case["kem"]["seed"]));
            assert_eq!(MlKem768::public_key(&seed).len(), MlKem768::PUBLIC_LEN);
        }
    });
}
