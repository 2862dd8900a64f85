//! Getting into groups through the public door: invitations, links, approval, refusal, own devices; and three people who talk.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may; clippy knows that of test functions only"
)]

use wheesht_core::{
    api::{
        Body, ConversationId, ErrorCode, EventKind, Group, GroupDetails, GroupPhase, GroupRefusal, Joining,
        Policy, Request, Response, Who as Whom,
    },
    proto::ids::{AccountId, GroupId},
};
use wheesht_tests::stage::{Stage, Who, address};

const MINUTE: u64 = 60_000;
const DAY: u64 = 24 * 60 * MINUTE;

fn befriend(stage: &mut Stage, (a, from): (Who, &str), (b, to): (Who, &str)) {
    stage.send(a, to, "hello");
    stage.advance(MINUTE);
    stage.accept(b, from);
    stage.advance(MINUTE);
}

fn group(stage: &mut Stage, who: Who, request: Request) -> Group {
    match stage.ask(who, request) {
        Ok(Response::Group { group }) => group,
        other => panic!("{other:?}"),
    }
}

fn found(stage: &mut Stage, who: Who, policy: Policy) -> GroupId {
    let request = Request::CreateGroup {
        title: "Hikers".to_owned(),
        about: String::new(),
        picture: None,
        policy: Some(policy),
    };
    let id = group(stage, who, request).id;
    stage.advance(MINUTE);
    id
}

fn groups(stage: &mut Stage, who: Who) -> Vec<Group> {
    match stage.ask(who, Request::Groups) {
        Ok(Response::Groups { groups }) => groups,
        other => panic!("{other:?}"),
    }
}

fn phase(stage: &mut Stage, who: Who, id: GroupId) -> Option<GroupPhase> {
    groups(stage, who).into_iter().find(|group| group.id == id).map(|group| group.phase)
}

fn refusal(stage: &mut Stage, who: Who) -> Option<GroupRefusal> {
    groups(stage, who).into_iter().find_map(|group| group.refusal)
}

fn details(stage: &mut Stage, who: Who, group: GroupId) -> GroupDetails {
    match stage.ask(who, Request::Group { group }) {
        Ok(Response::GroupDetails { details }) => details,
        other => panic!("{other:?}"),
    }
}

fn link(stage: &mut Stage, who: Who, id: GroupId, uses: Option<u32>) -> String {
    let link = match stage.ask(who, Request::MakeGroupLink { group: id, lifetime_ms: None, uses }) {
        Ok(Response::GroupLink { link }) => link,
        other => panic!("{other:?}"),
    };
    stage.advance(MINUTE);
    link.link.expect("the maker knows it")
}

fn invite(stage: &mut Stage, who: Who, id: GroupId, whom: &str) {
    let request = Request::InviteToGroup { group: id, who: Whom::Address(address(whom)) };
    assert_eq!(stage.ask(who, request), Ok(Response::Done));
    stage.advance(MINUTE);
}

/// A contact is invited and accepts.
fn bring(stage: &mut Stage, who: Who, id: GroupId, (whom, name): (Who, &str)) {
    invite(stage, who, id, name);
    assert_eq!(phase(stage, whom, id), Some(GroupPhase::Invited));
    group(stage, whom, Request::AcceptInvitation { group: id });
    stage.advance(MINUTE);
    assert_eq!(phase(stage, whom, id), Some(GroupPhase::Member));
}

/// Every one of them sees the same members, reached by the same devices, added by the same people.
fn agree(stage: &mut Stage, all: &[Who], id: GroupId, members: usize) {
    let first = details(stage, all[0], id);
    assert_eq!(first.members.len(), members);
    for who in all {
        let other = details(stage, *who, id);
        let shown = |details: &GroupDetails| -> Vec<_> {
            let member = |m: &wheesht_core::api::GroupMember| (m.account, m.role, m.added_by, m.devices);
            details.members.iter().map(member).collect()
        };
        assert_eq!(shown(&other), shown(&first), "{who:?}");
        assert_eq!(other.group.version, first.group.version);
    }
}

fn say(stage: &mut Stage, who: Who, id: GroupId, text: &str) {
    let answer = stage.ask(who, Request::send(ConversationId::Group(id), text));
    assert!(matches!(answer, Ok(Response::Queued { .. })), "{answer:?}");
}

fn heard(stage: &mut Stage, who: Who, id: GroupId) -> Vec<(AccountId, String)> {
    let said = stage.history(who, ConversationId::Group(id));
    let said = said.into_iter().filter_map(|message| match message.body {
        Body::Text { text, .. } => Some((message.sender, text)),
        _ => None,
    });
    said.collect()
}

#[test]
fn gro_12_gro_17_a_contact_who_accepts_belongs_and_everyone_sees_who_added_whom() {
    let mut stage = Stage::new(1);
    let (alice, bob, carol) = (stage.register("alice"), stage.register("bob"), stage.register("carol"));
    befriend(&mut stage, (alice, "alice"), (bob, "bob"));
    befriend(&mut stage, (alice, "alice"), (carol, "carol"));
    let id = found(&mut stage, alice, Policy::default());
    bring(&mut stage, alice, id, (bob, "bob"));
    agree(&mut stage, &[alice, bob], id, 2);
    bring(&mut stage, alice, id, (carol, "carol"));
    agree(&mut stage, &[alice, bob, carol], id, 3);
    // Bob and Carol are no contacts of each other.
    assert!(stage.contact(bob, "carol").is_none() && stage.contact(carol, "bob").is_none());
}

#[test]
fn three_people_talk() {
    let mut stage = Stage::new(2);
    let (alice, bob, carol) = (stage.register("alice"), stage.register("bob"), stage.register("carol"));
    befriend(&mut stage, (alice, "alice"), (bob, "bob"));
    befriend(&mut stage, (alice, "alice"), (carol, "carol"));
    let id = found(&mut stage, alice, Policy::default());
    bring(&mut stage, alice, id, (bob, "bob"));
    bring(&mut stage, alice, id, (carol, "carol"));
    let mut expected = Vec::new();
    for (who, text) in [(alice, "hello"), (bob, "hi"), (carol, "good morning"), (alice, "where to?")] {
        say(&mut stage, who, id, text);
        stage.advance(MINUTE);
        expected.push((stage.account(who), text.to_owned()));
    }
    for who in [alice, bob, carol] {
        assert_eq!(heard(&mut stage, who, id), expected, "{who:?}");
    }
}

#[test]
fn who_was_away_hears_everything_later() {
    let mut stage = Stage::new(3);
    let (alice, bob, carol) = (stage.register("alice"), stage.register("bob"), stage.register("carol"));
    befriend(&mut stage, (alice, "alice"), (bob, "bob"));
    befriend(&mut stage, (alice, "alice"), (carol, "carol"));
    let id = found(&mut stage, alice, Policy::default());
    bring(&mut stage, alice, id, (bob, "bob"));
    stage.set_offline(bob, true);
    bring(&mut stage, alice, id, (carol, "carol"));
    say(&mut stage, carol, id, "hello");
    say(&mut stage, alice, id, "welcome");
    stage.advance(MINUTE);
    stage.set_offline(bob, false);
    stage.advance(5 * MINUTE);
    assert_eq!(heard(&mut stage, bob, id).len(), 2);
    agree(&mut stage, &[alice, bob, carol], id, 3);
}

#[test]
fn gro_3_a_link_lets_in_by_itself_where_the_group_is_open_and_only_as_often_as_it_says() {
    let mut stage = Stage::new(4);
    let (alice, bob, carol) = (stage.register("alice"), stage.register("bob"), stage.register("carol"));
    let id = found(&mut stage, alice, Policy { joining: Joining::Open, ..Policy::default() });
    let link = link(&mut stage, alice, id, Some(1));
    assert_eq!(group(&mut stage, bob, Request::JoinGroup { link: link.clone() }).phase, GroupPhase::Joining);
    stage.advance(5 * MINUTE);
    assert_eq!(phase(&mut stage, bob, id), Some(GroupPhase::Member));
    agree(&mut stage, &[alice, bob], id, 2);
    say(&mut stage, bob, id, "hello");
    stage.advance(5 * MINUTE);
    assert_eq!(heard(&mut stage, alice, id).len(), 1);
    group(&mut stage, carol, Request::JoinGroup { link });
    stage.advance(5 * MINUTE);
    assert_eq!(phase(&mut stage, carol, id), Some(GroupPhase::Refused));
    assert_eq!(refusal(&mut stage, carol), Some(GroupRefusal::Expired), "she is told why");
    assert_eq!(details(&mut stage, alice, id).members.len(), 2);
    // Whom a link brought is no contact by that.
    assert!(stage.contact(alice, "bob").is_none() && stage.contact(bob, "alice").is_none());
}

#[test]
fn gro_16_an_admin_decides_where_the_group_says_so() {
    let mut stage = Stage::new(5);
    let (alice, bob, carol) = (stage.register("alice"), stage.register("bob"), stage.register("carol"));
    let id = found(&mut stage, alice, Policy::default());
    let link = link(&mut stage, alice, id, None);
    for who in [bob, carol] {
        group(&mut stage, who, Request::JoinGroup { link: link.clone() });
    }
    stage.advance(5 * MINUTE);
    assert_eq!(details(&mut stage, alice, id).requests.len(), 2);
    let told = stage.events(alice).into_iter().filter(|event| matches!(event, EventKind::JoinRequest { .. }));
    assert_eq!(told.count(), 2);
    for (who, accept) in [(bob, true), (carol, false)] {
        let account = stage.account(who);
        group(&mut stage, alice, Request::AnswerJoin { group: id, account, accept });
    }
    stage.advance(5 * MINUTE);
    assert_eq!(phase(&mut stage, bob, id), Some(GroupPhase::Member));
    assert_eq!(phase(&mut stage, carol, id), Some(GroupPhase::Refused));
    assert_eq!(refusal(&mut stage, carol), Some(GroupRefusal::Declined));
    agree(&mut stage, &[alice, bob], id, 2);
}

#[test]
fn gro_16_what_a_member_invites_an_admin_signs() {
    let mut stage = Stage::new(6);
    let (alice, bob, carol) = (stage.register("alice"), stage.register("bob"), stage.register("carol"));
    befriend(&mut stage, (alice, "alice"), (bob, "bob"));
    befriend(&mut stage, (bob, "bob"), (carol, "carol"));
    let policy = Policy { invite: wheesht_core::api::Role::Member, ..Policy::default() };
    let id = found(&mut stage, alice, policy);
    bring(&mut stage, alice, id, (bob, "bob"));
    bring(&mut stage, bob, id, (carol, "carol"));
    agree(&mut stage, &[alice, bob, carol], id, 3);
    let (alice_id, carol_id) = (stage.account(alice), stage.account(carol));
    let members = details(&mut stage, bob, id).members;
    let carol = members.iter().find(|member| member.account == carol_id).expect("Carol belongs");
    assert_eq!(carol.added_by, alice_id);
}

#[test]
fn an_invitation_is_declined_and_only_members_invite() {
    let mut stage = Stage::new(7);
    let (alice, bob, carol) = (stage.register("alice"), stage.register("bob"), stage.register("carol"));
    befriend(&mut stage, (alice, "alice"), (bob, "bob"));
    befriend(&mut stage, (bob, "bob"), (carol, "carol"));
    let id = found(&mut stage, alice, Policy::default());
    invite(&mut stage, alice, id, "bob");
    assert_eq!(stage.ask(bob, Request::DeclineInvitation { group: id }), Ok(Response::Done));
    stage.advance(MINUTE);
    assert_eq!(phase(&mut stage, bob, id), None);
    assert_eq!(details(&mut stage, alice, id).members.len(), 1);
    bring(&mut stage, alice, id, (bob, "bob"));
    let request = Request::InviteToGroup { group: id, who: Whom::Address(address("carol")) };
    assert_eq!(stage.ask(bob, request).expect_err("not for members").code, ErrorCode::NotPermitted);
}

#[test]
fn gro_16_own_devices_that_did_not_invite_leave_the_answer_to_the_one_that_did() {
    let mut stage = Stage::new(28);
    let (alice, bob) = (stage.register("alice"), stage.register("bob"));
    befriend(&mut stage, (alice, "alice"), (bob, "bob"));
    let (second, third) = (stage.join(alice, "alice"), stage.join(alice, "alice"));
    let id = found(&mut stage, alice, Policy::default());
    stage.advance(5 * MINUTE);
    invite(&mut stage, second, id, "bob");
    // The two that know nothing of it hear the answer first.
    stage.set_offline(second, true);
    group(&mut stage, bob, Request::AcceptInvitation { group: id });
    stage.advance(5 * MINUTE);
    assert_eq!((phase(&mut stage, bob, id), refusal(&mut stage, bob)), (Some(GroupPhase::Joining), None));
    stage.set_offline(second, false);
    stage.advance(5 * MINUTE);
    assert_eq!(phase(&mut stage, bob, id), Some(GroupPhase::Member));
    agree(&mut stage, &[alice, second, third, bob], id, 2);
}

#[test]
fn gro_18_another_own_device_gets_into_the_groups() {
    let mut stage = Stage::new(8);
    let (alice, bob) = (stage.register("alice"), stage.register("bob"));
    befriend(&mut stage, (alice, "alice"), (bob, "bob"));
    let id = found(&mut stage, alice, Policy::default());
    bring(&mut stage, alice, id, (bob, "bob"));
    let second = stage.join(bob, "bob");
    stage.advance(5 * MINUTE);
    assert_eq!(phase(&mut stage, second, id), Some(GroupPhase::Member));
    agree(&mut stage, &[alice, bob, second], id, 2);
    assert_eq!(details(&mut stage, alice, id).members.iter().map(|member| member.devices).sum::<u32>(), 3);
    say(&mut stage, alice, id, "hello");
    say(&mut stage, second, id, "from the second");
    stage.advance(5 * MINUTE);
    for who in [alice, bob, second] {
        assert_eq!(heard(&mut stage, who, id).len(), 2, "{who:?}");
    }
    // Leaving on one leaves on both.
    group(&mut stage, second, Request::LeaveGroup { group: id });
    stage.advance(5 * MINUTE);
    assert_eq!(phase(&mut stage, bob, id), Some(GroupPhase::Left));
    assert_eq!(phase(&mut stage, second, id), Some(GroupPhase::Left));
    agree(&mut stage, &[alice], id, 1);
}

#[test]
fn a_crash_at_any_step_of_joining_loses_nothing() {
    for step in (0..40).step_by(5) {
        let mut stage = Stage::new(100 + step);
        let (alice, bob) = (stage.register("alice"), stage.register("bob"));
        befriend(&mut stage, (alice, "alice"), (bob, "bob"));
        let id = found(&mut stage, alice, Policy::default());
        invite(&mut stage, alice, id, "bob");
        stage.command(bob, Request::AcceptInvitation { group: id });
        for _ in 0..step {
            stage.step();
        }
        stage.restart(bob);
        stage.restart(alice);
        if phase(&mut stage, bob, id) == Some(GroupPhase::Invited) {
            // It crashed before the wish was durable.
            group(&mut stage, bob, Request::AcceptInvitation { group: id });
        }
        stage.advance(2 * DAY);
        assert_eq!(phase(&mut stage, bob, id), Some(GroupPhase::Member), "after {step} steps");
        agree(&mut stage, &[alice, bob], id, 2);
    }
}
