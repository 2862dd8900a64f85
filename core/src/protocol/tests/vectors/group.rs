//! `group-messages.json`: a message encrypted under a named chain and sealed under a named outer key, and what does not open.

use std::convert::Infallible;

use serde_json::{Value, json};

use super::{NOW, Named, array, bytes, hex, hold, number};
use crate::{
    crypto::secret::Secret,
    proto::{
        group as wire,
        ids::{DeviceId, GroupId},
    },
    protocol::{
        MessageKey,
        group::{
            GroupSkippedKeys, Inside, MessageContext, OuterKey, ReceiverChain, RefusedMessage, SenderChain,
            outer::{self, OpenError},
        },
    },
};

struct NoneKept;

impl GroupSkippedKeys for NoneKept {
    type Error = Infallible;

    fn get(&self, _: u32) -> Result<Option<MessageKey>, Infallible> {
        Ok(None)
    }
}

fn outcome(case: &Value) -> &'static str {
    let key = OuterKey::restore(&array(&case["outer_key"]));
    let message = match outer::open(&key, &bytes(&case["envelope"])) {
        Ok(Inside::Message(message)) => message,
        Ok(Inside::Pairwise { .. }) => return "pairwise",
        Err(OpenError::Malformed) => return "malformed",
        Err(OpenError::NotAuthentic) => return "not_authentic",
        Err(OpenError::Inside(_)) => return "malformed_inside",
    };
    let given = &case["given"];
    let chain = ReceiverChain::from_key(&wire::ChainKey {
        chain_id: bytes(&given["chain_id"]),
        signing_key: bytes(&given["signing_key"]),
        key: bytes(&given["key"]),
        count: number(&given["count"]),
        made_ms: 0,
    })
    .unwrap();
    let (group, epoch) = (GroupId::new(array(&case["group_id"])), u64::from(number(&case["epoch"])));
    match chain.open(&message, group, epoch, &bytes(&case["additional"]), &NoneKept, NOW) {
        Ok(opened) => {
            assert_eq!(hex(&*opened.content), case["content"].as_str().unwrap());
            "ok"
        }
        Err(RefusedMessage::NotAuthentic) => "refused",
        Err(RefusedMessage::KeyGone | RefusedMessage::BeforeGiven) => "key_gone",
        Err(RefusedMessage::TooFarAhead | RefusedMessage::Ended) => "beyond",
        Err(RefusedMessage::Store(never)) => match never {},
    }
}

#[test]
fn grm_2_grm_6_grm_7_group_message_vectors() {
    // Chain id, signing secret and chain key, in the order in which they are made.
    let begin =
        || SenderChain::begin(None, NOW, &mut Named([vec![1; 16], vec![2; 32], vec![3; 32]].concat()));
    let key = OuterKey::restore(&[4; 32]);
    let context = MessageContext {
        group: GroupId::new([5; 32]),
        epoch: 6,
        state_version: 7,
        state_hash: [8; 32],
        roster_hash: [9; 32],
        device: DeviceId::new([10; 16]),
        additional: &[],
    };
    let content = b"hush";
    let sealed = |inside: &Inside| outer::seal(&key, inside, &mut Named(vec![0x42; 24])).unwrap();
    let mut chain = begin();
    let given = chain.key_now();
    let first = chain.encrypt(&context, content).unwrap();
    let second_key = chain.key_now();
    let second = chain.encrypt(&context, content).unwrap();
    let case = |name: &str, given: &wire::ChainKey, envelope: Vec<u8>| {
        json!({
            "name": name,
            "outer_key": hex(key.expose()),
            "outer_key_commitment": hex(key.commitment(context.epoch)),
            "nonce": hex([0x42; 24]),
            "given": {
                "chain_id": hex(&given.chain_id),
                "signing_secret": hex([2; 32]),
                "signing_key": hex(&given.signing_key),
                "key": hex(&given.key),
                "count": given.count,
            },
            "group_id": hex(context.group),
            "epoch": context.epoch,
            "state_version": context.state_version,
            "state_hash": hex(context.state_hash),
            "roster_hash": hex(context.roster_hash),
            "device_id": hex(context.device),
            "additional": "",
            "content": hex(content),
            "envelope": hex(envelope),
        })
    };
    let good = sealed(&Inside::Message(first.clone()));
    let changed = |at: usize| {
        let mut envelope = good.clone();
        envelope[at] ^= 1;
        envelope
    };
    let with = |field: &str, value: Value| {
        let mut case = case(&format!("read with another {field}"), &given, good.clone());
        case[field] = value;
        case
    };
    let pairwise = Inside::Pairwise {
        sender: context.device,
        recipient: DeviceId::new([11; 16]),
        message: vec![12; 40],
    };
    let mut other_chain = given.clone();
    other_chain.chain_id = vec![13; 16];
    let mut other_key = given.clone();
    other_key.key = vec![14; 32];
    let mut cases = vec![
        case("opens", &given, good.clone()),
        case("opens, one message passed over", &given, sealed(&Inside::Message(second.clone()))),
        case("opens with the chain as given later", &second_key, sealed(&Inside::Message(second))),
        case("sent before the chain was given", &second_key, good.clone()),
        case("another form", &given, changed(0)),
        case("another suite", &given, changed(1)),
        case("another nonce", &given, changed(2)),
        case("another tag", &given, changed(26)),
        case("a changed ciphertext", &given, changed(58)),
        case("cut short", &given, good[..good.len() - 1].to_vec()),
        case("between two devices", &given, sealed(&pairwise)),
        case("another chain's id", &other_chain, good.clone()),
        case("another chain key", &other_key, good.clone()),
        with("group_id", hex([15; 32]).into()),
        with("epoch", 16.into()),
        with("additional", "11".into()),
        with("outer_key", hex([18; 32]).into()),
    ];
    for case in &mut cases {
        case["outcome"] = outcome(case).into();
    }
    assert!(cases[..3].iter().all(|case| case["outcome"] == "ok"));
    assert!(cases[3..].iter().all(|case| case["outcome"] != "ok"));
    let about = "One message of a sender chain, sealed under an epoch's outer key with a named nonce. `given` is the chain as the \
                 reader was given it; `signing_secret` and `key` with count 0 make the first case again.";
    hold("group-messages.json", &json!({ "about": about, "cases": cases }), |case| {
        assert_eq!(outcome(case), case["outcome"].as_str().unwrap(), "{}", case["name"]);
    });
    let again = sealed(&Inside::Message(begin().encrypt(&context, content).unwrap()));
    assert_eq!(again, good, "the same text in the same place is the same message");
}
