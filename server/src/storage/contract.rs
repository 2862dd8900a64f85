//! The contract of [`Storage`] as tests. Every implementation runs all of them.
//!
//! A `Reopen` stands for a crash and a new start: what it gives holds what was committed and nothing else.

use std::time::Duration;

use tempfile::TempDir;
use wheesht_core::{
    proto::{
        address::Name,
        ids::{DepositAddress, DeviceId, EnvelopeId, MailboxId, RecordId},
    },
    store::{memory::MemoryBackend, sled::SledBackend},
    time::Timestamp,
};

use super::{embedded::Embedded, *};

type Reopen<'a> = &'a mut dyn FnMut() -> Box<dyn Storage>;

const DAY: Duration = Duration::from_secs(86_400);
const AT: Timestamp = Timestamp::from_millis(1_000_000_000);

fn retention() -> Retention {
    Retention::new(30 * DAY)
}

fn memory(test: fn(Reopen<'_>)) {
    let mut backend = MemoryBackend::new();
    test(&mut || {
        backend = backend.snapshot();
        Box::new(Embedded::open(backend.clone(), retention()).unwrap())
    });
}

fn sled(test: fn(Reopen<'_>)) {
    let directory = TempDir::new().unwrap();
    test(&mut || {
        let backend = SledBackend::open(directory.path()).unwrap();
        Box::new(Embedded::open(backend, retention()).unwrap())
    });
}

macro_rules! contract {
    ($($test:ident),* $(,)?) => {
        mod in_memory {
            $(#[test] fn $test() { super::memory(super::$test); })*
        }
        mod on_sled {
            $(#[test] fn $test() { super::sled(super::$test); })*
        }
    };
}

contract![
    what_is_committed_is_there_after_a_crash_rel_1,
    accounts_manifests_and_proposals_are_kept,
    an_account_that_ends_leaves_its_word_rel_66,
    an_allowance_is_kept_rel_47,
    a_removed_device_takes_everything_with_it,
    one_time_prekeys_are_taken_once_and_never_come_back_rel_41,
    a_mailbox_keeps_its_order_over_restarts_rel_30,
    an_envelope_stays_known_after_its_ack_for_a_time_rel_31,
    shared_bytes_go_with_the_last_ack_rel_32,
    what_nobody_fetches_expires_rel_33,
    a_unit_reads_its_own_changes,
    an_ack_finds_what_is_there_and_nothing_else,
    a_unit_has_room_for_so_much_rel_1,
];

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn mailbox(number: u8) -> MailboxId {
    MailboxId::new([number; 16])
}

fn address(number: u8) -> DepositAddress {
    DepositAddress::new([number; 16])
}

fn device(number: u8) -> Device {
    Device { id: DeviceId::new([number; 16]), signing_key: [number; 32], mailbox: mailbox(number) }
}

fn envelope(text: &'static str, received: Timestamp) -> Envelope {
    Envelope { id: EnvelopeId::of(text.as_bytes()), received, bytes: text.into() }
}

fn to(number: u8) -> Delivery {
    Delivery { mailbox: mailbox(number), address: address(number), request: number.is_multiple_of(2) }
}

/// The texts that a mailbox holds.
fn texts(storage: &dyn Storage, number: u8) -> Vec<String> {
    let queued = storage.queued(&mailbox(number), 0, 100, usize::MAX).unwrap();
    queued.into_iter().map(|(_, _, envelope)| String::from_utf8(envelope.bytes.to_vec()).unwrap()).collect()
}

fn account(version: u64) -> Account {
    Account {
        password_file: vec![1; 192],
        root_vault: vec![2; 100],
        request_address: address(9),
        manifest_version: version,
        records: 3,
    }
}

fn what_is_committed_is_there_after_a_crash_rel_1(open: Reopen<'_>) {
    let mut storage = open();
    assert!(storage.relay_state().unwrap().is_none() && !storage.has_accounts().unwrap());
    let state = RelayState { domain: "relay.example".to_owned(), opaque: vec![7; 128].into() };
    storage.put_relay_state(&state).unwrap();
    storage.put_record(&RecordId::new([1; 32]), b"kept").unwrap();
    storage.deposit(&envelope("kept", AT), &[to(1)]).unwrap();
    assert!(storage.has_changes());
    storage.commit().unwrap();
    assert!(!storage.has_changes());
    storage.put_record(&RecordId::new([1; 32]), b"lost").unwrap();
    storage.deposit(&envelope("lost", AT), &[to(1)]).unwrap();
    drop(storage);
    let storage = open();
    assert_eq!(storage.relay_state().unwrap().unwrap().domain, "relay.example");
    assert_eq!(storage.record(&RecordId::new([1; 32])).unwrap().as_deref(), Some(&b"kept"[..]));
    assert_eq!(texts(&*storage, 1), ["kept"]);
    assert!(!storage.knows(&mailbox(1), &EnvelopeId::of(b"lost")).unwrap());
}

fn accounts_manifests_and_proposals_are_kept(open: Reopen<'_>) {
    let mut storage = open();
    let (alice, al) = (name("alice"), name("al"));
    storage.put_account(&alice, &account(2)).unwrap();
    for version in 1..=3 {
        storage.put_manifest(&alice, version, &[version as u8]).unwrap();
    }
    storage.put_manifest(&al, 1, b"al's").unwrap();
    let proposal = |effective_at| Proposal {
        id: [5; 32],
        manifest: vec![6],
        root_vault: Vec::new(),
        effective_at,
        proof: vec![7],
    };
    storage.put_proposal(&alice, &proposal(Some(AT))).unwrap();
    storage.put_proposal(&al, &proposal(None)).unwrap();
    storage.commit().unwrap();
    drop(storage);
    let mut storage = open();
    assert!(storage.has_accounts().unwrap());
    assert!(storage.account(&alice).unwrap() == Some(account(2)) && storage.account(&al).unwrap().is_none());
    assert_eq!(storage.manifests(&alice, 2, 10).unwrap(), [[2], [3]]);
    assert_eq!(storage.manifests(&alice, 0, 1).unwrap(), [[1]]);
    assert_eq!(storage.manifests(&alice, 4, 10).unwrap(), Vec::<Vec<u8>>::new());
    assert_eq!(storage.manifests(&al, 1, 10).unwrap(), [b"al's"]);
    assert!(storage.proposal(&alice).unwrap() == Some(proposal(Some(AT))));
    assert_eq!(storage.evictions().unwrap(), [(AT, alice.clone())]);
    storage.delete_proposal(&alice).unwrap();
    assert!(storage.proposal(&alice).unwrap().is_none() && storage.evictions().unwrap().is_empty());
}

fn an_account_that_ends_leaves_its_word_rel_66(open: Reopen<'_>) {
    let mut storage = open();
    let (alice, alicia): (Name, Name) = ("alice".parse().unwrap(), "alicia".parse().unwrap());
    let record = RecordId::new([1; 32]);
    for name in [&alice, &alicia] {
        storage.put_account(name, &account(1)).unwrap();
        storage.put_manifest(name, 1, b"manifest").unwrap();
    }
    storage.put_request_address(&address(9), &alice).unwrap();
    storage.put_record(&record, b"record").unwrap();
    storage.put_deletion(&alice, b"word").unwrap();
    storage.delete_account(&alice).unwrap();
    storage.delete_record(&record).unwrap();
    storage.commit().unwrap();
    drop(storage);
    let storage = open();
    assert!(storage.account(&alice).unwrap().is_none() && storage.account(&alicia).unwrap().is_some());
    assert!(storage.manifests(&alice, 1, 9).unwrap().is_empty());
    assert_eq!(storage.manifests(&alicia, 1, 9).unwrap().len(), 1);
    assert!(storage.target(&address(9)).unwrap().is_none() && storage.record(&record).unwrap().is_none());
    assert_eq!(storage.deletion(&alice).unwrap().as_deref(), Some(&b"word"[..]));
    assert_eq!(storage.deletion(&alicia).unwrap(), None);
}

fn an_allowance_is_kept_rel_47(open: Reopen<'_>) {
    let mut storage = open();
    let (alice, al) = (name("alice"), name("al"));
    assert_eq!(storage.allowance(&alice).unwrap(), None);
    let used = Allowance { day: 20_000, record_tickets: 3, blob_tickets: 4, blob_bytes: 5 << 30 };
    storage.put_allowance(&alice, &used).unwrap();
    storage.commit().unwrap();
    storage.put_allowance(&alice, &Allowance { day: 20_001, ..used }).unwrap();
    drop(storage);
    let storage = open();
    assert_eq!(storage.allowance(&alice).unwrap(), Some(used));
    assert_eq!(storage.allowance(&al).unwrap(), None);
}

fn a_removed_device_takes_everything_with_it(open: Reopen<'_>) {
    let mut storage = open();
    let alice = name("alice");
    storage.put_request_address(&address(9), &alice).unwrap();
    for number in [1, 2] {
        storage.put_device(&alice, &device(number)).unwrap();
        storage.put_address(&address(number), AddressKind::Group, &alice, &device(number)).unwrap();
        storage.put_statement(&mailbox(number), b"statement").unwrap();
        storage.put_single_prekey(&mailbox(number), SingleKind::Signed, 1, b"signed").unwrap();
        storage.add_one_time_prekey(&mailbox(number), OneTimeKind::Kem, 1, b"once").unwrap();
    }
    let texts_of_five = ["a", "b", "c", "d", "e"];
    for text in texts_of_five {
        storage.deposit(&envelope(text, AT), &[to(1), to(2)]).unwrap();
    }
    storage.commit().unwrap();
    assert_eq!(storage.devices(&alice).unwrap(), [device(1), device(2)]);
    storage.delete_device(&alice, &device(1)).unwrap();
    storage.commit().unwrap();
    drop(storage);
    let mut storage = open();
    assert_eq!(storage.device(&alice, &device(1).id).unwrap(), None);
    assert_eq!(storage.target(&address(1)).unwrap(), None);
    assert_eq!(storage.target(&address(9)).unwrap(), Some(Target::Request { name: alice.clone() }));
    assert_eq!(storage.addresses(&mailbox(1)).unwrap(), []);
    assert_eq!(storage.statement(&mailbox(1)).unwrap(), None);
    assert_eq!(storage.prekeys(&mailbox(1)).unwrap(), Prekeys::default());
    assert_eq!(storage.single_prekey(&mailbox(1), SingleKind::Signed).unwrap(), None);
    assert_eq!(storage.take_one_time_prekey(&mailbox(1), OneTimeKind::Kem).unwrap(), None);
    let mut steps = 0;
    while storage.clear_removed(2).unwrap() {
        storage.commit().unwrap();
        steps += 1;
    }
    assert!(steps > 2, "in steps");
    assert!(texts(&*storage, 1).is_empty());
    assert!(!storage.knows(&mailbox(1), &EnvelopeId::of(b"a")).unwrap());
    // The other device lost nothing.
    let kept = Target::Device { name: alice.clone(), mailbox: mailbox(2), kind: AddressKind::Group };
    assert_eq!(storage.target(&address(2)).unwrap(), Some(kept));
    assert_eq!(storage.devices(&alice).unwrap(), [device(2)]);
    assert_eq!(texts(&*storage, 2), texts_of_five);
    assert_eq!(storage.prekeys(&mailbox(2)).unwrap().one_time_kem, 1);
}

fn one_time_prekeys_are_taken_once_and_never_come_back_rel_41(open: Reopen<'_>) {
    let mut storage = open();
    let here = mailbox(1);
    for id in [3, 4, 300] {
        storage.add_one_time_prekey(&here, OneTimeKind::Curve, id, &id.to_be_bytes()).unwrap();
    }
    storage.add_one_time_prekey(&here, OneTimeKind::Kem, 1, b"kem").unwrap();
    storage.commit().unwrap();
    let take = |storage: &mut dyn Storage| storage.take_one_time_prekey(&here, OneTimeKind::Curve).unwrap();
    assert_eq!(take(&mut *storage).unwrap(), 3_u32.to_be_bytes());
    storage.commit().unwrap();
    drop(storage);
    let mut storage = open();
    for id in [3, 4, 299, 300, 301] {
        storage.add_one_time_prekey(&here, OneTimeKind::Curve, id, &id.to_be_bytes()).unwrap();
    }
    assert_eq!(
        storage.prekeys(&here).unwrap(),
        Prekeys { one_time: 3, one_time_kem: 1, ..Prekeys::default() }
    );
    for id in [4_u32, 300, 301] {
        assert_eq!(take(&mut *storage).unwrap(), id.to_be_bytes());
    }
    assert_eq!(take(&mut *storage), None);
    storage.put_single_prekey(&here, SingleKind::LastResortKem, 8, b"one").unwrap();
    storage.put_single_prekey(&here, SingleKind::LastResortKem, 9, b"two").unwrap();
    assert_eq!(storage.single_prekey(&here, SingleKind::LastResortKem).unwrap().unwrap(), b"two");
    assert_eq!(storage.prekeys(&here).unwrap().last_resort_kem, 9);
}

fn a_mailbox_keeps_its_order_over_restarts_rel_30(open: Reopen<'_>) {
    let mut storage = open();
    let first = storage.deposit(&envelope("one", AT), &[to(1)]).unwrap();
    let second = storage.deposit(&envelope("two", AT), &[to(1), to(2)]).unwrap();
    assert!(second > first);
    storage.commit().unwrap();
    drop(storage);
    let mut storage = open();
    let third = storage.deposit(&envelope("three", Timestamp::default()), &[to(1)]).unwrap();
    assert!(third > second);
    assert_eq!(texts(&*storage, 1), ["one", "two", "three"]);
    assert_eq!(texts(&*storage, 2), ["two"]);
    let behind: Vec<_> = storage.queued(&mailbox(1), first, 1, usize::MAX).unwrap();
    assert_eq!(
        behind
            .iter()
            .map(|(sequence, delivery, envelope)| (*sequence, *delivery, envelope.clone()))
            .collect::<Vec<_>>(),
        [(second, to(1), envelope("two", AT))]
    );
    assert_eq!(storage.queued(&mailbox(1), 0, 10, 4).unwrap().len(), 2, "what exceeds the bytes ends it");
    let usage = storage.usage(&mailbox(1)).unwrap();
    assert_eq!(usage, Usage { envelopes: 3, bytes: 11, requests: 0, newest: third });
    assert_eq!(storage.usage(&mailbox(2)).unwrap().requests, 1);
    assert_eq!(storage.usage(&mailbox(3)).unwrap(), Usage::default());
}

fn an_envelope_stays_known_after_its_ack_for_a_time_rel_31(open: Reopen<'_>) {
    let mut storage = open();
    let once = envelope("once", AT);
    let sequence = storage.deposit(&once, &[to(1)]).unwrap();
    storage.commit().unwrap();
    let acked = Acked { sequence, bytes: 4, request: false };
    assert_eq!(storage.ack(&mailbox(1), &once.id).unwrap(), Some(acked));
    assert_eq!(storage.ack(&mailbox(1), &once.id).unwrap(), None);
    assert_eq!(storage.ack(&mailbox(2), &once.id).unwrap(), None);
    storage.commit().unwrap();
    drop(storage);
    let mut storage = open();
    assert!(storage.knows(&mailbox(1), &once.id).unwrap() && texts(&*storage, 1).is_empty());
    assert!(!storage.knows(&mailbox(2), &once.id).unwrap());
    assert_eq!(storage.expire(AT + 6 * DAY, 100).unwrap(), (Vec::new(), false));
    assert!(storage.knows(&mailbox(1), &once.id).unwrap());
    storage.expire(AT + 8 * DAY, 100).unwrap();
    assert!(!storage.knows(&mailbox(1), &once.id).unwrap());
}

fn shared_bytes_go_with_the_last_ack_rel_32(open: Reopen<'_>) {
    let mut storage = open();
    let shared = envelope("shared", AT);
    storage.deposit(&shared, &[to(1), to(2)]).unwrap();
    storage.commit().unwrap();
    // Again to others, as a sender does whose answer was lost half-way.
    storage.deposit(&shared, &[to(3), to(4)]).unwrap();
    storage.commit().unwrap();
    for number in 1..=4 {
        assert_eq!(texts(&*storage, number), ["shared"]);
        storage.ack(&mailbox(number), &shared.id).unwrap().unwrap();
        storage.commit().unwrap();
    }
    // With its bytes gone, the id is as good as new for a mailbox that never saw it.
    storage.deposit(&shared, &[to(5), to(6)]).unwrap();
    storage.commit().unwrap();
    drop(storage);
    let storage = open();
    assert_eq!(texts(&*storage, 5), ["shared"]);
}

fn what_nobody_fetches_expires_rel_33(open: Reopen<'_>) {
    let mut storage = open();
    let sequence = storage.deposit(&envelope("old", AT), &[to(1), to(2)]).unwrap();
    storage.commit().unwrap();
    storage.deposit(&envelope("new", AT + 10 * DAY), &[to(1)]).unwrap();
    storage.commit().unwrap();
    assert_eq!(storage.expire(AT + 29 * DAY, 100).unwrap().0, []);
    storage.commit().unwrap();
    drop(storage);
    let mut storage = open();
    assert_eq!(texts(&*storage, 1), ["old", "new"]);
    let (mut expired, _) = storage.expire(AT + 31 * DAY, 100).unwrap();
    expired.sort_by_key(|(mailbox, _)| *mailbox);
    let gone = |request| Acked { sequence, bytes: 3, request };
    assert_eq!(expired, [(mailbox(1), gone(false)), (mailbox(2), gone(true))]);
    storage.commit().unwrap();
    assert_eq!((texts(&*storage, 1), texts(&*storage, 2)), (vec!["new".to_owned()], vec![]));
    assert!(!storage.knows(&mailbox(1), &EnvelopeId::of(b"old")).unwrap());
}

fn a_unit_reads_its_own_changes(open: Reopen<'_>) {
    let mut storage = open();
    for text in ["a", "b", "c", "d"] {
        storage.deposit(&envelope(text, AT), &[to(1)]).unwrap();
    }
    storage.commit().unwrap();
    storage.ack(&mailbox(1), &EnvelopeId::of(b"a")).unwrap();
    storage.ack(&mailbox(1), &EnvelopeId::of(b"c")).unwrap();
    storage.deposit(&envelope("e", AT), &[to(1)]).unwrap();
    assert_eq!(texts(&*storage, 1), ["b", "d", "e"]);
    let some = storage.queued(&mailbox(1), 0, 2, usize::MAX).unwrap();
    assert_eq!(some.len(), 2);
    let rest = storage.queued(&mailbox(1), some[1].0, 2, usize::MAX).unwrap();
    assert_eq!(&*rest[0].2.bytes, b"e");
    assert_eq!(storage.usage(&mailbox(1)).unwrap().envelopes, 3);
}

fn an_ack_finds_what_is_there_and_nothing_else(open: Reopen<'_>) {
    let mut storage = open();
    let deposit = |storage: &mut dyn Storage, text: &'static str, to: &[Delivery]| {
        storage.deposit(&envelope(text, AT), to).unwrap()
    };
    let ack = |storage: &mut dyn Storage, number, text: &str| {
        storage.ack(&mailbox(number), &EnvelopeId::of(text.as_bytes())).unwrap()
    };
    // At once, in the same unit; after the commit; after having been read; after a restart.
    let at_once = deposit(&mut *storage, "at once", &[to(2)]);
    assert_eq!(ack(&mut *storage, 2, "at once"), Some(Acked { sequence: at_once, bytes: 7, request: true }));
    let shared = deposit(&mut *storage, "shared", &[to(1), to(2)]);
    let later = deposit(&mut *storage, "later", &[to(1)]);
    storage.commit().unwrap();
    let acked = Acked { sequence: shared, bytes: 6, request: false };
    assert_eq!(ack(&mut *storage, 1, "shared"), Some(acked));
    assert_eq!(ack(&mut *storage, 1, "shared"), None);
    storage.commit().unwrap();
    drop(storage);
    let mut storage = open();
    assert_eq!(
        (texts(&*storage, 1), texts(&*storage, 2)),
        (vec!["later".to_owned()], vec!["shared".to_owned()])
    );
    assert_eq!(ack(&mut *storage, 2, "shared"), Some(Acked { request: true, ..acked }));
    assert_eq!(ack(&mut *storage, 2, "at once"), None);
    assert_eq!(ack(&mut *storage, 1, "later"), Some(Acked { sequence: later, bytes: 5, request: false }));
    // What expired is not there to be acked, and what comes again after that is new.
    deposit(&mut *storage, "expires", &[to(1)]);
    storage.commit().unwrap();
    while storage.expire(AT + 31 * DAY, 100).unwrap().1 {}
    assert_eq!(ack(&mut *storage, 1, "expires"), None);
    let again = deposit(&mut *storage, "expires", &[to(1)]);
    assert_eq!(ack(&mut *storage, 1, "expires").unwrap().sequence, again);
}

fn a_unit_has_room_for_so_much_rel_1(open: Reopen<'_>) {
    let mut storage = open();
    assert!(storage.has_room(10 << 20), "the first change goes in, whatever its size");
    let mut count = 0_u64;
    while storage.has_room(1_000) {
        let bytes = [&count.to_be_bytes()[..], &[0; 900]].concat();
        let id = EnvelopeId::of(&bytes);
        storage.deposit(&Envelope { id, received: AT, bytes: bytes.into() }, &[to(1)]).unwrap();
        count += 1;
    }
    assert!((50..1_000).contains(&count), "{count}");
    storage.commit().unwrap();
    assert!(storage.has_room(10 << 20));
    assert_eq!(storage.usage(&mailbox(1)).unwrap().envelopes as u64, count);
}
