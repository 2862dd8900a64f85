//! A group's life among what is searched: by what reaches files and logs in the run of real clients, and, where no TLS is around it, by
//! every frame that a relay gets and all that it keeps.

use std::{cell::RefCell, rc::Rc};

use wheesht_core::{
    api::{ConversationId, GroupPhase, Policy, Request, Response, Role, To, Who},
    crypto::secret::Secret as _,
    proto::{
        content::content::Body,
        ids::GroupId,
        prost::Message as _,
        relay::{ClientFrame, RelayFrame, relay_frame},
    },
    store::{Backend as _, Direction, KeyRange},
};
use wheesht_tests::stage::{Stage, people::MINUTE};

use super::{
    ALICE, BOB,
    needles::Needles,
    people::{Person, eventually},
};

/// Title, text and what is said, first and later.
pub(crate) const TEXTS: [&str; 6] = [
    "The Midnight Cartographers",
    "we draw what the maps leave out",
    "The Daylight Cartographers",
    "has anybody seen the brass sextant",
    "under the third floorboard, as ever",
    "the north wing is not on any plan",
];

/// Alice founds a group and brings Bob in; they talk, rename, react, make a link. Gives the group's id, and what the link says.
pub(crate) async fn live(alice: &Person, bob: &Person) -> (GroupId, String) {
    let (title, about) = (TEXTS[0].to_owned(), TEXTS[1].to_owned());
    let founded = Request::CreateGroup { title, about, picture: None, policy: Some(Policy::default()) };
    let Ok(Response::Group { group }) = alice.client.call(founded).await else { panic!("no group") };
    let id = group.id;
    let contacts = alice.client.contacts().await.unwrap();
    let who = Who::Id(contacts.iter().find(|contact| contact.address.name().as_str() == BOB).unwrap().id);
    alice.client.call(Request::InviteToGroup { group: id, who: who.clone() }).await.unwrap();
    let phase = async |person: &Person| {
        let Ok(Response::Groups { groups }) = person.client.call(Request::Groups).await else { panic!() };
        groups.into_iter().find(|group| group.id == id)
    };
    eventually("an invitation", async || phase(bob).await).await;
    bob.client.call(Request::AcceptInvitation { group: id }).await.unwrap();
    eventually("a member", async || phase(bob).await.filter(|group| group.phase == GroupPhase::Member)).await;
    let conversation = ConversationId::Group(id);
    alice.client.send(To::Conversation(conversation), TEXTS[3]).await.unwrap();
    let (_, said) = (bob.wait_for(TEXTS[3]).await, bob.client.send(conversation, TEXTS[4]).await.unwrap());
    alice.wait_for(TEXTS[4]).await;
    alice.client.react(conversation, said.1, "👍", false).await.unwrap();
    let title = Some(TEXTS[2].to_owned());
    alice.client.call(Request::EditGroup { group: id, title, about: None, picture: None }).await.unwrap();
    alice.client.call(Request::SetRole { group: id, who, role: Role::Admin }).await.unwrap();
    eventually("a title", async || phase(bob).await.filter(|group| group.title == TEXTS[2])).await;
    bob.client.send(conversation, TEXTS[5]).await.unwrap();
    alice.wait_for(TEXTS[5]).await;
    let made = Request::MakeGroupLink { group: id, lifetime_ms: None, uses: None };
    let Ok(Response::GroupLink { link }) = alice.client.call(made).await else { panic!("no link") };
    (id, link.link.unwrap())
}

#[test]
fn a_relay_sees_nothing_of_a_group_but_addresses_and_sizes() {
    let mut stage = Stage::new(801);
    let frames = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&frames);
    stage.watch = Some(Box::new(move |_, body| {
        let frame = ClientFrame { id: 1, body: Some(body.clone()) };
        seen.borrow_mut().extend(frame.encode_to_vec());
    }));
    let [alice, bob, carol] = [ALICE, BOB, "carol-of-the-north"].map(|name| stage.register(name));
    stage.befriend((alice, ALICE), (bob, BOB));
    stage.befriend((alice, ALICE), (carol, "carol-of-the-north"));
    let policy = Policy { describe: Role::Member, ..Policy::default() };
    let id = stage.found(alice, TEXTS[0], policy);
    stage.bring(alice, id, (bob, BOB));
    stage.bring(alice, id, (carol, "carol-of-the-north"));
    for (who, text) in [(alice, TEXTS[3]), (bob, TEXTS[4]), (carol, TEXTS[5])] {
        stage.say(who, id, text);
        stage.advance(MINUTE);
    }
    stage.rename(bob, id, TEXTS[2]);
    stage.advance(5 * MINUTE);
    let before = stage.spoils(alice, id);
    stage.remove(alice, id, BOB);
    stage.advance(5 * MINUTE);
    // With something in a mailbox, and something about the group that is no conversation.
    stage.set_offline(carol, true);
    stage.say(alice, id, TEXTS[1]);
    stage.shout(alice, id, Body::GroupUpdate(Default::default()));
    stage.advance(MINUTE);

    let mut secrets = Needles::default();
    TEXTS.iter().for_each(|text| secrets.add("a group's title or text", text));
    secrets.add("a group's id", id);
    let after = stage.spoils(alice, id);
    for spoils in [&before, &after] {
        secrets.add("a state's hash", spoils.state.hash());
        secrets.add("an outer key", spoils.outer.1.expose());
        secrets.add("a chain's key", &spoils.chain.key_now().key);
        secrets.add("a write key", spoils.write_key.unwrap());
        secrets
            .add("a leaf's signature", &spoils.leaves[0].encoded()[spoils.leaves[0].encoded().len() - 64..]);
    }
    secrets.assert_each_is_found();
    // What the search is worth: a leaf's address must be there.
    let mut addresses = Needles::default();
    addresses.add("a group's address", after.leaves[0].address());

    let pushes: Vec<u8> = stage
        .pushed()
        .into_iter()
        .flat_map(|(_, deliver)| {
            RelayFrame { id: 0, body: Some(relay_frame::Body::Deliver(deliver)) }.encode_to_vec()
        })
        .collect();
    let stored = stage.relay_stored().scan(&KeyRange::all(), Direction::Forward, usize::MAX).unwrap();
    let stored: Vec<u8> = stored.into_iter().flat_map(|(key, value)| [key, value].concat()).collect();
    let frames = frames.borrow();
    assert!(!addresses.search("the frames", &frames).is_empty());
    assert!(!addresses.search("the relay's store", &stored).is_empty());
    let mut found = secrets.search("the frames", &frames);
    found.extend(secrets.search("what is pushed", &pushes));
    found.extend(secrets.search("the relay's store", &stored));
    assert!(found.is_empty(), "{found:#?}");
}
