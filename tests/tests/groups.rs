//! Groups through the public door: founded, joined, changed, left; and every client shows the same.

#![allow(clippy::expect_used, clippy::panic, reason = "a test may; clippy knows that of test functions only")]

use wheesht_core::{
    api::{Error, ErrorCode, Group, GroupDetails, GroupPhase, Policy, Request, Response, Role, Who as Whom},
    proto::ids::GroupId,
};
use wheesht_tests::stage::{Stage, Who, address};

const MINUTE: u64 = 60_000;

/// Two people who have accepted to talk.
fn befriend(stage: &mut Stage, (a, from): (Who, &str), (b, to): (Who, &str)) {
    stage.send(a, to, "hello");
    stage.advance(MINUTE);
    stage.accept(b, from);
    stage.advance(MINUTE);
}

fn group(answer: Result<Response, Error>) -> Group {
    match answer {
        Ok(Response::Group { group }) => group,
        other => panic!("{other:?}"),
    }
}

fn details(stage: &mut Stage, who: Who, group: GroupId) -> GroupDetails {
    match stage.ask(who, Request::Group { group }) {
        Ok(Response::GroupDetails { details }) => details,
        other => panic!("{other:?}"),
    }
}

fn found(stage: &mut Stage, who: Who, title: &str) -> GroupId {
    let request =
        Request::CreateGroup { title: title.to_owned(), about: String::new(), picture: None, policy: None };
    group(stage.ask(who, request)).id
}

fn title(title: &str, group: GroupId) -> Request {
    Request::EditGroup { group, title: Some(title.to_owned()), about: None, picture: None }
}

#[test]
fn a_founder_changes_a_group_once_the_record_has_taken_it() {
    let mut stage = Stage::new(1);
    let alice = stage.register("alice");
    let id = found(&mut stage, alice, "Hikers");
    stage.advance(MINUTE);
    let changed = group(stage.ask(alice, title("Climbers", id)));
    assert_eq!((changed.role, changed.phase), (Some(Role::Owner), GroupPhase::Member));
    stage.advance(MINUTE);
    let policy = Policy { write: Role::Admin, ..Policy::default() };
    group(stage.ask(alice, Request::SetGroupPolicy { group: id, policy }));
    stage.advance(MINUTE);
    let now = details(&mut stage, alice, id).group;
    assert_eq!((now.title.as_str(), now.version, now.pending.len()), ("Climbers", 3, 0));
    assert_eq!(now.policy, Some(policy));
    let refused = stage.ask(alice, title("", id)).expect_err("a title is not empty");
    assert_eq!(refused.code, ErrorCode::Invalid);
    // The last one simply goes.
    let left = group(stage.ask(alice, Request::LeaveGroup { group: id }));
    assert_eq!(left.phase, GroupPhase::Left);
    assert_eq!(stage.ask(alice, Request::DeleteGroup { group: id }), Ok(Response::Done));
}

#[test]
fn a_change_survives_a_crash_before_its_answer() {
    let mut stage = Stage::new(2);
    let alice = stage.register("alice");
    let id = found(&mut stage, alice, "Hikers");
    stage.advance(MINUTE);
    stage.command(alice, title("Climbers", id));
    for _ in 0..6 {
        stage.step();
    }
    stage.restart(alice);
    stage.advance(10 * MINUTE);
    let now = details(&mut stage, alice, id).group;
    assert_eq!((now.title.as_str(), now.version, now.pending.len()), ("Climbers", 2, 0));
}

/// Alice's group with Bob in it.
fn two(seed: u64) -> (Stage, Who, Who, GroupId) {
    let mut stage = Stage::new(seed);
    let (alice, bob) = (stage.register("alice"), stage.register("bob"));
    befriend(&mut stage, (alice, "alice"), (bob, "bob"));
    let id = found(&mut stage, alice, "Hikers");
    stage.advance(MINUTE);
    invite(&mut stage, alice, "bob", bob, id);
    (stage, alice, bob, id)
}

fn invite(stage: &mut Stage, from: Who, name: &str, to: Who, id: GroupId) {
    let who = Whom::Address(address(name));
    assert_eq!(stage.ask(from, Request::InviteToGroup { group: id, who }), Ok(Response::Done));
    stage.advance(MINUTE);
    group(stage.ask(to, Request::AcceptInvitation { group: id }));
    stage.advance(5 * MINUTE);
    assert_eq!(details(stage, to, id).group.phase, GroupPhase::Member);
}

fn same(stage: &mut Stage, all: &[Who], id: GroupId) -> Group {
    let mut shown = all.iter().map(|who| details(stage, *who, id).group);
    let first = shown.next().expect("somebody");
    for other in shown {
        assert_eq!(
            (&other.title, other.version, other.members),
            (&first.title, first.version, first.members)
        );
    }
    first
}

#[test]
fn two_admins_who_act_at_once_converge() {
    let (mut stage, alice, bob, id) = two(3);
    let admin = Request::SetRole { group: id, who: Whom::Address(address("bob")), role: Role::Admin };
    group(stage.ask(alice, admin));
    stage.advance(5 * MINUTE);
    assert_eq!(same(&mut stage, &[alice, bob], id).version, 3);
    stage.command(alice, title("Alice's", id));
    stage.command(bob, title("Bob's", id));
    stage.advance(10 * MINUTE);
    let both = same(&mut stage, &[alice, bob], id);
    assert_eq!((both.version, both.pending.len()), (5, 0), "both were ordered, one after the other");
}

#[test]
fn who_leaves_is_written_down_by_an_admins_client() {
    let (mut stage, alice, bob, id) = two(4);
    let refused = stage.ask(alice, Request::LeaveGroup { group: id }).expect_err("the only owner");
    assert_eq!(refused.code, ErrorCode::LastOwner);
    assert_eq!(group(stage.ask(bob, Request::LeaveGroup { group: id })).phase, GroupPhase::Leaving);
    stage.advance(10 * MINUTE);
    assert_eq!(details(&mut stage, bob, id).group.phase, GroupPhase::Left);
    assert_eq!(details(&mut stage, alice, id).group.members, 1);
}

#[test]
fn who_is_removed_learns_that_and_stays_out_while_banned() {
    let (mut stage, alice, bob, id) = two(5);
    let who = Whom::Address(address("bob"));
    group(stage.ask(alice, Request::RemoveMember { group: id, who: who.clone(), ban: true }));
    stage.advance(10 * MINUTE);
    assert_eq!(details(&mut stage, bob, id).group.phase, GroupPhase::Removed);
    let refused = stage.ask(alice, Request::InviteToGroup { group: id, who }).expect_err("banned");
    assert_eq!(refused.code, ErrorCode::Invalid);
}

#[test]
fn a_member_may_rename_where_the_policy_lets_members() {
    let (mut stage, alice, bob, id) = two(6);
    let refused = stage.ask(bob, title("Bob's", id)).expect_err("not yet");
    assert_eq!(refused.code, ErrorCode::NotPermitted);
    let policy = Policy { describe: Role::Member, ..Policy::default() };
    group(stage.ask(alice, Request::SetGroupPolicy { group: id, policy }));
    stage.advance(5 * MINUTE);
    group(stage.ask(bob, title("Bob's", id)));
    stage.advance(10 * MINUTE);
    assert_eq!(same(&mut stage, &[alice, bob], id).title, "Bob's");
}

#[test]
fn an_owner_moves_a_group_whose_record_stays_reachable() {
    let (mut stage, alice, bob, id) = two(7);
    let relay = details(&mut stage, alice, id).group.relay.expect("a relay");
    group(stage.ask(alice, Request::MoveGroup { group: id, relay }));
    stage.advance(10 * MINUTE);
    let before = same(&mut stage, &[alice, bob], id);
    assert_eq!((before.version, before.pending.len()), (3, 0));
    group(stage.ask(alice, title("Moved", id)));
    stage.advance(10 * MINUTE);
    assert_eq!(same(&mut stage, &[alice, bob], id).title, "Moved");
}
