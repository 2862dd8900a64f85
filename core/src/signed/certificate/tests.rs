use super::*;
use crate::signed::DeviceSigningKey;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn identity() -> IdentityKey {
    IdentityKey::from_secret_bytes(&[1; 32])
}

fn device() -> DeviceSigningKey {
    DeviceSigningKey::from_secret_bytes(&[2; 32])
}

fn certificate() -> DeviceCertificate {
    DeviceCertificate::issue(&identity(), &device().verifying_key(), [3; 32], NOW)
}

#[test]
fn acc_5_a_certificate_verifies_and_says_what_was_certified() {
    let issued = certificate();
    let read = UnverifiedCertificate::decode(issued.encoded()).unwrap();
    assert_eq!(read.device_id(), device().device_id());
    assert_eq!(read.clone().assume_verified(), issued);
    let verified = read.verify_by(&identity().account_id()).unwrap();
    assert_eq!(verified, issued);
    assert_eq!(verified.dh_key(), &[3; 32]);
    assert_eq!(verified.signing_key(), &device().verifying_key());
    assert_eq!((verified.suites(), verified.min_version()), (&[SUITE_1][..], PROTOCOL_VERSION));
    assert_eq!(verified.created(), NOW);
}

#[test]
fn acc_5_another_identitys_signature_is_refused() {
    let read = UnverifiedCertificate::decode(certificate().encoded()).unwrap();
    let other = IdentityKey::from_secret_bytes(&[9; 32]);
    assert_eq!(read.clone().verify_by(&other.account_id()), Err(CertificateError::OtherAccount));

    // Signed by one identity, claiming another.
    let mut fields = read.fields;
    fields.identity = other.account_id();
    let forged = sign(&identity(), fields.encode());
    assert_eq!(UnverifiedCertificate::decode(&forged).unwrap().verify(), Err(CertificateError::BadSignature));
}

#[test]
fn acc_3_a_certificate_has_one_spelling() {
    let mut longer = certificate().encoded().to_vec();
    longer.extend_from_slice(&[0x7a, 1, 0]);
    assert_eq!(UnverifiedCertificate::decode(&longer).unwrap_err(), CertificateError::Malformed);
}

#[test]
fn acc_6_fields_out_of_their_form_are_refused() {
    let good = account::DeviceCertificate::decode(&*certificate().fields.encode()).unwrap();
    let refusal = |change: &dyn Fn(&mut account::DeviceCertificate)| {
        let mut message = good.clone();
        change(&mut message);
        UnverifiedCertificate::decode(&sign(&identity(), message.encode_to_vec())).unwrap_err()
    };
    assert_eq!(refusal(&|m| m.version = 2), CertificateError::Format(2));
    assert_eq!(refusal(&|m| m.identity.truncate(31)), CertificateError::Malformed);
    assert_eq!(refusal(&|m| m.signing_key = vec![0; 32]), CertificateError::Malformed, "of small order");
    assert_eq!(refusal(&|m| m.dh_key.push(0)), CertificateError::Malformed);
    assert_eq!(refusal(&|m| m.suites.clear()), CertificateError::Malformed);
    assert_eq!(refusal(&|m| m.suites = vec![2, 1]), CertificateError::Malformed);
    assert_eq!(refusal(&|m| m.suites = vec![1, 1]), CertificateError::Malformed);
    assert_eq!(refusal(&|m| m.suites = (1..18).collect()), CertificateError::Malformed);
    assert_eq!(refusal(&|m| m.min_version = 0), CertificateError::Malformed);
}

#[test]
fn acc_7_a_field_added_later_is_passed_over_inside() {
    let mut message = certificate().fields.encode();
    message.extend_from_slice(&[0x7a, 1, 0]);
    let newer = sign(&identity(), message);
    assert!(UnverifiedCertificate::decode(&newer).unwrap().verify().is_ok());
}

fn sign(identity: &IdentityKey, certificate: Vec<u8>) -> Vec<u8> {
    let signature = identity.sign(&LABEL, &certificate).to_vec();
    account::SignedCertificate { certificate, signature }.encode_to_vec()
}
