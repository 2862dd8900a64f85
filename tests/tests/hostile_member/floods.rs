//! Too much of everything.

use std::{cell::Cell, rc::Rc};

use wheesht_core::{
    api::{GroupPhase, Policy, Request, Response},
    proto::{
        group::{Ask, InviteToGroup, group_control::What},
        ids::GroupId,
        relay::client_frame,
    },
};
use wheesht_tests::stage::{
    groups::circle,
    people::{MINUTE, friends},
};

fn numbered(n: usize) -> GroupId {
    let mut id = [0x55; 32];
    id[..8].copy_from_slice(&(n as u64).to_be_bytes());
    GroupId::new(id)
}

#[test]
fn gro_13_floods_with_invitations() {
    let mut two = friends(681);
    let stage = &mut two.stage;
    let carol = stage.register("carol");
    stage.befriend((carol, "carol"), (two.alice, "alice"));
    let invite = |n: usize| {
        let what = InviteToGroup { title: format!("Offer {n}"), members: 3, offer_id: vec![4; 16] };
        let group_id = numbered(n).to_vec();
        let control = wheesht_core::proto::group::GroupControl { group_id, what: Some(What::Invite(what)) };
        (numbered(n), wheesht_core::proto::content::content::Body::Group(control))
    };
    let contents: Vec<_> = (0..250).map(invite).collect();
    let contents = contents.into_iter().map(|(id, body)| (id, stage.content(body))).collect();
    stage.whisper_contents(two.bob, two.alice_id, contents);
    stage.advance(10 * MINUTE);
    let Ok(Response::Groups { groups }) = stage.ask(two.alice, Request::Groups) else { panic!() };
    assert!(groups.len() <= 20, "{} invitations of one contact are shown", groups.len());
    assert!(!groups.is_empty());
    // Somebody else's still arrives, and can be accepted.
    let id = stage.found(carol, "Hikers", Policy::default());
    stage.bring(carol, id, (two.alice, "alice"));
    // What is declined makes room.
    for group in groups {
        assert_eq!(stage.ask(two.alice, Request::DeclineInvitation { group: group.id }), Ok(Response::Done));
    }
    let (later, body) = invite(999);
    let content = stage.content(body);
    stage.whisper_contents(two.bob, two.alice_id, vec![(later, content)]);
    stage.advance(5 * MINUTE);
    assert_eq!(stage.group_phase(two.alice, later), Some(GroupPhase::Invited));
}

#[test]
fn gro_21_asks_without_end() {
    let mut circle = circle(682);
    let (alice, carol, id) = (circle.alice, circle.carol, circle.id);
    let stage = &mut circle.stage;
    let alice_id = stage.account(alice);
    stage.advance(10 * MINUTE);
    let answers = Rc::new(Cell::new(0));
    let counted = answers.clone();
    stage.watch = Some(Box::new(move |who, question| {
        if let (true, client_frame::Body::Deposit(deposit)) = (who == alice, question) {
            counted.set(counted.get() + deposit.entries.len());
        }
    }));
    let ask = || What::Ask(Ask { wants_roster: true, ..Default::default() });
    stage.whisper(carol, id, alice_id, (0..90).map(|_| ask()).collect());
    stage.advance(30_000);
    assert!((1..=21).contains(&answers.get()), "{} answers", answers.get());
    // A minute later she is answered again.
    let before = answers.get();
    stage.advance(2 * MINUTE);
    stage.whisper(carol, id, alice_id, vec![ask()]);
    stage.advance(MINUTE);
    assert!(answers.get() > before);
    stage.watch = None;
    circle.go_on();
}
