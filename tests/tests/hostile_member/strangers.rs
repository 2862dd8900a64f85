//! Somebody who is no member, and knows where a member is reached: a former member, or the relay, has told them.

use wheesht_core::{
    api::{ConversationId, Request, Response},
    proto::{
        content::{RetryRequest, content::Body},
        group::{Ask, GroupControl, group_control::What},
    },
};
use wheesht_tests::stage::{
    groups::{Circle, circle},
    people::MINUTE,
};

use super::text;

#[test]
fn grm_26_whoever_is_no_member_leaves_nothing_behind() {
    let Circle { mut stage, alice, bob, carol, id } = circle(690);
    let alice_id = stage.account(alice);
    let address = stage.spoils(carol, id).leaf_of(alice_id).address().to_vec();
    let ask = What::Ask(Ask { wants_roster: true, ..Default::default() });
    let retry = RetryRequest { session_id: vec![1; 8], ratchet_key: vec![2; 32], count: 3 };
    let Ok(Response::Conversations { conversations: before }) = stage.ask(alice, Request::Conversations)
    else {
        panic!()
    };
    // Nobody they know; and a name that is in the group.
    for name in ["dave", "bob"] {
        let mut stranger = stage.stranger(name);
        let claimed = stranger.certificate().clone();
        let mut envelopes = vec![stage.unreadable(&claimed, "alice")];
        let bodies = [
            text("boo"),
            Body::RetryRequest(retry.clone()),
            stranger.request("let me in"),
            Body::Group(GroupControl { group_id: id.to_vec(), what: Some(ask.clone()) }),
        ];
        for body in bodies {
            let content = stage.content(body);
            envelopes.push(stage.by_hand(&mut stranger, "alice", &content));
        }
        for envelope in envelopes {
            stage.drop_in(std::slice::from_ref(&address), envelope);
            stage.advance(2 * MINUTE);
            assert_eq!(stage.traces(alice, stranger.id()), 0, "of {name}");
        }
        assert!(stage.history(alice, ConversationId::Direct(stranger.id())).is_empty());
    }
    let Ok(Response::Conversations { conversations }) = stage.ask(alice, Request::Conversations) else {
        panic!()
    };
    assert_eq!(conversations.len(), before.len());
    assert_eq!(stage.holds(alice, id), stage.holds(bob, id) + 1, "and Alice has the write key");
    Circle { stage, alice, bob, carol, id }.go_on();
}
