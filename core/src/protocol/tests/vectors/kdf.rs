//! `kdf.json`: HKDF and HMAC as they are used here.

use serde_json::{Value, json};

use super::{array, bytes, hex, hold};
use crate::crypto::{
    kdf::Prf,
    secret::{Secret, secret},
};

secret! { struct Key; }

const LABELS: [&str; 3] = ["wheesht/1 ratchet root", "wheesht/1 message key", "wheesht/1 envelope"];

fn label(name: &str) -> &'static str {
    LABELS.into_iter().find(|label| *label == name).unwrap()
}

fn derive(case: &Value) -> Key {
    let prf = match &case["key"] {
        Value::Null => Prf::extract(&bytes(&case["salt"]), &[&bytes(&case["ikm"])]),
        key => Prf::new(&Key::restore(&array(key))),
    };
    prf.derive(label(case["label"].as_str().unwrap()), &[&bytes(&case["context"])])
}

#[test]
fn ses_3_kdf_vectors() {
    let mut cases = vec![
        json!({ "name": "expand a uniform key", "key": hex([1; 32]), "label": LABELS[1], "context": hex([2; 32]) }),
        json!({ "name": "expand without context", "key": hex([1; 32]), "label": LABELS[1], "context": "" }),
        json!({ "name": "extract, then expand", "salt": hex([3; 32]), "ikm": hex([4; 32]), "label": LABELS[0],
            "context": "" }),
        json!({ "name": "a long salt and a context", "salt": hex([5; 64]), "ikm": hex([6; 32]), "label": LABELS[2],
            "context": hex([7; 16]) }),
    ];
    for case in &mut cases {
        case["output"] = hex(derive(case).expose()).into();
        case["outcome"] = "ok".into();
    }
    let about = "output = HMAC-SHA-256(key, label ‖ 00 ‖ context ‖ 01); where there is no key, it is \
        HMAC-SHA-256(salt, ikm).";
    hold("kdf.json", &json!({ "about": about, "cases": cases }), |case| {
        assert_eq!(hex(derive(case).expose()), case["output"].as_str().unwrap(), "{}", case["name"]);
    });
}
