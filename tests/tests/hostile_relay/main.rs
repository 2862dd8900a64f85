//! A hostile relay, trick by trick: each test bears the name of what the relay does.
//!
//! What is expected is always the same: nothing is accepted that isn't genuine; what was under way arrives once the relay behaves
//! again; and the person is told where there is something to tell.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may; clippy knows that of test functions only"
)]

mod anonymity;
mod answers;
mod bundles;
mod contacts;
mod groups;
mod mailbox;
mod records;

use std::{cell::RefCell, rc::Rc};

use wheesht_core::{
    api::{MessageState, Trouble},
    proto::{
        ids::{AccountId, MessageId},
        relay::{Lookup, LookupOk, client_frame, relay_frame},
    },
};
use wheesht_tests::{
    hostile::{Hostile, Victim},
    stage::{
        Stage, Who,
        people::{MINUTE, Two},
    },
};

/// Changes what the relay says in answer to some questions.
struct Answers<F>(F);

impl<F: FnMut(Victim, &client_frame::Body, &mut relay_frame::Body)> Hostile for Answers<F> {
    fn answered(
        &mut self,
        victim: Victim,
        question: &client_frame::Body,
        mut answer: relay_frame::Body,
    ) -> relay_frame::Body {
        (self.0)(victim, question, &mut answer);
        answer
    }
}

/// Begins to lie in answer to questions.
fn lie(stage: &mut Stage, lies: impl FnMut(Victim, &client_frame::Body, &mut relay_frame::Body) + 'static) {
    stage.hostile = Some(Box::new(Answers(lies)));
}

/// The relay behaves again. Connections are cut, as an operator who repairs it would.
fn behave(stage: &mut Stage, people: &[Who]) {
    stage.hostile = None;
    for who in people {
        stage.disconnect(*who);
    }
}

/// What the relay says of a name.
fn look_up(stage: &mut Stage, name: &str) -> LookupOk {
    let lookup = client_frame::Body::Lookup(Lookup { name: name.to_owned() });
    match stage.anyone(lookup) {
        relay_frame::Body::LookupOk(found) => found,
        other => panic!("{other:?}"),
    }
}

/// Something that a trick counts or keeps, and its test looks at.
fn shared<T: Default>() -> (Rc<RefCell<T>>, Rc<RefCell<T>>) {
    let one = Rc::new(RefCell::new(T::default()));
    (Rc::clone(&one), one)
}

fn withheld(account: AccountId) -> impl Fn(&Trouble) -> bool {
    move |trouble| *trouble == Trouble::ManifestWithheld { account }
}

fn refused(trouble: &Trouble) -> bool {
    matches!(trouble, Trouble::RelayRefused { .. })
}

/// Each says something more, and it arrives once.
fn go_on(two: &mut Two) {
    let Two { stage, alice, bob, alice_id, bob_id } = two;
    let (ping, pong) = (stage.send(*alice, "bob", "ping"), stage.send(*bob, "alice", "pong"));
    stage.advance(40 * MINUTE);
    for (who, with, text) in [(*bob, *alice_id, "ping"), (*alice, *bob_id, "pong")] {
        let all = stage.texts(who, with);
        assert_eq!(all.iter().filter(|one| *one == text).count(), 1, "{all:?}");
    }
    delivered(stage, *alice, *bob_id, ping);
    delivered(stage, *bob, *alice_id, pong);
}

fn delivered(stage: &mut Stage, who: Who, with: AccountId, message: MessageId) {
    assert_eq!(stage.state(who, with, message), MessageState::Delivered);
}
