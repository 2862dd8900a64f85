//! Profiles through the public door: seen by whom they are for, as they are now, and by nobody else.

#![allow(clippy::expect_used, clippy::panic, reason = "a test may; clippy knows that of test functions only")]

use std::{cell::RefCell, rc::Rc};

use wheesht_core::{
    api::{
        Activity, ConversationId, Picture, PresenceChoice, Profile, ProfileField, ProfileVisibility, Request,
        Response, To, Who as Whom,
    },
    proto::{
        prost::Message as _,
        relay::{ClientFrame, client_frame, relay_frame},
    },
    store::{Backend as _, Direction, KeyRange},
};
use wheesht_tests::{
    hostile::{Hostile, Victim},
    stage::{Stage, Who, address, people::MINUTE},
};

const DAY: u64 = 24 * 60 * MINUTE;

fn set(stage: &mut Stage, who: Who, request: Request) -> Profile {
    let answer = stage.ask(who, request);
    let Ok(Response::Profile { profile }) = answer else { panic!("{answer:?}") };
    stage.advance(MINUTE);
    profile
}

fn named(name: &str) -> Request {
    Request::SetProfile {
        name: Some(name.to_owned()),
        about: None,
        picture: None,
        fields: None,
        visibility: None,
    }
}

fn visible(visibility: ProfileVisibility) -> Request {
    Request::SetProfile { name: None, about: None, picture: None, fields: None, visibility: Some(visibility) }
}

fn profile(stage: &mut Stage, by: Who, of: &str) -> Profile {
    match stage.ask(by, Request::Profile { who: Some(Whom::Address(address(of))) }) {
        Ok(Response::Profile { profile }) => profile,
        other => panic!("{other:?}"),
    }
}

fn own(stage: &mut Stage, who: Who) -> Profile {
    match stage.ask(who, Request::Profile { who: None }) {
        Ok(Response::Profile { profile }) => profile,
        other => panic!("{other:?}"),
    }
}

fn befriend(stage: &mut Stage, one: Who, other: Who, names: (&str, &str)) {
    stage.send(one, names.1, "hello");
    stage.advance(MINUTE);
    stage.accept(other, names.0);
    stage.advance(MINUTE);
}

fn friends(seed: u64) -> (Stage, Who, Who) {
    let mut stage = Stage::new(seed);
    let (alice, bob) = (stage.register("alice"), stage.register("bob"));
    befriend(&mut stage, alice, bob, ("alice", "bob"));
    (stage, alice, bob)
}

/// A group of these, each of whom has said something.
fn group_of(stage: &mut Stage, founder: Who, others: &[(Who, &str)]) -> ConversationId {
    let request = Request::CreateGroup {
        title: "Hikers".to_owned(),
        about: String::new(),
        picture: None,
        policy: None,
    };
    let Ok(Response::Group { group }) = stage.ask(founder, request) else { panic!("no group") };
    stage.advance(MINUTE);
    for (who, name) in others {
        let invite = Request::InviteToGroup { group: group.id, who: Whom::Address(address(name)) };
        assert_eq!(stage.ask(founder, invite), Ok(Response::Done));
        stage.advance(MINUTE);
        assert!(stage.ask(*who, Request::AcceptInvitation { group: group.id }).is_ok());
        stage.advance(3 * MINUTE);
    }
    ConversationId::Group(group.id)
}

#[test]
fn pro_4_pro_5_a_profile_reaches_contacts_and_own_devices_and_its_changes_too() {
    let (mut stage, alice, bob) = friends(801);
    assert_eq!(profile(&mut stage, bob, "alice").name, "");
    let picture = Picture::new([b"\xff\xd8\xff\xe0".to_vec(), vec![7; 20_000]].concat());
    let all = Request::SetProfile {
        name: Some(" Alice Liddell ".to_owned()),
        about: Some("down\nthe rabbit hole".to_owned()),
        picture: Some(picture.clone()),
        fields: Some(vec![ProfileField { name: "pronouns".to_owned(), value: "she/her".to_owned() }]),
        visibility: None,
    };
    assert_eq!(set(&mut stage, alice, all).name, "Alice Liddell");
    let seen = profile(&mut stage, bob, "alice");
    assert_eq!((seen.name.as_str(), seen.about.as_str()), ("Alice Liddell", "down\nthe rabbit hole"));
    assert_eq!((seen.picture, seen.fields.len()), (Some(picture), 1));
    assert_eq!(stage.contact(bob, "alice").expect("alice").profile_name.as_deref(), Some("Alice Liddell"));
    // What is not changed stays; what is, arrives.
    set(&mut stage, alice, named("Alice"));
    let seen = profile(&mut stage, bob, "alice");
    assert_eq!((seen.name.as_str(), seen.about.as_str()), ("Alice", "down\nthe rabbit hole"));

    // A device that comes later knows the own one and a contact's; what it changes, the first shows.
    set(&mut stage, bob, named("Robert"));
    let laptop = stage.join(alice, "alice");
    stage.advance(5 * MINUTE);
    assert_eq!(own(&mut stage, laptop).name, "Alice");
    assert_eq!(profile(&mut stage, laptop, "bob").name, "Robert");
    set(&mut stage, laptop, named("Alice on a laptop"));
    stage.advance(5 * MINUTE);
    assert_eq!(own(&mut stage, alice).name, "Alice on a laptop");
    assert_eq!(profile(&mut stage, bob, "alice").name, "Alice on a laptop");
    // Whoever becomes a contact now sees it at once.
    let carol = stage.register("carol");
    befriend(&mut stage, carol, alice, ("carol", "alice"));
    assert_eq!(profile(&mut stage, carol, "alice").name, "Alice on a laptop");
}

#[test]
fn pro_5_a_profile_is_durable_here_before_the_relay_has_it() {
    let (mut stage, alice, bob) = friends(802);
    stage.set_offline(alice, true);
    set(&mut stage, alice, named("Alice"));
    stage.restart(alice);
    stage.set_offline(alice, false);
    stage.advance(MINUTE);
    assert_eq!(own(&mut stage, alice).name, "Alice");
    assert_eq!(profile(&mut stage, bob, "alice").name, "Alice");
}

#[test]
fn pro_4_members_see_it_once_one_has_spoken_and_only_if_they_may() {
    let mut stage = Stage::new(803);
    let (alice, bob, carol) = (stage.register("alice"), stage.register("bob"), stage.register("carol"));
    befriend(&mut stage, alice, bob, ("alice", "bob"));
    befriend(&mut stage, alice, carol, ("alice", "carol"));
    set(&mut stage, bob, named("Bob of the group"));
    set(&mut stage, carol, named("Carol for contacts"));
    set(&mut stage, carol, visible(ProfileVisibility::Contacts));
    let group = group_of(&mut stage, alice, &[(bob, "bob"), (carol, "carol")]);
    for who in [bob, carol] {
        stage.ask(who, Request::send(To::Conversation(group), "hello all")).expect("it goes");
        stage.advance(2 * MINUTE);
    }
    let ConversationId::Group(id) = group else { panic!() };
    let names = |stage: &mut Stage, by: Who| {
        let Ok(Response::GroupDetails { details }) = stage.ask(by, Request::Group { group: id }) else {
            panic!()
        };
        details.members.into_iter().filter_map(|member| member.profile_name).collect::<Vec<_>>()
    };
    // Bob and Carol are no contacts of each other.
    assert!(names(&mut stage, carol).contains(&"Bob of the group".to_owned()));
    assert!(!names(&mut stage, bob).contains(&"Carol for contacts".to_owned()));
    assert!(names(&mut stage, alice).contains(&"Carol for contacts".to_owned()));
    // A change reaches them without a word.
    set(&mut stage, bob, named("Bobby"));
    stage.advance(MINUTE);
    assert!(names(&mut stage, carol).contains(&"Bobby".to_owned()));
}

#[test]
fn pro_6_who_sees_it_no_longer_reads_no_later_change() {
    let (mut stage, alice, bob) = friends(804);
    set(&mut stage, alice, named("first"));
    assert_eq!(profile(&mut stage, bob, "alice").name, "first");
    set(&mut stage, alice, visible(ProfileVisibility::Nobody));
    set(&mut stage, alice, named("second"));
    stage.advance(2 * DAY);
    stage.disconnect(bob);
    stage.advance(DAY);
    assert_eq!(profile(&mut stage, bob, "alice").name, "first");
    set(&mut stage, alice, visible(ProfileVisibility::Contacts));
    assert_eq!(profile(&mut stage, bob, "alice").name, "second");
}

#[test]
fn pro_8_a_strangers_profile_is_not_read() {
    let mut stage = Stage::new(805);
    let (alice, bob) = (stage.register("alice"), stage.register("bob"));
    set(&mut stage, alice, named("Trust Me"));
    stage.send(alice, "bob", "hello");
    stage.advance(MINUTE);
    let asked: Rc<RefCell<usize>> = Rc::default();
    let counted = Rc::clone(&asked);
    stage.watch = Some(Box::new(move |who, body| {
        *counted.borrow_mut() += usize::from(who == bob && matches!(body, client_frame::Body::GetRecord(_)));
    }));
    stage.advance(MINUTE);
    assert_eq!((*asked.borrow(), profile(&mut stage, bob, "alice").name.as_str()), (0, ""));
}

/// Answers every question for a record with the first that it ever gave out.
struct Stale(std::collections::BTreeMap<Vec<u8>, relay_frame::Body>);

impl Hostile for Stale {
    fn answered(
        &mut self,
        victim: Victim,
        question: &client_frame::Body,
        answer: relay_frame::Body,
    ) -> relay_frame::Body {
        match (question, &answer) {
            (client_frame::Body::GetRecord(asked), relay_frame::Body::RecordOk(_)) if victim == 1 => {
                self.0.entry(asked.id.clone()).or_insert(answer).clone()
            }
            _ => answer,
        }
    }
}

#[test]
fn pro_7_a_stale_profile_from_a_relay_is_refused() {
    let (mut stage, alice, bob) = friends(806);
    stage.hostile = Some(Box::new(Stale(Default::default())));
    set(&mut stage, alice, named("first"));
    assert_eq!(profile(&mut stage, bob, "alice").name, "first");
    drop(stage.hostile.take());
    set(&mut stage, alice, named("second"));
    assert_eq!(profile(&mut stage, bob, "alice").name, "second");
    // From now on the relay shows the oldest it knows.
    stage.hostile = Some(Box::new(Stale(Default::default())));
    set(&mut stage, alice, named("third"));
    assert_eq!(profile(&mut stage, bob, "alice").name, "third");
    set(&mut stage, alice, named("fourth"));
    stage.disconnect(bob);
    stage.advance(2 * DAY);
    // Not the fourth, which is kept back; and nothing older than was seen.
    assert_eq!(profile(&mut stage, bob, "alice").name, "third");
    stage.hostile = None;
    stage.disconnect(bob);
    stage.advance(DAY);
    assert_eq!(profile(&mut stage, bob, "alice").name, "fourth");
}

#[test]
fn neither_relay_nor_disk_shows_a_profile_or_a_status() {
    const SECRETS: [&str; 5] = [
        "Alice Liddell the First",
        "down the rabbit hole at four",
        "tea-party",
        "Wonderland-on-Thames",
        "painting roses",
    ];
    let (mut stage, alice, bob) = friends(808);
    let given: Rc<RefCell<Vec<Vec<u8>>>> = Rc::default();
    let kept = Rc::clone(&given);
    stage.watch = Some(Box::new(move |_, body| {
        let frame = ClientFrame { id: 1, body: Some(body.clone()) };
        kept.borrow_mut().push(frame.encode_to_vec());
    }));
    let [name, about, field, value, status] = SECRETS.map(str::to_owned);
    let fields = Some(vec![ProfileField { name: field, value }]);
    let all =
        Request::SetProfile { name: Some(name), about: Some(about), picture: None, fields, visibility: None };
    set(&mut stage, alice, all);
    stage.ask(alice, Request::SetActivity { activity: Activity::Here }).expect("it is taken");
    stage.ask(bob, Request::SetActivity { activity: Activity::Here }).expect("it is taken");
    let busy = Request::SetPresence { choice: PresenceChoice::Busy, text: Some(status) };
    stage.ask(alice, busy).expect("it is taken");
    stage.advance(MINUTE);
    // It was there to be found.
    assert_eq!(profile(&mut stage, bob, "alice").name, SECRETS[0]);
    assert_eq!(stage.contact(bob, "alice").expect("alice").presence.text, SECRETS[4]);

    let mut haystack: Vec<Vec<u8>> = given.borrow().clone();
    haystack.extend(stage.pushed().iter().map(|(_, deliver)| deliver.encode_to_vec()));
    for who in [alice, bob] {
        let rows = stage.at(who).snapshot().scan(&KeyRange::all(), Direction::Forward, usize::MAX);
        haystack.extend(rows.expect("a disk").into_iter().flat_map(|(key, value)| [key, value]));
    }
    assert!(haystack.len() > 100);
    for secret in SECRETS {
        let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        for needle in [secret.as_bytes(), hex.as_bytes()] {
            let shown = haystack.iter().any(|bytes| bytes.windows(needle.len()).any(|found| found == needle));
            assert!(!shown, "{secret}");
        }
    }
}

#[test]
fn pro_3_what_is_no_profile_is_refused_with_a_word() {
    let (mut stage, alice, _) = friends(807);
    for wrong in [
        named(&"x".repeat(129)),
        named("two\nlines"),
        Request::SetProfile {
            name: None,
            about: None,
            picture: Some(Picture::new(b"GIF89a".to_vec())),
            fields: None,
            visibility: None,
        },
    ] {
        assert!(stage.ask(alice, wrong).is_err());
    }
}
