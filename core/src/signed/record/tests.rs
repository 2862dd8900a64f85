use super::*;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_secret_bytes(&[seed; 32])
}

fn first() -> Record {
    Record::create(&key(1), [7; SALT_LEN], None, b"one".to_vec()).unwrap()
}

fn read(message: relay::Record) -> Result<Record, RecordError> {
    let id = RecordId::try_from(&*message.id).map_err(|_| RecordError::Malformed)?;
    UnverifiedRecord::read(message)?.verify(&id)
}

#[test]
fn rec_1_the_id_follows_from_first_key_and_salt() {
    let first = first();
    assert_eq!(first.id(), record_id(&key(1).verifying_key(), &[7; SALT_LEN]));
    assert_eq!(read(first.to_message()).as_ref(), Ok(&first));
    let mut squatted = Record::create(&key(2), [7; SALT_LEN], None, b"mine".to_vec()).unwrap().to_message();
    squatted.id = first.id().to_vec();
    assert_eq!(read(squatted), Err(RecordError::WrongId));
    let other = RecordId::new([0; 32]);
    assert_eq!(UnverifiedRecord::read(first.to_message()).unwrap().verify(&other), Err(RecordError::WrongId));
}

#[test]
fn rec_2_every_field_is_signed() {
    let second = first().next(&key(1), Some(&key(2).verifying_key()), b"two".to_vec()).unwrap();
    let tampered = |change: &dyn Fn(&mut relay::Record)| {
        let mut message = second.to_message();
        change(&mut message);
        read(message).unwrap_err()
    };
    assert_eq!(tampered(&|m| m.value.push(0)), RecordError::BadSignature);
    assert_eq!(tampered(&|m| m.version = 3), RecordError::BadSignature);
    assert_eq!(tampered(&|m| m.id = vec![0; 32]), RecordError::BadSignature);
    assert_eq!(tampered(&|m| m.previous = vec![0; 32]), RecordError::BadSignature);
    assert_eq!(tampered(&|m| m.next_write_key.clear()), RecordError::BadSignature);
    assert_eq!(
        tampered(&|m| m.write_key = key(2).verifying_key().as_bytes().to_vec()),
        RecordError::BadSignature
    );
    assert_eq!(tampered(&|m| m.signature[0] ^= 1), RecordError::BadSignature);
}

#[test]
fn rec_3_a_field_out_of_its_form_is_refused() {
    let first = first();
    let refusal = |change: &dyn Fn(&mut relay::Record)| {
        let mut message = first.to_message();
        change(&mut message);
        read(message).unwrap_err()
    };
    assert_eq!(refusal(&|m| m.version = 0), RecordError::Malformed);
    assert_eq!(refusal(&|m| m.version = 2), RecordError::Malformed);
    assert_eq!(refusal(&|m| m.previous = vec![0; 32]), RecordError::Malformed);
    assert_eq!(refusal(&|m| m.salt.clear()), RecordError::Malformed);
    assert_eq!(refusal(&|m| m.salt.push(0)), RecordError::Malformed);
    assert_eq!(refusal(&|m| m.write_key = vec![0; 32]), RecordError::Malformed);
    assert_eq!(refusal(&|m| m.next_write_key = vec![1; 31]), RecordError::Malformed);
    assert_eq!(refusal(&|m| m.signature.truncate(63)), RecordError::Malformed);
    assert_eq!(refusal(&|m| m.value = vec![0; MAX_RECORD + 1]), RecordError::TooLarge);
    let too_large = Record::create(&key(1), [7; SALT_LEN], None, vec![0; MAX_RECORD + 1]);
    assert_eq!(too_large, Err(RecordError::TooLarge));
}

#[test]
fn rec_4_of_two_writers_at_once_one_succeeds() {
    let first = first();
    let one = first.next(&key(1), None, b"two".to_vec()).unwrap();
    let other = first.next(&key(1), None, b"too".to_vec()).unwrap();
    assert_eq!(one.check_next(&first), Ok(()));
    assert_eq!(other.check_next(&one), Err(RecordError::Conflict { stands: 2 }));
    let third = one.next(&key(1), None, b"three".to_vec()).unwrap();
    assert_eq!(third.check_next(&first), Err(RecordError::Conflict { stands: 1 }), "a gap");
    assert_eq!(first.check_next(&third), Err(RecordError::Conflict { stands: 3 }), "a replay");
    assert_eq!(third.check_next(&other), Err(RecordError::Conflict { stands: 2 }), "another history");
    assert_eq!(third.check_first(), Err(RecordError::NotFirst(3)));
    assert_eq!(first.check_first(), Ok(()));
    let elsewhere = Record::create(&key(1), [8; SALT_LEN], None, Vec::new()).unwrap();
    assert_eq!(one.check_next(&elsewhere), Err(RecordError::WrongId));
}

#[test]
fn rec_5_only_the_key_named_last_may_write() {
    let second = first().next(&key(1), Some(&key(2).verifying_key()), b"handed over".to_vec()).unwrap();
    assert_eq!(second.next(&key(1), None, Vec::new()), Err(RecordError::WrongWriter));
    let third = second.next(&key(2), None, b"three".to_vec()).unwrap();
    assert_eq!(third.check_next(&second), Ok(()));
    assert_eq!(third.next_writer(), &key(2).verifying_key());

    // The old key goes on as if it had not been replaced.
    let fields = Fields {
        id: second.id(),
        version: 3,
        previous: Some(second.hash()),
        salt: None,
        next_write_key: None,
        value: b"mine".to_vec(),
    };
    let by_old_key = fields.sign(&key(1)).unwrap();
    assert_eq!(read(by_old_key.to_message()).unwrap().check_next(&second), Err(RecordError::WrongWriter));
    let message = third.to_message();
    let reader = UnverifiedRecord::read(message).unwrap();
    assert_eq!(
        reader.verify_written_by(&second.id(), &key(1).verifying_key()),
        Err(RecordError::WrongWriter)
    );
}
