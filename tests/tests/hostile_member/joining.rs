//! Getting in, and getting others in, against the rules.

use wheesht_core::{
    api::{Error, ErrorCode, GroupPhase, Joining, Policy, Request, Response},
    proto::{
        group::{InviteToGroup, JoinRequest, Refusal, Welcome, group_control::What},
        ids::{DepositAddress, GroupId},
        relay::{Lookup, client_frame, relay_frame},
    },
    protocol::group::{Consent, Invitation, Leaf},
    signed::UnverifiedManifest,
};
use wheesht_tests::stage::{
    Stage, Who,
    groups::circle,
    people::{MINUTE, friends},
    tamper::Keys,
};

fn invite(title: &str) -> What {
    What::Invite(InviteToGroup { title: title.to_owned(), members: 3, offer_id: vec![4; 16] })
}

#[test]
fn gro_13_invites_whom_it_does_not_know() {
    let mut circle = circle(661);
    let stage = &mut circle.stage;
    // Bob and Carol are in one group, and no contacts.
    let bob_id = stage.account(circle.bob);
    let other = GroupId::new([5; 32]);
    stage.whisper(circle.carol, circle.id, bob_id, vec![invite("Buy now")]);
    let content = stage.content(wheesht_core::proto::content::content::Body::Group(
        wheesht_core::proto::group::GroupControl { group_id: other.to_vec(), what: Some(invite("Buy now")) },
    ));
    stage.whisper_contents(circle.carol, bob_id, vec![(circle.id, content)]);
    stage.advance(5 * MINUTE);
    assert_eq!(stage.group_phase(circle.bob, other), None);
    assert_eq!(stage.group_phase(circle.bob, circle.id), Some(GroupPhase::Member));
    // From a contact it is one.
    let (alice, bob) = (circle.alice, circle.bob);
    stage.whisper(alice, other, bob_id, vec![invite("Climbers")]);
    stage.advance(5 * MINUTE);
    assert_eq!(stage.group_phase(bob, other), Some(GroupPhase::Invited));
    circle.go_on();
}

#[test]
fn gro_14_uses_a_link_that_has_expired() {
    let mut two = friends(662);
    let policy = Policy { joining: Joining::Open, ..Policy::default() };
    let group = two.stage.found(two.alice, "Hikers", policy);
    let request = Request::MakeGroupLink { group, lifetime_ms: Some(60 * MINUTE), uses: None };
    let Ok(Response::GroupLink { link }) = two.stage.ask(two.alice, request) else { panic!() };
    two.stage.advance(61 * MINUTE);
    let link = link.link.unwrap();
    let refused = two.stage.ask(two.bob, Request::JoinGroup { link: link.clone() });
    assert_eq!(refused.map_err(|error: Error| error.code), Err(ErrorCode::Invalid));
    assert_eq!(two.stage.group_phase(two.bob, group), None);
    // A link that says otherwise: the state knows better.
    let mut later = Invitation::from_link(&link).unwrap();
    later.expires = None;
    let asked = two.stage.change(two.bob, Request::JoinGroup { link: later.to_link().to_string() });
    assert_eq!(asked.phase, GroupPhase::Joining);
    two.stage.advance(5 * MINUTE);
    assert_eq!(two.stage.group_phase(two.bob, group), Some(GroupPhase::Refused));
    assert_eq!(two.stage.group(two.alice, group).members.len(), 1);
}

fn manifest(stage: &mut Stage, name: &str) -> Vec<u8> {
    match stage.anyone(client_frame::Body::Lookup(Lookup { name: name.to_owned() })) {
        relay_frame::Body::LookupOk(found) => found.manifest,
        other => panic!("{other:?}"),
    }
}

#[test]
fn gro_15_asks_with_papers_that_are_not_all_its_own() {
    let mut two = friends(663);
    let stage = &mut two.stage;
    let mallory = stage.register("mallory");
    stage.befriend((two.alice, "alice"), (mallory, "mallory"));
    let policy = Policy { joining: Joining::Open, ..Policy::default() };
    let group = stage.found(two.alice, "Hikers", policy);
    let request = Request::MakeGroupLink { group, lifetime_ms: None, uses: None };
    let Ok(Response::GroupLink { link }) = stage.ask(two.alice, request) else { panic!() };
    stage.advance(MINUTE);
    let invitation = Invitation::from_link(&link.link.unwrap()).unwrap();
    let (hers, bobs) = (stage.keys(mallory), stage.keys(two.bob));
    let (of_hers, of_bobs) = (manifest(stage, "mallory"), manifest(stage, "bob"));
    let head = |manifest: &[u8]| UnverifiedManifest::decode(manifest).unwrap().assume_verified().head();
    let now = stage.now;
    let address = |name: &str| wheesht_tests::stage::address(name);
    let consent = |keys: &Keys, name: &str, group| {
        let consent = Consent::give(
            &keys.signing,
            &keys.certificate,
            &address(name),
            group,
            two.alice_id,
            Some(&invitation.secret),
            now,
        );
        consent.encoded().to_vec()
    };
    let relay = address("alice").relay().clone();
    let leaf = |keys: &Keys, manifest: &[u8], group| {
        let place = (DepositAddress::new([6; 16]), &relay);
        Leaf::issue(&keys.signing, &keys.certificate, group, place, head(manifest), 1).encoded().to_vec()
    };
    let ask = |consent, leaves, manifest: &[u8]| {
        What::Join(JoinRequest { consent, leaves, manifest: manifest.to_vec(), offer_id: Vec::new() })
    };
    let elsewhere = GroupId::new([8; 32]);
    let mut cut = consent(&hers, "mallory", group);
    let last = cut.len() - 1;
    cut[last] ^= 1;
    let wrong = vec![
        ask(consent(&hers, "mallory", group), vec![leaf(&bobs, &of_bobs, group)], &of_hers),
        ask(consent(&hers, "mallory", group), vec![leaf(&hers, &of_hers, group)], &of_bobs),
        ask(consent(&hers, "mallory", elsewhere), vec![leaf(&hers, &of_hers, group)], &of_hers),
        ask(consent(&hers, "mallory", group), vec![leaf(&hers, &of_hers, elsewhere)], &of_hers),
        ask(consent(&hers, "bob", group), vec![leaf(&hers, &of_hers, group)], &of_hers),
        ask(consent(&hers, "mallory", group), Vec::new(), &of_hers),
        ask(cut, vec![leaf(&hers, &of_hers, group)], &of_hers),
    ];
    for wrong in wrong {
        stage.whisper(mallory, group, two.alice_id, vec![wrong]);
        stage.advance(5 * MINUTE);
        assert_eq!(stage.members(two.alice, group), ["alice"]);
    }
    let right = ask(consent(&hers, "mallory", group), vec![leaf(&hers, &of_hers, group)], &of_hers);
    stage.whisper(mallory, group, two.alice_id, vec![right]);
    stage.advance(5 * MINUTE);
    assert_eq!(stage.members(two.alice, group), ["alice", "mallory"]);
}

/// Everything that two devices may say about a group, from somebody whose business it is not.
fn stray(stage: &mut Stage, from: Who, to: Who, group: GroupId) {
    let account = stage.account(to);
    let whats = vec![
        What::Epoch(wheesht_core::proto::group::EpochKey { epoch: 2, outer_key: vec![1; 32] }),
        What::Ask(wheesht_core::proto::group::Ask { wants_roster: true, ..Default::default() }),
        What::Ask(wheesht_core::proto::group::Ask { wants_write_key: true, ..Default::default() }),
        What::Welcome(Welcome { parts: 1, ..Default::default() }),
        What::Refused(Refusal { reason: 1, offer_id: vec![4; 16] }),
        What::Removed(vec![1, 2, 3]),
        What::Proposed(vec![1, 2, 3]),
        What::Answer(wheesht_core::proto::group::Answer::default()),
    ];
    stage.whisper(from, group, account, whats);
    stage.advance(5 * MINUTE);
}

#[test]
fn gro_22_speaks_of_a_group_that_is_not_its_own() {
    let mut circle = circle(664);
    let (alice, id) = (circle.alice, circle.id);
    let dave = circle.stage.register("dave");
    circle.stage.befriend((alice, "alice"), (dave, "dave"));
    let before = circle.stage.group(alice, id);
    let dave_id = circle.stage.account(dave);
    circle.stage.advance(60 * MINUTE);
    // Dave is Alice's contact and no member; nothing about the group goes to him, whatever he asks.
    let (mine, theirs) =
        (std::rc::Rc::new(std::cell::Cell::new(0)), std::rc::Rc::new(std::cell::Cell::new(0)));
    let counted = mine.clone();
    circle.stage.watch = Some(Box::new(move |who, question| {
        if let (true, client_frame::Body::Deposit(deposit)) = (who == alice, question) {
            counted.set(counted.get() + deposit.entries.len());
        }
    }));
    stray(&mut circle.stage, dave, alice, id);
    theirs.set(mine.get());
    circle.stage.watch = None;
    assert_eq!(theirs.get(), 0, "Alice has answered {dave_id}");
    assert_eq!(circle.stage.group(alice, id), before);
    // Nor does it do anything from a member, as far as it is another's to say.
    let carol = circle.carol;
    stray(&mut circle.stage, carol, alice, id);
    assert_eq!(circle.stage.group(alice, id).members, before.members);
    assert_eq!(circle.stage.group(alice, id).group, before.group);
    circle.go_on();
}

#[test]
fn gro_17_welcomes_whom_another_invited() {
    let mut circle = circle(665);
    let stage = &mut circle.stage;
    let dave = stage.register("dave");
    stage.befriend((circle.alice, "alice"), (dave, "dave"));
    stage.befriend((circle.carol, "carol"), (dave, "dave"));
    let dave_id = stage.account(dave);
    let other = GroupId::new([5; 32]);
    // Alice invites; before she can answer, Carol says what would be Alice's to say.
    stage.whisper(circle.alice, other, dave_id, vec![invite("Climbers")]);
    stage.advance(MINUTE);
    stage.change(dave, Request::AcceptInvitation { group: other });
    let spoils = stage.spoils(circle.carol, circle.id);
    let welcome = Welcome {
        epoch: Some(wheesht_core::proto::group::EpochKey { epoch: 1, outer_key: vec![1; 32] }),
        leaves: spoils.leaves.iter().map(|leaf| leaf.encoded().to_vec()).collect(),
        parts: 1,
        ..Default::default()
    };
    let refusal = Refusal { reason: 1, offer_id: vec![4; 16] };
    stage.whisper(circle.carol, other, dave_id, vec![What::Welcome(welcome), What::Refused(refusal)]);
    stage.advance(MINUTE);
    assert_eq!(stage.group_phase(dave, other), Some(GroupPhase::Joining));
    circle.go_on();
}
