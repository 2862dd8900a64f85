//! What a hostile member does to the group's state: without the role, beyond its bounds, in another's name. Carol is the hostile one.

use wheesht_core::{
    api::{GroupPhase, Policy, Role, Trouble},
    crypto::sign::SigningKey,
    proto::{
        group::{self as wire, GroupUpdate, action::What as Action, group_control::What},
        ids::GroupId,
        prost::Message as _,
        relay::{self, GetRecord, PutRecord, client_frame, relay_frame::Body as Answer},
    },
    protocol::group::Leave,
    signed::{Record, UnverifiedRecord},
};
use wheesht_tests::stage::{
    Stage, Who,
    groups::{Circle, circle},
    people::MINUTE,
    tamper::Spoils,
};

use super::changes;

fn title(title: &str) -> Action {
    Action::Describe(wire::Describe { title: Some(title.to_owned()), ..Default::default() })
}

fn set_title(state: &mut wire::State, title: &str) {
    state.description.as_mut().unwrap().title = title.to_owned();
}

/// Nobody has moved on from this version, and nobody was alarmed.
fn unmoved(stage: &mut Stage, all: [Who; 3], id: GroupId, version: u64) {
    stage.advance(5 * MINUTE);
    for who in all {
        let details = stage.group(who, id);
        assert_eq!((details.group.version, details.group.title.as_str()), (version, "Hikers"), "{who:?}");
        assert_eq!(details.members.len(), 3);
        let troubles = stage.troubles(who);
        assert!(troubles.is_empty(), "{troubles:?}");
    }
}

#[test]
fn grp_9_changes_the_state_without_the_role() {
    let mut circle = circle(621);
    let (all, id, carol) = (circle.all(), circle.id, circle.carol);
    let stage = &mut circle.stage;
    let (alice_id, carol_id) = (stage.account(all[0]), stage.account(carol));
    let spoils = stage.spoils(carol, id);
    let (now, version) = (stage.now.as_millis(), spoils.state.version());
    let index = |state: &wire::State, account: &[u8]| {
        state.members.iter().position(|member| member.identity == account).unwrap()
    };
    let owner = wire::SetRole { identity: carol_id.to_vec(), role: wire::Role::Owner.into() };
    let forged = [
        spoils.forge(vec![title("Carol's")], now, |state| set_title(state, "Carol's")),
        spoils.forge(vec![Action::SetRole(owner)], now, |state| {
            let at = index(state, carol_id.as_ref());
            state.members[at].role = wire::Role::Owner.into();
        }),
        spoils.forge(
            vec![Action::RemoveMember(wire::RemoveMember {
                identity: alice_id.to_vec(),
                ..Default::default()
            })],
            now,
            |state| {
                let at = index(state, alice_id.as_ref());
                state.members.remove(at);
            },
        ),
    ];
    for forged in &forged {
        stage.shout(carol, id, changes(vec![forged.clone()]));
        // And to the person's face: it says that she was removed.
        stage.whisper(carol, id, alice_id, vec![What::Removed(forged.clone())]);
        unmoved(stage, all, id, version);
    }
    circle.go_on();
}

#[test]
fn grp_30_has_an_admin_write_what_it_may_not() {
    let mut circle = circle(622);
    let (all, id, carol) = (circle.all(), circle.id, circle.carol);
    let stage = &mut circle.stage;
    let alice_id = stage.account(all[0]);
    let spoils = stage.spoils(carol, id);
    let (now, version) = (stage.now.as_millis(), spoils.state.version());
    let forged = spoils.forge(vec![title("Carol's")], now, |state| set_title(state, "Carol's"));
    stage.whisper(carol, id, alice_id, vec![What::Proposed(forged)]);
    unmoved(stage, all, id, version);
    // Where members may, one change of theirs is written; not what doesn't continue the state, nor what another has signed.
    let policy = Policy { describe: Role::Member, ..Policy::default() };
    stage.change(all[0], wheesht_core::api::Request::SetGroupPolicy { group: id, policy });
    stage.advance(5 * MINUTE);
    let (by_carol, by_bob) = (stage.spoils(carol, id), stage.spoils(all[1], id));
    let old = spoils.forge(vec![title("Old")], now, |state| set_title(state, "Old"));
    let bobs = by_bob.forge(vec![title("Bob's")], now, |state| set_title(state, "Bob's"));
    stage.whisper(carol, id, alice_id, vec![What::Proposed(old), What::Proposed(bobs)]);
    unmoved(stage, all, id, version + 1);
    let hers = by_carol.forge(vec![title("Carol's")], now, |state| set_title(state, "Carol's"));
    stage.whisper(carol, id, alice_id, vec![What::Proposed(hers)]);
    stage.advance(5 * MINUTE);
    for who in all {
        assert_eq!(stage.group(who, id).group.title, "Carol's");
    }
}

#[test]
fn grp_15_grp_29_says_that_another_leaves() {
    let mut circle = circle(623);
    let (all, id, carol) = (circle.all(), circle.id, circle.carol);
    let stage = &mut circle.stage;
    let (alice_id, bob_id) = (stage.account(all[0]), stage.account(all[1]));
    let spoils = stage.spoils(carol, id);
    let (hers, bobs) = (stage.keys(carol), stage.spoils(all[1], id).keys);
    let version = spoils.state.version();
    // Bob's certificate, which everyone knows; her signature.
    let mut forged = wire::SignedLeave::decode(
        Leave::sign(&bobs.signing, &bobs.certificate, id, version, stage.now).encoded(),
    )
    .unwrap();
    forged.signature =
        Leave::sign(&hers.signing, &hers.certificate, id, version, stage.now).encoded()[..64].to_vec();
    // Her certificate, Bob's name.
    let mut renamed = wire::SignedLeave::decode(
        Leave::sign(&hers.signing, &hers.certificate, id, version, stage.now).encoded(),
    )
    .unwrap();
    let mut inner = wire::Leave::decode(renamed.leave.as_slice()).unwrap();
    inner.identity = bob_id.to_vec();
    renamed.leave = inner.encode_to_vec();
    renamed.signature = hers
        .signing
        .sign(&wheesht_core::crypto::sign::Label::new("wheesht/1 group leave"), &[&renamed.leave])
        .to_vec();
    // Bob's own word, but of a membership before this one.
    let early = Leave::sign(&bobs.signing, &bobs.certificate, id, 1, stage.now);
    for word in [forged.encode_to_vec(), renamed.encode_to_vec(), early.encoded().to_vec()] {
        let update = GroupUpdate { leave: word.clone(), ..Default::default() };
        stage.shout(carol, id, wheesht_core::proto::content::content::Body::GroupUpdate(update));
        let leave = wire::SignedLeave::decode(word.as_slice()).unwrap();
        stage.whisper(carol, id, alice_id, vec![What::Leave(leave)]);
        unmoved(stage, all, id, version);
    }
    circle.go_on();
}

/// Carol is an admin.
fn with_an_admin(seed: u64) -> (Circle, Spoils) {
    let mut circle = circle(seed);
    circle.stage.set_role(circle.alice, circle.id, "carol", Role::Admin);
    circle.stage.advance(5 * MINUTE);
    let spoils = circle.stage.spoils(circle.carol, circle.id);
    assert!(spoils.write_key.is_some(), "an admin has the write key");
    (circle, spoils)
}

#[test]
fn grp_2_grp_3_makes_the_state_too_large() {
    let (mut circle, spoils) = with_an_admin(624);
    let (all, id, carol) = (circle.all(), circle.id, circle.carol);
    let stage = &mut circle.stage;
    let (now, version) = (stage.now.as_millis(), spoils.state.version());
    let long = "T".repeat(201);
    let about = wire::Describe { about: Some("a".repeat(4 * 1024 + 1)), ..Default::default() };
    let picture = wire::Describe { picture: Some(vec![7; 32 * 1024 + 1]), ..Default::default() };
    let invite = |n: u8| {
        let key = SigningKey::from_secret_bytes(&[n; 32]).verifying_key().as_bytes().to_vec();
        let maker = spoils.keys.account.to_vec();
        (
            Action::AddInvite(wire::AddInvite {
                key: key.clone(),
                expires_ms: 0,
                uses: 0,
                maker: maker.clone(),
            }),
            key,
            maker,
        )
    };
    let links: Vec<_> = (1..=65).map(invite).collect();
    let forged = [
        spoils.forge(vec![title(&long)], now, |state| set_title(state, &long)),
        spoils.forge(vec![Action::Describe(about)], now, |state| {
            state.description.as_mut().unwrap().about = "a".repeat(4 * 1024 + 1);
        }),
        spoils.forge(vec![Action::Describe(picture)], now, |state| {
            state.description.as_mut().unwrap().picture = vec![7; 32 * 1024 + 1];
        }),
        spoils.forge(links.iter().map(|(action, ..)| action.clone()).collect(), now, |state| {
            state.invites = links
                .iter()
                .map(|(_, key, maker)| wire::Invite {
                    key: key.clone(),
                    maker: maker.clone(),
                    ..Default::default()
                })
                .collect();
            state.invites.sort_by(|one, other| one.key.cmp(&other.key));
        }),
    ];
    for forged in forged {
        stage.shout(carol, id, changes(vec![forged]));
        unmoved(stage, all, id, version);
    }
    circle.go_on();
}

/// The group's record as it stands.
fn record(stage: &mut Stage, spoils: &Spoils) -> Record {
    let id = spoils.state.record().id;
    let Answer::RecordOk(found) = stage.anyone(client_frame::Body::GetRecord(GetRecord { id: id.to_vec() }))
    else {
        panic!("no record")
    };
    UnverifiedRecord::read(found.record.unwrap()).unwrap().verify(&id).unwrap()
}

fn put(stage: &mut Stage, record: &Record) -> Answer {
    let record: relay::Record = record.to_message();
    stage.anyone(client_frame::Body::PutRecord(PutRecord { record: Some(record), ticket: Vec::new() }))
}

#[test]
fn grp_27_writes_the_record_after_its_demotion() {
    let (mut circle, spoils) = with_an_admin(625);
    let (id, alice) = (circle.id, circle.alice);
    let stage = &mut circle.stage;
    let before = record(stage, &spoils);
    stage.set_role(alice, id, "carol", Role::Member);
    stage.advance(5 * MINUTE);
    let stands = record(stage, &spoils);
    let key = SigningKey::from_secret_bytes(&spoils.write_key.unwrap());
    assert_ne!(key.verifying_key(), *stands.next_writer(), "the demotion named another key");
    assert!(stands.next(&key, None, b"mine for ever".to_vec()).is_err());
    // What it could have written a moment before comes too late.
    let late = before.next(&key, Some(&key.verifying_key()), b"mine for ever".to_vec()).unwrap();
    assert!(matches!(put(stage, &late), Answer::Error(_)));
    assert_eq!(record(stage, &spoils).version(), stands.version());
    assert!(stage.spoils(circle.carol, id).write_key.is_none(), "an honest client forgets it");
    circle.stage.rename(alice, id, "Climbers");
    circle.go_on();
    assert_eq!(circle.stage.group(circle.bob, id).group.title, "Climbers");
}

/// Carol writes the record so that nobody but she can write it next; what is in it stays, or is rubbish.
fn squat(circle: &mut Circle, spoils: &Spoils, rubbish: bool) {
    let stands = record(&mut circle.stage, spoils);
    let key = SigningKey::from_secret_bytes(&spoils.write_key.unwrap());
    let own = SigningKey::from_secret_bytes(&[99; 32]).verifying_key();
    let value = if rubbish { b"rubbish".to_vec() } else { stands.value().to_vec() };
    let squatted = stands.next(&key, Some(&own), value).unwrap();
    assert!(matches!(put(&mut circle.stage, &squatted), Answer::Ok(_)));
}

#[test]
fn grp_20_squats_the_record_and_an_owner_moves_it() {
    for (seed, rubbish) in [(626, false), (627, true)] {
        let (mut circle, spoils) = with_an_admin(seed);
        let (id, alice) = (circle.id, circle.alice);
        squat(&mut circle, &spoils, rubbish);
        let stage = &mut circle.stage;
        stage.rename(alice, id, "Climbers");
        stage.advance(30 * MINUTE);
        // Not silent: it waits, and the person is told.
        assert_eq!(stage.group(alice, id).group.pending.len(), 1);
        let troubles = stage.troubles(alice);
        let told = |trouble: &Trouble| matches!(trouble, Trouble::GroupRecordUnreachable { group, .. } if *group == id);
        assert!(troubles.iter().any(told), "{troubles:?}");
        let relay = stage.group(alice, id).group.relay.unwrap();
        stage.change(alice, wheesht_core::api::Request::MoveGroup { group: id, relay });
        stage.remove(alice, id, "carol");
        stage.advance(90 * MINUTE);
        assert_eq!(stage.group_phase(circle.carol, id), Some(GroupPhase::Removed), "rubbish: {rubbish}");
        for who in [alice, circle.bob] {
            assert_eq!(stage.group(who, id).group.title, "Climbers", "rubbish: {rubbish}");
            assert_eq!(stage.members(who, id), ["alice", "bob"]);
        }
        let group = wheesht_core::api::ConversationId::Group(id);
        let refused = stage.ask(circle.carol, wheesht_core::api::Request::send(group, "still mine"));
        assert!(refused.is_err(), "{refused:?}");
    }
}
