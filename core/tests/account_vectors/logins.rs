use serde::{Deserialize, Serialize};
use wheesht_core::{crypto::sign::VerifyingKey, proto::ids::DeviceId, signed::LoginContext};

use super::{
    check,
    forge::{LOGIN, STATEMENT, device, device_id, public},
    hex, unhex, unhex_array,
};

#[derive(Clone, Serialize, Deserialize)]
struct Case {
    name: String,
    rule: String,
    nonce: String,
    relay: String,
    account: String,
    device_id: String,
    signing_key: String,
    signature: String,
    expect: String,
}

#[test]
fn logins_end_as_their_file_says() {
    let about = "Device logins: `signature` over the nonce of a connection, the relay's name, the account's name and the device, to be verified with `signing_key`.";
    check("logins.json", about, "account.md", cases(), run);
}

fn run(case: &Case) {
    let name = case.account.parse().unwrap();
    let context = LoginContext {
        nonce: &unhex_array(&case.nonce),
        relay: &case.relay,
        name: &name,
        device_id: DeviceId::try_from(&*unhex(&case.device_id)).unwrap(),
    };
    let key = VerifyingKey::from_bytes(&unhex_array(&case.signing_key)).unwrap();
    let outcome = if context.verify(&key, &unhex(&case.signature)).is_ok() { "ok" } else { "bad-signature" };
    assert_eq!(outcome, case.expect, "{}", case.name);
}

fn cases() -> Vec<Case> {
    let (relay, account) = ("relay.example.org:9000", "alice");
    let id = device_id(&device(1));
    let signed = [
        &[0x66; 32][..],
        &[1],
        &id,
        &(relay.len() as u32).to_be_bytes(),
        relay.as_bytes(),
        &(account.len() as u32).to_be_bytes(),
        account.as_bytes(),
    ]
    .concat();
    let good = Case {
        name: "as it should be".into(),
        rule: "ACC-35".into(),
        nonce: hex(&[0x66; 32]),
        relay: relay.into(),
        account: account.into(),
        device_id: hex(&id),
        signing_key: hex(&public(&device(1))),
        signature: hex(device(1).sign(&LOGIN, &[&signed]).as_bytes()),
        expect: "ok".into(),
    };
    let refused = |name: &str, change: &dyn Fn(&mut Case)| {
        let mut case = Case { name: name.into(), expect: "bad-signature".into(), ..good.clone() };
        change(&mut case);
        case
    };
    let other_label = hex(device(1).sign(&STATEMENT, &[&signed]).as_bytes());
    vec![
        good.clone(),
        refused("replayed on another connection", &|case| case.nonce = hex(&[0x67; 32])),
        refused("passed on to another relay", &|case| case.relay = "relay.evil".into()),
        refused("for another account", &|case| case.account = "bob".into()),
        refused("for another device", &|case| case.device_id = hex(&device_id(&device(2)))),
        refused("by another device", &|case| case.signing_key = hex(&public(&device(2)))),
        refused("under another label", &|case| case.signature.clone_from(&other_label)),
        refused("cut short", &|case| case.signature.truncate(126)),
    ]
}
