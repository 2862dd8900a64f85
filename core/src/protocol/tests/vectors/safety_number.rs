//! `safety-number.json`: the sixty digits, and the code that is scanned.

use serde_json::json;

use super::{array, bytes, hex, hold};
use crate::{
    proto::ids::AccountId,
    protocol::safety_number::{SafetyNumber, Scan, qr, scan},
};

#[test]
fn saf_1_saf_3_safety_number_vectors() {
    let accounts = [1, 2, 0xfe].map(|fill| AccountId::new([fill; 32]));
    let mut cases = Vec::new();
    for (one, other) in [(0, 1), (1, 0), (0, 2), (2, 2)] {
        let (one, other) = (accounts[one], accounts[other]);
        let number = SafetyNumber::between(&one, &other).to_string();
        cases.push(json!({ "own": hex(one), "theirs": hex(other), "number": number, "outcome": "ok" }));
    }
    let (own, theirs) = (accounts[0], accounts[1]);
    for (scanned, outcome) in [
        (qr(&theirs, &own), "match"),
        (qr(&own, &theirs), "mismatch"),
        (qr(&theirs, &accounts[2]), "mismatch"),
        (b"https://example.org".to_vec(), "not_a_code"),
    ] {
        cases.push(
            json!({ "own": hex(own), "theirs": hex(theirs), "scanned": hex(scanned), "outcome": outcome }),
        );
    }
    let about = "Identity keys, and the number or the outcome of a scan.";
    hold("safety-number.json", &json!({ "about": about, "cases": cases }), |case| {
        let (own, theirs) = (AccountId::new(array(&case["own"])), AccountId::new(array(&case["theirs"])));
        if let Some(number) = case["number"].as_str() {
            assert_eq!(SafetyNumber::between(&own, &theirs).to_string(), number);
            return;
        }
        let outcome = match scan(&own, &theirs, &bytes(&case["scanned"])) {
            Scan::Match => "match",
            Scan::Mismatch => "mismatch",
            Scan::NotACode => "not_a_code",
        };
        assert_eq!(outcome, case["outcome"].as_str().unwrap());
    });
}
