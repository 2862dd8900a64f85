//! Alice, Bob, and what they do on a stage.

use wheesht_core::{
    api::{
        Body, Contact, Conversation, ConversationId, Error, Message, MessageState, Notice, Password, Phase,
        Request, Response, Who as Whom,
    },
    proto::ids::{AccountId, MessageId},
};
use wheesht_tests::stage::{Stage, Who, address};

pub(crate) const PASSWORD: &str = "orbit lava pencil dutch actor solve";
pub(crate) const MINUTE: u64 = 60_000;

pub(crate) fn register(stage: &mut Stage, name: &str) -> Who {
    let who = stage.add();
    let (address, password) = (address(name), Password::new(PASSWORD));
    let request = Request::Register { address, password, device: name.to_owned() };
    assert_eq!(stage.ask(who, request), Ok(Response::Done));
    who
}

/// Another device of an account, confirmed by `first`.
pub(crate) fn join(stage: &mut Stage, first: Who, name: &str) -> Who {
    let second = stage.add();
    let (address, password) = (address(name), Password::new(PASSWORD));
    let request = Request::LogIn { address, password, device: "second".to_owned(), evict: false };
    stage.ask(second, request).expect("a login");
    let Ok(Response::Devices { proposal: Some(proposal), .. }) = stage.ask(first, Request::Devices) else {
        panic!("no proposal")
    };
    assert_eq!(stage.ask(first, Request::ConfirmDevice { proposal: proposal.id }), Ok(Response::Done));
    stage.advance(MINUTE);
    let Ok(Response::Status { status }) = stage.ask(second, Request::Status) else { panic!() };
    assert_eq!(status.phase, Phase::Active);
    second
}

pub(crate) fn say(to: &str, text: &str) -> Request {
    Request::send(address(to), text)
}

pub(crate) fn try_send(stage: &mut Stage, from: Who, to: &str, text: &str) -> Result<MessageId, Error> {
    match stage.ask(from, say(to, text))? {
        Response::Queued { message, .. } => Ok(message),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn send(stage: &mut Stage, from: Who, to: &str, text: &str) -> MessageId {
    try_send(stage, from, to, text).expect("it is queued")
}

pub(crate) fn contact(stage: &mut Stage, who: Who, name: &str) -> Option<Contact> {
    match stage.ask(who, Request::Contacts) {
        Ok(Response::Contacts { contacts }) => {
            contacts.into_iter().find(|contact| contact.address.name().as_str() == name)
        }
        other => panic!("{other:?}"),
    }
}

pub(crate) fn accept(stage: &mut Stage, who: Who, name: &str) {
    let answer = stage.ask(who, Request::AcceptContact { who: Whom::Address(address(name)) });
    assert!(matches!(answer, Ok(Response::Contact { .. })), "{answer:?}");
}

pub(crate) fn account(stage: &mut Stage, who: Who) -> AccountId {
    match stage.ask(who, Request::Status) {
        Ok(Response::Status { status }) => status.account.expect("an account"),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn history(stage: &mut Stage, who: Who, with: AccountId) -> Vec<Message> {
    let conversation = ConversationId::Direct(with);
    match stage.ask(who, Request::History { conversation, before: None, limit: 1_000 }) {
        Ok(Response::History { messages, .. }) => messages,
        other => panic!("{other:?}"),
    }
}

/// The texts of a conversation, own ones with `> ` before them.
pub(crate) fn texts(stage: &mut Stage, who: Who, with: AccountId) -> Vec<String> {
    let text = |message: Message| match message.body {
        Body::Text { text } if message.outgoing => Some(format!("> {text}")),
        Body::Text { text } => Some(text),
        _ => None,
    };
    history(stage, who, with).into_iter().filter_map(text).collect()
}

pub(crate) fn notices(stage: &mut Stage, who: Who, with: AccountId) -> Vec<Notice> {
    let notice = |message: Message| match message.body {
        Body::Notice { notice } => Some(notice),
        _ => None,
    };
    history(stage, who, with).into_iter().filter_map(notice).collect()
}

pub(crate) fn state(stage: &mut Stage, who: Who, with: AccountId, message: MessageId) -> MessageState {
    let found = history(stage, who, with).into_iter().find(|one| one.id == message);
    found.expect("the message").state.expect("a state")
}

pub(crate) fn all_delivered(stage: &mut Stage, who: Who, with: AccountId) -> bool {
    let all = history(stage, who, with);
    all.iter().filter(|one| one.outgoing).all(|one| one.state == Some(MessageState::Delivered))
}

pub(crate) fn conversations(stage: &mut Stage, who: Who) -> Vec<Conversation> {
    match stage.ask(who, Request::Conversations) {
        Ok(Response::Conversations { conversations }) => conversations,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn mark_read(stage: &mut Stage, who: Who, with: AccountId) {
    let conversation = ConversationId::Direct(with);
    assert_eq!(stage.ask(who, Request::MarkRead { conversation, up_to: u64::MAX }), Ok(Response::Done));
}

pub(crate) struct Two {
    pub(crate) stage: Stage,
    pub(crate) alice: Who,
    pub(crate) bob: Who,
    pub(crate) alice_id: AccountId,
    pub(crate) bob_id: AccountId,
}

/// Alice and Bob, who have accounts.
pub(crate) fn two(seed: u64) -> Two {
    let mut stage = Stage::new(seed);
    let (alice, bob) = (register(&mut stage, "alice"), register(&mut stage, "bob"));
    let (alice_id, bob_id) = (account(&mut stage, alice), account(&mut stage, bob));
    Two { stage, alice, bob, alice_id, bob_id }
}

/// Alice and Bob, who have accepted each other: Alice has asked with "hello".
pub(crate) fn friends(seed: u64) -> Two {
    let mut two = two(seed);
    send(&mut two.stage, two.alice, "bob", "hello");
    two.stage.advance(MINUTE);
    accept(&mut two.stage, two.bob, "alice");
    two.stage.advance(MINUTE);
    two.stage.events(two.alice);
    two.stage.events(two.bob);
    two
}
