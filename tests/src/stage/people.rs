//! What people on a stage do and see, in a word each.

use wheesht_core::{
    api::{
        Body, Contact, ConversationId, Error, EventKind, Message, MessageState, Notice, Password, Phase,
        Request, Response, Trouble, Who as Whom,
    },
    proto::ids::{AccountId, MessageId},
};

use super::{Stage, Who, address};

/// The password of everyone on a stage.
pub const PASSWORD: &str = "orbit lava pencil dutch actor solve";
/// In milliseconds.
pub const MINUTE: u64 = 60_000;

impl Stage {
    /// An installation that registers `name@relay.test`.
    ///
    /// # Panics
    /// If it is refused.
    pub fn register(&mut self, name: &str) -> Who {
        let who = self.add();
        let (address, password) = (address(name), Password::new(PASSWORD));
        let request = Request::Register { address, password, device: name.to_owned() };
        assert_eq!(self.ask(who, request), Ok(Response::Done));
        who
    }

    /// Another device of an account, confirmed by `first`.
    ///
    /// # Panics
    /// If it doesn't get in.
    pub fn join(&mut self, first: Who, name: &str) -> Who {
        let second = self.add();
        let (address, password) = (address(name), Password::new(PASSWORD));
        let request = Request::LogIn { address, password, device: "second".to_owned(), evict: false };
        self.ask(second, request).expect("a login");
        let Ok(Response::Devices { proposal: Some(proposal), .. }) = self.ask(first, Request::Devices) else {
            panic!("no proposal")
        };
        assert_eq!(self.ask(first, Request::ConfirmDevice { proposal: proposal.id }), Ok(Response::Done));
        self.advance(MINUTE);
        assert_eq!(self.phase(second), Phase::Active);
        second
    }

    /// How far an installation is.
    ///
    /// # Panics
    /// If it doesn't say.
    pub fn phase(&mut self, who: Who) -> Phase {
        match self.ask(who, Request::Status) {
            Ok(Response::Status { status }) => status.phase,
            other => panic!("{other:?}"),
        }
    }

    /// Whose account an installation is of.
    ///
    /// # Panics
    /// If of nobody's.
    pub fn account(&mut self, who: Who) -> AccountId {
        match self.ask(who, Request::Status) {
            Ok(Response::Status { status }) => status.account.expect("an account"),
            other => panic!("{other:?}"),
        }
    }

    /// Sends a text to somebody.
    ///
    /// # Errors
    /// What the API says.
    pub fn try_send(&mut self, from: Who, to: &str, text: &str) -> Result<MessageId, Error> {
        match self.ask(from, Request::send(Whom::Address(address(to)), text))? {
            Response::Queued { message, .. } => Ok(message),
            other => panic!("{other:?}"),
        }
    }

    /// Sends a text to somebody.
    ///
    /// # Panics
    /// If it is refused.
    pub fn send(&mut self, from: Who, to: &str, text: &str) -> MessageId {
        self.try_send(from, to, text).expect("it is queued")
    }

    /// Somebody as an installation knows them.
    ///
    /// # Panics
    /// If it doesn't say.
    pub fn contact(&mut self, who: Who, name: &str) -> Option<Contact> {
        match self.ask(who, Request::Contacts) {
            Ok(Response::Contacts { contacts }) => {
                contacts.into_iter().find(|contact| contact.address.name().as_str() == name)
            }
            other => panic!("{other:?}"),
        }
    }

    /// Accepts somebody's request.
    ///
    /// # Panics
    /// If that is refused.
    pub fn accept(&mut self, who: Who, name: &str) {
        let answer = self.ask(who, Request::AcceptContact { who: Whom::Address(address(name)) });
        assert!(matches!(answer, Ok(Response::Contact { .. })), "{answer:?}");
    }

    /// A conversation.
    ///
    /// # Panics
    /// If it isn't told.
    pub fn history(&mut self, who: Who, conversation: ConversationId) -> Vec<Message> {
        match self.ask(who, Request::History { conversation, before: None, limit: 1_000 }) {
            Ok(Response::History { messages, .. }) => messages,
            other => panic!("{other:?}"),
        }
    }

    /// The texts of a conversation, own ones with `> ` before them.
    pub fn texts(&mut self, who: Who, with: AccountId) -> Vec<String> {
        let text = |message: Message| match message.body {
            Body::Text { text, .. } if message.outgoing => Some(format!("> {text}")),
            Body::Text { text, .. } => Some(text),
            _ => None,
        };
        self.history(who, ConversationId::Direct(with)).into_iter().filter_map(text).collect()
    }

    /// The notices of a conversation.
    pub fn notices(&mut self, who: Who, with: AccountId) -> Vec<Notice> {
        let notice = |message: Message| match message.body {
            Body::Notice { notice } => Some(notice),
            _ => None,
        };
        self.history(who, ConversationId::Direct(with)).into_iter().filter_map(notice).collect()
    }

    /// How far an outgoing message is.
    ///
    /// # Panics
    /// If there is no such message.
    pub fn state(&mut self, who: Who, with: AccountId, message: MessageId) -> MessageState {
        let all = self.history(who, ConversationId::Direct(with));
        let found = all.into_iter().find(|one| one.id == message);
        found.expect("the message").state.expect("a state")
    }

    /// The troubles that an installation was told of since last asked for events.
    pub fn troubles(&mut self, who: Who) -> Vec<Trouble> {
        let trouble = |event| match event {
            EventKind::Trouble { trouble } => Some(trouble),
            _ => None,
        };
        self.events(who).into_iter().filter_map(trouble).collect()
    }
}

/// Two people on a stage.
pub struct Two {
    /// Where they are.
    pub stage: Stage,
    /// The first.
    pub alice: Who,
    /// The second.
    pub bob: Who,
    /// Her account.
    pub alice_id: AccountId,
    /// His.
    pub bob_id: AccountId,
}

/// Alice and Bob, who have accounts.
pub fn two(seed: u64) -> Two {
    let mut stage = Stage::new(seed);
    let (alice, bob) = (stage.register("alice"), stage.register("bob"));
    let (alice_id, bob_id) = (stage.account(alice), stage.account(bob));
    Two { stage, alice, bob, alice_id, bob_id }
}

/// Alice and Bob, who have accepted each other: Alice has asked with "hello".
pub fn friends(seed: u64) -> Two {
    let mut two = two(seed);
    two.stage.send(two.alice, "bob", "hello");
    two.stage.advance(MINUTE);
    two.stage.accept(two.bob, "alice");
    two.stage.advance(MINUTE);
    two.stage.events(two.alice);
    two.stage.events(two.bob);
    two
}
