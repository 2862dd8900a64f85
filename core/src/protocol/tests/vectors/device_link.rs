//! `device-links.json`: links by which a device joins, and the proof that one is known.

use serde_json::json;
use wheesht_proto::ids::{AccountId, DeviceId};

use super::{NOW, array, bytes, hex, hold};
use crate::protocol::device_link::{DeviceLink, InvalidDeviceLink, LinkSecret};

fn array16(value: &serde_json::Value) -> [u8; 16] {
    bytes(value).try_into().unwrap()
}

#[test]
fn dev_20_dev_21_device_link_vectors() {
    let mut cases = Vec::new();
    for address in ["alice@relay.example.org", "alice@relay.example.org:4433"] {
        let (identity, maker, secret) = ([1; 32], [2; 16], [3; 16]);
        let link = DeviceLink {
            address: address.parse().unwrap(),
            identity: AccountId::new(identity),
            maker: DeviceId::new(maker),
            expires: NOW,
            secret: LinkSecret::restore(&secret),
        };
        cases.push(json!({
            "name": address, "address": address, "identity": hex(identity), "maker": hex(maker),
            "expires_ms": NOW.as_millis(), "secret": hex(secret), "link": link.to_text().as_str(),
            "proposal_id": hex([4; 32]),
            "proof": hex(link.secret.proof(&link.maker, &[4; 32])), "outcome": "ok",
        }));
    }
    let good = cases[0]["link"].as_str().unwrap().to_owned();
    for (name, link) in [
        ("another scheme", good.replacen("device", "group", 1)),
        ("cut off", good[..good.len() - 4].to_owned()),
        ("with something after it", format!("{good}AAAA")),
        ("nothing in it", "wheesht:device/".to_owned()),
    ] {
        cases.push(json!({ "name": name, "link": link, "outcome": "invalid" }));
    }
    let about = "link = \"wheesht:device/\" ‖ base64url(DeviceLink); proof: spec/devices.md, DEV-21.";
    hold("device-links.json", &json!({ "about": about, "cases": cases }), |case| {
        let read = DeviceLink::from_text(case["link"].as_str().unwrap());
        if case["outcome"] != "ok" {
            assert_eq!(read.err(), Some(InvalidDeviceLink), "{}", case["name"]);
            return;
        }
        let link = read.unwrap();
        assert_eq!(link.address.to_string(), case["address"].as_str().unwrap());
        assert_eq!(link.identity, AccountId::new(array(&case["identity"])));
        assert_eq!(link.maker, DeviceId::new(array16(&case["maker"])));
        assert_eq!(Some(link.expires.as_millis()), case["expires_ms"].as_u64());
        assert_eq!(*link.secret.expose(), array16(&case["secret"]));
        assert!(link.secret.proves(&link.maker, &array(&case["proposal_id"]), &bytes(&case["proof"])));
    });
}
