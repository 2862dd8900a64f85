//! Alice, Bob, and what they tell each other in passing.

use wheesht_core::{
    api::{
        Activity, Availability, EventKind, OwnPresence, Presence, PresenceChoice, Request, Response,
        Who as Whom,
    },
    proto::ids::AccountId,
};
use wheesht_tests::stage::{Stage, Who, address, people::MINUTE};

pub(crate) struct Two {
    pub(crate) stage: Stage,
    pub(crate) alice: Who,
    pub(crate) bob: Who,
    pub(crate) alice_id: AccountId,
    pub(crate) bob_id: AccountId,
}

/// Alice and Bob, who have accepted each other; nobody is at their devices yet.
pub(crate) fn friends(seed: u64) -> Two {
    let mut stage = Stage::new(seed);
    let (alice, bob) = (stage.register("alice"), stage.register("bob"));
    befriend(&mut stage, alice, bob, ("alice", "bob"));
    let (alice_id, bob_id) = (stage.account(alice), stage.account(bob));
    Two { stage, alice, bob, alice_id, bob_id }
}

pub(crate) fn befriend(stage: &mut Stage, one: Who, other: Who, names: (&str, &str)) {
    stage.send(one, names.1, "hello");
    stage.advance(MINUTE);
    stage.accept(other, names.0);
    stage.advance(MINUTE);
    stage.events(one);
    stage.events(other);
}

pub(crate) fn own(stage: &mut Stage, who: Who, request: Request) -> OwnPresence {
    match stage.ask(who, request) {
        Ok(Response::OwnPresence { presence }) => presence,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn here(stage: &mut Stage, who: Who) {
    own(stage, who, Request::SetActivity { activity: Activity::Here });
    stage.advance(1_000);
}

pub(crate) fn choose(stage: &mut Stage, who: Who, choice: PresenceChoice, text: &str) {
    own(stage, who, Request::SetPresence { choice, text: Some(text.to_owned()) });
    stage.advance(1_000);
}

pub(crate) fn show(stage: &mut Stage, who: Who, to: &str, visible: bool) {
    let answer = stage.ask(who, Request::ShowPresence { who: Whom::Address(address(to)), visible });
    let Ok(Response::Contact { contact }) = answer else { panic!("{answer:?}") };
    assert_eq!(contact.presence_hidden, !visible);
    stage.advance(1_000);
}

/// How somebody seems to an installation.
pub(crate) fn seen(stage: &mut Stage, by: Who, name: &str) -> (Availability, String) {
    let Presence { availability, text, .. } = stage.contact(by, name).expect("a contact").presence;
    (availability, text)
}

pub(crate) fn is(stage: &mut Stage, by: Who, name: &str) -> Availability {
    seen(stage, by, name).0
}

/// What an installation was told of how others are.
pub(crate) fn told(stage: &mut Stage, who: Who) -> Vec<(AccountId, Availability)> {
    let told = |event| match event {
        EventKind::Presence { contact, presence } => Some((contact, presence.availability)),
        _ => None,
    };
    stage.events(who).into_iter().filter_map(told).collect()
}
