//! Who is writing: seen where it is written, for as long as it is.

use std::{cell::RefCell, rc::Rc};

use wheesht_core::{
    api::{ConversationId, EventKind, PresenceChoice, Request, Response, To, Who as Whom},
    proto::{ids::AccountId, relay::client_frame},
};
use wheesht_tests::stage::{Stage, Who, address, people::MINUTE};

use crate::people::*;

fn typing(stage: &mut Stage, who: Who, conversation: ConversationId, stopped: bool) {
    assert_eq!(stage.ask(who, Request::Typing { conversation, stopped }), Ok(Response::Done));
}

/// Where somebody was seen writing (true) or no longer (false), since last asked.
fn seen_typing(stage: &mut Stage, by: Who) -> Vec<(ConversationId, AccountId, bool)> {
    let now = stage.now;
    let typing = |event| match event {
        EventKind::Typing { conversation, who, until } => Some((conversation, who, until > now)),
        _ => None,
    };
    stage.events(by).into_iter().filter_map(typing).collect()
}

fn count(stage: &mut Stage, who: Who) -> Rc<RefCell<usize>> {
    let count: Rc<RefCell<usize>> = Rc::default();
    let kept = Rc::clone(&count);
    stage.watch = Some(Box::new(move |by, body| {
        if let (true, client_frame::Body::Deposit(deposit)) = (by == who, body) {
            *kept.borrow_mut() += deposit.entries.iter().filter(|entry| entry.ephemeral_ms > 0).count();
        }
    }));
    count
}

/// The relays' connections are there.
fn ready(stage: &mut Stage, whos: &[Who]) {
    whos.iter().for_each(|who| here(stage, *who));
    whos.iter().for_each(|who| drop(stage.events(*who)));
}

#[test]
fn pre_14_a_contact_sees_that_one_is_writing_until_it_is_said() {
    let Two { mut stage, alice, bob, alice_id, bob_id } = friends(741);
    ready(&mut stage, &[alice, bob]);
    let (with_bob, with_alice) = (ConversationId::Direct(bob_id), ConversationId::Direct(alice_id));
    typing(&mut stage, alice, with_bob, false);
    assert_eq!(seen_typing(&mut stage, bob), vec![(with_alice, alice_id, true)]);
    stage.send(alice, "bob", "done");
    stage.run();
    assert_eq!(seen_typing(&mut stage, bob), vec![(with_alice, alice_id, false)]);
    stage.advance(10_000);
    typing(&mut stage, alice, with_bob, false);
    typing(&mut stage, alice, with_bob, true);
    let both = vec![(with_alice, alice_id, true), (with_alice, alice_id, false)];
    assert_eq!(seen_typing(&mut stage, bob), both);
    // It is nowhere in the history.
    assert_eq!(stage.history(bob, with_alice).len(), 2);

    // A relay that shows it again shows nothing.
    for (who, deliver) in stage.pushed().into_iter().filter(|(_, deliver)| deliver.ephemeral) {
        stage.push(who, deliver);
    }
    stage.run();
    assert_eq!(seen_typing(&mut stage, bob), Vec::new());
}

#[test]
fn pre_16_it_is_said_seldom_and_to_no_stranger() {
    let Two { mut stage, alice, bob, bob_id, .. } = friends(742);
    let carol = stage.register("carol");
    stage.send(alice, "carol", "may I?");
    stage.advance(MINUTE);
    ready(&mut stage, &[alice, bob, carol]);
    let carol_id = stage.account(carol);
    let sent = count(&mut stage, alice);
    for _ in 0..100 {
        typing(&mut stage, alice, ConversationId::Direct(bob_id), false);
        typing(&mut stage, alice, ConversationId::Direct(carol_id), false);
        stage.advance(100);
    }
    let times = *sent.borrow();
    assert!((3..=5).contains(&times), "{times} in ten seconds");
    assert_eq!(seen_typing(&mut stage, carol), Vec::new());

    // Turned off, invisible, hidden, blocked: nothing.
    *sent.borrow_mut() = 0;
    let with_bob = ConversationId::Direct(bob_id);
    own(&mut stage, alice, Request::SetTyping { on: false });
    stage.advance(10_000);
    typing(&mut stage, alice, with_bob, false);
    assert_eq!(*sent.borrow(), 0);
    own(&mut stage, alice, Request::SetTyping { on: true });
    choose(&mut stage, alice, PresenceChoice::Invisible, "");
    *sent.borrow_mut() = 0;
    typing(&mut stage, alice, with_bob, false);
    assert_eq!(*sent.borrow(), 0);
    choose(&mut stage, alice, PresenceChoice::Online, "");
    show(&mut stage, alice, "bob", false);
    *sent.borrow_mut() = 0;
    typing(&mut stage, alice, with_bob, false);
    assert_eq!(*sent.borrow(), 0);
    show(&mut stage, alice, "bob", true);
    assert!(stage.ask(alice, Request::BlockContact { who: Whom::Address(address("bob")) }).is_ok());
    stage.advance(10_000);
    *sent.borrow_mut() = 0;
    typing(&mut stage, alice, with_bob, false);
    assert_eq!(*sent.borrow(), 0);
    stage.events(alice);
    let with_alice = ConversationId::Direct(stage.account(alice));
    typing(&mut stage, bob, with_alice, false);
    assert_eq!(seen_typing(&mut stage, alice), Vec::new());
}

#[test]
fn pre_15_a_group_sees_who_is_writing_and_a_former_member_is_not_seen() {
    let Two { mut stage, alice, bob, bob_id, .. } = friends(743);
    let request = Request::CreateGroup {
        title: "Hikers".to_owned(),
        about: String::new(),
        picture: None,
        policy: None,
    };
    let Ok(Response::Group { group }) = stage.ask(alice, request) else { panic!("no group") };
    stage.advance(MINUTE);
    let invite = Request::InviteToGroup { group: group.id, who: Whom::Address(address("bob")) };
    assert_eq!(stage.ask(alice, invite), Ok(Response::Done));
    stage.advance(MINUTE);
    assert!(stage.ask(bob, Request::AcceptInvitation { group: group.id }).is_ok());
    stage.advance(5 * MINUTE);
    let here_we_talk = ConversationId::Group(group.id);
    stage.ask(bob, Request::send(To::Conversation(here_we_talk), "I am in")).expect("it goes");
    stage.advance(MINUTE);
    ready(&mut stage, &[alice, bob]);
    typing(&mut stage, bob, here_we_talk, false);
    assert_eq!(seen_typing(&mut stage, alice), vec![(here_we_talk, bob_id, true)]);
    assert_eq!(seen_typing(&mut stage, bob), Vec::new());

    // What he says after he was removed, and says what he said before again, is not believed.
    let kick = Request::RemoveMember { group: group.id, who: Whom::Id(bob_id), ban: false };
    stage.set_offline(bob, true);
    assert!(stage.ask(alice, kick).is_ok());
    stage.advance(MINUTE);
    stage.events(alice);
    stage.set_offline(bob, false);
    typing(&mut stage, bob, here_we_talk, false);
    for (who, deliver) in stage.pushed().into_iter().filter(|(_, deliver)| deliver.ephemeral) {
        stage.push(who, deliver);
    }
    stage.run();
    assert_eq!(seen_typing(&mut stage, alice), Vec::new());
}
