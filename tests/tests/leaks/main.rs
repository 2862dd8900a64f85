//! Nothing leaks: a run of real clients and a real relay, with everything that left a process kept and searched.
//!
//! ```text
//! client ◀──TLS──▶ wiretap ◀──TLS──▶ relay        searched for every text, name, password, label and key of the run:
//!   │ store, key file  │ capture        │ data    the capture, the relay's files, the clients' files, the log of all three
//!   └──────────────────┴── log, trace ──┘         as they are, in hex, in base64, in UTF-16
//! ```
//!
//! The relay may know the names of its accounts; everything else in `Secrets` may be nowhere. What the search would find if it
//! were there is shown first, on files that do hold it.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that can't go on says so by panicking"
)]

mod group;
mod log;
mod needles;
mod people;
mod wiretap;

use std::{fs, path::Path, time::Duration};

use wheesht_core::{
    api::{
        Activity, Body, ContactExtra, ConversationId, ErrorCode, FileState, ListRules, Outgoing, Password,
        Phase, PresenceChoice, ProfileField, Request, Search, Who,
    },
    proto::address::Address,
};
use wheesht_relay::{Config, Relay};

use needles::{Needles, files_under};
use people::Person;
use wiretap::Wiretap;

const ALICE: &str = "alice-wintergreen";
const BOB: &str = "bob-underhill-jr";
/// What Alice shows of herself: a name, a text, a field and its value, and the line beside her presence.
const SHOWN: [&str; 5] = [
    "Alexandra von Wintergreen",
    "keeper of the seventh lighthouse",
    "favourite-mineral",
    "tourmaline, watermelon variety",
    "polishing the great lens",
];
/// A file: its name, what goes with it, and what is in it, often enough to be in every chunk.
const FILE: [&str; 3] = [
    "inheritance-plans-final.odt",
    "here are the plans, read them alone",
    "the orchard goes to the goat, all of it. ",
];
const DRAFT: &str = "dear goat, what I never dared to write";
/// Looked up, and not there: the relay has no reason to keep it.
const ZEBEDEE: &str = "zebedee-of-nowhere";

/// What the run says and types, and nothing else may know.
const TEXTS: [&str; 5] = [
    "meet me at the old observatory, nine sharp",
    "bring the blue ledger and the spare key",
    "understood: the ledger travels tonight",
    "a note to myself about the combination 7-31-12",
    "this one reaches a device that joined later",
];
const PASSWORDS: [(&str, &str); 2] =
    [(ALICE, "seven copper kettles sing at dawn"), (BOB, "no owl forgets a borrowed ladder")];
const SEARCHED: &str = "observatory";
const NOTED: [&str; 3] = ["Wolfgang the Lesser", "owes me an umbrella", "people with umbrellas"];
const BACKUP: &str = "umbrella ten thousand geese";
const MISTYPED: &str = "seven copper kettles sang at dusk";
const PASSPHRASE: &str = "lantern oats drift quietly sideways";
const LABELS: [&str; 3] = ["the kitchen laptop", "the attic terminal", "the glovebox phone"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_of_a_run_is_in_the_capture_the_stores_or_the_logs() {
    let logs = log::capture();
    let root = tempfile::tempdir().unwrap();
    let place = |name: &str| root.path().join(name);
    let wiretap = Wiretap::listen().await;

    let mut config = Config::new(place("relay"));
    config.listen = ([127, 0, 0, 1], 0).into();
    config.domain = Some(wiretap.address().to_string());
    let relay = Relay::start(config).await.unwrap();
    wiretap.forward_to(relay.local_addr());
    let address = |name: &str| -> Address { format!("{name}@{}", relay.address()).parse().unwrap() };
    let password = |name: &str| Password::new(PASSWORDS.iter().find(|(whose, _)| *whose == name).unwrap().1);

    let alice = Person::open(&place("alice")).await;
    let bob = Person::open_with_passphrase(&place("bob"), PASSPHRASE).await;
    alice.client.register(address(ALICE), password(ALICE), LABELS[0]).await.unwrap();
    bob.client.register(address(BOB), password(BOB), LABELS[1]).await.unwrap();

    // Strangers, then friends; both ways; a note; somebody who isn't there.
    alice.send(address(BOB), TEXTS[0]).await;
    bob.accept(ALICE).await;
    bob.wait_for(TEXTS[0]).await;
    alice.wait_for_delivery(TEXTS[0]).await;
    alice.send(address(BOB), TEXTS[1]).await;
    bob.wait_for(TEXTS[1]).await;
    bob.send(address(ALICE), TEXTS[2]).await;
    alice.wait_for(TEXTS[2]).await;
    alice.send(address(ALICE), TEXTS[3]).await;
    let nobody = alice.client.add_contact(address(ZEBEDEE)).await.unwrap_err();
    assert_eq!(nobody.code, ErrorCode::NotFound, "{nobody}");

    // A group's life.
    let (group, link) = group::live(&alice, &bob).await;

    // A second device, at the second try.
    let phone = Person::open(&place("phone")).await;
    let mistyped = phone.client.log_in(address(ALICE), Password::new(MISTYPED), LABELS[2], false).await;
    assert_eq!(mistyped.unwrap_err().code, ErrorCode::BadCredentials);
    let status = phone.client.log_in(address(ALICE), password(ALICE), LABELS[2], false).await.unwrap();
    assert!(matches!(status.phase, Phase::Pending { .. }), "{status:?}");
    alice.confirm_device().await;
    phone.wait_until_active().await;
    bob.wait_for_notice_of_a_device().await;
    bob.send(address(ALICE), TEXTS[4]).await;
    alice.wait_for(TEXTS[4]).await;
    phone.wait_for(TEXTS[4]).await;
    bob.wait_for_delivery(TEXTS[4]).await;

    // What somebody shows of themselves, and a file. Where it is saved is no store.
    show_oneself(&alice, &bob).await;
    send_file(&alice, &bob, address(BOB), &root.path().join("elsewhere")).await;

    // What is looked for, noted down and backed up.
    let search = Search { query: SEARCHED.to_owned(), ..Default::default() };
    assert_eq!(alice.client.search(search).await.unwrap().hits.len(), 1);
    let contact = alice.client.contacts().await.unwrap().remove(0);
    let [nickname, note, list] = NOTED.map(str::to_owned);
    let lists = ListRules { only: vec![list.clone()], ..ListRules::default() };
    let extra = ContactExtra { nickname, note, lists: vec![list] };
    alice.client.edit_contact(Who::Id(contact.id), extra).await.unwrap();
    alice.client.show_presence_to_lists(lists).await.unwrap();
    let conversation = ConversationId::Direct(contact.id);
    let draft = Request::SetDraft { conversation, text: DRAFT.to_owned(), reply_to: None };
    alice.client.call(draft).await.unwrap();
    alice.client.create_backup(&place("alice/backup"), &Password::new(BACKUP)).await.unwrap();

    // What a person would attach to a report, with refusals and a joined device behind it.
    let mut bundles = Vec::new();
    for person in [&alice, &bob, &phone] {
        bundles.push(person.client.debug_bundle().await.unwrap());
    }

    let relay_address = relay.address().authority();
    let mut ids = Vec::new();
    for person in [&alice, &bob, &phone] {
        let status = person.client.status().await.unwrap();
        ids.push(status.account.unwrap().to_vec());
        ids.push(status.device.unwrap().to_vec());
    }

    // With letters in the mailbox while the files are read.
    phone.close().await;
    bob.send(address(ALICE), TEXTS[1]).await;
    alice.close().await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    bob.close().await;
    relay.shutdown().await.unwrap();
    let capture = wiretap.stop();

    let mut secrets = Needles::default();
    TEXTS.iter().for_each(|text| secrets.add("a text", text));
    secrets.add("a word looked for", SEARCHED);
    SHOWN.iter().for_each(|shown| secrets.add("something of a profile or a presence", shown));
    FILE.iter().for_each(|part| secrets.add("a file", part));
    secrets.add("a draft", DRAFT);
    NOTED.iter().for_each(|noted| secrets.add("something noted", noted));
    secrets.add("a backup's passphrase", BACKUP);
    PASSWORDS.iter().for_each(|(_, password)| secrets.add("a password", password));
    secrets.add("a mistyped password", MISTYPED);
    secrets.add("a store's passphrase", PASSPHRASE);
    LABELS.iter().for_each(|label| secrets.add("a device's label", label));
    group::TEXTS.iter().for_each(|text| secrets.add("a group's title or text", text));
    secrets.add("a group's id", group);
    secrets.add("a link into a group", link);
    for (person, passphrase) in [("alice", None), ("phone", None), ("bob", Some(PASSPHRASE))] {
        people::stored_secrets(&place(person), passphrase, &mut secrets);
    }
    let (mut names, mut stranger) = (Needles::default(), Needles::default());
    [ALICE, BOB].iter().for_each(|name| names.add("an account's name", name));
    stranger.add("a name looked up", ZEBEDEE);

    // What the search is worth: it finds names where they may be, and all else in a file that holds it.
    assert!(!names.search_files(&place("relay")).is_empty(), "the relay knows its accounts");
    secrets.assert_each_is_found();
    assert!(capture.len() > 100_000, "{} bytes captured", capture.len());
    let (tracing, log) = (logs.tracing(), logs.log());
    assert!(tracing.windows(9).any(|bytes| bytes == b"committed"), "the clients' trace lines were captured");
    assert!(!names.search("the libraries' log", &log).is_empty(), "the libraries' trace lines were captured");

    let info = logs.info();
    assert!(
        info.windows(13).any(|bytes| bytes == b"connection up"),
        "the clients' lines for people were captured"
    );
    assert!(info.len() < tracing.len() / 2, "they are not all");
    assert_bundles_tell_how_things_stand(&bundles);

    let mut found = secrets.search("the libraries' log", &log);
    // Where a report is read, and where logs are kept for long, not even hosts, ids or public keys have a place.
    let mut private = Needles::default();
    private.add("the relay's address", relay_address.as_bytes());
    ids.iter().for_each(|id| private.add("an id", id));
    private.assert_each_is_found();
    for needles in [&secrets, &names, &stranger, &private] {
        found.extend(needles.search("the log at info", &info));
        for bundle in &bundles {
            found.extend(needles.search("a debug bundle", bundle.as_bytes()));
        }
    }
    for needles in [&secrets, &names, &stranger] {
        found.extend(needles.search("the capture", &capture));
        found.extend(needles.search("the log", &tracing));
        for person in ["alice", "bob", "phone"] {
            found.extend(needles.search_files(&place(person)));
        }
    }
    for needles in [&secrets, &stranger] {
        found.extend(needles.search_files(&place("relay")));
    }
    assert!(found.is_empty(), "{found:#?}");
    assert_only_their_owner_reads(root.path(), &["alice", "bob", "phone", "relay"]);
}

/// Alice has a profile and a presence, and Bob has seen both.
async fn show_oneself(alice: &Person, bob: &Person) {
    let [name, about, field, value, status] = SHOWN.map(str::to_owned);
    let fields = Some(vec![ProfileField { name: field, value }]);
    let profile =
        Request::SetProfile { name: Some(name), about: Some(about), picture: None, fields, visibility: None };
    alice.client.set_profile(profile).await.unwrap();
    alice.client.set_activity(Activity::Here).await.unwrap();
    bob.client.set_activity(Activity::Here).await.unwrap();
    alice.client.set_presence(PresenceChoice::Busy, Some(status)).await.unwrap();
    let seen = async || {
        let contact = bob.client.contacts().await.unwrap().into_iter().find(|contact| {
            contact.profile_name.as_deref() == Some(SHOWN[0]) && contact.presence.text == SHOWN[4]
        })?;
        let profile = bob.client.profile(Some(Who::Id(contact.id))).await.unwrap();
        (profile.about == SHOWN[1]).then_some(())
    };
    people::eventually("a profile and a presence", seen).await;
}

/// Alice sends Bob a file, and Bob has it saved, as small ones of contacts are by themselves.
async fn send_file(alice: &Person, bob: &Person, to: Address, elsewhere: &Path) {
    fs::create_dir(elsewhere).unwrap();
    let path = elsewhere.join(FILE[0]);
    fs::write(&path, FILE[2].repeat(10_000)).unwrap();
    let outgoing =
        Outgoing { caption: FILE[1].to_owned(), ..Outgoing::new(path.to_str().unwrap().to_owned()) };
    let (_, sent) = alice.client.send_file(Who::Address(to), outgoing).await.unwrap();
    let arrived = async || {
        let (files, _) = bob.client.files(None, None, 10).await.unwrap();
        let message = files.into_iter().find(|message| message.id == sent)?;
        let Body::File { file, .. } = &message.body else { return None };
        matches!(file.state, FileState::Saved { .. }).then_some(())
    };
    people::eventually("a file", arrived).await;
}

/// A bundle that says nothing would leak nothing.
fn assert_bundles_tell_how_things_stand(bundles: &[String]) {
    for bundle in bundles {
        for told in ["phase: active", "people, accepted: 1", "logged in, 0 requests wait", "told event="] {
            assert!(bundle.contains(told), "{told} is not in {bundle}");
        }
    }
    assert!(bundles.iter().any(|bundle| bundle.contains("refused code=bad_credentials")));
    assert!(bundles.iter().any(|bundle| bundle.contains("refused code=not_found")));
}

/// What lies on disk is nobody else's to read: the directories keep all others out.
fn assert_only_their_owner_reads(root: &Path, directories: &[&str]) {
    use std::os::unix::fs::PermissionsExt as _;

    for directory in directories {
        let mode = fs::metadata(root.join(directory)).unwrap().permissions().mode();
        let files = files_under(&root.join(directory));
        let open = |path: &&std::path::PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o077 != 0;
        let open: Vec<_> = files.iter().filter(open).collect();
        assert!(mode & 0o077 == 0 || open.is_empty(), "{directory} ({mode:o}): {open:?}");
    }
}
