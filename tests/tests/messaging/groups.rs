//! The life of messages in a group, as far as one person's devices show it.

use wheesht_core::{
    api::{
        Body, ConversationId, ErrorCode, GroupChange, Message, MessageState, Notice, Request, Response, To,
        Who as Whom,
    },
    proto::ids::MessageId,
};
use wheesht_tests::stage::{Stage, Who};

use crate::people::*;

fn found(stage: &mut Stage, who: Who) -> ConversationId {
    let request = Request::CreateGroup {
        title: "Hikers".to_owned(),
        about: String::new(),
        picture: None,
        policy: None,
    };
    match stage.ask(who, request) {
        Ok(Response::Group { group }) => ConversationId::Group(group.id),
        other => panic!("{other:?}"),
    }
}

fn all(stage: &mut Stage, who: Who, conversation: ConversationId) -> Vec<Message> {
    match stage.ask(who, Request::History { conversation, before: None, limit: 100 }) {
        Ok(Response::History { messages, .. }) => messages,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_founder_talks_changes_and_forgets_what_was_said() {
    let mut stage = Stage::new(201);
    let alice = register(&mut stage, "alice");
    let group = found(&mut stage, alice);
    stage.advance(MINUTE);
    let first = all(&mut stage, alice, group);
    assert!(matches!(
        &first[0].body,
        Body::Notice { notice: Notice::Group { actor_name, change: GroupChange::Founded { title }, .. } }
            if title == "Hikers" && actor_name == "alice"
    ));
    let sent = stage.ask(alice, Request::send(To::Conversation(group), "Sunday at siz?"));
    let Ok(Response::Queued { conversation, message }) = sent else { panic!("{sent:?}") };
    assert_eq!(conversation, group);
    stage.advance(MINUTE);
    let text = "Sunday at six?".to_owned();
    for request in [
        Request::Edit { conversation, message, text, mentions: Vec::new() },
        Request::React { conversation, message, emoji: "👍".to_owned(), remove: false },
        Request::Pin { conversation, message, pinned: true },
    ] {
        assert_eq!(stage.ask(alice, request), Ok(Response::Done));
    }
    stage.advance(MINUTE);
    stage.restart(alice);
    let shown = all(&mut stage, alice, group).pop().unwrap();
    assert_eq!(shown.body, Body::Text { text: "Sunday at six?".to_owned() });
    assert_eq!(shown.state, Some(MessageState::Sent));
    assert!(shown.pinned && shown.edited.is_some() && shown.reactions[0].mine);
    assert_eq!(shown.receipts.map(|receipts| receipts.of), Some(0));
    assert_eq!(conversations(&mut stage, alice)[0].title, "Hikers");
    // A group's time stands in its policy.
    let refused = stage.ask(alice, Request::SetDisappearing { conversation, after_ms: MINUTE });
    assert_eq!(refused.unwrap_err().code, ErrorCode::Invalid);
    let deleted = Request::Delete { conversation, message, for_all: true };
    assert_eq!(stage.ask(alice, deleted), Ok(Response::Done));
    assert!(matches!(all(&mut stage, alice, group).pop().unwrap().body, Body::Deleted { .. }));
}

#[test]
fn con_22_nobody_writes_in_a_group_that_they_are_not_in() {
    let mut stage = Stage::new(202);
    let alice = register(&mut stage, "alice");
    let nowhere: ConversationId = format!("group:{}", "07".repeat(32)).parse().unwrap();
    let refused = stage.ask(alice, Request::send(nowhere, "hello?"));
    assert_eq!(refused.unwrap_err().code, ErrorCode::NotFound);
    assert_eq!(all(&mut stage, alice, nowhere), []);
}

/// Alice's group, with Bob in it.
fn together(seed: u64) -> (Two, ConversationId) {
    let mut two = friends(seed);
    let conversation = found(&mut two.stage, two.alice);
    let ConversationId::Group(group) = conversation else { panic!() };
    two.stage.advance(MINUTE);
    let who = Whom::Id(two.bob_id);
    let invited = two.stage.ask(two.alice, Request::InviteToGroup { group, who });
    assert!(invited.is_ok(), "{invited:?}");
    two.stage.advance(MINUTE);
    let accepted = two.stage.ask(two.bob, Request::AcceptInvitation { group });
    assert!(accepted.is_ok(), "{accepted:?}");
    two.stage.advance(5 * MINUTE);
    (two, conversation)
}

fn say_there(stage: &mut Stage, who: Who, conversation: ConversationId, text: &str) -> MessageId {
    match stage.ask(who, Request::send(conversation, text)) {
        Ok(Response::Queued { message, .. }) => message,
        other => panic!("{other:?}"),
    }
}

fn one(stage: &mut Stage, who: Who, conversation: ConversationId, message: MessageId) -> Message {
    all(stage, who, conversation).into_iter().find(|one| one.id == message).expect("the message")
}

#[test]
fn members_see_the_same_life_of_a_message_and_how_far_it_is_with_each() {
    let (Two { mut stage, alice, bob, alice_id, bob_id }, conversation) = together(203);
    let message = say_there(&mut stage, alice, conversation, "Sunday?");
    stage.advance(MINUTE);
    let there = one(&mut stage, bob, conversation, message);
    assert_eq!((there.sender, there.sender_name.as_str()), (alice_id, "alice"));
    // Everybody has it.
    let here = one(&mut stage, alice, conversation, message);
    assert_eq!(here.state, Some(MessageState::Delivered));
    assert_eq!(here.receipts.map(|sum| (sum.delivered, sum.read, sum.of)), Some((1, 0, 1)));
    assert_eq!(stage.ask(bob, Request::MarkRead { conversation, up_to: u64::MAX }), Ok(Response::Done));
    stage.advance(MINUTE);
    let Ok(Response::Deliveries { members }) =
        stage.ask(alice, Request::Deliveries { conversation, message })
    else {
        panic!()
    };
    assert_eq!(members.len(), 1);
    assert_eq!((members[0].account, members[0].state), (bob_id, MessageState::Read));

    let react = Request::React { conversation, message, emoji: "👍".to_owned(), remove: false };
    assert_eq!(stage.ask(bob, react), Ok(Response::Done));
    let edit = Request::Edit { conversation, message, text: "Saturday?".to_owned(), mentions: Vec::new() };
    assert_eq!(stage.ask(alice, edit), Ok(Response::Done));
    stage.advance(MINUTE);
    for who in [alice, bob] {
        let shown = one(&mut stage, who, conversation, message);
        assert_eq!(shown.body, Body::Text { text: "Saturday?".to_owned() });
        assert_eq!(shown.reactions[0].accounts, [bob_id]);
    }

    // A member deletes what is their own; an admin what anybody has said.
    let refused = stage.ask(bob, Request::Delete { conversation, message, for_all: true });
    assert_eq!(refused.unwrap_err().code, ErrorCode::Invalid);
    let spam = say_there(&mut stage, bob, conversation, "buy now");
    stage.advance(MINUTE);
    let deleted = Request::Delete { conversation, message: spam, for_all: true };
    assert_eq!(stage.ask(alice, deleted), Ok(Response::Done));
    stage.advance(MINUTE);
    for who in [alice, bob] {
        assert_eq!(one(&mut stage, who, conversation, spam).body, Body::Deleted { by: alice_id });
    }
}
