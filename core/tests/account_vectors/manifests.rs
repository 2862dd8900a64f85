use serde::{Deserialize, Serialize};
use wheesht_core::{
    proto::{account, prost::Message},
    signed::{Manifest, ManifestError, UnverifiedManifest},
};

use super::{
    check,
    forge::{
        ADDRESS, COUNTERSIGNATURE, MANIFEST, certificate_message, device, device_id, identity, manifest_hash,
        manifest_message, public, sign_certificate, sign_manifest, stranger,
    },
    hex, unhex,
};

#[derive(Serialize, Deserialize)]
struct Case {
    name: String,
    rule: String,
    /// The address whose history it should be.
    address: String,
    /// Encoded `SignedManifest` each.
    chain: Vec<String>,
    expect: String,
    /// Which of the chain is refused, from 0; if not `ok`.
    refused: Option<usize>,
    /// The newest version's hash; if `ok`.
    hash: Option<String>,
}

#[test]
fn manifest_chains_end_as_their_file_says() {
    let about = "Histories of device manifests. The first of `chain` is to be verified as the first version for `address`, each later one as the version right after the one before it. `refused` is the index of the one that ends it.";
    check("manifests.json", about, "account.md", cases(), run);
}

fn run(case: &Case) {
    let address = case.address.parse().unwrap();
    let mut newest: Option<Manifest> = None;
    let mut outcome = ("ok", None);
    for (index, encoded) in case.chain.iter().enumerate() {
        let verified = UnverifiedManifest::decode(&unhex(encoded)).and_then(|read| match &newest {
            None => read.verify_first(&address),
            Some(previous) => read.verify_next(previous),
        });
        match verified {
            Ok(manifest) => newest = Some(manifest),
            Err(error) => {
                outcome = (name(error), Some(index));
                break;
            }
        }
    }
    assert_eq!(outcome, (case.expect.as_str(), case.refused), "{}", case.name);
    let hash = newest.filter(|_| outcome.0 == "ok").map(|manifest| hex(&manifest.hash()));
    assert_eq!(hash, case.hash, "{}", case.name);
}

fn name(error: ManifestError) -> &'static str {
    match error {
        ManifestError::Malformed => "malformed",
        ManifestError::TooLarge => "too-large",
        ManifestError::Format(_) => "unknown-format",
        ManifestError::WrongAddress => "wrong-address",
        ManifestError::IdentityChanged => "identity-changed",
        ManifestError::BadSignature => "bad-signature",
        ManifestError::Certificate(_) => "bad-certificate",
        ManifestError::NoDevice => "no-device",
        ManifestError::TooManyDevices => "too-many-devices",
        ManifestError::DeviceOrder => "device-order",
        ManifestError::NotFirst(_) => "not-first",
        ManifestError::Gap { .. } => "gap",
        ManifestError::Older { .. } => "older",
        ManifestError::Fork(_) => "fork",
        ManifestError::WrongPrevious => "wrong-previous",
        ManifestError::CountersignatureMissing => "countersignature-missing",
        ManifestError::CountersignerUnknown => "countersigner-unknown",
        ManifestError::BadCountersignature => "bad-countersignature",
    }
}

fn case(name: &str, rule: &str, chain: &[&[u8]], expect: &str) -> Case {
    let ok = expect == "ok";
    Case {
        name: name.into(),
        rule: rule.into(),
        address: ADDRESS.into(),
        chain: chain.iter().map(|encoded| hex(encoded)).collect(),
        expect: expect.into(),
        refused: (!ok).then(|| chain.len() - 1),
        hash: ok.then(|| hex(&manifest_hash(chain[chain.len() - 1]))),
    }
}

/// Version 1 lists device 1, version 2 adds device 2 with device 1's word.
fn first() -> Vec<u8> {
    sign_manifest(&identity(), &manifest_message(1, &[], &[&device(1)]), None)
}

fn second() -> Vec<u8> {
    sign_manifest(&identity(), &added(), Some(&device(1)))
}

fn added() -> account::DeviceManifest {
    manifest_message(2, &manifest_hash(&first()), &[&device(1), &device(2)])
}

fn cases() -> Vec<Case> {
    [growth(), consents(), breaks(), forms()].into_iter().flatten().collect()
}

fn growth() -> Vec<Case> {
    let (first, second) = (first(), second());
    let removal =
        sign_manifest(&identity(), &manifest_message(3, &manifest_hash(&second), &[&device(2)]), None);
    let eviction =
        sign_manifest(&identity(), &manifest_message(3, &manifest_hash(&second), &[&device(3)]), None);
    let moved = sign_manifest(
        &identity(),
        &manifest_message(2, &manifest_hash(&first), &[&device(2)]),
        Some(&device(1)),
    );
    let mut later_field = manifest_message(1, &[], &[&device(1)]).encode_to_vec();
    later_field.extend([0x7a, 1, 0]);
    let identity_signature = identity().sign(&MANIFEST, &[&later_field]).to_vec();
    let newer = account::SignedManifest { manifest: later_field, identity_signature, ..Default::default() };
    vec![
        case("a first version", "ACC-12", &[&first], "ok"),
        case("with a field of a later version inside", "ACC-7", &[&newer.encode_to_vec()], "ok"),
        case("a device is added with an existing one's word", "ACC-13", &[&first, &second], "ok"),
        case("a device is removed", "ACC-13", &[&first, &second, &removal], "ok"),
        case("a new device evicts all", "ACC-13", &[&first, &second, &eviction], "ok"),
        case("a device hands over to another", "ACC-14", &[&first, &moved], "ok"),
    ]
}

fn consents() -> Vec<Case> {
    let first = first();
    let with = |countersigner: Vec<u8>, countersignature: Vec<u8>| {
        let mut signed =
            account::SignedManifest::decode(&*sign_manifest(&identity(), &added(), None)).unwrap();
        (signed.countersigner, signed.countersignature) = (countersigner, countersignature);
        signed.encode_to_vec()
    };
    let bytes = added().encode_to_vec();
    let by = |number: u8, label| device(number).sign(label, &[&bytes]).to_vec();
    let mut swapped = manifest_message(2, &manifest_hash(&first), &[]);
    let mut other_dh_key = certificate_message(&device(1));
    other_dh_key.dh_key = vec![0x44; 32];
    swapped.devices = vec![sign_certificate(&identity(), &other_dh_key)];
    let refusals = [
        (
            "a device is added by the password alone",
            "ACC-13",
            with(vec![], vec![]),
            "countersignature-missing",
        ),
        (
            "a listed device's DH key is swapped by the password alone",
            "ACC-13",
            sign_manifest(&identity(), &swapped, None),
            "countersignature-missing",
        ),
        (
            "the added device confirms itself",
            "ACC-14",
            with(device_id(&device(2)), by(2, &COUNTERSIGNATURE)),
            "countersigner-unknown",
        ),
        (
            "confirmed in another device's name",
            "ACC-14",
            with(device_id(&device(1)), by(2, &COUNTERSIGNATURE)),
            "bad-countersignature",
        ),
        (
            "confirmed under the identity's label",
            "ACC-1",
            with(device_id(&device(1)), by(1, &MANIFEST)),
            "bad-countersignature",
        ),
        ("a countersigner without a signature", "ACC-9", with(device_id(&device(1)), vec![]), "malformed"),
    ];
    refusals.iter().map(|(name, rule, bytes, expect)| case(name, rule, &[&first, bytes], expect)).collect()
}

fn breaks() -> Vec<Case> {
    let (first, second) = (first(), second());
    let removal = |previous: &[u8]| manifest_message(3, previous, &[&device(1)]);
    let third = sign_manifest(&identity(), &removal(&manifest_hash(&second)), None);
    let other_second =
        sign_manifest(&identity(), &manifest_message(2, &manifest_hash(&first), &[&device(1)]), None);
    let other_history = sign_manifest(&identity(), &removal(&manifest_hash(&other_second)), None);
    let mut elsewhere = manifest_message(2, &manifest_hash(&first), &[&device(1)]);
    elsewhere.address = "alice@relay.evil".into();
    let mut taken = manifest_message(2, &manifest_hash(&first), &[]);
    taken.identity = public(&stranger());
    let mut theirs = certificate_message(&device(3));
    theirs.identity = public(&stranger());
    taken.devices = vec![sign_certificate(&stranger(), &theirs)];
    vec![
        case("not from its beginning", "ACC-12", &[&second], "not-first"),
        case("a version is missing", "ACC-15", &[&first, &third], "gap"),
        case("a version comes twice", "ACC-15", &[&first, &second, &second], "gap"),
        case("an older version comes again", "ACC-15", &[&first, &second, &first], "older"),
        case("two of one version", "ACC-15", &[&first, &second, &other_second], "fork"),
        case("continues another history", "ACC-15", &[&first, &second, &other_history], "wrong-previous"),
        case(
            "moves to another address",
            "ACC-15",
            &[&first, &sign_manifest(&identity(), &elsewhere, None)],
            "wrong-address",
        ),
        case(
            "taken over by another identity",
            "ACC-15",
            &[&first, &sign_manifest(&stranger(), &taken, None)],
            "identity-changed",
        ),
    ]
}

fn forms() -> Vec<Case> {
    let changed = |change: &dyn Fn(&mut account::DeviceManifest)| {
        let mut message = manifest_message(1, &[], &[&device(1)]);
        change(&mut message);
        sign_manifest(&identity(), &message, None)
    };
    let mut trailing = first();
    trailing.extend([0x7a, 1, 0]);
    let mut flipped = first();
    flipped[20] ^= 1;
    let mut foreign = certificate_message(&device(1));
    foreign.identity = public(&stranger());
    let foreign = sign_certificate(&stranger(), &foreign);
    let two = manifest_message(1, &[], &[&device(1), &device(2)]);
    let many: Vec<_> = (1..=11).map(device).collect();
    let eleven = manifest_message(1, &[], &many.iter().collect::<Vec<_>>());
    let mut elsewhere = case("for another address", "ACC-10", &[&first()], "wrong-address");
    elsewhere.address = "alice@relay.evil".into();
    vec![
        elsewhere,
        case(
            "signed by another key",
            "ACC-10",
            &[&sign_manifest(&stranger(), &manifest_message(1, &[], &[&device(1)]), None)],
            "bad-signature",
        ),
        case("a letter of the address flipped", "ACC-1", &[&flipped], "wrong-address"),
        case("an unknown field outside the signature", "ACC-3", &[&trailing], "malformed"),
        case("of an unknown format", "ACC-9", &[&changed(&|m| m.format = 2)], "unknown-format"),
        case(
            "an address in capitals",
            "ACC-9",
            &[&changed(&|m| m.address = "Alice@relay.example.org".into())],
            "malformed",
        ),
        case("version 0", "ACC-9", &[&changed(&|m| m.version = 0)], "malformed"),
        case(
            "a first version that names one before it",
            "ACC-9",
            &[&changed(&|m| m.previous = vec![0; 32])],
            "malformed",
        ),
        case("a later version that names none", "ACC-9", &[&changed(&|m| m.version = 2)], "malformed"),
        case("no device", "ACC-11", &[&changed(&|m| m.devices.clear())], "no-device"),
        case(
            "a device twice",
            "ACC-11",
            &[&changed(&|m| m.devices = vec![m.devices[0].clone(); 2])],
            "device-order",
        ),
        case(
            "devices out of order",
            "ACC-11",
            &[&changed(&|m| m.devices = two.devices.iter().rev().cloned().collect())],
            "device-order",
        ),
        case(
            "eleven devices",
            "ACC-11",
            &[&changed(&|m| m.devices.clone_from(&eleven.devices))],
            "too-many-devices",
        ),
        case(
            "a first version with two devices",
            "ACC-12",
            &[&changed(&|m| m.devices.clone_from(&two.devices))],
            "too-many-devices",
        ),
        case(
            "a certificate of another account",
            "ACC-10",
            &[&changed(&|m| m.devices = vec![foreign.clone()])],
            "bad-certificate",
        ),
        case(
            "a certificate that is none",
            "ACC-10",
            &[&changed(&|m| m.devices = vec![vec![0; 8]])],
            "bad-certificate",
        ),
        case("larger than any", "ACC-8", &[&changed(&|m| m.devices = vec![vec![0; 8192]])], "too-large"),
    ]
}
