//! `stored-v1.json`, beside these tests: rows as version 1 of the stored forms wrote them. They stay readable for ever.

use std::path::Path;

use chacha20::{ChaCha20Rng, rand_core::SeedableRng};
use serde_json::json;

use super::{bytes, hex, hold_at};
use crate::protocol::{Session, prekeys::PrivatePrekey, tests::world::Device};

#[test]
fn ses_17_stored_forms_of_version_1_are_read() {
    let (mut alice, mut bob) = (Device::new(1), Device::new(2));
    alice.rng = ChaCha20Rng::seed_from_u64(3);
    alice.begin(&mut bob);
    let mut cases = vec![json!({ "form": "session", "name": "begun, nothing sent",
        "bytes": hex(&*alice.sessions_with(&bob)[0].encode()) })];
    let envelopes = [alice.send(&mut bob, b"0"), alice.send(&mut bob, b"1")];
    bob.receive(&envelopes[1]).unwrap();
    for (name, device, other) in
        [("begun, not answered", &alice, &bob), ("accepted, one skipped", &bob, &alice)]
    {
        let stored = hex(&*device.sessions_with(other)[0].encode());
        cases.push(json!({ "form": "session", "name": name, "bytes": stored }));
    }
    for (name, id) in [("signed X25519", 1), ("last-resort KEM", 2)] {
        cases.push(json!({ "form": "prekey", "name": name, "bytes": hex(&*bob.prekeys[&id].encode()) }));
    }
    cases.iter_mut().for_each(|case| case["outcome"] = "ok".into());
    let about = "Rows as a client stores them, before encryption at rest. Not part of the protocol: for reopening old stores.";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/protocol/tests/stored-v1.json");
    hold_at(&path, &json!({ "about": about, "cases": cases }), |case| {
        let stored = bytes(&case["bytes"]);
        let again = match case["form"].as_str().unwrap() {
            "session" => Session::decode(&stored).unwrap().encode(),
            "prekey" => PrivatePrekey::decode(&stored).unwrap().encode(),
            other => panic!("{other}"),
        };
        assert_eq!(*again, stored, "{}", case["name"]);
    });
}
