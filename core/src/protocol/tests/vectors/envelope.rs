//! `envelope.json`: sealing with a named ephemeral key, opening, and what does not open.

use prost::Message;
use serde_json::{Value, json};

use super::{Named, array, bytes, certificate, device, hex, hold};
use crate::{
    crypto::dh::DhSecret,
    proto::session as wire,
    protocol::{
        LocalDevice,
        envelope::{OpenError, open, seal},
        session::UnverifiedSessionMessage,
    },
};

fn outcome(case: &Value) -> String {
    let recipient = certificate(&case["recipient_certificate"]);
    let dh = DhSecret::from_secret_bytes(&array(&case["recipient_dh_secret"]));
    let local = LocalDevice { certificate: &recipient, dh: &dh };
    match open(&local, &bytes(&case["envelope"])) {
        Ok(opened) => {
            assert_eq!(hex(opened.certificate.encoded()), case["sender_certificate"].as_str().unwrap());
            let message = UnverifiedSessionMessage::decode(&bytes(&case["session_message"])).unwrap();
            assert_eq!(opened.message.session_id(), message.session_id());
            "ok"
        }
        Err(OpenError::Malformed) => "malformed",
        Err(OpenError::Unknown { .. }) => "unknown_version_or_suite",
        Err(OpenError::NotAuthentic) => "not_authentic",
        Err(OpenError::Certificate(_)) => "malformed_certificate",
        Err(OpenError::Message(_)) => "malformed_message",
    }
    .to_owned()
}

#[test]
fn env_4_env_5_envelope_vectors() {
    let (alice, bob, carol) = (device(0x10), device(0x20), device(0x30));
    // A ratchet message of no particular session: the envelope looks at its form only.
    let message = wire::SessionMessage {
        version: 1,
        kind: Some(wire::session_message::Kind::Ratchet(wire::RatchetMessage {
            session_id: vec![1; 8],
            ratchet_key: vec![2; 32],
            synthetic: vec![3; 32],
            ciphertext: vec![4; 176],
            ..wire::RatchetMessage::default()
        })),
    }
    .encode_to_vec();
    let sealed = |message: &[u8]| {
        seal(&bob.certificate, &alice.certificate, message, &mut Named(vec![0x42; 32])).unwrap()
    };
    let case = |name: &str, envelope: Vec<u8>| {
        json!({
            "name": name,
            "sender_certificate": hex(alice.certificate.encoded()),
            "recipient_certificate": hex(bob.certificate.encoded()),
            "recipient_dh_secret": hex([0x22; 32]),
            "ephemeral_secret": hex([0x42; 32]),
            "session_message": hex(&message),
            "envelope": hex(envelope),
        })
    };
    let good = sealed(&message);
    let changed = |at: usize| {
        let mut envelope = good.clone();
        envelope[at] ^= 1;
        envelope
    };
    let mut small_order = good.clone();
    small_order[2..34].fill(0);
    let mut other_recipient = case("for another device", good.clone());
    other_recipient["recipient_certificate"] = hex(carol.certificate.encoded()).into();
    other_recipient["recipient_dh_secret"] = hex([0x32; 32]).into();
    let mut other_id = case("the right DH key, another device", good.clone());
    other_id["recipient_certificate"] = hex(carol.certificate.encoded()).into();
    let mut cases = vec![
        case("opens", good.clone()),
        case("another version", changed(0)),
        case("another suite", changed(1)),
        case("another ephemeral key", changed(2)),
        case("an ephemeral key of small order", small_order),
        case("another commitment", changed(34)),
        case("a changed ciphertext", changed(66)),
        case("a changed tag", changed(good.len() - 1)),
        case("cut short", good[..good.len() - 1].to_vec()),
        case("no whole header", good[..20].to_vec()),
        case("no session message inside", sealed(b"hush")),
        other_recipient,
        other_id,
    ];
    for case in &mut cases {
        case["outcome"] = outcome(case).into();
    }
    assert_eq!(cases[0]["outcome"], "ok");
    assert!(cases[1..].iter().all(|case| case["outcome"] != "ok"));
    let about = "Sealed for the recipient's device with a named ephemeral secret.";
    hold("envelope.json", &json!({ "about": about, "cases": cases }), |case| {
        assert_eq!(outcome(case), case["outcome"].as_str().unwrap(), "{}", case["name"]);
        if case["outcome"] == "ok" {
            let (sender, recipient) =
                (certificate(&case["sender_certificate"]), certificate(&case["recipient_certificate"]));
            let mut rng = Named(bytes(&case["ephemeral_secret"]));
            let again = seal(&recipient, &sender, &bytes(&case["session_message"]), &mut rng).unwrap();
            assert_eq!(hex(again), case["envelope"].as_str().unwrap());
        }
    });
}
