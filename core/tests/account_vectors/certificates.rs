use serde::{Deserialize, Serialize};
use wheesht_core::{
    crypto::sign::{Label, SigningKey},
    proto::{account, ids::AccountId, prost::Message},
    signed::{CertificateError, UnverifiedCertificate},
};

use super::{
    check,
    forge::{
        CERTIFICATE, NOW_MS, certificate, certificate_message, device, device_id, identity, public,
        sign_certificate, stranger,
    },
    hex, unhex,
};

#[derive(Serialize, Deserialize)]
struct Case {
    name: String,
    rule: String,
    /// Encoded `SignedCertificate`.
    certificate: String,
    /// The account whose certificate it should be.
    identity: String,
    expect: String,
    /// If `ok`.
    device_id: Option<String>,
}

#[test]
fn certificates_end_as_their_file_says() {
    let about = "Device certificates. `certificate` is an encoded SignedCertificate, to be verified for the account `identity`.";
    check("certificates.json", about, "account.md", cases(), run);
}

fn run(case: &Case) {
    let identity = AccountId::try_from(&*unhex(&case.identity)).unwrap();
    let verified =
        UnverifiedCertificate::decode(&unhex(&case.certificate)).and_then(|read| read.verify_by(&identity));
    let outcome = match &verified {
        Ok(_) => "ok",
        Err(CertificateError::Malformed) => "malformed",
        Err(CertificateError::Format(_)) => "unknown-format",
        Err(CertificateError::OtherAccount) => "other-account",
        Err(CertificateError::BadSignature) => "bad-signature",
    };
    assert_eq!(outcome, case.expect, "{}", case.name);
    assert_eq!(verified.ok().map(|device| device.device_id().to_string()), case.device_id, "{}", case.name);
}

fn cases() -> Vec<Case> {
    let good = certificate(&device(1));
    let case = |name: &str, rule: &str, certificate: &[u8], expect: &str| Case {
        name: name.into(),
        rule: rule.into(),
        certificate: hex(certificate),
        identity: hex(&public(&identity())),
        expect: expect.into(),
        device_id: (expect == "ok").then(|| hex(&device_id(&device(1)))),
    };
    let changed = |change: &dyn Fn(&mut account::DeviceCertificate)| {
        let mut message = certificate_message(&device(1));
        change(&mut message);
        sign_certificate(&identity(), &message)
    };
    let mut flipped = good.clone();
    flipped[80] ^= 1;
    let mut trailing = good.clone();
    trailing.extend([0x7a, 1, 0]);
    let mut later_field = certificate_message(&device(1)).encode_to_vec();
    later_field.extend([0x7a, 1, 0]);
    let mut other_account = case("of another account", "ACC-5", &good, "other-account");
    other_account.identity = hex(&public(&stranger()));
    vec![
        case("as it should be", "ACC-5", &good, "ok"),
        case(
            "with a field of a later version inside",
            "ACC-7",
            &wrap(&identity(), &CERTIFICATE, later_field),
            "ok",
        ),
        case("two suites, ascending", "ACC-6", &changed(&|m| m.suites = vec![1, 2]), "ok"),
        other_account,
        case("a bit of the DH key flipped", "ACC-1", &flipped, "bad-signature"),
        case(
            "signed by another key",
            "ACC-5",
            &sign_certificate(&stranger(), &certificate_message(&device(1))),
            "bad-signature",
        ),
        case(
            "signed under another label",
            "ACC-1",
            &wrap(
                &identity(),
                &Label::new("wheesht/1 device manifest"),
                certificate_message(&device(1)).encode_to_vec(),
            ),
            "bad-signature",
        ),
        case("an unknown field outside the signature", "ACC-3", &trailing, "malformed"),
        case("cut short", "ACC-3", &good[..good.len() - 1], "malformed"),
        case("of an unknown format", "ACC-6", &changed(&|m| m.version = 2), "unknown-format"),
        case(
            "a signing key of small order",
            "ACC-2",
            &changed(&|m| m.signing_key = vec![0; 32]),
            "malformed",
        ),
        case("a DH key of 31 bytes", "ACC-6", &changed(&|m| m.dh_key.truncate(31)), "malformed"),
        case("no suite", "ACC-6", &changed(&|m| m.suites.clear()), "malformed"),
        case("suites descending", "ACC-6", &changed(&|m| m.suites = vec![2, 1]), "malformed"),
        case("minimum version 0", "ACC-6", &changed(&|m| m.min_version = 0), "malformed"),
        case("empty", "ACC-3", &[], "malformed"),
    ]
}

fn wrap(identity: &SigningKey, label: &Label, certificate: Vec<u8>) -> Vec<u8> {
    let signature = identity.sign(label, &[&certificate]).to_vec();
    account::SignedCertificate { certificate, signature }.encode_to_vec()
}

#[test]
fn this_crate_issues_what_the_specification_says() {
    use wheesht_core::{
        signed::{DeviceCertificate, IdentityKey},
        time::Timestamp,
    };
    let identity = IdentityKey::from_secret_bytes(&[0x11; 32]);
    let now = Timestamp::from_millis(NOW_MS);
    let issued = DeviceCertificate::issue(&identity, &device(1).verifying_key(), [0x33; 32], now);
    assert_eq!(issued.encoded(), certificate(&device(1)));
}
