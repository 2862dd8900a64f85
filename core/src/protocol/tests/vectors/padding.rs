//! `padding.json`: Padmé with a floor, and what is no padding.

use serde_json::json;

use super::{bytes, hex, hold};
use crate::protocol::padding::{BadPadding, pad, padded_len, unpad};

#[test]
fn pad_1_pad_4_padding_vectors() {
    let mut cases: Vec<_> = [0, 1, 159, 160, 175, 176, 255, 256, 1_000, 4_096, 65_536, 229_376]
        .into_iter()
        .map(|length: usize| {
            let name = format!("{length} bytes");
            json!({ "name": name, "length": length, "padded_length": padded_len(length), "outcome": "ok" })
        })
        .collect();
    for content in ["", "hush", "80", "a content that ends in zeros\0\0"] {
        let (name, padded) = (format!("{content:?}"), pad(content.as_bytes()));
        cases
            .push(json!({ "name": name, "content": hex(content), "padded": hex(&*padded), "outcome": "ok" }));
    }
    let mut refuse = |name, padded: &[u8]| {
        cases.push(json!({ "name": name, "padded": hex(padded), "outcome": "bad_padding" }));
    };
    let padded = pad(b"hush");
    refuse("no mark", &[0; 160]);
    refuse("nothing", &[]);
    refuse("shorter than its content is padded to", &padded[..159]);
    refuse("longer", &[&*padded, &[0][..]].concat());
    refuse("another mark", &[&b"hush\x81"[..], &[0; 155]].concat());
    let about = "content ‖ 80 ‖ 00…, to the length that spec/padding.md gives.";
    hold("padding.json", &json!({ "about": about, "cases": cases }), |case| {
        if let Some(length) = case["length"].as_u64() {
            let padded = padded_len(usize::try_from(length).unwrap());
            assert_eq!(Some(padded as u64), case["padded_length"].as_u64());
            return;
        }
        let padded = bytes(&case["padded"]);
        let expected = match case["outcome"].as_str().unwrap() {
            "ok" => Ok(bytes(&case["content"])),
            "bad_padding" => Err(BadPadding),
            other => panic!("{other}"),
        };
        assert_eq!(unpad(&padded).map(<[u8]>::to_vec), expected, "{}", case["name"]);
        if let Ok(content) = expected {
            assert_eq!(*pad(&content), padded);
        }
    });
}
