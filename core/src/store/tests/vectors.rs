//! `proto/vectors/storage.json`: whole small stores as data, which this and every later version has to open.
//!
//! `WHEESHT_BLESS=1 cargo test vectors` writes the file anew; only a new schema version gives a reason to.

use std::{fs, path::PathBuf};

use serde_json::{Value as Json, json};

use super::*;

const ABOUT: &str = "Stores with one daily key, or two. `slot` and `rows` are the backend's; the store is opened with the bytes \
    of `store_key` or with `passphrase`. `holds` is what is found then, `outcome` what is said instead.";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(json: &Json) -> Vec<u8> {
    let text = json.as_str().unwrap();
    (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()).collect()
}

fn case(
    name: &str,
    rule: &str,
    outcome: &str,
    key: (&str, &str),
    slot: &[u8],
    backend: &MemoryBackend,
) -> Json {
    let rows: Vec<_> = raw(backend).iter().map(|(row, bytes)| json!([hex(row), hex(bytes)])).collect();
    let (kind, key) = key;
    let mut case =
        json!({ "name": name, "rule": rule, "outcome": outcome, kind: key, "slot": hex(slot), "rows": rows });
    if outcome == "ok" {
        case["holds"] = json!({ "commit_counter": 2, "rows": [
            { "table": "letters", "class": 1, "prefix": hex(b"a"), "sequence": 1, "value": hex(b"a letter") },
            { "table": "ratchets", "class": 2, "prefix": hex(b"a"), "sequence": 0, "value": hex(b"a ratchet") },
            { "table": "ratchets", "class": 2, "prefix": hex(b"a"), "sequence": 1, "value": hex(b"another") },
        ] });
    }
    case
}

fn fill(mut store: Store) {
    let mut tx = store.begin();
    tx.append(LETTERS, b"a", value("a letter")).unwrap();
    tx.put(RATCHETS, b"a", 0, value("a ratchet"));
    tx.commit().unwrap();
    store.rotate_if_due(NOW.plus_millis(DAY_MS)).unwrap();
    put(&mut store, RATCHETS, b"a", 1, "another");
}

fn made() -> Json {
    let (bytes, words, other) = (MemoryBackend::new(), MemoryBackend::new(), MemoryBackend::new());
    fill(create(&bytes));
    let passphrase = StoreKey::from_passphrase(
        Zeroizing::new("six plain words".to_owned()),
        PassphraseCost::insecure_fast(),
    );
    fill(Store::create(Box::new(words.clone()), &passphrase, rng(4), NOW).unwrap());
    drop(Store::create(Box::new(other.clone()), &key(), rng(5), NOW).unwrap());
    let slot = |backend: &MemoryBackend| backend.read_slot().unwrap().unwrap();
    let given = hex(&[7; 32]);
    let given = ("store_key", given.as_str());
    let mut newer = slot(&bytes);
    newer[14] += 1;
    let mut damaged = slot(&bytes);
    *damaged.last_mut().unwrap() ^= 1;
    let with_two = slot(&bytes);
    let two = case("while rows are sealed again", "STO-9", "ok", given, &with_two, &bytes);
    let mut store = open(&bytes);
    while store.reseal_step(9).unwrap() == Rotation::Resealing {}
    let cases = [
        two,
        case("sealed again", "STO-9", "ok", given, &slot(&bytes), &bytes),
        case("a passphrase", "STO-15", "ok", ("passphrase", "six plain words"), &slot(&words), &words),
        case(
            "another passphrase",
            "STO-7",
            "wrong key",
            ("passphrase", "six plain worms"),
            &slot(&words),
            &words,
        ),
        case("a newer schema", "STO-8", "newer schema", given, &newer, &bytes),
        case("a damaged slot", "STO-7", "damaged", given, &damaged, &bytes),
        case("the slot of another store", "STO-6", "keys of another store", given, &slot(&other), &bytes),
    ];
    json!({ "about": ABOUT, "spec": "storage.md", "cases": cases })
}

fn check(case: &Json) {
    let backend = MemoryBackend::new();
    backend.write_slot(&unhex(&case["slot"])).unwrap();
    for row in case["rows"].as_array().unwrap() {
        overwrite(&backend, &unhex(&row[0]), &unhex(&row[1]));
    }
    let key = match case.get("passphrase") {
        Some(words) => StoreKey::from_passphrase(
            Zeroizing::new(words.as_str().unwrap().to_owned()),
            PassphraseCost::DEFAULT,
        ),
        None => StoreKey::from_bytes(Zeroizing::new(unhex(&case["store_key"]).try_into().unwrap())),
    };
    let opened = Store::open(Box::new(backend), &key, rng(6));
    let outcome = match &opened {
        Ok(_) => "ok",
        Err(OpenError::WrongKey) => "wrong key",
        Err(OpenError::NewerSchema { .. }) => "newer schema",
        Err(OpenError::Corrupt { .. }) => "damaged",
        Err(OpenError::KeysOfAnotherStore) => "keys of another store",
        Err(other) => panic!("{other}"),
    };
    assert_eq!(outcome, case["outcome"].as_str().unwrap(), "{}", case["name"]);
    let Ok(mut store) = opened else { return };
    assert_eq!(store.commit_counter(), case["holds"]["commit_counter"].as_u64().unwrap());
    for row in case["holds"]["rows"].as_array().unwrap() {
        let table = if row["table"] == "letters" { LETTERS } else { RATCHETS };
        assert_eq!(table.class() as u64, row["class"].as_u64().unwrap());
        let found = store.begin().get(table, &unhex(&row["prefix"]), row["sequence"].as_u64().unwrap());
        assert_eq!(found.unwrap().unwrap().to_vec(), unhex(&row["value"]), "{}", case["name"]);
    }
}

#[test]
fn sto_6_sto_7_sto_8_sto_9_storage_vectors() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../proto/vectors/storage.json");
    if std::env::var_os("WHEESHT_BLESS").is_some() {
        fs::write(&path, serde_json::to_string_pretty(&made()).unwrap() + "\n").unwrap();
    }
    let vectors: Json = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(vectors, made(), "the form at rest has changed: that takes a new schema version");
    vectors["cases"].as_array().unwrap().iter().for_each(check);
}
