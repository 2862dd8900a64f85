use serde::{Deserialize, Serialize};
use wheesht_core::{
    crypto::sign::SigningKey,
    proto::{ids::RecordId, prost::Message, relay},
    signed::{Record, RecordError, UnverifiedRecord},
};

use super::{
    check,
    forge::{RECORD, public, sha256},
    hex, unhex,
};

#[derive(Serialize, Deserialize)]
struct Case {
    name: String,
    rule: String,
    id: String,
    /// Encoded `wheesht.relay.v1.Record` each.
    writes: Vec<String>,
    expect: String,
    /// Which of the writes is refused, from 0; if not `ok`.
    refused: Option<usize>,
    /// The hash of what stands in the end, if anything does.
    hash: Option<String>,
}

#[test]
fn records_end_as_their_file_says() {
    let about = "Writes to the record `id`, in order, as a relay takes them: the first where nothing stands, each later one by compare-and-swap. `refused` is the index of the one that ends it; `hash` is that of what stands then.";
    check("records.json", about, "records.md", cases(), run);
}

fn run(case: &Case) {
    let id = RecordId::try_from(&*unhex(&case.id)).unwrap();
    let mut stands: Option<Record> = None;
    let mut outcome = ("ok", None);
    for (index, encoded) in case.writes.iter().enumerate() {
        match write(&id, stands.as_ref(), &unhex(encoded)) {
            Ok(record) => stands = Some(record),
            Err(error) => {
                outcome = (name(error), Some(index));
                break;
            }
        }
    }
    assert_eq!(outcome, (case.expect.as_str(), case.refused), "{}", case.name);
    assert_eq!(stands.map(|record| hex(&record.hash())), case.hash, "{}", case.name);
}

fn write(id: &RecordId, stands: Option<&Record>, encoded: &[u8]) -> Result<Record, RecordError> {
    let message = relay::Record::decode(encoded).map_err(|_| RecordError::Malformed)?;
    let record = UnverifiedRecord::read(message)?.verify(id)?;
    match stands {
        None => record.check_first()?,
        Some(previous) => record.check_next(previous)?,
    }
    Ok(record)
}

fn name(error: RecordError) -> &'static str {
    match error {
        RecordError::Malformed => "malformed",
        RecordError::TooLarge => "too-large",
        RecordError::WrongId => "wrong-id",
        RecordError::NotFirst(_) => "not-first",
        RecordError::Conflict { .. } => "conflict",
        RecordError::WrongWriter => "wrong-writer",
        RecordError::BadSignature => "bad-signature",
    }
}

const SALT: [u8; 16] = [0x77; 16];

fn key(number: u8) -> SigningKey {
    SigningKey::from_secret_bytes(&[0x40 + number; 32])
}

fn id() -> Vec<u8> {
    sha256(&[b"wheesht/1 record id", &public(&key(1)), &SALT])
}

fn hash(record: &relay::Record) -> Vec<u8> {
    let optional = |field: &[u8]| [&(field.len() as u64).to_be_bytes()[..], field].concat();
    sha256(&[
        b"wheesht/1 record hash",
        &record.id,
        &record.version.to_be_bytes(),
        &record.write_key,
        &optional(&record.previous),
        &optional(&record.next_write_key),
        &optional(&record.salt),
        &optional(&record.value),
    ])
}

fn sign(key: &SigningKey, mut record: relay::Record) -> relay::Record {
    record.write_key = public(key);
    record.signature = key.sign(&RECORD, &[&hash(&record)]).to_vec();
    record
}

fn first() -> relay::Record {
    let record = relay::Record {
        id: id(),
        version: 1,
        salt: SALT.to_vec(),
        value: b"one".to_vec(),
        ..Default::default()
    };
    sign(&key(1), record)
}

fn after(previous: &relay::Record, value: &[u8]) -> relay::Record {
    relay::Record {
        id: id(),
        version: previous.version + 1,
        previous: hash(previous),
        value: value.to_vec(),
        ..Default::default()
    }
}

fn case(name: &str, rule: &str, writes: &[&relay::Record], expect: &str) -> Case {
    let stands = if expect == "ok" { writes.last() } else { writes.iter().rev().nth(1) };
    Case {
        name: name.into(),
        rule: rule.into(),
        id: hex(&id()),
        writes: writes.iter().map(|record| hex(&record.encode_to_vec())).collect(),
        expect: expect.into(),
        refused: (expect != "ok").then(|| writes.len() - 1),
        hash: stands.map(|record| hex(&hash(record))),
    }
}

fn cases() -> Vec<Case> {
    [chains(), forms()].into_iter().flatten().collect()
}

fn chains() -> Vec<Case> {
    let first = first();
    let second = sign(&key(1), after(&first, b"two"));
    let at_once = sign(&key(1), after(&first, b"too"));
    let third = sign(&key(1), after(&second, b"three"));
    let handed_over =
        sign(&key(1), relay::Record { next_write_key: public(&key(2)), ..after(&first, b"two") });
    let by_new = sign(&key(2), after(&handed_over, b"three"));
    let by_old = sign(&key(1), after(&handed_over, b"three"));
    let fourth_by_new = sign(&key(2), after(&by_new, b"four"));
    vec![
        case("made and written again", "REC-4", &[&first, &second, &third], "ok"),
        case("handed to another key", "REC-5", &[&first, &handed_over, &by_new, &fourth_by_new], "ok"),
        case(
            "written by the key that was replaced",
            "REC-5",
            &[&first, &handed_over, &by_old],
            "wrong-writer",
        ),
        case(
            "written by a key never named",
            "REC-5",
            &[&first, &sign(&key(3), after(&first, b"mine"))],
            "wrong-writer",
        ),
        case("two writers at once", "REC-4", &[&first, &second, &at_once], "conflict"),
        case("a version is missing", "REC-4", &[&first, &third], "conflict"),
        case("an older version comes again", "REC-4", &[&first, &second, &first], "conflict"),
        case("not from its beginning", "REC-4", &[&second], "not-first"),
    ]
}

fn forms() -> Vec<Case> {
    let first = first();
    let changed = |change: &dyn Fn(&mut relay::Record)| {
        let mut record = first.clone();
        change(&mut record);
        sign(&key(1), record)
    };
    let unsigned = |change: &dyn Fn(&mut relay::Record)| {
        let mut record = first.clone();
        change(&mut record);
        record
    };
    vec![
        case("an id of another key", "REC-1", &[&sign(&key(2), first.clone())], "wrong-id"),
        case("an id of another salt", "REC-1", &[&changed(&|r| r.salt = vec![0x78; 16])], "wrong-id"),
        case("another record", "REC-1", &[&changed(&|r| r.id = vec![0; 32])], "wrong-id"),
        case("the value changed", "REC-2", &[&unsigned(&|r| r.value.push(0))], "bad-signature"),
        case(
            "the next key changed",
            "REC-2",
            &[&unsigned(&|r| r.next_write_key = public(&key(2)))],
            "bad-signature",
        ),
        case("the signature changed", "REC-2", &[&unsigned(&|r| r.signature[9] ^= 1)], "bad-signature"),
        case("version 0", "REC-3", &[&changed(&|r| r.version = 0)], "malformed"),
        case("a first version without salt", "REC-3", &[&changed(&|r| r.salt.clear())], "malformed"),
        case(
            "a first version that names one before it",
            "REC-3",
            &[&changed(&|r| r.previous = vec![0; 32])],
            "malformed",
        ),
        case("a later version that names none", "REC-3", &[&changed(&|r| r.version = 2)], "malformed"),
        case(
            "a next key of small order",
            "REC-3",
            &[&changed(&|r| r.next_write_key = vec![0; 32])],
            "malformed",
        ),
        case("a signature of 63 bytes", "REC-3", &[&unsigned(&|r| r.signature.truncate(63))], "malformed"),
    ]
}
